//! `snapshot-export`: stream handlers append change files, a schedule merges them into the next snapshot.
//!
//! Appending never merges, because it runs inside the stream's poller. Merging is idempotent: rows replace earlier
//! versions of themselves, and change files are removed only after the manifest that holds them is published.

mod append;
mod checksum;
mod merge;

pub use checksum::{Checksum, Drift, Standing};

use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use ims_messaging::ObjectError;
use ims_runtime::Service;
use ims_runtime::clock::ClockError;
use ims_snapshot::SnapshotError;
use ims_store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// What the function can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Request {
    /// Merge changes into the next snapshot.
    Merge {
        /// First wait until the streams have delivered all that was written so far.
        #[serde(default)]
        settle: bool,
    },
    /// Hold the snapshot against the truth: the same people in the same versions?
    Checksum {
        /// First wait until the streams have delivered all that was written so far.
        #[serde(default)]
        settle: bool,
        /// Go on with the one that an earlier invocation left unfinished, if any, instead of beginning anew.
        #[serde(default)]
        go_on: bool,
    },
}

/// What a merge did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Merged {
    /// Current manifest.
    pub manifest: String,
    /// Its version.
    pub version: u64,
    /// Rows of people.
    pub people: u64,
    /// Rows of vaccinations.
    pub vaccinations: u64,
    /// Rows of contacts.
    pub contacts: u64,
    /// Change files merged.
    pub changes: usize,
}

/// Why the function failed.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The event is not known.
    #[error("the event is neither stream records nor a known request: {0}")]
    Event(#[from] serde_json::Error),
    /// A stream record cannot be read.
    #[error("stream record of table {table}: {message}")]
    Record {
        /// Table.
        table: String,
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
    Snapshot(#[from] SnapshotError),
    /// Clock.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The streams did not deliver in time.
    #[error("the streams of {tables} had not delivered after {seconds} s")]
    NotSettled {
        /// Tables.
        tables: String,
        /// Seconds waited.
        seconds: u64,
    },
}

impl ExportError {
    /// Whether another merge published, or took away change files, in the middle of this one.
    fn is_overtaken(&self) -> bool {
        match self {
            Self::Store(error) => error.is_condition(),
            Self::Objects(ObjectError::Missing { key }) => key.starts_with("changes/"),
            _ => false,
        }
    }
}

/// Handles one event.
///
/// # Errors
/// Where the event is unknown, or the store or the buckets fail; the stream then delivers again.
pub async fn handle(service: &Service, event: Value) -> Result<Value, ExportError> {
    if event.get("Records").is_some() {
        let event: StreamEvent = serde_json::from_value(event)?;
        append::append(service, event).await?;
        return Ok(Value::Null);
    }
    match serde_json::from_value(event)? {
        Request::Merge { settle } => {
            if settle {
                append::settle(service).await?;
            }
            Ok(serde_json::to_value(merge::merge(service).await?)?)
        }
        Request::Checksum { settle, go_on } => {
            Ok(serde_json::to_value(checksum::checksum(service, settle, go_on).await?)?)
        }
    }
}
