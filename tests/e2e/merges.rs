//! Merges of the snapshot that run at once: none fails, and nothing is lost.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use futures::future::join_all;
use ims_tests::stack;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn merges_that_overtake_each_other_all_succeed_and_lose_nothing() {
    let Some(stack) = stack().await.unwrap() else { return };
    let merge = async |settle: bool| {
        stack.running.invoke("snapshot-export", &json!({"action": "merge", "settle": settle})).await.unwrap()
    };
    let before = merge(true).await["vaccinations"].as_u64().unwrap();
    let mut record: Value =
        serde_json::from_str(include_str!("../../shared/fhir/tests/fixtures/this-season.json")).unwrap();
    for round in 0..4 {
        record["identifier"][0]["value"] = json!(format!("merges-{}-{round}", stack.run));
        assert_eq!(stack.running.post("Immunization", &record).await.unwrap(), 201);
        // Some settle first, so that change files are there while the others look.
        join_all([true, false, true, false, true].map(merge)).await;
    }
    assert_eq!(merge(true).await["vaccinations"].as_u64().unwrap(), before + 4);
}
