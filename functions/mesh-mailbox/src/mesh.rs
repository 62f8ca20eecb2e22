//! The MESH API (NHS Message Exchange for Social Care and Health): a mailbox's inbox and outbox over HTTP.

use std::io::Read;
use std::time::Duration;

use aws_lc_rs::hmac;
use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use jiff::tz::Offset;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use thiserror::Error;
use uuid::Uuid;

use crate::Settings;

/// Longest wait for an answer; a chunk has at most 100 MB.
const DEADLINE: Duration = Duration::from_secs(60);
/// Longest message that is taken, in bytes, so that one fits into the function's memory.
const LONGEST: usize = 300 << 20;
/// Messages that an inbox lists at a time.
const PAGE: &str = "100";

/// Why MESH could not be used.
#[derive(Debug, Error)]
pub enum MeshError {
    /// No answer.
    #[error("MESH does not answer a request to {operation}")]
    Http {
        /// What was attempted.
        operation: &'static str,
        /// Cause.
        #[source]
        source: reqwest::Error,
    },
    /// An answer that says no.
    #[error("MESH answers {status} to a request to {operation}")]
    Refused {
        /// What was attempted.
        operation: &'static str,
        /// Status.
        status: StatusCode,
    },
    /// A message that cannot be read.
    #[error("message {id} cannot be taken: {why}")]
    Message {
        /// Id.
        id: String,
        /// What is wrong with it.
        why: String,
    },
    /// The certificate cannot be read.
    #[error("IMS_MESH_IDENTITY {path}")]
    Identity {
        /// File.
        path: String,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
}

/// A mailbox.
pub struct Mesh {
    settings: Settings,
    http: Client,
}

/// A message of the inbox. Has no `Debug`: its content is personal.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Id that MESH gave it.
    pub id: String,
    /// Mailbox that sent it.
    pub from: String,
    /// Name of the file.
    pub file: String,
    /// Content, put together and unpacked.
    pub bytes: Vec<u8>,
    /// Whether it is MESH's own report that something was not delivered.
    pub is_report: bool,
}

#[derive(Deserialize)]
struct Inbox {
    messages: Vec<String>,
}

#[derive(Deserialize)]
struct Sent {
    #[serde(alias = "messageID", alias = "messageId", alias = "message_id")]
    id: String,
}

impl Mesh {
    /// A client of a mailbox.
    ///
    /// # Errors
    /// Where the certificate cannot be used.
    pub fn new(settings: Settings) -> Result<Self, MeshError> {
        // A request that was carried out may be made again; none is sent on elsewhere with the mailbox's credentials.
        let mut http = Client::builder().timeout(DEADLINE).redirect(reqwest::redirect::Policy::none()).no_proxy();
        let broken = |source| MeshError::Http { operation: "set the client up", source };
        if let Some(path) = &settings.identity {
            let pem = std::fs::read(path).map_err(|source| MeshError::Identity { path: path.clone(), source })?;
            http = http.identity(reqwest::Identity::from_pem(&pem).map_err(broken)?);
        }
        Ok(Self { http: http.build().map_err(broken)?, settings })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let Settings { url, mailbox, password, shared_key, .. } = &self.settings;
        let nonce = Uuid::new_v4().to_string();
        self.http
            .request(method, format!("{url}/messageexchange/{mailbox}{path}"))
            .header("Authorization", authorization(shared_key, mailbox, password, &nonce, 1, Timestamp::now()))
    }

    async fn ask(&self, operation: &'static str, request: RequestBuilder) -> Result<Response, MeshError> {
        let response =
            request.send().await.map_err(|source| MeshError::Http { operation, source: source.without_url() })?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(MeshError::Refused { operation, status: response.status() })
    }

    /// Tells MESH that the mailbox is looked after, and finds out whether its credentials hold.
    ///
    /// # Errors
    /// Where MESH does not answer, or refuses.
    pub async fn handshake(&self) -> Result<(), MeshError> {
        let request = self
            .request(Method::GET, "")
            .header("Mex-ClientVersion", concat!("ims==", env!("CARGO_PKG_VERSION")))
            .header("Mex-OSName", "Linux")
            .header("Mex-OSVersion", "provided.al2023");
        self.ask("shake hands", request).await.map(drop)
    }

    /// Ids of the messages that wait, the oldest first.
    ///
    /// # Errors
    /// Where MESH does not answer, or refuses.
    pub async fn inbox(&self) -> Result<Vec<String>, MeshError> {
        const OPERATION: &str = "list the inbox";
        let response = self.ask(OPERATION, self.request(Method::GET, &format!("/inbox?max_results={PAGE}"))).await?;
        let inbox: Inbox = response.json().await.map_err(|source| MeshError::Http { operation: OPERATION, source })?;
        Ok(inbox.messages)
    }

    /// A message with all its chunks; `None` where it is gone, collected already by another run.
    ///
    /// # Errors
    /// Where MESH does not answer, or refuses, or the message cannot be taken.
    pub async fn message(&self, id: &str) -> Result<Option<Message>, MeshError> {
        const OPERATION: &str = "download a message";
        let first = match self.ask(OPERATION, self.request(Method::GET, &format!("/inbox/{id}"))).await {
            Ok(response) => response,
            Err(MeshError::Refused { status: StatusCode::NOT_FOUND | StatusCode::GONE, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let headers = first.headers().clone();
        let mut bytes = body(OPERATION, first).await?;
        for chunk in 2..=chunks(&headers) {
            let next = self.ask(OPERATION, self.request(Method::GET, &format!("/inbox/{id}/{chunk}"))).await?;
            bytes.extend(body(OPERATION, next).await?);
            if bytes.len() > LONGEST {
                let why = format!("it is longer than {LONGEST} bytes");
                return Err(MeshError::Message { id: id.to_owned(), why });
            }
        }
        if text(&headers, "Mex-Content-Compressed").eq_ignore_ascii_case("Y") && bytes.starts_with(&[0x1f, 0x8b]) {
            bytes = unpack(&bytes).map_err(|why| MeshError::Message { id: id.to_owned(), why })?;
        }
        let file = file_name(text(&headers, "Mex-FileName"), id);
        let is_report = text(&headers, "Mex-MessageType").eq_ignore_ascii_case("REPORT");
        Ok(Some(Message { id: id.to_owned(), from: text(&headers, "Mex-From").to_owned(), file, bytes, is_report }))
    }

    /// Says that a message is dealt with; it leaves the inbox. May be said again.
    ///
    /// # Errors
    /// Where MESH does not answer, or refuses.
    pub async fn acknowledge(&self, id: &str) -> Result<(), MeshError> {
        let request = self.request(Method::PUT, &format!("/inbox/{id}/status/acknowledged"));
        self.ask("acknowledge a message", request).await.map(drop)
    }

    /// Sends a file to a mailbox, in chunks where it is long. `local_id` is the sender's own name for it.
    ///
    /// # Errors
    /// Where MESH does not answer, or refuses.
    pub async fn send(&self, to: &str, file: &str, local_id: &str, bytes: &[u8]) -> Result<(), MeshError> {
        const OPERATION: &str = "send a message";
        // An empty message is none to MESH.
        let bytes: &[u8] = if bytes.is_empty() { b"\n" } else { bytes };
        let chunks: Vec<&[u8]> = bytes.chunks(self.settings.chunk.max(1)).collect();
        let of = |number: usize| format!("{number}:{}", chunks.len());
        let first = self
            .request(Method::POST, "/outbox")
            .header("Mex-To", to)
            .header("Mex-From", &self.settings.mailbox)
            .header("Mex-WorkflowID", &self.settings.workflow)
            .header("Mex-FileName", file)
            .header("Mex-LocalID", local_id)
            .header("Mex-Chunk-Range", of(1))
            .header("Content-Type", "application/octet-stream")
            .body(chunks[0].to_vec());
        let response = self.ask(OPERATION, first).await?;
        let sent: Sent = response.json().await.map_err(|source| MeshError::Http { operation: OPERATION, source })?;
        for (number, chunk) in chunks.iter().enumerate().skip(1) {
            let next = self
                .request(Method::POST, &format!("/outbox/{}/{}", sent.id, number + 1))
                .header("Mex-Chunk-Range", of(number + 1))
                .header("Content-Type", "application/octet-stream")
                .body(chunk.to_vec());
            self.ask(OPERATION, next).await?;
        }
        Ok(())
    }
}

async fn body(operation: &'static str, response: Response) -> Result<Vec<u8>, MeshError> {
    let bytes = response.bytes().await.map_err(|source| MeshError::Http { operation, source: source.without_url() })?;
    Ok(bytes.to_vec())
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
}

/// How many chunks a message has: `Mex-Chunk-Range` is `{this}:{all}`.
fn chunks(headers: &HeaderMap) -> u32 {
    text(headers, "Mex-Chunk-Range").split_once(':').and_then(|(_, all)| all.parse().ok()).unwrap_or(1)
}

fn unpack(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut unpacked = Vec::new();
    let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX);
    MultiGzDecoder::new(bytes).take(limit + 1).read_to_end(&mut unpacked).map_err(|error| format!("gzip: {error}"))?;
    if unpacked.len() > LONGEST { Err(format!("it is longer than {LONGEST} bytes")) } else { Ok(unpacked) }
}

/// The name under which a message is stored: that of its file, without folders; its id where it has none.
fn file_name(sent: &str, id: &str) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let usable =
        (1..=200).contains(&last.len()) && last.chars().all(|c| !c.is_control()) && !last.trim_matches('.').is_empty();
    if usable { last.to_owned() } else { format!("{id}.dat") }
}

/// The `Authorization` header: the mailbox and an HMAC-SHA256 over it, a nonce with its count, password and minute, keyed by
/// the key that all mailboxes share.
fn authorization(key: &str, mailbox: &str, password: &str, nonce: &str, count: u32, now: Timestamp) -> String {
    let minute = Offset::UTC.to_datetime(now).strftime("%Y%m%d%H%M").to_string();
    let said = format!("{mailbox}:{nonce}:{count}:{password}:{minute}");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), said.as_bytes());
    let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("NHSMESH {mailbox}:{nonce}:{count}:{minute}:{tag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_that_of_the_published_example() {
        // Made by the published algorithm in Python, with the standard library's hmac.
        let now = "2025-10-06T09:41:30Z".parse().unwrap();
        assert_eq!(
            authorization("Banana", "X26ABC1", "password", "2c001608-5f09-4840-9611-bea43e666a30", 1, now),
            format!("NHSMESH X26ABC1:2c001608-5f09-4840-9611-bea43e666a30:1:202510060941:{EXPECTED}")
        );
    }

    const EXPECTED: &str = "7becfea7c23cbf6b250eaac1833d053faf5e2eef55b84e9d432e39638a6cc8b7";

    #[test]
    fn a_message_is_stored_under_its_files_name_and_nowhere_else() {
        for (sent, stored) in [
            ("FLU_Vaccinations_v5_V0V8L_20251006T10000000.csv", "FLU_Vaccinations_v5_V0V8L_20251006T10000000.csv"),
            ("C:\\out\\a.csv", "a.csv"),
            ("../../a.csv", "a.csv"),
            ("..", "ID1.dat"),
            ("", "ID1.dat"),
            ("a/", "ID1.dat"),
        ] {
            assert_eq!(file_name(sent, "ID1"), stored, "{sent}");
        }
        assert_eq!(file_name(&"x".repeat(300), "ID1"), "ID1.dat");
    }

    #[test]
    fn chunks_are_counted_and_packed_content_is_unpacked() {
        let headers =
            |range: &str| HeaderMap::from_iter([("mex-chunk-range".parse().unwrap(), range.parse().unwrap())]);
        assert_eq!([chunks(&headers("1:3")), chunks(&headers("x")), chunks(&HeaderMap::new())], [3, 1, 1]);
        let packed = [31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 75, 76, 74, 6, 0, 194, 65, 36, 53, 3, 0, 0, 0];
        assert_eq!(unpack(&packed), Ok(b"abc".to_vec()));
        assert!(unpack(&packed[..12]).unwrap_err().starts_with("gzip: "));
    }
}
