//! `ims matching`: the records that wait to be matched, and decisions about them, as in the console's room Matching. It
//! shows nobody: records are named by ids.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use ims_domain::NhsNumber;
use ims_store::{Actor, MatchingEntry, MatchingOrder, NamedRecord, Store, audit};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// Records that are listed where no number is given.
const MOST: usize = 50;

/// Arguments of `ims matching`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    /// CloudFormation stack on AWS, with the credentials and region of the environment [default: the local stack]
    #[arg(long, value_name = "NAME", conflicts_with = "local_dir", global = true)]
    stack: Option<String>,
    /// Directory of the local stack [default: .local]
    #[arg(long, value_name = "DIR", global = true)]
    local_dir: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
enum What {
    /// Show the records that have waited longest, the oldest first
    List {
        /// Show what left the queue today (UTC) instead
        #[arg(long)]
        settled: bool,
        /// Records at most
        #[arg(long, default_value_t = MOST)]
        most: usize,
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Decide whom a record is about
    Resolve {
        #[command(flatten)]
        why: Why,
        #[command(flatten)]
        how: How,
    },
    /// Take a decision back
    Undo {
        #[command(flatten)]
        why: Why,
    },
}

#[derive(clap::Args)]
struct Why {
    /// The record as `list` names it: I#ID of a vaccination, B#PERSON#REFERENCE of an appointment
    record: String,
    /// Why: it becomes part of the audit trail. No names and no NHS numbers
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who you are, for the audit trail [default: the user of this computer]
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct How {
    /// It is about the person who holds it
    #[arg(long)]
    confirm: bool,
    /// It is about the person with this NHS number
    #[arg(long, value_name = "NHS_NUMBER")]
    attach: Option<String>,
    /// It is about nobody who is known
    #[arg(long)]
    leave: bool,
}

impl How {
    fn order(&self) -> anyhow::Result<MatchingOrder> {
        match &self.attach {
            // What was written is not repeated: a slip of a digit is somebody else's number.
            Some(number) => {
                let number: NhsNumber = number.parse().map_err(|error| anyhow!("--attach: {error}"))?;
                Ok(MatchingOrder::Attach(number))
            }
            None if self.confirm => Ok(MatchingOrder::Confirm),
            None => Ok(MatchingOrder::LeaveAsNobodys),
        }
    }
}

/// Runs `ims matching`. Exit status 1 where a decision cannot be carried out.
///
/// # Errors
/// If an argument makes no sense, or the tables cannot be reached.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = crate::audit::store(args.stack.as_deref(), args.local_dir.clone()).await?;
        match &args.what {
            What::List { settled, most, json } => list(&store, *settled, *most, *json).await,
            What::Resolve { why, how } => decide(&store, why, how.order()?).await,
            What::Undo { why } => decide(&store, why, MatchingOrder::Undo).await,
        }
    })
}

async fn list(store: &Store, settled: bool, most: usize, json: bool) -> anyhow::Result<ExitCode> {
    let now = Timestamp::now();
    let mut out = std::io::stdout().lock();
    let entries = if settled {
        store.matching_settled(now.to_zoned(TimeZone::UTC).date()).await?
    } else {
        store.matching_queue(most).await?
    };
    if json {
        serde_json::to_writer_pretty(&mut out, &entries)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let count = store.matching_count(now.checked_sub(SignedDuration::from_hours(24))?).await?;
    writeln!(out, "{} records wait, {} of them for more than 24 hours.", count.open, count.old)?;
    for entry in &entries {
        writeln!(out, "{}", line(entry))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn line(entry: &MatchingEntry) -> String {
    let since = entry.since.strftime("%Y-%m-%d %H:%M:%S");
    let differences: Vec<&str> = entry.differences.iter().map(|difference| difference.name()).collect();
    let from = match entry.source.file.as_str() {
        "" => "API".to_owned(),
        file => format!("{file} row {}", entry.source.row),
    };
    let settled = entry.settled.as_ref().map_or_else(String::new, |settled| {
        let undone = if settled.undone.is_some() { ", no longer holds" } else { "" };
        let how = serde_json::to_value(settled.how).unwrap_or_default();
        format!("  {} by {}{undone}", how.as_str().unwrap_or_default(), settled.deed.by)
    });
    let supplier = &entry.source.supplier;
    format!("{since}  {}  {}  {}  {supplier}  {from}{settled}", entry.record, entry.vaccine, differences.join(","))
}

async fn decide(store: &Store, why: &Why, order: MatchingOrder) -> anyhow::Result<ExitCode> {
    let record: NamedRecord = why.record.parse()?;
    let name = why.name.clone().or_else(|| std::env::var("USER").ok());
    let name = name.filter(|name| !name.trim().is_empty()).context("say who you are: --as NAME")?;
    let reason = audit::reason(&why.reason).map_err(|problem| anyhow!("--reason: {problem}"))?;
    let role = Some("command line".to_owned());
    let actor = Actor { role, ..Actor::new(&name, "match", String::new(), Timestamp::now()) };
    match store.settle_matching(&record, order, &reason, &actor).await? {
        Ok(ruled) => {
            println!("{}", if ruled.changed { "done" } else { "it was so before" });
            Ok(ExitCode::SUCCESS)
        }
        Err(refusal) => {
            eprintln!("ims matching: {refusal}");
            Ok(ExitCode::FAILURE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn order(words: &[&str]) -> anyhow::Result<MatchingOrder> {
        let line = ["matching", "resolve", "I#0a1b2c3d-7d3c-4a8e-9b1f-0a1b2c3d4e5f", "--reason", "practice rang"];
        match Command::try_parse_from(line.iter().chain(words))?.args.what {
            What::Resolve { how, .. } => how.order(),
            _ => unreachable!(),
        }
    }

    #[test]
    fn a_record_is_decided_about_in_one_of_three_ways_and_a_wrong_number_is_not_repeated() {
        assert_eq!(order(&["--confirm"]).unwrap(), MatchingOrder::Confirm);
        assert_eq!(order(&["--leave"]).unwrap(), MatchingOrder::LeaveAsNobodys);
        let number = "9990000018".parse().unwrap();
        assert_eq!(order(&["--attach", "9990000018"]).unwrap(), MatchingOrder::Attach(number));
        for wrong in [&[][..], &["--confirm", "--leave"], &["--attach", "9990000019"]] {
            let error = order(wrong).unwrap_err().to_string();
            assert!(!error.contains("9990000019"), "{error}");
        }
    }

    #[test]
    fn a_line_names_the_record_and_what_disagrees() {
        let entry: MatchingEntry = serde_json::from_value(serde_json::json!({
            "record": "I#0a1b2c3d-7d3c-4a8e-9b1f-0a1b2c3d4e5f",
            "person": "6b3b2c1e-7d3c-4a8e-9b1f-0a1b2c3d4e5f",
            "vaccine": "FLU",
            "source": {"supplier": "EMIS", "file": "", "order": "", "row": 0},
            "since": "2025-10-06T09:00:00Z",
            "differences": ["birth_date", "given_name"],
            "settled": {"how": "agrees", "deed": {"by": "PDS", "at": "2025-10-07T09:00:00Z", "reason": "feed"}},
        }))
        .unwrap();
        assert_eq!(
            line(&entry),
            "2025-10-06 09:00:00  I#0a1b2c3d-7d3c-4a8e-9b1f-0a1b2c3d4e5f  FLU  birth_date,given_name  EMIS  API  agrees by PDS"
        );
    }
}
