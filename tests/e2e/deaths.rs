//! A death through the API holds at once: also for a text that was on its way already.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::time::{Duration, Instant};

use ims_domain::{
    NhsNumber, PersonId,
    contact::Reason,
    invitation::{Invitation, Message, MessageState},
};
use ims_store::FeedFileState;
use ims_testkit::population::nhs_number;
use ims_tests::{
    Stack,
    rows::{demographics, demographics_file},
    stack,
};
use serde_json::{Value, json};
use xtask::demo::running::supplier_token;

/// First of the people of these tests: none of another test's.
const PEOPLE: u64 = 6_300;

/// A file of a few people who can be written to by text.
fn file(stack: &Stack, serial: u64) -> Vec<u8> {
    let row = |place: u64| {
        let (number, mobile) = (nhs_number(PEOPLE + place), format!("07700900{:03}", 600 + place));
        demographics(&[
            ("NHS_NUMBER", number.as_str()),
            ("MOBILE_NUMBER", &mobile),
            ("FAMILY_NAME", &format!("Byron-{}", stack.run)),
            ("SERIAL_CHANGE_NUMBER", &serial.to_string()),
        ])
    };
    demographics_file(&(0..3).map(row).collect::<Vec<_>>())
}

async fn post(stack: &Stack, body: &Value) -> (u16, Value) {
    let endpoints = &stack.running.endpoints;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let sent =
        http.post(format!("{}/Demographics", endpoints.api)).bearer_auth(supplier_token(endpoints, "X26").unwrap());
    let answer = sent.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

async fn person(stack: &Stack, place: u64) -> PersonId {
    let number: NhsNumber = nhs_number(PEOPLE + place).parse().unwrap();
    stack.running.store.person_by_nhs_number(number).await.unwrap().expect("a person")
}

/// The text to a person, once it is as wanted.
async fn text(stack: &Stack, campaign: &str, of: PersonId, wanted: impl Fn(&Message) -> bool) -> Message {
    let begun = Instant::now();
    loop {
        let messages: Vec<Message> = stack.items("message", "M#", "MESSAGE").await.unwrap();
        let held = messages.into_iter().find(|message| message.campaign == campaign && message.person == of);
        if let Some(message) = held.as_ref().filter(|message| wanted(message)) {
            return message.clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(90), "the text gets no further: {held:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_that_is_posted_stops_the_text_that_is_on_its_way() {
    let Some(stack) = stack().await.unwrap() else { return };
    let serial = 4 * stack.run;
    stack.notify("_reset", Some(&Value::Null)).await.unwrap();
    let name = format!("Demographics_v1_X26_{}.csv", stack.stamp(40));
    let dropped = stack.drop_file(&name, file(&stack, serial)).await.unwrap();
    assert_eq!((dropped.state, dropped.rejected), (FeedFileState::Processed, 0), "{dropped:?}");
    stack.running.drain().await.unwrap();
    let (campaign, rules, plan) = stack.campaign("deaths").unwrap();
    let planning = async |request: Value| stack.running.invoke("wave-planning", &request).await.unwrap();
    stack.running.invoke("snapshot-export", &json!({"action": "merge", "settle": true})).await.unwrap();
    planning(json!({"action": "define", "rules": rules, "plan": plan})).await;
    planning(json!({"action": "plan", "campaign": campaign, "wave": "w1"})).await;
    let begun = Instant::now();
    while planning(json!({"action": "status", "campaign": campaign, "wave": "w1"})).await["wave"]["state"] != "selected"
    {
        assert!(begun.elapsed() < Duration::from_secs(60), "the wave is not selected");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    // Notify takes nothing, so that every text has been claimed, and waits.
    stack.notify("_failures", Some(&json!([{"mode": "status_500"}]))).await.unwrap();
    stack.running.release(&campaign, "w1").await.unwrap();
    let (dead, alive) = (person(&stack, 0).await, person(&stack, 1).await);
    for of in [dead, alive] {
        text(&stack, &campaign, of, |message| message.attempt > 0).await;
    }
    let number = nhs_number(PEOPLE);
    let body = json!({
        "RECORD_TYPE": "AMENDED", "CHANGE_TIME_STAMP": "20251006T070000", "SERIAL_CHANGE_NUMBER": serial + 1,
        "NHS_NUMBER": number, "DATE_OF_BIRTH": "19500115", "DATE_OF_DEATH": "20251006", "DEATH_STATUS": "1",
    });
    let (status, told) = post(&stack, &body).await;
    assert_eq!((status, &told["states"]), (201, &json!(["dead"])), "{told}");
    assert_eq!(post(&stack, &body).await.0, 200, "the same again");

    stack.notify("_failures", Some(&json!([]))).await.unwrap();
    let withdrawn = async || {
        stack.running.invoke("sms-dispatch", &json!({"action": "reconcile"})).await.unwrap();
        stack.redrive("sms-dispatch").await.unwrap();
    };
    withdrawn().await;
    let settled = |message: &Message| !matches!(message.state, MessageState::Queued | MessageState::Sending);
    let kept = text(&stack, &campaign, dead, settled).await;
    assert_eq!((kept.state, kept.detail.as_deref()), (MessageState::Withdrawn, Some(Reason::Dead.name())), "{kept:?}");
    let left = text(&stack, &campaign, alive, settled).await;
    assert!(matches!(left.state, MessageState::Sent | MessageState::Delivered), "{left:?}");
    let sent = stack.running.sent().await.unwrap();
    let has = |message: &Message| sent.iter().any(|sent| sent["reference"] == json!(message.id.to_string()));
    assert!(has(&left) && !has(&kept), "nothing went to the dead");
    let invitations: Vec<Invitation> = stack.items("invitation", &format!("P#{dead}"), "C#").await.unwrap();
    assert!(invitations.iter().any(|invitation| invitation.campaign == campaign), "{invitations:?}");
}
