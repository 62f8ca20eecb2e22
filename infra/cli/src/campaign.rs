//! `ims campaign`: work with campaign definitions.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use ims_eligibility::Campaign;

/// Arguments of `ims campaign`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print what is wrong with a campaign definition, one `path: message` a line.
    /// Exit status: 0 nothing, 1 something, 2 the file cannot be read.
    Validate {
        /// JSON file with a CampaignConfig.
        file: PathBuf,
    },
}

/// Runs `ims campaign`.
///
/// # Errors
/// If a file cannot be read or standard output cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Validate { file } => {
            let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let Err(problems) = Campaign::parse(&bytes) else { return Ok(ExitCode::SUCCESS) };
            let mut out = std::io::stdout().lock();
            for problem in problems {
                writeln!(out, "{problem}")?;
            }
            Ok(ExitCode::FAILURE)
        }
    }
}
