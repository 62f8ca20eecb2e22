//! Searches: each mistake gives the national service's exact text, and answers have the shape of its bundles.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use ims_domain::VaccineType;
use ims_fhir::{Immunization, Match, PatientSearch, Search};
use serde_json::{Value, json};
use uuid::Uuid;

const NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number|9990001014";
const BASE: &str = "https://api.example/live";

fn read(parameters: &[(&str, &str)]) -> Result<Search, String> {
    Search::read(parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        .map_err(|error| error.to_string())
}

fn by_patient(parameters: &[(&str, &str)]) -> PatientSearch {
    let mut all = vec![("patient.identifier", NUMBER)];
    all.extend(parameters);
    match read(&all).unwrap() {
        Search::Patient(search) => search,
        Search::Identifier(_) => panic!("a search by identifier"),
    }
}

#[test]
fn what_is_wrong_is_told_in_the_national_words() {
    let types = "-immunization.target must be one or more of the following: 3IN1, 4IN1, 6IN1, BCG, COVID, FLU, HEPB, \
                 HIB, HIBMENC, HPV, MENACWY, MENB, MMR, MMRV, PERTUSSIS, PNEUMOCOCCAL, ROTAVIRUS, RSV, SHINGLES";
    let number = "Search parameter patient.identifier must be a valid NHS number.";
    let one_number = "Search parameter patient.identifier must have one value.";
    let number_format = "patient.identifier must be in the format of \"https://fhir.nhs.uk/Id/nhs-number|{NHS number}\" \
                         e.g. \"https://fhir.nhs.uk/Id/nhs-number|9000000009\"";
    let from = "Search parameter -date.from must be in format: YYYY-MM-DD";
    let to = "Search parameter -date.to must be in format: YYYY-MM-DD";
    let include = "Search parameter _include may only be 'Immunization:patient' if provided.";
    let diseases = "Search parameter target-disease must be one or more valid SNOMED codes from the supported target \
                    disease list.";
    let exclusive = "Search parameter target-disease cannot be used with -immunization.target or identifier. Use one \
                     search type only.";
    let identifier = "Search parameter identifier must have one value and must be in the format of \
                      \"identifier.system|identifier.value\" \"http://xyz.org/vaccs|2345-gh3s-r53h7-12ny\"";
    let elements = "_elements must be one or more of the following: id,meta";
    let mixed = "Identifier search included patient.identifier search parameters";
    let joined = |texts: &[&str]| texts.join("; ");
    let wrong = "https://fhir.nhs.uk/Id/nhs-number|9990001013";
    let twice_in_one = [NUMBER, NUMBER].join(",");
    let (patient, flu) = (("patient.identifier", NUMBER), ("-immunization.target", "FLU"));
    let table: Vec<(Vec<(&str, &str)>, String)> = vec![
        (vec![], "No parameter provided. Search using either identifier or patient.identifier".into()),
        (vec![flu], one_number.into()),
        (vec![("patient.identifier", &twice_in_one), flu], one_number.into()),
        (vec![("patient.identifier", "9990001014"), flu], number_format.into()),
        (vec![("patient.identifier", "x|9990001014"), flu], number_format.into()),
        (vec![("patient.identifier", "https://fhir.nhs.uk/Id/nhs-number|1|2"), flu], number_format.into()),
        (vec![("patient.identifier", wrong), ("-immunization.target", "NONE")], number.into()),
        (vec![("patient.identifier", "https://fhir.nhs.uk/Id/nhs-number|"), flu], number.into()),
        (vec![patient], "Search parameter -immunization.target must have one or more values.".into()),
        (vec![patient, ("-immunization.target", "NONE"), ("-date.from", "x")], types.into()),
        (vec![patient, ("-immunization.target", "flu")], types.into()),
        (vec![patient, ("-immunization.target", "")], types.into()),
        (vec![patient, flu, ("-date.from", "2021-13-01")], from.into()),
        (vec![patient, flu, ("-date.to", "")], to.into()),
        (vec![patient, flu, ("-date.from", "x"), ("-date.to", "y")], joined(&[from, to])),
        (vec![patient, flu, ("-date.from", "x"), ("_include", "y")], joined(&[from, include])),
        (vec![patient, flu, ("-date.from", "x"), ("-date.to", "y"), ("_include", "z")], joined(&[from, to, include])),
        (vec![patient, flu, ("_include", "Patient")], include.into()),
        (
            vec![patient, flu, ("-date.from", "2021-01-01,2021-01-02")],
            "Search parameter -date.from may have one value at most.".into(),
        ),
        (
            vec![patient, flu, ("-date.from", "2021-01-02"), ("-date.to", "2021-01-01")],
            "Search parameter -date.from must be before -date.to".into(),
        ),
        (vec![patient, flu, ("target-disease", "x")], exclusive.into()),
        (vec![("identifier", "a|b"), ("target-disease", "x")], exclusive.into()),
        (vec![("target-disease", "http://snomed.info/sct|6142004")], one_number.into()),
        (vec![patient, ("target-disease", "")], "Search parameter target-disease must have one or more values.".into()),
        (vec![patient, ("target-disease", "6142004")], diseases.into()),
        (vec![patient, ("target-disease", "http://snomed.info/sct|")], diseases.into()),
        (vec![patient, ("target-disease", "http://snomed.info/sct|1,6142004")], diseases.into()),
        (
            vec![("identifier", "a|b"), patient],
            "Search parameter should have either identifier or patient.identifier".into(),
        ),
        (vec![("identifier", "a|b"), flu], mixed.into()),
        (vec![("identifier", "a|b"), ("_include", "Immunization:patient")], mixed.into()),
        (vec![("_elements", "id"), patient], mixed.into()),
        (vec![("identifier", "a|b,c|d")], identifier.into()),
        (vec![("identifier", "")], identifier.into()),
        (vec![("identifier", "ab")], identifier.into()),
        (vec![("identifier", "a |b")], identifier.into()),
        (vec![("identifier", "a|b"), ("_elements", "id,status")], elements.into()),
        (vec![("identifier", "a|b"), ("_elements", "")], elements.into()),
        (vec![("_elements", "id")], "Search parameter _elements must have the following parameter: identifier".into()),
    ];
    for (parameters, expected) in table {
        assert_eq!(read(&parameters), Err(expected), "{parameters:?}");
    }
    let twice = read(&[patient, patient, flu]);
    assert_eq!(twice, Err("Parameters may not be duplicated. Use commas for \"or\".".into()));
}

#[test]
fn vaccine_types_come_from_targets_or_diseases() {
    for (parameter, expected) in [
        (("-immunization.target", "FLU"), "FLU"),
        (("-immunization.target", " MMR , FLU ,FLU"), "FLU MMR"),
        (("-immunization.target", "FLU,NONE"), "FLU"),
        (("target-disease", "http://snomed.info/sct|14189004"), "MMR MMRV"),
        (("target-disease", "http://snomed.info/sct|14189004,http://snomed.info/sct|6142004,x"), "FLU MMR MMRV"),
        (("target-disease", "http://snomed.info/sct|1"), ""),
    ] {
        let search = by_patient(&[parameter, ("_include", "immunization:PATIENT"), ("unknown", "ignored")]);
        let targets: Vec<&str> = search.targets.iter().map(|vaccine| vaccine.code()).collect();
        assert_eq!(targets.join(" "), expected, "{parameter:?}");
    }
}

fn found(restricted: bool) -> Match {
    let sent: Value = serde_json::from_str(include_str!("fixtures/immunization.json")).unwrap();
    let immunization = Immunization::validate(&sent, "2025-06-01T12:00:00Z".parse().unwrap()).unwrap();
    Match { immunization, version: 2, restricted }
}

/// Ids in order, so that answers can be compared.
fn ids() -> impl FnMut() -> Uuid {
    let mut next = 0;
    move || {
        next += 1;
        Uuid::from_u128(next)
    }
}

fn types(codes: &[&str]) -> BTreeSet<VaccineType> {
    codes.iter().map(|code| code.parse().unwrap()).collect()
}

/// Kind, mode and, of outcomes, severity, code and diagnostics of each entry.
fn outline(bundle: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entry = |entry: &Value| {
        let mut parts = vec![text(&entry["resource"]["resourceType"]), text(&entry["search"]["mode"])];
        if let Some(issue) = entry["resource"].get("issue") {
            parts.extend(["severity", "code", "diagnostics"].map(|name| text(&issue[0][name])));
        }
        parts.join("/")
    };
    bundle["entry"].as_array().unwrap().iter().map(entry).collect()
}

#[test]
fn a_bundle_holds_the_records_and_their_patient_once() {
    let search = by_patient(&[
        ("-immunization.target", "FLU"),
        ("-date.from", "2024-01-01"),
        ("-date.to", "2024-12-31"),
        ("_include", "Immunization:patient"),
    ]);
    let bundle = search.bundle(BASE, &types(&["FLU"]), &[found(false), found(false)], ids());
    assert_eq!(outline(&bundle), ["Immunization/match", "Immunization/match", "Patient/include"]);
    assert_eq!(
        (&bundle["resourceType"], &bundle["type"], &bundle["total"]),
        (&json!("Bundle"), &json!("searchset"), &json!(2))
    );
    assert_eq!(
        bundle["link"],
        json!([{"relation": "self", "url": format!(
            "{BASE}/Immunization?-immunization.target=FLU&patient.identifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fnhs-number\
             %7C9990001014&-date.from=2024-01-01&-date.to=2024-12-31&_include=Immunization%3Apatient"
        )}])
    );
    let patient_url = "urn:uuid:00000000-0000-0000-0000-000000000001";
    let (first, patient) = (&bundle["entry"][0], &bundle["entry"][2]);
    let id = found(false).immunization.id();
    assert_eq!(first["fullUrl"], format!("{BASE}/Immunization/{id}"));
    assert_eq!(
        (&first["resource"]["id"], &first["resource"]["meta"]),
        (&json!(id.to_string()), &json!({"versionId": "2"}))
    );
    assert_eq!(first["resource"]["patient"]["reference"], patient_url);
    assert_eq!(patient["fullUrl"], patient_url);
    assert_eq!(patient["resource"]["id"], "9990001014");
    // What the record says of the patient and the professional stays behind; the rest is as sent.
    let shown = first["resource"].to_string();
    assert!(!shown.contains("Marrow") && !shown.contains("Quill") && !shown.contains("1951-02-28"), "{shown}");
    let sent: Value = serde_json::from_str(include_str!("fixtures/immunization.json")).unwrap();
    for name in ["extension", "status", "vaccineCode", "occurrenceDateTime", "location", "protocolApplied", "lotNumber"]
    {
        assert_eq!(first["resource"][name], sent[name], "{name}");
    }
}

#[test]
fn nothing_found_is_an_empty_bundle() {
    let bundle = by_patient(&[("-immunization.target", "FLU")]).bundle(BASE, &types(&["FLU"]), &[], ids());
    assert_eq!((&bundle["entry"], &bundle["total"]), (&json!([]), &json!(0)));
}

#[test]
fn what_was_not_permitted_or_not_understood_is_said_beside_the_results() {
    let unauthorised = "OperationOutcome/outcome/warning/unauthorized/Your search contains details that you are not authorised to request";
    let ignored = "OperationOutcome/outcome/warning/invalid/Your search included invalid -immunization.target value(s) that \
                   were ignored: A, B. The search was performed using the valid value(s) only.";
    let search = by_patient(&[("-immunization.target", "B,FLU,A,COVID")]);
    let bundle = search.bundle(BASE, &types(&["FLU"]), &[found(false)], ids());
    assert_eq!(outline(&bundle), ["Immunization/match", "Patient/include", unauthorised, ignored]);
    assert_eq!(bundle["total"], 1);
    assert!(bundle["link"][0]["url"].as_str().unwrap().contains("?-immunization.target=FLU&"), "{bundle}");

    let search = by_patient(&[("target-disease", "http://snomed.info/sct|6142004,http://snomed.info/sct|1,x")]);
    let bundle = search.bundle(BASE, &types(&["FLU"]), &[], ids());
    assert_eq!(
        outline(&bundle),
        [
            "OperationOutcome/outcome/warning/invalid/Target disease code '1' is not a supported target disease in this \
             service.",
            "OperationOutcome/outcome/warning/invalid/Invalid format for 'x': Search parameter target-disease must be in the \
             format \"http://snomed.info/sct|{SNOMED code}\" e.g. \"http://snomed.info/sct|14189004\"",
        ]
    );
    let url = bundle["link"][0]["url"].as_str().unwrap();
    assert!(url.contains("?target-disease=http%3A%2F%2Fsnomed.info%2Fsct%7C6142004&"), "{url}");

    let search = by_patient(&[("target-disease", "http://snomed.info/sct|1")]);
    let bundle = search.bundle(BASE, &types(&[]), &[], ids());
    assert_eq!(
        outline(&bundle),
        [
            "OperationOutcome/outcome/warning/invalid/This service does not contain any vaccination types with the target \
          disease requested."
        ]
    );
}

#[test]
fn a_restricted_persons_records_do_not_tell_where() {
    let bundle = by_patient(&[("-immunization.target", "FLU")]).bundle(BASE, &types(&["FLU"]), &[found(true)], ids());
    let resource = &bundle["entry"][0]["resource"];
    assert_eq!(resource["location"], json!({"identifier": {"system": "urn:iso:std:iso:3166", "value": "GB"}}));
    assert_eq!(resource["performer"][0]["actor"]["identifier"]["value"], "N2N9I");
    for place in ["X99999", "B0C4P", "ZZ99 3WZ"] {
        assert!(!bundle.to_string().contains(place), "{place}");
    }
}

#[test]
fn a_record_is_found_by_its_identifier_in_full_or_in_part() {
    let (system, value) = ("https://supplier.example/vaccinations", "made-up-0001");
    let identifier = format!("{system}|{value}");
    let one = found(false);
    let id = one.immunization.id().to_string();
    for (elements, members) in [
        (None, None),
        (Some("id,meta"), Some(json!({"resourceType": "Immunization", "id": id, "meta": {"versionId": "2"}}))),
        (Some("meta"), Some(json!({"resourceType": "Immunization", "meta": {"versionId": "2"}}))),
    ] {
        let mut parameters = vec![("identifier", identifier.as_str())];
        parameters.extend(elements.map(|elements| ("_elements", elements)));
        let Ok(Search::Identifier(search)) = read(&parameters) else { panic!("no search by identifier") };
        assert_eq!(search.id(), one.immunization.id());
        let bundle = search.bundle(BASE, Some(&one), ids());
        assert_eq!((outline(&bundle), &bundle["total"]), (vec!["Immunization/match".to_owned()], &json!(1)));
        match members {
            Some(members) => assert_eq!(bundle["entry"][0]["resource"], members),
            None => assert_eq!(bundle["entry"][0]["resource"]["lotNumber"], "L0T1"),
        }
        assert_eq!(search.bundle(BASE, None, ids())["entry"], json!([]));
    }
}
