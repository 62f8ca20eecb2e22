//! `ims population`: a synthetic population as files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, ExitCode};

use anyhow::{Context, bail};
use clap::Subcommand;
use ims_domain::matching::Matching;
use ims_domain::person::{Death, Demographics, Membership, States};
use ims_domain::record::{Immunisation, Patient, Source};
use ims_domain::{ImmunisationId, NhsNumber, Person, PersonId, VaccineType, merge, postcode};
use ims_snapshot::{
    ContactRow, DatasetManifest, Manifest, PartManifest, PersonRow, Row, VaccinationRow, write_parquet,
};
use ims_testkit::population::{self, AppointmentStatus, Geography, Settings, SyntheticPerson, UNIQUE_ID_URI, Vaccine};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::local_dir;

/// The day on which the population's ages and history hold: that of the first waves of the demo.
const BUSINESS_DATE: Date = date(2025, 10, 6);
/// People in a part of the snapshot.
const PART: u64 = 50_000;

/// Arguments of `ims population`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make people up: OUT/people, OUT/vaccinations and OUT/contacts (Parquet), OUT/manifest.json, and OUT/feeds with the
    /// files that say the same. The same seed gives the same people.
    Generate {
        /// How many
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        people: u64,
        /// Seed of every draw
        #[arg(long, value_name = "S", default_value_t = 1)]
        seed: u64,
        /// Directory to write to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Leave the feed files out
        #[arg(long)]
        no_feeds: bool,
    },
}

/// Runs `ims population`.
///
/// # Errors
/// If England's areas cannot be extracted or read, or a file cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Command::Generate { people, seed, out, no_feeds } = &args.command;
    let geography = geography()?;
    let settings = Settings { people: *people, seed: *seed, business_date: BUSINESS_DATE };
    let (mut rows, mut doses) = (0, 0);
    let parts = people.div_ceil(PART);
    let mut datasets: BTreeMap<String, DatasetManifest> = BTreeMap::new();
    for part in 0..parts {
        let (mut persons, mut vaccinations) = (Vec::new(), Vec::new());
        for index in part * PART..(*people).min((part + 1) * PART) {
            let person = population::person(&settings, &geography, index);
            for held in registrations(&settings, &geography, &person)? {
                persons.push(PersonRow::of(&held.0));
                vaccinations.extend(held.1.iter().map(VaccinationRow::of));
            }
        }
        persons.sort_by_cached_key(Row::place);
        rows += persons.len();
        doses += vaccinations.len();
        write(out, part, &persons, &mut datasets)?;
        write(out, part, &vaccinations, &mut datasets)?;
        write::<ContactRow>(out, part, &[], &mut datasets)?;
    }
    let manifest = Manifest {
        schema: 1,
        id: format!("{:08}-seed-{seed}", 1),
        created: BUSINESS_DATE.to_zoned(TimeZone::UTC)?.timestamp(),
        business_date: BUSINESS_DATE,
        watermark: String::new(),
        parts: u32::try_from(parts)?,
        datasets,
    };
    let path = out.join("manifest.json");
    fs::write(&path, serde_json::to_vec_pretty(&manifest)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("{rows} people and {doses} vaccinations in {}", out.display());
    if !no_feeds {
        let (initial, late) = population::generate(&settings, &geography, &out.join("feeds"))?;
        eprintln!("feeds: {} rows at first, {} later", initial.accepted(), late.accepted());
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a part and notes it in the manifest.
fn write<R: Row>(
    out: &Path,
    part: u64,
    rows: &[R],
    datasets: &mut BTreeMap<String, DatasetManifest>,
) -> anyhow::Result<()> {
    let key = format!("{}/part-{part:05}.parquet", R::DATASET);
    let path = out.join(&key);
    let folder = out.join(R::DATASET);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let bytes = write_parquet(rows)?;
    fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let dataset = datasets.entry(R::DATASET.to_owned()).or_default();
    dataset.rows += rows.len() as u64;
    dataset.parts.push(PartManifest { key, rows: rows.len() as u64, sha256, taken: None });
    Ok(())
}

/// England's areas and sites; the workspace's tool extracts them on first use.
fn geography() -> anyhow::Result<Geography> {
    let folder = local_dir().join("geography");
    if !folder.join("sites.csv").is_file() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status =
            Process::new(cargo).args(["xtask", "geography"]).status().context("cannot run cargo xtask geography")?;
        if !status.success() {
            bail!("cargo xtask geography failed; see above");
        }
    }
    Ok(Geography::load(&folder)?)
}

/// The person as the service knows them before anything is selected, under each of their NHS numbers.
fn registrations(
    settings: &Settings,
    geography: &Geography,
    person: &SyntheticPerson,
) -> anyhow::Result<Vec<(Person, Vec<Immunisation>)>> {
    let first: NhsNumber = person.nhs_number.parse().with_context(|| format!("person {}", person.index))?;
    let mut known = registered(settings, geography, person, first, false)?;
    for label in &person.cohorts {
        let membership =
            Membership { member: true, date: settings.business_date, order: String::new(), source: String::new() };
        known.0.cohorts.insert((*label).to_owned(), membership);
    }
    for held in person.appointments.iter().filter(|held| held.status == AppointmentStatus::Booked) {
        let summary = known.0.programmes.entry(programme(held.vaccine)?).or_default();
        let day = held.at.date();
        summary.appointment = summary.appointment.max(Some(day));
        if summary.booked.is_none_or(|booked| booked < day) {
            summary.booked = Some(day);
            summary.booking_provider = geography.sites[held.site].code.clone();
        }
    }
    let mut found = vec![known];
    if let Some(second) = &person.second {
        let number = second.nhs_number.parse().with_context(|| format!("person {}", person.index))?;
        let mut stale = registered(settings, geography, person, number, true)?;
        stale.0.states.superseded_by = second.superseded.then_some(first);
        found.push(stale);
        let mut people = found.iter().map(|(known, _)| (known.id, known.clone())).collect();
        merge::point(&mut people);
        merge::gather(&mut people);
        for (known, _) in &mut found {
            if let Some(settled) = people.remove(&known.id) {
                *known = settled;
            }
        }
    }
    Ok(found)
}

fn programme(vaccine: Vaccine) -> anyhow::Result<VaccineType> {
    Ok(vaccine.code().parse()?)
}

/// Demographics, states and doses under one of the person's numbers.
fn registered(
    settings: &Settings,
    geography: &Geography,
    person: &SyntheticPerson,
    number: NhsNumber,
    second: bool,
) -> anyhow::Result<(Person, Vec<Immunisation>)> {
    // As random as the service's own ids, but the same on every run.
    let id =
        PersonId(Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{} {} {second}", settings.seed, person.index).as_bytes()));
    let home = person.address.lsoa.map(|place| &geography.lsoas[place]);
    let area = home.or((!person.restricted).then(|| &geography.lsoas[person.lsoa]));
    let text = |value: Option<&String>| value.cloned().unwrap_or_default();
    let mut known = Person::new(id, Some(number));
    known.version = 1;
    known.demographics = Demographics {
        serial: 1,
        given_name: person.given_name.clone(),
        family_name: person.family_name.clone(),
        date_of_birth: Some(person.date_of_birth),
        gender: person.gender,
        address_lines: person.address.lines.iter().filter(|line| !line.is_empty()).cloned().collect(),
        postcode: postcode::normalise(&person.address.postcode),
        lsoa: text(home.map(|home| &home.code)),
        msoa: text(home.map(|home| &home.msoa)),
        sub_icb: text(area.map(|area| &area.sub_icb)),
        icb: text(area.map(|area| &area.icb)),
        region: text(area.map(|area| &area.region)),
        imd_decile: home.map_or(0, |home| home.imd_decile),
        ethnic_category: person.ethnic_category.to_owned(),
        practice: person.practice.clone(),
        telephone: person.telephone.clone(),
        mobile: person.mobile.clone(),
        email: person.email.clone(),
        language: person.language.to_owned(),
        interpreter: person.interpreter,
        ..Demographics::default()
    };
    let removed = person.removal.map(|removal| removal.reason).or(person.death.map(|_| "DEA"));
    known.states = States {
        dead: person.death.map(|(died, formal)| Death { date: Some(died), formal }),
        removed: removed.map(str::to_owned),
        superseded_by: None,
        invalidated: person.invalidated,
        restricted: person.restricted,
    };
    let mut given = Vec::new();
    for dose in person.doses.iter().filter(|dose| dose.under_second_number == second) {
        let vaccine = programme(dose.vaccine)?;
        let summary = known.programmes.entry(vaccine).or_default();
        summary.doses.push(dose.at.date());
        summary.doses.sort_unstable();
        summary.doses.dedup();
        let supplier = match dose.vaccine {
            Vaccine::Flu => "TPP",
            Vaccine::Covid => "EMIS",
        };
        given.push(Immunisation {
            id: ImmunisationId::of(UNIQUE_ID_URI, &dose.unique_id),
            person: id,
            vaccine,
            occurred_on: dose.at.date(),
            body: String::new(),
            version: 1,
            deleted: false,
            deletions: 0,
            action: ims_domain::record::Action::New,
            source: Source { supplier: supplier.to_owned(), file: String::new(), order: String::new(), row: 0 },
            accepted_rows: Vec::new(),
            patient: Patient::default(),
            matching: Matching::default(),
        });
    }
    Ok((known, given))
}
