//! What the dispatcher works with beside the service.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ims_contact::nhs_notify::{Application, NhsNotifyClient};
use ims_contact::notify::{ConfigError, NotifyClient};
use ims_contact::quiet::QuietHours;
use ims_contact::template::{TemplateError, TemplateSet};
use ims_decision::{Fence, RulesCache};
use ims_runtime::SettingsError;
use ims_runtime::settings::{optional, required};
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::route::Route;

pub use crate::pace::Limits;

/// Texts sent at the same time by one process: enough to keep Notify's usual limit filled at 250 ms a text.
pub(crate) const CONCURRENCY: usize = 16;

/// Notify's own limits, unless configured.
const NOTIFY_LIMITS: Limits = Limits { per_minute: 3_000, per_day: 250_000 };

/// The system clock.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

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

/// Providers, templates, rules and times.
pub struct Dispatcher {
    /// In the order in which they are preferred.
    pub(crate) routes: Vec<Route>,
    pub(crate) templates: TemplateSet,
    pub(crate) rules: RulesCache,
    pub(crate) fence: Fence,
    pub(crate) quiet: QuietHours,
    /// Whether a telephone number is sent one text a day at most.
    pub(crate) one_a_day: bool,
    /// Whether wordings that nobody has reviewed may be sent: in a sandbox alone.
    pub(crate) unreviewed: bool,
    pub(crate) places: Semaphore,
    pub(crate) now: Now,
    /// Between the two questions to Notify.
    pub(crate) between_questions: Duration,
    pub(crate) booking_link: String,
    pub(crate) booking_phone: String,
}

impl Dispatcher {
    /// From `IMS_NOTIFY_URL`, `IMS_NOTIFY_API_KEY`, `IMS_NOTIFY_PER_MINUTE`, `IMS_NOTIFY_PER_DAY`,
    /// `IMS_NHS_NOTIFY_…`, `IMS_ONE_TEXT_A_DAY`, `IMS_QUIET_HOURS` and `IMS_SEND_FENCE_SECONDS`. The HTTP deadline is a sixth of the
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
        let notify = NotifyClient::new(&required("IMS_NOTIFY_URL")?, key, deadline)?;
        let limits = Limits {
            per_minute: number("IMS_NOTIFY_PER_MINUTE", NOTIFY_LIMITS.per_minute)?,
            per_day: number("IMS_NOTIFY_PER_DAY", NOTIFY_LIMITS.per_day)?,
        };
        let mut routes = vec![Route::new(Arc::new(notify), limits)];
        routes.extend(nhs_notify(deadline)?);
        let fence = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        let hours = optional("IMS_QUIET_HOURS").unwrap_or_default();
        let quiet = hours.parse().map_err(|error: ims_contact::quiet::QuietHoursError| SettingsError::Invalid {
            name: "IMS_QUIET_HOURS".to_owned(),
            why: error.to_string(),
            value: hours,
        })?;
        let one_a_day = match optional("IMS_ONE_TEXT_A_DAY").as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(other) => {
                let (name, why) = ("IMS_ONE_TEXT_A_DAY".to_owned(), "expected true or false".to_owned());
                return Err(SettingsError::Invalid { name, value: other.to_owned(), why }.into());
            }
        };
        let unreviewed = optional("IMS_STAGE").as_deref() == Some("sandbox");
        Ok(Self { quiet, one_a_day, unreviewed, ..Self::new(routes, fence, Arc::new(Timestamp::now))? })
    }

    /// A dispatcher of these parts, without quiet hours, for trials: it takes wordings that nobody has reviewed. The fence must outlast what the client's deadline and Notify's tokens allow.
    ///
    /// # Errors
    /// Where a template that is built in cannot be used.
    pub fn new(routes: Vec<Route>, fence: SignedDuration, now: Now) -> Result<Self, DispatcherError> {
        Ok(Self {
            routes,
            templates: TemplateSet::embedded()?,
            rules: RulesCache::default(),
            fence: Fence(fence),
            quiet: QuietHours::default(),
            one_a_day: true,
            unreviewed: true,
            places: Semaphore::new(CONCURRENCY),
            now,
            between_questions: fence.unsigned_abs() / 100,
            booking_link: optional("IMS_BOOKING_LINK").unwrap_or_else(|| "www.nhs.uk/get-vaccination".to_owned()),
            booking_phone: optional("IMS_BOOKING_PHONE").unwrap_or_else(|| "119".to_owned()),
        })
    }
}

/// The second provider, where `IMS_NHS_NOTIFY_URL` names one.
fn nhs_notify(deadline: Duration) -> Result<Option<Route>, DispatcherError> {
    let Some(base) = optional("IMS_NHS_NOTIFY_URL") else { return Ok(None) };
    let invalid = |name: &str, why: &str| SettingsError::Invalid {
        name: name.to_owned(),
        value: "(not shown)".to_owned(),
        why: why.to_owned(),
    };
    let private = required("IMS_NHS_NOTIFY_PRIVATE_KEY")?;
    let application = Application {
        key: required("IMS_NHS_NOTIFY_APPLICATION_KEY")?,
        key_id: required("IMS_NHS_NOTIFY_KEY_ID")?,
        private: STANDARD.decode(private).map_err(|_| invalid("IMS_NHS_NOTIFY_PRIVATE_KEY", "expected base64"))?,
    };
    let plan = required("IMS_NHS_NOTIFY_ROUTING_PLAN")?;
    let plan = plan.parse().map_err(|_| invalid("IMS_NHS_NOTIFY_ROUTING_PLAN", "expected a UUID"))?;
    let client = NhsNotifyClient::new(&base, &required("IMS_NHS_NOTIFY_TOKEN_URL")?, application, plan, deadline)?;
    let limits = Limits { per_minute: number("IMS_NHS_NOTIFY_PER_MINUTE", NOTIFY_LIMITS.per_minute)?, per_day: 0 };
    Ok(Some(Route::new(Arc::new(client), limits)))
}

fn number(name: &str, default: u64) -> Result<u64, SettingsError> {
    let Some(value) = optional(name) else { return Ok(default) };
    let why = "expected a whole number; 0 is no limit".to_owned();
    value.parse().map_err(|_| SettingsError::Invalid { name: name.to_owned(), value, why })
}
