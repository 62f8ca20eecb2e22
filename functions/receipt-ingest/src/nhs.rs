//! NHS Notify's callbacks: `POST /receipts/nhs-notify`.
//!
//! They carry the agreed API key and a signature of the body, HMAC-SHA256 under `APPLICATION_ID.API_KEY`. They come in any
//! order and more than once, and each may tell of several messages.

use std::fmt;

use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use ims_contact::nhs_notify::{Callback, CallbackAttributes};
use ims_domain::invitation::MessageState;

use crate::receipt::{Receipt, ReceiptError, Status};
use crate::request::{Refused, bytes};

/// What NHS Notify's callbacks are known by.
pub struct CallbackSecret {
    api_key: String,
    signing: hmac::Key,
}

impl fmt::Debug for CallbackSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackSecret")
    }
}

impl CallbackSecret {
    /// The application's id and the key that was agreed.
    #[must_use]
    pub fn new(application: &str, api_key: String) -> Self {
        let secret = format!("{application}.{api_key}");
        Self { signing: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), api_key }
    }
}

/// Reads a callback that carries the key and the body's signature. The body is not looked at before.
///
/// # Errors
/// Why it is not taken.
pub(crate) fn read(request: ApiGatewayProxyRequest, secret: &CallbackSecret) -> Result<Vec<Receipt>, Refused> {
    if request.http_method != "POST" {
        return Err(Refused::Method);
    }
    let header = |name: &str| {
        let value = request.headers.get(name).or_else(|| request.multi_value_headers.get(name));
        value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    if verify_slices_are_equal(header("x-api-key").as_bytes(), secret.api_key.as_bytes()).is_err() {
        return Err(Refused::Token);
    }
    let signature = from_hexadecimal(&header("x-hmac-sha256-signature"));
    let body = bytes(request)?;
    if signature.is_none_or(|signature| hmac::verify(&secret.signing, &body, &signature).is_err()) {
        return Err(Refused::Signature);
    }
    let wrong = |error: serde_json::Error| ReceiptError::Json { line: error.line(), column: error.column() };
    let callback: Callback = serde_json::from_slice(&body).map_err(wrong).map_err(Refused::Body)?;
    callback.data.iter().map(|item| receipt(&item.attributes)).collect::<Result<_, _>>().map_err(Refused::Body)
}

fn receipt(said: &CallbackAttributes) -> Result<Receipt, ReceiptError> {
    let status = match said.state() {
        Some(MessageState::Delivered) => Status::Delivered,
        Some(_) => Status::Failed(match said.supplier_status.as_deref() {
            Some("permanent_failure" | "rejected") => "permanent-failure",
            Some("temporary_failure") => "temporary-failure",
            Some("technical_failure") => "technical-failure",
            _ => "failed",
        }),
        None => Status::UnderWay,
    };
    let reference = said.message_reference.parse().map_err(|_| ReceiptError::Reference)?;
    Ok(Receipt { id: said.message_id.clone(), reference, status })
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] * 16 + pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const BODY: &str = r#"{"data":[
        {"type":"MessageStatus","attributes":{"messageId":"0ujsszwN8NRY24YaXiTIE2VWDTS","messageStatus":"delivered",
         "messageReference":"5d0b1f0e-2f6a-5c11-9a1e-1b6e2f6a9c11"}},
        {"type":"ChannelStatus","attributes":{"messageId":"0ujsszwN8NRY24YaXiTIE2VWDTS","channelStatus":"failed",
         "supplierStatus":"permanent_failure","messageReference":"5d0b1f0e-2f6a-5c11-9a1e-1b6e2f6a9c12"}},
        {"type":"MessageStatus","attributes":{"messageId":"0ujsszwN8NRY24YaXiTIE2VWDTS","messageStatus":"enriched",
         "messageReference":"5d0b1f0e-2f6a-5c11-9a1e-1b6e2f6a9c13"}}]}"#;

    fn secret() -> CallbackSecret {
        CallbackSecret::new("application", "agreed".to_owned())
    }

    fn signature(body: &str) -> String {
        let signature = hmac::sign(&secret().signing, body.as_bytes());
        signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn read_event(key: &str, signature: &str, body: &str) -> Result<Vec<Receipt>, Refused> {
        let event: Value = json!({
            "httpMethod": "POST", "path": "/receipts/nhs-notify", "multiValueHeaders": {}, "requestContext": {"identity": {}, "httpMethod": "POST"},
            "headers": {"x-api-key": key, "x-hmac-sha256-signature": signature}, "body": body, "isBase64Encoded": false,
        });
        read(serde_json::from_value(event).unwrap(), &secret())
    }

    #[test]
    fn a_signed_callback_tells_of_each_message() {
        let receipts = read_event("agreed", &signature(BODY), BODY).unwrap();
        let statuses: Vec<Status> = receipts.iter().map(|receipt| receipt.status).collect();
        assert_eq!(statuses, [Status::Delivered, Status::Failed("permanent-failure"), Status::UnderWay]);
        assert_eq!(receipts[0].reference.to_string(), "5d0b1f0e-2f6a-5c11-9a1e-1b6e2f6a9c11");
    }

    #[test]
    fn only_the_key_and_the_signature_of_this_body_open() {
        let right = signature(BODY);
        assert_eq!(read_event("other", &right, BODY), Err(Refused::Token));
        assert_eq!(read_event("", &right, BODY), Err(Refused::Token));
        for wrong in ["", "00", "zz", &right[1..], &signature("{}")] {
            assert_eq!(read_event("agreed", wrong, BODY), Err(Refused::Signature), "{wrong}");
        }
        assert_eq!(read_event("agreed", &right, &BODY.replace("delivered", "failed")), Err(Refused::Signature));
        assert!(matches!(read_event("agreed", &signature("{}"), "{}"), Err(Refused::Body(_))));
    }
}
