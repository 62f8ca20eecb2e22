//! Sandbox GOV.UK Notify: the parts of its REST API (version 2) that IMS uses, in memory, on this computer only.
//!
//! As the service documents them: tokens and their 30 s, error bodies, the rolling rate limit, schema and recipient
//! checks, finding by reference, delivery receipts with a bearer token and retries. Different from the service, on
//! purpose:
//! - Every template id is accepted. A text's content is `personalisation.body`, as if each template were `((body))`.
//! - Everything accepted is listed at `GET /_sent`; faults are set at `POST /_failures`; `POST /_reset` forgets.
//! - Receipts follow after a set delay and are retried sooner than every five minutes.
//! - The smoke-test numbers, which Notify accepts without keeping, are ordinary unless [`Config::smoke_numbers`]:
//!   every number that may be published is in their range, so made-up people have them.
//! - 07700900002 fails permanently and 07700900003 temporarily, as with Notify's test keys; all others are delivered.
//! - No daily limit, no trial mode, no templates or received texts to read.

mod auth;
mod failures;
mod nhs;
mod receipts;
mod store;
mod validate;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

pub use auth::Key;
pub use failures::{Failure, Mode, On};
pub use nhs::{NhsCallback, NhsSandbox};
use receipts::Receipts;
use store::{Channel, Store};

/// Longest request body, in bytes.
const LONGEST_BODY: usize = 1 << 20;
/// Notifications on a page of `GET /v2/notifications`.
const PAGE: usize = 250;

/// How a sandbox behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// The only service and its key.
    pub key: Key,
    /// Where delivery receipts are posted; none are where absent.
    pub callback: Option<Callback>,
    /// Time from acceptance to the final status.
    pub delivery_delay: Duration,
    /// Accepted requests to send in any 60 s; 0 is no limit.
    pub rate_per_minute: usize,
    /// A token is good for so long before and after it was issued, in seconds.
    pub token_window_seconds: i64,
    /// Whether 07700900000, 07700900111 and 07700900222 are accepted without being kept, as Notify does.
    pub smoke_numbers: bool,
}

/// Where and how delivery receipts are posted.
#[derive(Debug, Clone)]
pub struct Callback {
    /// URL, on a loopback address.
    pub url: String,
    /// Bearer token.
    pub token: String,
    /// Time between tries; there are six.
    pub retry_after: Duration,
}

impl Config {
    /// Notify's own figures, without receipts, and with final statuses at once.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self {
            key,
            callback: None,
            delivery_delay: Duration::ZERO,
            rate_per_minute: 3000,
            token_window_seconds: 30,
            smoke_numbers: false,
        }
    }
}

/// A sandbox. Clones share state.
#[derive(Clone)]
pub struct Sandbox {
    config: Arc<Config>,
    store: Arc<Mutex<Store>>,
    receipts: Receipts,
}

impl Sandbox {
    /// An empty sandbox. Must be called in a tokio runtime, in which it delivers.
    ///
    /// # Errors
    /// When the callback's URL is not on a loopback address, or the HTTP client cannot be set up.
    pub fn new(config: Config) -> anyhow::Result<Self> {
        let store = Arc::new(Mutex::new(Store::default()));
        let receipts = Receipts::start(Arc::clone(&store), config.callback.clone(), config.delivery_delay)?;
        Ok(Self { config: Arc::new(config), store, receipts })
    }

    /// Its routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/v2/notifications/sms", post(send_sms))
            .route("/v2/notifications/letter", post(send_letter))
            .route("/v2/notifications/{id}", get(one))
            .route("/v2/notifications", get(many))
            .route("/_sent", get(sent))
            .route("/_failures", post(set_failures).get(get_failures).delete(clear_failures))
            .route("/_reset", post(reset))
            .route("/_health", get(health))
            .fallback(async || {
                error(StatusCode::NOT_FOUND, "NoResultFound", "The requested URL was not found on the server.")
            })
            .with_state(self)
    }

    /// Serves on a free port of 127.0.0.1 until the runtime ends, and gives the base URL.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn serve_in_background(self) -> anyhow::Result<String> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, self.router()).await });
        Ok(url)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a request whose token is no good.
    fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
        let refused = self.config.key.check(headers, Timestamp::now(), self.config.token_window_seconds).err()?;
        Some(error(refused.status, refused.error, &refused.message))
    }

    fn accept(&self, channel: Channel, request: validate::Send) -> Value {
        let kept = !(self.config.smoke_numbers && channel == Channel::Sms && validate::is_smoke_number(&request.to));
        let id = Uuid::new_v4();
        let answer = json!({
            "id": id,
            "reference": request.reference,
            "content": match channel {
                Channel::Sms => json!({"body": request.body, "from_number": "GOVUK"}),
                Channel::Letter => json!({"body": request.body, "subject": request.subject}),
            },
            "uri": format!("/v2/notifications/{id}"),
            "template": {"id": request.template, "version": 1, "uri": format!("/v2/template/{}", request.template)},
            "scheduled_for": null,
        });
        if kept {
            self.store().add(id, channel, request, Timestamp::now());
            self.receipts.expect(id);
        }
        answer
    }
}

async fn send_sms(State(sandbox): State<Sandbox>, request: Request) -> Response {
    send(sandbox, Channel::Sms, request).await
}

async fn send_letter(State(sandbox): State<Sandbox>, request: Request) -> Response {
    send(sandbox, Channel::Letter, request).await
}

async fn send(sandbox: Sandbox, channel: Channel, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(refusal) = sandbox.refusal(&parts.headers) {
        return refusal;
    }
    let Ok(body) = to_bytes(body, LONGEST_BODY).await else {
        return error(StatusCode::BAD_REQUEST, "BadRequest", "The body is too long or broke off");
    };
    let valid = match validate::send(channel, &body) {
        Ok(valid) => valid,
        Err(problems) => return errors(StatusCode::BAD_REQUEST, &problems),
    };
    let fault = sandbox.store().fault(On::Send, valid.reference.as_deref().unwrap_or_default());
    if let Some(Failure { mode, delay_ms, .. }) = fault {
        let delay = Duration::from_millis(delay_ms.unwrap_or_else(|| mode.default_delay_ms()));
        match mode {
            Mode::Slow => tokio::time::sleep(delay).await,
            Mode::Status500 => return error(StatusCode::INTERNAL_SERVER_ERROR, "Exception", "Internal server error"),
            Mode::Status429 => return rate_limited(sandbox.config.rate_per_minute),
            Mode::TimeoutBeforeAccept => {
                tokio::time::sleep(delay).await;
                return error(StatusCode::GATEWAY_TIMEOUT, "Exception", "Gateway timeout");
            }
            Mode::TimeoutAfterAccept => {
                sandbox.accept(channel, valid);
                tokio::time::sleep(delay).await;
                return error(StatusCode::GATEWAY_TIMEOUT, "Exception", "Gateway timeout");
            }
            // No such fault can be set.
            Mode::Thrice | Mode::Overtaken => {}
            Mode::LateAccept => {
                // The request lies in the network: it outlives its connection, and its token is looked at when it arrives.
                let late = tokio::spawn(arrive_late(sandbox, channel, valid, parts.headers, delay));
                return late.await.unwrap_or_else(|_| {
                    error(StatusCode::INTERNAL_SERVER_ERROR, "Exception", "Internal server error")
                });
            }
        }
    }
    if !sandbox.store().within_rate(sandbox.config.rate_per_minute) {
        return rate_limited(sandbox.config.rate_per_minute);
    }
    (StatusCode::CREATED, Json(sandbox.accept(channel, valid))).into_response()
}

async fn arrive_late(
    sandbox: Sandbox,
    channel: Channel,
    valid: validate::Send,
    headers: HeaderMap,
    delay: Duration,
) -> Response {
    tokio::time::sleep(delay).await;
    match sandbox.refusal(&headers) {
        None => (StatusCode::CREATED, Json(sandbox.accept(channel, valid))).into_response(),
        Some(refusal) => refusal,
    }
}

async fn one(State(sandbox): State<Sandbox>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if let Some(refusal) = sandbox.refusal(&headers) {
        return refusal;
    }
    let Ok(id) = Uuid::try_parse(&id) else {
        return error(StatusCode::BAD_REQUEST, "ValidationError", "notification_id is not a valid UUID");
    };
    match sandbox.store().by_id(id) {
        Some(found) => Json(found.as_notify()).into_response(),
        None => error(StatusCode::NOT_FOUND, "NoResultFound", "No result found"),
    }
}

#[derive(Deserialize)]
struct Filter {
    reference: Option<String>,
    template_type: Option<String>,
    status: Option<String>,
    older_than: Option<Uuid>,
}

async fn many(State(sandbox): State<Sandbox>, request: Request) -> Response {
    if let Some(refusal) = sandbox.refusal(request.headers()) {
        return refusal;
    }
    let Ok(Query(filter)) = Query::<Filter>::try_from_uri(request.uri()) else {
        return error(StatusCode::BAD_REQUEST, "ValidationError", "older_than is not a valid UUID");
    };
    let channel = match filter.template_type.as_deref() {
        None => None,
        Some("sms") => Some(Channel::Sms),
        Some("letter") => Some(Channel::Letter),
        Some(other) => {
            return error(
                StatusCode::BAD_REQUEST,
                "ValidationError",
                &format!("template_type {other} is not one of [sms, email, letter]"),
            );
        }
    };
    let fault = sandbox.store().fault(On::Find, filter.reference.as_deref().unwrap_or_default());
    if let Some(Failure { mode, delay_ms, .. }) = fault {
        let delay = Duration::from_millis(delay_ms.unwrap_or_else(|| mode.default_delay_ms()));
        match mode {
            Mode::Slow => tokio::time::sleep(delay).await,
            Mode::Status500 => return error(StatusCode::INTERNAL_SERVER_ERROR, "Exception", "Internal server error"),
            Mode::Status429 => return rate_limited(sandbox.config.rate_per_minute),
            Mode::TimeoutBeforeAccept | Mode::TimeoutAfterAccept | Mode::LateAccept => {
                tokio::time::sleep(delay).await;
                return error(StatusCode::GATEWAY_TIMEOUT, "Exception", "Gateway timeout");
            }
            Mode::Thrice | Mode::Overtaken => {}
        }
    }
    let store = sandbox.store();
    let page = store.find(filter.reference.as_deref(), channel, filter.status.as_deref(), filter.older_than, PAGE);
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let mut links = json!({"current": path});
    if let (PAGE, Some(last)) = (page.len(), page.last()) {
        links["next"] = json!(format!("/v2/notifications?older_than={}", last.id));
    }
    Json(json!({"notifications": page.iter().map(|found| found.as_notify()).collect::<Vec<_>>(), "links": links}))
        .into_response()
}

async fn sent(State(sandbox): State<Sandbox>) -> Response {
    Json(sandbox.store().sent()).into_response()
}

/// Takes one failure or a list; they replace those that were set.
async fn set_failures(State(sandbox): State<Sandbox>, body: Bytes) -> Response {
    match failures::parse(&body) {
        Ok(failures) => {
            sandbox.store().set_failures(failures);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(message) => error(StatusCode::BAD_REQUEST, "ValidationError", &message),
    }
}

async fn get_failures(State(sandbox): State<Sandbox>) -> Response {
    Json(sandbox.store().failures()).into_response()
}

async fn clear_failures(State(sandbox): State<Sandbox>) -> StatusCode {
    sandbox.store().set_failures(Vec::new());
    StatusCode::NO_CONTENT
}

/// Forgets messages, failures and the rate window.
async fn reset(State(sandbox): State<Sandbox>) -> StatusCode {
    *sandbox.store() = Store::default();
    StatusCode::NO_CONTENT
}

async fn health(State(sandbox): State<Sandbox>) -> Json<Value> {
    let store = sandbox.store();
    let (sent, counts, receipts) = (store.len(), store.counts(), sandbox.receipts.counts());
    Json(json!({"status": "ok", "sent": sent, "receipts": receipts, "happened": counts}))
}

fn rate_limited(limit: usize) -> Response {
    error(
        StatusCode::TOO_MANY_REQUESTS,
        "RateLimitError",
        &format!("Exceeded rate limit for key type live of {limit} requests per 60 seconds"),
    )
}

fn error(status: StatusCode, error: &str, message: &str) -> Response {
    errors(status, &[(error.to_owned(), message.to_owned())])
}

fn errors(status: StatusCode, problems: &[(String, String)]) -> Response {
    let errors: Vec<Value> =
        problems.iter().map(|(error, message)| json!({"error": error, "message": message})).collect();
    (status, Json(json!({"status_code": status.as_u16(), "errors": errors}))).into_response()
}

#[cfg(test)]
mod tests;
