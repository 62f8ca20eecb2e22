//! `wave-planning`: campaigns are defined, waves planned, released, paused and stopped.
//!
//! A wave is pinned to one snapshot manifest and one version of its campaign. Every request may be repeated: a step that
//! is already taken answers with the wave as it stands.

mod ahead;
mod drafts;
mod release;

use ims_decision::{DecisionError, Rules};
use ims_domain::campaign::{ContactPlan, Wave, WaveState};
use ims_eligibility::{Campaign, Problem, mismatches, read_plan};
use ims_messaging::{Bucket, MessagingError, ObjectError, PartJob, Queue};
use ims_runtime::Service;
use ims_runtime::clock::ClockError;
use ims_snapshot::Manifest;
use ims_store::{Definition, StoreError};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;

/// What the function can be asked to do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Request {
    /// Store the next version of a campaign.
    Define {
        /// EliD campaign configuration.
        rules: Value,
        /// Contact plan.
        plan: Value,
    },
    /// Put a draft of a campaign's next version in force.
    Adopt {
        /// Campaign.
        campaign: String,
        /// Draft.
        draft: String,
    },
    /// Plan a wave that the contact plan names, on the current snapshot.
    Plan(Which),
    /// How far a wave is; completes its selection when all parts are in.
    Status(Which),
    /// Let a selected wave go.
    Release(Which),
    /// Hold a released wave; nothing more leaves.
    Pause(Which),
    /// Let a paused wave go on.
    Resume(Which),
    /// End a wave; what has not left is withdrawn.
    Stop(Which),
    /// Plan and release whatever is due on the business day: the schedule's request.
    #[serde(alias = "due")]
    Tick,
}

/// A wave of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Which {
    /// Campaign.
    pub campaign: String,
    /// Wave.
    pub wave: String,
}

/// A wave as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The wave.
    pub wave: Wave,
}

/// Why the function failed.
#[derive(Debug, Error)]
pub enum PlanningError {
    /// The request is not known.
    #[error("the request cannot be read: {0}")]
    Request(#[from] serde_json::Error),
    /// The campaign or its plan has mistakes.
    #[error("the campaign has {} mistakes: {}", .0.len(), .0.join("; "))]
    Invalid(Vec<String>),
    /// There is no such campaign, wave or snapshot.
    #[error("there is no {0}")]
    Unknown(String),
    /// The wave is in a state that does not allow this.
    #[error("wave '{wave}' of campaign '{campaign}' is {state}; it cannot be {action}")]
    State {
        /// Campaign.
        campaign: String,
        /// Wave.
        wave: String,
        /// Its state.
        state: &'static str,
        /// What was asked.
        action: &'static str,
    },
    /// The number of candidates is outside what was approved.
    #[error("wave '{wave}' has {candidates} candidates; campaign '{campaign}' was approved for {minimum} to {maximum}")]
    Approval {
        /// Campaign.
        campaign: String,
        /// Wave.
        wave: String,
        /// Candidates.
        candidates: u64,
        /// Fewest.
        minimum: u64,
        /// Most.
        maximum: u64,
    },
    /// Store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Objects.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// Queues.
    #[error(transparent)]
    Messaging(#[from] MessagingError),
    /// Rules.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// Clock.
    #[error(transparent)]
    Clock(#[from] ClockError),
}

/// Handles one request.
///
/// # Errors
/// Where the request cannot be read or carried out.
pub async fn handle(service: &Service, event: Value) -> Result<Value, PlanningError> {
    match serde_json::from_value(event)? {
        Request::Define { rules, plan } => define(service, rules, &plan).await,
        Request::Adopt { campaign, draft } => adopt(service, &campaign, &draft).await,
        Request::Plan(which) => status(plan(service, &which).await?),
        Request::Status(which) => status(progress(service, &which).await?),
        Request::Release(which) => status(release::release(service, &which).await?),
        Request::Pause(which) => status(turn(service, &which, WaveState::Released, WaveState::Paused, "paused").await?),
        Request::Resume(which) => status(release::resume(service, &which).await?),
        Request::Stop(which) => status(stop(service, &which).await?),
        Request::Tick => tick(service).await,
    }
}

fn status(wave: Wave) -> Result<Value, PlanningError> {
    Ok(serde_json::to_value(Status { wave })?)
}

/// The plan, where it and the rules beside it are right.
fn valid(rules: &[u8], plan: &Value) -> Result<ContactPlan, PlanningError> {
    let of_plan = |problems: Vec<Problem>| problems.into_iter().map(|problem| format!("plan.{problem}"));
    match (read_plan(plan), Campaign::parse(rules)) {
        (Ok(plan), Ok(campaign)) => {
            let problems = mismatches(&campaign, &plan);
            if problems.is_empty() { Ok(plan) } else { Err(PlanningError::Invalid(of_plan(problems).collect())) }
        }
        (plan, campaign) => {
            let of_rules = campaign.err().unwrap_or_default();
            let of_plan = of_plan(plan.err().unwrap_or_default());
            Err(PlanningError::Invalid(of_plan.chain(of_rules.iter().map(ToString::to_string)).collect()))
        }
    }
}

/// Stores the next version of a campaign; the same content again is not a new version.
async fn define(service: &Service, rules: Value, plan: &Value) -> Result<Value, PlanningError> {
    let bytes = serde_json::to_vec(&rules)?;
    let plan = valid(&bytes, plan)?;
    let campaign = plan.campaign.clone();
    let rules = String::from_utf8(bytes).unwrap_or_default();
    let latest = service.store.latest_definition(&campaign).await?;
    if let Some(latest) = latest.as_ref().filter(|latest| latest.rules == rules && latest.plan == plan) {
        return Ok(json!({"campaign": campaign, "version": latest.version}));
    }
    let version = latest.map_or(1, |latest| latest.version + 1);
    let definition = Definition { campaign: campaign.clone(), version, rules, plan };
    service.store.create_definition(&definition).await?;
    Ok(json!({"campaign": campaign, "version": version}))
}

/// Stores a draft as the next version, unless the version that it was compared with is no longer the latest.
async fn adopt(service: &Service, campaign: &str, draft: &str) -> Result<Value, PlanningError> {
    let found = service.store.draft(campaign, draft).await?;
    let unknown = || PlanningError::Unknown(format!("draft '{draft}' of campaign '{campaign}'"));
    let found = found.ok_or_else(unknown)?;
    let rules: Value = serde_json::from_str(&found.rules)?;
    let latest = service.store.latest_definition(campaign).await?.ok_or_else(unknown)?;
    let written = rules.to_string();
    if latest.version != found.base && latest.rules != written {
        let message =
            format!("draft '{draft}' was compared with version {}; the latest is {}", found.base, latest.version);
        return Err(PlanningError::Invalid(vec![message]));
    }
    define(service, rules, &serde_json::to_value(&found.plan)?).await
}

async fn latest(service: &Service, campaign: &str) -> Result<Rules, PlanningError> {
    let definition = service.store.latest_definition(campaign).await?;
    let definition = definition.ok_or_else(|| PlanningError::Unknown(format!("campaign '{campaign}'")))?;
    Ok(Rules::new(definition)?)
}

async fn wave(service: &Service, which: &Which) -> Result<Wave, PlanningError> {
    let wave = service.store.wave(&which.campaign, &which.wave).await?;
    wave.ok_or_else(|| PlanningError::Unknown(format!("wave '{}' of campaign '{}'", which.wave, which.campaign)))
}

/// Creates the wave and queues the selection of every part. Planned again, only the parts still missing are queued.
async fn plan(service: &Service, which: &Which) -> Result<Wave, PlanningError> {
    let rules = latest(service, &which.campaign).await?;
    let planned = rules.plan().waves.iter().find(|planned| planned.wave == which.wave);
    let planned = planned.ok_or_else(|| {
        PlanningError::Unknown(format!("wave '{}' in the contact plan of campaign '{}'", which.wave, which.campaign))
    })?;
    let today = service.clock.today().await?;
    rules.iteration(today)?;
    let pointer = service.store.manifest().await?;
    if pointer.version == 0 {
        return Err(PlanningError::Unknown("population snapshot yet; merge one first".to_owned()));
    }
    let manifest: Manifest = service.objects.read_json(Bucket::Snapshot, &Manifest::key(&pointer.manifest)).await?;
    let wave = Wave {
        campaign: which.campaign.clone(),
        wave: which.wave.clone(),
        state: WaveState::Selecting,
        selected_on: today,
        manifest: manifest.id,
        definition: rules.version(),
        cohorts: planned.cohorts.clone(),
        parts: manifest.parts,
        eligible: 0,
        candidates: 0,
        claims: 0,
        claims_sent: false,
    };
    let wave = match service.store.create_wave(&wave).await {
        Err(error) if error.is_condition() => self::wave(service, which).await?,
        created => created.map(|()| wave)?,
    };
    if wave.state == WaveState::Selecting {
        let done: Vec<u32> =
            service.store.parts(&which.campaign, &which.wave).await?.iter().map(|part| part.part).collect();
        let jobs: Vec<PartJob> = (0..wave.parts)
            .filter(|part| !done.contains(part))
            .map(|part| PartJob { campaign: which.campaign.clone(), wave: which.wave.clone(), part })
            .collect();
        service.queues.send(Queue::CohortSelection, &jobs).await?;
    }
    Ok(wave)
}

/// The wave, moved to `selected` when all its parts are in.
async fn progress(service: &Service, which: &Which) -> Result<Wave, PlanningError> {
    let mut wave = wave(service, which).await?;
    if wave.state != WaveState::Selecting {
        return Ok(wave);
    }
    let parts = service.store.parts(&which.campaign, &which.wave).await?;
    wave.eligible = parts.iter().map(|part| part.eligible).sum();
    wave.candidates = parts.iter().map(|part| part.candidates).sum();
    if u32::try_from(parts.len()).is_ok_and(|count| count < wave.parts) {
        return Ok(wave);
    }
    wave.state = WaveState::Selected;
    match service.store.move_wave(&wave, WaveState::Selecting).await {
        Err(error) if error.is_condition() => self::wave(service, which).await,
        moved => Ok(moved.map(|()| wave)?),
    }
}

/// Moves a wave from one state to another; being there already is no error.
async fn turn(
    service: &Service,
    which: &Which,
    from: WaveState,
    to: WaveState,
    action: &'static str,
) -> Result<Wave, PlanningError> {
    let held = wave(service, which).await?;
    if held.state == to {
        return Ok(held);
    }
    let state = held.state.name();
    let refused = || PlanningError::State { campaign: which.campaign.clone(), wave: which.wave.clone(), state, action };
    if held.state != from {
        return Err(refused());
    }
    let moved = Wave { state: to, claims_sent: false, ..held };
    match service.store.move_wave(&moved, from).await {
        Err(error) if error.is_condition() => Err(refused()),
        done => Ok(done.map(|()| moved)?),
    }
}

async fn stop(service: &Service, which: &Which) -> Result<Wave, PlanningError> {
    let from = wave(service, which).await?.state;
    turn(service, which, from, WaveState::Stopped, "stopped").await
}

/// Plans waves whose day has come, releases those that are selected, keeps the selection of those that come soon, and removes
/// old drafts.
async fn tick(service: &Service) -> Result<Value, PlanningError> {
    let today = service.clock.today().await?;
    let (mut done, mut kept) = (Vec::new(), Vec::new());
    for campaign in service.store.campaigns().await? {
        let rules = latest(service, &campaign).await?;
        let due: Vec<(String, Date)> = rules
            .plan()
            .waves
            .iter()
            .filter(|wave| wave.on <= today)
            .map(|wave| (wave.wave.clone(), wave.on))
            .collect();
        for (name, _) in due {
            let which = Which { campaign: campaign.clone(), wave: name };
            let wave = match service.store.wave(&which.campaign, &which.wave).await? {
                None => plan(service, &which).await?,
                Some(_) => progress(service, &which).await?,
            };
            let wave = if release::is_owed(&wave) { release::release(service, &which).await? } else { wave };
            done.push(json!({"campaign": which.campaign, "wave": which.wave, "state": wave.state}));
        }
        drafts::remove(service, &campaign, Timestamp::now()).await?;
        if ahead::keep(service, &rules, today).await? {
            kept.push(campaign);
        }
    }
    Ok(json!({"day": today, "waves": done, "kept": kept}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_releases_what_is_selected_and_finishes_what_a_crash_left() {
        let wave = |state, claims_sent| Wave {
            campaign: "flu-2025".into(),
            wave: "w1".into(),
            state,
            selected_on: Date::constant(2025, 10, 6),
            manifest: "m".into(),
            definition: 1,
            cohorts: vec![],
            parts: 1,
            eligible: 0,
            candidates: 0,
            claims: 0,
            claims_sent,
        };
        for (state, claims_sent, owed) in [
            (WaveState::Selecting, false, false),
            (WaveState::Selected, false, true),
            (WaveState::Released, false, true),
            (WaveState::Released, true, false),
            (WaveState::Paused, false, false),
            (WaveState::Stopped, false, false),
        ] {
            assert_eq!(release::is_owed(&wave(state, claims_sent)), owed, "{state:?} {claims_sent}");
        }
    }

    #[test]
    fn every_request_in_the_fixtures_is_understood() {
        let requests: Vec<Value> = serde_json::from_str(include_str!("../fixtures/requests.json")).unwrap();
        for request in requests {
            let text = request.to_string();
            assert!(serde_json::from_value::<Request>(request).is_ok(), "{text}");
        }
        assert!(serde_json::from_value::<Request>(json!({"action": "launch"})).is_err());
    }
}
