//! `receipt-ingest`: GOV.UK Notify's delivery receipts, `POST /receipts/notify`, and what the print supplier reports.
//!
//! Receipts come in any order and more than once, some before the sender has noted what Notify answered it. Each is a
//! conditional move of one message; one that says nothing new changes nothing.
//!
//! Notify posts again, five times in 25 minutes, whatever is not answered with success. So only what may go better later is
//! refused (503); a receipt that cannot be read or that no message fits is logged and taken.

pub mod print;
mod receipt;
mod request;
pub mod supplier;

use ims_store::{Store, StoreError};
use serde_json::{Value, json};

pub use receipt::{Effect, Receipt, ReceiptError, Status, effect};
pub use request::{CallbackToken, Refused, body, read};

/// Moves of a message that others overtake.
const ATTEMPTS: u32 = 6;

/// Answers one API Gateway event.
///
/// # Errors
/// Where the event is no API Gateway request.
pub async fn handle(store: &Store, token: &CallbackToken, event: Value) -> Result<Value, lambda_runtime::Error> {
    let receipt = match read(serde_json::from_value(event)?, token) {
        Ok(receipt) => receipt,
        Err(refused) => return Ok(refusal(&refused)),
    };
    match take(store, &receipt).await {
        Ok(taken) => Ok(answer(200, taken)),
        Err(error) => {
            tracing::error!(message = %receipt.reference, %error, "a receipt could not be noted; it will come again");
            Ok(answer(503, "try again"))
        }
    }
}

/// Notes a receipt on its message, under the message's version.
async fn take(store: &Store, receipt: &Receipt) -> Result<&'static str, StoreError> {
    let mut attempt = 0;
    loop {
        let Some(message) = store.message(receipt.reference).await? else {
            tracing::warn!(message = %receipt.reference, "a receipt for a message that is not there");
            return Ok("ignored");
        };
        let moved = match effect(&message, receipt) {
            Effect::Move(moved) => moved,
            Effect::Nothing => return Ok("nothing new"),
            Effect::Odd(why) => {
                tracing::warn!(message = %message.id, state = message.state.name(), why, "a receipt was ignored");
                return Ok("ignored");
            }
        };
        match store.transaction().move_message(&moved, message.version)?.commit().await {
            Ok(()) => return Ok("noted"),
            Err(error) if error.is_condition() && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

/// The answer to what is not taken. A receipt that cannot be read is: it would not be better the next time.
fn refusal(refused: &Refused) -> Value {
    match refused {
        Refused::Method => answer(405, "only POST is known here"),
        Refused::Token => {
            tracing::warn!("a receipt without the callback token was refused");
            answer(401, "the bearer token is missing or wrong")
        }
        Refused::Body(error) => {
            tracing::warn!(%error, "a receipt cannot be read");
            answer(200, "ignored")
        }
    }
}

/// An answer for API Gateway.
fn answer(status: u16, text: &str) -> Value {
    let mut headers = json!({"Content-Type": "application/json"});
    if status == 401 {
        headers["WWW-Authenticate"] = json!("Bearer");
    }
    json!({
        "statusCode": status,
        "headers": headers,
        "multiValueHeaders": {},
        "isBase64Encoded": false,
        "body": json!({"result": text}).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_is_wanted() {
        let refused = answer(401, "no");
        assert_eq!((&refused["statusCode"], &refused["headers"]["WWW-Authenticate"]), (&json!(401), &json!("Bearer")));
        assert!(answer(200, "noted")["headers"].get("WWW-Authenticate").is_none());
        assert_eq!(answer(200, "noted")["body"], r#"{"result":"noted"}"#);
    }
}
