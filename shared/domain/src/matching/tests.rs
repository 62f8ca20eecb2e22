use super::*;
use crate::person::{Demographics, States};
use crate::record::{
    Action, AppointmentStatus, Booking, Change, Immunisation, ImmunisationContent, Outcome, Record, Source,
};
use crate::{ImmunisationId, PersonId};
use jiff::civil::date;
use proptest::prelude::*;
use uuid::Uuid;

const NUMBER: &str = "9990000018";

fn identity(given: &str, family: &str, (year, month, day): (i16, i8, i8)) -> Identity {
    Identity {
        given_name: given.into(),
        family_name: family.into(),
        date_of_birth: (year > 0).then(|| date(year, month, day)),
    }
}

fn differ(known: (&str, &str, (i16, i8, i8)), stated: (&str, &str, (i16, i8, i8))) -> Vec<&'static str> {
    let of = |(given, family, born)| identity(given, family, born);
    compare(&of(known), &of(stated)).into_iter().map(Difference::name).collect()
}

#[test]
fn who_is_taken_for_the_same_person() {
    let known = ("Zoë Anne", "O'Brien-Łuczak", (1950, 3, 7));
    for (stated, difference) in [
        (("ZOE", "OBRIEN LUCZAK", (1950, 3, 7)), vec![]),
        (("Zoë", "O’Brien‑Łuczak", (1950, 3, 7)), vec![]),
        (("Anne", "O'Brien-Luczak", (1950, 3, 7)), vec![]),
        (("Z.", "OBrienLuczak", (1950, 3, 7)), vec![]),
        // A marriage.
        (("Zoe", "Smith", (1950, 3, 7)), vec![]),
        // Day and month exchanged, and nothing else.
        (("Zoe", "O'Brien Luczak", (1950, 7, 3)), vec![]),
        (("Zelda", "O'Brien Luczak", (1950, 7, 3)), vec!["birth_date"]),
        (("Zoe", "Smith", (1950, 7, 3)), vec!["birth_date", "family_name"]),
        // A twin.
        (("Mia", "O'Brien-Łuczak", (1950, 3, 7)), vec!["given_name"]),
        (("Zelda", "Smith", (1950, 3, 7)), vec!["family_name"]),
        (("Zoe", "O'Brien-Łuczak", (1950, 3, 8)), vec!["birth_date"]),
        (("Zoe", "O'Brien-Łuczak", (1951, 3, 7)), vec!["birth_date"]),
        (("Mia", "Smith", (1971, 1, 1)), vec!["birth_date", "family_name", "given_name"]),
        // What is not said cannot differ.
        (("", "", (1950, 3, 7)), vec![]),
        (("", "", (1950, 7, 3)), vec!["birth_date"]),
        (("Zoe", "O'Brien Luczak", (0, 0, 0)), vec![]),
        (("Zoe", "Smith", (0, 0, 0)), vec!["family_name"]),
        (("", "Smith", (1950, 3, 7)), vec!["family_name"]),
        (("Mia", "", (1950, 3, 7)), vec!["given_name"]),
    ] {
        assert_eq!(differ(known, stated), difference, "{stated:?}");
        assert_eq!(differ(stated, known), difference, "{stated:?} the other way round");
    }
    assert_eq!(differ(("İpek", "Straße", (1950, 1, 1)), ("ipek", "STRASSE", (1950, 1, 1))), Vec::<&str>::new());
}

fn record() -> Record {
    Record::new(Person::new(PersonId(Uuid::from_u128(7)), NUMBER.parse().ok()))
}

fn source(row: u64) -> Source {
    Source { supplier: "EMIS".into(), file: "f".into(), order: "20251001T000000".into(), row }
}

fn patient(given: &str, family: &str, born: Date) -> Patient {
    Patient {
        nhs_number: NUMBER.parse().ok(),
        given_name: given.into(),
        family_name: family.into(),
        date_of_birth: Some(born),
        ..Patient::default()
    }
}

fn dose(action: Action, name: &str, patient: Patient, row: u64) -> Change {
    Change::Immunisation {
        action,
        id: ImmunisationId::of("s", name),
        content: Some(ImmunisationContent {
            vaccine: "FLU".parse().unwrap(),
            occurred_on: date(2025, 10, 1),
            body: name.into(),
            patient,
        }),
        source: source(row),
    }
}

fn named(serial: u64, given: &str, family: &str, born: Date) -> Change {
    let demographics = Demographics {
        serial,
        given_name: given.into(),
        family_name: family.into(),
        date_of_birth: Some(born),
        ..Demographics::default()
    };
    Change::Demographics(Box::new((demographics, States::default())))
}

fn appointment(born: Option<Date>, changed: &str) -> Change {
    Change::Booking(Booking {
        reference: "R1".into(),
        person: PersonId(Uuid::nil()),
        programme: "FLU".parse().unwrap(),
        appointment_on: date(2025, 11, 1),
        status: AppointmentStatus::Booked,
        provider: "RX1".into(),
        changed: changed.into(),
        source: source(1),
        patient: Patient { nhs_number: NUMBER.parse().ok(), date_of_birth: born, ..Patient::default() },
        matching: Matching::default(),
    })
}

fn decision(ruling: Ruling, from: Option<PersonId>) -> Option<Decision> {
    let at = "2025-10-02T09:00:00Z".parse().unwrap();
    Some(Decision { ruling, by: "ann".into(), at, reason: "asked the practice".into(), from })
}

fn doses(record: &Record) -> usize {
    record.person.programme("FLU".parse().unwrap()).doses.len()
}

fn held<'r>(record: &'r Record, name: &str) -> &'r Immunisation {
    &record.immunisations[&ImmunisationId::of("s", name)]
}

#[test]
fn a_record_that_disagrees_counts_once_it_is_confirmed_and_no_longer_once_that_is_undone() {
    let mut record = record();
    record.apply(&named(1, "Ada", "Byron", date(1950, 1, 15)));
    let wrong = patient("Ada", "Byron", date(1950, 1, 16));
    assert_eq!(record.apply(&dose(Action::New, "a", wrong.clone(), 1)), Outcome::Applied);
    assert!(held(&record, "a").is_unmatched());
    assert_eq!(doses(&record), 0);
    let id = ImmunisationId::of("s", "a");
    assert!(record.decide(id, decision(Ruling::Confirmed, None)));
    assert_eq!((doses(&record), held(&record, "a").version, held(&record, "a").shown_version()), (1, 2, 1));
    // The same patient again: the decision holds.
    record.apply(&dose(Action::Update, "a", wrong, 2));
    assert_eq!((doses(&record), held(&record, "a").matching.name()), (1, "confirmed"));
    assert!(record.decide(id, None));
    assert_eq!((doses(&record), held(&record, "a").matching.name()), (0, "unmatched"));
    assert!(record.decide(id, decision(Ruling::Nobodys, None)));
    assert!(!held(&record, "a").is_unmatched() && doses(&record) == 0);
    // Another patient: to be decided anew.
    record.apply(&dose(Action::Update, "a", patient("Bea", "Byron", date(1950, 1, 16)), 3));
    assert!(held(&record, "a").is_unmatched());
    record.apply(&dose(Action::Update, "a", patient("Ada", "Byron", date(1950, 1, 15)), 4));
    assert_eq!((doses(&record), held(&record, "a").matching.name()), (1, "agreed"));
}

#[test]
fn without_a_number_a_record_counts_for_nobody_until_it_is_attached() {
    let mut stray = Record::new(Person::new(PersonId(Uuid::from_u128(8)), None));
    let mut other = record();
    let nameless = Patient { nhs_number: None, ..patient("Ada", "Byron", date(1950, 1, 15)) };
    stray.apply(&dose(Action::New, "a", nameless, 1));
    assert_eq!((doses(&stray), held(&stray, "a").matching.differences.len()), (0, 1));
    let id = ImmunisationId::of("s", "a");
    assert!(stray.attach(&mut other, id, decision(Ruling::Attached, Some(stray.person.id))));
    assert_eq!((doses(&stray), doses(&other)), (0, 1));
    let (here, there) = (held(&stray, "a"), held(&other, "a"));
    assert!(here.deleted && !there.deleted && there.version > here.version && there.person == other.person.id);
    assert_eq!(there.shown_version(), 1, "suppliers see no difference");
    let version = there.version;
    assert!(other.attach(&mut stray, id, None));
    assert_eq!((doses(&stray), doses(&other)), (0, 0));
    let back = held(&stray, "a");
    assert!(back.is_unmatched() && back.version > version && back.shown_version() == 1);
    assert!(!other.attach(&mut stray, id, None), "what is not live here is not moved");
}

#[test]
fn demographics_that_come_later_settle_it_and_another_number_does_not() {
    let mut record = record();
    record.apply(&dose(Action::New, "a", patient("Ada", "Byron", date(1950, 1, 15)), 1));
    assert_eq!(doses(&record), 1, "there is nothing to disagree with");
    record.apply(&named(2, "Mia", "Tell", date(1971, 1, 1)));
    assert!(held(&record, "a").is_unmatched() && doses(&record) == 0);
    assert_eq!(held(&record, "a").shown_version(), 1);
    record.apply(&named(3, "Ada", "Byron", date(1950, 1, 15)));
    assert_eq!((doses(&record), held(&record, "a").matching.name()), (1, "agreed"));
    let stated = Patient { nhs_number: "9434765919".parse().ok(), ..patient("Ada", "Byron", date(1950, 1, 15)) };
    record.apply(&dose(Action::New, "b", stated, 2));
    assert_eq!(held(&record, "b").matching.differences, BTreeSet::from([Difference::Number]));
}

#[test]
fn a_row_that_leaves_out_who_somebody_is_lets_nobody_in() {
    let mut record = record();
    record.apply(&named(1, "Ada", "Byron", date(1950, 1, 15)));
    record.apply(&dose(Action::New, "a", patient("Mia", "Tell", date(1971, 1, 1)), 1));
    let blank = Demographics { serial: 2, ..Demographics::default() };
    record.apply(&Change::Demographics(Box::new((blank, States::default()))));
    assert!(held(&record, "a").is_unmatched() && doses(&record) == 0);
}

#[test]
fn an_appointment_agrees_by_its_date_of_birth() {
    let mut record = record();
    record.apply(&named(1, "Ada", "Byron", date(1950, 1, 15)));
    let booked = |record: &Record| record.person.programme("FLU".parse().unwrap()).booked.is_some();
    record.apply(&appointment(Some(date(1951, 1, 15)), "20251001T090000"));
    assert!(!booked(&record));
    assert!(record.decide_booking("R1", decision(Ruling::Confirmed, None)) && booked(&record));
    record.apply(&appointment(Some(date(1951, 1, 15)), "20251001T100000"));
    assert!(booked(&record), "changed for the same patient");
    record.apply(&appointment(Some(date(1952, 1, 15)), "20251001T110000"));
    assert!(!booked(&record));
    record.apply(&appointment(None, "20251001T120000"));
    assert!(booked(&record), "nothing is said that could differ");
    assert!(!record.decide_booking("R2", None));
}

fn any_identity() -> impl Strategy<Value = Identity> {
    let given = prop::sample::select(vec!["Ada", "Ada Mary", "Mary", "Mia", "A", "Zoë", ""]);
    let family = prop::sample::select(vec!["Byron", "BYRON", "King", "O'Neil", "ONeil", ""]);
    let born = prop::option::of((1950i16..1952, 1i8..4, 1i8..4));
    (given, family, born).prop_map(|(given, family, born)| identity(given, family, born.unwrap_or_default()))
}

/// A name written in another way.
fn otherwise(name: &str, way: u8) -> String {
    match way {
        0 => name.to_uppercase(),
        1 => name.to_lowercase(),
        2 => name.chars().flat_map(|letter| [letter, '\u{301}']).collect(),
        _ => format!(" {name}."),
    }
}

proptest! {
    #[test]
    fn who_agrees_with_whom_goes_both_ways_and_does_not_hang_on_spelling(
        one in any_identity(), other in any_identity(), way in 0u8..4,
    ) {
        let differences = compare(&one, &other);
        prop_assert_eq!(&compare(&other, &one), &differences);
        prop_assert!(compare(&one, &one).is_empty());
        let (given_name, family_name) = (otherwise(&other.given_name, way), otherwise(&other.family_name, way));
        let written = Identity { given_name, family_name, ..other.clone() };
        prop_assert_eq!(compare(&one, &written), differences.clone());
        // A birth date that is neither equal nor turned round is never one person's.
        if let (Some(born), Some(known)) = (one.date_of_birth, other.date_of_birth) {
            let turned = born.year() == known.year() && (born.month(), born.day()) == (known.day(), known.month());
            prop_assert!(born == known || turned || !differences.is_empty());
        }
    }

    /// Demographics and records of one number in any order, with repeats: what counts in the end is the same, every
    /// identity that the number ever had counting; no version falls, and each that was written is another.
    #[test]
    fn what_counts_does_not_depend_on_arrival(
        rows in prop::collection::vec(any_identity(), 1..5),
        patients in prop::collection::vec(any_identity(), 1..5),
        swaps in prop::collection::vec((0usize..10, 0usize..10), 0..10),
    ) {
        let mut changes: Vec<Change> = (1u64..).zip(&rows).map(|(serial, row)| {
            let Identity { given_name, family_name, date_of_birth } = row.clone();
            let row = Demographics { serial, given_name, family_name, date_of_birth, ..Demographics::default() };
            Change::Demographics(Box::new((row, States::default())))
        }).collect();
        changes.extend((1u64..).zip(&patients).map(|(row, stated)| {
            let Identity { given_name, family_name, date_of_birth } = stated.clone();
            let patient = Patient { nhs_number: NUMBER.parse().ok(), given_name, family_name, date_of_birth, ..Patient::default() };
            dose(Action::New, &format!("r{row}"), patient, row)
        }));
        let counted = |record: &Record| -> Vec<(ImmunisationId, bool)> {
            record.immunisations.values().map(|held| (held.id, held.counts())).collect()
        };
        let mut straight = record();
        changes.iter().for_each(|change| { straight.apply(change); });
        let length = changes.len();
        for (one, other) in swaps {
            changes.swap(one % length, other % length);
        }
        let mut mixed = record();
        // Rows of a file that come before an earlier one of it are known to be later: apply doses in their own order.
        for change in changes.iter().chain(&changes) {
            let before = mixed.clone();
            mixed.apply(change);
            for (id, held) in &mixed.immunisations {
                let old = before.immunisations.get(id);
                prop_assert!(old == Some(held) || held.version == old.map_or(0, |old| old.version) + 1);
                prop_assert_eq!(held.shown_version(), 1);
            }
        }
        prop_assert_eq!(counted(&mixed), counted(&straight));
        prop_assert_eq!(&mixed.person, &straight.person);
        for (held, stated) in mixed.immunisations.values().filter_map(|held| {
            let place: usize = held.body.trim_start_matches('r').parse().ok()?;
            Some((held, patients.get(place - 1)?))
        }) {
            let most = rows.iter().map(Identity::fields).max().unwrap_or_default();
            let mut asked = rows.iter().filter(|known| known.fields() == most);
            prop_assert_eq!(held.counts(), asked.any(|known| compare(known, stated).is_empty()));
        }
    }
}
