//! The reference: what a history ends in, read slowly and all at once, with nothing of the code that it judges.

use std::collections::{BTreeMap, BTreeSet};

use super::{Deed, Dose, ETHNIC, LABELS, MOBILES, NUMBERS, ORIGINS, PEOPLE, SOURCES, STATUSES, Sent, Slot, Standing};

/// An immunisation at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) holder: usize,
    pub(super) version: u32,
    pub(super) shown: u32,
    pub(super) live: bool,
}

/// Somebody at the end, with what their superseded numbers bring.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Someone {
    pub(super) serial: u64,
    pub(super) dead: bool,
    pub(super) restricted: bool,
    pub(super) removed: bool,
    pub(super) invalid: bool,
    pub(super) superseded: bool,
    pub(super) labels: BTreeSet<String>,
    pub(super) dose_days: BTreeSet<String>,
    pub(super) booked: Option<String>,
    pub(super) appointment: Option<String>,
    pub(super) mobile: String,
    pub(super) ethnic: String,
}

/// All that is compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct End {
    pub(super) doses: BTreeMap<usize, Held>,
    pub(super) people: BTreeMap<usize, Someone>,
}

/// A full list as said: label, source, (day, file), members.
type List<'h> = (usize, usize, (i8, usize), &'h [usize]);

pub(super) fn end_of(history: &[Sent]) -> End {
    let (doses, days) = doses(history);
    let standings = standings(history);
    let labels = labels(history);
    let slots = slots(history);
    // Whose number was superseded by whose.
    let by: BTreeMap<usize, usize> =
        standings.iter().filter_map(|(person, standing)| Some((*person, standing.superseded_by?))).collect();
    let mut people = BTreeMap::new();
    for person in 0..PEOPLE {
        // Everybody who comes to this person, the person first.
        let all: Vec<usize> = (0..PEOPLE).filter(|other| comes_to(&by, *other, person)).collect();
        let any = |is: fn(&Standing) -> bool| all.iter().any(|one| standings.get(one).is_some_and(is));
        let own = |is: fn(&Standing) -> bool| standings.get(&person).is_some_and(is);
        let booked = all.iter().filter_map(|one| slots[one].0.clone()).max();
        let someone = Someone {
            serial: standings.get(&person).map_or(0, |standing| standing.serial),
            dead: any(|standing| standing.dead),
            restricted: any(|standing| standing.restricted),
            removed: own(|standing| standing.removed),
            invalid: own(|standing| standing.invalid),
            superseded: by.contains_key(&person),
            labels: all.iter().flat_map(|one| labels[one].clone()).collect(),
            dose_days: all.iter().flat_map(|one| days[one].clone()).collect(),
            booked,
            appointment: all.iter().filter_map(|one| slots[one].1.clone()).max(),
            mobile: if own(|standing| standing.restricted) {
                String::new()
            } else {
                said(history, &standings, person, true)
            },
            ethnic: said(history, &standings, person, false),
        };
        people.insert(person, someone);
    }
    End { doses, people }
}

/// Whether what is recorded of one person counts for another: following who superseded whom leads there. In a circle the
/// one with the lowest number stands for all, and the way ends there.
fn comes_to(by: &BTreeMap<usize, usize>, one: usize, other: usize) -> bool {
    let mut at = one;
    for _ in 0..=PEOPLE {
        if at == other {
            return true;
        }
        if stands_for_a_circle(by, at) {
            return false;
        }
        match by.get(&at) {
            Some(next) => at = *next,
            None => return false,
        }
    }
    false
}

fn stands_for_a_circle(by: &BTreeMap<usize, usize>, person: usize) -> bool {
    let mut circle = BTreeSet::from([person]);
    let mut at = person;
    while let Some(next) = by.get(&at) {
        if *next == person {
            return circle.iter().min_by_key(|one| NUMBERS[**one]) == Some(&person);
        }
        if !circle.insert(*next) {
            return false;
        }
        at = *next;
    }
    false
}

/// Vaccinations in the order in which they were sent, row by row.
fn doses(history: &[Sent]) -> (BTreeMap<usize, Held>, BTreeMap<usize, BTreeSet<String>>) {
    let (mut held, mut given): (BTreeMap<usize, Held>, BTreeMap<usize, (i8, usize)>) = Default::default();
    for sent in history {
        match sent {
            Sent::Doses(rows) => rows.iter().for_each(|row| by_file(&mut held, &mut given, row)),
            Sent::Call(call) => by_call(&mut held, &mut given, call),
            _ => {}
        }
    }
    let mut days: BTreeMap<usize, BTreeSet<String>> = (0..PEOPLE).map(|person| (person, BTreeSet::new())).collect();
    // A record that names somebody else than its holder waits for somebody to match it, and counts for nobody.
    for (id, one) in held.iter().filter(|(id, one)| one.live && given[*id].1 == one.holder) {
        days.entry(one.holder).or_default().insert(format!("2025-10-{:02}", given[id].0));
    }
    (held, days)
}

/// A row goes to whoever holds the record.
fn by_file(held: &mut BTreeMap<usize, Held>, given: &mut BTreeMap<usize, (i8, usize)>, row: &Dose) {
    let before = held.get(&row.id).cloned();
    let live = before.as_ref().is_some_and(|one| one.live);
    let after = match (row.deed, before) {
        (Deed::New, _) if live => return,
        (Deed::New, None) => Held { holder: row.person, version: 1, shown: 1, live: true },
        (Deed::New | Deed::Update, Some(one)) => {
            Held { version: one.version + 1, shown: one.shown + 1, live: true, ..one }
        }
        (Deed::Delete, Some(one)) if live => Held { version: one.version + 1, live: false, ..one },
        (Deed::Update | Deed::Delete, _) => return,
    };
    if row.deed != Deed::Delete {
        given.insert(row.id, (row.day, row.person));
    }
    held.insert(row.id, after);
}

/// A call that carries a record takes it to the person whom it names.
fn by_call(held: &mut BTreeMap<usize, Held>, given: &mut BTreeMap<usize, (i8, usize)>, call: &Dose) {
    let Some(one) = held.get(&call.id).cloned() else {
        if call.deed == Deed::New {
            by_file(held, given, call);
        }
        return;
    };
    let refused = match call.deed {
        Deed::New => one.live,
        Deed::Update => one.live && !call.fresh,
        Deed::Delete => !one.live,
    };
    if refused {
        return;
    }
    // Handed over, it is deleted here first, if it was live.
    let moves = call.deed != Deed::Delete && one.holder != call.person;
    let one = Held { version: one.version + u32::from(moves && one.live), ..one };
    let after = match call.deed {
        Deed::Delete => Held { version: one.version + 1, live: false, ..one },
        Deed::New | Deed::Update => {
            given.insert(call.id, (call.day, call.person));
            Held { holder: call.person, version: one.version + 1, shown: one.shown + 1, live: true }
        }
    };
    held.insert(call.id, after);
}

/// The row with the highest serial number of each person.
fn standings(history: &[Sent]) -> BTreeMap<usize, Standing> {
    let rows = history.iter().flat_map(|sent| match sent {
        Sent::Standings(rows) => rows.clone(),
        Sent::Event(row) => vec![*row],
        _ => Vec::new(),
    });
    let mut last: BTreeMap<usize, Standing> = BTreeMap::new();
    for row in rows {
        if last.get(&row.person).is_none_or(|held| held.serial < row.serial) {
            last.insert(row.person, row);
        }
    }
    last
}

/// What stands of a person's mobile number or ethnic category: the person's word before that of demographics, then a
/// vaccinator's, then a list's; whoever states none is passed over.
fn said(history: &[Sent], standings: &BTreeMap<usize, Standing>, person: usize, mobile: bool) -> String {
    let values: &[&str] = if mobile { &MOBILES } else { &ETHNIC };
    let row = standings.get(&person).map(|row| values[if mobile { row.mobile } else { row.ethnic }]);
    let word = |origin: &str| {
        let mut last: Option<((u8, usize, usize), &str)> = None;
        for (file, sent) in history.iter().enumerate() {
            let Sent::Words(words) = sent else { continue };
            for (place, word) in words.iter().enumerate() {
                let is_it = (word.person, word.mobile, ORIGINS[word.origin]) == (person, mobile, origin);
                let place = (word.changed, file, place);
                if is_it && last.is_none_or(|(held, _)| held < place) {
                    last = Some((place, values[word.value]));
                }
            }
        }
        last.map(|(_, value)| value)
    };
    let in_order = [word("PERSON"), row, word("VACCINATION"), word("COHORT")];
    let stated = in_order.into_iter().flatten().find(|value| !matches!(*value, "" | "Z"));
    stated.or(row).unwrap_or_default().to_owned()
}

/// What was said last of each label, and whether a full list of the same source that came after it leaves the person out.
fn labels(history: &[Sent]) -> BTreeMap<usize, BTreeSet<String>> {
    let mut lists: Vec<List<'_>> = Vec::new();
    for (file, sent) in history.iter().enumerate() {
        if let Sent::FullList { label, source, day, members } = sent {
            lists.push((*label, *source, (*day, file), members));
        }
    }
    let mut all = BTreeMap::new();
    for person in 0..PEOPLE {
        let mut labels = BTreeSet::new();
        for (label, name) in LABELS.iter().enumerate() {
            // Each said: (day, file, row), source, member.
            let mut said: Vec<((i8, usize, usize), usize, bool)> = Vec::new();
            for (file, sent) in history.iter().enumerate() {
                if let Sent::Stays(rows) = sent {
                    let of = rows.iter().enumerate().filter(|(_, row)| (row.person, row.label) == (person, label));
                    said.extend(of.map(|(row, stay)| ((stay.day, file, row + 1), stay.source, stay.joins)));
                }
            }
            for (_, source, (day, file), members) in lists.iter().filter(|list| list.0 == label) {
                let on_it = members.iter().enumerate().filter(|(_, member)| **member == person);
                said.extend(on_it.map(|(row, _)| ((*day, *file, row + 2), *source, true)));
            }
            let Some((place, source, true)) = said.into_iter().max() else { continue };
            let left_out =
                lists.iter().any(|list| (list.0, list.1) == (label, source) && (list.2.0, list.2.1, 0) > place);
            if !left_out {
                labels.insert((*name).to_owned());
            }
        }
        all.insert(person, labels);
    }
    debug_assert!(lists.iter().all(|list| list.1 < SOURCES.len()));
    all
}

/// Where an appointment's change stands: when it was made; by event, or by which row; and, of two events of one second,
/// what ends it, and the later day.
type Changed = (u8, Option<(usize, usize)>, usize, i8);

/// The latest day that is booked, and the latest that was not cancelled, of each person.
fn slots(history: &[Sent]) -> BTreeMap<usize, (Option<String>, Option<String>)> {
    let mut last: BTreeMap<(usize, usize), (Changed, Slot)> = BTreeMap::new();
    let mut note = |row: Option<(usize, usize)>, slot: Slot| {
        let rank =
            ["BOOKED", "ATTENDED", "DNA", "CANCELLED"].iter().position(|status| *status == STATUSES[slot.status]);
        let place = (slot.changed, row, rank.unwrap_or_default(), slot.day);
        let held = last.entry((slot.person, slot.reference)).or_insert((place, slot));
        if held.0 < place {
            *held = (place, slot);
        }
    };
    for (file, sent) in history.iter().enumerate() {
        match sent {
            Sent::Slots(rows) => rows.iter().enumerate().for_each(|(row, slot)| note(Some((file, row)), *slot)),
            Sent::Booking(slot) => note(None, *slot),
            _ => {}
        }
    }
    let mut all: BTreeMap<usize, (Option<String>, Option<String>)> =
        (0..PEOPLE).map(|person| (person, (None, None))).collect();
    for (_, slot) in last.into_values().filter(|(_, slot)| STATUSES[slot.status] != "CANCELLED") {
        let day = Some(format!("2025-11-{:02}", slot.day));
        let (booked, appointment) = all.entry(slot.person).or_default();
        if STATUSES[slot.status] == "BOOKED" {
            *booked = booked.clone().max(day.clone());
        }
        *appointment = appointment.clone().max(day);
    }
    all
}
