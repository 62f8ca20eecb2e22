//! The room in which records that wait are matched.

use std::collections::BTreeSet;

use ims_domain::ImmunisationId;
use ims_domain::matching::{Difference, Matching};
use ims_domain::record::Patient;
use ims_store::{Deed, HowSettled, MatchingEntry, Settled};

use super::people::{ID, OWN, person, post_as};
use super::*;

const PAGE: &str = "/matching/I~ffffffff-0000-4000-8000-000000000001";

fn named() -> NamedRecord {
    "I#ffffffff-0000-4000-8000-000000000001".parse().unwrap()
}

/// A record whose family name and birth date are not its holder's, and one that was decided about.
fn waiting(restricted: bool) -> Given {
    let source = person(restricted);
    let holder = source.people[0].record.person.clone();
    let mut held = source.people[0].record.immunisations.values().next().unwrap().clone();
    held.id = ImmunisationId("ffffffff-0000-4000-8000-000000000001".parse().unwrap());
    held.patient = Patient {
        nhs_number: holder.nhs_number,
        given_name: "Bryony".into(),
        family_name: "Tansy".into(),
        date_of_birth: Some(date(1971, 2, 3)),
        postcode: "LS1 4AP".into(),
        ..Patient::default()
    };
    let differences = BTreeSet::from([Difference::BirthDate, Difference::FamilyName]);
    held.matching = Matching { differences: differences.clone(), ..Matching::default() };
    let entry = MatchingEntry {
        record: named(),
        person: holder.id,
        vaccine: held.vaccine,
        source: held.source.clone(),
        since: "2026-11-20T14:04:00Z".parse().unwrap(),
        differences,
        settled: None,
    };
    let deed = Deed { by: "Robin Records".into(), at: source.now, reason: "practice rang back".into() };
    let settled = Some(Settled { how: HowSettled::Nobodys, deed, undone: None });
    let settled = MatchingEntry { settled, ..entry.clone() };
    let matching = MatchingList { waiting: vec![entry], settled: vec![settled] };
    let file = MatchedFile { held: Matched::Immunisation(Box::new(held)), person: holder };
    Given { matching, matched: vec![file], ..source }
}

#[tokio::test]
async fn what_waits_is_listed_without_anybody_being_shown() {
    let source = waiting(false);
    let list = get_as("records-officer", source.clone(), "/matching").await;
    list.has(&[
        "1 record waits, 1 of them for more than 24 hours",
        "2 days ago",
        "Date of birth and family name",
        PAGE,
    ]);
    list.has(
        &["Robin Records", "practice rang back", "left as nobody&#39;s"].map(|text| text.trim_end_matches("&#39;s")),
    );
    assert!(["Tansy", "Marrow", "9990001014"].iter().all(|personal| !list.body.contains(personal)));
    assert!(source.audited().is_empty());
    get_as("records-officer", season(), "/matching").await.has(&["Nothing waits"]);
    let system = get_as("engineer", source, "/system").await;
    system.has(&["1 record has waited for more than 24 hours to be matched", "room Matching"]);
}

#[tokio::test]
async fn a_record_is_shown_beside_its_holder_once_a_reason_is_written_down() {
    let source = waiting(false);
    let closed = get_as("records-officer", source.clone(), PAGE).await;
    closed.has(&["Why do you look at this record?"]);
    assert!(!closed.body.contains("Tansy"));
    assert_eq!(post_as("records-officer", &source, PAGE, "action=open&reason=", OWN).await.status, 400);
    let opened = post_as("records-officer", &source, PAGE, "action=open&reason=complaint+7", OWN).await;
    assert_eq!((opened.status, opened.header("location")), (303, format!("/console{PAGE}").as_str()));
    let page = get_as("records-officer", source.clone(), PAGE).await;
    page.has(&["Bryony", "Tansy", "3 February 1971", "Alder", "Marrow", "differs", "LS1 4AP", "CB3 8DX", "Confirm"]);
    assert_eq!(
        source.audited(),
        [
            format!("Sam Staff open_match person allowed: {}: complaint 7", named()),
            format!("Sam Staff read_match person allowed: {}: complaint 7", named()),
        ]
    );
    let unaudited = Given { is_audited: false, ..source };
    assert_eq!(get_as("records-officer", unaudited, PAGE).await.status, 502);
    let restricted = waiting(true);
    post_as("records-officer", &restricted, PAGE, "action=open&reason=complaint+7", OWN).await;
    let page = get_as("records-officer", restricted, PAGE).await;
    page.has(&["Tansy", "withheld"]);
    assert!(!page.body.contains("LS1 4AP") && !page.body.contains("CB3 8DX"));
}

#[tokio::test]
async fn a_decision_needs_the_record_open_and_a_reason_and_is_made_from_the_consoles_own_pages() {
    let source = waiting(false);
    let post = async |body: &str| post_as("records-officer", &source, PAGE, body, OWN).await;
    // Nobody decides about what they were not shown.
    assert_eq!(post("action=confirm&reason=practice+rang").await.status, 303);
    assert!(source.ordered.lock().unwrap().is_empty());
    post("action=open&reason=complaint+7").await;
    assert_eq!(post("action=confirm&reason=").await.status, 400);
    assert_eq!(post("action=attach&reason=practice+rang&number=").await.status, 400);
    assert_eq!(post("action=burn&reason=practice+rang").await.status, 400);
    let foreign = ("sec-fetch-site", "cross-site");
    assert_eq!(
        post_as("records-officer", &source, PAGE, "action=leave&reason=practice+rang", foreign).await.status,
        403
    );
    assert!(source.ordered.lock().unwrap().is_empty());
    let compared = post("action=compare&reason=practice+rang&number=999+000+1014").await;
    compared.has(&["The person with the other number", "value=\"999 000 1014\""]);
    let nobody = post("action=compare&reason=practice+rang&number=9990000018").await;
    assert_eq!(nobody.status, 404);
    nobody.has(&["Nobody is known by this NHS number"]);
    for action in ["confirm&number=", "attach&number=9990000018", "leave&number="] {
        assert_eq!(post(&format!("reason=practice+rang&action={action}")).await.status, 303, "{action}");
    }
    let refused = post("action=undo&reason=practice+rang").await;
    assert_eq!(refused.status, 409);
    refused.has(&["This was not done", "There is no decision to undo"]);
    let why = || "Sam Staff: practice rang".to_owned();
    assert_eq!(
        *source.ordered.lock().unwrap(),
        [
            (MatchingOrder::Confirm, why()),
            (MatchingOrder::Attach("9990000018".parse().unwrap()), why()),
            (MatchingOrder::LeaveAsNobodys, why()),
        ]
    );
}

#[tokio::test]
async fn who_may_not_match_is_refused_and_that_is_written_down() {
    for role in ["planner", "analyst", "engineer", "agent", "auditor"] {
        let source = waiting(false);
        assert_eq!(get_as(role, source.clone(), PAGE).await.status, 403, "{role}");
        assert_eq!(source.audited(), ["Sam Staff read_match person refused: no role for it"], "{role}");
        assert_eq!(post_as(role, &source, PAGE, "action=confirm&reason=practice+rang", OWN).await.status, 403);
        assert!(source.ordered.lock().unwrap().is_empty());
    }
    for name in
        ["nonsense", "I~1", "B~00000000-0000-0000-0000-000000000007", "B~00000000-0000-0000-0000-000000000007~f"]
    {
        let nowhere = get_as("records-officer", waiting(false), &format!("/matching/{name}")).await;
        assert_eq!(nowhere.status, 404);
        nowhere.has(&["No such record"]);
    }
}

#[tokio::test]
async fn an_appointment_is_addressed_whatever_its_reference_is() {
    let mut source = waiting(false);
    let (reference, holder) = ("R #1/?é".to_owned(), source.matched[0].person.clone());
    source.matching.waiting[0].record = NamedRecord::Booking(holder.id, reference.clone());
    let booking = ims_domain::record::Booking {
        reference,
        person: holder.id,
        programme: "FLU".parse().unwrap(),
        appointment_on: date(2025, 11, 1),
        status: ims_domain::record::AppointmentStatus::Booked,
        provider: "RX1".into(),
        changed: "20251001T090000".into(),
        source: source.matching.waiting[0].source.clone(),
        patient: Patient { date_of_birth: Some(date(1971, 2, 3)), ..Patient::default() },
        matching: Matching { differences: BTreeSet::from([Difference::BirthDate]), ..Matching::default() },
    };
    source.matched = vec![MatchedFile { held: Matched::Booking(Box::new(booking)), person: holder }];
    let page = format!("/matching/B~{ID}~522023312f3fc3a9");
    get_as("records-officer", source.clone(), "/matching").await.has(&[&page]);
    post_as("records-officer", &source, &page, "action=open&reason=complaint+7", OWN).await;
    let shown = get_as("records-officer", source.clone(), &page).await;
    shown.has(&["Appointment FLU of 1 November 2025", "3 February 1971", "Confirm", "Leave as nobody"]);
    assert!(!shown.body.contains("Attach to this number"));
}
