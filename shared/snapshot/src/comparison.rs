//! Two versions of a campaign side by side, on the columns of one part of the snapshot: whom the new one would select, counted,
//! who would enter and leave, and some people explained.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ims_domain::campaign::ContactPlan;
use ims_eligibility::{CompiledIteration, Status};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::column::SnapshotError;
use crate::evaluate::Asking;
use crate::part::{Codes, Held, Part, Values, rows_at};
use crate::selection::{By, Preview, Selection, Selector, Tally, ask};
use crate::{PersonRow, facts_of};

/// Explained examples of a comparison.
pub const EXAMPLES: usize = 10;

/// A version of a campaign on a day: the iteration that is live then, and the contact plan.
#[derive(Debug, Clone, Copy)]
pub struct Version<'c> {
    /// Iteration.
    pub rules: &'c CompiledIteration,
    /// Contact plan.
    pub plan: &'c ContactPlan,
}

/// What a new version of a campaign would do in a part, beside the version in force. Those of all parts of a snapshot add up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Whom the new version would select, by each of [`Comparison::BY`].
    pub by: BTreeMap<By, Preview>,
    /// People whom both versions would select.
    pub stay: u64,
    /// People whom only the new version would select, by its cohort.
    pub enter: BTreeMap<String, u64>,
    /// People whom only the version in force would select, by that version's cohort.
    pub leave: BTreeMap<String, u64>,
    /// Of each [`Change`] the [`EXAMPLES`] people with the lowest lots, explained; [`Comparison::drawn`] chooses.
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
    /// Examples of each kind that are shown where there are so many.
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

impl Comparison {
    /// What people are counted by, besides the cohort.
    pub const BY: [By; 4] = [By::Icb, By::Age, By::Ethnicity, By::Imd];

    /// Adds what was found in another part.
    pub fn add(&mut self, other: Self) {
        for (by, preview) in other.by {
            self.by.entry(by).or_default().add(preview);
        }
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

    /// The new version's cohorts, best first.
    #[must_use]
    pub fn cohorts(&self) -> &[String] {
        self.by.values().next().map_or(&[], |preview| &preview.cohorts)
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

/// Compares a version of a campaign with the one in force, which may not be live on the day, on a part in Parquet.
///
/// # Errors
/// Where the part cannot be read.
pub fn compare(
    bytes: Bytes,
    new: Version<'_>,
    base: Option<Version<'_>>,
    day: Date,
) -> Result<Comparison, SnapshotError> {
    let mut selector = Selector::new(new.rules, new.plan, day);
    let mut base = base.map(|base| (Selector::new(base.rules, base.plan, day), base.rules));
    let mut needed = selector.needed_to_list();
    needed.columns.insert("restricted".to_owned());
    for by in Comparison::BY {
        needed = needed.and(by.needed());
    }
    if let Some((base, _)) = &base {
        needed = needed.and(base.needed());
    }
    let part = Part::read(bytes.clone(), &needed)?;
    let now = selector.select(&part);
    let mut found = Comparison::default();
    for by in Comparison::BY {
        let mut tally = Tally::new(Some(by));
        selector.count_in(&mut tally, &part, &now);
        found.by.insert(by, selector.preview(tally));
    }
    let before = base.as_mut().map(|(base, _)| base.select(&part)).unwrap_or_default();
    let labels = |rules: &CompiledIteration| rules.cohort_labels().map(str::to_owned).collect::<Vec<_>>();
    let (labels, base_labels) = (labels(new.rules), base.map(|(_, rules)| labels(rules)).unwrap_or_default());
    let (now, before) = (by_place(&part, &now), by_place(&part, &before));
    let nothing = Held { values: Values::DaysFrom(0, 1), codes: Codes::Same };
    let restricted = part.column("restricted").unwrap_or(&nothing);
    let is_restricted = ask(Asking::about("restricted"), &restricted.values, |row| row.restricted);
    let mut drawn: BTreeMap<Change, BTreeSet<(u64, usize)>> = BTreeMap::new();
    for (person, (now, before)) in now.into_iter().zip(before).enumerate() {
        if part.is_off_list(person) {
            continue;
        }
        let change = match (now, before) {
            (Some(_), Some(_)) => {
                found.stay += 1;
                Change::Stays
            }
            (Some(cohort), None) => {
                *found.enter.entry(labels[usize::from(cohort)].clone()).or_insert(0) += 1;
                Change::Enters
            }
            (None, Some(cohort)) => {
                *found.leave.entry(base_labels[usize::from(cohort)].clone()).or_insert(0) += 1;
                Change::Leaves
            }
            (None, None) => Change::Out,
        };
        if !is_restricted[restricted.codes.get(person)] {
            let kind = drawn.entry(change).or_default();
            kind.insert((part.lot(person), person));
            if kind.len() > EXAMPLES {
                kind.pop_last();
            }
        }
    }
    found.examples = examples(bytes, new, &drawn, day)?;
    Ok(found)
}

/// The cohort of each person who is selected.
fn by_place(part: &Part, selection: &Selection) -> Vec<Option<u16>> {
    let mut cohorts = vec![None; part.people()];
    for selected in &selection.selected {
        cohorts[selected.person as usize] = Some(selected.cohort);
    }
    cohorts
}

/// The people drawn, explained: the lowest lots of each kind. Restricted people are not among those drawn.
fn examples(
    bytes: Bytes,
    new: Version<'_>,
    drawn: &BTreeMap<Change, BTreeSet<(u64, usize)>>,
    day: Date,
) -> Result<Vec<Example>, SnapshotError> {
    let mut places: Vec<usize> = drawn.values().flatten().map(|(_, place)| *place).collect();
    places.sort_unstable();
    let rows: BTreeMap<usize, PersonRow> = places.iter().copied().zip(rows_at(bytes, &places)?).collect();
    let all = drawn.iter().flat_map(|(change, kind)| kind.iter().map(|(lot, place)| (*change, *lot, place)));
    let explained = all.filter_map(|(change, lot, place)| {
        let row = rows.get(place)?;
        let decision = new.rules.decide(&facts_of(row, new.plan), day);
        let eligible = decision.status != Status::NotEligible;
        let best = decision.cohorts.first().filter(|_| eligible).map(|cohort| cohort.label.clone());
        Some(Example {
            person: row.person_id.clone(),
            lot,
            change,
            status: decision.status.as_str().to_owned(),
            cohort: best.unwrap_or_default(),
            steps: decision.explanation.into_iter().map(step).collect(),
        })
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
    use crate::write_parquet;
    use ims_domain::{Person, PersonId};
    use ims_eligibility::Campaign;
    use ims_uptake::UNKNOWN;
    use jiff::civil::date;
    use uuid::Uuid;

    const DAY: Date = date(2025, 10, 6);
    const FLU: &str = include_str!("../../../tests/campaigns/flu.json");

    /// A comparison of rules with those in force, on some people.
    fn compared(new: &str, base: Option<&str>, people: &[PersonRow]) -> Comparison {
        let plan = include_str!("../../../tests/campaigns/flu.plan.json");
        let plan: ContactPlan = serde_json::from_str(plan).unwrap();
        let compiled = |text: &str| {
            let campaign = Campaign::parse(text.as_bytes()).unwrap();
            campaign.compile(campaign.iteration_on(DAY).unwrap())
        };
        let (new, base) = (compiled(new), base.map(compiled));
        let version = |rules| Version { rules, plan: &plan };
        let part = Bytes::from(write_parquet(people).unwrap());
        compare(part, version(&new), base.as_ref().map(version), DAY).unwrap()
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
        let new = &FLU.replace("19610331", "19700331");
        let found = compared(new, Some(FLU), &part);
        // Born to March 1961: 1950 to 1960. Born to March 1970: 1950 to 1969.
        assert_eq!(found.stay, 11);
        assert_eq!(found.enter, BTreeMap::from([("flu_65_plus".to_owned(), 9)]));
        assert!(found.leave.is_empty());
        assert_eq!(found.cohorts(), ["flu_65_plus", "at_risk"]);
        for by in Comparison::BY {
            assert_eq!((found.by[&by].people, found.by[&by].selected()), (30, 20), "{by:?}");
        }
        let boards = found.by[&By::Icb].counts();
        let board = |key: &str| boards.iter().find(|count| count.key == key).map(|count| count.count);
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

        let back = compared(FLU, Some(new), &part);
        assert_eq!(back.leave, BTreeMap::from([("flu_65_plus".to_owned(), 9)]));
        let alone = compared(FLU, None, &part);
        assert_eq!(alone.enter, BTreeMap::from([("flu_65_plus".to_owned(), 11)]));
    }

    #[test]
    fn parts_add_up() {
        let new = &FLU.replace("19610331", "19700331");
        let all = people();
        let whole = compared(new, Some(FLU), &all);
        let mut sum = Comparison::default();
        for half in all.chunks(15) {
            sum.add(compared(new, Some(FLU), half));
        }
        assert_eq!(sum, whole);
    }
}
