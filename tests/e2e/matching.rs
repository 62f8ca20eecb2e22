//! Records that wait to be matched: whoever they may be about is invited as if they were not there, until staff decide.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::time::{Duration, Instant};

use ims_domain::PersonId;
use ims_domain::contact::Reason;
use ims_domain::invitation::{Invitation, InvitationState};
use ims_store::{FeedFileState, NamedRecord};
use ims_testkit::population::nhs_number;
use ims_tests::{
    Stack,
    rows::{SYSTEM, demographics, demographics_file, vaccination, vaccination_file},
    stack,
};
use serde_json::{Value, json};

/// First of the people of these tests: none of another test's.
const PEOPLE: u64 = 12_000;
/// Where they live.
const MSOA: &str = "E02999901";

/// A number that no other run uses.
fn number(stack: &Stack, place: u64) -> String {
    nhs_number(PEOPLE + (stack.run % 5_000) * 4 + place)
}

async fn named(stack: &Stack, place: u64, number: &str) {
    // Nobody whom an earlier run left behind is written to: the person is of this run alone.
    let row = demographics(&[("NHS_NUMBER", number), ("MOBILE_NUMBER", "07700900199"), ("MSOA", MSOA)]);
    let file = stack
        .drop_file(&format!("Demographics_v1_X26_{}.csv", stack.stamp(place)), demographics_file(&[row]))
        .await
        .unwrap();
    assert_eq!((file.state, file.rejected), (FeedFileState::Processed, 0), "{file:?}");
}

async fn person(stack: &Stack, number: &str) -> PersonId {
    stack.running.store.person_by_nhs_number(number.parse().unwrap()).await.unwrap().expect("a person")
}

/// Drops a vaccination file with one row and gives back the notice of what is unmatched, and the record's name.
async fn vaccinated(stack: &Stack, place: u64, changes: &[(&str, &str)]) -> (Value, NamedRecord) {
    let unique = format!("{}-matching-{place}", stack.run);
    let row = vaccination(&[&[("UNIQUE_ID", unique.as_str())], changes].concat());
    let stem = format!("FLU_Vaccinations_v5_YGM41_{}", stack.stamp(place));
    let file = stack.drop_file(&format!("{stem}.csv"), vaccination_file(&[row])).await.unwrap();
    assert_eq!((file.state, file.accepted, file.rejected), (FeedFileState::Processed, 1, 0), "taken as any other");
    let bus = stack.acks(&format!("forwardedFile/{stem}_BusAck_"), 2).await.unwrap();
    let csv = stack.ack(bus.iter().find(|key| key.ends_with(".csv")).unwrap()).await.unwrap();
    assert_eq!(csv.lines().count(), 1, "the acknowledgement lists refused rows alone: {csv}");
    let notice = stack.acks(&format!("matching/{stem}_Unmatched_"), 1).await.unwrap();
    let notice = serde_json::from_str(&stack.ack(&notice[0]).await.unwrap()).unwrap();
    (notice, NamedRecord::Immunisation(ims_domain::ImmunisationId::of(SYSTEM, &unique)))
}

/// Runs a campaign of its own up to the invitations; what was decided about a person, where anything was.
async fn invited(stack: &Stack, name: &str, person: PersonId) -> Option<(InvitationState, Option<Reason>)> {
    let (campaign, rules, plan) = stack.campaign_of(name, MSOA).unwrap();
    let planning = async |request: Value| stack.running.invoke("wave-planning", &request).await.unwrap();
    stack.running.invoke("snapshot-export", &json!({"action": "merge", "settle": true})).await.unwrap();
    planning(json!({"action": "define", "rules": rules, "plan": plan})).await;
    planning(json!({"action": "plan", "campaign": campaign, "wave": "w1"})).await;
    let begun = Instant::now();
    loop {
        let status = planning(json!({"action": "status", "campaign": campaign, "wave": "w1"})).await;
        if status["wave"]["state"] == "selected" {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{status}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stack.running.release(&campaign, "w1").await.unwrap();
    stack.running.quiet().await.unwrap();
    let invitations: Vec<Invitation> =
        stack.items("invitation", &format!("P#{person}"), &format!("C#{campaign}#")).await.unwrap();
    let close = json!({"action": "close", "campaign": campaign, "wave": "w1", "reason": "the test is over"});
    planning(close).await;
    invitations.first().map(|invitation| (invitation.state, invitation.reason))
}

/// A client that is signed in to the console, and the address of the record's page.
async fn console(stack: &Stack, record: &NamedRecord) -> (reqwest::Client, String, String) {
    let link = stack.running.sign_in_link("records-officer").unwrap();
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let signed_in = http.get(link).send().await.unwrap();
    assert_eq!(signed_in.status(), 303);
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let name = record.to_string().replace('#', "~");
    (http, cookie, format!("{}/matching/{name}", stack.running.endpoints.console))
}

async fn decide(stack: &Stack, record: &NamedRecord, actions: &[&str]) {
    let (http, cookie, page) = console(stack, record).await;
    for action in [&["action=open"], actions].concat() {
        let form = format!("{action}&reason=the+practice+rang+back");
        let answer = http.post(&page).header("cookie", &cookie).header("sec-fetch-site", "same-origin").body(form);
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status(), 303, "{action}: {}", answer.text().await.unwrap());
    }
    let shown = http.get(&page).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(shown.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_birth_date_stops_no_invitation_until_it_is_confirmed_and_no_longer_once_that_is_undone() {
    let Some(stack) = stack().await.unwrap() else { return };
    let number = number(&stack, 0);
    named(&stack, 0, &number).await;
    let person = person(&stack, &number).await;
    stack.take("unmatched-events").await.unwrap();
    // The demographics say 1950; the fixture's day is in the season.
    let (notice, record) = vaccinated(&stack, 1, &[("NHS_NUMBER", &number), ("PERSON_DOB", "19500116")]).await;
    assert_eq!(notice["summary"], json!({"totalRecords": 1, "unmatched": 1}));
    assert_eq!(notice["unmatched"][0]["differences"], json!(["birth_date"]));
    assert!(!notice.to_string().contains(&number), "{notice}");
    let event = event(&stack, &record).await;
    assert_eq!((&event["supplier"], &event["differences"]), (&json!("EMIS"), &json!(["birth_date"])));
    assert!(!event.to_string().contains(&number));

    let now = invited(&stack, "unmatched", person).await;
    assert_eq!(now.map(|(state, _)| state), Some(InvitationState::Open), "{now:?}");
    decide(&stack, &record, &["action=confirm"]).await;
    // Vaccinated people are not even selected.
    assert_eq!(invited(&stack, "confirmed", person).await, None);
    decide(&stack, &record, &["action=undo"]).await;
    let now = invited(&stack, "undone", person).await;
    assert_eq!(now.map(|(state, _)| state), Some(InvitationState::Open), "{now:?}");
    let counted = stack.running.invoke("record-ingest", &json!({"action": "matching"})).await.unwrap();
    assert!(counted["open"].as_u64().unwrap() >= 1 && counted["old"] == 0, "{counted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_number_a_record_is_attached_by_staff_and_goes_out_under_the_persons_number() {
    let Some(stack) = stack().await.unwrap() else { return };
    let number = number(&stack, 1);
    named(&stack, 2, &number).await;
    let person = person(&stack, &number).await;
    let (notice, record) = vaccinated(&stack, 3, &[("PERSON_DOB", "19500115")]).await;
    assert_eq!(notice["unmatched"][0]["differences"], json!(["no_number"]));
    let doses = async || {
        let held = stack.running.store.person(person).await.unwrap().unwrap();
        held.programme("FLU".parse().unwrap()).doses.len()
    };
    assert_eq!(doses().await, 0);
    decide(&stack, &record, &[&format!("action=attach&number={number}")]).await;
    assert_eq!(doses().await, 1);
    stack.running.quiet().await.unwrap();
    let NamedRecord::Immunisation(id) = &record else { panic!("an immunisation") };
    let begun = Instant::now();
    let lines = loop {
        let mut lines = Vec::new();
        for key in stack.running.keys("outbound").await.unwrap() {
            if key.starts_with("central/") && key.ends_with(".ndjson") {
                let text = String::from_utf8(stack.running.get("outbound", &key).await.unwrap()).unwrap();
                lines.extend(text.lines().filter(|line| line.contains(&id.to_string())).map(str::to_owned));
            }
        }
        if lines.len() >= 3 {
            break lines;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{lines:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut told: Vec<(u64, &str, &str, &str)> = lines
        .iter()
        .map(|line| {
            let text = |value: &'static str| line[value].as_str().unwrap();
            let number = line["record"]["NHS_NUMBER"].as_str().unwrap();
            (line["version"].as_u64().unwrap(), text("operation"), text("matching"), number)
        })
        .collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!(
        told,
        [(1, "CREATE", "unmatched", ""), (2, "DELETE", "unmatched", ""), (3, "UPDATE", "attached", number.as_str())]
    );
    decide(&stack, &record, &["action=undo"]).await;
    assert_eq!(doses().await, 0);
}

/// The event that tells the supplier of a record that waits.
async fn event(stack: &Stack, record: &NamedRecord) -> Value {
    let begun = Instant::now();
    loop {
        let bodies = stack.take("unmatched-events").await.unwrap();
        let details = bodies.iter().map(|body| serde_json::from_str::<Value>(body).unwrap()["detail"].clone());
        if let Some(found) = details.into_iter().find(|detail| detail["record"] == record.to_string()) {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no event tells of {record}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
