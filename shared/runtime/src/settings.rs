//! Configuration from the environment, and the guard that keeps a sandbox on this computer.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use thiserror::Error;

/// What is wrong with the environment.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// A variable is absent or empty.
    #[error("environment variable {0} is not set")]
    Missing(String),
    /// A variable has a value that cannot be used.
    #[error("environment variable {name} is '{value}': {why}")]
    Invalid {
        /// Variable.
        name: String,
        /// Its value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// A sandbox stage was started without a local endpoint.
    #[error(
        "stage 'sandbox' refuses to start: AWS_ENDPOINT_URL is not set, so this function would call real AWS; \
         set it to the local emulator's address"
    )]
    SandboxWithoutEndpoint,
    /// A sandbox stage was pointed at another computer.
    #[error("stage 'sandbox' refuses to start: {name} is '{value}', which is not an address of this computer")]
    SandboxLeavesComputer {
        /// Variable.
        name: String,
        /// Its value.
        value: String,
    },
}

/// What else could lead a function to another computer: endpoints of single services, which the AWS client prefers to
/// `AWS_ENDPOINT_URL`, Notify's and MESH's.
const ELSEWHERE: [&str; 9] = [
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_ENDPOINT_URL_EVENTBRIDGE",
    "AWS_ENDPOINT_URL_LAMBDA",
    "IMS_NOTIFY_URL",
    "IMS_NHS_NOTIFY_URL",
    "IMS_NHS_NOTIFY_TOKEN_URL",
    "IMS_MESH_URL",
];

/// Settings common to all functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Stage name; `sandbox` for local runs.
    pub stage: String,
}

/// Reads a variable that must be there.
///
/// # Errors
/// [`SettingsError::Missing`] where it is absent or empty.
pub fn required(name: &str) -> Result<String, SettingsError> {
    optional(name).ok_or_else(|| SettingsError::Missing(name.to_owned()))
}

/// Reads a variable; an empty one counts as absent.
#[must_use]
pub fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The host of a URL, without port or user.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(end) = authority.strip_prefix('[').and_then(|inner| inner.find(']')) {
        return &authority[1..=end];
    }
    authority.split(':').next().unwrap_or(authority)
}

/// Whether a URL names this computer's loopback interface.
#[must_use]
pub fn is_loopback(url: &str) -> bool {
    let host = host(url);
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Settings {
    /// Reads and checks the environment.
    ///
    /// # Errors
    /// Where `IMS_STAGE` is missing, or a sandbox stage could reach beyond this computer.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::check(required("IMS_STAGE")?, optional)
    }

    fn check(stage: String, read: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        if stage == "sandbox" {
            let endpoint = read("AWS_ENDPOINT_URL").ok_or(SettingsError::SandboxWithoutEndpoint)?;
            let more = ELSEWHERE.into_iter().map(|name| (name, read(name)));
            for (name, value) in [("AWS_ENDPOINT_URL", Some(endpoint))].into_iter().chain(more) {
                if let Some(value) = value.filter(|value| !is_loopback(value)) {
                    return Err(SettingsError::SandboxLeavesComputer { name: name.to_owned(), value });
                }
            }
        }
        Ok(Self { stage })
    }

    /// Name of the stage.
    #[must_use]
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// Whether this is a local run with made-up people.
    #[must_use]
    pub fn is_sandbox(&self) -> bool {
        self.stage == "sandbox"
    }

    /// How DynamoDB's client tries again: sooner and oftener than others, since most of its refusals pass within
    /// milliseconds, and what is tried is safe to repeat.
    #[must_use]
    pub fn dynamodb_retries() -> RetryConfig {
        RetryConfig::standard()
            .with_max_attempts(8)
            .with_initial_backoff(Duration::from_millis(50))
            .with_max_backoff(Duration::from_secs(2))
    }

    /// AWS client configuration: connection and attempt time-outs, four attempts.
    pub async fn aws(&self) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(Duration::from_secs(20))
            .build();
        aws_config::defaults(BehaviorVersion::latest())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .load()
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let read = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()).filter(|v| !v.is_empty())
        };
        Settings::check("sandbox".to_owned(), read)
    }

    #[test]
    fn a_sandbox_without_endpoint_refuses_to_start() {
        assert_eq!(start(&[]), Err(SettingsError::SandboxWithoutEndpoint));
        assert_eq!(start(&[("AWS_ENDPOINT_URL", "")]), Err(SettingsError::SandboxWithoutEndpoint));
    }

    #[test]
    fn a_sandbox_stays_on_this_computer() {
        for url in ["http://127.0.0.1:4566", "http://localhost:4566/", "http://[::1]:4566", "http://s3.localhost:1"] {
            assert!(start(&[("AWS_ENDPOINT_URL", url)]).is_ok(), "{url}");
        }
        for url in [
            "https://dynamodb.eu-west-2.amazonaws.com",
            "http://10.0.0.1:4566",
            "http://127.0.0.1.example.org",
            "http://localhost@example.org",
        ] {
            let refused = start(&[("AWS_ENDPOINT_URL", url)]);
            assert!(matches!(refused, Err(SettingsError::SandboxLeavesComputer { .. })), "{url}");
        }
        for name in ELSEWHERE {
            let refused = start(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"), (name, "http://10.0.0.1:4566")]);
            assert!(refused.unwrap_err().to_string().contains(name));
        }
        let notify = start(&[
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
            ("IMS_NOTIFY_URL", "https://api.notifications.service.gov.uk"),
        ]);
        assert!(notify.unwrap_err().to_string().contains("IMS_NOTIFY_URL"));
    }
}
