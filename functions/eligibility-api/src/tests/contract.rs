//! The published contract: parameters, headers, permissions, and the body of every refusal.

use super::*;

/// The body that the contract gives a refusal.
fn outcome(code: &str, spine: &str, display: &str, diagnostics: &str, location: Option<&str>) -> Value {
    let mut issue = json!({
        "severity": "error",
        "code": code,
        "details": {"coding": [{
            "system": "https://fhir.nhs.uk/STU3/ValueSet/Spine-ErrorOrWarningCode-1",
            "code": spine,
            "display": display,
        }]},
        "diagnostics": diagnostics,
    });
    if let Some(location) = location {
        issue["location"] = json!([location]);
    }
    json!({"resourceType": "OperationOutcome", "meta": {"lastUpdated": NOW}, "issue": [issue]})
}

async fn refusal(api: &Api, event: Value) -> (i64, Value) {
    let (status, headers, mut body) = api.ask(event, NOW).await;
    assert_eq!(headers["content-type"], "application/fhir+json");
    let id = body.as_object_mut().unwrap().shift_remove("id").unwrap();
    assert!(Uuid::parse_str(id.as_str().unwrap()).is_ok(), "{id}");
    (status, body)
}

#[tokio::test]
async fn refusals_have_the_status_and_body_of_their_cause() {
    let api = Api::with_campaigns().await;
    api.write([pensioner(1, NUMBER)]).await;
    let not_found = |number: &str| {
        outcome(
            "processing",
            "REFERENCE_NOT_FOUND",
            "The given NHS number was not found in our datasets. This could be because the number is incorrect or some \
             other reason we cannot process that number.",
            &format!("NHS Number '{number}' was not recognised by the Eligibility Signposting API"),
            Some("parameters/id"),
        )
    };
    for number in ["9990000018", "9990001015", "12", "999000101x"] {
        assert_eq!(refusal(&api, check_of(number, &[])).await, (404, not_found(number)));
    }
    for (conditions, part) in [("FLU&COVID", "FLU&COVID"), ("FLU,R SV", "R SV"), ("FLU,", ""), ("", "")] {
        let expected = outcome(
            "value",
            "INVALID_PARAMETER",
            "The given conditions were not in the expected format.",
            &format!(
                "{part} should be a single or comma separated list of condition strings with no other punctuation or \
                 special characters"
            ),
            Some("parameters/conditions"),
        );
        assert_eq!(refusal(&api, check_of(NUMBER, &[("conditions", conditions)])).await, (400, expected));
    }
    let expected = outcome(
        "value",
        "INVALID_PARAMETER",
        "The supplied category was not recognised by the API.",
        "HEALTHCHECKS is not a category that is supported by the API",
        Some("parameters/category"),
    );
    assert_eq!(refusal(&api, check_of(NUMBER, &[("category", "HEALTHCHECKS")])).await, (422, expected));
    let expected = outcome(
        "value",
        "INVALID_PARAMETER",
        "The supplied value was not recognised by the API.",
        "maybe is not a value that is supported by the API",
        Some("parameters/includeActions"),
    );
    assert_eq!(refusal(&api, check_of(NUMBER, &[("includeActions", "maybe")])).await, (422, expected));
    let of_another = [("nhs-login-nhs-number", "9990000018")];
    let expected = outcome(
        "forbidden",
        "ACCESS_DENIED",
        "Access has been denied to process this request.",
        "You are not authorised to request information for the supplied NHS Number",
        None,
    );
    let asked = event(&format!("/patient-check/{NUMBER}"), Some(&of_supplier("NBS")), &of_another, &[]);
    assert_eq!(refusal(&api, asked).await, (403, expected));
}

#[tokio::test]
async fn a_failure_inside_says_so_and_no_more() {
    let api = Api::with_campaigns().await;
    api.write([pensioner(1, NUMBER)]).await;
    let plan: ContactPlan = serde_json::from_str(include_str!("../../../../tests/campaigns/flu.plan.json")).unwrap();
    let plan = ContactPlan { campaign: "broken".into(), ..plan };
    api.define(Definition { campaign: "broken".into(), version: 1, rules: "{}".into(), plan, authors: vec![] }).await;
    let expected = outcome(
        "processing",
        "INTERNAL_SERVER_ERROR",
        "An unexpected internal server error occurred.",
        "An unexpected error occurred.",
        None,
    );
    assert_eq!(refusal(&api, check_of(NUMBER, &[])).await, (500, expected));
}

#[tokio::test]
async fn who_may_not_ask_is_turned_away_at_the_door() {
    let api = Api::with_campaigns().await;
    let path = format!("/patient-check/{NUMBER}");
    let staff = token(|claims| claims.role = Some("planner".to_owned()));
    let other_ods = token(|claims| {
        claims.supplier = Some("NBS".to_owned());
        claims.ods = Some("A81001".to_owned());
    });
    for (token, expected) in [
        (None, 401),
        (Some("x.y.z"), 401),
        (Some(staff.as_str()), 403),
        (Some(other_ods.as_str()), 403),
        (Some(of_supplier("EMIS").as_str()), 403),
        (Some(of_supplier("NOBODY").as_str()), 403),
    ] {
        let (status, headers, body) = api.ask(event(&path, token, &[], &[]), NOW).await;
        assert_eq!((status, headers["content-type"].as_str()), (expected, "application/fhir+json"), "{token:?}");
        assert_eq!(body["resourceType"], "OperationOutcome");
    }
    assert_eq!(api.database.requests().get("GetItem"), None, "nothing was read");
    let nbs = of_supplier("NBS");
    for (method, path, expected) in
        [("POST", path.as_str(), 405), ("GET", "/patient-check", 404), ("GET", "/patient-check/9990001014/more", 404)]
    {
        let mut asked = event(path, Some(&nbs), &[], &[]);
        asked["httpMethod"] = json!(method);
        assert_eq!(api.ask(asked, NOW).await.0, expected, "{method} {path}");
    }
    let (status, headers, body) = api.ask(event("/patient-check/_status", None, &[], &[]), NOW).await;
    assert_eq!((status, &body["status"]), (200, &json!("pass")));
    assert_eq!(headers["content-type"], "application/json");
}

#[tokio::test]
async fn parameters_choose_what_is_answered() {
    let api = Api::with_campaigns().await;
    api.write([pensioner(1, NUMBER)]).await;
    for (query, expected) in [
        (&[][..], &["COVID", "FLU"][..]),
        (&[("conditions", "ALL")], &["COVID", "FLU"]),
        (&[("conditions", " flu ")], &["FLU"]),
        (&[("conditions", "RSV,FLU")], &["FLU"]),
        (&[("conditions", "RSV")], &[]),
        (&[("category", "VACCINATIONS")], &["COVID", "FLU"]),
        (&[("category", "screening")], &[]),
    ] {
        let (status, headers, body) = api.ask(check_of(NUMBER, query), NOW).await;
        assert_eq!((status, headers["content-type"].as_str()), (200, "application/json"));
        let conditions: Vec<&str> = statuses(&body).into_iter().map(|(condition, _)| condition).collect();
        assert_eq!(conditions, expected, "{query:?}");
        assert!(Uuid::parse_str(body["responseId"].as_str().unwrap()).is_ok());
        assert_eq!(body["meta"], json!({"lastUpdated": NOW}), "the business clock");
    }
    let (_, _, with) = api.ask(check_of(NUMBER, &[("includeActions", "Y")]), NOW).await;
    let (_, _, without) = api.ask(check_of(NUMBER, &[("includeActions", "n")]), NOW).await;
    assert!(with["processedSuggestions"][0]["actions"].is_array());
    assert_eq!(without["processedSuggestions"][0].get("actions"), None);
}

#[tokio::test]
async fn a_consumer_hears_of_the_campaigns_it_may_ask_about() {
    let api = Api::with_campaigns().await;
    api.write([pensioner(1, NUMBER)]).await;
    let asked = event(&format!("/patient-check/{NUMBER}"), Some(&of_supplier("FLU-ONLY")), &[], &[]);
    assert_eq!(statuses(&api.ask(asked, NOW).await.2), [("FLU", "Actionable")]);
}

#[tokio::test]
async fn the_request_ids_come_back() {
    let api = Api::with_campaigns().await;
    api.write([pensioner(1, NUMBER)]).await;
    for number in [NUMBER, "9990000018"] {
        let (_, headers, _) = api.ask(check_of(number, &[]), NOW).await;
        assert_eq!(headers["x-request-id"], "60e0b220-4136-4ca5-ae46-1d97ef59d068");
        assert_eq!(headers["x-correlation-id"], "11c46f5f-cdef-4865-94b2-0ee0edcc26da");
    }
}

#[tokio::test]
async fn the_fixture_asks_about_two_conditions() {
    let api = Api::with_campaigns().await;
    api.write([pensioner(1, NUMBER)]).await;
    let mut asked: Value = serde_json::from_str(include_str!("../../fixtures/patient-check.json")).unwrap();
    asked["headers"]["Authorization"] = json!(format!("Bearer {}", of_supplier("NBS")));
    let (status, _, body) = api.ask(asked, NOW).await;
    assert_eq!((status, statuses(&body)), (200, vec![("FLU", "Actionable")]));
}
