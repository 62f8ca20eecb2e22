//! End-to-end and fault tests on the local stack that `IMS_STACK_DIR` names; without one they are skipped.

pub mod draw;
pub mod rows;
pub mod stack;

pub use stack::{DAY, Stack, stack};
