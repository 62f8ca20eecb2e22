//! Nobody is found out by taking published numbers from one another.

use ims_uptake::{Count, Published, Rule, Table};
use proptest::prelude::*;

fn count(eligible: u64, vaccinated: u64) -> Count {
    Count { eligible, vaccinated }
}

fn total(parts: &[Count]) -> Count {
    parts
        .iter()
        .fold(Count::default(), |sum, part| count(sum.eligible + part.eligible, sum.vaccinated + part.vaccinated))
}

/// A total with one breakdown: the total's cell, then the parts'.
fn flat(parts: &[Count], rule: &Rule) -> Vec<Published> {
    let mut table = Table::new();
    let whole = table.cell(total(parts));
    let places: Vec<usize> = parts.iter().map(|part| table.cell(*part)).collect();
    table.sum(whole, places);
    table.release(rule)
}

#[test]
fn large_counts_are_rounded_and_coverage_is_of_the_rounded_ones() {
    let released = flat(&[count(1_003, 612), count(48, 20)], &Rule::default());
    assert_eq!(released[1], Published { eligible: Some(1_005), vaccinated: Some(610) });
    assert_eq!(released[2], Published { eligible: Some(50), vaccinated: Some(20) });
    let coverage = released[2].coverage().unwrap();
    assert!((coverage.value - 0.4).abs() < 1e-12 && coverage.lower < 0.4 && coverage.upper > 0.4);
}

#[test]
fn a_single_small_count_takes_the_next_smallest_with_it() {
    let released = flat(&[count(500, 3), count(500, 40), count(500, 300)], &Rule::default());
    let shown: Vec<Option<u64>> = released.iter().map(|cell| cell.vaccinated).collect();
    assert_eq!(shown, [Some(345), None, None, Some(300)]);
    assert!(released.iter().all(|cell| cell.eligible.is_some()));
}

#[test]
fn those_who_are_not_vaccinated_are_protected_too() {
    let released = flat(&[count(100, 98), count(100, 50), count(100, 40)], &Rule::default());
    assert_eq!(released[1].vaccinated, None, "two people are left unvaccinated");
}

#[test]
fn a_small_denominator_hides_all_of_its_group() {
    let released = flat(&[count(5, 0), count(100, 50), count(100, 40)], &Rule::default());
    assert_eq!(released[1], Published { eligible: None, vaccinated: None });
}

/// Twelve areas with one person each: rounding tells that the total is at most 12, so each would be exactly one.
#[test]
fn many_ones_cannot_be_counted_off_against_their_total() {
    let parts: Vec<Count> = (0..15).map(|area| count(50, u64::from(area < 12))).collect();
    let released = flat(&parts, &Rule::default());
    assert!(released[1..].iter().all(|cell| cell.vaccinated.is_none()), "{released:?}");
}

#[test]
fn an_area_inside_another_is_not_found_by_taking_its_neighbours_away() {
    let mut table = Table::new();
    let areas = [count(400, 200), count(300, 150), count(90, 3), count(500, 250), count(600, 300)];
    let regions = [total(&areas[..3]), total(&areas[3..])];
    let all = table.cell(total(&areas));
    let region_places = regions.map(|region| table.cell(region));
    let places = areas.map(|area| table.cell(area));
    table.sum(all, region_places);
    table.sum(region_places[0], places[..3].to_vec());
    table.sum(region_places[1], places[3..].to_vec());
    table.sum(all, places);
    let released = table.release(&Rule::default());
    assert_eq!(released[places[2]].vaccinated, None);
    assert_eq!(released[places[1]].vaccinated, None, "the smallest neighbour in the same region");
    assert!(released[region_places[0]].vaccinated.is_some());
}

fn groups() -> impl Strategy<Value = Vec<Count>> {
    let group = prop_oneof![
        3 => (0u64..12, 0u64..12),
        2 => (0u64..60, 0u64..60),
        1 => (100u64..5_000, 0u64..5_000),
    ];
    prop::collection::vec(group.prop_map(|(eligible, vaccinated)| count(eligible, vaccinated.min(eligible))), 1..9)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_small_count_is_printed(parts in groups()) {
        let rule = Rule::default();
        let released = flat(&parts, &rule);
        for (cell, real) in released[1..].iter().zip(&parts) {
            for (printed, real) in [(cell.eligible, real.eligible), (cell.vaccinated, real.vaccinated)] {
                prop_assert!(printed.is_none_or(|printed| printed % 5 == 0 && printed == rule.round(real)));
                prop_assert!(!rule.is_small(real) || printed.is_none());
            }
            let left = real.eligible - real.vaccinated;
            prop_assert!(!rule.is_small(left) || cell.vaccinated.is_none());
            prop_assert!(cell.eligible.is_some() || cell.vaccinated.is_none());
        }
    }

    /// The worst case, numbers not rounded at all: take what is visible from the total, and share out the rest.
    #[test]
    fn small_counts_are_not_told_by_differences(parts in groups()) {
        let rule = Rule { threshold: 7, base: 1 };
        let released = flat(&parts, &rule);
        type Column = (fn(&Published) -> Option<u64>, fn(&Count) -> u64);
        let columns: [Column; 3] = [
            (|cell| cell.eligible, |real| real.eligible),
            (|cell| cell.vaccinated, |real| real.vaccinated),
            (|cell| Some(cell.eligible? - cell.vaccinated?), |real| real.eligible - real.vaccinated),
        ];
        for (index, (printed, real)) in columns.into_iter().enumerate() {
            let Some(whole) = printed(&released[0]) else { continue };
            let visible: u64 = released[1..].iter().filter_map(printed).sum();
            let hidden: Vec<(u64, u64)> = released[1..]
                .iter()
                .zip(&parts)
                .filter(|(cell, _)| printed(cell).is_none())
                // A hidden denominator hides a numerator of nothing, too; of another it is taken to be known.
                .map(|(cell, group)| (real(group), u64::from(real(group) > 0 && (index == 0 || cell.eligible.is_some()))))
                .collect();
            if !hidden.iter().any(|(value, _)| rule.is_small(*value)) {
                continue;
            }
            let others = parts.iter().map(real).filter(|value| *value > 0).count() > 1;
            prop_assert!(hidden.len() > 1 || !others, "a single hidden count is told by the total: {:?}", released);
            // Where all are withheld, each may be nothing.
            let least: u64 = if hidden.len() == parts.len() { 0 } else { hidden.iter().map(|(_, low)| low).sum() };
            let ways = (whole - visible).saturating_sub(least) + 1;
            prop_assert!(ways >= 4 || !others, "only {} values are possible: {:?}", ways, released);
        }
    }
}
