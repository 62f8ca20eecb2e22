//! Chunks of feed files, as objects in the work bucket.

use std::collections::{BTreeMap, BTreeSet};

use ims_domain::matching::Difference;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A part of a file's rows, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Place of the file among its sender's files: the time in its name, `YYYYMMDDThhmmss`, UTC.
    pub order: String,
    /// Rows: number in the file, from 1, and fields as written.
    pub rows: Vec<(u64, Vec<String>)>,
}

/// What became of a chunk's rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkResult {
    /// When work on it began.
    pub started: Timestamp,
    /// When its last row was answered.
    pub ended: Timestamp,
    /// Rows stored or already known.
    pub accepted: u64,
    /// Rows refused, in their order.
    pub failures: Vec<ims_store::RowFailure>,
    /// Rows that wait for what they need until all others of the file are answered.
    #[serde(default)]
    pub early: Vec<u64>,
    /// Rows stored whose records count for nobody yet.
    #[serde(default)]
    pub unmatched: Vec<Unmatched>,
    /// How many of the accepted rows each rule changed a value of.
    #[serde(default)]
    pub cleansed: BTreeMap<String, u64>,
}

/// A row that was stored, and whose record waits in the matching queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmatched {
    /// Row in the file, from 1.
    pub row: u64,
    /// The supplier's own name for it.
    pub local_id: String,
    /// The fields that disagree.
    pub differences: BTreeSet<Difference>,
}

/// What became of the rows that waited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EarlyResult {
    /// Rows refused, in their order.
    pub failures: Vec<ims_store::RowFailure>,
    /// Rows stored whose records count for nobody yet.
    pub unmatched: Vec<Unmatched>,
    /// How many of the accepted ones each rule changed a value of.
    #[serde(default)]
    pub cleansed: BTreeMap<String, u64>,
}

/// Key of a chunk.
#[must_use]
pub fn chunk_key(file: &str, chunk: u32) -> String {
    format!("chunks/{file}/{chunk:06}.json")
}

/// Key of what became of a chunk.
#[must_use]
pub fn result_key(file: &str, chunk: u32) -> String {
    format!("chunks/{file}/{chunk:06}.failures.json")
}

/// Key of what became of the rows that waited.
#[must_use]
pub fn early_key(file: &str) -> String {
    format!("chunks/{file}/early.json")
}
