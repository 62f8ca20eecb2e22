//! The local stack: emulator, functions, sandbox GOV.UK Notify and front door.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine, prelude::BASE64_STANDARD};
use ims_runtime::auth::SigningKey;

pub use crate::emulator::Emulator;
use crate::{
    client, demo, deploy,
    emulator::{self, PROCESS as EMULATOR},
    endpoints::{self, Endpoints, REGION},
    localstack, logs, mesh, package,
    processes::Processes,
    progress::step,
    web, workspace_root,
};

/// Name of the CloudFormation stack; each emulator holds one.
const STACK: &str = "ims";
/// Key of the sandbox GOV.UK Notify: name, service id, secret. It opens nothing else.
const NOTIFY_API_KEY: &str = "sandbox-6c1fd0f0-3f0e-4f0b-9c57-5d1f0a7a1b01-0d9f3a52-7a44-4f38-8a53-9c3f6a1e2b02";
/// Bearer token of the sandbox Notify's callbacks.
const NOTIFY_CALLBACK_TOKEN: &str = "sandbox-callback";
const PRINT_CALLBACK_TOKEN: &str = "sandbox-print-callback";

/// By which links and codes in messages are made on a local stack; it protects nothing.
pub const REPLY_KEY: &str = "sandbox-reply-key-0123456789abcdef";

const NOTIFY: &str = "notify";
/// What the sandbox Notify takes in any 60 s: four times the service's usual limit, so that a demo need not wait for it.
const NOTIFY_PER_MINUTE: u32 = 12_000;
const FRONT_DOOR: &str = "front-door";
const FAULTS: &str = "faults";

/// Loopback ports of a stack's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// The emulator.
    pub aws: u16,
    /// The front door.
    pub front_door: u16,
    /// Sandbox GOV.UK Notify.
    pub notify: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self { aws: 4566, front_door: 4570, notify: 4571 }
    }
}

/// What a local stack is asked to be.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// People to load; 0 for none.
    pub people: u64,
    /// Seed of the people.
    pub seed: u64,
    /// Emulator.
    pub emulator: Emulator,
    /// Ports.
    pub ports: Ports,
    /// Directory of logs, process records, packages and `endpoints.json`.
    pub local_dir: PathBuf,
    /// Seconds that a message stays in `sending` before it may be tried again.
    pub send_fence_seconds: u32,
    /// Seconds after which the sandbox Notify refuses a request's token; the real one's is 30.
    pub token_window_seconds: u32,
    /// Seconds for which a queue hides a message that was received: when the work of a process that died comes again.
    pub visibility_seconds: u32,
    /// Whether schedules merge the snapshot every minute, so that the console follows by itself.
    pub fresh: bool,
    /// Whether the functions reach DynamoDB through the proxy that can make it fail. It takes a free port.
    pub faults: bool,
    /// Whether the functions are built with optimisation, as they are for AWS.
    pub optimised: bool,
    /// Whether a MESH server runs beside it, from whose mailbox files are collected. It takes a free port.
    pub mesh: bool,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            people: 0,
            seed: 1,
            emulator: Emulator::default(),
            ports: Ports::default(),
            local_dir: default_local_dir(),
            send_fence_seconds: 90,
            token_window_seconds: 30,
            visibility_seconds: 120,
            fresh: false,
            faults: false,
            optimised: false,
            mesh: false,
        }
    }
}

/// `.local` in the workspace.
#[must_use]
pub fn default_local_dir() -> PathBuf {
    workspace_root().join(".local")
}

/// Sets a local stack up, or brings a running one up to date; returns, and writes down, where everything is.
///
/// # Errors
/// Where a prerequisite is missing (with what to do), the build or the deployment fails, or a process does not start.
pub async fn up(options: &StackOptions) -> Result<Endpoints> {
    let local_dir = std::path::absolute(&options.local_dir)?;
    let processes = Processes::new(&local_dir);
    let ports = options.ports;
    step("checking prerequisites");
    options.emulator.check()?;
    web::check()?;
    fs::create_dir_all(&local_dir).with_context(|| format!("creating {}", local_dir.display()))?;
    let in_docker = localstack::runs_in_docker(&local_dir);
    for (name, port, flag, variable) in [
        (EMULATOR, ports.aws, "--port", "IMS_AWS_PORT"),
        (FRONT_DOOR, ports.front_door, "--front-door-port", "IMS_FRONT_DOOR_PORT"),
        (NOTIFY, ports.notify, "--notify-port", "IMS_NOTIFY_PORT"),
    ] {
        let ours = processes.is_running(name) || (name == EMULATOR && in_docker);
        if !ours && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
            bail!(
                "port {port} (for the {name}) is in use by another program: stop that, or choose another with {flag} or {variable}"
            );
        }
    }

    let aws = format!("http://127.0.0.1:{}", ports.aws);
    let addresses = if processes.is_running(EMULATOR) || in_docker {
        step("the emulator runs already");
        options.emulator.running(&local_dir, ports.aws)?
    } else {
        options.emulator.start(&processes, &local_dir, ports.aws).await?
    };
    step("building the functions");
    let binaries = package::build(options.optimised)?;
    let assets = web::build(&demo::areas()?, &local_dir)?;
    step("packaging");
    let packages = package::package(&binaries, &assets, &local_dir)?;
    if !localstack::runs_in_docker(&local_dir) {
        wait_for(&processes, EMULATOR, &format!("{aws}{}", options.emulator.health())).await?;
    } else if options.faults || options.mesh {
        bail!(
            "functions in Docker do not reach the proxy of --faults and the server of --mesh; set IMS_LOCALSTACK=host"
        );
    }

    let sandbox = binaries.join("ims-sandbox");
    let faults = if options.faults { Some(start_faults(&processes, &sandbox, &local_dir, &aws).await?) } else { None };
    let mesh = if options.mesh { mesh::start(&processes, &local_dir).await? } else { None };
    let (issuer_key, token_keys) = issuer(&local_dir)?;
    fs::write(local_dir.join("reply-key"), REPLY_KEY)?;
    let front_door = format!("http://127.0.0.1:{}", ports.front_door);
    let notify = format!("http://127.0.0.1:{}", ports.notify);
    let mut parameters = BTreeMap::from([
        ("Stage", "sandbox".to_owned()),
        ("Architecture", if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }.to_owned()),
        ("AwsEndpointUrl", addresses.aws.clone()),
        ("DynamodbEndpointUrl", faults.clone().unwrap_or_default()),
        ("NotifyUrl", format!("http://{}:{}", addresses.host, ports.notify)),
        ("NotifyApiKey", NOTIFY_API_KEY.to_owned()),
        ("NotifyCallbackToken", NOTIFY_CALLBACK_TOKEN.to_owned()),
        ("PrintCallbackToken", PRINT_CALLBACK_TOKEN.to_owned()),
        ("NotifyPerMinute", NOTIFY_PER_MINUTE.to_string()),
        // A season's programmes begin on one day there, and a day is over within minutes.
        ("OneTextADay", "false".to_owned()),
        ("TokenKeys", token_keys),
        ("Senders", mesh::SENDERS.to_owned()),
        ("TokenSigningKey", BASE64_STANDARD.encode(fs::read(&issuer_key)?)),
        ("SendFenceSeconds", options.send_fence_seconds.to_string()),
        ("LocalVisibilitySeconds", options.visibility_seconds.to_string()),
        // The set clock calls the scheduled functions.
        ("ScheduleState", "DISABLED".to_owned()),
        ("FreshnessState", if options.fresh { "ENABLED" } else { "DISABLED" }.to_owned()),
        ("ReportEverySeconds", "0".to_owned()),
        ("ConsoleBase", "/console".to_owned()),
        ("ReplyBase", "/r".to_owned()),
        ("ReplyKey", REPLY_KEY.to_owned()),
        ("ApiUrl", format!("{front_door}/api")),
    ]);
    if let Some(mesh) = &mesh {
        parameters.extend([
            ("MeshUrl", mesh.url.clone()),
            ("MeshMailbox", mesh.own.clone()),
            ("MeshPassword", mesh.password.clone()),
            ("MeshSharedKey", mesh.shared_key.clone()),
        ]);
    }
    let config = endpoints::aws_config(&aws).await;
    let outputs = deploy::deploy(&config, STACK, &packages, &parameters).await?;
    let api_id = outputs.get("ApiId").context("the stack has no output ApiId")?;
    let api_target = options.emulator.api(&aws, api_id);

    if !processes.is_running(NOTIFY) {
        processes.start(
            NOTIFY,
            clean(&sandbox)
                .args([
                    "notify",
                    "--port",
                    &ports.notify.to_string(),
                    "--api-key",
                    NOTIFY_API_KEY,
                    "--callback-url",
                    &format!("{front_door}/api/receipts/notify"),
                    "--callback-token",
                    NOTIFY_CALLBACK_TOKEN,
                    "--token-window-seconds",
                    &options.token_window_seconds.to_string(),
                    "--rate-per-minute",
                    &NOTIFY_PER_MINUTE.to_string(),
                ])
                .args(addresses.gateway.iter().flat_map(|gateway| ["--also", gateway])),
        )?;
    }
    if !processes.is_running(FRONT_DOOR) {
        let port = ports.front_door.to_string();
        processes.start(
            FRONT_DOOR,
            clean(&sandbox)
                .args(["front-door", "--port", &port, "--api-target", &api_target, "--console-target"])
                .arg(format!("{api_target}/console"))
                .arg("--received")
                .arg(local_dir.join(logs::RECEIVED)),
        )?;
    }
    wait_for(&processes, NOTIFY, &format!("{notify}/_sent")).await?;
    wait_for(&processes, FRONT_DOOR, &front_door).await?;

    let sorted = endpoints::sort_outputs(&outputs);
    let endpoints = Endpoints {
        aws,
        api: format!("{front_door}/api"),
        console: format!("{front_door}/console"),
        notify,
        faults,
        emulator: options.emulator.name().to_owned(),
        region: REGION.to_owned(),
        stack: STACK.to_owned(),
        buckets: sorted.buckets,
        tables: sorted.tables,
        queues: sorted.queues,
        functions: sorted.functions,
        issuer_key: issuer_key.display().to_string(),
        client: client::test_client(&local_dir),
        mesh,
    };
    client::register(&endpoints, &local_dir).await?;
    endpoints.write(&local_dir)?;
    if options.people > 0 {
        demo::load_people(&endpoints, options.people, options.seed, &local_dir).await?;
    }
    step(format!("up: {}", local_dir.join(endpoints::FILE).display()));
    Ok(endpoints)
}

/// Stops what [`up`] started in this directory, and nothing else.
///
/// # Errors
/// Where a process does not end.
pub fn down(local_dir: &Path) -> Result<()> {
    let processes = Processes::new(local_dir);
    let mut any = false;
    for name in [NOTIFY, FRONT_DOOR, FAULTS, mesh::PROCESS] {
        if processes.stop(name)? {
            step(format!("stopped the {name}"));
            any = true;
        }
    }
    any |= emulator::stop(&processes, local_dir)?;
    // What the emulator unpacked, and addresses that no longer answer.
    let _ = fs::remove_dir_all(local_dir.join("tmp"));
    let _ = fs::remove_file(local_dir.join(endpoints::FILE));
    if !any {
        step("nothing was running");
    }
    Ok(())
}

/// A command with an environment of its own: the functions inherit the emulator's, and must see neither the host's AWS
/// profile nor its proxies.
pub(crate) fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in ["PATH", "HOME", "LANG", "TZ", "RUST_LOG", "RUST_BACKTRACE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Starts the proxy before DynamoDB on a free port, where it does not run already; its base URL.
async fn start_faults(processes: &Processes, sandbox: &Path, local_dir: &Path, aws: &str) -> Result<String> {
    let kept = local_dir.join("run/faults.port");
    let port = if processes.is_running(FAULTS) {
        fs::read_to_string(&kept).with_context(|| format!("reading {}", kept.display()))?
    } else {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port().to_string();
        processes.start(FAULTS, clean(sandbox).args(["faults", "--port", &port, "--target", aws]))?;
        fs::write(&kept, &port)?;
        port
    };
    let url = format!("http://127.0.0.1:{port}");
    wait_for(processes, FAULTS, &format!("{url}/_faults")).await?;
    Ok(url)
}

/// Waits until something answers, whatever it says.
pub(crate) async fn wait_for(processes: &Processes, name: &str, url: &str) -> Result<()> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
    let begun = Instant::now();
    while client.get(url).send().await.is_err() {
        if !processes.is_running(name) {
            bail!("the {name} ended; {} says:\n{}", processes.log_path(name).display(), processes.log_tail(name));
        }
        if begun.elapsed() > Duration::from_secs(60) {
            bail!("the {name} does not answer at {url}; see {}", processes.log_path(name).display());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The sandbox token issuer's key pair, made once a directory: the private key's file and the public keys (JWKS).
fn issuer(local_dir: &Path) -> Result<(PathBuf, String)> {
    let path = local_dir.join("issuer.der");
    if !path.is_file() {
        let pair = Ed25519KeyPair::generate().context("making the token issuer's key")?;
        fs::write(&path, pair.to_pkcs8v1().context("writing the token issuer's key")?.as_ref())?;
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    }
    let key = SigningKey::read(&fs::read(&path)?).with_context(|| format!("{}: delete it", path.display()))?;
    Ok((path, key.jwks()))
}
