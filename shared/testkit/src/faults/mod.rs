//! A proxy in front of DynamoDB that makes it fail as DynamoDB may: conflicts, throttles, half-done batches, lost
//! replies, stale reads, slow answers. It listens on and passes on to this computer alone.
//!
//! `POST /_faults` sets a [`Plan`] and starts all counts anew; `GET /_faults` says what came and what was injected. Without
//! a plan every request passes unchanged.

mod answers;
mod plan;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::front_door::{end_to_end, target};
use plan::Draw;
pub use plan::{Fault, Kind, Plan};

/// Longest request, in bytes; DynamoDB takes 16 MB.
const LONGEST_BODY: usize = 17 << 20;
/// Longest wait for the database.
const DEADLINE: Duration = Duration::from_secs(60);
/// Idle connections are dropped before the emulator drops them in the middle of a request.
const IDLE: Duration = Duration::from_secs(2);
/// Answers remembered, for stale reads.
const REMEMBERED: usize = 20_000;

/// What came and what was injected since the plan was set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Requests by operation.
    pub requests: BTreeMap<String, u64>,
    /// Faults injected by kind.
    pub injected: BTreeMap<Kind, u64>,
    /// Faults injected by operation.
    pub by_operation: BTreeMap<String, u64>,
    /// Reads that did not ask to be consistent, and so may have been answered with what was no longer so.
    pub eventual_reads: u64,
}

impl Counts {
    /// Faults of a kind that were injected.
    #[must_use]
    pub fn of(&self, kind: Kind) -> u64 {
        self.injected.get(&kind).copied().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Held {
    plan: Plan,
    counts: Counts,
    /// How often each fault of the plan happened.
    happened: Vec<u64>,
    /// Status and body of earlier answers to reads, by request.
    answers: HashMap<u64, (StatusCode, Bytes)>,
}

/// The proxy.
#[derive(Debug, Clone)]
pub struct Faults {
    target: String,
    http: reqwest::Client,
    held: Arc<Mutex<Held>>,
}

/// Marks an answer that must not arrive.
#[derive(Debug, Clone, Copy)]
struct Lost;

fn lost() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Lost);
    response
}

impl Faults {
    /// A proxy in front of a database at this base URL.
    ///
    /// # Errors
    /// When the target is not an `http` URL of this computer, or the HTTP client cannot be set up.
    pub fn new(database: &str) -> anyhow::Result<Self> {
        Ok(Self {
            target: target(database)?,
            http: reqwest::Client::builder().timeout(DEADLINE).pool_idle_timeout(IDLE).no_proxy().build()?,
            held: Arc::default(),
        })
    }

    /// Sets the faults and starts all counts anew.
    pub fn set(&self, plan: Plan) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.happened = vec![0; plan.faults.len()];
        held.counts = Counts::default();
        held.plan = plan;
    }

    /// What came and what was injected since the plan was set.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).counts.clone()
    }

    /// Serves until the task is dropped. Each connection is served apart, so that a lost reply closes its own alone.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let router = Router::new()
            .route("/_faults", get(told).post(set))
            .fallback(answer)
            .layer(axum::extract::DefaultBodyLimit::max(LONGEST_BODY))
            .with_state(self);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let router = router.clone();
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let answered = router.clone().oneshot(request);
                async move {
                    let Ok(response) = answered.await;
                    match response.extensions().get::<Lost>() {
                        Some(Lost) => Err(io::Error::other("the reply is lost")),
                        None => Ok(response),
                    }
                }
            });
            // A client that goes away is nothing to tell of.
            tokio::spawn(async move { http1::Builder::new().serve_connection(TokioIo::new(stream), service).await });
        }
    }

    /// Counts a request, and draws the fault that it meets.
    fn draw(&self, operation: &str, body: &str, stale: bool) -> Option<(Fault, Draw)> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = &mut *held;
        held.counts.eventual_reads += u64::from(stale);
        let number = held.counts.requests.entry(operation.to_owned()).or_default();
        let index = held.plan.faults.iter().zip(&held.happened).position(|(fault, so_far)| {
            (stale || fault.kind != Kind::StaleRead) && fault.meets(held.plan.seed, operation, *number, body, *so_far)
        });
        let draw = Draw::new(held.plan.seed, operation, *number, u64::MAX);
        *number += 1;
        let index = index?;
        held.happened[index] += 1;
        let fault = held.plan.faults[index].clone();
        Some((fault, draw))
    }

    /// Counts a fault that did happen.
    fn injected(&self, kind: Kind, operation: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held.counts.injected.entry(kind).or_default() += 1;
        *held.counts.by_operation.entry(operation.to_owned()).or_default() += 1;
    }

    fn remembered(&self, request: u64) -> Option<(StatusCode, Bytes)> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).answers.get(&request).cloned()
    }

    fn remember(&self, request: u64, status: StatusCode, body: &Bytes) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.answers.len() < REMEMBERED || held.answers.contains_key(&request) {
            held.answers.insert(request, (status, body.clone()));
        }
    }

    async fn forward(&self, parts: &Parts, body: Bytes) -> Result<(StatusCode, HeaderMap, Bytes), reqwest::Error> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let request = self.http.request(parts.method.clone(), format!("{}{path}", self.target));
        let answer = request.headers(end_to_end(&parts.headers, true)).body(body).send().await?;
        Ok((answer.status(), end_to_end(answer.headers(), false), answer.bytes().await?))
    }
}

async fn told(State(faults): State<Faults>) -> Response {
    let (plan, counts) = {
        let held = faults.held.lock().unwrap_or_else(PoisonError::into_inner);
        (held.plan.clone(), held.counts.clone())
    };
    axum::Json(serde_json::json!({"plan": plan, "counts": counts})).into_response()
}

async fn set(State(faults): State<Faults>, body: Bytes) -> Response {
    match Plan::parse(&body) {
        Ok(plan) => {
            faults.set(plan);
            told(State(faults)).await
        }
        Err(why) => (StatusCode::BAD_REQUEST, axum::Json(serde_json::json!({"error": why}))).into_response(),
    }
}

async fn answer(State(faults): State<Faults>, parts: Parts, body: Bytes) -> Response {
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let Some(operation) = target.and_then(|target| target.strip_prefix("DynamoDB_20120810.")).map(str::to_owned) else {
        return passed(&faults, &parts, body, None).await;
    };
    let text = String::from_utf8_lossy(&body);
    let asked: Value = serde_json::from_str(&text).unwrap_or_default();
    let request = answers::may_be_stale(&operation, &asked).then(|| {
        let mut hasher = DefaultHasher::new();
        (&operation, answers::sorted(&asked)).hash(&mut hasher);
        hasher.finish()
    });
    let Some((fault, mut draw)) = faults.draw(&operation, &text, request.is_some()) else {
        return passed(&faults, &parts, body, request).await;
    };
    let injected = || faults.injected(fault.kind, &operation);
    match fault.kind {
        Kind::Conflict => {
            injected();
            answers::conflict(&operation, &asked, &mut draw)
        }
        Kind::InProgress => {
            injected();
            answers::in_progress()
        }
        Kind::Throttle => {
            injected();
            answers::throttle(&operation, &asked, &mut draw)
        }
        Kind::ServerError => {
            injected();
            answers::server_error()
        }
        Kind::Slow => {
            injected();
            tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
            passed(&faults, &parts, body, request).await
        }
        Kind::LostReply => {
            // Only a reply to what was carried out can be lost after success.
            match faults.forward(&parts, body).await {
                Ok((status, headers, bytes)) if !status.is_success() => given(status, headers, bytes),
                Ok(_) => {
                    injected();
                    if draw.below(2) == 0 { lost() } else { answers::server_error() }
                }
                Err(_) => lost(),
            }
        }
        Kind::StaleRead => match request.and_then(|request| faults.remembered(request)) {
            Some((status, body)) => {
                injected();
                given(
                    status,
                    HeaderMap::from_iter([(
                        header::CONTENT_TYPE,
                        header::HeaderValue::from_static("application/x-amz-json-1.0"),
                    )]),
                    body,
                )
            }
            None => passed(&faults, &parts, body, request).await,
        },
        Kind::Unprocessed => {
            injected();
            let Some((asked, left)) = answers::cut(&asked, &mut draw) else { return answers::exceeded() };
            match faults.forward(&parts, asked.to_string().into()).await {
                Ok((status, _, bytes)) if status.is_success() => half_done(&operation, status, &bytes, left),
                Ok((status, headers, bytes)) => given(status, headers, bytes),
                Err(_) => lost(),
            }
        }
    }
}

/// The answer to a batch of which something is left to do.
fn half_done(operation: &str, status: StatusCode, body: &[u8], left: serde_json::Map<String, Value>) -> Response {
    let mut answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = if operation == "BatchGetItem" { "UnprocessedKeys" } else { "UnprocessedItems" };
    let mut unprocessed = answer[name].as_object().cloned().unwrap_or_default();
    unprocessed.extend(left);
    answer[name] = Value::Object(unprocessed);
    answers::json_answer(status, &answer)
}

/// Passes a request on unchanged; a read that may be answered again later is remembered.
async fn passed(faults: &Faults, parts: &Parts, body: Bytes, request: Option<u64>) -> Response {
    match faults.forward(parts, body).await {
        Ok((status, headers, bytes)) => {
            if let Some(request) = request.filter(|_| status.is_success()) {
                faults.remember(request, status, &bytes);
            }
            given(status, headers, bytes)
        }
        // As if this were the database itself.
        Err(_) => lost(),
    }
}

fn given(status: StatusCode, headers: HeaderMap, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests;
