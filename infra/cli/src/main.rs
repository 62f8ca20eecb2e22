//! The ims command line.

mod campaign;
mod eligibility;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tools of the Immunisation Management Service.
#[derive(Parser)]
#[command(name = "ims", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

// Each subcommand lives in its own module and exposes an `Args` and a `run`.
#[derive(Subcommand)]
enum Command {
    /// Evaluate eligibility rules.
    Eligibility(eligibility::Args),
    /// Work with campaign definitions.
    Campaign(campaign::Args),
}

/// Exit status of a command that cannot do what it was asked: files that cannot be read, arguments that make no sense.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Eligibility(args) => eligibility::run(&args),
        Command::Campaign(args) => campaign::run(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("ims: {error:#}");
        ExitCode::from(WRONG_USAGE)
    })
}
