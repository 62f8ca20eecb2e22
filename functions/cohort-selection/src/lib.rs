//! `cohort-selection`: the campaign's rules on one snapshot part; an ordered list of candidates in the work bucket.
//!
//! Higher cohorts come first; within a cohort the lot decides. A wave that has a plan takes of each kind of candidate as many as
//! the plan says. The same job again writes the same object. Where the selection of an earlier day was kept, only those are looked
//! at who can have changed since.

mod kept;
mod planning;

use ims_decision::{DecisionError, Rules, RulesCache};
use ims_domain::PersonId;
use ims_domain::wave::Wave;
use ims_messaging::{Bucket, KeepJob, MessagingError, ObjectError, PartJob, PreviewJob, SelectionJob, handle_each};
use ims_runtime::clock::ClockError;
use ims_runtime::{Service, Trigger, UnknownEvent};
use ims_snapshot::{Kept, Manifest, PersonRow, SnapshotError, Version, compare, read_parquet};
use ims_store::{Definition, PartResult, StoreError};
use serde_json::Value;
use thiserror::Error;

pub use planning::{PlanError, Request};

/// A candidate: place of the cohort, lot, person, dose, cohort. The list is ordered by these. Where the wave has a plan, the place
/// has the plan's day before the cohort's place: 65,536 for each.
pub type Candidate = (u32, u64, PersonId, u8, String);

/// Why the function failed.
#[derive(Debug, Error)]
pub enum SelectionError {
    /// The event is neither queue messages nor a request.
    #[error(transparent)]
    Event(#[from] UnknownEvent),
    /// An object of a plan, or an answer, is not what it should be.
    #[error("JSON that cannot be read or written: {0}")]
    Json(#[from] serde_json::Error),
    /// Plans.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Business clock.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// Something that must be there is not.
    #[error("there is no {0}")]
    Absent(String),
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
    /// Parquet.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// Handles queue messages, or a request about a plan.
///
/// # Errors
/// Where the event is neither, or a request cannot be carried out; a failed message is reported in the answer.
pub async fn handle(service: &Service, rules: &RulesCache, event: Value) -> Result<Value, SelectionError> {
    let messages = match Trigger::<Request>::read(event)? {
        Trigger::Messages(messages) => messages,
        Trigger::Request(request) => return Box::pin(planning::answer(service, rules, request)).await,
    };
    let answer = handle_each(messages, |job: SelectionJob| async move {
        match job {
            SelectionJob::Wave(job) => Box::pin(select(service, rules, job)).await,
            SelectionJob::Preview(job) => Box::pin(preview(service, rules, job)).await,
            SelectionJob::Plan(job) => Box::pin(planning::count_part(service, rules, job)).await,
            SelectionJob::Keep(job) => Box::pin(keep(service, rules, job)).await,
        }
    })
    .await;
    Ok(serde_json::to_value(answer)?)
}

async fn select(service: &Service, rules: &RulesCache, job: PartJob) -> Result<(), SelectionError> {
    let absent = |what: &str| SelectionError::Absent(format!("{what} of campaign '{}'", job.campaign));
    let wave = service.store.wave(&job.campaign, &job.wave).await?.ok_or_else(|| absent(&job.wave))?;
    let rules = rules.get(&service.store, &job.campaign, wave.definition).await?;
    let manifest: Manifest = service.objects.read_json(Bucket::Snapshot, &Manifest::key(&wave.manifest)).await?;
    let asked = kept::Asked { rules: &rules, manifest: &manifest, part: job.part, day: wave.selected_on };
    let (kept, decided) = kept::select(service, &asked).await?;
    let (eligible, mut candidates) = (kept.eligible(), candidates(&rules, &wave, &kept)?);
    let people = manifest.part::<PersonRow>(job.part).map_or(0, |part| part.rows);
    if let Some((draft, quota)) = planning::quota(service, &job.campaign, (&job.wave, wave.parts), job.part).await? {
        let key = manifest.part_key::<PersonRow>(job.part);
        let key = key.ok_or_else(|| absent(&format!("snapshot part {}", job.part)))?;
        let rows: Vec<PersonRow> = read_parquet(service.objects.read(Bucket::Snapshot, key).await?)?;
        candidates = planning::taken(candidates, &rows, &draft, quota);
    }
    let result = PartResult {
        part: job.part,
        people,
        eligible,
        candidates: u64::try_from(candidates.len()).unwrap_or(u64::MAX),
        object: format!("waves/{}/{}/parts/{:05}.json", job.campaign, job.wave, job.part),
    };
    service.objects.put_json(Bucket::Work, &result.object, &candidates).await?;
    service.store.put_part(&job.campaign, &job.wave, &result).await?;
    tracing::info!(
        campaign = %job.campaign, wave = %job.wave, part = job.part,
        people = result.people, eligible, candidates = result.candidates, ?decided, "part selected"
    );
    Ok(())
}

/// Brings the kept selection of a part up to date, so that a wave to come finds little left to do.
async fn keep(service: &Service, rules: &RulesCache, job: KeepJob) -> Result<(), SelectionError> {
    let rules = rules.get(&service.store, &job.campaign, job.definition).await?;
    let manifest: Manifest = service.objects.read_json(Bucket::Snapshot, &Manifest::key(&job.manifest)).await?;
    let asked = kept::Asked { rules: &rules, manifest: &manifest, part: job.part, day: job.day };
    let (kept, decided) = kept::select(service, &asked).await?;
    tracing::info!(
        campaign = %job.campaign, part = job.part, eligible = kept.eligible(), candidates = kept.candidates().len(), ?decided,
        "selection kept"
    );
    Ok(())
}

/// Counts whom a draft would select in a part, beside the version in force. The same job again writes the same object.
async fn preview(service: &Service, rules: &RulesCache, job: PreviewJob) -> Result<(), SelectionError> {
    let absent = |what: &str| SelectionError::Absent(format!("{what} of campaign '{}'", job.campaign));
    let draft = service.store.draft(&job.campaign, &job.draft).await?;
    let draft = draft.ok_or_else(|| absent(&format!("draft '{}'", job.draft)))?;
    let base = rules.get(&service.store, &job.campaign, draft.base).await?;
    let manifest: Manifest = service.objects.read_json(Bucket::Snapshot, &Manifest::key(&draft.manifest)).await?;
    let key = manifest.part_key::<PersonRow>(job.part).ok_or_else(|| absent(&format!("snapshot part {}", job.part)))?;
    let bytes = service.objects.read(Bucket::Snapshot, key).await?;
    let definition =
        Definition { campaign: draft.campaign, version: 0, rules: draft.rules, plan: draft.plan, authors: vec![] };
    let new = Rules::new(definition)?;
    let iteration = new.iteration(draft.day)?;
    let in_force = match base.iteration(draft.day) {
        // Nobody is invited by a version that is not in force on the day.
        Err(DecisionError::NotLive { .. }) => None,
        live => Some(live?),
    };
    let in_force = in_force.as_deref().map(|rules| Version { rules, plan: base.plan() });
    let found = compare(bytes.into(), Version { rules: &iteration, plan: new.plan() }, in_force, draft.day)?;
    service.objects.put_json(Bucket::Work, &job.object(), &found).await?;
    tracing::info!(campaign = %job.campaign, draft = %job.draft, part = job.part, "part previewed");
    Ok(())
}

/// Who of a part is to be invited in a wave, in order.
///
/// # Errors
/// Where no iteration of the campaign is live.
fn candidates(rules: &Rules, wave: &Wave, kept: &Kept) -> Result<Vec<Candidate>, SelectionError> {
    let iteration = rules.iteration(wave.selected_on)?;
    let places = rules.cohort_places();
    let wanted = |label: &str| wave.cohorts.is_empty() || wave.cohorts.iter().any(|cohort| cohort == label);
    let cohorts: Vec<(u32, &str, bool)> = iteration
        .cohort_labels()
        .map(|label| (places.get(label).copied().unwrap_or(u32::MAX), label, wanted(label)))
        .collect();
    let mut found = Vec::new();
    for candidate in kept.candidates() {
        let (place, label, wanted) = cohorts[usize::from(candidate.cohort)];
        if wanted {
            found.push((place, candidate.lot, candidate.person, candidate.dose, label.to_owned()));
        }
    }
    // The place of a cohort is that among all iterations of the campaign.
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use ims_messaging::PlanJob;

    use super::*;

    #[tokio::test]
    async fn the_fixture_is_a_part_of_a_wave() {
        let event = serde_json::from_str(include_str!("../fixtures/part-jobs.json")).unwrap();
        let mut seen = Vec::new();
        let answer = handle_each(event, |job: PartJob| {
            seen.push((job.campaign, job.wave, job.part));
            async { Ok::<(), std::io::Error>(()) }
        })
        .await;
        assert!(answer.batch_item_failures.is_empty());
        assert_eq!(seen, [("flu-2025".to_owned(), "w1".to_owned(), 0)]);
    }

    #[tokio::test]
    async fn a_job_is_a_part_of_a_wave_of_a_preview_of_a_plan_or_of_what_is_kept() {
        let (of_wave, of_preview, of_plan) = (
            PartJob { campaign: "flu".into(), wave: "w1".into(), part: 2 },
            PreviewJob { campaign: "flu".into(), draft: "d".into(), part: 2 },
            PlanJob { campaign: "flu".into(), plan: "d".into(), part: 2 },
        );
        let read = |text: String| serde_json::from_str::<SelectionJob>(&text).unwrap();
        assert_eq!(read(serde_json::to_string(&of_wave).unwrap()), SelectionJob::Wave(of_wave));
        assert_eq!(read(serde_json::to_string(&of_preview).unwrap()), SelectionJob::Preview(of_preview));
        assert_eq!(read(serde_json::to_string(&of_plan).unwrap()), SelectionJob::Plan(of_plan));
        let of_kept = KeepJob {
            campaign: "flu".into(),
            definition: 3,
            manifest: "00000007-a".into(),
            day: jiff::civil::date(2025, 10, 6),
            part: 2,
        };
        assert_eq!(read(serde_json::to_string(&of_kept).unwrap()), SelectionJob::Keep(of_kept));
        assert!(serde_json::from_str::<SelectionJob>(r#"{"campaign": "flu", "part": 1}"#).is_err());
    }
}
