//! `ims wave`: waves as they stand, and what is done to them: the console's room Waves on the command line. Whoever does
//! something says who they are by a staff token, which `wave-planning` verifies; this program decides nothing.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_lambda::primitives::Blob;
use ims_domain::wave::{Wave, WaveAction};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::local_dir;

/// The function that governs waves.
const FUNCTION: &str = "wave-planning";

/// Arguments of `ims wave`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    stack: Stack,
}

/// Which stack.
#[derive(clap::Args)]
pub(crate) struct Stack {
    /// CloudFormation stack on AWS, with the credentials and region of the environment [default: the local stack]
    #[arg(long, value_name = "NAME", conflicts_with = "local_dir", global = true)]
    stack: Option<String>,
    /// Directory of the local stack [default: .local]
    #[arg(long, value_name = "DIR", global = true)]
    local_dir: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
enum What {
    /// Show how a wave stands and what was done to it
    Show {
        #[command(flatten)]
        which: Which,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Plan a wave of the campaign's contact plan on the current snapshot
    Plan {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        who: Who,
    },
    /// Say that whom a selected wave would write to is right
    Review(Order),
    /// Say, as somebody else, that it may go
    Approve(Order),
    /// Let an approved wave go: at first its canary alone
    Release(Order),
    /// Say that what went to the canary is right, so that the rest goes
    Confirm {
        #[command(flatten)]
        order: Order,
        /// What you looked at: bounces, links, print_proof. All are needed
        #[arg(long, value_name = "WHAT", value_delimiter = ',', required = true)]
        checked: Vec<String>,
    },
    /// Hold a released wave
    Pause(Order),
    /// Let a paused wave go on
    Resume(Order),
    /// Hold a wave until it is reviewed and approved anew
    Stop(Order),
    /// End a wave: what has not left is withdrawn
    Close(Order),
}

#[derive(clap::Args)]
struct Which {
    /// Campaign
    campaign: String,
    /// Wave
    wave: String,
}

#[derive(clap::Args)]
pub(crate) struct Who {
    /// Your staff token, as `ims token --staff NAME --role planner` prints it in a sandbox [default: IMS_STAFF_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
}

impl Who {
    pub(crate) fn token(&self) -> anyhow::Result<String> {
        let token = self.token.clone().or_else(|| std::env::var("IMS_STAFF_TOKEN").ok());
        token.filter(|token| !token.trim().is_empty()).context("say who you are: --token, or IMS_STAFF_TOKEN")
    }
}

#[derive(clap::Args)]
struct Order {
    #[command(flatten)]
    which: Which,
    /// Why: it becomes part of the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Version of the wave that you looked at [default: as it is now]
    #[arg(long, value_name = "N")]
    version: Option<u64>,
    #[command(flatten)]
    who: Who,
}

impl What {
    fn order(&self) -> Option<(WaveAction, &Order)> {
        Some(match self {
            Self::Show { .. } | Self::Plan { .. } => return None,
            Self::Review(order) => (WaveAction::Review, order),
            Self::Approve(order) => (WaveAction::Approve, order),
            Self::Release(order) => (WaveAction::Release, order),
            Self::Confirm { order, .. } => (WaveAction::Confirm, order),
            Self::Pause(order) => (WaveAction::Pause, order),
            Self::Resume(order) => (WaveAction::Resume, order),
            Self::Stop(order) => (WaveAction::Stop, order),
            Self::Close(order) => (WaveAction::Close, order),
        })
    }
}

/// The part of `endpoints.json` that is needed.
#[derive(Deserialize)]
struct Endpoints {
    aws: String,
    region: String,
    functions: BTreeMap<String, String>,
}

/// The function, in a stack on AWS or on this computer.
pub(crate) struct Planning {
    lambda: aws_sdk_lambda::Client,
    name: String,
}

impl Planning {
    pub(crate) async fn connect(args: &Stack) -> anyhow::Result<Self> {
        let (config, name): (SdkConfig, String) = if let Some(stack) = &args.stack {
            (aws_config::load_defaults(BehaviorVersion::latest()).await, format!("{stack}-{FUNCTION}"))
        } else {
            let path = args.local_dir.clone().unwrap_or_else(local_dir).join("endpoints.json");
            let bytes = std::fs::read(&path)
                .with_context(|| format!("no {}: is the local stack up? (cargo xtask up)", path.display()))?;
            let mut endpoints: Endpoints =
                serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?;
            let config = aws_config::defaults(BehaviorVersion::latest())
                .endpoint_url(&endpoints.aws)
                .region(Region::new(endpoints.region))
                .credentials_provider(Credentials::new("test", "test", None, None, "local stack"));
            let name = endpoints.functions.remove(FUNCTION).context("the stack has no wave-planning")?;
            (config.load().await, name)
        };
        Ok(Self { lambda: aws_sdk_lambda::Client::new(&config), name })
    }

    /// What a request is answered with, or why it is refused.
    pub(crate) async fn invoke(&self, request: &Value) -> anyhow::Result<Result<Value, String>> {
        let payload = Blob::new(serde_json::to_vec(request)?);
        let answer = self.lambda.invoke().function_name(&self.name).payload(payload).send().await;
        let answer =
            answer.map_err(|error| anyhow!("{}: {}", self.name, aws_sdk_lambda::error::DisplayErrorContext(error)))?;
        let bytes = answer.payload().map(|told| told.as_ref().to_vec()).unwrap_or_default();
        let told: Value = serde_json::from_slice(&bytes).context("wave-planning answered no JSON")?;
        if answer.function_error().is_some() {
            return Ok(Err(told["errorMessage"].as_str().unwrap_or("it failed").to_owned()));
        }
        Ok(Ok(told))
    }

    /// The wave that a request is answered with, or why it is refused.
    async fn ask(&self, request: &Value) -> anyhow::Result<Result<Wave, String>> {
        match self.invoke(request).await? {
            Ok(mut told) => {
                Ok(Ok(serde_json::from_value(told["wave"].take()).context("wave-planning answered no wave")?))
            }
            Err(why) => Ok(Err(why)),
        }
    }
}

/// Runs `ims wave`. Exit status 1 where it is refused.
///
/// # Errors
/// Where the stack cannot be reached.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told = runtime.block_on(async {
        let planning = Planning::connect(&args.stack).await?;
        let ask = async |action: &str, which: &Which| {
            planning.ask(&json!({"action": action, "campaign": which.campaign, "wave": which.wave})).await
        };
        match &args.what {
            What::Show { which, .. } => ask("status", which).await,
            What::Plan { which, who } => {
                let request = json!({
                    "action": "plan", "campaign": which.campaign, "wave": which.wave, "token": who.token()?,
                });
                planning.ask(&request).await
            }
            what => {
                let (action, order) = what.order().context("this is done to no wave")?;
                let version = match order.version {
                    Some(version) => version,
                    None => match ask("status", &order.which).await? {
                        Ok(wave) => wave.version,
                        refused => return Ok(refused),
                    },
                };
                let mut request = request(action, order, version, &order.who.token()?);
                if let What::Confirm { checked, .. } = what {
                    request["checked"] = json!(checked);
                }
                planning.ask(&request).await
            }
        }
    })?;
    let wave = match told {
        Ok(wave) => wave,
        Err(why) => {
            eprintln!("ims wave: {why}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut out = std::io::stdout().lock();
    match &args.what {
        What::Show { json: true, .. } => {
            serde_json::to_writer_pretty(&mut out, &wave)?;
            writeln!(out)?;
        }
        _ => write!(out, "{}", shown(&wave))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn request(action: WaveAction, order: &Order, version: u64, token: &str) -> Value {
    json!({
        "action": action.name(), "campaign": order.which.campaign, "wave": order.which.wave, "version": version,
        "reason": order.reason, "token": token,
    })
}

fn shown(wave: &Wave) -> String {
    let mut text = format!(
        "{} {} is {} (version {}): {} eligible, {} candidates, selected on {}, by {}\n",
        wave.campaign,
        wave.wave,
        wave.state.name(),
        wave.version,
        wave.eligible,
        wave.candidates,
        wave.selected_on,
        if wave.authors.is_empty() { "nobody known".to_owned() } else { wave.authors.join(", ") },
    );
    for deed in &wave.deeds {
        let at = deed.at.strftime("%Y-%m-%d %H:%M:%S");
        text.push_str(&format!("{at}  {}  {} ({})  {}\n", deed.action.name(), deed.by, deed.role, deed.reason));
    }
    text
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

    fn parse(text: &str) -> Result<Args, clap::Error> {
        Command::try_parse_from(format!("wave {text}").split_whitespace()).map(|command| command.args)
    }

    #[test]
    fn what_is_done_carries_a_token_and_a_reason_and_no_name_of_its_own() {
        for action in WaveAction::ORDERS {
            let name = action.name();
            let more = if action == WaveAction::Confirm { "--checked bounces,links,print_proof" } else { "" };
            let args = parse(&format!("{name} flu-2025 w1 --reason rooms --token abc --version 3 {more}")).unwrap();
            let (parsed, order) = args.what.order().unwrap();
            assert_eq!(parsed, action);
            let sent = request(parsed, order, 3, &order.who.token().unwrap());
            assert_eq!((&sent["action"], &sent["token"], &sent["version"]), (&json!(name), &json!("abc"), &json!(3)));
            for wrong in ["--token abc", "--reason rooms --token abc --as Cat"] {
                assert!(parse(&format!("{name} flu-2025 w1 {wrong}")).is_err(), "{name} {wrong}");
            }
        }
    }
}
