use ims_runtime::auth::{Claims, Permissions, SigningKey, Verifier};

use ims_domain::record::Change;
use ims_fhir::redaction::withhold_whereabouts;
use serde_json::Value;

use super::*;
use crate::create::created;

mod access;
mod changes;
mod demographics;
mod faults;
mod merged;
mod searches;
mod stored;
mod unmatched;

// An Ed25519 key pair made for tests (RFC 8032, test 1): it protects nothing.
const PRIVATE_DER: [u8; 48] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20, 0x9d, 0x61, 0xb1,
    0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
    0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];

fn key() -> SigningKey {
    SigningKey::read(&PRIVATE_DER).unwrap()
}

fn gate() -> Gate {
    let permissions = r#"[{"supplier": "EMIS", "permissions": ["FLU.CRUDS"], "ods_codes": ["YGM41"]},
        {"supplier": "PINNACLE", "permissions": ["FLU.R", "COVID.CRUDS"], "ods_codes": ["8J1100001"]},
        {"supplier": "NBS", "permissions": ["BOOKINGS.C"]},
        {"supplier": "X26", "permissions": ["DEMOGRAPHICS.C"]}]"#;
    Gate::new(Verifier::new(&key().jwks()).unwrap(), serde_json::from_str::<Permissions>(permissions).unwrap())
}

fn claims() -> Claims {
    Claims::new("test", 1_700_000_000, 2_300_000_000)
}

fn token(supplier: Option<&str>) -> String {
    key().sign(&Claims { supplier: supplier.map(str::to_owned), ..claims() }).unwrap()
}

fn request(method: &str, path: &str, supplier: &str, body: &str) -> Request {
    Request {
        method: method.into(),
        path: path.into(),
        headers: vec![("authorization".into(), format!("Bearer {}", token(Some(supplier))))],
        body: Some(body.into()),
        ..Request::default()
    }
}

fn admit(request: &Request) -> Result<Task, Answer> {
    gate().admit(request, "2025-10-01T12:00:00Z".parse().unwrap())
}

fn event() -> ApiGatewayProxyRequest {
    serde_json::from_str(include_str!("../fixtures/post-immunization.json")).unwrap()
}

fn immunization() -> String {
    event().body.unwrap()
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body["issue"][0]["details"]["coding"][0]["code"].as_str().unwrap())
}

#[test]
fn a_valid_and_permitted_immunization_is_let_in_plain_or_as_base64() {
    use base64::Engine;
    let plain = event();
    let mut encoded = event();
    encoded.body = Some(base64::engine::general_purpose::STANDARD.encode(immunization()));
    encoded.is_base64_encoded = true;
    for event in [plain, encoded] {
        let mut sent = Request::read(event);
        assert_eq!(sent.id(), "60e0b220-4136-4ca5-ae46-1d97ef59d068");
        sent.headers.push(("Authorization".into(), format!("Bearer {}", token(Some("EMIS")))));
        let Ok(Task::Create { supplier, immunization, .. }) = admit(&sent) else { panic!() };
        assert_eq!((supplier.as_str(), immunization.vaccine().code()), ("EMIS", "FLU"));
    }
}

#[test]
fn who_has_no_valid_token_is_turned_away_everywhere_but_at_the_status() {
    for (method, path) in [
        ("POST", "/Immunization"),
        ("GET", "/Immunization"),
        ("POST", "/Immunization/_search"),
        ("GET", "/Immunization/1"),
        ("PUT", "/Immunization/1"),
        ("DELETE", "/Immunization/1"),
        ("POST", "/Booking"),
        ("POST", "/Demographics"),
        ("GET", "/x"),
    ] {
        for header in [None, Some("Basic x"), Some("Bearer x.y.z")] {
            let mut sent = request(method, path, "EMIS", "{}");
            sent.headers.clear();
            sent.headers.extend(header.map(|value| ("Authorization".to_owned(), value.to_owned())));
            let refused = admit(&sent).unwrap_err();
            assert_eq!(code(&refused), (401, "SEND_UNAUTHORIZED"), "{method} {path} {header:?}");
        }
    }
    for path in ["/_status", "/_ping"] {
        let open = Request { method: "GET".into(), path: path.into(), ..Request::default() };
        assert_eq!(admit(&open), Ok(Task::Status));
    }
    let mut staff = request("GET", "/Immunization/1", "EMIS", "");
    staff.headers = vec![("Authorization".into(), format!("Bearer {}", token(None)))];
    assert_eq!(code(&admit(&staff).unwrap_err()), (403, "FORBIDDEN"));
}

#[test]
fn an_application_speaks_for_an_organisation_of_its_supplier_only() {
    let admitted = |supplier: &str, ods: &str| {
        let mut sent = request("GET", &format!("/Immunization/{}", ImmunisationId::of("s", "v")), supplier, "");
        let claims = Claims { supplier: Some(supplier.to_owned()), ods: Some(ods.to_owned()), ..claims() };
        sent.headers = vec![("Authorization".into(), format!("Bearer {}", key().sign(&claims).unwrap()))];
        admit(&sent).map_err(|refused| code(&refused).0)
    };
    assert!(admitted("EMIS", "YGM41").is_ok() && admitted("EMIS", "ygm41").is_ok());
    for (supplier, ods) in [("EMIS", "8J1100001"), ("EMIS", "A81001"), ("EMIS", ""), ("NBS", "YGM41")] {
        assert_eq!(admitted(supplier, ods), Err(403), "{supplier} {ods}");
    }
}

#[test]
fn refusals_have_the_status_of_their_cause() {
    let future = immunization().replace("2025-09-30T10:00:00+00:00", "2025-10-01T12:00:01+00:00");
    let with_id = immunization().replacen('{', "{\"id\": \"1\",", 1);
    let long = " ".repeat(300_000);
    for (method, path, supplier, body, expected) in [
        ("POST", "/Immunization", "PINNACLE", immunization().as_str(), (403, "FORBIDDEN")),
        ("POST", "/Immunization", "NOBODY", &immunization(), (403, "FORBIDDEN")),
        ("POST", "/Immunization", "EMIS", "{\"resourceType\": ", (400, "INVALID")),
        ("POST", "/Immunization", "EMIS", "", (400, "INVALID")),
        ("POST", "/Immunization", "EMIS", "{}", (400, "INVARIANT")),
        ("POST", "/Immunization", "EMIS", &future, (400, "INVARIANT")),
        ("POST", "/Immunization", "EMIS", &with_id, (400, "INVARIANT")),
        ("GET", "/Immunization", "EMIS", "", (400, "INVALID")),
        ("GET", "/Immunization/", "EMIS", "", (400, "INVALID")),
        ("POST", "/Immunization/_search", "EMIS", "", (400, "INVALID")),
        ("GET", "/Immunization/_search", "EMIS", "", (405, "METHOD_NOT_ALLOWED")),
        ("POST", "/Immunization", "EMIS", &long, (413, "PAYLOAD_TOO_LARGE")),
        ("GET", "/Immunization/a_b", "EMIS", "", (400, "INVALID")),
        ("DELETE", "/Immunization/a_b", "EMIS", "", (400, "INVALID")),
        ("DELETE", "/Immunization/no-such-id", "EMIS", "", (404, "NOT-FOUND")),
        ("PUT", "/Immunization", "EMIS", "", (405, "METHOD_NOT_ALLOWED")),
        ("POST", "/Immunization/1", "EMIS", "", (405, "METHOD_NOT_ALLOWED")),
        ("GET", "/Immunization/1/2", "EMIS", "", (404, "NOT_FOUND")),
        ("GET", "/Immunization/no-such-id", "EMIS", "", (404, "NOT-FOUND")),
        ("PATCH", "/Immunization/1", "EMIS", "", (405, "METHOD_NOT_ALLOWED")),
        ("GET", "/Booking", "NBS", "", (405, "METHOD_NOT_ALLOWED")),
        ("GET", "/elsewhere", "EMIS", "", (404, "NOT_FOUND")),
        ("POST", "/Booking", "PINNACLE", "{}", (403, "FORBIDDEN")),
        ("POST", "/Booking", "NBS", "[]", (400, "INVARIANT")),
    ] {
        let refused = admit(&request(method, path, supplier, body)).unwrap_err();
        assert_eq!(code(&refused), expected, "{method} {path} {supplier}");
        assert_eq!(refused.body["resourceType"], "OperationOutcome");
    }
}

#[test]
fn a_read_names_the_record() {
    let id = ImmunisationId::of("s", "v");
    let Ok(Task::Read { id: read, .. }) = admit(&request("GET", &format!("/Immunization/{id}/"), "NOBODY", "")) else {
        panic!()
    };
    assert_eq!(read, id);
}

fn booking(changes: Value) -> String {
    let mut body = json!({
        "NHS_NUMBER": "9990000018", "APPOINTMENT_DATE_TIME": "20251020T090000", "APPOINTMENT_STATUS": "BOOKED",
        "BOOKING_REFERENCE_NUMBER": "R-1", "SERVICE": "FLU", "CREATED_DATE_TIME": "20251001T090000", "BATCH_SIZE": 1,
        "LATITUDE": null,
    });
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body.to_string()
}

#[test]
fn appointments_are_taken_and_errors_name_field_and_value() {
    let Ok(Task::Book { number, change, .. }) = admit(&request("POST", "/Booking", "NBS", &booking(json!({})))) else {
        panic!()
    };
    assert_eq!(number.to_string(), "9990000018");
    assert!(matches!(*change, Change::Booking(_)));
    for (changes, expected) in [
        (
            json!({"SERVICE": "PLAGUE"}),
            "Validation errors: SERVICE must be a vaccine type such as FLU or COVID; it is 'PLAGUE'",
        ),
        (json!({"POSTCODE": "x"}), "Validation errors: POSTCODE is not a field of a booking"),
        (json!({"SERVICE": ["FLU"]}), "Validation errors: SERVICE must be a string; it is '[\"FLU\"]'"),
        (
            json!({"CREATED_DATE_TIME": "20251002T090000"}),
            "Validation errors: CREATED_DATE_TIME must be a date and time that is not in the future; it is '20251002T090000'",
        ),
    ] {
        let refused = admit(&request("POST", "/Booking", "NBS", &booking(changes))).unwrap_err();
        assert_eq!(refused.body["issue"][0]["diagnostics"], expected);
    }
}

#[test]
fn answers_repeat_the_request_ids_and_carry_place_and_version() {
    let sent = Request::read(event());
    let id = ImmunisationId::of("s", "v");
    let response = created(id, 1).into_response(&sent);
    assert_eq!(response.status_code, 201);
    assert_eq!(response.body, None);
    for (name, value) in [
        ("location", format!("/Immunization/{id}").as_str()),
        ("e-tag", "1"),
        ("x-request-id", "60e0b220-4136-4ca5-ae46-1d97ef59d068"),
        ("x-correlation-id", "11c46f5f-cdef-4865-94b2-0ee0edcc26da"),
    ] {
        assert_eq!(response.headers[name], value);
    }
    let refused = Answer::refusal(IssueCode::NotFound, "x").into_response(&sent);
    assert_eq!(refused.headers["content-type"], "application/fhir+json");
}

#[test]
fn health_is_told_in_the_national_shape() {
    let status = crate::status();
    assert_eq!((&status["status"], &status["checks"]["healthcheck"]["status"]), (&json!("pass"), &json!("pass")));
}

#[test]
fn every_answer_repeats_the_request_ids() {
    let sent = Request::read(event());
    for answer in [
        Answer::empty(204),
        Answer::json(200, json!({"status": "pass"})),
        Answer::refusal(IssueCode::Exception, text::FAULT),
        admit(&sent).unwrap_err(),
    ] {
        let response = answer.into_response(&sent);
        assert_eq!(response.headers["x-request-id"], "60e0b220-4136-4ca5-ae46-1d97ef59d068");
        assert_eq!(response.headers["x-correlation-id"], "11c46f5f-cdef-4865-94b2-0ee0edcc26da");
    }
}

#[test]
fn a_restricted_persons_whereabouts_are_withheld() {
    let sent = Immunization::validate(
        &serde_json::from_str(&immunization()).unwrap(),
        "2025-10-01T12:00:00Z".parse().unwrap(),
    )
    .unwrap();
    let mut resource = sent.to_json(sent.id(), 1);
    assert!(resource.to_string().contains("CB3 8DX"));
    withhold_whereabouts(&mut resource);
    assert!(!resource.to_string().contains("CB3 8DX"));
    assert_eq!(resource["location"], json!({"identifier": {"system": "urn:iso:std:iso:3166", "value": "GB"}}));
    assert_eq!(resource["contained"][1]["address"], json!([{"postalCode": "ZZ99 3CZ"}]));
    assert_eq!(
        resource["performer"][1]["actor"]["identifier"],
        json!({"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "N2N9I"})
    );
    assert_eq!(resource["performer"][0], json!({"actor": {"reference": "#Vaccinator"}}));
}

#[test]
fn a_bad_base64_body_is_malformed_json() {
    let mut sent = event();
    sent.is_base64_encoded = true;
    let mut sent = Request::read(sent);
    sent.headers.push(("Authorization".into(), format!("Bearer {}", token(Some("EMIS")))));
    assert_eq!(code(&admit(&sent).unwrap_err()), (400, "INVALID"));
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_disclosed() {
    let (api, id, body) = (stored::Api::start().await, stored::id(), immunization());
    api.send("POST", "/Immunization", &body).await;
    api.database.refuse("AUDIT");
    let patient = "patient.identifier=https://fhir.nhs.uk/Id/nhs-number|9990001014&-immunization.target=";
    for (method, path, form) in [
        ("GET", format!("/Immunization/{id}"), String::new()),
        ("POST", "/Immunization/_search".to_owned(), format!("{patient}FLU")),
        (
            "POST",
            "/Immunization/_search".to_owned(),
            "identifier=https://supplier.example/vaccinations|made-up-0001".to_owned(),
        ),
    ] {
        let answered = api.ask(&request(method, &path, "EMIS", &form)).await;
        assert!(matches!(answered, Err(ApiError::Store(_))), "{method} {path} {form}");
    }
}
