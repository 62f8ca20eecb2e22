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
    /// Which rows came into it lately; `None` where nobody kept them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Taken>,
}

/// The rows that merges took into a part, so that a selection from an earlier snapshot can be brought up to date.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Version of the snapshot since when every row is in the files.
    pub since: u64,
    /// Files, the earliest first: one a business day.
    pub files: Vec<TakenFile>,
}

/// The rows that the merges of a business day took into a part, each in its latest version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenFile {
    /// Business day.
    pub day: Date,
    /// Version of the snapshot that the last of them made.
    pub version: u64,
    /// Object key in the snapshot bucket: rows in Parquet.
    pub key: String,
}

impl Taken {
    /// Files that a part keeps: those of so many business days on which something came.
    const KEPT: usize = 10;

    /// Nothing yet, from a version of the snapshot on.
    #[must_use]
    pub fn from_now(version: u64) -> Self {
        Self { since: version, files: Vec::new() }
    }

    /// The file to which a merge on this day adds, where there is one.
    #[must_use]
    pub fn of_day(&self, day: Date) -> Option<&TakenFile> {
        self.files.last().filter(|last| last.day == day)
    }

    /// With the file that a merge wrote, in place of the one it added to. The earliest are forgotten.
    #[must_use]
    pub fn with(mut self, file: TakenFile) -> Self {
        if self.of_day(file.day).is_some() {
            self.files.pop();
        }
        self.files.push(file);
        while self.files.len() > Self::KEPT {
            self.since = self.files.remove(0).version;
        }
        self
    }

    /// The files with every row that came after a version of the snapshot, and some that came before; `None` where some are
    /// forgotten.
    #[must_use]
    pub fn after(&self, version: u64) -> Option<Vec<&TakenFile>> {
        (version >= self.since).then(|| self.files.iter().filter(|file| file.version > version).collect())
    }
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
        self.part::<R>(part).map(|part| part.key.as_str())
    }

    /// A dataset's part, where the dataset is in the manifest.
    #[must_use]
    pub fn part<R: Row>(&self, part: u32) -> Option<&PartManifest> {
        self.datasets.get(R::DATASET)?.parts.get(usize::try_from(part).ok()?)
    }

    /// Version of the snapshot: its id begins with it.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.id.split('-').next().and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

/// Object key of a dataset's part in the snapshot with this id.
#[must_use]
pub fn dataset_part_key<R: Row>(id: &str, part: u32) -> String {
    format!("parts/{id}/{}/part-{part:05}.parquet", R::DATASET)
}

/// Object key of the rows that the merge which made the snapshot with this id took into a part.
#[must_use]
pub fn taken_key<R: Row>(id: &str, part: u32) -> String {
    format!("taken/{id}/{}/part-{part:05}.parquet", R::DATASET)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn files_of_a_day_take_each_others_place_and_the_earliest_are_forgotten() {
        let file = |day, version: u64| TakenFile { day, version, key: version.to_string() };
        let versions = |taken: &Taken, after| {
            taken.after(after).map(|files| files.into_iter().map(|file| file.version).collect::<Vec<_>>())
        };
        let first = date(2025, 10, 6);
        let taken = Taken::from_now(4).with(file(first, 5)).with(file(first, 7));
        let taken = taken.with(file(date(2025, 10, 7), 9));
        assert_eq!(taken.of_day(first), None);
        assert_eq!(taken.of_day(date(2025, 10, 7)).map(|file| file.version), Some(9));
        // A selection from version 6 needs what 7 took; those of 5, which lie in the same file, come with it.
        for (after, expected) in
            [(3, None), (4, Some(vec![7, 9])), (6, Some(vec![7, 9])), (7, Some(vec![9])), (9, Some(vec![]))]
        {
            assert_eq!(versions(&taken, after), expected, "after {after}");
        }
        let later = (8..20i8).fold(taken, |taken, day| {
            let version = u64::try_from(day).unwrap() * 2;
            taken.with(file(date(2025, 10, day), version))
        });
        assert_eq!(later.files.len(), Taken::KEPT);
        assert_eq!(
            (later.since, versions(&later, 17), versions(&later, 18).map(|files| files.len())),
            (18, None, Some(10))
        );
    }
}
