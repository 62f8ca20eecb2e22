//! What subscribers receive: every accepted change, once in an unbroken chain, cleansed, and events that name nobody.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::time::{Duration, Instant};

use change_feed::{Operation, Row};
use ims_domain::ImmunisationId;
use ims_testkit::population::nhs_number;
use ims_tests::{Stack, rows, stack};
use reqwest::Method;
use serde_json::{Value, json};

/// First of the people of these tests: none of another test's.
const PEOPLE: u64 = 7_200;

/// A subscriber's whole chain.
async fn chain(stack: &Stack, subscriber: &str) -> Vec<Row> {
    let mut keys = stack.running.keys("outbound").await.unwrap();
    keys.retain(|key| key.starts_with(&format!("{subscriber}/")) && key.ends_with(".ndjson"));
    keys.sort();
    let mut rows: Vec<Row> = Vec::new();
    for key in keys {
        let lines = String::from_utf8(stack.running.get("outbound", &key).await.unwrap()).unwrap();
        let first = rows.len();
        rows.extend(lines.lines().map(|line| serde_json::from_str(line).expect(&key)));
        assert_eq!(key, format!("{subscriber}/{:012}.ndjson", rows[first].sequence), "named by its first number");
    }
    let sequences: Vec<u64> = rows.iter().map(|row| row.sequence).collect();
    assert_eq!(sequences, (1..=rows.len() as u64).collect::<Vec<_>>(), "{subscriber}: numbered without a gap");
    rows
}

/// The rows of one record, as soon as there are so many.
async fn rows_of(stack: &Stack, subscriber: &str, id: ImmunisationId, count: usize) -> Vec<Row> {
    let begun = Instant::now();
    loop {
        let mut rows = chain(stack, subscriber).await;
        rows.retain(|row| row.immunisation == id.to_string());
        if rows.len() >= count || begun.elapsed() > Duration::from_secs(30) {
            assert_eq!(rows.len(), count, "changes of {id} for {subscriber}");
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

fn immunization(value: &str, number: &str) -> (ImmunisationId, Value) {
    let event: Value =
        serde_json::from_str(include_str!("../../functions/record-api/fixtures/post-immunization.json")).unwrap();
    let mut body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
    body["identifier"][0] = json!({"system": rows::SYSTEM, "value": value});
    body["contained"][1]["identifier"][0]["value"] = json!(number);
    (ImmunisationId::of(rows::SYSTEM, value), body)
}

/// Calls the API; the status.
async fn call(stack: &Stack, method: Method, path: &str, version: Option<u32>, body: &Value) -> u16 {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/{path}", stack.running.endpoints.api);
    let mut request = http.request(method, url).bearer_auth(&stack.running.token);
    if let Some(version) = version {
        request = request.header("E-Tag", version);
    }
    if !body.is_null() {
        request = request.header("Content-Type", "application/fhir+json").body(body.to_string());
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_record_reaches_its_subscribers_in_an_unbroken_chain() {
    let Some(stack) = stack().await.unwrap() else { return };
    let number = nhs_number(PEOPLE);
    let (id, body) = immunization(&format!("{}-changes", stack.run), &number);
    let path = format!("Immunization/{id}");
    stack.take("record-events").await.unwrap();
    assert_eq!(call(&stack, Method::POST, "Immunization", None, &body).await, 201);
    let mut changed = body.clone();
    changed["id"] = json!(id.to_string());
    changed["lotNumber"] = json!("L0T2");
    assert_eq!(call(&stack, Method::PUT, &path, Some(1), &changed).await, 200);
    assert_eq!(call(&stack, Method::DELETE, &path, None, &Value::Null).await, 204);
    assert_eq!(call(&stack, Method::POST, "Immunization", None, &body).await, 201);

    let mut rows = rows_of(&stack, "central", id, 4).await;
    rows.sort_by_key(|row| row.version);
    use Operation::{Create, Delete, Update};
    let told: Vec<_> = rows.iter().map(|row| (row.version, row.operation)).collect();
    assert_eq!(told, [(1, Create), (2, Update), (3, Delete), (4, Create)]);
    assert_eq!(rows[1].record["BATCH_NUMBER"], "L0T2");
    assert_eq!(rows[2].record["ACTION_FLAG"], "DELETE");
    assert_eq!((&rows[0].record["NHS_NUMBER"], rows[0].vaccine_type.as_str()), (&json!(number), "FLU"));
    // The sender of these is a GP system itself.
    let to_gp = chain(&stack, "gp").await;
    assert!(to_gp.iter().all(|row| row.supplier != "EMIS" && row.vaccine_type != "HEPB"));

    let mut events = Vec::new();
    let begun = Instant::now();
    while events.len() < 4 && begun.elapsed() < Duration::from_secs(10) {
        let bodies = stack.take("record-events").await.unwrap();
        assert!(bodies.iter().all(|body| !body.contains(&number)), "an event names nobody");
        let read = bodies.iter().map(|body| serde_json::from_str::<Value>(body).unwrap()["detail"].clone());
        events.extend(read.filter(|detail| detail["immunisation"] == json!(id.to_string())));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut actions: Vec<_> =
        events.iter().map(|event| (event["version"].as_u64(), event["action"].as_str())).collect();
    actions.sort_unstable();
    let expected = [(1, "CREATE"), (2, "UPDATE"), (3, "DELETE"), (4, "CREATE")];
    assert_eq!(actions, expected.map(|(version, action)| (Some(version), Some(action))));
    assert!(events[0]["dataref"].as_str().unwrap().ends_with(&format!("/api/Immunization/{id}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_writer_died_is_finished_and_the_chain_goes_on() {
    let Some(stack) = stack().await.unwrap() else { return };
    let number = nhs_number(PEOPLE + 3);
    let serial = stack.run.to_string();
    // Too young for the campaigns of other tests.
    let known = [
        ("NHS_NUMBER", number.as_str()),
        ("PRIMARY_CARE_PROVIDER", "B81087"),
        ("DATE_OF_BIRTH", "19950115"),
        ("SERIAL_CHANGE_NUMBER", &serial),
    ];
    let name = format!("Demographics_v1_X26_{}.csv", stack.stamp(61));
    stack.drop_file(&name, rows::demographics_file(&[rows::demographics(&known)])).await.unwrap();
    let (left_behind, body) = immunization(&format!("{}-left-behind", stack.run), &number);
    assert_eq!(call(&stack, Method::POST, "Immunization", None, &body).await, 201);
    // Until what earlier tests changed has come through.
    let mut before = chain(&stack, "central").await;
    loop {
        tokio::time::sleep(Duration::from_secs(4)).await;
        let now = chain(&stack, "central").await;
        if now.len() == before.len() {
            break;
        }
        before = now;
    }
    let next = before.len() as u64 + 1;
    let record = serde_json::Map::from_iter([("NHS_NUMBER".to_owned(), json!(number))]);
    let orphan = Row { sequence: next, immunisation: left_behind.to_string(), version: 77, record, ..Row::default() };
    let key = format!("central/{next:012}");
    let line = serde_json::to_vec(&orphan).unwrap();
    stack.running.put("outbound", &format!("{key}.ndjson"), line).await.unwrap();

    let (id, body) = immunization(&format!("{}-after", stack.run), &nhs_number(PEOPLE + 1));
    assert_eq!(call(&stack, Method::POST, "Immunization", None, &body).await, 201);
    let rows = rows_of(&stack, "central", id, 1).await;
    assert_eq!(rows[0].sequence, next + 1, "after the orphan, which keeps its place");
    assert!(stack.running.keys("outbound").await.unwrap().contains(&format!("{key}.parquet")));
    // Its event tells what the file does not: from the record and the person as they are now.
    let begun = Instant::now();
    let event = loop {
        let bodies = stack.take("record-events").await.unwrap();
        let mut details = bodies.iter().map(|body| serde_json::from_str::<Value>(body).unwrap()["detail"].clone());
        if let Some(found) = details.find(|detail| detail["version"] == 77) {
            break found;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "the orphan is not announced");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!((&event["immunisation"], &event["practice"]), (&json!(left_behind.to_string()), &json!("B81087")));
    assert!(event["subject_age"].is_i64(), "{event}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_restricted_person_was_vaccinated_is_told_to_no_subscriber() {
    let Some(stack) = stack().await.unwrap() else { return };
    let number = nhs_number(PEOPLE + 2);
    let row = rows::demographics(&[
        ("NHS_NUMBER", &number),
        ("RESTRICTED", "1"),
        ("ADDRESS_LINE_1", ""),
        ("POSTCODE", ""),
        ("SERIAL_CHANGE_NUMBER", &stack.run.to_string()),
    ]);
    let name = format!("Demographics_v1_X26_{}.csv", stack.stamp(60));
    let file = stack.drop_file(&name, rows::demographics_file(&[row])).await.unwrap();
    assert_eq!(file.state, ims_store::FeedFileState::Processed, "{file:?}");
    let (id, body) = immunization(&format!("{}-restricted", stack.run), &number);
    let performers = body["performer"].as_array().unwrap();
    let organisation = performers.iter().find_map(|performer| performer["actor"]["identifier"]["value"].as_str());
    let places = [
        organisation.unwrap().to_owned(),
        body["contained"][1]["address"][0]["postalCode"].as_str().unwrap().to_owned(),
    ];
    assert_eq!(call(&stack, Method::POST, "Immunization", None, &body).await, 201);
    let row = rows_of(&stack, "central", id, 1).await.remove(0);
    let told = serde_json::to_string(&row).unwrap();
    assert!(places.iter().all(|place| !place.is_empty() && !told.contains(place)), "{places:?}");
    assert!(row.cleansing.contains(&"whereabouts_withheld".to_owned()), "{:?}", row.cleansing);
}
