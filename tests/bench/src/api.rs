//! The national API on the local stack: calls a second and how long they take, beside the same handler called in this
//! process, which makes the same DynamoDB calls of the same emulator without gateway and function.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use ims_runtime::auth::{Permissions, SigningKey, Verifier};
use ims_testkit::population::nhs_number;
use record_api::Gate;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use xtask::package::target_dir;
use xtask::progress::step;

use crate::measure::{median, percentile};
use crate::stack::{self, Stack};
use crate::{Better, Case, Options, Outcome, made};

/// Connections at once.
const CONNECTIONS: [usize; 3] = [1, 8, 32];
/// How long each figure is measured.
const SPAN: Duration = Duration::from_secs(5);
/// Starts of which the middle one counts.
const STARTS: usize = 11;
const PEER: &str = "same DynamoDB calls, no gateway";

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Create,
    Read,
    Search,
}

impl Call {
    const ALL: [Self; 3] = [Self::Create, Self::Read, Self::Search];

    fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Search => "search",
        }
    }

    fn expected(self) -> u16 {
        if self == Self::Create { 201 } else { 200 }
    }
}

/// Records made so far: reads and searches are for these.
#[derive(Default)]
struct Made {
    next: AtomicU64,
    ids: std::sync::Mutex<Vec<(u64, String)>>,
}

impl Made {
    fn keep(&self, number: u64, location: &str) {
        if let Ok(mut ids) = self.ids.lock() {
            ids.push((number, location.to_owned()));
        }
    }

    fn any(&self, place: u64) -> Result<(u64, String)> {
        let ids = self.ids.lock().map_err(|_| anyhow::anyhow!("a caller panicked"))?;
        ensure!(!ids.is_empty(), "nothing was created that could be read");
        // A step that is prime to any number of records, so that neighbours are not read one after another.
        Ok(ids[usize::try_from(place * 7919)? % ids.len()].clone())
    }
}

/// How calls reach the handler.
enum Way<'a> {
    /// Through the front door, gateway and function.
    Gateway { base: String, token: &'a str },
    /// In this process.
    Direct { stack: &'a Stack, gate: Gate, token: &'a str },
}

impl Way<'_> {
    /// A request's status and its `Location`.
    async fn call(
        &self,
        client: &Client,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<(u16, String)> {
        match self {
            Way::Gateway { base, token } => {
                let pairs: Vec<String> =
                    query.iter().map(|(name, value)| format!("{name}={}", value.replace('|', "%7C"))).collect();
                let question = if pairs.is_empty() { "" } else { "?" };
                let url = format!("{base}{path}{question}{}", pairs.join("&"));
                let mut request = client.request(method, url).bearer_auth(token);
                if let Some(body) = body {
                    request = request.header("content-type", "application/fhir+json").body(body.to_string());
                }
                let answer = request.send().await?;
                let status = answer.status().as_u16();
                let location =
                    answer.headers().get("location").and_then(|value| value.to_str().ok()).unwrap_or_default();
                let location = location.to_owned();
                answer.bytes().await?;
                Ok((status, location))
            }
            Way::Direct { stack, gate, token } => {
                let query: serde_json::Map<String, Value> =
                    query.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
                let event: ApiGatewayProxyRequest = serde_json::from_value(json!({
                    "path": path,
                    "httpMethod": method.as_str(),
                    "headers": {"Authorization": format!("Bearer {token}"), "Content-Type": "application/fhir+json"},
                    "queryStringParameters": query,
                    "requestContext": {"httpMethod": method.as_str(), "path": path},
                    "body": body.map(|body| body.to_string()),
                    "isBase64Encoded": false,
                }))?;
                let answer = record_api::handle(&stack.service, gate, event).await;
                let location = answer.headers.get("location").and_then(|value| value.to_str().ok()).unwrap_or_default();
                Ok((u16::try_from(answer.status_code)?, location.to_owned()))
            }
        }
    }

    /// One call of a kind; how long it took.
    async fn once(&self, client: &Client, call: Call, made: &Made, place: u64) -> Result<Duration> {
        let begun = Instant::now();
        let (status, location, number) = match call {
            Call::Create => {
                let number = made.next.fetch_add(1, Ordering::Relaxed);
                let body = made::immunization(number);
                let (status, location) = self.call(client, Method::POST, "/Immunization", &[], Some(body)).await?;
                (status, location, number)
            }
            Call::Read => {
                let (number, location) = made.any(place)?;
                let (status, _) = self.call(client, Method::GET, &location, &[], None).await?;
                (status, location, number)
            }
            Call::Search => {
                let (number, location) = made.any(place)?;
                let patient = format!("https://fhir.nhs.uk/Id/nhs-number|{}", nhs_number(number));
                let query = [("patient.identifier", patient.as_str()), ("-immunization.target", "FLU")];
                let (status, _) = self.call(client, Method::GET, "/Immunization", &query, None).await?;
                (status, location, number)
            }
        };
        let took = begun.elapsed();
        ensure!(status == call.expected(), "{} was answered {status}", call.name());
        if call == Call::Create {
            made.keep(number, &location);
        }
        Ok(took)
    }

    /// Calls for a while over so many connections: seconds of each call, sorted, and calls a second.
    async fn load(&self, call: Call, connections: usize, made: &Made) -> Result<(Vec<f64>, f64)> {
        let begun = Instant::now();
        let callers = (0..connections).map(|caller| async move {
            let client = Client::builder().no_proxy().pool_max_idle_per_host(1).build()?;
            let mut times = Vec::new();
            let mut place = caller as u64;
            while begun.elapsed() < SPAN {
                times.push(self.once(&client, call, made, place).await?.as_secs_f64());
                place += connections as u64;
            }
            Ok::<_, anyhow::Error>(times)
        });
        let mut times: Vec<f64> = futures::future::try_join_all(callers).await?.concat();
        let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
        times.sort_by(f64::total_cmp);
        Ok((times, rate))
    }
}

/// All cases of the API.
pub fn run(_: &Options) -> Result<Outcome> {
    stack::with(measure)
}

async fn measure(stack: Stack) -> Result<Outcome> {
    let endpoints = &stack.running.endpoints;
    let key = SigningKey::read(&std::fs::read(&endpoints.issuer_key)?)?;
    let token = stack.running.token.as_str();
    let gateway = Way::Gateway { base: endpoints.api.clone(), token };
    let gate = Gate::new(Verifier::new(&key.jwks())?, Permissions::built_in(true)?);
    let direct = Way::Direct { stack: &stack, gate, token };
    let made = Made::default();
    let client = Client::builder().no_proxy().build()?;
    for place in 0..20 {
        gateway.once(&client, Call::Create, &made, place).await?;
        direct.once(&client, Call::Create, &made, place).await?;
    }
    let mut results = Vec::new();
    for call in Call::ALL {
        let (mut cpu, mut calls) = (0.0, 0);
        for connections in CONNECTIONS {
            let before = cpu_of(&stack);
            let (ours, our_rate) = gateway.load(call, connections, &made).await?;
            (cpu, calls) = (cpu + cpu_of(&stack) - before, calls + ours.len());
            let (peer, peer_rate) = direct.load(call, connections, &made).await?;
            step(format!("{} over {connections}: {our_rate:.0} calls/s, directly {peer_rate:.0}", call.name()));
            let name = |what: &str| format!("{}, {connections} connections: {what}", call.name());
            results.push(Case::new(name("calls"), our_rate, "calls/s", Better::Higher).beside(PEER, peer_rate));
            for (what, share) in [("p50", 0.5), ("p99", 0.99)] {
                let [ours, peer] = [&ours, &peer].map(|times| percentile(times, share) * 1e3);
                results.push(Case::new(name(what), ours, "ms", Better::Lower).beside(PEER, peer));
            }
        }
        let each = cpu / calls as f64 * 1e3;
        results.push(Case::new(
            format!("{}: function's processor time a call", call.name()),
            each,
            "ms",
            Better::Lower,
        ));
    }
    let processes = stack.processes("record-api");
    ensure!(!processes.is_empty(), "no process of record-api is running");
    let peak = processes.iter().map(|(_, process)| process.peak_memory).max().unwrap_or_default();
    results.push(Case::new("function's peak memory", peak as f64 / 1e6, "MB", Better::Lower));
    results.push(Case::new("process start to first next", start_time(processes[0].0)?, "ms", Better::Lower));
    Ok(Outcome { equal_output: None, results })
}

/// Processor time of all processes of the function so far, seconds.
fn cpu_of(stack: &Stack) -> f64 {
    stack.processes("record-api").iter().map(|(_, process)| process.cpu).sum()
}

/// Milliseconds from the start of the function's process to its first request for work: the middle of some starts, each
/// with the environment of a process that runs.
fn start_time(running: u32) -> Result<f64> {
    let environment = std::fs::read(format!("/proc/{running}/environ")).context("reading a function's environment")?;
    let environment: Vec<(String, String)> = String::from_utf8_lossy(&environment)
        .split('\0')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let api = listener.local_addr()?.to_string();
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let begun = Instant::now();
        let mut process = Command::new(target_dir().join("release/record-api"))
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_RUNTIME_API", &api)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting record-api")?;
        let asked = listener.accept().and_then(|(mut connection, _)| {
            let mut request = [0; 1024];
            let read = connection.read(&mut request)?;
            let took = begun.elapsed();
            connection.write_all(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")?;
            Ok((String::from_utf8_lossy(&request[..read]).into_owned(), took))
        });
        let _ = process.kill();
        process.wait()?;
        let (request, took) = asked?;
        if !request.starts_with("GET /2018-06-01/runtime/invocation/next") {
            bail!("the function's first request is not for work: {}", request.lines().next().unwrap_or_default());
        }
        times.push(took.as_secs_f64() * 1e3);
    }
    Ok(median(times))
}
