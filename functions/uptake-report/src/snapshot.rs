//! Reading a snapshot part by part, the one of today or one that a wave is pinned to.

use ims_messaging::{Bucket, ObjectError, Objects};
use ims_snapshot::{Manifest, PersonRow, Row, part_of, read_parquet};

use crate::ReportError;

/// A snapshot.
#[derive(Debug)]
pub(crate) struct Snapshot<'a> {
    objects: &'a Objects,
    pub(crate) manifest: Manifest,
}

impl<'a> Snapshot<'a> {
    /// Opens a snapshot; `None` where its manifest is there no longer.
    pub(crate) async fn open(objects: &'a Objects, id: &str) -> Result<Option<Self>, ReportError> {
        let key = Manifest::key(id);
        let Some(bytes) = objects.get(Bucket::Snapshot, &key).await? else { return Ok(None) };
        let manifest =
            serde_json::from_slice(&bytes).map_err(|error| ObjectError::Content { key, message: error.to_string() })?;
        Ok(Some(Self { objects, manifest }))
    }

    /// A part's rows; none where the snapshot has no such dataset.
    pub(crate) async fn part<R: Row>(&self, part: u32) -> Result<Vec<R>, ReportError> {
        let Some(key) = self.manifest.part_key::<R>(part) else { return Ok(Vec::new()) };
        Ok(read_parquet(self.objects.read(Bucket::Snapshot, key).await?)?)
    }

    /// The people of a part of a snapshot cut in so many `parts`, whatever this one is cut in.
    pub(crate) async fn people(&self, part: u32, parts: u32) -> Result<Vec<PersonRow>, ReportError> {
        if self.manifest.parts == parts {
            return self.part(part).await;
        }
        let mut found = Vec::new();
        for own in 0..self.manifest.parts {
            let people: Vec<PersonRow> = self.part(own).await?;
            found.extend(people.into_iter().filter(|row| part_of(&row.person_id, parts) == part));
        }
        Ok(found)
    }
}
