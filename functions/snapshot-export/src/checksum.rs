//! Holding the snapshot against the truth: the same people in the same versions?
//!
//! Both are summed up part by part, in memory that does not grow with the population. Only where the sums differ are people
//! looked at one by one. Each time the truth is read first and merged after, so that a snapshot that is ahead is no drift.
//!
//! It goes step by step: the truth a segment of its table at a time, the snapshot a part at a time. What is known so far is an
//! object, so that the next invocation goes on where this one's time was up. A step that is taken twice finds the same.

use std::collections::HashMap;
use std::time::Duration;

use ims_domain::PersonId;
use ims_domain::ids::stable_hash;
use ims_messaging::{Bucket, ObjectError};
use ims_runtime::Service;
use ims_snapshot::{Manifest, PersonRow, part_of, read_versions};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{ExportError, append, merge};

/// Segments in which the truth is read for each part of the snapshot: at 60 million people and 256 parts some 60,000 people
/// each, seconds.
const SEGMENTS: u32 = 4;

/// How long an invocation begins further steps. Its function has five minutes, and a part of which all are looked at one by
/// one takes one of them.
const PATIENCE: Duration = Duration::from_secs(180);

/// Where an unfinished checksum is kept.
const PROGRESS: &str = "checksums/progress.json";

/// What a checksum found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// Manifest that was held against the truth; that of the first part, where others were merged meanwhile.
    pub manifest: String,
    /// People in the truth.
    pub people: u64,
    /// People in the snapshot.
    pub in_snapshot: u64,
    /// Whether nothing drifted apart.
    pub equal: bool,
    /// Parts in which something did.
    pub drifted: Vec<Drift>,
}

/// A part of the snapshot that is not as the truth.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Part.
    pub part: u32,
    /// People whom the snapshot lacks.
    pub missing: u64,
    /// People who are in the snapshot in an earlier version than the truth's.
    pub behind: u64,
    /// People of the snapshot whom the truth does not know.
    pub unknown: u64,
}

impl Drift {
    fn is_none(&self) -> bool {
        (self.missing, self.behind, self.unknown) == (0, 0, 0)
    }
}

/// Count and hash of the versions of people, whatever their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    people: u64,
    hash: u64,
}

impl Sum {
    fn add(&mut self, person: &str, version: u64) {
        self.people += 1;
        self.hash = self.hash.wrapping_add(stable_hash(&format!("{person}#{version}")));
    }
}

/// How far a checksum is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// Sums of the truth, by part of the snapshot.
    truth: Vec<Sum>,
    /// Segments of the truth that are in them.
    segments: u32,
    /// Parts of the snapshot that were held against them.
    parts: u32,
    found: Checksum,
}

impl Progress {
    fn begin(parts: u32) -> Self {
        Self { truth: vec![Sum::default(); usize::try_from(parts).unwrap_or(0)], ..Self::default() }
    }

    /// Parts of the snapshot.
    fn all_parts(&self) -> u32 {
        u32::try_from(self.truth.len()).unwrap_or(u32::MAX)
    }

    fn all_segments(&self) -> u32 {
        self.all_parts().saturating_mul(SEGMENTS)
    }

    fn is_done(&self) -> bool {
        self.segments >= self.all_segments() && self.parts >= self.all_parts()
    }

    /// Steps taken, and all steps.
    fn steps(&self) -> (u32, u32) {
        (self.segments + self.parts, self.all_segments() + self.all_parts())
    }
}

/// How a checksum stands after an invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Standing {
    /// Done.
    Found(Checksum),
    /// The time was up.
    Unfinished {
        /// Steps taken.
        done: u32,
        /// All steps.
        of: u32,
    },
    /// There was none to go on with.
    Nothing {},
}

/// Begins a checksum, or where `go_on` goes on with an unfinished one; with `settle`, waits before each merge until the
/// streams have delivered.
pub(crate) async fn checksum(service: &Service, settle: bool, go_on: bool) -> Result<Standing, ExportError> {
    let mut progress = match go_on {
        true => match kept(service).await? {
            Some(progress) => progress,
            None => return Ok(Standing::Nothing {}),
        },
        false => Progress::begin(current(service, settle).await?.parts),
    };
    let begun = Instant::now();
    let mut manifest = None;
    while !progress.is_done() {
        if begun.elapsed() > PATIENCE {
            service.objects.put_json(Bucket::Snapshot, PROGRESS, &progress).await?;
            let (done, of) = progress.steps();
            tracing::info!(done, of, "the checksum goes on in the next invocation");
            return Ok(Standing::Unfinished { done, of });
        }
        if progress.segments < progress.all_segments() {
            add_segment(service, &mut progress).await?;
            continue;
        }
        let manifest = match &manifest {
            Some(manifest) => manifest,
            // Merged after the truth was read.
            None => manifest.insert(current(service, settle).await?),
        };
        hold_part(service, settle, manifest, &mut progress).await?;
    }
    let mut found = progress.found;
    found.equal = found.drifted.is_empty();
    if found.equal {
        tracing::info!(manifest = %found.manifest, people = found.people, "snapshot and truth agree");
    } else {
        let parts: Vec<u32> = found.drifted.iter().map(|drift| drift.part).collect();
        tracing::error!(manifest = %found.manifest, ?parts, "the snapshot drifted from the truth");
    }
    service.objects.delete(Bucket::Snapshot, PROGRESS).await?;
    Ok(Standing::Found(found))
}

/// The unfinished checksum; none where there is none, or only one of another shape.
async fn kept(service: &Service) -> Result<Option<Progress>, ObjectError> {
    let bytes = service.objects.get(Bucket::Snapshot, PROGRESS).await?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Sums the next segment of the truth up.
async fn add_segment(service: &Service, progress: &mut Progress) -> Result<(), ExportError> {
    let (parts, segments) = (progress.all_parts(), progress.all_segments());
    let mut truth = progress.truth.clone();
    let sum = |person: PersonId, version: u64| {
        let person = person.to_string();
        if let Some(sum) = truth.get_mut(usize::try_from(part_of(&person, parts)).unwrap_or(0)) {
            sum.add(&person, version);
        }
    };
    service.store.person_versions(progress.segments, segments, sum).await?;
    progress.truth = truth;
    progress.segments += 1;
    Ok(())
}

/// Holds the next part of the snapshot against the truth.
async fn hold_part(
    service: &Service,
    settle: bool,
    manifest: &Manifest,
    progress: &mut Progress,
) -> Result<(), ExportError> {
    let part = progress.parts;
    let truth = progress.truth.get(usize::try_from(part).unwrap_or(0)).copied().unwrap_or_default();
    let held = versions(service, manifest, part).await?;
    let mut snapshot = Sum::default();
    held.iter().for_each(|(person, version)| snapshot.add(person, *version));
    let (people, differs) = (snapshot.people, snapshot != truth);
    let drift = if differs { one_by_one(service, settle, part, truth.people, held).await? } else { Drift::default() };
    let found = &mut progress.found;
    if part == 0 {
        found.manifest.clone_from(&manifest.id);
    }
    found.people += truth.people;
    found.in_snapshot += people;
    found.drifted.extend(Some(drift).filter(|drift| !drift.is_none()));
    progress.parts += 1;
    Ok(())
}

/// Looks at every person of a part. `people` of it were in the truth when it was summed up.
async fn one_by_one(
    service: &Service,
    settle: bool,
    part: u32,
    people: u64,
    held: Vec<(String, u64)>,
) -> Result<Drift, ExportError> {
    let mut truth = HashMap::with_capacity(held.len());
    look_up(service, &held, &mut truth).await?;
    let manifest = current(service, settle).await?;
    let held = versions(service, &manifest, part).await?;
    let newcomers: Vec<(String, u64)> =
        held.iter().filter(|(person, _)| !truth.contains_key(person)).cloned().collect();
    look_up(service, &newcomers, &mut truth).await?;
    Ok(drift(part, people, &truth, &held))
}

/// Versions that the truth has of people of the snapshot.
async fn look_up(
    service: &Service,
    people: &[(String, u64)],
    truth: &mut HashMap<String, u64>,
) -> Result<(), ExportError> {
    for some in people.chunks(1000) {
        let ids = some.iter().filter_map(|(person, _)| person.parse::<PersonId>().ok());
        truth.extend(service.store.people(ids).await?.into_iter().map(|p| (p.id.to_string(), p.version)));
    }
    Ok(())
}

/// How a part differs. Of people who are missing it says at least how many: newcomers may make up for some.
fn drift(part: u32, people: u64, truth: &HashMap<String, u64>, held: &[(String, u64)]) -> Drift {
    let mut drift = Drift { part, ..Drift::default() };
    for (person, version) in held {
        match truth.get(person) {
            Some(latest) => drift.behind += u64::from(version < latest),
            None => drift.unknown += 1,
        }
    }
    drift.missing = people.saturating_sub(held.len() as u64 - drift.unknown);
    drift
}

/// The manifest with everything merged that the streams have delivered.
async fn current(service: &Service, settle: bool) -> Result<Manifest, ExportError> {
    if settle {
        append::settle(service).await?;
    }
    let merged = merge::merge(service).await?;
    Ok(service.objects.read_json(Bucket::Snapshot, &Manifest::key(&merged.manifest)).await?)
}

async fn versions(service: &Service, manifest: &Manifest, part: u32) -> Result<Vec<(String, u64)>, ExportError> {
    let Some(key) = manifest.part_key::<PersonRow>(part) else { return Ok(Vec::new()) };
    Ok(read_versions(service.objects.read(Bucket::Snapshot, key).await?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_drift_is_told_from_the_others() {
        let held = [("a", 2), ("b", 3), ("c", 1), ("d", 9)].map(|(person, version)| (person.to_owned(), version));
        let truth = |list: &[(&str, u64)]| list.iter().map(|(p, v)| ((*p).to_owned(), *v)).collect::<HashMap<_, _>>();
        // The snapshot may be ahead of what was read of the truth.
        let same = truth(&[("a", 2), ("b", 1), ("c", 1), ("d", 9)]);
        assert!(drift(3, 4, &same, &held).is_none());
        let behind = truth(&[("a", 5), ("b", 3), ("c", 1), ("d", 9)]);
        assert_eq!(drift(3, 4, &behind, &held), Drift { part: 3, behind: 1, ..Drift::default() });
        let unknown = truth(&[("a", 2), ("b", 3), ("d", 9)]);
        assert_eq!(drift(3, 3, &unknown, &held), Drift { part: 3, unknown: 1, ..Drift::default() });
        assert_eq!(drift(3, 6, &same, &held), Drift { part: 3, missing: 2, ..Drift::default() });
    }

    #[test]
    fn a_checksum_is_done_when_all_segments_and_parts_are() {
        let mut progress = Progress::begin(3);
        assert_eq!((progress.steps(), progress.is_done()), ((0, 15), false));
        progress.segments = 12;
        assert!(!progress.is_done());
        progress.parts = 3;
        assert_eq!((progress.steps(), progress.is_done()), ((15, 15), true));
        // It survives the way to the next invocation.
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), progress);
        assert_eq!(serde_json::to_string(&Standing::Unfinished { done: 4, of: 15 }).unwrap(), r#"{"done":4,"of":15}"#);
    }

    #[test]
    fn sums_do_not_depend_on_order_and_differ_by_version() {
        let sum = |people: &[(&str, u64)]| {
            let mut sum = Sum::default();
            people.iter().for_each(|(person, version)| sum.add(person, *version));
            sum
        };
        assert_eq!(sum(&[("a", 1), ("b", 2)]), sum(&[("b", 2), ("a", 1)]));
        assert_ne!(sum(&[("a", 1), ("b", 2)]), sum(&[("a", 2), ("b", 1)]));
        assert_ne!(sum(&[("a", 1)]), sum(&[("a", 1), ("a", 1)]));
    }
}
