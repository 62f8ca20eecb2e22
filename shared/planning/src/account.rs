//! What becomes of every candidate: invited, or left, with the reason. The sum is exact.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::allocate::Grant;
use crate::candidates::{Apart, Cell, Home};
use crate::day::Reasons;

/// Why candidates are not in the plan: what would have to be more for them to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// Appointments at the sites within reach are taken by those before them.
    Appointments,
    /// No site with appointments is within reach; how far is looked grows as they wait.
    Reach,
    /// The mailer takes no more letters a day.
    Letters,
    /// The provider takes no more texts a day.
    Texts,
    /// The telephone line could not answer those who would ring.
    Calls,
    /// The money for the day is spent.
    Budget,
    /// The wave is to be no larger.
    Size,
    /// The quota of their route, for those without a usable area.
    Quota,
}

impl Left {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::Appointments,
        Self::Reach,
        Self::Letters,
        Self::Texts,
        Self::Calls,
        Self::Budget,
        Self::Size,
        Self::Quota,
    ];

    /// What binds, in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Appointments => "free appointments",
            Self::Reach => "sites within reach",
            Self::Letters => "letters a day",
            Self::Texts => "texts a day",
            Self::Calls => "calls that the telephone line can answer",
            Self::Budget => "the budget of a day",
            Self::Size => "the size of the wave",
            Self::Quota => "the quotas of people without a usable area",
        }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// A sum of candidates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// All.
    pub candidates: u64,
    /// Those in the plan: written to, or passed to the route of those without a usable area.
    pub invited: u64,
    /// Those who are not, by reason.
    pub left: BTreeMap<Left, u64>,
    /// Bookings expected of those in the plan; of routes that this service does not write to, none.
    pub answers: f64,
}

impl Group {
    /// Whether everybody is accounted for.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.candidates == self.invited + self.left.values().sum::<u64>()
    }

    fn add(&mut self, candidates: u64, invited: u64, left: &Reasons, answers: f64) {
        self.candidates += candidates;
        self.invited += invited;
        self.answers += answers;
        for (reason, people) in left.iter().filter(|(_, people)| *people > 0) {
            *self.left.entry(*reason).or_default() += u64::from(*people);
        }
    }
}

/// The account of a plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Everybody.
    pub all: Group,
    /// By place of the cohort.
    pub cohorts: BTreeMap<u16, Group>,
    /// By deprivation fifth; 0 unknown.
    pub fifths: BTreeMap<u8, Group>,
    /// Those without a usable area, by route.
    pub apart: BTreeMap<Apart, Group>,
}

impl Account {
    /// Adds up what was granted and why the rest was not.
    pub(crate) fn of(cells: &[Cell], granted: &[Grant], left: &[Reasons], chance: impl Fn(&Cell) -> f64) -> Self {
        let mut invited = vec![0u64; cells.len()];
        for grant in granted {
            invited[grant.cell as usize] += u64::from(grant.people);
        }
        let mut account = Self::default();
        for ((cell, invited), left) in cells.iter().zip(invited).zip(left) {
            let answers = invited as f64 * chance(cell);
            let people = u64::from(cell.people);
            account.all.add(people, invited, left, answers);
            account.cohorts.entry(cell.cohort).or_default().add(people, invited, left, answers);
            account.fifths.entry(cell.fifth).or_default().add(people, invited, left, answers);
            if let Home::Apart(apart) = cell.home {
                account.apart.entry(apart).or_default().add(people, invited, left, answers);
            }
        }
        account
    }

    /// Whether everybody is accounted for, in every breakdown.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        let sums = |groups: &mut dyn Iterator<Item = &Group>| {
            let (mut candidates, mut invited, mut exact) = (0, 0, true);
            for group in groups {
                candidates += group.candidates;
                invited += group.invited;
                exact &= group.is_exact();
            }
            exact && (candidates, invited) == (self.all.candidates, self.all.invited)
        };
        self.all.is_exact()
            && sums(&mut self.cohorts.values())
            && sums(&mut self.fifths.values())
            && self.apart.values().all(Group::is_exact)
    }

    /// The limit that binds: what most of those left would need more of. None where nobody is left.
    #[must_use]
    pub fn binding(&self) -> Option<Left> {
        let most = self.all.left.iter().max_by_key(|(left, people)| (**people, std::cmp::Reverse(**left)));
        most.map(|(left, _)| *left)
    }
}
