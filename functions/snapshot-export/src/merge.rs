//! Merging: change files and the current snapshot become the next one.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use ims_messaging::Bucket;
use ims_runtime::Service;
use ims_snapshot::{
    ContactRow, DatasetManifest, Manifest, PartManifest, PersonRow, Row, Taken, TakenFile, VaccinationRow,
    dataset_part_key, part_of, read_parquet, taken_key, write_parquet,
};
use ims_store::ManifestPointer;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{ExportError, Merged};

/// Parts of a first snapshot, unless `IMS_SNAPSHOT_PARTS` says otherwise. At 60 million people 256 parts are some
/// 235,000 people each: one function's work.
const PARTS: u32 = 4;

/// Attempts at a merge that others overtake.
const ATTEMPTS: u32 = 8;

/// Merges all change files present. Where another merge publishes meanwhile, and so takes change files away or wins the
/// compare-and-set, this one begins again on what that one left.
pub(crate) async fn merge(service: &Service) -> Result<Merged, ExportError> {
    let mut attempt = 0;
    loop {
        match try_merge(service).await {
            Err(error) if error.is_overtaken() && attempt < ATTEMPTS => {
                attempt += 1;
                tracing::info!(attempt, %error, "another merge was faster");
                tokio::time::sleep(Duration::from_millis(100) * attempt).await;
            }
            done => return done,
        }
    }
}

async fn try_merge(service: &Service) -> Result<Merged, ExportError> {
    let held = service.store.manifest().await?;
    let current = match held.version {
        0 => None,
        _ => Some(service.objects.read_json::<Manifest>(Bucket::Snapshot, &Manifest::key(&held.manifest)).await?),
    };
    let version = held.version + 1;
    let parts = current.as_ref().map_or_else(first_parts, |manifest| manifest.parts);
    let mut next = Manifest {
        schema: 1,
        id: format!("{version:08}-{}", Uuid::new_v4().simple()),
        created: Timestamp::now(),
        business_date: service.clock.today().await?,
        watermark: current.as_ref().map(|manifest| manifest.watermark.clone()).unwrap_or_default(),
        parts,
        datasets: BTreeMap::new(),
    };
    let mut merged = Vec::new();
    merged.extend(merge_dataset::<PersonRow>(service, current.as_ref(), &mut next).await?);
    merged.extend(merge_dataset::<VaccinationRow>(service, current.as_ref(), &mut next).await?);
    merged.extend(merge_dataset::<ContactRow>(service, current.as_ref(), &mut next).await?);
    let published = match current {
        Some(current) if merged.is_empty() && current.business_date == next.business_date => {
            let checked = ManifestPointer { checked: Some(next.created), ..held.clone() };
            match service.store.publish_manifest(&checked, held.version).await {
                Ok(()) => {}
                // Another merge published meanwhile.
                Err(error) if error.is_condition() => {}
                Err(error) => return Err(error.into()),
            }
            current
        }
        _ => {
            if let Some(latest) = merged.iter().filter_map(|key| key.rsplit('/').next()).max() {
                next.watermark = next.watermark.max(latest.to_owned());
            }
            publish(service, &next, version, held.version).await?;
            next
        }
    };
    for key in &merged {
        service.objects.delete(Bucket::Snapshot, key).await?;
    }
    let rows = |dataset: &str| published.datasets.get(dataset).map_or(0, |dataset| dataset.rows);
    let merged = Merged {
        version: published.version(),
        people: rows(PersonRow::DATASET),
        vaccinations: rows(VaccinationRow::DATASET),
        contacts: rows(ContactRow::DATASET),
        changes: merged.len(),
        manifest: published.id,
    };
    tracing::info!(manifest = %merged.manifest, changes = merged.changes, people = merged.people, "merged");
    Ok(merged)
}

fn first_parts() -> u32 {
    std::env::var("IMS_SNAPSHOT_PARTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|parts| *parts > 0)
        .unwrap_or(PARTS)
}

async fn publish(service: &Service, next: &Manifest, version: u64, held: u64) -> Result<(), ExportError> {
    service.objects.put_json(Bucket::Snapshot, &Manifest::key(&next.id), next).await?;
    let pointer =
        ManifestPointer { version, manifest: next.id.clone(), watermark: next.watermark.clone(), checked: None };
    service.store.publish_manifest(&pointer, held).await?;
    Ok(())
}

/// Merges one dataset's change files into the next manifest and returns their keys. Parts without changes are taken over.
async fn merge_dataset<R: Row>(
    service: &Service,
    current: Option<&Manifest>,
    next: &mut Manifest,
) -> Result<Vec<String>, ExportError> {
    let files = service.objects.list(Bucket::Snapshot, &format!("changes/{}/", R::DATASET), "").await?;
    let mut changed: HashMap<u32, Vec<R>> = HashMap::new();
    for file in &files {
        let bytes = service.objects.read(Bucket::Snapshot, file).await?;
        for row in read_parquet::<R>(bytes)? {
            changed.entry(part_of(row.person(), next.parts)).or_default().push(row);
        }
    }
    let mut dataset = DatasetManifest::default();
    for part in 0..next.parts {
        let old = current
            .and_then(|manifest| manifest.datasets.get(R::DATASET))
            .and_then(|dataset| dataset.parts.get(usize::try_from(part).unwrap_or(usize::MAX)));
        let changes = changed.remove(&part);
        let made = match (old, changes) {
            (Some(old), None) => old.clone(),
            (old, changes) => {
                let mut rows = match old {
                    Some(old) => read_parquet::<R>(service.objects.read(Bucket::Snapshot, &old.key).await?)?,
                    None => Vec::new(),
                };
                let changes = changes.unwrap_or_default();
                let taken = match R::KEEPS_TAKEN {
                    true => Some(keep_taken(service, old, newer(&rows, &changes), rows.len(), next, part).await?),
                    false => None,
                };
                rows.extend(changes);
                let rows = latest(rows);
                let bytes = write_parquet(&rows)?;
                let made = PartManifest {
                    key: dataset_part_key::<R>(&next.id, part),
                    rows: u64::try_from(rows.len()).unwrap_or(u64::MAX),
                    sha256: Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
                    taken,
                };
                service.objects.put(Bucket::Snapshot, &made.key, bytes, "application/vnd.apache.parquet").await?;
                made
            }
        };
        dataset.rows += made.rows;
        dataset.parts.push(made);
    }
    next.datasets.insert(R::DATASET.to_owned(), dataset);
    Ok(files)
}

/// Of so many rows of a part one may be new before the new ones are no longer kept: all may as well be looked at then.
const MOST_TAKEN: usize = 8;

/// The rows that replace one of the part's, or are new to it.
fn newer<R: Row>(held: &[R], changes: &[R]) -> Vec<R> {
    let versions: HashMap<String, u64> = held.iter().map(|row| (row.key(), row.version())).collect();
    let is_newer = |row: &&R| versions.get(&row.key()).is_none_or(|version| *version < row.version());
    changes.iter().filter(is_newer).cloned().collect()
}

/// Keeps the rows that came into a part, together with those that came earlier on the same business day.
async fn keep_taken<R: Row>(
    service: &Service,
    old: Option<&PartManifest>,
    mut rows: Vec<R>,
    held: usize,
    next: &Manifest,
    part: u32,
) -> Result<Taken, ExportError> {
    // Whoever made the part before did not keep what it took.
    let Some(taken) = old.and_then(|old| old.taken.clone()) else { return Ok(Taken::from_now(next.version())) };
    if rows.is_empty() {
        return Ok(taken);
    }
    if let Some(of_day) = taken.of_day(next.business_date) {
        match service.objects.get(Bucket::Snapshot, &of_day.key).await? {
            Some(bytes) => rows.extend(read_parquet::<R>(bytes)?),
            None => return Ok(Taken::from_now(next.version())),
        }
    }
    if rows.len() * MOST_TAKEN > held {
        return Ok(Taken::from_now(next.version()));
    }
    let key = taken_key::<R>(&next.id, part);
    let bytes = write_parquet(&latest(rows))?;
    service.objects.put(Bucket::Snapshot, &key, bytes, "application/vnd.apache.parquet").await?;
    Ok(taken.with(TakenFile { day: next.business_date, version: next.version(), key }))
}

/// The latest version of each row, in the dataset's order. Order of arrival does not matter.
fn latest<R: Row>(rows: Vec<R>) -> Vec<R> {
    let mut by_key: HashMap<String, R> = HashMap::with_capacity(rows.len());
    for row in rows {
        match by_key.entry(row.key()) {
            std::collections::hash_map::Entry::Occupied(mut held) => {
                if row.version() >= held.get().version() {
                    held.insert(row);
                }
            }
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(row);
            }
        }
    }
    let mut rows: Vec<R> = by_key.into_values().collect();
    rows.sort_by_cached_key(Row::place);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_row_is_taken_where_it_is_new_or_later() {
        let row = |person: &str, version| PersonRow { person_id: person.to_owned(), version, ..PersonRow::default() };
        let held = [row("a", 2), row("b", 5)];
        let taken = newer(&held, &[row("a", 3), row("b", 5), row("b", 4), row("c", 1)]);
        let taken: Vec<(String, u64)> = taken.into_iter().map(|row| (row.person_id, row.version)).collect();
        assert_eq!(taken, [("a".to_owned(), 3), ("c".to_owned(), 1)]);
    }

    proptest! {
        /// Stream records may come repeated and out of order across shards: the latest version of each row wins.
        #[test]
        fn the_latest_version_wins_in_any_order(versions in prop::collection::vec((0u8..5, 1u64..20), 1..60), turn in 0usize..60) {
            let row = |&(person, version): &(u8, u64)| PersonRow {
                person_id: format!("p{person}"), version, practice: format!("v{version}"), ..PersonRow::default()
            };
            let mut mixed: Vec<PersonRow> = versions.iter().chain(&versions).map(row).collect();
            let turn = turn % mixed.len();
            mixed.rotate_left(turn);
            let merged = latest(mixed);
            for row in &merged {
                let highest = versions.iter().filter(|(p, _)| format!("p{p}") == row.person_id).map(|(_, v)| *v).max();
                prop_assert_eq!(Some(row.version), highest);
            }
            let mut people: Vec<u8> = versions.iter().map(|(person, _)| *person).collect();
            people.sort_unstable();
            people.dedup();
            prop_assert_eq!(merged.len(), people.len());
        }
    }
}
