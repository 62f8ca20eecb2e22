//! Applies chunks of feed files to people's records, and acknowledges a file once all its rows are answered.
//!
//! A chunk may be delivered again at any point: its rows answer as they did at first, its answer is kept from the first
//! time, and the acknowledgement is made from the kept answers alone, so that every maker makes the same one. A row that
//! came before what it needs waits until the file's other rows are answered.

mod acknowledge;
pub mod bookings;
mod capacity;
pub mod chunk;
pub mod cleansing;
pub mod cohorts;
pub mod demographics;
pub mod details;
mod early;
pub mod feed;
pub mod fields;
pub mod groups;
#[cfg(test)]
mod histories;
pub mod lists;
pub mod rows;
mod rules;
pub mod unmatched;

use futures::{StreamExt, TryStreamExt, stream};
use ims_domain::record::Outcome;
use ims_messaging::{Bucket, ChunkJob, MessagingError, ObjectError, handle_each};
use ims_runtime::auth::Permissions;
use ims_runtime::clock::ClockError;
use ims_runtime::{Service, Trigger, UnknownEvent, metric};
use ims_store::{
    Actor, AuditEntry, ChunkState, FeedFile, FeedFileState, Holders, RowFailure, Store, StoreError, Table, keys,
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use chunk::{Chunk, ChunkResult, Unmatched, result_key};
use lists::Joined;
use rows::{Context, Prepared};

/// Groups of rows applied at the same time.
const CONCURRENCY: usize = 12;

/// Why a chunk could not be worked on; it comes again.
#[derive(Debug, Error)]
pub enum IngestError {
    /// Tables.
    #[error("file {file}, chunk {chunk}: the store failed")]
    Store {
        /// File.
        file: String,
        /// Chunk.
        chunk: u32,
        /// Cause.
        #[source]
        source: StoreError,
    },
    /// The event is not known.
    #[error(transparent)]
    Event(#[from] UnknownEvent),
    /// The matching queue.
    #[error("the matching queue cannot be read")]
    Queue(#[source] StoreError),
    /// Buckets.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// Queues.
    #[error(transparent)]
    Messaging(#[from] MessagingError),
    /// Business clock.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The file's item is not there, or names no feed.
    #[error("file {0} is not known, or its item names no feed")]
    UnknownFile(String),
    /// The built-in permissions cannot be read, or an answer cannot be written.
    #[error("JSON that cannot be read or written")]
    Json(#[from] serde_json::Error),
}

/// What the function can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Request {
    /// Count the records that wait to be matched, for the alarm.
    Matching,
}

/// Works on a batch of chunks, of which those that failed are reported and come again; or answers a request.
///
/// # Errors
/// Where the event is neither, or the request cannot be answered.
pub async fn handle(service: &Service, event: Value) -> Result<Value, IngestError> {
    match Trigger::<Request>::read(event)? {
        Trigger::Messages(event) => {
            let answer = handle_each(event, |job: ChunkJob| ingest(service, job)).await;
            Ok(serde_json::to_value(answer)?)
        }
        Trigger::Request(Request::Matching) => {
            let now = Timestamp::now();
            let before = now.checked_sub(unmatched::ALARM).unwrap_or(Timestamp::MIN);
            let count = service.store.matching_count(before).await.map_err(IngestError::Queue)?;
            metric::count(service.settings.stage(), now, &[("MatchingOpen", count.open), ("MatchingLate", count.old)]);
            Ok(serde_json::to_value(count)?)
        }
    }
}

async fn ingest(service: &Service, job: ChunkJob) -> Result<(), IngestError> {
    let failed = |source| IngestError::Store { file: job.file.clone(), chunk: job.chunk, source };
    let store = &service.store;
    let file = store.file(&job.file).await.map_err(failed)?;
    let file = file.ok_or_else(|| IngestError::UnknownFile(job.file.clone()))?;
    // Done, or held back or refused since: nothing of it is applied.
    if file.state != FeedFileState::Preprocessed {
        return Ok(());
    }
    let is_answered = store.get(Table::File, keys::chunk(&job.file, job.chunk)).await.map_err(failed)?.is_some();
    if let Some(list) = file.list.as_ref().filter(|_| job.chunk >= file.chunks) {
        if !is_answered && !lists::go_through(service, &file, list, &job).await? {
            return Ok(());
        }
    } else if !is_answered {
        let result = answer(service, &file, &job).await?;
        let state = ChunkState {
            chunk: job.chunk,
            accepted: result.accepted,
            rejected: result.failures.len() as u64,
            object: result_key(&job.file, job.chunk),
        };
        store.put_chunk(&job.file, &state).await.map_err(failed)?;
        tracing::info!(file = %job.file, chunk = job.chunk, accepted = state.accepted, rejected = state.rejected, "chunk answered");
    }
    acknowledge::if_complete(service, file, job.chunk).await
}

/// What the rows of a file are judged by.
async fn context(service: &Service, file: &FeedFile, order: &str) -> Result<Context, IngestError> {
    let permissions = Permissions::built_in(service.settings.is_sandbox())?;
    let today = service.clock.today().await?;
    let context = Context::of(file, order, today, &permissions);
    context.ok_or_else(|| IngestError::UnknownFile(file.name.clone()))
}

/// Applies a chunk's rows and keeps the answer; where one is kept already, that one holds.
async fn answer(service: &Service, file: &FeedFile, job: &ChunkJob) -> Result<ChunkResult, IngestError> {
    let chunk: Chunk = service.objects.read_json(Bucket::Work, &job.object).await?;
    let context = context(service, file, &chunk.order).await?;
    let store_failed = |source| IngestError::Store { file: file.name.clone(), chunk: job.chunk, source };
    let result = if context.feed == feed::Feed::Capacity {
        capacity::keep(service, &context, job.chunk, &chunk).await?
    } else {
        apply_chunk(&service.store, &context, job.chunk, &chunk).await.map_err(store_failed)?
    };
    let key = result_key(&file.name, job.chunk);
    let bytes = serde_json::to_vec(&result)?;
    if service.objects.create(Bucket::Work, &key, bytes, "application/json").await? {
        return Ok(result);
    }
    Ok(service.objects.read_json(Bucket::Work, &key).await?)
}

/// Reads the rows of a chunk with this number and applies those that are in order.
///
/// # Errors
/// Where the tables cannot be reached; rows that were applied stay so, and are known when the chunk comes again.
pub async fn apply_chunk(
    store: &Store,
    context: &Context,
    number: u32,
    chunk: &Chunk,
) -> Result<ChunkResult, StoreError> {
    let started = Timestamp::now();
    let total = chunk.rows.len() as u64;
    let (mut prepared, mut failures, mut changed) = (Vec::with_capacity(chunk.rows.len()), Vec::new(), Vec::new());
    for (row, values) in &chunk.rows {
        match rows::read(context, *row, values) {
            Ok(read) => {
                changed.extend(cleansing::rules(context.feed, values, &read).into_iter().map(|rule| (*row, rule)));
                prepared.push(read);
            }
            Err(failure) => failures.push(failure),
        }
    }
    // Each person's entry names its rows; this one says of the supplier that the chunk was taken up.
    let run = AuditEntry::new(started, &context.supplier, "feed", format!("{} chunk {number}", context.file));
    store.audit(&run.counting(chunk.rows.len())).await?;
    let applied = apply(store, context, prepared, started, true).await?;
    failures.extend(applied.failures);
    failures.sort_by_key(|failure| failure.row);
    let accepted = total - (failures.len() + applied.early.len()) as u64;
    let Applied { early, unmatched, .. } = applied;
    let cleansed = cleansing::of_accepted(changed, &failures, &early);
    Ok(ChunkResult { started, ended: Timestamp::now(), accepted, failures, early, unmatched, cleansed })
}

/// What became of rows that were not accepted.
#[derive(Debug, Default)]
struct Applied {
    failures: Vec<RowFailure>,
    early: Vec<u64>,
    unmatched: Vec<Unmatched>,
}

/// Applies rows, those that concern each other in their order. Where `may_wait`, rows that lack what they need wait;
/// otherwise they are refused.
async fn apply(
    store: &Store,
    context: &Context,
    prepared: Vec<Prepared>,
    started: Timestamp,
    may_wait: bool,
) -> Result<Applied, StoreError> {
    let numbers = prepared.iter().filter_map(|row| row.number);
    let joined = Joined::of(&prepared);
    let holders = &store.holders(numbers, prepared.iter().filter_map(Prepared::immunisation)).await?;
    let (prepared, mut early) = if may_wait { early::part(prepared, holders) } else { (prepared, Vec::new()) };
    let groups: Vec<Applied> = stream::iter(groups::group(prepared))
        .map(|group| apply_group(store, holders, context, group, started, may_wait))
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
    let purpose = format!("{} older than a full list", context.file);
    joined.end_older(store, &Actor::new(&context.supplier, "feed", purpose, started)).await?;
    let (mut failures, mut unmatched) = (Vec::new(), Vec::new());
    for group in groups {
        failures.extend(group.failures);
        early.extend(group.early);
        unmatched.extend(group.unmatched);
    }
    early.sort_unstable();
    unmatched.sort_by_key(|row| row.row);
    Ok(Applied { failures, early, unmatched })
}

/// Applies the rows of a group in their order; gives back those that were not accepted.
async fn apply_group(
    store: &Store,
    holders: &Holders,
    context: &Context,
    group: Vec<Prepared>,
    at: Timestamp,
    may_wait: bool,
) -> Result<Applied, StoreError> {
    let mut applied = Applied::default();
    for run in groups::runs(&group) {
        let rows: Vec<String> = run.iter().map(|row| row.row.to_string()).collect();
        let actor = Actor::new(&context.supplier, "feed", format!("{} rows {}", context.file, rows.join(",")), at);
        let changes: Vec<_> = run.iter().map(|row| row.change.clone()).collect();
        match store.apply_known(holders, run[0].number, &changes, &actor).await {
            Ok(answers) => {
                for (row, answer) in run.iter().zip(answers) {
                    if may_wait && answer.outcome == Outcome::NotFound {
                        applied.early.push(row.row);
                        continue;
                    }
                    let refusal = row.refusal(answer.outcome);
                    if refusal.is_none() && !answer.unmatched.is_empty() {
                        applied.unmatched.push(row.unmatched(answer.unmatched));
                    }
                    applied.failures.extend(refusal);
                }
            }
            // One unreadable record must not hold up the file: coming again would not mend it.
            Err(error @ (StoreError::Item { .. } | StoreError::TooLarge(_))) => {
                tracing::error!(file = %context.file, rows = %rows.join(","), error = %error, "rows cannot be applied");
                let diagnostics = "Server error: the record that is held cannot be changed";
                applied.failures.extend(run.iter().map(|row| row.refused(diagnostics.to_owned())));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(applied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_a_batch_of_chunk_jobs() {
        let event = serde_json::from_str(include_str!("../fixtures/chunk-jobs.json")).unwrap();
        let Trigger::Messages(event) = Trigger::<Request>::read(event).unwrap() else { panic!("messages") };
        let body: serde_json::Value = serde_json::from_str(event.records[0].body.as_deref().unwrap()).unwrap();
        let job: ChunkJob = serde_json::from_value(body["body"].clone()).unwrap();
        assert_eq!((job.chunk, job.object), (1, chunk::chunk_key(&job.file, 1)));
    }

    #[test]
    fn a_schedule_asks_for_the_count_of_what_waits() {
        let asked = Trigger::<Request>::read(serde_json::json!({"action": "matching"})).unwrap();
        assert!(matches!(asked, Trigger::Request(Request::Matching)));
        assert!(Trigger::<Request>::read(serde_json::json!({"action": "else"})).is_err());
    }
}
