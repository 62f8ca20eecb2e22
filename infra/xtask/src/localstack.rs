//! LocalStack: its community image where Docker answers, else its Python package as a process of this computer (host mode),
//! with functions as processes and MiniStack's DynamoDB behind it.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use ims_runtime::settings::is_loopback;

use crate::{
    emulator::{Addresses, DYNAMODB, PROCESS, Places, ministack, no_credentials},
    processes::Processes,
    progress::step,
    python::{self, Venv},
    stack::{clean, wait_for},
    workspace_root,
};

const REQUIREMENTS: &str = "infra/localstack/requirements.txt";
const CHECKS: &str = "infra/localstack/requirements-checks.txt";
/// The package that runs functions as processes.
pub const EXECUTOR: &str = "infra/localstack/executor";
/// The compose file of LocalStack in Docker.
pub const COMPOSE: &str = "infra/localstack/compose.yaml";
/// Variable that chooses the mode instead of asking Docker: `host` or `docker`.
const CHOICE: &str = "IMS_LOCALSTACK";
/// Variable that names a DynamoDB of the user's own, on this computer, for host mode.
const OWN_DYNAMODB: &str = "IMS_DYNAMODB_URL";
/// Where a stack's directory says in which mode LocalStack runs.
const MODE: &str = "run/localstack.mode";
/// Where containers find LocalStack, and this computer: names that the compose file gives each function's container. They
/// end in `.localhost`, which a sandbox's functions take for this computer.
const IN_DOCKER: &str = "http://localstack.localhost:4566";
const HOST_OF_DOCKER: &str = "host.localhost";

/// How LocalStack runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In Docker, and each function in a container of its own.
    Docker,
    /// As a process of this computer, and each function as another.
    Host,
}

impl Mode {
    /// The mode for this computer: what `IMS_LOCALSTACK` says, else Docker where its engine and compose answer.
    ///
    /// # Errors
    /// Where the variable says something else.
    pub fn choose() -> Result<Self> {
        match std::env::var(CHOICE).ok().as_deref() {
            None | Some("") => Ok(if docker_answers() { Self::Docker } else { Self::Host }),
            Some("host") => Ok(Self::Host),
            Some("docker") => Ok(Self::Docker),
            Some(other) => bail!("{CHOICE} is '{other}'; choose host or docker"),
        }
    }

    /// The mode of the stack that runs in a directory.
    pub(crate) fn of_running(local_dir: &Path) -> Self {
        let said = fs::read_to_string(local_dir.join(MODE)).unwrap_or_default();
        if said == "docker" { Self::Docker } else { Self::Host }
    }
}

/// Whether Docker's engine and its compose command are there. The client alone may be there without an engine.
fn docker_answers() -> bool {
    let says = |arguments: &[&str]| {
        let mut command = Command::new("docker");
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    says(&["info"]) && says(&["compose", "version"])
}

/// Checks that what LocalStack needs is there.
///
/// # Errors
/// Says what is missing and what to do.
pub fn check() -> Result<()> {
    match Mode::choose()? {
        Mode::Docker if docker_answers() => Ok(()),
        Mode::Docker => bail!(
            "{CHOICE} is 'docker', but Docker's engine or its compose command does not answer: start Docker, or leave \
             {CHOICE} away to run LocalStack as a process"
        ),
        Mode::Host => python::check(&python::LOCALSTACKS),
    }
}

/// LocalStack's environment, with what the executor is checked with where that is asked for; its `python`.
///
/// # Errors
/// Where Python 3.13 or a package cannot be had.
pub fn environment(with_checks: bool) -> Result<PathBuf> {
    let requirements = if with_checks { vec![REQUIREMENTS, CHECKS] } else { vec![REQUIREMENTS] };
    let directory = ".local/venv-localstack";
    Venv { directory, python: &python::LOCALSTACKS, requirements: &requirements, package: Some(EXECUTOR) }.make()
}

/// How functions reach what is on this computer.
pub(crate) fn addresses(mode: Mode, port: u16) -> Addresses {
    match mode {
        Mode::Host => Addresses::loopback(port),
        Mode::Docker => Addresses { aws: IN_DOCKER.to_owned(), host: HOST_OF_DOCKER, gateway: Some(gateway()) },
    }
}

/// This computer's address in the network of the compose file.
fn gateway() -> String {
    format!("{}.1", std::env::var("IMS_DOCKER_NETWORK").as_deref().unwrap_or("172.31.250"))
}

/// Starts LocalStack on a port.
///
/// # Errors
/// Where a package cannot be had, a process does not start, or the DynamoDB that the user named is none.
pub(crate) async fn start(processes: &Processes, places: &Places, local_dir: &Path, port: u16) -> Result<Addresses> {
    let mode = Mode::choose()?;
    fs::write(local_dir.join(MODE), if mode == Mode::Docker { "docker" } else { "host" })?;
    match mode {
        Mode::Docker => start_docker(local_dir, port)?,
        Mode::Host => start_host(processes, places, port).await?,
    }
    Ok(addresses(mode, port))
}

async fn start_host(processes: &Processes, places: &Places, port: u16) -> Result<()> {
    let python = environment(false)?;
    let dynamodb = match std::env::var(OWN_DYNAMODB) {
        Ok(url) if is_loopback(&url) => url,
        Ok(url) => bail!("{OWN_DYNAMODB} is '{url}', which is not an address of this computer"),
        Err(_) => start_dynamodb(processes, places).await?,
    };
    step(format!("starting LocalStack on port {port}"));
    let here = format!("127.0.0.1:{port}");
    let mut command = clean(&python);
    command
        .arg(workspace_root().join("infra/localstack/launcher.py"))
        .env("GATEWAY_LISTEN", &here)
        // Queue URLs carry this name.
        .env("LOCALSTACK_HOST", &here)
        .env("SQS_ENDPOINT_STRATEGY", "path")
        .env("IMS_DYNAMODB_URL", dynamodb)
        .env("PROVIDER_OVERRIDE_DYNAMODBSTREAMS", "v2")
        .env("LAMBDA_RUNTIME_EXECUTOR", "process")
        .env("PROCESS_EXECUTOR_LOG_DIR", &places.functions)
        // Nothing is fetched and nobody told.
        .env("SKIP_SSL_CERT_DOWNLOAD", "1")
        .env("DISABLE_EVENTS", "1")
        .env("DNS_ADDRESS", "0")
        // Seconds: what comes is taken soon, and what failed is tried again soon.
        .env("LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC", "0.2")
        .env("LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC", "0.3")
        .env("LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_ERROR_SEC", "2")
        .env("LAMBDA_RETRY_BASE_DELAY", "1")
        // Programs that are not optimised are larger than Lambda would take.
        .env("LAMBDA_LIMITS_CODE_SIZE_ZIPPED", "1000000000")
        .env("LAMBDA_LIMITS_CODE_SIZE_UNZIPPED", "4000000000")
        .env("LS_LOG", "warning")
        .env("TMPDIR", &places.tmp)
        .env("FILESYSTEM_ROOT", places.tmp.join("localstack"))
        .env("CONFIG_DIR", places.tmp.join("localstack/config"));
    no_credentials(&mut command);
    processes.start(PROCESS, &mut command)
}

/// Starts the MiniStack that is LocalStack's DynamoDB, on a free port; its base URL.
async fn start_dynamodb(processes: &Processes, places: &Places) -> Result<String> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let url = format!("http://127.0.0.1:{port}");
    step(format!("starting MiniStack's DynamoDB on port {port}"));
    let mut command = ministack(places, port)?;
    command.env("SERVICES", "dynamodb,dynamodbstreams").env("AWS_ENDPOINT_URL", &url);
    processes.start(DYNAMODB, &mut command)?;
    wait_for(processes, DYNAMODB, &format!("{url}/_ministack/health")).await?;
    Ok(url)
}

/// `docker compose` on the project of a stack's directory: its name is made of the port, which no two stacks share.
fn compose(port: &str) -> Command {
    let mut command = Command::new("docker");
    command
        .args(["compose", "--project-name", &format!("ims-{port}"), "--file"])
        .arg(workspace_root().join(COMPOSE))
        .env("IMS_AWS_PORT", port);
    command
}

fn start_docker(local_dir: &Path, port: u16) -> Result<()> {
    step(format!("starting LocalStack in Docker on port {port}"));
    let port = port.to_string();
    fs::write(local_dir.join("run/localstack.port"), &port)?;
    let status = compose(&port).args(["up", "--detach", "--wait"]).status().context("running docker compose")?;
    if !status.success() {
        bail!("docker compose up failed; see above, and `docker compose --project-name ims-{port} logs`");
    }
    Ok(())
}

/// Stops and removes LocalStack's container; whether there was one.
///
/// # Errors
/// Where Docker does not do it.
pub(crate) fn stop_docker(local_dir: &Path) -> Result<bool> {
    let Ok(port) = fs::read_to_string(local_dir.join("run/localstack.port")) else { return Ok(false) };
    let status = compose(&port).args(["down", "--volumes"]).status().context("running docker compose")?;
    if !status.success() {
        bail!("docker compose down failed; see above");
    }
    for file in ["run/localstack.port", MODE] {
        let _ = fs::remove_file(local_dir.join(file));
    }
    step("stopped the emulator");
    Ok(true)
}

/// Whether LocalStack answers in Docker: there is no process of ours to ask.
pub(crate) fn runs_in_docker(local_dir: &Path) -> bool {
    Mode::of_running(local_dir) == Mode::Docker && local_dir.join("run/localstack.port").is_file()
}
