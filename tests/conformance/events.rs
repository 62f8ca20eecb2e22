//! What others are told: events that a record changed.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use jiff::civil::Date;
use serde_json::Value;
use xtask::endpoints::Endpoints;

use crate::found::{WITHHELD_ORGANISATION, shown};
use crate::outbound::{GOES_OUT_IN, changes_with, flag, operation};
use crate::requests;
use crate::steps::{Said, Step, steps};
use crate::stored::{id_of, rows_with};
use crate::world::{Bench, POLL, World, same};

/// Sentences about events.
pub const STEPS: &[Step] = steps! {
    "MNS event will be triggered with correct data for created event" => told_of_create,
    "MNS event will be triggered with correct data for Updated event" => told_of_update,
    "MNS event will be triggered with correct data for Deleted event" => told_of_delete,
    "MNS event will be triggered with correct data for all {} events where NHS is not null" => told_of_file,
    "MNS event will not be triggered for the event" => not_told,
    "MNS event will not be triggered for the update event" => not_told,
    "others are told of its {}" => own_told,
    "nobody is told of it" => not_told,
};

/// Queue of events.
const QUEUE: &str = "record-events";

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

async fn own_told(world: &mut World, said: &Said) -> Result<()> {
    told(world, operation(said.value(0))?).await
}

/// A record that comes after all that was changed so far: once it went out, and others were told of it, whatever else was
/// to go out has gone.
pub async fn mark(world: &World) -> Result<World> {
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
    let seen = shown(world);
    let organisation = seen["performer"][1]["actor"]["identifier"]["value"].as_str().unwrap_or_default().to_owned();
    // Whose practice a superseded number leads to is a matter of who took its place.
    let practice = match world.sort.as_str() {
        "Random" => patient.practice,
        "SFlag" | "NO_GP_NHS" => Some(""),
        _ => None,
    };
    let expected = Expected { id: &world.id, action, version: world.changes(), organisation, age, practice };
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
        let restricted = world.bench.people.is_restricted(value("NHS_NUMBER"));
        let organisation = if restricted { WITHHELD_ORGANISATION } else { value("SITE_CODE") }.to_owned();
        let version = changes_with(world, sheet, row);
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
    // Of one change there is an event for every subscriber.
    let events = events(&world.bench, &world.id).await?;
    let told: BTreeSet<Option<u64>> = events.iter().map(|event| event["detail"]["version"].as_u64()).collect();
    same("the number of changes told of", told.len(), usize::from(number && !world.id.is_empty()))
}

async fn not_told(world: &mut World, _: &Said) -> Result<()> {
    silent(world).await
}
