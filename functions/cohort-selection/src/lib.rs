//! `cohort-selection`: the campaign's rules on one snapshot part; an ordered list of candidates in the work bucket.
//!
//! Higher cohorts come first; within a cohort the lot decides. The same job again writes the same object.

use bytes::Bytes;
use ims_decision::preview::{self, PreviewPart};
use ims_decision::{DecisionError, Rules, RulesCache};
use ims_domain::PersonId;
use ims_domain::campaign::Wave;
use ims_messaging::{Bucket, MessagingError, ObjectError, PartJob, PreviewJob, SelectionJob, handle_each};
use ims_runtime::Service;
use ims_snapshot::{Manifest, Part, PersonRow, Selector, SnapshotError, read_parquet};
use ims_store::{Definition, PartResult, StoreError};
use jiff::civil::Date;
use serde_json::Value;
use thiserror::Error;

/// A candidate: place of the cohort, lot, person, dose, cohort. The list is ordered by these.
pub type Candidate = (u32, u64, PersonId, u8, String);

/// Why the function failed.
#[derive(Debug, Error)]
pub enum SelectionError {
    /// The event is not queue messages.
    #[error("the event cannot be read: {0}")]
    Event(#[from] serde_json::Error),
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

/// Handles queue messages.
///
/// # Errors
/// Where the event is no queue messages; a failed message is reported in the answer.
pub async fn handle(service: &Service, rules: &RulesCache, event: Value) -> Result<Value, SelectionError> {
    let answer = handle_each(serde_json::from_value(event)?, |job: SelectionJob| async move {
        match job {
            SelectionJob::Wave(job) => Box::pin(select(service, rules, job)).await,
            SelectionJob::Preview(job) => Box::pin(preview(service, rules, job)).await,
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
    let key = manifest.part_key::<PersonRow>(job.part).ok_or_else(|| absent(&format!("snapshot part {}", job.part)))?;
    let bytes = service.objects.read(Bucket::Snapshot, key).await?;
    let (people, eligible, candidates) = candidates(&rules, &wave, bytes.into(), wave.selected_on)?;
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
        people = result.people, eligible, candidates = result.candidates, "part selected"
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
    let people: Vec<PersonRow> = read_parquet(service.objects.read(Bucket::Snapshot, key).await?)?;
    let definition =
        Definition { campaign: draft.campaign, version: 0, rules: draft.rules, plan: draft.plan, authors: vec![] };
    let found = preview::preview(&Rules::new(definition)?, Some(&base), &people, draft.day)?;
    service.objects.put_json(Bucket::Work, &PreviewPart::key(&job.campaign, &job.draft, job.part), &found).await?;
    tracing::info!(campaign = %job.campaign, draft = %job.draft, part = job.part, "part previewed");
    Ok(())
}

/// How many people are in a part and how many are eligible, and who is to be invited, in order.
///
/// # Errors
/// Where no iteration of the campaign is live, or the part cannot be read.
pub fn candidates(
    rules: &Rules,
    wave: &Wave,
    part: Bytes,
    today: Date,
) -> Result<(u64, u64, Vec<Candidate>), SelectionError> {
    let iteration = rules.iteration(today)?;
    let places = rules.cohort_places();
    let cohorts: Vec<(u32, &str)> =
        iteration.cohort_labels().map(|label| (places.get(label).copied().unwrap_or(u32::MAX), label)).collect();
    let mut selector = Selector::new(&iteration, rules.plan(), today).limited_to(&wave.cohorts);
    let part = Part::read(part, &selector.needed_to_list())?;
    let (eligible, found) = selector.candidates(&part)?;
    let mut found: Vec<Candidate> = found
        .into_iter()
        .map(|candidate| {
            let (place, label) = cohorts[usize::from(candidate.cohort)];
            (place, candidate.lot, candidate.person, candidate.dose, label.to_owned())
        })
        .collect();
    // The place of a cohort is that among all iterations of the campaign.
    found.sort_unstable();
    Ok((part.people() as u64, eligible, found))
}

#[cfg(test)]
mod tests {
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
    async fn a_job_is_a_part_of_a_wave_or_of_a_preview() {
        let (of_wave, of_preview) = (
            PartJob { campaign: "flu".into(), wave: "w1".into(), part: 2 },
            PreviewJob { campaign: "flu".into(), draft: "d".into(), part: 2 },
        );
        let read = |text: String| serde_json::from_str::<SelectionJob>(&text).unwrap();
        assert_eq!(read(serde_json::to_string(&of_wave).unwrap()), SelectionJob::Wave(of_wave));
        assert_eq!(read(serde_json::to_string(&of_preview).unwrap()), SelectionJob::Preview(of_preview));
        assert!(serde_json::from_str::<SelectionJob>(r#"{"campaign": "flu", "part": 1}"#).is_err());
    }
}
