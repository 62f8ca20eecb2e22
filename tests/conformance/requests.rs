//! Requests about one record.

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;
use xtask::demo::running;

use crate::answers::{expect, located};
use crate::codes;
use crate::days::named;
use crate::events;
use crate::payloads::{self, details, set};
use crate::steps::{Said, Skipped, Step, steps};
use crate::world::World;

/// What was answered, and under which ids it was asked for.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers, names in small letters.
    pub headers: Vec<(String, String)>,
    /// Body; null where there is none.
    pub body: Value,
    /// `X-Request-ID` and `X-Correlation-ID` of the request.
    pub ids: [String; 2],
}

impl Answer {
    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Sentences about requests, and about what is answered.
pub const STEPS: &[Step] = steps! {
    "Trigger the post create request" => create,
    "Trigger another post create request with same unique_id and unique_id_uri" => create_again,
    "I have created a valid vaccination record" => created,
    "I have created a valid vaccination record through API" => created,
    "Valid vaccination record is created with Patient {} and vaccine_type {}" => created_for,
    "valid vaccination record is created by {} supplier" => created_by,
    "Valid vaccination record is created for {} and Disease Type {} with recorded date as {}" => created_on,
    "vaccination record exists in the API where batch file includes update records for missing mandatory fields and a duplicate entry" => created_to_fail,
    "I update the address of the original immunization event" => update_address,
    "Send a update for Immunization event created with patient address being updated" => update_address,
    "Send a update for Immunization event created with patient address being updated by {}" => update_address_by,
    "I subsequently update the vaccination details of the original immunization event" => update_details,
    "Send a update for Immunization event created with vaccination detail being updated" => update_details,
    "created event is being updated twice" => updated_twice,
    "Send a update for Immunization event created with occurrenceDateTime being updated to {}" => update_occurrence,
    "Send a update for Immunization event created with recorded being updated to {}" => update_recorded,
    "Send a update for Immunization event created with patient date of bith being updated to {}" => update_birth,
    "Send a update for Immunization event created with patient date of birth being updated to {}" => update_birth,
    "Send a update for Immunization event created with expiration date being updated to {}" => update_expiry,
    "Send an update request for invalid immunization id" => update_unknown,
    "Send an update request for invalid Etag {}" => update_version,
    "Trigger update request with same unique_id and unique_id_uri for the deleted record" => update_deleted,
    "Send a read request for Immunization event created" => read,
    "Send a read request for Immunization event created with invalid Imms Id" => read_unknown,
    "Send a read request with no Imms Id" => read_nothing,
    "Send a delete for Immunization event created" => delete,
    "same delete request is triggered again" => delete,
    "created event is being deleted" => deleted,
    "Send a delete for Immunization event created for the above created event is send by {}" => delete_by,
    "Send a delete for Immunization event created with invalid Imms Id" => delete_unknown,
    "the status API key is available in the given environment" => nothing,
    "I send a request to the ping endpoint" => ping,
    "I send a request to the status endpoint" => status,
    "I send a direct request to the AWS backend" => behind,
    "The request is rejected" => nothing,
    "I send an unauthenticated request to the API" => unauthenticated,
    // The project's own wording.
    "it is created" => create,
    "a {} record of a {} patient is held" => held,
    "its address is changed" => update_address,
    "{} changes its address" => update_address_by,
    "its vaccine is changed" => update_details,
    "its {} is changed to {}" => own_update,
    "it is changed as of version {}" => update_at,
    "it is read" => read,
    "it is deleted" => delete,
    "{} deletes it" => delete_by,
    "it is created again" => create_again,
    "it is changed again as it was" => update_deleted,
};

async fn nothing(_: &mut World, _: &Said) -> Result<()> {
    Ok(())
}

/// Makes a request to the API, as the row's supplier.
pub async fn send(
    world: &mut World,
    method: Method,
    path: &str,
    tag: Option<&str>,
    body: Option<String>,
) -> Result<()> {
    let form = path.ends_with("_search");
    let ids = [Uuid::new_v4().to_string(), Uuid::new_v4().to_string()];
    let running = &world.bench.running;
    let url = format!("{}/{path}", running.endpoints.api);
    let kind = if form { "application/x-www-form-urlencoded" } else { "application/fhir+json" };
    let mut request = world.bench.http.request(method, &url);
    request = request.header("X-Request-ID", &ids[0]).header("X-Correlation-ID", &ids[1]);
    request = request.header("Accept", "application/fhir+json").header("Content-Type", kind);
    if !world.supplier.is_empty() {
        request = request.bearer_auth(running::supplier_token(&running.endpoints, &world.supplier)?);
    }
    if let Some(tag) = tag {
        request = request.header("E-Tag", tag);
    }
    if let Some(body) = body {
        request = request.body(body);
    }
    let response = request.send().await.with_context(|| format!("asking for {url}"))?;
    let header = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let (status, headers) = (response.status().as_u16(), response.headers().iter().map(header).collect());
    let body = serde_json::from_slice(&response.bytes().await?).unwrap_or(Value::Null);
    world.answer = Some(Answer { status, headers, body, ids });
    Ok(())
}

async fn create(world: &mut World, _: &Said) -> Result<()> {
    world.sent = world.made.clone();
    let body = world.sent.to_string();
    send(world, Method::POST, "Immunization", None, Some(body)).await
}

async fn create_again(world: &mut World, said: &Said) -> Result<()> {
    set(&mut world.made, "/contained/1/address/0/city", Some(json!("Updated City")))?;
    set(&mut world.made, "/contained/1/address/0/state", Some(json!("Updated State")))?;
    create(world, said).await
}

/// Creates the record that was made up, and sees that others are told of it.
async fn create_it(world: &mut World) -> Result<()> {
    create(world, &Said::default()).await?;
    expect(world, 201).await?;
    located(world, &Said::default()).await?;
    events::told(world, "CREATE").await
}

/// Makes up a record and creates it.
pub async fn created(world: &mut World, said: &Said) -> Result<()> {
    payloads::plain(world, said).await?;
    create_it(world).await
}

async fn created_for(world: &mut World, said: &Said) -> Result<()> {
    payloads::of_patient(world, said).await?;
    create_it(world).await
}

async fn held(world: &mut World, said: &Said) -> Result<()> {
    (world.vaccine, world.sort) = (said.value(0).to_owned(), said.value(1).to_owned());
    created(world, &Said::default()).await
}

async fn created_by(world: &mut World, said: &Said) -> Result<()> {
    world.supplier = said.value(0).to_owned();
    created(world, said).await
}

async fn created_on(world: &mut World, said: &Said) -> Result<()> {
    world.vaccine = said.value(1).to_owned();
    payloads::plain(world, said).await?;
    let day = said.value(2);
    for (place, text) in [
        ("/occurrenceDateTime", format!("{day}T11:55:55.565+00:00")),
        ("/recorded", format!("{day}T12:00:55.565+00:00")),
        ("/contained/1/identifier/0/value", said.value(0).to_owned()),
    ] {
        set(&mut world.made, place, Some(json!(text)))?;
    }
    if let Some(patient) = &mut world.patient {
        (patient.number, patient.practice) = (Some(said.value(0).to_owned()), None);
    }
    create_it(world).await
}

async fn created_to_fail(world: &mut World, said: &Said) -> Result<()> {
    payloads::plain(world, said).await?;
    let value = format!("Fail-missing-mandatory-fields-{}-duplicate", world.bench.unique());
    set(&mut world.made, "/identifier/0/value", Some(json!(value)))?;
    create_it(world).await
}

/// Sends a record as the next version of the row's.
async fn put(world: &mut World, mut record: Value, tag: &str) -> Result<()> {
    record["id"] = json!(world.id);
    world.stated = tag.to_owned();
    let path = format!("Immunization/{}", world.id);
    send(world, Method::PUT, &path, Some(tag), Some(record.to_string())).await?;
    if world.answer()?.status == 200 {
        world.version += 1;
        world.sent = record;
    }
    Ok(())
}

async fn put_next(world: &mut World, record: Value) -> Result<()> {
    let tag = world.version.to_string();
    put(world, record, &tag).await
}

/// Changes the patient's address.
pub async fn update_address(world: &mut World, _: &Said) -> Result<()> {
    let mut record = world.made.clone();
    set(&mut record, "/contained/1/address/0/city", Some(json!("Updated City")))?;
    set(&mut record, "/contained/1/address/0/state", Some(json!("Updated State")))?;
    put_next(world, record).await
}

async fn update_address_by(world: &mut World, said: &Said) -> Result<()> {
    world.supplier = said.value(0).to_owned();
    update_address(world, said).await
}

async fn update_details(world: &mut World, _: &Said) -> Result<()> {
    let codes = codes::of(&world.vaccine).context("no codes")?;
    let mut record = world.made.clone();
    for (place, value) in details(codes, 1 + world.version as usize) {
        set(&mut record, place, Some(value))?;
    }
    put_next(world, record).await
}

async fn updated_twice(world: &mut World, said: &Said) -> Result<()> {
    update_address(world, said).await?;
    expect(world, 200).await?;
    events::told(world, "UPDATE").await?;
    update_details(world, said).await?;
    expect(world, 200).await?;
    events::told(world, "UPDATE").await
}

async fn update_date(world: &mut World, place: &str, name: &str) -> Result<()> {
    let mut record = world.made.clone();
    set(&mut record, place, named(name, world.bench.now)?.map(Value::String))?;
    put_next(world, record).await
}

async fn update_occurrence(world: &mut World, said: &Said) -> Result<()> {
    update_date(world, "/occurrenceDateTime", said.value(0)).await
}

async fn update_recorded(world: &mut World, said: &Said) -> Result<()> {
    update_date(world, "/recorded", said.value(0)).await
}

async fn update_birth(world: &mut World, said: &Said) -> Result<()> {
    update_date(world, "/contained/1/birthDate", said.value(0)).await
}

async fn update_expiry(world: &mut World, said: &Said) -> Result<()> {
    update_date(world, "/expirationDate", said.value(0)).await
}

async fn own_update(world: &mut World, said: &Said) -> Result<()> {
    let place = match said.value(0) {
        "date of vaccination" => "/occurrenceDateTime",
        "date of birth" => "/contained/1/birthDate",
        other => bail!("'{other}' is not changed by any step"),
    };
    update_date(world, place, said.value(1)).await
}

async fn update_unknown(world: &mut World, said: &Said) -> Result<()> {
    payloads::plain(world, said).await?;
    world.id = Uuid::new_v4().to_string();
    put_next(world, world.made.clone()).await
}

async fn update_version(world: &mut World, said: &Said) -> Result<()> {
    payloads::plain(world, said).await?;
    world.id = Uuid::new_v4().to_string();
    put(world, world.made.clone(), said.value(0)).await
}

async fn update_at(world: &mut World, said: &Said) -> Result<()> {
    put(world, world.made.clone(), said.value(0)).await
}

async fn update_deleted(world: &mut World, _: &Said) -> Result<()> {
    put_next(world, world.made.clone()).await
}

async fn read(world: &mut World, _: &Said) -> Result<()> {
    let path = format!("Immunization/{}?_summary", world.id);
    send(world, Method::GET, &path, None, None).await
}

async fn read_unknown(world: &mut World, said: &Said) -> Result<()> {
    world.id = Uuid::new_v4().to_string();
    read(world, said).await
}

async fn read_nothing(world: &mut World, _: &Said) -> Result<()> {
    send(world, Method::GET, "Immunization/%20?_summary", None, None).await
}

async fn delete(world: &mut World, _: &Said) -> Result<()> {
    let path = format!("Immunization/{}", world.id);
    send(world, Method::DELETE, &path, None, None).await?;
    world.deletions += u32::from(world.answer()?.status == 204);
    Ok(())
}

async fn deleted(world: &mut World, said: &Said) -> Result<()> {
    delete(world, said).await?;
    expect(world, 204).await
}

async fn delete_by(world: &mut World, said: &Said) -> Result<()> {
    world.supplier = said.value(0).to_owned();
    delete(world, said).await
}

async fn delete_unknown(world: &mut World, said: &Said) -> Result<()> {
    world.id = Uuid::new_v4().to_string();
    delete(world, said).await
}

async fn ping(world: &mut World, _: &Said) -> Result<()> {
    send(world, Method::GET, "_ping", None, None).await
}

async fn status(world: &mut World, _: &Said) -> Result<()> {
    send(world, Method::GET, "_status", None, None).await
}

async fn behind(_: &mut World, _: &Said) -> Result<()> {
    Err(Skipped("a local stack has no TLS, so that no connection can lack a client certificate").into())
}

async fn unauthenticated(world: &mut World, _: &Said) -> Result<()> {
    world.supplier.clear();
    send(world, Method::GET, "Immunization", None, None).await
}
