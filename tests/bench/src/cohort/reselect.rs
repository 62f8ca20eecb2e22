//! Selecting again after a day on which 1 % of people changed, against selecting all of them.
//!
//! The population lies there twice: as it was, and with the changes merged. The full selection reads the second, the other
//! reads what changed and the agenda that the selection of the day before left; laid over the candidates of the day before,
//! its answer must be the full selection's list.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ims_domain::campaign::ContactPlan;
use ims_eligibility::CompiledIteration;
use ims_snapshot::{Again, Candidate, Part, PersonRow, Row, Selector, rows_at, write_parquet};
use ims_testkit::population::{Geography, Settings, person};
use jiff::civil::Date;
use xtask::progress::step;

use super::ours::Asked;
use super::population::{self, PART, TODAY, row_of};
use super::threads::{each_thread, in_parallel};
use crate::measure::median;
use crate::{Better, Case, Options, Outcome};

/// People unless the command line says otherwise.
const PEOPLE: u64 = 1_000_000;

/// Runs of each.
const RUNS: usize = 5;

/// One person in so many changed.
const CHANGED: u64 = 100;

/// Days that the agenda reaches ahead.
const REACH: i64 = 7;

/// Where everything lies.
struct Folders {
    before: Vec<PathBuf>,
    after: Vec<PathBuf>,
    changes: Vec<PathBuf>,
    agenda: PathBuf,
}

/// All cases.
pub fn run(options: &Options) -> Result<Outcome> {
    let people = options.people.unwrap_or(PEOPLE);
    population::make(people)?;
    let asked = Asked::read()?;
    let tomorrow = TODAY.tomorrow()?;
    let mut folders = make(people)?;
    // The day before: its list is what the other is laid over, and its agenda says whose day comes.
    let until = TODAY.checked_add(jiff::Span::new().days(REACH))?;
    let began = Instant::now();
    let (earlier, agenda) = yesterday(&asked, &folders.before, until, &folders.agenda)?;
    folders.agenda.push(format!("{tomorrow}.parquet"));
    step(format!(
        "selected {} people the day before in {:.1} s; {agenda} are on the agenda",
        earlier.len(),
        began.elapsed().as_secs_f64()
    ));

    let (mut full, mut again) = (Vec::new(), Vec::new());
    let (mut looked_at, mut expected, mut found) = (0, Vec::new(), Again::default());
    for _ in 0..RUNS {
        let began = Instant::now();
        expected = select(&asked.rules, &asked.plan, tomorrow, &folders.after)?;
        full.push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        (looked_at, found) = reselect(&asked.rules, &asked.plan, tomorrow, &folders)?;
        again.push(began.elapsed().as_secs_f64());
    }
    let equal = found.over(&earlier) == expected;
    let by_work = people as f64 / looked_at as f64;
    let (full, again) = (median(full), median(again));
    step(format!("{looked_at} of {people} people were decided again; equal: {equal}"));
    Ok(Outcome {
        equal_output: Some(equal),
        results: vec![
            Case::new("people decided, of all: fewer by", by_work, "times", Better::Higher),
            Case::new("from changes to candidates", again, "s", Better::Lower).beside("full selection", full),
        ],
    })
}

/// Makes the population with its changes merged, and the changes by themselves.
fn make(people: u64) -> Result<Folders> {
    let folder = population::folder(people);
    let (after, changes) = (folder.join("after"), folder.join("changes"));
    let agenda = folder.join("agenda");
    for made in [&after, &changes, &agenda] {
        if made.exists() {
            fs::remove_dir_all(made)?;
        }
        fs::create_dir_all(made)?;
    }
    let before = population::parts(&folder)?;
    let geography = population::geography()?;
    let settings = Settings { people, seed: 1, business_date: TODAY };
    let began = Instant::now();
    in_parallel(before.len(), |number| {
        let name = before[number].file_name().context("a part has a name")?;
        let first = number as u64 * PART;
        let changed: Vec<PersonRow> = (first..people.min(first + PART))
            .filter(|index| index % CHANGED == 0)
            .map(|index| changed(&settings, &geography, index))
            .collect();
        let mut rows: Vec<PersonRow> = ims_snapshot::read_parquet(fs::read(&before[number])?)?;
        let newer: std::collections::HashMap<&str, &PersonRow> =
            changed.iter().map(|row| (row.person_id.as_str(), row)).collect();
        for row in &mut rows {
            if let Some(newer) = newer.get(row.person_id.as_str()) {
                *row = (*newer).clone();
            }
        }
        rows.sort_by_cached_key(Row::place);
        fs::write(after.join(name), write_parquet(&rows)?)?;
        fs::write(changes.join(name), write_parquet(&changed)?)?;
        Ok(())
    })?;
    step(format!("merged the changes of 1 in {CHANGED} people in {:.0} s", began.elapsed().as_secs_f64()));
    Ok(Folders { before, after: listed(&after)?, changes: listed(&changes)?, agenda })
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort_unstable();
    Ok(files)
}

/// The new row of somebody: vaccinated, booked, moved, or dead.
fn changed(settings: &Settings, geography: &Geography, index: u64) -> PersonRow {
    let mut row = row_of(settings, geography, &person(settings, geography, index));
    row.version += 1;
    match index / CHANGED % 10 {
        0..=3 => row.programmes[0].dose_dates.push(TODAY),
        4..=6 => {
            row.programmes[0].booked = Some(TODAY.saturating_add(jiff::Span::new().days(9)));
            row.programmes[0].appointment = row.programmes[0].booked;
        }
        7 => row.cohorts = if row.cohorts.is_empty() { vec!["at_risk".to_owned()] } else { Vec::new() },
        8 => row.dead = true,
        _ => row.practice = "A99001".to_owned(),
    }
    row
}

/// The list of the day before, and the rows of those whose day comes, one file a day; returns how many these are.
fn yesterday(asked: &Asked, parts: &[PathBuf], until: Date, agenda: &Path) -> Result<(Vec<Candidate>, usize)> {
    let needed = asked.selector().needed_to_list();
    let found = each_thread(parts.len(), |_, next| {
        let mut selector = asked.selector();
        let (mut candidates, mut rows) = (Vec::new(), Vec::new());
        while let Some(number) = next() {
            let part = Part::read(File::open(&parts[number])?, &needed)?;
            candidates.extend(selector.candidates(&part)?.1);
            let mut turning = selector.turning(&part, until);
            turning.sort_unstable();
            let places: Vec<usize> = turning.iter().map(|(person, _)| *person as usize).collect();
            let days = turning.into_iter().map(|(_, day)| day);
            rows.extend(days.zip(rows_at(File::open(&parts[number])?, &places)?));
        }
        Ok((candidates, rows))
    })?;
    let (mut candidates, mut rows) = (Vec::new(), Vec::new());
    for (some, turning) in found {
        candidates.extend(some);
        rows.extend(turning);
    }
    candidates.sort_unstable();
    rows.sort_by_key(|(day, _)| *day);
    for of_day in rows.chunk_by(|(one, _), (other, _)| one == other) {
        let people: Vec<PersonRow> = of_day.iter().map(|(_, row)| row.clone()).collect();
        fs::write(agenda.join(format!("{}.parquet", of_day[0].0)), write_parquet(&people)?)?;
    }
    Ok((candidates, rows.len()))
}

/// Everyone, in order.
fn select(rules: &CompiledIteration, plan: &ContactPlan, today: Date, parts: &[PathBuf]) -> Result<Vec<Candidate>> {
    let needed = Selector::new(rules, plan, today).needed_to_list();
    let found = each_thread(parts.len(), |_, next| {
        let mut selector = Selector::new(rules, plan, today);
        let mut candidates = Vec::new();
        while let Some(number) = next() {
            candidates.extend(selector.candidates(&Part::read(File::open(&parts[number])?, &needed)?)?.1);
        }
        candidates.sort_unstable();
        Ok(candidates)
    })?;
    let mut candidates = found.concat();
    // Two sorted runs: a stable sort merges them.
    candidates.sort();
    Ok(candidates)
}

/// Those who changed, and those whose day has come and who did not change.
fn reselect(rules: &CompiledIteration, plan: &ContactPlan, today: Date, folders: &Folders) -> Result<(u64, Again)> {
    let needed = Selector::new(rules, plan, today).needed_to_list();
    let found = each_thread(folders.changes.len(), |_, next| {
        let mut selector = Selector::new(rules, plan, today);
        let mut again = Again::default();
        while let Some(number) = next() {
            let part = Part::read(File::open(&folders.changes[number])?, &needed)?;
            again.add(Again::decide(&mut selector, [&part])?);
        }
        Ok(again)
    })?;
    let mut all = Again::default();
    found.into_iter().for_each(|again| all.add(again));
    if folders.agenda.is_file() {
        let due = Part::read(File::open(&folders.agenda)?, &needed)?;
        let decided: std::collections::HashSet<_> = all.decided.iter().copied().collect();
        let mut again = Again::decide(&mut Selector::new(rules, plan, today), [&due])?;
        again.leave_out(&decided);
        all.add(again);
    }
    ensure!(!all.decided.is_empty(), "nobody changed");
    Ok((all.decided.len() as u64, all))
}
