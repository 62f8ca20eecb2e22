//! A person's record: the summary item and the events it is recomputed from, and how changes are applied to them.
//!
//! Changes from files carry their place in the source. The same changes, in any order of files and with any repeats,
//! give the same record, because each kind of change is ordered by what its source says, not by when it arrives.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::details::{self, Detail, Origin, Statement};
use crate::matching::{Decision, Difference, Matching};
use crate::person::{Demographics, FullList, Gender, Membership, ProgrammeSummary, States};
use crate::{ImmunisationId, NhsNumber, Person, PersonId, VaccineType};

/// Where a change came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Supplier or system.
    pub supplier: String,
    /// File key; empty for the API.
    pub file: String,
    /// Time in the file's name, `YYYYMMDDThhmmss`; through the API, the business time of the request, so that rows of
    /// files from before it do not undo it when they come late or again.
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
    /// How many of its versions suppliers do not see: deletions, and changes of where it stands with its holder.
    #[serde(default)]
    pub deletions: u32,
    /// What the latest accepted change did.
    #[serde(default)]
    pub action: Action,
    /// Where the latest accepted change came from.
    pub source: Source,
    /// Rows of that file that were accepted, so that a chunk applied twice answers as it did at first.
    #[serde(default)]
    pub accepted_rows: Vec<u64>,
    /// Whom the record describes.
    #[serde(default)]
    pub patient: Patient,
    /// Where it stands with the person who holds it.
    #[serde(default)]
    pub matching: Matching,
}

impl Immunisation {
    /// The version that suppliers see and name in `E-Tag`: deletions do not count, so that a record that is reinstated
    /// has the one after its last.
    #[must_use]
    pub fn shown_version(&self) -> u32 {
        self.version.saturating_sub(self.deletions)
    }

    /// Whether it counts for the person who holds it.
    #[must_use]
    pub fn counts(&self) -> bool {
        !self.deleted && self.matching.counts()
    }

    /// Whether it waits in the matching queue.
    #[must_use]
    pub fn is_unmatched(&self) -> bool {
        !self.deleted && self.matching.is_open()
    }

    /// The version after this with another standing, which suppliers do not see.
    fn standing(&self, matching: Matching) -> Self {
        Self {
            version: self.version + 1,
            deletions: self.deletions + 1,
            action: Action::Update,
            matching,
            ..self.clone()
        }
    }

    /// The version after this, deleted.
    fn deleted_by(&self, source: &Source, accepted_rows: Vec<u64>) -> Self {
        Self {
            version: self.version + 1,
            deleted: true,
            deletions: self.deletions + 1,
            action: Action::Delete,
            source: source.clone(),
            accepted_rows,
            ..self.clone()
        }
    }
}

/// Whom an immunisation record describes: all that is known of someone until the demographics feed names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Patient {
    /// The NHS number that the record came with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nhs_number: Option<NhsNumber>,
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
    /// Whom it was made for: of bookings the number and the date of birth.
    #[serde(default)]
    pub patient: Patient,
    /// Where it stands with the person who holds it.
    #[serde(default)]
    pub matching: Matching,
}

impl Booking {
    /// Its place among the changes of the appointment: when it was made, then by its source. Of two events of one second,
    /// what ended it stands, and then the later day, so that one of them does whichever came first.
    fn place(&self) -> (&str, String, u8, Date, &str) {
        let rank = match self.status {
            AppointmentStatus::Booked => 0,
            AppointmentStatus::Attended => 1,
            AppointmentStatus::Dna => 2,
            AppointmentStatus::Cancelled => 3,
        };
        (&self.changed, self.source.sort_key(), rank, self.appointment_on, &self.provider)
    }
}

/// What is to be done with an immunisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub enum Action {
    /// Create; refused where a live record holds the identifier.
    #[default]
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
    /// The person is not on a full list.
    NotListed(FullList),
    /// A source other than the demographics feed states a field.
    Detail {
        /// Which.
        detail: Detail,
        /// Who.
        origin: Origin,
        /// What, and when.
        said: Statement,
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
    /// A live record holds the identifier, or another row the serial number and time.
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
                if held.is_some_and(|held| held.place() >= booking.place()) {
                    return Outcome::AlreadyKnown;
                }
                let same = held.map(|held| (&held.matching, held.patient.is_same(&booking.patient)));
                let matching = Matching::of_next(same, self.person.differences(&booking.patient));
                let booking = Booking { person: self.person.id, matching, ..booking.clone() };
                self.bookings.insert(booking.reference.clone(), booking);
                self.recompute();
                Outcome::Applied
            }
            Change::Demographics(row) => {
                let (held, place) = (self.person.demographics.place(), row.0.place());
                let is_later = place > held;
                let contradicts = !is_later && (place.0, place.1) == (held.0, held.1) && place.2 != held.2;
                let before = self.person.identities();
                self.person.note_identity(&row.0);
                if is_later {
                    self.person.demographics = row.0.clone();
                    self.person.states = row.1.clone();
                    details::heard_from_demographics(&mut self.person);
                }
                let is_named_anew = self.person.identities() != before;
                if is_named_anew {
                    self.match_again();
                }
                match (contradicts, is_later || is_named_anew) {
                    (true, _) => Outcome::Duplicate,
                    (false, true) => Outcome::Applied,
                    (false, false) => Outcome::AlreadyKnown,
                }
            }
            Change::Membership { label, membership } => {
                let held = self.person.cohorts.get(label);
                if held.is_some_and(|held| (held.date, &held.order) >= (membership.date, &membership.order)) {
                    return Outcome::AlreadyKnown;
                }
                self.person.cohorts.insert(label.clone(), membership.clone());
                Outcome::Applied
            }
            Change::Detail { detail, origin, said } => {
                if details::state(&mut self.person, *detail, *origin, said) {
                    Outcome::Applied
                } else {
                    Outcome::AlreadyKnown
                }
            }
            Change::NotListed(list) => match self.person.cohorts.get_mut(&list.label) {
                Some(held) if list.ends(&list.label, held) => {
                    held.member = false;
                    Outcome::Applied
                }
                _ => Outcome::AlreadyKnown,
            },
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
            (Action::Delete, _, Some(held)) => held.deleted_by(source, accepted_rows),
            (_, Some(content), _) => self.written(id, content, held, (action, source), accepted_rows),
            _ => return Outcome::NotFound,
        };
        self.immunisations.insert(id, next);
        Outcome::Applied
    }

    /// The version after the one held, which may be another person's, as one of this person.
    fn written(
        &self,
        id: ImmunisationId,
        content: &ImmunisationContent,
        held: Option<&Immunisation>,
        (action, source): (Action, &Source),
        accepted_rows: Vec<u64>,
    ) -> Immunisation {
        let live = held.filter(|held| !held.deleted || held.person != self.person.id);
        let standing = live.map(|held| {
            let is_same = held.person == self.person.id && held.patient.is_same(&content.patient);
            (&held.matching, is_same)
        });
        Immunisation {
            id,
            person: self.person.id,
            vaccine: content.vaccine,
            occurred_on: content.occurred_on,
            body: content.body.clone(),
            version: held.map_or(0, |held| held.version) + 1,
            deleted: false,
            deletions: held.map_or(0, |held| held.deletions),
            action,
            source: source.clone(),
            accepted_rows,
            patient: content.patient.clone(),
            matching: Matching::of_next(standing, self.person.differences(&content.patient)),
        }
    }

    /// Writes an immunisation that this record holds into the record of another person, whom its update names: here it
    /// is deleted, there it is live with a later version. False, and nothing done, where this record does not hold it.
    pub fn hand_over(
        &mut self,
        to: &mut Self,
        id: ImmunisationId,
        content: &ImmunisationContent,
        source: &Source,
    ) -> bool {
        let Some(held) = self.immunisations.get_mut(&id) else { return false };
        if !held.deleted {
            *held = held.deleted_by(source, Vec::new());
        }
        // The snapshot knows a record by its id alone: of two people's rows the later version must be the live one.
        let next = to.written(id, content, Some(held), (Action::Update, source), Vec::new());
        to.immunisations.insert(id, next);
        self.recompute();
        to.recompute();
        true
    }

    /// Puts a decision about an immunisation, or takes it away. False, and nothing done, where it is not live here.
    pub fn decide(&mut self, id: ImmunisationId, decision: Option<Decision>) -> bool {
        let Some(held) = self.immunisations.get_mut(&id).filter(|held| !held.deleted) else { return false };
        let differences = self.person.differences(&held.patient);
        *held = held.standing(Matching { differences, since: held.matching.since, decision });
        self.recompute();
        true
    }

    /// Puts a decision about an appointment, or takes it away. False, and nothing done, where there is none.
    pub fn decide_booking(&mut self, reference: &str, decision: Option<Decision>) -> bool {
        let Some(held) = self.bookings.get_mut(reference) else { return false };
        held.matching.decision = decision;
        held.matching.differences = self.person.differences(&held.patient);
        self.recompute();
        true
    }

    /// Moves an immunisation to another person with the decision that it is theirs, or back without one: here it is
    /// deleted, there it is live with a later version, and suppliers see the version that they saw. False, and nothing
    /// done, where it is not live here.
    pub fn attach(&mut self, to: &mut Self, id: ImmunisationId, decision: Option<Decision>) -> bool {
        let Some(held) = self.immunisations.get_mut(&id).filter(|held| !held.deleted) else { return false };
        let matching =
            Matching { differences: to.person.differences(&held.patient), since: held.matching.since, decision };
        let moved = held.clone();
        *held = held.deleted_by(&held.source.clone(), Vec::new());
        let next = Immunisation { version: held.version, deletions: held.deletions, ..moved }.standing(matching);
        to.immunisations.insert(id, Immunisation { person: to.person.id, ..next });
        self.recompute();
        to.recompute();
        true
    }

    /// How many events differ from those of an earlier state.
    #[must_use]
    pub fn changed_since(&self, before: &Self) -> usize {
        let given = self.immunisations.iter().filter(|(id, held)| before.immunisations.get(id) != Some(*held)).count();
        let booked = self.bookings.iter().filter(|(id, held)| before.bookings.get(*id) != Some(*held)).count();
        given + booked
    }

    /// Takes at most so many of the events over that differ in a later state, and leaves who the person is as it was.
    pub fn take_events(&mut self, after: &Self, most: usize) {
        let given = after.immunisations.iter().filter(|(id, held)| self.immunisations.get(id) != Some(*held));
        let given: Vec<Immunisation> = given.map(|(_, held)| held.clone()).take(most).collect();
        let booked = after.bookings.iter().filter(|(id, held)| self.bookings.get(*id) != Some(*held));
        let booked: Vec<Booking> = booked.map(|(_, held)| held.clone()).take(most - given.len()).collect();
        self.immunisations.extend(given.into_iter().map(|held| (held.id, held)));
        self.bookings.extend(booked.into_iter().map(|held| (held.reference.clone(), held)));
        self.recompute();
    }

    /// Matches every event anew, after the person was given another identity. Does nothing to a record that was read
    /// without its events.
    fn match_again(&mut self) {
        if self.immunisations.is_empty() && self.bookings.is_empty() {
            return;
        }
        let (person, identities) = (&self.person, self.person.identities());
        for held in self.immunisations.values_mut().filter(|held| !held.deleted) {
            let differences = person.differences_by(&identities, &held.patient);
            if differences != held.matching.differences {
                *held = held.standing(Matching { differences, ..held.matching.clone() });
            }
        }
        for held in self.bookings.values_mut() {
            held.matching.differences = person.differences_by(&identities, &held.patient);
        }
        self.recompute();
    }

    /// Recomputes the summary that rules read from the events, and, until the demographics feed names the person, who
    /// they are from the latest record.
    fn recompute(&mut self) {
        if self.person.demographics.serial == 0 {
            // Nobody is named by a record that was sent under another number than theirs.
            let own = |given: &&Immunisation| !given.matching.differences.contains(&Difference::Number);
            let live = self.immunisations.values().filter(|given| !given.deleted).filter(own);
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
            summary.appointment = None;
        }
        for given in self.immunisations.values().filter(|given| given.counts()) {
            self.person.programmes.entry(given.vaccine).or_default().doses.push(given.occurred_on);
        }
        for summary in self.person.programmes.values_mut() {
            summary.doses.sort_unstable();
            summary.doses.dedup();
        }
        let stands = |booking: &&Booking| booking.status != AppointmentStatus::Cancelled && booking.matching.counts();
        for booking in self.bookings.values().filter(stands) {
            let summary = self.person.programmes.entry(booking.programme).or_default();
            summary.appointment = summary.appointment.max(Some(booking.appointment_on));
            if booking.status == AppointmentStatus::Booked
                && summary.booked.is_none_or(|day| day < booking.appointment_on)
            {
                summary.booked = Some(booking.appointment_on);
                summary.booking_provider.clone_from(&booking.provider);
            }
        }
        // What was and no longer counts leaves nothing behind.
        self.person.programmes.retain(|_, summary| *summary != ProgrammeSummary::default());
    }
}

#[cfg(test)]
mod tests;
