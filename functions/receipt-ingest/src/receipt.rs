//! What a delivery receipt says, and what it does to a message.

use std::fmt;

use ims_domain::MessageId;
use ims_domain::contact::Channel;
use ims_domain::invitation::{Message, MessageState};
use serde::Deserialize;
use thiserror::Error;

/// A delivery receipt of GOV.UK Notify. The recipient is not read, so that it can get into no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Notify's id of the message.
    pub id: String,
    /// Our reference: the message's id.
    pub reference: MessageId,
    /// What became of the message.
    pub status: Status,
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipt({}, {:?})", self.reference, self.status)
    }
}

/// What Notify says became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It arrived.
    Delivered,
    /// It did not, in Notify's word.
    Failed(&'static str),
    /// Not known yet: created, sending, pending, sent.
    UnderWay,
}

impl Status {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "delivered" => Self::Delivered,
            "permanent-failure" => Self::Failed("permanent-failure"),
            "temporary-failure" => Self::Failed("temporary-failure"),
            "technical-failure" => Self::Failed("technical-failure"),
            "created" | "sending" | "pending" | "sent" => Self::UnderWay,
            _ => return None,
        })
    }
}

/// Why a body is no receipt. Names the field; says nothing of what the body holds of a person.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReceiptError {
    /// Marked as base64, and is not.
    #[error("body: is not base64")]
    Base64,
    /// Not the JSON of a receipt.
    #[error("body: is not a delivery receipt (line {line}, column {column})")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Sent without a reference, or with one that is not ours.
    #[error("reference: is not a message id")]
    Reference,
    /// A status that this version does not know.
    #[error("status: is not known")]
    Status,
}

#[derive(Deserialize)]
struct Body {
    id: String,
    reference: Option<String>,
    status: String,
}

impl Receipt {
    /// Reads a callback's body.
    ///
    /// # Errors
    /// The first field that is absent or has no known value.
    pub fn parse(body: &[u8]) -> Result<Self, ReceiptError> {
        // The JSON reader's own words may quote the body.
        let body: Body = serde_json::from_slice(body)
            .map_err(|error| ReceiptError::Json { line: error.line(), column: error.column() })?;
        let reference = body.reference.as_deref().unwrap_or_default();
        Ok(Self {
            reference: reference.parse().map_err(|_| ReceiptError::Reference)?,
            status: Status::parse(&body.status).ok_or(ReceiptError::Status)?,
            id: body.id,
        })
    }
}

/// What a receipt does to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The message as it is afterwards.
    Move(Box<Message>),
    /// It says nothing new: repeated, overtaken, or not final.
    Nothing,
    /// It should not have come; why.
    Odd(&'static str),
}

/// What a receipt does to a message as it stands.
///
/// A message still `sending` is moved too: its sender then finds that it has nothing to note. Notify's id is kept from
/// whichever comes first.
#[must_use]
pub fn effect(message: &Message, receipt: &Receipt) -> Effect {
    let (to, detail) = match receipt.status {
        Status::Delivered => (MessageState::Delivered, None),
        Status::Failed(word) => (MessageState::Failed, Some(word.to_owned())),
        Status::UnderWay => return Effect::Nothing,
    };
    if message.channel != Channel::Sms {
        return Effect::Odd("the message is a letter, which Notify never had");
    }
    if matches!(message.state, MessageState::Queued | MessageState::Withdrawn) {
        return Effect::Odd("the message has not left");
    }
    if !message.state.accepts_receipt(to) {
        return Effect::Nothing;
    }
    Effect::Move(Box::new(Message {
        state: to,
        detail,
        provider_id: message.provider_id.clone().or_else(|| Some(receipt.id.clone())),
        version: message.version + 1,
        ..message.clone()
    }))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ims_domain::PersonId;
    use ims_domain::campaign::Step;
    use jiff::civil::date;
    use uuid::Uuid;

    use MessageState::{Delivered, Failed, Queued, Sending, Sent, Unknown, Withdrawn};

    pub(crate) fn message(state: MessageState) -> Message {
        Message {
            id: MessageId(Uuid::from_u128(1)),
            person: PersonId(Uuid::from_u128(2)),
            campaign: "flu-2025".into(),
            programme: "FLU".parse().unwrap(),
            dose: 1,
            wave: "w1".into(),
            step: Step::Invite,
            channel: Channel::Sms,
            state,
            detail: None,
            attempt: 1,
            queued_on: date(2025, 10, 6),
            sent_on: Some(date(2025, 10, 6)),
            claimed_at: None,
            provider: None,
            provider_id: None,
            batch: None,
            version: 3,
        }
    }

    fn receipt(status: Status) -> Receipt {
        Receipt { id: "notify-1".into(), reference: MessageId(Uuid::from_u128(1)), status }
    }

    const FAILED: Status = Status::Failed("permanent-failure");

    #[test]
    fn a_receipt_moves_a_message_that_left_and_no_other() {
        for (state, status, to) in [
            (Sending, Status::Delivered, Some(Delivered)),
            (Sending, FAILED, Some(Failed)),
            (Sent, Status::Delivered, Some(Delivered)),
            (Sent, FAILED, Some(Failed)),
            (Unknown, Status::Delivered, Some(Delivered)),
            (Unknown, FAILED, Some(Failed)),
            (Failed, Status::Delivered, Some(Delivered)),
            (Failed, FAILED, None),
            (Delivered, Status::Delivered, None),
            (Delivered, FAILED, None),
            (Queued, Status::Delivered, None),
            (Withdrawn, Status::Delivered, None),
            (Sending, Status::UnderWay, None),
            (Sent, Status::UnderWay, None),
        ] {
            match (effect(&message(state), &receipt(status)), to) {
                (Effect::Move(moved), Some(to)) => {
                    assert_eq!(moved.state, to, "{state:?} {status:?}");
                    assert_eq!(moved.version, 4);
                    assert_eq!(moved.detail.as_deref(), (to == Failed).then_some("permanent-failure"));
                }
                (Effect::Nothing | Effect::Odd(_), None) => {}
                (found, expected) => panic!("{state:?} {status:?}: {found:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn receipts_in_any_order_and_number_end_alike() {
        let orders: [&[Status]; 4] = [
            &[Status::Delivered, FAILED],
            &[FAILED, Status::Delivered, Status::Delivered],
            &[Status::UnderWay, FAILED, FAILED, Status::Delivered],
            &[Status::Delivered, Status::UnderWay],
        ];
        for order in orders {
            let mut held = message(Sending);
            for status in order {
                if let Effect::Move(moved) = effect(&held, &receipt(*status)) {
                    held = *moved;
                }
            }
            assert_eq!((held.state, held.detail), (Delivered, None), "{order:?}");
        }
    }

    #[test]
    fn the_providers_id_is_kept_from_whichever_comes_first() {
        let Effect::Move(early) = effect(&message(Sending), &receipt(Status::Delivered)) else { panic!() };
        assert_eq!(early.provider_id.as_deref(), Some("notify-1"));
        let sent = Message { provider_id: Some("from the sender".into()), ..message(Sent) };
        let Effect::Move(late) = effect(&sent, &receipt(Status::Delivered)) else { panic!() };
        assert_eq!(late.provider_id.as_deref(), Some("from the sender"));
    }

    #[test]
    fn notify_has_no_say_about_a_printed_letter() {
        let letter = Message { channel: Channel::Letter, ..message(Sending) };
        assert!(matches!(effect(&letter, &receipt(FAILED)), Effect::Odd(_)));
    }

    #[test]
    fn what_is_wrong_with_a_body_is_told_without_quoting_it() {
        let id = "5d0b1f0e-2f6a-5c11-9a1e-1b6e2f6a9c11";
        for (body, field) in [
            (format!(r#"{{"id":"1","reference":"{id}","status":"lost 07700900123"}}"#), "status"),
            (r#"{"id":"1","reference":"07700900123","status":"delivered"}"#.into(), "reference"),
            (r#"{"id":"1","reference":null,"status":"delivered"}"#.into(), "reference"),
            (r#"{"id":7700900123}"#.into(), "body"),
            ("07700900123".into(), "body"),
            (String::new(), "body"),
        ] {
            let error = Receipt::parse(body.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(field) && !error.contains("7700900123"), "{body}: {error}");
        }
    }
}
