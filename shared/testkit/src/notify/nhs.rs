//! Sandbox NHS Notify: access tokens, single messages with de-duplication by reference, and callbacks with HMAC, in memory,
//! on this computer only.
//!
//! Different from the service, on purpose: every assertion and routing plan is accepted; everything accepted is listed at
//! `GET /_sent`; faults are set at `POST /_failures`, as with the sandbox GOV.UK Notify; a message is delivered at once, or
//! fails where its number is 07700900002, and each callback comes twice, after one that says less.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::failures::{self, Failure, Mode, On};
use super::validate::{self, Outcome};

/// The only access token.
const TOKEN: &str = "sandbox-access-token";

/// Where and how callbacks are posted.
#[derive(Debug, Clone)]
pub struct NhsCallback {
    /// URL.
    pub url: String,
    /// Id of the application.
    pub application: String,
    /// The key that was agreed.
    pub api_key: String,
}

impl NhsCallback {
    /// The signature of a body, in hexadecimal.
    #[must_use]
    pub fn signature(&self, body: &[u8]) -> String {
        let secret = format!("{}.{}", self.application, self.api_key);
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
        signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[derive(Default)]
struct Held {
    /// Reference, number, time, status.
    messages: Vec<(String, String, Timestamp, &'static str)>,
    ids: HashMap<String, usize>,
    failures: Vec<Failure>,
    seen: HashMap<String, u32>,
}

/// A sandbox. Clones share state.
#[derive(Clone, Default)]
pub struct NhsSandbox {
    held: Arc<Mutex<Held>>,
    callback: Option<NhsCallback>,
}

impl NhsSandbox {
    /// An empty sandbox, which posts callbacks where it is told where.
    #[must_use]
    pub fn new(callback: Option<NhsCallback>) -> Self {
        Self { held: Arc::default(), callback }
    }

    /// Its routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/oauth2/token", post(token))
            .route("/comms/v1/messages", post(send))
            .route("/comms/v1/messages/{id}", get(one))
            .route("/_sent", get(sent))
            .route("/_failures", post(set_failures))
            .with_state(self)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message unless its reference is known; the answer.
    fn accept(&self, reference: &str, to: &str) -> Response {
        let mut held = self.held();
        if held.ids.contains_key(reference) {
            return error(
                StatusCode::UNPROCESSABLE_ENTITY,
                "CM_DUPLICATE_REQUEST",
                "Duplicate message request",
                "/data/attributes/messageReference",
            );
        }
        let status = match validate::outcome(to) {
            Outcome::Delivered => "delivered",
            Outcome::PermanentFailure | Outcome::TemporaryFailure => "failed",
        };
        let at = held.messages.len();
        held.ids.insert(reference.to_owned(), at);
        held.messages.push((reference.to_owned(), to.to_owned(), Timestamp::now(), status));
        if let Some(callback) = self.callback.clone() {
            tokio::spawn(call_back(callback, reference.to_owned(), status));
        }
        let attributes = json!({"messageReference": reference, "messageStatus": "created"});
        let body = json!({"data": {"type": "Message", "id": id_of(reference), "attributes": attributes}});
        (StatusCode::CREATED, Json(body)).into_response()
    }
}

/// An id as NHS Notify's are: 27 letters and digits.
fn id_of(reference: &str) -> String {
    reference.chars().filter(char::is_ascii_alphanumeric).take(27).collect()
}

async fn call_back(callback: NhsCallback, reference: String, status: &'static str) {
    let http = reqwest::Client::new();
    for status in [status, status, "sending"] {
        let item = json!({"type": "MessageStatus", "attributes": {
            "messageId": id_of(&reference), "messageReference": reference, "messageStatus": status,
            "channels": [{"type": "sms", "channelStatus": status}], "timestamp": Timestamp::now(),
        }});
        let body = json!({"data": [item]}).to_string();
        let request = http.post(&callback.url).header("x-api-key", &callback.api_key);
        let request = request.header("x-hmac-sha256-signature", callback.signature(body.as_bytes()));
        // What is not taken is not tried again here.
        let _ = request.header("content-type", "application/vnd.api+json").body(body).send().await;
    }
}

async fn token(body: String) -> Response {
    if !body.contains("grant_type=client_credentials") || !body.contains("client_assertion=") {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_request"}))).into_response();
    }
    Json(json!({"access_token": TOKEN, "expires_in": "599", "token_type": "Bearer"})).into_response()
}

async fn send(State(sandbox): State<NhsSandbox>, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(refusal) = refusal(&headers) {
        return refusal;
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let attributes = &body["data"]["attributes"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let invalid = |pointer: &str| error(StatusCode::BAD_REQUEST, "CM_INVALID_VALUE", "Invalid value", pointer);
    let reference = text(&attributes["messageReference"]);
    for (value, pointer) in [
        (&attributes["routingPlanId"], "/data/attributes/routingPlanId"),
        (&attributes["messageReference"], "/data/attributes/messageReference"),
    ] {
        if value.as_str().is_none_or(|id| Uuid::try_parse(id).is_err()) {
            return invalid(pointer);
        }
    }
    let number = text(&attributes["recipient"]["nhsNumber"]);
    if number.len() != 10 || !number.bytes().all(|digit| digit.is_ascii_digit()) {
        return invalid("/data/attributes/recipient/nhsNumber");
    }
    if text(&attributes["personalisation"]["body"]).is_empty() {
        return invalid("/data/attributes/personalisation/body");
    }
    let to = text(&attributes["recipient"]["contactDetails"]["sms"]);
    let fault = {
        let mut held = sandbox.held();
        let seen = held.seen.entry(reference.clone()).or_default();
        *seen += 1;
        let attempt = *seen - 1;
        held.failures.iter().find(|failure| failure.hits(On::Send, &reference, attempt)).cloned()
    };
    if let Some(Failure { mode, delay_ms, .. }) = fault {
        let delay = Duration::from_millis(delay_ms.unwrap_or_else(|| mode.default_delay_ms()));
        let gateway = || error(StatusCode::GATEWAY_TIMEOUT, "CM_TIMEOUT", "Unable to call service", "");
        match mode {
            Mode::Slow => tokio::time::sleep(delay).await,
            Mode::Status500 => {
                return error(StatusCode::INTERNAL_SERVER_ERROR, "CM_INTERNAL_SERVER_ERROR", "Error", "");
            }
            Mode::Status429 => return error(StatusCode::TOO_MANY_REQUESTS, "CM_QUOTA", "Too many requests", ""),
            Mode::TimeoutBeforeAccept => {
                tokio::time::sleep(delay).await;
                return gateway();
            }
            Mode::TimeoutAfterAccept | Mode::LateAccept => {
                sandbox.accept(&reference, &to);
                tokio::time::sleep(delay).await;
                return gateway();
            }
            Mode::Thrice | Mode::Overtaken => {}
        }
    }
    sandbox.accept(&reference, &to)
}

async fn one(State(sandbox): State<NhsSandbox>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if let Some(refusal) = refusal(&headers) {
        return refusal;
    }
    let held = sandbox.held();
    match held.messages.iter().find(|(reference, ..)| id_of(reference) == id) {
        Some((reference, _, _, status)) => {
            let attributes = json!({"messageReference": reference, "messageStatus": status});
            Json(json!({"data": {"type": "Message", "id": id, "attributes": attributes}})).into_response()
        }
        None => error(StatusCode::NOT_FOUND, "CM_NOT_FOUND", "Resource not found", ""),
    }
}

async fn sent(State(sandbox): State<NhsSandbox>) -> Json<Vec<Value>> {
    let held = sandbox.held();
    let sent = held.messages.iter().map(|(reference, to, at, status)| {
        json!({
            "id": id_of(reference), "channel": "sms", "reference": reference, "to": to, "template": Value::Null, "at": at,
            "status": status,
        })
    });
    Json(sent.collect())
}

async fn set_failures(State(sandbox): State<NhsSandbox>, body: Bytes) -> Response {
    match failures::parse(&body) {
        Ok(failures) => {
            let mut held = sandbox.held();
            (held.failures, held.seen) = (failures, HashMap::new());
            StatusCode::NO_CONTENT.into_response()
        }
        Err(message) => (StatusCode::BAD_REQUEST, message).into_response(),
    }
}

fn refusal(headers: &HeaderMap) -> Option<Response> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let wrong = bearer != Some(&format!("Bearer {TOKEN}"));
    wrong.then(|| error(StatusCode::UNAUTHORIZED, "CM_DENIED", "Access denied", ""))
}

fn error(status: StatusCode, code: &str, title: &str, pointer: &str) -> Response {
    let mut error = json!({"id": Uuid::new_v4(), "code": code, "status": status.as_u16().to_string(), "title": title, "detail": title});
    if !pointer.is_empty() {
        error["source"] = json!({"pointer": pointer});
    }
    (status, Json(json!({"errors": [error]}))).into_response()
}
