//! Demographics as events: the feed's fields, checks and order.

use ims_domain::{NhsNumber, Person, contact};

use super::stored::Api;
use super::*;

const WHO: &str = "9990000018";

/// An event about somebody, with these fields beside or instead.
pub(super) fn event(number: &str, changes: Value) -> String {
    let mut body = json!({
        "RECORD_TYPE": "AMENDED", "CHANGE_TIME_STAMP": "20251001T090000", "SERIAL_CHANGE_NUMBER": 7,
        "NHS_NUMBER": number, "GIVEN_NAME": "Ada", "FAMILY_NAME": "Byron", "DATE_OF_BIRTH": "19500115",
        "GENDER": "2", "ADDRESS_LINE_1": "1 Test Row", "POSTCODE": "CB3 8DX", "RESTRICTED": false, "EMAIL_ADDRESS": null,
    });
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body.to_string()
}

fn death(serial: u64) -> Value {
    json!({"SERIAL_CHANGE_NUMBER": serial, "DATE_OF_DEATH": "20251001", "DEATH_STATUS": "1"})
}

async fn post(api: &Api, changes: Value) -> Answer {
    api.ask(&request("POST", "/Demographics", "X26", &event(WHO, changes))).await.unwrap()
}

async fn person(api: &Api) -> Person {
    let number: NhsNumber = WHO.parse().unwrap();
    let id = api.store.person_by_nhs_number(number).await.unwrap().expect("a person");
    api.store.person(id).await.unwrap().expect("a person")
}

#[tokio::test]
async fn an_event_stands_among_the_feeds_rows_in_the_sources_order() {
    let api = Api::start().await;
    let made = post(&api, json!({})).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body, json!({"result": "applied", "SERIAL_CHANGE_NUMBER": 7, "states": []}));
    assert!(!person(&api).await.demographics.postcode.is_empty());

    let died = post(&api, death(9)).await;
    assert_eq!((died.status, &died.body["states"]), (201, &json!(["dead"])));
    assert_eq!(contact::off_list(&person(&api).await), Some(contact::Reason::Dead));
    // Sent again, and something from before that comes late: known already.
    for (again, changes) in [("the same", death(9)), ("older", json!({"SERIAL_CHANGE_NUMBER": 8}))] {
        let told = post(&api, changes).await;
        assert_eq!((told.status, &told.body["result"]), (200, &json!("already_known")), "{again}");
    }
    let before = person(&api).await;
    // A row of the file that is older changes nothing, a later one lifts the state.
    let row = |serial: u64| {
        let values = record_ingest::feed::DEMOGRAPHICS.map(|column| match column {
            "RECORD_TYPE" => "AMENDED".to_owned(),
            "CHANGE_TIME_STAMP" => "20250930T090000".to_owned(),
            "SERIAL_CHANGE_NUMBER" => serial.to_string(),
            "NHS_NUMBER" => WHO.to_owned(),
            _ => String::new(),
        });
        record_ingest::demographics::read(&values, jiff::civil::date(2025, 10, 1)).unwrap()
    };
    let actor = Actor::new("test", "feed", "test".into(), Timestamp::now());
    for (serial, dead) in [(8, true), (10, false)] {
        let (number, change) = row(serial);
        api.store.apply(Some(number), &[change], &actor).await.unwrap();
        assert_eq!(person(&api).await.states.dead.is_some(), dead, "{serial}");
    }
    assert_eq!(person(&api).await.version, before.version + 1);
    let trail = api.audited("P#");
    assert_eq!(trail.iter().filter(|entry| *entry == "demographics api allowed").count(), 2, "{trail:?}");
}

#[tokio::test]
async fn of_rows_that_contradict_each_other_one_stands_whichever_came_first() {
    let mut held = Vec::new();
    for order in [["A", "B"], ["B", "A"]] {
        let api = Api::start().await;
        let mut answers = Vec::new();
        for name in order {
            answers.push(post(&api, json!({"FAMILY_NAME": name})).await);
        }
        held.push(person(&api).await.demographics.family_name);
        if let Some(refused) = answers.iter().find(|answer| answer.status == 422) {
            let text = refused.body["issue"][0]["diagnostics"].as_str().unwrap();
            assert!(
                text.starts_with("Validation errors: SERIAL_CHANGE_NUMBER must be one that no other row"),
                "{text}"
            );
            assert!(text.ends_with("it is '7'"), "{text}");
        }
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert!(statuses == [201, 422] || statuses == [201, 201], "{statuses:?}");
    }
    assert_eq!(held[0], held[1]);
}

#[tokio::test]
async fn of_many_events_at_once_the_last_of_the_source_stands() {
    let api = Api::start().await;
    let events = (1..=32).map(|serial| post(&api, death(serial)));
    let answers = futures::future::join_all(events).await;
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 201)));
    let held = person(&api).await;
    let applied = answers.iter().filter(|answer| answer.status == 201).count() as u64;
    assert_eq!((held.demographics.serial, held.version), (32, applied));
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_with_field_and_value_and_nothing_is_kept() {
    let api = Api::start().await;
    for (changes, expected) in [
        (json!({"GENDER": "3"}), "Validation errors: GENDER must be 1, 2, 9 or 0; it is '3'"),
        (json!({"AGE": 3}), "Validation errors: AGE is not a field of a demographics event"),
        (
            json!({"DATE_OF_DEATH": "20251002"}),
            "Validation errors: DATE_OF_DEATH must be a date that is not in the future; it is '20251002'",
        ),
        (
            json!({"NHS_NUMBER": "9990000019"}),
            "Validation errors: NHS_NUMBER must be a valid NHS number of ten digits; it is '9990000019'",
        ),
        (
            json!({"SERIAL_CHANGE_NUMBER": 0}),
            "Validation errors: SERIAL_CHANGE_NUMBER must be a whole number from 1; it is '0'",
        ),
    ] {
        let refused = post(&api, changes).await;
        assert_eq!((refused.status, refused.body["issue"][0]["diagnostics"].as_str().unwrap()), (400, expected));
    }
    let cases = [("NBS", event(WHO, json!({})), 403), ("EMIS", "{".into(), 403), ("X26", "{".into(), 400)];
    for (supplier, body, expected) in cases {
        let answer = api.ask(&request("POST", "/Demographics", supplier, &body)).await.unwrap();
        assert_eq!(answer.status, expected, "{supplier}");
    }
    assert!(api.database.items("PERSON", "").is_empty());
}
