//! From an API Gateway request to a receipt.

use std::fmt;

use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::receipt::{Receipt, ReceiptError};

/// The bearer token that Notify's callbacks carry.
pub struct CallbackToken(String);

impl fmt::Debug for CallbackToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackToken")
    }
}

impl CallbackToken {
    /// The token as configured.
    #[must_use]
    pub fn new(token: String) -> Self {
        Self(token)
    }

    /// Whether an `Authorization` header carries it. Takes as long for a nearly right token as for any other.
    fn is_in(&self, header: &str) -> bool {
        let Some((scheme, token)) = header.split_once(' ') else { return false };
        scheme.eq_ignore_ascii_case("bearer")
            && verify_slices_are_equal(token.trim().as_bytes(), self.0.as_bytes()).is_ok()
    }
}

/// Why a request is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Not a POST.
    Method,
    /// Without the token.
    Token,
    /// The body is not what was signed.
    Signature,
    /// The body is no receipt.
    Body(ReceiptError),
}

/// Reads a receipt from a request that carries the token. The body is not looked at before.
///
/// # Errors
/// Why it is not taken.
pub fn read(request: ApiGatewayProxyRequest, token: &CallbackToken) -> Result<Receipt, Refused> {
    Receipt::parse(&body(request, token)?).map_err(Refused::Body)
}

/// The bytes of the body of a request that carries the token.
///
/// # Errors
/// Why it is not taken.
pub fn body(request: ApiGatewayProxyRequest, token: &CallbackToken) -> Result<Vec<u8>, Refused> {
    if request.http_method != "POST" {
        return Err(Refused::Method);
    }
    let header = request.headers.get("authorization").or_else(|| request.multi_value_headers.get("authorization"));
    if !header.and_then(|value| value.to_str().ok()).is_some_and(|value| token.is_in(value)) {
        return Err(Refused::Token);
    }
    bytes(request)
}

/// The bytes of a request's body.
pub(crate) fn bytes(request: ApiGatewayProxyRequest) -> Result<Vec<u8>, Refused> {
    let body = request.body.unwrap_or_default();
    if request.is_base64_encoded {
        STANDARD.decode(body).map_err(|_| Refused::Body(ReceiptError::Base64))
    } else {
        Ok(body.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::Status;
    use serde_json::{Value, json};

    fn fixture(name: &str) -> Value {
        let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn read_event(event: Value) -> Result<Receipt, Refused> {
        read(serde_json::from_value(event).unwrap(), &CallbackToken::new("callback-token".into()))
    }

    #[test]
    fn every_kind_of_receipt_is_read() {
        for (name, status) in [
            ("delivered", Status::Delivered),
            ("delivered-base64", Status::Delivered),
            ("permanent-failure", Status::Failed("permanent-failure")),
            ("temporary-failure", Status::Failed("temporary-failure")),
            ("technical-failure", Status::Failed("technical-failure")),
            ("sending", Status::UnderWay),
        ] {
            let receipt = read_event(fixture(name)).unwrap();
            assert_eq!(receipt.status, status, "{name}");
            assert_eq!(receipt.reference.to_string(), "5d0b1f0e-2f6a-5c11-9a1e-1b6e2f6a9c11", "{name}");
            assert_eq!(receipt.id, "740e5834-3a29-46b4-9a6f-16142fde533a", "{name}");
        }
    }

    #[test]
    fn a_received_text_or_a_broken_body_is_no_receipt() {
        assert!(matches!(read_event(fixture("received-text")), Err(Refused::Body(_))));
        let mut broken = fixture("delivered-base64");
        broken["body"] = json!("%%%");
        assert_eq!(read_event(broken), Err(Refused::Body(ReceiptError::Base64)));
        let mut empty = fixture("delivered");
        empty["body"] = Value::Null;
        assert!(matches!(read_event(empty), Err(Refused::Body(_))));
    }

    #[test]
    fn only_the_token_opens() {
        for (header, opens) in [
            (json!("Bearer callback-token"), true),
            (json!("bearer callback-token"), true),
            (json!("Bearer callback-tokem"), false),
            (json!("Bearer callback-token2"), false),
            (json!("Bearer "), false),
            (json!("Basic callback-token"), false),
            (json!("callback-token"), false),
            (json!(""), false),
        ] {
            let mut event = fixture("delivered");
            event["headers"] = json!({"authorization": header});
            event["multiValueHeaders"] = json!({});
            assert_eq!(read_event(event).is_ok(), opens, "{header}");
        }
        let mut none = fixture("received-text");
        none["headers"] = Value::Null;
        none["multiValueHeaders"] = Value::Null;
        assert_eq!(read_event(none), Err(Refused::Token), "the body is not read without the token");
        let mut get = fixture("delivered");
        get["httpMethod"] = json!("GET");
        assert_eq!(read_event(get), Err(Refused::Method));
    }
}
