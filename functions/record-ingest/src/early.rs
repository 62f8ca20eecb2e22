//! Rows that came before what they need: an update or a deletion of a record that no row has brought yet. They wait until
//! all other rows of their file are answered, and only then are refused where what they need is still not there.

use std::collections::BTreeSet;

use ims_domain::ImmunisationId;
use ims_domain::record::{Action, Change};
use ims_messaging::Bucket;
use ims_runtime::Service;
use ims_store::{FeedFile, Holders};
use jiff::Timestamp;

use crate::chunk::{Chunk, ChunkResult, EarlyResult, chunk_key, early_key};
use crate::rows::{self, Context, Prepared};
use crate::{IngestError, apply, cleansing};

/// Parts off the rows that must wait: those of identifiers that nobody holds and whose first row here does not create the
/// record. All rows of such an identifier wait, so that they keep their order.
pub(crate) fn part(rows: Vec<Prepared>, holders: &Holders) -> (Vec<Prepared>, Vec<u64>) {
    let mut seen: BTreeSet<ImmunisationId> = BTreeSet::new();
    let mut waiting: BTreeSet<ImmunisationId> = BTreeSet::new();
    for row in &rows {
        if let Change::Immunisation { id, action, .. } = &row.change
            && seen.insert(*id)
            && *action != Action::New
            && !holders.knows(*id)
        {
            waiting.insert(*id);
        }
    }
    let waits = |row: &Prepared| row.immunisation().is_some_and(|id| waiting.contains(&id));
    let early = rows.iter().filter(|row| waits(row)).map(|row| row.row).collect();
    (rows.into_iter().filter(|row| !waits(row)).collect(), early)
}

/// Applies the rows of a file that waited, once all others are answered, and tells which are refused now, and which count
/// for nobody yet. The answer is kept from the first time.
pub(crate) async fn settle(
    service: &Service,
    file: &FeedFile,
    results: &[ChunkResult],
) -> Result<EarlyResult, IngestError> {
    if results.iter().all(|result| result.early.is_empty()) {
        return Ok(EarlyResult::default());
    }
    let key = early_key(&file.name);
    if let Some(kept) = service.objects.get(Bucket::Work, &key).await? {
        return Ok(serde_json::from_slice(&kept)?);
    }
    let (mut prepared, mut refused, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    let mut context = None;
    for (number, result) in (0..).zip(results).filter(|(_, result)| !result.early.is_empty()) {
        let chunk: Chunk = service.objects.read_json(Bucket::Work, &chunk_key(&file.name, number)).await?;
        let context: &Context = context.insert(crate::context(service, file, &chunk.order).await?);
        for (row, values) in chunk.rows.iter().filter(|(row, _)| result.early.contains(row)) {
            match rows::read(context, *row, values) {
                Ok(read) => {
                    changed.extend(cleansing::rules(context.feed, values, &read).into_iter().map(|rule| (*row, rule)));
                    prepared.push(read);
                }
                Err(failure) => refused.push(failure),
            }
        }
    }
    let Some(context) = context else { return Ok(EarlyResult { failures: refused, ..EarlyResult::default() }) };
    prepared.sort_by_key(|row| row.row);
    let applied = apply(&service.store, &context, prepared, Timestamp::now(), false).await;
    let applied =
        applied.map_err(|source| IngestError::Store { file: file.name.clone(), chunk: file.chunks, source })?;
    refused.extend(applied.failures);
    refused.sort_by_key(|failure| failure.row);
    let cleansed = cleansing::of_accepted(changed, &refused, &[]);
    let result = EarlyResult { failures: refused, unmatched: applied.unmatched, cleansed };
    if service.objects.create(Bucket::Work, &key, serde_json::to_vec(&result)?, "application/json").await? {
        return Ok(result);
    }
    Ok(service.objects.read_json(Bucket::Work, &key).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::tests::{context, vaccination};

    #[test]
    fn all_rows_of_a_record_that_nobody_brought_wait_and_others_do_not() {
        let rows = [("a", "UPDATE"), ("b", "NEW"), ("a", "NEW"), ("b", "DELETE"), ("c", "DELETE"), ("a", "DELETE")];
        let rows = (1u64..).zip(rows).map(|(row, (id, flag))| {
            rows::read(&context(), row, &vaccination(&[("UNIQUE_ID", id), ("ACTION_FLAG", flag)])).unwrap()
        });
        let (now, early) = part(rows.collect(), &Holders::default());
        assert_eq!(early, [1, 3, 5, 6]);
        assert_eq!(now.iter().map(|row| row.row).collect::<Vec<_>>(), [2, 4]);
    }
}
