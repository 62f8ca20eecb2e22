//! A person's record: the summary item and the events it is recomputed from, and how changes are applied to them.
//!
//! Changes from files carry their place in the source. The same changes, in any order of files and with any repeats,
//! give the same record, because each kind of change is ordered by what its source says, not by when it arrives.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::person::{Demographics, Gender, Membership, States};
use crate::{ImmunisationId, Person, PersonId, VaccineType};

/// Where a change came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Supplier or system.
    pub supplier: String,
    /// File key; empty for the API.
    pub file: String,
    /// Time in the file's name, `YYYYMMDDThhmmss`; empty for the API.
    pub order: String,
    /// Row in the file, from 1; 0 for the API.
    pub row: u64,
}

impl Source {
    /// A text that sorts as the source orders its changes.
    #[must_use]
    pub fn sort_key(&self) -> String {
        format!("{}#{:09}", self.order, self.row)
    }
}

/// An immunisation as the person's timeline holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Immunisation {
    /// Id, derived from the supplier's identifier.
    pub id: ImmunisationId,
    /// Person.
    pub person: PersonId,
    /// Vaccine type.
    pub vaccine: VaccineType,
    /// The day it was given, in London.
    pub occurred_on: Date,
    /// The FHIR resource as stored.
    pub body: String,
    /// Version, from 1; it never falls.
    pub version: u32,
    /// Deleted by its supplier; an update or a new create reinstates it.
    pub deleted: bool,
    /// Where the latest accepted change came from.
    pub source: Source,
    /// Rows of that file that were accepted, so that a chunk applied twice answers as it did at first.
    #[serde(default)]
    pub accepted_rows: Vec<u64>,
    /// Whom the record describes.
    #[serde(default)]
    pub patient: Patient,
}

/// Whom an immunisation record describes: all that is known of someone until the demographics feed names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Patient {
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// Date of birth.
    pub date_of_birth: Option<Date>,
    /// Sex.
    pub gender: Gender,
    /// Postcode.
    pub postcode: String,
}

/// Status of an appointment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AppointmentStatus {
    /// Stands.
    Booked,
    /// Cancelled.
    Cancelled,
    /// The person came.
    Attended,
    /// Did not attend.
    Dna,
}

/// An appointment as the person's timeline holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// Booking reference.
    pub reference: String,
    /// Person.
    pub person: PersonId,
    /// Programme.
    pub programme: VaccineType,
    /// The day of the appointment.
    pub appointment_on: Date,
    /// Status.
    pub status: AppointmentStatus,
    /// Organisation that holds it (ODS code).
    pub provider: String,
    /// Created or cancelled, whichever is later, `YYYYMMDDThhmmss`; the latest wins.
    pub changed: String,
    /// Where it came from.
    pub source: Source,
}

/// What is to be done with an immunisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Create; refused where a live record holds the identifier.
    New,
    /// Change, reinstating where deleted; refused where there is none.
    Update,
    /// Delete; refused where there is none.
    Delete,
}

/// A change to a person's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An immunisation was recorded, changed or deleted.
    Immunisation {
        /// What to do.
        action: Action,
        /// Which record.
        id: ImmunisationId,
        /// Vaccine, day and resource; not needed for a deletion.
        content: Option<ImmunisationContent>,
        /// Where it came from.
        source: Source,
    },
    /// An appointment was made or changed. `person` is filled in when it is applied.
    Booking(Booking),
    /// Demographics and states as one row of the national file gives them.
    Demographics(Box<(Demographics, States)>),
    /// A cohort was joined or left, or a wish expressed or withdrawn.
    Membership {
        /// Cohort label.
        label: String,
        /// What it now is.
        membership: Membership,
    },
}

/// What a create or update says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImmunisationContent {
    /// Vaccine type.
    pub vaccine: VaccineType,
    /// The day it was given.
    pub occurred_on: Date,
    /// The FHIR resource.
    pub body: String,
    /// Whom it describes.
    pub patient: Patient,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It changed the record.
    Applied,
    /// It was accepted and changed nothing: seen before, or older than what is held.
    AlreadyKnown,
    /// A live record holds the identifier.
    Duplicate,
    /// There is no such record.
    NotFound,
}

/// A person with the events of their timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The summary item.
    pub person: Person,
    /// Immunisations by id.
    pub immunisations: BTreeMap<ImmunisationId, Immunisation>,
    /// Appointments by reference.
    pub bookings: BTreeMap<String, Booking>,
}

impl Record {
    /// A record with nothing in it.
    #[must_use]
    pub fn new(person: Person) -> Self {
        Self { person, immunisations: BTreeMap::new(), bookings: BTreeMap::new() }
    }

    /// Applies one change; the summary is recomputed where events changed.
    pub fn apply(&mut self, change: &Change) -> Outcome {
        match change {
            Change::Immunisation { action, id, content, source } => {
                let outcome = self.apply_immunisation(*action, *id, content.as_ref(), source);
                if outcome == Outcome::Applied {
                    self.recompute();
                }
                outcome
            }
            Change::Booking(booking) => {
                let held = self.bookings.get(&booking.reference);
                let place = |booking: &Booking| (booking.changed.clone(), booking.source.sort_key());
                if held.is_some_and(|held| place(held) >= place(booking)) {
                    return Outcome::AlreadyKnown;
                }
                let booking = Booking { person: self.person.id, ..booking.clone() };
                self.bookings.insert(booking.reference.clone(), booking);
                self.recompute();
                Outcome::Applied
            }
            Change::Demographics(row) => {
                if row.0.serial <= self.person.demographics.serial {
                    return Outcome::AlreadyKnown;
                }
                self.person.demographics = row.0.clone();
                self.person.states = row.1.clone();
                Outcome::Applied
            }
            Change::Membership { label, membership } => {
                let held = self.person.cohorts.get(label);
                if held.is_some_and(|held| (held.date, &held.order) >= (membership.date, &membership.order)) {
                    return Outcome::AlreadyKnown;
                }
                self.person.cohorts.insert(label.clone(), membership.clone());
                Outcome::Applied
            }
        }
    }

    fn apply_immunisation(
        &mut self,
        action: Action,
        id: ImmunisationId,
        content: Option<&ImmunisationContent>,
        source: &Source,
    ) -> Outcome {
        let held = self.immunisations.get(&id);
        if let Some(held) = held
            && !source.file.is_empty()
        {
            if held.source.file == source.file {
                if held.accepted_rows.contains(&source.row) {
                    return Outcome::AlreadyKnown;
                }
                if source.row < held.source.row {
                    // Seen and refused before: answer the same again.
                    return if action == Action::New { Outcome::Duplicate } else { Outcome::NotFound };
                }
            } else if held.source.sort_key() > source.sort_key() {
                return Outcome::AlreadyKnown;
            }
        }
        let (version, live) = held.map_or((0, false), |held| (held.version, !held.deleted));
        match (action, version, live) {
            (Action::New, _, true) => return Outcome::Duplicate,
            (Action::Update, 0, _) | (Action::Delete, _, false) => return Outcome::NotFound,
            _ => {}
        }
        let mut accepted_rows = match held {
            Some(held) if held.source.file == source.file => held.accepted_rows.clone(),
            _ => Vec::new(),
        };
        if !source.file.is_empty() {
            accepted_rows.push(source.row);
        }
        let next = match (action, content, held) {
            (Action::Delete, _, Some(held)) => Immunisation {
                version: version + 1,
                deleted: true,
                source: source.clone(),
                accepted_rows,
                ..held.clone()
            },
            (_, Some(content), _) => Immunisation {
                id,
                person: self.person.id,
                vaccine: content.vaccine,
                occurred_on: content.occurred_on,
                body: content.body.clone(),
                version: version + 1,
                deleted: false,
                source: source.clone(),
                accepted_rows,
                patient: content.patient.clone(),
            },
            _ => return Outcome::NotFound,
        };
        self.immunisations.insert(id, next);
        Outcome::Applied
    }

    /// Recomputes the summary that rules read from the events, and, until the demographics feed names the person, who
    /// they are from the latest record.
    fn recompute(&mut self) {
        if self.person.demographics.serial == 0 {
            let live = self.immunisations.values().filter(|given| !given.deleted);
            if let Some(latest) = live.max_by_key(|given| (given.occurred_on, given.id)) {
                let patient = &latest.patient;
                let known = &mut self.person.demographics;
                known.given_name.clone_from(&patient.given_name);
                known.family_name.clone_from(&patient.family_name);
                known.date_of_birth = patient.date_of_birth;
                known.gender = patient.gender;
                known.postcode.clone_from(&patient.postcode);
            }
        }
        for summary in self.person.programmes.values_mut() {
            summary.doses.clear();
            summary.booked = None;
            summary.booking_provider.clear();
        }
        for given in self.immunisations.values().filter(|given| !given.deleted) {
            self.person.programmes.entry(given.vaccine).or_default().doses.push(given.occurred_on);
        }
        for summary in self.person.programmes.values_mut() {
            summary.doses.sort_unstable();
            summary.doses.dedup();
        }
        for booking in self.bookings.values().filter(|booking| booking.status == AppointmentStatus::Booked) {
            let summary = self.person.programmes.entry(booking.programme).or_default();
            if summary.booked.is_none_or(|day| day < booking.appointment_on) {
                summary.booked = Some(booking.appointment_on);
                summary.booking_provider.clone_from(&booking.provider);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn person() -> Person {
        Person::new(PersonId(Uuid::from_u128(7)), None)
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
        Source { supplier: "EMIS".into(), file: String::new(), order: String::new(), row: 0 }
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
}
