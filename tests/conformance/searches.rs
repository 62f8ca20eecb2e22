//! Searches.

use anyhow::{Context, Result};
use ims_domain::{NhsNumber, VaccineType};
use jiff::civil::Date;
use reqwest::Method;
use serde_json::Value;

use crate::days::day;
use crate::payloads::{NHS_NUMBER, SNOMED};
use crate::requests::{refusal, send};
use crate::steps::{Said, Step, steps};
use crate::world::World;

const PATIENT: &str = "patient.identifier";
const TARGET: &str = "-immunization.target";
const DISEASE: &str = "target-disease";
const FROM: &str = "-date.from";
const TO: &str = "-date.to";
const INCLUDE: &str = "_include";
const PATIENT_INCLUDED: &str = "Immunization:patient";
/// A valid number whose records do not matter.
const ANYBODY: &str = "9990000018";
const MEASLES: &str = "14189004";

/// Sentences about searches, and about those that are refused.
pub const STEPS: &[Step] = steps! {
    "Send a search request with {} method for Immunization event created" => for_record,
    "Send a search request with {} method with valid NHS Number {} and Disease Type {} and Date From {} and Date To {}" => between,
    "Send a search request with {} method with invalid NHS Number {} and valid Disease Type {}" => by_both,
    "Send a search request with {} method with valid NHS Number {} and invalid Disease Type {}" => by_both,
    "Send a search request with {} method with invalid NHS Number {} and invalid Disease Type {}" => by_both,
    "Send a search request with {} method with valid NHS Number {} and valid Disease Type {} and invalid include {}" => including,
    "Send a search request with {} method with valid NHS Number {} and valid Disease Type {} and Date From {} and Date To {} and include {}" => between_including,
    "Send a search request with {} method with invalid Date From {} and valid Date To {}" => dates,
    "Send a search request with {} method with valid Date From {} and invalid Date To {}" => dates,
    "Send a search request with {} method with invalid Date From {} and invalid Date To {}" => dates,
    "Send a search request with {} method with valid NHS Number and mixed valid and invalid Disease Type" => mixed_targets,
    "Send a search request with {} method with valid NHS Number and multiple Disease Type" => several_targets,
    "I send a search request with {} method using identifier parameter for Immunization event created" => identifier,
    "I send a search request with {} method using identifier parameter for the record" => identifier,
    "Send a search request with {} method using identifier header for Immunization event created" => identifier,
    "I send a search request with {} method using identifier and _elements parameters for Immunization event created" => elements,
    "Send a search request with {} method using identifier and _elements header for Immunization event created" => elements,
    "I send a search request with {} method using an invalid identifier header for Immunization event created" => unknown_identifier,
    "Send a search request with {} method using invalid identifier header for Immunization event created" => unknown_identifier,
    "Send a search request with {} method using target-disease for Immunization event created" => disease,
    "Send a search request with {} method using comma-separated target-disease for Immunization event created" => diseases,
    "Send a search request with {} method using patient.identifier and target-disease for Immunization event deleted" => diseases,
    "Send a search request with {} method using target-disease and Date From and Date To for Immunization event created" => disease_between,
    "Send a search request with {} method using target-disease and -immunization.target for Immunization event created" => disease_and_target,
    "Send a search request with {} method using target-disease and identifier for Immunization event created" => disease_and_identifier,
    "Send a search request with {} method using target-disease for Immunization event created with valid NHS Number" => measles,
    "Send a search request with {} method using target-disease for Immunization event created with valid NHS Number and patient identifier system {} and target-disease system {}" => measles,
    "Send a search request with {} method with valid NHS Number and all invalid target-disease codes" => wrong_diseases,
    "Send a search request with {} method with valid NHS Number and all invalid target-disease codes using patient identifier system {}" => wrong_diseases,
    "Send a search request with {} method using mixed valid and invalid target-disease codes for Immunization event created" => mixed_diseases,
    "Send a search request with {} method using mixed valid and invalid target-disease codes for Immunization event created with target-disease system {} and invalid target-disease code {}" => mixed_diseases,
    "The Search Response JSONs should contain correct error message for invalid {}" => refused,
    "The Response JSONs should contain correct error message for invalid target-disease usage" => refused_usage,
    "The Response JSONs should contain correct error message for invalid target-disease codes" => refused_codes,
    // The project's own wording.
    "its patient's {} records are searched for by {}" => own_target,
    "it is searched for by {}" => for_record,
    "it is searched for by {}, by its identifier" => identifier,
    "its {} are searched for by {}" => own_elements,
    "it is searched for by {}, by its diseases" => diseases,
    "{} is searched for of '{}', from '{}' to '{}', with '{}'" => own_search,
    "the answer refuses the search" => refused,
};

/// A text as refusals are compared: without the line ends that the national service puts into some.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.replace("-  Date", "- Date").replace("offsets.\nNote", "offsets. Note").replace('\n', "")
}

/// Searches with these parameters.
async fn search(world: &mut World, method: &str, parameters: Vec<(&str, String)>) -> Result<()> {
    let mut query = String::new();
    for (name, value) in &parameters {
        let encoded: String = value.bytes().map(encode).collect();
        query.push_str(&format!("{}{name}={encoded}", if query.is_empty() { "" } else { "&" }));
    }
    world.search = parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    if method.eq_ignore_ascii_case("POST") {
        return send(world, Method::POST, "Immunization/_search", None, Some(query)).await;
    }
    send(world, Method::GET, &format!("Immunization?{query}"), None, None).await
}

fn encode(byte: u8) -> String {
    match byte {
        b'-' | b'.' | b'_' | b'~' | b':' | b',' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

fn patient(number: &str) -> (&'static str, String) {
    (PATIENT, format!("{NHS_NUMBER}|{number}"))
}

/// The patient's number, as the record made up says it.
fn number(world: &World) -> Result<String> {
    let number = world.made["contained"][1]["identifier"][0]["value"].as_str();
    Ok(number.context("the record names no NHS number")?.to_owned())
}

async fn by_target(world: &mut World, method: &str, number: &str, target: &str) -> Result<()> {
    let from = day(world.bench.now);
    let all = vec![patient(number), (TARGET, target.to_owned()), (FROM, from), (INCLUDE, PATIENT_INCLUDED.to_owned())];
    search(world, method, all).await
}

/// Searches for the patient's records of the row's vaccine type, of today and later.
pub async fn for_record(world: &mut World, said: &Said) -> Result<()> {
    let (number, vaccine) = (number(world)?, world.vaccine.clone());
    by_target(world, said.value(0), &number, &vaccine).await
}

async fn own_target(world: &mut World, said: &Said) -> Result<()> {
    let number = number(world)?;
    by_target(world, said.value(1), &number, said.value(0)).await
}

async fn mixed_targets(world: &mut World, said: &Said) -> Result<()> {
    let (number, target) = (number(world)?, format!("{},INVALID_TYPE", world.vaccine));
    by_target(world, said.value(0), &number, &target).await
}

async fn several_targets(world: &mut World, said: &Said) -> Result<()> {
    let (number, target) = (number(world)?, format!("{},6IN1", world.vaccine));
    by_target(world, said.value(0), &number, &target).await
}

async fn by_both(world: &mut World, said: &Said) -> Result<()> {
    by_target(world, said.value(0), said.value(1), said.value(2)).await
}

fn full(number: &str, target: &str, dates: Option<(&str, &str)>, include: &str) -> Vec<(&'static str, String)> {
    let mut all = vec![patient(number), (TARGET, target.to_owned())];
    if let Some((from, to)) = dates {
        all.extend([(FROM, from.to_owned()), (TO, to.to_owned())]);
    }
    all.push((INCLUDE, include.to_owned()));
    all
}

async fn between(world: &mut World, said: &Said) -> Result<()> {
    let dates = Some((said.value(3), said.value(4)));
    search(world, said.value(0), full(said.value(1), said.value(2), dates, PATIENT_INCLUDED)).await
}

async fn including(world: &mut World, said: &Said) -> Result<()> {
    search(world, said.value(0), full(said.value(1), said.value(2), None, said.value(3))).await
}

async fn between_including(world: &mut World, said: &Said) -> Result<()> {
    let dates = Some((said.value(3), said.value(4)));
    search(world, said.value(0), full(said.value(1), said.value(2), dates, said.value(5))).await
}

async fn dates(world: &mut World, said: &Said) -> Result<()> {
    let vaccine = world.vaccine.clone();
    let dates = Some((said.value(1), said.value(2)));
    search(world, said.value(0), full(ANYBODY, &vaccine, dates, PATIENT_INCLUDED)).await
}

async fn own_search(world: &mut World, said: &Said) -> Result<()> {
    let dates = Some((said.value(2), said.value(3)));
    search(world, "GET", full(said.value(1), said.value(0), dates, said.value(4))).await
}

fn own_identifier(world: &World) -> (&'static str, String) {
    let text = |member: &str| world.made["identifier"][0][member].as_str().unwrap_or_default().to_owned();
    ("identifier", format!("{}|{}", text("system"), text("value")))
}

async fn identifier(world: &mut World, said: &Said) -> Result<()> {
    let all = vec![own_identifier(world)];
    search(world, said.value(0), all).await
}

async fn elements(world: &mut World, said: &Said) -> Result<()> {
    let all = vec![own_identifier(world), ("_elements", "meta,id".to_owned())];
    search(world, said.value(0), all).await
}

async fn own_elements(world: &mut World, said: &Said) -> Result<()> {
    let all = vec![own_identifier(world), ("_elements", said.value(0).to_owned())];
    search(world, said.value(1), all).await
}

async fn unknown_identifier(world: &mut World, said: &Said) -> Result<()> {
    let identifier = format!("https://www.ieds.england.nhs.uk/|{}", world.bench.unique());
    search(world, said.value(0), vec![("identifier", identifier), ("_elements", "meta,id".to_owned())]).await
}

/// The first so many diseases of the record, as a search names them; measles where there is no record.
fn own_diseases(world: &World, count: usize) -> String {
    let of_record = world.made["protocolApplied"][0]["targetDisease"].as_array().into_iter().flatten();
    let codes: Vec<String> = of_record
        .take(count)
        .filter_map(|disease| Some(format!("{SNOMED}|{}", disease["coding"][0]["code"].as_str()?)))
        .collect();
    if codes.is_empty() { format!("{SNOMED}|{MEASLES}") } else { codes.join(",") }
}

/// The record's patient, or anybody where there is no record.
fn anybody(world: &World) -> (&'static str, String) {
    patient(number(world).as_deref().unwrap_or(ANYBODY))
}

async fn disease(world: &mut World, said: &Said) -> Result<()> {
    let all = vec![anybody(world), (DISEASE, own_diseases(world, 1))];
    search(world, said.value(0), all).await
}

async fn diseases(world: &mut World, said: &Said) -> Result<()> {
    let all = vec![anybody(world), (DISEASE, own_diseases(world, 2))];
    search(world, said.value(0), all).await
}

async fn disease_between(world: &mut World, said: &Said) -> Result<()> {
    let mut all = vec![anybody(world), (DISEASE, own_diseases(world, 1))];
    all.extend([(FROM, "2023-01-01".to_owned()), (TO, "2023-06-04".to_owned())]);
    search(world, said.value(0), all).await
}

async fn disease_and_target(world: &mut World, said: &Said) -> Result<()> {
    let all = vec![anybody(world), (DISEASE, own_diseases(world, 1)), (TARGET, "MMR".to_owned())];
    search(world, said.value(0), all).await
}

async fn disease_and_identifier(world: &mut World, said: &Said) -> Result<()> {
    let identifier = ("identifier", "https://example.org|abc-123".to_owned());
    let all = vec![anybody(world), (DISEASE, own_diseases(world, 1)), identifier];
    search(world, said.value(0), all).await
}

async fn measles(world: &mut World, said: &Said) -> Result<()> {
    let or = |place, usual: &str| Some(said.value(place)).filter(|text| !text.is_empty()).unwrap_or(usual).to_owned();
    let all =
        vec![(PATIENT, format!("{}|{ANYBODY}", or(1, NHS_NUMBER))), (DISEASE, format!("{}|{MEASLES}", or(2, SNOMED)))];
    search(world, said.value(0), all).await
}

async fn wrong_diseases(world: &mut World, said: &Said) -> Result<()> {
    let all = vec![patient(ANYBODY), (DISEASE, "invalid-no-pipe,wrong_system|123".to_owned())];
    search(world, said.value(0), all).await
}

async fn mixed_diseases(world: &mut World, said: &Said) -> Result<()> {
    let or = |place, usual: &str| Some(said.value(place)).filter(|text| !text.is_empty()).unwrap_or(usual).to_owned();
    let diseases = format!("{},{}|{}", own_diseases(world, 1), or(1, SNOMED), or(2, "99999"));
    let all = vec![anybody(world), (DISEASE, diseases)];
    search(world, said.value(0), all).await
}

/// A parameter of the last search.
#[must_use]
pub fn parameter<'w>(world: &'w World, name: &str) -> Option<&'w str> {
    world.search.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
}

/// What the national service finds wrong first in a search: the number, the vaccine type, or dates and `_include`.
async fn refused(world: &mut World, _: &Said) -> Result<()> {
    let of = |name| parameter(world, name);
    let number = of(PATIENT).and_then(|patient| patient.split('|').nth(1)).unwrap_or_default();
    let vaccines: Vec<&str> = VaccineType::all().map(VaccineType::code).collect();
    let bad_day = |name| of(name).is_some_and(|text| text.len() != 10 || text.parse::<Date>().is_err());
    let name = match (
        number.parse::<NhsNumber>().is_err(),
        !of(TARGET).unwrap_or_default().split(',').any(|target| vaccines.contains(&target)),
        bad_day(FROM),
        bad_day(TO),
        of(INCLUDE).is_some_and(|include| include != PATIENT_INCLUDED),
    ) {
        (true, ..) => "invalid_NHSNumber",
        (_, true, ..) => "invalid_DiseaseType",
        (_, _, true, true, true) => "invalid_DateFrom_DateTo_Include",
        (_, _, true, true, false) => "invalid_DateFrom_To",
        (_, _, true, false, true) => "invalid_DateFrom_Include",
        (_, _, true, false, false) => "invalid_DateFrom",
        (_, _, false, true, _) => "invalid_DateTo",
        (.., true) => "invalid_include",
        _ => anyhow::bail!("nothing is wrong with the search that was made: {:?}", world.search),
    };
    refusal(world, name)
}

async fn refused_usage(world: &mut World, _: &Said) -> Result<()> {
    let said = world.answer()?.body["issue"][0]["diagnostics"].as_str().unwrap_or_default();
    let expected = "Search parameter target-disease cannot be used with -immunization.target or identifier. Use one search type only.";
    crate::world::same("diagnostics", said, expected)
}

async fn refused_codes(world: &mut World, _: &Said) -> Result<()> {
    refusal(world, "invalid_target_disease_codes")
}

/// Entries of a bundle whose resource is of a type.
#[must_use]
pub fn entries<'b>(bundle: &'b Value, kind: &str) -> Vec<&'b Value> {
    let all = bundle["entry"].as_array().into_iter().flatten();
    all.filter(|entry| entry["resource"]["resourceType"] == kind).collect()
}
