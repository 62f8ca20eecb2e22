//! What has happened to a person before the business date, and the one thing that may happen while a wave is under way.

use jiff::civil::{Date, DateTime, date};
use jiff::{Span, ToSpan};

use super::Settings;
use super::draw::Draw;

/// A programme that the population has a history in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Vaccine {
    /// Influenza
    Flu,
    /// COVID-19
    Covid,
}

impl Vaccine {
    /// The code in file names, bookings and campaigns.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Flu => "FLU",
            Self::Covid => "COVID",
        }
    }

    /// From that code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Flu, Self::Covid].into_iter().find(|vaccine| vaccine.code() == code)
    }
}

/// A dose given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dose {
    /// Which vaccine.
    pub vaccine: Vaccine,
    /// Place in the course, from 1.
    pub number: u8,
    /// When, UTC.
    pub at: DateTime,
    /// Place in [`super::Geography::sites`].
    pub site: usize,
    /// The supplier's identifier of the record.
    pub unique_id: String,
    /// Batch number of the vaccine.
    pub batch: String,
    /// Recorded under the person's second registration.
    pub under_second_number: bool,
}

/// State of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppointmentStatus {
    /// Held
    Booked,
    /// Given up
    Cancelled,
    /// Kept
    Attended,
    /// Missed
    DidNotAttend,
}

impl AppointmentStatus {
    /// The code in the bookings extract.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Booked => "BOOKED",
            Self::Cancelled => "CANCELLED",
            Self::Attended => "ATTENDED",
            Self::DidNotAttend => "DNA",
        }
    }
}

/// A booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appointment {
    /// The booking system's reference.
    pub reference: String,
    /// Which vaccine.
    pub vaccine: Vaccine,
    /// When, UTC.
    pub at: DateTime,
    /// State.
    pub status: AppointmentStatus,
    /// When it was made, UTC.
    pub created: DateTime,
    /// When it was cancelled, UTC.
    pub cancelled: Option<DateTime>,
    /// Place in [`super::Geography::sites`].
    pub site: usize,
}

/// What changes for a person between selection and release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LateChange {
    /// Dies.
    Dies,
    /// Leaves the list for the given reason (EMB, SCT, …).
    Removed(&'static str),
    /// Comes back to the list.
    Returns,
    /// The second registration is merged into the first.
    Merged,
    /// The NHS number is invalidated.
    Invalidated,
    /// The address may no longer be disclosed to anybody.
    Restricted,
    /// Moves house.
    Moves,
    /// Loses the home, and every number.
    LosesContact,
    /// The date of birth was wrong: the person is much younger.
    BirthDateCorrected,
    /// Is no longer at clinical risk.
    LeavesRisk,
    /// Asks not to be contacted, by the given wish (a cohort label).
    Wishes(&'static str),
    /// Is taken into custody.
    EntersCustody,
    /// Books an appointment.
    Books(Vaccine),
    /// Cancels the booking held.
    Cancels,
    /// Is vaccinated elsewhere.
    Vaccinated(Vaccine),
    /// The latest dose's record is corrected.
    DoseCorrected,
    /// The latest dose's record is deleted.
    DoseDeleted,
}

/// In the first thousand people every fortieth, from the eighteenth, is over 80, on the list and unvaccinated, and has the
/// change of this list, so that each happens to somebody who was selected however small the population is.
const CERTAIN: [LateChange; 25] = [
    LateChange::Dies,
    LateChange::Removed("EMB"),
    LateChange::Merged,
    LateChange::Invalidated,
    LateChange::Restricted,
    LateChange::Vaccinated(Vaccine::Flu),
    LateChange::Vaccinated(Vaccine::Covid),
    LateChange::Books(Vaccine::Flu),
    LateChange::Books(Vaccine::Covid),
    LateChange::BirthDateCorrected,
    LateChange::Wishes("contact_opt_out_all"),
    LateChange::Wishes("contact_opt_out_flu"),
    LateChange::Wishes("contact_opt_out_covid"),
    LateChange::EntersCustody,
    LateChange::LosesContact,
    LateChange::Wishes("contact_no_text"),
    LateChange::Wishes("contact_no_telephone"),
    LateChange::Moves,
    LateChange::Cancels,
    LateChange::DoseCorrected,
    LateChange::DoseDeleted,
    LateChange::LeavesRisk,
    LateChange::Removed("SCT"),
    LateChange::Dies,
    LateChange::Returns,
];

/// The change that is certain for a person, if there is one.
pub(crate) fn certain(i: u64) -> Option<LateChange> {
    if i % 40 == 17 { CERTAIN.get((i / 40) as usize).copied() } else { None }
}

/// What a late change may depend on.
pub(crate) struct Standing {
    pub(crate) removed: bool,
    pub(crate) off_list: bool,
    pub(crate) restricted: bool,
    pub(crate) at_risk: bool,
    pub(crate) booked: bool,
    pub(crate) recent_dose: bool,
    pub(crate) second_number: bool,
    pub(crate) covid_doses: usize,
}

/// A late change for about 3 % of people, possible for the person it happens to.
pub(crate) fn late_change(draw: &mut Draw, standing: &Standing) -> Option<LateChange> {
    if !draw.chance(0.029) {
        return None;
    }
    if standing.removed {
        return Some(LateChange::Returns);
    }
    if standing.off_list {
        return None;
    }
    let vaccine = if draw.chance(0.5) { Vaccine::Flu } else { Vaccine::Covid };
    let change = match draw.below(100) {
        0..8 => LateChange::Dies,
        8..14 => LateChange::Removed(draw.pick(&["EMB", "SCT", "NIT", "ORR"])),
        14..16 => LateChange::Invalidated,
        16..20 => LateChange::Restricted,
        20..22 => LateChange::LosesContact,
        22..24 => LateChange::BirthDateCorrected,
        24..28 => LateChange::LeavesRisk,
        28..44 => LateChange::Wishes(draw.pick(&[
            "contact_opt_out_all",
            "contact_opt_out_flu",
            "contact_opt_out_covid",
            "contact_no_text",
            "contact_no_telephone",
        ])),
        44..46 => LateChange::EntersCustody,
        46..60 => LateChange::Books(vaccine),
        60..64 => LateChange::Cancels,
        64..76 => LateChange::Vaccinated(vaccine),
        76..80 => LateChange::DoseCorrected,
        80..84 => LateChange::DoseDeleted,
        84..88 => LateChange::Merged,
        _ => LateChange::Moves,
    };
    let possible = match change {
        LateChange::LeavesRisk => standing.at_risk,
        LateChange::Cancels => standing.booked,
        LateChange::DoseCorrected | LateChange::DoseDeleted => standing.recent_dose,
        LateChange::Merged => standing.second_number,
        LateChange::Vaccinated(Vaccine::Covid) => standing.covid_doses < 2,
        LateChange::Books(_) => !standing.booked && !standing.restricted,
        LateChange::Restricted | LateChange::LosesContact => !standing.restricted,
        _ => true,
    };
    // A move is possible for everybody else; of a restricted person it may not be told.
    if possible {
        Some(change)
    } else if standing.restricted {
        None
    } else {
        Some(LateChange::Moves)
    }
}

/// The first day of the flu season that holds on a day: the last 1 September.
#[must_use]
pub fn season_start(day: Date) -> Date {
    let year = if day.month() >= 9 { day.year() } else { day.year() - 1 };
    date(year, 9, 1)
}

/// What decides a person's history.
pub(crate) struct Circumstances {
    pub(crate) age: u8,
    pub(crate) at_risk: bool,
    pub(crate) care_home_resident: bool,
    pub(crate) staff: bool,
    pub(crate) second_number: bool,
    pub(crate) site: usize,
    pub(crate) certain: Option<LateChange>,
}

/// A time of day at which clinics work.
fn clinic_time(draw: &mut Draw, day: Date) -> DateTime {
    day.at(8 + draw.below(10) as i8, 5 * draw.below(12) as i8, 0, 0)
}

/// A day this many days away.
pub(crate) fn days_from(day: Date, days: i64) -> Date {
    day.saturating_add(Span::new().days(days))
}

pub(crate) fn dose(draw: &mut Draw, vaccine: Vaccine, number: u8, day: Date, site: usize) -> Dose {
    Dose {
        vaccine,
        number,
        at: clinic_time(draw, day),
        site,
        unique_id: draw.uuid().to_string(),
        batch: format!("{}{:04}", draw.pick(&["AB", "FL", "EW", "PV"]), draw.below(10_000)),
        under_second_number: false,
    }
}

/// Doses given before the business date, oldest first.
pub(crate) fn doses(draw: &mut Draw, settings: &Settings, who: &Circumstances) -> Vec<Dose> {
    let today = settings.business_date;
    let season = season_start(today);
    let mut given = Vec::new();

    let last_season = match who.age {
        65.. => 0.75,
        50..=64 if !who.at_risk => 0.33,
        18..=64 if who.at_risk => 0.52,
        2..=11 => 0.50,
        12..=17 => 0.35,
        _ if who.staff => 0.65,
        0..=1 => 0.0,
        _ => 0.05,
    };
    let previous = season_start(days_from(season, -1));
    if draw.chance(last_season) {
        let day = days_from(previous, 14 + draw.below(110) as i64);
        given.push(dose(draw, Vaccine::Flu, 1, day, who.site));
    }
    // Doses of this season: those who come early, once the season has begun.
    let into_season = season.until(today).map_or(0, |span| span.get_days());
    let early = if who.care_home_resident { 0.20 } else { last_season * 0.08 };
    let has_recent = matches!(who.certain, Some(LateChange::DoseCorrected | LateChange::DoseDeleted));
    if has_recent || (who.certain.is_none() && into_season > 3 && draw.chance(early)) {
        let ago = draw.between(1, into_season.clamp(2, 60) - 1);
        given.push(dose(draw, Vaccine::Flu, 1, days_from(today, -i64::from(ago)), who.site));
    }

    let first = match who.age {
        _ if who.certain.is_some() => 0.0,
        _ if who.care_home_resident => 0.60,
        _ if who.staff => 0.45,
        80.. => 0.25,
        70..=79 => 0.08,
        16.. => 0.005,
        _ => 0.0,
    };
    if draw.chance(first) {
        let day = days_from(today, -i64::from(draw.between(3, 80)));
        given.push(dose(draw, Vaccine::Covid, 1, day, who.site));
        let second = days_from(day, i64::from(draw.between(21, 28)));
        if second < today && draw.chance(0.12) {
            given.push(dose(draw, Vaccine::Covid, 2, second, who.site));
        }
    }
    for dose in &mut given {
        dose.under_second_number = who.second_number && draw.chance(0.4);
    }
    given
}

pub(crate) fn appointment(
    draw: &mut Draw,
    vaccine: Vaccine,
    day: Date,
    created: DateTime,
    status: AppointmentStatus,
    site: usize,
) -> Appointment {
    Appointment {
        reference: format!("{:04}-{:04}-{:04}", draw.below(10_000), draw.below(10_000), draw.below(10_000)),
        vaccine,
        at: clinic_time(draw, day),
        status,
        created,
        cancelled: None,
        site,
    }
}

/// Bookings made before the business date, oldest first.
pub(crate) fn appointments(
    draw: &mut Draw,
    settings: &Settings,
    who: &Circumstances,
    given: &[Dose],
) -> Vec<Appointment> {
    let today = settings.business_date;
    let mut made = Vec::new();
    for dose in given {
        if days_from(dose.at.date(), 90) > today && draw.chance(0.4) {
            let created = days_from(dose.at.date(), -i64::from(draw.between(2, 12))).at(11, 30, 0, 0);
            let mut kept = appointment(draw, dose.vaccine, today, created, AppointmentStatus::Attended, dose.site);
            kept.at = dose.at;
            made.push(kept);
        }
    }
    for vaccine in [Vaccine::Flu, Vaccine::Covid] {
        let may = match vaccine {
            Vaccine::Flu => who.age >= 50 || who.at_risk,
            Vaccine::Covid => who.age >= 70 || who.staff,
        };
        let recent = given.iter().any(|dose| dose.vaccine == vaccine && days_from(dose.at.date(), 90) > today);
        let certain = who.certain == Some(LateChange::Cancels);
        if !certain && (who.certain.is_some() || !may || recent || !draw.chance(0.03)) {
            continue;
        }
        let created = days_from(today, -i64::from(draw.between(2, 9))).at(10, 15, 0, 0);
        let day = days_from(today, i64::from(draw.between(2, 21)));
        let kind = if certain { 0 } else { draw.below(10) };
        let mut held = appointment(draw, vaccine, day, created, AppointmentStatus::Booked, who.site);
        match kind {
            8 => {
                held.status = AppointmentStatus::Cancelled;
                held.cancelled = Some(created.saturating_add(20.hours()));
            }
            9 => {
                held.status = AppointmentStatus::DidNotAttend;
                held.at = days_from(today, -1).at(9, 0, 0, 0);
            }
            _ => {}
        }
        made.push(held);
    }
    made
}
