//! `change-feed`: every accepted change of a vaccination record goes, cleansed and versioned, to subscribers.
//!
//! Each subscriber has a chain of change files whose rows are numbered without a gap, so that it can take up again after
//! the last number it has seen. The stream delivers at least once, so a change may come twice under two numbers; its
//! immunisation and version tell.

mod announce;
mod change;
mod publish;
mod subscribers;

use std::collections::BTreeSet;

use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use ims_domain::PersonId;
use ims_domain::record::{Booking, Immunisation};
use ims_messaging::ObjectError;
use ims_runtime::Service;
use ims_snapshot::SnapshotError;
use ims_store::StoreError;
use serde_json::Value;
use thiserror::Error;

pub use change::{Change, Operation, Row};
pub use subscribers::{Restricted, Subscriber, Subscribers, SubscribersError};

/// What the function works with.
#[derive(Debug)]
pub struct ChangeFeed {
    /// Tables and buckets.
    pub service: Service,
    /// Event bus.
    pub events: aws_sdk_eventbridge::Client,
    /// Who receives what.
    pub subscribers: Subscribers,
}

/// Why the function failed.
#[derive(Debug, Error)]
pub enum ChangeFeedError {
    /// The event is not known.
    #[error("the event holds no stream records: {0}")]
    Event(#[from] serde_json::Error),
    /// A stream record cannot be read.
    #[error("a record of the event table cannot be read: {0}")]
    Record(String),
    /// A stored resource cannot be read.
    #[error("immunisation {id} version {version} holds no JSON")]
    Resource {
        /// Immunisation.
        id: String,
        /// Version.
        version: u32,
    },
    /// A change file holds something else.
    #[error("change file {key} line {line} cannot be read: {message}")]
    File {
        /// Object key.
        key: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Objects.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// Parquet.
    #[error(transparent)]
    Parquet(#[from] SnapshotError),
    /// The event bus refused, or could not be reached.
    #[error("announcing {events} changes on the event bus: {message}")]
    Announce {
        /// How many.
        events: usize,
        /// What is wrong.
        message: String,
    },
}

/// Handles a delivery of the event table's stream.
///
/// # Errors
/// Where it cannot be read, or a table, a bucket or the event bus fails; the stream then delivers again.
pub async fn handle(feed: &ChangeFeed, event: Value) -> Result<Value, ChangeFeedError> {
    let delivered = read(serde_json::from_value(event)?)?;
    announce::announce_unmatched(feed, &delivered).await?;
    let immunisations = delivered.immunisations;
    if immunisations.is_empty() {
        return Ok(Value::Null);
    }
    let ids: BTreeSet<PersonId> = immunisations.iter().map(|held| held.person).collect();
    // What is known of the person now counts, under whichever number the record came.
    let people = feed.service.store.survivors(ids).await?;
    for subscriber in feed.subscribers.iter() {
        let with_person = immunisations.iter().map(|held| (held, people.get(&held.person)));
        let wanted = with_person.filter(|(held, person)| subscriber.wants(held, change::is_restricted(*person)));
        let changes: Result<Vec<Change>, _> = wanted.map(|(held, person)| Change::of(held, person)).collect();
        publish::publish(feed, subscriber, changes?).await?;
    }
    Ok(Value::Null)
}

/// What a delivery holds, as it was written; past versions and deletions of items are nothing.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    pub(crate) immunisations: Vec<Immunisation>,
    /// Appointments: subscribers do not receive them, but their suppliers hear of those that wait to be matched.
    pub(crate) bookings: Vec<Booking>,
}

fn read(event: StreamEvent) -> Result<Delivered, ChangeFeedError> {
    let mut found = Delivered::default();
    let unreadable = |error: serde_dynamo::Error| ChangeFeedError::Record(error.to_string());
    for record in event.records {
        let image = record.change.new_image;
        let Some(serde_dynamo::AttributeValue::S(sk)) = image.get("sk") else { continue };
        if sk.starts_with("IMM#") {
            found.immunisations.push(serde_dynamo::from_item(image).map_err(unreadable)?);
        } else if sk.starts_with("BKG#") {
            found.bookings.push(serde_dynamo::from_item(image).map_err(unreadable)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_holds_immunisations_and_nothing_else_of_the_table() {
        let event: StreamEvent = serde_json::from_str(include_str!("../fixtures/stream.json")).unwrap();
        assert_eq!(event.records.len(), 3);
        let found = read(event).unwrap();
        let versions: Vec<u32> = found.immunisations.iter().map(|held| held.version).collect();
        assert_eq!(versions, [2]);
    }
}
