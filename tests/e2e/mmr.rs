//! A campaign that came with data files only: the MMR catch-up invites each child to the dose that is due, and counts the
//! doses that are valid.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ims_domain::{NhsNumber, VaccineType};
use ims_testkit::population::nhs_number;
use ims_tests::rows::{SYSTEM, demographics, demographics_file};
use ims_tests::{Stack, stack};
use serde_json::{Value, json};

/// The first of the people of this test: none of another test's.
const PEOPLE: u64 = 16_000;
/// A wave of a few people is selected in seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// Date of birth; doses as vaccine and day; the dose that the wave of 6 October 2025 invites to.
type Child = (&'static str, &'static [(&'static str, &'static str)], Option<u64>);

const CHILDREN: [Child; 8] = [
    ("20230601", &[], Some(1)),
    // Given before the first birthday.
    ("20230601", &[("MMR", "2024-05-31")], Some(1)),
    ("20200110", &[("MMR", "2021-02-10")], Some(2)),
    // The second dose came 27 days after the first.
    ("20200110", &[("MMR", "2021-02-10"), ("MMR", "2021-03-09")], Some(2)),
    ("20200110", &[("MMR", "2021-02-10"), ("MMR", "2021-03-10")], None),
    // The vaccine with varicella covers all that MMR does.
    ("20200110", &[("MMR", "2021-02-10"), ("MMRV", "2023-06-01")], None),
    // Less than 28 days ago.
    ("20230601", &[("MMR", "2025-09-20")], None),
    // Eleven months old.
    ("20241101", &[], None),
];

async fn vaccinate(stack: &Stack, place: usize, born: &str, (vaccine, day): (&str, &str)) {
    let mut record: Value =
        serde_json::from_str(include_str!("../../shared/fhir/tests/fixtures/this-season.json")).unwrap();
    let vaccine: VaccineType = vaccine.parse().unwrap();
    let diseases = vaccine.diseases().iter();
    record["protocolApplied"][0]["targetDisease"] = diseases
        .map(|(code, term)| json!({"coding": [{"system": "http://snomed.info/sct", "code": code, "display": term}]}))
        .collect();
    record["identifier"][0] = json!({"system": SYSTEM, "value": format!("mmr-{}-{place}-{day}", stack.run)});
    record["occurrenceDateTime"] = json!(format!("{day}T10:00:00+00:00"));
    record["recorded"] = json!(day);
    let patient = record["contained"].as_array_mut().unwrap().iter_mut().find(|held| held["resourceType"] == "Patient");
    let patient = patient.unwrap();
    patient["identifier"][0]["value"] = json!(nhs_number(PEOPLE + place as u64));
    // As the demographics name everyone here: a record of somebody else would count for nobody.
    patient["name"] = json!([{"family": "Byron", "given": ["Ada"]}]);
    patient["birthDate"] = json!(format!("{}-{}-{}", &born[..4], &born[4..6], &born[6..]));
    assert_eq!(stack.running.post("Immunization", &record).await.unwrap(), 201, "{place} {vaccine} {day}");
}

/// Doses by person that the first wave of the campaign invites to.
async fn selected(stack: &Stack) -> BTreeMap<String, u64> {
    let folder = xtask::workspace_root().join("tests/campaigns");
    let read = |file: &str| -> Value { serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap() };
    let (mut rules, mut plan) = (read("mmr.json"), read("mmr.plan.json"));
    let campaign = format!("mmr-{}", stack.run);
    rules["CampaignConfig"]["ID"] = json!(campaign);
    plan["campaign"] = json!(campaign);
    let planning = async |request: Value| stack.running.invoke("wave-planning", &request).await.unwrap();
    planning(json!({"action": "define", "rules": rules, "plan": plan})).await;
    planning(json!({"action": "plan", "campaign": campaign, "wave": "w1"})).await;
    let begun = Instant::now();
    loop {
        let status = planning(json!({"action": "status", "campaign": campaign, "wave": "w1"})).await;
        if status["wave"]["state"] == "selected" {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "not selected: {status}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let mut doses = BTreeMap::new();
    let prefix = format!("waves/{campaign}/w1/parts/");
    for key in stack.running.keys("work").await.unwrap() {
        if !key.starts_with(&prefix) {
            continue;
        }
        let listed: Vec<Value> = serde_json::from_slice(&stack.running.get("work", &key).await.unwrap()).unwrap();
        for candidate in listed {
            doses.insert(candidate[2].as_str().unwrap().to_owned(), candidate[3].as_u64().unwrap());
        }
    }
    doses
}

#[tokio::test(flavor = "multi_thread")]
async fn each_child_is_invited_to_the_dose_that_is_due() {
    let Some(stack) = stack().await.unwrap() else { return };
    let rows: Vec<Vec<String>> = CHILDREN
        .iter()
        .enumerate()
        .map(|(place, (born, ..))| {
            let number = nhs_number(PEOPLE + place as u64);
            demographics(&[("NHS_NUMBER", number.as_str()), ("DATE_OF_BIRTH", born)])
        })
        .collect();
    let name = format!("Demographics_v1_X26_{}.csv", stack.stamp(61));
    stack.drop_file(&name, demographics_file(&rows)).await.unwrap();
    for (place, (born, doses, _)) in CHILDREN.iter().enumerate() {
        for dose in *doses {
            vaccinate(&stack, place, born, *dose).await;
        }
    }
    stack.running.invoke("snapshot-export", &json!({"action": "merge", "settle": true})).await.unwrap();
    let selected = selected(&stack).await;
    for (place, (born, doses, due)) in CHILDREN.iter().enumerate() {
        let number: NhsNumber = nhs_number(PEOPLE + place as u64).parse().unwrap();
        let person = stack.running.store.person_by_nhs_number(number).await.unwrap().expect("a person");
        assert_eq!(selected.get(&person.to_string()), due.as_ref(), "child {place}, born {born}, {doses:?}");
    }
}
