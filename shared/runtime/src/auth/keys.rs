//! Keys that sign and check tokens.
//!
//! A key's type says the one algorithm that it is good for: Ed25519 EdDSA, P-256 ES256, RSA RS512. The token's own `alg`
//! chooses nothing; `none` and keyed hashes (HMAC) do not exist here.

use std::collections::BTreeMap;
use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::AuthError;

/// Longest token that is read, in bytes; one of an RSA key has some 1,000.
const LONGEST_TOKEN: usize = 8 << 10;
/// Seconds by which clocks may differ.
const LEEWAY: u64 = 5;
/// Shortest RSA modulus, in base64url characters: 2048 bits.
const SHORTEST_MODULUS: usize = 341;

/// What a token must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected<'a> {
    /// Who issued it.
    pub issuer: &'a str,
    /// Whom it is for.
    pub audience: &'a str,
    /// Whom it is about, where that is known beforehand.
    pub subject: Option<&'a str>,
}

struct Key {
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Public keys by their ids.
pub struct KeySet(BTreeMap<String, Key>);

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl KeySet {
    /// Reads a JSON Web Key Set (RFC 7517).
    ///
    /// # Errors
    /// Where it is none or holds no key; where a key has no `kid` of its own, is private, or has a type, size, `alg` or
    /// `use` that does not fit.
    pub fn parse(jwks: &str) -> Result<Self, AuthError> {
        let refuse = |why: String| Err(AuthError::Keys(why));
        let set: Value = serde_json::from_str(jwks).map_err(|error| AuthError::Keys(error.to_string()))?;
        let Some(entries) = set["keys"].as_array().filter(|entries| !entries.is_empty()) else {
            return refuse("a JSON Web Key Set with at least one key in 'keys' is needed".to_owned());
        };
        let mut keys = BTreeMap::new();
        for entry in entries {
            let Some(kid) = entry["kid"].as_str().filter(|kid| !kid.is_empty()) else {
                return refuse("a key has no 'kid'".to_owned());
            };
            if entry.get("d").is_some() || entry.get("k").is_some() {
                return refuse(format!("key '{kid}' is no public key"));
            }
            let jwk: Jwk = serde_json::from_value(entry.clone())
                .map_err(|error| AuthError::Keys(format!("key '{kid}': {error}")))?;
            let Some(algorithm) = algorithm(&jwk) else {
                return refuse(format!(
                    "key '{kid}' is not for signatures with EdDSA (Ed25519), ES256 (P-256) or RS512 (RSA of 2048 bits or more)"
                ));
            };
            let key = DecodingKey::from_jwk(&jwk).map_err(|error| AuthError::Keys(format!("key '{kid}': {error}")))?;
            if keys.insert(kid.to_owned(), Key { algorithm, key }).is_some() {
                return refuse(format!("two keys have the 'kid' '{kid}'"));
            }
        }
        Ok(Self(keys))
    }

    /// Checks a token's signature, issuer, audience, subject and times (`exp`, and `nbf` and `iat` where it has them), and
    /// gives what it says.
    ///
    /// # Errors
    /// [`AuthError::Refused`] with what is wrong.
    pub fn check<T: DeserializeOwned>(&self, token: &str, expected: Expected<'_>) -> Result<T, AuthError> {
        let refused = |error: jsonwebtoken::errors::Error| AuthError::Refused(told(&error));
        let refuse = |why: &str| Err(AuthError::Refused(why.to_owned()));
        if token.len() > LONGEST_TOKEN {
            return refuse("it is too long");
        }
        let header = jsonwebtoken::decode_header(token).map_err(refused)?;
        if header.crit.is_some() {
            return refuse("its header asks for what is not understood");
        }
        let Some(key) = header.kid.and_then(|kid| self.0.get(&kid)) else {
            return refuse("no key has its 'kid'");
        };
        let mut rules = Validation::new(key.algorithm);
        rules.set_issuer(&[expected.issuer]);
        rules.set_audience(&[expected.audience]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        rules.sub = expected.subject.map(str::to_owned);
        rules.validate_nbf = true;
        rules.leeway = LEEWAY;
        let claims = jsonwebtoken::decode::<Value>(token, &key.key, &rules).map_err(refused)?.claims;
        if let Some(issued) = claims.get("iat")
            && issued.as_u64().is_none_or(|issued| issued > jsonwebtoken::get_current_timestamp() + LEEWAY)
        {
            return refuse("its 'iat' is no time or is in the future");
        }
        serde_json::from_value(claims).map_err(|error| AuthError::Refused(error.to_string()))
    }
}

/// What is wrong with a token, in words.
fn told(error: &jsonwebtoken::errors::Error) -> String {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidToken | ErrorKind::Base64(_) | ErrorKind::Json(_) | ErrorKind::Utf8(_) => {
            "it is no token (JWT) that is signed with a known 'alg'".to_owned()
        }
        ErrorKind::InvalidSignature => "its signature is not that of the key".to_owned(),
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "its 'alg' is not the one that its key is for".to_owned()
        }
        ErrorKind::ExpiredSignature => "it has expired ('exp')".to_owned(),
        ErrorKind::ImmatureSignature => "it is not good yet ('nbf')".to_owned(),
        ErrorKind::InvalidIssuer => "its 'iss' is not the one expected".to_owned(),
        ErrorKind::InvalidAudience => "its 'aud' is not the one expected".to_owned(),
        ErrorKind::InvalidSubject => "its 'sub' is not the one expected".to_owned(),
        ErrorKind::MissingRequiredClaim(claim) => format!("it has no usable '{claim}'"),
        other => format!("{other:?}"),
    }
}

/// The algorithm that a key is good for.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::RSA(key) if key.n.len() >= SHORTEST_MODULUS => (Algorithm::RS512, KeyAlgorithm::RS512),
        _ => return None,
    };
    let fits = jwk.common.key_algorithm.is_none_or(|said| said == name)
        && jwk.common.public_key_use.as_ref().is_none_or(|said| *said == PublicKeyUse::Signature);
    fits.then_some(algorithm)
}

/// A private Ed25519 key.
pub struct SigningKey {
    kid: String,
    key: EncodingKey,
    public: Value,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads a key (PKCS#8 version 1, DER). Its id is its thumbprint (RFC 7638).
    ///
    /// # Errors
    /// Where it is none.
    pub fn read(der: &[u8]) -> Result<Self, AuthError> {
        let bad = |error: jsonwebtoken::errors::Error| AuthError::Keys(format!("not an Ed25519 private key: {error}"));
        let key = EncodingKey::from_ed_der(der);
        let jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).map_err(bad)?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(bad)?;
        let AlgorithmParameters::OctetKeyPair(pair) = jwk.algorithm else {
            return Err(AuthError::Keys("not an Ed25519 private key".to_owned()));
        };
        let public = json!({"kty": "OKP", "crv": "Ed25519", "x": pair.x, "kid": kid, "alg": "EdDSA", "use": "sig"});
        Ok(Self { kid, key, public })
    }

    /// The public half, as a JSON Web Key.
    #[must_use]
    pub fn public(&self) -> &Value {
        &self.public
    }

    /// The public half alone in a JSON Web Key Set.
    #[must_use]
    pub fn jwks(&self) -> String {
        json!({"keys": [self.public]}).to_string()
    }

    /// Signs claims.
    ///
    /// # Errors
    /// Where they cannot be written, or the key cannot be used.
    pub fn sign<T: Serialize>(&self, claims: &T) -> Result<String, AuthError> {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|error| AuthError::Keys(error.to_string()))
    }
}

#[cfg(test)]
mod tests;
