//! The plan of a wave by names: what is counted of each snapshot part, what is made of it, and what each part may select.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ims_domain::contact::Channel;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::account::{Account, Left};
use crate::aims::{Aims, Unsound};
use crate::allocate::{Allocation, DayUse, Pending, Setting, allocate};
use crate::answers::{Delay, Forecast, Prior, Seen};
use crate::candidates::{Apart, Cell, FIFTHS, Home};
use crate::capacity::SiteDays;
use crate::places::{Nearest, Place};
use crate::slots::Slots;

/// Sites looked at for each area.
const NEAR: usize = 8;

/// What candidates are counted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Kind {
    /// Label of the best cohort.
    pub cohort: String,
    /// Area; none for those who have none that could be planned for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// Why there is no area.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart: Option<Apart>,
    /// Deprivation fifth; 0 unknown.
    pub fifth: u8,
    /// How they would be written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
}

/// People invited together, and how many have answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SeenKind {
    /// Label of the best cohort.
    pub cohort: String,
    /// Area, where known.
    pub area: Option<String>,
    /// Deprivation fifth; 0 unknown.
    pub fifth: u8,
    /// The day of the invitation.
    pub on: Date,
    /// How many were invited.
    pub invited: u32,
    /// How many of them have booked, or had a dose.
    pub answered: u32,
}

/// What is counted of a snapshot part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedPart {
    /// People looked at.
    pub people: u64,
    /// Candidates by kind.
    pub candidates: Vec<(Kind, u32)>,
    /// Bookings that stand by site and day.
    pub booked: Vec<(String, Date, u32)>,
    /// What came of earlier invitations of the campaign.
    pub seen: Vec<SeenKind>,
}

/// What a plan is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDraft {
    /// Campaign.
    pub campaign: String,
    /// Wave of its contact plan.
    pub wave: String,
    /// Id of the draft.
    pub draft: String,
    /// Who asked for it.
    pub author: String,
    /// Version of the campaign's definition.
    pub definition: u32,
    /// Snapshot manifest that is counted.
    pub manifest: String,
    /// Its parts.
    pub parts: u32,
    /// The first day of inviting.
    pub day: Date,
    /// Vaccine type, as `FLU`.
    pub service: String,
    /// The campaign's cohorts, the highest first.
    pub cohorts: Vec<String>,
    /// Cohorts that the wave takes; all where empty.
    pub limited_to: Vec<String>,
    /// Whole weeks since the campaign first had a wave for each cohort.
    pub weeks: BTreeMap<String, u16>,
}

impl PlanDraft {
    /// Object in the work bucket that holds the draft.
    #[must_use]
    pub fn key(campaign: &str, draft: &str) -> String {
        format!("plans/{campaign}/{draft}/draft.json")
    }

    /// Object that holds what was counted of a part.
    #[must_use]
    pub fn part_key(campaign: &str, draft: &str, part: u32) -> String {
        format!("plans/{campaign}/{draft}/counted-{part:05}.json")
    }

    /// Object that holds what a part may select.
    #[must_use]
    pub fn quota_key(campaign: &str, draft: &str, part: u32) -> String {
        format!("plans/{campaign}/{draft}/quota-{part:05}.json")
    }

    /// Object that holds a wave's plan; a wave without one selects everybody.
    #[must_use]
    pub fn wave_key(campaign: &str, wave: &str) -> String {
        format!("plans/{campaign}/waves/{wave}.json")
    }
}

/// Object in the work bucket that lists areas: `area,latitude,longitude`, degrees of each area's centre, with a header.
pub const AREAS_KEY: &str = "reference/areas.csv";

/// An area in a plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AreaPlan {
    /// Area.
    pub area: String,
    /// Candidates.
    pub candidates: u64,
    /// Those in the plan.
    pub invited: u64,
    /// Answers expected of them.
    pub answers: f64,
    /// Mean deprivation fifth of those of whom it is known; 0 where of none.
    pub fifth: f64,
    /// The nearest site and the way there by road, kilometres.
    pub nearest: Option<(String, f32)>,
}

/// A site in a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SitePlan {
    /// ODS code.
    pub site: String,
    /// Name.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// Free appointments from the day after the first day of inviting on, for as long as answers come.
    pub free: u64,
    /// How many of them are expected to be booked.
    pub expected: f64,
}

/// A wave's plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WavePlan {
    /// What it is for.
    pub draft: PlanDraft,
    /// What was asked for.
    pub aims: Aims,
    /// Time of the capacity file, `YYYYMMDDThhmmss`; empty where there is none.
    pub capacity: String,
    /// What becomes of everybody; cohorts by their place in the draft's list.
    pub account: Account,
    /// The limit that binds.
    pub binding: Option<Left>,
    /// What each day uses.
    pub days: Vec<DayUse>,
    /// Chance of an answer by cohort and deprivation fifth, unknown first.
    pub chances: Vec<(String, [f64; FIFTHS])>,
    /// Areas, in the order of their codes.
    pub areas: Vec<AreaPlan>,
    /// Sites, in the order of their codes.
    pub sites: Vec<SitePlan>,
    /// Who made it the wave's plan, where somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted_by: Option<String>,
}

/// What a part may select: people of each kind on each day of the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartQuota {
    /// Kinds that are not left out.
    pub kinds: Vec<(Kind, Vec<u32>)>,
}

impl PartQuota {
    /// By kind, to be drawn from.
    #[must_use]
    pub fn drawing(self) -> Drawing {
        Drawing(self.kinds.into_iter().collect())
    }
}

/// A part's quota while candidates are drawn, the lowest lot first.
#[derive(Debug, Clone)]
pub struct Drawing(HashMap<Kind, Vec<u32>>);

impl Drawing {
    /// The day on which the next candidate of a kind is invited; none where the plan has no more of them.
    pub fn next(&mut self, kind: &Kind) -> Option<u16> {
        let days = self.0.get_mut(kind)?;
        let day = days.iter().position(|people| *people > 0)?;
        days[day] -= 1;
        u16::try_from(day).ok()
    }
}

/// Makes a plan from what was counted of every part, with each part's quota.
///
/// A kind's people are shared among parts by their counts: part *k* gets the difference of the rounded running sums, so that
/// the shares add up to the plan and none is more than the part has.
///
/// # Errors
/// As [`allocate`], or where the parts are not those of the draft.
pub fn plan_wave(
    draft: &PlanDraft,
    parts: &[CountedPart],
    areas: &BTreeMap<String, Place>,
    capacity: (&str, &[SiteDays]),
    aims: &Aims,
) -> Result<(WavePlan, Vec<PartQuota>), Unsound> {
    if parts.len() != draft.parts as usize {
        return Err(Unsound::new(format!("counted parts must be the {} of the snapshot", draft.parts), parts.len()));
    }
    let names: BTreeMap<&str, u32> = areas.keys().map(String::as_str).zip(0..).collect();
    let places: Vec<Place> = areas.values().copied().collect();
    let sites: Vec<&SiteDays> = capacity.1.iter().filter(|site| site.service == draft.service).collect();
    let site_places: Vec<Place> = sites.iter().map(|site| site.place).collect();
    let nearest = Nearest::find(&places, &site_places, NEAR);
    let (seen, pending) = history(draft, parts, &names);
    let forecast =
        Forecast::learn(&Prior::default(), Delay::default(), draft.cohorts.len().max(1), places.len(), &seen);
    let free = free(draft, parts, &sites, usize::from(aims.days) + forecast.delay.arrivals_after(0).len());
    let kinds = kinds(parts);
    let cells: Vec<Cell> = kinds.iter().map(|(kind, people)| cell(draft, kind, *people, &names)).collect();
    let setting = Setting { nearest: &nearest, free: &free, pending: &pending, forecast: &forecast, aims };
    let allocation = allocate(&cells, &setting)?;
    let quotas = apportion(parts, &kinds, &allocation, usize::from(aims.days));
    let chances = (0u16..)
        .zip(&draft.cohorts)
        .map(|(place, label)| (label.clone(), std::array::from_fn(|fifth| forecast.chance(place, fifth as u8, None))));
    let plan = WavePlan {
        draft: draft.clone(),
        aims: aims.clone(),
        capacity: capacity.0.to_owned(),
        binding: allocation.account.binding(),
        days: allocation.days.clone(),
        chances: chances.collect(),
        areas: area_plans(&kinds, &cells, &allocation, areas, (&sites, &nearest), &forecast),
        sites: site_plans(&sites, &free, &allocation),
        account: allocation.account,
        adopted_by: None,
    };
    Ok((plan, quotas))
}

/// Candidates of all parts by kind, in order.
fn kinds(parts: &[CountedPart]) -> Vec<(Kind, u32)> {
    let mut sums: BTreeMap<&Kind, u32> = BTreeMap::new();
    for (kind, people) in parts.iter().flat_map(|part| &part.candidates) {
        *sums.entry(kind).or_default() += people;
    }
    sums.into_iter().map(|(kind, people)| (kind.clone(), people)).collect()
}

fn cohort_place(draft: &PlanDraft, label: &str) -> u16 {
    let place = draft.cohorts.iter().position(|cohort| cohort == label);
    place.and_then(|place| u16::try_from(place).ok()).unwrap_or(u16::MAX)
}

fn cell(draft: &PlanDraft, kind: &Kind, people: u32, names: &BTreeMap<&str, u32>) -> Cell {
    let area = kind.area.as_deref().and_then(|area| names.get(area));
    let home = match (kind.apart, area) {
        (Some(apart), _) => Home::Apart(apart),
        (None, _) if kind.channel.is_none() => Home::Apart(Apart::NoContactRoute),
        (None, Some(area)) => Home::Area(*area),
        (None, None) => Home::Apart(Apart::UnknownArea),
    };
    let weeks = draft.weeks.get(&kind.cohort).copied().unwrap_or(0);
    Cell { home, cohort: cohort_place(draft, &kind.cohort), fifth: kind.fifth, channel: kind.channel, weeks, people }
}

/// What is known of earlier invitations, summed over parts, and who may still answer.
fn history(draft: &PlanDraft, parts: &[CountedPart], names: &BTreeMap<&str, u32>) -> (Vec<Seen>, Vec<Pending>) {
    /// Cohort, fifth, area and days since.
    type Together = (u16, u8, Option<u32>, u16);
    let mut sums: BTreeMap<Together, (u32, u32)> = BTreeMap::new();
    for seen in parts.iter().flat_map(|part| &part.seen) {
        let days = seen.on.until(draft.day).map_or(0, |span| span.get_days());
        let Ok(days) = u16::try_from(days) else { continue };
        let area = seen.area.as_deref().and_then(|area| names.get(area)).copied();
        let sum = sums.entry((cohort_place(draft, &seen.cohort), seen.fifth, area, days)).or_default();
        sum.0 += seen.invited;
        sum.1 += seen.answered;
    }
    let seen = sums.iter().map(|((cohort, fifth, area, days), (invited, answered))| Seen {
        cohort: *cohort,
        fifth: *fifth,
        area: *area,
        days: *days,
        invited: *invited,
        answered: *answered,
    });
    let pending = sums.iter().filter_map(|((cohort, fifth, area, days), (invited, answered))| {
        Some(Pending {
            area: (*area)?,
            cohort: *cohort,
            fifth: *fifth,
            days: *days,
            people: invited.saturating_sub(*answered),
        })
    });
    (seen.collect(), pending.collect())
}

/// Capacity less the bookings that stand, from the first day of inviting on. On that day nobody comes any more.
fn free(draft: &PlanDraft, parts: &[CountedPart], sites: &[&SiteDays], days: usize) -> Slots {
    let mut slots = Slots::new(sites.len(), days);
    let place = |day: Date| {
        let days = draft.day.until(day).map_or(-1, |span| span.get_days());
        usize::try_from(days).ok().filter(|day| *day > 0)
    };
    let mut by_code: HashMap<&str, usize> = HashMap::new();
    for (site, found) in sites.iter().enumerate() {
        by_code.insert(&found.site, site);
        for (day, appointments) in &found.days {
            place(*day).into_iter().for_each(|day| slots.open(site, day, *appointments));
        }
    }
    for (site, day, bookings) in parts.iter().flat_map(|part| &part.booked) {
        if let (Some(site), Some(day)) = (by_code.get(site.as_str()), place(*day)) {
            slots.book(*site, day, *bookings);
        }
    }
    slots
}

fn apportion(parts: &[CountedPart], kinds: &[(Kind, u32)], allocation: &Allocation, days: usize) -> Vec<PartQuota> {
    let mut granted: Vec<Vec<u64>> = vec![Vec::new(); kinds.len()];
    for grant in &allocation.grants {
        let of_kind = &mut granted[grant.cell as usize];
        of_kind.resize(days, 0);
        of_kind[usize::from(grant.day)] += u64::from(grant.people);
    }
    let sums: Vec<u64> = granted.iter().map(|days| days.iter().sum()).collect();
    let place: HashMap<&Kind, usize> = kinds.iter().enumerate().map(|(place, (kind, _))| (kind, place)).collect();
    let mut so_far = vec![0u64; kinds.len()];
    let mut quotas = Vec::with_capacity(parts.len());
    for part in parts {
        let mut quota = PartQuota::default();
        for (kind, people) in &part.candidates {
            let Some(at) = place.get(kind).copied() else { continue };
            let (all, before) = (u64::from(kinds[at].1).max(1), so_far[at]);
            so_far[at] += u64::from(*people);
            let share = sums[at] * so_far[at] / all - sums[at] * before / all;
            if share > 0 {
                quota.kinds.push((kind.clone(), take(&mut granted[at], share)));
            }
        }
        quotas.push(quota);
    }
    quotas
}

/// Takes so many of what is left of each day, in proportion; what rounding leaves goes to the days with the largest remainders,
/// the earlier first.
fn take(left: &mut [u64], share: u64) -> Vec<u32> {
    let all: u64 = left.iter().sum::<u64>().max(1);
    let share = share.min(all);
    let mut taken: Vec<u64> = left.iter().map(|left| left * share / all).collect();
    let mut order: Vec<usize> = (0..left.len()).collect();
    order.sort_by_key(|day| std::cmp::Reverse(left[*day] * share % all));
    let over = (share - taken.iter().sum::<u64>()) as usize;
    order.iter().take(over).for_each(|day| taken[*day] += 1);
    left.iter_mut().zip(&taken).for_each(|(left, taken)| *left -= taken);
    taken.into_iter().map(|people| people as u32).collect()
}

fn area_plans(
    kinds: &[(Kind, u32)],
    cells: &[Cell],
    allocation: &Allocation,
    areas: &BTreeMap<String, Place>,
    (sites, nearest): (&[&SiteDays], &Nearest),
    forecast: &Forecast,
) -> Vec<AreaPlan> {
    let mut invited = vec![0u64; kinds.len()];
    for grant in &allocation.grants {
        invited[grant.cell as usize] += u64::from(grant.people);
    }
    let mut plans: Vec<AreaPlan> =
        areas.keys().map(|area| AreaPlan { area: area.clone(), ..AreaPlan::default() }).collect();
    let mut known = vec![0u64; plans.len()];
    let mut seen = BTreeSet::new();
    for (cell, invited) in cells.iter().zip(invited) {
        let Home::Area(area) = cell.home else { continue };
        let (plan, people) = (&mut plans[area as usize], u64::from(cell.people));
        plan.candidates += people;
        plan.invited += invited;
        plan.answers += invited as f64 * forecast.chance(cell.cohort, cell.fifth, Some(area));
        if cell.fifth > 0 {
            known[area as usize] += people;
            plan.fifth += f64::from(cell.fifth) * people as f64;
        }
        if seen.insert(area) {
            let first = nearest.of(area).first();
            plan.nearest = first.map(|(site, kilometres)| (sites[*site as usize].site.clone(), *kilometres));
        }
    }
    for (plan, known) in plans.iter_mut().zip(known) {
        plan.fifth = if known > 0 { plan.fifth / known as f64 } else { 0.0 };
    }
    plans.retain(|plan| plan.candidates > 0);
    plans
}

fn site_plans(sites: &[&SiteDays], free: &Slots, allocation: &Allocation) -> Vec<SitePlan> {
    let plan = |(place, site): (usize, &&SiteDays)| SitePlan {
        site: site.site.clone(),
        name: site.name.clone(),
        place: site.place,
        free: (0..free.days()).map(|day| u64::from(free.free(place, day))).sum(),
        expected: (0..free.days()).map(|day| allocation.load[place * free.days() + day]).sum(),
    };
    sites.iter().enumerate().map(plan).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    const DAY: Date = date(2025, 10, 6);

    fn draft(parts: u32) -> PlanDraft {
        PlanDraft {
            campaign: "flu-2025".into(),
            wave: "w1".into(),
            draft: "d".into(),
            author: "pat".into(),
            definition: 1,
            manifest: "m".into(),
            parts,
            day: DAY,
            service: "FLU".into(),
            cohorts: vec!["flu_65_plus".into(), "at_risk".into()],
            limited_to: vec![],
            weeks: BTreeMap::new(),
        }
    }

    fn areas() -> BTreeMap<String, Place> {
        let place = |latitude| Place { latitude, longitude: -1.5 };
        [("E1", 53.8), ("E2", 53.9)].map(|(area, latitude)| (area.to_owned(), place(latitude))).into()
    }

    fn site(code: &str, latitude: f64, service: &str, appointments: u32) -> SiteDays {
        let days = (0..30).filter_map(|day| DAY.checked_add(jiff::Span::new().days(day)).ok());
        SiteDays {
            site: code.into(),
            name: format!("Site {code}"),
            place: Place { latitude, longitude: -1.5 },
            service: service.into(),
            days: days.map(|day| (day, appointments)).collect(),
        }
    }

    fn kind() -> impl Strategy<Value = Kind> {
        let cohort = prop_oneof![Just("flu_65_plus"), Just("at_risk")];
        let area = prop_oneof![Just("E1"), Just("E2"), Just("elsewhere")];
        let channel = prop_oneof![Just(Channel::Sms), Just(Channel::Letter)];
        (cohort, area, 0u8..6, channel).prop_map(|(cohort, area, fifth, channel)| Kind {
            cohort: cohort.into(),
            area: Some(area.into()),
            apart: None,
            fifth,
            channel: Some(channel),
        })
    }

    fn part() -> impl Strategy<Value = CountedPart> {
        prop::collection::btree_map(kind(), 1u32..40, 0..12).prop_map(|candidates| CountedPart {
            people: 1_000,
            candidates: candidates.into_iter().collect(),
            ..CountedPart::default()
        })
    }

    proptest! {
        #[test]
        fn parts_share_the_plan_to_the_person(parts in prop::collection::vec(part(), 1..6), slots in 0u32..8, size in 0u64..300) {
            let draft = draft(parts.len() as u32);
            let sites = [site("V1", 53.8, "FLU", slots), site("V2", 53.95, "FLU", slots), site("V3", 53.8, "COVID", 90)];
            let aims = Aims { size, days: 3, ..Aims::default() };
            let (plan, quotas) = plan_wave(&draft, &parts, &areas(), ("20251006T050000", &sites), &aims).unwrap();
            prop_assert!(plan.account.is_exact());
            prop_assert_eq!(plan.sites.len(), 2);
            let mut by_day = vec![0u64; 3];
            for (quota, part) in quotas.iter().zip(&parts) {
                for (kind, days) in &quota.kinds {
                    let held = part.candidates.iter().find(|(held, _)| held == kind).map_or(0, |(_, people)| *people);
                    prop_assert!(days.iter().sum::<u32>() <= held, "{:?} of {}", days, held);
                    by_day.iter_mut().zip(days).for_each(|(sum, people)| *sum += u64::from(*people));
                }
            }
            prop_assert_eq!(by_day, plan.days.iter().map(|day| day.people).collect::<Vec<u64>>());
        }
    }

    #[test]
    fn bookings_that_stand_and_answers_to_come_take_appointments() {
        let kind = Kind {
            cohort: "at_risk".into(),
            area: Some("E1".into()),
            apart: None,
            fifth: 3,
            channel: Some(Channel::Sms),
        };
        let part = |booked: u32, invited: u32| CountedPart {
            people: 1_000,
            candidates: vec![(kind.clone(), 500)],
            booked: (1..30)
                .filter_map(|day| Some(("V1".to_owned(), DAY.checked_add(jiff::Span::new().days(day)).ok()?, booked)))
                .collect(),
            seen: vec![SeenKind {
                cohort: "at_risk".into(),
                area: Some("E1".into()),
                fifth: 3,
                on: date(2025, 10, 3),
                invited,
                // As many as are expected to be known after three days.
                answered: invited * 17 / 60,
            }],
        };
        let invited = |part: CountedPart| {
            let sites = [site("V1", 53.8, "FLU", 10)];
            plan_wave(&draft(1), &[part], &areas(), ("", &sites), &Aims::default()).unwrap().0.account.all.invited
        };
        let nothing = invited(part(0, 0));
        assert!(nothing > 0 && invited(part(5, 0)) < nothing && invited(part(0, 60)) < nothing);
        assert_eq!(invited(part(10, 0)), 0);
    }

    #[test]
    fn a_quota_is_drawn_day_by_day_until_it_is_used_up() {
        let kind =
            Kind { cohort: "at_risk".into(), area: None, apart: Some(Apart::Restricted), fifth: 0, channel: None };
        let mut drawing = PartQuota { kinds: vec![(kind.clone(), vec![1, 0, 2])] }.drawing();
        let days: Vec<Option<u16>> = (0..4).map(|_| drawing.next(&kind)).collect();
        assert_eq!(days, [Some(0), Some(2), Some(2), None]);
        assert_eq!(drawing.next(&Kind { fifth: 1, ..kind }), None);
    }
}
