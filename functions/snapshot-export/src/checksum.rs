//! Holding the snapshot against the truth: the same people in the same versions?
//!
//! Both are summed up part by part, in memory that does not grow with the population. Only where the sums differ are people
//! looked at one by one. Each time the truth is read first and merged after, so that a snapshot that is ahead is no drift.

use std::collections::HashMap;

use ims_domain::PersonId;
use ims_domain::ids::stable_hash;
use ims_messaging::Bucket;
use ims_runtime::Service;
use ims_snapshot::{Manifest, PersonRow, part_of, read_versions};
use serde::Serialize;

use crate::{ExportError, append, merge};

/// What a checksum found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checksum {
    /// Manifest that was held against the truth.
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

/// Holds the snapshot against the truth; with `settle`, waits before each merge until the streams have delivered.
pub(crate) async fn checksum(service: &Service, settle: bool) -> Result<Checksum, ExportError> {
    let parts = current(service, settle).await?.parts;
    let mut truth = vec![Sum::default(); usize::try_from(parts).unwrap_or(0)];
    let sum = |truth: &mut Vec<Sum>, person: &str, version: u64| {
        let part = usize::try_from(part_of(person, parts)).unwrap_or(0);
        if let Some(sum) = truth.get_mut(part) {
            sum.add(person, version);
        }
    };
    service.store.person_versions(|person, version| sum(&mut truth, &person.to_string(), version)).await?;
    let manifest = current(service, settle).await?;
    let mut found = Checksum {
        manifest: manifest.id.clone(),
        people: truth.iter().map(|sum| sum.people).sum(),
        ..Checksum::default()
    };
    for (part, truth) in (0..parts).zip(&truth) {
        let held = versions(service, &manifest, part).await?;
        let mut snapshot = Sum::default();
        held.iter().for_each(|(person, version)| snapshot.add(person, *version));
        found.in_snapshot += snapshot.people;
        if snapshot != *truth {
            let drift = one_by_one(service, settle, part, truth.people, held).await?;
            found.drifted.extend(Some(drift).filter(|drift| !drift.is_none()));
        }
    }
    found.equal = found.drifted.is_empty();
    if found.equal {
        tracing::info!(manifest = %found.manifest, people = found.people, "snapshot and truth agree");
    } else {
        let parts: Vec<u32> = found.drifted.iter().map(|drift| drift.part).collect();
        tracing::error!(manifest = %found.manifest, ?parts, "the snapshot drifted from the truth");
    }
    Ok(found)
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
