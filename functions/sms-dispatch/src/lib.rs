//! `sms-dispatch`: claims a text on the live person, sends it once, and settles what became of it.
//!
//! A text leaves at the commit of its claim. If the sender dies or the answer is lost, whoever comes next waits for the
//! fence, asks Notify by reference twice, and sends again only if Notify has never heard of it.

mod reconcile;
mod send;
mod settings;

pub use settings::{Dispatcher, DispatcherError};

use futures::{StreamExt, TryStreamExt, stream};
use ims_contact::template::TemplateError;
use ims_decision::DecisionError;
use ims_domain::MessageId;
use ims_messaging::{MessagingError, ObjectError, Queue, SmsJob, handle_each};
use ims_runtime::clock::ClockError;
use ims_runtime::{Service, Trigger, UnknownEvent};
use ims_snapshot::SnapshotError;
use ims_store::{AuditEntry, StoreError};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

/// Who claims, in the audit trail.
pub(crate) const ACTOR: &str = "sms-dispatch";

/// Texts sent at the same time by one process.
const CONCURRENCY: usize = 8;

/// What the function can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Request {
    /// Queue again every text that the snapshot shows as neither sent nor ended: the way back from the dead-letter queue.
    Reconcile,
}

/// Why the function failed.
#[derive(Debug, Error)]
pub enum DispatchError {
    /// The event is not known.
    #[error(transparent)]
    Event(#[from] UnknownEvent),
    /// The answer cannot be written.
    #[error("the answer cannot be written: {0}")]
    Answer(#[from] serde_json::Error),
    /// No template for a programme and step.
    #[error("there is no text template for {programme} {step}")]
    NoTemplate {
        /// Programme.
        programme: String,
        /// Step.
        step: &'static str,
    },
    /// A template cannot be filled in.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Decision or claim.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// Store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Queues.
    #[error(transparent)]
    Messaging(#[from] MessagingError),
    /// Objects.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// Parquet.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Clock.
    #[error(transparent)]
    Clock(#[from] ClockError),
}

/// Handles one event.
///
/// # Errors
/// Where the event is unknown or a request fails; a failed message is reported in the answer.
pub async fn handle(service: &Service, dispatcher: &Dispatcher, event: Value) -> Result<Value, DispatchError> {
    match Trigger::read(event)? {
        Trigger::Request(Request::Reconcile) => Ok(json!({"requeued": reconcile::requeue(service).await?})),
        Trigger::Messages(messages) => {
            let answer = handle_each(messages, |job: SmsJob| dispatch(service, dispatcher, job)).await;
            Ok(serde_json::to_value(answer)?)
        }
    }
}

/// Sends a job's texts. Those that must wait go back to the queue in a job of their own, delayed, so that waiting does
/// not use up the message's receives.
async fn dispatch(service: &Service, dispatcher: &Dispatcher, job: SmsJob) -> Result<(), DispatchError> {
    let today = service.clock.today().await?;
    let run = AuditEntry::new(Timestamp::now(), ACTOR, "sms", "a job of texts".to_owned());
    service.store.audit(&run.counting(job.messages.len())).await?;
    let later: Vec<Option<(MessageId, u32)>> = stream::iter(job.messages)
        .map(|id| async move {
            let outcome = send::send(&service.store, dispatcher, id, today).await?;
            Ok::<_, DispatchError>(outcome.map(|seconds| (id, seconds)))
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
    let mut waiting: Vec<(MessageId, u32)> = later.into_iter().flatten().collect();
    waiting.sort_by_key(|(_, seconds)| *seconds);
    for block in waiting.chunk_by(|one, two| one.1 == two.1) {
        let messages = block.iter().map(|(id, _)| *id).collect();
        service.queues.send_later(Queue::SmsDispatch, &[SmsJob { messages }], block[0].1).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_messages_and_requests_are_told_apart() {
        let messages: Value = serde_json::from_str(include_str!("../fixtures/sqs.json")).unwrap();
        assert!(matches!(Trigger::<Request>::read(messages), Ok(Trigger::Messages(_))));
        let reconcile: Value = serde_json::from_str(include_str!("../fixtures/reconcile.json")).unwrap();
        assert!(matches!(Trigger::<Request>::read(reconcile), Ok(Trigger::Request(Request::Reconcile))));
    }
}
