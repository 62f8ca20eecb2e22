//! From candidates, free appointments, forecast and aims to a plan.

use crate::account::Account;
use crate::aims::{Aims, Unsound};
use crate::answers::Forecast;
use crate::candidates::{Cell, Home};
use crate::day::{Bucket, Queue, Used};
use crate::places::Nearest;
use crate::slots::Slots;

/// What a plan is made from, beside the candidates.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Sites nearest to each area.
    pub nearest: &'a Nearest,
    /// Free appointments, from the first day of inviting on.
    pub free: &'a Slots,
    /// People invited before who have not answered: some will, and have their appointments kept.
    pub pending: &'a [Pending],
    /// What is expected of people.
    pub forecast: &'a Forecast,
    /// What the planner asks for.
    pub aims: &'a Aims,
}

/// People who were invited before and have not answered yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pending {
    /// Area.
    pub area: u32,
    /// Cohort.
    pub cohort: u16,
    /// Deprivation fifth, 0 unknown.
    pub fifth: u8,
    /// Whole days since they were invited.
    pub days: u16,
    /// How many.
    pub people: u32,
}

/// People of a cell who are invited on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The cell, by its place.
    pub cell: u32,
    /// The day, 0 the first.
    pub day: u16,
    /// How many.
    pub people: u32,
}

/// What a day's invitations use.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct DayUse {
    /// People invited, those passed to other routes among them.
    pub people: u64,
    /// Letters.
    pub letters: u64,
    /// Texts.
    pub texts: u64,
    /// Calls expected, rounded up.
    pub calls: u64,
    /// Pence.
    pub pence: u64,
    /// Answers expected.
    pub answers: f64,
}

/// A plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Allocation {
    /// Whom to invite when, by day and then in the order of priority.
    pub grants: Vec<Grant>,
    /// What becomes of everybody.
    pub account: Account,
    /// What each day uses.
    pub days: Vec<DayUse>,
    /// Bookings planned for by site and day (`site * slots.days() + day`), of the plan and of those invited before.
    pub load: Vec<f64>,
}

/// Free appointments as a real number, and what is expected to fill them.
pub(crate) struct Stock {
    pub(crate) days: usize,
    free: Vec<f64>,
    load: Vec<f64>,
}

/// A day's invitations in the run of those before and after it.
struct Pace<'a> {
    /// The day.
    day: usize,
    /// Days until the next invitations.
    until_next: usize,
    /// Share of the answers that are for so many days later.
    arrivals: &'a [f64],
}

/// How many times the even pace a day's invitations may be, to make up for what was too little before.
const CATCH_UP: f64 = 1.5;

/// Days from a day of inviting to the next: the plan's next day, or the first of the week that follows.
fn until_next(day: u16, days: u16) -> usize {
    if day + 1 < days { 1 } else { 7 - usize::from(day % 7) }
}

impl Stock {
    /// Bookings that a site is short of, were people invited at an even pace: of each day to come as much as those invited by now
    /// should bring, less what is booked and expected. People come when they wish, not when a plan would like it: invitations
    /// that fill all that is free at once would have them come too soon, and leave no room for the next.
    fn due(&self, site: usize, slots: &Slots, fill: f64, pace: &Pace<'_>) -> f64 {
        let after = |lag: usize| pace.arrivals.iter().skip(lag).sum::<f64>();
        let days = (pace.day + 1..self.days).take(pace.arrivals.len() + pace.until_next);
        let short = days.map(|day| {
            let lag = day - pace.day;
            let first = lag.saturating_sub(pace.until_next - 1);
            let whole = f64::from(slots.capacity(site, day)) * fill;
            let held = f64::from(slots.booked(site, day)) + self.load[site * self.days + day];
            let step = whole * (after(first) - after(lag + 1));
            (whole * after(first) - held).clamp(-whole, CATCH_UP * step)
        });
        short.sum::<f64>().max(0.0)
    }

    /// Bookings that a site can take of people whose wishes spread like `arrivals` over the days from `day` on, so that no day
    /// gets more than it has free. People choose among days with free appointments, so a day's share goes by both.
    pub(crate) fn room(&self, site: usize, day: usize, arrivals: &[f64]) -> f64 {
        let most = arrivals.iter().copied().fold(0.0, f64::max);
        if most <= 0.0 { 0.0 } else { self.weighted(site, day, arrivals) / most }
    }

    fn weighted(&self, site: usize, day: usize, arrivals: &[f64]) -> f64 {
        let row = &self.free[site * self.days..(site + 1) * self.days];
        row.iter().skip(day).zip(arrivals).map(|(free, share)| free * share).sum()
    }

    /// Expects bookings at a site; at most its room.
    pub(crate) fn fill(&mut self, site: usize, day: usize, arrivals: &[f64], bookings: f64) {
        let weighted = self.weighted(site, day, arrivals);
        if weighted <= 0.0 {
            return;
        }
        let from = site * self.days;
        for (later, share) in arrivals.iter().enumerate().take_while(|(later, _)| day + later < self.days) {
            let place = from + day + later;
            let taken = (bookings * self.free[place] * share / weighted).min(self.free[place]);
            self.free[place] -= taken;
            self.load[place] += taken;
        }
    }
}

/// Makes a plan. Each candidate is in its account once, and no day is above a limit, no site above what it has free.
///
/// # Errors
/// Where a value of the aims cannot be used, or a cell or the slots do not fit the areas and sites.
pub fn allocate(cells: &[Cell], setting: &Setting<'_>) -> Result<Allocation, Unsound> {
    check(cells, setting)?;
    let Setting { free, forecast, aims, .. } = *setting;
    let nearest = &setting.nearest.open(|site| free.is_open(site));
    let places = (0..free.sites()).flat_map(|site| (0..free.days()).map(move |day| (site, day)));
    let room: Vec<f64> = places.map(|(site, day)| free.room(site, day, aims.fill)).collect();
    let mut stock = Stock { days: free.days(), load: vec![0.0; room.len()], free: room };
    keep_for_pending(&mut stock, &Setting { nearest, ..*setting });
    let mut queue = Queue::new(cells, aims, |cell| {
        let Home::Area(area) = cell.home else { return forecast.planned(cell.cohort, cell.fifth, None) };
        forecast.planned(cell.cohort, cell.fifth, Some(area))
    });
    let arrivals = forecast.delay.arrivals_after(0);
    let (mut grants, mut days, mut size) = (Vec::new(), Vec::new(), aims.size);
    for day in 0..aims.days {
        let pace = Pace { day: usize::from(day), until_next: until_next(day, aims.days), arrivals: &arrivals };
        let mut room: Vec<f64> = (0..free.sites())
            .map(|site| stock.room(site, pace.day, &arrivals).min(stock.due(site, free, aims.fill, &pace)))
            .collect();
        let before = room.clone();
        let mut used = Used::new(aims, size);
        let mut bucket = Bucket::new(nearest, aims, day, day + 1 == aims.days);
        for ranked in queue.buckets() {
            bucket.invite(&mut queue, ranked, &mut room, &mut used, &mut grants);
        }
        for (site, (before, after)) in before.iter().zip(&room).enumerate() {
            if before > after {
                stock.fill(site, usize::from(day), &arrivals, before - after);
            }
        }
        size = used.size_left();
        days.push(used.of_day());
    }
    let account = Account::of(cells, &grants, &queue.left, |cell| match cell.home {
        Home::Area(area) => forecast.chance(cell.cohort, cell.fifth, Some(area)),
        Home::Apart(apart) if apart.is_written_to() && cell.channel.is_some() => {
            forecast.chance(cell.cohort, cell.fifth, None)
        }
        Home::Apart(_) => 0.0,
    });
    Ok(Allocation { grants, account, days, load: stock.load })
}

fn check(cells: &[Cell], setting: &Setting<'_>) -> Result<(), Unsound> {
    setting.aims.check()?;
    let Setting { nearest, free, forecast, .. } = *setting;
    if free.sites() != nearest.sites() {
        return Err(Unsound::new(format!("sites with slots must be the {} sites", nearest.sites()), free.sites()));
    }
    if !forecast.delay.is_sound() {
        return Err(Unsound::new("shares of a delay must be from 0 and add up to 1", format!("{:?}", forecast.delay)));
    }
    if u32::try_from(cells.len()).is_err() {
        return Err(Unsound::new(format!("cells must be at most {}", u32::MAX), cells.len()));
    }
    let unknown = |area: u32| area as usize >= nearest.areas();
    for (place, cell) in cells.iter().enumerate() {
        match cell.home {
            Home::Area(area) if unknown(area) => {
                return Err(Unsound::new(
                    format!("cells[{place}].home must be one of {} areas", nearest.areas()),
                    area,
                ));
            }
            Home::Area(_) if cell.channel.is_none() => {
                return Err(Unsound::new(
                    format!("cells[{place}].channel must be there for people of an area"),
                    "none",
                ));
            }
            _ => {}
        }
    }
    match setting.pending.iter().find(|pending| unknown(pending.area)) {
        Some(pending) => {
            Err(Unsound::new(format!("pending.area must be one of {} areas", nearest.areas()), pending.area))
        }
        None => Ok(()),
    }
}

/// Keeps appointments for those of earlier invitations who are still expected to answer, at the nearest site that has room.
fn keep_for_pending(stock: &mut Stock, setting: &Setting<'_>) {
    let Setting { nearest, pending, forecast, .. } = *setting;
    let mut order: Vec<&Pending> = pending.iter().collect();
    // The latest last, so that those who answer soonest have theirs first.
    order.sort_by_key(|pending| (std::cmp::Reverse(pending.days), pending.area, pending.cohort, pending.fifth));
    let mut days = usize::MAX;
    let (mut arrivals, mut known) = (Vec::new(), 0.0);
    for pending in order {
        if days != usize::from(pending.days) {
            days = usize::from(pending.days);
            arrivals = forecast.delay.arrivals_after(days);
            known = forecast.delay.known_within(days);
        }
        let chance = forecast.chance(pending.cohort, pending.fifth, Some(pending.area));
        // Of those of whom no answer is known by now: Bayes' rule.
        let still = chance * (1.0 - known) / (1.0 - chance * known);
        let mut bookings = f64::from(pending.people) * still;
        for (site, _) in nearest.of(pending.area).iter().filter(|(_, kilometres)| kilometres.is_finite()) {
            let site = *site as usize;
            let here = bookings.min(stock.room(site, 0, &arrivals));
            if here > 0.0 {
                stock.fill(site, 0, &arrivals, here);
                bookings -= here;
            }
            if bookings <= 0.0 {
                break;
            }
        }
    }
}
