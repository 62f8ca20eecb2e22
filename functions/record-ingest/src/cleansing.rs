//! What taking rows in changes of their values, and how often: every rule that changes a value is one of [`Rule`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ims_domain::person::{Demographics, States};
use ims_domain::record::Change;
use ims_store::RowFailure;

use crate::feed::{DEMOGRAPHICS, Feed};
use crate::rows::Prepared;

/// Columns of the demographics feed that say where somebody is to be found.
const WHEREABOUTS: [&str; 16] = [
    "ADDRESS_LINE_1",
    "ADDRESS_LINE_2",
    "ADDRESS_LINE_3",
    "ADDRESS_LINE_4",
    "ADDRESS_LINE_5",
    "POSTCODE",
    "LSOA",
    "MSOA",
    "SUB_ICB",
    "ICB",
    "REGION",
    "IMD_DECILE",
    "PRIMARY_CARE_PROVIDER",
    "TELEPHONE_NUMBER",
    "MOBILE_NUMBER",
    "EMAIL_ADDRESS",
];

/// A rule by which a value is stored otherwise than it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// White space around values.
    Trimmed,
    /// A postcode's letters and its space.
    Postcode,
    /// Where a restricted person is to be found.
    Withheld,
    /// The reason of a removal that gives none.
    Removal,
    /// A supplier's earlier identifier system.
    System,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trimmed => "White space around a value was left out",
            Self::Postcode => "A postcode was written in capitals, with its space",
            Self::Withheld => "Where a restricted person is to be found was left out",
            Self::Removal => "A deletion without a reason was noted as a removal for the reason DEL",
            Self::System => "An earlier identifier system was replaced by the one now in use",
        })
    }
}

/// The rules that changed a value of a row.
#[must_use]
pub fn rules(feed: Feed, values: &[String], row: &Prepared) -> Vec<Rule> {
    let mut found = Vec::new();
    if feed == Feed::Vaccinations {
        if row.is_renamed(values) {
            found.push(Rule::System);
        }
        if let Change::Immunisation { content: Some(content), .. } = &row.change
            && row.postcode_as_sent(values).is_some_and(|sent| !sent.is_empty() && sent != content.patient.postcode)
        {
            found.push(Rule::Postcode);
        }
        return found;
    }
    if values.iter().any(|value| value.trim().len() != value.len()) {
        found.push(Rule::Trimmed);
    }
    if let Change::Demographics(said) = &row.change {
        let (demographics, states): &(Demographics, States) = said;
        let given = |column: &str| {
            let place = DEMOGRAPHICS.iter().position(|known| *known == column);
            place.and_then(|place| values.get(place)).map_or("", |value| value.trim())
        };
        if states.restricted {
            found.extend(WHEREABOUTS.iter().any(|column| !given(column).is_empty()).then_some(Rule::Withheld));
        } else if given("POSTCODE") != demographics.postcode {
            found.push(Rule::Postcode);
        }
        if given("RECORD_TYPE") == "DEL" && given("REASON_FOR_REMOVAL").is_empty() {
            found.push(Rule::Removal);
        }
    }
    found
}

/// How many of the rows that were neither refused nor wait each rule changed.
pub(crate) fn of_accepted(
    changed: impl IntoIterator<Item = (u64, Rule)>,
    refused: &[RowFailure],
    waiting: &[u64],
) -> BTreeMap<String, u64> {
    let out: BTreeSet<u64> = refused.iter().map(|failure| failure.row).chain(waiting.iter().copied()).collect();
    let mut counts = BTreeMap::new();
    for (_, rule) in changed.into_iter().filter(|(row, _)| !out.contains(row)) {
        *counts.entry(rule.to_string()).or_default() += 1;
    }
    counts
}

/// Counts of several chunks together.
pub(crate) fn sum<'c>(all: impl IntoIterator<Item = &'c BTreeMap<String, u64>>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (rule, count) in all.into_iter().flatten() {
        *counts.entry(rule.clone()).or_default() += count;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demographics::tests::row;
    use crate::rows::tests::{context, vaccination};
    use crate::rows::{self, Context};

    fn of_person(changes: &[(&str, &str)]) -> Vec<Rule> {
        let context = Context { feed: Feed::Demographics, vaccine: None, ..context() };
        let values = row(changes);
        rules(Feed::Demographics, &values, &rows::read(&context, 1, &values).unwrap())
    }

    #[test]
    fn a_row_stored_as_written_counts_for_no_rule() {
        assert_eq!(of_person(&[("POSTCODE", "CB3 8DX")]), []);
        assert_eq!(of_person(&[("POSTCODE", ""), ("RECORD_TYPE", "DEL"), ("REASON_FOR_REMOVAL", "EMB")]), []);
        let values = vaccination(&[]);
        assert_eq!(rules(Feed::Vaccinations, &values, &rows::read(&context(), 1, &values).unwrap()), []);
    }

    #[test]
    fn each_rule_that_changed_a_value_is_named_once() {
        assert_eq!(of_person(&[("POSTCODE", "cb38dx")]), [Rule::Postcode]);
        assert_eq!(of_person(&[("POSTCODE", "CB3 8DX"), ("GIVEN_NAME", " Ada "), ("GENDER", "2 ")]), [Rule::Trimmed]);
        assert_eq!(of_person(&[("RESTRICTED", "1")]), [Rule::Withheld]);
        assert_eq!(of_person(&[("POSTCODE", "CB3 8DX"), ("RECORD_TYPE", "DEL")]), [Rule::Removal]);
        let values = vaccination(&[("UNIQUE_ID_URI", "YGJ"), ("PERSON_POSTCODE", "cb38dx")]);
        let read = rows::read(&context(), 1, &values).unwrap();
        assert_eq!(rules(Feed::Vaccinations, &values, &read), [Rule::System, Rule::Postcode]);
    }

    #[test]
    fn counts_are_of_accepted_rows_and_add_up() {
        let refused = [RowFailure { row: 3, local_id: "u3^s".into(), diagnostics: "wrong".into() }];
        let one = of_accepted((1..=4).map(|row| (row, Rule::Trimmed)), &refused, &[4]);
        let two = of_accepted([(5, Rule::Trimmed), (5, Rule::System)], &[], &[]);
        let sum = sum([&one, &two]);
        assert_eq!(sum.get(&Rule::Trimmed.to_string()), Some(&3), "rows refused or waiting do not count");
        assert_eq!(sum.get(&Rule::System.to_string()), Some(&1));
        assert_eq!(sum.len(), 2);
    }
}
