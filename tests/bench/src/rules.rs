//! `rules`: people judged a second by the row evaluator on one core, under the nine-group COVID-19 campaign.
//!
//! Facts are made beforehand: they are what the eligibility API has of a person, too. A full response is EliD's answer for
//! one condition with cohorts, reasons and actions, as JSON; a status is what selection asks of a row.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use ims_domain::campaign::ContactPlan;
use ims_domain::ids::stable_hash;
use ims_eligibility::{Campaign, CompiledIteration, PersonFacts, Status};
use ims_snapshot::{PersonRow, facts_of};
use jiff::Span;
use jiff::civil::{Date, date};
use xtask::workspace_root;

use crate::measure::{median, timed};
use crate::{Better, Case, Options, Outcome};

/// People asked about in a round, unless more are asked for.
const PEOPLE: u64 = 100_000;
/// Rounds of each figure; the median counts.
const ROUNDS: usize = 5;
const TODAY: Date = date(2025, 10, 6);

/// Runs the benchmark.
pub(crate) fn run(options: &Options) -> Result<Outcome> {
    let folder = workspace_root().join("tests/campaigns");
    let read = |file: &str| std::fs::read(folder.join(file)).with_context(|| format!("reading {file}"));
    let campaign = Campaign::parse(&read("covid.json")?).map_err(|problems| anyhow!("covid.json: {}", problems[0]))?;
    let plan: ContactPlan = serde_json::from_slice(&read("covid.plan.json")?)?;
    let iteration = campaign.iterations.first().context("an iteration")?;
    let rules = campaign.compile(iteration);
    let people: Vec<PersonFacts> =
        (0..options.people.unwrap_or(PEOPLE)).map(|place| facts_of(&person(place), &plan)).collect();
    agree(&rules, &people)?;
    let rate = |rounds: Vec<Duration>| people.len() as f64 / median(rounds.iter().map(Duration::as_secs_f64).collect());
    let responses = rate((0..ROUNDS).map(|_| timed(|| respond(&rules, &people)).1).collect());
    let explained = rate((0..ROUNDS).map(|_| timed(|| explain(&rules, &people)).1).collect());
    let statuses = rate((0..ROUNDS).map(|_| timed(|| ask(&rules, &people)).1).collect());
    Ok(Outcome {
        equal_output: None,
        results: vec![
            Case::new("full responses, one core", responses, "people/s", Better::Higher),
            Case::new("decisions with every step, one core", explained, "people/s", Better::Higher),
            Case::new("statuses only, one core", statuses, "people/s", Better::Higher),
        ],
    })
}

/// That the fast way and the one with answers say the same, and that every status is there.
fn agree(rules: &CompiledIteration, people: &[PersonFacts]) -> Result<()> {
    let mut seen = [0; 3];
    for facts in people {
        let (status, _) = rules.status(facts, TODAY);
        let suggestion = rules.suggest(facts, TODAY, true)?;
        ensure!(suggestion.status == status, "a response says {:?}, a status {status:?}", suggestion.status);
        seen[status as usize] += 1;
    }
    ensure!(seen.iter().all(|count| *count > 0), "of some status there is nobody: {seen:?}");
    Ok(())
}

fn respond(rules: &CompiledIteration, people: &[PersonFacts]) {
    let mut body = Vec::with_capacity(4096);
    for facts in people {
        body.clear();
        if let Ok(suggestion) = rules.suggest(facts, TODAY, true) {
            // A vector takes everything.
            serde_json::to_writer(&mut body, &suggestion).unwrap_or_default();
        }
        black_box(&body);
    }
}

fn explain(rules: &CompiledIteration, people: &[PersonFacts]) {
    for facts in people {
        black_box(rules.decide(facts, TODAY));
    }
}

fn ask(rules: &CompiledIteration, people: &[PersonFacts]) -> u64 {
    let due = people.iter().filter(|facts| rules.status(*facts, TODAY).0 == Status::Actionable);
    black_box(due.count() as u64)
}

/// Somebody made up: of any age to a hundred, in some cohorts, with doses and an appointment now and then.
fn person(place: u64) -> PersonRow {
    let draw = |what: &str, of: u64| stable_hash(&format!("{what} {place}")) % of;
    let back = |days: u64| TODAY.checked_sub(Span::new().days(i64::try_from(days).unwrap_or(0))).unwrap_or(TODAY);
    let mut row = PersonRow {
        person_id: place.to_string(),
        date_of_birth: Some(back(draw("age", 36_500))),
        gender: (1 + draw("gender", 2)).to_string(),
        postcode: "CB3 8DX".to_owned(),
        lsoa: "E01018223".to_owned(),
        icb: "QUE".to_owned(),
        region: "Y61".to_owned(),
        ..PersonRow::default()
    };
    for (label, of) in [("at_risk", 8), ("carers", 20), ("care_home_residents", 100), ("health_social_care_staff", 30)]
    {
        if draw(label, of) == 0 {
            row.cohorts.push(label.to_owned());
        }
    }
    let covid = &mut row.programmes[0];
    if draw("dose", 4) == 0 {
        covid.dose_dates = vec![back(300 + draw("first", 900)), back(draw("last", 300))];
    }
    if draw("booked", 10) == 0 {
        covid.booked = TODAY.checked_add(Span::new().days(3)).ok();
    }
    row
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_figure_is_there_and_every_status_too() {
        let outcome = run(&Options { people: Some(500) }).unwrap();
        assert_eq!(outcome.results.len(), 3);
        assert!(outcome.results.iter().all(|case| case.ours > 0.0));
        assert!(serde_json::to_value(&outcome).is_ok_and(|value| value["results"][0]["peer"] == Value::Null));
    }
}
