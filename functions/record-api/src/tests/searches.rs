//! Searches as they come in, and what of a person's records they are shown.

use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use ims_domain::matching::{Decision, Ruling};
use ims_domain::record::{Patient, Source};
use ims_domain::{ImmunisationId, PersonId};
use ims_fhir::{PatientSearch, Search};
use serde_json::Value;
use uuid::Uuid;

use super::*;
use crate::search::{covered, permitted};

const NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number|9990001014";

/// A search as the gateway passes it on.
fn sent(method: &str, query: Value, form: &str) -> Request {
    let event = json!({
        "path": if method == "GET" { "/Immunization" } else { "/Immunization/_search" },
        "httpMethod": method,
        "headers": {
            "Authorization": format!("Bearer {}", token(Some("EMIS"))),
            "Host": "api.example:8443",
            "X-Forwarded-Proto": "https",
        },
        "multiValueQueryStringParameters": query,
        "requestContext": {
            "httpMethod": method,
            "path": if method == "GET" { "/live/Immunization" } else { "/live/Immunization/_search" },
        },
        "body": form,
    });
    Request::read(serde_json::from_value::<ApiGatewayProxyRequest>(event).unwrap())
}

fn search_of(request: &Request) -> Search {
    match admit(request) {
        Ok(Task::Search { search, .. }) => search,
        other => panic!("{other:?}"),
    }
}

fn by_patient(query: Value) -> PatientSearch {
    match search_of(&sent("GET", query, "")) {
        Search::Patient(search) => search,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_query_and_a_form_ask_for_the_same() {
    let query =
        json!({"patient.identifier": [NUMBER], "-immunization.target": ["FLU,COVID"], "-date.from": ["2025-01-01"]});
    let form = "patient.identifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fnhs-number%7C9990001014&-immunization.target=FLU%2CCOVID\
                &-date.from=2025-01-01&-date.to=";
    let asked = sent("GET", query.clone(), "");
    assert_eq!(asked.base, "https://api.example:8443/live");
    assert_eq!(search_of(&asked), search_of(&sent("POST", json!(null), form)));
    let (some, rest) =
        (json!({"patient.identifier": [NUMBER]}), "-immunization.target=FLU,COVID&-date.from=2025-01-01");
    assert_eq!(search_of(&asked), search_of(&sent("POST", some, rest)));
    let single = json!({"path": "/Immunization", "httpMethod": "GET", "requestContext": {"httpMethod": "GET"},
        "headers": {"Authorization": format!("Bearer {}", token(Some("EMIS")))},
        "queryStringParameters": {"patient.identifier": NUMBER, "-immunization.target": "FLU,COVID",
            "-date.from": "2025-01-01"}});
    let single = Request::read(serde_json::from_value(single).unwrap());
    assert_eq!((search_of(&single), single.base.as_str()), (search_of(&asked), ""));
}

#[test]
fn a_search_that_cannot_be_made_is_invalid() {
    for (method, query, form, expected) in [
        ("GET", json!(null), "", "No parameter provided. Search using either identifier or patient.identifier"),
        (
            "POST",
            json!(null),
            "-date.from=",
            "No parameter provided. Search using either identifier or patient.identifier",
        ),
        ("GET", json!({"-date.to": ["2025-01-01"]}), "", "Search parameter patient.identifier must have one value."),
        (
            "GET",
            json!({"patient.identifier": [NUMBER, NUMBER]}),
            "",
            "Parameters may not be duplicated. Use commas for \"or\".",
        ),
        (
            "POST",
            json!({"identifier": ["a|b"]}),
            "identifier=a|b",
            "Parameters may not be duplicated. Use commas for \"or\".",
        ),
    ] {
        let refused = admit(&sent(method, query, form)).unwrap_err();
        assert_eq!(
            (code(&refused), refused.body["issue"][0]["diagnostics"].as_str().unwrap()),
            ((400, "INVALID"), expected)
        );
    }
}

#[test]
fn a_search_shows_the_vaccine_types_that_the_supplier_may_search_for() {
    for (supplier, targets, expected) in [
        ("EMIS", "FLU", Some("FLU")),
        ("EMIS", "FLU,COVID", Some("FLU")),
        ("EMIS", "COVID,MMR", None),
        ("PINNACLE", "FLU,COVID", Some("COVID")),
        ("PINNACLE", "FLU", None),
        ("NOBODY", "FLU", None),
    ] {
        let search = by_patient(json!({"patient.identifier": [NUMBER], "-immunization.target": [targets]}));
        let shown = permitted(&gate(), supplier, &search);
        let shown = shown.map(|types| types.iter().map(|vaccine| vaccine.code()).collect::<Vec<_>>().join(","));
        assert_eq!(shown.as_deref(), expected, "{supplier} {targets}");
    }
    // For a disease that nothing is given against there is nothing to forbid.
    let search = by_patient(json!({"patient.identifier": [NUMBER], "target-disease": ["http://snomed.info/sct|1"]}));
    assert_eq!(permitted(&gate(), "NOBODY", &search), Some([].into()));
}

fn held(value: &str, edit: impl Fn(&str) -> String, deleted: bool) -> Immunisation {
    let body = edit(&immunization().replace("made-up-0001", value));
    let given =
        Immunization::validate(&serde_json::from_str(&body).unwrap(), "2025-10-01T12:00:00Z".parse().unwrap()).unwrap();
    Immunisation {
        id: ImmunisationId::of("https://supplier.example/vaccinations", value),
        person: PersonId(Uuid::nil()),
        vaccine: given.vaccine(),
        occurred_on: given.occurred_on(),
        body: given.body().to_owned(),
        version: 1,
        deleted,
        deletions: 0,
        action: ims_domain::record::Action::New,
        source: Source { supplier: "EMIS".into(), file: String::new(), order: String::new(), row: 0 },
        accepted_rows: Vec::new(),
        patient: Patient::default(),
        matching: Default::default(),
    }
}

#[test]
fn a_search_finds_what_is_live_of_this_person_of_these_types_on_these_days() {
    let same = |body: &str| body.to_owned();
    let on = |day: &'static str| move |body: &str| body.replace("2025-09-30T10:00:00+00:00", day);
    let records = || {
        vec![
            held("last", on("2025-09-30T23:30:00+00:00"), false),
            held("first", on("2025-09-01"), false),
            held("before", on("2025-08-31T22:59:59+00:00"), false),
            held("deleted", same, true),
            held("covid", |body| body.replace("6142004", "840539006"), false),
            held("another's", |body| body.replace("9990001014", "9990000018"), false),
            held(
                "nobody's",
                |body| {
                    let number =
                        "\"identifier\":[{\"system\":\"https://fhir.nhs.uk/Id/nhs-number\",\"value\":\"9990001014\"}],";
                    assert!(body.contains(number));
                    body.replace(number, "")
                },
                false,
            ),
        ]
    };
    let names = |query: Value| {
        let search = by_patient(query);
        let types = permitted(&gate(), "EMIS", &search).unwrap();
        let found = covered(&search, &[search.number], &types, records(), false).unwrap();
        found.iter().map(|one| one.immunization.identifier().1.to_owned()).collect::<Vec<_>>().join(" ")
    };
    let mut query = json!({"patient.identifier": [NUMBER], "-immunization.target": ["FLU,COVID"]});
    assert_eq!(names(query.clone()), "before first last");
    query["-date.from"] = json!(["2025-09-01"]);
    assert_eq!(names(query.clone()), "first last");
    // The day is that which the record says, though it was the first of October in London.
    query["-date.to"] = json!(["2025-09-30"]);
    assert_eq!(names(query.clone()), "first last");
    query["-date.to"] = json!(["2025-09-01"]);
    assert_eq!(names(query), "first");
}

#[test]
fn what_staff_attached_is_found_under_its_holders_number_and_does_not_tell_the_one_it_came_with() {
    let mut attached = held("attached", |body| body.replace("9990001014", "9990000018"), false);
    attached.matching.decision = Some(Decision {
        ruling: Ruling::Attached,
        by: "officer".into(),
        at: "2025-10-01T12:00:00Z".parse().unwrap(),
        reason: "the practice rang back".into(),
        from: None,
    });
    let search = by_patient(json!({"patient.identifier": [NUMBER], "-immunization.target": ["FLU"]}));
    let types = permitted(&gate(), "EMIS", &search).unwrap();
    let found = covered(&search, &[search.number], &types, vec![attached], false).unwrap();
    let bundle = search.bundle("http://127.0.0.1/api", &types, &found, Uuid::nil);
    assert_eq!((bundle["total"].as_u64(), bundle["entry"].as_array().unwrap().len()), (Some(1), 2));
    assert_eq!(bundle["entry"][0]["resource"]["patient"]["identifier"]["value"], "9990001014");
    assert_eq!(bundle["entry"][1]["resource"]["id"], "9990001014");
    assert!(!bundle.to_string().contains("9990000018"));
}
