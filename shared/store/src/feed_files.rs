//! Feed files and how far they have come.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use ims_domain::person::FullList;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{AuditEntry, Item, Store, StoreError, Table, from_item, keys, to_item};

/// State of a feed file, in the national system's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeedFileState {
    /// Being cut into chunks.
    Processing,
    /// Cut; its chunks are being applied.
    Preprocessed,
    /// Cut, and held until somebody approves or refuses it; nothing of it is applied.
    AwaitingApproval,
    /// All rows answered.
    Processed,
    /// Refused as a whole.
    Failed,
    /// The same file was taken before.
    #[serde(rename = "Not processed - Duplicate")]
    Duplicate,
    /// No rows.
    #[serde(rename = "Not processed - Empty file")]
    Empty,
    /// The supplier may not send this.
    #[serde(rename = "Not processed - Unauthorised")]
    Unauthorised,
}

/// Why a file was held back, and what somebody decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// What it would do, in counts.
    pub why: String,
    /// The decision, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<FileDecision>,
}

/// What somebody decided about a file that was held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDecision {
    /// Whether its rows may be applied.
    pub approved: bool,
    /// Who decided.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When, by the system clock.
    pub at: Timestamp,
}

/// A feed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedFile {
    /// Object key in the inbound bucket.
    pub name: String,
    /// Entity tag of the object.
    pub etag: String,
    /// Message id used in its acknowledgements.
    pub message_id: String,
    /// `vaccinations`, `demographics`, `cohorts`, `cohortlist` or `bookings`.
    pub feed: String,
    /// Supplier, where the name gives one.
    pub supplier: String,
    /// Vaccine type, for vaccinations.
    pub vaccine: Option<String>,
    /// State.
    pub state: FeedFileState,
    /// Why it failed.
    pub error: Option<String>,
    /// The file that took its name or its content before, where it is a duplicate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<String>,
    /// Why it was held back, and what was decided, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Which full list of a cohort it is, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<FullList>,
    /// Members whom the full list ended, at least: a part of it that was gone through again counts them once.
    #[serde(default)]
    pub left: u64,
    /// The rules that refused its rows, with their counts: those that refused most.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, u64>,
    /// The rules that changed values of its accepted rows, with the number of those rows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cleansed: BTreeMap<String, u64>,
    /// When it came.
    pub received: Timestamp,
    /// Data rows.
    pub rows: u64,
    /// Chunks.
    pub chunks: u32,
    /// Rows stored or already known.
    pub accepted: u64,
    /// Rows refused.
    pub rejected: u64,
}

/// A row that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowFailure {
    /// Row in the file, from 1.
    pub row: u64,
    /// The supplier's own name for it: `UNIQUE_ID^URI` or the like.
    pub local_id: String,
    /// Why.
    pub diagnostics: String,
}

/// What became of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkState {
    /// Chunk number, from 0.
    pub chunk: u32,
    /// Rows stored or already known.
    pub accepted: u64,
    /// Rows refused.
    pub rejected: u64,
    /// Object in the work bucket that lists the failures.
    pub object: String,
}

/// An entry in the list of a day's files.
#[derive(Serialize, Deserialize)]
struct Listed {
    name: String,
}

impl FeedFile {
    /// The national service's name for the queue of files that a supplier sends for one vaccine type, such as `EMIS_FLU`;
    /// of another feed its sender and the feed, and `unknown_unknown` of a file whose name is no feed's.
    #[must_use]
    pub fn queue_name(&self) -> String {
        format!("{}_{}", self.supplier, self.vaccine.as_deref().unwrap_or(&self.feed))
    }

    /// Whether this notes content that was taken (`etag-…`), not a file that came.
    fn is_note(&self) -> bool {
        self.name.starts_with("etag-")
    }

    /// The entry that lists it among its day's files; the same however often it is written.
    fn listing(&self) -> Result<Option<Item>, StoreError> {
        let (pk, sk) = keys::listed_file(self.received, &self.name);
        (!self.is_note()).then(|| to_item(&pk, &sk, &Listed { name: self.name.clone() })).transpose()
    }
}

impl Store {
    /// Notes a file, unless the same name was taken before, and lists it among its day's files.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where it was.
    pub async fn create_file(&self, file: &FeedFile) -> Result<(), StoreError> {
        let (pk, sk) = keys::file(&file.name);
        let mut transaction = self.transaction().create(Table::File, to_item(&pk, &sk, file)?);
        if let Some(entry) = file.listing()? {
            transaction = transaction.put(Table::File, entry);
        }
        transaction.commit().await
    }

    /// Moves a file from one state.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where it is not in state `from`.
    pub async fn move_file(&self, file: &FeedFile, from: FeedFileState) -> Result<(), StoreError> {
        let (pk, sk) = keys::file(&file.name);
        let state =
            serde_dynamo::to_attribute_value(from).unwrap_or_else(|_| AttributeValue::S("Processing".to_owned()));
        self.transaction().put_where(Table::File, to_item(&pk, &sk, file)?, "state", state).commit().await
    }

    /// Moves a file that was held back as somebody decided, with the audit entry of that in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where it does not wait for a decision any longer.
    pub async fn decide_file(&self, file: &FeedFile, entry: &AuditEntry) -> Result<(), StoreError> {
        let (pk, sk) = keys::file(&file.name);
        let waiting = serde_dynamo::to_attribute_value(FeedFileState::AwaitingApproval)
            .unwrap_or_else(|_| AttributeValue::S("AwaitingApproval".to_owned()));
        let transaction = self.transaction().put_where(Table::File, to_item(&pk, &sk, file)?, "state", waiting);
        transaction.audit(entry)?.commit().await
    }

    /// Writes a file's item whatever was there, and lists it among its day's files.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub async fn put_file(&self, file: &FeedFile) -> Result<(), StoreError> {
        let (pk, sk) = keys::file(&file.name);
        let mut transaction = self.transaction().put(Table::File, to_item(&pk, &sk, file)?);
        if let Some(entry) = file.listing()? {
            transaction = transaction.put(Table::File, entry);
        }
        transaction.commit().await
    }

    /// The files received on a day (UTC), in the order in which they came.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn files_on(&self, day: Date) -> Result<Vec<FeedFile>, StoreError> {
        let entries = self.query(Table::File, &keys::files_pk(day), "").await?;
        let names = entries.into_iter().map(|item| from_item::<Listed>(item).map(|listed| keys::file(&listed.name)));
        let items = self.get_many(Table::File, names.collect::<Result<Vec<_>, _>>()?).await?;
        let mut files: Vec<FeedFile> = items.into_iter().map(from_item).collect::<Result<_, _>>()?;
        files.sort_by(|one, other| (one.received, &one.name).cmp(&(other.received, &other.name)));
        Ok(files)
    }

    /// A file.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn file(&self, name: &str) -> Result<Option<FeedFile>, StoreError> {
        self.get(Table::File, keys::file(name)).await?.map(from_item).transpose()
    }

    /// Notes what became of a chunk; the same chunk may be noted again.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub async fn put_chunk(&self, file: &str, chunk: &ChunkState) -> Result<(), StoreError> {
        let (pk, sk) = keys::chunk(file, chunk.chunk);
        self.put(Table::File, to_item(&pk, &sk, chunk)?).await
    }

    /// The chunks answered so far, in order.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn chunks(&self, file: &str) -> Result<Vec<ChunkState>, StoreError> {
        let items = self.query(Table::File, &format!("F#{file}"), "CHUNK#").await?;
        items.into_iter().map(from_item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_named_after_sender_and_vaccine_type() {
        let file = |supplier: &str, feed: &str, vaccine: Option<&str>| FeedFile {
            name: "n".into(),
            etag: "e".into(),
            message_id: "m".into(),
            feed: feed.into(),
            supplier: supplier.into(),
            vaccine: vaccine.map(str::to_owned),
            state: FeedFileState::Processing,
            error: None,
            duplicate_of: None,
            held: None,
            list: None,
            left: 0,
            rules: BTreeMap::new(),
            cleansed: BTreeMap::new(),
            received: Timestamp::UNIX_EPOCH,
            rows: 0,
            chunks: 0,
            accepted: 0,
            rejected: 0,
        };
        assert_eq!(file("EMIS", "vaccinations", Some("FLU")).queue_name(), "EMIS_FLU");
        assert_eq!(file("X26", "demographics", None).queue_name(), "X26_demographics");
        assert_eq!(file("unknown", "unknown", None).queue_name(), "unknown_unknown");
        // An item without the field, as they were written before, is still read.
        let item = to_item("F#n", "FILE", &file("EMIS", "vaccinations", None)).unwrap();
        assert!(!item.contains_key("duplicate_of"));
        assert_eq!(from_item::<FeedFile>(item).unwrap(), file("EMIS", "vaccinations", None));
    }
}
