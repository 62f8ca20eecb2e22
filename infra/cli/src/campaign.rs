//! `ims campaign`: work with campaign definitions.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use ims_eligibility::{Campaign, Problem, parse_plan};
use ims_snapshot::By;
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::preview::{self, Asked};
use crate::wave::{Planning, Stack, Who};

/// Arguments of `ims campaign`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print what is wrong with a campaign definition or a contact plan, one `path: message` a line.
    /// Exit status: 0 nothing, 1 something, 2 the file cannot be read.
    Validate {
        /// JSON file with a CampaignConfig, or a contact plan.
        file: PathBuf,
    },
    /// Put a campaign's rules and contact plan in force as its next version: {"campaign", "version"}.
    /// Exit status: 0 done, 1 refused, 2 a file or the stack cannot be reached.
    Define {
        /// JSON file with a CampaignConfig.
        file: PathBuf,
        /// Contact plan; by default FILE with .plan.json for .json.
        #[arg(long, value_name = "FILE")]
        plan: Option<PathBuf>,
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        stack: Stack,
    },
    /// Print how many people of a snapshot the campaign would invite, by cohort, as JSON:
    /// {"people", "seconds", "counts": [{"cohort", "key", "count"}]}.
    /// Exit status: 0 done, 1 the campaign is not valid, 2 something cannot be read.
    Preview {
        /// JSON file with a CampaignConfig.
        file: PathBuf,
        /// Directory with people/*.parquet.
        #[arg(long, value_name = "DIR")]
        snapshot: PathBuf,
        /// What to count by, besides the cohort: region, icb, sub_icb, msoa, lsoa, age, ethnicity, imd, practice, gender.
        #[arg(long, value_name = "WHAT")]
        by: Option<By>,
        /// Contact plan; by default FILE with .plan.json for .json, where there is one, else one that counts all doses
        /// since the campaign's first day.
        #[arg(long, value_name = "FILE")]
        plan: Option<PathBuf>,
        /// Business day; by default that of the snapshot, else today, brought within the campaign's days.
        #[arg(long, value_name = "DATE")]
        on: Option<Date>,
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
            let Err(problems) = validate(&bytes) else { return Ok(ExitCode::SUCCESS) };
            let mut out = std::io::stdout().lock();
            for problem in problems {
                writeln!(out, "{problem}")?;
            }
            Ok(ExitCode::FAILURE)
        }
        Command::Define { file, plan, who, stack } => define(file, plan.as_deref(), who, stack),
        Command::Preview { file, snapshot, by, plan, on } => {
            preview::run(&Asked { file, snapshot, by: *by, plan: plan.as_deref(), on: *on })
        }
    }
}

fn define(file: &Path, plan: Option<&Path>, who: &Who, stack: &Stack) -> anyhow::Result<ExitCode> {
    let read = |path: &Path| -> anyhow::Result<Value> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("{} is no JSON", path.display()))
    };
    let plan = plan.map_or_else(|| file.with_extension("plan.json"), Path::to_owned);
    let request = json!({"action": "define", "rules": read(file)?, "plan": read(&plan)?, "token": who.token()?});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(async { Planning::connect(stack).await?.invoke(&request).await })? {
        Ok(told) => println!("{told}"),
        Err(why) => {
            eprintln!("ims campaign: {why}");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A contact plan is known by its `programme`; everything else should be a campaign.
fn validate(bytes: &[u8]) -> Result<(), Vec<Problem>> {
    let document: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let is_plan = document
        .is_some_and(|document| document.get("CampaignConfig").is_none() && document.get("programme").is_some());
    if is_plan { parse_plan(bytes).map(drop) } else { Campaign::parse(bytes).map(drop) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_validated_as_what_it_is() {
        assert!(validate(include_bytes!("../../../tests/campaigns/mmr.json")).is_ok());
        assert!(validate(include_bytes!("../../../tests/campaigns/mmr.plan.json")).is_ok());
        let paths = |text: &str| -> Vec<String> {
            validate(text.as_bytes()).err().unwrap_or_default().into_iter().map(|problem| problem.path).collect()
        };
        assert_eq!(paths("{}"), ["CampaignConfig"]);
        assert!(paths(r#"{"programme": "PLAGUE"}"#).contains(&"programme".to_owned()));
    }
}
