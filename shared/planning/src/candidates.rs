//! Candidates, counted.

use std::fmt;

use ims_domain::contact::Channel;
use serde::{Deserialize, Serialize};

/// Deprivation fifths with a place for those of whom it is not known: 0 unknown, 1 most deprived to 5.
pub const FIFTHS: usize = 6;

/// Candidates who are alike in all that planning looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// Where they are to be found.
    pub home: Home,
    /// Place of the cohort, 0 the highest.
    pub cohort: u16,
    /// Deprivation fifth, 1 most deprived to 5; 0 unknown.
    pub fifth: u8,
    /// How they would be written to; none for those whom nothing may be sent.
    pub channel: Option<Channel>,
    /// Whole weeks for which they have been candidates.
    pub weeks: u16,
    /// How many.
    pub people: u32,
}

/// Where candidates are to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Home {
    /// An area, by its place in the list of areas.
    Area(u32),
    /// No area that could be planned for: they are reached another way, under a quota of its own.
    Apart(Apart),
}

/// Why candidates have no area that could be planned for. Each has a route of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Apart {
    /// The address may be disclosed to nobody.
    Restricted,
    /// No fixed abode.
    NoFixedAbode,
    /// In prison or another secure setting.
    InCustody,
    /// The area is not known, or is none that the plan knows.
    UnknownArea,
    /// Neither a mobile number that may be texted nor an address.
    NoContactRoute,
}

impl Apart {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Restricted, Self::NoFixedAbode, Self::InCustody, Self::UnknownArea, Self::NoContactRoute];

    /// The name used in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Restricted => "restricted",
            Self::NoFixedAbode => "no_fixed_abode",
            Self::InCustody => "in_custody",
            Self::UnknownArea => "unknown_area",
            Self::NoContactRoute => "no_contact_route",
        }
    }

    /// The reason with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|apart| apart.name() == name)
    }

    /// By which way they are reached, in words.
    #[must_use]
    pub fn route(self) -> &'static str {
        match self {
            Self::Restricted => "through their practice, which knows where they are",
            Self::NoFixedAbode => "text where there is a number, and outreach teams",
            Self::InCustody => "the healthcare service of the secure setting",
            Self::UnknownArea => "written to, and free to book anywhere",
            Self::NoContactRoute => "through their practice, and outreach teams",
        }
    }

    /// Whether this service writes to them itself.
    #[must_use]
    pub fn is_written_to(self) -> bool {
        matches!(self, Self::NoFixedAbode | Self::UnknownArea)
    }

    pub(crate) fn place(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A number from 64 bits, spread over all of them (the finaliser of SplitMix64, Steele and others 2014): the keyed hash
/// that settles ties.
pub(crate) fn spread(key: u64, value: u64) -> u64 {
    let mut mixed = value.wrapping_add(key.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Cell {
    /// Where it stands in the queue, the lowest first: its cohort, moved forward by one for each `weeks_a_cohort` weeks of
    /// waiting.
    pub(crate) fn rank(&self, weeks_a_cohort: u16) -> i32 {
        i32::from(self.cohort) * i32::from(weeks_a_cohort) - i32::from(self.weeks)
    }

    /// The place of the fifth among [`FIFTHS`].
    pub(crate) fn class(&self) -> usize {
        usize::from(self.fifth).min(FIFTHS - 1)
    }

    /// What breaks ties between cells of one rank.
    pub(crate) fn tie(&self, seed: u64) -> u64 {
        let home = match self.home {
            Home::Area(area) => u64::from(area),
            Home::Apart(apart) => (1 << 32) + apart as u64,
        };
        let letter = u64::from(self.channel == Some(Channel::Letter));
        let kind = u64::from(self.cohort) << 40 | u64::from(self.weeks) << 16 | u64::from(self.fifth) << 8 | letter;
        spread(spread(seed, home), kind)
    }
}
