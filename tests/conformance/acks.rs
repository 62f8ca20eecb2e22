//! Acknowledgements of files, and what the service notes of them.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::files::Sheet;
use crate::refusals;
use crate::requests::refusal_text;
use crate::steps::{Said, Step, steps};
use crate::world::{PATIENCE, POLL, World, same};

const REFUSED: &str = "Business Level Response Value - Processing Error";
const BUS_HEADER: &str = "MESSAGE_HEADER_ID|HEADER_RESPONSE_CODE|ISSUE_SEVERITY|ISSUE_CODE|ISSUE_DETAILS_CODE|\
    RESPONSE_TYPE|RESPONSE_CODE|RESPONSE_DISPLAY|RECEIVED_TIME|MAILBOX_FROM|LOCAL_ID|IMMS_ID|OPERATION_OUTCOME|\
    MESSAGE_DELIVERY";

/// Sentences about acknowledgements.
pub const STEPS: &[Step] = steps! {
    "file will be moved to destination bucket and inf ack file will be created" => inf_ack,
    "file will be moved to destination bucket and inf ack file will be created for duplicate batch file upload" => inf_ack,
    "inf ack file has success status for processed batch file" => accepted,
    "inf ack file has failure status for processed batch file" => refused,
    "bus ack files will be created" => bus_acks,
    "bus ack file will be created" => bus_acks,
    "bus ack file will not be created" => no_bus_acks,
    "CSV bus ack will not have any entry of successfully processed records" => csv_without_rows,
    "bus ack will not have any entry of successfully processed records" => csv_without_rows,
    "Json bus ack will only contain file metadata and no failure record entry" => json_without_rows,
    "Json bus ack will only contain file metadata and correct failure record entries" => json_with_rows,
    "json bus ack will have error records for all the updated records in the batch file" => json_with_rows,
    "all rejected records are listed in the csv bus ack file and no imms id is generated" => csv_with_rows,
    "all records are rejected in the bus ack file and no imms id is generated" => csv_with_rows,
    "csv bus ack will have error records for all the updated records in the batch file" => csv_with_rows,
    "bus ack will have error records for all the updated records in the batch file" => csv_with_rows,
    "Audit table will have correct status, queue name and record count for the processed batch file" => processed,
    "Audit table will have {}, {} and {} for the processed batch file" => noted,
    // The project's own wording.
    "the file is taken" => accepted,
    "the file is refused" => refused,
    "every row is accepted" => own_accepted,
    "every row is refused in both answers, as its identifier says" => own_refused,
    "no rows are answered" => no_bus_acks,
    "the file is noted as processed, with its counts" => processed,
    "the file is noted as '{}' in '{}', with '{}'" => noted,
};

/// Keys of a file's acknowledgements of a kind, in the order of their times.
///
/// # Errors
/// Where the stack cannot be asked.
pub async fn keys(world: &World, folder: &str) -> Result<Vec<String>> {
    let prefix = format!("{folder}/{}_", world.sheet()?.stem());
    let mut keys = world.bench.running.keys("acks").await?;
    keys.retain(|key| key.starts_with(&prefix));
    keys.sort();
    Ok(keys)
}

/// The same, as soon as there are so many more than before the last upload.
async fn new_keys(world: &World, folder: &str, more: usize) -> Result<Vec<String>> {
    let before = world.sheet()?.acks_before;
    let before = if folder == "ack" { before.0 } else { before.1 };
    let begun = Instant::now();
    loop {
        let keys = keys(world, folder).await?;
        if keys.len() >= before + more {
            same(&format!("the number of new acknowledgements in {folder}/"), keys.len() - before, more)?;
            return Ok(keys);
        }
        if begun.elapsed() > PATIENCE {
            bail!("there are {} new acknowledgements in {folder}/, expected {more}", keys.len() - before);
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn text(world: &World, key: &str) -> Result<String> {
    Ok(String::from_utf8(world.bench.running.get("acks", key).await?)?)
}

async fn inf_ack(world: &mut World, _: &Said) -> Result<()> {
    new_keys(world, "ack", 1).await.map(drop)
}

async fn judged(world: &World, expected: [&str; 7]) -> Result<()> {
    let keys = new_keys(world, "ack", 1).await?;
    let id = world.sheet()?.noted.as_ref().map(|file| file.message_id.clone()).unwrap_or_default();
    for key in keys.iter().rev() {
        let text = text(world, key).await?;
        let (header, row) = text.split_once('\n').with_context(|| format!("{key} has one line"))?;
        let row: Vec<&str> = row.trim_end().split('|').collect();
        if row.first() != Some(&id.as_str()) {
            continue;
        }
        same("columns of the InfAck", header.split('|').count(), 12)?;
        same("fields of the InfAck", row.len(), 12)?;
        return same("the InfAck", [row[1], row[2], row[3], row[5], row[6], row[7], row[11]], expected);
    }
    bail!("no InfAck names the file's message {id}: {keys:?}")
}

async fn accepted(world: &mut World, _: &Said) -> Result<()> {
    judged(world, ["Success", "Information", "OK", "Technical", "20013", "Success", "True"]).await
}

async fn refused(world: &mut World, _: &Said) -> Result<()> {
    let display = "Infrastructure Level Response Value - Processing Error";
    judged(world, ["Failure", "Fatal", "Fatal Error", "Technical", "10002", display, "False"]).await
}

async fn bus_acks(world: &mut World, _: &Said) -> Result<()> {
    let keys = new_keys(world, "forwardedFile", 2).await?;
    let ends = |end: &str| keys.iter().any(|key| key.ends_with(end));
    same("that there is one as CSV and one as JSON", ends(".csv") && ends(".json"), true)
}

async fn no_bus_acks(world: &mut World, _: &Said) -> Result<()> {
    // The file is in a state that it does not leave: what was not answered by now is not answered.
    let found = keys(world, "forwardedFile").await?.len();
    same("the number of BusAcks", found, world.sheet()?.acks_before.1)
}

/// Fields of the lines of the BusAck as CSV.
async fn csv(world: &World) -> Result<Vec<Vec<String>>> {
    let keys = keys(world, "forwardedFile").await?;
    let key = keys.iter().rfind(|key| key.ends_with(".csv")).context("there is no BusAck as CSV")?;
    let text = text(world, key).await?;
    let mut lines = text.lines();
    same("the header of the BusAck", lines.next(), Some(BUS_HEADER))?;
    Ok(lines.map(|line| line.split('|').map(str::to_owned).collect()).collect())
}

async fn csv_without_rows(world: &mut World, _: &Said) -> Result<()> {
    let listed: Vec<String> = csv(world).await?.into_iter().filter_map(|fields| fields.into_iter().nth(10)).collect();
    let sheet = world.sheet()?;
    for row in (0..sheet.rows.len()).filter(|row| !sheet.is_to_fail(*row)) {
        if listed.contains(&local_id(sheet, row)) {
            bail!("row {} is listed as refused: {}", row + 1, local_id(sheet, row));
        }
    }
    Ok(())
}

fn local_id(sheet: &Sheet, row: usize) -> String {
    format!("{}^{}", sheet.value(row, "UNIQUE_ID"), sheet.value(row, "UNIQUE_ID_URI"))
}

/// The text with which a row must be refused: named by its surname where that names a refusal, else by the third part of
/// its identifier.
fn expected(world: &World, sheet: &Sheet, row: usize) -> Result<String> {
    let surname = sheet.value(row, "PERSON_SURNAME").trim();
    let id = sheet.value(row, "UNIQUE_ID").trim();
    let name = if refusals::named(surname).is_some() { surname } else { id.split('-').nth(2).unwrap_or_default() };
    if name == "not_found" {
        return Ok(format!("Immunization resource does not exist. ID: {}#{id}", sheet.value(row, "UNIQUE_ID_URI")));
    }
    Ok(refusal_text(world, name)?.1)
}

/// The rows that must be refused, from 0.
fn to_fail(sheet: &Sheet) -> Vec<usize> {
    (0..sheet.rows.len()).filter(|row| sheet.is_to_fail(*row)).collect()
}

async fn csv_with_rows(world: &mut World, _: &Said) -> Result<()> {
    let lines = csv(world).await?;
    let sheet = world.sheet()?;
    let expected_rows = to_fail(sheet);
    same("the number of rows refused", lines.len(), expected_rows.len())?;
    let id = sheet.noted.as_ref().map(|file| file.message_id.clone()).unwrap_or_default();
    for (fields, row) in lines.iter().zip(expected_rows) {
        same("the number of fields", fields.len(), 14)?;
        let place = format!("row {}", row + 1);
        same(&format!("{place}: MESSAGE_HEADER_ID"), &fields[0], &format!("{id}^{}", row + 1))?;
        let fixed = [&fields[1], &fields[2], &fields[3], &fields[6], &fields[7], &fields[11], &fields[13]];
        same(&place, fixed, ["Fatal Error", "Fatal", "Fatal Error", "30002", REFUSED, "", "False"])?;
        same(&format!("{place}: LOCAL_ID"), fields[10].replace(' ', ""), local_id(sheet, row).replace(' ', ""))?;
        same(&format!("{place}: OPERATION_OUTCOME"), &fields[12], &expected(world, sheet, row)?)?;
    }
    Ok(())
}

/// The BusAck as JSON, whose metadata and counts are checked.
async fn report(world: &World) -> Result<Value> {
    let keys = keys(world, "forwardedFile").await?;
    let key = keys.iter().rfind(|key| key.ends_with(".json")).context("there is no BusAck as JSON")?;
    let report: Value = serde_json::from_str(&text(world, key).await?)?;
    let sheet = world.sheet()?;
    let failed = to_fail(sheet).len();
    for (what, found, expected) in [
        ("system", &report["system"], json!("Immunisation FHIR API Batch Report")),
        ("version", &report["version"], json!(1)),
        ("filename", &report["filename"], json!(sheet.stem())),
        ("provider", &report["provider"], json!(world.supplier)),
        ("totalRecords", &report["summary"]["totalRecords"], json!(sheet.rows.len())),
        ("succeeded", &report["summary"]["succeeded"], json!(sheet.rows.len() - failed)),
        ("failed", &report["summary"]["failed"], json!(failed)),
    ] {
        same(what, found, &expected)?;
    }
    let (start, end) = (&report["summary"]["ingestionTime"]["start"], &report["summary"]["ingestionTime"]["end"]);
    same(
        "that ingestion ends after its start",
        end.as_i64().unwrap_or_default() > start.as_i64().unwrap_or(i64::MAX),
        true,
    )?;
    Ok(report)
}

async fn json_without_rows(world: &mut World, _: &Said) -> Result<()> {
    same("failures", &report(world).await?["failures"], &json!([]))
}

async fn json_with_rows(world: &mut World, _: &Said) -> Result<()> {
    let report = report(world).await?;
    let sheet = world.sheet()?;
    let failures = report["failures"].as_array().context("there are no failures")?;
    let rows = to_fail(sheet);
    same("the number of failures", failures.len(), rows.len())?;
    for (failure, row) in failures.iter().zip(rows) {
        let expected = json!({
            "rowId": row + 1,
            "responseCode": "30002",
            "responseDisplay": REFUSED,
            "severity": "Fatal",
            "localId": local_id(sheet, row),
            "operationOutcome": expected(world, sheet, row)?,
        });
        same(&format!("the failure of row {}", row + 1), failure, &expected)?;
    }
    Ok(())
}

async fn own_accepted(world: &mut World, said: &Said) -> Result<()> {
    bus_acks(world, said).await?;
    csv_without_rows(world, said).await?;
    json_without_rows(world, said).await
}

async fn own_refused(world: &mut World, said: &Said) -> Result<()> {
    bus_acks(world, said).await?;
    csv_with_rows(world, said).await?;
    json_with_rows(world, said).await
}

/// What the national service's audit table says of a file is what the service's item of the file says.
async fn processed(world: &mut World, _: &Said) -> Result<()> {
    let sheet = world.sheet()?;
    let file = world.bench.file_done(&sheet.name).await?;
    let failed = to_fail(sheet).len() as u64;
    let rows = sheet.rows.len() as u64;
    same("the state", state(&file)?, "Processed")?;
    same("the queue", file.queue_name(), format!("{}_{}", world.supplier, world.vaccine))?;
    same("the error", &file.error, &None)?;
    same("rows, accepted and rejected", (file.rows, file.accepted, file.rejected), (rows, rows - failed, failed))
}

fn state(file: &ims_store::FeedFile) -> Result<String> {
    Ok(serde_json::to_value(file.state)?.as_str().unwrap_or_default().to_owned())
}

async fn noted(world: &mut World, said: &Said) -> Result<()> {
    let file = world.sheet()?.noted.as_ref().context("the file was not uploaded yet")?;
    same("the state", state(file)?, said.value(0))?;
    same("the queue", file.queue_name(), said.value(1))?;
    let error = Some(said.value(2)).filter(|error| *error != "None");
    same("the error", file.error.as_deref(), error)
}
