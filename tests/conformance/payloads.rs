//! Records that scenarios make up.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::codes::{self, Code, Codes, DOSE_UNIT, REASON, ROUTES, SITES};
use crate::days::{DAY, day, later, moment, named};
use crate::people::Patient;
use crate::steps::{Said, Step, steps};
use crate::world::World;

pub const SNOMED: &str = "http://snomed.info/sct";
pub const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
pub const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
const PROCEDURE: &str = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure";
const DESCRIPTION: &str = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-CodingSCTDescDisplay";
const DESCRIPTION_ID: &str = "http://hl7.org/fhir/StructureDefinition/coding-sctdescid";
/// System of the made-up records' identifiers.
pub const SYSTEM: &str = "https://supplierABC/identifiers/vacc";

/// Sentences about records that are made up.
pub const STEPS: &[Step] = steps! {
    "Valid token is generated for the {}" => supplier,
    "Valid json payload is created" => plain,
    "Valid json payload is created with Patient {} and vaccine_type {}" => of_patient,
    "Valid json payload is created with Patient {} and vaccine_type {} with minimal dataset" => minimal,
    "Valid json payload is created where patient age is less then an year" => infant,
    "Valid json payload is created where patient date is greater then vaccination occurrence date" => born_later,
    "Valid json payload is created where vaccination terms has text field populated" => with_texts,
    "Valid json payload is created where vaccination terms has multiple instances of coding" => many_codings,
    "Valid json payload is created where vaccination terms has multiple instance of coding with different coding system" => other_system_first,
    "Valid json payload is created where site and route have multiple SNOMED codings after an invalid system" => three_codings,
    "Valid json payload is created where vaccination terms has one instance of coding with no text or value string field" => displays_only,
    "Valid json payload is created where vaccination terms has no text or value string or display field" => codes_only,
    "Valid json payload is created where doseNumberPositiveInt is {}" => dose_number,
    "Valid json payload is created where date fields has past date" => past_dates,
    "Valid json payload is created where occurrenceDateTime has invalid {} date" => occurrence,
    "Valid json payload is created where recorded has invalid {} date" => recorded,
    "Valid json payload is created where date of birth has invalid {} date" => birth,
    "Valid json payload is created where expiration date has invalid {} date" => expiry,
    "Valid json payload is created where Nhs number is invalid {}" => number,
    "Valid json payload is created where patient forename is {}" => forename,
    "Valid json payload is created where patient surname is {}" => surname,
    "Valid json payload is created where patient gender is {}" => gender,
    "Valid json payload is created where patient name is empty" => nameless,
    // The project's own wording.
    "{} sends" => supplier,
    "a {} record of a {} patient" => own_record,
    "its {} is {}" => own_field,
    "it has no {}" => own_without,
};

async fn supplier(world: &mut World, said: &Said) -> Result<()> {
    world.supplier = said.value(0).to_owned();
    Ok(())
}

/// Makes up a record of the row's vaccine type and sort of patient.
pub async fn plain(world: &mut World, _: &Said) -> Result<()> {
    let patient = world.bench.people.patient(&world.sort)?;
    let codes = codes::of(&world.vaccine).with_context(|| format!("no codes for vaccine type '{}'", world.vaccine))?;
    let turn = usize::from(patient.given.len() % 2 == 0);
    world.made = record(world, &patient, codes, turn)?;
    world.patient = Some(patient);
    Ok(())
}

async fn again(world: &mut World) -> Result<()> {
    plain(world, &Said::default()).await
}

/// The same of another sort of patient and vaccine type.
pub async fn of_patient(world: &mut World, said: &Said) -> Result<()> {
    (world.sort, world.vaccine) = (said.value(0).to_owned(), said.value(1).to_owned());
    again(world).await
}

async fn own_record(world: &mut World, said: &Said) -> Result<()> {
    (world.vaccine, world.sort) = (said.value(0).to_owned(), said.value(1).to_owned());
    again(world).await
}

async fn own_field(world: &mut World, said: &Said) -> Result<()> {
    let value = named(said.value(1), world.bench.now).unwrap_or_else(|_| Some(said.value(1).to_owned()));
    let value = value.map(|text| serde_json::from_str(&text).ok().filter(Value::is_number).unwrap_or(json!(text)));
    set(&mut world.made, own_place(said.value(0))?, value)
}

async fn own_without(world: &mut World, said: &Said) -> Result<()> {
    set(&mut world.made, own_place(said.value(0))?, None)
}

/// Where in a record a field of that name stands.
fn own_place(field: &str) -> Result<&'static str> {
    Ok(match field {
        "date of vaccination" => "/occurrenceDateTime",
        "date of recording" => "/recorded",
        "expiry date" => "/expirationDate",
        "date of birth" => "/contained/1/birthDate",
        "sex" => "/contained/1/gender",
        "family name" => "/contained/1/name/0/family",
        "NHS number" => "/contained/1/identifier/0/value",
        "dose number" => "/protocolApplied/0/doseNumberPositiveInt",
        "identifier" => "/identifier/0/value",
        _ => bail!("no field of a record is called '{field}'"),
    })
}

async fn minimal(world: &mut World, said: &Said) -> Result<()> {
    of_patient(world, said).await?;
    for field in ["lotNumber", "manufacturer", "expirationDate", "site", "route", "reasonCode", "doseQuantity"] {
        set(&mut world.made, &format!("/{field}"), None)?;
    }
    Ok(())
}

async fn infant(world: &mut World, _: &Said) -> Result<()> {
    again(world).await?;
    set(&mut world.made, "/contained/1/birthDate", Some(json!(day(later(world.bench.now, -364 * DAY)))))
}

async fn born_later(world: &mut World, _: &Said) -> Result<()> {
    again(world).await?;
    let now = world.bench.now;
    set(&mut world.made, "/contained/1/birthDate", Some(json!(day(later(now, -7 * DAY)))))?;
    set(&mut world.made, "/occurrenceDateTime", Some(json!(moment(later(now, -14 * DAY)))))
}

async fn with_texts(world: &mut World, _: &Said) -> Result<()> {
    again(world).await?;
    for (place, text) in CONCEPTS.into_iter().zip(["procedure", "product", "site", "route"]) {
        set(&mut world.made, &format!("{place}/text"), Some(json!(format!("text of the {text}"))))?;
    }
    Ok(())
}

/// Where the four concepts stand whose terms go out.
pub const CONCEPTS: [&str; 4] = ["/extension/0/valueCodeableConcept", "/vaccineCode", "/site", "/route"];

async fn many_codings(world: &mut World, _: &Said) -> Result<()> {
    again(world).await?;
    let codes = codes::of(&world.vaccine).context("no codes")?;
    let products: Vec<Code> = codes.products.iter().map(|(code, _)| *code).collect();
    for (place, codes) in CONCEPTS.into_iter().zip([codes.procedures, &products, SITES, ROUTES]) {
        let codings: Vec<Value> = codes.iter().map(|code| coding(*code)).collect();
        set(&mut world.made, &format!("{place}/coding"), Some(json!(codings)))?;
    }
    Ok(())
}

async fn other_system_first(world: &mut World, said: &Said) -> Result<()> {
    many_codings(world, said).await?;
    for place in CONCEPTS {
        let system = Some(json!("http://example.com/different-system"));
        set(&mut world.made, &format!("{place}/coding/0/system"), system)?;
    }
    Ok(())
}

async fn three_codings(world: &mut World, _: &Said) -> Result<()> {
    again(world).await?;
    for (place, codes) in [("/site", SITES), ("/route", ROUTES)] {
        let mut codings: Vec<Value> = [codes[0], codes[1], codes[0]].into_iter().map(described).collect();
        codings[0]["system"] = json!("http://snomed.info/test");
        set(&mut world.made, &format!("{place}/coding"), Some(json!(codings)))?;
    }
    Ok(())
}

async fn displays_only(world: &mut World, _: &Said) -> Result<()> {
    again(world).await?;
    for place in CONCEPTS {
        set(&mut world.made, &format!("{place}/coding/0/extension"), None)?;
    }
    Ok(())
}

async fn codes_only(world: &mut World, said: &Said) -> Result<()> {
    displays_only(world, said).await?;
    for place in CONCEPTS {
        set(&mut world.made, &format!("{place}/coding/0/display"), None)?;
    }
    Ok(())
}

async fn dose_number(world: &mut World, said: &Said) -> Result<()> {
    again(world).await?;
    let number: i64 = said.value(0).parse()?;
    set(&mut world.made, "/protocolApplied/0/doseNumberPositiveInt", Some(json!(number)))
}

async fn past_dates(world: &mut World, _: &Said) -> Result<()> {
    again(world).await?;
    let now = world.bench.now;
    for (place, text) in [
        ("/contained/1/birthDate", day(later(now, -150 * DAY))),
        ("/occurrenceDateTime", moment(later(now, -15 * DAY))),
        ("/recorded", day(later(now, -20 * DAY))),
        ("/expirationDate", day(later(now, 5 * DAY))),
    ] {
        set(&mut world.made, place, Some(json!(text)))?;
    }
    Ok(())
}

async fn dated(world: &mut World, said: &Said, place: &str) -> Result<()> {
    again(world).await?;
    let date = named(said.value(0), world.bench.now)?;
    set(&mut world.made, place, date.map(Value::String))
}

async fn occurrence(world: &mut World, said: &Said) -> Result<()> {
    dated(world, said, "/occurrenceDateTime").await
}

async fn recorded(world: &mut World, said: &Said) -> Result<()> {
    dated(world, said, "/recorded").await
}

async fn birth(world: &mut World, said: &Said) -> Result<()> {
    dated(world, said, "/contained/1/birthDate").await
}

async fn expiry(world: &mut World, said: &Said) -> Result<()> {
    dated(world, said, "/expirationDate").await
}

async fn number(world: &mut World, said: &Said) -> Result<()> {
    again(world).await?;
    set(&mut world.made, "/contained/1/identifier/0/value", Some(json!(said.value(0))))
}

/// What a scenario calls a text.
///
/// # Errors
/// Where there is no such name.
pub fn text(name: &str) -> Result<Option<Value>> {
    Ok(Some(match name {
        "missing" => return Ok(None),
        "empty" => json!(""),
        "number" => json!(7),
        "gender_code" => json!("1"),
        "random_text" => json!("random"),
        "white_space" => json!(" "),
        "white_space_array" => json!("[ \" \" ]"),
        _ => match name.strip_prefix("name_length_").and_then(|length| length.parse().ok()) {
            Some(length) => json!(long_name(length)),
            None => bail!("no text is called '{name}'"),
        },
    }))
}

/// A name of so many letters.
#[must_use]
pub fn long_name(length: usize) -> String {
    "Abcdefghijklmnopqrstuvwxyz".chars().cycle().take(length).collect::<String>().to_lowercase()
}

async fn forename(world: &mut World, said: &Said) -> Result<()> {
    again(world).await?;
    let given = match said.value(0) {
        "single_value_max_len" => Some(json!([long_name(181)])),
        "max_len_array" => Some(json!([15, 5, 5, 10, 10, 10].map(long_name))),
        name => text(name)?,
    };
    set(&mut world.made, "/contained/1/name/0/given", given)
}

async fn surname(world: &mut World, said: &Said) -> Result<()> {
    again(world).await?;
    set(&mut world.made, "/contained/1/name/0/family", text(said.value(0))?)
}

async fn gender(world: &mut World, said: &Said) -> Result<()> {
    again(world).await?;
    set(&mut world.made, "/contained/1/gender", text(said.value(0))?)
}

async fn nameless(world: &mut World, _: &Said) -> Result<()> {
    again(world).await?;
    set(&mut world.made, "/contained/1/name", None)
}

/// Writes a value at a place of a record, or takes out what is there.
///
/// # Errors
/// Where the record has no such place.
pub fn set(record: &mut Value, place: &str, value: Option<Value>) -> Result<()> {
    let (parent, name) = place.rsplit_once('/').with_context(|| format!("'{place}' is no place"))?;
    let parent = record.pointer_mut(parent).with_context(|| format!("the record has no {place}"))?;
    match (parent, value) {
        (Value::Object(members), Some(value)) => _ = members.insert(name.to_owned(), value),
        (Value::Object(members), None) => _ = members.remove(name),
        _ => bail!("{place} is not a member of an object"),
    }
    Ok(())
}

/// A coding with its display.
fn coding((code, display): Code) -> Value {
    json!({"system": SNOMED, "code": code, "display": display})
}

/// A coding whose description is said in other words too.
fn described(code: Code) -> Value {
    let mut coding = coding(code);
    coding["extension"] = json!([
        {"url": DESCRIPTION, "valueString": format!("Described: {}", code.1)},
        {"url": DESCRIPTION_ID, "valueId": "5306706018"},
    ]);
    coding
}

/// Procedure, product with its manufacturer, site and route; `turn` chooses among several.
#[must_use]
pub fn details(codes: &Codes, turn: usize) -> [(&'static str, Value); 5] {
    let procedure = codes.procedures[turn % codes.procedures.len()];
    let (product, manufacturer) = codes.products[turn % codes.products.len()];
    let concept = |code| json!({"coding": [described(code)]});
    [
        ("/extension", json!([{"url": PROCEDURE, "valueCodeableConcept": concept(procedure)}])),
        ("/vaccineCode", concept(product)),
        ("/manufacturer", json!({"display": manufacturer})),
        ("/site", concept(SITES[turn % 2])),
        ("/route", concept(ROUTES[turn % 2])),
    ]
}

fn record(world: &World, patient: &Patient, codes: &Codes, turn: usize) -> Result<Value> {
    let now = world.bench.now;
    let vaccine: ims_domain::VaccineType = codes.vaccine.parse()?;
    let diseases: Vec<Value> = vaccine.diseases().iter().map(|code| json!({"coding": [coding(*code)]})).collect();
    let mut number = json!({"system": NHS_NUMBER});
    if let Some(value) = &patient.number {
        number["value"] = json!(value);
    }
    let mut made = json!({
        "resourceType": "Immunization",
        "contained": [
            {"resourceType": "Practitioner", "id": "Pract1", "name": [{"family": "Nightingale", "given": ["Florence"]}]},
            {
                "resourceType": "Patient",
                "id": "Pat1",
                "identifier": [number],
                "name": [{"family": patient.family, "given": [patient.given]}],
                "gender": patient.gender,
                "birthDate": patient.birth,
                "address": [{
                    "use": "Home", "type": "Postal", "text": "Test address", "line": ["1 Test Row"], "city": "Leeds",
                    "district": "Leeds", "state": "Yorkshire", "postalCode": patient.postcode, "country": "UK",
                    "period": {"start": "2000-01-01", "end": "2033-01-01"},
                }],
            },
        ],
        "identifier": [{"system": SYSTEM, "value": uuid::Uuid::new_v4().to_string()}],
        "status": "completed",
        "patient": {"reference": "#Pat1", "type": "Patient"},
        "occurrenceDateTime": moment(later(now, -60)),
        "recorded": moment(later(now, -60)),
        "primarySource": true,
        "location": {"identifier": {"system": ODS, "value": "X99999"}},
        "lotNumber": "612345",
        "expirationDate": day(later(now, 730 * DAY)),
        "doseQuantity": {"value": 0.3, "unit": DOSE_UNIT.1, "system": SNOMED, "code": DOSE_UNIT.0},
        "performer": [
            {"actor": {"reference": "#Pract1", "type": "Practitioner"}},
            {"actor": {
                "reference": "Organization/B0C4P",
                "type": "Organization",
                "identifier": {
                    "use": "usual", "system": ODS, "value": "B0C4P",
                    "period": {"start": "2000-01-01", "end": "2033-01-01"},
                },
                "display": "UNIVERSITY HOSPITAL OF WALES",
            }},
        ],
        "reasonCode": [{"coding": [coding(REASON)]}],
        "protocolApplied": [{"targetDisease": diseases, "doseNumberPositiveInt": 1}],
    });
    for (place, value) in details(codes, turn) {
        set(&mut made, place, Some(value))?;
    }
    Ok(made)
}
