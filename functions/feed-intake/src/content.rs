//! What is in a file: whether it can be taken, and its rows in chunks.

use std::borrow::Cow;

use csv::StringRecord;
use ims_domain::ids::stable_hash;
use ims_fhir::batch;
use record_ingest::chunk::Chunk;
use record_ingest::feed::{Feed, FeedName};
use thiserror::Error;

/// Rows of a chunk on average; by chance some are longer, but seldom over 500.
pub(crate) const ROWS: u64 = 400;

/// Why a file's content cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ContentError {
    /// The header is not the feed's.
    #[error("File headers are invalid.")]
    Header,
    /// The text is neither of the encodings that the feed may have.
    #[error("File encoding is invalid: byte {0} is not UTF-8.")]
    Encoding(usize),
    /// The first row of a full list does not say which list it is.
    #[error("File manifest is invalid: {0}.")]
    Manifest(String),
    /// A full list does not have the members that it says it has.
    #[error("File is incomplete: MEMBERS must be how many rows follow; it is '{stated}', and there are {found}.")]
    Members {
        /// As the manifest says.
        stated: u64,
        /// As there are.
        found: u64,
    },
    /// Not Parquet, or damaged.
    #[error("File is not Parquet that can be read: {0}.")]
    Parquet(String),
    /// Columns are missing, unknown or of another type.
    #[error("File columns are invalid: {0}.")]
    Columns(String),
}

/// A file that can be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Data rows.
    pub rows: u64,
    /// Chunks, none of them empty.
    pub chunks: Vec<Chunk>,
}

/// Reads a file and cuts it into chunks; without rows there are none.
///
/// # Errors
/// Where the encoding or the header is wrong.
pub fn read(name: &FeedName, bytes: &[u8]) -> Result<Content, ContentError> {
    let text = match name.feed {
        Feed::Vaccinations => batch::decode(bytes),
        _ => {
            Cow::Borrowed(std::str::from_utf8(bytes).map_err(|error| ContentError::Encoding(error.valid_up_to() + 1))?)
        }
    };
    if text.trim().is_empty() {
        return Ok(Content { rows: 0, chunks: Vec::new() });
    }
    let mut reader = name.feed.reader(&text);
    let header = reader.headers().map_err(|_| ContentError::Header)?;
    if !header.iter().eq(name.feed.columns().iter().copied()) {
        return Err(ContentError::Header);
    }
    let rows = name.feed.reader(&text).into_records().count() as u64;
    let chunks = cut(name, rows, reader.into_records().filter_map(Result::ok));
    Ok(Content { rows, chunks })
}

/// Parts rows so that those with the same identifier share a chunk, in their order and with their numbers.
fn cut(name: &FeedName, rows: u64, records: impl Iterator<Item = StringRecord>) -> Vec<Chunk> {
    let parts = rows.div_ceil(ROWS).max(1);
    let mut chunks: Vec<Chunk> = (0..parts).map(|_| Chunk { order: name.order.clone(), rows: Vec::new() }).collect();
    for (record, row) in records.zip(1u64..) {
        // Rows without identifier are bound to fail and belong with no others: spread them.
        let key = name.feed.partition_key(&record).unwrap_or_else(|| row.to_string());
        let part = usize::try_from(stable_hash(&key) % parts).unwrap_or_default();
        chunks[part].rows.push((row, record.iter().map(str::to_owned).collect()));
    }
    chunks.retain(|chunk| !chunk.rows.is_empty());
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;
    use ims_fhir::batch::HEADER;
    use ims_runtime::auth::Permissions;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn named(name: &str) -> FeedName {
        FeedName::parse(name, &Permissions::built_in(false).unwrap()).unwrap()
    }

    fn flu() -> FeedName {
        named("FLU_Vaccinations_v5_YGM41_20251001T05000000.csv")
    }

    fn cohorts() -> FeedName {
        named("Cohorts_v1_X26_20251001T05010000.csv")
    }

    const COHORTS_HEADER: &str = "NHS_NUMBER,COHORT_LABEL,ACTION,DATE,SOURCE\r\n";

    #[test]
    fn files_without_rows_are_empty() {
        for (name, text) in [
            (flu(), String::new()),
            (flu(), "\n \n".to_owned()),
            (flu(), format!("{}\n", HEADER.join("|"))),
            (cohorts(), COHORTS_HEADER.to_owned()),
        ] {
            assert_eq!(read(&name, text.as_bytes()), Ok(Content { rows: 0, chunks: vec![] }), "{text}");
        }
    }

    #[test]
    fn wrong_headers_and_encodings_are_refused() {
        for (name, text) in [
            (flu(), HEADER.join(",")),
            (flu(), format!("{}|PERSON_AGE\n1", HEADER.join("|"))),
            (cohorts(), "NHS_NUMBER,COHORT_LABEL,DATE,ACTION,SOURCE\r\n1".to_owned()),
            (cohorts(), "NHS_NUMBER|COHORT_LABEL|ACTION|DATE|SOURCE\r\n1".to_owned()),
        ] {
            assert_eq!(read(&name, text.as_bytes()), Err(ContentError::Header), "{text}");
        }
        assert_eq!(ContentError::Header.to_string(), "File headers are invalid.");
        assert_eq!(read(&cohorts(), b"NHS\xff"), Err(ContentError::Encoding(4)));
        let mut old = format!("{}\n9990000018|", HEADER.join("|")).into_bytes();
        old.extend_from_slice(b"Zo\xeb|Byron\n");
        let taken = read(&flu(), &old).unwrap();
        assert_eq!(taken.chunks[0].rows[0].1[1], "Zoë");
    }

    #[test]
    fn quoted_fields_keep_delimiters_and_line_ends() {
        let text = format!("{COHORTS_HEADER}9990000018,at_risk,JOIN,20251001,\"a, \"\"b\"\"\nc\"\r\n");
        let taken = read(&cohorts(), text.as_bytes()).unwrap();
        assert_eq!(
            taken.chunks[0].rows,
            [(
                1,
                vec![
                    "9990000018".to_owned(),
                    "at_risk".to_owned(),
                    "JOIN".to_owned(),
                    "20251001".to_owned(),
                    "a, \"b\"\nc".to_owned(),
                ]
            )]
        );
        assert_eq!(taken.chunks[0].order, "20251001T050100");
    }

    #[test]
    fn chunks_of_a_large_file_hold_at_most_500_rows() {
        let rows: String = (0..20_000).map(|i| format!("{:010},at_risk,JOIN,20251001,s\n", i * 7919)).collect();
        let taken = read(&cohorts(), format!("{COHORTS_HEADER}{rows}").as_bytes()).unwrap();
        assert_eq!((taken.rows, taken.chunks.len()), (20_000, 50));
        assert!(taken.chunks.iter().all(|chunk| chunk.rows.len() <= 500));
    }

    proptest! {
        #[test]
        fn identifiers_stay_together_and_rows_in_order(ids in prop::collection::vec(0u32..600, 1..1500)) {
            let mut text = HEADER.join("|");
            for id in &ids {
                // 0 is a row without identifier.
                let id = if *id == 0 { String::new() } else { format!("u{id}") };
                text.push_str(&format!("\n{}{id}|https://s{}", "|".repeat(9), "|".repeat(23)));
            }
            let taken = read(&flu(), text.as_bytes()).unwrap();
            prop_assert_eq!(taken.rows, ids.len() as u64);
            let mut all: Vec<u64> = Vec::new();
            let mut places: HashMap<String, usize> = HashMap::new();
            for (place, chunk) in taken.chunks.iter().enumerate() {
                prop_assert!(!chunk.rows.is_empty());
                prop_assert!(chunk.rows.is_sorted_by(|(one, _), (next, _)| one < next));
                for (row, values) in &chunk.rows {
                    all.push(*row);
                    let id = ids[usize::try_from(*row).unwrap() - 1];
                    prop_assert_eq!(&values[9], &if id == 0 { String::new() } else { format!("u{id}") });
                    if id > 0 {
                        prop_assert_eq!(*places.entry(values[9].clone()).or_insert(place), place);
                    }
                }
            }
            all.sort_unstable();
            prop_assert_eq!(all, (1..=ids.len() as u64).collect::<Vec<_>>());
        }
    }
}
