//! Who may do what, through the gateway of the local stack: a sample of what the matrix of `record-api` tests in full.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use ims_domain::ImmunisationId;
use ims_testkit::population::nhs_number;
use ims_tests::{rows::SYSTEM, stack};
use reqwest::Method;
use serde_json::{Value, json};
use xtask::demo::running::{staff_token, supplier_token};

/// One of the people of these tests: none of another test's.
const PERSON: u64 = 6_100;

#[tokio::test(flavor = "multi_thread")]
async fn suppliers_get_what_they_are_permitted_and_others_nothing() {
    let Some(stack) = stack().await.unwrap() else { return };
    let endpoints = &stack.running.endpoints;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |method: &Method, path: &str, token: Option<&str>, body: String| {
        let form = path.ends_with("_search");
        let kind = if form { "application/x-www-form-urlencoded" } else { "application/fhir+json" };
        let mut request =
            http.request(method.clone(), format!("{}/{path}", endpoints.api)).header("Content-Type", kind);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().get("content-type").cloned())
    };
    let number = nhs_number(PERSON);
    let record = |value: &str| {
        let event: Value =
            serde_json::from_str(include_str!("../../functions/record-api/fixtures/post-immunization.json")).unwrap();
        let mut body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
        body["identifier"][0] = json!({"system": SYSTEM, "value": value});
        body["contained"][1]["identifier"][0]["value"] = json!(number);
        body.to_string()
    };
    let name = |supplier: &str| format!("{}-access-{supplier}", stack.run);
    let id = ImmunisationId::of(SYSTEM, &name("EMIS"));
    let (read, search) = (format!("Immunization/{id}"), "Immunization/_search");
    let form = format!("patient.identifier=https://fhir.nhs.uk/Id/nhs-number|{number}&-immunization.target=FLU");
    // Flu: EMIS and MAVIS have it, RAVS and PINNACLE do not, in a sandbox neither.
    for (supplier, permitted) in
        [("EMIS", true), ("MAVIS", true), ("RAVS", false), ("PINNACLE", false), ("NOBODY", false)]
    {
        let token = supplier_token(endpoints, supplier).unwrap();
        let may = |status: u16| if permitted { status } else { 403 };
        let made = ask(&Method::POST, "Immunization", Some(&token), record(&name(supplier))).await;
        assert_eq!(made.0, may(201), "{supplier} creates");
        assert_eq!(ask(&Method::GET, &read, Some(&token), String::new()).await.0, may(200), "{supplier} reads");
        assert_eq!(ask(&Method::POST, search, Some(&token), form.clone()).await.0, may(200), "{supplier} searches");
        for place in ["Booking", "Demographics"] {
            let asked = ask(&Method::POST, place, Some(&token), "{}".to_owned()).await;
            assert_eq!(asked.0, 403, "{supplier} posts a {place}");
        }
    }
    let valid = supplier_token(endpoints, "EMIS").unwrap();
    let [header, body, _] = valid.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let (forged, cut) = (format!("{header}.{body}.{}", "A".repeat(86)), format!("{header}.{body}."));
    let planner = staff_token(endpoints, "planner").unwrap();
    for (token, expected) in [
        (None, 401),
        (Some("x.y.z"), 401),
        (Some(forged.as_str()), 401),
        (Some(cut.as_str()), 401),
        (Some(planner.as_str()), 403),
    ] {
        for (method, path) in [
            (Method::GET, read.as_str()),
            (Method::PUT, &read),
            (Method::DELETE, &read),
            (Method::POST, "Immunization"),
            (Method::GET, "Immunization"),
            (Method::POST, search),
            (Method::POST, "Booking"),
            (Method::POST, "Demographics"),
        ] {
            let (status, kind) = ask(&method, path, token, String::new()).await;
            assert_eq!(
                (status, kind.unwrap().to_str().unwrap()),
                (expected, "application/fhir+json"),
                "{method} {path}"
            );
        }
        for open in ["_status", "_ping"] {
            assert_eq!(ask(&Method::GET, open, token, String::new()).await.0, 200, "{open}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_hear_what_a_person_is_due_and_others_nothing() {
    let Some(stack) = stack().await.unwrap() else { return };
    let endpoints = &stack.running.endpoints;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |path: &str, token: Option<&str>| {
        let mut request = http.get(format!("{}/patient-check/{path}", endpoints.api));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), kind, answer.json::<Value>().await.unwrap())
    };
    let (status, _, body) = ask("_status", None).await;
    assert_eq!((status, &body["status"]), (200, &json!("pass")));
    // Nobody has this number, so that none comes into the stack's logs by this test.
    let unknown = "9990000000";
    let planner = staff_token(endpoints, "planner").unwrap();
    let of = |supplier: &str| supplier_token(endpoints, supplier).unwrap();
    for (token, expected) in [
        (None, 401),
        (Some("x.y.z".to_owned()), 401),
        (Some(planner), 403),
        (Some(of("EMIS")), 403),
        (Some(of("NBS")), 404),
        (Some(of("NHS-APP")), 404),
    ] {
        let (status, kind, body) = ask(unknown, token.as_deref()).await;
        assert_eq!((status, kind.as_str()), (expected, "application/fhir+json"));
        assert_eq!(body["resourceType"], "OperationOutcome");
    }
    let (status, _, body) = ask(&format!("{unknown}?category=HEALTHCHECKS"), Some(&of("NBS"))).await;
    assert_eq!((status, &body["issue"][0]["location"]), (422, &json!(["parameters/category"])));
}
