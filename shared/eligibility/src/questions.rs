//! A compiled iteration as yes-or-no questions, for evaluators that look at many people at once.
//!
//! Whether people are due is a function of the answers to a fixed list of questions: does rule *i* match, is the person a
//! member of cohort *j*. Each question looks at one thing known about a person ([`Subject`]), so an evaluator over columns
//! asks it once for each distinct value of that thing, and then only combines answers.

use jiff::civil::Date;

use crate::campaign::{AttributeLevel, RuleType};
use crate::compiled::CompiledIteration;
use crate::decision::Status;
use crate::facts::Facts;

/// What a question looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'c> {
    /// An attribute of the person.
    Person(&'c str),
    /// An attribute of the person's record for a target.
    Target(&'c str, &'c str),
    /// The person's cohorts.
    Cohorts,
}

impl CompiledIteration {
    /// How many questions there are: one for each rule, then one for each cohort, in the order of priority.
    pub fn questions(&self) -> usize {
        self.rules.len() + self.cohorts.len()
    }

    /// What a question looks at; `None` where no status depends on it (rules that pick actions; virtual cohorts, of which
    /// everyone is a member).
    pub fn subject(&self, question: usize) -> Option<Subject<'_>> {
        let Some(rule) = self.rules.get(question) else {
            let cohort = self.cohorts.get(question - self.rules.len())?;
            return (!cohort.definition.is_virtual).then_some(Subject::Cohorts);
        };
        matches!(rule.kind, RuleType::Filter | RuleType::Suppression).then_some(match &rule.level {
            AttributeLevel::Person { attribute } => Subject::Person(attribute),
            AttributeLevel::Target { target, attribute } => Subject::Target(target, attribute),
            AttributeLevel::Cohort => Subject::Cohorts,
        })
    }

    /// The answer for somebody of whom at least the question's subject is known.
    pub fn answer(&self, question: usize, facts: &impl Facts, today: Date) -> bool {
        match self.rules.get(question) {
            Some(rule) => rule.matches(facts, today),
            None => self
                .cohorts
                .get(question - self.rules.len())
                .is_some_and(|cohort| cohort.definition.is_virtual || facts.in_cohort(&cohort.definition.label)),
        }
    }

    /// Whether the answer can change from day to day while all that is known of the person stays as it is.
    pub fn depends_on_today(&self, question: usize) -> bool {
        self.rules.get(question).is_some_and(|rule| rule.test.depends_on_today())
    }

    /// Whether, where the subject is a day of the years 1000 to 9999, the answer is the same for all days between two with
    /// the same answer.
    pub fn is_threshold(&self, question: usize) -> bool {
        self.rules.get(question).is_some_and(|rule| rule.test.is_threshold())
    }

    /// The status, and unless NotEligible the place of the best cohort with it, of people with these answers: the same as
    /// [`CompiledIteration::status`] gives.
    pub fn standing(&self, yes: impl Fn(usize) -> bool) -> (Status, Option<usize>) {
        let all = |rules: &[usize]| rules.iter().all(|&rule| yes(rule));
        let mut best = (Status::NotEligible, None);
        for (place, cohort) in self.cohorts.iter().enumerate() {
            let member = cohort.definition.is_virtual || yes(self.rules.len() + place);
            if !member || cohort.filters.iter().any(|group| all(&group.rules)) {
                continue;
            }
            if !cohort.suppressions.iter().any(|group| all(&group.rules)) {
                return (Status::Actionable, Some(place));
            }
            if best.0 == Status::NotEligible {
                best = (Status::NotActionable, Some(place));
            }
        }
        best
    }

    /// Labels of the cohorts, best first.
    pub fn cohort_labels(&self) -> impl Iterator<Item = &str> {
        self.cohorts.iter().map(|cohort| cohort.definition.label.as_str())
    }
}
