//! The picture file: what the console shows of a campaign, complete in one small object.

use std::collections::BTreeMap;

use ims_messaging::{Bucket, Objects};
use ims_snapshot::Manifest;
use ims_uptake::Published;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::coverage::places;
use crate::trend::Day;
use crate::{Funnel, Messages, People, ReportError};

/// Version of the file's shape.
pub const SCHEMA: u32 = 1;

/// A campaign's latest report, as the console reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Campaign.
    pub campaign: String,
    /// Its name for people, from its rules.
    pub name: String,
    /// Programme code, as `FLU`.
    pub programme: String,
    /// Manifest of the snapshot it was made from.
    pub manifest: String,
    /// When that snapshot was begun, on the system clock: changes that had reached the change files by then are in it.
    pub watermark: Timestamp,
    /// Business day of that snapshot.
    pub business_date: Date,
    /// When this was written, on the system clock.
    pub written: Timestamp,
    /// England's funnel, exact.
    pub funnel: PictureFunnel,
    /// Coverage: the nation, then regions, ICBs and sub-ICBs, each after the area that holds it.
    pub areas: Vec<AreaCoverage>,
    /// Days on which something happened, in order; England, exact.
    pub trend: Vec<Day>,
}

/// England's funnel: the numbers of [`Funnel`] under the console's names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureFunnel {
    /// People eligible in a wave that takes their cohort.
    pub eligible: u64,
    /// People selected: invited, suppressed, failed and pending.
    pub selected: u64,
    /// People to whom at least one message left.
    pub invited: u64,
    /// People with an appointment since the plan's first day that was not cancelled: to come, kept or missed.
    pub booked: u64,
    /// People with a dose since the plan's first day.
    pub vaccinated: u64,
    /// Calls made.
    pub called: u64,
    /// People to whom nothing left, by reason.
    pub suppressed: BTreeMap<String, u64>,
    /// People to whom nothing left because the provider refused it, by its words.
    pub failed: BTreeMap<String, u64>,
    /// People not decided yet, or queued.
    pub pending: u64,
    /// Messages that left.
    pub messages: Messages,
    /// Recall tasks by the outcome of their last call.
    pub call_outcomes: BTreeMap<String, u64>,
    /// People by wave.
    pub by_wave: BTreeMap<String, People>,
    /// People by best cohort.
    pub by_cohort: BTreeMap<String, People>,
}

impl From<&Funnel> for PictureFunnel {
    fn from(funnel: &Funnel) -> Self {
        let people = funnel.people.clone();
        Self {
            eligible: people.eligible,
            selected: people.selected,
            invited: people.sent,
            booked: funnel.bookings,
            vaccinated: funnel.vaccinated,
            called: funnel.calls_made,
            suppressed: people.suppressed,
            failed: people.failed,
            pending: people.pending,
            messages: funnel.messages.clone(),
            call_outcomes: funnel.call_outcomes.clone(),
            by_wave: funnel.by_wave.clone(),
            by_cohort: funnel.by_cohort.clone(),
        }
    }
}

/// How large an area is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// An area's coverage. `unknown` stands in each parent for the people of whom no smaller area is known, so that a code is
/// unique only together with level and parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AreaCoverage {
    /// Code; `ENG` for the nation.
    pub code: String,
    /// Level.
    pub level: Level,
    /// Code of the area that holds it; none for the nation.
    pub parent: Option<String>,
    /// Everybody in it.
    pub coverage: Cell,
    /// By breakdown: `age_band`, `ethnic_group`, `deprivation_fifth`.
    pub groups: BTreeMap<String, Vec<GroupCoverage>>,
}

/// A group's coverage in an area.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupCoverage {
    /// Group.
    pub group: String,
    /// Its coverage.
    #[serde(flatten)]
    pub coverage: Cell,
}

/// Rounded counts with the proportion reckoned from them; none where withheld.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Eligible people.
    pub eligible: Option<u64>,
    /// Those vaccinated.
    pub vaccinated: Option<u64>,
    /// Proportion, 0 to 1; none also where nobody is eligible.
    pub coverage: Option<f64>,
    /// Lower limit of its 95 % interval.
    pub lower: Option<f64>,
    /// Upper limit of its 95 % interval.
    pub upper: Option<f64>,
}

impl From<&Published> for Cell {
    fn from(published: &Published) -> Self {
        let found = published.coverage();
        Self {
            eligible: published.eligible,
            vaccinated: published.vaccinated,
            coverage: found.map(|found| places(found.value)),
            lower: found.map(|found| places(found.lower)),
            upper: found.map(|found| places(found.upper)),
        }
    }
}

/// Where pictures are in the exports bucket.
pub(crate) const PREFIX: &str = "picture/";

/// Key of a campaign's picture in the exports bucket.
pub(crate) fn key(campaign: &str) -> String {
    format!("{PREFIX}{campaign}.json")
}

/// What a report gives its picture.
pub(crate) struct Sources<'a> {
    pub(crate) campaign: &'a str,
    pub(crate) name: &'a str,
    pub(crate) programme: &'a str,
    pub(crate) funnel: &'a Funnel,
    pub(crate) areas: Vec<AreaCoverage>,
    pub(crate) trend: Vec<Day>,
}

impl Picture {
    /// Puts a picture together.
    pub(crate) fn of(manifest: &Manifest, sources: Sources<'_>, written: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            campaign: sources.campaign.to_owned(),
            name: sources.name.to_owned(),
            programme: sources.programme.to_owned(),
            manifest: manifest.id.clone(),
            watermark: manifest.created,
            business_date: manifest.business_date,
            written,
            funnel: sources.funnel.into(),
            areas: sources.areas,
            trend: sources.trend,
        }
    }

    /// Writes the picture unless a later snapshot's is there; tells whether it was written. Ids of manifests sort by version.
    ///
    /// Reading before writing suffices because the schedule runs one report at a time; a later report would put right what
    /// two at once had left.
    pub(crate) async fn put(&self, objects: &Objects) -> Result<bool, ReportError> {
        let key = key(&self.campaign);
        let held = objects.get(Bucket::Exports, &key).await?;
        if held.is_some_and(|bytes| is_later(&bytes, &self.manifest)) {
            return Ok(false);
        }
        objects.put_json(Bucket::Exports, &key, self).await?;
        Ok(true)
    }
}

/// Whether a written picture is of a later snapshot than the manifest's. One that cannot be read is to be replaced.
pub(crate) fn is_later(written: &[u8], manifest: &str) -> bool {
    #[derive(Deserialize)]
    struct Written {
        manifest: String,
    }
    serde_json::from_slice::<Written>(written).is_ok_and(|written| written.manifest.as_str() > manifest)
}
