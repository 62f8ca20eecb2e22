//! `receipt-ingest`: delivery receipts of GOV.UK Notify, `POST /receipts/notify`, and of NHS Notify, `POST
//! /receipts/nhs-notify`, and what the print supplier reports.
//!
//! A text that failed is followed by a letter for the same step, where one may go, and marks the number that it went to.
//!
//! Receipts come in any order and more than once, some before the sender has noted what Notify answered it. Each is a
//! conditional move of one message; one that says nothing new changes nothing.
//!
//! Notify posts again, five times in 25 minutes, whatever is not answered with success. So only what may go better later is
//! refused (503); a receipt that cannot be read or that no message fits is logged and taken.

mod nhs;
pub mod print;
mod receipt;
mod request;
pub mod supplier;

use aws_lambda_events::apigw::ApiGatewayProxyRequest;

use ims_decision::{DecisionError, RulesCache, TextFailure, fail_text, text_arrived};
use ims_domain::invitation::MessageState;
use ims_domain::reach::NumberFault;
use ims_store::{Store, until_it_holds};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

pub use nhs::CallbackSecret;
pub use receipt::{Effect, Receipt, ReceiptError, Status, effect};
pub use request::{CallbackToken, Refused, body, read};

/// Moves of a message that others overtake.
const ATTEMPTS: u32 = 6;

/// Who notes, in the audit trail.
const ACTOR: &str = "receipt-ingest";

/// What receipts are taken with.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// The truth.
    pub store: &'a Store,
    /// Campaigns' rules: a letter may follow a text that failed.
    pub rules: &'a RulesCache,
    /// What GOV.UK Notify's callbacks carry.
    pub token: &'a CallbackToken,
    /// What NHS Notify's are known by, where it is in use.
    pub nhs_notify: Option<&'a CallbackSecret>,
}

/// Answers one API Gateway event on a business day.
///
/// # Errors
/// Where the event is no API Gateway request.
pub async fn handle(desk: &Desk<'_>, event: Value, today: Date) -> Result<Value, lambda_runtime::Error> {
    let request: ApiGatewayProxyRequest = serde_json::from_value(event)?;
    let of_nhs_notify = request.path.as_deref().unwrap_or_default().ends_with("/nhs-notify");
    let (receipts, taken) = match (of_nhs_notify, desk.nhs_notify) {
        (true, Some(secret)) => (nhs::read(request, secret), 202),
        (true, None) => return Ok(answer(404, "NHS Notify is not in use here")),
        (false, _) => (read(request, desk.token).map(|receipt| vec![receipt]), 200),
    };
    let receipts = match receipts {
        Ok(receipts) => receipts,
        Err(refused) => return Ok(refusal(&refused, taken)),
    };
    let mut words = "nothing new";
    for receipt in &receipts {
        match take(desk, receipt, today).await {
            Ok(became) => words = became,
            Err(error) => {
                tracing::error!(message = %receipt.reference, %error, "a receipt could not be noted; it will come again");
                return Ok(answer(503, "try again"));
            }
        }
    }
    Ok(answer(taken, words))
}

/// Notes a receipt on its message, under the message's version, with what follows from it.
async fn take(desk: &Desk<'_>, receipt: &Receipt, today: Date) -> Result<&'static str, DecisionError> {
    until_it_holds(ATTEMPTS, async |_| {
        let Some(message) = desk.store.message(receipt.reference).await? else {
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
        let now = Timestamp::now();
        if moved.state == MessageState::Delivered {
            text_arrived(desk.store, &message, &receipt.id, now, ACTOR).await?;
            return Ok("noted");
        }
        let detail = moved.detail.unwrap_or_default();
        let number = number_fault(&detail);
        let failure = TextFailure { detail, provider_id: Some(receipt.id.clone()), number };
        let letter = fail_text(desk.store, desk.rules, &message, &failure, today, now, ACTOR).await?;
        Ok(if letter.is_some() { "noted; a letter follows" } else { "noted" })
    })
    .await
}

/// What Notify's word says of the number. A technical failure says nothing of it.
fn number_fault(word: &str) -> Option<NumberFault> {
    match word {
        "permanent-failure" => Some(NumberFault::Dead),
        "temporary-failure" => Some(NumberFault::Silent),
        _ => None,
    }
}

/// The answer to what is not taken. A receipt that cannot be read is answered as one that is `taken`: it would not be better
/// the next time.
fn refusal(refused: &Refused, taken: u16) -> Value {
    match refused {
        Refused::Method => answer(405, "only POST is known here"),
        Refused::Token => {
            tracing::warn!("a receipt without the callback token was refused");
            answer(401, "the token is missing or wrong")
        }
        Refused::Signature => {
            tracing::warn!("a receipt that is not what was signed was refused");
            answer(403, "the signature is missing or wrong")
        }
        Refused::Body(error) => {
            tracing::warn!(%error, "a receipt cannot be read");
            answer(taken, "ignored")
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
