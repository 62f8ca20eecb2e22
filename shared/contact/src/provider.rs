//! What a provider of texts must be able to do, and what its answers mean.

use std::fmt;
use std::pin::Pin;

use ims_domain::invitation::MessageState;
use ims_domain::{MessageId, NhsNumber};
use jiff::Timestamp;
use thiserror::Error;
use uuid::Uuid;

use crate::phone::UkMobile;

/// A text to one person. `Debug` shows whose it is by reference alone.
#[derive(Clone)]
pub struct Text {
    /// Our reference, the same for every attempt.
    pub reference: MessageId,
    /// Where it goes.
    pub to: UkMobile,
    /// Whom it is about, where known.
    pub nhs_number: Option<NhsNumber>,
    /// GOV.UK Notify's template that carries the words.
    pub template: Uuid,
    /// The words.
    pub body: String,
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({})", self.reference)
    }
}

/// The provider took the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The provider's id.
    pub id: String,
}

/// A text that the provider has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The provider's id.
    pub id: String,
    /// What became of it so far, where its word for that is known.
    pub state: Option<MessageState>,
}

/// A text in the provider's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The provider's id.
    pub id: String,
    /// The reference that it was given, or nothing.
    pub reference: String,
    /// What became of it so far, where the provider's word for that is known.
    pub state: Option<MessageState>,
    /// When the provider took it.
    pub created: Timestamp,
}

/// What became of a request that was not answered with success.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// The provider will never accept this message: it is wrong, or may not go to this recipient.
    #[error("refused with status {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The provider's words, without the recipient.
        message: String,
    },
    /// Certainly not accepted, and the cause lies elsewhere than in the message: a rate limit, a fault at the provider,
    /// a wrong clock or key, no connection.
    #[error("not accepted{}: {message}", .status.map(|status| format!(" (status {status})")).unwrap_or_default())]
    Retryable {
        /// HTTP status, where there was an answer.
        status: Option<u16>,
        /// The provider's words, or ours.
        message: String,
    },
    /// It may have been accepted: ask, after the fence, before another attempt.
    #[error("unknown whether accepted: {message}")]
    Unknown {
        /// What happened.
        message: String,
    },
}

/// What a provider answers in its own time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SendError>> + Send + 'a>>;

/// A provider of texts. One call is one attempt: no retry, no redirect, and a deadline.
pub trait TextProvider: fmt::Debug + Send + Sync {
    /// Its name in items and counters.
    fn name(&self) -> &'static str;

    /// Whether a text that is sent again under the same reference is never delivered twice, so that nothing need be
    /// asked before.
    fn deduplicates(&self) -> bool;

    /// Sends a text under a claim of this time. [`SendError`] says whether it may have been accepted.
    fn send<'a>(&'a self, text: &'a Text, claimed: Timestamp) -> Answer<'a, Accepted>;

    /// A page of all texts that it has, the newest first, older than the one with this id; empty at the end, and from a
    /// provider that lists nothing.
    fn list(&self, older_than: Option<String>, now: Timestamp) -> Answer<'_, Vec<Listed>>;

    /// What it has under a reference. Never [`SendError::Unknown`]: asking has no effect.
    fn find<'a>(&'a self, reference: &'a MessageId, now: Timestamp) -> Answer<'a, Option<Found>>;
}
