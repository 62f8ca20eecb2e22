//! The picture file: `picture/{campaign}.json` in the exports bucket.

use std::collections::BTreeMap;

use ims_domain::ids::stable_hash;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::source::SourceError;

/// The version of the file's shape that is known.
const SCHEMA: u32 = 1;

/// Why there is no picture.
#[derive(Debug, Error)]
pub enum PictureError {
    /// It could not be fetched.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It is not the JSON that is expected.
    #[error("the picture file has another shape than expected: {0}")]
    Shape(#[from] serde_json::Error),
    /// It is of another version.
    #[error("the picture file has version {0} of its shape; the console knows version {SCHEMA}")]
    Schema(u32),
}

/// Level of an area, from the whole down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// England.
    Nation,
    /// NHS England region.
    Region,
    /// Integrated care board.
    Icb,
    /// Sub-ICB location.
    SubIcb,
}

impl Level {
    /// The levels below England.
    pub const BELOW: [Self; 3] = [Self::Region, Self::Icb, Self::SubIcb];

    /// The name in addresses and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nation => "nation",
            Self::Region => "region",
            Self::Icb => "icb",
            Self::SubIcb => "sub_icb",
        }
    }

    /// The level with this name, below England.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::BELOW.into_iter().find(|level| level.name() == name)
    }

    /// What areas of this level are called.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Nation => "Nations",
            Self::Region => "Regions",
            Self::Icb => "ICBs",
            Self::SubIcb => "Sub-ICB locations",
        }
    }

    /// The level above; none above England.
    #[must_use]
    pub fn above(self) -> Option<Self> {
        match self {
            Self::Nation => None,
            Self::Region => Some(Self::Nation),
            Self::Icb => Some(Self::Region),
            Self::SubIcb => Some(Self::Icb),
        }
    }

    /// The level below; the lowest is its own.
    #[must_use]
    pub fn below(self) -> Self {
        match self {
            Self::Nation => Self::Region,
            Self::Region => Self::Icb,
            Self::Icb | Self::SubIcb => Self::SubIcb,
        }
    }
}

/// Coverage of a group; what is `None` is withheld.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Eligible people.
    pub eligible: Option<u64>,
    /// Vaccinated people among them.
    pub vaccinated: Option<u64>,
    /// Their share, 0 to 1.
    pub coverage: Option<f64>,
    /// Lower end of its 95% interval.
    pub lower: Option<f64>,
    /// Upper end of its 95% interval.
    pub upper: Option<f64>,
}

/// A group of a breakdown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Name.
    pub group: String,
    /// Coverage.
    #[serde(flatten)]
    pub cell: Cell,
}

/// An area.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Area {
    /// ODS code, `ENG` for England, `unknown` for people whose area is not known.
    pub code: String,
    /// Level.
    pub level: Level,
    /// Code of the area of the level above that it lies in.
    pub parent: Option<String>,
    /// Coverage.
    pub coverage: Cell,
    /// Coverage by breakdown: `age_band`, `ethnic_group`, `deprivation_fifth`.
    #[serde(default)]
    pub groups: BTreeMap<String, Vec<Group>>,
}

/// People by where they stand: selected = sent + suppressed + failed + pending.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct People {
    /// Eligible.
    pub eligible: u64,
    /// Selected.
    pub selected: u64,
    /// At least one message left.
    #[serde(alias = "invited")]
    pub sent: u64,
    /// Nothing left, by reason.
    #[serde(default)]
    pub suppressed: BTreeMap<String, u64>,
    /// Nothing left because the provider refused it, by its words.
    #[serde(default)]
    pub failed: BTreeMap<String, u64>,
    /// Not decided yet, or queued.
    #[serde(default)]
    pub pending: u64,
}

/// Messages that left, by step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    /// Text messages.
    #[serde(default)]
    pub sms: BTreeMap<String, u64>,
    /// Letters.
    #[serde(default)]
    pub letters: BTreeMap<String, u64>,
}

/// The funnel of a campaign, England, exact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Funnel {
    /// People by where they stand.
    #[serde(flatten)]
    pub people: People,
    /// People with an appointment.
    pub booked: u64,
    /// People with a dose in the campaign.
    pub vaccinated: u64,
    /// Calls made.
    pub called: u64,
    /// Messages that left.
    #[serde(default)]
    pub messages: Messages,
    /// Calls by outcome.
    #[serde(default)]
    pub call_outcomes: BTreeMap<String, u64>,
    /// People by wave.
    #[serde(default)]
    pub by_wave: BTreeMap<String, People>,
    /// People by cohort.
    #[serde(default)]
    pub by_cohort: BTreeMap<String, People>,
}

/// A business day on which something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrendDay {
    /// Day.
    pub day: Date,
    /// People whose first message left.
    pub invited: u64,
    /// People with a dose.
    pub vaccinated: u64,
    /// Calls made.
    pub called: u64,
}

/// The picture of a campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// Version of this file's shape.
    pub schema: u32,
    /// Campaign.
    pub campaign: String,
    /// Its name for people.
    pub name: String,
    /// Programme.
    pub programme: String,
    /// Snapshot manifest that it follows from.
    pub manifest: String,
    /// Changes acknowledged up to then are in it.
    pub watermark: Timestamp,
    /// Business day.
    pub business_date: Date,
    /// When it was written.
    pub written: Timestamp,
    /// Funnel.
    pub funnel: Funnel,
    /// Areas.
    pub areas: Vec<Area>,
    /// Days on which something happened.
    #[serde(default)]
    pub trend: Vec<TrendDay>,
    /// Changes when the content does.
    #[serde(skip)]
    pub hash: u64,
}

impl Picture {
    /// Reads a picture file.
    ///
    /// # Errors
    /// Where it has another shape or version.
    pub fn parse(bytes: &[u8]) -> Result<Self, PictureError> {
        let mut picture: Self = serde_json::from_slice(bytes)?;
        if picture.schema != SCHEMA {
            return Err(PictureError::Schema(picture.schema));
        }
        picture.hash = stable_hash(&String::from_utf8_lossy(bytes));
        Ok(picture)
    }

    /// The area with this code; where the code is used at several levels, the highest.
    #[must_use]
    pub fn area(&self, code: &str) -> Option<&Area> {
        self.areas.iter().filter(|area| area.code == code).min_by_key(|area| area.level)
    }

    /// The area of a level that an area lies in; itself at its own level.
    #[must_use]
    pub fn ancestor<'a>(&'a self, area: &'a Area, level: Level) -> Option<&'a Area> {
        let mut here = area;
        while here.level > level {
            let above = here.level.above()?;
            let parent = here.parent.as_deref()?;
            here = self.areas.iter().find(|area| area.level == above && area.code == parent)?;
        }
        (here.level == level).then_some(here)
    }

    /// The areas of a level that lie in an area.
    pub fn within<'a>(&'a self, area: &'a Area, level: Level) -> impl Iterator<Item = &'a Area> {
        self.areas.iter().filter(move |other| {
            other.level == level
                && (area.level == Level::Nation
                    || self.ancestor(other, area.level).is_some_and(|a| a.code == area.code))
        })
    }
}
