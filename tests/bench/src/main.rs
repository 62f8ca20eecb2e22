//! Runs benchmarks and reports their figures: `cargo xtask bench`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use ims_bench::measure::Machine;
use ims_bench::report::Named;
use ims_bench::{BENCHES, Bench, Options, Report};
use xtask::progress::step;

/// Exit status of a call that makes no sense; clap's own.
const WRONG_USAGE: u8 = 2;

/// Runs the benchmarks of tests/bench and prints their figures.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Cli {
    /// List the benchmarks
    #[arg(long)]
    list: bool,
    /// Benchmarks to run; all where none is named
    names: Vec<String>,
    /// Size of the population, or of the work
    #[arg(long)]
    people: Option<u64>,
    /// Write the figures as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Be the in-memory database of a benchmark
    #[arg(long, hide = true)]
    database: bool,
    /// Be a process of a benchmark of its own
    #[arg(long, hide = true, value_name = "JSON")]
    child: Option<String>,
    /// Be a process of sms-dispatch
    #[arg(long, hide = true, value_name = "JSON")]
    sender: Option<String>,
}

fn run(cli: &Cli, benches: &[Bench]) -> Result<bool> {
    let machine = Machine::this();
    ensure!(!cfg!(debug_assertions), "benchmarks need an optimised build: cargo xtask bench");
    step(format!("{}, {} cores", machine.cpu, machine.cores));
    let mut report = Report { machine, benches: Vec::new() };
    for bench in benches {
        step(format!("bench {}: {}", bench.name, bench.about));
        let outcome = (bench.run)(&Options { people: cli.people }).with_context(|| format!("bench {}", bench.name))?;
        report.benches.push(Named { bench: bench.name, outcome });
        // What was found is kept, should a later one fail.
        if let Some(path) = &cli.json {
            let text = serde_json::to_vec_pretty(&report)?;
            std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    print!("{}", report.table());
    Ok(report.benches.iter().all(|named| named.outcome.equal_output != Some(false)))
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.database {
        return match ims_bench::memory::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    if let Some(asked) = &cli.child {
        return match serde_json::from_str(asked).map_err(Into::into).and_then(|asked| ims_bench::cohort::child(&asked))
        {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    if let Some(asked) = &cli.sender {
        return match serde_json::from_str(asked).map_err(Into::into).and_then(ims_bench::texts::rate::sender) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    if cli.list {
        for bench in BENCHES {
            println!("{:<12} {}", bench.name, bench.about);
        }
        return ExitCode::SUCCESS;
    }
    let benches = match ims_bench::named(&cli.names) {
        Ok(benches) => benches,
        Err(error) => {
            eprintln!("error: {error}");
            return WRONG_USAGE.into();
        }
    };
    match run(&cli, &benches) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
