//! A person's row as the rules ask about it.

use ims_domain::campaign::ContactPlan;
use ims_domain::{Person, clock::compact, postcode};
use ims_eligibility::{PersonFacts, Subject};
use jiff::civil::Date;

use crate::{PROGRAMMES, PersonRow};

/// The facts of the live person for a campaign: what the Eligibility Data Product says, where its rows were loaded, else
/// what IMS works out. Cohorts are IMS's own either way.
#[must_use]
pub fn facts_of_person(person: &Person, plan: &ContactPlan) -> PersonFacts {
    if person.attributes.is_empty() {
        return facts_of(&PersonRow::of(person), plan);
    }
    let mut targets = person.attributes.clone();
    let own = targets.remove("PERSON").unwrap_or_default();
    PersonFacts { person: own, targets, cohorts: person.cohort_labels().map(str::to_owned).collect() }
}

/// The facts of a person for a campaign. Which doses of the campaign's own programme are valid the plan says; those of
/// other programmes all are.
#[must_use]
pub fn facts_of(row: &PersonRow, plan: &ContactPlan) -> PersonFacts {
    let mut facts = PersonFacts::default();
    for source in Source::all() {
        source.say(row, plan, &mut facts);
    }
    facts
}

/// A column of the people dataset that facts are made from. Each fact comes from one column, with [`Source::beside`] from two,
/// so that evaluators over columns may look at columns one by one; a programme is its place in [`PROGRAMMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Source {
    DateOfBirth,
    Gender,
    Postcode,
    Lsoa,
    Msoa,
    Practice,
    Icb,
    Region,
    Cohorts,
    Doses(usize),
    Booked(usize),
    BookingProvider(usize),
    Invites(usize),
}

impl Source {
    fn all() -> impl Iterator<Item = Self> {
        use Source::{
            Booked, BookingProvider, Cohorts, DateOfBirth, Doses, Gender, Icb, Invites, Lsoa, Msoa, Postcode, Practice,
            Region,
        };
        let of_programme = |index| [Doses(index), Booked(index), BookingProvider(index), Invites(index)];
        let own = [DateOfBirth, Gender, Postcode, Lsoa, Msoa, Practice, Icb, Region, Cohorts];
        own.into_iter().chain((0..PROGRAMMES.len()).flat_map(of_programme))
    }

    /// The column from which the facts about a subject come; `None` where nobody has any.
    pub(crate) fn of(subject: Subject<'_>) -> Option<Self> {
        match subject {
            Subject::Cohorts => Some(Self::Cohorts),
            Subject::Person(attribute) => match attribute {
                "DATE_OF_BIRTH" => Some(Self::DateOfBirth),
                "GENDER" => Some(Self::Gender),
                "POSTCODE" | "POSTCODE_OUTCODE" | "POSTCODE_SECTOR" => Some(Self::Postcode),
                "LSOA" => Some(Self::Lsoa),
                "MSOA" => Some(Self::Msoa),
                "GP_PRACTICE_CODE" => Some(Self::Practice),
                "ICB" | "ICB_OF_RESIDENCE" => Some(Self::Icb),
                "COMMISSIONING_REGION" => Some(Self::Region),
                "CARE_HOME_FLAG" => Some(Self::Cohorts),
                _ => None,
            },
            Subject::Target(target, attribute) => {
                let index = PROGRAMMES.iter().position(|code| *code == target)?;
                match attribute {
                    "LAST_SUCCESSFUL_DATE"
                    | "LAST_VALID_DOSE_DATE"
                    | "VALID_DOSES_COUNT"
                    | "INVALID_DOSES_COUNT"
                    | "SUCCESSFUL_PROCEDURE_COUNT" => Some(Self::Doses(index)),
                    "BOOKED_APPOINTMENT_DATE" => Some(Self::Booked(index)),
                    "BOOKED_APPOINTMENT_PROVIDER" => Some(Self::BookingProvider(index)),
                    "LAST_INVITE_DATE" => Some(Self::Invites(index)),
                    _ => None,
                }
            }
        }
    }

    /// The column without which this one does not say which doses are valid: where the plan asks for an age, the date of
    /// birth.
    pub(crate) fn beside(self, plan: &ContactPlan) -> Option<&'static str> {
        let by_age = plan.dose_schedule.is_some_and(|schedule| schedule.minimum_age.is_some());
        match self {
            Self::Doses(index) if by_age && PROGRAMMES[index] == plan.programme.code() => Some("date_of_birth"),
            _ => None,
        }
    }

    /// The column's name.
    pub(crate) fn column(self) -> String {
        let of = |index: usize, suffix: &str| format!("{}_{suffix}", PROGRAMMES[index].to_lowercase());
        match self {
            Self::DateOfBirth => "date_of_birth".to_owned(),
            Self::Gender => "gender".to_owned(),
            Self::Postcode => "postcode".to_owned(),
            Self::Lsoa => "lsoa".to_owned(),
            Self::Msoa => "msoa".to_owned(),
            Self::Practice => "practice".to_owned(),
            Self::Icb => "icb".to_owned(),
            Self::Region => "region".to_owned(),
            Self::Cohorts => "cohorts".to_owned(),
            Self::Doses(index) => of(index, "dose_dates"),
            Self::Booked(index) => of(index, "booked"),
            Self::BookingProvider(index) => of(index, "booking_provider"),
            Self::Invites(index) => of(index, "invites"),
        }
    }

    /// Adds the facts that come from this column.
    pub(crate) fn say(self, row: &PersonRow, plan: &ContactPlan, facts: &mut PersonFacts) {
        let mut own = |name: &str, value: &str| {
            if !value.is_empty() {
                facts.person.insert(name.to_owned(), value.to_owned());
            }
        };
        let (index, said) = match self {
            Self::DateOfBirth => return own("DATE_OF_BIRTH", &row.date_of_birth.map(compact).unwrap_or_default()),
            Self::Gender => return own("GENDER", &row.gender),
            Self::Postcode => {
                own("POSTCODE", &row.postcode);
                own("POSTCODE_OUTCODE", postcode::outcode(&row.postcode).unwrap_or_default());
                return own("POSTCODE_SECTOR", &sector(&row.postcode));
            }
            Self::Lsoa => return own("LSOA", &row.lsoa),
            Self::Msoa => return own("MSOA", &row.msoa),
            Self::Practice => return own("GP_PRACTICE_CODE", &row.practice),
            Self::Icb => {
                own("ICB", &row.icb);
                return own("ICB_OF_RESIDENCE", &row.icb);
            }
            Self::Region => return own("COMMISSIONING_REGION", &row.region),
            Self::Cohorts => {
                let care_home = row.cohorts.iter().any(|label| label == "care_home_residents");
                own("CARE_HOME_FLAG", if care_home { "Y" } else { "N" });
                facts.cohorts = row.cohorts.iter().cloned().collect();
                return;
            }
            Self::Doses(index) => {
                let all = &row.programmes[index].dose_dates;
                let own = PROGRAMMES[index] == plan.programme.code();
                let valid: Vec<Date> =
                    if own { plan.valid_doses(all, row.date_of_birth).collect() } else { all.clone() };
                let invalid = (own && plan.dose_schedule.is_some()).then(|| (all.len() - valid.len()).to_string());
                let said = vec![
                    ("LAST_SUCCESSFUL_DATE", all.last().map(|day| compact(*day))),
                    ("LAST_VALID_DOSE_DATE", valid.last().map(|day| compact(*day))),
                    ("VALID_DOSES_COUNT", Some(valid.len().to_string())),
                    ("INVALID_DOSES_COUNT", invalid),
                    ("SUCCESSFUL_PROCEDURE_COUNT", Some(all.len().to_string())),
                ];
                (index, said)
            }
            Self::Booked(index) => {
                (index, vec![("BOOKED_APPOINTMENT_DATE", row.programmes[index].booked.map(compact))])
            }
            Self::BookingProvider(index) => {
                (index, vec![("BOOKED_APPOINTMENT_PROVIDER", Some(row.programmes[index].booking_provider.clone()))])
            }
            Self::Invites(index) => {
                (index, vec![("LAST_INVITE_DATE", row.programmes[index].last_invite().map(compact))])
            }
        };
        let target = facts.targets.entry(PROGRAMMES[index].to_owned()).or_default();
        for (name, value) in said {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                target.insert(name.to_owned(), value);
            }
        }
    }
}

/// `CB38` of `CB3 8DX`, as EliD writes it.
fn sector(postcode: &str) -> String {
    postcode.split_once(' ').map(|(out, inward)| format!("{out}{}", &inward[..inward.len().min(1)])).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_a_column_of_the_dataset() {
        let names: Vec<String> =
            crate::Row::columns().into_iter().map(|column: crate::Column<PersonRow>| column.name).collect();
        for source in Source::all() {
            assert!(names.contains(&source.column()), "{source:?}");
        }
    }
}
