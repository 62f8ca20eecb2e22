//! A record that a national system posts is in the console's picture soon, by the schedules alone.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::time::{Duration, Instant};

use ims_testkit::population::nhs_number;
use ims_tests::{Stack, stack};
use serde_json::{Value, json};

/// A schedule fires once a minute; what it starts takes a few seconds, more while other tests use the stack.
const PATIENCE: Duration = Duration::from_secs(150);

/// Posts a flu vaccination of somebody nobody has heard of, born in 1950.
async fn post(stack: &Stack) {
    let mut record: Value =
        serde_json::from_str(include_str!("../../shared/fhir/tests/fixtures/immunization.json")).unwrap();
    record["identifier"][0]["value"] = json!(format!("picture-{}", stack.run));
    let patient = record["contained"].as_array_mut().unwrap().iter_mut().find(|held| held["resourceType"] == "Patient");
    let patient = patient.unwrap();
    patient["identifier"][0]["value"] = json!(nhs_number(700_000 + stack.run % 90_000));
    patient["birthDate"] = json!("1950-02-28");
    record["occurrenceDateTime"] = json!("2025-10-03T10:00:00+00:00");
    record["recorded"] = json!("2025-10-03");
    let status = stack.running.post("Immunization", &record).await.unwrap();
    assert_eq!(status, 201);
}

/// People with a dose in the campaign, as the picture has it.
async fn vaccinated(stack: &Stack, campaign: &str) -> Option<u64> {
    let key = format!("picture/{campaign}.json");
    if !stack.running.keys("exports").await.unwrap().contains(&key) {
        return None;
    }
    let picture: Value = serde_json::from_slice(&stack.running.get("exports", &key).await.unwrap()).unwrap();
    picture["funnel"]["vaccinated"].as_u64()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posted_record_is_in_the_picture_without_anybody_asking() {
    let Some(stack) = stack().await.unwrap() else { return };
    let (campaign, rules, plan) = stack.campaign("picture").unwrap();
    stack.running.invoke("wave-planning", &json!({"action": "define", "rules": rules, "plan": plan})).await.unwrap();
    post(&stack).await;
    let begun = Instant::now();
    while vaccinated(&stack, &campaign).await.is_none_or(|count| count == 0) {
        assert!(begun.elapsed() < PATIENCE, "the record is not in the picture");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    eprintln!("in the picture after {:.0} s", begun.elapsed().as_secs_f64());

    let link = stack.running.sign_in_link("planner").unwrap();
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let signed_in = http.get(link).send().await.unwrap();
    assert_eq!(signed_in.status(), 303);
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let url = format!("{}/picture?campaign={campaign}", stack.running.endpoints.console);
    let page = http.get(url).header("cookie", cookie).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("Vaccinated") && page.contains("Data up to"), "{page}");
}
