//! The assertion by which an application identifies itself (RFC 7523 §3).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ims_runtime::auth::{AuthError, Expected, KeySet};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::seconds;

/// Longest time for which an assertion may be good, in seconds.
const LONGEST: u64 = 300;
/// Seconds by which clocks may differ.
const LEEWAY: u64 = 5;
/// Longest `jti`; it becomes part of a key.
const LONGEST_JTI: usize = 128;
/// Longest id of an application.
pub(crate) const LONGEST_CLIENT: usize = 64;

/// What an assertion that holds says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Assertion {
    /// Until when it is good, seconds since 1970.
    pub(crate) exp: u64,
    /// Its one-time id.
    pub(crate) jti: String,
}

/// Which application an assertion says it is of, before anything of it is checked.
pub(crate) fn claimed_client(assertion: &str) -> Option<String> {
    let body = assertion.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
    let client = claims["iss"].as_str()?;
    is_client(client).then(|| client.to_owned())
}

/// Whether a text can be the id of an application.
pub(crate) fn is_client(text: &str) -> bool {
    (1..=LONGEST_CLIENT).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// Checks all of an assertion but whether its `jti` is new.
pub(crate) fn check(
    assertion: &str,
    client: &str,
    keys: &KeySet,
    audience: &str,
    now: Timestamp,
) -> Result<Assertion, String> {
    let expected = Expected { issuer: client, audience, subject: Some(client) };
    let claims: Value = keys.check(assertion, expected).map_err(|error| match error {
        AuthError::Refused(why) if why.contains("'aud'") => format!("{why}: it must be '{audience}'"),
        AuthError::Refused(why) if why.contains("'sub'") => {
            format!("{why}: it must be the 'iss', the application's id")
        }
        AuthError::Refused(why) => why,
        other => other.to_string(),
    })?;
    let jti = claims["jti"].as_str().filter(|jti| (1..=LONGEST_JTI).contains(&jti.len()));
    let Some(jti) = jti else {
        return Err(format!("its 'jti' must be a string of 1 to {LONGEST_JTI} bytes"));
    };
    let exp = claims["exp"].as_u64().ok_or("its 'exp' must be an integer, seconds since 1970")?;
    if exp > seconds(now) + LONGEST + LEEWAY {
        return Err(format!("its 'exp' is more than {LONGEST} seconds ahead"));
    }
    Ok(Assertion { exp, jti: jti.to_owned() })
}

impl Assertion {
    /// When it is certainly no longer good.
    pub(crate) fn over(&self) -> Timestamp {
        let end = i64::try_from(self.exp + LEEWAY + 60).unwrap_or(i64::MAX);
        Timestamp::from_second(end).unwrap_or(Timestamp::MAX)
    }
}
