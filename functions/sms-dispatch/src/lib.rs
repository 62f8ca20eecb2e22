//! `sms-dispatch`: claims a text on the live person, sends it once, and settles what became of it.
//!
//! A text leaves at the commit of its claim. If the sender dies or the answer is lost, whoever comes next waits for the
//! fence, asks Notify by reference twice, and sends again only if Notify has never heard of it.

pub mod compare;
pub mod pace;
mod reconcile;
mod route;
mod send;
mod settings;

pub use route::Route;
pub use settings::{Dispatcher, DispatcherError, Limits, Now};

use futures::{StreamExt, stream};
use ims_contact::provider::SendError;
use ims_contact::template::TemplateError;
use ims_decision::DecisionError;
use ims_domain::MessageId;
use ims_messaging::{MessagingError, ObjectError, Queue, SmsJob, handle_together};
use ims_runtime::clock::ClockError;
use ims_runtime::{Service, Trigger, UnknownEvent, metric};
use ims_snapshot::SnapshotError;
use ims_store::{AuditEntry, Store, StoreError};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

/// Who claims, in the audit trail.
pub(crate) const ACTOR: &str = "sms-dispatch";

/// What the function can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Request {
    /// Queue again every text that the snapshot shows as neither sent nor ended: the way back from the dead-letter queue.
    Reconcile,
    /// Hold the texts of the last day against the providers' lists.
    Compare,
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
    #[error("there is no reviewed text template for {programme} {step}")]
    NoTemplate {
        /// Programme.
        programme: String,
        /// Step.
        step: &'static str,
    },
    /// A template cannot be filled in.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A provider could not be asked.
    #[error(transparent)]
    Provider(SendError),
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
        Trigger::Request(Request::Compare) => {
            let compared = compare_all(&service.store, dispatcher, service.clock.today().await?).await?;
            let count = compared.alarming();
            metric::count(service.settings.stage(), (dispatcher.now)(), &[("TextsDiffer", count)]);
            Ok(serde_json::to_value(compared)?)
        }
        Trigger::Messages(messages) => {
            let answer = handle_together(messages, |job: SmsJob| take(service, dispatcher, job)).await;
            Ok(serde_json::to_value(answer)?)
        }
    }
}

/// Holds our texts against every provider's list; what only a person can set right goes to the log as errors.
///
/// # Errors
/// Where a provider cannot be asked, or the store fails.
pub async fn compare_all(
    store: &Store,
    dispatcher: &Dispatcher,
    today: Date,
) -> Result<compare::Comparison, DispatchError> {
    let mut all = compare::Comparison::default();
    for route in &dispatcher.routes {
        let provider = route.provider.as_ref();
        let found = compare::compare(store, &dispatcher.rules, provider, today, (dispatcher.now)()).await?;
        all.listed += found.listed;
        for (difference, references) in found.differences {
            let (provider, count) = (provider.name(), references.len());
            if difference.is_alarming() {
                tracing::error!(provider, ?difference, count, ?references, "texts differ from the provider's list");
            } else {
                tracing::warn!(provider, ?difference, count, "texts were brought to what the provider's list says");
            }
            all.differences.entry(difference).or_default().extend(references);
        }
    }
    Ok(all)
}

/// Sends a job's texts. Those that must wait go back to the queue in jobs of their own, delayed, so that waiting does
/// not use up the message's receives.
async fn take(service: &Service, dispatcher: &Dispatcher, job: SmsJob) -> Result<(), DispatchError> {
    let sent = dispatch(&service.store, dispatcher, job, service.clock.now().await?).await?;
    for (job, seconds) in sent.later {
        service.queues.send_later(Queue::SmsDispatch, &[job], seconds).await?;
    }
    sent.failed.map_or(Ok(()), Err)
}

/// What became of a job.
#[derive(Debug, Default)]
pub struct Dispatched {
    /// Texts to be looked at again, each after how many seconds.
    pub later: Vec<(SmsJob, u32)>,
    /// Why a text could not be worked on at all: the job must come again.
    pub failed: Option<DispatchError>,
}

/// Sends a job's texts at a business time, several at once. A text that fails does not stop the others, which may be on
/// their way.
///
/// # Errors
/// Where the job cannot be entered in the audit trail.
pub async fn dispatch(
    store: &Store,
    dispatcher: &Dispatcher,
    job: SmsJob,
    business: Timestamp,
) -> Result<Dispatched, DispatchError> {
    let run = AuditEntry::new((dispatcher.now)(), ACTOR, "sms", "a job of texts".to_owned());
    store.audit(&run.counting(job.messages.len())).await?;
    let texts = stream::iter(job.messages).map(|id| async move {
        let _place = dispatcher.places.acquire().await;
        (id, send::send(store, dispatcher, id, business).await)
    });
    let outcomes: Vec<(MessageId, Result<Option<u32>, DispatchError>)> =
        texts.buffer_unordered(settings::CONCURRENCY).collect().await;
    let (mut waiting, mut failed) = (Vec::new(), None);
    for (id, outcome) in outcomes {
        match outcome {
            Ok(seconds) => waiting.extend(seconds.map(|seconds| (id, seconds))),
            Err(error) => failed = Some(error),
        }
    }
    waiting.sort_by_key(|(_, seconds)| *seconds);
    let later = waiting
        .chunk_by(|one, two| one.1 == two.1)
        .map(|block| (SmsJob { messages: block.iter().map(|(id, _)| *id).collect() }, block[0].1))
        .collect();
    Ok(Dispatched { later, failed })
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
