//! Feed files, good and bad: what the acknowledgements say, word for word, and what is stored.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use ims_domain::{ImmunisationId, NhsNumber};
use ims_messaging::ChunkJob;
use ims_store::{FeedFile, FeedFileState, Table, keys};
use ims_testkit::population::nhs_number;
use ims_tests::{
    Stack,
    rows::{SYSTEM, vaccination, vaccination_file},
    stack,
};
use serde_json::{Value, json};

const INF_HEADER: &str = "MESSAGE_HEADER_ID|HEADER_RESPONSE_CODE|ISSUE_SEVERITY|ISSUE_CODE|ISSUE_DETAILS_CODE|RESPONSE_TYPE|RESPONSE_CODE|RESPONSE_DISPLAY|RECEIVED_TIME|MAILBOX_FROM|LOCAL_ID|MESSAGE_DELIVERY";
const BUS_HEADER: &str = "MESSAGE_HEADER_ID|HEADER_RESPONSE_CODE|ISSUE_SEVERITY|ISSUE_CODE|ISSUE_DETAILS_CODE|RESPONSE_TYPE|RESPONSE_CODE|RESPONSE_DISPLAY|RECEIVED_TIME|MAILBOX_FROM|LOCAL_ID|IMMS_ID|OPERATION_OUTCOME|MESSAGE_DELIVERY";

const FLAG: &str = "Invalid ACTION_FLAG - ACTION_FLAG must be 'NEW', 'UPDATE' or 'DELETE'";
const NHS_NUMBER: &str = "Validation errors: contained[?(@.resourceType=='Patient')].identifier[?(@.system=='https://fhir.nhs.uk/Id/nhs-number')].value is not a valid NHS number";
const FUTURE: &str = "Validation errors: occurrenceDateTime must be a valid datetime in one of the following formats:- 'YYYY-MM-DD' — Full date only- 'YYYY-MM-DDThh:mm:ss%z' — Full date and time with timezone (e.g. +00:00 or +01:00)- 'YYYY-MM-DDThh:mm:ss.f%z' — Full date and time with milliseconds and timezone- Date must not be in the future.Only '+00:00' and '+01:00' are accepted as valid timezone offsets. Note that partial dates are not allowed for occurrenceDateTime in this service.";

/// First of the people of these tests: none of another test's.
const PEOPLE: u64 = 5_000;

/// What the InfAck of a file must be, by its message id and the time in its key.
fn inf_ack(message_id: &str, created: &str, accepted: bool) -> String {
    let row = if accepted {
        format!("{message_id}|Success|Information|OK|20013|Technical|20013|Success|{created}|||True")
    } else {
        format!(
            "{message_id}|Failure|Fatal|Fatal Error|10001|Technical|10002|Infrastructure Level Response Value - Processing Error|{created}|||False"
        )
    };
    format!("{INF_HEADER}\n{row}\n")
}

/// The time in the key of an acknowledgement.
fn created(key: &str) -> &str {
    key.rsplit_once('_').and_then(|(_, tail)| tail.split('.').next()).unwrap_or_default()
}

fn name(stack: &Stack, place: u64) -> String {
    format!("FLU_Vaccinations_v5_YGM41_{}", stack.stamp(place))
}

/// Checks the only InfAck of a file.
async fn check_inf_ack(stack: &Stack, stem: &str, file: &FeedFile, accepted: bool) {
    let keys = stack.acks(&format!("ack/{stem}_InfAck_"), 1).await.unwrap();
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert!(keys[0].ends_with("00.csv"), "{keys:?}");
    assert_eq!(stack.ack(&keys[0]).await.unwrap(), inf_ack(&file.message_id, created(&keys[0]), accepted), "{stem}");
}

async fn bus_acks(stack: &Stack, stem: &str) -> Vec<String> {
    stack.acks(&format!("forwardedFile/{stem}_BusAck_"), 0).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_taken_are_refused_as_a_whole() {
    let Some(stack) = stack().await.unwrap() else { return };
    let number = nhs_number(PEOPLE);
    let good = |id: &str| vec![vaccination(&[("NHS_NUMBER", &number), ("UNIQUE_ID", &format!("{}-{id}", stack.run))])];
    let text = |id: &str| String::from_utf8(vaccination_file(&good(id))).unwrap();
    let cases = [
        (
            "columns in another order",
            name(&stack, 0),
            text("h1").replacen("NHS_NUMBER|PERSON_FORENAME", "PERSON_FORENAME|NHS_NUMBER", 1),
            FeedFileState::Failed,
            false,
            Some("File headers are invalid."),
        ),
        (
            "a column that is missing",
            name(&stack, 1),
            text("h2").replacen("|LOCATION_CODE_TYPE_URI", "", 1),
            FeedFileState::Failed,
            false,
            Some("File headers are invalid."),
        ),
        ("no bytes but a line end", name(&stack, 2), "\n".into(), FeedFileState::Empty, true, None),
        (
            "a header without rows",
            name(&stack, 3),
            String::from_utf8(vaccination_file(&[])).unwrap(),
            FeedFileState::Empty,
            true,
            None,
        ),
        (
            "a name of no feed",
            name(&stack, 4).replace("Vaccinations", "Vaccination"),
            text("n1"),
            FeedFileState::Failed,
            false,
            Some("Initial file validation failed: invalid file key"),
        ),
        (
            "a sender whom nobody knows",
            name(&stack, 5).replace("YGM41", "ZZZ99"),
            text("n2"),
            FeedFileState::Failed,
            false,
            Some("Initial file validation failed: invalid file key"),
        ),
    ];
    for (what, stem, body, state, accepted, error) in cases {
        let file = stack.drop_file(&format!("{stem}.csv"), body.into_bytes()).await.unwrap();
        assert_eq!((file.state, file.error.as_deref()), (state, error), "{what}");
        check_inf_ack(&stack, &stem, &file, accepted).await;
        assert_eq!(bus_acks(&stack, &stem).await, Vec::<String>::new(), "{what}");
    }
    for id in ["h1", "h2", "n1", "n2"] {
        let (status, _) = stack.read(&resource(&stack, id)).await.unwrap();
        assert_eq!(status, 404, "a row of a refused file is not stored: {id}");
    }
}

fn resource(stack: &Stack, id: &str) -> String {
    format!("Immunization/{}", ImmunisationId::of(SYSTEM, &format!("{}-{id}", stack.run)))
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_are_answered_one_by_one_and_the_good_ones_are_stored() {
    let Some(stack) = stack().await.unwrap() else { return };
    let (stem, run) = (name(&stack, 10), stack.run);
    let numbers: Vec<String> = (1..=3).map(|i| nhs_number(PEOPLE + i)).collect();
    let unique = |id: &str| format!("{run}-{id}");
    let row = |id: &str, changes: &[(&str, &str)]| {
        let id = unique(id);
        let mut all = changes.to_vec();
        all.push(("UNIQUE_ID", &id));
        vaccination(&all)
    };
    // A number whose last digit is another than its check digit.
    let mut wrong = numbers[0].clone();
    let last = wrong.pop().and_then(|digit| digit.to_digit(10)).unwrap();
    wrong.push_str(&((last + 1) % 10).to_string());
    let rows = [
        row("a", &[("NHS_NUMBER", &numbers[0])]),
        row("b", &[("NHS_NUMBER", &wrong)]),
        row("c", &[("NHS_NUMBER", &numbers[1]), ("ACTION_FLAG", "new")]),
        row("d", &[("NHS_NUMBER", &numbers[1]), ("DATE_AND_TIME", "20251007T09000000"), ("RECORDED_DATE", "20251001")]),
        row("e", &[("NHS_NUMBER", &numbers[2]), ("ACTION_FLAG", "CREATE")]),
        row("f", &[("NHS_NUMBER", &numbers[2])]),
        row("a", &[("NHS_NUMBER", &numbers[2])]),
    ];
    let body = vaccination_file(&rows);
    let file = stack.drop_file(&format!("{stem}.csv"), body.clone()).await.unwrap();
    assert_eq!((file.state, file.rows, file.accepted, file.rejected), (FeedFileState::Processed, 7, 3, 4), "{file:?}");
    check_inf_ack(&stack, &stem, &file, true).await;

    let keys = bus_acks(&stack, &stem).await;
    let [csv, json] = &keys[..] else { panic!("one BusAck and its twin were expected: {keys:?}") };
    assert!(csv.ends_with(".csv") && json.ends_with(".json"), "{keys:?}");
    let duplicate = format!("The provided identifier: {SYSTEM}#{} is duplicated", unique("a"));
    let refused = [(2, "b", NHS_NUMBER), (4, "d", FUTURE), (5, "e", FLAG), (7, "a", &duplicate)];
    let mut expected = format!("{BUS_HEADER}\n");
    for (place, id, why) in refused {
        expected.push_str(&format!(
            "{}^{place}|Fatal Error|Fatal|Fatal Error|30002|Business|30002|Business Level Response Value - Processing Error|{}||{}^{SYSTEM}||{why}|False\n",
            file.message_id,
            created(csv),
            unique(id),
        ));
    }
    assert_eq!(stack.ack(csv).await.unwrap(), expected);
    let twin: Value = serde_json::from_str(&stack.ack(json).await.unwrap()).unwrap();
    let (filename, provider) = (&twin["filename"], &twin["provider"]);
    assert_eq!((filename, provider, &twin["messageHeaderId"]), (&json!(stem), &json!("EMIS"), &json!(file.message_id)));
    let summary = &twin["summary"];
    assert_eq!([&summary["totalRecords"], &summary["succeeded"], &summary["failed"]], [7, 3, 4]);
    let listed: Vec<Value> = refused
        .iter()
        .map(|(place, id, why)| {
            json!({
                "rowId": place, "responseCode": "30002", "severity": "Fatal", "operationOutcome": why,
                "responseDisplay": "Business Level Response Value - Processing Error",
                "localId": format!("{}^{SYSTEM}", unique(id)),
            })
        })
        .collect();
    assert_eq!(twin["failures"], json!(listed));

    for (id, number) in [("a", Some(&numbers[0])), ("b", None), ("c", Some(&numbers[1])), ("d", None), ("e", None)] {
        let (status, body) = stack.read(&resource(&stack, id)).await.unwrap();
        assert_eq!(status, if number.is_some() { 200 } else { 404 }, "{id}: {body}");
        if let Some(number) = number {
            assert!(body.to_string().contains(number.as_str()), "{id}: {body}");
            assert_eq!(body["identifier"][0], json!({"system": SYSTEM, "value": unique(id)}));
        }
    }
    assert_eq!(stack.read(&resource(&stack, "f")).await.unwrap().0, 200, "the row after a bad one is stored");

    // The same content under a new name, and the same name again: neither changes anything.
    let before = stored(&stack, &numbers).await;
    let other = name(&stack, 11);
    let copy = stack.drop_file(&format!("{other}.csv"), body.clone()).await.unwrap();
    assert_eq!((copy.state, &copy.error), (FeedFileState::Duplicate, &None), "{copy:?}");
    assert_eq!(copy.duplicate_of, Some(format!("{stem}.csv")));
    check_inf_ack(&stack, &other, &copy, false).await;
    assert_eq!(bus_acks(&stack, &other).await, Vec::<String>::new());

    // Another second, so that the two uploads are told apart by their time too.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    stack.running.put("inbound", &format!("{stem}.csv"), body).await.unwrap();
    let keys = stack.acks(&format!("ack/{stem}_InfAck_"), 2).await.unwrap();
    assert_eq!(keys.len(), 2, "{keys:?}");
    let mut texts = Vec::new();
    for key in &keys {
        texts.push((created(key).to_owned(), stack.ack(key).await.unwrap()));
    }
    let again = texts.iter().find(|(_, text)| !text.contains(&file.message_id)).expect("an answer of its own");
    let message_id = again.1.lines().nth(1).and_then(|line| line.split('|').next()).unwrap();
    assert_eq!(again.1, inf_ack(message_id, &again.0, false));
    assert!(texts.iter().any(|(at, text)| *text == inf_ack(&file.message_id, at, true)), "{texts:?}");
    assert_eq!(bus_acks(&stack, &stem).await.len(), 2, "no second BusAck");
    assert_eq!(stack.running.store.file(&format!("{stem}.csv")).await.unwrap(), Some(file));
    assert_eq!(stored(&stack, &numbers).await, before);
}

/// Everything stored about people: the person and all events.
async fn stored(stack: &Stack, numbers: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for number in numbers {
        let number: NhsNumber = number.parse().unwrap();
        let person = stack.running.store.person_by_nhs_number(number).await.unwrap().expect("a person");
        found.push(format!("{:?}", stack.running.store.record(person, true).await.unwrap().expect("a record")));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_come_again_and_out_of_order_change_nothing() {
    let Some(stack) = stack().await.unwrap() else { return };
    let (stem, run) = (name(&stack, 20), stack.run);
    let numbers: Vec<String> = (100..200).map(|i| nhs_number(PEOPLE + i)).collect();
    let mut rows = Vec::new();
    for i in 0..900 {
        let id = format!("{run}-chunks-{i}");
        let number = numbers[i % numbers.len()].as_str();
        let minutes = format!("20250{}15T10000000", 1 + i / 100);
        rows.push(vaccination(&[("NHS_NUMBER", number), ("UNIQUE_ID", &id), ("DATE_AND_TIME", &minutes)]));
        // Some are changed or deleted by a later row of the same file, and some rows are bad.
        match i % 30 {
            0 => rows.push(vaccination(&[
                ("NHS_NUMBER", number),
                ("UNIQUE_ID", &id),
                ("DATE_AND_TIME", &minutes),
                ("ACTION_FLAG", "UPDATE"),
                ("PERSON_FORENAME", "Augusta"),
            ])),
            10 => {
                rows.push(vaccination(&[("NHS_NUMBER", number), ("UNIQUE_ID", &id), ("ACTION_FLAG", "DELETE")]));
            }
            20 => rows.push(vaccination(&[("NHS_NUMBER", number), ("UNIQUE_ID", &id), ("ACTION_FLAG", "AGAIN")])),
            _ => {}
        }
    }
    let csv = format!("{stem}.csv");
    stack.running.put("inbound", &csv, vaccination_file(&rows)).await.unwrap();
    let file = stack.file(&csv, |state| state != FeedFileState::Processing).await.unwrap();
    assert!(file.chunks > 1, "{file:?}");
    let jobs: Vec<ChunkJob> = (0..file.chunks)
        .rev()
        .map(|chunk| ChunkJob { file: csv.clone(), chunk, object: format!("chunks/{csv}/{chunk:06}.json") })
        .collect();
    let redeliver = async || {
        for job in &jobs {
            stack.send("record-ingest", job).await.unwrap();
        }
    };
    // While the service works on them, and once it is done.
    redeliver().await;
    let file = stack.file(&csv, |state| state == FeedFileState::Processed).await.unwrap();
    redeliver().await;
    stack.running.drain().await.unwrap();
    assert_eq!((file.rows, file.accepted, file.rejected), (990, 960, 30), "{file:?}");
    let before = stored(&stack, &numbers).await;
    let keys = bus_acks(&stack, &stem).await;
    let acknowledged = stack.ack(&keys[0]).await.unwrap();

    // As if the worker had died each time after it had applied a chunk and before it had noted so.
    for chunk in 0..file.chunks {
        stack.remove("work", &format!("chunks/{csv}/{chunk:06}.failures.json")).await.unwrap();
        let forget = stack.running.store.transaction().delete(Table::File, keys::chunk(&csv, chunk));
        forget.commit().await.unwrap();
    }
    let open = FeedFile { state: FeedFileState::Preprocessed, accepted: 0, rejected: 0, ..file.clone() };
    stack.running.store.put_file(&open).await.unwrap();
    redeliver().await;
    let again = stack.file(&csv, |state| state == FeedFileState::Processed).await.unwrap();
    stack.running.drain().await.unwrap();
    assert_eq!(again, file);
    assert_eq!(bus_acks(&stack, &stem).await, keys);
    assert_eq!(stack.ack(&keys[0]).await.unwrap(), acknowledged);
    let after = stored(&stack, &numbers).await;
    for (one, other) in before.iter().zip(&after) {
        assert_eq!(one, other);
    }
}
