//! The population of the benchmark: people of the synthetic England as parts of the snapshot's people dataset.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use ims_domain::PersonId;
use ims_snapshot::{PROGRAMMES, PersonRow, ProgrammeColumns, Row, lot, write_parquet};
use ims_testkit::population::{AppointmentStatus, Geography, Settings, SyntheticPerson, Vaccine, person};
use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use xtask::progress::step;

use super::threads::in_parallel;

/// The day on which ages and history hold, and as of which people are selected.
pub(crate) const TODAY: Date = date(2025, 10, 6);

/// People in a part: those of 60 million in 256 parts.
pub(crate) const PART: u64 = 234_375;

/// Where things lie, and how long it took to make them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Population {
    /// People.
    pub(crate) people: u64,
    /// Shape of the files; raised when what is generated changes.
    version: u32,
    /// Seconds that generating took, on all cores.
    pub(crate) seconds: f64,
    /// Bytes of the files.
    pub(crate) bytes: u64,
}

const VERSION: u32 = 1;

/// The folder of a population.
pub(crate) fn folder(people: u64) -> PathBuf {
    xtask::workspace_root().join(".local/bench").join(format!("people-{people}"))
}

/// Parts of the people dataset in a folder, in order.
pub(crate) fn parts(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut parts: Vec<PathBuf> = fs::read_dir(folder.join(PersonRow::DATASET))
        .with_context(|| format!("reading {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    parts.sort_unstable();
    Ok(parts)
}

/// The population, made unless it is there already.
pub(crate) fn make(people: u64) -> Result<Population> {
    let folder = folder(people);
    let done = folder.join("population.json");
    if let Ok(text) = fs::read(&done)
        && let Ok(held) = serde_json::from_slice::<Population>(&text)
        && (held.people, held.version) == (people, VERSION)
    {
        step(format!("{people} people are there already: {}", folder.display()));
        return Ok(held);
    }
    let geography = geography()?;
    let settings = Settings { people, seed: 1, business_date: TODAY };
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(folder.join(PersonRow::DATASET))?;
    let parts = people.div_ceil(PART);
    let began = Instant::now();
    let bytes = in_parallel(parts as usize, |number| {
        let first = number as u64 * PART;
        let mut rows: Vec<PersonRow> = (first..people.min(first + PART))
            .map(|index| row_of(&settings, &geography, &person(&settings, &geography, index)))
            .collect();
        rows.sort_by_cached_key(Row::place);
        let path = folder.join(PersonRow::DATASET).join(format!("part-{number:05}.parquet"));
        let bytes = write_parquet(&rows)?;
        fs::write(&path, &bytes)?;
        // What is on the disk can be dropped from memory.
        File::open(&path)?.sync_all()?;
        if number % 16 == 15 {
            step(format!("made part {} of {parts} after {:.0} s", number + 1, began.elapsed().as_secs_f64()));
        }
        Ok(bytes.len() as u64)
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let made = Population { people, version: VERSION, seconds, bytes: bytes.iter().sum() };
    fs::write(&done, serde_json::to_vec(&made)?)?;
    step(format!("made {people} people in {seconds:.0} s: {} MB", made.bytes >> 20));
    Ok(made)
}

/// England's areas and sites, extracted on first use.
pub(crate) fn geography() -> Result<Geography> {
    let folder = xtask::workspace_root().join(".local/geography");
    if !folder.join("sites.csv").is_file() {
        let status = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["xtask", "geography"])
            .current_dir(xtask::workspace_root())
            .status()?;
        anyhow::ensure!(status.success(), "cargo xtask geography failed; see above");
    }
    Ok(Geography::load(&folder)?)
}

/// The row of a synthetic person under their first number.
pub(crate) fn row_of(settings: &Settings, geography: &Geography, person: &SyntheticPerson) -> PersonRow {
    let name = u128::from(settings.seed) << 64 | u128::from(person.index);
    let id = PersonId(Uuid::new_v5(&Uuid::NAMESPACE_OID, &name.to_be_bytes()));
    let home = person.address.lsoa.map(|place| &geography.lsoas[place]);
    let area = home.or((!person.restricted).then(|| &geography.lsoas[person.lsoa]));
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    PersonRow {
        person_id: id.to_string(),
        version: 1 + person.doses.len() as u64 + person.appointments.len() as u64,
        nhs_number: person.nhs_number.clone(),
        date_of_birth: Some(person.date_of_birth),
        gender: person.gender.code().to_owned(),
        postcode: if person.restricted { String::new() } else { person.address.postcode.clone() },
        lsoa: text(home.map(|home| &home.code)),
        msoa: text(home.map(|home| &home.msoa)),
        sub_icb: text(area.map(|area| &area.sub_icb)),
        icb: text(area.map(|area| &area.icb)),
        region: text(area.map(|area| &area.region)),
        imd_decile: home.map_or(0, |home| u64::from(home.imd_decile)),
        ethnic_category: person.ethnic_category.to_owned(),
        practice: person.practice.clone(),
        dead: person.death.is_some(),
        removed: person.removal.is_some() || person.death.is_some(),
        superseded: false,
        invalidated: person.invalidated,
        restricted: person.restricted,
        has_mobile: !person.mobile.is_empty(),
        has_telephone: !(person.mobile.is_empty() && person.telephone.is_empty()),
        has_address: home.is_some(),
        cohorts: labels(person, |label| !label.starts_with("contact_")),
        wishes: labels(person, |label| label.starts_with("contact_")),
        lot: lot(id),
        programmes: PROGRAMMES
            .map(|code| Vaccine::from_code(code).map(|v| history(geography, person, v)).unwrap_or_default()),
    }
}

fn labels(person: &SyntheticPerson, keep: impl Fn(&str) -> bool) -> Vec<String> {
    person.cohorts.iter().filter(|label| keep(label)).map(|label| (*label).to_owned()).collect()
}

/// A programme's columns. Those who hold an appointment were invited for it.
fn history(geography: &Geography, person: &SyntheticPerson, vaccine: Vaccine) -> ProgrammeColumns {
    let mut columns = ProgrammeColumns {
        dose_dates: person.doses.iter().filter(|dose| dose.vaccine == vaccine).map(|dose| dose.at.date()).collect(),
        ..ProgrammeColumns::default()
    };
    columns.dose_dates.sort_unstable();
    columns.dose_dates.dedup();
    for held in person.appointments.iter().filter(|held| held.vaccine == vaccine) {
        let day = held.at.date();
        match held.status {
            AppointmentStatus::Cancelled => continue,
            AppointmentStatus::Booked if columns.booked.is_none_or(|booked| booked < day) => {
                columns.booked = Some(day);
                columns.booking_provider = geography.sites[held.site].code.clone();
            }
            _ => {}
        }
        columns.appointment = columns.appointment.max(Some(day));
        let campaign = vaccine.code().to_lowercase();
        columns.invites.push(format!("{campaign}-2025#1#{}#open", held.created.date()));
    }
    columns
}
