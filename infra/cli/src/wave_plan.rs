//! `ims wave-plan`: how many to invite, where and when, as the console's page "Plan a wave" says it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use aws_config::BehaviorVersion;
use aws_sdk_lambda::config::{Credentials, Region};
use aws_sdk_lambda::primitives::Blob;
use ims_planning::{Aims, Left, WavePlan};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::local_dir;

/// How often it asks whether all parts are counted.
const POLL: Duration = Duration::from_millis(500);

/// Arguments of `ims wave-plan`.
#[derive(clap::Args)]
pub struct Args {
    /// Campaign
    campaign: String,
    /// Wave of its contact plan that is not selected yet
    wave: String,
    /// Most people in the wave [default: as many as there is room for]
    #[arg(long, value_name = "N")]
    size: Option<u64>,
    /// Weight for deprived areas: 0 asks all alike, 1 invites the most deprived fifth twice as often as the least
    #[arg(long, value_name = "W")]
    equity: Option<f64>,
    /// JSON file of everything that can be asked for: size, days, equity, fill, limits, quotas, …
    #[arg(long, value_name = "FILE")]
    aims: Option<PathBuf>,
    /// Make it the wave's plan
    #[arg(long)]
    adopt: bool,
    /// Who you are, for the audit trail [default: the user of this computer]
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
    /// CloudFormation stack on AWS, with the credentials and region of the environment [default: the local stack]
    #[arg(long, value_name = "NAME", conflicts_with = "local_dir")]
    stack: Option<String>,
    /// Directory of the local stack [default: .local]
    #[arg(long, value_name = "DIR")]
    local_dir: Option<PathBuf>,
}

impl Args {
    fn aims(&self) -> anyhow::Result<Aims> {
        let mut aims = match &self.aims {
            Some(path) => {
                let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
                serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?
            }
            None => Aims::default(),
        };
        aims.size = self.size.unwrap_or(aims.size);
        aims.equity = self.equity.unwrap_or(aims.equity);
        aims.check()?;
        Ok(aims)
    }
}

/// Runs `ims wave-plan`. Exit status 1 where the function refuses.
///
/// # Errors
/// If an argument makes no sense, or the stack cannot be reached.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let aims = args.aims()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let function = Function::of(args.stack.as_deref(), args.local_dir.clone()).await?;
        let by = args.name.clone().or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "unknown".to_owned());
        match made(&function, args, &aims, &by).await? {
            Ok(plan) => {
                print(args, &plan)?;
                Ok(ExitCode::SUCCESS)
            }
            Err(refusal) => {
                eprintln!("ims: {refusal}");
                Ok(ExitCode::FAILURE)
            }
        }
    })
}

async fn made(function: &Function, args: &Args, aims: &Aims, by: &str) -> anyhow::Result<Result<WavePlan, String>> {
    let count = json!({"action": "count", "campaign": args.campaign, "wave": args.wave, "by": by});
    let counted = match function.ask(&count).await? {
        Ok(counted) => counted,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let draft = counted["draft"]["draft"].as_str().context("the function named no draft")?.to_owned();
    let request =
        |action: &str| json!({"action": action, "campaign": args.campaign, "draft": draft, "aims": aims, "by": by});
    loop {
        match function.ask(&request("plan")).await? {
            Ok(answer) if answer.get("waiting").is_some() => tokio::time::sleep(POLL).await,
            Ok(answer) if !args.adopt => return Ok(Ok(serde_json::from_value(answer["plan"].clone())?)),
            Ok(_) => break,
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    match function.ask(&request("adopt")).await? {
        Ok(answer) => Ok(Ok(serde_json::from_value(answer["plan"].clone())?)),
        Err(refusal) => Ok(Err(refusal)),
    }
}

fn print(args: &Args, plan: &WavePlan) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, plan)?;
        return Ok(writeln!(out)?);
    }
    let all = &plan.account.all;
    writeln!(out, "{:<44} {:>12}", "candidates", all.candidates)?;
    writeln!(out, "{:<44} {:>12}", "in the plan", all.invited)?;
    for left in Left::ALL {
        if let Some(people) = all.left.get(&left) {
            writeln!(out, "{:<44} {people:>12}", format!("left for want of {left}"))?;
        }
    }
    writeln!(out, "{:<44} {:>12.0}", "expected to answer", all.answers)?;
    match plan.binding {
        Some(left) => writeln!(out, "What binds: {left}")?,
        None => writeln!(out, "Nothing binds: every candidate is in the plan")?,
    }
    for (day, used) in (0i64..).zip(&plan.days) {
        let day = plan.draft.day.checked_add(jiff::Span::new().days(day))?;
        writeln!(out, "{day}  {} people, {} letters, {} texts", used.people, used.letters, used.texts)?;
    }
    match &plan.adopted_by {
        Some(by) => writeln!(out, "This is the plan of {} now, by {by}.", plan.draft.wave)?,
        None => writeln!(out, "Nothing is changed; --adopt makes it the plan of {}.", plan.draft.wave)?,
    }
    Ok(())
}

/// The part of `endpoints.json` that is needed.
#[derive(Deserialize)]
struct Endpoints {
    aws: String,
    region: String,
    functions: BTreeMap<String, String>,
}

/// The function `cohort-selection` of a stack.
struct Function {
    lambda: aws_sdk_lambda::Client,
    name: String,
}

impl Function {
    async fn of(stack: Option<&str>, directory: Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(stack) = stack {
            let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
            let name = format!("{stack}-cohort-selection");
            return Ok(Self { lambda: aws_sdk_lambda::Client::new(&config), name });
        }
        let path = directory.unwrap_or_else(local_dir).join("endpoints.json");
        let bytes = std::fs::read(&path)
            .with_context(|| format!("no {}: is the local stack up? (cargo xtask up)", path.display()))?;
        let endpoints: Endpoints =
            serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?;
        let name = endpoints.functions.get("cohort-selection").context("the stack has no cohort-selection")?.clone();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(&endpoints.aws)
            .region(Region::new(endpoints.region))
            .credentials_provider(Credentials::new("test", "test", None, None, "local stack"));
        Ok(Self { lambda: aws_sdk_lambda::Client::new(&config.load().await), name })
    }

    /// What it answers, or why it refuses.
    async fn ask(&self, request: &Value) -> anyhow::Result<Result<Value, String>> {
        let payload = Blob::new(serde_json::to_vec(request)?);
        let answer = self.lambda.invoke().function_name(&self.name).payload(payload).send().await;
        let answer = answer.with_context(|| format!("invoking {}", self.name))?;
        let Some(told) = answer.payload() else { bail!("{} answered nothing", self.name) };
        let told: Value = serde_json::from_slice(told.as_ref()).context("what the function answered")?;
        if answer.function_error().is_some() {
            return Ok(Err(told["errorMessage"].as_str().unwrap_or("the function failed").to_owned()));
        }
        Ok(Ok(told))
    }
}
