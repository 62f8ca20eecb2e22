//! Appending: stream records become change files, one a dataset and delivery.

use std::time::Duration;

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use ims_domain::Person;
use ims_domain::invitation::{Call, Invitation, Message};
use ims_domain::record::Immunisation;
use ims_messaging::Bucket;
use ims_runtime::Service;
use ims_snapshot::{ContactRow, PersonRow, Row, VaccinationRow, write_parquet};
use ims_store::{Table, Tables, keys};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::ExportError;

/// Tables whose streams feed the snapshot.
pub const STREAMED: [Table; 5] = [Table::Person, Table::Event, Table::Invitation, Table::Message, Table::Call];

/// How long to wait for the streams.
const SETTLE_SECONDS: u64 = 45;

/// Rows by dataset that one delivery holds, and the marks in it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Changes {
    pub(crate) people: Vec<PersonRow>,
    pub(crate) vaccinations: Vec<VaccinationRow>,
    pub(crate) contacts: Vec<ContactRow>,
    pub(crate) marks: Vec<(Table, String)>,
}

/// Appends what one delivery holds.
pub(crate) async fn append(service: &Service, event: Event) -> Result<(), ExportError> {
    let changes = read(service.store.tables(), event)?;
    write(service, &changes.people).await?;
    write(service, &changes.vaccinations).await?;
    write(service, &changes.contacts).await?;
    for (table, mark) in &changes.marks {
        service.objects.put(Bucket::Snapshot, &mark_key(mark, *table), Vec::new(), "text/plain").await?;
    }
    Ok(())
}

fn mark_key(mark: &str, table: Table) -> String {
    format!("marks/{mark}/{}", table.name())
}

async fn write<R: Row>(service: &Service, rows: &[R]) -> Result<(), ExportError> {
    if rows.is_empty() {
        return Ok(());
    }
    // The time only helps whoever looks; merging takes whatever files are there.
    let key = format!("changes/{}/{:015}-{}.parquet", R::DATASET, Timestamp::now().as_millisecond(), Uuid::new_v4());
    let bytes = write_parquet(rows)?;
    service.objects.put(Bucket::Snapshot, &key, bytes, "application/vnd.apache.parquet").await?;
    Ok(())
}

/// Reads a delivery. Records of several tables may come together.
pub(crate) fn read(tables: &Tables, event: Event) -> Result<Changes, ExportError> {
    let mut changes = Changes::default();
    for record in event.records {
        let arn = record.event_source_arn.clone().unwrap_or_default();
        let name = arn.split(":table/").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let Some(table) = STREAMED.into_iter().find(|table| tables.name(*table) == name) else {
            return Err(ExportError::Record { table: arn, message: "the table is not one of the streamed".into() });
        };
        take(&mut changes, table, record)?;
    }
    Ok(changes)
}

fn take(changes: &mut Changes, table: Table, record: EventRecord) -> Result<(), ExportError> {
    let image = record.change.new_image;
    let key = |name: &str| match image.get(name) {
        Some(serde_dynamo::AttributeValue::S(text)) => text.clone(),
        _ => String::new(),
    };
    let (pk, sk) = (key("pk"), key("sk"));
    if let Some(mark) = pk.strip_prefix(keys::MARK_PREFIX) {
        changes.marks.push((table, mark.to_owned()));
        return Ok(());
    }
    if pk.is_empty() {
        // A deletion: entries of an index, never people or their events.
        return Ok(());
    }
    match table {
        Table::Person => changes.people.push(PersonRow::of(&decode::<Person>(table, image)?)),
        Table::Event if sk.starts_with("IMM#") => {
            changes.vaccinations.push(VaccinationRow::of(&decode::<Immunisation>(table, image)?));
        }
        Table::Invitation if pk.starts_with("P#") => {
            changes.contacts.extend(ContactRow::of_invitation(&decode::<Invitation>(table, image)?));
        }
        Table::Message if pk.starts_with("M#") => {
            changes.contacts.push(ContactRow::of_message(&decode::<Message>(table, image)?));
        }
        Table::Call if pk.starts_with("L#") => {
            changes.contacts.push(ContactRow::of_call(&decode::<Call>(table, image)?));
        }
        _ => {}
    }
    Ok(())
}

fn decode<T: DeserializeOwned>(table: Table, image: serde_dynamo::Item) -> Result<T, ExportError> {
    serde_dynamo::from_item(image)
        .map_err(|error| ExportError::Record { table: table.name().to_owned(), message: error.to_string() })
}

/// Waits until the streams have delivered all that was written before now: a mark in each table must come through.
///
/// A mark speaks for its own shard of a stream; an emulator has one. It serves sandboxes, whose clock is set.
pub(crate) async fn settle(service: &Service) -> Result<(), ExportError> {
    let id = Uuid::new_v4();
    for table in STREAMED {
        service.store.put_mark(table, id).await?;
    }
    let prefix = format!("marks/{id}/");
    let started = tokio::time::Instant::now();
    loop {
        let seen = service.objects.list(Bucket::Snapshot, &prefix, "").await?;
        let missing: Vec<&str> = STREAMED
            .iter()
            .filter(|table| !seen.contains(&mark_key(&id.to_string(), **table)))
            .map(|t| t.name())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        if started.elapsed() > Duration::from_secs(SETTLE_SECONDS) {
            return Err(ExportError::NotSettled { tables: missing.join(", "), seconds: SETTLE_SECONDS });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_delivery_becomes_rows_and_index_entries_do_not() {
        let event: Event = serde_json::from_str(include_str!("../fixtures/stream.json")).unwrap();
        let tables = Tables::from_lookup(|name| Some(name.trim_start_matches("IMS_TABLE_").to_lowercase())).unwrap();
        let changes = read(&tables, event).unwrap();
        assert_eq!(changes.people.len(), 1);
        assert_eq!(changes.people[0].icb, "QUE");
        assert_eq!(changes.vaccinations.len(), 1);
        assert_eq!(changes.vaccinations[0].vaccine, "FLU");
        assert!(changes.contacts.is_empty());
        assert_eq!(changes.marks.len(), 1);
    }
}
