use std::collections::BTreeSet;

use ims_fhir::{SEARCH_PARAMETERS, Search};
use serde_json::Value;

use super::*;
use crate::routes::ROUTES;

fn document() -> Value {
    super::document("https://api.example/v1")
}

fn said<'d>(document: &'d Value, route: &Route) -> &'d Value {
    &document["paths"][route.path][route.method.to_lowercase()]
}

/// Every reference of the document leads somewhere.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let document = document();
    for route in ROUTES {
        let (said, named) = (said(&document, route), format!("{} {}", route.method, route.path));
        for member in ["operationId", "summary", "description"] {
            assert!(said[member].as_str().is_some_and(|text| !text.is_empty()), "{named} has no {member}");
        }
        let answers = said["responses"].as_object().unwrap();
        assert!(answers.keys().any(|status| status.starts_with('2')), "{named} has no answer where all is well");
        for (status, answer) in answers {
            assert!(!answer["description"].as_str().unwrap().is_empty(), "{named} {status}");
            let refused = !status.starts_with('2');
            let outcome = &answer["content"]["application/fhir+json"]["schema"]["$ref"];
            assert_eq!(outcome == "#/components/schemas/OperationOutcome", refused, "{named} {status}");
            assert!(
                answer["headers"].get("X-Request-ID").is_some() && answer["headers"].get("X-Correlation-ID").is_some()
            );
        }
        for parameter in said["parameters"].as_array().unwrap() {
            assert!(parameter["description"].as_str().is_some_and(|text| !text.is_empty()), "{named} {parameter}");
        }
        let closed = answers.contains_key("401");
        assert_eq!(closed, !is_open(route), "{named}");
        assert_eq!(said["security"][0].as_object().unwrap().is_empty(), is_open(route), "{named}");
        assert_eq!(said["requestBody"].is_null(), !matches!(route.method, "POST" | "PUT"), "{named}");
    }
    let paths = document["paths"].as_object().unwrap();
    let described: usize = paths.values().map(|item| item.as_object().unwrap().len()).sum();
    assert_eq!(described, ROUTES.len() + 1, "the routes, and where tokens are given");
    let mut ids: Vec<&Value> = ROUTES.iter().map(|route| &said(&document, route)["operationId"]).collect();
    ids.sort_by_key(|id| id.to_string());
    ids.dedup();
    assert_eq!(ids.len(), ROUTES.len());
    assert_eq!(
        (&document["openapi"], &document["servers"][0]["url"]),
        (&"3.1.0".into(), &"https://api.example/v1".into())
    );
}

#[test]
fn references_lead_somewhere() {
    let (document, mut found) = (document(), BTreeSet::new());
    references(&document, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[test]
fn every_search_parameter_is_described_and_headers_are() {
    let document = document();
    let names = |path: &str, method: &str| -> BTreeSet<String> {
        let parameters = document["paths"][path][method]["parameters"].as_array().unwrap();
        parameters.iter().map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
    };
    let searched = names("/Immunization", "get");
    let form = &document["components"]["schemas"]["SearchForm"]["properties"];
    for name in SEARCH_PARAMETERS {
        assert!(searched.contains(name), "{name}");
        assert!(form[name]["description"].as_str().is_some_and(|text| !text.is_empty()), "{name} in the form");
    }
    let put = names("/Immunization/{id}", "put");
    assert!(["E-Tag", "X-Request-ID", "X-Correlation-ID", "id"].iter().all(|name| put.contains(*name)), "{put:?}");
}

#[test]
fn the_types_of_bodies_say_what_a_valid_record_has() {
    let sent: Value = serde_json::from_str(include_str!("example.json")).unwrap();
    let read: schemas::Immunization = serde_json::from_value(sent.clone()).unwrap();
    let again = serde_json::to_value(read).unwrap();
    assert!(again == sent, "{again:#}");
    let document = document();
    let needed = document["components"]["schemas"]["Immunization"]["required"].as_array().unwrap();
    for field in needed.iter().filter_map(Value::as_str).filter(|field| *field != "vaccineCode") {
        let mut without = sent.clone();
        without.as_object_mut().unwrap().remove(field).unwrap_or_else(|| panic!("{field}"));
        let now = "2025-10-06T12:00:00Z".parse().unwrap();
        assert!(ims_fhir::Immunization::validate(&without, now).is_err(), "{field} is not needed");
    }
    for field in sent.as_object().unwrap().keys().filter(|key| !needed.iter().any(|field| field == key.as_str())) {
        let mut without = sent.clone();
        without.as_object_mut().unwrap().remove(field);
        let now = "2025-10-06T12:00:00Z".parse().unwrap();
        assert!(ims_fhir::Immunization::validate(&without, now).is_ok(), "{field} is needed");
    }
}

#[test]
fn examples_are_valid() {
    let now: jiff::Timestamp = "2025-10-06T12:00:00Z".parse().unwrap();
    let document = document();
    let example = |path: &str, method: &str, media_type: &str| {
        document["paths"][path][method]["requestBody"]["content"][media_type]["example"].clone()
    };
    assert!(ims_fhir::Immunization::validate(&example("/Immunization", "post", answers::FHIR), now).is_ok());
    let update = example("/Immunization/{id}", "put", answers::FHIR);
    let record = ims_fhir::Immunization::validate(&update, now).unwrap();
    assert_eq!(update["id"], record.id().to_string(), "the examples are of one record");
    let form = example("/Immunization/_search", "post", "application/x-www-form-urlencoded");
    let form = form.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    assert!(Search::read(form).is_ok());
    for (path, schema) in [("/Booking", "Booking"), ("/Demographics", "Demographics")] {
        let sent = example(path, "post", "application/json");
        let needed = document["components"]["schemas"][schema]["required"].as_array().unwrap();
        assert!(needed.iter().all(|name| sent.get(name.as_str().unwrap()).is_some()), "{path}");
    }
}

#[test]
fn the_page_tells_of_every_route_and_loads_nothing() {
    let page = page("https://api.example/v1");
    for route in ROUTES {
        assert!(page.contains(&format!("<b>{}</b> {}", route.method, route.path)), "{} {}", route.method, route.path);
    }
    for name in SEARCH_PARAMETERS {
        assert!(page.contains(&format!("<code>{name}</code>")), "{name}");
    }
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("@import"));
    // Every link within the page has its target.
    for target in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
    }
}
