//! An iteration arranged for evaluation, and its evaluation.

use std::borrow::Cow;
use std::cell::Cell;

use jiff::civil::Date;

use crate::campaign::{Action, AttributeLevel, Campaign, Iteration, IterationCohort, IterationRule, RuleType};
use crate::decision::{CohortOutcome, Decision, Outcome, Reason, Status, Step};
use crate::facts::Facts;
use crate::operator::Test;
use crate::token;

/// An iteration with its rules sorted out by cohort and priority. Nothing is parsed when people are evaluated.
#[derive(Debug, Clone)]
pub struct CompiledIteration {
    target: String,
    pub(crate) status_texts: [String; 3],
    pub(crate) rules: Vec<Rule>,
    pub(crate) cohorts: Vec<Cohort>,
    routings: [Routing; 3],
    actions: Vec<(String, Action)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) kind: RuleType,
    pub(crate) name: String,
    pub(crate) code: String,
    pub(crate) text: String,
    pub(crate) priority: i64,
    pub(crate) level: AttributeLevel,
    /// Of a rule on cohort labels: the iteration's virtual cohorts, of which everyone is a member.
    everyones_cohorts: Vec<String>,
    pub(crate) test: Test,
    test_text: String,
    stop: bool,
    comms_routing: Option<String>,
}

/// Rules of one priority: they match if all match. Indices into the iteration's rules.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) rules: Vec<usize>,
    stop: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Cohort {
    pub(crate) definition: IterationCohort,
    pub(crate) filters: Vec<Group>,
    pub(crate) suppressions: Vec<Group>,
}

/// How actions are chosen for one status.
#[derive(Debug, Clone)]
struct Routing {
    default: String,
    groups: Vec<Group>,
}

/// How a person stands in a cohort, by index.
pub(crate) struct Standing {
    pub(crate) cohort: usize,
    pub(crate) status: Status,
    pub(crate) reasons: Vec<usize>,
}

impl Campaign {
    /// Prepares an iteration of this campaign for evaluation.
    pub fn compile(&self, iteration: &Iteration) -> CompiledIteration {
        let rules: Vec<Rule> = iteration.rules.iter().map(|rule| Rule::compile(rule, iteration)).collect();
        let mut definitions: Vec<&IterationCohort> = iteration.cohorts.iter().collect();
        definitions.sort_by_key(|c| (c.priority.is_none(), c.priority));
        let cohorts = definitions
            .into_iter()
            .map(|definition| {
                let labels = |index: usize| &iteration.rules[index].cohort_labels;
                let names = |index: usize| labels(index).contains(&definition.label);
                let applies = |index: usize| labels(index).is_empty() || names(index);
                // A priority of suppressions with rules for other cohorts only is meant for those cohorts: its general
                // rules refine the specific ones and do not stand alone.
                let meant_for_others = |priority: i64| {
                    let mut specific = (0..rules.len()).filter(|&i| {
                        let rule = &rules[i];
                        rule.kind == RuleType::Suppression && rule.priority == priority && !labels(i).is_empty()
                    });
                    specific.clone().next().is_some() && !specific.any(names)
                };
                Cohort {
                    definition: definition.clone(),
                    filters: groups(&rules, |i, rule| rule.kind == RuleType::Filter && applies(i)),
                    suppressions: groups(&rules, |i, rule| {
                        rule.kind == RuleType::Suppression && applies(i) && !meant_for_others(rule.priority)
                    }),
                }
            })
            .collect();
        let routing = |default: &String, kind| Routing {
            default: default.clone(),
            groups: groups(&rules, |_, rule| rule.kind == kind),
        };
        let routings = [
            routing(&iteration.default_not_eligible_routing, RuleType::NotEligibleActions),
            routing(&iteration.default_not_actionable_routing, RuleType::NotActionableActions),
            routing(&iteration.default_comms_routing, RuleType::Redirect),
        ];
        let own = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
        let should = || format!("You should have the {} vaccine", self.target);
        let status_texts = [
            own(&iteration.status_texts.not_eligible).unwrap_or_else(|| "We do not believe you can have it".to_owned()),
            own(&iteration.status_texts.not_actionable).unwrap_or_else(should),
            own(&iteration.status_texts.actionable).unwrap_or_else(should),
        ];
        CompiledIteration {
            target: self.target.clone(),
            status_texts,
            rules,
            cohorts,
            routings,
            actions: iteration.actions.clone(),
        }
    }
}

/// The rules kept, grouped by priority, lowest first.
fn groups(rules: &[Rule], keep: impl Fn(usize, &Rule) -> bool) -> Vec<Group> {
    let mut kept: Vec<usize> = (0..rules.len()).filter(|&i| keep(i, &rules[i])).collect();
    kept.sort_by_key(|&i| rules[i].priority);
    kept.chunk_by(|&a, &b| rules[a].priority == rules[b].priority)
        .map(|chunk| Group { rules: chunk.to_vec(), stop: chunk.iter().any(|&i| rules[i].stop) })
        .collect()
}

impl Rule {
    fn compile(rule: &IterationRule, iteration: &Iteration) -> Self {
        // Of several mappings that name the rule the last one counts.
        let mapping = iteration.rule_mappings.iter().rfind(|m| m.rule_names.contains(&rule.name));
        let filled = |text: Option<&String>| text.filter(|t| !t.is_empty()).cloned();
        let code = filled(mapping.and_then(|m| m.rule_code.as_ref())).or_else(|| filled(rule.code.as_ref()));
        let text = filled(mapping.and_then(|m| m.rule_text.as_ref()));
        Self {
            kind: rule.kind,
            name: rule.name.clone(),
            code: code.unwrap_or_else(|| rule.name.clone()),
            text: text.unwrap_or_else(|| rule.description.clone()),
            priority: rule.priority,
            level: rule.level.clone(),
            everyones_cohorts: match rule.level {
                AttributeLevel::Cohort => {
                    iteration.cohorts.iter().filter(|c| c.is_virtual).map(|c| c.label.clone()).collect()
                }
                AttributeLevel::Person { .. } | AttributeLevel::Target { .. } => Vec::new(),
            },
            test: rule.test.clone(),
            test_text: rule.test_text.clone(),
            stop: rule.stop,
            comms_routing: rule.comms_routing.clone().filter(|r| !r.is_empty()),
        }
    }

    pub(crate) fn matches(&self, facts: &impl Facts, today: Date) -> bool {
        match (&self.level, &self.test) {
            (AttributeLevel::Cohort, Test::OneOf { negated, values, nvl: None }) => {
                values.iter().any(|label| self.everyones_cohorts.contains(label) || facts.in_cohort(label)) != *negated
            }
            _ => self.test.matches(self.value(facts).as_deref(), today),
        }
    }

    fn value<'f>(&self, facts: &'f impl Facts) -> Option<Cow<'f, str>> {
        match &self.level {
            AttributeLevel::Person { attribute } => facts.person(attribute).map(Cow::Borrowed),
            AttributeLevel::Target { target, attribute } => facts.target(target, attribute).map(Cow::Borrowed),
            AttributeLevel::Cohort => {
                let mut labels = facts.cohorts();
                labels.extend(self.everyones_cohorts.iter().map(String::as_str));
                (!labels.is_empty()).then(|| Cow::Owned(labels.join(",")))
            }
        }
    }

    fn attribute(&self) -> String {
        match &self.level {
            AttributeLevel::Person { attribute } => format!("PERSON.{attribute}"),
            AttributeLevel::Target { target, attribute } => format!("TARGET.{target}.{attribute}"),
            AttributeLevel::Cohort => "COHORT".to_owned(),
        }
    }
}

impl CompiledIteration {
    /// What the campaign is against.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The person's status and, unless NotEligible, the label of the best cohort with it. Allocates nothing (but for
    /// rules that test cohort labels as text); stops as soon as the answer is certain.
    pub fn status(&self, facts: &impl Facts, today: Date) -> (Status, Option<&str>) {
        let asked = Asked::new(&self.rules, facts, today);
        let all = |group: &Group| asked.all(group);
        let mut best = (Status::NotEligible, None);
        for cohort in &self.cohorts {
            let label = cohort.definition.label.as_str();
            if !is_member(cohort, facts) || cohort.filters.iter().any(all) {
                continue;
            }
            if cohort.suppressions.iter().any(all) {
                if best.0 == Status::NotEligible {
                    best = (Status::NotActionable, Some(label));
                }
                continue;
            }
            return (Status::Actionable, Some(label));
        }
        best
    }

    /// The person's status with everything that led to it.
    pub fn decide(&self, facts: &impl Facts, today: Date) -> Decision {
        let mut explanation = Vec::new();
        let (status, standings) = self.stand(facts, today, Some(&mut explanation));
        let reasons = self
            .distinct_reasons(&standings)
            .into_iter()
            .map(|index| {
                let rule = &self.rules[index];
                Reason {
                    kind: rule.kind,
                    rule: rule.name.clone(),
                    code: rule.code.clone(),
                    // A text with a token that cannot be filled still says more than none.
                    text: token::render(&rule.text, facts).unwrap_or_else(|_| rule.text.clone()),
                    priority: rule.priority,
                }
            })
            .collect();
        let cohorts = standings
            .iter()
            .map(|standing| {
                let definition = &self.cohorts[standing.cohort].definition;
                CohortOutcome {
                    label: definition.label.clone(),
                    group: definition.group.clone(),
                    priority: definition.priority,
                    status: standing.status,
                }
            })
            .collect();
        Decision { status, cohorts, reasons, explanation }
    }

    /// The best status and the person's standing in the cohorts that have it, by priority.
    pub(crate) fn stand(
        &self,
        facts: &impl Facts,
        today: Date,
        mut steps: Option<&mut Vec<Step>>,
    ) -> (Status, Vec<Standing>) {
        let mut standings: Vec<Standing> = Vec::with_capacity(self.cohorts.len());
        let asked = Asked::new(&self.rules, facts, today);
        for index in 0..self.cohorts.len() {
            let (status, reasons) = self.stand_in(index, &asked, steps.as_deref_mut());
            standings.push(Standing { cohort: index, status, reasons });
        }
        let best = standings.iter().map(|s| s.status).max().unwrap_or(Status::NotEligible);
        standings.retain(|s| s.status == best);
        (best, standings)
    }

    fn stand_in(
        &self,
        index: usize,
        asked: &Asked<'_, impl Facts>,
        mut steps: Option<&mut Vec<Step>>,
    ) -> (Status, Vec<usize>) {
        let cohort = &self.cohorts[index];
        let label = &cohort.definition.label;
        let member = is_member(cohort, asked.facts);
        if let Some(steps) = steps.as_deref_mut() {
            steps.push(Step {
                cohort: label.clone(),
                rule: None,
                kind: None,
                priority: cohort.definition.priority,
                attribute: "COHORT".to_owned(),
                test: if cohort.definition.is_virtual { "everyone".to_owned() } else { format!("MemberOf {label}") },
                value: None,
                outcome: if member { Outcome::Member } else { Outcome::NotMember },
            });
        }
        if !member {
            return (Status::NotEligible, Vec::new());
        }
        for group in &cohort.filters {
            if all_match(group, label, asked, steps.as_deref_mut()) {
                return (Status::NotEligible, group.rules.clone());
            }
        }
        let mut reasons = Vec::new();
        for group in &cohort.suppressions {
            if all_match(group, label, asked, steps.as_deref_mut()) {
                reasons.extend_from_slice(&group.rules);
                if group.stop {
                    break;
                }
            }
        }
        (if reasons.is_empty() { Status::Actionable } else { Status::NotActionable }, reasons)
    }

    /// One reason (the first) for each rule type and priority, in the order of cohort groups.
    pub(crate) fn distinct_reasons(&self, standings: &[Standing]) -> Vec<usize> {
        let mut seen = Vec::new();
        let mut reasons = Vec::new();
        for group in self.by_cohort_group(standings) {
            for &index in group.iter().flat_map(|standing| &standing.reasons) {
                let key = (self.rules[index].kind, self.rules[index].priority);
                if !seen.contains(&key) {
                    seen.push(key);
                    reasons.push(index);
                }
            }
        }
        reasons
    }

    /// Standings gathered by cohort group, groups in the order of their first cohort.
    pub(crate) fn by_cohort_group<'s>(&self, standings: &'s [Standing]) -> Vec<Vec<&'s Standing>> {
        let mut gathered: Vec<Vec<&Standing>> = Vec::new();
        let name = |standing: &Standing| &self.cohorts[standing.cohort].definition.group;
        for standing in standings {
            match gathered.iter_mut().find(|group| group.first().is_some_and(|first| name(first) == name(standing))) {
                Some(group) => group.push(standing),
                None => gathered.push(vec![standing]),
            }
        }
        gathered
    }

    /// The actions for a person with this status: those of the first matching priority of R, X or Y rules whose
    /// routing leads anywhere, else the default's.
    pub(crate) fn actions(&self, status: Status, facts: &impl Facts, today: Date) -> Vec<&Action> {
        let routing = &self.routings[status as usize];
        let routed = |keys: &str| -> Vec<&Action> {
            let find = |key: &str| self.actions.iter().find(|(name, _)| name == key).map(|(_, action)| action);
            keys.split('|').filter_map(find).collect()
        };
        let chosen = routing.groups.iter().find_map(|group| {
            let keys = self.rules[*group.rules.first()?].comms_routing.as_deref()?;
            group.rules.iter().all(|&i| self.rules[i].matches(facts, today)).then(|| routed(keys))
        });
        chosen.filter(|actions| !actions.is_empty()).unwrap_or_else(|| routed(&routing.default))
    }
}

/// Rules of which each is asked at most once of a person: cohorts share most of theirs. Those beyond are asked each time.
const REMEMBERED: usize = 4;

/// The rules as they are asked of one person.
struct Asked<'a, F> {
    rules: &'a [Rule],
    facts: &'a F,
    today: Date,
    /// One bit a rule: whether it was asked, and whether it matches.
    known: [Cell<(u64, u64)>; REMEMBERED],
}

impl<'a, F: Facts> Asked<'a, F> {
    fn new(rules: &'a [Rule], facts: &'a F, today: Date) -> Self {
        Self { rules, facts, today, known: Default::default() }
    }

    fn matches(&self, rule: usize) -> bool {
        let ask = || self.rules[rule].matches(self.facts, self.today);
        let Some(known) = self.known.get(rule / 64) else { return ask() };
        let (bit, (asked, yes)) = (1 << (rule % 64), known.get());
        if asked & bit != 0 {
            return yes & bit != 0;
        }
        let matches = ask();
        known.set((asked | bit, if matches { yes | bit } else { yes }));
        matches
    }

    fn all(&self, group: &Group) -> bool {
        group.rules.iter().all(|&rule| self.matches(rule))
    }
}

/// Whether all rules of the group match; each is recorded, matching or not, where steps are.
fn all_match(group: &Group, cohort: &str, asked: &Asked<'_, impl Facts>, steps: Option<&mut Vec<Step>>) -> bool {
    let Some(steps) = steps else { return asked.all(group) };
    let mut all = true;
    for &index in &group.rules {
        let (rule, matched) = (&asked.rules[index], asked.matches(index));
        all &= matched;
        steps.push(Step {
            cohort: cohort.to_owned(),
            rule: Some(rule.name.clone()),
            kind: Some(rule.kind),
            priority: Some(rule.priority),
            attribute: rule.attribute(),
            test: rule.test_text.clone(),
            value: rule.value(asked.facts).map(Cow::into_owned),
            outcome: if matched { Outcome::Matched } else { Outcome::NotMatched },
        });
    }
    all
}

fn is_member(cohort: &Cohort, facts: &impl Facts) -> bool {
    cohort.definition.is_virtual || facts.in_cohort(&cohort.definition.label)
}
