//! Small-number suppression. Nobody may be found out from a published table, nor from the difference of two numbers in it.
//!
//! Counts of 1 to 7 are withheld, all others are rounded to 5. That alone is not enough: a single withheld count is what is
//! left when the others are taken from the total. So the table is attacked as an outsider would attack it (see
//! `attack.rs`), and further counts are withheld until none of the small ones can be pinned down. The people *not*
//! vaccinated are protected in the same way, since they are the difference of two published counts.

use std::collections::BTreeMap;

use crate::attack::{Bounds, bounds};
use crate::proportion::{Interval, Z_95, wilson};

/// An outsider must be left with at least this many possible values for a small count.
pub(crate) const CANDIDATES: i64 = 4;

/// People in a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// People who are eligible: the denominator.
    pub eligible: u64,
    /// Those of them who are vaccinated.
    pub vaccinated: u64,
}

impl Count {
    /// Counts one more eligible person.
    pub fn add(&mut self, vaccinated: bool) {
        self.eligible += 1;
        self.vaccinated += u64::from(vaccinated);
    }

    /// Eligible, vaccinated and not vaccinated people, as columns.
    pub(crate) fn columns(self) -> [i64; 3] {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        [number(self.eligible), number(self.vaccinated), number(self.eligible.saturating_sub(self.vaccinated))]
    }
}

/// What is withheld and how the rest is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Counts from 1 to this are withheld.
    pub threshold: u64,
    /// Others are rounded to the nearest multiple of this; 1 does not round.
    pub base: u64,
}

impl Default for Rule {
    fn default() -> Self {
        Self { threshold: 7, base: 5 }
    }
}

impl Rule {
    /// Whether a count is small enough to point to people.
    #[must_use]
    pub fn is_small(&self, count: u64) -> bool {
        (1..=self.threshold).contains(&count)
    }

    /// A count rounded to the nearest multiple of the base, halves up.
    #[must_use]
    pub fn round(&self, count: u64) -> u64 {
        let base = self.base.max(1);
        (count + base / 2) / base * base
    }
}

/// A group's counts as they may be published: rounded, or withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Eligible people; `None` where withheld.
    pub eligible: Option<u64>,
    /// Vaccinated people; `None` where withheld.
    pub vaccinated: Option<u64>,
}

impl Published {
    /// Whether anything is withheld.
    #[must_use]
    pub fn is_suppressed(&self) -> bool {
        self.eligible.is_none() || self.vaccinated.is_none()
    }

    /// Coverage with its 95 % interval, reckoned from the published counts; `None` where one is withheld or nobody is eligible.
    #[must_use]
    pub fn coverage(&self) -> Option<Interval> {
        wilson(self.vaccinated?, self.eligible?, Z_95).ok()
    }
}

/// A whole that is the sum of its parts, by place in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) whole: usize,
    pub(crate) parts: Vec<usize>,
}

/// Counts that are published together, with all the sums by which one could be reckoned from others.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub(crate) cells: Vec<Count>,
    pub(crate) sums: Vec<Sum>,
    /// Of cells about which something was settled elsewhere: what, by place.
    pub(crate) settled: BTreeMap<usize, Settled>,
}

/// What was settled about a cell before its table is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Published in another table; nothing more of it can be hidden.
    Published(Hidden),
    /// Withheld, whatever its table needs.
    Withheld,
}

/// What is hidden of a cell. A hidden denominator hides the numerator with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hidden {
    pub(crate) eligible: bool,
    pub(crate) vaccinated: bool,
}

impl Hidden {
    const ALL: Self = Self { eligible: true, vaccinated: true };

    fn of(published: &Published) -> Self {
        let eligible = published.eligible.is_none();
        Self { eligible, vaccinated: eligible || published.vaccinated.is_none() }
    }
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a cell; returns its place.
    pub fn cell(&mut self, count: Count) -> usize {
        self.cells.push(count);
        self.cells.len() - 1
    }

    /// Adds a cell that another table publishes, or withholds, in this way; it is neither shown nor hidden anew.
    pub fn published(&mut self, count: Count, published: &Published) -> usize {
        let place = self.cell(count);
        self.settled.insert(place, Settled::Published(Hidden::of(published)));
        place
    }

    /// Adds a cell that is withheld, both counts of it.
    pub fn withheld(&mut self, count: Count) -> usize {
        let place = self.cell(count);
        self.settled.insert(place, Settled::Withheld);
        place
    }

    /// Says that a cell is the sum of others, as everybody can see from their names.
    pub fn sum(&mut self, whole: usize, parts: impl IntoIterator<Item = usize>) {
        self.sums.push(Sum { whole, parts: parts.into_iter().collect() });
    }

    /// The cells as they may be published, by place.
    #[must_use]
    pub fn release(&self, rule: &Rule) -> Vec<Published> {
        self.print(rule, &self.hidden(rule))
    }

    /// As [`release`](Self::release), but safe even from someone who knows every count that is shown before it was rounded.
    #[must_use]
    pub fn release_from_the_informed(&self, rule: &Rule) -> Vec<Published> {
        self.print(rule, &self.hidden(&Rule { base: 1, ..*rule }))
    }

    fn print(&self, rule: &Rule, hidden: &[Hidden]) -> Vec<Published> {
        let shown = |count: u64, hidden: bool| (!hidden).then(|| rule.round(count));
        self.cells
            .iter()
            .zip(hidden)
            .map(|(cell, hidden)| Published {
                eligible: shown(cell.eligible, hidden.eligible),
                vaccinated: shown(cell.vaccinated, hidden.vaccinated),
            })
            .collect()
    }

    pub(crate) fn hidden(&self, rule: &Rule) -> Vec<Hidden> {
        let mut hidden: Vec<Hidden> = self
            .cells
            .iter()
            .enumerate()
            .map(|(place, cell)| {
                match self.settled.get(&place) {
                    Some(Settled::Published(hidden)) => return *hidden,
                    Some(Settled::Withheld) => return Hidden::ALL,
                    None => {}
                }
                let eligible = rule.is_small(cell.eligible);
                let not = cell.eligible.saturating_sub(cell.vaccinated);
                Hidden { eligible, vaccinated: eligible || rule.is_small(cell.vaccinated) || rule.is_small(not) }
            })
            .collect();
        // Every round hides something more, so it ends.
        while let Some((column, cell)) = self.exposed(rule, &hidden) {
            if !self.hide_more(&mut hidden, column, cell) {
                break;
            }
        }
        hidden
    }

    /// A small count (by column and cell) that the published table gives away.
    fn exposed(&self, rule: &Rule, hidden: &[Hidden]) -> Option<(usize, usize)> {
        let found = bounds(self, rule, hidden);
        let small = |column: usize, cell: usize| {
            u64::try_from(self.cells[cell].columns()[column]).is_ok_and(|count| rule.is_small(count))
        };
        (0..3).find_map(|column| {
            let at_risk = |cell: &usize| {
                let Bounds { low, high } = found[column][*cell];
                small(column, *cell) && (high - low + 1 < CANDIDATES || self.is_alone(hidden, column, *cell))
            };
            (0..self.cells.len()).find(at_risk).map(|cell| (column, cell))
        })
    }

    /// Whether a cell is the only hidden part of a sum whose other parts are not all nothing.
    fn is_alone(&self, hidden: &[Hidden], column: usize, cell: usize) -> bool {
        self.sums.iter().filter(|sum| sum.parts.contains(&cell) && !is_hidden(hidden, column, sum.whole)).any(|sum| {
            let mut others = sum.parts.iter().filter(|part| **part != cell);
            let something = others.clone().any(|part| self.cells[*part].columns()[column] > 0);
            something && !others.any(|part| is_hidden(hidden, column, *part))
        })
    }

    /// Hides one more count that protects a cell: the smallest that is something, then those that are nothing, then the
    /// sums themselves, then any. Tells whether there was one.
    fn hide_more(&self, hidden: &mut [Hidden], column: usize, cell: usize) -> bool {
        let visible = |cell: &usize| !is_hidden(hidden, column, *cell) && !self.settled.contains_key(cell);
        let value = |cell: &usize| self.cells[*cell].columns()[column];
        let around = || self.sums.iter().filter(|sum| sum.parts.contains(&cell));
        let parts = || around().flat_map(|sum| sum.parts.iter().copied()).filter(visible);
        let something = parts().filter(|part| value(part) > 0).min_by_key(value);
        let next: Vec<usize> = match something {
            Some(part) => vec![part],
            None => {
                let nothing: Vec<usize> = parts().collect();
                if nothing.is_empty() { around().map(|sum| sum.whole).filter(visible).collect() } else { nothing }
            }
        };
        let next = if next.is_empty() {
            (0..self.cells.len()).filter(visible).min_by_key(value).into_iter().collect()
        } else {
            next
        };
        for place in &next {
            hidden[*place].vaccinated = true;
            hidden[*place].eligible |= column == 0;
        }
        !next.is_empty() || (column > 0 && self.hide_denominator(hidden, cell))
    }

    /// Hides one more denominator, where no numerator is left to be hidden: the cell's own, then one in a sum with it, then
    /// any. Tells whether there was one.
    fn hide_denominator(&self, hidden: &mut [Hidden], cell: usize) -> bool {
        let visible = |cell: &usize| !hidden[*cell].eligible && !self.settled.contains_key(cell);
        let around = self.sums.iter().filter(|sum| sum.parts.contains(&cell)).flat_map(|sum| sum.parts.iter().copied());
        let smallest = |cell: &usize| self.cells[*cell].eligible;
        let next = std::iter::once(cell).find(visible);
        let next = next.or_else(|| around.filter(visible).min_by_key(smallest));
        let next = next.or_else(|| (0..self.cells.len()).filter(visible).min_by_key(smallest));
        if let Some(place) = next {
            hidden[place] = Hidden::ALL;
        }
        next.is_some()
    }
}

/// Whether a column of a cell is hidden: eligible, vaccinated, not vaccinated.
pub(crate) fn is_hidden(hidden: &[Hidden], column: usize, cell: usize) -> bool {
    if column == 0 { hidden[cell].eligible } else { hidden[cell].vaccinated }
}
