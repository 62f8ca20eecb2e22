//! `ims eligibility`: evaluate eligibility rules.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use ims_eligibility::case::Case;
use serde_json::json;

/// Arguments of `ims eligibility`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer recorded requests: one JSON line a case, `{"suite","file","status","response"}`, in the order of the file.
    Check {
        /// Cases, one JSON object a line: `now`, `query_params`, `request_headers`, `person_rows`, `configs` …
        #[arg(long, value_name = "FILE")]
        cases: PathBuf,
    },
}

/// Runs `ims eligibility`.
///
/// # Errors
/// If the cases cannot be read or standard output cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Check { cases } => {
            let file = File::open(cases).with_context(|| format!("cannot read {}", cases.display()))?;
            let mut out = BufWriter::new(std::io::stdout().lock());
            for (index, line) in BufReader::new(file).lines().enumerate() {
                let place = || format!("{} line {}", cases.display(), index + 1);
                let line = line.with_context(place)?;
                if line.trim().is_empty() {
                    continue;
                }
                let case = Case::parse(&line).with_context(place)?;
                // Answers are reproducible: the id says only which case it was.
                let answer = case.answer(&format!("00000000-0000-0000-0000-{:012}", index + 1));
                let line = json!({
                    "suite": case.suite, "file": case.file, "status": answer.status, "response": answer.response,
                });
                serde_json::to_writer(&mut out, &line)?;
                out.write_all(b"\n")?;
            }
            out.flush()?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
