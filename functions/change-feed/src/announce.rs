//! Events: that a record changed and where to read it, never whom it is about.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use futures::{StreamExt, TryStreamExt, stream};
use ims_domain::ImmunisationId;
use ims_domain::matching::Difference;
use ims_runtime::settings::optional;
use ims_store::NamedRecord;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::change::{NHS_NUMBER, ORGANISATION};
use crate::{Change, ChangeFeed, ChangeFeedError, Delivered, Operation, Row, Subscriber};

/// `source` of the events.
const SOURCE: &str = "ims.record";
/// `detail-type` of the events.
const DETAIL_TYPE: &str = "vaccination-record-change";
/// `detail-type` of those that tell a supplier that a record of its waits to be matched.
const UNMATCHED: &str = "record-unmatched";
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

/// Announces the rows of a change file. `changes` are those of which more is known than the file says; of rows that another
/// writer left unannounced it is read again.
pub(crate) async fn announce(
    feed: &ChangeFeed,
    subscriber: &Subscriber,
    changes: &[Change],
    written: &[Row],
) -> Result<(), ChangeFeedError> {
    let base = optional("IMS_API_URL").unwrap_or_default();
    let mut known: HashMap<(&str, u32), &Change> = changes.iter().map(|change| (change.row.name(), change)).collect();
    let unknown = written.iter().filter(|row| !known.contains_key(&row.name()));
    let found = left_behind(feed, unknown).await?;
    known.extend(found.iter().map(|change| (change.row.name(), change)));
    let mut entries = Vec::with_capacity(written.len());
    // Without an NHS number nobody can be told whom it concerns.
    for row in written.iter().filter(|row| !text(row, NHS_NUMBER).is_empty()) {
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

/// What is known of rows whose writer did not come to announce them, from their records as they are held now.
async fn left_behind<'r>(
    feed: &ChangeFeed,
    rows: impl Iterator<Item = &'r Row>,
) -> Result<Vec<Change>, ChangeFeedError> {
    let (store, mut found) = (&feed.service.store, Vec::new());
    for row in rows {
        let Ok(id) = row.immunisation.parse::<ImmunisationId>() else { continue };
        let Some(holder) = store.person_by_immunisation(id).await? else { continue };
        let Some(held) = store.immunisation(holder, id).await? else { continue };
        let now = Change::of(&held, store.survivor(holder).await?.as_ref())?;
        found.push(Change { row: row.clone(), ..now });
    }
    Ok(found)
}

fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    row.record.get(column).and_then(Value::as_str).unwrap_or_default()
}

/// A record that waits to be matched, as an event tells its supplier: ids, and which fields disagree.
#[derive(Debug, Serialize)]
struct Waiting<'a> {
    /// The same for as long as the record waits.
    id: Uuid,
    /// `I#` and the immunisation, or `B#`, the person and the appointment's reference.
    record: String,
    immunisation: Option<String>,
    booking: Option<&'a str>,
    vaccine_type: &'a str,
    supplier: &'a str,
    file: &'a str,
    row: u64,
    since: Option<Timestamp>,
    differences: &'a BTreeSet<Difference>,
    dataref: Option<String>,
}

/// Tells suppliers of their records that count for nobody yet. A record may be told of again while it waits, under the same
/// id.
pub(crate) async fn announce_unmatched(feed: &ChangeFeed, delivered: &Delivered) -> Result<(), ChangeFeedError> {
    let base = optional("IMS_API_URL").unwrap_or_default();
    let immunisations = delivered.immunisations.iter().filter(|held| held.is_unmatched()).map(|held| {
        let name = NamedRecord::Immunisation(held.id);
        let dataref = Some(format!("{base}/Immunization/{}", held.id));
        (name, held.vaccine, &held.source, &held.matching, dataref)
    });
    let bookings = delivered.bookings.iter().filter(|held| held.matching.is_open()).map(|held| {
        let name = NamedRecord::Booking(held.person, held.reference.clone());
        (name, held.programme, &held.source, &held.matching, None)
    });
    let mut entries = Vec::new();
    for (name, vaccine, source, matching, dataref) in immunisations.chain(bookings) {
        let waits = format!("{name}/{}", matching.since.unwrap_or_default());
        let detail = Waiting {
            id: Uuid::new_v5(&Uuid::NAMESPACE_OID, waits.as_bytes()),
            record: name.to_string(),
            immunisation: match &name {
                NamedRecord::Immunisation(id) => Some(id.to_string()),
                NamedRecord::Booking(..) => None,
            },
            booking: match &name {
                NamedRecord::Immunisation(_) => None,
                NamedRecord::Booking(_, reference) => Some(reference),
            },
            vaccine_type: vaccine.code(),
            supplier: &source.supplier,
            file: &source.file,
            row: source.row,
            since: matching.since,
            differences: &matching.differences,
            dataref,
        };
        let entry = PutEventsRequestEntry::builder().source(SOURCE).detail_type(UNMATCHED);
        entries.push(entry.detail(serde_json::to_string(&detail)?).build());
    }
    let requests = entries.chunks(AT_ONCE).map(|chunk| put(feed, chunk.to_vec()));
    stream::iter(requests).buffer_unordered(UNDER_WAY).try_collect::<()>().await
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
