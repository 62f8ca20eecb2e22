//! Selecting again, day after day, gives what a full selection gives.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod naive;

use std::collections::BTreeMap;

use bytes::Bytes;
use ims_domain::PersonId;
use ims_domain::campaign::ContactPlan;
use ims_eligibility::{Campaign, CompiledIteration};
use ims_snapshot::{Kept, PersonRow, Selector, write_parquet};
use jiff::Span;
use jiff::civil::{Date, date};
use naive::random;
use proptest::prelude::*;
use proptest::sample::select;

fn plan() -> ContactPlan {
    ContactPlan {
        schema: 1,
        campaign: "flu".into(),
        programme: "FLU".parse().unwrap(),
        count_doses_from: date(2025, 9, 1),
        doses: 2,
        dose_schedule: None,
        steps: vec![],
        quiet_days: vec![],
        waves: vec![],
    }
}

/// A full selection.
fn full(
    rules: &CompiledIteration,
    plan: &ContactPlan,
    population: &BTreeMap<PersonId, PersonRow>,
    today: Date,
    until: Date,
) -> Kept {
    let rows: Vec<PersonRow> = population.values().cloned().collect();
    let part = Bytes::from(write_parquet(&rows).unwrap());
    Kept::full(&mut Selector::new(rules, plan, today), part, until).unwrap()
}

/// The versions of rows that a merge takes over what it holds.
fn merge(population: &mut BTreeMap<PersonId, PersonRow>, changes: Vec<PersonRow>) -> BTreeMap<PersonId, PersonRow> {
    let mut taken = BTreeMap::new();
    for row in changes {
        let id: PersonId = row.person_id.parse().unwrap();
        if population.get(&id).is_none_or(|held| held.version < row.version) {
            population.insert(id, row.clone());
            taken.insert(id, row);
        }
    }
    taken
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn selecting_again_gives_what_a_full_selection_gives(
        document in random::campaign(),
        people in prop::collection::vec(random::person(), 1..20),
        first in 0i64..150,
        days in prop::collection::vec(
            // Days gone by; and who changes to whose row, in which version: earlier ones lose.
            (0i64..12, prop::collection::vec((0usize..24, random::person(), 0u64..5), 0..6)),
            1..5,
        ),
        reach in select(vec![3i64, 10, 31]),
    ) {
        let plan = plan();
        let campaign = Campaign::parse_published(document.to_string().as_bytes()).unwrap();
        let mut today = date(2025, 9, 1).saturating_add(Span::new().days(first));
        let Some(iteration) = campaign.iteration_on(today) else { return Ok(()) };
        let rules = campaign.compile(iteration);
        let mut population: BTreeMap<PersonId, PersonRow> =
            people.iter().map(|row| (row.person_id.parse().unwrap(), row.clone())).collect();
        let mut until = today.saturating_add(Span::new().days(reach));
        let mut kept = full(&rules, &plan, &population, today, until);
        let mut came = Vec::new();

        for (passed, changes) in days {
            today = today.saturating_add(Span::new().days(passed));
            // A person is known already, or new.
            let ids: Vec<String> = population.keys().map(ToString::to_string).collect();
            let changes = changes.into_iter().map(|(whose, row, version)| {
                let person_id = ids.get(whose).cloned().unwrap_or(row.person_id.clone());
                PersonRow { person_id, version, ..row }
            });
            let taken = merge(&mut population, changes.collect());
            // Rows of days before come again, as they do where a day's file is read twice.
            let new = taken.len();
            came.extend(taken.into_values());
            prop_assert_eq!(kept.reaches(today), today <= until);
            if !kept.reaches(today) {
                until = today.saturating_add(Span::new().days(reach));
                kept = full(&rules, &plan, &population, today, until);
                continue;
            }
            let mut selector = Selector::new(&rules, &plan, today);
            let again = Kept::from_files(kept.to_files().unwrap()).unwrap();
            prop_assert_eq!(&again, &kept);
            let (found, decided) = again.again(&mut selector, came.clone()).unwrap();
            prop_assert!(decided >= new);
            let expected = full(&rules, &plan, &population, today, until);
            prop_assert_eq!(found.candidates(), expected.candidates());
            prop_assert_eq!(found.eligible(), expected.eligible());
            // Nothing came since, and no day: nobody is looked at.
            let (same, decided) = found.clone().again(&mut selector, Vec::new()).unwrap();
            prop_assert_eq!((&same, decided), (&found, 0));
            kept = found;
        }
    }
}
