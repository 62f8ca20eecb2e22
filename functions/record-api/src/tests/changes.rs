//! Create, update and delete: what the request alone decides, and what the record held decides.

use ims_domain::person::Gender;
use ims_domain::record::{Action, Patient, Source};
use ims_domain::{ImmunisationId, PersonId};
use uuid::Uuid;

use super::*;
use crate::{create, delete};

fn source(supplier: &str) -> Source {
    Source { supplier: supplier.into(), file: String::new(), order: "20251001T120000".into(), row: 0 }
}

fn of(body: &str) -> Immunization {
    Immunization::validate(&serde_json::from_str(body).unwrap(), "2025-10-01T12:00:00Z".parse().unwrap()).unwrap()
}

/// A body as an update carries it.
fn with_id(id: &str) -> String {
    immunization().replacen('{', &format!("{{\"id\": \"{id}\","), 1)
}

/// The record as it is held: its version as suppliers see it, and whether it is deleted.
fn held(immunization: &Immunization, shown: u32, deleted: bool) -> Immunisation {
    let deletions = u32::from(deleted);
    Immunisation {
        id: immunization.id(),
        person: PersonId(Uuid::nil()),
        vaccine: immunization.vaccine(),
        occurred_on: immunization.occurred_on(),
        body: immunization.body().to_owned(),
        version: shown + deletions,
        deleted,
        deletions,
        action: ims_domain::record::Action::New,
        source: source("EMIS"),
        accepted_rows: Vec::new(),
        patient: Patient { gender: Gender::Female, ..Patient::default() },
        matching: Default::default(),
    }
}

/// Status and diagnostics, or what is to be done.
fn outcome(decided: Result<Revision, Refused>) -> Result<Action, (u16, String)> {
    match decided {
        Ok(revision) => Ok(revision.action),
        Err(Refused::Because(answer)) => Err((answer.status, diagnostics(&answer))),
        Err(Refused::Unreadable(error)) => panic!("{error}"),
    }
}

fn diagnostics(answer: &Answer) -> String {
    answer.body["issue"][0]["diagnostics"].as_str().unwrap().to_owned()
}

fn covid(body: &str) -> String {
    body.replace("6142004", "840539006")
}

#[test]
fn an_update_is_refused_at_the_door_in_the_national_order_and_words() {
    let id = of(&immunization()).id().to_string();
    let good = with_id(&id);
    let undated = good.replace("\"recorded\":\"2025-09-30\",", "");
    let unversioned = "Validation errors: Immunization resource version not specified in the request headers";
    let misplaced = "Validation errors: the provided event ID is either missing or not in the expected format.";
    let invalid = |version: &str| {
        format!("Validation errors: Immunization resource version:{version} in the request headers is invalid.")
    };
    let other = |id: &str| {
        format!(
            "Validation errors: The provided immunization id:{id} doesn't match with the content of the request body"
        )
    };
    for (path, version, body, status, expected) in [
        ("a_b", None, "", (400, "INVARIANT"), unversioned.to_owned()),
        ("a_b", Some("x"), "", (400, "INVALID"), misplaced.to_owned()),
        (&id, Some("x"), "", (400, "INVARIANT"), invalid("x")),
        (&id, Some(""), "", (400, "INVARIANT"), invalid("")),
        (&id, Some("0"), "", (400, "INVARIANT"), invalid("0")),
        (&id, Some("-1"), "", (400, "INVARIANT"), invalid("-1")),
        (&id, Some("1.0"), "", (400, "INVARIANT"), invalid("1.0")),
        (&id, Some("W/\"1\""), "", (400, "INVARIANT"), invalid("W/\"1\"")),
        (
            &id,
            Some("1"),
            "{",
            (400, "INVALID"),
            "Request's body contains malformed JSON at line 1, column 1".to_owned(),
        ),
        (&id, Some("1"), "{}", (400, "INVARIANT"), other(&id)),
        (&id, Some("1"), &immunization(), (400, "INVARIANT"), other(&id)),
        (&id, Some("1"), &with_id("1"), (400, "INVARIANT"), other(&id)),
        (&id, Some("1"), &undated, (400, "INVARIANT"), "Validation errors: recorded is a mandatory field".to_owned()),
        (
            "none",
            Some("1"),
            &with_id("none"),
            (404, "NOT-FOUND"),
            "Immunization resource does not exist. ID: none".to_owned(),
        ),
    ] {
        let mut sent = request("PUT", &format!("/Immunization/{path}"), "EMIS", body);
        sent.headers.extend(version.map(|version| ("e-tag".to_owned(), version.to_owned())));
        let refused = admit(&sent).unwrap_err();
        assert_eq!((code(&refused), diagnostics(&refused)), (status, expected), "{path} {version:?}");
    }
    let mut sent = request("PUT", &format!("/Immunization/{id}"), "EMIS", &good);
    sent.headers.push(("E-Tag".into(), "3".into()));
    let Ok(Task::Update { update, .. }) = admit(&sent) else { panic!() };
    assert_eq!((update.id.to_string(), update.version, update.source), (id, 3, source("EMIS")));
}

#[test]
fn an_update_is_decided_on_the_record_held() {
    let known = of(&immunization());
    let id = known.id();
    let forbidden = Err((403, "Unauthorized request for vaccine type".to_owned()));
    let invariant = |text: &str| Err((400, format!("Validation errors: {text}")));
    let stale = invariant(&format!("The requested immunization resource {id} has changed since the last retrieve."));
    let ahead = invariant(&format!(
        "The requested immunization resource {id} version is inconsistent with the existing version."
    ));
    let unlike = |parts: &str| invariant(&format!("{parts} doesn't match with the stored content"));
    let missing = Err((404, format!("Immunization resource does not exist. ID: {id}")));
    let (live, deleted) = (held(&known, 3, false), held(&known, 3, true));
    let as_covid = of(&covid(&immunization()));
    let live_covid = held(&as_covid, 3, false);
    let system = of(&immunization().replace("https://supplier.example/vaccinations", "https://other.example"));
    let value = of(&immunization().replace("made-up-0001", "made-up-0002"));
    let both = of(&immunization()
        .replace("https://supplier.example/vaccinations", "https://other.example")
        .replace("made-up-0001", "made-up-0002"));
    for (what, held, supplier, immunization, version, expected) in [
        ("the version seen", Some(&live), "EMIS", &known, 3, Ok(Action::Update)),
        ("a version behind", Some(&live), "EMIS", &known, 2, stale.clone()),
        ("a version ahead", Some(&live), "EMIS", &known, 4, ahead.clone()),
        ("no version can be so far ahead", Some(&live), "EMIS", &known, u64::MAX, ahead),
        ("never there", None, "EMIS", &known, 1, missing),
        ("reinstated", Some(&deleted), "EMIS", &known, 3, Ok(Action::Update)),
        ("reinstated, whatever version", Some(&deleted), "EMIS", &known, 1, Ok(Action::Update)),
        ("may only read", Some(&live), "PINNACLE", &known, 3, forbidden.clone()),
        ("may not the type held", Some(&live_covid), "EMIS", &known, 3, forbidden.clone()),
        ("may not the type sent", Some(&live), "EMIS", &as_covid, 3, forbidden.clone()),
        ("may not, and is behind", Some(&live), "NOBODY", &known, 1, forbidden),
        ("another system", Some(&live), "EMIS", &system, 3, unlike("identifier[0].system")),
        ("another value", Some(&live), "EMIS", &value, 1, unlike("identifier[0].value")),
        ("both", Some(&live), "EMIS", &both, 3, unlike("identifier[0].system and identifier[0].value")),
    ] {
        let update = Update { id, version, immunization: immunization.clone(), source: source(supplier) };
        assert_eq!(outcome(crate::update::decide(&gate(), held, &update)), expected, "{what}");
    }
}

#[test]
fn what_is_there_can_be_deleted_by_whom_it_is_permitted() {
    let known = of(&immunization());
    let id = known.id();
    let (live, deleted) = (held(&known, 1, false), held(&known, 1, true));
    let missing = Err((404, format!("Immunization resource does not exist. ID: {id}")));
    let forbidden = Err((403, "Unauthorized request for vaccine type".to_owned()));
    for (held, supplier, expected) in [
        (Some(&live), "EMIS", Ok(Action::Delete)),
        (Some(&live), "PINNACLE", forbidden),
        (Some(&deleted), "EMIS", missing.clone()),
        (Some(&deleted), "PINNACLE", missing.clone()),
        (None, "EMIS", missing),
    ] {
        assert_eq!(outcome(delete::decide(&gate(), held, id, &source(supplier))), expected, "{supplier}");
    }
    let Ok(Task::Delete { id: named, .. }) = admit(&request("DELETE", &format!("/Immunization/{id}"), "EMIS", ""))
    else {
        panic!()
    };
    assert_eq!(named, id);
}

#[test]
fn an_identifier_is_taken_while_its_record_is_live() {
    let known = of(&immunization());
    let taken = "The provided identifier: https://supplier.example/vaccinations#made-up-0001 is duplicated";
    for (held, expected) in [
        (None, Ok(Action::New)),
        (Some(held(&known, 1, true)), Ok(Action::New)),
        (Some(held(&known, 2, false)), Err((422, taken.to_owned()))),
    ] {
        assert_eq!(outcome(create::decide(held.as_ref(), &known, &source("EMIS"))), expected);
    }
}

#[test]
fn ids_of_the_path_are_those_of_the_identifier() {
    let known = of(&immunization());
    assert_eq!(known.id(), ImmunisationId::of("https://supplier.example/vaccinations", "made-up-0001"));
}
