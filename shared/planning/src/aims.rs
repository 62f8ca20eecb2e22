//! What a planner asks for, and what there is to do it with.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::candidates::{Apart, FIFTHS};

/// What a wave is to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Aims {
    /// Most people in the wave.
    pub size: u64,
    /// Days on which it invites, from the first on.
    pub days: u16,
    /// How much more often the most deprived fifth is invited than the least where there is not room for all, less one: 0
    /// asks all alike, 1 the most deprived twice as often, and those between in even steps.
    pub equity: f64,
    /// Share of each day's capacity that bookings and those who answer may fill; what it leaves is for chance, and for people
    /// who come unasked.
    pub fill: f64,
    /// Weeks of waiting that move somebody forward by one cohort.
    pub weeks_a_cohort: u16,
    /// Kilometres by road that people are expected to go.
    pub reach_kilometres: f64,
    /// Weeks of waiting after which twice as far is looked for a site.
    pub weeks_to_reach_twice: u16,
    /// Weeks of waiting after which the next nearest site is planned for, too, and after as many again the one after. People book
    /// where it is nearest as long as anything is free there, so who is invited for the sake of a further site fills what a nearer
    /// one keeps in reserve.
    pub weeks_to_next_site: u16,
    /// What each day's invitations may use.
    pub limits: Limits,
    /// People without a usable area that may be passed on a day.
    pub quotas: Quotas,
    /// Key of the hash that settles ties.
    pub seed: u64,
}

impl Default for Aims {
    fn default() -> Self {
        Self {
            size: u64::MAX,
            days: 5,
            equity: 0.5,
            fill: 0.9,
            weeks_a_cohort: 4,
            reach_kilometres: 25.0,
            weeks_to_reach_twice: 2,
            weeks_to_next_site: 6,
            limits: Limits::default(),
            quotas: Quotas::default(),
            seed: 0,
        }
    }
}

/// What may be used on a day, and what an invitation uses. None is no limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Letters that the mailer takes.
    pub letters: Option<u64>,
    /// Texts that the provider takes.
    pub texts: Option<u64>,
    /// Calls that the inbound telephone line can answer.
    pub calls: Option<u64>,
    /// Pence that may be spent.
    pub pence: Option<u64>,
    /// Calls that come of a letter, by the thousand.
    pub calls_a_thousand_letters: u32,
    /// Calls that come of a text, by the thousand.
    pub calls_a_thousand_texts: u32,
    /// Pence a letter.
    pub pence_a_letter: u32,
    /// Pence a text.
    pub pence_a_text: u32,
}

impl Default for Limits {
    /// No limits. GOV.UK Notify's published prices: a second-class letter of one sheet 68 p, a text 2.4 p, here 3. Calls:
    /// a stated assumption, to be set from the line's own figures.
    fn default() -> Self {
        Self {
            letters: None,
            texts: None,
            calls: None,
            pence: None,
            calls_a_thousand_letters: 120,
            calls_a_thousand_texts: 30,
            pence_a_letter: 68,
            pence_a_text: 3,
        }
    }
}

/// People without a usable area that may be passed on a day, by route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quotas {
    /// To practices, of people whose address may be disclosed to nobody.
    pub restricted: u32,
    /// To outreach teams.
    pub no_fixed_abode: u32,
    /// To healthcare in secure settings.
    pub in_custody: u32,
    /// Written to, with no site to plan for.
    pub unknown_area: u32,
    /// To practices, of people who can neither be texted nor written to.
    pub no_contact_route: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            restricted: 2_000,
            no_fixed_abode: 2_000,
            in_custody: 2_000,
            unknown_area: 5_000,
            no_contact_route: 2_000,
        }
    }
}

impl Quotas {
    /// The quota of a route.
    #[must_use]
    pub fn of(&self, apart: Apart) -> u32 {
        match apart {
            Apart::Restricted => self.restricted,
            Apart::NoFixedAbode => self.no_fixed_abode,
            Apart::InCustody => self.in_custody,
            Apart::UnknownArea => self.unknown_area,
            Apart::NoContactRoute => self.no_contact_route,
        }
    }
}

/// Input that no plan can be made from: what, and the value at fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}: {value}")]
pub struct Unsound {
    /// The field, and what it must be.
    pub what: String,
    /// Its value.
    pub value: String,
}

impl Unsound {
    pub(crate) fn new(what: impl Into<String>, value: impl ToString) -> Self {
        Self { what: what.into(), value: value.to_string() }
    }
}

impl Aims {
    /// Checks every value.
    ///
    /// # Errors
    /// Names the first that cannot be used.
    pub fn check(&self) -> Result<(), Unsound> {
        let within = |name: &str, value: f64, least: f64, most: f64| {
            if value.is_finite() && (least..=most).contains(&value) {
                return Ok(());
            }
            Err(Unsound::new(format!("{name} must be from {least} to {most}"), value))
        };
        within("equity", self.equity, 0.0, 10.0)?;
        within("fill", self.fill, 0.0, 1.0)?;
        within("reach_kilometres", self.reach_kilometres, 0.0, 2_000.0)?;
        within("days", f64::from(self.days), 1.0, 90.0)?;
        within("weeks_a_cohort", f64::from(self.weeks_a_cohort), 1.0, 520.0)?;
        within("weeks_to_reach_twice", f64::from(self.weeks_to_reach_twice), 1.0, 520.0)?;
        within("weeks_to_next_site", f64::from(self.weeks_to_next_site), 1.0, 520.0)
    }

    /// How often each fifth is invited where there is not room for all, the least deprived once.
    #[must_use]
    pub fn weights(&self) -> [f64; FIFTHS] {
        std::array::from_fn(|fifth| {
            let steps = if fifth == 0 { 2.0 } else { 5.0 - fifth as f64 };
            1.0 + self.equity * steps / 4.0
        })
    }

    /// Kilometres within which somebody who has waited so long is expected to go.
    #[must_use]
    pub fn reach(&self, weeks: u16) -> f64 {
        self.reach_kilometres * 2f64.powf(f64::from(weeks) / f64::from(self.weeks_to_reach_twice)).min(1e4)
    }
}
