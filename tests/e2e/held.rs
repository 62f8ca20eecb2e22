//! Files that would change too much at once: nothing of them is applied before somebody has approved it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use ims_domain::NhsNumber;
use ims_store::{FeedFile, FeedFileState};
use ims_testkit::population::nhs_number;
use ims_tests::{
    Stack,
    rows::{demographics, demographics_file},
    stack,
};
use serde_json::{Value, json};

/// First of the people of these tests: none of another test's.
const PEOPLE: u64 = 6_400;

/// A file of 40 people, the first of whom have died.
fn file(serial: u64, dead: u64) -> Vec<u8> {
    let row = |place: u64| {
        let (number, serial) = (nhs_number(PEOPLE + place), serial.to_string());
        let died = if place < dead { "20251005" } else { "" };
        demographics(&[("NHS_NUMBER", number.as_str()), ("SERIAL_CHANGE_NUMBER", &serial), ("DATE_OF_DEATH", died)])
    };
    demographics_file(&(0..40).map(row).collect::<Vec<_>>())
}

async fn dead(stack: &Stack) -> usize {
    let mut found = 0;
    for place in 0..40 {
        let number: NhsNumber = nhs_number(PEOPLE + place).parse().unwrap();
        let id = stack.running.store.person_by_nhs_number(number).await.unwrap().expect("a person");
        found += usize::from(stack.running.store.person(id).await.unwrap().unwrap().death().is_some());
    }
    found
}

async fn drop(stack: &Stack, place: u64, body: Vec<u8>) -> FeedFile {
    stack.drop_file(&format!("Demographics_v1_X26_{}.csv", stack.stamp(place)), body).await.unwrap()
}

/// The InfAcks of a file, oldest first: the response and whether it is delivered.
async fn answers(stack: &Stack, file: &FeedFile, count: usize) -> Vec<String> {
    let stem = file.name.trim_end_matches(".csv");
    let mut texts = Vec::new();
    for key in stack.acks(&format!("ack/{stem}_InfAck_"), count).await.unwrap() {
        texts.push(stack.ack(&key).await.unwrap().lines().nth(1).unwrap().to_owned());
    }
    texts
}

async fn decide(stack: &Stack, action: &str, file: &FeedFile, by: &str) -> Result<Value, String> {
    let request = json!({"action": action, "file": file.name, "by": by, "reason": "asked the sender"});
    stack.running.invoke("feed-intake", &request).await.map_err(|error| format!("{error:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_would_declare_many_dead_waits_until_it_is_approved() {
    let Some(stack) = stack().await.unwrap() else { return };
    let serial = 8 * stack.run;
    let first = drop(&stack, 50, file(serial, 0)).await;
    assert_eq!(first.state, FeedFileState::Processed);
    let waiting = drop(&stack, 51, file(serial + 1, 10)).await;
    assert_eq!(
        (waiting.state, waiting.rows, waiting.accepted),
        (FeedFileState::AwaitingApproval, 40, 0),
        "{waiting:?}"
    );
    let why = "it says of 10 of 40 people held whom it names that they have died (25 %; a file waits from 5 % on)";
    assert_eq!(waiting.held.as_ref().map(|held| held.why.as_str()), Some(why));
    let told = answers(&stack, &waiting, 1).await;
    assert!(told[0].contains(&format!("|AwaitingApproval - {why}|")) && told[0].ends_with("|False"), "{told:?}");
    stack.running.drain().await.unwrap();
    assert_eq!(dead(&stack).await, 0, "nothing of it is applied");

    let own = decide(&stack, "approve", &waiting, "X26").await.unwrap_err();
    assert!(own.contains("by must be somebody else than who sent the file"), "{own}");
    for by in ["Sam Staff", "Sam Staff", "Another Officer"] {
        let told = decide(&stack, "approve", &waiting, by).await.unwrap();
        assert_eq!(told["file"]["held"]["decision"]["by"], "Sam Staff", "{told}");
    }
    let late = decide(&stack, "refuse", &waiting, "Another Officer").await.unwrap_err();
    assert!(late.contains("does not wait for a decision: it is approved by Sam Staff"), "{late}");
    let done = stack.file(&waiting.name, |state| state == FeedFileState::Processed).await.unwrap();
    assert_eq!((done.accepted, done.rejected), (40, 0));
    assert_eq!(dead(&stack).await, 10);
    let told = answers(&stack, &waiting, 2).await;
    assert!(told[1].contains("|Success|Information|OK|"), "{told:?}");

    // Another file, which is refused: nothing of it is ever applied.
    let waiting = drop(&stack, 52, file(serial + 2, 40)).await;
    assert_eq!(waiting.state, FeedFileState::AwaitingApproval, "{waiting:?}");
    decide(&stack, "refuse", &waiting, "Sam Staff").await.unwrap();
    stack.running.drain().await.unwrap();
    let refused = stack.running.store.file(&waiting.name).await.unwrap().unwrap();
    assert_eq!(
        (refused.state, refused.error.as_deref()),
        (FeedFileState::Failed, Some("Refused by Sam Staff: asked the sender"))
    );
    assert_eq!(dead(&stack).await, 10);
    // And one that takes the deaths back needs nobody.
    assert_eq!(drop(&stack, 53, file(serial + 3, 0)).await.state, FeedFileState::Processed);
    assert_eq!(dead(&stack).await, 0);
}
