//! A campaign as written, in types.

use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use crate::operator::{Operator, Test};

/// Targets a campaign or a rule may name.
pub const CONDITIONS: [&str; 4] = ["COVID", "FLU", "MMR", "RSV"];

/// What a campaign offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum CampaignType {
    Vaccination,
    Screening,
}

/// A campaign definition.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// Identifier, unique among campaigns.
    pub id: String,
    /// Version of the definition.
    pub version: i64,
    /// Name for people.
    pub name: String,
    /// Vaccination or screening.
    pub kind: CampaignType,
    /// What it is against, one of [`CONDITIONS`].
    pub target: String,
    /// First day, London.
    pub start_date: Date,
    /// Last day, London, included.
    pub end_date: Date,
    /// Time of day at which iterations start unless they say otherwise, London.
    pub iteration_time: Time,
    /// Fewest people an approver should expect.
    pub approval_minimum: Option<i64>,
    /// Most people an approver should expect.
    pub approval_maximum: Option<i64>,
    /// Who may manage, approve and review the campaign.
    pub managers: Vec<String>,
    /// See [`Campaign::managers`].
    pub approvers: Vec<String>,
    /// See [`Campaign::managers`].
    pub reviewers: Vec<String>,
    /// At least one.
    pub iterations: Vec<Iteration>,
}

/// One version of a campaign's rules, in force from a moment until the next iteration's.
#[derive(Debug, Clone)]
pub struct Iteration {
    /// Identifier, unique in the campaign.
    pub id: String,
    /// Version of the iteration.
    pub version: i64,
    /// Name for people.
    pub name: String,
    /// Day it comes into force, London.
    pub date: Date,
    /// Time of day it comes into force; the campaign's if absent.
    pub time: Option<Time>,
    /// Running number.
    pub number: Option<i64>,
    /// Keys of `actions`, joined by `|`, for people who are Actionable.
    pub default_comms_routing: String,
    /// The same for people who are NotEligible.
    pub default_not_eligible_routing: String,
    /// The same for people who are NotActionable.
    pub default_not_actionable_routing: String,
    /// Headlines that replace the usual ones.
    pub status_texts: StatusTexts,
    /// Who the campaign is for.
    pub cohorts: Vec<IterationCohort>,
    /// The rules.
    pub rules: Vec<IterationRule>,
    /// Actions by key, in the order written.
    pub actions: Vec<(String, Action)>,
    /// Codes and texts that replace those of the rules named.
    pub rule_mappings: Vec<RuleMapping>,
}

/// Headlines of an iteration; blank or absent ones take the usual text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct StatusTexts {
    pub not_eligible: Option<String>,
    pub not_actionable: Option<String>,
    pub actionable: Option<String>,
}

/// A cohort that an iteration is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IterationCohort {
    /// Label, as in the people's cohort memberships.
    pub label: String,
    /// Group under which answers show it.
    pub group: String,
    /// Text for members: "are aged 75 to 79".
    pub positive: Option<String>,
    /// Text for others: "are not aged 75 to 79".
    pub negative: Option<String>,
    /// Lower comes first; a cohort without one comes last.
    pub priority: Option<i64>,
    /// Everyone is a member.
    pub is_virtual: bool,
}

/// What a rule does when it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuleType {
    /// F: makes NotEligible.
    Filter,
    /// S: makes NotActionable.
    Suppression,
    /// R: picks actions for Actionable people.
    Redirect,
    /// X: picks actions for NotEligible people.
    NotEligibleActions,
    /// Y: picks actions for NotActionable people.
    NotActionableActions,
}

impl RuleType {
    /// Codes in the order of the variants.
    pub(crate) const CODES: [&'static str; 5] = ["F", "S", "R", "X", "Y"];

    /// The one-letter code of campaign files.
    pub fn code(self) -> &'static str {
        Self::CODES[self as usize]
    }

    pub(crate) fn from_code(code: &str) -> Option<Self> {
        use RuleType::{Filter, NotActionableActions, NotEligibleActions, Redirect, Suppression};
        [Filter, Suppression, Redirect, NotEligibleActions, NotActionableActions].into_iter().find(|t| t.code() == code)
    }
}

/// Where a rule finds its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeLevel {
    /// An attribute of the person.
    Person {
        /// Its name.
        attribute: String,
    },
    /// An attribute of the person's record for a target.
    Target {
        /// The target.
        target: String,
        /// The attribute's name.
        attribute: String,
    },
    /// The labels of the person's cohorts, joined by commas.
    Cohort,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct IterationRule {
    /// What it does.
    pub kind: RuleType,
    /// Name; rules that share one share their mapping.
    pub name: String,
    /// Code given in answers unless a mapping gives another.
    pub code: Option<String>,
    /// Text given in answers unless a mapping gives another.
    pub description: String,
    /// Rules of equal priority must all match; any priority suffices. Lower comes first.
    pub priority: i64,
    /// Where the value comes from.
    pub level: AttributeLevel,
    /// Cohorts the rule applies to; empty: all.
    pub cohort_labels: Vec<String>,
    /// The operator.
    pub operator: Operator,
    /// Operator and comparator as written: `D>= -28`.
    pub test_text: String,
    /// After this rule's priority matched, later suppressions are not looked at.
    pub stop: bool,
    /// Keys of the iteration's actions, joined by `|`.
    pub comms_routing: Option<String>,
    pub(crate) test: Test,
}

/// What someone is advised to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Action {
    /// How to render it.
    pub kind: String,
    /// What to do, for machines.
    pub external_routing_code: String,
    /// Markdown.
    pub description: Option<String>,
    /// Address, normalised.
    pub url_link: Option<String>,
    /// Text of the link.
    pub url_label: Option<String>,
}

/// Code and text for a set of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleMapping {
    /// Names of the rules it is for.
    pub rule_names: Vec<String>,
    /// Code; if blank, the rule's own.
    pub rule_code: Option<String>,
    /// Text; if blank, the rule's own.
    pub rule_text: Option<String>,
}

impl Campaign {
    /// The iteration in force: of those that have started, the one that started last, while the campaign runs. `None`
    /// outside the campaign's days and before its first iteration.
    pub fn live_iteration(&self, now: Timestamp) -> Option<&Iteration> {
        let today = london_date(now);
        if today < self.start_date || self.end_date < today {
            return None;
        }
        let started = |i: &&Iteration| self.starts(i).is_some_and(|start| start <= now);
        self.iterations.iter().filter(started).max_by_key(|i| self.starts(i))
    }

    /// The iteration in force at noon of a day, London.
    pub fn iteration_on(&self, day: Date) -> Option<&Iteration> {
        self.live_iteration(day.at(12, 0, 0, 0).to_zoned(london()).ok()?.timestamp())
    }

    /// The moment an iteration comes into force; `None` if the calendar ends before it.
    pub fn starts(&self, iteration: &Iteration) -> Option<Timestamp> {
        let local = iteration.date.to_datetime(iteration.time.unwrap_or(self.iteration_time));
        local.to_zoned(london()).ok().map(|zoned| zoned.timestamp())
    }
}

/// The time zone of all campaign dates and times.
pub fn london() -> TimeZone {
    static LONDON: OnceLock<TimeZone> = OnceLock::new();
    // The time zone database is compiled in, so the fallback is for form's sake.
    LONDON.get_or_init(|| TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC)).clone()
}

/// The day in London.
pub fn london_date(now: Timestamp) -> Date {
    now.to_zoned(london()).date()
}
