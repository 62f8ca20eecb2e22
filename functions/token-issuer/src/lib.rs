//! Access tokens for suppliers' registered applications, `POST /oauth2/token`: OAuth2 client credentials (RFC 6749 §4.4),
//! the application identifying itself by a signed assertion (RFC 7523) as on the national API platform.
//!
//! An assertion is good once: its `jti` is spent by a conditional put, as the last thing that is checked. Logs name the
//! application and the supplier, never an assertion or a token.

mod assertion;
mod grant;
mod register;

use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ims_runtime::auth::{AuthError, Claims, Permissions, SigningKey, Verifier};
use ims_runtime::settings::required;
use ims_runtime::{Settings, SettingsError};
use ims_store::{Store, StoreError};
use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;

pub use grant::{Granted, Refusal, grant};
pub use register::{RegisterError, Request, register};

/// Where tokens are asked for, under the API's base URL.
const PATH: &str = "/oauth2/token";
/// Seconds for which an access token is good.
const GOOD_FOR: u64 = 600;

/// Why the issuer cannot start.
#[derive(Debug, Error)]
pub enum IssuerError {
    /// Configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The signing key is not base64.
    #[error("IMS_TOKEN_SIGNING_KEY is not base64")]
    Base64(#[from] base64::DecodeError),
    /// A key cannot be used.
    #[error("IMS_TOKEN_SIGNING_KEY, IMS_TOKEN_KEYS: {0}")]
    Key(#[from] AuthError),
    /// Tokens would be issued that no function accepts.
    #[error("the public half of IMS_TOKEN_SIGNING_KEY is not in IMS_TOKEN_KEYS, so that its tokens would be refused")]
    Unpublished,
    /// The built-in permissions.
    #[error("the built-in permissions cannot be read")]
    Permissions(#[from] serde_json::Error),
}

/// What tokens are issued with, and for whom.
#[derive(Debug)]
pub struct Issuer {
    /// The token URL: whom an assertion must be for.
    pub(crate) audience: String,
    pub(crate) key: SigningKey,
    pub(crate) permissions: Permissions,
}

impl Issuer {
    /// An issuer at the API's base URL `IMS_API_URL`, with the private key (PKCS#8, base64) `IMS_TOKEN_SIGNING_KEY`.
    ///
    /// # Errors
    /// Where a variable is missing or cannot be used, or the key's public half is not in `IMS_TOKEN_KEYS`.
    pub fn from_env(settings: &Settings) -> Result<Self, IssuerError> {
        let der = BASE64_STANDARD.decode(required("IMS_TOKEN_SIGNING_KEY")?.trim())?;
        let permissions = Permissions::built_in(settings.is_sandbox())?;
        Self::new(&required("IMS_API_URL")?, SigningKey::read(&der)?, permissions, &required("IMS_TOKEN_KEYS")?)
    }

    /// An issuer at this base URL, with this key, whose tokens this key set must accept.
    ///
    /// # Errors
    /// Where the key set cannot be used or does not hold the key.
    pub fn new(api: &str, key: SigningKey, permissions: Permissions, jwks: &str) -> Result<Self, IssuerError> {
        let probe = key.sign(&Claims::new("probe", seconds(Timestamp::now()), 60))?;
        Verifier::new(jwks)?.check(&probe).map_err(|_| IssuerError::Unpublished)?;
        Ok(Self { audience: format!("{}{PATH}", api.trim_end_matches('/')), key, permissions })
    }
}

fn seconds(now: Timestamp) -> u64 {
    u64::try_from(now.as_second()).unwrap_or_default()
}

/// Answers an API Gateway event, or an operator's request.
///
/// # Errors
/// Where the event is neither; where an operator's request cannot be carried out.
pub async fn handle(store: &Store, issuer: &Issuer, event: Value) -> Result<Value, lambda_runtime::Error> {
    if event.get("httpMethod").is_none() {
        return Ok(register(store, &issuer.permissions, serde_json::from_value(event)?).await?);
    }
    let request: ApiGatewayProxyRequest = serde_json::from_value(event)?;
    let echoed = ["X-Request-ID", "X-Correlation-ID"]
        .map(|name| (name, request.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)));
    let mut answer = match grant(store, issuer, &request, Timestamp::now()).await {
        Ok(Ok(granted)) => {
            tracing::info!(client = granted.client, supplier = granted.supplier, "a token was issued");
            answer(200, &granted.body())
        }
        Ok(Err(refusal)) => {
            tracing::warn!(
                client = refusal.client,
                error = refusal.error,
                why = refusal.description,
                "no token was issued"
            );
            let mut answer = answer(refusal.status, &refusal.body());
            if refusal.status == 405 {
                answer["headers"]["Allow"] = json!("POST");
            }
            answer
        }
        Err(error) => unavailable(&error),
    };
    for (name, value) in echoed {
        if let Some(value) = value {
            answer["headers"][name] = json!(value);
        }
    }
    Ok(answer)
}

fn unavailable(error: &StoreError) -> Value {
    tracing::error!(%error, "no token could be issued");
    let text = "The service is busy; try again later with a new assertion.";
    let mut answer = answer(503, &json!({"error": "temporarily_unavailable", "error_description": text}));
    answer["headers"]["Retry-After"] = json!("2");
    answer
}

/// An answer for API Gateway; tokens are kept by nobody on the way.
fn answer(status: u16, body: &Value) -> Value {
    json!({
        "statusCode": status,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache"},
        "multiValueHeaders": {},
        "isBase64Encoded": false,
        "body": body.to_string(),
    })
}

#[cfg(test)]
mod tests;
