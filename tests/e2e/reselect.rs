//! A second wave of a campaign looks only at those who changed since the first, and finds what a full selection finds.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::time::{Duration, Instant};

use ims_testkit::population::nhs_number;
use ims_tests::rows::{demographics, demographics_file};
use ims_tests::{DAY, Stack, stack};
use serde_json::{Value, json};

/// The first of the people of this test: none of another test's.
const PEOPLE: u64 = 80_000;
/// So many that those who change are few in any part.
const COUNT: u64 = 240;

/// Drops a demographics file with rows of people and merges it into the snapshot.
async fn merged(stack: &Stack, place: u64, rows: &[Vec<String>]) {
    let name = format!("Demographics_v1_X26_{}.csv", stack.stamp(place));
    let file = stack.drop_file(&name, demographics_file(rows)).await.unwrap();
    assert_eq!(file.rejected, 0, "{file:?}");
    stack.running.invoke("snapshot-export", &json!({"action": "merge", "settle": true})).await.unwrap();
}

/// A campaign with two waves; its name.
async fn defined(stack: &Stack, name: &str) -> String {
    let (campaign, rules, mut plan) = stack.campaign(name).unwrap();
    plan["waves"] = json!([
        {"wave": "w1", "on": "2025-10-06", "cohorts": []},
        {"wave": "w2", "on": "2025-10-06", "cohorts": ["flu_65_plus"]},
    ]);
    let request = json!({"action": "define", "rules": rules, "plan": plan});
    stack.running.invoke("wave-planning", &request).await.unwrap();
    campaign
}

/// People eligible, and the candidates of all parts of a wave.
async fn selected(stack: &Stack, campaign: &str, wave: &str) -> (u64, Vec<Value>) {
    let planning = async |action: &str| {
        let request = json!({"action": action, "campaign": campaign, "wave": wave});
        stack.running.invoke("wave-planning", &request).await.unwrap()
    };
    planning("plan").await;
    let begun = Instant::now();
    let mut status = planning("status").await;
    while status["wave"]["state"] != "selected" {
        assert!(begun.elapsed() < Duration::from_secs(90), "not selected: {status}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        status = planning("status").await;
    }
    let mut all = Vec::new();
    for part in 0..status["wave"]["parts"].as_u64().unwrap() {
        let key = format!("waves/{campaign}/{wave}/parts/{part:05}.json");
        let listed: Vec<Value> = serde_json::from_slice(&stack.running.get("work", &key).await.unwrap()).unwrap();
        all.extend(listed);
    }
    (status["wave"]["eligible"].as_u64().unwrap(), all)
}

/// How many people were decided again in each part for the latest selection that is kept; none where all were.
async fn decided(stack: &Stack, campaign: &str) -> Vec<Option<u64>> {
    let prefix = format!("kept/{campaign}/");
    let keys = stack.running.keys("snapshot").await.unwrap();
    let mut decided = Vec::new();
    for key in keys.iter().filter(|key| key.starts_with(&prefix) && key.ends_with(".json")) {
        let head: Value = serde_json::from_slice(&stack.running.get("snapshot", key).await.unwrap()).unwrap();
        decided.push(head["decided"].as_u64());
    }
    decided
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_wave_looks_at_those_who_changed_and_finds_what_a_full_selection_finds() {
    let Some(stack) = stack().await.unwrap() else { return };
    let serial = stack.run;
    let row = |place: u64, serial: u64, changes: &[(&str, &str)]| {
        let (number, serial) = (nhs_number(PEOPLE + place), serial.to_string());
        let base = [("NHS_NUMBER", number.as_str()), ("SERIAL_CHANGE_NUMBER", serial.as_str())];
        demographics(&[&base, changes].concat())
    };
    let everybody: Vec<_> = (0..COUNT).map(|place| row(place, serial * 4, &[])).collect();
    merged(&stack, 71, &everybody).await;
    let campaign = defined(&stack, "reselect").await;
    let (eligible, first) = selected(&stack, &campaign, "w1").await;
    assert!(eligible >= COUNT && first.len() as u64 >= COUNT, "{eligible} eligible");
    assert!(decided(&stack, &campaign).await.iter().all(Option::is_none), "there was nothing to begin with");

    // A day later one died, one is younger than was thought, one moved; one is new.
    stack.running.drain().await.unwrap();
    stack.running.set_day(DAY.tomorrow().unwrap()).await.unwrap();
    merged(
        &stack,
        72,
        &[
            row(0, serial * 4 + 1, &[("DATE_OF_DEATH", "20251005"), ("DEATH_STATUS", "2")]),
            row(1, serial * 4 + 1, &[("DATE_OF_BIRTH", "19900115")]),
            row(2, serial * 4 + 1, &[("ICB", "QUE")]),
            row(COUNT + stack.run % 50_000, serial * 4, &[]),
        ],
    )
    .await;
    let again = selected(&stack, &campaign, "w2").await;
    let looked_at = decided(&stack, &campaign).await;
    let sum: u64 = looked_at.iter().map(|decided| decided.expect("not everybody")).sum();
    assert!((4..COUNT / 2).contains(&sum), "{looked_at:?}");

    // The same campaign under another name begins with nothing.
    let other = defined(&stack, "reselect-full").await;
    let full = selected(&stack, &other, "w2").await;
    assert!(decided(&stack, &other).await.iter().all(Option::is_none));
    assert_eq!(again, full);
}
