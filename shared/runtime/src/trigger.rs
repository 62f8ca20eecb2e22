//! What woke a function that has more than one trigger.

use aws_lambda_events::event::sqs::SqsEvent;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

/// What woke a function: queue messages, or a request from a schedule or an operator.
#[derive(Debug)]
pub enum Trigger<R> {
    /// Messages from its queue.
    Messages(SqsEvent),
    /// A request, such as `{"action": "merge"}`.
    Request(R),
}

/// An event that the function does not know.
#[derive(Debug, Error)]
#[error("the event is neither queue messages nor a known request: {0}")]
pub struct UnknownEvent(String);

impl<R: DeserializeOwned> Trigger<R> {
    /// Tells what an event is.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn read(event: Value) -> Result<Self, UnknownEvent> {
        let unknown = |error: serde_json::Error| UnknownEvent(error.to_string());
        if event.get("Records").is_some() {
            serde_json::from_value(event).map(Self::Messages).map_err(unknown)
        } else {
            serde_json::from_value(event).map(Self::Request).map_err(unknown)
        }
    }
}
