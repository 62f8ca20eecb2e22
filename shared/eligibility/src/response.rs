//! EliD's answer: suggestions with cohorts, reasons and actions.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use crate::campaign::Action;
use crate::compiled::{CompiledIteration, Standing};
use crate::decision::Status;
use crate::facts::Facts;
use crate::token::{TokenError, render};

/// Actions of this type are not shown: their description replaces the headline.
const STATUS_TEXT_OVERRIDE: &str = "norender_StatusTextOverride";

/// The body of a successful answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EligibilityResponse {
    /// Identifier of this answer, a UUID.
    pub response_id: String,
    /// When it was given.
    pub meta: Meta,
    /// One for each condition asked about that has a live campaign, by name.
    pub processed_suggestions: Vec<ProcessedSuggestion>,
}

/// See [`EligibilityResponse::meta`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// RFC 3339.
    pub last_updated: Timestamp,
}

/// The answer for one condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessedSuggestion {
    /// The campaign's target.
    pub condition: String,
    /// The person's status.
    pub status: Status,
    /// Headline.
    pub status_text: String,
    /// The cohort groups that led to the status and have a text.
    pub eligibility_cohorts: Vec<EligibilityCohort>,
    /// Why the person is NotActionable; empty otherwise.
    pub suitability_rules: Vec<SuitabilityRule>,
    /// What to do; absent if not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<SuggestedAction>>,
}

/// A cohort group in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EligibilityCohort {
    /// The group.
    pub cohort_code: String,
    /// Its text.
    pub cohort_text: String,
    /// The person's standing.
    pub cohort_status: Status,
}

/// A reason in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SuitabilityRule {
    /// `F` or `S`.
    pub rule_type: &'static str,
    /// For machines.
    pub rule_code: String,
    /// Markdown.
    pub rule_text: String,
}

/// An action in an answer; unknown parts are empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SuggestedAction {
    /// How to render it.
    pub action_type: String,
    /// What to do, for machines.
    pub action_code: String,
    /// Markdown.
    pub description: String,
    /// Address.
    pub url_link: String,
    /// Text of the link.
    pub url_label: String,
}

impl CompiledIteration {
    /// EliD's answer for this iteration's condition, with actions if asked for.
    ///
    /// # Errors
    /// If a text of the campaign that is to be shown has a token that cannot be filled in.
    pub fn suggest(
        &self,
        facts: &impl Facts,
        today: Date,
        include_actions: bool,
    ) -> Result<ProcessedSuggestion, TokenError> {
        let (status, standings) = self.stand(facts, today, None);
        let mut status_text = render(&self.status_texts[status as usize], facts)?;
        let mut actions = None;
        if include_actions {
            let mut shown = Vec::new();
            for action in self.actions(status, facts, today) {
                let action = suggested(action, facts)?;
                if action.action_type != STATUS_TEXT_OVERRIDE {
                    shown.push(action);
                } else if !action.description.is_empty() {
                    status_text = action.description;
                }
            }
            actions = Some(shown);
        }
        Ok(ProcessedSuggestion {
            condition: self.target().to_owned(),
            status,
            status_text,
            eligibility_cohorts: self.eligibility_cohorts(&standings, facts)?,
            suitability_rules: self.suitability_rules(status, &standings, facts)?,
            actions,
        })
    }

    fn eligibility_cohorts(
        &self,
        standings: &[Standing],
        facts: &impl Facts,
    ) -> Result<Vec<EligibilityCohort>, TokenError> {
        let mut cohorts = Vec::new();
        for group in self.by_cohort_group(standings) {
            for standing in group {
                let cohort = &self.cohorts[standing.cohort].definition;
                let text = match standing.status {
                    Status::NotEligible => &cohort.negative,
                    Status::NotActionable | Status::Actionable => &cohort.positive,
                };
                let text = render(text.as_deref().unwrap_or_default().trim(), facts)?;
                if !text.is_empty() {
                    cohorts.push(EligibilityCohort {
                        cohort_code: cohort.group.clone(),
                        cohort_text: text,
                        cohort_status: standing.status,
                    });
                    // The group's first text stands for the group.
                    break;
                }
            }
        }
        Ok(cohorts)
    }

    fn suitability_rules(
        &self,
        status: Status,
        standings: &[Standing],
        facts: &impl Facts,
    ) -> Result<Vec<SuitabilityRule>, TokenError> {
        if status != Status::NotActionable {
            return Ok(Vec::new());
        }
        let mut rules = Vec::new();
        for rule in self.distinct_reasons(standings).into_iter().map(|index| &self.rules[index]) {
            let rule_text = render(&rule.text, facts)?;
            if !rule_text.is_empty() {
                rules.push(SuitabilityRule { rule_type: rule.kind.code(), rule_code: rule.code.clone(), rule_text });
            }
        }
        Ok(rules)
    }
}

fn suggested(action: &Action, facts: &impl Facts) -> Result<SuggestedAction, TokenError> {
    Ok(SuggestedAction {
        action_type: render(&action.kind, facts)?,
        action_code: render(&action.external_routing_code, facts)?,
        description: render(action.description.as_deref().unwrap_or_default(), facts)?,
        url_link: action.url_link.clone().unwrap_or_default(),
        url_label: render(action.url_label.as_deref().unwrap_or_default(), facts)?,
    })
}
