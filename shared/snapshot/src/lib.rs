//! The population snapshot: three datasets in Parquet parts, named by an immutable manifest.
//!
//! A dataset is a list of columns ([`column::Column`]); rows are written and read back through it, so that the schema,
//! the writer, the reader and the analysts' documentation cannot disagree. Parts are cut by hash of person id, the same
//! in all datasets.

pub mod column;
mod comparison;
mod contacts;
mod evaluate;
mod facts;
mod kept_file;
mod manifest;
mod part;
mod people;
mod reselect;
mod selection;
mod vaccinations;

pub use column::{Column, SnapshotError, read_parquet, write_parquet};
pub use comparison::{Change, Comparison, EXAMPLES, Example, ExampleStep, Version, compare};
pub use contacts::{ContactKind, ContactRow};
pub use evaluate::{Evaluator, Standings};
pub use facts::{facts_of, facts_of_person};
pub use manifest::{DatasetManifest, Manifest, PartManifest, Taken, TakenFile, dataset_part_key, taken_key};
pub use part::{Needed, Part, read_versions, rows_at};
pub use people::{PROGRAMMES, PersonRow, ProgrammeColumns};
pub use reselect::{Again, Kept, KeptFiles};
pub use selection::{ALL, By, Candidate, Count, Preview, Selected, Selection, Selector, Tally};
pub use vaccinations::VaccinationRow;

use ims_domain::PersonId;
use ims_domain::ids::stable_hash;

/// A dataset's row.
pub trait Row: Default + Clone + 'static {
    /// Name of the dataset: its folder.
    const DATASET: &'static str;

    /// Whether merges keep the rows that they take, for those who look at changes alone.
    const KEEPS_TAKEN: bool = false;

    /// The columns, in order.
    fn columns() -> Vec<Column<Self>>;

    /// Columns in which hardly two rows are alike, so that a dictionary would only be in the way.
    fn unlike() -> &'static [&'static str] {
        &[]
    }

    /// What identifies the row; a later version of it replaces an earlier one.
    fn key(&self) -> String;

    /// Which of two rows with one key is later.
    fn version(&self) -> u64;

    /// The person the row is about; it decides the part.
    fn person(&self) -> &str;

    /// Where the row stands in its part.
    fn place(&self) -> (String, String) {
        (String::new(), self.key())
    }
}

/// The part a person's rows are in.
#[must_use]
pub fn part_of(person: &str, parts: u32) -> u32 {
    u32::try_from(stable_hash(person) % u64::from(parts.max(1))).unwrap_or(0)
}

/// A number drawn once for a person, that breaks ties fairly: the same on every machine, and unrelated to who they are.
#[must_use]
pub fn lot(person: PersonId) -> u64 {
    // The id is random already; the prefix keeps the lot apart from the hash that cuts parts.
    stable_hash(&format!("lot {person}")) >> 1
}
