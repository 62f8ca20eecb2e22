//! The benchmarks of `tests/bench`, built with optimisation and run.

use std::path::{PathBuf, absolute};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cargo;

/// What the benchmarks are asked for.
#[derive(Debug, Clone, Default)]
pub struct BenchArgs {
    /// List them instead.
    pub list: bool,
    /// Which; all where none is named.
    pub names: Vec<String>,
    /// Size of the population, or of the work.
    pub people: Option<u64>,
    /// Where the figures go as JSON.
    pub json: Option<PathBuf>,
}

/// Builds and runs them. The exit status is the program's: 0 done, 1 one failed or its output differs, 2 wrong usage.
///
/// # Errors
/// Where the program cannot be started.
pub fn run(args: &BenchArgs) -> Result<ExitCode> {
    let mut command = cargo();
    command.args(["run", "--release", "--locked", "--package", "ims-bench", "--"]);
    if args.list {
        command.arg("--list");
    }
    command.args(&args.names);
    if let Some(people) = args.people {
        command.arg("--people").arg(people.to_string());
    }
    if let Some(path) = &args.json {
        // The program runs in the workspace, the caller may be elsewhere.
        command.arg("--json").arg(absolute(path)?);
    }
    let status = command.status().context("running the benchmarks")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
