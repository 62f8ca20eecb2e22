//! Who may do what: every route, with every supplier and vaccine type, every role of staff, and tokens that are none.
//!
//! What is expected is read from the text of the permissions, not through the code that decides.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ims_domain::{NhsNumber, VaccineType};
use jsonwebtoken::{Algorithm, EncodingKey, Header};

use super::demographics::event;
use super::stored::Api;
use super::*;

const PERMISSIONS: &str = include_str!("../../../../shared/runtime/src/auth/permissions.json");
const SYSTEM: &str = "https://supplier.example/vaccinations";
/// Who may do everything, and so makes what the others ask for.
const AUTHOR: &str = "Postman_Auth";

/// Permissions by supplier, as written.
fn written() -> BTreeMap<String, Vec<String>> {
    let entries: Vec<Value> = serde_json::from_str(PERMISSIONS).unwrap();
    let read = |entry: &Value| {
        let of = |key: &str| entry[key].as_array().into_iter().flatten();
        let permissions = of("permissions").chain(of("sandbox_permissions"));
        let permissions = permissions.map(|permission| permission.as_str().unwrap().to_owned()).collect();
        (entry["supplier"].as_str().unwrap().to_owned(), permissions)
    };
    let mut all: BTreeMap<_, _> = entries.iter().map(read).collect();
    all.insert("NOBODY".to_owned(), Vec::new());
    all
}

/// Whether permissions, as written, hold a letter for a vaccine type, or for another feed.
fn granted(permissions: &[String], what: &str, letter: char) -> bool {
    let names = [what, if matches!(what, "BOOKINGS" | "DEMOGRAPHICS") { what } else { "*" }];
    permissions.iter().any(|permission| {
        names.iter().any(|name| {
            permission
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('.'))
                .is_some_and(|letters| letters.contains(letter))
        })
    })
}

/// A made-up number for each place.
fn number(place: usize) -> String {
    (0..=9)
        .map(|check| format!("999100{place:03}{check}"))
        .find(|text| text.parse::<NhsNumber>().is_ok())
        .unwrap_or_else(
            // Every eleventh number has no check digit.
            || number(place + 500),
        )
}

fn record(vaccine: VaccineType, value: &str, number: &str) -> String {
    let mut body: Value = serde_json::from_str(&immunization()).unwrap();
    let diseases = vaccine
        .diseases()
        .iter()
        .map(|(code, term)| json!({"coding": [{"system": "http://snomed.info/sct", "code": code, "display": term}]}));
    body["protocolApplied"][0]["targetDisease"] = diseases.collect();
    body["identifier"][0]["value"] = json!(value);
    body["contained"][1]["identifier"][0]["value"] = json!(number);
    body.to_string()
}

fn with_id(body: &str, value: &str) -> String {
    let id = ImmunisationId::of(SYSTEM, value);
    body.replacen('{', &format!("{{\"id\":\"{id}\","), 1)
}

fn path(value: &str) -> String {
    format!("/Immunization/{}", ImmunisationId::of(SYSTEM, value))
}

/// The API with the permissions of a sandbox.
async fn api() -> Api {
    let permissions = Permissions::built_in(true).unwrap();
    Api::with(Gate::new(Verifier::new(&key().jwks()).unwrap(), permissions)).await
}

async fn status(api: &Api, request: &Request) -> u16 {
    api.ask(request).await.unwrap().status
}

/// Makes a record, or makes it again.
async fn make(api: &Api, body: &str) {
    let made = status(api, &request("POST", "/Immunization", AUTHOR, body)).await;
    assert!(matches!(made, 201 | 422), "{made}");
}

/// What a supplier asks of a route about a vaccine type, and the status where it may. `None` for a route without a row.
fn row(route: &Route, supplier: &str, vaccine: VaccineType, place: usize, version: &str) -> Option<(Request, u16)> {
    let (held, new) = (format!("held-{place}"), format!("new-{place}-{supplier}"));
    let whose = format!("patient.identifier=https://fhir.nhs.uk/Id/nhs-number|{}", number(place));
    let targets = format!("{whose}&-immunization.target={}", vaccine.code());
    let ask = |method: &str, path: &str, body: &str| request(method, path, supplier, body);
    let at = place_parameters(&targets);
    Some(match (route.method, route.path) {
        ("GET", "/Immunization") => (Request { parameters: at, ..ask("GET", "/Immunization", "") }, 200),
        ("POST", "/Immunization/_search") => (ask("POST", "/Immunization/_search", &targets), 200),
        ("POST", "/Immunization") => (ask("POST", "/Immunization", &record(vaccine, &new, &number(place))), 201),
        ("GET", "/Immunization/{id}") => (ask("GET", &path(&held), ""), 200),
        ("PUT", "/Immunization/{id}") => {
            let body = with_id(&record(vaccine, &held, &number(place)), &held);
            let mut update = ask("PUT", &path(&held), &body);
            update.headers.push(("E-Tag".into(), version.into()));
            (update, 200)
        }
        ("DELETE", "/Immunization/{id}") => (ask("DELETE", &path(&held), ""), 204),
        ("POST", "/Booking") => (ask("POST", "/Booking", &booking(json!({"BOOKING_REFERENCE_NUMBER": new}))), 201),
        ("POST", "/Demographics") => {
            // Every vaccine type's row is later than those before.
            (ask("POST", "/Demographics", &event(&number(600), json!({"SERIAL_CHANGE_NUMBER": place + 1}))), 201)
        }
        ("GET", "/_status" | "/_ping" | "/openapi.json" | "/docs") => (ask("GET", route.path, ""), 200),
        _ => return None,
    })
}

fn place_parameters(query: &str) -> Vec<(String, String)> {
    query.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}

#[tokio::test]
async fn every_route_lets_through_what_the_permissions_say_and_nothing_else() {
    let api = api().await;
    for (place, vaccine) in VaccineType::all().enumerate() {
        make(&api, &record(vaccine, &format!("held-{place}"), &number(place))).await;
    }
    let (mut let_through, mut refused) = (0, 0);
    for (supplier, permissions) in written() {
        for (place, vaccine) in VaccineType::all().enumerate() {
            let held = format!("held-{place}");
            for route in ROUTES {
                let version = match api.ask(&request("GET", &path(&held), AUTHOR, "")).await.unwrap() {
                    answer if answer.status == 200 => answer.body["meta"]["versionId"].as_str().unwrap().to_owned(),
                    answer => panic!("{answer:?}"),
                };
                let Some((asked, expected)) = row(route, &supplier, vaccine, place, &version) else {
                    panic!("{} {} has no row in the access matrix", route.method, route.path)
                };
                let may = match route.access {
                    Access::Anyone => true,
                    Access::Vaccines(letter) => granted(&permissions, vaccine.code(), letter),
                    Access::Bookings(letter) => granted(&permissions, "BOOKINGS", letter),
                    Access::Demographics(letter) => granted(&permissions, "DEMOGRAPHICS", letter),
                };
                let answered = status(&api, &asked).await;
                let named = format!("{} {} {supplier} {}", route.method, route.path, vaccine.code());
                assert_eq!(answered, if may { expected } else { 403 }, "{named}");
                if may {
                    let_through += 1
                } else {
                    refused += 1
                }
                if answered == 204 {
                    make(&api, &record(vaccine, &held, &number(place))).await;
                }
            }
            // By identifier, too.
            let mut by_identifier = request("GET", "/Immunization", &supplier, "");
            by_identifier.parameters = vec![("identifier".into(), format!("{SYSTEM}|{held}"))];
            let expected = if granted(&permissions, vaccine.code(), 'S') { 200 } else { 403 };
            assert_eq!(status(&api, &by_identifier).await, expected, "identifier {supplier} {}", vaccine.code());
        }
    }
    assert!(let_through > 1_000 && refused > 1_000, "{let_through} {refused}");
}

#[tokio::test]
async fn each_target_of_a_search_is_checked() {
    let api = api().await;
    let whose = number(400);
    for (place, vaccine) in VaccineType::all().enumerate() {
        make(&api, &record(vaccine, &format!("all-{place}"), &whose)).await;
    }
    let codes: Vec<&str> = VaccineType::all().map(VaccineType::code).collect();
    let form = format!(
        "patient.identifier=https://fhir.nhs.uk/Id/nhs-number|{whose}&-immunization.target={}",
        codes.join(",")
    );
    for (supplier, permissions) in written() {
        let answer = api.ask(&request("POST", "/Immunization/_search", &supplier, &form)).await.unwrap();
        let expected: BTreeSet<String> = (codes.iter().enumerate())
            .filter(|(_, code)| granted(&permissions, code, 'S'))
            .map(|(place, _)| format!("all-{place}"))
            .collect();
        if expected.is_empty() {
            assert_eq!(answer.status, 403, "{supplier}");
            continue;
        }
        let entries = answer.body["entry"].as_array().unwrap().iter();
        let value = |entry: &Value| entry["resource"]["identifier"][0]["value"].as_str().map(str::to_owned);
        let found: BTreeSet<String> =
            entries.filter(|entry| entry["search"]["mode"] == "match").filter_map(value).collect();
        assert_eq!((answer.status, found), (200, expected), "{supplier}");
    }
}

#[tokio::test]
async fn a_change_of_vaccine_type_needs_permission_for_both() {
    let api = api().await;
    let type_of = |code: &str| code.parse::<VaccineType>().unwrap();
    for (place, (held, sent)) in [("COVID", "FLU"), ("FLU", "COVID")].into_iter().enumerate() {
        let (place, value) = (200 + place, format!("changed-{place}"));
        make(&api, &record(type_of(held), &value, &number(place))).await;
        for (supplier, expected) in [("MAVIS", 403), ("RAVS", 403), ("EMIS", 200)] {
            let body = with_id(&record(type_of(sent), &value, &number(place)), &value);
            let mut update = request("PUT", &path(&value), supplier, &body);
            update.headers.push(("E-Tag".into(), "1".into()));
            assert_eq!(status(&api, &update).await, expected, "{supplier} {held} to {sent}");
        }
    }
}

fn another_key() -> [u8; 48] {
    let mut der = PRIVATE_DER;
    der[16..].fill(7);
    der
}

/// Tokens of a supplier that may do everything, each with something wrong.
fn bad_tokens() -> Vec<(&'static str, String)> {
    let now = u64::try_from(Timestamp::now().as_second()).unwrap();
    let claims = Claims { supplier: Some(AUTHOR.to_owned()), ..Claims::new(AUTHOR, now, 600) };
    let valid = key().sign(&claims).unwrap();
    assert!(admit(&bearing(request("GET", "/_status", AUTHOR, ""), &valid)).is_ok());
    let kid = key().public()["kid"].as_str().unwrap().to_owned();
    let public = BASE64_URL_SAFE_NO_PAD.decode(key().public()["x"].as_str().unwrap()).unwrap();
    let [header, body, signature] = valid.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let encode = |algorithm, kid: Option<&str>, key: &EncodingKey| {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
        jsonwebtoken::encode(&header, &claims, key).unwrap()
    };
    let sign = |claims: Claims| key().sign(&claims).unwrap();
    let none = BASE64_URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": "JWT", "kid": kid}).to_string());
    let other = BASE64_URL_SAFE_NO_PAD.encode([0; 64]);
    vec![
        ("expired", sign(Claims { exp: now - 60, ..claims.clone() })),
        ("issued later", sign(Claims { iat: now + 600, ..claims.clone() })),
        ("audience", sign(Claims { aud: "another-api".into(), ..claims.clone() })),
        ("issuer", sign(Claims { iss: "another-issuer".into(), ..claims.clone() })),
        ("forged", format!("{header}.{body}.{other}")),
        ("forged kid", encode(Algorithm::EdDSA, Some(&kid), &EncodingKey::from_ed_der(&another_key()))),
        ("unknown kid", SigningKey::read(&another_key()).unwrap().sign(&claims).unwrap()),
        ("no kid", encode(Algorithm::EdDSA, None, &EncodingKey::from_ed_der(&PRIVATE_DER))),
        ("no algorithm", format!("{none}.{body}.")),
        ("no algorithm, signed", format!("{none}.{body}.{signature}")),
        ("public key as secret", encode(Algorithm::HS256, Some(&kid), &EncodingKey::from_secret(&public))),
        ("key set as secret", encode(Algorithm::HS512, Some(&kid), &EncodingKey::from_secret(key().jwks().as_bytes()))),
        ("cut off", format!("{header}.{body}")),
        ("nothing", String::new()),
    ]
}

fn bearing(mut request: Request, token: &str) -> Request {
    request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("Authorization"));
    request.headers.push(("Authorization".into(), format!("Bearer {token}")));
    request
}

#[tokio::test]
async fn no_route_but_the_open_ones_takes_a_bad_token_or_staff() {
    let api = api().await;
    let flu: VaccineType = "FLU".parse().unwrap();
    make(&api, &record(flu, "held-0", &number(0))).await;
    let staff = ["planner", "analyst", "engineer", "agent", "clinician", "administrator"]
        .map(|role| (role, key().sign(&Claims { role: Some(role.to_owned()), ..claims() }).unwrap(), 403));
    let bad = bad_tokens().into_iter().map(|(what, token)| (what, token, 401));
    for (what, token, expected) in bad.chain(staff).chain([("nobody at all", String::new(), 401)]) {
        for route in ROUTES {
            let Some((asked, open)) = row(route, AUTHOR, flu, 0, "1") else {
                panic!("{} {} has no row in the access matrix", route.method, route.path)
            };
            let mut asked = bearing(asked, &token);
            if what == "nobody at all" {
                asked.headers.retain(|(name, _)| name != "Authorization");
            }
            let expected = if route.access == Access::Anyone { open } else { expected };
            assert_eq!(status(&api, &asked).await, expected, "{what}: {} {}", route.method, route.path);
        }
        let elsewhere = bearing(request("GET", "/elsewhere", AUTHOR, ""), &token);
        assert_eq!(status(&api, &elsewhere).await, expected, "{what}: a path that is not there");
    }
    assert_eq!(api.database.items("EVENT", "IMM#").len(), 1, "nothing was written");
}
