//! `ims campaign preview`: how many people of a snapshot a campaign would invite.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, anyhow, bail};
use ims_domain::campaign::ContactPlan;
use ims_domain::clock::london_date;
use ims_eligibility::{Campaign, CompiledIteration};
use ims_snapshot::{By, Count, Manifest, Part, PersonRow, Preview, Row, Selector, Tally};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

/// What is asked.
pub struct Asked<'a> {
    /// Campaign.
    pub file: &'a Path,
    /// Directory of the snapshot.
    pub snapshot: &'a Path,
    /// What to count by.
    pub by: Option<By>,
    /// Contact plan.
    pub plan: Option<&'a Path>,
    /// Business day.
    pub on: Option<Date>,
}

#[derive(Serialize)]
struct Printed {
    people: u64,
    seconds: f64,
    counts: Vec<Count>,
}

/// Runs `ims campaign preview`.
///
/// # Errors
/// Where a file cannot be read, or no iteration of the campaign is live.
pub fn run(asked: &Asked<'_>) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let bytes = fs::read(asked.file).with_context(|| format!("cannot read {}", asked.file.display()))?;
    let campaign = match Campaign::parse(&bytes) {
        Ok(campaign) => campaign,
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    let plan = plan(asked, &campaign)?;
    let today = asked.on.map_or_else(|| day(asked.snapshot, &campaign), Ok)?;
    let iteration = campaign
        .iteration_on(today)
        .ok_or_else(|| anyhow!("campaign '{}' has no live iteration on {today}", campaign.id))?;
    eprintln!("{} as of {today}: iteration {}", campaign.id, iteration.id);
    let preview = count(&parts(asked.snapshot)?, &campaign.compile(iteration), &plan, today, asked.by)?;
    let seconds = started.elapsed().as_secs_f64();
    println!("{}", serde_json::to_string(&Printed { people: preview.people, seconds, counts: preview.counts() })?);
    Ok(ExitCode::SUCCESS)
}

/// Counts over all parts, on all cores.
fn count(
    parts: &[PathBuf],
    rules: &CompiledIteration,
    plan: &ContactPlan,
    today: Date,
    by: Option<By>,
) -> anyhow::Result<Preview> {
    let (next, sum) = (AtomicUsize::new(0), Mutex::new(Preview::default()));
    let work = || -> anyhow::Result<()> {
        let mut selector = Selector::new(rules, plan, today);
        let mut needed = selector.needed();
        if let Some(by) = by {
            needed = needed.and(by.needed());
        }
        let mut tally = Tally::new(by);
        while let Some(path) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            let part = Part::read(file, &needed).with_context(|| format!("{}", path.display()))?;
            selector.add_to(&mut tally, &part);
        }
        sum.lock().map_err(|_| anyhow!("another thread failed"))?.add(selector.preview(tally));
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(parts.len()).max(1);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread failed"))?)
    })?;
    sum.into_inner().map_err(|_| anyhow!("a thread failed"))
}

/// Parts of the people dataset, in order.
fn parts(snapshot: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = snapshot.join(PersonRow::DATASET);
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut parts = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    parts.retain(|path| path.extension().is_some_and(|extension| extension == "parquet"));
    if parts.is_empty() {
        bail!("there are no Parquet files in {}", folder.display());
    }
    parts.sort_unstable();
    Ok(parts)
}

fn plan(asked: &Asked<'_>, campaign: &Campaign) -> anyhow::Result<ContactPlan> {
    let beside = asked.file.with_extension("plan.json");
    let Some(path) = asked.plan.or(Some(beside.as_path()).filter(|path| path.is_file())) else {
        return Ok(ContactPlan {
            schema: 1,
            campaign: campaign.id.clone(),
            programme: campaign.target.parse().with_context(|| format!("Target {:?}", campaign.target))?,
            count_doses_from: campaign.start_date,
            doses: u8::MAX,
            dose_schedule: None,
            steps: Vec::new(),
            quiet_days: vec![],
            waves: Vec::new(),
        });
    };
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is not a contact plan", path.display()))
}

/// The snapshot's business day; without a manifest, today or the nearest of the campaign's days.
fn day(snapshot: &Path, campaign: &Campaign) -> anyhow::Result<Date> {
    let path = snapshot.join("manifest.json");
    let day = if path.is_file() {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let manifest: Manifest =
            serde_json::from_slice(&bytes).with_context(|| format!("{} is not a manifest", path.display()))?;
        manifest.business_date
    } else {
        london_date(Timestamp::now())
    };
    let first = campaign.iterations.iter().map(|iteration| iteration.date).min().unwrap_or(campaign.start_date);
    Ok(day.max(first.max(campaign.start_date)).min(campaign.end_date))
}
