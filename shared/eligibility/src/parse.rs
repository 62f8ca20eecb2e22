//! From JSON to [`Campaign`], reporting everything that is wrong on the way.

use std::collections::HashMap;

use jiff::civil::{Date, Time};
use serde_json::Value;

use crate::campaign::{
    Action, AttributeLevel, CONDITIONS, Campaign, CampaignType, Iteration, IterationCohort, IterationRule, RuleMapping,
    RuleType, StatusTexts,
};
use crate::markdown::style_problems;
use crate::operator::{Operator, Test};
use crate::problem::{Problem, Problems, Scope, shown};
use crate::token;

const ROOT: &str = "CampaignConfig";

impl Campaign {
    /// Parses and validates a campaign definition (`{"CampaignConfig": {…}}`).
    ///
    /// # Errors
    /// Every problem found, each with the path and the value at fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        match examine(bytes) {
            (Some(campaign), problems) if problems.is_empty() => Ok(campaign),
            (_, problems) => Err(problems),
        }
    }

    /// Parses a campaign that others have published: problems that do not stop it from being evaluated (an action
    /// routed to nowhere, untidy Markdown) are let pass.
    ///
    /// # Errors
    /// The problems that stop it from being evaluated.
    pub fn parse_published(bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        match examine(bytes) {
            (Some(campaign), _) => Ok(campaign),
            (None, problems) => Err(problems.into_iter().filter(|p| p.fatal).collect()),
        }
    }
}

fn examine(bytes: &[u8]) -> (Option<Campaign>, Vec<Problem>) {
    let problems = Problems::default();
    let campaign = match serde_json::from_slice::<Value>(bytes) {
        Err(error) => {
            problems.fatal(ROOT, format!("not JSON: {error}"));
            None
        }
        Ok(document) => match document.get(ROOT) {
            None => {
                problems.fatal(ROOT, "is missing");
                None
            }
            Some(value) => Scope::of(value, ROOT.to_owned(), &problems).and_then(|scope| read_campaign(&scope)),
        },
    };
    let problems = problems.into_vec();
    let fatal = problems.iter().any(|p| p.fatal);
    (campaign.filter(|_| !fatal), problems)
}

/// Reads everything before giving up on anything, so that all problems are reported.
fn read_campaign(s: &Scope<'_>) -> Option<Campaign> {
    let id = s.name("ID");
    let version = s.whole("Version");
    let name = s.name("Name");
    let kind = s.one_of("Type", &["V", "S"]);
    let target = s.one_of("Target", &CONDITIONS);
    let managers = s.optional_texts("Manager");
    let approvers = s.optional_texts("Approver");
    let reviewers = s.optional_texts("Reviewer");
    let _frequency = s.one_of("IterationFrequency", &["X", "D", "W", "M", "Q", "A"]);
    let _iteration_type = s.one_of("IterationType", &["A", "M", "S", "O"]);
    let iteration_time = s.optional_time("IterationTime").unwrap_or(Time::midnight());
    let _routing = s.optional_text("DefaultCommsRouting");
    let start_date = s.date("StartDate");
    let end_date = s.date("EndDate");
    if let (Some(start), Some(end)) = (start_date, end_date) {
        if end < start {
            s.fatal("EndDate", format!("{} is before StartDate {}", compact(end), compact(start)));
        } else if end == start {
            s.flaw("EndDate", format!("{} is StartDate too; it must be later", compact(end)));
        }
    }
    let (approval_minimum, approval_maximum) = read_approvals(s);
    let scopes = s.objects("Iterations");
    if s.value("Iterations").is_some_and(|v| v.as_array().is_some_and(Vec::is_empty)) {
        s.fatal("Iterations", "must have at least one iteration");
    }
    let read: Vec<ReadIteration> = scopes.iter().map(read_iteration).collect();
    // Against an end before the start every iteration would be wrong, too.
    let end = end_date.filter(|end| start_date.is_none_or(|start| start <= *end));
    check_iterations(&scopes, &read, iteration_time, end);
    Some(Campaign {
        id: id?,
        version: version?,
        name: name?,
        kind: if kind? == "V" { CampaignType::Vaccination } else { CampaignType::Screening },
        target: target?.to_owned(),
        start_date: start_date?,
        end_date: end_date?,
        iteration_time,
        approval_minimum,
        approval_maximum,
        managers,
        approvers,
        reviewers,
        iterations: read.into_iter().map(|r| r.whole).collect::<Option<_>>()?,
    })
}

fn read_approvals(s: &Scope<'_>) -> (Option<i64>, Option<i64>) {
    let (minimum, maximum) = (s.optional_whole("ApprovalMinimum"), s.optional_whole("ApprovalMaximum"));
    for (key, number) in [("ApprovalMinimum", minimum), ("ApprovalMaximum", maximum)] {
        if let Some(number) = number.filter(|number| *number < 0) {
            s.flaw(key, format!("{number} is less than 0"));
        }
    }
    if let (Some(low), Some(high)) = (minimum, maximum)
        && low > high
    {
        s.flaw("ApprovalMinimum", format!("{low} is more than ApprovalMaximum {high}"));
    }
    (minimum, maximum)
}

/// An iteration as far as it could be read; what identifies it is needed even if the rest is wrong.
struct ReadIteration {
    id: Option<String>,
    date: Option<Date>,
    time: Option<Time>,
    whole: Option<Iteration>,
}

/// What must hold among the iterations of a campaign.
fn check_iterations(scopes: &[Scope<'_>], read: &[ReadIteration], default_time: Time, end: Option<Date>) {
    let mut ids: HashMap<&str, usize> = HashMap::new();
    let mut starts: HashMap<(Date, Time), usize> = HashMap::new();
    let mut dates: HashMap<Date, usize> = HashMap::new();
    for (index, (scope, iteration)) in scopes.iter().zip(read).enumerate() {
        if let Some(id) = &iteration.id
            && let Some(first) = ids.insert(id, index)
        {
            scope.flaw("ID", format!("{id:?} is also the ID of Iterations[{first}]"));
        }
        let Some(date) = iteration.date else { continue };
        let same_day = dates.insert(date, index);
        if let Some(first) = starts.insert((date, iteration.time.unwrap_or(default_time)), index) {
            scope.fatal("IterationDate", format!("{} is also the start of Iterations[{first}]", compact(date)));
        } else if let Some(first) = same_day {
            // It can be evaluated where the times differ, but dates are to be unique.
            scope.flaw("IterationDate", format!("{} is also the date of Iterations[{first}]", compact(date)));
        }
        if let Some(end) = end
            && date > end
        {
            let message = format!("{} is after the campaign's EndDate {}", compact(date), compact(end));
            scope.flaw("IterationDate", message);
        }
    }
}

fn read_iteration(s: &Scope<'_>) -> ReadIteration {
    let id = s.name("ID");
    let version = s.whole("Version");
    let name = s.name("Name");
    let date = s.date("IterationDate");
    let time = s.optional_time("IterationTime");
    let number = s.optional_whole("IterationNumber");
    read_approvals(s);
    let _kind = s.one_of("Type", &["A", "M", "S", "O"]);
    let actions: Vec<(String, Action)> =
        s.mandatory_entries("ActionsMapper").into_iter().map(|(key, entry)| (key, read_action(&entry))).collect();
    // Without a mapper every routing would be wrong; that it is missing says enough.
    let mapped = s.value("ActionsMapper").is_some_and(Value::is_object);
    let routing = |key: &str| {
        let text = s.text(key)?;
        for action in text.split('|').filter(|part| !part.is_empty()) {
            if mapped && !actions.iter().any(|(known, _)| known == action) {
                s.flaw(key, format!("{action:?} is not a key of ActionsMapper"));
            }
        }
        Some(text)
    };
    let default_comms_routing = routing("DefaultCommsRouting");
    let default_not_eligible_routing = routing("DefaultNotEligibleRouting");
    let default_not_actionable_routing = routing("DefaultNotActionableRouting");
    let status_texts = s.child("StatusText").map(|texts| read_status_texts(&texts)).unwrap_or_default();
    let cohorts = read_cohorts(&s.objects("IterationCohorts"));
    let rules: Vec<Option<IterationRule>> = s.objects("IterationRules").iter().map(read_rule).collect();
    let mappings = s.value("RulesMapper").map(|value| s.entries("RulesMapper", value)).unwrap_or_default();
    let rule_mappings = mappings.iter().map(|(_, entry)| read_rule_mapping(entry)).collect();
    let whole = || {
        Some(Iteration {
            id: id.clone()?,
            version: version?,
            name: name?,
            date: date?,
            time,
            number,
            default_comms_routing: default_comms_routing?,
            default_not_eligible_routing: default_not_eligible_routing?,
            default_not_actionable_routing: default_not_actionable_routing?,
            status_texts,
            cohorts: cohorts?,
            rules: rules.into_iter().collect::<Option<_>>()?,
            actions,
            rule_mappings,
        })
    };
    ReadIteration { whole: whole(), id, date, time }
}

fn read_status_texts(s: &Scope<'_>) -> StatusTexts {
    StatusTexts {
        not_eligible: templated(s, "NotEligible"),
        not_actionable: templated(s, "NotActionable"),
        actionable: templated(s, "Actionable"),
    }
}

fn read_rule_mapping(s: &Scope<'_>) -> RuleMapping {
    RuleMapping {
        rule_names: s.optional_texts("RuleNames"),
        rule_code: s.optional_text("RuleCode"),
        rule_text: templated(s, "RuleText"),
    }
}

fn read_action(s: &Scope<'_>) -> Action {
    let description = templated(s, "ActionDescription");
    for problem in description.iter().flat_map(|text| style_problems(text)) {
        s.flaw("ActionDescription", problem);
    }
    let url_link = s.optional_text("UrlLink").filter(|link| !link.is_empty()).map(|link| {
        normal_url(&link).unwrap_or_else(|| {
            s.fatal("UrlLink", format!("{link:?} is not an http or https address"));
            link
        })
    });
    Action {
        kind: templated(s, "ActionType").unwrap_or_default(),
        external_routing_code: templated(s, "ExternalRoutingCode").unwrap_or_default(),
        description,
        url_link,
        url_label: templated(s, "UrlLabel"),
    }
}

/// Text that answers show: its `[[…]]` tokens must be well formed, or every answer that shows it would fail.
fn templated(s: &Scope<'_>, key: &str) -> Option<String> {
    let text = s.optional_text(key)?;
    check_tokens(s, key, &text);
    Some(text)
}

fn check_tokens(s: &Scope<'_>, key: &str, text: &str) {
    for error in token::problems(text) {
        s.flaw(key, error.to_string());
    }
}

/// The address with scheme and host in lower case and a path, as browsers and EliD write it.
fn normal_url(link: &str) -> Option<String> {
    let (scheme, rest) = link.trim().split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    if !matches!(scheme.as_str(), "http" | "https") || host.is_empty() || host.contains(char::is_whitespace) {
        return None;
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Some(format!("{scheme}://{}{slash}{path}", host.to_ascii_lowercase()))
}

fn read_cohorts(scopes: &[Scope<'_>]) -> Option<Vec<IterationCohort>> {
    let mut labels: HashMap<String, usize> = HashMap::new();
    let mut cohorts = Vec::with_capacity(scopes.len());
    for (index, scope) in scopes.iter().enumerate() {
        let label = scope.name("CohortLabel");
        if let Some(label) = &label
            && let Some(first) = labels.insert(label.clone(), index)
        {
            scope.flaw("CohortLabel", format!("{label:?} is also the label of IterationCohorts[{first}]"));
        }
        cohorts.push(read_cohort(scope, label));
    }
    cohorts.into_iter().collect()
}

fn read_cohort(s: &Scope<'_>, label: Option<String>) -> Option<IterationCohort> {
    let group = s.name("CohortGroup");
    let positive = templated(s, "PositiveDescription");
    let negative = templated(s, "NegativeDescription");
    let priority = s.optional_whole("Priority");
    let is_virtual = match s.optional_text("Virtual").map(|v| v.trim().to_ascii_uppercase()).as_deref() {
        None | Some("N") => false,
        Some("Y") => true,
        Some(_) => {
            let value = s.value("Virtual").map(shown).unwrap_or_default();
            s.fatal("Virtual", format!("{value} is not one of Y, N"));
            false
        }
    };
    Some(IterationCohort { label: label?, group: group?, positive, negative, priority, is_virtual })
}

fn read_rule(s: &Scope<'_>) -> Option<IterationRule> {
    let kind = s.one_of("Type", &RuleType::CODES).and_then(RuleType::from_code);
    let name = s.name("Name");
    let code = s.optional_text("Code");
    let description = s.text("Description");
    if let Some(text) = &description {
        check_tokens(s, "Description", text);
    }
    let priority = s.whole("Priority");
    let level = read_level(s);
    let cohort_labels = read_cohort_labels(s, kind);
    let operator_text = s.text("Operator");
    let operator = operator_text.as_deref().and_then(|text| {
        let operator = Operator::parse(text);
        if operator.is_none() {
            let known: Vec<_> = Operator::names().collect();
            s.fatal("Operator", format!("{text:?} is not one of {}", known.join(" ")));
        }
        operator
    });
    let comparator = s.text("Comparator");
    let test = operator.zip(comparator.as_deref()).and_then(|(operator, comparator)| {
        Test::parse(operator, comparator).map_err(|message| s.fatal("Comparator", message)).ok()
    });
    let stop = read_stop(s);
    let comms_routing = s.optional_text("CommsRouting");
    Some(IterationRule {
        kind: kind?,
        name: name?,
        code,
        description: description?,
        priority: priority?,
        level: level?,
        cohort_labels,
        operator: operator?,
        test_text: format!("{} {}", operator_text?, comparator?).trim_end().to_owned(),
        stop,
        comms_routing,
        test: test?,
    })
}

fn read_level(s: &Scope<'_>) -> Option<AttributeLevel> {
    let level = s.one_of("AttributeLevel", &["PERSON", "TARGET", "COHORT"]);
    let attribute = s.optional_text("AttributeName").filter(|name| !name.is_empty());
    let target = s.optional_text("AttributeTarget").filter(|target| !target.is_empty());
    if let Some(target) = &target
        && !CONDITIONS.contains(&target.as_str())
    {
        s.flaw("AttributeTarget", format!("{target:?} is not one of {}", CONDITIONS.join(", ")));
    }
    match level? {
        "COHORT" => {
            if let Some(name) = attribute.filter(|name| name != "COHORT_LABEL") {
                let message = format!("{name:?} must be COHORT_LABEL or blank when AttributeLevel is COHORT");
                s.flaw("AttributeName", message);
            }
            Some(AttributeLevel::Cohort)
        }
        level => {
            if attribute.is_none() {
                s.fatal("AttributeName", format!("is missing; AttributeLevel is {level}"));
            }
            if level == "PERSON" {
                return Some(AttributeLevel::Person { attribute: attribute? });
            }
            if target.is_none() {
                s.fatal("AttributeTarget", "is missing; AttributeLevel is TARGET");
            }
            Some(AttributeLevel::Target { target: target?, attribute: attribute? })
        }
    }
}

fn read_cohort_labels(s: &Scope<'_>, kind: Option<RuleType>) -> Vec<String> {
    let Some(text) = s.optional_text("CohortLabel") else { return Vec::new() };
    if let Some(kind) = kind
        && !matches!(kind, RuleType::Filter | RuleType::Suppression)
    {
        s.flaw(
            "CohortLabel",
            format!("{text:?} has no effect: it works only in rules of Type F and S, not {}", kind.code()),
        );
    }
    text.split(',').map(str::trim).filter(|label| !label.is_empty()).map(str::to_owned).collect()
}

fn read_stop(s: &Scope<'_>) -> bool {
    match s.value("RuleStop") {
        None => false,
        Some(Value::Bool(stop)) => *stop,
        Some(Value::String(text)) if text.eq_ignore_ascii_case("Y") => true,
        Some(Value::String(text)) if text.is_empty() || text.eq_ignore_ascii_case("N") => false,
        Some(other) => {
            s.flaw("RuleStop", format!("{} is not Y, N, true or false", shown(other)));
            false
        }
    }
}

/// `YYYYMMDD`, as campaigns write dates.
fn compact(date: Date) -> String {
    format!("{:04}{:02}{:02}", date.year(), date.month(), date.day())
}
