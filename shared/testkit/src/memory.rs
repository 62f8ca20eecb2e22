//! An S3 and an SQS in memory: as much of them as the functions ask for. For tests that run functions without an emulator.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[derive(Debug, Default)]
struct Held {
    /// Objects by path: `/bucket/key`.
    objects: BTreeMap<String, Bytes>,
    /// Bodies of messages by the last part of their queue's URL, in the order in which they came.
    queues: BTreeMap<String, Vec<String>>,
}

/// Buckets and queues. Clones are the same ones.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    held: Arc<Mutex<Held>>,
}

impl Memory {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens on a free port of this computer; the base URL of both. A bucket is the first part of a path.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn listen(&self) -> io::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(answer).layer(DefaultBodyLimit::max(64 << 20)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(url)
    }

    /// Takes all messages out of a queue: their bodies.
    #[must_use]
    pub fn take(&self, queue: &str) -> Vec<String> {
        self.held().queues.remove(queue).unwrap_or_default()
    }

    /// Paths of the objects whose path, `/bucket/key`, begins so.
    #[must_use]
    pub fn paths(&self, prefix: &str) -> Vec<String> {
        self.held().objects.keys().filter(|path| path.starts_with(prefix)).cloned().collect()
    }

    /// An object by its path.
    #[must_use]
    pub fn object(&self, path: &str) -> Option<Bytes> {
        self.held().objects.get(path).cloned()
    }

    fn queue(&self, operation: &str, asked: &Value) -> (StatusCode, Value) {
        match operation {
            "SendMessageBatch" => {
                let url = asked["QueueUrl"].as_str().unwrap_or_default();
                let name = url.rsplit('/').next().unwrap_or_default().to_owned();
                let entries = asked["Entries"].as_array().cloned().unwrap_or_default();
                let bodies = entries.iter().filter_map(|entry| entry["MessageBody"].as_str().map(str::to_owned));
                self.held().queues.entry(name).or_default().extend(bodies);
                let done =
                    entries.iter().map(|entry| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": ""}));
                (StatusCode::OK, json!({"Successful": done.collect::<Vec<_>>(), "Failed": []}))
            }
            "GetQueueAttributes" => (StatusCode::OK, json!({"Attributes": {}})),
            other => {
                let message = format!("{other} is not asked for by the functions");
                (
                    StatusCode::BAD_REQUEST,
                    json!({"__type": "com.amazonaws.sqs#UnsupportedOperation", "message": message}),
                )
            }
        }
    }

    fn bucket(&self, method: &Method, path: &str, if_none_match: bool, body: Bytes) -> Response {
        let error = |status: StatusCode, code: &str| {
            let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{path}</Message></Error>");
            (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
        };
        let mut held = self.held();
        match *method {
            Method::PUT if if_none_match && held.objects.contains_key(path) => {
                error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed")
            }
            Method::PUT => {
                held.objects.insert(path.to_owned(), body);
                ([(header::ETAG, "\"0\"")], "").into_response()
            }
            Method::GET => match held.objects.get(path) {
                Some(found) => found.clone().into_response(),
                None => error(StatusCode::NOT_FOUND, "NoSuchKey"),
            },
            Method::DELETE => {
                held.objects.remove(path);
                StatusCode::NO_CONTENT.into_response()
            }
            _ => error(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
        }
    }
}

async fn answer(State(memory): State<Memory>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    if let Some(operation) = target.strip_prefix("AmazonSQS.") {
        let (status, told) = memory.queue(operation, &serde_json::from_slice(&body).unwrap_or_default());
        return (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], told.to_string()).into_response();
    }
    memory.bucket(&method, uri.path(), headers.contains_key(header::IF_NONE_MATCH), body)
}
