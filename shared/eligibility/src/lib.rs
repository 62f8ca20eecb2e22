//! The campaign rule language: parse, validate, compile, evaluate, explain.
//!
//! Campaigns are the JSON of NHS England's Eligibility Signposting API (EliD), so that campaigns already written
//! run unchanged:
//!
//! ```text
//! bytes ──Campaign::parse──► Campaign ──live_iteration──► Iteration ──compile──► CompiledIteration
//!                                                                               │ status  (hot: every person)
//!                                                                               │ decide  (one person, with reasons)
//!                                                                               └ suggest (EliD's answer, with actions)
//! ```
//!
//! [`check`] answers a whole EliD request over several campaigns. The contact plan beside a campaign is read and validated
//! here too ([`parse_plan`]). `schema/` holds the JSON Schemas of both files.

mod answer;
mod campaign;
pub mod case;
mod compiled;
mod decision;
mod facts;
mod markdown;
mod operator;
mod parse;
mod plan;
mod problem;
mod questions;
mod response;
mod token;

pub use answer::{Answer, Category, CheckRequest, Query, Refusal, check, refuse};
pub use campaign::{
    Action, AttributeLevel, CONDITIONS, Campaign, CampaignType, Iteration, IterationCohort, IterationRule, RuleMapping,
    RuleType, StatusTexts, london, london_date,
};
pub use compiled::CompiledIteration;
pub use decision::{CohortOutcome, Decision, Outcome, Reason, Status, Step};
pub use facts::{Facts, PersonFacts};
pub use operator::{Operator, parse_date};
pub use plan::{mismatches, parse_plan, read_plan};
pub use problem::Problem;
pub use questions::Subject;
pub use response::{
    EligibilityCohort, EligibilityResponse, Meta, ProcessedSuggestion, SuggestedAction, SuitabilityRule,
};
pub use token::TokenError;
