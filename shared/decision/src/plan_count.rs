//! What planning a wave needs of a snapshot part: candidates by kind, bookings by site and day, answers to invitations so far.

use std::collections::BTreeMap;

use ims_domain::clock::age_on;
use ims_domain::contact::{Channel, TEXT_FROM_AGE};
use ims_domain::person::IN_CUSTODY;
use ims_eligibility::Status;
use ims_planning::{Apart, CountedPart, Kind, SeenKind};
use ims_snapshot::PersonRow;
use jiff::civil::Date;

use crate::{DecisionError, Rules};

/// Postcode of people of no fixed abode (ODS, pseudo country and dummy postcodes).
const NO_FIXED_ABODE: &str = "ZZ99 3VZ";
/// Wish not to be texted.
const NO_TEXT: &str = "contact_no_text";

/// Counts a part for a wave that takes these cohorts (all where empty) as of a day. Candidates are those whom selection lists.
///
/// # Errors
/// Where no iteration of the campaign is live.
pub fn count(
    rules: &Rules,
    limited_to: &[String],
    people: &[PersonRow],
    day: Date,
) -> Result<CountedPart, DecisionError> {
    let plan = rules.plan();
    let mut candidates: BTreeMap<Kind, u32> = BTreeMap::new();
    let mut booked: BTreeMap<(&str, Date), u32> = BTreeMap::new();
    /// Cohort, area, fifth and day of the invitation.
    type Together = (String, Option<String>, u8, Date);
    let mut seen: BTreeMap<Together, (u32, u32)> = BTreeMap::new();
    for row in people.iter().filter(|row| !row.is_off_list()) {
        let history = row.programme(plan.programme);
        if let Some(history) = history
            && let Some(appointment) = history.booked.filter(|booked| *booked >= day)
        {
            *booked.entry((history.booking_provider.as_str(), appointment)).or_default() += 1;
        }
        let (status, cohort) = rules.ask(row, day)?;
        let Some(cohort) = cohort else { continue };
        let invited = history.and_then(|history| {
            let on = invited_on(&history.invites, &plan.campaign)?;
            let answers = [history.appointment, history.booked, history.dose_dates.last().copied()];
            Some((on, answers.into_iter().flatten().any(|day| day >= on)))
        });
        if let Some((on, answered)) = invited {
            let kind = kind(row, cohort.clone(), day);
            let sum = seen.entry((kind.cohort, kind.area, kind.fifth, on)).or_default();
            sum.0 += 1;
            sum.1 += u32::from(answered);
        }
        let dose = rules.next_dose(row);
        let wanted = limited_to.is_empty() || limited_to.contains(&cohort);
        let invited_for = history.is_some_and(|history| history.is_invited(&plan.campaign, dose));
        if status == Status::Actionable && wanted && dose <= plan.doses && !invited_for {
            *candidates.entry(kind(row, cohort, day)).or_default() += 1;
        }
    }
    let seen = seen.into_iter().map(|((cohort, area, fifth, on), (invited, answered))| SeenKind {
        cohort,
        area,
        fifth,
        on,
        invited,
        answered,
    });
    Ok(CountedPart {
        people: people.len() as u64,
        candidates: candidates.into_iter().collect(),
        booked: booked.into_iter().map(|((site, day), bookings)| (site.to_owned(), day, bookings)).collect(),
        seen: seen.collect(),
    })
}

/// Labels of a campaign's cohorts, the highest first.
#[must_use]
pub fn cohorts(rules: &Rules) -> Vec<String> {
    let mut places: Vec<(u32, String)> =
        rules.cohort_places().into_iter().map(|(label, place)| (place, label)).collect();
    places.sort_unstable();
    places.into_iter().map(|(_, label)| label).collect()
}

/// The day of the latest invitation of a campaign that was opened.
fn invited_on(invites: &[String], campaign: &str) -> Option<Date> {
    let day = |invite: &String| {
        let mut parts = invite.strip_prefix(campaign)?.strip_prefix('#')?.split('#').skip(1);
        let day = parts.next()?.parse().ok()?;
        (parts.next() == Some("open")).then_some(day)
    };
    invites.iter().filter_map(day).max()
}

/// What a candidate is counted by.
#[must_use]
pub fn kind(row: &PersonRow, cohort: String, day: Date) -> Kind {
    let adult = row.date_of_birth.is_some_and(|born| age_on(born, day) >= TEXT_FROM_AGE);
    let channel = if row.has_mobile && adult && !row.wishes.iter().any(|wish| wish == NO_TEXT) {
        Some(Channel::Sms)
    } else {
        row.has_address.then_some(Channel::Letter)
    };
    let apart = if row.restricted {
        Some(Apart::Restricted)
    } else if row.cohorts.iter().any(|label| label == IN_CUSTODY) {
        Some(Apart::InCustody)
    } else if row.postcode == NO_FIXED_ABODE {
        Some(Apart::NoFixedAbode)
    } else if channel.is_none() {
        Some(Apart::NoContactRoute)
    } else if row.msoa.is_empty() {
        Some(Apart::UnknownArea)
    } else {
        None
    };
    let channel = channel.filter(|_| apart.is_none_or(Apart::is_written_to));
    let area = Some(row.msoa.clone()).filter(|_| apart.is_none());
    Kind { cohort, area, apart, fifth: fifth(row.imd_decile), channel }
}

/// The fifth of a deprivation decile, 1 the most deprived; 0 where it is not known.
fn fifth(decile: u64) -> u8 {
    if (1..=10).contains(&decile) { decile.div_ceil(2) as u8 } else { 0 }
}
