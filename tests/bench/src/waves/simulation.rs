//! Ten weeks: people are invited, book or come unasked, and clinics have the room they have. Each person decides by draws of
//! their own, the same whichever policy invites them.
//!
//! The planner and its rivals know what a service would know: appointments as published, bookings, and who of those invited
//! has booked or come. Whether somebody answers follows from age, deprivation and area, by rates that nobody is told.

use std::collections::HashMap;

use anyhow::{Context, Result};
use ims_decision::Rules;
use ims_domain::campaign::ContactPlan;
use ims_domain::contact::Channel;
use ims_domain::person::{Membership, ProgrammeSummary};
use ims_domain::{Person, PersonId};
use ims_planning::{Aims, Apart, Cell, Delay, FIFTHS, Home, Nearest, Prior};
use ims_store::Definition;
use jiff::Span;
use jiff::civil::{Date, date};
use uuid::Uuid;
use xtask::workspace_root;

use super::country::{Country, Draw};
use super::policy::{Policy, aims};

/// The first day, a Monday.
const FIRST: Date = date(2025, 10, 6);
pub(crate) const WEEKS: usize = 10;
/// Days that are lived; bookings may be for some days more.
pub(crate) const DAYS: usize = WEEKS * 7;
/// Days from today on for which capacity is published.
pub(crate) const PUBLISHED: usize = 28;
/// Sites that somebody would go to.
const NEAR: usize = 4;
/// Days later than wished for that somebody accepts.
const PATIENCE: usize = 7;
/// Appointments in ten weeks for each person who would come if invited.
const CAPACITY: f64 = 0.9;
/// Share of those who answer who come without an appointment.
const WALK_IN: f64 = 0.2;
const KEPT: f64 = 0.95;
/// Share of those turned away who try again a week later.
const AGAIN: f64 = 0.5;
/// Odds of an answer of the most deprived fifth, as a multiple of those of the least.
const ODDS: f64 = 0.45;

/// Somebody, as they were drawn.
pub(crate) struct Resident {
    pub(crate) area: u32,
    pub(crate) fifth: u8,
    pub(crate) cohort: u16,
    pub(crate) channel: Option<Channel>,
    pub(crate) apart: Option<Apart>,
    pub(crate) born: Date,
    at_risk: bool,
    answers: bool,
    /// The day on which something takes them off the list, if any.
    dies: u8,
}

/// People who are alike to the planner, in the order of their lots.
pub(crate) struct Alike {
    pub(crate) cell: Cell,
    pub(crate) people: Vec<u32>,
}

/// A change of a site's capacity that is known late.
struct Change {
    site: usize,
    days: std::ops::Range<usize>,
    factor: f64,
    known: usize,
}

/// A country with its people, clinics and campaign.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) nearest: Nearest,
    pub(crate) residents: Vec<Resident>,
    pub(crate) alike: Vec<Alike>,
    /// Everybody, the oldest first.
    pub(crate) by_age: Vec<u32>,
    pub(crate) cohorts: Vec<String>,
    pub(crate) areas: usize,
    pub(crate) sites: usize,
    /// What the planner asks for.
    pub(crate) aims: Aims,
    /// What everybody believes of answers at first.
    pub(crate) prior: Prior,
    rules: Rules,
    capacity: Vec<u32>,
    changes: Vec<Change>,
}

const HORIZON: usize = DAYS + PUBLISHED + 14;

/// Ages from, people in thousands (England, mid-2020; below 50 those at clinical risk), chance of an answer in the third fifth.
const AGES: [(i16, f64, f64); 10] = [
    (18, 4_500.0, 0.50),
    (50, 3_875.0, 0.60),
    (55, 3_762.0, 0.64),
    (60, 3_197.0, 0.70),
    (65, 2_784.0, 0.75),
    (70, 2_814.0, 0.80),
    (75, 2_010.0, 0.83),
    (80, 1_449.0, 0.85),
    (85, 885.0, 0.85),
    (90, 521.0, 0.82),
];

fn days_after(day: usize) -> Date {
    FIRST.checked_add(Span::new().days(day as i64)).unwrap_or(FIRST)
}

impl World {
    /// So many people.
    pub(crate) fn new(people: u64, seed: u64) -> Result<Self> {
        let areas = (people / 2_000).clamp(8, 6_856) as usize;
        let sites = (areas * 2_000 / 6_856).max(3);
        let country = Country::new(seed, areas, sites);
        let nearest = Nearest::find(&country.places(), &country.sites, NEAR);
        let rules = rules()?;
        let mut world = Self {
            seed,
            nearest,
            residents: Vec::new(),
            alike: Vec::new(),
            by_age: Vec::new(),
            cohorts: ims_decision::plan_count::cohorts(&rules),
            areas,
            sites,
            aims: aims(people, seed),
            prior: Prior::default(),
            rules,
            capacity: Vec::new(),
            changes: Vec::new(),
        };
        world.settle(people, &country)?;
        world.open_clinics();
        Ok(world)
    }

    /// Draws everybody, and asks the campaign's rules for their cohort.
    fn settle(&mut self, people: u64, country: &Country) -> Result<()> {
        let score = |who: u64| {
            let mut draw = Draw::new(self.seed, 21, who);
            let area = draw.below(country.areas.len() as u64) as usize;
            (area, country.areas[area].deprived + 0.5 * draw.normal())
        };
        let mut scores: Vec<f64> = (0..people).map(|who| score(who).1).collect();
        scores.sort_unstable_by(|one, other| other.total_cmp(one));
        let bounds: Vec<f64> = (1..5).map(|fifth| scores[scores.len() * fifth / 5]).collect();
        let effects: Vec<f64> =
            (0..country.areas.len()).map(|area| 0.3 * Draw::new(self.seed, 22, area as u64).normal()).collect();
        let places = self.rules.cohort_places();
        let mut residents = Vec::with_capacity(people as usize);
        for who in 0..people {
            let (area, score) = score(who);
            let fifth = 1 + bounds.iter().filter(|bound| score <= **bound).count() as u8;
            let mut draw = Draw::new(self.seed, 23, who);
            let older = 0.12 * (f64::from(fifth) - 3.0);
            let weights: Vec<f64> = AGES
                .iter()
                .enumerate()
                .map(|(age, (_, people, _))| people * (older * (age as f64 - 4.5) / 2.0).exp())
                .collect();
            let band = draw.among(&weights);
            let (from, _, chance) = AGES[band];
            let years = i64::from(from) + draw.below(if band == 0 { 32 } else { 5 }) as i64;
            let born = FIRST.checked_sub(Span::new().years(years).days(draw.below(360) as i64 + 3)).unwrap_or(FIRST);
            let odds = chance / (1.0 - chance) * ODDS.powf((3.0 - f64::from(fifth)) / 4.0) * effects[area].exp();
            let apart = match draw.unit() {
                share if share < 0.004 => Some(Apart::Restricted),
                share if share < 0.008 => Some(Apart::InCustody),
                share if share < 0.012 => Some(Apart::NoFixedAbode),
                share if share < 0.018 => Some(Apart::UnknownArea),
                _ => None,
            };
            let text = draw.chance(if from >= 75 { 0.45 } else { 0.8 });
            let is_written_to = apart.is_none_or(Apart::is_written_to);
            residents.push(Resident {
                area: area as u32,
                fifth,
                cohort: 0,
                channel: is_written_to.then_some(if text { Channel::Sms } else { Channel::Letter }),
                apart,
                born,
                at_risk: band == 0 || draw.chance(0.25),
                answers: is_written_to && draw.chance(odds / (1.0 + odds)),
                dies: if draw.chance(0.01) { draw.below(DAYS as u64) as u8 } else { u8::MAX },
            });
        }
        self.residents = residents;
        for who in 0..self.residents.len() {
            let (_, cohort) = self.rules.ask_live(&self.person(who, 0, None), FIRST)?;
            let cohort = cohort.with_context(|| format!("person {who} is in no cohort"))?;
            self.residents[who].cohort = places.get(&cohort).copied().unwrap_or(0) as u16;
        }
        self.by_age = (0..people as u32).collect();
        self.by_age.sort_by_key(|who| (self.residents[*who as usize].born, *who));
        self.group();
        Ok(())
    }

    fn group(&mut self) {
        let mut groups: HashMap<Cell, Vec<u32>> = HashMap::new();
        for (resident, who) in self.residents.iter().zip(0u32..) {
            let home = resident.apart.map_or(Home::Area(resident.area), Home::Apart);
            let Resident { cohort, fifth, channel, .. } = *resident;
            groups.entry(Cell { home, cohort, fifth, channel, weeks: 0, people: 0 }).or_default().push(who);
        }
        let lot = |who: &u32| ims_snapshot::lot(id(*who as usize));
        self.alike = groups
            .into_iter()
            .map(|(cell, mut people)| {
                people.sort_by_cached_key(|who| (lot(who), *who));
                Alike { cell, people }
            })
            .collect();
        self.alike.sort_by_key(|alike| alike.cell);
    }

    /// Clinics for the people around them, some with more than they need and some with less; weeks and weekdays differ, and
    /// some changes are known late.
    fn open_clinics(&mut self) {
        let mut wanted = vec![0.0; self.sites];
        for resident in self.residents.iter().filter(|resident| resident.answers) {
            for ((site, _), share) in self.nearest.of(resident.area).iter().zip([0.6, 0.25, 0.15]) {
                wanted[*site as usize] += share;
            }
        }
        let answers: f64 = wanted.iter().sum();
        let usual: Vec<f64> = (0..self.sites)
            .map(|site| wanted[site] * (0.3 * Draw::new(self.seed, 31, site as u64).normal()).exp())
            .collect();
        let scale = answers * CAPACITY / usual.iter().sum::<f64>().max(1.0);
        self.capacity = vec![0; self.sites * HORIZON];
        for (site, usual) in usual.into_iter().enumerate() {
            for day in 0..HORIZON {
                let week = (0.2 * Draw::new(self.seed, 32, (site * 1_000 + day / 7) as u64).normal()).exp();
                let open = match day % 7 {
                    6 => 0.0,
                    5 => 0.6,
                    _ => 1.0,
                };
                let mut draw = Draw::new(self.seed, 33, (site * 1_000 + day) as u64);
                let appointments = usual * scale * week * open / (WEEKS as f64 * 5.6);
                self.capacity[site * HORIZON + day] = (appointments + draw.unit() * f64::from(open > 0.0)) as u32;
            }
            for week in 1..WEEKS {
                let mut draw = Draw::new(self.seed, 34, (site * 1_000 + week) as u64);
                let from = week * 7 + draw.below(4) as usize;
                let kind = draw.unit();
                if kind < 0.05 {
                    self.changes.push(Change { site, days: from..from + 3, factor: 0.5, known: from - 2 });
                } else if kind < 0.08 {
                    self.changes.push(Change { site, days: from..from + 4, factor: 1.8, known: from - 3 });
                }
            }
        }
    }

    /// A site's capacity on a day, as it is known on another.
    pub(crate) fn capacity(&self, site: usize, day: usize, known: usize) -> u32 {
        let published = self.capacity[site * HORIZON + day];
        let changed = self
            .changes
            .iter()
            .filter(|change| change.site == site && change.days.contains(&day) && change.known <= known);
        let factor: f64 = changed.map(|change| change.factor).product();
        (f64::from(published) * factor) as u32
    }

    /// Somebody's live record on a day, with a dose where they have had it.
    fn person(&self, who: usize, day: usize, vaccinated: Option<Date>) -> Person {
        let resident = &self.residents[who];
        let mut person = Person::new(id(who), None);
        person.version = 1;
        person.demographics.date_of_birth = Some(resident.born);
        person.demographics.address_lines = vec!["1 High Street".to_owned(), "Anytown".to_owned()];
        person.demographics.postcode = "LS1 4AP".to_owned();
        if resident.channel == Some(Channel::Sms) {
            person.demographics.mobile = "07700900001".to_owned();
        }
        let mut join = |label: &str| {
            let list = || "list".to_owned();
            person
                .cohorts
                .insert(label.to_owned(), Membership { member: true, date: FIRST, order: list(), source: list() });
        };
        if resident.at_risk {
            join("at_risk");
        }
        if resident.apart == Some(Apart::InCustody) {
            join("in_custody");
        }
        person.states.restricted = resident.apart == Some(Apart::Restricted);
        if usize::from(resident.dies) <= day && resident.dies != u8::MAX {
            person.states.removed = Some("EMB".to_owned());
        }
        if let Some(day) = vaccinated {
            let summary = ProgrammeSummary { doses: vec![day], ..ProgrammeSummary::default() };
            person.programmes.insert(self.rules.plan().programme, summary);
        }
        person
    }

    /// Lives ten weeks under a policy.
    pub(crate) fn run(&self, policy: Policy) -> Result<Ran> {
        let mut state = State::new(self);
        let mut week: Vec<Vec<u32>> = Vec::new();
        for day in 0..DAYS {
            state.day = day;
            if day % 7 == 0 {
                week = policy.week(self, &state)?;
            }
            for who in week.get(day % 7).into_iter().flatten() {
                self.invite(&mut state, *who as usize)?;
            }
            let answers = std::mem::take(&mut state.answers[day]);
            for who in answers {
                self.book(&mut state, who);
            }
            self.open(&mut state);
        }
        Ok(state.ran(self))
    }

    /// Decides on the live person, as the service does at issue, and sends.
    fn invite(&self, state: &mut State, who: usize) -> Result<()> {
        let day = days_after(state.day);
        let decided = self.rules.decide(&self.person(who, state.day, state.vaccinated_on(who)), 1, day)?;
        state.invited[who] = state.day as i16;
        if decided.reason.is_some() {
            state.suppressed[who] = true;
            return Ok(());
        }
        if self.residents[who].answers {
            let mut draw = Draw::new(self.seed, 41, who as u64);
            let after = draw.among(&Delay::default().answer);
            state.answer(who, state.day + after);
        }
        Ok(())
    }

    /// Somebody answers: by booking at the nearest site with an appointment within a week of the day they wish, or by going.
    fn book(&self, state: &mut State, who: usize) {
        let tries = state.tries[who];
        state.tries[who] += 1;
        let mut draw = Draw::new(self.seed, 42 + u64::from(tries), who as u64);
        let walks = draw.chance(WALK_IN);
        let wished = state.day + draw.among(&Delay::default().notice).max(1);
        let near = self.nearest.of(self.residents[who].area);
        if walks {
            let open = (wished..wished + 3).find(|day| self.capacity[near[0].0 as usize * HORIZON + day] > 0);
            if let Some(day) = open {
                state.walking[near[0].0 as usize * HORIZON + day].push(who as u32);
            }
            return;
        }
        for (site, _) in near {
            for day in wished..=wished + PATIENCE {
                let place = *site as usize * HORIZON + day;
                if (state.booked[place].len() as u32) < self.capacity(*site as usize, day, state.day) {
                    state.booked[place].push(who as u32);
                    state.answered[who] = true;
                    return;
                }
            }
        }
        state.turn_away(self.seed, who, AGAIN);
    }

    /// A day at the clinics.
    fn open(&self, state: &mut State) {
        for site in 0..self.sites {
            let place = site * HORIZON + state.day;
            let capacity = self.capacity(site, state.day, state.day) as usize;
            let booked = std::mem::take(&mut state.booked[place]);
            let walking = std::mem::take(&mut state.walking[place]);
            let keeps = |who: &u32| Draw::new(self.seed, 51, u64::from(*who)).chance(KEPT);
            let come: Vec<u32> = booked.into_iter().filter(keeps).collect();
            state.clinic_days += u64::from(self.capacity[place] > 0);
            if come.len() + walking.len() > capacity {
                state.overload[state.day / 7] += 1;
            }
            let served = capacity.min(come.len());
            for who in &come[..served] {
                state.vaccinated[*who as usize] = state.day as i16;
            }
            for who in &come[served..] {
                state.turn_away(self.seed, *who as usize, 1.0);
            }
            let room = capacity - served;
            for (place, who) in walking.into_iter().enumerate() {
                if place < room {
                    state.vaccinated[who as usize] = state.day as i16;
                    state.answered[who as usize] = true;
                } else {
                    state.turn_away(self.seed, who as usize, AGAIN);
                }
            }
        }
    }
}

fn id(who: usize) -> PersonId {
    PersonId(Uuid::from_u128(who as u128))
}

/// The COVID-19 campaign of the demo.
fn rules() -> Result<Rules> {
    let folder = workspace_root().join("tests/campaigns");
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).with_context(|| format!("reading {file}"));
    let plan: ContactPlan = serde_json::from_str(&read("covid.plan.json")?)?;
    let definition =
        Definition { campaign: plan.campaign.clone(), version: 1, rules: read("covid.json")?, plan, authors: vec![] };
    Ok(Rules::new(definition)?)
}

/// How things stand on a day.
pub(crate) struct State {
    pub(crate) day: usize,
    /// Day of the invitation; −1 before.
    pub(crate) invited: Vec<i16>,
    /// Whether the service knows of an answer.
    pub(crate) answered: Vec<bool>,
    suppressed: Vec<bool>,
    vaccinated: Vec<i16>,
    tries: Vec<u8>,
    answers: Vec<Vec<usize>>,
    pub(crate) booked: Vec<Vec<u32>>,
    walking: Vec<Vec<u32>>,
    overload: [u64; WEEKS],
    clinic_days: u64,
    turned_away: u64,
}

impl State {
    fn new(world: &World) -> Self {
        let people = world.residents.len();
        let places = world.sites * HORIZON;
        Self {
            day: 0,
            invited: vec![-1; people],
            answered: vec![false; people],
            suppressed: vec![false; people],
            vaccinated: vec![-1; people],
            tries: vec![0; people],
            answers: vec![Vec::new(); HORIZON],
            booked: vec![Vec::new(); places],
            walking: vec![Vec::new(); places],
            overload: [0; WEEKS],
            clinic_days: 0,
            turned_away: 0,
        }
    }

    /// Capacity of a site on a day as the service knows it today, and the bookings that stand.
    pub(crate) fn slots(&self, world: &World, site: usize, day: usize) -> (u32, u32) {
        (world.capacity(site, day, self.day), self.booked[site * HORIZON + day].len() as u32)
    }

    pub(crate) fn is_suppressed(&self, who: usize) -> bool {
        self.suppressed[who]
    }

    fn vaccinated_on(&self, who: usize) -> Option<Date> {
        usize::try_from(self.vaccinated[who]).ok().map(days_after)
    }

    fn answer(&mut self, who: usize, day: usize) {
        if let Some(answers) = self.answers.get_mut(day) {
            answers.push(who);
        }
    }

    fn turn_away(&mut self, seed: u64, who: usize, again: f64) {
        self.turned_away += 1;
        let tries = self.tries[who];
        if tries < 3 && Draw::new(seed, 61 + u64::from(tries), who as u64).chance(again) {
            self.answer(who, self.day + 7);
        }
    }

    fn ran(&self, world: &World) -> Ran {
        let mut ran = Ran {
            overload: self.overload,
            clinic_days: self.clinic_days,
            turned_away: self.turned_away,
            suppressed: self.suppressed.iter().filter(|suppressed| **suppressed).count() as u64,
            cohorts: world.cohorts.clone(),
            by_fifth: [Sum::default(); FIFTHS],
            by_cohort: vec![Sum::default(); world.cohorts.len()],
        };
        for (who, resident) in world.residents.iter().enumerate() {
            let (invited, vaccinated) = (self.invited[who], self.vaccinated[who] >= 0);
            let days = if invited < 0 { DAYS as u64 } else { invited as u64 };
            for sum in
                [&mut ran.by_fifth[usize::from(resident.fifth)], &mut ran.by_cohort[usize::from(resident.cohort)]]
            {
                sum.people += 1;
                sum.invited += u64::from(invited >= 0);
                sum.vaccinated += u64::from(vaccinated);
                sum.days += days;
            }
        }
        ran
    }
}

/// Counts of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) people: u64,
    pub(crate) invited: u64,
    pub(crate) vaccinated: u64,
    /// Days until each was invited, all ten weeks of those who were not.
    days: u64,
}

impl Sum {
    pub(crate) fn coverage(&self) -> f64 {
        100.0 * self.vaccinated as f64 / self.people.max(1) as f64
    }
}

/// What came of ten weeks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) overload: [u64; WEEKS],
    clinic_days: u64,
    pub(crate) turned_away: u64,
    pub(crate) suppressed: u64,
    cohorts: Vec<String>,
    pub(crate) by_fifth: [Sum; FIFTHS],
    by_cohort: Vec<Sum>,
}

impl Ran {
    /// Days of a clinic on which more people came than it could vaccinate.
    pub(crate) fn overload_days(&self) -> u64 {
        self.overload.iter().sum()
    }

    pub(crate) fn overload_share(&self) -> f64 {
        self.overload_days() as f64 / self.clinic_days.max(1) as f64
    }

    pub(crate) fn vaccinated(&self) -> u64 {
        self.by_fifth.iter().map(|sum| sum.vaccinated).sum()
    }

    pub(crate) fn invited(&self) -> u64 {
        self.by_fifth.iter().map(|sum| sum.invited).sum()
    }

    /// Coverage of the least deprived fifth less that of the most deprived, percentage points.
    pub(crate) fn gap(&self) -> f64 {
        self.by_fifth[5].coverage() - self.by_fifth[1].coverage()
    }

    /// Mean days until people were invited, by cohort and by fifth.
    pub(crate) fn waits(&self) -> Vec<(String, f64)> {
        let mean = |sum: &Sum| sum.days as f64 / sum.people.max(1) as f64;
        let fifths = self
            .by_fifth
            .iter()
            .enumerate()
            .skip(1)
            .map(|(fifth, sum)| (format!("deprivation fifth {fifth}"), mean(sum)));
        let cohorts = self.cohorts.iter().zip(&self.by_cohort).filter(|(_, sum)| sum.people > 0);
        cohorts.map(|(label, sum)| (label.clone(), mean(sum))).chain(fifths).collect()
    }
}
