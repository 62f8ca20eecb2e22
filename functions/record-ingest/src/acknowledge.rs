//! The acknowledgement of a file's rows, made once all its chunks are answered.

use futures::{StreamExt, TryStreamExt, stream};
use ims_fhir::ack::{self, FileReport};
use ims_messaging::Bucket;
use ims_runtime::Service;
use ims_store::{ChunkState, FeedFile, FeedFileState, StoreError, Table, keys};

use crate::chunk::{ChunkResult, EarlyResult, result_key};
use crate::{IngestError, cleansing, early, lists, rules, unmatched};

/// Answers read at the same time.
const CONCURRENCY: usize = 16;

/// Acknowledges the file where all its chunks are answered, and moves it to `Processed`. Two makers make the same
/// acknowledgement, since both make it from the kept answers. `after_chunk` is the one that was answered now.
pub(crate) async fn if_complete(service: &Service, file: FeedFile, after_chunk: u32) -> Result<(), IngestError> {
    let failed = |source| IngestError::Store { file: file.name.clone(), chunk: file.chunks, source };
    // The last chunks are sent last: while one of them is open, there is no need to read all the others.
    for probe in [file.chunks.saturating_sub(1), file.chunks / 2] {
        if service.store.get(Table::File, keys::chunk(&file.name, probe)).await.map_err(failed)?.is_none() {
            return Ok(());
        }
    }
    let answered = service.store.chunks(&file.name).await.map_err(failed)?;
    let parts_of_list = |state: &&ChunkState| state.chunk >= file.chunks;
    if answered.len() - answered.iter().filter(parts_of_list).count() < file.chunks as usize {
        return Ok(());
    }
    if let Some(list) = &file.list
        && !lists::rest_has_left(service, &file, list, &answered, after_chunk).await?
    {
        return Ok(());
    }
    let left = answered.iter().filter(parts_of_list).map(|state| state.accepted).sum();
    let file = FeedFile { left, ..file.clone() };
    let name = &file.name;
    let results: Vec<ChunkResult> = stream::iter(0..file.chunks)
        .map(|chunk| async move { service.objects.read_json(Bucket::Work, &result_key(name, chunk)).await })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    let late = early::settle(service, &file, &results).await?;
    let made = Acknowledgement::of(&file, &results, &late);
    let put =
        async |key: String, text: String, kind| service.objects.put(Bucket::Acks, &key, text.into_bytes(), kind).await;
    put(ack::bus_ack_csv_key(&file.name, file.received), made.csv, "text/csv").await?;
    put(ack::bus_ack_json_key(&file.name, file.received), made.json, "application/json").await?;
    if let Some(notice) = unmatched::notice(&file, &results, &late) {
        put(unmatched::notice_key(&file.name, file.received), notice.to_string(), "application/json").await?;
    }
    match service.store.move_file(&made.file, FeedFileState::Preprocessed).await {
        Ok(()) => {
            let (accepted, rejected) = (made.file.accepted, made.file.rejected);
            tracing::info!(file = %file.name, rows = file.rows, accepted, rejected, "file processed");
            Ok(())
        }
        // Somebody else finished the last chunk at the same time, and wrote the same.
        Err(StoreError::Condition { .. }) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

struct Acknowledgement {
    file: FeedFile,
    csv: String,
    json: String,
}

impl Acknowledgement {
    /// Made from what the chunks' answers say, and which of the rows that waited are refused.
    fn of(file: &FeedFile, results: &[ChunkResult], late: &EarlyResult) -> Self {
        let refused = &late.failures;
        let waited: u64 = results.iter().map(|result| result.early.len() as u64).sum();
        let all = || results.iter().flat_map(|result| &result.failures).chain(refused);
        let failures: Vec<ack::RowFailure> = all()
            .map(|failure| ack::RowFailure {
                row: failure.row,
                local_id: failure.local_id.clone(),
                diagnostics: failure.diagnostics.clone(),
            })
            .collect();
        let report = FileReport {
            file: &file.name,
            message_id: &file.message_id,
            supplier: &file.supplier,
            created: file.received,
            started: results.iter().map(|result| result.started).min().unwrap_or(file.received),
            ended: results.iter().map(|result| result.ended).max().unwrap_or(file.received),
            rows: file.rows,
        };
        Self {
            csv: ack::bus_ack_csv(&report, &failures),
            json: ack::bus_ack_json(&report, &failures),
            file: FeedFile {
                state: FeedFileState::Processed,
                accepted: results.iter().map(|result| result.accepted).sum::<u64>() + waited - refused.len() as u64,
                rejected: failures.len() as u64,
                rules: rules::count(all()),
                cleansed: cleansing::sum(results.iter().map(|result| &result.cleansed).chain([&late.cleansed])),
                ..file.clone()
            },
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ims_store::RowFailure;

    pub(crate) fn file() -> FeedFile {
        FeedFile {
            name: "FLU_Vaccinations_v5_YGM41_20251001T05000000.csv".into(),
            etag: "e".into(),
            message_id: "m".into(),
            feed: "vaccinations".into(),
            supplier: "EMIS".into(),
            vaccine: Some("FLU".into()),
            state: FeedFileState::Preprocessed,
            error: None,
            duplicate_of: None,
            held: None,
            list: None,
            left: 0,
            rules: Default::default(),
            cleansed: Default::default(),
            received: "2025-10-01T05:00:01Z".parse().unwrap(),
            rows: 5,
            chunks: 2,
            accepted: 0,
            rejected: 0,
        }
    }

    fn result(start: &str, accepted: u64, rows: &[u64]) -> ChunkResult {
        let failure = |row: &u64| RowFailure { row: *row, local_id: format!("u{row}^s"), diagnostics: "wrong".into() };
        ChunkResult {
            started: start.parse().unwrap(),
            ended: start.parse().unwrap(),
            accepted,
            failures: rows.iter().map(failure).collect(),
            early: Vec::new(),
            unmatched: Vec::new(),
            cleansed: [("a rule".to_owned(), accepted)].into(),
        }
    }

    #[test]
    fn counts_add_up_and_failures_are_in_the_order_of_the_file() {
        let results = [result("2025-10-01T05:00:03Z", 1, &[2, 5]), result("2025-10-01T05:00:02Z", 1, &[1])];
        let made = Acknowledgement::of(&file(), &results, &EarlyResult::default());
        assert_eq!((made.file.state, made.file.accepted, made.file.rejected), (FeedFileState::Processed, 2, 3));
        let rows: Vec<&str> = made.csv.lines().skip(1).map(|line| line.split('|').next().unwrap()).collect();
        assert_eq!(rows, ["m^1", "m^2", "m^5"]);
        let json: serde_json::Value = serde_json::from_str(&made.json).unwrap();
        assert_eq!(json["summary"]["totalRecords"], 5);
        assert_eq!(json["summary"]["failed"], 3);
        // The other maker has the answers in the same places and makes the same bytes.
        assert_eq!(made.csv, Acknowledgement::of(&file(), &results, &EarlyResult::default()).csv);
        assert_eq!(made.file.cleansed, [("a rule".to_owned(), 2)].into());
    }

    #[test]
    fn rows_that_waited_are_accepted_or_refused_in_the_end() {
        let mut waiting = result("2025-10-01T05:00:03Z", 2, &[5]);
        waiting.early = vec![2, 4];
        let refused = RowFailure { row: 2, local_id: "u2^s".into(), diagnostics: "not there".into() };
        let late = EarlyResult { failures: vec![refused], ..EarlyResult::default() };
        let made = Acknowledgement::of(&file(), &[waiting], &late);
        assert_eq!((made.file.accepted, made.file.rejected), (3, 2));
        let rows: Vec<&str> = made.csv.lines().skip(1).map(|line| line.split('|').next().unwrap()).collect();
        assert_eq!(rows, ["m^2", "m^5"]);
    }

    #[test]
    fn a_faultless_file_has_a_header_only() {
        let made = Acknowledgement::of(&file(), &[result("2025-10-01T05:00:03Z", 5, &[])], &EarlyResult::default());
        assert_eq!(made.csv.lines().count(), 1);
        let json: serde_json::Value = serde_json::from_str(&made.json).unwrap();
        assert_eq!(json["failures"], serde_json::json!([]));
    }
}
