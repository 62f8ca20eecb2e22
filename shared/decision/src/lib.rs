//! Deciding on the live person, and claiming a message under that decision.
//!
//! Selection may be stale; nothing is written to anyone but on the answer given here, on the item as it stands, and
//! under its version.

mod claim;
mod failure;
mod holds;
pub mod plan_count;
mod rules;

pub use claim::{
    Claim, Claimant, Fence, already_written, claim, claim_letter, conclude, still_stands, stop_reason, withdraw,
};
pub use failure::{TextFailure, fail_text, text_arrived};
pub use holds::{held_by, supplies_of};
pub use rules::{Decided, DecisionError, Rules, RulesCache};
