//! What is stored: records of the row, and those of its file.

use anyhow::{Context, Result};
use ims_domain::record::Immunisation;
use ims_domain::{ImmunisationId, NhsNumber};
use reqwest::Method;
use serde_json::{Value, json};

use crate::files::Sheet;
use crate::found::{alike, shown};
use crate::outbound;
use crate::payloads::{CONCEPTS, NHS_NUMBER, SNOMED};
use crate::people::gender_code;
use crate::requests::send;
use crate::steps::{Said, Step, steps};
use crate::world::{World, same};

/// Sentences about what is stored.
pub const STEPS: &[Step] = steps! {
    "The imms event table will be populated with the correct data for {} event" => record,
    "The imms event table will be populated with the correct data for {} event for records in batch file" => of_file,
    "The imms event table will preserve every site and route coding from the request" => codings,
    "The imms event table status will be updated to delete and no change to record detail" => deleted,
    "The delta and imms event table will be populated with the correct data for api created event" => created,
    "IMMS event and delta tables, along with the MNS event, will be populated with correct data for the deleted record" => deletion,
    "IMMS event and delta tables, along with the MNS event, will be populated with correct created data for the reinstated record" => reinstated_by_create,
    "IMMS event and delta tables, along with the MNS event, will be populated with correct updated data for the reinstated record" => reinstated_by_update,
    "IMMS event and delta tables will be populated with correct updated data for the reinstated record" => reinstated_by_update,
    "Api request will be successful and tables will be updated correctly" => updated,
    // The project's own wording.
    "it is stored as it was sent" => own_stored,
    "it is kept, deleted" => deleted,
    "the rows are stored, {}" => of_file,
};

/// The record held, with what it must have in common with whatever was sent.
async fn held(world: &World, id: &str, number: Option<&str>, is_deleted: bool) -> Result<Immunisation> {
    let store = &world.bench.running.store;
    let id: ImmunisationId = id.parse()?;
    let person = store.person_by_immunisation(id).await?.with_context(|| format!("nobody holds record {id}"))?;
    let held = store.immunisation(person, id).await?.with_context(|| format!("record {id} is not held"))?;
    same(&format!("that record {id} is deleted"), held.deleted, is_deleted)?;
    same(&format!("the version of record {id}"), held.shown_version(), world.version)?;
    same(&format!("the supplier of record {id}"), held.source.supplier.as_str(), world.supplier.as_str())?;
    same(&format!("the vaccine type of record {id}"), held.vaccine.code(), world.vaccine.to_uppercase().as_str())?;
    if let Some(number) = number.filter(|number| !number.is_empty()) {
        let named = store.person_by_nhs_number(number.parse::<NhsNumber>()?).await?;
        let holder = store.person(person).await?.with_context(|| format!("the holder of record {id} is not there"))?;
        same(&format!("whose record {id} is"), named == Some(person) || named == Some(holder.id), true)?;
    }
    Ok(held)
}

/// The row's record: in the store as it was sent, and through the API as it may be seen.
async fn stored(world: &mut World, is_deleted: bool) -> Result<()> {
    let number = world.sent["contained"][1]["identifier"][0]["value"].as_str().map(str::to_owned);
    let held = held(world, &world.id.clone(), number.as_deref(), is_deleted).await?;
    let body: Value = serde_json::from_str(&held.body)?;
    alike(&body, &world.sent, &["id"])?;
    // The row's last answer is still to be judged by later steps.
    let answer = world.answer.clone();
    send(world, Method::GET, &format!("Immunization/{}", world.id), None, None).await?;
    let read = std::mem::replace(&mut world.answer, answer).unwrap_or_default();
    if is_deleted {
        return same("the status of a read", read.status, 404);
    }
    same("the status of a read", read.status, 200)?;
    same("id", &read.body["id"], world.id.as_str())?;
    alike(&read.body, &shown(world), &["id"])
}

/// Whether an operation leaves a record deleted.
fn deletes(operation: &str) -> Result<bool> {
    match operation {
        "created" | "updated" => Ok(false),
        "deleted" => Ok(true),
        _ => anyhow::bail!("no operation is called '{operation}'"),
    }
}

async fn record(world: &mut World, said: &Said) -> Result<()> {
    stored(world, deletes(said.value(0))?).await
}

async fn own_stored(world: &mut World, _: &Said) -> Result<()> {
    stored(world, false).await
}

async fn deleted(world: &mut World, _: &Said) -> Result<()> {
    stored(world, true).await
}

async fn codings(world: &mut World, _: &Said) -> Result<()> {
    stored(world, false).await?;
    for place in ["/site/coding", "/route/coding"] {
        let count = world.sent.pointer(place).and_then(Value::as_array).map(Vec::len);
        same(&format!("the number of codings at {place}"), count, Some(3))?;
    }
    Ok(())
}

async fn created(world: &mut World, _: &Said) -> Result<()> {
    stored(world, false).await?;
    outbound::changed(world, "CREATE").await
}

async fn deletion(world: &mut World, _: &Said) -> Result<()> {
    stored(world, true).await?;
    outbound::changed(world, "DELETE").await?;
    outbound::told(world, "DELETE").await
}

async fn reinstated_by_create(world: &mut World, _: &Said) -> Result<()> {
    stored(world, false).await?;
    outbound::changed(world, "CREATE").await?;
    outbound::told(world, "CREATE").await
}

async fn reinstated_by_update(world: &mut World, _: &Said) -> Result<()> {
    stored(world, false).await?;
    outbound::changed(world, "UPDATE").await?;
    outbound::told(world, "UPDATE").await
}

async fn updated(world: &mut World, _: &Said) -> Result<()> {
    let answer = world.answer()?;
    same("the status", answer.status, 200)?;
    same("E-Tag", answer.header("e-tag").map(|tag| tag.trim_matches('"')), Some(world.version.to_string().as_str()))?;
    stored(world, false).await?;
    outbound::changed(world, "UPDATE").await
}

/// The rows of a file with an action, one for each record.
#[must_use]
pub fn rows_with(sheet: &Sheet, flag: &str) -> Vec<usize> {
    (0..sheet.rows.len()).filter(|row| sheet.value(*row, "ACTION_FLAG").eq_ignore_ascii_case(flag)).collect()
}

/// The id of the record that a row is about.
#[must_use]
pub fn id_of(sheet: &Sheet, row: usize) -> String {
    ImmunisationId::of(sheet.value(row, "UNIQUE_ID_URI"), sheet.value(row, "UNIQUE_ID")).to_string()
}

async fn of_file(world: &mut World, said: &Said) -> Result<()> {
    let is_deleted = deletes(said.value(0))?;
    let sheet = world.sheet()?.clone();
    let flag = match said.value(0) {
        "created" => "NEW",
        "updated" => "UPDATE",
        _ => "DELETE",
    };
    let rows = rows_with(&sheet, flag);
    same("that the file has such rows", rows.is_empty(), false)?;
    for row in rows {
        let held = held(world, &id_of(&sheet, row), Some(sheet.value(row, "NHS_NUMBER")), is_deleted).await?;
        let body: Value = serde_json::from_str(&held.body)?;
        // A deletion takes nothing from the record but its life: what it says is what the row before said.
        let from = if flag == "DELETE" { last_written(&sheet, row) } else { row };
        as_row(&body, &sheet, from).with_context(|| format!("row {}", row + 1))?;
    }
    Ok(())
}

/// The row that last wrote the record that a row deletes.
#[must_use]
pub fn last_written(sheet: &Sheet, row: usize) -> usize {
    let same = |other: &usize| {
        id_of(sheet, *other) == id_of(sheet, row) && !sheet.value(*other, "ACTION_FLAG").eq_ignore_ascii_case("DELETE")
    };
    (0..row).rev().find(same).unwrap_or(row)
}

/// Fails where a stored resource does not say what its row says.
fn as_row(body: &Value, sheet: &Sheet, row: usize) -> Result<()> {
    let value = |column: &str| sheet.value(row, column);
    let contained = |kind: &str| {
        let all = body["contained"].as_array().into_iter().flatten();
        all.clone().find(|part| part["resourceType"] == kind).cloned().unwrap_or(Value::Null)
    };
    let (patient, practitioner) = (contained("Patient"), contained("Practitioner"));
    let date = |text: &str| match (text.get(..4), text.get(4..6), text.get(6..8)) {
        (Some(year), Some(month), Some(day)) => json!(format!("{year}-{month}-{day}")),
        _ => Value::Null,
    };
    let text = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let at = value("DATE_AND_TIME");
    let moment =
        format!("{}T{}:{}:{}+00:00", date(at).as_str().unwrap_or_default(), &at[9..11], &at[11..13], &at[13..15]);
    let number = |text: &str| text.parse::<f64>().map_or(Value::Null, |number| json!(number));
    let mut checks = vec![
        ("status", body["status"].clone(), json!("completed")),
        ("UNIQUE_ID", body["identifier"][0]["value"].clone(), text(value("UNIQUE_ID"))),
        ("UNIQUE_ID_URI", body["identifier"][0]["system"].clone(), text(value("UNIQUE_ID_URI"))),
        ("DATE_AND_TIME", body["occurrenceDateTime"].clone(), json!(moment)),
        ("RECORDED_DATE", body["recorded"].clone(), date(value("RECORDED_DATE"))),
        ("PRIMARY_SOURCE", body["primarySource"].clone(), json!(value("PRIMARY_SOURCE").eq_ignore_ascii_case("true"))),
        ("LOCATION_CODE", body["location"]["identifier"]["value"].clone(), text(value("LOCATION_CODE"))),
        (
            "LOCATION_CODE_TYPE_URI",
            body["location"]["identifier"]["system"].clone(),
            text(value("LOCATION_CODE_TYPE_URI")),
        ),
        ("SITE_CODE", body["performer"][0]["actor"]["identifier"]["value"].clone(), text(value("SITE_CODE"))),
        (
            "SITE_CODE_TYPE_URI",
            body["performer"][0]["actor"]["identifier"]["system"].clone(),
            text(value("SITE_CODE_TYPE_URI")),
        ),
        ("VACCINE_MANUFACTURER", body["manufacturer"]["display"].clone(), text(value("VACCINE_MANUFACTURER"))),
        ("BATCH_NUMBER", body["lotNumber"].clone(), text(value("BATCH_NUMBER"))),
        ("EXPIRY_DATE", body["expirationDate"].clone(), date(value("EXPIRY_DATE"))),
        ("DOSE_AMOUNT", json!(body["doseQuantity"]["value"].as_f64()), number(value("DOSE_AMOUNT"))),
        ("DOSE_UNIT_CODE", body["doseQuantity"]["code"].clone(), text(value("DOSE_UNIT_CODE"))),
        ("DOSE_UNIT_TERM", body["doseQuantity"]["unit"].clone(), text(value("DOSE_UNIT_TERM"))),
        ("INDICATION_CODE", body["reasonCode"][0]["coding"][0]["code"].clone(), text(value("INDICATION_CODE"))),
        ("NHS_NUMBER", patient["identifier"][0]["value"].clone(), text(value("NHS_NUMBER"))),
        ("PERSON_FORENAME", patient["name"][0]["given"][0].clone(), text(value("PERSON_FORENAME"))),
        ("PERSON_SURNAME", patient["name"][0]["family"].clone(), text(value("PERSON_SURNAME"))),
        ("PERSON_DOB", patient["birthDate"].clone(), date(value("PERSON_DOB"))),
        ("PERSON_POSTCODE", patient["address"][0]["postalCode"].clone(), text(value("PERSON_POSTCODE"))),
        (
            "PERFORMING_PROFESSIONAL_FORENAME",
            practitioner["name"][0]["given"][0].clone(),
            text(value("PERFORMING_PROFESSIONAL_FORENAME")),
        ),
        (
            "PERFORMING_PROFESSIONAL_SURNAME",
            practitioner["name"][0]["family"].clone(),
            text(value("PERFORMING_PROFESSIONAL_SURNAME")),
        ),
    ];
    let sex = patient["gender"].as_str().map_or(Value::Null, |word| json!(gender_code(word)));
    checks.push(("PERSON_GENDER_CODE", sex, json!(gender_code(value("PERSON_GENDER_CODE")))));
    let terms = ["VACCINATION_PROCEDURE", "VACCINE_PRODUCT", "SITE_OF_VACCINATION", "ROUTE_OF_VACCINATION"];
    for (place, name) in CONCEPTS.into_iter().zip(terms) {
        let coding = body.pointer(&format!("{place}/coding/0")).filter(|coding| coding["system"] == SNOMED);
        let coding = coding.cloned().unwrap_or(Value::Null);
        checks.push((name, coding["code"].clone(), text(value(&format!("{name}_CODE")))));
        checks.push((name, coding["display"].clone(), text(value(&format!("{name}_TERM")))));
    }
    let protocol = &body["protocolApplied"][0];
    checks.push(match value("DOSE_SEQUENCE").parse::<u8>() {
        Ok(number) => ("DOSE_SEQUENCE", protocol["doseNumberPositiveInt"].clone(), json!(number)),
        Err(_) => ("DOSE_SEQUENCE", protocol["doseNumberString"].clone(), json!("Dose sequence not recorded")),
    });
    if !value("NHS_NUMBER").is_empty() {
        checks.push(("system of NHS_NUMBER", patient["identifier"][0]["system"].clone(), json!(NHS_NUMBER)));
    }
    checks.into_iter().try_for_each(|(column, found, expected)| same(column, found, expected))
}
