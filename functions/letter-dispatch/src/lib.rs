//! `letter-dispatch`: a schedule cuts waiting letters into batches; a queue message seals one batch.
//!
//! A letter leaves when its batch's manifest is created in the print bucket, and only if that manifest lists it. Creating
//! it is put-if-absent, so of any number of workers on one batch one seals it, and the others follow what it wrote. Until
//! then a letter held for the batch stays held, whoever looks at it: a worker thought dead may still create a manifest that
//! lists it. Nothing waits for a fence, because the manifest, unlike a provider, can be asked at any time.

mod compose;
mod cut;
#[cfg(test)]
mod model;
mod seal;
mod settle;
mod step;

use ims_contact::letter::LetterError;
use ims_contact::manifest::ManifestError;
use ims_contact::template::{TemplateError, TemplateSet};
use ims_decision::{DecisionError, RulesCache};
use ims_messaging::{LetterJob, MessagingError, ObjectError, handle_each};
use ims_runtime::clock::ClockError;
use ims_runtime::settings::optional;
use ims_runtime::{Service, Trigger, UnknownEvent};
use ims_store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// Who claims, in the audit.
pub(crate) const ACTOR: &str = "letter-dispatch";

/// Letters of a batch that are worked on at one time.
pub(crate) const AT_ONCE: usize = 8;

/// What the function can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Request {
    /// Cut the letters that wait into batches and queue them.
    Seal,
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
    /// No wording for these letters.
    #[error("there is no letter template for programme '{programme}', step '{step}'")]
    NoTemplate {
        /// Programme.
        programme: String,
        /// Step.
        step: &'static str,
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
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Dispatcher {
    /// From the built-in templates, and `IMS_BOOKING_LINK` and `IMS_BOOKING_PHONE` where they are set.
    ///
    /// # Errors
    /// Where a built-in template fails its check.
    pub fn from_env(service: Service) -> Result<Self, DispatchError> {
        Ok(Self {
            service,
            rules: RulesCache::default(),
            templates: TemplateSet::embedded()?,
            booking_link: optional("IMS_BOOKING_LINK").unwrap_or_else(|| "www.nhs.uk/get-vaccination".to_owned()),
            booking_phone: optional("IMS_BOOKING_PHONE").unwrap_or_else(|| "119".to_owned()),
        })
    }

    /// Handles one event: batches to seal, or the request to cut them.
    ///
    /// # Errors
    /// Where the event is unknown, or cutting fails. A batch that fails is reported in the answer and comes again.
    pub async fn handle(&self, event: Value) -> Result<Value, DispatchError> {
        match Trigger::read(event)? {
            Trigger::Messages(event) => {
                let response =
                    handle_each(event, |job: LetterJob| async move { Box::pin(seal::seal(self, &job)).await }).await;
                Ok(serde_json::to_value(response)?)
            }
            Trigger::Request(Request::Seal) => Ok(serde_json::to_value(Box::pin(cut::cut(self)).await?)?),
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
