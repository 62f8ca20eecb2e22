//! What is said of each route.

use ims_fhir::SEARCH_PARAMETERS;
use serde_json::Value;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::{ContentBuilder, Ref, Required, SecurityRequirement};

use super::answers::{FHIR, answer, refused};
use super::{is_open, parameters, schemas, token};
use crate::routes::{Access, Route};

/// Groups of operations.
pub(super) const TAGS: [(&str, &str); 4] = [
    ("Immunisations", "Records of vaccinations given."),
    ("Appointments", "Appointments to be vaccinated."),
    ("People", "Demographics of people, and whether they live."),
    ("About the API", "Open to anyone, without a token."),
];

/// A record that is taken on and after 2 October 2025.
const EXAMPLE: &str = include_str!("example.json");

/// An answer where all is well: status, text, media type and schema of the body, headers.
type Good = (u16, &'static str, Option<(&'static str, &'static str)>, &'static [&'static str]);

/// What is said of a route.
struct Wording {
    id: &'static str,
    tag: usize,
    summary: &'static str,
    text: &'static str,
    /// Answers where all is well.
    answers: Vec<Good>,
    /// Statuses of refusals, beside those that every operation with a token has.
    refusals: &'static [u16],
}

#[rustfmt::skip]
fn wording(route: &Route) -> Option<Wording> {
    let record = Some((FHIR, "StoredImmunization"));
    let bundle = Some((FHIR, "Bundle"));
    let found = "What was found, perhaps nothing. Warnings say which parts of the search were not understood or not permitted.";
    let about_search = "By patient, vaccine types or diseases, and days; or by the supplier's identifier. Only what the \
        supplier may search for is shown; where that is nothing, the search is refused.";
    let (id, tag, summary, text, answers, refusals): (_, _, _, _, _, &'static [u16]) = match (route.method, route.path) {
        ("GET", "/Immunization") => (
            "searchImmunizations", 0, "Search for immunisations", about_search,
            vec![(200, found, bundle, &[] as &[_])], &[400],
        ),
        ("POST", "/Immunization/_search") => (
            "searchImmunizationsByForm", 0, "Search for immunisations by form",
            "As the search by query, with the parameters in a form, so that no NHS number stands in an address. \
             Parameters of the query count too.",
            vec![(200, found, bundle, &[] as &[_])], &[400],
        ),
        ("POST", "/Immunization") => (
            "createImmunization", 0, "Create an immunisation",
            "Records a vaccination. An identifier has one record: the same again is refused, and an identifier whose \
             record was deleted gets it back.",
            vec![(201, "It is recorded.", None, &["Location", "E-Tag"] as &[_])], &[400, 422],
        ),
        ("GET", "/Immunization/{id}") => (
            "readImmunization", 0, "Read an immunisation", "The record as it stands.",
            vec![(200, "The record.", record, &["E-Tag"] as &[_])], &[400, 404],
        ),
        ("PUT", "/Immunization/{id}") => (
            "updateImmunization", 0, "Update an immunisation",
            "Replaces what the record says, or reinstates a deleted one. The identifier stays as it is. Needs permission \
             for the vaccine type held and for the one sent.",
            vec![(200, "It is changed.", None, &["E-Tag"] as &[_])], &[400, 404],
        ),
        ("DELETE", "/Immunization/{id}") => (
            "deleteImmunization", 0, "Delete an immunisation", "Deletes the record; its versions are kept.",
            vec![(204, "It is deleted.", None, &[] as &[_])], &[400, 404],
        ),
        ("POST", "/Booking") => (
            "takeBooking", 1, "Take an appointment",
            "Takes an appointment, or a change of one: of each reference the latest change counts, in whatever order they come.",
            vec![
                (201, "It is taken.", None, &[] as &[_]),
                (200, "It was known already, or a later change is.", None, &[] as &[_]),
            ],
            &[400],
        ),
        ("POST", "/Demographics") => (
            "takeDemographics", 2, "Take demographics",
            "Takes what the demographics service says of a person, at once: above all that somebody died. Of a person's \
             events and rows the one with the highest serial number counts, in whatever order they come.",
            vec![
                (201, "It is taken.", Some(("application/json", "DemographicsTaken")), &[] as &[_]),
                (200, "It, or something later, was known already.", Some(("application/json", "DemographicsTaken")), &[]),
            ],
            &[400, 422],
        ),
        ("GET", "/_status") => (
            "status", 3, "Whether the API is up", "Answers for the API and the function behind it.",
            vec![(200, "It is up.", Some(("application/json", "Health")), &[] as &[_])], &[],
        ),
        ("GET", "/_ping") => (
            "ping", 3, "Whether the API is reached", "As `_status`.",
            vec![(200, "It is up.", Some(("application/json", "Health")), &[] as &[_])], &[],
        ),
        ("GET", "/openapi.json") => (
            "description", 3, "This description", "The API's description in OpenAPI 3.1.",
            vec![(200, "The description.", Some(("application/json", "")), &[] as &[_])], &[],
        ),
        ("GET", "/docs") => (
            "page", 3, "This description to read", "The same as a page.",
            vec![(200, "The page.", Some(("text/html", "")), &[] as &[_])], &[],
        ),
        _ => return None,
    };
    Some(Wording { id, tag, summary, text, answers, refusals })
}

pub(super) fn method(name: &str) -> Option<HttpMethod> {
    Some(match name {
        "GET" => HttpMethod::Get,
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "DELETE" => HttpMethod::Delete,
        _ => return None,
    })
}

/// The operation of a route; `None` where nothing is said of it.
pub(super) fn operation(route: &Route) -> Option<Operation> {
    let said = wording(route)?;
    let needs = match route.access {
        Access::Anyone => String::new(),
        Access::Vaccines(letter) => format!(" Needs the permission `{letter}` for the vaccine type."),
        Access::Bookings(letter) => format!(" Needs the permission `{letter}` for appointments."),
        Access::Demographics(letter) => format!(" Needs the permission `{letter}` for demographics."),
    };
    let mut operation = OperationBuilder::new()
        .operation_id(Some(said.id))
        .tag(TAGS[said.tag].0)
        .summary(Some(said.summary))
        .description(Some(format!("{}{needs}", said.text)))
        .request_body(body(route));
    let mut own = Vec::new();
    if route.path.contains("{id}") {
        own.push(parameters::id());
    }
    if route.method == "PUT" {
        own.push(parameters::version());
    }
    if route.path == "/Immunization" && route.method == "GET" {
        own.extend(parameters::query(&SEARCH_PARAMETERS));
    }
    for parameter in own.into_iter().chain(parameters::ids()) {
        operation = operation.parameter(parameter);
    }
    for (status, text, body, headers) in said.answers {
        operation = operation.response(status.to_string(), answer(text, body, headers));
    }
    let always: &[u16] = if is_open(route) { &[] } else { &[401, 403, 413, 429, 500] };
    for status in said.refusals.iter().chain(always) {
        operation = operation.response(status.to_string(), refused(*status));
    }
    let operation = if is_open(route) {
        operation.security(SecurityRequirement::default())
    } else {
        operation.securities(Some(token::needed()))
    };
    Some(operation.build())
}

fn body(route: &Route) -> Option<RequestBody> {
    let (media_type, schema, example) = match (route.method, route.path) {
        ("POST", "/Immunization") => (FHIR, "Immunization", example(None)),
        ("PUT", _) => (FHIR, "Immunization", example(Some(parameters::example_id()))),
        ("POST", "/Immunization/_search") => {
            ("application/x-www-form-urlencoded", "SearchForm", parameters::form_example())
        }
        ("POST", "/Booking") => ("application/json", "Booking", schemas::booking_example()),
        ("POST", "/Demographics") => ("application/json", "Demographics", schemas::demographics_example()),
        _ => return None,
    };
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).example(Some(example)).build();
    Some(RequestBodyBuilder::new().required(Some(Required::True)).content(media_type, content).build())
}

fn example(id: Option<String>) -> Value {
    let mut example: Value = serde_json::from_str(EXAMPLE).unwrap_or_default();
    if let Some(id) = id {
        example["id"] = id.into();
    }
    example
}
