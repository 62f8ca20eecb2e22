//! What happened on each day of a campaign.

use std::collections::{BTreeMap, HashMap};

use ims_domain::campaign::ContactPlan;
use ims_snapshot::{ContactRow, PersonRow};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::standing::left;

/// A day of a campaign, in people. Days on which nothing happened are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Business day.
    pub day: Date,
    /// People whose first message left on it.
    pub invited: u64,
    /// People whose first dose since the plan's first day was given on it.
    pub vaccinated: u64,
    /// People who were called at least once and whose call became due on it: the snapshot does not hold the day of a call.
    pub called: u64,
}

/// Days, as they are counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trend {
    /// Invited, vaccinated, called.
    days: BTreeMap<Date, [u64; 3]>,
}

impl Trend {
    /// Adds one part of the population. All rows of a person are in one part.
    pub(crate) fn add_part(&mut self, plan: &ContactPlan, people: &[PersonRow], contacts: &[ContactRow]) {
        let mut invited: HashMap<&str, Date> = HashMap::new();
        let mut called: HashMap<&str, Date> = HashMap::new();
        for row in contacts.iter().filter(|row| row.campaign == plan.campaign) {
            let first = match row.kind.as_str() {
                "message" if left(row) => &mut invited,
                "call" if row.attempts > 0 => &mut called,
                _ => continue,
            };
            if let Some(day) = row.on_date {
                first.entry(&row.person_id).and_modify(|held| *held = day.min(*held)).or_insert(day);
            }
        }
        let vaccinated = people
            .iter()
            .filter(|row| !row.superseded)
            .filter_map(|row| plan.valid_doses(&row.programme(plan.programme)?.dose_dates, row.date_of_birth).min());
        vaccinated.for_each(|day| self.days.entry(day).or_default()[1] += 1);
        invited.into_values().for_each(|day| self.days.entry(day).or_default()[0] += 1);
        called.into_values().for_each(|day| self.days.entry(day).or_default()[2] += 1);
    }

    /// The days, in order.
    pub(crate) fn days(&self) -> Vec<Day> {
        let day = |(&day, &[invited, vaccinated, called]): (&Date, &[u64; 3])| Day { day, invited, vaccinated, called };
        self.days.iter().map(day).collect()
    }
}
