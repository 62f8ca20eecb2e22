//! Selecting again: only those of whom something new is known, or whose day has come.
//!
//! What the rules say of a person changes for two reasons. Something about the person changed: a new version of the row is
//! among those that the merge of the snapshot took. Or the calendar reached a day: a birthday, the end of an interval, an
//! appointment that passed. A full selection leaves an [`Agenda`] with everyone for whom there is such a day soon. Selecting
//! again looks at both and at nobody else, and gives an [`Again`]: who was decided again, and which of them are candidates
//! now. Laid over the earlier candidates it makes the same list as a full selection.
//!
//! The rules must be those of the earlier selection: the same iteration of the same version under the same plan. Where they
//! are others, or the agenda does not reach far enough, a full selection is due.

use std::collections::{BTreeMap, HashSet};

use ims_domain::PersonId;
use jiff::civil::Date;

use crate::column::SnapshotError;
use crate::part::Part;
use crate::selection::{Candidate, Selector};

/// Who may stand otherwise on which day, although nothing new is known of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agenda(BTreeMap<PersonId, Date>);

impl Agenda {
    /// The agenda of a part up to a day; the selector's day is the day of the selection. The part must hold
    /// [`Selector::needed_to_list`].
    ///
    /// # Errors
    /// Where a person has no valid id.
    pub fn of(selector: &mut Selector<'_>, part: &Part, until: Date) -> Result<Self, SnapshotError> {
        let turning = selector.turning(part, until);
        let entry = |(person, day): (u32, Date)| Ok((part.known_id(person as usize)?, day));
        Ok(Self(turning.into_iter().map(entry).collect::<Result<_, SnapshotError>>()?))
    }

    /// People whose day has come.
    pub fn due(&self, today: Date) -> impl Iterator<Item = PersonId> + '_ {
        self.0.iter().filter(move |(_, day)| **day <= today).map(|(person, _)| *person)
    }

    /// How many are on it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is on it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts those who were decided again where their new rows say.
    pub fn replace(&mut self, decided: &[PersonId], newer: Self) {
        for person in decided {
            self.0.remove(person);
        }
        self.0.extend(newer.0);
    }
}

/// What selecting again found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Again {
    /// Everyone who was decided again.
    pub decided: Vec<PersonId>,
    /// Those of them who are candidates now, in order.
    pub candidates: Vec<Candidate>,
}

impl Again {
    /// Decides on everyone in parts that hold the latest rows of those who changed and of those whose day has come, each
    /// person once. The parts must hold [`Selector::needed_to_list`].
    ///
    /// # Errors
    /// Where a person has no valid id.
    pub fn decide<'p>(
        selector: &mut Selector<'_>,
        parts: impl IntoIterator<Item = &'p Part>,
    ) -> Result<Self, SnapshotError> {
        let mut again = Self::default();
        for part in parts {
            for person in 0..part.people() {
                again.decided.push(part.known_id(person)?);
            }
            again.candidates.extend(selector.candidates(part)?.1);
        }
        again.candidates.sort_unstable();
        Ok(again)
    }

    /// Adds what was found of other people.
    pub fn add(&mut self, other: Self) {
        self.decided.extend(other.decided);
        self.candidates.extend(other.candidates);
        self.candidates.sort();
    }

    /// Without those of whom there is something newer.
    pub fn leave_out(&mut self, newer: &HashSet<PersonId>) {
        self.decided.retain(|person| !newer.contains(person));
        self.candidates.retain(|candidate| !newer.contains(&candidate.person));
    }

    /// The earlier candidates, in order, with this laid over them.
    #[must_use]
    pub fn over(&self, earlier: &[Candidate]) -> Vec<Candidate> {
        let decided: HashSet<PersonId> = self.decided.iter().copied().collect();
        let mut kept = earlier.iter().filter(|candidate| !decided.contains(&candidate.person)).peekable();
        let mut candidates = Vec::with_capacity(earlier.len() + self.candidates.len());
        for candidate in &self.candidates {
            while let Some(before) = kept.next_if(|kept| *kept < candidate) {
                candidates.push(*before);
            }
            candidates.push(*candidate);
        }
        candidates.extend(kept);
        candidates
    }
}
