//! Feature files run against the running local stack, by the program `conformance` of the end-to-end tests.

use std::path::{Path, PathBuf, absolute};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::{cargo, workspace_root};

/// Exit status of a call that makes no sense.
const WRONG_USAGE: u8 = 2;

/// Features of the project's own.
#[must_use]
pub fn own_features() -> PathBuf {
    workspace_root().join("tests/conformance/features")
}

/// Rows that may be skipped.
#[must_use]
pub fn expected_skips() -> PathBuf {
    workspace_root().join("tests/conformance/expected-skips.txt")
}

/// Runs the rows of a folder's feature files against the stack in `local_dir`; `json` is where the results go, `-` standard
/// output. The exit status is the program's: 0 all well, 1 a row failed, 2 wrong usage.
///
/// # Errors
/// Where the program cannot be started.
pub fn run(features: &Path, json: Option<&Path>, local_dir: &Path) -> Result<ExitCode> {
    if !features.is_dir() {
        eprintln!("error: --features '{}' is not a folder", features.display());
        return Ok(WRONG_USAGE.into());
    }
    let mut command = command(features, local_dir)?;
    match json {
        Some(path) if path == Path::new("-") => _ = command.arg("--json"),
        Some(path) => _ = command.arg("--json").arg(absolute(path)?),
        None => {}
    }
    let status = command.status().context("running the conformance rows")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The program on a folder and a stack.
///
/// # Errors
/// Where a path has no absolute form.
pub fn command(features: &Path, local_dir: &Path) -> Result<Command> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--locked", "--package", "ims-tests", "--bin", "conformance", "--", "--features"]);
    command.arg(absolute(features)?).arg("--local-dir").arg(absolute(local_dir)?);
    Ok(command)
}
