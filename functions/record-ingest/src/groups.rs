//! Which rows must be applied one after the other: those about one person or one immunisation.

use std::collections::{HashMap, HashSet};

use crate::rows::Prepared;

/// Changes in one call of the store: each writes at most four items, and a transaction holds a hundred.
const LONGEST_RUN: usize = 20;

/// Parts rows into groups that share neither an NHS number nor an immunisation with each other. Order is kept within a
/// group, and groups are in the order of their first rows.
#[must_use]
pub fn group(rows: Vec<Prepared>) -> Vec<Vec<Prepared>> {
    let mut parents: Vec<usize> = (0..rows.len()).collect();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (index, row) in rows.iter().enumerate() {
        let keys = [row.number.map(|number| format!("N{number}")), row.immunisation().map(|id| format!("I{id}"))];
        for key in keys.into_iter().flatten() {
            let first = *seen.entry(key).or_insert(index);
            let (one, other) = (root(&mut parents, first), root(&mut parents, index));
            parents[one.max(other)] = one.min(other);
        }
    }
    let mut places: HashMap<usize, usize> = HashMap::new();
    let mut groups: Vec<Vec<Prepared>> = Vec::new();
    for (index, row) in rows.into_iter().enumerate() {
        let place = *places.entry(root(&mut parents, index)).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Vec::new());
        }
        groups[place].push(row);
    }
    groups
}

fn root(parents: &mut [usize], mut index: usize) -> usize {
    while parents[index] != index {
        parents[index] = parents[parents[index]];
        index = parents[index];
    }
    index
}

/// A group cut into runs under one NHS number each, short enough for one call of the store. A run changes an
/// immunisation once at most: every change is written, so that each of its versions is kept and goes to subscribers.
pub fn runs(group: &[Prepared]) -> impl Iterator<Item = &[Prepared]> {
    let (mut changed, mut length) = (HashSet::new(), 0);
    group.chunk_by(move |one, next| {
        changed.extend(one.immunisation());
        length += 1;
        let same_run = one.number == next.number
            && length < LONGEST_RUN
            && next.immunisation().is_none_or(|id| !changed.contains(&id));
        if !same_run {
            changed.clear();
            length = 0;
        }
        same_run
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::tests::{context, vaccination};
    use crate::rows::{Context, read};
    use proptest::prelude::*;

    fn prepared(context: &Context, row: u64, number: &str, id: &str) -> Prepared {
        read(context, row, &vaccination(&[("NHS_NUMBER", number), ("UNIQUE_ID", id)])).unwrap()
    }

    proptest! {
        #[test]
        fn rows_that_share_anything_share_a_group_and_keep_their_order(
            rows in prop::collection::vec((0usize..5, 0usize..6), 0..40),
        ) {
            let numbers = ["", "9990000018", "9434765919", "9990000026", "9990000034"];
            let context = context();
            let all: Vec<Prepared> = rows
                .iter()
                .zip(1u64..)
                .map(|((number, id), row)| prepared(&context, row, numbers[*number], &format!("u{id}")))
                .collect();
            let groups = group(all.clone());
            prop_assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), all.len());
            let place = |row: u64| groups.iter().position(|group| group.iter().any(|held| held.row == row));
            for one in &all {
                for other in &all {
                    let shares = (one.number.is_some() && one.number == other.number)
                        || one.immunisation() == other.immunisation();
                    prop_assert!(!shares || place(one.row) == place(other.row));
                }
            }
            for group in &groups {
                prop_assert!(group.is_sorted_by_key(|row| row.row));
                prop_assert_eq!(runs(group).map(<[_]>::len).sum::<usize>(), group.len());
                for run in runs(group) {
                    prop_assert!(run.len() <= LONGEST_RUN && run.iter().all(|row| row.number == run[0].number));
                    let changed: HashSet<_> = run.iter().filter_map(Prepared::immunisation).collect();
                    prop_assert_eq!(changed.len(), run.len(), "no immunisation is changed twice in a run");
                }
            }
        }
    }

    #[test]
    fn people_who_share_nothing_are_apart() {
        let context = context();
        let rows = vec![
            prepared(&context, 1, "9990000018", "a"),
            prepared(&context, 2, "9434765919", "b"),
            prepared(&context, 3, "9990000018", "c"),
        ];
        let rows: Vec<Vec<u64>> = group(rows).iter().map(|group| group.iter().map(|row| row.row).collect()).collect();
        assert_eq!(rows, [vec![1, 3], vec![2]]);
    }
}
