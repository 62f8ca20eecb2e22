//! What every function needs before it can work: configuration, telemetry, the two clocks, authentication.

pub mod auth;
pub mod clock;
pub mod settings;
pub mod telemetry;

pub use settings::{Settings, SettingsError};
