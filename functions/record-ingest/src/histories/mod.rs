//! Random histories of all feeds and of the API, delivered in random arrangements to the real code on a database that fails,
//! end as a reference model says that reads them in the order of their sources.

mod delivery;
mod model;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Days that are said, in September and October 2025.
type Day = i8;

/// What is done with a vaccination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    New,
    Update,
    Delete,
}

/// A row of a vaccination file; through the API the same as a call.
#[derive(Debug, Clone, Copy)]
struct Dose {
    deed: Deed,
    /// Which immunisation.
    id: usize,
    person: usize,
    day: Day,
    /// Through the API an update names the version held; else a later one, which is refused.
    fresh: bool,
}

/// A row of demographics, or an event.
#[derive(Debug, Clone, Copy)]
struct Standing {
    person: usize,
    serial: u64,
    dead: bool,
    removed: bool,
    restricted: bool,
    invalid: bool,
    mobile: usize,
    ethnic: usize,
    superseded_by: Option<usize>,
}

/// A row of a cohort file.
#[derive(Debug, Clone, Copy)]
struct Stay {
    person: usize,
    label: usize,
    source: usize,
    day: Day,
    joins: bool,
}

/// A row of a bookings file, or an event.
#[derive(Debug, Clone, Copy)]
struct Slot {
    person: usize,
    reference: usize,
    status: usize,
    day: Day,
    /// Hour at which it was made or changed.
    changed: u8,
}

/// A row of a details file.
#[derive(Debug, Clone, Copy)]
struct Word {
    person: usize,
    /// Of the mobile number; else of the ethnic category.
    mobile: bool,
    origin: usize,
    value: usize,
    /// Hour at which it was said.
    changed: u8,
}

/// What is sent at once.
#[derive(Debug, Clone)]
enum Sent {
    Doses(Vec<Dose>),
    Call(Dose),
    Standings(Vec<Standing>),
    Event(Standing),
    Stays(Vec<Stay>),
    FullList { label: usize, source: usize, day: Day, members: Vec<usize> },
    Slots(Vec<Slot>),
    Booking(Slot),
    Words(Vec<Word>),
}

const PEOPLE: usize = 5;
const NUMBERS: [&str; PEOPLE] = ["9990000018", "9990000026", "9990000034", "9990000042", "9990000050"];
const IDS: usize = 4;
const LABELS: [&str; 2] = ["at_risk", "contact_no_text"];
const SOURCES: [&str; 2] = ["gp", "hospital"];
const ORIGINS: [&str; 3] = ["PERSON", "VACCINATION", "COHORT"];
const MOBILES: [&str; 3] = ["", "07700900001", "07700900002"];
const ETHNIC: [&str; 4] = ["", "A", "H", "Z"];
const STATUSES: [&str; 4] = ["BOOKED", "CANCELLED", "ATTENDED", "DNA"];

fn dose() -> impl Strategy<Value = Dose> {
    let deed = prop_oneof![3 => Just(Deed::New), 3 => Just(Deed::Update), 2 => Just(Deed::Delete)];
    (deed, 0..IDS, 0..PEOPLE, 1i8..29, prop::bool::weighted(0.8)).prop_map(|(deed, id, person, day, fresh)| Dose {
        deed,
        id,
        person,
        day,
        fresh,
    })
}

fn standing() -> impl Strategy<Value = Standing> {
    let flag = || prop::bool::weighted(0.25);
    let held = (0..MOBILES.len(), 0..ETHNIC.len());
    (0..PEOPLE, 1u64..6, flag(), flag(), flag(), flag(), held, prop::option::weighted(0.4, 0..PEOPLE)).prop_map(
        |(person, serial, dead, removed, restricted, invalid, (mobile, ethnic), by)| Standing {
            person,
            serial,
            dead,
            removed,
            restricted,
            invalid,
            mobile,
            ethnic,
            superseded_by: by.filter(|by| *by != person),
        },
    )
}

fn stay() -> impl Strategy<Value = Stay> {
    (0..PEOPLE, 0..LABELS.len(), 0..SOURCES.len(), 1i8..10, prop::bool::weighted(0.7))
        .prop_map(|(person, label, source, day, joins)| Stay { person, label, source, day, joins })
}

fn slot() -> impl Strategy<Value = Slot> {
    (0..PEOPLE, 0..3usize, 0..STATUSES.len(), 1i8..28, 0u8..6)
        .prop_map(|(person, reference, status, day, changed)| Slot { person, reference, status, day, changed })
}

fn word() -> impl Strategy<Value = Word> {
    (0..PEOPLE, any::<bool>(), 0..ORIGINS.len(), 0..MOBILES.len(), 0u8..5)
        .prop_map(|(person, mobile, origin, value, changed)| Word { person, mobile, origin, value, changed })
}

fn sent() -> impl Strategy<Value = Sent> {
    let members = || prop::collection::vec(0..PEOPLE, 0..5);
    prop_oneof![
        4 => prop::collection::vec(dose(), 1..9).prop_map(Sent::Doses),
        2 => dose().prop_map(Sent::Call),
        3 => prop::collection::vec(standing(), 1..6).prop_map(Sent::Standings),
        2 => standing().prop_map(Sent::Event),
        3 => prop::collection::vec(stay(), 1..6).prop_map(Sent::Stays),
        3 => (0..LABELS.len(), 0..SOURCES.len(), 1i8..10, members())
            .prop_map(|(label, source, day, members)| Sent::FullList { label, source, day, members }),
        2 => prop::collection::vec(slot(), 1..5).prop_map(Sent::Slots),
        1 => slot().prop_map(Sent::Booking),
        2 => prop::collection::vec(word(), 1..5).prop_map(Sent::Words),
    ]
}

/// A history, each row of demographics with a serial number of its own.
fn history() -> impl Strategy<Value = Vec<Sent>> {
    prop::collection::vec(sent(), 1..16).prop_map(|mut history| {
        let mut place = 0;
        let mut number = |row: &mut Standing| {
            place += 1;
            row.serial = row.serial * 1_000 + place;
        };
        for sent in &mut history {
            match sent {
                Sent::Standings(rows) => rows.iter_mut().for_each(&mut number),
                Sent::Event(row) => number(row),
                _ => {}
            }
        }
        history
    })
}

/// Cases, by `IMS_HISTORIES`.
fn cases() -> u32 {
    std::env::var("IMS_HISTORIES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}

#[test]
fn any_history_in_any_arrangement_ends_as_the_model_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: cases(), max_shrink_iters: 400, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let arranged = (history(), any::<u64>());
    let done = runner.run(&arranged, |(history, seed)| {
        let (expected, found) = runtime.block_on(async {
            let expected = model::end_of(&history);
            (expected, delivery::end_of(&history, seed).await)
        });
        prop_assert_eq!(found.map_err(TestCaseError::fail)?, expected);
        Ok(())
    });
    if let Err(failed) = done {
        panic!("{failed}");
    }
}

#[test]
fn the_model_reads_a_small_history_as_a_person_would() {
    let dose = |deed, person| Dose { deed, id: 0, person, day: 3, fresh: true };
    let stay = |joins, day| Stay { person: 0, label: 0, source: 0, day, joins };
    let dead = Standing {
        person: 0,
        serial: 2,
        dead: true,
        removed: false,
        restricted: false,
        invalid: false,
        mobile: 1,
        ethnic: 3,
        superseded_by: Some(1),
    };
    let word = |mobile, origin, value| Word { person: 0, mobile, origin, value, changed: 1 };
    let history = [
        Sent::Doses(vec![dose(Deed::Update, 0), dose(Deed::New, 0), dose(Deed::New, 0)]),
        Sent::Stays(vec![stay(true, 4)]),
        Sent::Call(Dose { fresh: false, ..dose(Deed::Update, 0) }),
        Sent::Event(dead),
        Sent::Words(vec![word(true, 1, 2), word(false, 2, 2)]),
        Sent::FullList { label: 0, source: 0, day: 5, members: vec![2] },
    ];
    let mut end = model::end_of(&history);
    assert_eq!(end.doses[&0], model::Held { holder: 0, version: 1, shown: 1, live: true });
    let survivor = &end.people[&1];
    assert!(survivor.dead && !survivor.superseded && survivor.dose_days.contains("2025-10-03"));
    assert!(survivor.labels.is_empty(), "who is not on the list has left");
    assert!(end.people[&2].labels.contains("at_risk"));
    let old = &end.people[&0];
    assert_eq!(
        (old.mobile.as_str(), old.ethnic.as_str()),
        (MOBILES[1], "H"),
        "demographics first, but they do not state it"
    );
    // Without the list the survivor has the label that the old number brought.
    end = model::end_of(&history[..5]);
    assert!(end.people[&1].labels.contains("at_risk"));
}
