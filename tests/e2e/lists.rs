//! Full lists of cohorts, and demographics in Parquet, through the whole stack.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use ims_domain::{NhsNumber, Person};
use ims_store::{FeedFile, FeedFileState};
use ims_testkit::population::{DEMOGRAPHICS, nhs_number};
use ims_tests::{Stack, rows::demographics, stack};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::json;

/// First of the people of these tests: none of another test's.
const PEOPLE: u64 = 6_500;

async fn person(stack: &Stack, place: u64) -> Person {
    let number: NhsNumber = nhs_number(PEOPLE + place).parse().unwrap();
    let id = stack.running.store.person_by_nhs_number(number).await.unwrap().expect("a person");
    stack.running.store.person(id).await.unwrap().expect("a person")
}

/// Which of some people have a label.
async fn members(stack: &Stack, label: &str, places: std::ops::Range<u64>) -> Vec<u64> {
    let mut found = Vec::new();
    for place in places {
        if person(stack, place).await.in_cohort(label) {
            found.push(place);
        }
    }
    found
}

fn list(label: &str, date: &str, places: &[u64]) -> Vec<u8> {
    let rows: String = places.iter().map(|place| format!("MEMBER,{},,,,\n", nhs_number(PEOPLE + place))).collect();
    let header = "RECORD_TYPE,NHS_NUMBER,COHORT_LABEL,DATE,SOURCE,MEMBERS\n";
    format!("{header}LIST,,{label},{date},gp,{}\n{rows}", places.len()).into_bytes()
}

async fn drop_list(stack: &Stack, place: u64, body: Vec<u8>) -> FeedFile {
    stack.drop_file(&format!("CohortList_v1_X26_{}.csv", stack.stamp(place)), body).await.unwrap()
}

async fn drop_rows(stack: &Stack, place: u64, label: &str, rows: &[(u64, &str, &str)]) {
    let rows: String = rows
        .iter()
        .map(|(place, date, source)| format!("{},{label},JOIN,{date},{source}\n", nhs_number(PEOPLE + place)))
        .collect();
    let text = format!("NHS_NUMBER,COHORT_LABEL,ACTION,DATE,SOURCE\n{rows}");
    let file = stack.drop_file(&format!("Cohorts_v1_X26_{}.csv", stack.stamp(place)), text.into_bytes()).await.unwrap();
    assert_eq!((file.state, file.rejected), (FeedFileState::Processed, 0), "{file:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_list_replaces_what_its_source_said_before_and_nothing_else() {
    let Some(stack) = stack().await.unwrap() else { return };
    let label = format!("list-{}", stack.run);
    let joined: Vec<(u64, &str, &str)> = (0..6).map(|place| (place, "20250901", "gp")).collect();
    drop_rows(&stack, 20, &label, &joined).await;
    drop_rows(&stack, 21, &label, &[(6, "20250901", "hospital")]).await;

    let file = drop_list(&stack, 22, list(&label, "20250920", &[0, 1, 2, 3, 7])).await;
    assert_eq!((file.state, file.rows, file.accepted, file.left), (FeedFileState::Processed, 5, 5, 2), "{file:?}");
    assert_eq!(members(&stack, &label, 0..8).await, [0, 1, 2, 3, 6, 7]);

    // What is older than the list changes nothing any more, whether rows or a list; what is later does.
    drop_rows(&stack, 23, &label, &[(4, "20250910", "gp"), (5, "20250921", "gp")]).await;
    let older = drop_list(&stack, 24, list(&label, "20250915", &[4])).await;
    assert_eq!((older.state, older.left), (FeedFileState::Processed, 0), "{older:?}");
    assert_eq!(members(&stack, &label, 0..8).await, [0, 1, 2, 3, 5, 6, 7]);

    // A list of nobody waits, and does what it says once it is approved.
    let nobody = drop_list(&stack, 25, list(&label, "20250930", &[])).await;
    assert_eq!(nobody.state, FeedFileState::AwaitingApproval, "{nobody:?}");
    let why = "6 of 6 members are not on it and would leave (a list waits from half on)";
    assert_eq!(nobody.held.as_ref().map(|held| held.why.as_str()), Some(why));
    assert_eq!(members(&stack, &label, 0..8).await.len(), 7);
    let request =
        json!({"action": "approve", "file": nobody.name, "by": "Sam Staff", "reason": "the cohort has ended"});
    stack.running.invoke("feed-intake", &request).await.unwrap();
    let done = stack.file(&nobody.name, |state| state == FeedFileState::Processed).await.unwrap();
    assert_eq!((done.rows, done.left), (0, 6));
    assert_eq!(members(&stack, &label, 0..8).await, [6], "the hospital's stays");

    let mut cut = list(&label, "20250930", &[1, 2, 3]);
    cut.truncate(cut.len() - 22);
    let refused = drop_list(&stack, 26, cut).await;
    assert_eq!(refused.state, FeedFileState::Failed);
    assert_eq!(
        refused.error.as_deref(),
        Some("File is incomplete: MEMBERS must be how many rows follow; it is '3', and there are 2.")
    );
}

/// Rows of the demographics feed as Parquet, in row groups of ten.
fn parquet(rows: &[Vec<String>], without: &str) -> Vec<u8> {
    let columns: Vec<(usize, &str)> =
        DEMOGRAPHICS.iter().copied().enumerate().filter(|(_, name)| *name != without).collect();
    let schema = Arc::new(Schema::new(
        columns.iter().map(|(_, name)| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>(),
    ));
    let column = |place: usize| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(row[place].as_str())).collect::<StringArray>())
    };
    let batch =
        RecordBatch::try_new(schema.clone(), columns.iter().map(|(place, _)| column(*place)).collect()).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(10)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn demographics_in_parquet_are_applied_as_those_in_csv() {
    let Some(stack) = stack().await.unwrap() else { return };
    let rows: Vec<Vec<String>> = (0..600)
        .map(|i| {
            let (number, name) = (nhs_number(PEOPLE + 100 + i), format!("Byron-{}", stack.run));
            let serial = (8 * stack.run + 1).to_string();
            let gender = if i == 77 { "X" } else { "2" };
            demographics(&[
                ("NHS_NUMBER", &number),
                ("FAMILY_NAME", &name),
                ("SERIAL_CHANGE_NUMBER", &serial),
                ("GENDER", gender),
            ])
        })
        .collect();
    let name = |place: u64| format!("Demographics_v1_X26_{}.parquet", stack.stamp(place));
    let file = stack.drop_file(&name(30), parquet(&rows, "")).await.unwrap();
    assert_eq!(
        (file.state, file.rows, file.accepted, file.rejected),
        (FeedFileState::Processed, 600, 599, 1),
        "{file:?}"
    );
    let acks =
        stack.acks(&format!("forwardedFile/{}_BusAck_", name(30).trim_end_matches(".parquet")), 2).await.unwrap();
    let ack = stack.ack(acks.iter().find(|key| key.ends_with(".csv")).unwrap()).await.unwrap();
    assert!(ack.contains("^78||Validation errors: GENDER must be 1, 2, 9 or 0|"), "{ack}");
    for place in [100, 176, 178, 699] {
        let held = person(&stack, place).await;
        assert_eq!(held.demographics.family_name, format!("Byron-{}", stack.run), "{place}");
        assert_eq!((held.demographics.postcode.as_str(), held.demographics.serial), ("CB3 8DX", 8 * stack.run + 1));
    }
    let refused = stack.drop_file(&name(31), parquet(&rows, "POSTCODE")).await.unwrap();
    assert_eq!(
        (refused.state, refused.error.as_deref()),
        (FeedFileState::Failed, Some("File columns are invalid: column POSTCODE is missing."))
    );
}
