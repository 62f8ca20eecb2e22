//! What the rules say about one person, and why.

use serde::Serialize;

use crate::campaign::RuleType;

/// A person's standing in a campaign, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Status {
    /// In no cohort, or filtered out of all.
    NotEligible,
    /// Eligible, but nothing should be done now.
    NotActionable,
    /// Eligible, and should act.
    Actionable,
}

impl Status {
    /// As answers write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotEligible => "NotEligible",
            Self::NotActionable => "NotActionable",
            Self::Actionable => "Actionable",
        }
    }
}

/// The outcome of [`crate::CompiledIteration::decide`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The best status among the cohorts.
    pub status: Status,
    /// The cohorts with that status, by priority; the first is the best. When the status is NotEligible they are the
    /// cohorts the person is outside of.
    pub cohorts: Vec<CohortOutcome>,
    /// Why not Actionable: one reason for each rule type and priority that decided it.
    pub reasons: Vec<Reason>,
    /// Every step taken, in order.
    pub explanation: Vec<Step>,
}

/// How a person stands in one cohort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CohortOutcome {
    /// The cohort.
    pub label: String,
    /// Its group.
    pub group: String,
    /// Its priority.
    pub priority: Option<i64>,
    /// The person's standing in it.
    pub status: Status,
}

/// A rule that kept a person from being Actionable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// `F` or `S`.
    #[serde(rename = "type", serialize_with = "type_code")]
    pub kind: RuleType,
    /// The rule's name.
    pub rule: String,
    /// Its code: the mapping's, else its own, else its name.
    pub code: String,
    /// Its text: the mapping's, else its description; tokens filled in.
    pub text: String,
    /// Its priority.
    pub priority: i64,
}

/// One step of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The cohort in question.
    pub cohort: String,
    /// The rule's name; `None` for the question of membership itself.
    pub rule: Option<String>,
    /// Its type.
    #[serde(rename = "type", serialize_with = "optional_type_code")]
    pub kind: Option<RuleType>,
    /// Its priority.
    pub priority: Option<i64>,
    /// What was looked at: `PERSON.DATE_OF_BIRTH`, `TARGET.FLU.LAST_SUCCESSFUL_DATE`, `COHORT`.
    pub attribute: String,
    /// Operator and comparator as written.
    pub test: String,
    /// The value found.
    pub value: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The person is a member of the cohort.
    Member,
    /// The person is not.
    NotMember,
    /// The rule matches.
    Matched,
    /// It does not.
    NotMatched,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for a reference
fn type_code<S: serde::Serializer>(kind: &RuleType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.code())
}

#[allow(clippy::trivially_copy_pass_by_ref, clippy::ref_option)]
fn optional_type_code<S: serde::Serializer>(kind: &Option<RuleType>, serializer: S) -> Result<S::Ok, S::Error> {
    kind.map(RuleType::code).serialize(serializer)
}
