//! The rooms in which a person or who looked at them is seen, and the acknowledgements that name rows.

use ims_domain::Person;
use ims_domain::campaign::Step;
use ims_domain::contact::Reason;
use ims_domain::invitation::{Decision, Invitation, InvitationState};
use ims_domain::person::{Demographics, States};
use ims_domain::record::{Immunisation, Record, Source as From};

use super::*;

const NUMBER: &str = "9990001014";
pub(super) const ID: &str = "00000000-0000-0000-0000-000000000007";
pub(super) const OWN: (&str, &str) = ("sec-fetch-site", "same-origin");
const BODY: &str = include_str!("../../../../shared/fhir/tests/fixtures/immunization.json");

pub(super) fn person(restricted: bool) -> Given {
    let id: PersonId = ID.parse().unwrap();
    let mut person = Person::new(id, Some(NUMBER.parse().unwrap()));
    person.demographics = Demographics {
        given_name: "Alder".into(),
        date_of_birth: Some(date(1960, 11, 4)),
        ethnic_category: "M".into(),
        family_name: "Marrow".into(),
        address_lines: vec!["1 Quince Lane".into()],
        postcode: "CB3 8DX".into(),
        practice: "B81087".into(),
        mobile: "07700900001".into(),
        ..Demographics::default()
    };
    person.states = States { restricted, ..States::default() };
    let source = From { supplier: "EMIS".into(), file: String::new(), order: String::new(), row: 0 };
    let given = Immunisation {
        id: ims_domain::ImmunisationId::of("s", "v"),
        person: id,
        vaccine: "FLU".parse().unwrap(),
        occurred_on: date(2024, 10, 6),
        body: BODY.into(),
        version: 2,
        deleted: false,
        deletions: 0,
        action: ims_domain::record::Action::New,
        source,
        accepted_rows: vec![],
        patient: Default::default(),
        matching: Default::default(),
    };
    let past = Immunisation { version: 1, body: BODY.replace("L0T1", "L0T0"), ..given.clone() };
    let mut record = Record::new(person);
    record.immunisations.insert(given.id, given);
    let decision = Decision {
        wave: "w1".into(),
        on: date(2025, 10, 6),
        step: Step::Invite,
        definition: 1,
        person_version: 3,
        cohort: "flu_65_plus".into(),
        reason: Some(Reason::Vaccinated),
        explanation: "NotActionable in cohort 'flu_65_plus'".into(),
    };
    let invitation = Invitation {
        person: id,
        campaign: "flu-2025".into(),
        programme: "FLU".parse().unwrap(),
        dose: 1,
        wave: "w1".into(),
        cohort: "flu_65_plus".into(),
        state: InvitationState::Suppressed,
        reason: Some(Reason::Vaccinated),
        issued: date(2025, 10, 6),
        next_step: None,
        version: 1,
        decisions: vec![decision],
        messages: vec![],
    };
    let file = PersonFile { record, past: vec![past], invitations: vec![invitation], messages: vec![], calls: vec![] };
    Given { people: vec![file], ..season() }
}

pub(super) async fn post_as(role: &str, source: &Given, path: &str, body: &str, from: (&str, &str)) -> Answer {
    let request = Request::post(format!("/console{path}"))
        .header(header::COOKIE, format!("ims_session={}", token_of(role)))
        .header(from.0, from.1)
        .body(Body::from(body.to_owned()));
    send(console(source.clone()), request.unwrap()).await
}

#[tokio::test]
async fn a_record_opens_only_with_a_reason_that_is_written_down_first() {
    let source = person(false);
    let path = format!("/person/{ID}");
    let asked = get_as("records-officer", source.clone(), &path).await;
    asked.has(&["Why do you need this record?"]);
    assert!(!asked.body.contains("Marrow") && source.audited().is_empty());

    let found = post_as("records-officer", &source, "/person", "number=999+000+1014&reason=complaint+7", OWN).await;
    assert_eq!((found.status, found.header("location")), (303, format!("/console{path}").as_str()));
    let shown = get_as("records-officer", source.clone(), &path).await;
    shown.has(&[
        "Alder Marrow",
        NUMBER,
        "1 Quince Lane",
        "Alive and registered",
        "Vaccination: FLU",
        "Batch: L0T1",
        "All 2 versions",
        "Batch: L0T0",
        "sent by EMIS through the API",
        // By the business day, 3 November 2025.
        "4 November 1960 (aged 64)",
        "Black: Caribbean",
        "Decision: no invitation: already had the dose",
        "The rules: not due now in cohort",
        "Who has looked",
    ]);
    assert!(shown.body.contains("<title>Person – "), "a title holds nothing personal");
    assert_eq!(
        source.audited(),
        ["Sam Staff open_person person allowed: complaint 7", "Sam Staff read_person person allowed: complaint 7"]
    );
    // A reason opens the record for a while.
    let late = Given { now: source.now + jiff::SignedDuration::from_mins(16), ..source };
    get_as("records-officer", late, &path).await.has(&["Why do you need this record?"]);
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_shown() {
    let source = Given { is_audited: false, ..person(false) };
    let form = format!("number={NUMBER}&reason=complaint+7");
    assert_eq!(post_as("records-officer", &source, "/person", &form, OWN).await.status, 502);
    assert_eq!(post_as("auditor", &source, "/audit/person", &form, OWN).await.status, 502);
    // A reason given before the trail failed opens nothing either.
    let opened = person(false);
    post_as("records-officer", &opened, "/person", &form, OWN).await;
    let failing = Given { is_audited: false, ..opened };
    let answer = get_as("records-officer", failing, &format!("/person/{ID}")).await;
    assert_eq!(answer.status, 502);
    assert!(!answer.body.contains("Marrow"));
}

#[tokio::test]
async fn of_a_restricted_person_nothing_says_where_they_are() {
    let source = person(true);
    post_as("records-officer", &source, "/person", &format!("number={NUMBER}&reason=complaint+7"), OWN).await;
    let shown = get_as("records-officer", source, &format!("/person/{ID}")).await;
    shown.has(&["Restricted", "withheld: it may be disclosed to nobody", "Organisation and place: withheld"]);
    for place in ["Quince", "CB3", "B81087", "07700900001", "X99999", "B0C4P", "ZZ99"] {
        assert!(!shown.body.contains(place), "{place}");
    }
}

#[tokio::test]
async fn a_search_says_what_is_wrong_and_notes_who_found_nobody() {
    let source = person(false);
    for (form, text) in [
        ("number=9990001015&reason=complaint+7", "its last digit must fit the others"),
        ("number=&reason=complaint+7", "Enter an NHS number"),
        ("number=9990001014&reason=", "Say why you need it"),
        ("number=9990001014&reason=about+999+000+1014", "Leave NHS numbers out of the reason"),
    ] {
        let answer = post_as("records-officer", &source, "/person", form, OWN).await;
        assert_eq!(answer.status, 400, "{form}");
        answer.has(&["There is a problem", text]);
    }
    assert!(source.audited().is_empty());
    let nobody = post_as("records-officer", &source, "/person", "number=9990000018&reason=complaint+7", OWN).await;
    assert_eq!(nobody.status, 404);
    nobody.has(&["Nobody is known by this NHS number"]);
    assert_eq!(source.audited(), ["Sam Staff open_person nobody not_found: complaint 7"]);
    let foreign = ("sec-fetch-site", "cross-site");
    assert_eq!(post_as("records-officer", &source, "/person", "number=9990001014&reason=x", foreign).await.status, 403);
}

#[tokio::test]
async fn who_may_not_see_people_is_refused_and_that_is_written_down() {
    for role in ["planner", "analyst", "engineer", "agent", "auditor"] {
        let source = person(false);
        assert_eq!(get_as(role, source.clone(), &format!("/person/{ID}")).await.status, 403, "{role}");
        assert_eq!(source.audited(), ["Sam Staff read_person person refused: no role for it"], "{role}");
        let form = format!("number={NUMBER}&reason=complaint+7");
        assert_eq!(post_as(role, &source, "/person", &form, OWN).await.status, 403, "{role}");
    }
}

#[tokio::test]
async fn an_auditor_sees_who_looked_and_is_seen_looking() {
    let source = person(false);
    let form = format!("number={NUMBER}&reason=complaint+7");
    post_as("records-officer", &source, "/person", &form, OWN).await;
    let trail = post_as("auditor", &source, "/audit/person", &form, OWN).await;
    trail.has(&[
        "Who looked at this person",
        "asked for the record",
        "looked at the audit trail",
        "Sam Staff",
        "complaint 7",
    ]);
    assert!(!trail.body.contains("Marrow") && !trail.body.contains(NUMBER));
    let actor = post_as("auditor", &source, "/audit/actor", "actor=Sam+Staff&day=2026-11-22&reason=review", OWN).await;
    actor.has(&["What Sam Staff did on 22 November 2026", ID]);
    assert!(
        source
            .audited()
            .contains(&"Sam Staff read_audit nobody allowed: trail of Sam Staff on 2026-11-22: review".to_owned())
    );
    let wrong = post_as("auditor", &source, "/audit/actor", "actor=&day=2026-11-22&reason=review", OWN).await;
    assert_eq!(wrong.status, 400);
    wrong.has(&["Enter a name"]);
}

#[tokio::test]
async fn feeds_tell_what_became_of_files_and_rows_are_named_to_engineers_alone() {
    let source = season();
    let name = source.files[0].name.clone();
    get_as("planner", source.clone(), "/feeds").await.has(&[&name, "990", "EMIS", "vaccinations FLU"]);
    get_as("planner", source.clone(), "/feeds?supplier=TPP").await.has(&["No such file came"]);
    let file = get_as("planner", source.clone(), &format!("/feeds/{name}")).await;
    file.has(&["Every row is answered", "12 seconds", "for engineers, since it names rows", "/inf-ack.csv"]);
    assert!(!file.body.contains("/bus-ack.csv\""));
    let ack = |kind: &str| format!("/feeds/{name}/{kind}");
    assert_eq!(get_as("planner", source.clone(), &ack("bus-ack.csv")).await.status, 403);
    assert_eq!(get_as("planner", source.clone(), &ack("inf-ack.csv")).await.status, 200);
    assert_eq!(get_as("engineer", source.clone(), &ack("else.csv")).await.status, 404);
    assert!(source.audited().is_empty());
    let rows = get_as("engineer", source.clone(), &ack("bus-ack.csv")).await;
    assert_eq!(rows.status, 200);
    assert!(rows.header("content-disposition").starts_with("attachment; filename=\"FLU_Vaccinations"));
    assert_eq!(source.audited().len(), 1, "{:?}", source.audited());
    let unaudited = Given { is_audited: false, ..source };
    assert_eq!(get_as("engineer", unaudited, &ack("bus-ack.csv")).await.status, 502);
}
