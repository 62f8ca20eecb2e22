//! Ahead of a wave its selection is kept up to date, once a business day, so that on its day little is left to do.

use ims_decision::Rules;
use ims_messaging::{Bucket, KeepJob, Queue};
use ims_runtime::Service;
use ims_snapshot::Manifest;
use jiff::Span;
use jiff::civil::Date;

use crate::PlanningError;

/// Days ahead of a wave on which its selection is kept.
const AHEAD: i64 = 7;

/// Whether a wave of the plan comes soon after a day.
fn is_soon(rules: &Rules, today: Date) -> bool {
    let until = today.checked_add(Span::new().days(AHEAD)).unwrap_or(today);
    rules.plan().waves.iter().any(|wave| today < wave.on && wave.on <= until)
}

/// Queues what is to be kept of a campaign, unless that was done today; whether it was done now.
pub(crate) async fn keep(service: &Service, rules: &Rules, today: Date) -> Result<bool, PlanningError> {
    let campaign = &rules.plan().campaign;
    if !is_soon(rules, today) || rules.iteration(today).is_err() {
        return Ok(false);
    }
    let done = (rules.version(), today);
    if service.store.kept_on(campaign).await? == Some(done) {
        return Ok(false);
    }
    let pointer = service.store.manifest().await?;
    if pointer.version == 0 {
        return Ok(false);
    }
    let manifest: Manifest = service.objects.read_json(Bucket::Snapshot, &Manifest::key(&pointer.manifest)).await?;
    let job = |part| KeepJob {
        campaign: campaign.clone(),
        definition: rules.version(),
        manifest: manifest.id.clone(),
        day: today,
        part,
    };
    let jobs: Vec<KeepJob> = (0..manifest.parts).map(job).collect();
    service.queues.send(Queue::CohortSelection, &jobs).await?;
    // Noted last: what dies before is queued again, and the same jobs keep the same.
    service.store.note_kept(campaign, done).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ims_store::Definition;
    use jiff::civil::date;

    #[test]
    fn a_selection_is_kept_in_the_week_before_a_wave() {
        let rules = include_str!("../../../tests/campaigns/flu.json").to_owned();
        let plan: ims_domain::campaign::ContactPlan =
            serde_json::from_str(include_str!("../../../tests/campaigns/flu.plan.json")).unwrap();
        let first = plan.waves.iter().map(|wave| wave.on).min().unwrap();
        assert_eq!(first, date(2025, 10, 6));
        let rules =
            Rules::new(Definition { campaign: plan.campaign.clone(), version: 1, rules, plan, authors: vec![] })
                .unwrap();
        assert!(!is_soon(&rules, date(2025, 9, 28)));
        assert!(is_soon(&rules, date(2025, 9, 29)) && is_soon(&rules, date(2025, 10, 5)));
        assert!(!is_soon(&rules, first), "its day: it is selected");
    }
}
