//! What answers must be like: status, headers, refusals.

use anyhow::{Context, Result, bail};
use serde_json::json;
use uuid::Uuid;

use crate::refusals::{self, PROFILE, SYSTEM};
use crate::searches;
use crate::steps::{Said, Step, steps};
use crate::world::{World, same};

/// Sentences about answers.
pub const STEPS: &[Step] = steps! {
    "The request will be successful with the status code {}" => answered,
    "The request will be unsuccessful with the status code {}" => answered,
    "The location key and Etag in header will contain the Immunization Id and version" => located,
    "The location key and Etag in header will contain the previous Immunization Id and version will be incremented by 1" => located_again,
    "The Etag in header will containing the latest event version" => tagged,
    "The Etag in header will contain the correct version which will be incremented by 1" => tagged,
    "The X-Request-ID and X-Correlation-ID keys in header will populate correctly" => echoed,
    "The Response JSONs should contain correct error message for {}" => refused,
    "The Response JSONs should contain correct error message for {} access" => refused,
    "The Response JSONs should contain correct error message for Imms_id {}" => refused,
    "The Response JSONs should contain correct error message for etag {}" => refused,
    "The status response will contain a passing healthcheck" => healthy,
    "the answer is {}" => answered,
    "the answer names the record and version {}" => own_located,
    "the answer gives version {}" => own_tagged,
    "the answer repeats the ids of the request" => echoed,
    "the answer refuses it: {}" => refused,
};

pub async fn expect(world: &World, status: u16) -> Result<()> {
    let answer = world.answer()?;
    if answer.status != status {
        bail!("the status is {}, expected {status}: {}", answer.status, answer.body["issue"][0]["diagnostics"]);
    }
    Ok(())
}

async fn answered(world: &mut World, said: &Said) -> Result<()> {
    expect(world, said.value(0).parse()?).await
}

/// Notes the id that the answer names; its version is the one expected.
pub async fn located(world: &mut World, _: &Said) -> Result<()> {
    let answer = world.answer()?;
    let location = answer.header("location").context("the answer has no Location")?;
    let id = location.rsplit('/').next().unwrap_or_default().to_owned();
    Uuid::parse_str(&id).with_context(|| format!("Location is '{location}'"))?;
    same("E-Tag", answer.header("e-tag").map(|tag| tag.trim_matches('"')), Some(world.version.to_string().as_str()))?;
    world.id = id;
    Ok(())
}

async fn located_again(world: &mut World, said: &Said) -> Result<()> {
    let id = world.id.clone();
    // A create that reinstates is the one request that does not count the version itself.
    world.version += 1;
    located(world, said).await?;
    same("the id in Location", &world.id, &id)
}

async fn own_located(world: &mut World, said: &Said) -> Result<()> {
    world.version = said.value(0).parse()?;
    located(world, said).await
}

async fn own_tagged(world: &mut World, said: &Said) -> Result<()> {
    same("the version", world.version, said.value(0).parse::<u32>()?)?;
    tagged(world, said).await
}

async fn tagged(world: &mut World, _: &Said) -> Result<()> {
    let tag = world.answer()?.header("e-tag").map(|tag| tag.trim_matches('"').to_owned());
    same("E-Tag", tag, Some(world.version.to_string()))
}

async fn echoed(world: &mut World, _: &Said) -> Result<()> {
    let answer = world.answer()?;
    for (name, id) in ["x-request-id", "x-correlation-id"].into_iter().zip(&answer.ids) {
        same(name, answer.header(name), Some(id.as_str()))?;
    }
    Ok(())
}

/// The text of a refusal for the row's record.
///
/// # Errors
/// Where no refusal is called so.
pub fn refusal_text(world: &World, name: &str) -> Result<(&'static str, String)> {
    let refusal = refusals::named(name).with_context(|| format!("no refusal is called '{name}'"))?;
    let identifier = &world.made["identifier"][0];
    let text = |member: &str| identifier[member].as_str().unwrap_or_default().to_owned();
    let text = refusal
        .text
        .replace("<imms_id>", &world.id)
        .replace("<version>", &world.stated)
        .replace("<identifier>", &format!("{}#{}", text("system"), text("value")));
    Ok((refusal.code, text))
}

async fn refused(world: &mut World, said: &Said) -> Result<()> {
    refusal(world, said.value(0))
}

/// The answer is this refusal, in the national shape and words.
///
/// # Errors
/// Where it is not.
pub fn refusal(world: &World, name: &str) -> Result<()> {
    let (code, text) = refusal_text(world, name)?;
    let body = &world.answer()?.body;
    let said = body["issue"][0]["diagnostics"].as_str().unwrap_or_default();
    same("diagnostics", searches::one_line(said), text)?;
    Uuid::parse_str(body["id"].as_str().unwrap_or_default()).context("the id of the refusal is no UUID")?;
    let detail = &body["issue"][0]["details"]["coding"][0];
    for (what, found, expected) in [
        ("resourceType", &body["resourceType"], json!("OperationOutcome")),
        ("profile", &body["meta"]["profile"][0], json!(PROFILE)),
        ("severity", &body["issue"][0]["severity"], json!("error")),
        ("code", &body["issue"][0]["code"], json!(code)),
        ("system of the details", &detail["system"], json!(SYSTEM)),
        ("code of the details", &detail["code"], json!(code.to_uppercase())),
    ] {
        same(what, found, &expected)?;
    }
    Ok(())
}

async fn healthy(world: &mut World, _: &Said) -> Result<()> {
    let body = &world.answer()?.body;
    same("status", &body["status"], "pass")?;
    same("checks.healthcheck.status", &body["checks"]["healthcheck"]["status"], "pass")
}
