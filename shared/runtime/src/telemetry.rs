//! Logs as JSON lines on standard output, where Lambda collects them. No personal data.

use tracing_subscriber::EnvFilter;

/// Starts logging; `IMS_LOG` sets the filter, `info` otherwise. A second call changes nothing.
pub fn init() {
    let filter = std::env::var("IMS_LOG").unwrap_or_else(|_| "info,aws=warn,hyper=warn".to_owned());
    let _ = tracing_subscriber::fmt()
        .json()
        .with_env_filter(EnvFilter::new(filter))
        .with_current_span(false)
        .with_target(true)
        .try_init();
}
