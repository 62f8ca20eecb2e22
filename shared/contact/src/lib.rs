//! What leaves the service for a person, and how: message templates, SMS segments, letters, and the client of
//! GOV.UK Notify. Who is written to, and whether, is decided elsewhere.
//!
//! Nothing here retries and nothing here reads a clock: callers own both, because a second attempt at a message is
//! allowed only after a fence.

pub mod letter;
pub mod manifest;
pub mod notify;
pub mod phone;
pub mod quiet;
pub mod sms;
pub mod template;
