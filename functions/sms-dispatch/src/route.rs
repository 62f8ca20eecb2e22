//! Which provider a text is given to.
//!
//! The choice is made anew with each claim, and a claim is made only of a text that certainly no provider has. From then on
//! nobody but that provider is asked about the text or given it again: what may have been accepted never changes provider.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use ims_contact::notify;
use ims_contact::provider::{SendError, TextProvider};
use ims_domain::Person;
use ims_domain::invitation::Message;
use jiff::{SignedDuration, Timestamp};

use crate::pace::{Limits, Pace};

/// Failures in a row after which a provider is passed over.
const FAILURES: u32 = 5;
/// How long.
const PASSED_OVER: SignedDuration = SignedDuration::from_mins(1);

/// A provider, its pace, and how it has been lately in the eyes of this process.
pub struct Route {
    pub(crate) provider: Arc<dyn TextProvider>,
    pub(crate) pace: Pace,
    failures: AtomicU32,
    passed_over_until: AtomicI64,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("provider", &self.provider.name()).finish_non_exhaustive()
    }
}

impl Route {
    /// A provider with what it takes.
    #[must_use]
    pub fn new(provider: Arc<dyn TextProvider>, limits: Limits) -> Self {
        let pace = Pace::new(provider.name(), limits);
        Self { provider, pace, failures: AtomicU32::new(0), passed_over_until: AtomicI64::new(i64::MIN) }
    }

    /// Notes how a request ended. Being too fast, or a text that is wrong, says nothing against the provider.
    pub(crate) fn note(&self, ended: Result<(), &SendError>, now: Timestamp) {
        match ended {
            Ok(()) | Err(SendError::Refused { .. }) => self.failures.store(0, Ordering::Relaxed),
            Err(SendError::Retryable { status: Some(429), .. }) => {}
            Err(SendError::Retryable { .. } | SendError::Unknown { .. }) => {
                if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
                    self.failures.store(0, Ordering::Relaxed);
                    self.passed_over_until.store((now + PASSED_OVER).as_second(), Ordering::Relaxed);
                    tracing::warn!(provider = self.provider.name(), "passed over for a minute");
                }
            }
        }
    }

    fn is_well(&self, now: Timestamp) -> bool {
        self.passed_over_until.load(Ordering::Relaxed) <= now.as_second()
    }
}

/// The provider for a text that is to be claimed: the first that is well, else the first. `person` need be given only
/// where there is a choice; NHS Notify knows people by their NHS number.
pub(crate) fn choose<'a>(routes: &'a [Route], person: Option<&Person>, now: Timestamp) -> Option<&'a Route> {
    let fits =
        |route: &&Route| !route.provider.deduplicates() || person.is_some_and(|person| person.nhs_number.is_some());
    let mut fitting = routes.iter().filter(fits);
    fitting.clone().find(|route| route.is_well(now)).or_else(|| fitting.next())
}

/// The provider that a text was claimed for.
pub(crate) fn of<'a>(routes: &'a [Route], text: &Message) -> Option<&'a Route> {
    let name = text.provider.as_deref().unwrap_or(notify::NAME);
    routes.iter().find(|route| route.provider.name() == name)
}
