//! Whether a person may be written to, and how: decided on the live person, again and again.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::Person;
use crate::campaign::ContactPlan;
use crate::person::IN_CUSTODY;

/// Age from which a text goes to the person; younger people are written to through a parent or guardian, by letter.
pub const TEXT_FROM_AGE: i16 = 16;

/// Why nothing goes out. In the order in which they are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Known to have died.
    Dead,
    /// Removed from registration, or the number was superseded.
    Removed,
    /// The NHS number was invalidated.
    Invalidated,
    /// The address may be disclosed to nobody; the practice reaches them.
    Restricted,
    /// Has had the dose.
    Vaccinated,
    /// Has an appointment.
    Booked,
    /// The rules no longer answer Actionable.
    NotEligible,
    /// Asked not to be contacted.
    OptedOut,
    /// Answered to have had the vaccine elsewhere this season; that is not verified.
    SaysVaccinated,
    /// Reached through the healthcare service of a secure setting.
    InCustody,
    /// Neither a mobile number that may be texted nor an address.
    NoContactRoute,
    /// The same message left already, to another NHS number of theirs.
    AlreadyWritten,
    /// The wave was closed before the message left.
    Held,
}

impl Reason {
    /// The name used in items, exports and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Removed => "removed",
            Self::Invalidated => "invalidated",
            Self::Restricted => "restricted",
            Self::Vaccinated => "vaccinated",
            Self::Booked => "booked",
            Self::NotEligible => "not_eligible",
            Self::OptedOut => "opted_out",
            Self::SaysVaccinated => "says_vaccinated",
            Self::InCustody => "in_custody",
            Self::NoContactRoute => "no_contact_route",
            Self::AlreadyWritten => "already_written",
            Self::Held => "held",
        }
    }

    /// Whether it follows from the person being gone from the list, which selection already sees.
    #[must_use]
    pub fn is_off_list(self) -> bool {
        matches!(self, Self::Dead | Self::Removed | Self::Invalidated)
    }
}

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Text message.
    Sms,
    /// Printed letter.
    Letter,
}

impl Channel {
    /// The name used in keys and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Letter => "letter",
        }
    }
}

/// Whether the person has left the list for good or for now: dead, removed, superseded or invalidated.
#[must_use]
pub fn off_list(person: &Person) -> Option<Reason> {
    if person.death().is_some() {
        Some(Reason::Dead)
    } else if person.states.removed.is_some() || person.states.superseded_by.is_some() {
        Some(Reason::Removed)
    } else if person.states.invalidated {
        Some(Reason::Invalidated)
    } else {
        None
    }
}

/// Why nothing may be written to the person about this dose on this day, or `None`.
///
/// `actionable` is the rules' answer on the live person on this day.
#[must_use]
pub fn suppression(person: &Person, plan: &ContactPlan, dose: u8, today: Date, actionable: bool) -> Option<Reason> {
    if let Some(reason) = off_list(person) {
        return Some(reason);
    }
    if person.is_restricted() {
        return Some(Reason::Restricted);
    }
    let history = person.programme(plan.programme);
    if plan.count_valid(&history.doses, person.demographics.date_of_birth) >= dose {
        return Some(Reason::Vaccinated);
    }
    if history.booked.is_some_and(|day| day >= today) {
        return Some(Reason::Booked);
    }
    if !actionable {
        return Some(Reason::NotEligible);
    }
    if person.has_opted_out(plan.programme) {
        return Some(Reason::OptedOut);
    }
    if person.says_vaccinated(plan.programme, plan.count_doses_from) {
        return Some(Reason::SaysVaccinated);
    }
    if person.in_cohort(IN_CUSTODY) {
        return Some(Reason::InCustody);
    }
    if channel(person, today).is_none() {
        return Some(Reason::NoContactRoute);
    }
    None
}

/// The channel for a message: SMS where it may be used, else a letter where one can be addressed.
#[must_use]
pub fn channel(person: &Person, today: Date) -> Option<Channel> {
    if may_text(person, today) {
        Some(Channel::Sms)
    } else if person.has_postal_address() {
        Some(Channel::Letter)
    } else {
        None
    }
}

/// Whether the person can still be reached on a channel chosen earlier.
#[must_use]
pub fn is_reachable(person: &Person, channel: Channel, today: Date) -> bool {
    match channel {
        Channel::Sms => may_text(person, today),
        Channel::Letter => person.has_postal_address(),
    }
}

fn may_text(person: &Person, today: Date) -> bool {
    !person.is_restricted()
        && !person.demographics.mobile.is_empty()
        && !person.texts_fail()
        && !person.in_cohort("contact_no_text")
        && !person.number_is_disowned()
        && person.age_on(today).is_some_and(|age| age >= TEXT_FROM_AGE)
}

/// Whether the person may be telephoned, and has a number.
#[must_use]
pub fn may_telephone(person: &Person) -> bool {
    let has_mobile = !person.demographics.mobile.is_empty() && !person.number_is_disowned() && !person.number_is_dead();
    let has_number = !person.demographics.telephone.is_empty() || has_mobile;
    has_number && !person.is_restricted() && !person.in_cohort("contact_no_telephone")
}
