//! `letter-dispatch`: a schedule cuts waiting letters into batches; a queue message seals one batch; a change of a person
//! stops sealed letters that no longer stand.
//!
//! A letter leaves when its batch's manifest is created in the print bucket, and only if that manifest lists it. Creating
//! it is put-if-absent, so of any number of workers on one batch one seals it, and the others follow what it wrote. Until
//! then a letter held for the batch stays held, whoever looks at it: a worker thought dead may still create a manifest that
//! lists it. Nothing waits for a fence, because the manifest, unlike a provider, can be asked at any time.

mod compose;
mod cut;
#[cfg(test)]
mod model;
mod reconcile;
mod seal;
mod settle;
mod step;
mod stop;

use ims_contact::letter::LetterError;
use ims_contact::manifest::{BatchHeading, ManifestError};
use ims_contact::template::{TemplateError, TemplateSet};
use ims_decision::{DecisionError, RulesCache};
use ims_domain::BatchId;
use ims_domain::campaign::Step;
use ims_domain::letter::LetterKind;
use ims_messaging::{LetterJob, MessagingError, ObjectError, handle_each};
use ims_runtime::clock::ClockError;
use ims_runtime::settings::optional;
use ims_runtime::{Service, Trigger, UnknownEvent};
use ims_store::StoreError;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

pub use reconcile::{Difference, Found, Reconciled};
pub use stop::Stop;

/// Who claims, in the audit.
pub(crate) const ACTOR: &str = "letter-dispatch";

/// How long after sealing the supplier still takes letters out, unless it is said otherwise.
const CUT_OFF_MINUTES: u32 = 240;

/// Letters of a batch that are worked on at one time.
pub(crate) const AT_ONCE: usize = 8;

/// What the function can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Request {
    /// Cut the letters that wait into batches and queue them.
    Seal,
    /// Compare our letters with manifests and what the supplier reported.
    Reconcile,
}

/// What was queued.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Queued {
    /// Batches.
    pub batches: usize,
    /// Letters in them.
    pub letters: usize,
}

/// Why the function failed.
#[derive(Debug, Error)]
pub enum DispatchError {
    /// The event is not known.
    #[error(transparent)]
    Event(#[from] UnknownEvent),
    /// A stream record cannot be read.
    #[error("a record of the person table cannot be read: {0}")]
    Record(String),
    /// A result could not be written as JSON.
    #[error("the result cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    /// Store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Objects.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// Queues.
    #[error(transparent)]
    Messaging(#[from] MessagingError),
    /// Clock.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// A decision could not be made.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// The templates that are built in are wrong.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// No wording for these letters that may be used in this stage.
    #[error("there is no reviewed letter template for programme '{programme}', step '{step}'")]
    NoTemplate {
        /// Programme.
        programme: String,
        /// Step.
        step: &'static str,
    },
    /// The time until the supplier's cut-off is not said in minutes.
    #[error("IMS_PRINT_CUT_OFF_MINUTES: '{value}' is no number of minutes")]
    CutOff {
        /// What it says.
        value: String,
    },
    /// There is no such campaign.
    #[error("campaign '{campaign}' is not there")]
    NoCampaign {
        /// Campaign.
        campaign: String,
    },
    /// The batch could not be typeset.
    #[error(transparent)]
    Letter(#[from] LetterError),
    /// The manifest could not be made.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Letters of a sealed batch went on being moved by others.
    #[error("batch {batch}: {letters} letters could not be settled")]
    Unsettled {
        /// Batch.
        batch: String,
        /// Letters.
        letters: usize,
    },
}

/// The function with all that it works with.
pub struct Dispatcher {
    pub(crate) service: Service,
    pub(crate) rules: RulesCache,
    pub(crate) templates: TemplateSet,
    pub(crate) booking_link: String,
    pub(crate) booking_phone: String,
    pub(crate) cut_off: SignedDuration,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Dispatcher {
    /// From the built-in templates, and `IMS_BOOKING_LINK`, `IMS_BOOKING_PHONE` and `IMS_PRINT_CUT_OFF_MINUTES` where they
    /// are set.
    ///
    /// # Errors
    /// Where a built-in template fails its check, or the minutes are no number.
    pub fn from_env(service: Service) -> Result<Self, DispatchError> {
        let minutes = optional("IMS_PRINT_CUT_OFF_MINUTES").unwrap_or_else(|| CUT_OFF_MINUTES.to_string());
        let minutes: u32 = minutes.parse().map_err(|_| DispatchError::CutOff { value: minutes })?;
        Ok(Self {
            cut_off: SignedDuration::from_mins(minutes.into()),
            service,
            rules: RulesCache::default(),
            templates: TemplateSet::embedded()?,
            booking_link: optional("IMS_BOOKING_LINK").unwrap_or_else(|| "www.nhs.uk/get-vaccination".to_owned()),
            booking_phone: optional("IMS_BOOKING_PHONE").unwrap_or_else(|| "119".to_owned()),
        })
    }

    /// Whether wordings that nobody has reviewed may be printed: in a sandbox alone.
    pub(crate) fn unreviewed(&self) -> bool {
        self.service.settings.is_sandbox()
    }

    pub(crate) fn heading(
        &self,
        campaign: &str,
        step: Step,
        kind: LetterKind,
        batch: BatchId,
        created: Timestamp,
    ) -> BatchHeading {
        let cut_off = created.saturating_add(self.cut_off).unwrap_or(created);
        BatchHeading { batch, campaign: campaign.to_owned(), step, kind, created, cut_off }
    }

    /// Handles one event: batches to seal, changed people, or the request to cut batches.
    ///
    /// # Errors
    /// Where the event is unknown, cutting fails, or changed people cannot be looked at; the stream then delivers them
    /// again. A batch that fails is reported in the answer and comes again.
    pub async fn handle(&self, event: Value) -> Result<Value, DispatchError> {
        if event.pointer("/Records/0/eventSource").and_then(Value::as_str) == Some("aws:dynamodb") {
            Box::pin(stop::changed(self, serde_json::from_value(event)?)).await?;
            return Ok(Value::Null);
        }
        match Trigger::read(event)? {
            Trigger::Messages(event) => {
                let response =
                    handle_each(event, |job: LetterJob| async move { Box::pin(seal::seal(self, &job)).await }).await;
                Ok(serde_json::to_value(response)?)
            }
            Trigger::Request(Request::Seal) => Ok(serde_json::to_value(Box::pin(cut::cut(self)).await?)?),
            Trigger::Request(Request::Reconcile) => {
                Ok(serde_json::to_value(Box::pin(reconcile::reconcile(self)).await?)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_messages_and_the_request_are_told_apart() {
        let messages: Value = serde_json::from_str(include_str!("../fixtures/batch.json")).unwrap();
        match Trigger::<Request>::read(messages).unwrap() {
            Trigger::Messages(event) => assert_eq!(event.records.len(), 1),
            Trigger::Request(_) => panic!("queue messages were read as a request"),
        }
        let request: Value = serde_json::from_str(include_str!("../fixtures/seal.json")).unwrap();
        assert!(matches!(Trigger::read(request), Ok(Trigger::Request(Request::Seal))));
        assert!(Trigger::<Request>::read(serde_json::json!({"action": "print"})).is_err());
    }

    #[tokio::test]
    async fn the_fixture_is_a_batch_of_letters() {
        let messages: Value = serde_json::from_str(include_str!("../fixtures/batch.json")).unwrap();
        let event = serde_json::from_value(messages).unwrap();
        let mut seen = Vec::new();
        let response = handle_each(event, |job: LetterJob| {
            seen.push((job.campaign, job.messages.len()));
            async { Ok::<(), std::io::Error>(()) }
        })
        .await;
        assert!(response.batch_item_failures.is_empty());
        assert_eq!(seen, [("flu-2025".to_owned(), 2)]);
    }
}
