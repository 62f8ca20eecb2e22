//! Where the console's data comes from.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use ims_domain::invitation::{Call, Invitation, Message};
use ims_domain::record::{Booking, Immunisation, Record};
use ims_domain::wave::{Wave, WaveAction};
use ims_domain::{NhsNumber, Person, PersonId};
use ims_messaging::Depth;
use ims_snapshot::Comparison;
use ims_store::{
    Actor, AuditEntry, AuditSpan, Definition, Draft, FeedFile, MatchingCount, MatchingEntry, MatchingOrder,
    MatchingRefusal, NamedRecord, Ruled,
};
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
    /// Parts that it is cut in.
    pub parts: u32,
}

impl SnapshotState {
    /// Up to when it has all changes.
    #[must_use]
    pub fn as_of(&self) -> Timestamp {
        self.checked.unwrap_or(self.created).max(self.created)
    }
}

/// All that is held of a person.
#[derive(Debug, Clone)]
pub struct PersonFile {
    /// Summary, immunisations and bookings.
    pub record: Record,
    /// Past versions of immunisations.
    pub past: Vec<Immunisation>,
    /// Invitations to campaigns.
    pub invitations: Vec<Invitation>,
    /// Messages of those invitations.
    pub messages: Vec<Message>,
    /// Recall tasks of those invitations.
    pub calls: Vec<Call>,
}

/// The matching queue.
#[derive(Debug, Clone, Default)]
pub struct MatchingList {
    /// Records that wait, the oldest first.
    pub waiting: Vec<MatchingEntry>,
    /// Records that left the queue, the latest first.
    pub settled: Vec<MatchingEntry>,
}

/// A record about which may be decided.
#[derive(Debug, Clone)]
pub enum Matched {
    /// An immunisation.
    Immunisation(Box<Immunisation>),
    /// An appointment.
    Booking(Box<Booking>),
}

/// A record with the person who holds it.
#[derive(Debug, Clone)]
pub struct MatchedFile {
    /// The record.
    pub held: Matched,
    /// Who holds it.
    pub person: Person,
}

/// What a records officer decides about a feed file that was held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRuling {
    /// File.
    pub file: String,
    /// Whether its rows may be applied.
    pub approved: bool,
    /// Who decides.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What is to be done to a wave, in the name of whoever is signed in.
#[derive(Clone, PartialEq, Eq)]
pub struct WaveOrder {
    /// Campaign.
    pub campaign: String,
    /// Wave.
    pub wave: String,
    /// What.
    pub action: WaveAction,
    /// Version of the wave that was shown.
    pub version: u64,
    /// Why.
    pub reason: String,
    /// What was looked at, of a canary that is confirmed.
    pub checked: Vec<String>,
    /// The session's token, which `wave-planning` verifies.
    pub token: String,
}

/// What the console reads. It writes audit entries, drafts with the jobs of their previews, and decisions about records
/// that wait to be matched; what is decided about a file or a wave it hands to the function whose affair it is. Nothing
/// else.
pub trait Source: Send + Sync {
    /// System time.
    fn now(&self) -> Timestamp;
    /// Business time.
    fn business_now(&self) -> BoxFuture<'_, Result<Timestamp, SourceError>>;
    /// All campaigns, by name.
    fn campaigns(&self) -> BoxFuture<'_, Result<Vec<CampaignRecord>, SourceError>>;
    /// Has `cohort-selection` answer a request about a wave's plan; what it says where it refuses.
    fn plan_waves(
        &self,
        request: serde_json::Value,
    ) -> BoxFuture<'_, Result<Result<serde_json::Value, String>, SourceError>>;
    /// A wave as it is now.
    fn wave<'a>(&'a self, campaign: &'a str, wave: &'a str) -> BoxFuture<'a, Result<Option<Wave>, SourceError>>;
    /// Has `wave-planning` do something to a wave; what it says where it refuses.
    fn govern(&self, order: WaveOrder) -> BoxFuture<'_, Result<Result<(), String>, SourceError>>;
    /// A file of the watch over waves, by name: a campaign's, or `alarms`; `None` before the first.
    fn watched<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, SourceError>>;
    /// A campaign's picture file; `None` before the first report.
    fn picture<'a>(&'a self, campaign: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, SourceError>>;
    /// All queues.
    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueDepth>, SourceError>>;
    /// Id of the current snapshot's manifest, and when a merge last found nothing new to it.
    fn checked(&self) -> BoxFuture<'_, Result<Option<(String, Timestamp)>, SourceError>>;
    /// The snapshot; `None` before the first.
    fn snapshot(&self) -> BoxFuture<'_, Result<Option<SnapshotState>, SourceError>>;
    /// A campaign's drafts, the latest last.
    fn drafts<'a>(&'a self, campaign: &'a str) -> BoxFuture<'a, Result<Vec<Draft>, SourceError>>;
    /// A draft.
    fn draft<'a>(&'a self, campaign: &'a str, draft: &'a str) -> BoxFuture<'a, Result<Option<Draft>, SourceError>>;
    /// Writes a draft.
    fn write_draft(&self, draft: Draft) -> BoxFuture<'_, Result<(), SourceError>>;
    /// Removes a draft, and what was counted of it.
    fn remove_draft(&self, draft: Draft) -> BoxFuture<'_, Result<(), SourceError>>;
    /// Has parts of a draft's preview counted.
    fn queue_preview(&self, draft: Draft, parts: Vec<u32>) -> BoxFuture<'_, Result<(), SourceError>>;
    /// What a draft's preview found in each part; `None` where it is not there yet.
    fn preview(&self, draft: Draft) -> BoxFuture<'_, Result<Vec<Option<Comparison>>, SourceError>>;
    /// Feed files received on these days (UTC), the latest first.
    fn files(&self, days: Vec<Date>) -> BoxFuture<'_, Result<Vec<FeedFile>, SourceError>>;
    /// A feed file.
    fn file<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<FeedFile>, SourceError>>;
    /// Has `feed-intake` carry out a decision about a file that was held back; what is wrong where it cannot.
    fn decide_file(&self, ruling: FileRuling) -> BoxFuture<'_, Result<Result<(), String>, SourceError>>;
    /// An acknowledgement by its key; `None` where there is none.
    fn acknowledgement<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, SourceError>>;
    /// The person an NHS number points to.
    fn person_by_nhs_number(&self, number: NhsNumber) -> BoxFuture<'_, Result<Option<PersonId>, SourceError>>;
    /// All that is held of a person; to be disclosed only once that is in the audit trail.
    fn person(&self, id: PersonId) -> BoxFuture<'_, Result<Option<PersonFile>, SourceError>>;
    /// The records that have waited longest to be matched, at most so many, and what left the queue on these days (UTC).
    fn matching(&self, most: usize, days: Vec<Date>) -> BoxFuture<'_, Result<MatchingList, SourceError>>;
    /// How many records wait to be matched, and how many of them since before an instant.
    fn matching_count(&self, before: Timestamp) -> BoxFuture<'_, Result<MatchingCount, SourceError>>;
    /// A record with its holder; to be disclosed only once that is in the audit trail.
    fn matched(&self, record: NamedRecord) -> BoxFuture<'_, Result<Option<MatchedFile>, SourceError>>;
    /// Decides about a record that waits, or takes a decision back, with the audit entries.
    fn settle(
        &self,
        record: NamedRecord,
        order: MatchingOrder,
        reason: String,
        staff: Actor,
    ) -> BoxFuture<'_, Result<Result<Ruled, MatchingRefusal>, SourceError>>;
    /// Writes an audit entry.
    fn audit(&self, entry: AuditEntry) -> BoxFuture<'_, Result<(), SourceError>>;
    /// A person's audit trail, the latest first.
    fn trail_of_person(&self, id: PersonId, span: AuditSpan) -> BoxFuture<'_, Result<Vec<AuditEntry>, SourceError>>;
    /// A person's audit trail from an instant on, the latest first.
    fn trail_since(&self, id: PersonId, since: Timestamp) -> BoxFuture<'_, Result<Vec<AuditEntry>, SourceError>>;
    /// An actor's audit trail, the latest first.
    fn trail_of_actor<'a>(
        &'a self,
        actor: &'a str,
        span: AuditSpan,
    ) -> BoxFuture<'a, Result<Vec<AuditEntry>, SourceError>>;
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
