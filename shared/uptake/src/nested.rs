//! Areas within areas, each with the same breakdowns: some thousands of counts, whose one table would be too slow to attack.
//!
//! They are cut into small tables, from the whole downwards: the areas within one area, and for each breakdown those
//! areas by its groups. A table's margins were settled by the tables above it. What makes the pieces safe together:
//!
//! - each table is safe even from someone who knows all shown counts, margins too, exactly; no other table tells more of
//!   them than that;
//! - below a withheld margin everything is withheld, so whatever values it may have by the tables above, the counts below
//!   can be moved to agree with: nothing below tells anything about it.
//!
//! A table cannot hide its margins. Where it has hidden all else and exact margins would still pin a count down, which is
//! rare, the rounding of the margins that are published is what is left to protect it.

use crate::suppression::{Count, Published, Rule, Table};

/// An area.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Area {
    /// Place of the area that holds it, which comes before it in the list; ignored in the first.
    pub parent: usize,
    /// Everybody in it: the sum of its groups in each breakdown, and of the areas within it, if there are any.
    pub all: Count,
    /// How another table publishes `all`, where one does.
    pub published: Option<Published>,
    /// Counts by breakdown, then group. Every area has the same breakdowns and groups in the same order.
    pub groups: Vec<Vec<Count>>,
}

/// An area's counts as they may be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedArea {
    /// Everybody.
    pub all: Published,
    /// By breakdown, then group.
    pub groups: Vec<Vec<Published>>,
}

/// The areas as they may be published beside `first`, which is how another table publishes the first of them.
#[must_use]
pub fn release_areas(first: ReleasedArea, areas: &[Area], rule: &Rule) -> Vec<ReleasedArea> {
    let mut within: Vec<Vec<usize>> = vec![Vec::new(); areas.len()];
    for (place, area) in areas.iter().enumerate().skip(1) {
        if let Some(within) = within.get_mut(area.parent) {
            within.push(place);
        }
    }
    let hidden = ReleasedArea { all: WITHHELD, groups: Vec::new() };
    let mut released = vec![hidden; areas.len()];
    if let Some(place) = released.first_mut() {
        *place = first;
    }
    for (parent, within) in within.iter().enumerate().filter(|(_, within)| !within.is_empty()) {
        for (place, all) in within.iter().zip(alls(areas, parent, within, &released[parent], rule)) {
            released[*place].all = all;
        }
        for breakdown in 0..areas[parent].groups.len() {
            let rows = by_group(areas, parent, within, breakdown, &released, rule);
            for (place, row) in within.iter().zip(rows) {
                released[*place].groups.push(row);
            }
        }
    }
    released
}

const WITHHELD: Published = Published { eligible: None, vaccinated: None };

/// The areas within one, everybody in each.
fn alls(areas: &[Area], parent: usize, within: &[usize], above: &ReleasedArea, rule: &Rule) -> Vec<Published> {
    let mut table = Table::new();
    let whole = table.published(areas[parent].all, &above.all);
    let parts: Vec<usize> = within
        .iter()
        .map(|&place| match &areas[place].published {
            Some(published) => table.published(areas[place].all, published),
            None if above.all.is_suppressed() => table.withheld(areas[place].all),
            None => table.cell(areas[place].all),
        })
        .collect();
    table.sum(whole, parts.iter().copied());
    let released = table.release_from_the_informed(rule);
    parts.into_iter().map(|part| released[part]).collect()
}

/// The areas within one by the groups of a breakdown: a row an area.
fn by_group(
    areas: &[Area],
    parent: usize,
    within: &[usize],
    breakdown: usize,
    released: &[ReleasedArea],
    rule: &Rule,
) -> Vec<Vec<Published>> {
    let mut table = Table::new();
    let groups = areas[parent].groups[breakdown].iter().zip(&released[parent].groups[breakdown]);
    let columns: Vec<(usize, bool)> =
        groups.map(|(count, shown)| (table.published(*count, shown), shown.is_suppressed())).collect();
    let mut rows = Vec::new();
    for &place in within {
        let all = &released[place].all;
        let whole = table.published(areas[place].all, all);
        let row: Vec<usize> = areas[place].groups[breakdown]
            .iter()
            .zip(&columns)
            .map(
                |(count, (_, withheld))| {
                    if *withheld || all.is_suppressed() { table.withheld(*count) } else { table.cell(*count) }
                },
            )
            .collect();
        table.sum(whole, row.iter().copied());
        rows.push(row);
    }
    for (index, (whole, _)) in columns.iter().enumerate() {
        table.sum(*whole, rows.iter().map(|row| row[index]));
    }
    let found = table.release_from_the_informed(rule);
    rows.into_iter().map(|row| row.into_iter().map(|place| found[place]).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::bounds;
    use crate::suppression::{CANDIDATES, is_hidden};
    use proptest::prelude::*;

    /// Groups of the two breakdowns.
    const GROUPS: [usize; 2] = [3, 2];

    fn add(to: &mut Count, count: Count) {
        to.eligible += count.eligible;
        to.vaccinated += count.vaccinated;
    }

    /// The whole, areas and areas within them, from the counts of each innermost area by pairs of groups.
    fn areas(regions: &[Vec<Vec<(u64, u64)>>]) -> Vec<Area> {
        let empty = |parent| Area {
            parent,
            groups: GROUPS.iter().map(|&groups| vec![Count::default(); groups]).collect(),
            ..Area::default()
        };
        let mut areas = vec![empty(0)];
        for region in regions {
            let region_place = areas.len();
            areas.push(empty(0));
            for inner in region {
                let inner_place = areas.len();
                areas.push(empty(region_place));
                for (index, (yes, no)) in inner.iter().enumerate() {
                    let count = Count { eligible: yes + no, vaccinated: *yes };
                    for place in [0, region_place, inner_place] {
                        add(&mut areas[place].all, count);
                        add(&mut areas[place].groups[0][index % GROUPS[0]], count);
                        add(&mut areas[place].groups[1][index / GROUPS[0]], count);
                    }
                }
            }
        }
        areas
    }

    /// The first area, released in a table of its own with the areas next to it.
    fn first(areas: &mut [Area], rule: &Rule) -> ReleasedArea {
        let mut table = Table::new();
        let all = table.cell(areas[0].all);
        let next: Vec<usize> = (1..areas.len()).filter(|&place| areas[place].parent == 0).collect();
        let places: Vec<usize> = next.iter().map(|&place| table.cell(areas[place].all)).collect();
        table.sum(all, places.iter().copied());
        let groups: Vec<Vec<usize>> =
            areas[0].groups.iter().map(|groups| groups.iter().map(|count| table.cell(*count)).collect()).collect();
        groups.iter().for_each(|places| table.sum(all, places.iter().copied()));
        let found = table.release_from_the_informed(rule);
        next.iter().zip(places).for_each(|(&area, place)| areas[area].published = Some(found[place]));
        let groups = groups.into_iter().map(|places| places.into_iter().map(|place| found[place]).collect()).collect();
        ReleasedArea { all: found[all], groups }
    }

    /// Everything that was published, with every sum there is.
    fn joined(areas: &[Area], released: &[ReleasedArea]) -> Table {
        let mut table = Table::new();
        let mut places: Vec<(usize, Vec<Vec<usize>>)> = Vec::new();
        for (area, shown) in areas.iter().zip(released) {
            let all = table.published(area.all, &shown.all);
            let mut own = Vec::new();
            for (counts, shown) in area.groups.iter().zip(&shown.groups) {
                let cells: Vec<usize> =
                    counts.iter().zip(shown).map(|(count, shown)| table.published(*count, shown)).collect();
                table.sum(all, cells.iter().copied());
                own.push(cells);
            }
            places.push((all, own));
        }
        for parent in 0..areas.len() {
            let within: Vec<usize> = (1..areas.len()).filter(|&place| areas[place].parent == parent).collect();
            if within.is_empty() {
                continue;
            }
            table.sum(places[parent].0, within.iter().map(|&place| places[place].0));
            for (breakdown, groups) in GROUPS.iter().enumerate() {
                for group in 0..*groups {
                    let parts: Vec<usize> = within.iter().map(|&place| places[place].1[breakdown][group]).collect();
                    table.sum(places[parent].1[breakdown][group], parts);
                }
            }
        }
        table
    }

    fn told(areas: &[Area], released: &[ReleasedArea]) -> String {
        let cell = |count: &Count, shown: &Published| {
            format!(
                "{}/{}{}",
                count.vaccinated,
                count.eligible,
                match (shown.eligible, shown.vaccinated) {
                    (None, _) => "**",
                    (_, None) => "*",
                    _ => "",
                }
            )
        };
        let rows = areas.iter().zip(released).map(|(area, shown)| {
            let groups = area.groups.iter().zip(&shown.groups).map(|(counts, shown)| {
                counts.iter().zip(shown).map(|(count, shown)| cell(count, shown)).collect::<Vec<_>>().join(" ")
            });
            let groups: Vec<String> = groups.collect();
            format!("in {}: {} | {}", area.parent, cell(&area.all, &shown.all), groups.join(" | "))
        });
        rows.collect::<Vec<_>>().join("\n")
    }

    fn counts() -> impl Strategy<Value = Vec<Vec<Vec<(u64, u64)>>>> {
        let count = prop_oneof![2 => 0u64..2, 3 => 0u64..9, 3 => 8u64..40, 2 => 40u64..400];
        let inner = prop::collection::vec((count.clone(), count), GROUPS[0] * GROUPS[1]);
        prop::collection::vec(prop::collection::vec(inner, 1..4), 1..4)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_small_count_can_be_worked_back_from_all_tables_together(regions in counts()) {
            let rule = Rule::default();
            let exact = Rule { base: 1, ..rule };
            let mut areas = areas(&regions);
            let first = first(&mut areas, &rule);
            let released = release_areas(first, &areas, &rule);
            let table = joined(&areas, &released);
            let hidden = table.hidden(&exact);
            let found = bounds(&table, &rule, &hidden);
            for (column, found) in found.iter().enumerate() {
                for (place, count) in table.cells.iter().enumerate() {
                    let count = count.columns()[column];
                    if !u64::try_from(count).is_ok_and(|count| rule.is_small(count)) {
                        continue;
                    }
                    prop_assert!(is_hidden(&hidden, column, place), "column {column} of {place} is shown");
                    let known = found[place];
                    prop_assert!(
                        known.high - known.low + 1 >= CANDIDATES,
                        "column {column} of {place}, {count}: {known:?} in {}", told(&areas, &released)
                    );
                }
            }
        }
    }

    #[test]
    fn below_what_is_withheld_nothing_is_shown() {
        let mut areas = areas(&[vec![vec![(3, 500), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0)], vec![(0, 0); 6]]]);
        let first = first(&mut areas, &Rule::default());
        let released = release_areas(first, &areas, &Rule::default());
        assert_eq!(released[1].all.vaccinated, None);
        assert_eq!(released[2].all, WITHHELD);
        assert!(released[2].groups.iter().flatten().all(|cell| *cell == WITHHELD));
    }
}
