//! The people: what those who were written to or called do next, and the records that come of it.
//!
//! Every happening stands on an agenda under its business day. A day's happenings become posts to the API and rows of
//! the day's feed files.

use std::collections::{BTreeMap, HashMap, HashSet};

use ims_domain::ids::stable_hash;
use ims_domain::invitation::CallOutcome;
use ims_testkit::population::{
    self, Appointment, AppointmentStatus, Dose, Geography, Settings, SyntheticPerson, Vaccine,
    behaviour::{self, Course, Step},
};
use jiff::civil::{Date, DateTime};
use serde_json::Value;

use super::campaigns::Campaign;
use super::days_after;

/// A dose of a campaign that a person is asked to come for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Asked {
    /// Index of the person.
    pub(super) person: u64,
    /// Place of the campaign in the list.
    pub(super) campaign: usize,
    /// Dose, from 1.
    pub(super) dose: u8,
}

#[derive(Debug, Clone)]
enum Happening {
    Books { appointment: Date, attends: bool },
    Keeps(Appointment),
    Misses(Appointment),
    VaccinatedElsewhere,
    OptsOut,
}

/// A record to post, of one person.
pub(super) struct Post {
    /// `Immunization` or `Booking`.
    pub(super) resource: &'static str,
    pub(super) body: Value,
}

/// What a day brings.
#[derive(Default)]
pub(super) struct Day {
    /// Posts by person, each person's in order.
    pub(super) posts: BTreeMap<u64, Vec<Post>>,
    /// Doses that suppliers tell of by file.
    pub(super) doses: Vec<(SyntheticPerson, Dose)>,
    /// Present states of appointments, for the bookings extract.
    pub(super) bookings: Vec<(SyntheticPerson, Appointment)>,
    /// Wishes, for the cohorts file.
    pub(super) wishes: Vec<(SyntheticPerson, String, Date)>,
}

impl Day {
    /// Whether nothing happened.
    pub(super) fn is_empty(&self) -> bool {
        self.posts.is_empty() && self.doses.is_empty() && self.bookings.is_empty() && self.wishes.is_empty()
    }
}

/// Everybody, and what they are going to do.
pub(super) struct Crowd<'a> {
    settings: Settings,
    geography: &'a Geography,
    campaigns: &'a [Campaign],
    indices: HashMap<String, u64>,
    agenda: BTreeMap<Date, Vec<(Asked, Happening)>>,
    /// Has booked or been vaccinated; does not come a second time.
    came: HashSet<Asked>,
    calls: HashMap<Asked, u32>,
    /// Said by a relative to have died: they do nothing more.
    gone: HashSet<u64>,
}

impl<'a> Crowd<'a> {
    pub(super) fn new(settings: Settings, geography: &'a Geography, campaigns: &'a [Campaign]) -> Self {
        let indices = (0..settings.people).map(|i| (population::nhs_number(i), i)).collect();
        Self {
            settings,
            geography,
            campaigns,
            indices,
            agenda: BTreeMap::new(),
            came: HashSet::new(),
            calls: HashMap::new(),
            gone: HashSet::new(),
        }
    }

    /// The person with an NHS number; none for a stale second registration, to which nobody answers.
    pub(super) fn index_of(&self, nhs_number: &str) -> Option<u64> {
        self.indices.get(nhs_number).copied()
    }

    fn person(&self, index: u64) -> SyntheticPerson {
        population::person(&self.settings, self.geography, index).after_late_change(&self.settings, self.geography)
    }

    fn course(&self, asked: Asked) -> Course<'a> {
        let campaign = &self.campaigns[asked.campaign];
        Course { campaign: &campaign.id, vaccine: campaign.vaccine, dose: asked.dose }
    }

    fn put(&mut self, day: Date, asked: Asked, happening: Happening) {
        self.agenda.entry(day).or_default().push((asked, happening));
    }

    /// Whether anything stands on the agenda up to a day.
    pub(super) fn has_plans_until(&self, day: Date) -> bool {
        self.agenda.keys().next().is_some_and(|first| *first <= day)
    }

    /// Appointments made before the first wave: most are kept.
    pub(super) fn expect_earlier_bookings(&mut self, today: Date) {
        for index in 0..self.settings.people {
            let person = self.person(index);
            if person.is_off_list() {
                continue;
            }
            for held in &person.appointments {
                let campaign = self.campaigns.iter().position(|campaign| campaign.vaccine == held.vaccine);
                let (Some(campaign), true) =
                    (campaign, held.status == AppointmentStatus::Booked && held.at.date() > today)
                else {
                    continue;
                };
                let from = self.campaigns[campaign].plan.count_doses_from;
                let had =
                    person.doses.iter().filter(|dose| dose.vaccine == held.vaccine && dose.at.date() >= from).count();
                let asked = Asked { person: index, campaign, dose: u8::try_from(had + 1).unwrap_or(u8::MAX) };
                let kept = !stable_hash(&held.reference).is_multiple_of(14);
                let happening = if kept { Happening::Keeps(held.clone()) } else { Happening::Misses(held.clone()) };
                self.came.insert(asked);
                self.put(held.at.date(), asked, happening);
            }
        }
    }

    /// Some over 65 who, between selection and release, are vaccinated or book, so that it comes by the API.
    pub(super) fn late_comers(&mut self, today: Date) -> Day {
        let mut day = Day::default();
        let Some(campaign) = self.campaigns.iter().position(|campaign| campaign.vaccine == Vaccine::Flu) else {
            return day;
        };
        for index in 0..self.settings.people {
            let books = match index % 90 {
                11 => false,
                56 => true,
                _ => continue,
            };
            let person = population::person(&self.settings, self.geography, index);
            let from = self.campaigns[campaign].plan.count_doses_from;
            let had = person.doses.iter().any(|dose| dose.vaccine == Vaccine::Flu && dose.at.date() >= from);
            let comes = person.age >= 66 && person.late.is_none() && !person.is_off_list() && !person.restricted;
            if !comes || had || person.appointments.iter().any(|held| held.status == AppointmentStatus::Booked) {
                continue;
            }
            let asked = Asked { person: index, campaign, dose: 1 };
            if books {
                self.books(&mut day, asked, today, days_after(today, 3), true);
            } else {
                let dose = self.dose(asked, &person, days_after(today, -1).at(10, 30, 0, 0));
                self.came.insert(asked);
                self.post_dose(&mut day, &person, &dose);
            }
        }
        day
    }

    /// What a person does who was written to on a day.
    pub(super) fn written_to(&mut self, asked: Asked, step: Step, today: Date) {
        let person = self.person(asked.person);
        let response = behaviour::response(&self.settings, &person, &self.course(asked), step);
        if let Some(after) = response.books_after_days {
            let books = days_after(today, after);
            let appointment = days_after(books, response.appointment_after_days);
            self.put(books, asked, Happening::Books { appointment, attends: response.attends });
        }
        if let Some(after) = response.vaccinated_elsewhere_after_days {
            self.put(days_after(today, after), asked, Happening::VaccinatedElsewhere);
        }
        if response.opts_out {
            self.put(days_after(today, 2u32), asked, Happening::OptsOut);
        }
    }

    /// How many calls were made to the person about the dose.
    pub(super) fn calls_to(&self, asked: Asked) -> u32 {
        self.calls.get(&asked).copied().unwrap_or(0)
    }

    /// What comes of a call.
    pub(super) fn called(&mut self, asked: Asked) -> CallOutcome {
        let attempt = self.calls.entry(asked).or_insert(0);
        *attempt += 1;
        let attempt = *attempt;
        let outcome = behaviour::call_outcome(&self.settings, &self.person(asked.person), &self.course(asked), attempt);
        if outcome == CallOutcome::Bereaved {
            self.gone.insert(asked.person);
        }
        outcome
    }

    /// The booking that a call ended with.
    pub(super) fn booked_by_call(&mut self, day: &mut Day, asked: Asked, today: Date) {
        let response = behaviour::response(&self.settings, &self.person(asked.person), &self.course(asked), Step::Call);
        self.books(day, asked, today, days_after(today, response.appointment_after_days), response.attends);
    }

    fn books(&mut self, day: &mut Day, asked: Asked, today: Date, appointment: Date, attends: bool) {
        let person = self.person(asked.person);
        let minute = (asked.person % 50) as i8;
        let (created, at) = (today.at(9, minute, 0, 0), appointment.at(9 + (asked.person % 6) as i8, 10, 0, 0));
        let held = behaviour::booking_made(&self.settings, self.geography, &person, &self.course(asked), created, at);
        let body = behaviour::booking(self.geography, &person, &held);
        day.posts.entry(asked.person).or_default().push(Post { resource: "Booking", body });
        self.came.insert(asked);
        let happening = if attends { Happening::Keeps(held) } else { Happening::Misses(held) };
        self.put(appointment, asked, happening);
    }

    fn dose(&self, asked: Asked, person: &SyntheticPerson, at: DateTime) -> Dose {
        behaviour::dose_given(&self.settings, self.geography, person, &self.course(asked), at)
    }

    fn post_dose(&self, day: &mut Day, person: &SyntheticPerson, dose: &Dose) {
        let body = behaviour::fhir_immunization(self.geography, person, dose);
        day.posts.entry(person.index).or_default().push(Post { resource: "Immunization", body });
    }

    /// All that stands on the agenda up to a day, in order of date.
    pub(super) fn live_until(&mut self, today: Date) -> Day {
        let mut day = Day::default();
        while let Some(entry) = self.agenda.first_entry().filter(|entry| *entry.key() <= today) {
            let (date, happenings) = entry.remove_entry();
            for (asked, happening) in happenings {
                self.happens(&mut day, date, asked, happening);
            }
        }
        day
    }

    fn happens(&mut self, day: &mut Day, date: Date, asked: Asked, happening: Happening) {
        if self.gone.contains(&asked.person) {
            return;
        }
        match happening {
            Happening::Books { appointment, attends } if !self.came.contains(&asked) => {
                self.books(day, asked, date, appointment, attends);
            }
            Happening::VaccinatedElsewhere if self.came.insert(asked) => {
                let person = self.person(asked.person);
                let dose = self.dose(asked, &person, date.at(11, 20, 0, 0));
                day.doses.push((person, dose));
            }
            Happening::Books { .. } | Happening::VaccinatedElsewhere => {}
            Happening::Keeps(held) => {
                let person = self.person(asked.person);
                // Not before the booking: one who books in the morning is seen later.
                let dose = self.dose(asked, &person, date.at(15, 10, 0, 0));
                day.bookings.push((person.clone(), Appointment { status: AppointmentStatus::Attended, ..held }));
                // Half of the sites write to the API, half send files.
                if asked.person.is_multiple_of(2) {
                    self.post_dose(day, &person, &dose);
                } else {
                    day.doses.push((person, dose));
                }
            }
            Happening::Misses(held) => {
                let held = Appointment { status: AppointmentStatus::DidNotAttend, ..held };
                day.bookings.push((self.person(asked.person), held));
            }
            Happening::OptsOut => {
                let label = format!("contact_opt_out_{}", self.course(asked).vaccine.code().to_lowercase());
                day.wishes.push((self.person(asked.person), label, date));
            }
        }
    }
}
