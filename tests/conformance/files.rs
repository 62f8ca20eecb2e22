//! Batch files that scenarios make up and upload.

use anyhow::{Context, Result, bail};
use ims_fhir::batch::HEADER;
use ims_runtime::auth::Permissions;
use ims_store::FeedFile;
use serde_json::json;
use std::time::Instant;

use crate::codes::{self, DOSE_UNIT, REASON, ROUTES, SITES};
use crate::days::{compact, day, in_file, later};
use crate::payloads::{self, ODS, long_name, set};
use crate::people::{Patient, gender_code};
use crate::requests::update_address;
use crate::steps::{Said, Step, steps};
use crate::world::{PATIENCE, POLL, World};

/// System of the identifiers in files that are made up.
pub const SYSTEM: &str = "https://fhir.nhs.uk/Id/Automation-vaccine-administered-event-uk";
/// A record in the same file ends before the patience of the runner does.
const UPDATED_EXPIRY: &str = "20281231";

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

    fn set(&mut self, row: usize, column: &str, value: &str) {
        if let Some(place) = self.columns.iter().position(|held| held == column)
            && let Some(row) = self.rows.get_mut(row)
        {
            row[place] = value.to_owned();
        }
    }

    /// Whether a row is made up to be refused: its identifier says so, or is blank.
    #[must_use]
    pub fn is_to_fail(&self, row: usize) -> bool {
        let id = self.value(row, "UNIQUE_ID");
        id.starts_with("Fail-") || id.trim().is_empty()
    }

    /// Name without extension.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.name.rsplit_once('.').map_or(&self.name, |(stem, _)| stem)
    }

    fn bytes(&self) -> Vec<u8> {
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

/// Sentences about files.
pub const STEPS: &[Step] = steps! {
    "batch file is created for below data as full dataset" => full,
    "batch file is created for below data as full dataset with file extension {}" => full_with_extension,
    "batch file is created for below data as minimum dataset" => minimum,
    "batch file is created for below data as full dataset and each record has a valid update record in the same file" => with_updates,
    "batch file is created for below data as full dataset and each record has a valid delete record in the same file" => with_deletions,
    "batch file is created for below data as full dataset and each record delete and the followed with create/update action flag" => reinstated,
    "batch file is received for below data form DPS with all three action flag for each record" => all_actions,
    "batch file is created for below data where date_and_time field has invalid date" => date_and_time,
    "batch file is created for below data where recorded field has invalid date" => recorded,
    "batch file is created for below data where expiry field has invalid date" => expiry,
    "batch file is created for below data where Person date of birth field has invalid date" => birth,
    "batch file is created for below data where Person detail has invalid data" => bad_people,
    "batch file is created for below data where person detail has valid values" => good_people,
    "batch file is created for below data where performer detail has invalid data" => performers,
    "batch file is created for below data where mandatory fields for site, location, action flag, primary source and unique identifiers are missing" => missing,
    "batch file is created for below data where mandatory field for site, location and unique uri values are invalid" => odd_systems,
    "batch file is created for below data where action flag has different cases" => flags,
    "batch file is created for below data where non mandatory fields are empty string" => blank,
    "batch file is created for below data where non mandatory fields are missing" => absent,
    "batch file is created for below data with {} filename and {} extension" => named,
    "Empty batch file is created" => empty,
    "batch file is created with missing columns for below data" => fewer_columns,
    "batch file is created with invalid column order for below data" => other_order,
    "batch file is created with invalid delimiter for below data" => other_delimiter,
    "batch file is created with invalid column name for patient surname for below data" => other_column,
    "batch file is created with additional column person age for below data" => one_more_column,
    "An update to above vaccination record is made through batch file upload" => update_record,
    "An delete to above vaccination record is made through batch file upload" => delete_record,
    "A delete to above vaccination record is made through batch file upload" => delete_record,
    "Delete above vaccination record is made through batch file upload with mandatory field missing" => delete_record_without_birth,
    "Update to above vaccination record is made through batch file upload with mandatory field missing" => bad_updates,
    "records for same event are uploaded via batch file with missing mandatory fields and duplicated record" => bad_updates_and_duplicates,
    "Send a update for Immunization event created with vaccination detail being updated through API request" => update_by_api,
    "batch file is uploaded in s3 bucket" => upload,
    "same batch file is uploaded again in s3 bucket" => upload,
    // The project's own wording.
    "a {} file of {} with" => own_file,
    "the record is changed by a file" => update_record,
    "the record is deleted by a file" => delete_record,
    "a file of {} that is called {}" => own_named,
    "its column {} is called {}" => own_column,
    "its values are parted by {}" => own_delimiter,
    "it has no rows" => own_empty,
    "the file is dropped" => upload,
    "the file is dropped again" => upload,
};

/// A row of the row's vaccine type about a patient, every column filled in.
fn row(world: &World, patient: &Patient, id: &str) -> Result<Vec<String>> {
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

fn sheet(rows: Vec<Vec<String>>) -> Sheet {
    let columns = HEADER.iter().map(|column| (*column).to_owned()).collect();
    Sheet { columns, rows, delimiter: '|', ..Sheet::default() }
}

/// The ODS code under which a supplier sends files: the last of those that stand for it.
fn ods(supplier: &str) -> Result<String> {
    let known = Permissions::built_in(true)?;
    let code = known.ods_codes(supplier).last().map(str::to_owned);
    code.with_context(|| format!("{supplier} sends no files"))
}

/// Gives a file its name, and keeps others from sending one of its lane until the row ends.
async fn keep(world: &mut World, mut sheet: Sheet, extension: &str) -> Result<()> {
    if world.lane.is_none() {
        world.lane = Some(world.bench.lane(&world.supplier, &world.vaccine).await);
    }
    let beginning = format!("{}_Vaccinations_v5_{}", world.vaccine, ods(&world.supplier)?);
    sheet.name = world.bench.free_name(&beginning, extension).await?;
    world.sheet = Some(sheet);
    Ok(())
}

/// The rows that a table names.
fn listed(world: &World, said: &Said) -> Result<Sheet> {
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

async fn changed(world: &mut World, said: &Said, changes: &[&[(&str, &str)]]) -> Result<()> {
    let mut sheet = listed(world, said)?;
    for (row, changes) in changes.iter().enumerate() {
        for (column, value) in *changes {
            sheet.set(row, column, value);
        }
    }
    keep(world, sheet, "csv").await
}

async fn full(world: &mut World, said: &Said) -> Result<()> {
    changed(world, said, &[]).await
}

async fn full_with_extension(world: &mut World, said: &Said) -> Result<()> {
    let sheet = listed(world, said)?;
    keep(world, sheet, said.value(0)).await
}

async fn minimum(world: &mut World, said: &Said) -> Result<()> {
    const CLEARED: [&str; 17] = [
        "VACCINATION_PROCEDURE_TERM",
        "VACCINE_PRODUCT_CODE",
        "VACCINE_PRODUCT_TERM",
        "VACCINE_MANUFACTURER",
        "BATCH_NUMBER",
        "SITE_OF_VACCINATION_CODE",
        "SITE_OF_VACCINATION_TERM",
        "EXPIRY_DATE",
        "ROUTE_OF_VACCINATION_CODE",
        "ROUTE_OF_VACCINATION_TERM",
        "DOSE_SEQUENCE",
        "DOSE_AMOUNT",
        "DOSE_UNIT_CODE",
        "DOSE_UNIT_TERM",
        "INDICATION_CODE",
        "PERFORMING_PROFESSIONAL_SURNAME",
        "PERFORMING_PROFESSIONAL_FORENAME",
    ];
    let mut sheet = listed(world, said)?;
    for row in 0..sheet.rows.len() {
        CLEARED.iter().for_each(|column| sheet.set(row, column, ""));
    }
    keep(world, sheet, "csv").await
}

/// The rows again with other actions, after all rows with the first.
async fn followed(world: &mut World, said: &Said, actions: &[&str]) -> Result<()> {
    let mut sheet = listed(world, said)?;
    let first = sheet.rows.len();
    for action in actions {
        for row in 0..first {
            sheet.rows.push(sheet.rows[row].clone());
            let last = sheet.rows.len() - 1;
            // With two words, the first is of even rows and the second of odd ones.
            let words: Vec<&str> = action.split('/').collect();
            let action = words[row % words.len()];
            sheet.set(last, "ACTION_FLAG", action);
            if action == "UPDATE" {
                sheet.set(last, "EXPIRY_DATE", UPDATED_EXPIRY);
            }
        }
    }
    keep(world, sheet, "csv").await
}

async fn with_updates(world: &mut World, said: &Said) -> Result<()> {
    world.version = 2;
    followed(world, said, &["UPDATE"]).await
}

async fn with_deletions(world: &mut World, said: &Said) -> Result<()> {
    followed(world, said, &["DELETE"]).await
}

async fn reinstated(world: &mut World, said: &Said) -> Result<()> {
    world.version = 2;
    followed(world, said, &["DELETE", "NEW/UPDATE"]).await
}

async fn all_actions(world: &mut World, said: &Said) -> Result<()> {
    world.version = 2;
    followed(world, said, &["UPDATE", "DELETE"]).await
}

/// Writes the date that each row's identifier names into a column.
async fn dated(world: &mut World, said: &Said, column: &str) -> Result<()> {
    let mut sheet = listed(world, said)?;
    for row in 0..sheet.rows.len() {
        let name = sheet.value(row, "UNIQUE_ID").split('-').nth(1).unwrap_or_default().to_owned();
        sheet.set(row, column, &in_file(&name, world.bench.now)?);
    }
    keep(world, sheet, "csv").await
}

async fn date_and_time(world: &mut World, said: &Said) -> Result<()> {
    dated(world, said, "DATE_AND_TIME").await
}

async fn recorded(world: &mut World, said: &Said) -> Result<()> {
    dated(world, said, "RECORDED_DATE").await
}

async fn expiry(world: &mut World, said: &Said) -> Result<()> {
    dated(world, said, "EXPIRY_DATE").await
}

async fn birth(world: &mut World, said: &Said) -> Result<()> {
    dated(world, said, "PERSON_DOB").await
}

async fn bad_people(world: &mut World, said: &Said) -> Result<()> {
    let (long, longer) = (long_name(36), long_name(181));
    changed(
        world,
        said,
        &[
            &[("NHS_NUMBER", "12345678")],
            &[("NHS_NUMBER", "1234567890")],
            &[("PERSON_FORENAME", "")],
            &[("PERSON_FORENAME", ""), ("PERSON_SURNAME", "")],
            &[("PERSON_SURNAME", "")],
            &[("PERSON_GENDER_CODE", "8")],
            &[("PERSON_GENDER_CODE", "unknow")],
            &[("PERSON_GENDER_CODE", "")],
            &[("PERSON_FORENAME", " ")],
            &[("PERSON_SURNAME", " ")],
            &[("PERSON_SURNAME", &long)],
            &[("PERSON_FORENAME", &longer)],
        ],
    )
    .await
}

async fn good_people(world: &mut World, said: &Said) -> Result<()> {
    let (name, second) = (long_name(35), format!("Elan {}", long_name(15)));
    changed(
        world,
        said,
        &[
            &[("PERSON_GENDER_CODE", "0")],
            &[("PERSON_GENDER_CODE", "1")],
            &[("PERSON_GENDER_CODE", "2")],
            &[("PERSON_GENDER_CODE", "9")],
            &[("PERSON_GENDER_CODE", "unknown")],
            &[("PERSON_GENDER_CODE", "male")],
            &[("PERSON_GENDER_CODE", "female")],
            &[("PERSON_GENDER_CODE", "other")],
            &[("PERSON_SURNAME", &name)],
            &[("PERSON_FORENAME", &name)],
            &[("PERSON_FORENAME", &second)],
        ],
    )
    .await
}

async fn performers(world: &mut World, said: &Said) -> Result<()> {
    let changes: [&[(&str, &str)]; 2] =
        [&[("PERFORMING_PROFESSIONAL_FORENAME", "")], &[("PERFORMING_PROFESSIONAL_SURNAME", "")]];
    changed(world, said, &changes).await
}

/// What is missing in each row, and (as surname, since some have no identifier) which refusal follows.
const MISSING: [(&[(&str, &str)], &str); 19] = [
    (&[("SITE_CODE", "")], "empty_site_code"),
    (&[("SITE_CODE_TYPE_URI", "")], "empty_site_code_uri"),
    (&[("LOCATION_CODE", "")], "empty_location_code"),
    (&[("LOCATION_CODE_TYPE_URI", "")], "empty_location_code_uri"),
    (&[("UNIQUE_ID", "")], "no_unique_identifiers"),
    (&[("UNIQUE_ID_URI", "")], "no_unique_identifiers"),
    (&[("PRIMARY_SOURCE", "")], "empty_primary_source"),
    (&[("VACCINATION_PROCEDURE_CODE", "")], "no_procedure_code"),
    (&[("SITE_CODE", " ")], "no_site_code"),
    (&[("SITE_CODE_TYPE_URI", " ")], "no_site_code_uri"),
    (&[("LOCATION_CODE", " ")], "no_location_code"),
    (&[("LOCATION_CODE_TYPE_URI", " ")], "no_location_code_uri"),
    (&[("UNIQUE_ID", " ")], "no_unique_id"),
    (&[("UNIQUE_ID_URI", " ")], "no_unique_id_uri"),
    (&[("PRIMARY_SOURCE", " ")], "no_primary_source"),
    (&[("VACCINATION_PROCEDURE_CODE", " ")], "empty_procedure_code"),
    (&[("PRIMARY_SOURCE", "test")], "no_primary_source"),
    (&[("ACTION_FLAG", "")], "invalid_action_flag"),
    (&[("ACTION_FLAG", " ")], "invalid_action_flag"),
];

fn spoil(sheet: &mut Sheet) {
    for (row, (changes, refusal)) in MISSING.into_iter().enumerate() {
        changes.iter().for_each(|(column, value)| sheet.set(row, column, value));
        sheet.set(row, "PERSON_SURNAME", refusal);
    }
}

async fn missing(world: &mut World, said: &Said) -> Result<()> {
    let mut sheet = listed(world, said)?;
    spoil(&mut sheet);
    keep(world, sheet, "csv").await
}

async fn odd_systems(world: &mut World, said: &Said) -> Result<()> {
    let changes: [&[(&str, &str)]; 3] = [
        &[("UNIQUE_ID_URI", "invalid_uri")],
        &[("SITE_CODE_TYPE_URI", "invalid_uri")],
        &[("LOCATION_CODE_TYPE_URI", "invalid_uri")],
    ];
    changed(world, said, &changes).await
}

async fn flags(world: &mut World, said: &Said) -> Result<()> {
    let changes: [&[(&str, &str)]; 4] =
        [&[("ACTION_FLAG", "NEW")], &[("ACTION_FLAG", "New")], &[("ACTION_FLAG", "new")], &[("ACTION_FLAG", "nEw")]];
    changed(world, said, &changes).await
}

const OPTIONAL: [&str; 14] = [
    "NHS_NUMBER",
    "VACCINATION_PROCEDURE_TERM",
    "VACCINE_PRODUCT_CODE",
    "VACCINE_PRODUCT_TERM",
    "VACCINE_MANUFACTURER",
    "BATCH_NUMBER",
    "SITE_OF_VACCINATION_CODE",
    "SITE_OF_VACCINATION_TERM",
    "ROUTE_OF_VACCINATION_CODE",
    "ROUTE_OF_VACCINATION_TERM",
    "DOSE_SEQUENCE",
    "DOSE_UNIT_CODE",
    "DOSE_UNIT_TERM",
    "INDICATION_CODE",
];

async fn without(world: &mut World, said: &Said, value: &str) -> Result<()> {
    let mut sheet = listed(world, said)?;
    OPTIONAL.iter().enumerate().for_each(|(row, column)| sheet.set(row, column, value));
    keep(world, sheet, "csv").await
}

async fn blank(world: &mut World, said: &Said) -> Result<()> {
    without(world, said, " ").await
}

async fn absent(world: &mut World, said: &Said) -> Result<()> {
    without(world, said, "").await
}

async fn named(world: &mut World, said: &Said) -> Result<()> {
    let mut sheet = listed(world, said)?;
    sheet.name = world.bench.free_name(said.value(0), said.value(1)).await?;
    world.sheet = Some(sheet);
    Ok(())
}

async fn empty(world: &mut World, _: &Said) -> Result<()> {
    keep(world, sheet(Vec::new()), "csv").await
}

async fn fewer_columns(world: &mut World, said: &Said) -> Result<()> {
    let mut sheet = listed(world, said)?;
    for column in ["PERSON_DOB", "PERFORMING_PROFESSIONAL_FORENAME"] {
        if let Some(place) = sheet.columns.iter().position(|held| held == column) {
            sheet.columns.remove(place);
            sheet.rows.iter_mut().for_each(|row| _ = row.remove(place));
        }
    }
    keep(world, sheet, "csv").await
}

async fn other_order(world: &mut World, said: &Said) -> Result<()> {
    let mut sheet = listed(world, said)?;
    sheet.columns.swap(0, 1);
    sheet.rows.iter_mut().for_each(|row| row.swap(0, 1));
    keep(world, sheet, "csv").await
}

async fn other_delimiter(world: &mut World, said: &Said) -> Result<()> {
    let sheet = Sheet { delimiter: ';', ..listed(world, said)? };
    keep(world, sheet, "csv").await
}

fn rename(sheet: &mut Sheet, from: &str, to: &str) -> Result<()> {
    let place = sheet.columns.iter().position(|held| held == from).with_context(|| format!("no column {from}"))?;
    sheet.columns[place] = to.to_owned();
    Ok(())
}

async fn other_column(world: &mut World, said: &Said) -> Result<()> {
    let mut sheet = listed(world, said)?;
    rename(&mut sheet, "PERSON_SURNAME", "PERSON_SURENAME")?;
    keep(world, sheet, "csv").await
}

async fn one_more_column(world: &mut World, said: &Said) -> Result<()> {
    let mut sheet = listed(world, said)?;
    sheet.columns.push("PERSON_AGE".to_owned());
    sheet.rows.iter_mut().for_each(|row| row.push("30".to_owned()));
    keep(world, sheet, "csv").await
}

/// A row about the record that the API holds.
fn of_record(world: &World, action: &str) -> Result<Sheet> {
    let text = |place: &str| world.made.pointer(place).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let mut sheet = sheet(vec![row(world, world.patient()?, &text("/identifier/0/value"))?]);
    sheet.set(0, "UNIQUE_ID_URI", &text("/identifier/0/system"));
    sheet.set(0, "ACTION_FLAG", action);
    Ok(sheet)
}

async fn update_record(world: &mut World, _: &Said) -> Result<()> {
    let mut sheet = of_record(world, "UPDATE")?;
    sheet.set(0, "EXPIRY_DATE", UPDATED_EXPIRY);
    world.version += 1;
    keep(world, sheet, "csv").await
}

async fn delete_record(world: &mut World, _: &Said) -> Result<()> {
    let sheet = of_record(world, "DELETE")?;
    keep(world, sheet, "csv").await
}

async fn delete_record_without_birth(world: &mut World, _: &Said) -> Result<()> {
    let mut sheet = of_record(world, "DELETE")?;
    sheet.set(0, "PERSON_DOB", "");
    keep(world, sheet, "csv").await
}

async fn bad_rows(world: &mut World, more: &[(&str, &str, Option<&str>)]) -> Result<()> {
    let mut sheet = of_record(world, "UPDATE")?;
    let one = sheet.rows[0].clone();
    sheet.rows = vec![one; MISSING.len() + more.len()];
    spoil(&mut sheet);
    for (row, (action, refusal, id)) in (MISSING.len()..).zip(more) {
        sheet.set(row, "ACTION_FLAG", action);
        sheet.set(row, "PERSON_SURNAME", refusal);
        if let Some(id) = id {
            sheet.set(row, "UNIQUE_ID", id);
        }
    }
    keep(world, sheet, "csv").await
}

async fn bad_updates(world: &mut World, _: &Said) -> Result<()> {
    bad_rows(world, &[]).await
}

async fn bad_updates_and_duplicates(world: &mut World, _: &Said) -> Result<()> {
    let unknown = format!("Fail-{}-NonExisting", world.bench.unique());
    bad_rows(world, &[("New", "duplicate", None), ("DELETE", "not_found", Some(&unknown))]).await
}

/// Changes through the API what a file created.
async fn update_by_api(world: &mut World, said: &Said) -> Result<()> {
    payloads::plain(world, said).await?;
    let sheet = world.sheet()?.clone();
    let value = |column: &str| sheet.value(0, column);
    let words = [("1", "male"), ("2", "female"), ("9", "other"), ("0", "unknown")];
    let gender =
        words.into_iter().find(|(code, _)| *code == value("PERSON_GENDER_CODE")).map_or("unknown", |(_, word)| word);
    let (date, at) = (value("PERSON_DOB"), value("DATE_AND_TIME"));
    let (birth, given) = match (date.get(..4), date.get(4..6), date.get(6..8), at.get(9..15)) {
        (Some(y), Some(m), Some(d), Some(time)) => (
            format!("{y}-{m}-{d}"),
            format!("{}-{}-{}T{}:{}:{}.000+00:00", &at[..4], &at[4..6], &at[6..8], &time[..2], &time[2..4], &time[4..]),
        ),
        _ => bail!("the file has no dates"),
    };
    for (place, text) in [
        ("/contained/1/identifier/0/value", value("NHS_NUMBER")),
        ("/contained/1/name/0/family", value("PERSON_SURNAME")),
        ("/contained/1/gender", gender),
        ("/contained/1/birthDate", &birth),
        ("/contained/1/address/0/postalCode", value("PERSON_POSTCODE")),
        ("/identifier/0/value", value("UNIQUE_ID")),
        ("/identifier/0/system", value("UNIQUE_ID_URI")),
        ("/occurrenceDateTime", &given),
    ] {
        set(&mut world.made, place, Some(json!(text)))?;
    }
    set(&mut world.made, "/contained/1/name/0/given", Some(json!([value("PERSON_FORENAME")])))?;
    if let Some(patient) = &mut world.patient {
        patient.number = Some(value("NHS_NUMBER").to_owned());
    }
    world.id = ims_domain::ImmunisationId::of(value("UNIQUE_ID_URI"), value("UNIQUE_ID")).to_string();
    update_address(world, said).await
}

async fn own_file(world: &mut World, said: &Said) -> Result<()> {
    (world.vaccine, world.supplier) = (said.value(0).to_owned(), said.value(1).to_owned());
    let (header, rows) = said.table.as_ref().and_then(|table| table.split_first()).context("the step has no table")?;
    let mut made = Vec::new();
    for line in rows {
        let named = |name: &str| header.iter().position(|held| held == name).map_or("", |place| line[place].as_str());
        let id = format!("{}-{}", named("id"), world.bench.unique());
        made.push((row(world, &world.bench.people.patient(named("patient"))?, &id)?, line));
    }
    let mut sheet = sheet(made.iter().map(|(row, _)| row.clone()).collect());
    for (place, (_, line)) in made.iter().enumerate() {
        for (column, value) in header.iter().zip(*line).filter(|(column, _)| HEADER.contains(&column.as_str())) {
            sheet.set(place, column, value);
        }
    }
    keep(world, sheet, "csv").await
}

async fn own_named(world: &mut World, said: &Said) -> Result<()> {
    (world.supplier, world.vaccine) = ("EMIS".to_owned(), said.value(0).to_owned());
    let mut sheet = sheet(vec![row(world, &world.bench.people.patient("Random")?, &world.bench.unique())?]);
    let (beginning, extension) = said.value(1).rsplit_once('.').context("the name has no extension")?;
    sheet.name = world.bench.free_name(beginning, extension).await?;
    world.sheet = Some(sheet);
    Ok(())
}

fn own(world: &mut World) -> Result<&mut Sheet> {
    world.sheet.as_mut().context("no file was made up yet")
}

async fn own_column(world: &mut World, said: &Said) -> Result<()> {
    rename(own(world)?, said.value(0), said.value(1))
}

async fn own_delimiter(world: &mut World, said: &Said) -> Result<()> {
    own(world)?.delimiter = said.value(0).chars().next().context("no delimiter")?;
    Ok(())
}

async fn own_empty(world: &mut World, _: &Said) -> Result<()> {
    own(world)?.rows.clear();
    Ok(())
}

/// Drops the file and waits until the service has dealt with it. A file stays in the inbound bucket: what has become of it
/// is told by its state, where the national service moves it.
async fn upload(world: &mut World, _: &Said) -> Result<()> {
    let mut sheet = world.sheet()?.clone();
    let bench = world.bench.clone();
    let again = sheet.noted.is_some();
    sheet.acks_before =
        (crate::acks::keys(world, "ack").await?.len(), crate::acks::keys(world, "forwardedFile").await?.len());
    bench.running.put("inbound", &sheet.name, sheet.bytes()).await?;
    sheet.noted = Some(if again { second(world, &sheet.name).await? } else { bench.file_done(&sheet.name).await? });
    world.sheet = Some(sheet);
    Ok(())
}

/// What is noted of another upload of a name, beside the first.
async fn second(world: &World, name: &str) -> Result<FeedFile> {
    let begun = Instant::now();
    loop {
        let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        for day in [now, now.yesterday()?] {
            let files = world.bench.running.store.files_on(day).await?;
            if let Some(found) =
                files.into_iter().rfind(|file| file.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('#')))
            {
                return Ok(found);
            }
        }
        if begun.elapsed() > PATIENCE {
            bail!("nothing is noted of the second upload of {name}");
        }
        tokio::time::sleep(POLL).await;
    }
}
