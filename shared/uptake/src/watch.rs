//! Watching waves: what is expected of one by day, and what is wrong with it, in words.
//!
//! Expectations begin as a stated prior and are scaled by what earlier waves of the campaign came to, shrunk towards the
//! prior. Alarms are raised on what chance does not explain: an interval that lies beyond a limit, or nothing at all where
//! ten were expected, which happens by chance once in 22,000 times.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{Z_95, wilson};

/// What a wave has come to, cumulated: people, by where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// A message left.
    pub sent: u64,
    /// A text arrived, as the provider says.
    pub delivered: u64,
    /// A message was refused, or did not arrive.
    pub failed: u64,
    /// Nothing left, since the provider refused it; among those that failed.
    pub refused: u64,
    /// A text left of which nothing was heard yet.
    pub unheard: u64,
    /// Nothing was written, for a reason.
    pub suppressed: u64,
    /// After a message they asked not to be written to.
    pub complained: u64,
    /// Have had an appointment since they were written to.
    pub booked: u64,
    /// Have had a dose since they were written to.
    pub vaccinated: u64,
}

impl Progress {
    fn decided(&self) -> u64 {
        self.sent + self.refused + self.suppressed
    }
}

/// People of an area who were written to, and those of them who came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AreaProgress {
    /// A message left.
    pub sent: u64,
    /// Have had an appointment or a dose since.
    pub came: u64,
}

/// What is known of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WaveProgress {
    /// By business day, as it stood at the end of the day or when it was last looked at.
    pub days: BTreeMap<Date, Progress>,
    /// By ICB, on the last day.
    pub areas: BTreeMap<String, AreaProgress>,
}

/// The file `watch/{campaign}.json`: what the waves of a campaign have come to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CampaignProgress {
    /// Snapshot manifest it was last read from.
    pub manifest: String,
    /// Waves by name.
    pub waves: BTreeMap<String, WaveProgress>,
}

impl CampaignProgress {
    /// Key of a campaign's file in the exports bucket.
    #[must_use]
    pub fn key(campaign: &str) -> String {
        format!("watch/{campaign}.json")
    }
}

/// Shares by day since the release, between which it is drawn straight; after the last day it stays.
type Points = &'static [(f64, f64)];

/// Of the candidates, decided on.
const DECIDED: Points = &[(0.0, 0.0), (1.0, 0.95), (2.0, 1.0)];
/// Of the texts that left, heard of.
const HEARD: Points = &[(0.0, 0.0), (1.0, 0.9), (3.0, 0.98)];
/// Of those written to, booked: the prior.
const BOOKED: Points = &[(0.0, 0.0), (1.0, 0.02), (3.0, 0.06), (7.0, 0.12), (14.0, 0.18), (28.0, 0.25)];
/// Of those written to, vaccinated: the prior.
const VACCINATED: Points = &[(0.0, 0.0), (3.0, 0.01), (7.0, 0.05), (14.0, 0.12), (28.0, 0.22), (42.0, 0.27)];
/// People of an earlier wave that weigh as much as the prior.
const PRIOR_WEIGHT: f64 = 50.0;

fn at(points: Points, day: f64) -> f64 {
    let after = points.iter().position(|(on, _)| *on >= day);
    match after {
        None => points.last().map_or(0.0, |(_, share)| *share),
        Some(0) => points[0].1,
        Some(place) => {
            let ((from, low), (to, high)) = (points[place - 1], points[place]);
            low + (high - low) * (day - from) / (to - from)
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "people are far fewer than 2^52")]
fn real(count: u64) -> f64 {
    count as f64
}

/// What is expected of a wave on a day after its release, in people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// Decided on: sent, suppressed or failed.
    pub decided: f64,
    /// Texts of which was heard.
    pub heard: f64,
    /// Booked.
    pub booked: f64,
    /// Vaccinated.
    pub vaccinated: f64,
}

/// How far people come, against the prior: learned from earlier waves of the campaign, shrunk.
#[must_use]
pub fn response<'a>(earlier: impl IntoIterator<Item = (&'a WaveProgress, Date)>) -> f64 {
    let (mut seen, mut expected) = (PRIOR_WEIGHT, PRIOR_WEIGHT);
    for (wave, released) in earlier {
        if let Some((day, last)) = wave.days.last_key_value() {
            seen += real(last.booked);
            expected += real(last.sent) * at(BOOKED, f64::from(days_between(released, *day)));
        }
    }
    seen / expected
}

fn days_between(from: Date, to: Date) -> i32 {
    (to - from).get_days()
}

/// What is expected some days after the release of a wave of so many candidates, of whom so many were written to.
#[must_use]
pub fn expected(candidates: u64, sent: u64, texts: u64, days: i32, response: f64) -> Expected {
    let days = f64::from(days.max(0));
    Expected {
        decided: real(candidates) * at(DECIDED, days),
        heard: real(texts) * at(HEARD, days),
        booked: real(sent) * (at(BOOKED, days) * response).min(1.0),
        vaccinated: real(sent) * (at(VACCINATED, days) * response).min(1.0),
    }
}

/// Where a wave is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// Not released yet; planned for this day.
    Waits(Date),
    /// Released on this day.
    Runs(Date),
    /// Paused, stopped or closed by somebody.
    Held,
}

/// What is wrong with a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Alarm {
    /// Its day has passed and it is not released.
    NotReleased {
        /// Days since.
        days: i32,
    },
    /// It is released, and its people are not decided on in time.
    Slow {
        /// Decided on.
        decided: u64,
        /// Candidates.
        candidates: u64,
    },
    /// Messages left and nothing is heard of any.
    Unheard {
        /// Texts that left.
        texts: u64,
    },
    /// Nobody books.
    NoBookings {
        /// Written to.
        sent: u64,
        /// Bookings expected by now.
        expected: u64,
    },
    /// Many messages do not arrive.
    Bouncing {
        /// Did not arrive.
        failed: u64,
        /// Of so many of which was heard.
        heard: u64,
    },
    /// Nothing goes out for a large share of the people.
    Suppressing {
        /// Suppressed.
        suppressed: u64,
        /// Of so many decided on.
        decided: u64,
    },
    /// Many of those who were written to ask not to be.
    Complaints {
        /// Asked not to be written to.
        complained: u64,
        /// Of so many.
        sent: u64,
    },
    /// Nobody of an area books.
    AreaWithoutBookings {
        /// ICB code.
        area: String,
        /// Written to there.
        sent: u64,
    },
}

impl Alarm {
    /// The metric that counts it.
    #[must_use]
    pub fn metric(&self) -> &'static str {
        match self {
            Self::NotReleased { .. } | Self::Slow { .. } => "WavesLate",
            Self::Unheard { .. } | Self::NoBookings { .. } => "WavesSilent",
            Self::Bouncing { .. } => "WavesBouncing",
            Self::Suppressing { .. } => "WavesSuppressing",
            Self::Complaints { .. } => "WavesWithComplaints",
            Self::AreaWithoutBookings { .. } => "AreasWithoutBookings",
        }
    }

    /// All metrics, so that none is missing where nothing is wrong.
    pub const METRICS: [&'static str; 6] = [
        "WavesLate",
        "WavesSilent",
        "WavesBouncing",
        "WavesSuppressing",
        "WavesWithComplaints",
        "AreasWithoutBookings",
    ];

    /// Whether going on would do harm, so that the wave is paused at once.
    #[must_use]
    pub fn pauses(&self) -> bool {
        matches!(self, Self::Bouncing { .. } | Self::Suppressing { .. } | Self::Complaints { .. })
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReleased { days: 1 } => f.write_str("its day was yesterday and it is not released"),
            Self::NotReleased { days } => write!(f, "its day was {days} days ago and it is not released"),
            Self::Slow { decided, candidates } => {
                write!(f, "only {decided} of its {candidates} people were decided on in time")
            }
            Self::Unheard { texts } => write!(f, "{texts} texts left and nothing is heard of any of them"),
            Self::NoBookings { sent, expected } => {
                write!(f, "of {sent} people who were written to none has booked; {expected} were expected by now")
            }
            Self::Bouncing { failed, heard } => write!(f, "{failed} of {heard} messages did not arrive"),
            Self::Suppressing { suppressed, decided } => {
                write!(f, "nothing goes out to {suppressed} of the {decided} people decided on")
            }
            Self::Complaints { complained, sent } => {
                write!(f, "{complained} of {sent} people who were written to have asked not to be")
            }
            Self::AreaWithoutBookings { area, sent } => {
                write!(f, "in {area} {sent} people were written to and none has booked")
            }
        }
    }
}

/// Bookings expected where none is no chance any more.
const SURELY_SOME: f64 = 10.0;
/// Share of what is expected to be decided on, below which a wave is slow.
const SLOW: f64 = 0.8;
/// Texts below which silence may be chance.
const FEW_TEXTS: u64 = 20;

/// Limits of what a wave may come to: a share, and people below whom nothing is concluded.
const BOUNCING: (f64, u64) = (0.05, 10);
const SUPPRESSING: (f64, u64) = (0.5, 50);
const COMPLAINTS: (f64, u64) = (0.01, 10);

/// Whether a share lies beyond a limit, and not by chance.
fn is_beyond(part: u64, whole: u64, (limit, least): (f64, u64)) -> bool {
    part >= least && wilson(part.min(whole), whole, Z_95).is_ok_and(|interval| interval.lower > limit)
}

/// What of a wave does harm: bounces, suppressions and complaints beyond their limits.
#[must_use]
pub fn harm(now: &Progress) -> Vec<Alarm> {
    let mut found = Vec::new();
    let heard = now.delivered + now.failed;
    if is_beyond(now.failed, heard, BOUNCING) {
        found.push(Alarm::Bouncing { failed: now.failed, heard });
    }
    if is_beyond(now.suppressed, now.decided(), SUPPRESSING) {
        found.push(Alarm::Suppressing { suppressed: now.suppressed, decided: now.decided() });
    }
    if is_beyond(now.complained, now.sent, COMPLAINTS) {
        found.push(Alarm::Complaints { complained: now.complained, sent: now.sent });
    }
    found
}

/// What is wrong with a wave on a day.
#[must_use]
pub fn alarms(course: Course, candidates: u64, wave: &WaveProgress, today: Date, response: f64) -> Vec<Alarm> {
    let released = match course {
        Course::Waits(planned) => {
            let days = days_between(planned, today);
            return if days > 0 { vec![Alarm::NotReleased { days }] } else { Vec::new() };
        }
        Course::Runs(released) => released,
        Course::Held => return Vec::new(),
    };
    let days = days_between(released, today);
    let now = wave.days.last_key_value().map(|(_, now)| *now).unwrap_or_default();
    let texts = now.delivered + now.failed + now.unheard;
    let expected = expected(candidates, now.sent, texts, days, response);
    let mut found = Vec::new();
    if real(now.decided()) < SLOW * expected.decided {
        found.push(Alarm::Slow { decided: now.decided(), candidates });
    }
    if days >= 1 && texts >= FEW_TEXTS && now.delivered + now.failed == 0 {
        found.push(Alarm::Unheard { texts });
    }
    if expected.booked >= SURELY_SOME && now.booked + now.vaccinated == 0 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "people, and not negative")]
        found.push(Alarm::NoBookings { sent: now.sent, expected: expected.booked.round() as u64 });
    } else {
        let share = expected.booked / real(now.sent).max(1.0);
        let silent = wave.areas.iter().filter(|(_, area)| area.came == 0 && real(area.sent) * share >= SURELY_SOME);
        found.extend(silent.map(|(code, area)| Alarm::AreaWithoutBookings { area: code.clone(), sent: area.sent }));
    }
    found.extend(harm(&now));
    found
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const RELEASED: Date = date(2025, 10, 6);

    /// A wave of 1,000 as it should be seven days after its release.
    fn healthy() -> Progress {
        Progress {
            sent: 930,
            delivered: 700,
            failed: 15,
            refused: 3,
            unheard: 5,
            suppressed: 55,
            complained: 2,
            booked: 110,
            vaccinated: 40,
        }
    }

    fn told(change: impl FnOnce(&mut Progress), days: i64) -> Vec<&'static str> {
        let mut now = healthy();
        change(&mut now);
        let today = RELEASED.checked_add(jiff::Span::new().days(days)).unwrap();
        let wave = WaveProgress { days: BTreeMap::from([(today, now)]), areas: BTreeMap::new() };
        alarms(Course::Runs(RELEASED), 1_000, &wave, today, 1.0).iter().map(Alarm::metric).collect()
    }

    #[test]
    fn a_wave_as_it_should_be_raises_nothing_and_each_trouble_its_own() {
        let nothing: [&str; 0] = [];
        assert_eq!(told(|_| {}, 7), nothing);
        assert_eq!(told(|now| *now = Progress::default(), 0), nothing, "on its first day");
        assert_eq!(told(|now| (now.sent, now.delivered, now.unheard) = (200, 190, 0), 2), ["WavesLate"]);
        assert_eq!(told(|now| *now = Progress::default(), 1), ["WavesLate"], "nothing went out at all");
        assert_eq!(told(|now| (now.delivered, now.failed, now.unheard) = (0, 0, 720), 7), ["WavesSilent"]);
        assert_eq!(told(|now| (now.booked, now.vaccinated) = (0, 0), 7), ["WavesSilent"]);
        assert_eq!(told(|now| (now.booked, now.vaccinated) = (0, 0), 0), nothing, "too early to say");
        assert_eq!(told(|now| (now.delivered, now.failed) = (600, 115), 7), ["WavesBouncing"]);
        assert_eq!(told(|now| (now.delivered, now.failed) = (30, 4), 7), nothing, "4 of 34 may be chance");
        assert_eq!(told(|now| (now.sent, now.suppressed) = (300, 700), 7), ["WavesSuppressing"]);
        assert_eq!(told(|now| now.complained = 25, 7), ["WavesWithComplaints"]);
    }

    #[test]
    fn a_wave_whose_day_has_passed_is_late_and_one_that_is_held_is_not() {
        let nothing = WaveProgress::default();
        let of = |course, day| alarms(course, 10, &nothing, date(2025, 10, day), 1.0);
        assert_eq!(of(Course::Waits(RELEASED), 6), []);
        assert_eq!(of(Course::Waits(RELEASED), 8), [Alarm::NotReleased { days: 2 }]);
        assert_eq!(of(Course::Held, 20), []);
        assert_eq!(Alarm::NotReleased { days: 1 }.to_string(), "its day was yesterday and it is not released");
    }

    #[test]
    fn an_area_where_nobody_books_is_named_unless_few_were_expected() {
        let area = |sent, came| AreaProgress { sent, came };
        let areas = [("QOQ", area(300, 0)), ("QMJ", area(300, 36)), ("QF7", area(40, 0))];
        let today = date(2025, 10, 13);
        let wave = WaveProgress {
            days: BTreeMap::from([(today, healthy())]),
            areas: areas.into_iter().map(|(code, area)| (code.to_owned(), area)).collect(),
        };
        let found = alarms(Course::Runs(RELEASED), 1_000, &wave, today, 1.0);
        assert_eq!(found, [Alarm::AreaWithoutBookings { area: "QOQ".into(), sent: 300 }]);
        // Where earlier waves came half as often, twice as many are needed to tell.
        assert_eq!(alarms(Course::Runs(RELEASED), 1_000, &wave, today, 0.25), []);
    }

    #[test]
    fn what_is_expected_rises_by_the_day_and_is_learned_from_earlier_waves() {
        let by_day: Vec<Expected> = (0..50).map(|days| expected(1_000, 900, 700, days, 1.0)).collect();
        assert!(by_day.windows(2).all(|two| two[0].booked <= two[1].booked && two[0].vaccinated <= two[1].vaccinated));
        assert!((by_day[7].booked - 108.0).abs() < 1e-9, "{:?}", by_day[7]);
        let wave = |booked| WaveProgress {
            days: BTreeMap::from([(date(2025, 10, 20), Progress { sent: 10_000, booked, ..Progress::default() })]),
            areas: BTreeMap::new(),
        };
        let (weak, strong) = (wave(900), wave(3_600));
        assert!((response([]) - 1.0).abs() < f64::EPSILON);
        let of = |wave| response([(wave, RELEASED)]);
        assert!((0.5..0.55).contains(&of(&weak)) && (1.9..2.0).contains(&of(&strong)), "{} {}", of(&weak), of(&strong));
        let small = WaveProgress {
            days: BTreeMap::from([(date(2025, 10, 20), Progress { sent: 10, ..Progress::default() })]),
            areas: BTreeMap::new(),
        };
        assert!(of(&small) > 0.9, "a few say little");
    }
}
