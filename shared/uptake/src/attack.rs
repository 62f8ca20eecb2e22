//! What an outsider who knows the rules can work out about each count of a published table.
//!
//! Bounds are narrowed by every sum of the table and by eligible = vaccinated + not vaccinated, again and again until
//! nothing changes. Columns are eligible, vaccinated, not vaccinated.

use crate::suppression::{Hidden, Rule, Table, is_hidden};

/// Higher than any count of people.
const MANY: i64 = 1 << 40;

/// Lowest and highest value that a count may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

impl Bounds {
    fn narrow(&mut self, low: i64, high: i64) -> bool {
        let before = *self;
        self.low = self.low.max(low);
        self.high = self.high.min(high);
        *self != before
    }
}

/// Bounds by column and cell.
pub(crate) fn bounds(table: &Table, rule: &Rule, hidden: &[Hidden]) -> [Vec<Bounds>; 3] {
    let mut known = [0, 1, 2].map(|column| at_first(table, rule, hidden, column));
    // Rounding makes the steps coarse; in practice a few passes suffice, and stopping early only errs by a little.
    for _ in 0..64 {
        let mut changed = false;
        for column in &mut known {
            for sum in &table.sums {
                let low: i64 = sum.parts.iter().map(|part| column[*part].low).sum();
                let high: i64 = sum.parts.iter().map(|part| column[*part].high).sum();
                changed |= column[sum.whole].narrow(low, high);
                let whole = column[sum.whole];
                for part in &sum.parts {
                    let own = column[*part];
                    changed |= column[*part].narrow(whole.low - (high - own.high), whole.high - (low - own.low));
                }
            }
        }
        let [all, yes, no] = &mut known;
        for ((all, yes), no) in all.iter_mut().zip(yes).zip(no) {
            changed |= all.narrow(yes.low + no.low, yes.high + no.high);
            changed |= yes.narrow(all.low - no.high, all.high - no.low);
            changed |= no.narrow(all.low - yes.high, all.high - yes.low);
        }
        if !changed {
            break;
        }
    }
    known
}

/// What is known of each cell of a column from its own print.
fn at_first(table: &Table, rule: &Rule, hidden: &[Hidden], column: usize) -> Vec<Bounds> {
    let threshold = i64::try_from(rule.threshold).unwrap_or(0);
    (0..table.cells.len())
        .map(|cell| {
            if is_hidden(hidden, column, cell) {
                return at_first_hidden(table, hidden, column, cell, threshold);
            }
            let printed = |column: usize| interval(rule, table.cells[cell].columns()[column], threshold);
            if column < 2 {
                return printed(column);
            }
            let (all, yes) = (printed(0), printed(1));
            Bounds { low: (all.low - yes.high).max(0), high: all.high - yes.low }
        })
        .collect()
}

/// What a printed count may have been before it was rounded; nothing is printed as nothing, small counts not at all.
fn interval(rule: &Rule, count: i64, threshold: i64) -> Bounds {
    if count == 0 {
        return Bounds { low: 0, high: 0 };
    }
    let base = i64::try_from(rule.base.max(1)).unwrap_or(1);
    let printed = u64::try_from(count).map_or(count, |count| i64::try_from(rule.round(count)).unwrap_or(i64::MAX));
    Bounds { low: (printed - base / 2).max(threshold + 1), high: printed + (base - 1) / 2 }
}

fn at_first_hidden(table: &Table, hidden: &[Hidden], column: usize, cell: usize, threshold: i64) -> Bounds {
    // Where a whole sum is withheld, some of its parts may be nothing; so may the parts of a hidden denominator.
    let withheld = table.sums.iter().any(|sum| {
        sum.parts.contains(&cell)
            && sum.parts.len() > 1
            && sum.parts.iter().all(|part| is_hidden(hidden, column, *part))
    });
    let nothing_is_possible = withheld || (column > 0 && hidden[cell].eligible);
    // Elsewhere the outsider is taken to know whether there is anybody at all: more than one really knows.
    let low = i64::from(!nothing_is_possible && table.cells[cell].columns()[column] > 0);
    // That a whole is hidden says that it is small, unless it was hidden for the sake of another table.
    let is_whole = !table.settled.contains_key(&cell) && table.sums.iter().any(|sum| sum.whole == cell);
    let small = (1..=threshold).contains(&table.cells[cell].columns()[column]);
    Bounds { low, high: if is_whole && small { threshold } else { MANY } }
}
