//! The selection of a part, kept from day to day: it is brought up to date where it can be, else made anew.
//!
//! It is kept where the snapshot is, because the agenda has people's rows. One is kept a campaign and part; it says of which
//! version, snapshot and day it is. Whatever of it is missing, or does not fit, only costs a full selection.

use ims_decision::Rules;
use ims_messaging::{Bucket, ObjectError};
use ims_runtime::Service;
use ims_snapshot::{Kept, KeptFiles, Manifest, PersonRow, Selector, read_parquet};
use jiff::Span;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::SelectionError;

/// Shape of [`Head`].
const SCHEMA: u32 = 1;

/// Days that the agenda of a full selection reaches ahead. A part keeps the rows that came for as many.
const REACH: i64 = 10;

/// What is to be selected.
pub(crate) struct Asked<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) manifest: &'a Manifest,
    pub(crate) part: u32,
    pub(crate) day: Date,
}

/// What a kept selection is of, and where it lies. Written last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    schema: u32,
    /// Version of the campaign.
    definition: u32,
    iteration: String,
    /// Version of the snapshot.
    snapshot: u64,
    day: Date,
    until: Date,
    /// People who were decided again; none where all were.
    decided: Option<usize>,
    list: String,
    agenda: String,
    /// Day of each row of the agenda.
    days: Vec<Date>,
}

impl Head {
    fn key(campaign: &str, part: u32) -> String {
        format!("kept/{campaign}/part-{part:05}.json")
    }

    /// Whether a selection can begin with it.
    fn fits(&self, definition: u32, iteration: &str, snapshot: u64, day: Date) -> bool {
        (self.schema, self.definition, self.iteration.as_str()) == (SCHEMA, definition, iteration)
            && self.snapshot <= snapshot
            && (self.day..=self.until).contains(&day)
    }
}

/// The selection of a part, and how many people were decided again for it; none where everyone was. It is kept, unless a
/// later one is.
pub(crate) async fn select(service: &Service, asked: &Asked<'_>) -> Result<(Kept, Option<usize>), SelectionError> {
    let (rules, day) = (asked.rules, asked.day);
    let compiled = rules.iteration(day)?;
    let iteration = rules.campaign().iteration_on(day).map(|live| live.id.clone()).unwrap_or_default();
    let campaign = &rules.plan().campaign;
    let (definition, snapshot) = (rules.version(), asked.manifest.version());
    let head = head(service, campaign, asked.part).await?;
    let mut selector = Selector::new(&compiled, rules.plan(), day);
    let earlier = match head.as_ref().filter(|head| head.fits(definition, &iteration, snapshot, day)) {
        Some(head) => load(service, head, asked).await?,
        None => None,
    };
    let (kept, decided) = match earlier {
        Some((kept, taken)) => {
            let (kept, decided) = kept.again(&mut selector, taken)?;
            (kept, Some(decided))
        }
        None => {
            let key = asked.manifest.part_key::<PersonRow>(asked.part);
            let key = key.ok_or_else(|| SelectionError::Absent(format!("snapshot part {}", asked.part)))?;
            let bytes = service.objects.read(Bucket::Snapshot, key).await?;
            let until = day.checked_add(Span::new().days(REACH)).unwrap_or(day);
            (Kept::full(&mut selector, bytes.into(), until)?, None)
        }
    };
    let later = |head: &Head| (head.definition, head.snapshot, head.day) > (definition, snapshot, day);
    if !head.as_ref().is_some_and(later) {
        let files = kept.to_files()?;
        let place = format!("kept/{campaign}/part-{:05}/{definition:05}-{snapshot:08}-{day}", asked.part);
        let new = Head {
            schema: SCHEMA,
            definition,
            iteration,
            snapshot,
            day,
            until: files.until,
            decided,
            list: format!("{place}-list.parquet"),
            agenda: format!("{place}-agenda.parquet"),
            days: files.days,
        };
        keep(service, campaign, asked.part, &new, files.list, files.agenda, head.as_ref()).await?;
    }
    Ok((kept, decided))
}

/// What is kept of a part; none where there is nothing, or nothing that can be read.
async fn head(service: &Service, campaign: &str, part: u32) -> Result<Option<Head>, ObjectError> {
    let bytes = service.objects.get(Bucket::Snapshot, &Head::key(campaign, part)).await?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// A kept selection, with the rows that came since; none where something of it is no longer there.
async fn load(
    service: &Service,
    head: &Head,
    asked: &Asked<'_>,
) -> Result<Option<(Kept, Vec<PersonRow>)>, SelectionError> {
    let taken = asked.manifest.part::<PersonRow>(asked.part).and_then(|part| part.taken.as_ref());
    let Some(files) = taken.and_then(|taken| taken.after(head.snapshot)) else { return Ok(None) };
    let mut rows = Vec::new();
    for file in files {
        let Some(bytes) = service.objects.get(Bucket::Snapshot, &file.key).await? else { return Ok(None) };
        rows.extend(read_parquet::<PersonRow>(bytes)?);
    }
    let list = service.objects.get(Bucket::Snapshot, &head.list).await?;
    let agenda = service.objects.get(Bucket::Snapshot, &head.agenda).await?;
    let Some((list, agenda)) = list.zip(agenda) else { return Ok(None) };
    let files = KeptFiles { day: head.day, until: head.until, list, agenda, days: head.days.clone() };
    Ok(Some((Kept::from_files(files)?, rows)))
}

/// Writes a selection in place of another, whose files are removed.
async fn keep(
    service: &Service,
    campaign: &str,
    part: u32,
    new: &Head,
    list: Vec<u8>,
    agenda: Vec<u8>,
    old: Option<&Head>,
) -> Result<(), ObjectError> {
    let (objects, parquet) = (&service.objects, "application/vnd.apache.parquet");
    objects.put(Bucket::Snapshot, &new.list, list, parquet).await?;
    objects.put(Bucket::Snapshot, &new.agenda, agenda, parquet).await?;
    objects.put_json(Bucket::Snapshot, &Head::key(campaign, part), new).await?;
    let old = old.into_iter().flat_map(|old| [&old.list, &old.agenda]);
    for key in old.filter(|key| ![&new.list, &new.agenda].contains(key)) {
        objects.delete(Bucket::Snapshot, key).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_selection_begins_with_an_earlier_one_of_the_same_rules_within_its_reach() {
        let head = Head {
            schema: SCHEMA,
            definition: 2,
            iteration: "autumn".into(),
            snapshot: 40,
            day: date(2025, 10, 6),
            until: date(2025, 10, 16),
            decided: None,
            list: String::new(),
            agenda: String::new(),
            days: vec![],
        };
        let day = date(2025, 10, 7);
        assert!(head.fits(2, "autumn", 40, day) && head.fits(2, "autumn", 55, date(2025, 10, 16)));
        assert!(!head.fits(3, "autumn", 40, day), "another version of the rules");
        assert!(!head.fits(2, "winter", 40, day), "another iteration");
        assert!(!head.fits(2, "autumn", 39, day), "an earlier snapshot");
        assert!(!head.fits(2, "autumn", 40, date(2025, 10, 5)), "an earlier day");
        assert!(!head.fits(2, "autumn", 40, date(2025, 10, 17)), "beyond the agenda");
        assert!(!Head { schema: 0, ..head }.fits(2, "autumn", 40, day), "another shape");
    }
}
