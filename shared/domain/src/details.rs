//! Ethnic category, contact details and language, which several sources state. What each said last is kept with its time, and of what
//! is stated the first in [`PRECEDENCE`] stands in the person's demographics. Nothing is lost: where a source takes its
//! statement back, the next one stands again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Person;
use crate::person::Demographics;

/// A field that several sources state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// Ethnic category.
    EthnicCategory,
    /// Landline or other number to telephone.
    Telephone,
    /// Mobile number to text.
    Mobile,
    /// Email address.
    Email,
    /// Preferred language.
    Language,
}

/// Who states a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The person themselves, or somebody for them.
    Person,
    /// The national demographics service.
    Demographics,
    /// Whoever recorded a vaccination.
    Vaccination,
    /// Whoever keeps a cohort's list.
    Cohort,
}

/// Whose word stands: the first that states anything. A person knows best what they are and how to reach them; the
/// demographics service is told by practices and kept; a vaccinator asks in passing; a list is seldom asked at all.
pub const PRECEDENCE: [Origin; 4] = [Origin::Person, Origin::Demographics, Origin::Vaccination, Origin::Cohort];

/// What a source said last of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The value; empty where the source took it back, or has none.
    pub value: String,
    /// When the source said it, `YYYYMMDDThhmmss`, UTC; the later stands.
    pub changed: String,
    /// Place in its file, which decides between statements of one second.
    pub order: String,
}

impl Statement {
    fn place(&self) -> (&str, &str, &str) {
        (&self.changed, &self.order, &self.value)
    }
}

/// What is stated of a person's fields beside the demographics feed; and, of those fields, what that feed says.
pub type Statements = BTreeMap<Detail, BTreeMap<Origin, Statement>>;

impl Detail {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::EthnicCategory, Self::Telephone, Self::Mobile, Self::Email, Self::Language];

    /// Whether a value says something: of ethnicity, "not stated" and "not known" do not.
    fn is_stated(self, value: &str) -> bool {
        let says_nothing = self == Self::EthnicCategory && matches!(value, "Z" | "99");
        !value.is_empty() && !says_nothing
    }

    /// Whether it is a way to reach the person.
    fn is_way_to_reach(self) -> bool {
        matches!(self, Self::Telephone | Self::Mobile | Self::Email)
    }

    fn of(self, held: &mut Demographics) -> &mut String {
        match self {
            Self::EthnicCategory => &mut held.ethnic_category,
            Self::Telephone => &mut held.telephone,
            Self::Mobile => &mut held.mobile,
            Self::Email => &mut held.email,
            Self::Language => &mut held.language,
        }
    }
}

/// Takes a statement of a source other than the demographics feed. False where it, or a later one, was known.
pub(crate) fn state(person: &mut Person, detail: Detail, origin: Origin, said: &Statement) -> bool {
    let held = person.details.get(&detail).and_then(|stated| stated.get(&origin));
    if origin == Origin::Demographics || held.is_some_and(|held| held.place() >= said.place()) {
        return false;
    }
    if !person.details.contains_key(&detail) {
        // So far what stands is what the demographics feed says.
        let changed = person.demographics.changed.clone();
        let own = Statement { value: detail.of(&mut person.demographics).clone(), changed, order: String::new() };
        person.details.entry(detail).or_default().insert(Origin::Demographics, own);
    }
    person.details.entry(detail).or_default().insert(origin, said.clone());
    settle(person);
    true
}

/// Takes what a row of the demographics feed says of the fields that others state, too.
pub(crate) fn heard_from_demographics(person: &mut Person) {
    let Person { details, demographics, .. } = person;
    for (detail, stated) in details.iter_mut() {
        let (value, changed) = (detail.of(demographics).clone(), demographics.changed.clone());
        stated.insert(Origin::Demographics, Statement { value, changed, order: String::new() });
    }
    settle(person);
}

/// Lets the first in precedence stand. How to reach a restricted person is held by nobody's word.
fn settle(person: &mut Person) {
    let Person { details, demographics, states, .. } = person;
    for (detail, stated) in details.iter() {
        let said = |origin: &Origin| stated.get(origin).map(|said| said.value.as_str());
        let stands = PRECEDENCE.iter().filter_map(said).find(|value| detail.is_stated(value));
        // Where nobody states anything, what the demographics feed has, such as "not stated".
        let value = stands.or_else(|| said(&Origin::Demographics)).unwrap_or_default();
        let withheld = states.restricted && detail.is_way_to_reach();
        value.clone_into(detail.of(demographics));
        if withheld {
            detail.of(demographics).clear();
        }
    }
}

/// Whose word stands for a field, and since when; `None` where nobody states it.
#[must_use]
pub fn whose(person: &Person, detail: Detail) -> Option<(Origin, &str)> {
    let Some(stated) = person.details.get(&detail) else {
        let mut held = person.demographics.clone();
        return detail
            .is_stated(detail.of(&mut held))
            .then_some((Origin::Demographics, person.demographics.changed.as_str()));
    };
    let said = |origin: &Origin| stated.get(origin).map(|said| (*origin, said));
    let stands = PRECEDENCE.iter().filter_map(said).find(|(_, said)| detail.is_stated(&said.value));
    stands.map(|(origin, said)| (origin, said.changed.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PersonId;
    use crate::person::States;
    use crate::record::{Change, Record};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn told(detail: Detail, origin: Origin, value: &str, hour: u8) -> Change {
        let said = Statement { value: value.into(), changed: format!("20251001T{hour:02}0000"), order: "f#1".into() };
        Change::Detail { detail, origin, said }
    }

    fn row(serial: u64, mobile: &str, ethnic: &str, restricted: bool) -> Change {
        let demographics = Demographics {
            serial,
            mobile: if restricted { String::new() } else { mobile.into() },
            ethnic_category: ethnic.into(),
            ..Demographics::default()
        };
        Change::Demographics(Box::new((demographics, States { restricted, ..States::default() })))
    }

    fn after(changes: &[Change]) -> Person {
        let mut record = Record::new(Person::new(PersonId(Uuid::from_u128(7)), None));
        for change in changes {
            record.apply(change);
        }
        record.person
    }

    #[test]
    fn the_first_in_precedence_stands_and_the_next_when_it_is_taken_back() {
        use Origin::{Cohort, Vaccination};
        let mut said = vec![told(Detail::Mobile, Cohort, "1", 1)];
        let mobile = |said: &[Change]| after(said).demographics.mobile;
        assert_eq!(mobile(&said), "1");
        said.push(told(Detail::Mobile, Vaccination, "2", 1));
        assert_eq!(mobile(&said), "2");
        said.push(row(1, "3", "A", false));
        assert_eq!(mobile(&said), "3");
        said.push(told(Detail::Mobile, Origin::Person, "4", 1));
        assert_eq!(mobile(&said), "4");
        assert_eq!(whose(&after(&said), Detail::Mobile), Some((Origin::Person, "20251001T010000")));
        said.push(row(2, "", "A", true));
        assert_eq!(mobile(&said), "", "of a restricted person nobody's");
        said.push(row(3, "5", "A", false));
        assert_eq!(mobile(&said), "4");
        said.push(told(Detail::Mobile, Origin::Person, "", 2));
        assert_eq!(mobile(&said), "5");
        said.push(row(4, "", "A", false));
        assert_eq!(mobile(&said), "2");
        said.push(told(Detail::Mobile, Origin::Person, "6", 1));
        assert_eq!(mobile(&said), "2", "older than what was taken back");
    }

    #[test]
    fn not_stated_gives_way_to_whoever_states_an_ethnic_category() {
        let mut said = vec![row(1, "", "Z", false), told(Detail::EthnicCategory, Origin::Cohort, "H", 1)];
        let ethnic = |said: &[Change]| after(said).demographics.ethnic_category;
        assert_eq!(ethnic(&said), "H");
        said.push(row(2, "", "99", true));
        assert_eq!(ethnic(&said), "H", "also of a restricted person");
        said.push(told(Detail::EthnicCategory, Origin::Cohort, "", 2));
        assert_eq!(ethnic(&said), "99");
        assert_eq!(whose(&after(&said), Detail::EthnicCategory), None);
    }

    proptest! {
        /// Whatever is said by whom in whatever order and however often, the same stands, and it is what the precedence says.
        #[test]
        fn what_stands_does_not_depend_on_the_order_in_which_it_is_said(
            said in prop::collection::vec((0usize..2, 0usize..4, 0u8..4, 0u8..5), 1..24),
            seed in any::<u64>(),
        ) {
            let details = [Detail::Mobile, Detail::EthnicCategory];
            let values = ["", "A", "B", "Z"];
            let changes: Vec<Change> = (1u64..)
                .zip(&said)
                .map(|(place, (detail, origin, value, hour))| match PRECEDENCE[*origin] {
                    Origin::Demographics => row(place, values[usize::from(*value)], values[usize::from(*value)], *hour == 0),
                    origin => told(details[*detail], origin, values[usize::from(*value)], *hour),
                })
                .collect();
            let straight = after(&changes);
            let mut mixed: Vec<Change> = changes.iter().chain(&changes).cloned().collect();
            let mut draw = seed;
            for place in (1..mixed.len()).rev() {
                draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                mixed.swap(place, usize::try_from(draw >> 33).unwrap() % (place + 1));
            }
            prop_assert_eq!(&after(&mixed), &straight);
            // What stands, read from what was said alone.
            let last_row = changes.iter().rev().find_map(|change| match change {
                Change::Demographics(row) => Some(row.clone()),
                _ => None,
            });
            for detail in details {
                let stands = PRECEDENCE.iter().find_map(|wanted| match wanted {
                    Origin::Demographics => last_row.as_ref().map(|row| match detail {
                        Detail::Mobile => row.0.mobile.clone(),
                        _ => row.0.ethnic_category.clone(),
                    }).filter(|value| detail.is_stated(value)),
                    wanted => changes.iter().filter_map(|change| match change {
                        Change::Detail { detail: of, origin, said } if (of, origin) == (&detail, wanted) => Some(said),
                        _ => None,
                    }).max_by_key(|said| (said.changed.clone(), said.value.clone())).map(|said| said.value.clone())
                        .filter(|value| detail.is_stated(value)),
                });
                let restricted = last_row.as_ref().is_some_and(|row| row.1.restricted);
                let unstated = last_row.as_ref().map(|row| row.0.ethnic_category.clone()).unwrap_or_default();
                match detail {
                    Detail::Mobile if restricted => prop_assert_eq!(&straight.demographics.mobile, ""),
                    Detail::Mobile => prop_assert_eq!(&straight.demographics.mobile, &stands.unwrap_or_default()),
                    _ => prop_assert_eq!(&straight.demographics.ethnic_category, &stands.unwrap_or(unstated)),
                }
            }
        }
    }
}
