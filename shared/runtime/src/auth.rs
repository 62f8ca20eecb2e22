//! Who calls: signed tokens (JWT, EdDSA), and what each supplier may do.
//!
//! A token carries `iss`, `aud`, `exp`, `sub` and either `supplier` or `role`. The sandbox issuer's key pair is made when
//! the local stack is set up; on AWS the public key of the real issuer is configuration.

use std::collections::BTreeMap;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use thiserror::Error;

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
    /// Subject: the supplier's or the person's name.
    pub sub: String,
    /// Expiry, seconds since 1970.
    pub exp: u64,
    /// Issued at, seconds since 1970.
    pub iat: u64,
    /// Supplier system, for application access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<String>,
    /// Role, for staff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
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
    /// A key cannot be read.
    #[error("the token key is not an Ed25519 key in base64url: {0}")]
    Key(String),
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

/// Checks tokens.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    /// A verifier for the issuer whose Ed25519 public key is given in base64url (the `x` of a JWK).
    ///
    /// # Errors
    /// Where the key cannot be read.
    pub fn new(public_key: &str) -> Result<Self, AuthError> {
        let key = DecodingKey::from_ed_components(public_key).map_err(|error| AuthError::Key(error.to_string()))?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = 5;
        Ok(Self { key, validation })
    }

    /// Checks a token's signature, issuer, audience and expiry.
    ///
    /// # Errors
    /// [`AuthError::Refused`] with what is wrong.
    pub fn check(&self, token: &str) -> Result<Claims, AuthError> {
        jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map(|data| data.claims)
            .map_err(|error| AuthError::Refused(error.to_string()))
    }
}

/// Signs claims with an Ed25519 private key (PKCS#8, DER); for the sandbox issuer.
///
/// # Errors
/// Where the key cannot be used.
pub fn sign(claims: &Claims, private_key_der: &[u8]) -> Result<String, AuthError> {
    jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &EncodingKey::from_ed_der(private_key_der))
        .map_err(|error| AuthError::Key(error.to_string()))
}

/// What suppliers may do: `COVID.CRUDS` and the like (create, read, update, delete, search), by supplier.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Permissions(BTreeMap<String, Vec<String>>);

impl Permissions {
    /// The permissions of the sandbox and of a first deployment, from `permissions.json` beside this module.
    ///
    /// # Errors
    /// Where the file is not valid.
    pub fn built_in() -> Result<Self, serde_json::Error> {
        serde_json::from_str(include_str!("permissions.json"))
    }

    /// Whether a supplier may do an operation (`C`, `R`, `U`, `D`, `S`) on a vaccine type.
    #[must_use]
    pub fn allows(&self, supplier: &str, vaccine: &str, operation: char) -> bool {
        self.0.get(supplier).is_some_and(|grants| {
            grants.iter().any(|grant| {
                grant.split_once('.').is_some_and(|(granted, operations)| {
                    (granted == "*" || granted == vaccine) && operations.contains(operation)
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // An Ed25519 key pair made for this test (RFC 8032, test 1): it protects nothing.
    const PRIVATE: [u8; 32] = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
        0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
    ];
    const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn der() -> Vec<u8> {
        // PKCS#8 wrapping of an Ed25519 seed (RFC 8410).
        let mut der =
            vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
        der.extend_from_slice(&PRIVATE);
        der
    }

    fn claims() -> Claims {
        Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: "EMIS".into(),
            exp: 4_000_000_000,
            iat: 1_700_000_000,
            supplier: Some("EMIS".into()),
            role: None,
        }
    }

    #[test]
    fn only_the_issuers_valid_tokens_pass() {
        let verifier = Verifier::new(PUBLIC).unwrap();
        let token = sign(&claims(), &der()).unwrap();
        assert_eq!(verifier.check(&token).unwrap(), claims());
        let mut forged = token.clone();
        let last = if forged.ends_with('A') { "B" } else { "A" };
        forged.replace_range(forged.len() - 1.., last);
        let wrong = [
            forged,
            sign(&Claims { exp: 1_700_000_000, ..claims() }, &der()).unwrap(),
            sign(&Claims { aud: "someone-else".into(), ..claims() }, &der()).unwrap(),
            sign(&Claims { iss: "someone-else".into(), ..claims() }, &der()).unwrap(),
            // {"alg":"none"}
            format!("eyJhbGciOiJub25lIn0.{}.", token.split('.').nth(1).unwrap()),
        ];
        for token in wrong {
            assert!(matches!(verifier.check(&token), Err(AuthError::Refused(_))), "{token}");
        }
    }

    #[test]
    fn permissions_are_per_supplier_vaccine_and_operation() {
        let permissions: Permissions = serde_json::from_str(r#"{"A": ["COVID.CR"], "B": ["*.S"]}"#).unwrap();
        for (supplier, vaccine, operation, allowed) in [
            ("A", "COVID", 'C', true),
            ("A", "COVID", 'D', false),
            ("A", "FLU", 'C', false),
            ("B", "FLU", 'S', true),
            ("C", "FLU", 'S', false),
        ] {
            assert_eq!(permissions.allows(supplier, vaccine, operation), allowed, "{supplier} {vaccine} {operation}");
        }
        // As the national service: some suppliers give some vaccines only.
        let built_in = Permissions::built_in().unwrap();
        for (supplier, vaccine, operation, allowed) in [
            ("MAVIS", "FLU", 'U', true),
            ("MAVIS", "COVID", 'C', false),
            ("MAVIS", "RSV", 'D', false),
            ("RAVS", "RSV", 'D', true),
            ("SONAR", "RSV", 'C', false),
            ("SONAR", "COVID", 'S', false),
            ("EMIS", "ROTAVIRUS", 'U', true),
        ] {
            assert_eq!(built_in.allows(supplier, vaccine, operation), allowed, "{supplier} {vaccine} {operation}");
        }
    }
}
