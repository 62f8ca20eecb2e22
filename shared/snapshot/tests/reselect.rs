//! Selecting again, day after day, gives what a full selection gives.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod naive;

use std::collections::BTreeMap;

use bytes::Bytes;
use ims_domain::PersonId;
use ims_domain::campaign::ContactPlan;
use ims_eligibility::{Campaign, CompiledIteration};
use ims_snapshot::{Again, Agenda, Candidate, Part, PersonRow, Selector, write_parquet};
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

fn part(rows: impl IntoIterator<Item = PersonRow>, selector: &Selector<'_>) -> Part {
    let rows: Vec<PersonRow> = rows.into_iter().collect();
    Part::read(Bytes::from(write_parquet(&rows).unwrap()), &selector.needed_to_list()).unwrap()
}

/// A full selection, with the agenda that it leaves.
fn full(
    rules: &CompiledIteration,
    plan: &ContactPlan,
    population: &BTreeMap<PersonId, PersonRow>,
    today: Date,
    until: Date,
) -> (Vec<Candidate>, Agenda) {
    let mut selector = Selector::new(rules, plan, today);
    let part = part(population.values().cloned(), &selector);
    (selector.candidates(&part).unwrap().1, Agenda::of(&mut selector, &part, until).unwrap())
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
        let (mut candidates, mut agenda) = full(&rules, &plan, &population, today, until);

        for (passed, changes) in days {
            today = today.saturating_add(Span::new().days(passed));
            // A person is known already, or new.
            let ids: Vec<String> = population.keys().map(ToString::to_string).collect();
            let changes = changes.into_iter().map(|(whose, row, version)| {
                let person_id = ids.get(whose).cloned().unwrap_or(row.person_id.clone());
                PersonRow { person_id, version, ..row }
            });
            let taken = merge(&mut population, changes.collect());
            if today > until {
                until = today.saturating_add(Span::new().days(reach));
                (candidates, agenda) = full(&rules, &plan, &population, today, until);
                continue;
            }
            let mut selector = Selector::new(&rules, &plan, today);
            let due: Vec<PersonRow> =
                agenda.due(today).filter(|id| !taken.contains_key(id)).map(|id| population[&id].clone()).collect();
            let looked_at = due.len() + taken.len();
            let again = part(due.into_iter().chain(taken.into_values()), &selector);
            let found = Again::decide(&mut selector, [&again]).unwrap();
            prop_assert_eq!(found.decided.len(), looked_at);
            candidates = found.over(&candidates);
            let newer = Agenda::of(&mut selector, &again, until).unwrap();
            agenda.replace(&found.decided, newer);

            let (expected, _) = full(&rules, &plan, &population, today, until);
            prop_assert_eq!(&candidates, &expected);
        }
    }
}
