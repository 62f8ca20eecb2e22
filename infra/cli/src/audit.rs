//! `ims audit`: the audit trail of a person or of an actor. Reading it is an entry in it, written first.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::config::{Credentials, Region};
use ims_domain::NhsNumber;
use ims_store::{AuditEntry, AuditResult, AuditSpan, Store, Tables, audit};
use jiff::civil::Date;
use jiff::{Span, Timestamp, tz::TimeZone};
use serde::Deserialize;

use crate::local_dir;

/// Days of an actor's trail that are shown where no first day is given.
const DAYS: i64 = 7;

/// Arguments of `ims audit`.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("whose").required(true).args(["person", "actor"])))]
pub struct Args {
    /// The trail of the person with this NHS number
    #[arg(long, value_name = "NHS_NUMBER")]
    person: Option<String>,
    /// The trail of this supplier, member of staff or function. Of functions that go through many people it has a line for
    /// each run; the people's own trails have the rest
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// First day, UTC [default: a person's first; for an actor, six days before the last]
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// Last day, UTC [default: today]
    #[arg(long, value_name = "DATE")]
    to: Option<Date>,
    /// Why you look: it becomes an entry of the trail before anything is shown
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who you are, for that entry [default: the user of this computer]
    #[arg(long = "as", value_name = "NAME")]
    reader: Option<String>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// CloudFormation stack on AWS, with the credentials and region of the environment [default: the local stack]
    #[arg(long, value_name = "NAME", conflicts_with = "local_dir")]
    stack: Option<String>,
    /// Directory of the local stack [default: .local]
    #[arg(long, value_name = "DIR")]
    local_dir: Option<PathBuf>,
}

/// Whose trail is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whose {
    Person(NhsNumber),
    Actor(String),
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    whose: Whose,
    span: AuditSpan,
    reason: String,
    reader: String,
}

impl Question {
    fn of(args: &Args, now: Timestamp) -> anyhow::Result<Self> {
        let today = now.to_zoned(TimeZone::UTC).date();
        let to = args.to.unwrap_or(today);
        let (whose, first) = match (&args.person, &args.actor) {
            (Some(number), _) => {
                let number = number.parse().map_err(|error| anyhow!("--person: {error}"))?;
                (Whose::Person(number), Date::MIN)
            }
            (None, Some(actor)) => (Whose::Actor(actor.clone()), to.saturating_sub(Span::new().days(DAYS - 1))),
            (None, None) => anyhow::bail!("give --person or --actor"),
        };
        let from = args.from.unwrap_or(first);
        anyhow::ensure!(from <= to, "--from {from} is after --to {to}");
        let reader = args.reader.clone().or_else(|| std::env::var("USER").ok());
        let reader = reader.filter(|name| !name.trim().is_empty()).context("say who you are: --as NAME")?;
        let reason = audit::reason(&args.reason).map_err(|problem| anyhow!("--reason: {problem}"))?;
        Ok(Self { whose, span: AuditSpan { from, to, most: usize::MAX }, reason, reader })
    }
}

/// Runs `ims audit`. Exit status 1 where nobody is known by the number.
///
/// # Errors
/// If an argument makes no sense, or the tables cannot be reached.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let question = Question::of(args, Timestamp::now())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime
        .block_on(async { ask(&store(args.stack.as_deref(), args.local_dir.clone()).await?, &question).await })?;
    let Some(entries) = found else {
        eprintln!("ims audit: nobody is known by this NHS number");
        return Ok(ExitCode::FAILURE);
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &entries)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", table(&entries))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The part of `endpoints.json` that is needed.
#[derive(Deserialize)]
struct Endpoints {
    aws: String,
    region: String,
    tables: BTreeMap<String, String>,
}

/// The tables of a CloudFormation stack on AWS, or of the local stack whose directory is given.
pub(crate) async fn store(stack: Option<&str>, directory: Option<PathBuf>) -> anyhow::Result<Store> {
    let lower = |variable: &str| variable.trim_start_matches("IMS_TABLE_").to_lowercase();
    let (config, tables) = if let Some(stack) = stack {
        let tables = Tables::from_lookup(|variable| Some(format!("{stack}-{}", lower(variable))))?;
        (aws_config::load_defaults(BehaviorVersion::latest()).await, tables)
    } else {
        let path = directory.unwrap_or_else(local_dir).join("endpoints.json");
        let bytes = std::fs::read(&path)
            .with_context(|| format!("no {}: is the local stack up? (cargo xtask up)", path.display()))?;
        let endpoints: Endpoints =
            serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?;
        let tables = Tables::from_lookup(|variable| endpoints.tables.get(&lower(variable)).cloned())?;
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(&endpoints.aws)
            .region(Region::new(endpoints.region))
            .credentials_provider(Credentials::new("test", "test", None, None, "local stack"));
        (config.load().await, tables)
    };
    Ok(Store::new(aws_sdk_dynamodb::Client::new(&config), tables))
}

/// The trail, once the trail says that it was read; `None` where nobody is known by the number.
async fn ask(store: &Store, question: &Question) -> anyhow::Result<Option<Vec<AuditEntry>>> {
    let reading = |purpose: String| {
        AuditEntry::new(Timestamp::now(), &question.reader, "read_audit", purpose).in_role("command line")
    };
    let entries = match &question.whose {
        Whose::Person(number) => {
            let entry = reading(question.reason.clone());
            let Some(person) = store.person_by_nhs_number(*number).await? else {
                store.audit(&entry.with_result(AuditResult::NotFound)).await?;
                return Ok(None);
            };
            store.audit(&entry.about(person)).await?;
            store.audit_of_person(person, question.span).await?
        }
        Whose::Actor(actor) => {
            store.audit(&reading(format!("trail of {actor}: {}", question.reason))).await?;
            store.audit_of_actor(actor, question.span).await?
        }
    };
    Ok(Some(entries))
}

const HEADINGS: [&str; 8] = ["when (UTC)", "who", "for", "did", "result", "count", "person", "why"];

/// Entries in columns, the latest first.
fn table(entries: &[AuditEntry]) -> String {
    if entries.is_empty() {
        return "No entries on these days.\n".to_owned();
    }
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(entries.iter().map(|entry| {
        let who = entry.role.as_ref().map_or_else(|| entry.actor.clone(), |role| format!("{} ({role})", entry.actor));
        [
            entry.at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            who,
            entry.on_behalf_of.clone().unwrap_or_default(),
            entry.operation.clone(),
            entry.result.name().replace('_', " "),
            entry.count.map(|count| count.to_string()).unwrap_or_default(),
            entry.person.map(|person| person.to_string()).unwrap_or_default(),
            entry.purpose.clone(),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        // A column that is empty throughout, but for its heading, is left out.
        let filled = |column: &usize| rows[1..].iter().any(|row| !row[*column].is_empty());
        let cells = (0..row.len()).filter(filled).map(|column| format!("{:<1$}", row[column], widths[column]));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use ims_domain::PersonId;
    use jiff::civil::date;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn question(words: &[&str]) -> anyhow::Result<Question> {
        let line = ["audit", "--as", "ann"].iter().chain(words);
        let args = Command::try_parse_from(line)?.args;
        Question::of(&args, "2026-11-25T10:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_trail_is_asked_for_with_a_reason_and_over_some_days() {
        let person = question(&["--person", "9990000018", "--reason", "complaint 7"]).unwrap();
        assert_eq!(person.whose, Whose::Person("9990000018".parse().unwrap()));
        assert_eq!((person.span.from, person.span.to), (Date::MIN, date(2026, 11, 25)));
        let actor = question(&["--actor", "EMIS", "--reason", "complaint 7"]).unwrap();
        assert_eq!((actor.span.from, actor.span.to), (date(2026, 11, 19), date(2026, 11, 25)));
        for wrong in [
            &["--reason", "complaint 7"][..],
            &["--person", "9990000018"],
            &["--person", "9990000018", "--reason", "  "],
            &["--person", "9990000019", "--reason", "complaint 7"],
            &["--person", "9990000018", "--actor", "EMIS", "--reason", "complaint 7"],
            &["--actor", "EMIS", "--from", "2026-11-26", "--reason", "complaint 7"],
        ] {
            assert!(question(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_wrong_number_is_not_repeated() {
        let error = question(&["--person", "9990000019", "--reason", "complaint 7"]).unwrap_err().to_string();
        assert!(!error.contains("9990000019"), "{error}");
    }

    #[test]
    fn a_table_leaves_out_what_no_entry_has() {
        let at = "2026-11-25T10:00:00Z".parse().unwrap();
        let person = PersonId(uuid::Uuid::from_u128(1));
        let read = AuditEntry::new(at, "EMIS", "read", "r1".to_owned()).about(person);
        let opened = AuditEntry::new(at, "ann", "open_person", "complaint 7".to_owned()).in_role("records-officer");
        let text = table(&[read, opened.with_result(AuditResult::Refused)]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("when (UTC)           who"), "{text}");
        assert!(!lines[0].contains("count") && !lines[0].contains(" for "), "{text}");
        assert!(lines[1].contains("EMIS") && lines[1].contains("allowed") && lines[1].contains(&person.to_string()));
        assert!(lines[2].contains("ann (records-officer)") && lines[2].ends_with("complaint 7"), "{text}");
        assert_eq!(table(&[]), "No entries on these days.\n");
    }
}
