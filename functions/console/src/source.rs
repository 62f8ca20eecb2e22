//! Where the console's data comes from.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use ims_domain::campaign::Wave;
use ims_messaging::Depth;
use ims_store::{Definition, FeedFile};
use jiff::Timestamp;
use jiff::civil::Date;
use thiserror::Error;

/// Something that could not be read.
#[derive(Debug, Error)]
#[error("{what} could not be read")]
pub struct SourceError {
    /// What was to be read: "the queues".
    pub what: String,
    /// Cause.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl SourceError {
    /// An error about something, with its cause; for `map_err`.
    pub fn of<E: Into<Box<dyn std::error::Error + Send + Sync>>>(what: &str) -> impl FnOnce(E) -> Self + use<E> {
        let what = what.to_owned();
        move |source| Self { what, source: source.into() }
    }
}

/// A campaign at its latest version, with its waves.
#[derive(Debug, Clone)]
pub struct CampaignRecord {
    /// Definition.
    pub definition: Definition,
    /// Waves, by name.
    pub waves: Vec<Wave>,
}

/// A queue, and how many messages it and its dead-letter queue hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueDepth {
    /// Name as in the environment: `RECORD_INGEST`; `UNDELIVERED` for what nothing would take.
    pub name: &'static str,
    /// Messages; `None` for `UNDELIVERED`, which is all dead letters.
    pub depth: Option<Depth>,
    /// Dead letters; `None` where their queue is not configured.
    pub dead: Option<u64>,
}

/// The current snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotState {
    /// Version.
    pub version: u64,
    /// Id of the manifest.
    pub manifest: String,
    /// When it was made.
    pub created: Timestamp,
    /// When a merge last found nothing new to it.
    pub checked: Option<Timestamp>,
    /// Business day it was made.
    pub business_date: Date,
}

impl SnapshotState {
    /// Up to when it has all changes.
    #[must_use]
    pub fn as_of(&self) -> Timestamp {
        self.checked.unwrap_or(self.created).max(self.created)
    }
}

/// What the console reads. It writes nothing.
pub trait Source: Send + Sync {
    /// System time.
    fn now(&self) -> Timestamp;
    /// Business time.
    fn business_now(&self) -> BoxFuture<'_, Result<Timestamp, SourceError>>;
    /// All campaigns, by name.
    fn campaigns(&self) -> BoxFuture<'_, Result<Vec<CampaignRecord>, SourceError>>;
    /// A campaign's picture file; `None` before the first report.
    fn picture<'a>(&'a self, campaign: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, SourceError>>;
    /// All queues.
    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueDepth>, SourceError>>;
    /// Id of the current snapshot's manifest, and when a merge last found nothing new to it.
    fn checked(&self) -> BoxFuture<'_, Result<Option<(String, Timestamp)>, SourceError>>;
    /// The snapshot; `None` before the first.
    fn snapshot(&self) -> BoxFuture<'_, Result<Option<SnapshotState>, SourceError>>;
    /// Feed files received on these days (UTC), the latest first.
    fn files(&self, days: Vec<Date>) -> BoxFuture<'_, Result<Vec<FeedFile>, SourceError>>;
}

/// What was read, for a while.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    for_long: Duration,
    held: Mutex<HashMap<String, (Instant, T)>>,
}

impl<T: Clone> Kept<T> {
    pub(crate) fn new(for_long: Duration) -> Self {
        Self { for_long, held: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<T> {
        let held = self.held.lock().ok()?;
        held.get(name).filter(|(read, _)| read.elapsed() < self.for_long).map(|(_, value)| value.clone())
    }

    pub(crate) fn keep(&self, name: &str, value: T) {
        if let Ok(mut held) = self.held.lock() {
            held.insert(name.to_owned(), (Instant::now(), value));
        }
    }
}
