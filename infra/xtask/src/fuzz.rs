//! Fuzzing on stable Rust: libFuzzer as a plain program, its counters put in by LLVM's own pass.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::progress::step;
use crate::{cargo, package, workspace_root};

/// The targets, each a program of `tests/fuzz`.
pub const TARGETS: [&str; 4] = ["csv_row", "fhir_body", "file_name", "token"];

/// How the compiler counts what an input reaches: what cargo-fuzz asks for where there is no sanitizer.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// What a target did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fuzzed {
    /// Target.
    pub target: &'static str,
    /// Inputs tried.
    pub executions: u64,
}

/// Runs targets for some seconds each, from the committed seeds and what earlier runs found; all where none is named.
///
/// # Errors
/// Where one cannot be built, or an input makes it fail: the input is kept, and its file is named.
pub fn run(names: &[String], seconds: u64) -> Result<Vec<Fuzzed>> {
    if let Some(unknown) = names.iter().find(|name| !TARGETS.contains(&name.as_str())) {
        bail!("there is no fuzz target '{unknown}'; there are {}", TARGETS.join(", "));
    }
    let wanted = TARGETS.into_iter().filter(|target| names.is_empty() || names.iter().any(|name| name == target));
    let folder = workspace_root().join("tests/fuzz");
    let place = place();
    let host = host()?;
    step("building the fuzz targets");
    let built = cargo()
        .args(["build", "--locked", "--bins", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&place)
        // With a target named, what the build itself runs is built without counters.
        .args(["--target", &host])
        .env("RUSTFLAGS", FLAGS)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .context("building the fuzz targets")?;
    if !built.success() {
        bail!("the fuzz targets cannot be built: {built}");
    }
    let mut done = Vec::new();
    for target in wanted {
        step(format!("fuzzing {target} for {seconds} s"));
        let (found, kept) = (place.join("corpus").join(target), place.join("artifacts").join(target));
        std::fs::create_dir_all(&found)?;
        std::fs::create_dir_all(&kept)?;
        let program = place.join(&host).join("debug").join(target);
        let output = Command::new(&program)
            .arg(&found)
            .arg(folder.join("corpus").join(target))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", kept.display()))
            .args(["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=1024", "-max_len=16384"])
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("running {}", program.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            let last: Vec<&str> = said.lines().rev().take(40).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            bail!("fuzzing {target}: {}\n{}", output.status, last.join("\n"));
        }
        let executions = executions(&said).with_context(|| format!("{target} does not say how often it ran"))?;
        eprintln!("{target}: {executions} inputs in {seconds} s");
        done.push(Fuzzed { target, executions });
    }
    Ok(done)
}

/// Where the programs, what runs found, and what made a target fail are kept: beside what cargo builds.
fn place() -> PathBuf {
    package::target_dir().join("fuzz")
}

/// The platform that this computer builds for.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("asking rustc for its host")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not say its host")?;
    Ok(host.to_owned())
}

fn executions(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_its_program_and_its_seeds() {
        let folder = workspace_root().join("tests/fuzz");
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
        for target in TARGETS {
            assert!(manifest.contains(&format!("path = \"targets/{target}.rs\"")), "{target}");
            assert!(std::fs::read_dir(folder.join("corpus").join(target)).unwrap().count() > 0, "{target}");
        }
    }

    #[test]
    fn what_libfuzzer_says_at_its_end_is_read() {
        assert_eq!(executions("#2\tDONE\nstat::number_of_executed_units: 1234\nstat::peak_rss_mb: 40\n"), Some(1234));
        assert_eq!(executions("nothing"), None);
    }
}
