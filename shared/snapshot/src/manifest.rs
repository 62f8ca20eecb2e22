//! The manifest: which objects are the snapshot. Written once, never changed; a pointer in the store says which is current.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::Row;

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this file's shape; 1.
    pub schema: u32,
    /// Id, which sorts by version.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Business day it was made.
    pub business_date: Date,
    /// Change files up to this key are in it.
    pub watermark: String,
    /// Parts each dataset is cut in.
    pub parts: u32,
    /// Datasets by name.
    pub datasets: BTreeMap<String, DatasetManifest>,
}

/// A dataset of a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetManifest {
    /// Rows.
    pub rows: u64,
    /// Parts, by number.
    pub parts: Vec<PartManifest>,
}

/// A part of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartManifest {
    /// Object key in the snapshot bucket.
    pub key: String,
    /// Rows.
    pub rows: u64,
    /// SHA-256 of the object, in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Object key of a manifest.
    #[must_use]
    pub fn key(id: &str) -> String {
        format!("manifests/{id}.json")
    }

    /// Object key of a dataset's part, where the dataset is in the manifest.
    #[must_use]
    pub fn part_key<R: Row>(&self, part: u32) -> Option<&str> {
        let dataset = self.datasets.get(R::DATASET)?;
        dataset.parts.get(usize::try_from(part).ok()?).map(|part| part.key.as_str())
    }
}

/// Object key of a dataset's part in the snapshot with this id.
#[must_use]
pub fn dataset_part_key<R: Row>(id: &str, part: u32) -> String {
    format!("parts/{id}/{}/part-{part:05}.parquet", R::DATASET)
}
