//! The emulators that stand in for AWS, and all in which they differ for us: how each is found, started, asked whether it
//! is there, and stopped. What differs in what they answer is listed in `infra/README.md`.

use std::{fs, path::Path, str::FromStr};

use anyhow::{Result, bail};

use crate::{
    endpoints::REGION,
    localstack::{self, Mode},
    processes::Processes,
    progress::step,
    python,
    stack::clean,
    workspace_root,
};

/// Name of the process that answers at the AWS endpoint.
pub(crate) const PROCESS: &str = "emulator";
/// Name of the process behind LocalStack's DynamoDB.
pub(crate) const DYNAMODB: &str = "dynamodb";
/// Where a stack's directory says which emulator it has.
const KIND: &str = "run/emulator.kind";

/// Which emulator stands in for AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Emulator {
    /// MiniStack, from the Python package index.
    #[default]
    MiniStack,
    /// LocalStack, in Docker where Docker answers, else as processes of this computer.
    LocalStack,
}

impl FromStr for Emulator {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ministack" => Ok(Self::MiniStack),
            "localstack" => Ok(Self::LocalStack),
            other => Err(format!("'{other}' is not an emulator; choose ministack or localstack")),
        }
    }
}

impl Emulator {
    /// Its name, as flags and `endpoints.json` have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MiniStack => "ministack",
            Self::LocalStack => "localstack",
        }
    }

    /// Path at which it says that it is there.
    pub(crate) fn health(self) -> &'static str {
        match self {
            Self::MiniStack => "/_ministack/health",
            Self::LocalStack => "/_localstack/health",
        }
    }

    /// Base URL of the API's stage.
    pub(crate) fn api(self, aws: &str, id: &str) -> String {
        match self {
            Self::MiniStack => format!("{aws}/restapis/{id}/v1/_user_request_"),
            // It still answers at the other, with a warning each time.
            Self::LocalStack => format!("{aws}/_aws/execute-api/{id}/v1"),
        }
    }

    /// Checks that what it needs is there, without installing anything.
    ///
    /// # Errors
    /// Says what is missing and what to do.
    pub fn check(self) -> Result<()> {
        python::check(&python::USUAL)?;
        match self {
            Self::MiniStack => Ok(()),
            Self::LocalStack => localstack::check(),
        }
    }

    /// Starts it on a port, its functions' output in `logs/functions`; it may take a while to answer.
    ///
    /// # Errors
    /// Where a package cannot be had or a process does not start.
    pub(crate) async fn start(self, processes: &Processes, local_dir: &Path, port: u16) -> Result<Addresses> {
        let places = Places::make(local_dir)?;
        fs::create_dir_all(local_dir.join("run"))?;
        fs::write(local_dir.join(KIND), self.name())?;
        match self {
            Self::MiniStack => start_ministack(processes, &places, port),
            Self::LocalStack => localstack::start(processes, &places, local_dir, port).await,
        }
    }

    /// Where the functions find what runs on this computer, for an emulator that runs already.
    ///
    /// # Errors
    /// Where another emulator runs.
    pub(crate) fn running(self, local_dir: &Path, port: u16) -> Result<Addresses> {
        let kind = fs::read_to_string(local_dir.join(KIND)).unwrap_or_default();
        if kind != self.name() && !kind.is_empty() {
            bail!(
                "the stack in {} runs on {kind}; to have {} there, take it down first (cargo xtask down)",
                local_dir.display(),
                self.name()
            );
        }
        Ok(match self {
            Self::LocalStack => localstack::addresses(Mode::of_running(local_dir), port),
            Self::MiniStack => Addresses::loopback(port),
        })
    }
}

/// How the functions reach the emulator and the sandbox's other services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// The AWS endpoint.
    pub(crate) aws: String,
    /// Host under which this computer's own ports are.
    pub(crate) host: &'static str,
    /// Address of this computer at which containers arrive, where the functions are in some.
    pub(crate) gateway: Option<String>,
}

impl Addresses {
    /// Functions that are processes of this computer.
    pub(crate) fn loopback(port: u16) -> Self {
        Self { aws: format!("http://127.0.0.1:{port}"), host: "127.0.0.1", gateway: None }
    }
}

/// Folders of an emulator that starts.
pub(crate) struct Places {
    /// What it unpacks; function processes are known by lying here.
    pub(crate) tmp: std::path::PathBuf,
    /// Functions' output.
    pub(crate) functions: std::path::PathBuf,
}

impl Places {
    /// Makes the folders of a stack that starts, empty.
    fn make(local_dir: &Path) -> Result<Self> {
        let (tmp, functions) = (local_dir.join("tmp"), local_dir.join("logs/functions"));
        for folder in [&tmp, &functions] {
            let _ = fs::remove_dir_all(folder);
            fs::create_dir_all(folder)?;
        }
        Ok(Self { tmp, functions })
    }
}

/// Stops an emulator's processes; whether there was any.
///
/// # Errors
/// Where one does not end.
pub(crate) fn stop(processes: &Processes, local_dir: &Path) -> Result<bool> {
    let mut any = false;
    if Mode::of_running(local_dir) == Mode::Docker {
        any |= localstack::stop_docker(local_dir)?;
    }
    for name in [PROCESS, DYNAMODB] {
        if processes.stop(name)? {
            step(format!("stopped the {name}"));
            any = true;
        }
    }
    let _ = fs::remove_file(local_dir.join(KIND));
    Ok(any)
}

/// What starts MiniStack on a port of the loopback interface.
pub(crate) fn ministack(places: &Places, port: u16) -> Result<std::process::Command> {
    let python = python::venv(&["infra/emulator/requirements.txt"])?;
    let mut command = clean(&python);
    command
        .arg(workspace_root().join("infra/emulator/launcher.py"))
        .env("GATEWAY_PORT", port.to_string())
        .env("BIND_HOST", "127.0.0.1")
        // Queue URLs carry this name; "localhost" may resolve to ::1 first, where nothing listens.
        .env("MINISTACK_HOST", "127.0.0.1")
        .env("IOT_MTLS_ENABLED", "0")
        .env("LAMBDA_EXECUTOR", "local")
        .env("TMPDIR", &places.tmp);
    no_credentials(&mut command);
    Ok(command)
}

/// Made-up credentials, and nothing from the host's own AWS set-up.
pub(crate) fn no_credentials(command: &mut std::process::Command) {
    command
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_DEFAULT_REGION", REGION)
        .env("AWS_REGION", REGION)
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true");
}

fn start_ministack(processes: &Processes, places: &Places, port: u16) -> Result<Addresses> {
    let mut command = ministack(places, port)?;
    step(format!("starting MiniStack on port {port}"));
    let addresses = Addresses::loopback(port);
    command.env("IMS_FUNCTION_LOGS", &places.functions).env("AWS_ENDPOINT_URL", &addresses.aws);
    processes.start(PROCESS, &mut command)?;
    Ok(addresses)
}
