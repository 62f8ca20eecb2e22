//! Notify's tokens: HS256, issued by the service's id, signed with the secret part of its API key.

use axum::http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use uuid::Uuid;

/// Why a request may not pass.
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) error: &'static str,
    pub(super) message: String,
}

/// An API key, `{name}-{service id}-{secret}`.
#[derive(Clone)]
pub struct Key {
    service: Uuid,
    secret: String,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({}, …)", self.service)
    }
}

impl std::str::FromStr for Key {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Counted from the end: the name may hold hyphens.
        let parts: Vec<&str> = text.split('-').collect();
        anyhow::ensure!(parts.len() >= 11, "api key: expected name-SERVICEUUID-SECRETUUID");
        let uuid = |parts: &[&str]| {
            Uuid::try_parse(&parts.join("-"))
                .map_err(|_| anyhow::anyhow!("api key: expected name-SERVICEUUID-SECRETUUID"))
        };
        let at = parts.len() - 5;
        Ok(Self { service: uuid(&parts[at - 5..at])?, secret: uuid(&parts[at..])?.to_string() })
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    iat: Option<i64>,
}

impl Key {
    /// Whether a request may pass at `now`; else what Notify answers.
    pub(super) fn check(&self, headers: &HeaderMap, now: Timestamp, window_seconds: i64) -> Result<(), Refused> {
        let forbidden = |message: &str| Refused {
            status: StatusCode::FORBIDDEN,
            error: "BadRequestError",
            message: message.to_owned(),
        };
        let unauthorised = |message: &str| Refused {
            status: StatusCode::UNAUTHORIZED,
            error: "AuthError",
            message: message.to_owned(),
        };
        let Some(header) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
            return Err(unauthorised("Unauthorized: authentication token must be provided"));
        };
        let Some(token) = header.strip_prefix("Bearer ") else {
            return Err(unauthorised("Unauthorized: authentication bearer scheme must be used"));
        };
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = match decode::<Claims>(token, &DecodingKey::from_secret(self.secret.as_bytes()), &validation) {
            Ok(data) => data.claims,
            Err(problem) if *problem.kind() == ErrorKind::InvalidSignature => {
                return Err(forbidden("Invalid token: API key not found"));
            }
            Err(_) => return Err(forbidden("Invalid token: API token is not valid")),
        };
        match claims.iss.as_deref().map(Uuid::try_parse) {
            None => return Err(forbidden("Invalid token: iss field not provided")),
            Some(Ok(issuer)) if issuer == self.service => {}
            Some(_) => return Err(forbidden("Invalid token: service not found")),
        }
        match claims.iat {
            None => Err(forbidden("Invalid token: iat field not provided")),
            Some(issued) if (now.as_second() - issued).abs() > window_seconds => {
                Err(forbidden(&format!("Error: Your system clock must be accurate to within {window_seconds} seconds")))
            }
            Some(_) => Ok(()),
        }
    }
}
