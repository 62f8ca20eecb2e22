//! The notice of a file's rows whose records count for nobody yet.
//!
//! The acknowledgement in the national format lists refused rows alone, and these were accepted; so they are told in an
//! object beside it, which names rows by the supplier's own ids and says which fields disagree, never what they hold.

use ims_fhir::ack::compact_time;
use ims_store::FeedFile;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::chunk::{ChunkResult, EarlyResult, Unmatched};

/// A record that waits for longer raises an alarm.
pub const ALARM: SignedDuration = SignedDuration::from_hours(24);

/// Key of the notice, in the bucket of acknowledgements. `created` is when the file was received.
#[must_use]
pub fn notice_key(file: &str, created: Timestamp) -> String {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    format!("matching/{stem}_Unmatched_{}.json", compact_time(created))
}

/// The notice; `None` where every record agrees. Made from the kept answers, so that every maker makes the same.
#[must_use]
pub fn notice(file: &FeedFile, results: &[ChunkResult], late: &EarlyResult) -> Option<Value> {
    let mut rows: Vec<&Unmatched> =
        results.iter().flat_map(|result| &result.unmatched).chain(&late.unmatched).collect();
    rows.sort_by_key(|row| row.row);
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| json!({"rowId": row.row, "localId": row.local_id, "differences": row.differences}))
        .collect();
    (!rows.is_empty()).then(|| {
        json!({
            "filename": file.name,
            "messageHeaderId": file.message_id,
            "provider": file.supplier,
            "summary": {"totalRecords": file.rows, "unmatched": rows.len()},
            "explanation": "These rows are stored. Until they are matched they count for nobody: correct and send them \
                            again with UPDATE, or wait for staff to decide.",
            "unmatched": rows,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acknowledge::tests::file;
    use ims_domain::matching::Difference;

    #[test]
    fn rows_are_told_by_the_suppliers_ids_in_the_order_of_the_file_and_nothing_where_all_agree() {
        let file = file();
        let unmatched =
            |row, difference| Unmatched { row, local_id: format!("u{row}^s"), differences: [difference].into() };
        let at = file.received;
        let mut result = ChunkResult {
            started: at,
            ended: at,
            accepted: 5,
            failures: vec![],
            early: vec![2],
            unmatched: vec![],
            cleansed: [].into(),
        };
        assert_eq!(notice(&file, &[result.clone()], &EarlyResult::default()), None);
        result.unmatched = vec![unmatched(4, Difference::NoNumber)];
        let late = EarlyResult { unmatched: vec![unmatched(2, Difference::BirthDate)], ..EarlyResult::default() };
        let told = notice(&file, &[result], &late).unwrap();
        assert_eq!(told["summary"], json!({"totalRecords": 5, "unmatched": 2}));
        assert_eq!(
            told["unmatched"],
            json!([
                {"rowId": 2, "localId": "u2^s", "differences": ["birth_date"]},
                {"rowId": 4, "localId": "u4^s", "differences": ["no_number"]},
            ])
        );
        let key = "matching/FLU_Vaccinations_v5_YGM41_20251001T05000000_Unmatched_20251001T05000100.json";
        assert_eq!(notice_key(&file.name, file.received), key);
    }
}
