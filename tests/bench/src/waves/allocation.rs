//! `allocation`: a week's plan for a whole country.

use anyhow::{Result, ensure};
use ims_domain::contact::Channel;
use ims_planning::{Aims, Allocation, Apart, Cell, Delay, Forecast, Home, Nearest, Prior, Setting, Slots, allocate};
use xtask::progress::step;

use super::country::{Country, Draw};
use crate::measure::{Process, median, timed};
use crate::{Better, Case};

/// England's MSOAs.
const AREAS: usize = 6_856;
const SITES: usize = 2_000;
/// Days for which slots are looked at.
const DAYS: usize = 28;
/// Sites looked at for each area.
const NEAR: usize = 8;
const COHORTS: u16 = 9;
const WEEKS: u16 = 6;
const SEED: u64 = 60;
const RUNS: usize = 3;

/// Candidates in cells: every area's people by cohort, fifth, channel and weeks of waiting, a hundredth without an area.
fn cells(candidates: u64, country: &Country) -> Vec<Cell> {
    let apart = candidates / 100;
    let mut cells = Vec::new();
    let mut left = candidates - apart;
    let kinds = |area: usize| {
        let middle = (3.0 - country.areas[area].deprived * 1.4).round().clamp(1.0, 5.0) as u8;
        let fifths = [middle.saturating_sub(1).max(1), middle, (middle + 1).min(5)];
        let mut kinds: Vec<(u16, u8, Channel, u16)> = Vec::new();
        for cohort in 0..COHORTS {
            for fifth in fifths {
                for channel in [Channel::Sms, Channel::Letter] {
                    kinds.extend((0..WEEKS).map(|weeks| (cohort, fifth, channel, weeks)));
                }
            }
        }
        kinds.sort_unstable_by_key(|kind| (kind.0, kind.1, kind.2.name(), kind.3));
        kinds.dedup();
        kinds
    };
    for area in 0..country.areas.len() {
        let people = left / (country.areas.len() - area) as u64;
        left -= people;
        let kinds = kinds(area);
        let mut draw = Draw::new(SEED, 11, area as u64);
        let shares: Vec<f64> = kinds.iter().map(|_| 0.2 + draw.unit()).collect();
        let (mut total, mut given, mut so_far): (f64, u64, f64) = (shares.iter().sum(), 0, 0.0);
        total = total.max(f64::MIN_POSITIVE);
        for ((cohort, fifth, channel, weeks), share) in kinds.into_iter().zip(shares) {
            so_far += share;
            let upto = ((so_far / total * people as f64).round() as u64).min(people);
            let count = (upto - given) as u32;
            given = upto;
            let home = Home::Area(area as u32);
            cells.push(Cell { home, cohort, fifth, channel: Some(channel), weeks, people: count });
        }
    }
    for (place, apart_of) in Apart::ALL.into_iter().enumerate() {
        let people = (apart * (place as u64 + 1) / 5 - apart * place as u64 / 5) as u32;
        let channel = apart_of.is_written_to().then_some(Channel::Letter);
        cells.push(Cell { home: Home::Apart(apart_of), cohort: 3, fifth: 0, channel, weeks: 2, people });
    }
    cells
}

fn slots(country: &Country) -> Slots {
    let mut slots = Slots::new(country.sites.len(), DAYS);
    for site in 0..country.sites.len() {
        let mut draw = Draw::new(SEED, 12, site as u64);
        let usual = 60.0 + 120.0 * draw.unit();
        for day in (1..DAYS).filter(|day| day % 7 != 6) {
            slots.open(site, day, (usual * (0.7 + 0.6 * draw.unit())) as u32);
        }
    }
    slots
}

/// From candidates, places and slots to the plan: sites near each area, the forecast, the allocation.
fn plan(cells: &[Cell], country: &Country, slots: &Slots) -> Result<Allocation> {
    let nearest = Nearest::find(&country.places(), &country.sites, NEAR);
    let forecast = Forecast::learn(&Prior::default(), Delay::default(), usize::from(COHORTS), country.areas.len(), &[]);
    let aims = Aims { seed: SEED, ..Aims::default() };
    let setting = Setting { nearest: &nearest, free: slots, pending: &[], forecast: &forecast, aims: &aims };
    Ok(allocate(cells, &setting)?)
}

/// Runs it, and checks that everybody is accounted for and no site overfilled.
pub(crate) fn run(candidates: u64) -> Result<Vec<Case>> {
    step(format!("allocating {candidates} candidates over {AREAS} areas and {SITES} sites"));
    let country = Country::new(SEED, AREAS, SITES);
    let (cells, slots) = (cells(candidates, &country), slots(&country));
    let forgotten = Process::forget_peak().is_ok();
    let runs: Vec<_> = (0..RUNS).map(|_| timed(|| plan(&cells, &country, &slots))).collect();
    let peak = Process::this()?.peak_memory;
    let mut seconds = Vec::new();
    let mut invited = 0.0;
    for (allocation, time) in runs {
        let allocation = allocation?;
        ensure!(allocation.account.is_exact(), "the account is not exact: {:?}", allocation.account.all);
        ensure!(allocation.account.all.candidates == candidates, "{} candidates", allocation.account.all.candidates);
        let over = (0..country.sites.len())
            .flat_map(|site| (0..DAYS).map(move |day| (site, day)))
            .any(|(site, day)| allocation.load[site * DAYS + day] > f64::from(slots.free(site, day)) + 1e-6);
        ensure!(!over, "a site expects more than it has free");
        ensure!(candidates < 1_000 || allocation.account.all.invited > 0, "nobody is invited");
        seconds.push(time.as_secs_f64());
        invited = allocation.account.all.invited as f64;
    }
    let memory = if forgotten { "peak memory of the allocation" } else { "peak memory of the process" };
    Ok(vec![
        Case::new(format!("allocation, {candidates} candidates"), median(seconds), "s", Better::Lower),
        Case::new(memory, peak as f64 / 1e9, "GB", Better::Lower),
        Case::new("allocation, cells", cells.len() as f64, "cells", Better::Higher),
        Case::new("allocation, people invited in a week", invited, "people", Better::Higher),
    ])
}
