//! Feed files of a single day: what suppliers, booking sites and the preferences list tell about people picked by hand.

use std::path::{Path, PathBuf};

use jiff::civil::{Date, DateTime};

use super::columns::{self, BOOKINGS, COHORTS, VACCINATIONS};
use super::feeds::Out;
use super::{Appointment, Dose, FeedFile, Geography, PopulationError, SyntheticPerson, Vaccine};

/// Path of a file in a directory, under the name to drop it under. `at` is the time in its name, UTC.
fn named(dir: &Path, name: &str, at: DateTime) -> PathBuf {
    dir.join(format!("{name}_{}00.csv", columns::moment(at)))
}

/// A vaccinations file of one vaccine's supplier: each dose as a new record. `at` is the time in its name, UTC.
///
/// # Errors
/// When the file cannot be written.
pub fn write_vaccinations(
    geography: &Geography,
    dir: &Path,
    at: DateTime,
    vaccine: Vaccine,
    given: &[(SyntheticPerson, Dose)],
) -> Result<FeedFile, PopulationError> {
    let (name, feed) = match vaccine {
        Vaccine::Flu => ("FLU_Vaccinations_v5_YGA", "flu"),
        Vaccine::Covid => ("COVID_Vaccinations_v5_YGM41", "covid"),
    };
    let mut out = Out::create(named(dir, name, at), feed, &VACCINATIONS, b'|')?;
    for (person, dose) in given {
        out.accept(&columns::vaccination(geography, person, dose, "NEW"))?;
    }
    out.finish()
}

/// A bookings extract with the present state of each appointment. `at` is the time in its name, UTC.
///
/// # Errors
/// When the file cannot be written.
pub fn write_bookings(
    geography: &Geography,
    dir: &Path,
    at: DateTime,
    held: &[(SyntheticPerson, Appointment)],
) -> Result<FeedFile, PopulationError> {
    let mut out = Out::create(named(dir, "Bookings_v1_X26", at), "bookings", &BOOKINGS, b',')?;
    for (person, appointment) in held {
        out.accept(&columns::booking(geography, person, appointment))?;
    }
    out.finish()
}

/// A cohorts file: each person joins a label on a day. `at` is the time in its name, UTC.
///
/// # Errors
/// When the file cannot be written.
pub fn write_memberships(
    dir: &Path,
    at: DateTime,
    joined: &[(SyntheticPerson, String, Date)],
) -> Result<FeedFile, PopulationError> {
    let mut out = Out::create(named(dir, "Cohorts_v1_X26", at), "cohorts", &COHORTS, b',')?;
    for (person, label, date) in joined {
        let source = super::feeds::source(label).to_owned();
        let row = [person.nhs_number.clone(), label.clone(), "JOIN".to_owned(), columns::day(*date), source];
        out.accept(&row)?;
    }
    out.finish()
}
