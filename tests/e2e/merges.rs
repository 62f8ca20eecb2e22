//! Merges of the snapshot that run at once: none fails, and nothing is lost.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use futures::future::join_all;
use ims_snapshot::{Manifest, PersonRow, Row, read_parquet, write_parquet};
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

#[tokio::test(flavor = "multi_thread")]
async fn drift_of_the_snapshot_from_the_truth_is_found() {
    let Some(stack) = stack().await.unwrap() else { return };
    let running = &stack.running;
    let checksum = async || {
        let request = json!({"action": "checksum", "settle": true});
        running.invoke("snapshot-export", &request).await.unwrap()
    };
    let mut record: Value =
        serde_json::from_str(include_str!("../../shared/fhir/tests/fixtures/this-season.json")).unwrap();
    for (round, nhs_number) in ["9990001014", "9990001022"].iter().enumerate() {
        record["identifier"][0]["value"] = json!(format!("drift-{}-{round}", stack.run));
        record["contained"][1]["identifier"][0]["value"] = json!(nhs_number);
        assert_eq!(running.post("Immunization", &record).await.unwrap(), 201);
    }
    let found = checksum().await;
    assert_eq!(found["equal"], true, "{found}");
    assert_eq!(found["people"], found["in_snapshot"]);
    assert!(found["people"].as_u64().unwrap() >= 2);

    // One person gone from a part, another in an earlier version.
    let id = found["manifest"].as_str().unwrap();
    let manifest: Manifest =
        serde_json::from_slice(&running.get("snapshot", &Manifest::key(id)).await.unwrap()).unwrap();
    let parts = &manifest.datasets[PersonRow::DATASET].parts;
    let (number, part) = parts.iter().enumerate().max_by_key(|(_, part)| part.rows).unwrap();
    let whole = running.get("snapshot", &part.key).await.unwrap();
    let mut rows: Vec<PersonRow> = read_parquet(whole.clone()).unwrap();
    rows.pop().expect("a person");
    let behind = u64::from(!rows.is_empty());
    rows.iter_mut().take(1).for_each(|row| row.version -= 1);
    running.put("snapshot", &part.key, write_parquet(&rows).unwrap()).await.unwrap();
    let drifted = checksum().await;
    running.put("snapshot", &part.key, whole).await.unwrap();
    assert_eq!(drifted["equal"], false);
    assert_eq!(drifted["drifted"], json!([{"part": number, "missing": 1, "behind": behind, "unknown": 0}]));
    assert_eq!(checksum().await["equal"], true);
}
