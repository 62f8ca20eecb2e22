//! What is expected of people who are invited: whether they answer, and when.

use serde::{Deserialize, Serialize};

use crate::candidates::FIFTHS;

/// When people who answer do so, and for when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    /// Share of all answers that come so many days after the invitation, from 0 on.
    pub answer: Vec<f64>,
    /// Share of all bookings that are for so many days after they are made, from 0 on.
    pub notice: Vec<f64>,
    /// Share of those who answer who come without a booking, as many days later as others book for: they are known only when
    /// they have come.
    pub walk_ins: f64,
}

impl Default for Delay {
    /// Half of all answers within three days and the last within twelve; appointments from the next day to the ninth; one in
    /// five comes without. Stated assumptions, to be set from what was seen.
    fn default() -> Self {
        let mut answer: Vec<f64> = (0..12).map(|day| 0.8f64.powi(day) * 0.2).collect();
        answer.push(0.8f64.powi(12));
        let mut notice = vec![0.0];
        notice.extend([1.0 / 9.0; 9]);
        Self { answer, notice, walk_ins: 0.2 }
    }
}

impl Delay {
    /// Share of the answers that are known when so many whole days have passed; 0 on the day itself.
    #[must_use]
    pub fn known_within(&self, days: usize) -> f64 {
        let within = |shares: &[f64]| shares.iter().take(days).sum::<f64>();
        let known = (1.0 - self.walk_ins) * within(&self.answer) + self.walk_ins * within(&self.arrivals_after(0));
        known.clamp(0.0, 1.0)
    }

    /// Of those who answer, but of whom that is not known when so many days have passed: share who come so many days from then
    /// on.
    #[must_use]
    pub fn arrivals_after(&self, days: usize) -> Vec<f64> {
        let all = self.arrivals_of(&self.answer);
        let booking = self.arrivals_of(self.answer.get(days..).unwrap_or_default());
        let walking = all.get(days..).unwrap_or_default();
        let mut arrivals = vec![0.0; booking.len().max(walking.len())];
        for (share, list) in [(1.0 - self.walk_ins, booking.as_slice()), (self.walk_ins, walking)] {
            arrivals.iter_mut().zip(list).for_each(|(sum, arrival)| *sum += share * arrival);
        }
        let total: f64 = arrivals.iter().sum();
        if total <= 0.0 {
            return Vec::new();
        }
        arrivals.iter_mut().for_each(|arrival| *arrival /= total);
        arrivals
    }

    /// Arrivals by day of answers that come so.
    fn arrivals_of(&self, answer: &[f64]) -> Vec<f64> {
        let mut arrivals = vec![0.0; (answer.len() + self.notice.len()).saturating_sub(1)];
        for (day, share) in answer.iter().enumerate() {
            for (later, notice) in self.notice.iter().enumerate() {
                arrivals[day + later] += share * notice;
            }
        }
        arrivals
    }

    pub(crate) fn is_sound(&self) -> bool {
        let shares = |list: &[f64]| {
            list.iter().all(|share| share.is_finite() && *share >= 0.0) && (list.iter().sum::<f64>() - 1.0).abs() < 1e-6
        };
        shares(&self.answer) && shares(&self.notice) && (0.0..=1.0).contains(&self.walk_ins)
    }
}

/// What is believed before anybody was invited: a beta distribution for each cohort.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prior {
    /// Mean chance that somebody who is invited answers, by cohort; the last holds for all further cohorts.
    pub means: Vec<f64>,
    /// For how many people's answers the mean of a cohort stands.
    pub people: f64,
    /// Odds of the most deprived fifth as a multiple of those of the least deprived; between them even steps on the scale of
    /// log odds.
    pub odds: f64,
    /// For how many people's answers the mean of a fifth within its cohort stands.
    pub people_a_fifth: f64,
    /// For how many expected answers it stands that an area answers as its groups do.
    pub answers_an_area: f64,
    /// How many standard deviations above what is expected is planned for: invitations that are too many turn people away, those
    /// that are too few can be made up for next time.
    pub care: f64,
}

impl Default for Prior {
    /// Seven in ten answer, whichever cohort: between flu vaccination at 65 and over in England, some eight in ten, and that of
    /// younger people at risk, some five. Odds 0.55 between the fifths: Bucyibaruta and others 2022, of COVID-19 vaccine in
    /// England. All of it gives way soon to what is seen.
    fn default() -> Self {
        Self { means: vec![0.7], people: 20.0, odds: 0.55, people_a_fifth: 200.0, answers_an_area: 20.0, care: 1.0 }
    }
}

/// What came of people who were invited together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Cohort.
    pub cohort: u16,
    /// Deprivation fifth, 0 unknown.
    pub fifth: u8,
    /// Area, where known.
    pub area: Option<u32>,
    /// Whole days since they were invited.
    pub days: u16,
    /// How many were.
    pub invited: u32,
    /// How many have answered: booked, or came.
    pub answered: u32,
}

/// The chance that somebody who is invited answers: a Beta-binomial estimate by cohort, then by fifth within it, then an
/// area's ratio to that (gamma-Poisson). Each level is drawn towards the one above it, the more the less was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    groups: Vec<[Chance; FIFTHS]>,
    areas: Vec<f64>,
    care: f64,
    /// When answers come.
    pub delay: Delay,
}

/// A chance as it is believed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Chance {
    mean: f64,
    deviation: f64,
}

/// No area is believed to answer more than this many times as often as its groups do, or as seldom.
const MOST: f64 = 2.0;
/// Nobody is believed to answer more surely than this, or less.
const SUREST: (f64, f64) = (0.02, 0.98);

impl Forecast {
    /// From what is believed and what was seen. People invited lately count for the share of them whose answer could be here.
    #[must_use]
    pub fn learn(prior: &Prior, delay: Delay, cohorts: usize, areas: usize, seen: &[Seen]) -> Self {
        let known: Vec<f64> =
            (0..=delay.answer.len() + delay.notice.len()).map(|days| delay.known_within(days)).collect();
        let exposed = |seen: &Seen| f64::from(seen.invited) * known[usize::from(seen.days).min(known.len() - 1)];
        let class = |seen: &Seen| (usize::from(seen.cohort), usize::from(seen.fifth).min(FIFTHS - 1));
        let mut counts = vec![[(0.0, 0.0); FIFTHS]; cohorts];
        for one in seen {
            let (cohort, fifth) = class(one);
            if let Some(held) = counts.get_mut(cohort) {
                held[fifth].0 += exposed(one);
                held[fifth].1 += f64::from(one.answered);
            }
        }
        let groups: Vec<[Chance; FIFTHS]> = counts
            .iter()
            .enumerate()
            .map(|(cohort, counts)| {
                let mean = prior.means.get(cohort).or(prior.means.last()).copied().unwrap_or(0.5);
                let sum = counts.iter().fold((0.0, 0.0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
                let whole = shrunk(mean, prior.people, sum);
                std::array::from_fn(|fifth| {
                    let of_fifth = of_fifth(whole.mean, prior.odds, fifth);
                    let own = shrunk(of_fifth, prior.people_a_fifth, counts[fifth]);
                    // As far as it leans on the cohort's, it is as uncertain as that.
                    let leaning =
                        prior.people_a_fifth / (prior.people_a_fifth + counts[fifth].0).max(f64::MIN_POSITIVE);
                    Chance { deviation: own.deviation.hypot(leaning * whole.deviation), ..own }
                })
            })
            .collect();
        let mut by_area = vec![(0.0, 0.0); areas];
        for one in seen {
            let (cohort, fifth) = class(one);
            let area = one.area.and_then(|area| by_area.get_mut(area as usize));
            if let (Some(area), Some(chances)) = (area, groups.get(cohort)) {
                area.0 += exposed(one) * chances[fifth].mean;
                area.1 += f64::from(one.answered);
            }
        }
        let weight = prior.answers_an_area.max(f64::MIN_POSITIVE);
        let ratio =
            |(expected, answered): (f64, f64)| ((weight + answered) / (weight + expected)).clamp(1.0 / MOST, MOST);
        Self { groups, areas: by_area.into_iter().map(ratio).collect(), care: prior.care, delay }
    }

    /// The chance of somebody of a cohort and fifth, in an area where that is known.
    #[must_use]
    pub fn chance(&self, cohort: u16, fifth: u8, area: Option<u32>) -> f64 {
        self.at(cohort, fifth, area, 0.0)
    }

    /// The chance that is planned for, which is higher the less has been seen ([`Prior::care`]).
    #[must_use]
    pub fn planned(&self, cohort: u16, fifth: u8, area: Option<u32>) -> f64 {
        self.at(cohort, fifth, area, self.care)
    }

    fn at(&self, cohort: u16, fifth: u8, area: Option<u32>, care: f64) -> f64 {
        let groups = self.groups.get(usize::from(cohort)).or(self.groups.last());
        let chance = groups.map_or(0.5, |groups| {
            let chance = groups[usize::from(fifth).min(FIFTHS - 1)];
            chance.mean + care * chance.deviation
        });
        let ratio = area.and_then(|area| self.areas.get(area as usize)).copied().unwrap_or(1.0);
        (chance * ratio).clamp(SUREST.0, SUREST.1)
    }
}

/// A beta distribution that stood for `people`, after some of those exposed answered.
fn shrunk(mean: f64, people: f64, (exposed, answered): (f64, f64)) -> Chance {
    let all = people + exposed;
    if all <= 0.0 {
        return Chance { mean, deviation: 0.0 };
    }
    let mean = ((people * mean + answered) / all).clamp(SUREST.0, SUREST.1);
    Chance { mean, deviation: (mean * (1.0 - mean) / (all + 1.0)).sqrt() }
}

/// A cohort's mean as it is expected in a fifth; as it is where the fifth is not known.
fn of_fifth(mean: f64, odds: f64, fifth: usize) -> f64 {
    if fifth == 0 || odds <= 0.0 {
        return mean;
    }
    let steps = (3.0 - fifth as f64) / 4.0;
    let ratio = mean / (1.0 - mean).max(f64::MIN_POSITIVE) * odds.powf(steps);
    ratio / (1.0 + ratio)
}
