//! One compiled campaign, three readings: a person at a time, columns, and a naive interpreter of the JSON.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod naive;

use std::collections::BTreeMap;

use bytes::Bytes;
use ims_domain::campaign::{ContactPlan, DoseSchedule, MinimumAge, MinimumInterval};
use ims_eligibility::{Campaign, CompiledIteration, Status};
use ims_snapshot::{By, Evaluator, Part, PersonRow, Preview, Selector, facts_of, write_parquet};
use jiff::civil::{Date, date};
use naive::random;
use proptest::prelude::*;
use serde_json::Value;

/// A flu plan with any schedule or none, and the schedule as the naive interpreter has it.
fn plan() -> impl Strategy<Value = (ContactPlan, naive::Schedule)> {
    let schedule = (
        prop::option::of((1u32..900, 0u32..5)),
        prop::option::of((1u32..120, 0u32..5)),
        prop::option::of(1u8..3),
        prop::option::of(0i32..250),
    );
    prop::option::weighted(0.6, schedule).prop_map(|schedule| {
        let from = date(2025, 9, 1);
        let mut naive =
            naive::Schedule { from: ymd(from), is_schedule: schedule.is_some(), ..naive::Schedule::default() };
        let dose_schedule = schedule.map(|(age, interval, most, until)| {
            let until = until.map(|days| from.saturating_add(jiff::Span::new().days(days)));
            let interval = interval.map(|(days, grace)| (days, grace.min(days - 1)));
            naive.age = age.map(|(months, grace)| (months.into(), grace.into()));
            naive.interval = interval.map(|(days, grace)| (days.into(), grace.into()));
            (naive.most, naive.until) = (most.map(usize::from), until.map(ymd));
            DoseSchedule {
                minimum_age: age.map(|(months, grace_days)| MinimumAge { months, grace_days }),
                minimum_interval: interval.map(|(days, grace_days)| MinimumInterval { days, grace_days }),
                maximum_doses: most,
                count_doses_until: until,
            }
        });
        let plan = ContactPlan {
            schema: 1,
            campaign: "flu".into(),
            programme: "FLU".parse().unwrap(),
            count_doses_from: from,
            doses: 2,
            dose_schedule,
            steps: vec![],
            quiet_days: vec![],
            waves: vec![],
        };
        (plan, naive)
    })
}

fn compile(document: &Value, today: Date) -> Option<CompiledIteration> {
    let campaign = Campaign::parse_published(document.to_string().as_bytes())
        .unwrap_or_else(|problems| panic!("{problems:?} in {document}"));
    campaign.iteration_on(today).map(|iteration| campaign.compile(iteration))
}

fn part(rows: &[PersonRow], needed: &ims_snapshot::Needed) -> Part {
    Part::read(Bytes::from(write_parquet(rows).unwrap()), needed).unwrap()
}

fn ymd(day: Date) -> naive::Day {
    (day.year().into(), day.month().into(), day.day().into())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn row_columns_and_a_naive_reading_agree(
        document in random::campaign(),
        rows in prop::collection::vec(random::person(), 1..24),
        cut in 0usize..24,
        today in random::day(),
        after in 0i64..200,
        whenever in prop::bool::weighted(0.1),
        (plan, schedule) in plan(),
    ) {
        let today = if whenever { today } else { date(2025, 9, 1).saturating_add(jiff::Span::new().days(after)) };
        let compiled = compile(&document, today);
        let live = naive::live(&document, ymd(today));
        prop_assert_eq!(compiled.is_some(), live.is_some());
        let (Some(compiled), Some(live)) = (compiled, live) else { return Ok(()) };
        let labels: Vec<&str> = compiled.cohort_labels().collect();
        let mut evaluator = Evaluator::new(&compiled, &plan, today);
        // Two parts, so that what was learned of one serves the other.
        let (first, second) = rows.split_at(cut.min(rows.len()));
        let mut standings = Vec::new();
        for rows in [first, second].into_iter().filter(|rows| !rows.is_empty()) {
            let part = part(rows, &evaluator.needed());
            standings.extend(evaluator.standings(&part).iter().collect::<Vec<_>>());
        }
        for (row, (status, cohort)) in rows.iter().zip(standings) {
            let facts = facts_of(row, &plan);
            let by_row = compiled.status(&facts, today);
            let by_column = (status, cohort.map(|place| labels[place]));
            prop_assert_eq!(by_row, by_column, "{:?}", row);
            prop_assert_eq!(compiled.decide(&facts, today).status, status);
            let known = naive::known(row, "FLU", &schedule);
            let (naive_status, naive_cohort) = naive::stand(live, &known, ymd(today));
            prop_assert_eq!((status.as_str(), by_column.1), (naive_status, naive_cohort.as_deref()), "{:?}", row);
        }
    }

    /// Who is selected, in which order, and how many by cohort and region, is what asking people one by one gives.
    #[test]
    fn candidates_and_counts_are_those_of_asking_one_by_one(
        document in random::campaign(),
        rows in prop::collection::vec(random::person(), 1..40),
        limited in proptest::sample::subsequence(&random::LABELS[..], 0..3),
        by in proptest::sample::select(&By::NAMES[..]),
        (plan, schedule) in plan(),
    ) {
        let today = date(2025, 12, 1);
        let Some(compiled) = compile(&document, today) else { return Ok(()) };
        let wanted: Vec<String> = limited.into_iter().map(str::to_owned).collect();
        let places: BTreeMap<&str, u16> = compiled.cohort_labels().zip(0..).collect();
        let (mut eligible, mut expected, mut counted) = (0, Vec::new(), BTreeMap::new());
        for row in rows.iter().filter(|row| !row.is_off_list()) {
            let (status, cohort) = compiled.status(&facts_of(row, &plan), today);
            eligible += u64::from(status != Status::NotEligible);
            let Some(cohort) = cohort.filter(|_| status == Status::Actionable) else { continue };
            let doses: Vec<naive::Day> = row.programmes[1].dose_dates.iter().copied().map(ymd).collect();
            let dose = schedule.valid(&doses, row.date_of_birth.map(ymd)).len() as u8 + 1;
            let invited = row.programmes[1].invites.iter().any(|i| i.starts_with(&format!("flu#{dose}#")) && i.ends_with("#open"));
            if dose > 2 || invited || !(wanted.is_empty() || wanted.iter().any(|label| label == cohort)) {
                continue;
            }
            expected.push((places[cohort], row.lot, row.person_id.clone(), dose));
            *counted.entry((cohort.to_owned(), by.1.key(row, today).into_owned())).or_insert(0u64) += 1;
        }
        expected.sort();

        let mut selector = Selector::new(&compiled, &plan, today).limited_to(&wanted);
        let whole = part(&rows, &selector.needed_to_list().and(by.1.needed()));
        let (found_eligible, found) = selector.candidates(&whole).unwrap();
        let found: Vec<_> = found.into_iter().map(|c| (c.cohort, c.lot, c.person.to_string(), c.dose)).collect();
        prop_assert_eq!(found_eligible, eligible);
        prop_assert_eq!(found, expected);

        let mut preview = Preview::default();
        for rows in rows.chunks(7) {
            preview.add(selector.count(&part(rows, &selector.needed().and(by.1.needed())), Some(by.1)));
        }
        prop_assert_eq!(preview.people, rows.len() as u64);
        prop_assert_eq!(preview.eligible, eligible);
        let counts: BTreeMap<_, _> = preview.counts().into_iter().map(|c| ((c.cohort, c.key), c.count)).collect();
        prop_assert_eq!(counts, counted);
    }
}
