//! Who calls: signed tokens (JWT), and what each supplier may do.
//!
//! A token carries `iss`, `aud`, `exp`, `sub` and either `supplier` or `role`. A supplier's token may carry the ODS code
//! of the registered application; it must be one of the supplier's. The issuer's public keys are configuration, a JSON
//! Web Key Set (RFC 7517), so that a key is replaced by publishing the next one beside it first.

mod keys;
mod permissions;
mod senders;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use keys::{Expected, KeySet, SigningKey};
pub use permissions::{Permissions, PermissionsError};
pub use senders::{Origin, Sender, Senders, SendersError, is_principal};

/// Who must have issued a token.
pub const ISSUER: &str = "ims-issuer";
/// Whom a token must be for.
pub const AUDIENCE: &str = "ims-api";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Audience.
    pub aud: String,
    /// Subject: the supplier's or the person's name, or the id of the supplier's registered application.
    pub sub: String,
    /// Expiry, seconds since 1970.
    pub exp: u64,
    /// Issued at, seconds since 1970.
    pub iat: u64,
    /// Supplier system, for application access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<String>,
    /// ODS code of the organisation that the application was registered for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ods: Option<String>,
    /// Role, for staff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

impl Claims {
    /// Claims of this issuer's tokens, good from `now` (seconds since 1970) for some seconds.
    #[must_use]
    pub fn new(subject: &str, now: u64, seconds: u64) -> Self {
        Self {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: subject.to_owned(),
            exp: now + seconds,
            iat: now,
            supplier: None,
            ods: None,
            role: None,
        }
    }
}

/// A member of staff, as a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staff {
    /// Name.
    pub name: String,
    /// Role.
    pub role: String,
}

/// Why a caller is turned away.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthError {
    /// No `Authorization: Bearer` header.
    #[error("the Authorization header must be 'Bearer' and a token")]
    NoToken,
    /// The token is not valid.
    #[error("the token was refused: {0}")]
    Refused(String),
    /// A key or a set of keys cannot be used.
    #[error("the keys cannot be used: {0}")]
    Keys(String),
}

/// Reads `Bearer …`.
///
/// # Errors
/// [`AuthError::NoToken`] where there is none.
pub fn bearer(header: Option<&str>) -> Result<&str, AuthError> {
    header
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::trim)
        .filter(|t| !t.is_empty())
        .ok_or(AuthError::NoToken)
}

/// Signs claims with an Ed25519 private key (PKCS#8, DER); for the sandbox issuer.
///
/// # Errors
/// Where the key cannot be used.
pub fn sign(claims: &Claims, private_key_der: &[u8]) -> Result<String, AuthError> {
    SigningKey::read(private_key_der)?.sign(claims)
}

/// Checks the issuer's tokens.
pub struct Verifier(KeySet);

impl Verifier {
    /// A verifier of the issuer whose public keys are in this JSON Web Key Set.
    ///
    /// # Errors
    /// Where a key cannot be used.
    pub fn new(jwks: &str) -> Result<Self, AuthError> {
        KeySet::parse(jwks).map(Self)
    }

    /// Checks a token's signature, issuer, audience and times.
    ///
    /// # Errors
    /// [`AuthError::Refused`] with what is wrong.
    pub fn check(&self, token: &str) -> Result<Claims, AuthError> {
        self.0.check(token, Expected { issuer: ISSUER, audience: AUDIENCE, subject: None })
    }
    /// Checks a token of a member of staff: whose it is, and their role.
    ///
    /// # Errors
    /// [`AuthError::Refused`] where it is not valid, a supplier's, or names nobody or no role.
    pub fn staff(&self, token: &str) -> Result<Staff, AuthError> {
        let claims = self.check(token.trim())?;
        let refuse = |why: &str| Err(AuthError::Refused(why.to_owned()));
        if claims.supplier.is_some() {
            return refuse("it is a supplier's, not of a member of staff");
        }
        let Some(role) = claims.role.filter(|role| !role.trim().is_empty()) else {
            return refuse("it carries no role");
        };
        if claims.sub.trim().is_empty() {
            return refuse("it names nobody");
        }
        Ok(Staff { name: claims.sub, role })
    }
}
