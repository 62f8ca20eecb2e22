//! A synthetic England: people, their history, what happens to them while a campaign runs, and the feeds that say so.
//!
//! Person *i* of a seed is the same whether asked for alone or among millions, on any thread: every draw comes from a
//! counter-based generator keyed on (seed, purpose, index). Nobody here is real. NHS numbers are of the 999 range for the
//! first [`PEOPLE_IN_TEST_RANGE`] people, telephone numbers are of ranges kept for drama (07700 9…, 01632 960…), and
//! postcodes have the outward code of the nearest hospital and a drawn inward code.

use std::path::{Path, PathBuf};

use jiff::civil::Date;

pub mod behaviour;
mod capacity;
mod columns;
mod daily;
mod draw;
mod england;
mod feeds;
mod geography;
mod history;
mod household;
mod names;
mod numbers;
mod person;
#[cfg(test)]
mod tests;

pub use capacity::{areas, write_capacity};
pub use columns::{BOOKINGS, COHORTS, DEMOGRAPHICS, UNIQUE_ID_URI, VACCINATIONS};
pub use daily::{write_bookings, write_memberships, write_vaccinations};
pub use england::EthnicGroup;
pub use feeds::{FeedFile, FeedFiles, Phase, write_feeds};
pub use geography::{Geography, Lsoa, Site};
pub use history::{Appointment, AppointmentStatus, Dose, LateChange, Vaccine, season_start};
pub use numbers::{PEOPLE_IN_TEST_RANGE, nhs_number};
pub use person::{Address, Removal, SecondRegistration, SyntheticPerson, person};

/// Which population.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How many people: indices 0 to `people` − 1.
    pub people: u64,
    /// Seed of every draw.
    pub seed: u64,
    /// The day on which ages hold and before which the history lies.
    pub business_date: Date,
}

/// Why a population or its feeds could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PopulationError {
    /// A file or directory could not be made or written.
    #[error("{path}: {source}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A delimited file could not be read or written.
    #[error("{path}: {source}")]
    Csv {
        /// Which file.
        path: PathBuf,
        /// What went wrong.
        source: csv::Error,
    },
    /// A value of the geography is missing or is not what its column holds.
    #[error("{path} line {line}: {column} is {value:?}")]
    Geography {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Column.
        column: &'static str,
        /// The value at fault.
        value: String,
    },
    /// The geography has no areas or no sites.
    #[error("{path}: lsoa.csv and sites.csv need at least one row each")]
    Empty {
        /// Which directory.
        path: PathBuf,
    },
}

/// Writes the feeds of both phases, [`Phase::Initial`] into `initial/` and [`Phase::Late`] into `late/` of a directory.
///
/// # Errors
/// When a directory or file cannot be written.
pub fn generate(
    settings: &Settings,
    geography: &Geography,
    out_dir: &Path,
) -> Result<(FeedFiles, FeedFiles), PopulationError> {
    let initial = write_feeds(settings, geography, &out_dir.join("initial"), Phase::Initial)?;
    let late = write_feeds(settings, geography, &out_dir.join("late"), Phase::Late)?;
    Ok((initial, late))
}
