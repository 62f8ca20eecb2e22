//! Client of GOV.UK Notify's REST API (version 2), and the bodies of its callbacks.
//!
//! One call is one HTTP request: no retry, no redirect, and a deadline under [`LONGEST_DEADLINE`]. Notify refuses a
//! token older than 30 s, so a request that outlives its deadline cannot be accepted long after it; the send fence
//! rests on that.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ims_domain::MessageId;
use ims_domain::invitation::MessageState;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::phone::UkMobile;
use crate::provider::{Answer, Found, Listed, Text, TextProvider};

pub use crate::provider::{Accepted, SendError};

/// Name in items and counters.
pub const NAME: &str = "notify";

/// Deadline of one request unless configured.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(15);
/// A deadline must be shorter.
pub const LONGEST_DEADLINE: Duration = Duration::from_secs(20);
/// Time to connect, within the deadline.
const CONNECT: Duration = Duration::from_secs(5);
/// Idle connections are dropped before servers usually drop them: a request on a dying connection ends as `Unknown`.
const IDLE: Duration = Duration::from_secs(10);

/// An API key, `{name}-{service id}-{secret}`, the last two being UUIDs. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    service: Uuid,
    secret: Uuid,
}

/// Why a client cannot be made. The key is never repeated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// Not an API key.
    #[error("api key: expected 'name-SERVICEUUID-SECRETUUID', found {length} characters that are not that")]
    ApiKey {
        /// Length of what was given.
        length: usize,
    },
    /// Not a base URL.
    #[error("notify url '{url}': {message}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong.
        message: String,
    },
    /// The fence rests on a short deadline.
    #[error("deadline of {seconds} s: must be above 0 and under 20 s")]
    Deadline {
        /// What was given, in seconds.
        seconds: u64,
    },
    /// The HTTP client could not be set up.
    #[error("http client: {0}")]
    Client(String),
}

impl FromStr for ApiKey {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ConfigError::ApiKey { length: text.len() };
        let rest = text.len().checked_sub(36).and_then(|at| text.split_at_checked(at)).ok_or_else(wrong)?;
        let before = rest.0.strip_suffix('-').ok_or_else(wrong)?;
        let service = before.len().checked_sub(36).and_then(|at| before.split_at_checked(at)).ok_or_else(wrong)?;
        let name = service.0.strip_suffix('-').ok_or_else(wrong)?;
        match (Uuid::try_parse(service.1), Uuid::try_parse(rest.1)) {
            (Ok(service), Ok(secret)) if !name.is_empty() => Ok(Self { service, secret }),
            _ => Err(wrong()),
        }
    }
}

impl ApiKey {
    /// Id of the service: the issuer of its tokens.
    #[must_use]
    pub fn service(&self) -> Uuid {
        self.service
    }

    /// The secret as Notify signs with it: the hyphenated, lower-case text of the UUID.
    #[must_use]
    pub fn secret(&self) -> String {
        self.secret.to_string()
    }

    fn token(&self, now: Timestamp) -> Result<String, SendError> {
        #[derive(Serialize)]
        struct Claims {
            iss: Uuid,
            iat: i64,
        }
        let key = EncodingKey::from_secret(self.secret().as_bytes());
        encode(&Header::new(Algorithm::HS256), &Claims { iss: self.service, iat: now.as_second() }, &key)
            .map_err(|error| SendError::Retryable { status: None, message: format!("token: {error}") })
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}, …)", self.service)
    }
}

/// Notify's word on what became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderStatus {
    /// In Notify's queue.
    Created,
    /// With the phone network.
    Sending,
    /// The network waits for the handset.
    Pending,
    /// Went to an international number; nothing more will be known.
    Sent,
    /// Arrived.
    Delivered,
    /// The number was wrong or the network refused.
    PermanentFailure,
    /// The phone was off or full for three days.
    TemporaryFailure,
    /// Notify could not pass it on.
    TechnicalFailure,
    /// A letter on its way to the printer.
    Accepted,
    /// A printed letter.
    Received,
    /// Another status.
    #[serde(untagged)]
    Other(String),
}

impl ProviderStatus {
    /// The state that it means for a message; `None` for a status we do not know.
    #[must_use]
    pub fn state(&self) -> Option<MessageState> {
        match self {
            Self::Created | Self::Sending | Self::Pending | Self::Sent | Self::Accepted | Self::Received => {
                Some(MessageState::Sent)
            }
            Self::Delivered => Some(MessageState::Delivered),
            Self::PermanentFailure | Self::TemporaryFailure | Self::TechnicalFailure => Some(MessageState::Failed),
            Self::Other(_) => None,
        }
    }
}

/// A message that Notify holds. The recipient and the text are not read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Notification {
    /// Notify's id.
    pub id: Uuid,
    /// Our reference.
    pub reference: Option<String>,
    /// Status.
    pub status: ProviderStatus,
    /// When Notify took it.
    pub created_at: Timestamp,
    /// When the status became final.
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
}

/// Body of a delivery receipt callback. The recipient is not read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DeliveryReceipt {
    /// Notify's id.
    pub id: Uuid,
    /// Our reference.
    pub reference: Option<String>,
    /// Status.
    pub status: ProviderStatus,
    /// When Notify took it.
    pub created_at: Timestamp,
    /// When the status became final.
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
}

impl DeliveryReceipt {
    /// The message it is about, where the reference is one of ours.
    #[must_use]
    pub fn message(&self) -> Option<MessageId> {
        self.reference.as_deref()?.parse().ok()
    }
}

/// Client of one Notify service. Clones share connections.
#[derive(Debug, Clone)]
pub struct NotifyClient {
    http: reqwest::Client,
    base: Url,
    key: ApiKey,
}

impl NotifyClient {
    /// A client of the Notify at `base`, such as `https://api.notifications.service.gov.uk`.
    ///
    /// # Errors
    /// When the URL cannot be a base, or the deadline is zero or not under [`LONGEST_DEADLINE`].
    pub fn new(base: &str, key: ApiKey, deadline: Duration) -> Result<Self, ConfigError> {
        let (http, base) = client(base, deadline)?;
        Ok(Self { http, base, key })
    }

    /// Sends one text message. `now` is the system time; it dates the token.
    ///
    /// # Errors
    /// [`SendError`] says whether the message may have been accepted. Never retries.
    pub async fn send_sms(
        &self,
        to: &UkMobile,
        template: Uuid,
        reference: &MessageId,
        personalisation: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<Accepted, SendError> {
        #[derive(Serialize)]
        struct Body<'a> {
            phone_number: &'a str,
            template_id: Uuid,
            reference: &'a MessageId,
            personalisation: &'a BTreeMap<String, String>,
        }
        let url = join(&self.base, &["v2", "notifications", "sms"])?;
        let body = Body { phone_number: to.e164(), template_id: template, reference, personalisation };
        let request = self.http.post(url).bearer_auth(self.key.token(now)?).json(&body);
        let response = request.send().await.map_err(|error| lost(&error))?;
        let status = response.status();
        let bytes = match response.bytes().await {
            Ok(bytes) => bytes,
            // The status alone settles an answer that broke off, unless it is a success without its id.
            Err(_) if !status.is_success() => Default::default(),
            Err(error) => return Err(lost(&error)),
        };
        if !status.is_success() {
            return Err(refusal(status, &bytes));
        }
        #[derive(Deserialize)]
        struct Created {
            id: Uuid,
        }
        match serde_json::from_slice::<Created>(&bytes) {
            Ok(created) => Ok(Accepted { id: created.id.to_string() }),
            Err(error) => Err(SendError::Unknown { message: format!("status {}, but: {error}", status.as_u16()) }),
        }
    }

    /// What Notify holds under a reference: the newest message, or `None`.
    ///
    /// Notify lists a message as soon as it is accepted, but one request may still be in flight: wait for the fence,
    /// and ask twice.
    ///
    /// # Errors
    /// Never [`SendError::Unknown`]: asking has no effect.
    pub async fn find_by_reference(
        &self,
        reference: &MessageId,
        now: Timestamp,
    ) -> Result<Option<Notification>, SendError> {
        let mut url = join(&self.base, &["v2", "notifications"])?;
        url.query_pairs_mut().append_pair("reference", &reference.to_string());
        let page = self.page(url, now).await?;
        let wanted = reference.to_string();
        Ok(page
            .into_iter()
            .filter(|found| found.reference.as_deref() == Some(wanted.as_str()))
            .max_by_key(|found| found.created_at))
    }

    /// A page of notifications.
    async fn page(&self, url: Url, now: Timestamp) -> Result<Vec<Notification>, SendError> {
        let again = |error: reqwest::Error| SendError::Retryable { status: None, message: describe(&error) };
        let response = self.http.get(url).bearer_auth(self.key.token(now)?).send().await.map_err(again)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(again)?;
        if !status.is_success() {
            return Err(match refusal(status, &bytes) {
                SendError::Unknown { message } => SendError::Retryable { status: Some(status.as_u16()), message },
                other => other,
            });
        }
        #[derive(Deserialize)]
        struct Page {
            notifications: Vec<Notification>,
        }
        let page: Page = serde_json::from_slice(&bytes).map_err(|error| SendError::Retryable {
            status: Some(status.as_u16()),
            message: format!("not a list of notifications: {error}"),
        })?;
        Ok(page.notifications)
    }
}

impl TextProvider for NotifyClient {
    fn name(&self) -> &'static str {
        NAME
    }

    fn deduplicates(&self) -> bool {
        false
    }

    /// The token is as old as the claim: however long this process was held up, Notify refuses it before the fence.
    fn send<'a>(&'a self, text: &'a Text, claimed: Timestamp) -> Answer<'a, Accepted> {
        Box::pin(async move {
            let personalisation = BTreeMap::from([("body".to_owned(), text.body.clone())]);
            self.send_sms(&text.to, text.template, &text.reference, &personalisation, claimed).await
        })
    }

    fn list(&self, older_than: Option<String>, now: Timestamp) -> Answer<'_, Vec<Listed>> {
        Box::pin(async move {
            let mut url = join(&self.base, &["v2", "notifications"])?;
            url.query_pairs_mut().append_pair("template_type", "sms");
            if let Some(id) = older_than {
                url.query_pairs_mut().append_pair("older_than", &id);
            }
            let page = self.page(url, now).await?.into_iter().map(|one| Listed {
                id: one.id.to_string(),
                reference: one.reference.unwrap_or_default(),
                state: one.status.state(),
                created: one.created_at,
            });
            Ok(page.collect())
        })
    }

    fn find<'a>(&'a self, reference: &'a MessageId, now: Timestamp) -> Answer<'a, Option<Found>> {
        Box::pin(async move {
            let found = self.find_by_reference(reference, now).await?;
            Ok(found.map(|found| Found { id: found.id.to_string(), state: found.status.state() }))
        })
    }
}

/// An HTTP client with a deadline that neither retries nor follows redirects, and the base URL of a service.
pub(crate) fn client(base: &str, deadline: Duration) -> Result<(reqwest::Client, Url), ConfigError> {
    let wrong = |message: String| ConfigError::Url { url: base.to_owned(), message };
    let parsed = Url::parse(base).map_err(|error| wrong(error.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.query().is_some() {
        return Err(wrong("expected http or https without a query".into()));
    }
    if deadline.is_zero() || deadline >= LONGEST_DEADLINE {
        return Err(ConfigError::Deadline { seconds: deadline.as_secs() });
    }
    let http = reqwest::Client::builder()
        .timeout(deadline)
        .connect_timeout(CONNECT.min(deadline))
        .pool_idle_timeout(IDLE)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .build()
        .map_err(|error| ConfigError::Client(error.to_string()))?;
    Ok((http, parsed))
}

/// An address below a base URL.
pub(crate) fn join(base: &Url, path: &[&str]) -> Result<Url, SendError> {
    let mut url = base.clone();
    match url.path_segments_mut() {
        Ok(mut segments) => {
            segments.pop_if_empty().extend(path);
        }
        Err(()) => return Err(SendError::Retryable { status: None, message: "its url cannot be a base".into() }),
    }
    Ok(url)
}

/// Only a connection that was never made proves that nothing was written.
pub(crate) fn lost(error: &reqwest::Error) -> SendError {
    if error.is_connect() || error.is_builder() {
        SendError::Retryable { status: None, message: describe(error) }
    } else {
        SendError::Unknown { message: describe(error) }
    }
}

/// The cause without the URL, which holds a reference.
pub(crate) fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer before the deadline".into()
    } else if error.is_connect() {
        "no connection".into()
    } else {
        "connection lost before the answer was complete".into()
    }
}

fn refusal(status: StatusCode, body: &[u8]) -> SendError {
    classify(status, words(body))
}

/// Sorts an answer other than success. Notify documents 500 as "unable to process the request, resend"; a gateway's
/// 502 and 504, and anything else above, leave it open whether the request reached Notify.
pub(crate) fn classify(status: StatusCode, message: String) -> SendError {
    match status.as_u16() {
        401 | 403 | 404 | 425 | 429 | 500 | 503 => SendError::Retryable { status: Some(status.as_u16()), message },
        status @ 400..=499 if status != 408 => SendError::Refused { status, message },
        status => SendError::Unknown { message: format!("status {status}: {message}") },
    }
}

/// Notify's error messages. Schema errors repeat what was sent, so digits are masked.
fn words(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        error: String,
        message: String,
    }
    match serde_json::from_slice::<Errors>(body) {
        Ok(body) => {
            let all: Vec<String> =
                body.errors.into_iter().map(|one| format!("{}: {}", one.error, mask(&one.message))).collect();
            all.join("; ")
        }
        Err(_) => format!("{} bytes that are not Notify's error body", body.len()),
    }
}

/// Hides every run of more than five digits.
fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut run = String::new();
    for character in text.chars().chain(['\n']) {
        if character.is_ascii_digit() {
            run.push(character);
            continue;
        }
        masked.push_str(if run.len() > 5 { "…" } else { &run });
        run.clear();
        masked.push(character);
    }
    masked.pop();
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "my_test-key-26785a09-ab16-4eb0-8407-a37497a57506-3d844edf-8d35-48ac-975b-e847b4f122b0";

    #[test]
    fn a_key_is_a_name_a_service_and_a_secret() {
        let key: ApiKey = KEY.parse().unwrap();
        assert_eq!(key.service().to_string(), "26785a09-ab16-4eb0-8407-a37497a57506");
        assert_eq!(key.secret(), "3d844edf-8d35-48ac-975b-e847b4f122b0");
        assert!(!format!("{key:?}").contains("3d844edf"));
        for wrong in [
            "",
            "key",
            &KEY[12..],
            &KEY[1..KEY.len() - 1],
            "é-26785a09-ab16-4eb0-8407-a37497a57506-3d844edf-8d35-48ac-975b-e847b4f122b",
        ] {
            assert_eq!(wrong.parse::<ApiKey>(), Err(ConfigError::ApiKey { length: wrong.len() }), "{wrong}");
        }
    }

    #[test]
    fn a_deadline_that_breaks_the_fence_is_refused() {
        let client = |url, seconds| NotifyClient::new(url, KEY.parse().unwrap(), Duration::from_secs(seconds));
        assert!(client("http://127.0.0.1:1", 15).is_ok());
        assert_eq!(client("http://127.0.0.1:1", 20).unwrap_err(), ConfigError::Deadline { seconds: 20 });
        assert_eq!(client("http://127.0.0.1:1", 0).unwrap_err(), ConfigError::Deadline { seconds: 0 });
        assert!(matches!(client("notify", 15), Err(ConfigError::Url { .. })));
        assert!(matches!(client("ftp://notify", 15), Err(ConfigError::Url { .. })));
    }

    #[test]
    fn an_answer_is_final_only_where_the_message_is_at_fault() {
        for (status, class) in [
            (400, "refused"),
            (401, "retryable"),
            (403, "retryable"),
            (404, "retryable"),
            (408, "unknown"),
            (413, "refused"),
            (429, "retryable"),
            (500, "retryable"),
            (502, "unknown"),
            (503, "retryable"),
            (504, "unknown"),
            (302, "unknown"),
        ] {
            let found = match refusal(StatusCode::from_u16(status).unwrap(), b"{}") {
                SendError::Refused { .. } => "refused",
                SendError::Retryable { .. } => "retryable",
                SendError::Unknown { .. } => "unknown",
            };
            assert_eq!(found, class, "{status}");
        }
    }

    #[test]
    fn error_text_does_not_repeat_a_number() {
        let body = br#"{"status_code":400,"errors":[{"error":"ValidationError","message":"phone_number 07700900123 is too 12345 long"}]}"#;
        assert_eq!(words(body), "ValidationError: phone_number \u{2026} is too 12345 long");
    }

    #[test]
    fn statuses_and_receipts_are_read_as_notify_writes_them() {
        let receipt: DeliveryReceipt = serde_json::from_str(
            r#"{"id":"740e5834-3a29-46b4-9a6f-16142fde533a","reference":"5d0b1f0e-2f6a-4c11-9a1e-1b6e2f6a9c11","to":"07700912345",
                "status":"permanent-failure","created_at":"2017-05-14T12:15:30.000000Z","completed_at":"2017-05-14T12:15:31.000000Z",
                "sent_at":null,"notification_type":"sms","template_id":"f33517ff-2a88-4f6e-b855-c550268ce08a","template_version":1}"#,
        )
        .unwrap();
        assert_eq!(receipt.status.state(), Some(MessageState::Failed));
        assert_eq!(receipt.message().unwrap().to_string(), "5d0b1f0e-2f6a-4c11-9a1e-1b6e2f6a9c11");
        let status = |text: &str| serde_json::from_str::<ProviderStatus>(&format!("\"{text}\"")).unwrap();
        assert_eq!(status("delivered").state(), Some(MessageState::Delivered));
        assert_eq!(status("sending").state(), Some(MessageState::Sent));
        assert_eq!(status("virus-scan-failed").state(), None);
    }
}
