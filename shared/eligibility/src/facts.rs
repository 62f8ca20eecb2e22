//! What is known about a person.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// What rules ask about a person. Values are text as EliD writes them: dates `YYYYMMDD`, counts in decimal, flags
/// `Y`/`N`; `None` is "not known". Attribute names are those of the person and target rows (`DATE_OF_BIRTH`,
/// `LAST_SUCCESSFUL_DATE` …).
pub trait Facts {
    /// An attribute of the person.
    fn person(&self, attribute: &str) -> Option<&str>;
    /// An attribute of the person's record for a target (`FLU`, `COVID` …).
    fn target(&self, target: &str, attribute: &str) -> Option<&str>;
    /// Whether the person is a member of the cohort.
    fn in_cohort(&self, label: &str) -> bool;
    /// All cohorts of the person; asked only by rules that test cohort labels other than by membership, and by
    /// explanations.
    fn cohorts(&self) -> Vec<&str>;
}

impl<F: Facts + ?Sized> Facts for &F {
    fn person(&self, attribute: &str) -> Option<&str> {
        (**self).person(attribute)
    }

    fn target(&self, target: &str, attribute: &str) -> Option<&str> {
        (**self).target(target, attribute)
    }

    fn in_cohort(&self, label: &str) -> bool {
        (**self).in_cohort(label)
    }

    fn cohorts(&self) -> Vec<&str> {
        (**self).cohorts()
    }
}

/// Facts held in maps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonFacts {
    /// Attributes of the person.
    pub person: BTreeMap<String, String>,
    /// Attributes per target.
    pub targets: BTreeMap<String, BTreeMap<String, String>>,
    /// Cohort labels.
    pub cohorts: BTreeSet<String>,
}

impl PersonFacts {
    /// From EliD person rows (`ATTRIBUTE_TYPE` PERSON, COHORTS or a target; other keys are attributes). Of several rows
    /// of one type the first counts. `None` if there is no PERSON row: EliD does not know the person.
    pub fn from_rows<'a>(rows: impl IntoIterator<Item = &'a Map<String, Value>>) -> Option<Self> {
        let mut facts = Self::default();
        let mut person_seen = false;
        let mut cohorts_seen = false;
        for row in rows {
            match row.get("ATTRIBUTE_TYPE").and_then(Value::as_str) {
                Some("PERSON") if !person_seen => {
                    person_seen = true;
                    facts.person = attributes(row);
                }
                Some("COHORTS") if !cohorts_seen => {
                    cohorts_seen = true;
                    facts.cohorts = memberships(row);
                }
                Some("PERSON" | "COHORTS") | None => {}
                Some(target) => {
                    facts.targets.entry(target.to_owned()).or_insert_with(|| attributes(row));
                }
            }
        }
        person_seen.then_some(facts)
    }
}

fn attributes(row: &Map<String, Value>) -> BTreeMap<String, String> {
    row.iter().filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn memberships(row: &Map<String, Value>) -> BTreeSet<String> {
    let list = row.get("COHORT_MEMBERSHIPS").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let label = |m: &Value| Some(m.get("COHORT_LABEL")?.as_str()?.to_owned());
    list.iter().filter_map(label).filter(|l| !l.is_empty()).collect()
}

impl Facts for PersonFacts {
    fn person(&self, attribute: &str) -> Option<&str> {
        self.person.get(attribute).map(String::as_str)
    }

    fn target(&self, target: &str, attribute: &str) -> Option<&str> {
        self.targets.get(target)?.get(attribute).map(String::as_str)
    }

    fn in_cohort(&self, label: &str) -> bool {
        self.cohorts.contains(label)
    }

    fn cohorts(&self) -> Vec<&str> {
        self.cohorts.iter().map(String::as_str).collect()
    }
}
