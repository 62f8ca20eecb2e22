//! Polars and DuckDB, by programs written for the same campaign.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::threads::cores;
use super::{Ran, population};

/// What the peers' environment holds.
const REQUIREMENTS: &str = "tests/bench/peers/requirements.txt";

/// The peers, ready to be run.
pub(crate) struct Peers {
    python: PathBuf,
    programs: [PathBuf; 2],
}

impl Peers {
    /// Makes their environment on first use.
    pub(crate) fn ready() -> Result<Self> {
        let folder = xtask::workspace_root().join("tests/bench/peers");
        let python = xtask::python::venv_at(".local/bench/venv", &[REQUIREMENTS])?;
        Ok(Self { python, programs: ["cohort_duckdb.py", "cohort_polars.py"].map(|name| folder.join(name)) })
    }

    /// Selects from files to the candidate file, once.
    pub(crate) fn select(&self, peer: usize, people: u64, out: &Path) -> Result<Ran> {
        self.run(peer, people, Some(out))
    }

    /// Counts from files, once for each dimension.
    pub(crate) fn preview(&self, peer: usize, people: u64) -> Result<Ran> {
        self.run(peer, people, None)
    }

    fn run(&self, peer: usize, people: u64, out: Option<&Path>) -> Result<Ran> {
        let mut command = Command::new(&self.python);
        command.arg(&self.programs[peer]).arg(population::folder(people).join("people"));
        command.args(out).env("POLARS_MAX_THREADS", cores().to_string()).stderr(Stdio::inherit());
        let output = command.output()?;
        ensure!(output.status.success(), "{} failed; see above", self.programs[peer].display());
        serde_json::from_slice(&output.stdout).context("what the peer printed")
    }
}
