//! The record while its database and the tables' streams fail as they may: what comes of it is what comes of it when
//! nothing fails.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::collections::BTreeMap;
use std::time::Duration;

use ims_domain::ImmunisationId;
use ims_domain::record::Immunisation;
use ims_store::FeedFileState;
use ims_testkit::faults::{Fault, Kind, Plan};
use ims_testkit::population::nhs_number;
use ims_tests::{
    Stack,
    rows::{SYSTEM, vaccination, vaccination_file},
    stack,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// First of the people of these tests: none of another test's.
const PEOPLE: u64 = 8_000;
/// Requests that are made at once.
const AT_ONCE: usize = 64;
/// People in a file.
const ROWS: u64 = 60;

/// Faults that any hundred requests meet on a bad day.
const FELT: [Kind; 3] = [Kind::Conflict, Kind::Throttle, Kind::LostReply];

/// Faults of all kinds, as on a bad day. Rarely enough that eight attempts in a row do not all fail.
fn bad_day(seed: u64) -> Plan {
    let rates = [
        (Kind::Conflict, 0.10),
        (Kind::InProgress, 0.02),
        (Kind::Throttle, 0.08),
        (Kind::ServerError, 0.02),
        (Kind::LostReply, 0.08),
        (Kind::Unprocessed, 0.10),
        (Kind::StaleRead, 0.50),
    ];
    let mut faults: Vec<Fault> = rates.map(|(kind, rate)| Fault::new(kind, rate)).to_vec();
    faults.push(Fault { delay_ms: 50, ..Fault::new(Kind::Slow, 0.05) });
    Plan { seed, faults }
}

/// A flu vaccination of a person, with the id that it will have.
fn immunization(value: &str, number: &str) -> (ImmunisationId, Value) {
    let event: Value =
        serde_json::from_str(include_str!("../../functions/record-api/fixtures/post-immunization.json")).unwrap();
    let mut body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
    body["identifier"][0] = json!({"system": SYSTEM, "value": value});
    body["contained"][1]["identifier"][0]["value"] = json!(number);
    (ImmunisationId::of(SYSTEM, value), body)
}

/// How often each status was answered to one request made many times at once.
async fn tally(stack: &Stack, times: usize, method: Method, path: &str, body: &Value) -> BTreeMap<u16, usize> {
    let http = reqwest::Client::builder().no_proxy().pool_idle_timeout(Duration::from_secs(1)).build().unwrap();
    let mut requests = JoinSet::new();
    for _ in 0..times {
        let url = format!("{}/{path}", stack.running.endpoints.api);
        let request = http.request(method.clone(), url).bearer_auth(&stack.running.token);
        let request = request.header("Content-Type", "application/fhir+json").header("E-Tag", "1");
        let request = request.body(body.to_string());
        requests.spawn(async move { request.send().await.unwrap().status().as_u16() });
    }
    let mut tally = BTreeMap::new();
    while let Some(status) = requests.join_next().await {
        *tally.entry(status.unwrap()).or_default() += 1;
    }
    tally
}

/// All versions of a record that are kept, of whomever, by their number.
async fn versions(stack: &Stack, id: ImmunisationId) -> Vec<u32> {
    let mut all: Vec<Immunisation> = stack.items("event", "P#", &format!("IMM#{id}")).await.unwrap();
    all.extend(stack.items::<Immunisation>("event", "P#", &format!("PAST#{id}")).await.unwrap());
    let mut versions: Vec<u32> = all.iter().map(|held| held.version).collect();
    versions.sort_unstable();
    versions
}

/// Checks that the faults which a test relies on did happen.
async fn check_injected(stack: &Stack, kinds: &[Kind]) {
    let counts = stack.injected().await.unwrap();
    eprintln!("{counts:?}");
    for kind in kinds {
        assert!(counts.of(*kind) > 0, "{kind:?} was not injected: {counts:?}");
    }
    assert_eq!(counts.eventual_reads, 0, "every read is consistent, so that none can be stale: {counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_is_made_with_and_without_faults() {
    let Some(stack) = stack().await.unwrap() else { return };
    for (place, plan) in [Plan::default(), bad_day(stack.run)].into_iter().enumerate() {
        let (id, mut body) = immunization(&format!("{}-many-{place}", stack.run), &nhs_number(PEOPLE + place as u64));
        stack.fail(&plan).await.unwrap();
        let created = tally(&stack, AT_ONCE, Method::POST, "Immunization", &body).await;
        assert_eq!(created, BTreeMap::from([(201, 1), (422, AT_ONCE - 1)]), "seed {}", plan.seed);
        body["id"] = json!(id.to_string());
        let updated = tally(&stack, AT_ONCE, Method::PUT, &format!("Immunization/{id}"), &body).await;
        assert_eq!(updated, BTreeMap::from([(200, 1), (400, AT_ONCE - 1)]), "seed {}", plan.seed);
        assert_eq!(versions(&stack, id).await, [1, 2], "seed {}", plan.seed);
        if !plan.faults.is_empty() {
            check_injected(&stack, &FELT).await;
        }
    }
    stack.fail(&Plan::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_reply_is_lost_is_answered_as_made() {
    let Some(stack) = stack().await.unwrap() else { return };
    let (id, body) = immunization(&format!("{}-lost", stack.run), &nhs_number(PEOPLE + 10));
    let lost = Fault::new(Kind::LostReply, 1.0).on("TransactWriteItems").containing(&id.to_string()).at_most(3);
    stack.fail(&Plan { seed: stack.run, faults: vec![lost] }).await.unwrap();
    assert_eq!(tally(&stack, 1, Method::POST, "Immunization", &body).await, BTreeMap::from([(201, 1)]));
    assert_eq!(stack.injected().await.unwrap().of(Kind::LostReply), 3);
    assert_eq!(tally(&stack, 1, Method::POST, "Immunization", &body).await, BTreeMap::from([(422, 1)]));
    assert_eq!(versions(&stack, id).await, [1]);
    stack.fail(&Plan::default()).await.unwrap();
}

/// A file's rows: each person's dose, some of them corrected, deleted or sent twice, and some not to be taken.
fn rows(stack: &Stack, run: u64) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for person in 0..ROWS {
        let (number, id) = (nhs_number(PEOPLE + 100 + run * ROWS + person), format!("{}-{run}-{person}", stack.run));
        let base = [("NHS_NUMBER", number.as_str()), ("UNIQUE_ID", id.as_str())];
        let row = |changes: &[(&str, &str)]| vaccination(&[changes, &base].concat());
        rows.push(row(&[]));
        match person % 6 {
            0 => rows.push(row(&[("ACTION_FLAG", "UPDATE"), ("DOSE_SEQUENCE", "2")])),
            1 => rows.push(row(&[("ACTION_FLAG", "DELETE")])),
            2 => rows.push(row(&[])),
            3 => rows.push(row(&[("ACTION_FLAG", "MAKE")])),
            _ => {}
        }
    }
    rows
}

/// What is held of a file's people, in their order: version and whether it is deleted.
async fn held(stack: &Stack, run: u64) -> Vec<(u32, bool)> {
    let mut held = Vec::new();
    for person in 0..ROWS {
        let id = ImmunisationId::of(SYSTEM, &format!("{}-{run}-{person}", stack.run));
        let holder = stack.running.store.person_by_immunisation(id).await.unwrap().expect("a holder");
        let record = stack.running.store.immunisation(holder, id).await.unwrap().expect("a record");
        held.push((record.version, record.deleted));
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_ends_the_same_with_and_without_faults() {
    let Some(stack) = stack().await.unwrap() else { return };
    let mut ends = Vec::new();
    for run in [0, 1] {
        let before = stack.disturb_streams(run == 1, stack.run).await.unwrap();
        stack.fail(&if run == 1 { bad_day(stack.run) } else { Plan::default() }).await.unwrap();
        let rows = rows(&stack, run);
        let name = format!("FLU_Vaccinations_v5_YGM41_{}.csv", stack.stamp(40 + run));
        let file = stack.drop_file(&name, vaccination_file(&rows)).await.unwrap();
        assert_eq!(file.state, FeedFileState::Processed, "seed {}: {file:?}", stack.run);
        assert_eq!(file.accepted + file.rejected, rows.len() as u64, "seed {}: every row is answered", stack.run);
        let merged =
            stack.running.invoke("snapshot-export", &json!({"action": "merge", "settle": true})).await.unwrap();
        if run == 1 {
            check_injected(&stack, &FELT).await;
            let after = stack.disturb_streams(false, 0).await.unwrap();
            assert!(after.0 > before.0 && after.1 > before.1, "streams were not disturbed: {before:?}, {after:?}");
            eprintln!("{merged}");
        }
        stack.fail(&Plan::default()).await.unwrap();
        ends.push((file.accepted, file.rejected, held(&stack, run).await));
    }
    assert_eq!(ends[1], ends[0], "seed {}", stack.run);
    assert_eq!(ends[0].2.iter().filter(|(_, deleted)| *deleted).count() as u64, ROWS / 6);
}
