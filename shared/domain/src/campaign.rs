//! Campaigns as the service runs them: the contact plan beside the eligibility rules, and waves.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::VaccineType;

/// What is done about people a campaign selects: the file beside the EliD campaign configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactPlan {
    /// Version of this file's shape; 1.
    pub schema: u32,
    /// The EliD configuration's `CampaignConfig.ID`.
    pub campaign: String,
    /// The vaccine given.
    pub programme: VaccineType,
    /// Only doses on or after this day count: the start of the season, or of the programme.
    pub count_doses_from: Date,
    /// Doses in the course.
    pub doses: u8,
    /// Steps, in the order they are taken, the invitation first.
    pub steps: Vec<PlanStep>,
    /// Planned waves, in order.
    pub waves: Vec<PlanWave>,
}

/// A step of a contact plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanStep {
    /// Which step.
    pub step: Step,
    /// Days after the invitation was issued.
    pub after_days: u32,
}

/// A planned wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanWave {
    /// Short name, unique in the campaign.
    pub wave: String,
    /// The business day it is planned and released.
    pub on: Date,
    /// Only people whose best cohort is one of these; everyone where empty.
    #[serde(default)]
    pub cohorts: Vec<String>,
}

/// A step in contacting a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The invitation, by SMS or letter.
    Invite,
    /// A reminder, by SMS or letter.
    Reminder,
    /// A recall call by a person.
    Call,
}

impl Step {
    /// The name used in keys, files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Reminder => "reminder",
            Self::Call => "call",
        }
    }
}

/// Why a contact plan cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path}: {message}")]
pub struct PlanProblem {
    /// Where in the file.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl ContactPlan {
    /// Every problem in the plan; none means that it can be used.
    #[must_use]
    pub fn problems(&self) -> Vec<PlanProblem> {
        let mut found = Vec::new();
        let mut problem = |path: String, message: String| found.push(PlanProblem { path, message });
        if self.schema != 1 {
            problem("schema".into(), format!("{} is not a known version; expected 1", self.schema));
        }
        if self.campaign.is_empty() || self.campaign.contains('#') {
            problem("campaign".into(), format!("'{}' must be a name without '#'", self.campaign));
        }
        if self.doses == 0 {
            problem("doses".into(), "must be at least 1".into());
        }
        match self.steps.first() {
            Some(first) if first.step == Step::Invite && first.after_days == 0 => {}
            _ => problem("steps[0]".into(), "must be the invitation, after 0 days".into()),
        }
        for (index, pair) in self.steps.windows(2).enumerate() {
            if pair[1].after_days <= pair[0].after_days || pair[1].step <= pair[0].step {
                problem(format!("steps[{}]", index + 1), "must come later than the step before it".into());
            }
        }
        for (index, wave) in self.waves.iter().enumerate() {
            if wave.wave.is_empty() || wave.wave.contains('#') {
                problem(format!("waves[{index}].wave"), format!("'{}' must be a name without '#'", wave.wave));
            }
            if self.waves[..index].iter().any(|other| other.wave == wave.wave) {
                problem(format!("waves[{index}].wave"), format!("'{}' is used twice", wave.wave));
            }
        }
        found
    }

    /// The step after a step, with the day it falls due for an invitation issued on a day.
    #[must_use]
    pub fn next_step(&self, after: Step, issued: Date) -> Option<(Step, Date)> {
        let next = self.steps.iter().find(|plan| plan.step > after)?;
        let due = issued.checked_add(jiff::Span::new().days(i64::from(next.after_days))).ok()?;
        Some((next.step, due))
    }
}

/// State of a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WaveState {
    /// Parts are being selected.
    Selecting,
    /// All candidates are known; waits for release.
    Selected,
    /// Claims are out; messages may leave.
    Released,
    /// Nothing leaves until resumed.
    Paused,
    /// Nothing leaves any more.
    Stopped,
}

impl WaveState {
    /// The name used in items.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Selecting => "selecting",
            Self::Selected => "selected",
            Self::Released => "released",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// A wave: the people selected from one manifest by one version of the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// Campaign.
    pub campaign: String,
    /// Short name, unique in the campaign.
    pub wave: String,
    /// State.
    pub state: WaveState,
    /// The business day of selection: rules are evaluated as of this day.
    pub selected_on: Date,
    /// Snapshot manifest it is pinned to.
    pub manifest: String,
    /// Version of the campaign definition it is pinned to.
    pub definition: u32,
    /// Cohorts it is limited to; everyone where empty.
    pub cohorts: Vec<String>,
    /// Snapshot parts to select from.
    pub parts: u32,
    /// People who are eligible (answer other than NotEligible) in the parts selected so far.
    #[serde(default)]
    pub eligible: u64,
    /// Candidates in the parts selected so far.
    #[serde(default)]
    pub candidates: u64,
    /// Claims that the release cut.
    #[serde(default)]
    pub claims: u32,
    /// Whether all claims of the last release or resumption reached the queue; until then the schedule sends them again.
    #[serde(default)]
    pub claims_sent: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn plan() -> ContactPlan {
        ContactPlan {
            schema: 1,
            campaign: "flu".into(),
            programme: "FLU".parse().unwrap(),
            count_doses_from: date(2025, 9, 1),
            doses: 1,
            steps: vec![
                PlanStep { step: Step::Invite, after_days: 0 },
                PlanStep { step: Step::Reminder, after_days: 14 },
                PlanStep { step: Step::Call, after_days: 28 },
            ],
            waves: vec![PlanWave { wave: "w1".into(), on: date(2025, 10, 6), cohorts: vec![] }],
        }
    }

    #[test]
    fn steps_fall_due_by_the_day_of_issue() {
        let issued = date(2025, 10, 6);
        assert_eq!(plan().next_step(Step::Invite, issued), Some((Step::Reminder, date(2025, 10, 20))));
        assert_eq!(plan().next_step(Step::Reminder, issued), Some((Step::Call, date(2025, 11, 3))));
        assert_eq!(plan().next_step(Step::Call, issued), None);
    }

    #[test]
    fn every_mistake_in_a_plan_is_named() {
        let mut wrong = plan();
        wrong.schema = 9;
        wrong.doses = 0;
        wrong.campaign = "a#b".into();
        wrong.steps.swap(0, 1);
        wrong.waves.push(wrong.waves[0].clone());
        let paths: Vec<String> = wrong.problems().into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, ["schema", "campaign", "doses", "steps[0]", "steps[1]", "waves[1].wave"]);
        assert!(plan().problems().is_empty());
    }
}
