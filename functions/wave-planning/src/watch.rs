//! The watch over waves: what each has come to beside what is expected of it. Alarms are metrics, and words for the
//! console; a wave whose going on would do harm is paused at once, in the function's own name.

use std::collections::BTreeMap;

use ims_domain::wave::{Wave, WaveAction, WaveState};
use ims_messaging::Bucket;
use ims_runtime::{Service, metric};
use ims_uptake::watch::{Alarm, CampaignProgress, Course, WaveProgress, alarms, response};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::{PlanningError, Which, govern};

/// Object in the exports bucket that holds the alarms, for the console.
const ALARMS: &str = "watch/alarms.json";

fn course(wave: Option<&Wave>, planned: Date) -> Course {
    match wave.map(|wave| (wave.state, wave.released_on)) {
        None => Course::Waits(planned),
        Some((WaveState::Released, released)) => Course::Runs(released.unwrap_or(planned)),
        Some((WaveState::Paused | WaveState::Stopped | WaveState::Closed, _)) => Course::Held,
        // Released before, and stopped: it waits for people, who know.
        Some((_, Some(_))) => Course::Held,
        Some((_, None)) => Course::Waits(planned),
    }
}

/// Looks at every wave of every campaign.
pub(crate) async fn watch(service: &Service) -> Result<Value, PlanningError> {
    let today = service.clock.today().await?;
    let mut counts: BTreeMap<&'static str, u64> = Alarm::METRICS.into_iter().map(|name| (name, 0)).collect();
    let mut raised = Vec::new();
    for campaign in service.store.campaigns().await? {
        let plan = crate::latest(service, &campaign).await?;
        let waves = service.store.waves(&campaign).await?;
        let known = service.objects.get(Bucket::Exports, &CampaignProgress::key(&campaign)).await?;
        let known: CampaignProgress =
            known.map(|bytes| serde_json::from_slice(&bytes)).transpose()?.unwrap_or_default();
        // Waves of the plan that nobody planned are late too.
        let mut names: BTreeMap<&str, Date> =
            plan.plan().waves.iter().map(|planned| (planned.wave.as_str(), planned.on)).collect();
        for wave in &waves {
            names.entry(&wave.wave).or_insert(wave.selected_on);
        }
        let nothing = WaveProgress::default();
        for (name, planned) in names {
            let wave = waves.iter().find(|wave| wave.wave == name);
            let released = wave.and_then(|wave| wave.released_on);
            let earlier = waves.iter().filter_map(|other| {
                let on = other.released_on.filter(|on| released.is_some_and(|released| *on < released))?;
                Some((known.waves.get(&other.wave)?, on))
            });
            let progress = known.waves.get(name).unwrap_or(&nothing);
            let candidates = wave.map_or(0, |wave| wave.candidates);
            let found = alarms(course(wave, planned), candidates, progress, today, response(earlier));
            if let Some(harm) = found.iter().find(|alarm| alarm.pauses()) {
                pause(service, &campaign, name, harm).await?;
            }
            for alarm in found {
                *counts.entry(alarm.metric()).or_default() += 1;
                let text = alarm.to_string();
                tracing::warn!(campaign, wave = name, alarm = %text, "a wave needs attention");
                raised.push(json!({"campaign": campaign, "wave": name, "alarm": alarm, "text": text}));
            }
        }
    }
    let now = Timestamp::now();
    let counted: Vec<(&str, u64)> = counts.into_iter().collect();
    metric::count(service.settings.stage(), now, &counted);
    let told = json!({"at": now, "day": today, "alarms": raised});
    service.objects.put_json(Bucket::Exports, ALARMS, &told).await?;
    Ok(told)
}

/// Pauses a wave that still runs; somebody resumes it, having seen why.
async fn pause(service: &Service, campaign: &str, wave: &str, harm: &Alarm) -> Result<(), PlanningError> {
    let which = Which { campaign: campaign.to_owned(), wave: wave.to_owned() };
    // What a planner has seen and resumed is not paused for the same again on the same day.
    let seen = service.store.wave(campaign, wave).await?.is_some_and(|wave| resumed_today(&wave));
    if seen {
        return Ok(());
    }
    match govern::take(service, &govern::schedule(), WaveAction::Pause, &which, None, &harm.to_string()).await {
        // Somebody paused, stopped or closed it first.
        Ok(_) | Err(PlanningError::Refused(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether the last thing done was that somebody resumed it after the watch paused it, less than a day ago.
fn resumed_today(wave: &Wave) -> bool {
    let [.., paused, resumed] = wave.deeds.as_slice() else { return false };
    let is_own = paused.action == WaveAction::Pause && paused.by == govern::schedule().name;
    let age = Timestamp::now().duration_since(resumed.at);
    is_own && resumed.action == WaveAction::Resume && age < jiff::SignedDuration::from_hours(24)
}
