//! Resources as flat rows: what comes in by file goes out as it came, and the choices among several are the national ones.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use csv::StringRecord;
use ims_domain::VaccineType;
use ims_fhir::batch::{self, HEADER, Operations, Row, RowAction};
use ims_fhir::flat::{Flat, Rule, flatten};
use proptest::prelude::*;
use serde_json::{Value, json};

fn good() -> Vec<String> {
    let mut reader = batch::reader(include_bytes!("fixtures/flu.csv").as_slice());
    reader.records().next().unwrap().unwrap().iter().map(str::to_owned).collect()
}

fn place(column: &str) -> usize {
    HEADER.iter().position(|name| *name == column).unwrap()
}

fn through(row: &[String]) -> Flat {
    let vaccine: VaccineType = "FLU".parse().unwrap();
    let now = "2025-09-01T12:00:00Z".parse().unwrap();
    let record = StringRecord::from(row.to_vec());
    let Ok(RowAction::New(immunization)) = Row::new(&record).action(vaccine, Operations::ALL, now) else {
        panic!("the row was refused")
    };
    flatten(&serde_json::from_str(immunization.body()).unwrap(), "NEW")
}

fn value(flat: &Flat, column: &str) -> String {
    flat.values[place(column)].clone()
}

#[test]
fn a_row_goes_out_as_it_came_in() {
    let mut row = good();
    let flat = through(&row);
    row[place("PRIMARY_SOURCE")] = row[place("PRIMARY_SOURCE")].to_uppercase();
    row[place("ACTION_FLAG")] = "NEW".to_owned();
    assert_eq!(flat.values.to_vec(), row);
    assert_eq!(flat.rules, []);
}

proptest! {
    #[test]
    fn optional_columns_survive_whatever_they_hold(
        columns in prop::collection::btree_map(
            prop::sample::select(vec![
                "VACCINATION_PROCEDURE_TERM", "VACCINE_PRODUCT_TERM", "VACCINE_MANUFACTURER", "BATCH_NUMBER",
                "SITE_OF_VACCINATION_TERM", "ROUTE_OF_VACCINATION_TERM", "DOSE_UNIT_TERM", "PERSON_SURNAME",
            ]),
            "[A-Za-zÀ-ž][A-Za-zÀ-ž '’-]{0,20}[A-Za-z]", 1..6),
        sequence in 1u8..=9,
        bst in any::<bool>(),
    ) {
        let mut row = good();
        for (column, value) in &columns {
            row[place(column)].clone_from(value);
        }
        row[place("DOSE_SEQUENCE")] = sequence.to_string();
        row[place("DATE_AND_TIME")] = format!("20240701T10203{}0{}", sequence % 10, u8::from(bst));
        row[place("ACTION_FLAG")] = "NEW".to_owned();
        let flat = through(&row);
        for column in columns.keys().chain(&["DOSE_SEQUENCE", "DATE_AND_TIME"]) {
            prop_assert_eq!(&flat.values[place(column)], &row[place(column)], "{}", column);
        }
    }
}

/// The fixture with some members replaced.
fn with(changes: Value) -> Value {
    let mut resource: Value = serde_json::from_slice(include_bytes!("fixtures/immunization.json")).unwrap();
    for (key, value) in changes.as_object().unwrap() {
        resource[key] = value.clone();
    }
    resource
}

fn patient(members: Value) -> Value {
    let mut patient = json!({"resourceType": "Patient"});
    patient.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    with(json!({"contained": [patient], "occurrenceDateTime": "2025-06-15T12:00:00+01:00"}))
}

const SNOMED: &str = "http://snomed.info/sct";
const CHOSEN: &str = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-CodingSCTDescDisplay";

#[test]
fn a_term_is_the_text_else_the_chosen_term_else_the_first_snomed_display() {
    let coding =
        |system: &str, code: &str| json!({"system": system, "code": code, "display": format!("display {code}")});
    let chosen = json!({"system": SNOMED, "code": "1", "display": "display 1",
        "extension": [{"url": CHOSEN, "valueString": "as chosen"}]});
    for (concept, code, term, rule) in [
        (json!({"text": "own text", "coding": [coding(SNOMED, "1")]}), "1", "own text", None),
        (
            json!({"coding": [coding(SNOMED, "1"), coding(SNOMED, "2")]}),
            "1",
            "display 1",
            Some(Rule::FirstSnomedCoding),
        ),
        (
            json!({"coding": [coding("http://x", "0"), coding(SNOMED, "2")]}),
            "2",
            "display 2",
            Some(Rule::FirstSnomedCoding),
        ),
        (json!({"coding": [chosen]}), "1", "as chosen", None),
        (json!({"coding": [{"system": SNOMED, "code": "1"}]}), "1", "", None),
        (json!({"coding": [coding("http://x", "0")]}), "", "", Some(Rule::NoSnomedCoding)),
    ] {
        let flat = flatten(&with(json!({"route": concept})), "NEW");
        assert_eq!(value(&flat, "ROUTE_OF_VACCINATION_CODE"), code, "{concept}");
        assert_eq!(value(&flat, "ROUTE_OF_VACCINATION_TERM"), term, "{concept}");
        assert!(rule.is_none_or(|rule| flat.rules.contains(&rule)), "{concept}: {:?}", flat.rules);
    }
}

#[test]
fn the_name_that_stands_at_the_vaccination_is_chosen() {
    let name = |family: &str, more: Value| {
        let mut name = json!({"family": family, "given": ["A", "B"]});
        name.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        name
    };
    let past = json!({"period": {"end": "2025-06-14"}, "use": "official"});
    let until_today = json!({"period": {"start": "2025-01-01", "end": "2025-06-15"}, "use": "official"});
    for (names, surname) in [
        (json!([name("One", json!({})), name("Two", json!({"use": "official"}))]), "Two"),
        (json!([name("One", past.clone()), name("Two", json!({}))]), "Two"),
        (json!([name("One", json!({"use": "old"})), name("Two", json!({"use": "maiden"}))]), "Two"),
        (json!([name("One", json!({})), name("Two", until_today)]), "Two"),
        (json!([name("One", past.clone())]), "One"),
        (json!([{"family": "Half"}, name("Whole", json!({}))]), "Whole"),
    ] {
        let flat = flatten(&patient(json!({"name": names})), "NEW");
        assert_eq!(value(&flat, "PERSON_SURNAME"), surname, "{names}");
        assert_eq!(value(&flat, "PERSON_FORENAME"), "A B", "{names}");
    }
}

#[test]
fn the_postcode_of_the_home_that_stands_is_chosen() {
    let none = "ZZ99 3CZ";
    for (addresses, postcode) in [
        (json!([{"postalCode": "AA1 1AA", "use": "old"}]), "AA1 1AA"),
        (json!([{"postalCode": "AA1 1AA", "use": "work"}, {"postalCode": "BB1 1BB", "use": "Home"}]), "BB1 1BB"),
        (json!([{"postalCode": "AA1 1AA", "use": "home", "type": "postal"}, {"postalCode": "BB1 1BB"}]), "BB1 1BB"),
        (json!([{"postalCode": "AA1 1AA", "use": "old"}, {"postalCode": "BB1 1BB", "type": "postal"}]), "BB1 1BB"),
        (json!([{"postalCode": "AA1 1AA", "use": "home", "period": {"end": "2020-01-01"}}, {"use": "home"}]), none),
        (json!([{"text": "No fixed abode"}]), none),
        (json!([]), none),
    ] {
        let flat = flatten(&patient(json!({"address": addresses})), "NEW");
        assert_eq!(value(&flat, "PERSON_POSTCODE"), postcode, "{addresses}");
        assert_eq!(flat.rules.contains(&Rule::PostcodeFilledIn), postcode == none, "{addresses}");
    }
}

#[test]
fn the_organisation_with_an_ods_code_is_chosen() {
    let ods = "https://fhir.nhs.uk/Id/ods-organization-code";
    let actor = |kind: Option<&str>, system: &str, value: &str| {
        let mut actor = json!({"identifier": {"system": system, "value": value}});
        if let Some(kind) = kind {
            actor["type"] = json!(kind);
        }
        json!({"actor": actor})
    };
    for (performers, code) in [
        (json!([actor(Some("Organization"), "x", "A"), actor(None, ods, "B")]), "B"),
        (json!([actor(None, ods, "A"), actor(Some("Organization"), ods, "B")]), "B"),
        (json!([actor(None, "x", "A"), actor(Some("Organization"), "y", "B")]), "B"),
        (json!([{"actor": {"reference": "#p"}}, actor(None, "x", "A")]), "A"),
        (json!([]), ""),
    ] {
        assert_eq!(value(&flatten(&with(json!({"performer": performers})), "NEW"), "SITE_CODE"), code, "{performers}");
    }
}

#[test]
fn nothing_makes_flattening_fail() {
    for resource in [json!(null), json!({}), json!([1]), json!({"contained": "x", "identifier": {"a": 1}})] {
        let flat = flatten(&resource, "DELETE");
        assert_eq!(value(&flat, "ACTION_FLAG"), "DELETE");
        assert_eq!(value(&flat, "LOCATION_CODE"), "X99999");
    }
    let flat = flatten(&with(json!({"recorded": "soon", "occurrenceDateTime": "2025-06-15T12:00:00-05:00"})), "NEW");
    assert_eq!((value(&flat, "RECORDED_DATE"), value(&flat, "DATE_AND_TIME")), (String::new(), String::new()));
    assert!(flat.rules.contains(&Rule::DateLeftOut));
}
