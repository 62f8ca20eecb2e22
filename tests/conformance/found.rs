//! What searches and reads find.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::payloads::ODS;
use crate::requests::Answer;
use crate::searches::{entries, for_record, parameter};
use crate::steps::{Said, Step, steps};
use crate::world::{World, same};

/// Sentences about what is found.
pub const STEPS: &[Step] = steps! {
    "The Read Response JSONs field values should match with the input JSONs field values" => read,
    "The Search Response JSONs should contain the detail of the immunization events created above" => listed,
    "The Search Response JSONs field values should match with the input JSONs field values for resourceType Immunization" => matching,
    "The Search Response JSONs field values should match with the input JSONs field values for resourceType Patient" => patient,
    "correct immunization event is returned in the response" => only,
    "reinstated record is returned in the response with correct created data" => only,
    "correct immunization event is returned in the response with only specified elements" => elements,
    "Empty immunization event is returned in the response" => empty,
    "No immunization event is returned in the response" => empty,
    "The occurrenceDateTime of the immunization events should be within the Date From and Date To range" => within,
    "The Search Response should contain search results and OperationOutcome for invalid immunization targets" => ignored_targets,
    "The Search Response should contain search results and OperationOutcome for unauthorized immunization targets" => unauthorized_targets,
    "The Search Response should contain search results and OperationOutcome for invalid target-disease codes" => ignored_diseases,
    "Deleted Immunization event will not be present in Get method Search API response" => gone_by_get,
    "Deleted Immunization event will not be present in Post method Search API response" => gone_by_post,
    // The project's own wording.
    "the answer is the record as it was sent" => read,
    "it is found as it was sent" => found,
    "it alone is found" => only,
    "only its id and version are found" => elements,
    "nothing is found" => empty,
    "the patient is beside it" => patient,
    "a warning says that types were ignored" => ignored_targets,
    "a warning says that types are not permitted" => unauthorized_targets,
};

/// What stands in for the whereabouts of a restricted person: postcode, organisation, and the country as the place.
pub const WITHHELD_POSTCODE: &str = "ZZ99 3CZ";
/// Organisation.
pub const WITHHELD_ORGANISATION: &str = "N2N9I";
/// Place.
pub const WITHHELD_PLACE: &str = "GB";
/// System of the place.
pub const COUNTRIES: &str = "urn:iso:std:iso:3166";

/// A record as somebody may see it whose whereabouts are withheld, or as it is.
#[must_use]
pub fn shown(world: &World) -> Value {
    let mut record = world.sent.clone();
    if world.patient.as_ref().is_some_and(|patient| patient.restricted) {
        record["contained"][1]["address"] = json!([{"postalCode": WITHHELD_POSTCODE}]);
        record["performer"][1]["actor"] =
            json!({"type": "Organization", "identifier": {"system": ODS, "value": WITHHELD_ORGANISATION}});
        record["location"] = json!({"identifier": {"system": COUNTRIES, "value": WITHHELD_PLACE}});
    }
    record
}

/// Fails where a member of a record that was sent, these apart, is not found as it was.
///
/// # Errors
/// Names the first that differs.
pub fn alike(found: &Value, sent: &Value, apart: &[&str]) -> Result<()> {
    let members = sent.as_object().context("the record that was sent is no object")?;
    for (name, value) in members.iter().filter(|(name, _)| !apart.contains(&name.as_str())) {
        same(name, &found[name], value)?;
    }
    Ok(())
}

async fn read(world: &mut World, _: &Said) -> Result<()> {
    let body = &world.answer()?.body;
    same("id", &body["id"], world.id.as_str())?;
    same("meta.versionId", number(&body["meta"]["versionId"]), Some(u64::from(world.version)))?;
    alike(body, &shown(world), &["id"])
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// The bundle of the last search, which must be one.
fn bundle(world: &World) -> Result<&Value> {
    let Answer { status, body, .. } = world.answer()?;
    same("status", *status, 200)?;
    same("resourceType", &body["resourceType"], "Bundle")?;
    same("type", &body["type"], "searchset")?;
    same("link.relation", &body["link"][0]["relation"], "self")?;
    let url = body["link"][0]["url"].as_str().unwrap_or_default();
    if !url.contains("/Immunization?") {
        bail!("link.url is '{url}', expected the URL of the search");
    }
    same("total", body["total"].as_u64(), Some(entries(body, "Immunization").len() as u64))?;
    Ok(body)
}

/// The entry of the row's record.
fn own_entry(world: &World) -> Result<Option<&Value>> {
    let found = entries(bundle(world)?, "Immunization");
    Ok(found.into_iter().find(|entry| entry["resource"]["id"] == world.id.as_str()))
}

async fn listed(world: &mut World, _: &Said) -> Result<()> {
    own_entry(world)?.with_context(|| format!("record {} is not found", world.id)).map(drop)
}

async fn matching(world: &mut World, _: &Said) -> Result<()> {
    let entry = own_entry(world)?.with_context(|| format!("record {} is not found", world.id))?;
    let (resource, sent) = (&entry["resource"], shown(world));
    let url = entry["fullUrl"].as_str().unwrap_or_default();
    if !url.ends_with(&format!("/Immunization/{}", world.id)) {
        bail!("fullUrl is '{url}', expected the URL of the record");
    }
    same("meta.versionId", number(&resource["meta"]["versionId"]), Some(u64::from(world.version)))?;
    let (found, expected) = (&resource["patient"], &sent["contained"][1]["identifier"][0]);
    same("patient.identifier.system", &found["identifier"]["system"], &expected["system"])?;
    let value = |identifier: &Value| identifier["value"].as_str().unwrap_or_default().to_owned();
    same("patient.identifier.value", value(&found["identifier"]), value(expected))?;
    let reference = found["reference"].as_str().unwrap_or_default();
    let is_uuid = reference.strip_prefix("urn:uuid:").is_some_and(|id| uuid::Uuid::parse_str(id).is_ok());
    same("that patient.reference is the URN of a UUID", is_uuid, true)?;
    same("patient.type", &found["type"], &sent["patient"]["type"])?;
    for member in ["system", "value"] {
        same(&format!("identifier.{member}"), &resource["identifier"][0][member], &sent["identifier"][0][member])?;
    }
    alike(resource, &sent, &["id", "identifier", "contained", "patient", "performer"])
}

async fn found(world: &mut World, said: &Said) -> Result<()> {
    matching(world, said).await
}

async fn patient(world: &mut World, _: &Said) -> Result<()> {
    let entry = own_entry(world)?.with_context(|| format!("record {} is not found", world.id))?;
    let reference = &entry["resource"]["patient"]["reference"];
    let patients = entries(bundle(world)?, "Patient");
    let [patient] = patients[..] else {
        bail!("there are {} patients beside the records, expected one", patients.len())
    };
    let expected = &world.sent["contained"][1]["identifier"][0];
    same("fullUrl of the patient", &patient["fullUrl"], reference)?;
    same("id of the patient", &patient["resource"]["id"], &expected["value"])?;
    let found = &patient["resource"]["identifier"][0];
    same("identifier.system of the patient", &found["system"], &expected["system"])?;
    same("identifier.value of the patient", &found["value"], &expected["value"])
}

async fn only(world: &mut World, said: &Said) -> Result<()> {
    matching(world, said).await?;
    same("total", bundle(world)?["total"].as_u64(), Some(1))
}

async fn elements(world: &mut World, _: &Said) -> Result<()> {
    let entry = own_entry(world)?.with_context(|| format!("record {} is not found", world.id))?;
    same("total", bundle(world)?["total"].as_u64(), Some(1))?;
    let mut names: Vec<&str> =
        entry["resource"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    same("members of the resource", names, vec!["id", "meta", "resourceType"])?;
    let version = number(&entry["resource"]["meta"]["versionId"]);
    same("meta.versionId", version, Some(u64::from(world.version)))
}

/// Nothing is found. The link is the search that was made, where the national service gives one without its identifier.
async fn empty(world: &mut World, _: &Said) -> Result<()> {
    let found = bundle(world)?;
    same("total", found["total"].as_u64(), Some(0))?;
    if parameter(world, "identifier").is_some() {
        same("entries", found["entry"].as_array().map(Vec::len), Some(0))?;
    }
    Ok(())
}

async fn within(world: &mut World, _: &Said) -> Result<()> {
    let day = |name| parameter(world, name).unwrap_or_default();
    let found = entries(bundle(world)?, "Immunization");
    if found.is_empty() {
        bail!("nothing is found between {} and {}", day("-date.from"), day("-date.to"));
    }
    for entry in found {
        let at = entry["resource"]["occurrenceDateTime"].as_str().unwrap_or_default();
        let given = at.get(..10).unwrap_or_default();
        if given < day("-date.from") || given > day("-date.to") {
            bail!("occurrenceDateTime is {at}, expected between {} and {}", day("-date.from"), day("-date.to"));
        }
    }
    Ok(())
}

/// The record is found, and a warning stands beside it.
fn warned(world: &World, code: &str) -> Result<String> {
    own_entry(world)?.with_context(|| format!("record {} is not found", world.id))?;
    let warnings = entries(bundle(world)?, "OperationOutcome");
    let issue = &warnings.first().context("no OperationOutcome is beside the record")?["resource"]["issue"][0];
    same("severity", &issue["severity"], "warning")?;
    same("code", &issue["code"], code)?;
    Ok(issue["diagnostics"].as_str().unwrap_or_default().to_owned())
}

async fn ignored_targets(world: &mut World, _: &Said) -> Result<()> {
    let expected = "Your search included invalid -immunization.target value(s) that were ignored: INVALID_TYPE. The search was performed using the valid value(s) only.";
    same("diagnostics", warned(world, "invalid")?, expected)
}

async fn unauthorized_targets(world: &mut World, _: &Said) -> Result<()> {
    let expected = "Your search contains details that you are not authorised to request";
    same("diagnostics", warned(world, "unauthorized")?, expected)
}

async fn ignored_diseases(world: &mut World, _: &Said) -> Result<()> {
    let wrong = parameter(world, "target-disease").and_then(|diseases| diseases.rsplit('|').next()).unwrap_or_default();
    let expected = format!("Target disease code '{wrong}' is not a supported target disease in this service.");
    same("diagnostics", warned(world, "invalid")?, expected)
}

async fn gone(world: &mut World, method: &str) -> Result<()> {
    for_record(world, &Said { values: vec![method.to_owned()], table: None }).await?;
    match own_entry(world)? {
        Some(_) => bail!("record {} is still found", world.id),
        None => Ok(()),
    }
}

async fn gone_by_get(world: &mut World, _: &Said) -> Result<()> {
    gone(world, "GET").await
}

async fn gone_by_post(world: &mut World, _: &Said) -> Result<()> {
    gone(world, "POST").await
}
