//! A batch file that is made up: its name, columns and rows.

use anyhow::{Context, Result};
use ims_fhir::batch::HEADER;
use ims_runtime::auth::Permissions;
use ims_store::FeedFile;

use crate::codes::{self, DOSE_UNIT, REASON, ROUTES, SITES};
use crate::days::{compact, day, later};
use crate::payloads::ODS;
use crate::people::{Patient, gender_code};
use crate::refusals;
use crate::steps::Said;
use crate::world::World;

/// System of the identifiers in files that are made up.
pub const SYSTEM: &str = "https://fhir.nhs.uk/Id/Automation-vaccine-administered-event-uk";

/// The expiry date that a changed row has.
pub const UPDATED_EXPIRY: &str = "20281231";

/// A file.
#[derive(Debug, Clone, Default)]
pub struct Sheet {
    /// Its name, once it is made up.
    pub name: String,
    /// Columns.
    pub columns: Vec<String>,
    /// Rows, each with its columns' values.
    pub rows: Vec<Vec<String>>,
    /// What parts the values.
    pub delimiter: char,
    /// Acknowledgements of it before the last upload: of the file, and of its rows.
    pub acks_before: (usize, usize),
    /// What the service notes of the last upload.
    pub noted: Option<FeedFile>,
}

impl Sheet {
    /// A value; empty where there is no such column.
    #[must_use]
    pub fn value(&self, row: usize, column: &str) -> &str {
        let place = self.columns.iter().position(|held| held == column);
        place.and_then(|place| self.rows.get(row)?.get(place)).map_or("", String::as_str)
    }

    /// Writes a value; nothing where there is no such column.
    pub fn set(&mut self, row: usize, column: &str, value: &str) {
        if let Some(place) = self.columns.iter().position(|held| held == column)
            && let Some(row) = self.rows.get_mut(row)
        {
            row[place] = value.to_owned();
        }
    }

    /// Whether a row is made up to be refused: its identifier says so or is blank, or its surname is a refusal's name.
    #[must_use]
    pub fn is_to_fail(&self, row: usize) -> bool {
        let id = self.value(row, "UNIQUE_ID");
        let named = refusals::named(self.value(row, "PERSON_SURNAME")).is_some();
        named || id.starts_with("Fail-") || id.trim().is_empty()
    }

    /// Name without extension.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.name.rsplit_once('.').map_or(&self.name, |(stem, _)| stem)
    }

    /// The file as it is dropped.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let line = |values: &[String]| {
            let quoted: Vec<String> =
                values.iter().map(|value| format!("\"{}\"", value.replace('"', "\"\""))).collect();
            quoted.join(&self.delimiter.to_string())
        };
        let mut text = line(&self.columns);
        for row in &self.rows {
            text.push('\n');
            text.push_str(&line(row));
        }
        text.push('\n');
        text.into_bytes()
    }
}

/// A row of the row's vaccine type about a patient, every column filled in.
pub fn row(world: &World, patient: &Patient, id: &str) -> Result<Vec<String>> {
    let codes = codes::of(&world.vaccine).with_context(|| format!("no codes for vaccine type '{}'", world.vaccine))?;
    let now = world.bench.now;
    let (procedure, (product, manufacturer)) = (codes.procedures[0], codes.products[0]);
    let (today, at) = (day(now).replace('-', ""), format!("{}00", compact(later(now, -50))));
    let birth = patient.birth.replace('-', "");
    let value = |column: &str| match column {
        "NHS_NUMBER" => patient.number.as_deref().unwrap_or_default(),
        "PERSON_FORENAME" => &patient.given,
        "PERSON_SURNAME" => &patient.family,
        "PERSON_DOB" => &birth,
        "PERSON_GENDER_CODE" => gender_code(patient.gender),
        "PERSON_POSTCODE" => &patient.postcode,
        "DATE_AND_TIME" => &at,
        "SITE_CODE" | "LOCATION_CODE" => "X99999",
        "SITE_CODE_TYPE_URI" | "LOCATION_CODE_TYPE_URI" => ODS,
        "UNIQUE_ID" => id,
        "UNIQUE_ID_URI" => SYSTEM,
        "ACTION_FLAG" => "NEW",
        "PERFORMING_PROFESSIONAL_FORENAME" => "Florence",
        "PERFORMING_PROFESSIONAL_SURNAME" => "Nightingale",
        "RECORDED_DATE" | "EXPIRY_DATE" => &today,
        "PRIMARY_SOURCE" => "TRUE",
        "VACCINATION_PROCEDURE_CODE" => procedure.0,
        "VACCINATION_PROCEDURE_TERM" => procedure.1,
        "DOSE_SEQUENCE" => "1",
        "VACCINE_PRODUCT_CODE" => product.0,
        "VACCINE_PRODUCT_TERM" => product.1,
        "VACCINE_MANUFACTURER" => manufacturer,
        "BATCH_NUMBER" => "612345",
        "SITE_OF_VACCINATION_CODE" => SITES[0].0,
        "SITE_OF_VACCINATION_TERM" => SITES[0].1,
        "ROUTE_OF_VACCINATION_CODE" => ROUTES[0].0,
        "ROUTE_OF_VACCINATION_TERM" => ROUTES[0].1,
        "DOSE_AMOUNT" => "0.5",
        "DOSE_UNIT_CODE" => DOSE_UNIT.0,
        "DOSE_UNIT_TERM" => DOSE_UNIT.1,
        "INDICATION_CODE" => REASON.0,
        _ => "",
    };
    Ok(HEADER.iter().map(|column| value(column).to_owned()).collect())
}

pub fn sheet(rows: Vec<Vec<String>>) -> Sheet {
    let columns = HEADER.iter().map(|column| (*column).to_owned()).collect();
    Sheet { columns, rows, delimiter: '|', ..Sheet::default() }
}

/// The ODS code under which a supplier sends files: the last of those that stand for it.
pub fn ods(supplier: &str) -> Result<String> {
    let known = Permissions::built_in(true)?;
    let code = known.ods_codes(supplier).last().map(str::to_owned);
    code.with_context(|| format!("{supplier} sends no files"))
}

/// Gives a file its name, and keeps others from sending one of its lane until the row ends.
pub async fn keep(world: &mut World, mut sheet: Sheet, extension: &str) -> Result<()> {
    if world.lane.is_none() {
        world.lane = Some(world.bench.lane(&world.supplier, &world.vaccine).await);
    }
    let beginning = format!("{}_Vaccinations_v5_{}", world.vaccine, ods(&world.supplier)?);
    sheet.name = world.bench.free_name(&beginning, extension).await?;
    world.sheet = Some(sheet);
    Ok(())
}

/// The rows that a table names.
pub fn listed(world: &World, said: &Said) -> Result<Sheet> {
    let (header, rows) = said.table.as_ref().and_then(|table| table.split_first()).context("the step has no table")?;
    let place = |name: &str| header.iter().position(|held| held == name).with_context(|| format!("no column {name}"));
    let (patient, id) = (place("patient_id")?, place("unique_id")?);
    let mut made = Vec::with_capacity(rows.len());
    for line in rows {
        let unique = format!("{}-{}", line[id], world.bench.unique());
        made.push(row(world, &world.bench.people.patient(&line[patient])?, &unique)?);
    }
    Ok(sheet(made))
}

pub fn rename(sheet: &mut Sheet, from: &str, to: &str) -> Result<()> {
    let place = sheet.columns.iter().position(|held| held == from).with_context(|| format!("no column {from}"))?;
    sheet.columns[place] = to.to_owned();
    Ok(())
}
