//! What every function needs before it can work: configuration, telemetry, the two clocks, authentication.

pub mod auth;
pub mod clock;
pub mod metric;
mod service;
pub mod settings;
pub mod telemetry;
mod trigger;

pub use service::{Service, StartError};
pub use settings::{Settings, SettingsError};
pub use trigger::{Trigger, UnknownEvent};
