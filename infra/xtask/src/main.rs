//! Build, run, test and measure the whole: `cargo xtask`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, builder::PossibleValuesParser};
use xtask::{
    bench, conformance,
    demo::{self, DemoArgs},
    fuzz, logs,
    stack::{self, Emulator, Ports, StackOptions},
    test::{self, TestArgs},
    workers,
};

/// Exit status of a call that makes no sense; clap's own.
const WRONG_USAGE: u8 = 2;

/// Build, run, test and measure the whole.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Set the local stack up from infra/template.yaml, or bring a running one up to date
    Up(Up),
    /// Stop what `up` started
    Down {
        #[command(flatten)]
        place: Place,
    },
    /// Run everything that CI runs
    Test {
        /// Only this step (repeatable)
        #[arg(long, value_name = "STEP", value_parser = PossibleValuesParser::new(test::names()))]
        only: Vec<String>,
        /// Not this step (repeatable)
        #[arg(long, value_name = "STEP", value_parser = PossibleValuesParser::new(test::names()))]
        skip: Vec<String>,
        /// ministack or localstack
        #[arg(long, default_value = "ministack")]
        emulator: Emulator,
    },
    /// Run whole campaigns on the local stack and report
    Demo {
        /// People in the synthetic population
        #[arg(long, default_value_t = 2000)]
        people: u64,
        /// Seed of the population and of everyone's behaviour
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// ministack or localstack
        #[arg(long, default_value = "ministack")]
        emulator: Emulator,
        /// Write the report as JSON to this file
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Leave the stack up afterwards
        #[arg(long)]
        keep: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Kill the running processes of a function of the local stack, to see that nothing is sent twice
    Kill {
        /// Function, e.g. sms-dispatch
        function: String,
        #[command(flatten)]
        place: Place,
    },
    /// Search a running local stack's logs for everyone who came into it; fails where anybody is found
    Logs {
        #[command(flatten)]
        place: Place,
    },
    /// Run every row of a folder's feature files against the running local stack
    Conformance {
        /// Whose API they are about
        #[arg(value_parser = PossibleValuesParser::new(["imms"]))]
        api: String,
        /// Folder of the feature files
        #[arg(long, value_name = "DIR")]
        features: PathBuf,
        /// Write the results as JSON to this file, or to standard output where none is named
        #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
        json: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// Fuzz what comes from outside: rows, resources, file names, tokens
    Fuzz {
        /// Seconds for each target
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Targets; all where none is named
        #[arg(value_parser = PossibleValuesParser::new(fuzz::TARGETS))]
        targets: Vec<String>,
    },
    /// Extract England's areas and sites, near which the synthetic people live, into .local/geography
    Geography,
    /// Run the benchmarks of tests/bench, in an optimised build
    Bench {
        /// List the benchmarks
        #[arg(long)]
        list: bool,
        /// Benchmarks to run; all where none is named
        names: Vec<String>,
        /// Size of the population, or of the work [default: each benchmark's own]
        #[arg(long)]
        people: Option<u64>,
        /// Write the figures as JSON to this file
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Place {
    /// Directory of the stack's logs, process records and endpoints.json [default: .local]
    #[arg(long, value_name = "DIR")]
    local_dir: Option<PathBuf>,
}

impl Place {
    fn dir(&self) -> PathBuf {
        self.local_dir.clone().unwrap_or_else(stack::default_local_dir)
    }
}

#[derive(Debug, Args)]
struct Up {
    /// Load this many synthetic people
    #[arg(long, default_value_t = 0)]
    people: u64,
    /// Seed of the people
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// ministack or localstack
    #[arg(long, default_value = "ministack")]
    emulator: Emulator,
    /// The emulator's port [default: IMS_AWS_PORT, or 4566]
    #[arg(long)]
    port: Option<u16>,
    /// The front door's port [default: IMS_FRONT_DOOR_PORT, or 4570]
    #[arg(long)]
    front_door_port: Option<u16>,
    /// The sandbox GOV.UK Notify's port [default: IMS_NOTIFY_PORT, or 4571]
    #[arg(long)]
    notify_port: Option<u16>,
    /// Seconds that a message stays in "sending" before it may be tried again
    #[arg(long, default_value_t = 90)]
    send_fence_seconds: u32,
    /// Seconds after which the sandbox Notify refuses a token
    #[arg(long, default_value_t = 30)]
    token_window_seconds: u32,
    /// Seconds for which the queues hide a message that was received
    #[arg(long, default_value_t = 120)]
    visibility_seconds: u32,
    /// Merge the snapshot only when asked, not every minute
    #[arg(long)]
    still: bool,
    /// Put a proxy before DynamoDB that can make it fail
    #[arg(long)]
    faults: bool,
    /// Build the functions with optimisation, as for AWS
    #[arg(long)]
    release: bool,
    /// Run a MESH server beside, and collect files from its mailbox
    #[arg(long)]
    mesh: bool,
    #[command(flatten)]
    place: Place,
}

impl Up {
    fn options(&self) -> Result<StackOptions> {
        Ok(StackOptions {
            people: self.people,
            seed: self.seed,
            emulator: self.emulator,
            ports: ports(self.port, self.front_door_port, self.notify_port)?,
            local_dir: self.place.dir(),
            send_fence_seconds: self.send_fence_seconds,
            token_window_seconds: self.token_window_seconds,
            visibility_seconds: self.visibility_seconds,
            fresh: !self.still,
            faults: self.faults,
            mesh: self.mesh,
            optimised: self.release,
        })
    }
}

/// Ports of the emulator, the front door and the sandbox Notify.
fn ports(aws: Option<u16>, front_door: Option<u16>, notify: Option<u16>) -> Result<Ports> {
    let usual = Ports::default();
    Ok(Ports {
        aws: port(aws, "IMS_AWS_PORT", usual.aws)?,
        front_door: port(front_door, "IMS_FRONT_DOOR_PORT", usual.front_door)?,
        notify: port(notify, "IMS_NOTIFY_PORT", usual.notify)?,
    })
}

/// A port from a flag, else from the environment, else the usual one.
fn port(flag: Option<u16>, variable: &str, usual: u16) -> Result<u16> {
    match (flag, std::env::var(variable)) {
        (Some(port), _) => Ok(port),
        (None, Ok(text)) => text.parse().with_context(|| format!("{variable} is '{text}', which is no port")),
        (None, Err(_)) => Ok(usual),
    }
}

async fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Up(up) => {
            let options = match up.options() {
                Ok(options) => options,
                Err(error) => {
                    eprintln!("error: {error:#}");
                    return Ok(WRONG_USAGE.into());
                }
            };
            let endpoints = stack::up(&options).await?;
            println!("{}", serde_json::to_string_pretty(&endpoints)?);
        }
        Task::Down { place } => stack::down(&place.dir())?,
        Task::Test { only, skip, emulator } => {
            if !test::run(&TestArgs { only, skip, emulator }) {
                return Ok(ExitCode::FAILURE);
            }
        }
        Task::Demo { people, seed, emulator, json, keep, place } => {
            let ports = match ports(None, None, None) {
                Ok(ports) => ports,
                Err(error) => {
                    eprintln!("error: {error:#}");
                    return Ok(WRONG_USAGE.into());
                }
            };
            let stack =
                StackOptions { emulator, ports, local_dir: place.dir(), fresh: keep, ..StackOptions::default() };
            if !demo::run(DemoArgs { people, seed, stack, json, keep }).await? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Task::Kill { function, place } => match workers::kill_function(&place.dir(), &function)? {
            0 => println!("no process of {function} is running: it has had nothing to do yet"),
            count => println!("killed {count} of {function}"),
        },
        Task::Logs { place } => {
            if !logs::check(&place.dir()).await?.is_empty() {
                return Ok(ExitCode::FAILURE);
            }
        }
        Task::Conformance { api: _, features, json, place } => {
            return conformance::run(&features, json.as_deref(), &place.dir());
        }
        Task::Fuzz { seconds, targets } => drop(fuzz::run(&targets, seconds)?),
        Task::Geography => drop(demo::geography()?),
        Task::Bench { list, names, people, json } => {
            return bench::run(&bench::BenchArgs { list, names, people, json });
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().task).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
