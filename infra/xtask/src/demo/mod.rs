//! Whole campaigns on the local stack, with a report.

mod campaigns;
mod crowd;
mod oracle;
mod outcome;
mod recall;
mod report;
pub mod running;
mod season;
mod timeline;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use ims_planning::AREAS_KEY;
use ims_testkit::population::{self, Geography, Phase, Settings};
use jiff::{
    Span,
    civil::{Date, date},
};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{
    endpoints::Endpoints,
    progress::step,
    python,
    stack::{self, StackOptions},
    workspace_root,
};
use running::Running;

/// The business day on which the season begins: that of the first waves in `tests/campaigns`.
const FIRST_DAY: Date = date(2025, 10, 6);
/// Files of the areas and sites that the people live near.
const GEOGRAPHY: &str = "infra/geography/requirements.txt";

/// What a demo run is asked for.
#[derive(Debug, Clone)]
pub struct DemoArgs {
    /// People in the synthetic population.
    pub people: u64,
    /// Seed of the population and of everyone's behaviour.
    pub seed: u64,
    /// The stack to set up; no people are loaded beforehand.
    pub stack: StackOptions,
    /// Where the report goes as JSON.
    pub json: Option<PathBuf>,
    /// Leave the stack up afterwards.
    pub keep: bool,
}

/// Seconds by stage.
pub(crate) struct Stages {
    seconds: BTreeMap<String, f64>,
    now: (String, Instant),
}

impl Stages {
    fn begin(name: &str) -> Self {
        step(format!("stage: {name}"));
        Self { seconds: BTreeMap::new(), now: (name.to_owned(), Instant::now()) }
    }

    /// Goes on to a stage; one that comes again adds to its time.
    fn enter(&mut self, name: &str) {
        if self.now.0 != name {
            self.close();
            step(format!("stage: {name}"));
            self.now = (name.to_owned(), Instant::now());
        }
    }

    fn close(&mut self) {
        let (name, since) = &self.now;
        *self.seconds.entry(name.clone()).or_insert(0.0) += since.elapsed().as_secs_f64();
        self.now.1 = Instant::now();
    }

    /// Seconds by stage, to a hundredth.
    fn seconds(&mut self) -> BTreeMap<String, f64> {
        self.close();
        let hundredths = |seconds: &f64| (seconds * 100.0).round() / 100.0;
        self.seconds.iter().map(|(name, seconds)| (name.clone(), hundredths(seconds))).collect()
    }
}

/// A day so many days away.
fn days_after(day: Date, days: impl Into<i64>) -> Date {
    day.saturating_add(Span::new().days(days.into()))
}

/// Sets the stack up, runs the campaigns, prints the report; whether every check passed.
///
/// The stack is taken down afterwards, also where the run fails or is interrupted, unless it is to be kept.
///
/// # Errors
/// Where set-up or a campaign fails.
pub async fn run(args: DemoArgs) -> Result<bool> {
    let local_dir = args.stack.local_dir.clone();
    let done = tokio::select! {
        done = play(&args) => done,
        interrupted = interrupted() => Err(interrupted),
    };
    if args.keep {
        step("the stack and its console stay up; cargo xtask down stops them");
        return done;
    }
    let down = stack::down(&local_dir);
    let done = done?;
    down?;
    Ok(done)
}

/// Waits for a request to stop.
async fn interrupted() -> anyhow::Error {
    let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => anyhow::anyhow!("interrupted"),
        _ = terminated.recv() => anyhow::anyhow!("terminated"),
    }
}

async fn play(args: &DemoArgs) -> Result<bool> {
    let mut stages = Stages::begin("set-up");
    let folder = args.stack.local_dir.join("demo");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    let folder = fs::canonicalize(&folder)?;
    // A season begins with an empty service.
    stack::down(&args.stack.local_dir)?;
    let endpoints = stack::up(&StackOptions { people: 0, ..args.stack.clone() }).await?;
    let geography = geography()?;
    let campaigns = campaigns::read(&workspace_root().join("tests/campaigns"))?;
    let settings = Settings { people: args.people, seed: args.seed, business_date: FIRST_DAY };
    let running = Running::connect(&endpoints).await?;

    step(format!("the console is at {}/ ; sign in as", endpoints.console));
    for role in ["planner", "engineer"] {
        step(format!("  {role:<8} {}", running.sign_in_link(role)?));
    }

    let mut season = season::Season::new(&running, &campaigns, settings, &geography, &folder)?;
    season.live = args.keep;
    let played = season.run(&mut stages).await;
    season.timeline.finish()?;
    let last = played?;

    stages.enter("report");
    running.drain().await?;
    season.merge().await?;
    let reported = running.invoke("uptake-report", &json!({"action": "report"})).await?;
    step(format!("uptake reported on {last}: {} files", reported["files"].as_array().map_or(0, Vec::len)));
    let aws_requests = running.requests().await;
    let bookings = running.bookings().await?;
    let collected = outcome::collect(&running, &folder).await?;
    fs::write(folder.join("uptake.json"), serde_json::to_vec_pretty(&reported)?)?;
    let mut figures = Vec::new();
    for campaign in &campaigns {
        let held = bookings.get(campaign.vaccine.code()).copied().unwrap_or(0);
        figures.push(outcome::figures(&collected, campaign, &season.left, held)?);
    }
    stages.enter("oracle");
    let verdict = oracle::run(&folder)?;
    for figures in &mut figures {
        verdict.complete(figures);
    }
    let report = report::Report {
        people: u64::try_from(collected.people.len())?,
        campaigns: &campaigns,
        figures,
        left: &season.left,
        verdict: &verdict,
        seconds: stages.seconds(),
        aws_requests,
        folder: &folder,
        region_names: geography.lsoas.iter().map(|lsoa| (lsoa.region.clone(), lsoa.region_name.clone())).collect(),
    };
    let json = serde_json::to_vec_pretty(&report.json()?)?;
    fs::write(folder.join("out.json"), &json)?;
    if let Some(path) = &args.json {
        fs::write(path, &json).with_context(|| format!("writing {}", path.display()))?;
    }
    print!("{}", report.text()?);
    Ok(report.failures()?.is_empty())
}

/// England's areas and sites.
///
/// # Errors
/// Where they cannot be extracted or read.
pub fn geography() -> Result<Geography> {
    Ok(Geography::load(&extracted()?)?)
}

/// The file of England's areas with their names and outlines.
///
/// # Errors
/// Where it cannot be extracted.
pub fn areas() -> Result<PathBuf> {
    Ok(extracted()?.join("areas.json"))
}

/// The folder of what is extracted on first use, and again when the extraction changes.
fn extracted() -> Result<PathBuf> {
    let root = workspace_root();
    let folder = root.join(".local/geography");
    let script = root.join("infra/geography/extract.py");
    let stamp = folder.join("extracted");
    let digest = python::hex(&Sha256::digest(fs::read(&script)?));
    if fs::read_to_string(&stamp).map_or(true, |made| made != digest) {
        step("extracting England's areas");
        let status = Command::new(python::venv(&[GEOGRAPHY])?)
            .arg(&script)
            .arg(&folder)
            .stdout(std::process::Stdio::null())
            .status()
            .context("running infra/geography/extract.py")?;
        if !status.success() {
            bail!("infra/geography/extract.py failed; see above");
        }
        fs::write(stamp, digest)?;
    }
    Ok(folder)
}

/// Loads a synthetic population into a running stack, and sets its clock to the day on which the population holds.
///
/// # Errors
/// Where a feed is not accepted.
pub async fn load_people(endpoints: &Endpoints, people: u64, seed: u64, local_dir: &Path) -> Result<()> {
    let geography = geography()?;
    let settings = Settings { people, seed, business_date: FIRST_DAY };
    let running = Running::connect(endpoints).await?;
    running.set_day(FIRST_DAY).await?;
    let files = population::write_feeds(&settings, &geography, &local_dir.join("feeds"), Phase::Initial)?;
    for file in files.files.iter().filter(|file| file.rows > 0) {
        let taken = running.drop_file(&file.path).await?;
        step(format!("{}: {} rows accepted, {} refused", taken.name, taken.accepted, taken.rejected));
    }
    let capacity = population::write_capacity(&settings, &geography, &local_dir.join("feeds"), FIRST_DAY)?;
    running.drop_file(&capacity).await?;
    running.put("work", AREAS_KEY, population::areas(&geography).into_bytes()).await?;
    running.drain().await?;
    let merged = running.invoke("snapshot-export", &json!({"action": "merge", "settle": true})).await?;
    step(format!("{} people are loaded", merged["people"]));
    Ok(())
}
