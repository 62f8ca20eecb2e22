//! Selecting again: only those of whom something new is known, or whose day has come.
//!
//! What the rules say of a person changes for two reasons. Something about the person changed: a new version of the row is
//! among those that the merge of the snapshot took. Or the calendar reached a day: a birthday, the end of an interval, an
//! appointment that passed. A selection is kept with an agenda of everyone for whom there is such a day soon. Selecting
//! again looks at both and at nobody else, and gives an [`Again`]: who was decided again, and how they stand now. Laid over
//! what was kept it makes the same list as a full selection.
//!
//! The rules must be those of the earlier selection: the same iteration of the same version under the same plan. Where they
//! are others, or the agenda does not reach far enough, a full selection is due.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use ims_domain::PersonId;
use jiff::civil::Date;

use crate::column::{SnapshotError, write_parquet};
use crate::part::{Part, rows_at};
use crate::selection::{Candidate, Selector};
use crate::{PersonRow, kept_file};

/// What a selection found in a part, and whom the calendar changes: what the next one begins with. It is of all cohorts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    day: Date,
    until: Date,
    candidates: Vec<Candidate>,
    /// By id, those who are eligible and not candidates.
    others: Vec<PersonId>,
    /// Rows of people who may stand otherwise on a day, although nothing new is known of them.
    agenda: Vec<(Date, PersonRow)>,
}

/// A selection as files, to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFiles {
    /// Day as of which people were selected.
    pub day: Date,
    /// Last day that it can be brought to.
    pub until: Date,
    /// Who is eligible, in Parquet.
    pub list: Vec<u8>,
    /// Rows of people whose day comes, in Parquet.
    pub agenda: Vec<u8>,
    /// Their days, in the order of the rows.
    pub days: Vec<Date>,
}

impl Kept {
    /// A full selection from a part in Parquet; the agenda reaches up to a day. The selector must want all cohorts.
    ///
    /// # Errors
    /// Where the part cannot be read.
    pub fn full(selector: &mut Selector<'_>, bytes: Bytes, until: Date) -> Result<Self, SnapshotError> {
        let part = Part::read(bytes.clone(), &selector.needed_to_list())?;
        let (candidates, others) = selector.listed(&part)?;
        let mut turning = selector.turning(&part, until);
        turning.sort_unstable();
        let places: Vec<usize> = turning.iter().map(|(person, _)| *person as usize).collect();
        let days = turning.into_iter().map(|(_, day)| day);
        let agenda = if places.is_empty() { Vec::new() } else { days.zip(rows_at(bytes, &places)?).collect() };
        Ok(Self { day: selector.today(), until, candidates, others, agenda })
    }

    /// Whether it can be brought to a day.
    #[must_use]
    pub fn reaches(&self, day: Date) -> bool {
        (self.day..=self.until).contains(&day)
    }

    /// The selection as of the selector's day, which it must reach, from the rows that came since; how many people were
    /// decided again. Rows may come several times, in any order: of each person's the highest version counts.
    ///
    /// # Errors
    /// Where a row has no valid id.
    pub fn again(self, selector: &mut Selector<'_>, taken: Vec<PersonRow>) -> Result<(Self, usize), SnapshotError> {
        let today = selector.today();
        let mut latest: BTreeMap<String, PersonRow> = BTreeMap::new();
        for row in taken {
            if latest.get(&row.person_id).is_none_or(|held| held.version < row.version) {
                latest.insert(row.person_id.clone(), row);
            }
        }
        let agenda = self.agenda.into_iter().filter(|(_, row)| !latest.contains_key(&row.person_id));
        let (due, mut agenda): (Vec<_>, Vec<_>) = agenda.partition(|(day, _)| *day <= today);
        let rows: Vec<PersonRow> = latest.into_values().chain(due.into_iter().map(|(_, row)| row)).collect();
        let part = Part::read(Bytes::from(write_parquet(&rows)?), &selector.needed_to_list())?;
        let again = Again::decide(selector, [&part])?;
        for (person, day) in selector.turning(&part, self.until) {
            agenda.push((day, rows[person as usize].clone()));
        }
        let (candidates, others) = (again.over(&self.candidates), again.over_others(&self.others));
        Ok((Self { day: today, until: self.until, candidates, others, agenda }, again.decided.len()))
    }

    /// People on the list whom the rules do not call NotEligible.
    #[must_use]
    pub fn eligible(&self) -> u64 {
        (self.candidates.len() + self.others.len()) as u64
    }

    /// Those who are to be invited, in order.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// As files.
    ///
    /// # Errors
    /// Where Parquet fails.
    pub fn to_files(&self) -> Result<KeptFiles, SnapshotError> {
        let rows: Vec<PersonRow> = self.agenda.iter().map(|(_, row)| row.clone()).collect();
        Ok(KeptFiles {
            day: self.day,
            until: self.until,
            list: kept_file::write(&self.candidates, &self.others)?,
            agenda: write_parquet(&rows)?,
            days: self.agenda.iter().map(|(day, _)| *day).collect(),
        })
    }

    /// From files that [`Kept::to_files`] made.
    ///
    /// # Errors
    /// Where they are not.
    pub fn from_files(files: KeptFiles) -> Result<Self, SnapshotError> {
        let (candidates, others) = kept_file::read(files.list)?;
        let rows: Vec<PersonRow> = crate::read_parquet(files.agenda)?;
        if rows.len() != files.days.len() {
            return Err(kept_file::wrong("day", "given for each row of the agenda"));
        }
        let agenda = files.days.into_iter().zip(rows).collect();
        Ok(Self { day: files.day, until: files.until, candidates, others, agenda })
    }
}

/// What selecting again found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Again {
    /// Everyone who was decided again.
    pub decided: Vec<PersonId>,
    /// Those of them who are candidates now, in order.
    pub candidates: Vec<Candidate>,
    /// By id, those of them who are eligible and not candidates.
    pub others: Vec<PersonId>,
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
            let decided = (0..part.people()).map(|person| part.known_id(person)).collect::<Result<_, _>>()?;
            let (candidates, others) = selector.listed(part)?;
            again.add(Self { decided, candidates, others });
        }
        Ok(again)
    }

    /// Adds what was found of other people.
    pub fn add(&mut self, other: Self) {
        self.decided.extend(other.decided);
        self.candidates.extend(other.candidates);
        self.candidates.sort();
        self.others.extend(other.others);
        self.others.sort();
    }

    /// Without those of whom there is something newer.
    pub fn leave_out(&mut self, newer: &HashSet<PersonId>) {
        self.decided.retain(|person| !newer.contains(person));
        self.candidates.retain(|candidate| !newer.contains(&candidate.person));
        self.others.retain(|person| !newer.contains(person));
    }

    /// The earlier candidates, in order, with this laid over them.
    #[must_use]
    pub fn over(&self, earlier: &[Candidate]) -> Vec<Candidate> {
        self.laid_over(earlier, &self.candidates, |candidate| candidate.person)
    }

    /// Those who were eligible and not candidates, by id, with this laid over them.
    fn over_others(&self, earlier: &[PersonId]) -> Vec<PersonId> {
        self.laid_over(earlier, &self.others, |person| *person)
    }

    fn laid_over<T: Copy + Ord>(&self, earlier: &[T], newer: &[T], person: impl Fn(&T) -> PersonId) -> Vec<T> {
        let decided: HashSet<PersonId> = self.decided.iter().copied().collect();
        let mut kept = earlier.iter().filter(|held| !decided.contains(&person(held))).peekable();
        let mut all = Vec::with_capacity(earlier.len() + newer.len());
        for one in newer {
            while let Some(before) = kept.next_if(|kept| *kept < one) {
                all.push(*before);
            }
            all.push(*one);
        }
        all.extend(kept);
        all
    }
}
