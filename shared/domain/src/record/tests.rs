use super::*;
use jiff::civil::date;
use proptest::prelude::*;
use uuid::Uuid;

fn person() -> Person {
    Person::new(PersonId(Uuid::from_u128(7)), "9990000018".parse().ok())
}

fn source(file: u8, row: u64) -> Source {
    Source { supplier: "EMIS".into(), file: format!("f{file}"), order: format!("2025100{file}T000000"), row }
}

fn dose(action: Action, name: &str, day: i8, from: Source) -> Change {
    Change::Immunisation {
        action,
        id: ImmunisationId::of("s", name),
        content: (action != Action::Delete).then(|| ImmunisationContent {
            vaccine: "FLU".parse().unwrap(),
            occurred_on: date(2025, 10, day),
            body: format!("{name}-{day}"),
            patient: Patient { date_of_birth: Some(date(1950, 1, day)), ..Patient::default() },
        }),
        source: from,
    }
}

fn api() -> Source {
    api_at("20251001T120000")
}

fn api_at(order: &str) -> Source {
    Source { supplier: "EMIS".into(), file: String::new(), order: order.into(), row: 0 }
}

#[test]
fn an_identifier_has_one_live_record_and_versions_never_fall() {
    let mut record = Record::new(person());
    assert_eq!(record.apply(&dose(Action::Update, "a", 1, api())), Outcome::NotFound);
    assert_eq!(record.apply(&dose(Action::New, "a", 1, api())), Outcome::Applied);
    assert_eq!(record.apply(&dose(Action::New, "a", 2, api())), Outcome::Duplicate);
    assert_eq!(record.apply(&dose(Action::Delete, "a", 1, api())), Outcome::Applied);
    assert_eq!(record.apply(&dose(Action::Delete, "a", 1, api())), Outcome::NotFound);
    assert!(record.person.programme("FLU".parse().unwrap()).doses.is_empty());
    assert_eq!(record.apply(&dose(Action::New, "a", 3, api())), Outcome::Applied);
    assert_eq!(record.immunisations[&ImmunisationId::of("s", "a")].version, 3);
    assert_eq!(record.person.programme("FLU".parse().unwrap()).doses, [date(2025, 10, 3)]);
}

#[test]
fn suppliers_see_versions_without_the_deletions() {
    let (mut record, id) = (Record::new(person()), ImmunisationId::of("s", "a"));
    for (action, version, shown) in [
        (Action::New, 1, 1),
        (Action::Update, 2, 2),
        (Action::Delete, 3, 2),
        (Action::Update, 4, 3),
        (Action::Delete, 5, 3),
        (Action::New, 6, 4),
    ] {
        assert_eq!(record.apply(&dose(action, "a", 1, api())), Outcome::Applied);
        let held = &record.immunisations[&id];
        assert_eq!((held.version, held.shown_version()), (version, shown), "{action:?}");
    }
}

#[test]
fn a_row_of_a_file_from_before_does_not_undo_what_came_through_the_api() {
    let mut record = Record::new(person());
    let row = dose(Action::New, "a", 1, source(1, 1));
    assert_eq!(record.apply(&row), Outcome::Applied);
    assert_eq!(record.apply(&dose(Action::Update, "a", 2, api_at("20251001T090000"))), Outcome::Applied);
    let before = record.clone();
    assert_eq!(record.apply(&row), Outcome::AlreadyKnown, "the chunk comes again");
    assert_eq!(record.apply(&dose(Action::Delete, "a", 1, source(1, 2))), Outcome::AlreadyKnown, "a late row");
    assert_eq!(record, before);
    assert_eq!(record.apply(&dose(Action::Update, "a", 3, source(2, 1))), Outcome::Applied, "a later file");
}

#[test]
fn a_record_handed_over_is_live_once_and_later_there() {
    let id = ImmunisationId::of("s", "a");
    let flu = "FLU".parse().unwrap();
    let content = |day| match dose(Action::Update, "a", day, api()) {
        Change::Immunisation { content: Some(content), .. } => content,
        _ => unreachable!(),
    };
    let other = Person::new(PersonId(Uuid::from_u128(8)), "9990000026".parse().ok());
    let (mut one, mut other) = (Record::new(person()), Record::new(other));
    assert!(!one.hand_over(&mut other, id, &content(1), &api()));
    one.apply(&dose(Action::New, "a", 1, api()));
    assert!(one.hand_over(&mut other, id, &content(2), &api()));
    assert!(one.immunisations[&id].deleted && one.person.programme(flu).doses.is_empty());
    assert_eq!(other.person.programme(flu).doses, [date(2025, 10, 2)]);
    assert_eq!((other.immunisations[&id].person, other.immunisations[&id].shown_version()), (other.person.id, 2));
    assert!(other.hand_over(&mut one, id, &content(3), &api()));
    let (here, there) = (&one.immunisations[&id], &other.immunisations[&id]);
    assert!(!here.deleted && there.deleted && here.version > there.version);
    assert_eq!(here.shown_version(), 3);
}

#[test]
fn a_record_tells_who_someone_is_until_the_demographics_feed_does() {
    let mut record = Record::new(person());
    record.apply(&dose(Action::New, "b", 2, api()));
    record.apply(&dose(Action::New, "a", 1, api()));
    assert_eq!(record.person.demographics.date_of_birth, Some(date(1950, 1, 2)));
    let named = Demographics { serial: 1, date_of_birth: Some(date(1951, 5, 5)), ..Demographics::default() };
    record.apply(&Change::Demographics(Box::new((named, States::default()))));
    record.apply(&dose(Action::New, "c", 3, api()));
    assert_eq!(record.person.demographics.date_of_birth, Some(date(1951, 5, 5)));
}

/// Sets one of a person's states.
type Set = fn(&mut States);

#[test]
fn each_of_the_five_states_is_set_and_lifted_in_any_order_of_arrival() {
    let set: [(&str, Set); 5] = [
        ("dead", |states| states.dead = Some(crate::person::Death { date: None, formal: false })),
        ("removed", |states| states.removed = Some("EMB".into())),
        ("superseded", |states| states.superseded_by = Some("9990000018".parse().unwrap())),
        ("invalidated", |states| states.invalidated = true),
        ("restricted", |states| states.restricted = true),
    ];
    let row = |serial, states| Change::Demographics(Box::new((Demographics { serial, ..Default::default() }, states)));
    for (name, set) in set {
        let mut states = States::default();
        set(&mut states);
        let (first, lifted, again) = (row(1, states.clone()), row(2, States::default()), row(3, states.clone()));
        let mut record = Record::new(person());
        record.apply(&first);
        assert_eq!(record.person.states, states, "{name}");
        record.apply(&lifted);
        assert_eq!(record.person.states, States::default(), "{name} is lifted");
        record.apply(&again);
        assert_eq!(record.person.states, states, "{name} again");
        let mut late = Record::new(person());
        assert_eq!(late.apply(&lifted), Outcome::Applied, "{name}");
        assert_eq!(late.apply(&first), Outcome::AlreadyKnown, "{name}: an older row does not bring it back");
        assert_eq!(late.person.states, States::default(), "{name}");
    }
}

#[test]
fn a_full_list_ends_what_its_source_said_before_whichever_comes_first() {
    let said = |source: &str, day: i8, member| Change::Membership {
        label: "at_risk".into(),
        membership: Membership { member, date: date(2025, 9, day), order: "f#1".into(), source: source.into() },
    };
    let list = |day: i8| {
        let (label, source) = ("at_risk".to_owned(), "gp".to_owned());
        Change::NotListed(FullList { label, source, date: date(2025, 9, day), order: "f#0".into() })
    };
    let is_member = |changes: &[&Change]| {
        let mut record = Record::new(person());
        for change in changes {
            record.apply(change);
        }
        record.person.in_cohort("at_risk")
    };
    // What is said last, then whether the full list of the 20th, on which the person is not, ends it.
    for (last, member) in [
        (said("gp", 19, true), false),
        (said("gp", 20, true), true), // a row of that list, or of the same day after it
        (said("gp", 21, true), true),
        (said("hospital", 19, true), true),
        (said("hospital", 19, false), false),
    ] {
        let first = said("gp", 3, true);
        assert_eq!(is_member(&[&first, &last, &list(20)]), member, "{last:?}");
        // The list speaks again whenever something comes that is older than it.
        assert_eq!(is_member(&[&list(20), &first, &list(20), &last, &list(20)]), member, "{last:?}");
        assert_eq!(is_member(&[&last, &list(20), &first, &list(20), &list(9)]), member, "{last:?}");
    }
}

#[test]
fn two_records_of_one_day_are_one_dose() {
    let mut record = Record::new(person());
    record.apply(&dose(Action::New, "a", 1, api()));
    record.apply(&dose(Action::New, "b", 1, api()));
    assert_eq!(record.person.programme("FLU".parse().unwrap()).doses.len(), 1);
}

#[test]
fn the_latest_change_of_a_booking_wins_whatever_the_order() {
    let booking = |status, changed: &str| {
        Change::Booking(Booking {
            reference: "R1".into(),
            person: PersonId(Uuid::nil()),
            programme: "FLU".parse().unwrap(),
            appointment_on: date(2025, 11, 1),
            status,
            provider: "RX1".into(),
            changed: changed.into(),
            source: source(1, 1),
            patient: Patient::default(),
            matching: Matching::default(),
        })
    };
    let made = booking(AppointmentStatus::Booked, "20251001T090000");
    let cancelled = booking(AppointmentStatus::Cancelled, "20251002T090000");
    for order in [[&made, &cancelled], [&cancelled, &made]] {
        let mut record = Record::new(person());
        for change in order {
            record.apply(change);
        }
        assert_eq!(record.person.programme("FLU".parse().unwrap()).booked, None);
    }
}

proptest! {
    /// Whatever is asked for in whatever order, through the API and in files, what is accepted adds one version to the
    /// record, so that the store, which keeps the one before each, keeps all; what is not accepted changes nothing.
    #[test]
    fn versions_rise_one_by_one_and_none_is_lost(
        steps in prop::collection::vec((0u8..3, 0u8..2, 1i8..28, prop::option::of(1u8..9)), 1..60),
    ) {
        let mut record = Record::new(person());
        let mut kept: BTreeMap<ImmunisationId, Vec<Immunisation>> = BTreeMap::new();
        for (row, (action, name, day, file)) in (1u64..).zip(steps) {
            let action = [Action::New, Action::Update, Action::Delete][usize::from(action)];
            let from = file.map_or_else(|| api_at("20251004T120000"), |file| source(file, row));
            let before = record.clone();
            let outcome = record.apply(&dose(action, ["a", "b"][usize::from(name)], day, from));
            if outcome != Outcome::Applied {
                prop_assert_eq!(&record, &before);
                continue;
            }
            for (id, held) in &record.immunisations {
                let old = before.immunisations.get(id);
                if old != Some(held) {
                    let shown = old.map_or(0, Immunisation::shown_version);
                    prop_assert_eq!(held.version, old.map_or(0, |old| old.version) + 1);
                    prop_assert_eq!(held.shown_version(), if held.deleted { shown } else { shown + 1 });
                    prop_assert_eq!(action == Action::Delete, held.deleted);
                    kept.entry(*id).or_default().push(held.clone());
                }
            }
        }
        for (id, versions) in &kept {
            prop_assert!(versions.iter().map(|held| held.version).eq(1..=u32::try_from(versions.len()).unwrap()));
            prop_assert_eq!(versions.last(), record.immunisations.get(id));
        }
    }

    /// A chunk of a file applied again (a redelivered message) changes nothing and answers the same.
    #[test]
    fn a_file_applied_twice_answers_the_same(rows in prop::collection::vec((0u8..3, 0u8..3, 1i8..28), 1..20)) {
        let changes: Vec<Change> = rows
            .iter()
            .zip(1u64..)
            .map(|(&(action, name, day), row)| {
                let action = [Action::New, Action::Update, Action::Delete][usize::from(action)];
                dose(action, ["a", "b", "c"][usize::from(name)], day, source(1, row))
            })
            .collect();
        let accepted = |outcome: &Outcome| matches!(outcome, Outcome::Applied | Outcome::AlreadyKnown);
        let mut record = Record::new(person());
        let first: Vec<Outcome> = changes.iter().map(|change| record.apply(change)).collect();
        let after_first = record.clone();
        let second: Vec<Outcome> = changes.iter().map(|change| record.apply(change)).collect();
        prop_assert_eq!(&record, &after_first);
        for (one, two) in first.iter().zip(&second) {
            prop_assert_eq!(accepted(one), accepted(two));
            if !accepted(one) {
                prop_assert_eq!(one, two);
            }
        }
    }

    /// Whole files that arrive in the wrong order leave demographics and cohorts as the right order does.
    #[test]
    fn demographics_and_cohorts_do_not_depend_on_arrival(
        serials in prop::collection::vec(1u64..50, 1..12),
        days in prop::collection::vec((1i8..28, any::<bool>()), 1..12),
        swaps in prop::collection::vec((0usize..24, 0usize..24), 0..24),
    ) {
        let mut changes: Vec<Change> = serials.iter().map(|serial| {
            let demographics = Demographics { serial: *serial, family_name: format!("n{serial}"), ..Demographics::default() };
            let states = States { restricted: serial % 2 == 0, ..States::default() };
            Change::Demographics(Box::new((demographics, states)))
        }).collect();
        changes.extend(days.iter().zip(1u64..).map(|(&(day, member), row)| Change::Membership {
            label: "at_risk".into(),
            membership: Membership { member, date: date(2025, 9, day), order: source(1, row).sort_key(), source: "list".into() },
        }));
        let mut straight = Record::new(person());
        changes.iter().for_each(|change| { straight.apply(change); });
        let length = changes.len();
        for (one, two) in swaps {
            changes.swap(one % length, two % length);
        }
        let mut mixed = Record::new(person());
        changes.iter().chain(&changes).for_each(|change| { mixed.apply(change); });
        prop_assert_eq!(mixed, straight);
    }
}
