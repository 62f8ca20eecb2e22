//! Selecting a cohort from the whole population: from Parquet on disk to the ordered candidate file.

mod disk;
mod ours;
mod peers;
mod population;
pub mod reselect;
mod threads;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use ims_snapshot::By;
use serde::{Deserialize, Serialize};
use xtask::progress::step;

use crate::measure::{Process, median, timed};
use crate::{Better, Case, Options, Outcome};
use ours::Asked;

/// People unless the command line says otherwise.
const PEOPLE: u64 = 1_000_000;

/// Runs of each.
const RUNS: usize = 5;

/// Dimensions that the previews count by.
const BY: [By; 5] = [By::Icb, By::Age, By::Ethnicity, By::Imd, By::Msoa];

/// What a process of its own is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "run", rename_all = "snake_case")]
pub enum Child {
    /// From files to the candidate file, once.
    File {
        /// Population.
        people: u64,
        /// Candidate file.
        out: PathBuf,
    },
    /// Columns are kept: selection to the candidate file and previews, several times.
    Kept {
        /// Population.
        people: u64,
        /// Candidate file.
        out: PathBuf,
    },
    /// Previews from files, several times.
    Preview {
        /// Population.
        people: u64,
    },
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ran {
    /// Candidates, or the sum of the counts.
    pub(crate) candidates: u64,
    /// Seconds of each run.
    pub(crate) seconds: Vec<f64>,
    /// Seconds of each preview, where previews were asked for.
    #[serde(default)]
    pub(crate) previews: Vec<f64>,
    /// Seconds before the first run that columns took to read, where they are kept.
    #[serde(default)]
    pub(crate) kept_in: f64,
    /// Most memory that the process held, bytes.
    pub(crate) peak: u64,
    /// Who ran it, with the version.
    #[serde(default)]
    pub(crate) name: String,
}

/// Runs what a process of its own is asked for and prints what came of it as JSON.
///
/// # Errors
/// Where the population is not there, or a file cannot be written.
pub fn child(asked: &Child) -> Result<()> {
    let campaign = Asked::read()?;
    let mut ran = Ran::default();
    match asked {
        Child::File { people, out } => {
            let parts = population::parts(&population::folder(*people))?;
            let began = Instant::now();
            ran.candidates = ours::run(&campaign, &parts, out)?;
            ran.seconds.push(began.elapsed().as_secs_f64());
        }
        Child::Preview { people } => {
            let parts = population::parts(&population::folder(*people))?;
            for by in BY {
                let began = Instant::now();
                ran.candidates = ours::preview(&campaign, &parts, by)?.selected();
                ran.previews.push(began.elapsed().as_secs_f64());
            }
        }
        Child::Kept { people, out } => {
            let parts = population::parts(&population::folder(*people))?;
            let began = Instant::now();
            let kept = ours::keep(&campaign, &parts, &BY)?;
            ran.kept_in = began.elapsed().as_secs_f64();
            for _ in 0..RUNS {
                let began = Instant::now();
                ran.candidates = ours::run_kept(&campaign, &kept, out)?;
                ran.seconds.push(began.elapsed().as_secs_f64());
                for by in BY {
                    let began = Instant::now();
                    let selected = ours::preview_kept(&campaign, &kept, by)?.selected();
                    ran.previews.push(began.elapsed().as_secs_f64());
                    ensure!(selected == ran.candidates, "{selected} counted, {} selected", ran.candidates);
                }
            }
        }
    }
    ran.peak = Process::this()?.peak_memory;
    println!("{}", serde_json::to_string(&ran)?);
    Ok(())
}

/// Runs a child of this program.
fn run_child(asked: &Child) -> Result<Ran> {
    let output = std::process::Command::new(std::env::current_exe()?)
        .args(["--child", &serde_json::to_string(asked)?])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "{asked:?} failed");
    let mut ran: Ran = serde_json::from_slice(&output.stdout).context("what the process printed")?;
    "ours".clone_into(&mut ran.name);
    Ok(ran)
}

/// All runs of one engine in one state of the disk.
#[derive(Default)]
struct Series {
    name: String,
    seconds: Vec<f64>,
    peak: u64,
}

impl Series {
    fn add(&mut self, ran: &Ran) {
        self.name.clone_from(&ran.name);
        self.seconds.extend(&ran.seconds);
        self.peak = self.peak.max(ran.peak);
    }
}

/// Whether files are in memory when a run begins.
#[derive(Clone, Copy, PartialEq)]
enum Disk {
    Cold,
    Warm,
}

/// All cases.
pub fn run(options: &Options) -> Result<Outcome> {
    let people = options.people.unwrap_or(PEOPLE);
    let population = population::make(people)?;
    let parts = population::parts(&population::folder(people))?;
    let peers = peers::Peers::ready()?;
    let out = population::folder(people).join("candidates.parquet");
    let rate = people as f64 / population.seconds;
    let mut results = vec![
        Case::new("generating the population, all cores", population.seconds, "s", Better::Lower),
        Case::new("people generated a second", rate, "people/s", Better::Higher),
        Case::new("people's parts on disk", population.bytes as f64 / 1e9, "GB", Better::Lower),
    ];
    let asked = Asked::read()?;
    let (bytes, took) = timed(|| ours::run_part(&asked, &parts[0]));
    results.extend([
        Case::new("one part, one core: bytes that are read", bytes? as f64 / 1e6, "MB", Better::Lower),
        Case::new("one part, one core: files to candidates", took.as_secs_f64(), "s", Better::Lower),
    ]);
    let mut digests: Vec<(String, String)> = Vec::new();
    for (disk, named) in [(Disk::Cold, "files to candidate file, cold"), (Disk::Warm, "files to candidate file, warm")]
    {
        let mut series = [Series::default(), Series::default(), Series::default()];
        for turn in 0..RUNS {
            for (engine, series) in series.iter_mut().enumerate() {
                match disk {
                    Disk::Cold => disk::drop_pages(&parts)?,
                    Disk::Warm => disk::touch(&parts)?,
                }
                let ran = match engine {
                    0 => run_child(&Child::File { people, out: out.clone() })?,
                    engine => match peers.select(engine - 1, people, &out) {
                        Ok(ran) => ran,
                        // Out of memory, for one: the others are measured all the same.
                        Err(error) => {
                            step(format!("{named}, run {}: {error:#}", turn + 1));
                            continue;
                        }
                    },
                };
                // What is being written to the disk should not disturb the next run.
                File::open(&out)?.sync_all()?;
                step(format!(
                    "{named}, run {}: {} {:.2} s, {} candidates",
                    turn + 1,
                    ran.name,
                    ran.seconds[0],
                    ran.candidates
                ));
                series.add(&ran);
                if turn == 0 {
                    digests.push((ran.name.clone(), disk::digest(&out)?));
                }
            }
        }
        add(&mut results, named, &series);
    }
    let equal = digests.iter().all(|(_, digest)| *digest == digests[0].1);
    if !equal {
        for (name, digest) in &digests {
            step(format!("candidate file of {name}: {digest}"));
        }
    }
    kept(&mut results, people, &out, &digests[0].1, &peers)?;
    std::fs::remove_file(&out)?;
    let compared = digests.iter().any(|(name, _)| *name != digests[0].0);
    Ok(Outcome { equal_output: compared.then_some(equal), results })
}

fn add(results: &mut Vec<Case>, named: &str, series: &[Series]) {
    let [ours, peers @ ..] = series else { return };
    for peer in peers.iter().filter(|peer| !peer.seconds.is_empty()) {
        let case = Case::new(named, median(ours.seconds.clone()), "s", Better::Lower);
        results.push(case.beside(&peer.name, median(peer.seconds.clone())));
        let case = Case::new(format!("{named}: peak memory"), ours.peak as f64 / 1e9, "GB", Better::Lower);
        results.push(case.beside(&peer.name, peer.peak as f64 / 1e9));
    }
}

/// With columns kept in memory, and previews.
fn kept(results: &mut Vec<Case>, people: u64, out: &Path, digest: &str, peers: &peers::Peers) -> Result<()> {
    let kept = run_child(&Child::Kept { people, out: out.to_owned() })?;
    if disk::digest(out)? != digest {
        bail!("what is selected from columns in memory differs from what is selected from files");
    }
    results.extend([
        Case::new("columns kept: reading them", kept.kept_in, "s", Better::Lower),
        Case::new("columns kept: to candidate file", median(kept.seconds.clone()), "s", Better::Lower),
        Case::new("columns kept: peak memory", kept.peak as f64 / 1e9, "GB", Better::Lower),
    ]);
    let previews = run_child(&Child::Preview { people })?;
    let peers: Vec<Ran> = [0, 1].into_iter().filter_map(|peer| peers.preview(peer, people).ok()).collect();
    for (place, by) in BY.iter().enumerate() {
        let name = By::NAMES.iter().find(|(_, known)| known == by).map_or("", |(name, _)| name);
        let times = kept.previews.iter().skip(place).step_by(BY.len()).copied().collect();
        let case = Case::new(format!("preview by {name}, columns kept"), median(times), "s", Better::Lower);
        results.push(case);
        for peer in &peers {
            ensure!(peer.candidates == previews.candidates, "{} counts {}", peer.name, peer.candidates);
            let case =
                Case::new(format!("preview by {name}, files in memory"), previews.previews[place], "s", Better::Lower);
            results.push(case.beside(&peer.name, peer.previews[place]));
        }
    }
    Ok(())
}
