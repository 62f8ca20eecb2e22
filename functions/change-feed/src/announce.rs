//! Events: that a record changed and where to read it, never whom it is about.

use std::collections::HashMap;

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use futures::{StreamExt, TryStreamExt, stream};
use ims_runtime::settings::optional;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::change::ORGANISATION;
use crate::{Change, ChangeFeed, ChangeFeedError, Operation, Row, Subscriber};

/// `source` of the events.
const SOURCE: &str = "ims.record";
/// `detail-type` of the events.
const DETAIL_TYPE: &str = "vaccination-record-change";
/// Events that one request may hold.
const AT_ONCE: usize = 10;
/// Requests under way at once.
const UNDER_WAY: usize = 4;
/// Attempts at entries that the bus did not take.
const ATTEMPTS: u32 = 5;

/// An event's `detail`.
#[derive(Debug, Serialize)]
struct Detail<'a> {
    /// The same however often the change is announced.
    id: Uuid,
    subscriber: &'a str,
    sequence: u64,
    immunisation: &'a str,
    version: u32,
    action: Operation,
    vaccine_type: &'a str,
    supplier: &'a str,
    organisation: &'a str,
    practice: &'a str,
    subject_age: Option<i16>,
    dataref: String,
}

/// Announces the rows of a change file. `changes` are those of which more is known than the file says; rows that another
/// writer left unannounced are announced without.
pub(crate) async fn announce(
    feed: &ChangeFeed,
    subscriber: &Subscriber,
    changes: &[Change],
    written: &[Row],
) -> Result<(), ChangeFeedError> {
    let base = optional("IMS_API_URL").unwrap_or_default();
    let known: HashMap<(&str, u32), &Change> = changes.iter().map(|change| (change.row.name(), change)).collect();
    let mut entries = Vec::with_capacity(written.len());
    // Without an NHS number nobody can be told whom it concerns.
    for row in written.iter().filter(|row| !text(row, "NHS_NUMBER").is_empty()) {
        let known = known.get(&row.name());
        let name = format!("{}/{}/{}", subscriber.name, row.immunisation, row.version);
        let detail = Detail {
            id: Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()),
            subscriber: &subscriber.name,
            sequence: row.sequence,
            immunisation: &row.immunisation,
            version: row.version,
            action: row.operation,
            vaccine_type: &row.vaccine_type,
            supplier: &row.supplier,
            organisation: text(row, ORGANISATION),
            practice: known.map_or("", |change| &change.practice),
            subject_age: known.and_then(|change| change.subject_age),
            dataref: format!("{base}/Immunization/{}", row.immunisation),
        };
        let entry = PutEventsRequestEntry::builder().source(SOURCE).detail_type(DETAIL_TYPE);
        entries.push(entry.detail(serde_json::to_string(&detail)?).build());
    }
    let requests = entries.chunks(AT_ONCE).map(|chunk| put(feed, chunk.to_vec()));
    stream::iter(requests).buffer_unordered(UNDER_WAY).try_collect::<()>().await
}

fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    row.record.get(column).and_then(Value::as_str).unwrap_or_default()
}

/// Puts events on the bus, again those that it did not take.
async fn put(feed: &ChangeFeed, mut entries: Vec<PutEventsRequestEntry>) -> Result<(), ChangeFeedError> {
    let mut message = String::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50 << attempt)).await;
        }
        let sent = feed.events.put_events().set_entries(Some(entries.clone())).send().await;
        let answer = sent.map_err(|error| ChangeFeedError::Announce {
            events: entries.len(),
            message: error.into_service_error().to_string(),
        })?;
        if answer.failed_entry_count() == 0 {
            return Ok(());
        }
        let results = answer.entries();
        message = results.iter().find_map(|result| result.error_code()).unwrap_or("refused").to_owned();
        let refused = entries.into_iter().zip(results).filter(|(_, result)| result.error_code().is_some());
        entries = refused.map(|(entry, _)| entry).collect();
    }
    Err(ChangeFeedError::Announce { events: entries.len(), message })
}
