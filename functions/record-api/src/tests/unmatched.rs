//! Records whose patient is not who their number's holder is, and what staff decide about them, on a store.

use std::collections::BTreeSet;

use futures::future::join_all;
use ims_domain::matching::{Difference, Ruling};
use ims_domain::person::{Demographics, States};
use ims_domain::record::{Booking, Patient, Source};
use ims_domain::{ImmunisationId, NhsNumber};
use ims_store::{HowSettled, MatchingEntry, MatchingOrder, MatchingRefusal, NamedRecord, Ruled};
use jiff::civil::{Date, date};

use super::stored::{Api, id};
use super::*;

const NUMBER: &str = "9990001014";
const OTHER: &str = "9990000018";
/// Of the patient in the fixture.
const BORN: Date = date(1951, 2, 28);

fn number(text: &str) -> NhsNumber {
    text.parse().unwrap()
}

fn named() -> NamedRecord {
    NamedRecord::Immunisation(id().parse().unwrap())
}

fn staff() -> Actor {
    Actor { role: Some("records-officer".into()), ..Actor::new("ann", "", String::new(), Timestamp::now()) }
}

async fn apply(api: &Api, to: &str, change: Change) {
    let actor = Actor::new("test", "feed", "test".into(), Timestamp::now());
    api.store.apply(Some(number(to)), &[change], &actor).await.unwrap();
}

async fn born(api: &Api, to: &str, serial: u64, date_of_birth: Date) {
    let (given_name, family_name) = ("Alder".to_owned(), "Marrow".to_owned());
    let row =
        Demographics { serial, given_name, family_name, date_of_birth: Some(date_of_birth), ..Demographics::default() };
    apply(api, to, Change::Demographics(Box::new((row, States::default())))).await;
}

async fn doses(api: &Api, of: &str) -> usize {
    let id = api.store.person_by_nhs_number(number(of)).await.unwrap().expect("a person");
    api.store.person(id).await.unwrap().expect("a person").programme("FLU".parse().unwrap()).doses.len()
}

async fn settle(api: &Api, order: MatchingOrder) -> Result<bool, MatchingRefusal> {
    let ruled = api.store.settle_matching(&named(), order, "asked the practice", &staff()).await.unwrap();
    ruled.map(|Ruled { changed, .. }| changed)
}

async fn queue(api: &Api) -> Vec<MatchingEntry> {
    api.store.matching_queue(100).await.unwrap()
}

async fn settled(api: &Api) -> Vec<(HowSettled, String, bool)> {
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let entries = api.store.matching_settled(today).await.unwrap();
    let settled = entries.into_iter().filter_map(|entry| entry.settled);
    settled.map(|settled| (settled.how, settled.deed.by, settled.undone.is_some())).collect()
}

/// Versions of the record that suppliers see and of the one that is kept, with whomever it is live.
async fn versions(api: &Api) -> (u32, u32) {
    let immunisation: ImmunisationId = id().parse().unwrap();
    let holder = api.store.person_by_immunisation(immunisation).await.unwrap().unwrap();
    let held = api.store.immunisation(holder, immunisation).await.unwrap().unwrap();
    (held.shown_version(), held.version)
}

#[tokio::test]
async fn what_disagrees_waits_counts_once_it_is_confirmed_and_waits_again_once_that_is_undone() {
    let (api, body) = (Api::start().await, immunization());
    born(&api, NUMBER, 1, date(1960, 2, 28)).await;
    assert_eq!(api.send("POST", "/Immunization", &body).await.status, 201, "taken as any other");
    assert_eq!(doses(&api, NUMBER).await, 0);
    let waiting = queue(&api).await;
    assert_eq!(waiting.len(), 1);
    assert_eq!((&waiting[0].record, &waiting[0].differences), (&named(), &BTreeSet::from([Difference::BirthDate])));
    assert_eq!(waiting[0].source.supplier, "EMIS");

    assert_eq!(settle(&api, MatchingOrder::Undo).await, Ok(false), "there is nothing to undo yet");
    assert_eq!(settle(&api, MatchingOrder::Confirm).await, Ok(true));
    assert_eq!(settle(&api, MatchingOrder::Confirm).await, Ok(false), "again");
    let decided = settle(&api, MatchingOrder::LeaveAsNobodys).await;
    assert_eq!(decided, Err(MatchingRefusal::Decided { ruling: Ruling::Confirmed, by: "ann".into() }));
    assert_eq!((doses(&api, NUMBER).await, queue(&api).await.len()), (1, 0));
    assert_eq!(settled(&api).await, [(HowSettled::Confirmed, "ann".to_owned(), false)]);

    assert_eq!(settle(&api, MatchingOrder::Undo).await, Ok(true));
    assert_eq!((doses(&api, NUMBER).await, queue(&api).await), (0, waiting), "it waits since it came");
    assert_eq!(settled(&api).await, [(HowSettled::Confirmed, "ann".to_owned(), true)]);
    assert_eq!(settle(&api, MatchingOrder::LeaveAsNobodys).await, Ok(true));
    assert_eq!((doses(&api, NUMBER).await, queue(&api).await.len()), (0, 0));
    assert_eq!(versions(&api).await, (1, 4), "suppliers see none of it");
    assert_eq!(api.found(NUMBER).await["entry"][0]["resource"]["meta"]["versionId"], "1");

    let entries = api.database.items("AUDIT", "");
    let of_staff = entries
        .iter()
        .filter(|entry| entry["actor"]["S"] == "ann" && entry["pk"]["S"].as_str().unwrap().starts_with("P#"));
    let mut of_staff: Vec<String> = of_staff
        .map(|entry| {
            assert_eq!(entry["role"]["S"], "records-officer");
            assert!(entry["purpose"]["S"].as_str().unwrap().ends_with(": asked the practice"));
            format!("{} {}", entry["operation"]["S"].as_str().unwrap(), entry["result"]["S"].as_str().unwrap())
        })
        .collect();
    of_staff.sort();
    assert_eq!(
        of_staff,
        ["match_confirm allowed", "match_nobodys allowed", "match_nobodys refused", "match_undo allowed"]
    );
}

#[tokio::test]
async fn without_a_number_a_record_is_attached_and_comes_back_and_stays_attached_when_it_is_sent_again() {
    let (api, body) = (Api::start().await, without_number());
    born(&api, OTHER, 1, BORN).await;
    assert_eq!(api.send("POST", "/Immunization", &body).await.status, 201);
    assert_eq!(queue(&api).await[0].differences, BTreeSet::from([Difference::NoNumber]));
    assert_eq!(settle(&api, MatchingOrder::Confirm).await, Err(MatchingRefusal::NobodyHolds));
    assert_eq!(settle(&api, MatchingOrder::Attach(number("9990000026"))).await, Err(MatchingRefusal::NobodyKnown));
    assert_eq!(settle(&api, MatchingOrder::Attach(number(OTHER))).await, Ok(true));
    assert_eq!(settle(&api, MatchingOrder::Attach(number(OTHER))).await, Ok(false), "again");
    assert_eq!((doses(&api, OTHER).await, queue(&api).await.len()), (1, 0));
    // Its identifier has one record still, and its supplier reads and changes it as before.
    assert_eq!(api.send("POST", "/Immunization", &body).await.status, 422);
    let updated = api.update(&id(), "1", &body.replace("L0T1", "L0T2")).await;
    assert_eq!(updated.status, 200, "{updated:?}");
    assert_eq!((doses(&api, OTHER).await, queue(&api).await.len()), (1, 0));
    assert_eq!(settle(&api, MatchingOrder::Undo).await, Ok(true));
    assert_eq!((doses(&api, OTHER).await, queue(&api).await.len()), (0, 1));
    assert_eq!(versions(&api).await.0, 2);
    // Its supplier finds the number.
    let corrected = immunization().replace(NUMBER, OTHER);
    assert_eq!(api.update(&id(), "2", &corrected).await.status, 200);
    assert_eq!((doses(&api, OTHER).await, queue(&api).await.len()), (1, 0));
    assert!(settled(&api).await.contains(&(HowSettled::Agrees, "EMIS".to_owned(), false)), "{:?}", settled(&api).await);
}

/// The fixture's record without an NHS number.
fn without_number() -> String {
    let mut body: Value = serde_json::from_str(&immunization()).unwrap();
    let patient = body["contained"].as_array_mut().unwrap().iter_mut().find(|part| part["resourceType"] == "Patient");
    patient.unwrap().as_object_mut().unwrap().remove("identifier");
    body.to_string()
}

#[tokio::test]
async fn demographics_that_agree_settle_what_waits_and_a_deletion_does_too() {
    let (api, body) = (Api::start().await, immunization());
    born(&api, NUMBER, 1, date(1960, 2, 28)).await;
    api.send("POST", "/Immunization", &body).await;
    born(&api, NUMBER, 2, BORN).await;
    assert_eq!((doses(&api, NUMBER).await, queue(&api).await.len()), (1, 0));
    assert_eq!(settled(&api).await, [(HowSettled::Agrees, "test".to_owned(), false)]);
    assert_eq!(settle(&api, MatchingOrder::Confirm).await, Err(MatchingRefusal::NotWaiting));
    assert_eq!(settle(&api, MatchingOrder::Undo).await, Err(MatchingRefusal::NothingToUndo));
    // What agreed once does so still when the person is named otherwise.
    born(&api, NUMBER, 3, date(1970, 1, 1)).await;
    assert_eq!(doses(&api, NUMBER).await, 1);

    let other = body.replace("made-up-0001", "made-up-0002").replace("1951-02-28", "1952-02-28");
    assert_eq!(api.send("POST", "/Immunization", &other).await.status, 201);
    assert_eq!(queue(&api).await.len(), 1);
    let NamedRecord::Immunisation(second) = queue(&api).await[0].record.clone() else { panic!("an immunisation") };
    assert_eq!(api.send("DELETE", &format!("/Immunization/{second}"), "").await.status, 204);
    assert_eq!(queue(&api).await.len(), 0);
    assert_eq!(settled(&api).await[0], (HowSettled::Deleted, "EMIS".to_owned(), false));
    assert_eq!(settle(&api, MatchingOrder::Attach(number(NUMBER))).await, Err(MatchingRefusal::NotWaiting));
}

#[tokio::test]
async fn an_appointment_for_somebody_else_keeps_nobody_from_being_invited() {
    let api = Api::start().await;
    born(&api, NUMBER, 1, BORN).await;
    let booking = |born| Booking {
        reference: "R1".into(),
        person: ims_domain::PersonId(uuid::Uuid::nil()),
        programme: "FLU".parse().unwrap(),
        appointment_on: date(2025, 11, 1),
        status: ims_domain::record::AppointmentStatus::Booked,
        provider: "RX1".into(),
        changed: "20251001T090000".into(),
        source: Source { supplier: "NBS".into(), file: String::new(), order: String::new(), row: 0 },
        patient: Patient { nhs_number: NUMBER.parse().ok(), date_of_birth: Some(born), ..Patient::default() },
        matching: ims_domain::matching::Matching::default(),
    };
    let booked = async || {
        let id = api.store.person_by_nhs_number(number(NUMBER)).await.unwrap().unwrap();
        let person = api.store.person(id).await.unwrap().unwrap();
        (person.id, person.programme("FLU".parse().unwrap()).booked)
    };
    apply(&api, NUMBER, Change::Booking(booking(date(1971, 2, 28)))).await;
    let (person, day) = booked().await;
    assert_eq!(day, None);
    let record = queue(&api).await[0].record.clone();
    assert_eq!(record, NamedRecord::Booking(person, "R1".into()));
    assert_eq!(record.to_string().parse(), Ok(record.clone()));
    let settle = async |order| {
        let ruled = api.store.settle_matching(&record, order, "asked the practice", &staff()).await.unwrap();
        ruled.map(|ruled| ruled.changed)
    };
    assert_eq!(settle(MatchingOrder::Attach(number(NUMBER))).await, Err(MatchingRefusal::Appointment));
    assert_eq!(settle(MatchingOrder::Confirm).await, Ok(true));
    assert_eq!((booked().await.1, queue(&api).await.len()), (Some(date(2025, 11, 1)), 0));
    assert_eq!(settle(MatchingOrder::Undo).await, Ok(true));
    assert_eq!((booked().await.1, queue(&api).await.len()), (None, 1));
    let later = Booking { changed: "20251001T100000".into(), ..booking(BORN) };
    apply(&api, NUMBER, Change::Booking(later)).await;
    assert_eq!((booked().await.1, queue(&api).await.len()), (Some(date(2025, 11, 1)), 0));
}

#[tokio::test]
async fn of_many_who_decide_at_once_one_decides_and_the_records_own_supplier_loses_nothing() {
    let (api, body) = (Api::start().await, immunization());
    born(&api, NUMBER, 1, date(1960, 2, 28)).await;
    born(&api, OTHER, 1, BORN).await;
    api.send("POST", "/Immunization", &body).await;
    let orders = [
        MatchingOrder::Confirm,
        MatchingOrder::Attach(number(OTHER)),
        MatchingOrder::LeaveAsNobodys,
        MatchingOrder::Confirm,
    ];
    let decided = join_all((0..16).map(|place| settle(&api, orders[place % orders.len()])));
    let changed = async {
        // The supplier changes the record meanwhile, from whichever version it has seen.
        for version in 1..=4 {
            let updated =
                api.update(&id(), &version.to_string(), &body.replace("L0T1", &format!("L0T{version}"))).await;
            assert_eq!(updated.status, 200, "{updated:?}");
        }
    };
    let (decided, ()) = futures::future::join(decided, changed).await;
    assert_eq!(decided.iter().filter(|ruled| **ruled == Ok(true)).count(), 1, "{decided:?}");
    assert_eq!(queue(&api).await.len(), 0);
    assert_eq!(settled(&api).await.len(), 1);
    assert_eq!(versions(&api).await.0, 5, "every update was made, and no decision counts as one");
    let counted = doses(&api, NUMBER).await + doses(&api, OTHER).await;
    assert_eq!(counted, usize::from(settled(&api).await[0].0 != HowSettled::Nobodys));
}

#[tokio::test]
async fn a_person_with_many_records_is_named_anew_in_several_transactions() {
    let (api, body) = (Api::start().await, immunization());
    for place in 0..50 {
        let one = body.replace("made-up-0001", &format!("made-up-{place}"));
        assert_eq!(api.send("POST", "/Immunization", &one).await.status, 201);
    }
    born(&api, NUMBER, 1, date(1960, 2, 28)).await;
    assert_eq!((doses(&api, NUMBER).await, queue(&api).await.len()), (0, 50));
    let count = api.store.matching_count(Timestamp::now()).await.unwrap();
    assert_eq!((count.open, count.old), (50, 50));
    let before = Timestamp::now() - jiff::SignedDuration::from_hours(24);
    assert_eq!(api.store.matching_count(before).await.unwrap().old, 0);
    assert_eq!(api.store.matching_queue(7).await.unwrap().len(), 7);
    born(&api, NUMBER, 2, BORN).await;
    assert_eq!((doses(&api, NUMBER).await, queue(&api).await.len()), (1, 0));
}
