//! What the dispatcher works with beside the service.

use std::time::Duration;

use ims_contact::notify::{ConfigError, NotifyClient};
use ims_contact::template::{TemplateError, TemplateSet};
use ims_decision::{Fence, RulesCache};
use ims_runtime::SettingsError;
use ims_runtime::settings::{optional, required};
use jiff::SignedDuration;
use thiserror::Error;

/// Notify refuses a token older than this.
const TOKEN_SECONDS: u64 = 30;

/// Fence unless configured: the token's age, the longest deadline and as much again.
const FENCE_SECONDS: u64 = 90;

/// Why the dispatcher cannot start.
#[derive(Debug, Error)]
pub enum DispatcherError {
    /// Configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Notify's address or key.
    #[error(transparent)]
    Notify(#[from] ConfigError),
    /// Templates.
    #[error(transparent)]
    Templates(#[from] TemplateError),
}

/// Notify, templates, rules and times.
pub struct Dispatcher {
    pub(crate) notify: NotifyClient,
    pub(crate) templates: TemplateSet,
    pub(crate) rules: RulesCache,
    pub(crate) fence: Fence,
    /// Between the two questions to Notify.
    pub(crate) between_questions: Duration,
    pub(crate) booking_link: String,
    pub(crate) booking_phone: String,
}

impl Dispatcher {
    /// From `IMS_NOTIFY_URL`, `IMS_NOTIFY_API_KEY` and `IMS_SEND_FENCE_SECONDS`. The HTTP deadline is a sixth of the
    /// fence, so that a request begun as late as a claim allows has ended well before the fence.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong. A fence under 90 s is for sandboxes only.
    pub fn from_env() -> Result<Self, DispatcherError> {
        let invalid = |value: &str, why: &str| SettingsError::Invalid {
            name: "IMS_SEND_FENCE_SECONDS".to_owned(),
            value: value.to_owned(),
            why: why.to_owned(),
        };
        let seconds = match optional("IMS_SEND_FENCE_SECONDS") {
            None => FENCE_SECONDS,
            Some(text) => text.parse().map_err(|_| invalid(&text, "expected seconds"))?,
        };
        if seconds < FENCE_SECONDS && optional("IMS_STAGE").as_deref() != Some("sandbox") {
            let why = format!("less than {FENCE_SECONDS}, though Notify takes a token for {TOKEN_SECONDS} s");
            return Err(invalid(&seconds.to_string(), &why).into());
        }
        let key = required("IMS_NOTIFY_API_KEY")?.parse()?;
        let deadline = Duration::from_secs((seconds / 6).clamp(1, 15));
        Ok(Self {
            notify: NotifyClient::new(&required("IMS_NOTIFY_URL")?, key, deadline)?,
            templates: TemplateSet::embedded()?,
            rules: RulesCache::default(),
            fence: Fence(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))),
            between_questions: Duration::from_millis(seconds * 10),
            booking_link: optional("IMS_BOOKING_LINK").unwrap_or_else(|| "www.nhs.uk/get-vaccination".to_owned()),
            booking_phone: optional("IMS_BOOKING_PHONE").unwrap_or_else(|| "119".to_owned()),
        })
    }
}
