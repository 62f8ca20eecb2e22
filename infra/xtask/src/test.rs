//! Everything CI runs, in order, with a table at the end.

mod localstack;

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use ims_domain::{MessageId, reply::ReplyKey};

use crate::{
    cargo, conformance, contract,
    demo::running,
    endpoints::Endpoints,
    fuzz, pack,
    progress::step,
    python,
    stack::{self, Emulator, Ports, default_local_dir},
    web, workspace_root,
};

/// Tests that need a local stack; nextest's words.
const ON_A_STACK: &str = "package(ims-tests) - binary(guard) - binary(conformance)";
/// Seconds of the end-to-end tests' stack: a process that dies and a message in doubt are looked at again soon.
const FENCE_SECONDS: &str = "12";
const TOKEN_WINDOW_SECONDS: &str = "4";
const VISIBILITY_SECONDS: &str = "20";
/// Seconds of each fuzz target.
const FUZZ_SECONDS: u64 = 10;
/// People of the demo that CI runs.
const DEMO_PEOPLE: &str = "1000";

/// Which steps to run, and on what.
#[derive(Debug, Clone, Default)]
pub struct TestArgs {
    /// Only these steps; all where empty.
    pub only: Vec<String>,
    /// Not these steps.
    pub skip: Vec<String>,
    /// Emulator of the end-to-end tests.
    pub emulator: Emulator,
}

/// Counts of tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

struct Row {
    name: &'static str,
    outcome: Outcome,
    counts: Option<Counts>,
    took: Duration,
}

type Step = (&'static str, fn(&TestArgs) -> Result<Done>);

/// What a step that could be run found.
struct Done {
    outcome: Outcome,
    counts: Option<Counts>,
}

impl Done {
    /// Both this and another.
    fn and(self, other: Self) -> Self {
        let outcome = if self.outcome == Outcome::Passed { other.outcome } else { self.outcome };
        let counts = match (self.counts, other.counts) {
            (Some(one), Some(two)) => Some(Counts {
                passed: one.passed + two.passed,
                failed: one.failed + two.failed,
                skipped: one.skipped + two.skipped,
            }),
            (one, two) => one.or(two),
        };
        Self { outcome, counts }
    }
}

const STEPS: &[Step] = &[
    ("fmt", |_| check(cargo().args(["fmt", "--all", "--check"]))),
    ("clippy", |_| check(cargo().args(["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))),
    ("doc", |_| {
        check(cargo().args(["doc", "--locked", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    }),
    ("nextest", |_| nextest()),
    ("fuzz", |_| fuzzed()),
    ("template", |_| template()),
    ("pytest", |_| pytest()),
    ("localstack", localstack::run),
    ("e2e", e2e),
    ("demo", demo),
];

/// Names of the steps, in order.
#[must_use]
pub fn names() -> Vec<&'static str> {
    STEPS.iter().map(|(name, _)| *name).collect()
}

/// Runs the steps and prints the table; true where all went well.
pub fn run(args: &TestArgs) -> bool {
    let mut rows = Vec::new();
    for (name, run) in STEPS {
        let wanted = args.only.is_empty() || args.only.iter().any(|only| only == name);
        if !wanted || args.skip.iter().any(|skip| skip == name) {
            continue;
        }
        step(format!("test step: {name}"));
        let begun = Instant::now();
        // A step that cannot even start fails; the others still run.
        let done =
            run(args).unwrap_or_else(|error| Done { outcome: Outcome::Failed(format!("{error:#}")), counts: None });
        rows.push(Row { name, outcome: done.outcome, counts: done.counts, took: begun.elapsed() });
    }
    let (table, all_well) = report(&rows);
    print!("{table}");
    all_well
}

/// The table, and whether all went well. A failed check counts as one failure beside the tests' own.
fn report(rows: &[Row]) -> (String, bool) {
    let mut text = format!("\n{:<10} {:<8} {:>8}  {}\n", "step", "result", "seconds", "tests");
    let mut total = Counts::default();
    let mut all_well = true;
    for row in rows {
        let (word, why) = match &row.outcome {
            Outcome::Passed => ("passed", ""),
            Outcome::Failed(why) => ("FAILED", why.as_str()),
            Outcome::Skipped(why) => ("skipped", why.as_str()),
        };
        let mut detail = match row.counts {
            Some(c) => format!("{} passed, {} failed, {} skipped", c.passed, c.failed, c.skipped),
            None => String::new(),
        };
        if !why.is_empty() {
            detail.push_str(if detail.is_empty() { "" } else { "; " });
            detail.push_str(why);
        }
        let line = format!("{:<10} {word:<8} {:>8.1}  {detail}", row.name, row.took.as_secs_f64());
        text.push_str(line.trim_end());
        text.push('\n');
        let counts = row.counts.unwrap_or_default();
        total.passed += counts.passed;
        total.failed += counts.failed;
        total.skipped += counts.skipped;
        if matches!(row.outcome, Outcome::Failed(_)) {
            all_well = false;
            total.failed += u64::from(counts.failed == 0);
        }
    }
    text.push_str(&format!("\n{} passed, {} failed, {} skipped\n", total.passed, total.failed, total.skipped));
    (text, all_well)
}

fn check(command: &mut Command) -> Result<Done> {
    let status = command.status().with_context(|| format!("running {command:?}"))?;
    let outcome = if status.success() { Outcome::Passed } else { Outcome::Failed(status.to_string()) };
    Ok(Done { outcome, counts: None })
}

/// Runs a command, passing its stderr (or stdout) on line by line; gives the last line in which counts were found.
fn counted(command: &mut Command, from_stdout: bool, parse: fn(&str) -> Option<Counts>) -> Result<Done> {
    let (stdout, stderr) =
        if from_stdout { (Stdio::piped(), Stdio::inherit()) } else { (Stdio::inherit(), Stdio::piped()) };
    let mut child = command.stdout(stdout).stderr(stderr).spawn().with_context(|| format!("running {command:?}"))?;
    let mut counts = None;
    let mut read = |stream: &mut dyn BufRead| -> std::io::Result<()> {
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line)? > 0 {
            let text = String::from_utf8_lossy(&line);
            eprint!("{text}");
            counts = parse(&text).or(counts);
            line.clear();
        }
        Ok(())
    };
    if let Some(stream) = child.stdout.take() {
        read(&mut BufReader::new(stream))?;
    }
    if let Some(stream) = child.stderr.take() {
        read(&mut BufReader::new(stream))?;
    }
    let status = child.wait()?;
    let outcome = if status.success() { Outcome::Passed } else { Outcome::Failed(status.to_string()) };
    Ok(Done { outcome, counts })
}

/// The number before each of the words `passed`, `failed`, `skipped` in a summary line.
fn counts_in(line: &str) -> Counts {
    let words: Vec<&str> = line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let before = |name: &str| {
        words.windows(2).filter(|pair| pair[1] == name).filter_map(|pair| pair[0].parse::<u64>().ok()).sum()
    };
    Counts {
        passed: before("passed"),
        failed: before("failed") + before("errors") + before("error"),
        skipped: before("skipped"),
    }
}

/// `Summary [   0.4s] 3 tests run: 2 passed (1 slow), 1 failed, 0 skipped`
fn nextest_counts(line: &str) -> Option<Counts> {
    line.trim_start().starts_with("Summary [").then(|| counts_in(line))
}

/// `2 passed, 1 failed, 3 skipped in 0.10s`
fn pytest_counts(line: &str) -> Option<Counts> {
    let counts = counts_in(line);
    (line.contains(" in ") && counts != Counts::default()).then_some(counts)
}

/// `12 passed, 0 failed`, alone on a line
fn plain_counts(line: &str) -> Option<Counts> {
    let (passed, failed) = line.trim().strip_suffix(" failed")?.split_once(" passed, ")?;
    Some(Counts { passed: passed.parse().ok()?, failed: failed.parse().ok()?, skipped: 0 })
}

/// `12 passed, 1 failed, 3 skipped`, alone on a line
fn row_counts(line: &str) -> Option<Counts> {
    let alone = line.trim().strip_suffix(" skipped").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    (alone && line.contains(" passed, ")).then(|| counts_in(line))
}

/// `  1209 generated, 1200 passed, 9 skipped`, as schemathesis counts its requests
fn contract_counts(line: &str) -> Option<Counts> {
    line.contains(" generated, ").then(|| counts_in(line))
}

fn nextest() -> Result<Done> {
    run_nextest(&format!("not ({ON_A_STACK})"), None)
}

/// Runs the workspace's tests that a filter names, one at a time where they share a stack.
fn run_nextest(filter: &str, stack_dir: Option<&PathBuf>) -> Result<Done> {
    let there = cargo().args(["nextest", "--version"]).output().is_ok_and(|output| output.status.success());
    if !there {
        step("installing cargo-nextest");
        let status = cargo().args(["install", "--locked", "cargo-nextest"]).status()?;
        if !status.success() {
            bail!("cargo-nextest could not be installed; see above");
        }
    }
    let mut command = cargo();
    command.args(["nextest", "run", "--locked", "--workspace", "--profile", "default", "--color", "never"]);
    command.args(["--no-fail-fast", "--no-tests", "pass", "-E", filter]);
    match stack_dir {
        Some(dir) => command.args(["--test-threads", "1"]).env("IMS_STACK_DIR", dir),
        None => command.env_remove("IMS_STACK_DIR"),
    };
    counted(&mut command, false, nextest_counts)
}

/// A local stack of a step's own, taken down when the step ends, however it ends.
struct OwnStack {
    dir: PathBuf,
    ports: Ports,
}

impl OwnStack {
    /// Free ports and an empty place; what an interrupted run left there is stopped first.
    fn new(name: &str) -> Result<Self> {
        let dir = default_local_dir().join(name);
        stack::down(&dir)?;
        // Held together, so that the three differ.
        let held: Vec<TcpListener> =
            (0..3).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<std::io::Result<_>>()?;
        let port = |place: usize| held[place].local_addr().map(|address| address.port());
        let ports = Ports { aws: port(0)?, front_door: port(1)?, notify: port(2)? };
        Ok(Self { dir, ports })
    }

    /// A task of this program on the stack.
    fn task(&self, task: &str) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("finding this program")?);
        command
            .arg(task)
            .arg("--local-dir")
            .arg(&self.dir)
            .env("IMS_AWS_PORT", self.ports.aws.to_string())
            .env("IMS_FRONT_DOOR_PORT", self.ports.front_door.to_string())
            .env("IMS_NOTIFY_PORT", self.ports.notify.to_string());
        Ok(command)
    }
}

impl OwnStack {
    /// Whether anybody who came into the stack is in its logs.
    fn logs(&self) -> Result<Done> {
        check(&mut self.task("logs")?)
    }
}

impl Drop for OwnStack {
    fn drop(&mut self) {
        if let Err(error) = stack::down(&self.dir) {
            step(format!("the stack in {} did not go down: {error:#}", self.dir.display()));
        }
    }
}

/// End-to-end and fault tests on a stack of their own.
fn e2e(args: &TestArgs) -> Result<Done> {
    let own = OwnStack::new("e2e")?;
    let mut up = own.task("up")?;
    up.args(["--emulator", args.emulator.name(), "--send-fence-seconds", FENCE_SECONDS])
        .args([
            "--token-window-seconds",
            TOKEN_WINDOW_SECONDS,
            "--visibility-seconds",
            VISIBILITY_SECONDS,
            "--faults",
            "--mesh",
        ])
        .stdout(Stdio::null());
    if !up.status().context("setting the local stack up")?.success() {
        bail!("the local stack does not come up; see above");
    }
    let mut done = run_nextest(ON_A_STACK, Some(&own.dir))?;
    for features in [Some(conformance::own_features()), acceptance_features()].into_iter().flatten() {
        step(format!("conformance: the rows of {}", features.display()));
        let mut rows = conformance::command(&features, &own.dir)?;
        rows.arg("--expected-skips").arg(conformance::expected_skips());
        done = done.and(counted(&mut rows, false, row_counts)?);
    }
    step("suppliers' test pack");
    done = done.and(counted(&mut pack::command(&own.dir)?, true, row_counts)?);
    // Before words that are nobody's name come in as names, such as "true".
    done = done.and(own.logs()?);
    if let Some(python) = contract::python()? {
        step("contract: the API's answers against its description");
        done = done.and(counted(&mut contract::command(&python, &own.dir)?, true, contract_counts)?);
    }
    Ok(done)
}

/// The national API's own feature files, where there are acceptance data.
fn acceptance_features() -> Option<PathBuf> {
    let usual = || workspace_root().join("../shared");
    let data = std::env::var_os("IMS_ACCEPTANCE_DATA").map_or_else(usual, PathBuf::from);
    let features = data.join("acceptance/imms/features");
    if !features.is_dir() {
        step("skipped: no acceptance data");
        return None;
    }
    Some(features)
}

/// A season with few people, judged by its own checks, by other tools that read what it left, and in a browser that opens
/// the console's pages.
fn demo(args: &TestArgs) -> Result<Done> {
    let own = OwnStack::new("ci-demo")?;
    let report = own.dir.join("demo.json");
    let mut play = own.task("demo")?;
    play.args(["--people", DEMO_PEOPLE, "--keep", "--emulator", args.emulator.name(), "--json"]).arg(&report);
    let status = play.status().context("running the demo")?;
    if !status.success() {
        return Ok(Done { outcome: Outcome::Failed(format!("the demo: {status}")), counts: None });
    }
    let mut command = Command::new(checks_python()?);
    command.current_dir(workspace_root()).env("IMS_DEMO_DIR", own.dir.join("demo"));
    command.args(["-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", "tests/test_parquet.py"]);
    let read = counted(&mut command, true, pytest_counts)?;
    Ok(read.and(browser(&own.dir, &report)?).and(own.logs()?))
}

/// Opens the console of a demo in a browser.
fn browser(dir: &Path, report: &Path) -> Result<Done> {
    let folder = workspace_root().join("tests/browser");
    web::check()?;
    web::install(&folder)?;
    let endpoints = Endpoints::read(dir)?;
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(leave_unmatched(&endpoints)))?;
    let mut tokens = serde_json::Map::new();
    for role in ["planner", "analyst", "engineer", "agent", "records-officer", "auditor"] {
        tokens.insert(role.to_owned(), running::staff_token(&endpoints, role)?.into());
    }
    let link = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(a_link(&endpoints)))?;
    let mut command = Command::new("node");
    command
        .arg("run.mjs")
        .current_dir(folder)
        .env("IMS_CONSOLE", &endpoints.console)
        .env("IMS_TOKENS", serde_json::Value::from(tokens).to_string())
        .env("IMS_REPLY_LINK", link)
        .env("IMS_DEMO_JSON", std::path::absolute(report)?)
        .env("IMS_SCREENSHOTS", std::path::absolute(dir)?.join("screenshots"));
    counted(&mut command, true, plain_counts)
}

/// What the link to the public's page of one of the texts that were sent ends with; empty where there was none.
async fn a_link(endpoints: &Endpoints) -> Result<String> {
    let key = ReplyKey::new(stack::REPLY_KEY.as_bytes())?;
    let sent = running::Running::connect(endpoints).await?.sent().await?;
    let text = sent.iter().find(|sent| sent["channel"] == "sms").and_then(|sent| sent["reference"].as_str());
    let message = text.map(str::parse::<MessageId>).transpose()?;
    Ok(message.map(|message| key.link(message)).unwrap_or_default())
}

/// Posts a record without an NHS number, so that the room Matching has something to decide about.
async fn leave_unmatched(endpoints: &Endpoints) -> Result<()> {
    let text = std::fs::read_to_string(workspace_root().join("shared/fhir/tests/fixtures/this-season.json"))?;
    let mut record: serde_json::Value = serde_json::from_str(&text)?;
    for part in record["contained"].as_array_mut().into_iter().flatten() {
        if part["resourceType"] == "Patient"
            && let Some(patient) = part.as_object_mut()
        {
            patient.remove("identifier");
        }
    }
    let status = running::Running::connect(endpoints).await?.post("Immunization", &record).await?;
    anyhow::ensure!(status == 201 || status == 422, "the record without a number was answered {status}");
    Ok(())
}

fn checks_python() -> Result<std::path::PathBuf> {
    python::venv(&["infra/emulator/requirements.txt", "infra/emulator/requirements-checks.txt"])
}

/// A short run of every fuzz target.
fn fuzzed() -> Result<Done> {
    let done = fuzz::run(&[], FUZZ_SECONDS)?;
    let counts = Counts { passed: done.len() as u64, ..Counts::default() };
    Ok(Done { outcome: Outcome::Passed, counts: Some(counts) })
}

fn template() -> Result<Done> {
    let lint = checks_python()?.with_file_name("cfn-lint");
    check(Command::new(lint).arg(workspace_root().join("infra/template.yaml")))
}

fn pytest() -> Result<Done> {
    let tests = workspace_root().join("tests");
    let is_test = |name: &str| name.starts_with("test_") && name.ends_with(".py");
    let any = std::fs::read_dir(&tests)?.flatten().any(|entry| is_test(&entry.file_name().to_string_lossy()));
    if !any {
        return Ok(Done { outcome: Outcome::Skipped("there are no tests/test_*.py".to_owned()), counts: None });
    }
    let mut command = Command::new(checks_python()?);
    command.current_dir(workspace_root()).args(["-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", "tests"]);
    counted(&mut command, true, pytest_counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_read() {
        for (line, passed, failed, skipped) in [
            ("     Summary [   0.413s] 17 tests run: 15 passed (2 slow), 2 failed, 3 skipped", 15, 2, 3),
            ("     Summary [   0.1s] 1 test run: 1 passed, 0 skipped", 1, 0, 0),
        ] {
            assert_eq!(nextest_counts(line), Some(Counts { passed, failed, skipped }), "{line}");
        }
        assert_eq!(nextest_counts("        PASS [   0.003s] xtask test::tests::one"), None);
        assert_eq!(pytest_counts("1 failed, 4 passed in 0.12s"), Some(Counts { passed: 4, failed: 1, skipped: 0 }));
        assert_eq!(
            pytest_counts("2 passed, 1 skipped, 1 error in 1.02s"),
            Some(Counts { passed: 2, failed: 1, skipped: 1 })
        );
        assert_eq!(pytest_counts("no tests ran in 0.01s"), None);
        assert_eq!(row_counts("12 passed, 1 failed, 3 skipped"), Some(Counts { passed: 12, failed: 1, skipped: 3 }));
        assert_eq!(row_counts("[   2 s] 4/9 skipped status.feature: it was skipped (1)"), None);
    }

    #[test]
    fn a_failed_check_fails_the_run_and_the_last_line_sums_up() {
        let row = |name, outcome, counts| Row { name, outcome, counts, took: Duration::from_secs(1) };
        let tests = Some(Counts { passed: 5, failed: 0, skipped: 2 });
        let well = [row("fmt", Outcome::Passed, None), row("nextest", Outcome::Passed, tests)];
        let (text, all_well) = report(&well);
        assert!(all_well && text.ends_with("\n5 passed, 0 failed, 2 skipped\n"), "{text}");
        let ill =
            [row("clippy", Outcome::Failed("exit status: 101".into()), None), row("nextest", Outcome::Passed, tests)];
        let (text, all_well) = report(&ill);
        assert!(!all_well && text.ends_with("\n5 passed, 1 failed, 2 skipped\n"), "{text}");
    }
}
