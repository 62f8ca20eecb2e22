//! What leaves the service for a person, and how: message templates, SMS segments, letters, and the clients of
//! GOV.UK Notify and NHS Notify. Who is written to, and whether, is decided elsewhere.
//!
//! Nothing here retries and nothing here reads a clock: callers own both, because a second attempt at a message is
//! allowed only after a fence.

pub mod letter;
pub mod manifest;
pub mod nhs_notify;
pub mod notify;
pub mod phone;
pub mod provider;
pub mod quiet;
pub mod sms;
pub mod template;
