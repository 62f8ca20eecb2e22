//! Whom to invite in a week: the planner, and three simpler policies that know the same.

use std::collections::HashMap;

use anyhow::Result;
use ims_planning::{Aims, Cell, Delay, Forecast, Pending, Quotas, Seen, Setting, Slots, allocate};

use super::simulation::{PUBLISHED, State, World};

/// Days of a week on which invitations go out.
const SENDING: usize = 5;
/// Days of free appointments that the simpler policies fill.
const AHEAD: usize = 14;

/// A policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// `ims_planning`.
    Planner,
    /// The oldest of all first, as many as there are appointments for.
    OldestFirst,
    /// As many of each area, in proportion to those who are left there, as there are appointments for in all.
    Proportional,
    /// For each site as many of those to whom it is nearest as it has appointments for, the oldest first.
    Greedy,
}

impl Policy {
    pub(crate) const ALL: [Self; 4] = [Self::Planner, Self::OldestFirst, Self::Proportional, Self::Greedy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Planner => "planner",
            Self::OldestFirst => "oldest first",
            Self::Proportional => "proportional",
            Self::Greedy => "greedy to capacity",
        }
    }

    /// Who is invited on each day of the week that begins.
    pub(crate) fn week(self, world: &World, state: &State) -> Result<Vec<Vec<u32>>> {
        match self {
            Self::Planner => planned(world, state),
            Self::OldestFirst => Ok(spread(oldest_first(world, state))),
            Self::Proportional => Ok(spread(proportional(world, state))),
            Self::Greedy => Ok(spread(greedy(world, state))),
        }
    }
}

/// Everybody in turn on another day.
fn spread(people: Vec<u32>) -> Vec<Vec<u32>> {
    let mut days = vec![Vec::new(); SENDING];
    for (place, who) in people.into_iter().enumerate() {
        days[place % SENDING].push(who);
    }
    days
}

fn planned(world: &World, state: &State) -> Result<Vec<Vec<u32>>> {
    let (seen, pending) = history(world, state);
    let forecast = Forecast::learn(&world.prior, Delay::default(), world.cohorts.len(), world.areas, &seen);
    let mut free = Slots::new(world.sites, PUBLISHED);
    for site in 0..world.sites {
        for ahead in 0..PUBLISHED {
            let (capacity, booked) = state.slots(world, site, state.day + ahead);
            free.open(site, ahead, capacity);
            free.book(site, ahead, booked);
        }
    }
    let waiting: Vec<Vec<u32>> = world
        .alike
        .iter()
        .map(|alike| alike.people.iter().copied().filter(|who| state.invited[*who as usize] < 0).collect())
        .collect();
    let cells: Vec<Cell> = world
        .alike
        .iter()
        .zip(&waiting)
        .map(|(alike, waiting)| Cell { weeks: (state.day / 7) as u16, people: waiting.len() as u32, ..alike.cell })
        .collect();
    let setting =
        Setting { nearest: &world.nearest, free: &free, pending: &pending, forecast: &forecast, aims: &world.aims };
    let plan = allocate(&cells, &setting)?;
    let mut taken = vec![0usize; cells.len()];
    let mut days = vec![Vec::new(); SENDING];
    for grant in &plan.grants {
        let (cell, people) = (grant.cell as usize, grant.people as usize);
        days[usize::from(grant.day)].extend(&waiting[cell][taken[cell]..taken[cell] + people]);
        taken[cell] += people;
    }
    Ok(days)
}

/// What the planner asks for: a wave a week, as large as there is room for, with a strong weight for the deprived.
pub(crate) fn aims(people: u64, seed: u64) -> Aims {
    let quota = (people / 2_000).max(1) as u32;
    let quotas = Quotas {
        restricted: quota,
        no_fixed_abode: quota,
        in_custody: quota,
        unknown_area: quota,
        no_contact_route: quota,
    };
    Aims { days: SENDING as u16, equity: 3.0, fill: 0.85, quotas, seed, ..Aims::default() }
}

/// What came of everybody invited so far, and who of them may still answer.
fn history(world: &World, state: &State) -> (Vec<Seen>, Vec<Pending>) {
    /// Cohort, fifth, area and day of the invitation.
    type Together = (u16, u8, u32, i16);
    let mut counts: HashMap<Together, (u32, u32)> = HashMap::new();
    for (who, resident) in world.residents.iter().enumerate() {
        if state.invited[who] < 0 || state.is_suppressed(who) {
            continue;
        }
        let count = counts.entry((resident.cohort, resident.fifth, resident.area, state.invited[who])).or_default();
        count.0 += 1;
        count.1 += u32::from(state.answered[who]);
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable();
    let days = |invited: i16| (state.day as i16 - invited) as u16;
    let seen = counts.iter().map(|((cohort, fifth, area, day), (invited, answered))| Seen {
        cohort: *cohort,
        fifth: *fifth,
        area: Some(*area),
        days: days(*day),
        invited: *invited,
        answered: *answered,
    });
    let pending = counts.iter().map(|((cohort, fifth, area, day), (invited, answered))| Pending {
        area: *area,
        cohort: *cohort,
        fifth: *fifth,
        days: days(*day),
        people: invited - answered,
    });
    (seen.collect(), pending.collect())
}

/// The one rate of answers that the simpler policies learn, and how many answers each site's surroundings still owe by it.
fn rate(world: &World, state: &State) -> (f64, Vec<f64>) {
    let delay = Delay::default();
    let (mut exposed, mut answered) = (0.0, 0.0);
    let invited = |who: usize| state.invited[who] >= 0 && !state.is_suppressed(who);
    let known: Vec<f64> = (0..=state.day).map(|days| delay.known_within(days)).collect();
    let within = |who: usize| known[(state.day as i16 - state.invited[who]) as usize];
    for who in (0..world.residents.len()).filter(|who| invited(*who)) {
        exposed += within(who);
        answered += f64::from(u8::from(state.answered[who]));
    }
    let rate = ((20.0 * world.prior.means[0] + answered) / (20.0 + exposed)).clamp(0.02, 0.98);
    let mut owed = vec![0.0; world.sites];
    for who in (0..world.residents.len()).filter(|who| invited(*who) && !state.answered[*who]) {
        let within = within(who);
        owed[site(world, who)] += rate * (1.0 - within) / (1.0 - rate * within);
    }
    (rate, owed)
}

fn site(world: &World, who: usize) -> usize {
    world.nearest.of(world.residents[who].area)[0].0 as usize
}

fn ahead(world: &World, state: &State, site: usize) -> f64 {
    let free = |day| {
        let (capacity, booked) = state.slots(world, site, state.day + day);
        f64::from(capacity.saturating_sub(booked))
    };
    (1..=AHEAD).map(free).sum()
}

fn waiting<'a>(world: &'a World, state: &'a State) -> impl Iterator<Item = u32> + 'a {
    world.by_age.iter().copied().filter(|who| state.invited[*who as usize] < 0)
}

/// As many as there are appointments for in all.
fn number(world: &World, state: &State) -> usize {
    let (rate, owed) = rate(world, state);
    let free: f64 = (0..world.sites).map(|site| ahead(world, state, site)).sum();
    ((free - owed.iter().sum::<f64>()).max(0.0) / rate) as usize
}

fn oldest_first(world: &World, state: &State) -> Vec<u32> {
    waiting(world, state).take(number(world, state)).collect()
}

fn proportional(world: &World, state: &State) -> Vec<u32> {
    let mut by_area: Vec<Vec<u32>> = vec![Vec::new(); world.areas];
    for who in waiting(world, state) {
        by_area[world.residents[who as usize].area as usize].push(who);
    }
    let all: usize = by_area.iter().map(Vec::len).sum();
    let share = (number(world, state) as f64 / all.max(1) as f64).min(1.0);
    by_area
        .into_iter()
        .flat_map(|people| {
            let number = (people.len() as f64 * share).round() as usize;
            people.into_iter().take(number)
        })
        .collect()
}

fn greedy(world: &World, state: &State) -> Vec<u32> {
    let (rate, owed) = rate(world, state);
    let mut number: Vec<usize> =
        (0..world.sites).map(|site| ((ahead(world, state, site) - owed[site]).max(0.0) / rate) as usize).collect();
    let mut taken = Vec::new();
    for who in waiting(world, state) {
        let number = &mut number[site(world, who as usize)];
        if *number > 0 {
            *number -= 1;
            taken.push(who);
        }
    }
    taken
}
