//! People whose number was superseded, on a store: what one number knows the other knows, in any order, until it is undone.

use ims_domain::person::{Demographics, Membership, ProgrammeSummary, States};
use ims_domain::record::{Booking, Source};
use ims_domain::{NhsNumber, Person, contact};
use jiff::civil::date;

use super::stored::Api;
use super::*;

const OLD: &str = "9990001014";
const NEW: &str = "9990000018";
const THIRD: &str = "9990000026";

fn number(text: &str) -> NhsNumber {
    text.parse().unwrap()
}

fn demographics(serial: u64, superseded_by: Option<&str>) -> Change {
    let states = States { superseded_by: superseded_by.map(number), ..States::default() };
    Change::Demographics(Box::new((Demographics { serial, ..Demographics::default() }, states)))
}

fn opted_out() -> Change {
    let membership =
        Membership { member: true, date: date(2025, 9, 1), order: String::new(), source: "preferences".into() };
    Change::Membership { label: "contact_opt_out_all".into(), membership }
}

fn booking(reference: &str) -> Change {
    Change::Booking(Booking {
        reference: reference.into(),
        person: ims_domain::PersonId(uuid::Uuid::nil()),
        programme: "FLU".parse().unwrap(),
        appointment_on: date(2025, 11, 1),
        status: ims_domain::record::AppointmentStatus::Booked,
        provider: "RX1".into(),
        changed: "20251001T090000".into(),
        source: Source { supplier: "NBS".into(), file: String::new(), order: String::new(), row: 0 },
        patient: ims_domain::record::Patient::default(),
        matching: ims_domain::matching::Matching::default(),
    })
}

async fn apply(api: &Api, to: &str, change: Change) {
    let actor = Actor::new("test", "feed", "test".into(), Timestamp::now());
    api.store.apply(Some(number(to)), &[change], &actor).await.unwrap();
}

async fn person(api: &Api, of: &str) -> Person {
    let id = api.store.person_by_nhs_number(number(of)).await.unwrap().expect("a person");
    api.store.person(id).await.unwrap().expect("a person")
}

async fn flu(api: &Api, of: &str) -> ProgrammeSummary {
    person(api, of).await.programme("FLU".parse().unwrap())
}

#[tokio::test]
async fn what_either_number_knows_is_found_under_both_and_undone_cleanly() {
    let (api, body) = (Api::start().await, immunization());
    let total = async |number| api.found(number).await["total"].as_u64().unwrap();
    assert_eq!(api.send("POST", "/Immunization", &body).await.status, 201);
    apply(&api, OLD, opted_out()).await;
    // The number that takes its place is not known yet.
    apply(&api, OLD, demographics(1, Some(NEW))).await;
    assert_eq!((total(OLD).await, total(NEW).await), (1, 1));
    let (old, new) = (person(&api, OLD).await, person(&api, NEW).await);
    assert_eq!(old.survivor, Some(new.id));
    assert_eq!(contact::off_list(&old), Some(contact::Reason::Removed));
    assert!(contact::off_list(&new).is_none() && new.has_opted_out("FLU".parse().unwrap()));
    assert_eq!(flu(&api, NEW).await.doses.len(), 1);

    // Whatever comes under the old number is at once in the item of the new one, under another version.
    apply(&api, OLD, booking("R1")).await;
    assert_eq!(flu(&api, NEW).await.booked, Some(date(2025, 11, 1)));
    assert!(person(&api, NEW).await.version > new.version);
    let other = body.replace("made-up-0001", "made-up-0002").replace(OLD, NEW);
    assert_eq!(api.send("POST", "/Immunization", &other).await.status, 201);
    assert_eq!((total(OLD).await, total(NEW).await), (2, 2));

    // An identifier has one record, whichever of the numbers it is sent under.
    let again = body.replace(OLD, NEW);
    assert_eq!(api.send("POST", "/Immunization", &again).await.status, 422);

    apply(&api, OLD, demographics(2, None)).await;
    assert_eq!((total(OLD).await, total(NEW).await), (1, 1));
    let (old, new) = (person(&api, OLD).await, person(&api, NEW).await);
    assert_eq!((old.survivor, new.members.len()), (None, 0));
    assert!(old.has_opted_out("FLU".parse().unwrap()) && !new.has_opted_out("FLU".parse().unwrap()));
    assert_eq!((flu(&api, OLD).await.booked.is_some(), flu(&api, NEW).await.booked.is_some()), (true, false));
}

#[tokio::test]
async fn a_restriction_under_the_old_number_holds_under_the_new_one() {
    let (api, body) = (Api::start().await, immunization());
    let other = body.replace(OLD, NEW);
    assert_eq!(api.send("POST", "/Immunization", &other).await.status, 201);
    let states = States { superseded_by: Some(number(NEW)), restricted: true, ..States::default() };
    let row = Demographics { serial: 1, ..Demographics::default() };
    apply(&api, OLD, Change::Demographics(Box::new((row, states)))).await;
    let shown = api.found(NEW).await.to_string();
    assert!(["CB3 8DX", "X99999", "B0C4P"].iter().all(|place| !shown.contains(place)), "{shown}");
}

#[tokio::test]
async fn the_order_in_which_rows_come_does_not_matter_nor_do_circles() {
    let rows: [(&str, Change); 6] = [
        (OLD, demographics(1, Some(NEW))),
        (NEW, demographics(1, Some(THIRD))),
        (THIRD, demographics(1, None)),
        (THIRD, demographics(2, Some(OLD))),
        (OLD, booking("R1")),
        (THIRD, opted_out()),
    ];
    let mut seen = Vec::new();
    for turn in 0..rows.len() {
        for backwards in [false, true] {
            let api = Api::start().await;
            let mut order: Vec<usize> = (0..rows.len()).map(|place| (place + turn) % rows.len()).collect();
            if backwards {
                order.reverse();
            }
            for place in order.iter().chain(&order) {
                apply(&api, rows[*place].0, rows[*place].1.clone()).await;
            }
            let mut state = Vec::new();
            for of in [OLD, NEW, THIRD] {
                let person = person(&api, of).await;
                let survivor = api.store.survivor(person.id).await.unwrap().unwrap().nhs_number.unwrap().to_string();
                let labels: Vec<String> = person.labels().into_iter().map(str::to_owned).collect();
                state.push((survivor, person.numbers().len(), flu(&api, of).await, labels));
            }
            seen.push(state);
        }
    }
    // The lowest number stands for the circle.
    assert!(seen[0].iter().all(|(survivor, ..)| survivor == NEW), "{seen:?}");
    assert!(seen.iter().all(|state| *state == seen[0]), "{seen:?}");
}
