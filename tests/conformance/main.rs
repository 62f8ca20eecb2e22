//! Runs every row of a folder's feature files against the running local stack: `cargo xtask conformance imms`.

mod acks;
mod answers;
mod codes;
mod columns;
mod days;
mod events;
mod features;
mod files;
mod found;
mod outbound;
mod payloads;
mod people;
mod refusals;
mod requests;
mod searches;
mod sheet;
mod steps;
mod stored;
mod whole_files;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use futures::{StreamExt, stream};
use serde::Serialize;

use features::Row;
use steps::{Said, Skipped, understand};
use world::{Bench, World};

/// Rows that are run at a time: most of a row is waiting.
const AT_A_TIME: usize = 8;
/// Exit status of a call that makes no sense.
const WRONG_USAGE: u8 = 2;

/// Run feature files against the running local stack.
#[derive(Debug, Parser)]
#[command(name = "conformance")]
struct Call {
    /// Folder of the feature files
    #[arg(long, value_name = "DIR")]
    features: PathBuf,
    /// Write the results as JSON to this file, or to standard output where none is named
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// Rows that may be skipped, one `feature: scenario` a line; any other skip counts as a failure
    #[arg(long, value_name = "FILE")]
    expected_skips: Option<PathBuf>,
    /// Directory of the stack's endpoints.json
    #[arg(long, value_name = "DIR")]
    local_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// What became of a row.
#[derive(Debug, Serialize)]
struct Judged {
    feature: String,
    scenario: String,
    row: usize,
    result: Outcome,
    why: String,
}

/// What became of all rows.
#[derive(Debug, Serialize)]
struct Report {
    passed: usize,
    failed: usize,
    skipped: usize,
    rows: Vec<Judged>,
}

impl Report {
    fn of(rows: Vec<Judged>) -> Self {
        let count = |outcome| rows.iter().filter(|row| row.result == outcome).count();
        let (passed, failed, skipped) = (count(Outcome::Passed), count(Outcome::Failed), count(Outcome::Skipped));
        Self { passed, failed, skipped, rows }
    }
}

/// Carries the steps of a row out, up to the first that fails. The whole row is understood before anything is done.
async fn run(bench: Arc<Bench>, row: Row) -> Judged {
    let judged = |result, why: String| Judged {
        feature: row.feature.clone(),
        scenario: row.scenario.clone(),
        row: row.place,
        result,
        why,
    };
    let mut acts = Vec::with_capacity(row.steps.len());
    for step in &row.steps {
        match understand(&step.text) {
            Some((act, values)) => acts.push((step, act, Said { values, table: step.table.clone() })),
            None => return judged(Outcome::Failed, format!("not understood: {} {}", step.keyword, step.text)),
        }
    }
    let mut world = World::new(bench, &row);
    for (step, act, said) in acts {
        if let Err(error) = act(&mut world, &said).await {
            return match error.downcast_ref::<Skipped>() {
                Some(skipped) => judged(Outcome::Skipped, skipped.to_string()),
                None => judged(Outcome::Failed, format!("{} {}: {error:#}", step.keyword, step.text)),
            };
        }
    }
    judged(Outcome::Passed, String::new())
}

/// Skips that nobody expects are failures.
fn hold_to(rows: &mut [Judged], expected: &BTreeSet<String>) {
    for row in rows.iter_mut().filter(|row| row.result == Outcome::Skipped) {
        if !expected.contains(&format!("{}: {}", row.feature, row.scenario)) {
            row.result = Outcome::Failed;
            row.why = format!("skipped, which was not expected: {}", row.why);
        }
    }
}

fn expected_skips(path: &Path) -> Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

async fn judge(call: &Call, paths: &[PathBuf]) -> Result<Report> {
    let expected = call.expected_skips.as_deref().map(expected_skips).transpose()?;
    let (mut rows, mut judged) = (Vec::new(), Vec::new());
    for path in paths {
        match features::read(path) {
            Ok(found) => rows.extend(found),
            Err(why) => {
                let feature = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                judged.push(Judged { feature, scenario: String::new(), row: 0, result: Outcome::Failed, why });
            }
        }
    }
    let dir = call.local_dir.clone().unwrap_or_else(xtask::stack::default_local_dir);
    let bench = Bench::connect(&dir).await?;
    let total = rows.len();
    let begun = Instant::now();
    let running = rows.into_iter().enumerate().map(|(place, row)| {
        let bench = Arc::clone(&bench);
        // A row that breaks off has failed; the others go on.
        let (feature, scenario, at) = (row.feature.clone(), row.scenario.clone(), row.place);
        async move {
            let done = tokio::spawn(run(bench, row)).await;
            (
                place,
                done.unwrap_or_else(|error| Judged {
                    feature,
                    scenario,
                    row: at,
                    result: Outcome::Failed,
                    why: format!("broke off: {error}"),
                }),
            )
        }
    });
    let mut running = stream::iter(running).buffer_unordered(AT_A_TIME);
    let mut done = Vec::with_capacity(total);
    while let Some((place, row)) = running.next().await {
        done.push((place, row));
        let (_, row) = &done[done.len() - 1];
        let word = match row.result {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::Skipped => "skipped",
        };
        let seconds = begun.elapsed().as_secs();
        eprintln!("[{seconds:4} s] {}/{total} {word} {}: {} ({})", done.len(), row.feature, row.scenario, row.row);
        if !row.why.is_empty() {
            eprintln!("         {}", row.why);
        }
    }
    done.sort_by_key(|(place, _)| *place);
    judged.extend(done.into_iter().map(|(_, row)| row));
    if let Some(expected) = &expected {
        hold_to(&mut judged, expected);
    }
    summarise(&judged);
    Ok(Report::of(judged))
}

/// Counts by feature, for people.
fn summarise(rows: &[Judged]) {
    let mut features: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for row in rows {
        features.entry(&row.feature).or_default()[row.result as usize] += 1;
    }
    eprintln!("\n{:<40} {:>7} {:>7} {:>7}", "feature", "passed", "failed", "skipped");
    for (feature, [passed, failed, skipped]) in features {
        eprintln!("{feature:<40} {passed:>7} {failed:>7} {skipped:>7}");
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let call = Call::parse();
    let paths = match features::files(&call.features) {
        Ok(paths) if !paths.is_empty() => paths,
        Ok(_) => {
            eprintln!("error: there is no .feature in '{}'", call.features.display());
            return WRONG_USAGE.into();
        }
        Err(error) => {
            eprintln!("error: --features '{}': {error}", call.features.display());
            return WRONG_USAGE.into();
        }
    };
    match told(&call, &paths).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all, and writes the report where it is wanted; true where no row failed.
async fn told(call: &Call, paths: &[PathBuf]) -> Result<bool> {
    let report = judge(call, paths).await?;
    let text = format!("{}\n", serde_json::to_string_pretty(&report)?);
    match &call.json {
        Some(path) if path.as_os_str() == "-" => print!("{text}"),
        Some(path) => std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?,
        None => {}
    }
    eprintln!("\n{} passed, {} failed, {} skipped", report.passed, report.failed, report.skipped);
    Ok(report.failed == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_of_the_committed_features_is_understood() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/features");
        let files = features::files(&dir).unwrap();
        assert!(!files.is_empty());
        for row in files.iter().flat_map(|path| features::read(path).unwrap()) {
            for step in row.steps {
                assert!(understand(&step.text).is_some(), "{}: {} {}", row.feature, row.scenario, step.text);
            }
        }
    }

    #[test]
    fn a_skip_that_is_not_listed_fails_and_one_that_is_keeps_its_reason() {
        let row = |scenario: &str, result| Judged {
            feature: "status.feature".into(),
            scenario: scenario.into(),
            row: 1,
            result,
            why: "no TLS".into(),
        };
        let mut rows = [row("one", Outcome::Skipped), row("two", Outcome::Skipped), row("three", Outcome::Passed)];
        hold_to(&mut rows, &BTreeSet::from(["status.feature: one".to_owned()]));
        assert_eq!(
            rows.iter().map(|row| row.result).collect::<Vec<_>>(),
            [Outcome::Skipped, Outcome::Failed, Outcome::Passed]
        );
        assert!(rows[0].why == "no TLS" && rows[1].why.contains("no TLS"), "{rows:?}");
        let report = Report::of(rows.into());
        assert_eq!((report.passed, report.failed, report.skipped), (1, 1, 1));
        assert_eq!(serde_json::to_value(&report).unwrap()["rows"][1]["result"], "failed");
    }
}
