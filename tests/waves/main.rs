//! Waves on stores in memory: who governs them, and that any history ends as a reference model says.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

mod governance;
mod histories;
mod service;
mod watch;
