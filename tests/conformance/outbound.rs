//! What others are given: change files, and events of changes.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jiff::civil::Date;
use serde_json::Value;
use xtask::endpoints::Endpoints;

use crate::columns;
use crate::files::Sheet;
use crate::payloads::CONCEPTS;
use crate::people::PRACTICE;
use crate::requests;
use crate::steps::{Said, Step, steps};
use crate::stored::{id_of, last_written, rows_with};
use crate::world::{Bench, POLL, World, same};

/// How long a change may take to go out: the change feed works by the minute.
const GOES_OUT_IN: Duration = Duration::from_secs(90);
/// Bucket of change files, and who is given all of them.
const BUCKET: &str = "outbound";
const CENTRAL: &str = "central/";
/// Queue of events.
const QUEUE: &str = "record-events";

/// Sentences about what others are given.
pub const STEPS: &[Step] = steps! {
    "The delta table will be populated with the correct data for created event" => created,
    "The delta table will be populated with the correct data for updated event" => updated,
    "The delta table will be populated with the correct data for deleted event" => deleted,
    "The delta table will have delete entry with no change to record detail" => deleted,
    "The delta table will be populated with the correct data for all created records in batch file" => all_created,
    "The delta table will be populated with the correct data for all updated records in batch file" => all_updated,
    "The delta table will be populated with the correct data for all deleted records in batch file" => all_deleted,
    "The delta table will not be populated with {} records in batch file" => none_of_file,
    "The terms are mapped to the respective text fields in imms delta table" => terms,
    "The terms are mapped to first instance of coding.display fields in imms delta table" => terms,
    "The terms are mapped to correct instance of coding.display fields in imms delta table" => terms,
    "The terms are mapped to correct coding.display fields in imms delta table" => terms,
    "The terms are blank in imms delta table" => no_terms,
    "The delta table will use the first valid SNOMED site and route coding" => terms,
    "MNS event will be triggered with correct data for created event" => told_of_create,
    "MNS event will be triggered with correct data for Updated event" => told_of_update,
    "MNS event will be triggered with correct data for Deleted event" => told_of_delete,
    "MNS event will be triggered with correct data for all {} events where NHS is not null" => told_of_file,
    "MNS event will not be triggered for the event" => not_told,
    "MNS event will not be triggered for the update event" => not_told,
    // The project's own wording.
    "its {} goes out" => own_out,
    "others are told of its {}" => own_told,
    "nobody is told of it" => not_told,
    "the {} of its rows go out" => own_rows,
    "its rows do not go out" => none_of_file,
};

/// Lines of the change files, read as they come.
#[derive(Debug, Default)]
pub struct Changes {
    read: BTreeSet<String>,
    lines: HashMap<String, Vec<Value>>,
}

/// Events, read as they come.
pub struct Events {
    sqs: aws_sdk_sqs::Client,
    url: Option<String>,
    told: HashMap<String, Vec<Value>>,
}

impl Events {
    /// None yet.
    pub async fn of(endpoints: &Endpoints) -> Self {
        let sqs = aws_sdk_sqs::Client::new(&endpoints.aws_config().await);
        Self { sqs, url: endpoints.queues.get(QUEUE).cloned(), told: HashMap::new() }
    }

    /// Reads what is in the queue.
    async fn read(&mut self) -> Result<()> {
        let url = self.url.as_ref().with_context(|| format!("the stack has no queue {QUEUE}"))?;
        loop {
            let answer = self.sqs.receive_message().queue_url(url).max_number_of_messages(10).send().await?;
            if answer.messages().is_empty() {
                return Ok(());
            }
            for message in answer.messages() {
                let event: Value = serde_json::from_str(message.body().unwrap_or_default())?;
                let id = event["detail"]["immunisation"].as_str().unwrap_or_default().to_owned();
                self.told.entry(id).or_default().push(event);
                let receipt = message.receipt_handle().unwrap_or_default();
                self.sqs.delete_message().queue_url(url).receipt_handle(receipt).send().await?;
            }
        }
    }
}

/// The changes of a record that went out by now, in their order.
async fn changes(bench: &Bench, id: &str) -> Result<Vec<Value>> {
    let mut changes = bench.changes.lock().await;
    for key in bench.running.keys(BUCKET).await? {
        if !key.starts_with(CENTRAL) || !key.ends_with(".ndjson") || changes.read.contains(&key) {
            continue;
        }
        let bytes = bench.running.get(BUCKET, &key).await?;
        for line in String::from_utf8(bytes)?.lines() {
            let line: Value =
                serde_json::from_str(line).with_context(|| format!("{key} has a line that is no JSON"))?;
            let id = line["immunisation"].as_str().unwrap_or_default().to_owned();
            changes.lines.entry(id).or_default().push(line);
        }
        changes.read.insert(key);
    }
    let mut found = changes.lines.get(id).cloned().unwrap_or_default();
    found.sort_by_key(|line| line["sequence"].as_u64());
    Ok(found)
}

/// The last change of a record by an operation, of a version, once it went out.
async fn change(bench: &Bench, id: &str, operation: &str, version: u32) -> Result<Value> {
    let begun = Instant::now();
    loop {
        let found = changes(bench, id).await?;
        let wanted =
            |line: &&Value| line["operation"] == operation && line["version"].as_u64() == Some(u64::from(version));
        if let Some(line) = found.iter().rev().find(wanted) {
            return Ok(line.clone());
        }
        if begun.elapsed() > GOES_OUT_IN {
            let seen: Vec<String> =
                found.iter().map(|line| format!("{} {}", line["operation"], line["version"])).collect();
            bail!("the {operation} of record {id}, version {version}, did not go out; there are {seen:?}");
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The action flag of an operation.
fn flag(operation: &str) -> &str {
    if operation == "CREATE" { "NEW" } else { operation }
}

fn compare(world: &World, line: &Value, expected: Vec<(&'static str, String)>) -> Result<()> {
    same("vaccine_type", &line["vaccine_type"], world.vaccine.to_uppercase().as_str())?;
    same("supplier", &line["supplier"], world.supplier.as_str())?;
    let names: Vec<&str> = line["record"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    same("the columns", names, expected.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
    for (column, value) in expected {
        let found = line["record"][column].as_str().unwrap_or("no text");
        let equal = found == value
            || (column == "DOSE_AMOUNT"
                && found.parse::<f64>().ok().zip(value.parse::<f64>().ok()).is_some_and(|(a, b)| a == b));
        if !equal {
            bail!("{column} went out as {found:?}, expected {value:?}");
        }
    }
    Ok(())
}

/// The last change of the row's record went out, with all that it says.
///
/// # Errors
/// Where it did not.
pub async fn changed(world: &World, operation: &str) -> Result<()> {
    let line = change(&world.bench, &world.id, operation, world.version).await?;
    compare(world, &line, columns::of_record(&world.sent, flag(operation)))
}

async fn created(world: &mut World, _: &Said) -> Result<()> {
    changed(world, "CREATE").await
}

async fn updated(world: &mut World, _: &Said) -> Result<()> {
    changed(world, "UPDATE").await
}

async fn deleted(world: &mut World, _: &Said) -> Result<()> {
    changed(world, "DELETE").await
}

/// The operation that a word of the project's own stands for.
fn operation(word: &str) -> Result<&'static str> {
    Ok(match word {
        "creation" | "creations" => "CREATE",
        "change" | "changes" => "UPDATE",
        "deletion" | "deletions" => "DELETE",
        _ => bail!("no operation is called '{word}'"),
    })
}

async fn own_out(world: &mut World, said: &Said) -> Result<()> {
    changed(world, operation(said.value(0))?).await
}

async fn own_told(world: &mut World, said: &Said) -> Result<()> {
    told(world, operation(said.value(0))?).await
}

async fn own_rows(world: &mut World, said: &Said) -> Result<()> {
    rows_out(world, operation(said.value(0))?).await
}

async fn terms(world: &mut World, _: &Said) -> Result<()> {
    changed(world, "CREATE").await
}

async fn no_terms(world: &mut World, _: &Said) -> Result<()> {
    changed(world, "CREATE").await?;
    let line = change(&world.bench, &world.id, "CREATE", world.version).await?;
    for name in
        ["VACCINATION_PROCEDURE_TERM", "VACCINE_PRODUCT_TERM", "SITE_OF_VACCINATION_TERM", "ROUTE_OF_VACCINATION_TERM"]
    {
        same(name, &line["record"][name], "")?;
    }
    same("the number of concepts", CONCEPTS.len(), 4)
}

/// The version that a row of the file gave its record; deletions do not count.
fn version_of(world: &World, sheet: &Sheet, row: usize) -> u32 {
    let same = |other: &usize| id_of(sheet, *other) == id_of(sheet, row);
    let before =
        (0..row).filter(same).filter(|other| !sheet.value(*other, "ACTION_FLAG").eq_ignore_ascii_case("DELETE"));
    let deletes = sheet.value(row, "ACTION_FLAG").eq_ignore_ascii_case("DELETE");
    let in_file = u32::try_from(before.count()).unwrap_or_default() + u32::from(!deletes);
    // A record that the API created has one version more than the file gave it.
    if id_of(sheet, row) == world.id { world.version } else { in_file }
}

async fn rows_out(world: &World, operation: &str) -> Result<()> {
    let sheet = world.sheet()?;
    let rows = rows_with(sheet, flag(operation));
    same("that the file has such rows", rows.is_empty(), false)?;
    for row in rows {
        let line = change(&world.bench, &id_of(sheet, row), operation, version_of(world, sheet, row)).await?;
        let from = if operation == "DELETE" { last_written(sheet, row) } else { row };
        compare(world, &line, columns::of_row(sheet, from, flag(operation)))
            .with_context(|| format!("row {}", row + 1))?;
    }
    Ok(())
}

async fn all_created(world: &mut World, _: &Said) -> Result<()> {
    rows_out(world, "CREATE").await
}

async fn all_updated(world: &mut World, _: &Said) -> Result<()> {
    rows_out(world, "UPDATE").await
}

async fn all_deleted(world: &mut World, _: &Said) -> Result<()> {
    rows_out(world, "DELETE").await
}

/// A record that comes after all that was changed so far: once it went out, and others were told of it, whatever else was
/// to go out has gone.
async fn mark(world: &World) -> Result<World> {
    let row = crate::features::Row {
        feature: String::new(),
        scenario: String::new(),
        place: 1,
        tags: Vec::new(),
        steps: Vec::new(),
    };
    let mut mark = World::new(world.bench.clone(), &row);
    (mark.supplier, mark.vaccine) = ("EMIS".to_owned(), "FLU".to_owned());
    requests::created(&mut mark, &Said::default()).await?;
    Ok(mark)
}

async fn none_of_file(world: &mut World, _: &Said) -> Result<()> {
    let mark = mark(world).await?;
    change(&world.bench, &mark.id, "CREATE", 1).await?;
    let sheet = world.sheet()?;
    for row in 0..sheet.rows.len() {
        let found = changes(&world.bench, &id_of(sheet, row)).await?.len();
        same(&format!("the number of changes of row {} that went out", row + 1), found, 0)?;
    }
    Ok(())
}

/// Events of a record by now.
async fn events(bench: &Bench, id: &str) -> Result<Vec<Value>> {
    let mut events = bench.events.lock().await;
    events.read().await?;
    Ok(events.told.get(id).cloned().unwrap_or_default())
}

/// What the event of a change must say of the record.
struct Expected<'e> {
    id: &'e str,
    action: &'e str,
    version: u32,
    organisation: String,
    age: Option<i64>,
    practice: Option<&'e str>,
}

async fn told_of(world: &World, expected: Expected<'_>) -> Result<()> {
    let begun = Instant::now();
    let event = loop {
        let found = events(&world.bench, expected.id).await?;
        let wanted = |event: &&Value| {
            let detail = &event["detail"];
            detail["action"] == expected.action && detail["version"].as_u64() == Some(u64::from(expected.version))
        };
        if let Some(event) = found.iter().rev().find(wanted) {
            break event.clone();
        }
        if begun.elapsed() > GOES_OUT_IN {
            bail!("nobody was told of the {} of record {}, version {}", expected.action, expected.id, expected.version);
        }
        tokio::time::sleep(POLL).await;
    };
    same("source", &event["source"], "ims.record")?;
    same("detail-type", &event["detail-type"], "vaccination-record-change")?;
    let detail = &event["detail"];
    same("vaccine_type", &detail["vaccine_type"], world.vaccine.to_uppercase().as_str())?;
    same("supplier", &detail["supplier"], world.supplier.as_str())?;
    same("organisation", &detail["organisation"], expected.organisation.as_str())?;
    same("subject_age", detail["subject_age"].as_i64(), expected.age)?;
    if let Some(practice) = expected.practice {
        same("practice", &detail["practice"], practice)?;
    }
    let reference = detail["dataref"].as_str().unwrap_or_default();
    if !reference.ends_with(&format!("/Immunization/{}", expected.id)) {
        bail!("dataref is '{reference}', expected the URL of the record");
    }
    Ok(())
}

/// Whole years between two dates, the first ten letters of texts; negative where the first is after the second.
fn years(birth: &str, day: &str) -> Option<i64> {
    let date = |text: &str| text.get(..10)?.parse::<Date>().ok();
    let (birth, day) = (date(birth)?, date(day)?);
    let before = (day.month(), day.day()) < (birth.month(), birth.day());
    Some(i64::from(day.year()) - i64::from(birth.year()) - i64::from(before))
}

/// Others were told of the last change of the row's record, if it names an NHS number; else nobody was.
///
/// # Errors
/// Where it is otherwise.
pub async fn told(world: &World, action: &str) -> Result<()> {
    let patient = world.patient()?;
    if patient.number.is_none() {
        return silent(world).await;
    }
    let text = |place: &str| world.sent.pointer(place).and_then(Value::as_str).unwrap_or_default();
    let age = years(text("/contained/1/birthDate"), text("/occurrenceDateTime")).filter(|age| *age >= 0);
    let organisation = text("/performer/1/actor/identifier/value").to_owned();
    // Whose practice a superseded number leads to is a matter of who took its place.
    let practice = patient.practice.filter(|_| patient.restricted || world.sort == "Random").map(|_| PRACTICE);
    let expected = Expected { id: &world.id, action, version: world.version, organisation, age, practice };
    told_of(world, expected).await
}

async fn told_of_create(world: &mut World, _: &Said) -> Result<()> {
    told(world, "CREATE").await
}

async fn told_of_update(world: &mut World, _: &Said) -> Result<()> {
    told(world, "UPDATE").await
}

async fn told_of_delete(world: &mut World, _: &Said) -> Result<()> {
    told(world, "DELETE").await
}

async fn told_of_file(world: &mut World, said: &Said) -> Result<()> {
    let action = said.value(0);
    let sheet = world.sheet()?;
    for row in rows_with(sheet, flag(action)) {
        let value = |column: &str| sheet.value(row, column);
        let id = id_of(sheet, row);
        if value("NHS_NUMBER").is_empty() {
            same("the number of events without NHS number", events(&world.bench, &id).await?.len(), 0)?;
            continue;
        }
        let date =
            |text: &str| text.get(..8).map(|d| format!("{}-{}-{}", &d[..4], &d[4..6], &d[6..])).unwrap_or_default();
        let age = years(&date(value("PERSON_DOB")), &date(value("DATE_AND_TIME")));
        let organisation = value("SITE_CODE").to_owned();
        let version = version_of(world, sheet, row);
        let expected = Expected { id: &id, action, version, organisation, age, practice: None };
        told_of(world, expected).await.with_context(|| format!("row {}", row + 1))?;
    }
    Ok(())
}

/// Nobody was told anything of the row's record beyond its creation, which is what a refused request would have changed.
async fn silent(world: &World) -> Result<()> {
    let mark = Box::pin(mark(world)).await?;
    same("that the mark is another record", mark.id == world.id, false)?;
    let number = world.patient()?.number.is_some();
    let found = events(&world.bench, &world.id).await?;
    let allowed = usize::from(number && !world.id.is_empty());
    if found.len() > allowed {
        bail!("others were told of {} changes, expected {allowed}", found.len());
    }
    Ok(())
}

async fn not_told(world: &mut World, _: &Said) -> Result<()> {
    silent(world).await
}
