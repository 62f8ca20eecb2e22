//! Preview of a campaign's rules on the people of one part of the snapshot: whom they would select, counted, beside what the version in
//! force would.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ims_domain::clock::age_on;
use ims_eligibility::Status;
use ims_snapshot::{PersonRow, facts_of};
use ims_uptake::{AgeBand, EthnicGroup, UNKNOWN};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{DecisionError, Rules};

/// What a preview counts by, besides the cohort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Integrated care board.
    Icb,
    /// Age band on the day.
    Age,
    /// Ethnic group.
    Ethnicity,
    /// Deprivation decile.
    Imd,
}

impl By {
    /// All.
    pub const ALL: [Self; 4] = [Self::Icb, Self::Age, Self::Ethnicity, Self::Imd];

    /// A person's key; `unknown` where it is not known, as the place of restricted people never is.
    fn key(self, row: &PersonRow, day: Date) -> Cow<'_, str> {
        match self {
            Self::Icb if row.icb.is_empty() => UNKNOWN.into(),
            Self::Icb => row.icb.as_str().into(),
            Self::Age => AgeBand::of(row.date_of_birth.map(|born| age_on(born, day))).name().into(),
            Self::Ethnicity => EthnicGroup::of(&row.ethnic_category).name().into(),
            Self::Imd if row.imd_decile == 0 => UNKNOWN.into(),
            Self::Imd => row.imd_decile.to_string().into(),
        }
    }
}

/// People who would be selected, of a cohort and a group of something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// What is counted by.
    pub by: By,
    /// Best cohort.
    pub cohort: String,
    /// The board's code, band, group or decile.
    pub key: String,
    /// People.
    pub count: u64,
}

/// Explained examples of a preview.
pub const EXAMPLES: usize = 10;

/// What a preview finds in a part. Those of all parts of a snapshot add up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PreviewPart {
    /// People looked at.
    pub people: u64,
    /// Cohorts of the new version, best first.
    pub cohorts: Vec<String>,
    /// Counts that are not 0.
    pub counts: Vec<Count>,
    /// People whom both versions would select.
    pub stay: u64,
    /// People whom only the new version would select, by its cohort.
    pub enter: BTreeMap<String, u64>,
    /// People whom only the version in force would select, by that version's cohort.
    pub leave: BTreeMap<String, u64>,
    /// Of each [`Change`] the [`EXAMPLES`] people with the lowest lots, explained; [`PreviewPart::drawn`] chooses.
    pub examples: Vec<Example>,
}

/// What becomes of a person, beside the version in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Would be selected, and is not by the version in force.
    Enters,
    /// Would no longer be selected.
    Leaves,
    /// Would be selected by both.
    Stays,
    /// Would be selected by neither.
    Out,
}

impl Change {
    /// Examples of each kind that a preview shows where there are so many.
    const WANTED: [(Self, usize); 4] = [(Self::Enters, 3), (Self::Leaves, 3), (Self::Stays, 2), (Self::Out, 2)];
}

/// A person explained, by id. Values of attributes are not in it: they are personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// Person.
    pub person: String,
    /// Tie-breaker, by which examples are drawn.
    pub lot: u64,
    /// What becomes of them.
    pub change: Change,
    /// The rules' answer.
    pub status: String,
    /// The best cohort; empty where there is none.
    pub cohort: String,
    /// What was looked at and what came of it, in order.
    pub steps: Vec<ExampleStep>,
}

/// A step of an explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExampleStep {
    /// Cohort in question.
    pub cohort: String,
    /// The rule's name; empty for membership itself.
    pub rule: String,
    /// What was looked at.
    pub attribute: String,
    /// Operator and comparator.
    pub test: String,
    /// Whether the rule matched, or the person is a member.
    pub holds: bool,
}

impl PreviewPart {
    /// Object in the work bucket that holds what was found in a part.
    #[must_use]
    pub fn key(campaign: &str, draft: &str, part: u32) -> String {
        format!("previews/{campaign}/{draft}/part-{part:05}.json")
    }

    /// Adds what was found in another part.
    pub fn add(&mut self, other: Self) {
        self.people += other.people;
        if self.cohorts.is_empty() {
            self.cohorts = other.cohorts;
        }
        let mut counts = Tally::new();
        for count in self.counts.drain(..).chain(other.counts) {
            *counts.entry((count.by, count.cohort, count.key)).or_insert(0) += count.count;
        }
        self.counts = listed(counts);
        self.stay += other.stay;
        for (sum, counts) in [(&mut self.enter, other.enter), (&mut self.leave, other.leave)] {
            for (cohort, count) in counts {
                *sum.entry(cohort).or_insert(0) += count;
            }
        }
        self.examples.extend(other.examples);
        self.examples.sort_by_key(|example| (example.change, example.lot));
        let kinds = self.examples.chunk_by(|one, other| one.change == other.change);
        self.examples = kinds.flat_map(|kind| kind.iter().take(EXAMPLES)).cloned().collect();
    }

    /// [`EXAMPLES`] examples, some of each kind; where there are too few of a kind, more of the others.
    #[must_use]
    pub fn drawn(&self) -> Vec<&Example> {
        let (mut taken, mut rest) = (Vec::with_capacity(EXAMPLES), Vec::new());
        for (kind, wanted) in Change::WANTED {
            let mut of_kind = self.examples.iter().filter(|example| example.change == kind);
            taken.extend(of_kind.by_ref().take(wanted));
            rest.extend(of_kind);
        }
        rest.truncate(EXAMPLES.saturating_sub(taken.len()));
        taken.extend(rest);
        taken.sort_by_key(|example| (example.change, example.lot));
        taken
    }
}

/// Counts by what is counted by, cohort and key.
type Tally = BTreeMap<(By, String, String), u64>;

fn listed(counts: Tally) -> Vec<Count> {
    counts.into_iter().map(|((by, cohort, key), count)| Count { by, cohort, key, count }).collect()
}

/// What a version of a campaign would do with people of the snapshot on a day, beside the version in force.
///
/// # Errors
/// Where no iteration of the new version is live on the day.
pub fn preview(
    rules: &Rules,
    base: Option<&Rules>,
    people: &[PersonRow],
    day: Date,
) -> Result<PreviewPart, DecisionError> {
    let cohorts = rules.cohorts(day)?;
    let mut found = PreviewPart { people: people.len() as u64, cohorts, ..PreviewPart::default() };
    let mut counts = Tally::new();
    let mut drawn = Vec::new();
    for row in people.iter().filter(|row| !row.is_off_list()) {
        let now = selected(rules, row, day)?;
        let before = match base.map(|base| selected(base, row, day)) {
            // Nobody is invited by a version that is not in force on the day.
            None | Some(Err(DecisionError::NotLive { .. })) => None,
            Some(before) => before?,
        };
        if let Some(cohort) = &now {
            for by in By::ALL {
                *counts.entry((by, cohort.clone(), by.key(row, day).into_owned())).or_insert(0) += 1;
            }
        }
        let change = match (now, before) {
            (Some(_), Some(_)) => {
                found.stay += 1;
                Change::Stays
            }
            (Some(cohort), None) => {
                *found.enter.entry(cohort).or_insert(0) += 1;
                Change::Enters
            }
            (None, Some(cohort)) => {
                *found.leave.entry(cohort).or_insert(0) += 1;
                Change::Leaves
            }
            (None, None) => Change::Out,
        };
        if !row.restricted {
            drawn.push((change, row.lot, row));
        }
    }
    found.counts = listed(counts);
    found.examples = examples(rules, drawn, day)?;
    Ok(found)
}

/// The best cohort of somebody who is selected: due a dose by the rules, and not invited for it yet.
fn selected(rules: &Rules, row: &PersonRow, day: Date) -> Result<Option<String>, DecisionError> {
    let (status, cohort) = rules.ask(row, day)?;
    if status != Status::Actionable {
        return Ok(None);
    }
    let (plan, dose) = (rules.plan(), rules.next_dose(row));
    let invited = row.programme(plan.programme).is_some_and(|history| history.is_invited(&plan.campaign, dose));
    Ok((!invited && dose <= plan.doses).then(|| cohort.unwrap_or_default()))
}

/// Some people of each kind, drawn by lot and explained. Restricted people are not among those drawn from.
fn examples(
    rules: &Rules,
    mut people: Vec<(Change, u64, &PersonRow)>,
    day: Date,
) -> Result<Vec<Example>, DecisionError> {
    people.sort_unstable_by_key(|(change, lot, _)| (*change, *lot));
    let iteration = rules.iteration(day)?;
    let few = people.chunk_by(|one, other| one.0 == other.0).flat_map(|kind| kind.iter().take(EXAMPLES));
    let explained = few.map(|(change, lot, row)| {
        let decision = iteration.decide(&facts_of(row, rules.plan()), day);
        let eligible = decision.status != Status::NotEligible;
        let best = decision.cohorts.first().filter(|_| eligible).map(|cohort| cohort.label.clone());
        Example {
            person: row.person_id.clone(),
            lot: *lot,
            change: *change,
            status: decision.status.as_str().to_owned(),
            cohort: best.unwrap_or_default(),
            steps: decision.explanation.into_iter().map(step).collect(),
        }
    });
    Ok(explained.collect())
}

fn step(step: ims_eligibility::Step) -> ExampleStep {
    use ims_eligibility::Outcome::{Matched, Member};
    ExampleStep {
        cohort: step.cohort,
        rule: step.rule.unwrap_or_default(),
        attribute: step.attribute,
        test: step.test,
        holds: matches!(step.outcome, Matched | Member),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ims_domain::{Person, PersonId};
    use ims_store::Definition;
    use jiff::civil::date;
    use uuid::Uuid;

    const DAY: Date = date(2025, 10, 6);
    const FLU: &str = include_str!("../../../tests/campaigns/flu.json");

    fn rules(text: &str) -> Rules {
        let plan = include_str!("../../../tests/campaigns/flu.plan.json");
        let plan: ims_domain::campaign::ContactPlan = serde_json::from_str(plan).unwrap();
        Rules::new(Definition {
            campaign: plan.campaign.clone(),
            version: 1,
            rules: text.to_owned(),
            plan,
            authors: vec![],
        })
        .unwrap()
    }

    /// Of each year of birth from 1950 to 1979 one person; each tenth is restricted.
    fn people() -> Vec<PersonRow> {
        (0..30u8)
            .map(|place| {
                let mut person = Person::new(PersonId(Uuid::from_u128(u128::from(place) + 1)), None);
                person.demographics.date_of_birth = Some(date(1950 + i16::from(place), 6, 1));
                person.demographics.icb = if place % 2 == 0 { "QOQ" } else { "QUE" }.into();
                person.states.restricted = place % 10 == 9;
                PersonRow::of(&person)
            })
            .collect()
    }

    #[test]
    fn who_enters_and_who_leaves_is_counted_and_explained() {
        let part = people();
        let (old, new) = (rules(FLU), rules(&FLU.replace("19610331", "19700331")));
        let found = preview(&new, Some(&old), &part, DAY).unwrap();
        // Born to March 1961: 1950 to 1960. Born to March 1970: 1950 to 1969.
        assert_eq!(found.stay, 11);
        assert_eq!(found.enter, BTreeMap::from([("flu_65_plus".to_owned(), 9)]));
        assert!(found.leave.is_empty());
        assert_eq!(
            (found.people, found.cohorts.as_slice()),
            (30, &["flu_65_plus".to_owned(), "at_risk".to_owned()][..])
        );
        for by in By::ALL {
            assert_eq!(found.counts.iter().filter(|c| c.by == by).map(|c| c.count).sum::<u64>(), 20, "{by:?}");
        }
        let board = |key: &str| found.counts.iter().find(|c| c.by == By::Icb && c.key == key).map(|c| c.count);
        // Nobody may learn where the two restricted people live.
        assert_eq!((board("QOQ"), board("QUE"), board(UNKNOWN)), (Some(10), Some(8), Some(2)));
        let drawn = found.drawn();
        assert_eq!(drawn.len(), EXAMPLES);
        let restricted = [10u128, 20, 30].map(|id| Uuid::from_u128(id).to_string());
        assert!(found.examples.iter().all(|example| !restricted.contains(&example.person)));
        let of = |kind| drawn.iter().filter(|example| example.change == kind).count();
        assert!(of(Change::Enters) >= 3 && of(Change::Leaves) == 0 && of(Change::Out) >= 2, "{drawn:?}");
        let out = drawn.iter().find(|example| example.change == Change::Out).unwrap();
        assert_eq!((out.status.as_str(), out.cohort.as_str()), ("NotEligible", ""));
        assert!(out.steps.iter().any(|step| step.rule == "Remove under 65 on 31 March 2026" && step.holds));
        assert!(!serde_json::to_string(&found).unwrap().contains("19500601"), "no value of anybody");

        let back = preview(&old, Some(&new), &part, DAY).unwrap();
        assert_eq!(back.leave, BTreeMap::from([("flu_65_plus".to_owned(), 9)]));
        let alone = preview(&old, None, &part, DAY).unwrap();
        assert_eq!(alone.enter, BTreeMap::from([("flu_65_plus".to_owned(), 11)]));
    }

    #[test]
    fn parts_add_up() {
        let (old, new) = (rules(FLU), rules(&FLU.replace("19610331", "19700331")));
        let all = people();
        let whole = preview(&new, Some(&old), &all, DAY).unwrap();
        let mut sum = PreviewPart::default();
        for half in all.chunks(15) {
            sum.add(preview(&new, Some(&old), half, DAY).unwrap());
        }
        assert_eq!(sum, whole);
    }
}
