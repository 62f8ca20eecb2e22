//! A person's row as the rules ask about it.

use ims_domain::campaign::ContactPlan;
use ims_domain::{Person, clock::compact, postcode};
use ims_eligibility::PersonFacts;

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

/// The facts of a person for a campaign. Doses of the campaign's own programme count from the plan's first day on;
/// those of other programmes all count.
#[must_use]
pub fn facts_of(row: &PersonRow, plan: &ContactPlan) -> PersonFacts {
    let mut facts = PersonFacts::default();
    let mut say = |name: &str, value: String| {
        if !value.is_empty() {
            facts.person.insert(name.to_owned(), value);
        }
    };
    say("DATE_OF_BIRTH", row.date_of_birth.map(compact).unwrap_or_default());
    say("GENDER", row.gender.clone());
    say("POSTCODE", row.postcode.clone());
    say("POSTCODE_OUTCODE", postcode::outcode(&row.postcode).unwrap_or_default().to_owned());
    say("POSTCODE_SECTOR", sector(&row.postcode));
    say("LSOA", row.lsoa.clone());
    say("MSOA", row.msoa.clone());
    say("GP_PRACTICE_CODE", row.practice.clone());
    say("ICB", row.icb.clone());
    say("ICB_OF_RESIDENCE", row.icb.clone());
    say("COMMISSIONING_REGION", row.region.clone());
    let care_home = row.cohorts.iter().any(|label| label == "care_home_residents");
    say("CARE_HOME_FLAG", if care_home { "Y" } else { "N" }.to_owned());
    facts.cohorts = row.cohorts.iter().cloned().collect();
    for (code, columns) in PROGRAMMES.iter().zip(&row.programmes) {
        let own = *code == plan.programme.code();
        let doses: Vec<_> = columns.dose_dates.iter().filter(|day| !own || **day >= plan.count_doses_from).collect();
        let target = facts.targets.entry((*code).to_owned()).or_default();
        let mut say = |name: &str, value: Option<String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                target.insert(name.to_owned(), value);
            }
        };
        say("LAST_SUCCESSFUL_DATE", columns.dose_dates.last().map(|day| compact(*day)));
        say("LAST_VALID_DOSE_DATE", doses.last().map(|day| compact(**day)));
        say("VALID_DOSES_COUNT", Some(doses.len().to_string()));
        say("SUCCESSFUL_PROCEDURE_COUNT", Some(columns.dose_dates.len().to_string()));
        say("BOOKED_APPOINTMENT_DATE", columns.booked.map(compact));
        say("BOOKED_APPOINTMENT_PROVIDER", Some(columns.booking_provider.clone()));
        say("LAST_INVITE_DATE", columns.last_invite().map(compact));
    }
    facts
}

/// `CB38` of `CB3 8DX`, as EliD writes it.
fn sector(postcode: &str) -> String {
    postcode.split_once(' ').map(|(out, inward)| format!("{out}{}", &inward[..inward.len().min(1)])).unwrap_or_default()
}
