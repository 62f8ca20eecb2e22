//! Client of NHS Notify's REST API (JSON:API, version 1), and the bodies of its callbacks.
//!
//! Texts go one a request to `/v1/messages`: there NHS Notify de-duplicates by `messageReference`, and answers 422 to one
//! that it has. In a batch a reference need be unique in that batch alone.
//! <https://digital.nhs.uk/developer/api-catalogue/nhs-notify>

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use ims_domain::MessageId;
use ims_domain::invitation::MessageState;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::notify::{ConfigError, classify, client, describe, join, lost};
use crate::provider::{Accepted, Answer, Found, Listed, SendError, Text, TextProvider};

/// Name in items and counters.
pub const NAME: &str = "nhs-notify";
/// An access token is asked for anew so long before it ends.
const EARLY: SignedDuration = SignedDuration::from_secs(60);
/// Life of an assertion; the API platform takes five minutes at most.
const ASSERTION: SignedDuration = SignedDuration::from_mins(4);

/// Who asks for access tokens, and the key that the assertion is signed with (RS512).
#[derive(Clone)]
pub struct Application {
    /// The application's key on the API platform.
    pub key: String,
    /// Id of the public key that the platform was given.
    pub key_id: String,
    /// RSA private key, PKCS#1 DER.
    pub private: Vec<u8>,
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Application({})", self.key_id)
    }
}

/// Client of NHS Notify. `Debug` shows no token.
pub struct NhsNotifyClient {
    http: reqwest::Client,
    base: Url,
    token_url: Url,
    application: Application,
    routing_plan: Uuid,
    token: Mutex<Option<(String, Timestamp)>>,
}

impl fmt::Debug for NhsNotifyClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NhsNotifyClient({})", self.base)
    }
}

impl NhsNotifyClient {
    /// A client of the NHS Notify at `base`, such as `https://api.service.nhs.uk/comms`, with tokens from `token_url`. The
    /// routing plan sends the personalisation `body` as a text and nothing else.
    ///
    /// # Errors
    /// When a URL cannot be a base, or the deadline is zero or too long for the fence.
    pub fn new(
        base: &str,
        token_url: &str,
        application: Application,
        routing_plan: Uuid,
        deadline: Duration,
    ) -> Result<Self, ConfigError> {
        let (http, base) = client(base, deadline)?;
        let token_url = client(token_url, deadline)?.1;
        Ok(Self { http, base, token_url, application, routing_plan, token: Mutex::new(None) })
    }

    /// An access token, kept until shortly before it ends. Failing to get one proves that nothing was sent.
    async fn token(&self, now: Timestamp) -> Result<String, SendError> {
        if let Ok(held) = self.token.lock()
            && let Some((token, until)) = &*held
            && now < *until
        {
            return Ok(token.clone());
        }
        let failed =
            |message: String| SendError::Retryable { status: None, message: format!("access token: {message}") };
        let claims = json!({
            "iss": self.application.key, "sub": self.application.key, "aud": self.token_url.as_str(),
            "jti": Uuid::new_v4(), "exp": (now + ASSERTION).as_second(),
        });
        let header = Header { kid: Some(self.application.key_id.clone()), ..Header::new(Algorithm::RS512) };
        let assertion = encode(&header, &claims, &EncodingKey::from_rsa_der(&self.application.private))
            .map_err(|error| failed(error.to_string()))?;
        let mut form = Url::parse("form:").map_err(|error| failed(error.to_string()))?;
        form.query_pairs_mut()
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            .append_pair("client_assertion", &assertion);
        let request = self
            .http
            .post(self.token_url.clone())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.query().unwrap_or_default().to_owned());
        let response = request.send().await.map_err(|error| failed(describe(&error)))?;
        let status = response.status();
        #[derive(Deserialize)]
        struct Token {
            access_token: String,
            #[serde(deserialize_with = "seconds")]
            expires_in: i64,
        }
        let token: Token = match response.json().await {
            Ok(token) if status.is_success() => token,
            _ => return Err(failed(format!("status {}", status.as_u16()))),
        };
        let until = now + SignedDuration::from_secs(token.expires_in) - EARLY;
        if let Ok(mut held) = self.token.lock() {
            *held = Some((token.access_token.clone(), until));
        }
        Ok(token.access_token)
    }

    async fn post(&self, text: &Text, now: Timestamp) -> Result<Accepted, SendError> {
        let Some(nhs_number) = text.nhs_number else {
            let message = "the person has no NHS number, by which NHS Notify knows people".to_owned();
            return Err(SendError::Refused { status: 0, message });
        };
        let body = json!({"data": {"type": "Message", "attributes": {
            "routingPlanId": self.routing_plan,
            "messageReference": text.reference,
            "recipient": {"nhsNumber": nhs_number.to_string(), "contactDetails": {"sms": text.to.e164().trim_start_matches('+')}},
            "personalisation": {"body": text.body},
        }}});
        let token = self.token(now).await?;
        let request = self.http.post(join(&self.base, &["v1", "messages"])?).bearer_auth(token).json(&body);
        let response = request.send().await.map_err(|error| lost(&error))?;
        let status = response.status();
        let bytes = match response.bytes().await {
            Ok(bytes) => bytes,
            Err(_) if !status.is_success() => Default::default(),
            Err(error) => return Err(lost(&error)),
        };
        if status == StatusCode::UNPROCESSABLE_ENTITY && is_duplicate(&bytes) {
            return Ok(Accepted { id: text.reference.to_string() });
        }
        if !status.is_success() {
            if status == StatusCode::UNAUTHORIZED
                && let Ok(mut held) = self.token.lock()
            {
                *held = None;
            }
            return Err(classify(status, words(&bytes)));
        }
        #[derive(Deserialize)]
        struct Created {
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            id: String,
        }
        match serde_json::from_slice::<Created>(&bytes) {
            Ok(created) => Ok(Accepted { id: created.data.id }),
            Err(error) => Err(SendError::Unknown { message: format!("status {}, but: {error}", status.as_u16()) }),
        }
    }
}

impl TextProvider for NhsNotifyClient {
    fn name(&self) -> &'static str {
        NAME
    }

    fn deduplicates(&self) -> bool {
        true
    }

    fn send<'a>(&'a self, text: &'a Text, claimed: Timestamp) -> Answer<'a, Accepted> {
        Box::pin(self.post(text, claimed))
    }

    /// NHS Notify lists nothing: its callbacks alone tell.
    fn list(&self, _: Option<String>, _: Timestamp) -> Answer<'_, Vec<Listed>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// NHS Notify finds messages by its own id alone: it is not asked, but sent the same again.
    fn find<'a>(&'a self, _: &'a MessageId, _: Timestamp) -> Answer<'a, Option<Found>> {
        Box::pin(async { Ok(None) })
    }
}

/// Seconds, written as a number or as text.
fn seconds<'de, D: serde::Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(i64),
        Text(String),
    }
    match Written::deserialize(from)? {
        Written::Number(number) => Ok(number),
        Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<OneError>,
}

#[derive(Deserialize)]
struct OneError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    source: Option<Source>,
}

#[derive(Deserialize)]
struct Source {
    #[serde(default)]
    pointer: String,
}

fn errors(body: &[u8]) -> Vec<OneError> {
    serde_json::from_slice::<Errors>(body).map(|body| body.errors).unwrap_or_default()
}

/// Whether an answer says that the message is there already.
fn is_duplicate(body: &[u8]) -> bool {
    errors(body).iter().any(|error| error.code == "CM_DUPLICATE_REQUEST")
}

/// Codes, titles and places: never the details, which may repeat what was sent.
fn words(body: &[u8]) -> String {
    let all: Vec<String> = errors(body)
        .into_iter()
        .map(|error| {
            let place = error.source.map(|source| format!(" at {}", source.pointer)).unwrap_or_default();
            format!("{}: {}{place}", error.code, error.title)
        })
        .collect();
    if all.is_empty() { format!("{} bytes that are not NHS Notify's error body", body.len()) } else { all.join("; ") }
}

/// A callback's body: what became of messages on their channels. Where they went is not read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Callback {
    /// At least one.
    pub data: Vec<CallbackItem>,
}

/// What became of one message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct CallbackItem {
    /// `MessageStatus` or `ChannelStatus`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The rest.
    pub attributes: CallbackAttributes,
}

/// What a callback says of a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallbackAttributes {
    /// NHS Notify's id.
    pub message_id: String,
    /// Our reference.
    pub message_reference: String,
    /// Of a `MessageStatus`: created, pending_enrichment, enriched, sending, delivered, failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_status: Option<String>,
    /// Of a `ChannelStatus`: created, sending, delivered, failed, skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel_status: Option<String>,
    /// Of a `ChannelStatus`: the word of whoever carried it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier_status: Option<String>,
}

impl CallbackAttributes {
    /// The state that it means for a text; `None` where it is not final.
    #[must_use]
    pub fn state(&self) -> Option<MessageState> {
        match self.message_status.as_deref().or(self.channel_status.as_deref()) {
            Some("delivered") => Some(MessageState::Delivered),
            Some("failed") => Some(MessageState::Failed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_there_already_is_told_from_other_refusals() {
        let duplicate = br#"{"errors":[{"id":"1","code":"CM_DUPLICATE_REQUEST","status":"422","title":"Duplicate message request",
            "detail":"Request exists with identical messageReference","source":{"pointer":"/data/attributes/messageReference"}}]}"#;
        assert!(is_duplicate(duplicate));
        let invalid =
            br#"{"errors":[{"code":"CM_INVALID_VALUE","title":"Invalid value","detail":"07700900123 is not valid",
            "source":{"pointer":"/data/attributes/recipient/contactDetails/sms"}}]}"#;
        assert!(!is_duplicate(invalid));
        assert_eq!(words(invalid), "CM_INVALID_VALUE: Invalid value at /data/attributes/recipient/contactDetails/sms");
        assert_eq!(words(b"<html>"), "6 bytes that are not NHS Notify's error body");
    }

    #[test]
    fn a_callback_says_what_became_of_a_message() {
        let body = |status: &str| {
            format!(
                r#"{{"data":[{{"type":"MessageStatus","attributes":{{"messageId":"0ujsszwN8NRY24YaXiTIE2VWDTS",
                "messageReference":"1642109b-69eb-447f-8f97-ab70a74f5db4","messageStatus":"{status}",
                "channels":[{{"type":"sms","channelStatus":"{status}"}}],"timestamp":"2025-10-06T09:00:00Z"}},
                "links":{{"message":"https://api.service.nhs.uk/comms/v1/messages/0ujsszwN8NRY24YaXiTIE2VWDTS"}},
                "meta":{{"idempotencyKey":"2515ae6b"}}}}]}}"#
            )
        };
        for (status, state) in [
            ("delivered", Some(MessageState::Delivered)),
            ("failed", Some(MessageState::Failed)),
            ("sending", None),
            ("pending_enrichment", None),
        ] {
            let callback: Callback = serde_json::from_str(&body(status)).unwrap();
            assert_eq!(callback.data[0].attributes.state(), state, "{status}");
        }
    }
}
