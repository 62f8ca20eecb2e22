//! The ims command line.

mod audit;
mod campaign;
mod eligibility;
mod letter;
mod matching;
mod population;
mod preview;
mod reply;
mod token;
mod wave;
mod wave_plan;

use std::path::{Path, PathBuf};
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
    /// Show who saw, searched for or changed a person, or what an actor did
    Audit(audit::Args),
    /// Typeset a letter to somebody made up, to look at
    Letter(letter::Args),
    /// Show the records that wait to be matched, decide about one, or take a decision back
    Matching(matching::Args),
    /// Plan how many people a wave invites, where and when, and what limits it
    WavePlan(wave_plan::Args),
    /// Show a wave, and review, approve, release, pause, resume, stop or close it
    Wave(wave::Args),
    /// Print the link by which the public answers a message of the local stack
    Reply(reply::Args),
    /// Print a signed token of the sandbox issuer.
    Token(token::Args),
    /// Make synthetic people.
    Population(population::Args),
}

/// Exit status of a command that cannot do what it was asked: files that cannot be read, arguments that make no sense.
const WRONG_USAGE: u8 = 2;

/// The directory of the local stack and of what is made once: `.local` in the workspace, wherever this is run from.
fn local_dir() -> PathBuf {
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let root = manifest.ancestors().find(|dir| dir.join("Cargo.lock").is_file()).map(Path::to_owned);
    root.unwrap_or(manifest).join(".local")
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Eligibility(args) => eligibility::run(&args),
        Command::Campaign(args) => campaign::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Letter(args) => letter::run(&args),
        Command::Matching(args) => matching::run(&args),
        Command::WavePlan(args) => wave_plan::run(&args),
        Command::Wave(args) => wave::run(&args),
        Command::Reply(args) => reply::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Population(args) => population::run(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("ims: {error:#}");
        ExitCode::from(WRONG_USAGE)
    })
}
