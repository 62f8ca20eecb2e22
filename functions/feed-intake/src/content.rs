//! What is in a file: whether it can be taken, and its rows in chunks. A file is read as a stream, twice, and lies on the
//! disk in between: memory is that of some thousand rows, whatever the file's size.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, Write};
use std::ops::Range;

use csv::{ByteRecord, StringRecord};
use ims_domain::ids::stable_hash;
use ims_fhir::batch::{self, Encoding};
use record_ingest::chunk::Chunk;
use record_ingest::feed::{Feed, FeedName};
use thiserror::Error;

/// Rows of a chunk on average; by chance some are longer, but seldom over 500.
pub(crate) const ROWS: u64 = 400;
/// Chunks that are in memory together.
const TOGETHER: u64 = 16;

/// Why a file's content cannot be taken.
#[derive(Debug, Error)]
pub enum ContentError {
    /// The header is not the feed's.
    #[error("File headers are invalid.")]
    Header,
    /// The text is neither of the encodings that the feed may have.
    #[error("File encoding is invalid: byte {0} is not UTF-8.")]
    Encoding(u64),
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
    /// The disk; nothing is said about the file.
    #[error("reading or writing a file on the disk")]
    Disk(#[from] io::Error),
}

/// A file that can be taken.
#[derive(Debug)]
pub struct Content {
    /// Data rows.
    pub rows: u64,
    file: File,
    encoding: Encoding,
}

impl Content {
    /// Judges a file; without rows there is nothing to take.
    ///
    /// # Errors
    /// Where the encoding or the header is wrong, or the disk fails.
    pub fn judge(name: &FeedName, mut file: File) -> Result<Self, ContentError> {
        file.rewind()?;
        let encoding = match (batch::not_utf8(&file)?, name.feed) {
            (None, _) => Encoding::Utf8,
            (Some(_), Feed::Vaccinations) => Encoding::Cp1252,
            (Some(byte), _) => return Err(ContentError::Encoding(byte)),
        };
        let mut content = Self { rows: 0, file, encoding };
        let mut reader = content.reader(name)?;
        let header = reader.byte_headers().map_err(disk)?;
        if is_blank(header) {
            // Nothing but blank lines is as good as no row.
            let blank = reader.into_byte_records().all(|row| row.is_ok_and(|row| is_blank(&row)));
            return if blank { Ok(content) } else { Err(ContentError::Header) };
        }
        if !header.iter().eq(name.feed.columns().iter().map(|column| column.as_bytes())) {
            return Err(ContentError::Header);
        }
        let (mut rows, mut record) = (0, ByteRecord::new());
        while reader.read_byte_record(&mut record).map_err(disk)? {
            rows += 1;
        }
        content.rows = rows;
        Ok(content)
    }

    /// The rows from the start.
    fn reader(&self, name: &FeedName) -> io::Result<csv::Reader<batch::Utf8<BufReader<&File>>>> {
        (&self.file).rewind()?;
        Ok(name.feed.reader(batch::utf8(self.encoding, BufReader::new(&self.file))))
    }

    /// The rows' values, in order.
    ///
    /// # Errors
    /// Where the disk fails, at once or at a row.
    pub fn values(
        &self,
        name: &FeedName,
    ) -> Result<impl Iterator<Item = Result<Vec<String>, ContentError>>, ContentError> {
        let rows = self.reader(name)?.into_records();
        Ok(rows.map(|row| Ok(row.map_err(disk)?.iter().map(str::to_owned).collect())))
    }

    /// Parts rows so that those with the same identifier share a chunk, in their order and with their numbers. Rows are
    /// sorted onto the disk first, by some chunks together.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn cut(&self, name: &FeedName) -> Result<Cutting, ContentError> {
        let parts = self.rows.div_ceil(ROWS).max(1);
        let mut sorted = Vec::new();
        for _ in 0..parts.div_ceil(TOGETHER) {
            let file = BufWriter::new(tempfile::tempfile()?);
            sorted.push(csv::WriterBuilder::new().flexible(true).from_writer(file));
        }
        let (mut reader, mut record, mut row) = (self.reader(name)?, StringRecord::new(), 0u64);
        while reader.read_record(&mut record).map_err(disk)? {
            row += 1;
            // Rows without identifier are bound to fail and belong with no others: spread them.
            let key = name.feed.partition_key(&record).unwrap_or_else(|| row.to_string());
            let part = stable_hash(&key) % parts;
            let to = &mut sorted[usize::try_from(part / TOGETHER).unwrap_or_default()];
            to.write_field(part.to_string()).and_then(|()| to.write_field(row.to_string())).map_err(disk)?;
            to.write_record(&record).map_err(disk)?;
        }
        let mut files = Vec::new();
        for writer in sorted {
            let mut buffer = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
            buffer.flush()?;
            files.push(buffer.into_inner().map_err(io::IntoInnerError::into_error)?);
        }
        Ok(Cutting { order: name.order.clone(), files: files.into_iter(), parts: 0..parts })
    }
}

/// Whether a line holds nothing to see.
fn is_blank(line: &ByteRecord) -> bool {
    line.len() <= 1 && line.iter().all(|field| field.trim_ascii().is_empty())
}

/// CSV of any form and length can be read; what remains is the disk.
pub(crate) fn disk(error: csv::Error) -> ContentError {
    ContentError::Disk(match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    })
}

/// A file's chunks, some at a time, none of them empty.
#[derive(Debug)]
pub struct Cutting {
    order: String,
    files: std::vec::IntoIter<File>,
    parts: Range<u64>,
}

impl Cutting {
    fn next_chunks(&mut self, mut file: File) -> Result<Vec<Chunk>, ContentError> {
        let first = self.parts.start;
        self.parts.start = self.parts.end.min(first + TOGETHER);
        let empty = || Chunk { order: self.order.clone(), rows: Vec::new() };
        let mut chunks: Vec<Chunk> = (first..self.parts.start).map(|_| empty()).collect();
        file.rewind()?;
        let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(file);
        let mut record = StringRecord::new();
        while reader.read_record(&mut record).map_err(disk)? {
            let number = |place: usize| record.get(place).and_then(|text| text.parse::<u64>().ok());
            let (Some(part), Some(row)) = (number(0), number(1)) else {
                return Err(io::Error::other("a sorted row has no number").into());
            };
            let chunk = usize::try_from(part - first).ok().and_then(|place| chunks.get_mut(place));
            let chunk = chunk.ok_or_else(|| io::Error::other("a sorted row is in the wrong file"))?;
            chunk.rows.push((row, record.iter().skip(2).map(str::to_owned).collect()));
        }
        chunks.retain(|chunk| !chunk.rows.is_empty());
        Ok(chunks)
    }
}

impl Iterator for Cutting {
    type Item = Result<Vec<Chunk>, ContentError>;

    fn next(&mut self) -> Option<Self::Item> {
        let file = self.files.next()?;
        Some(self.next_chunks(file))
    }
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

    struct Taken {
        rows: u64,
        chunks: Vec<Chunk>,
    }

    fn read(name: &FeedName, bytes: &[u8]) -> Result<Taken, ContentError> {
        let mut file = tempfile::tempfile()?;
        file.write_all(bytes)?;
        let content = Content::judge(name, file)?;
        let chunks = content.cut(name)?.collect::<Result<Vec<_>, _>>()?.concat();
        Ok(Taken { rows: content.rows, chunks })
    }

    #[test]
    fn files_without_rows_are_empty() {
        for (name, text) in [
            (flu(), String::new()),
            (flu(), "\n \n".to_owned()),
            (flu(), format!("{}\n", HEADER.join("|"))),
            (cohorts(), COHORTS_HEADER.to_owned()),
        ] {
            let taken = read(&name, text.as_bytes()).unwrap();
            assert_eq!((taken.rows, taken.chunks.len()), (0, 0), "{text}");
        }
    }

    #[test]
    fn wrong_headers_and_encodings_are_refused() {
        for (name, text) in [
            (flu(), HEADER.join(",")),
            (flu(), format!("{}|PERSON_AGE\n1", HEADER.join("|"))),
            (cohorts(), "NHS_NUMBER,COHORT_LABEL,DATE,ACTION,SOURCE\r\n1".to_owned()),
            (cohorts(), ",,,\r\n".to_owned()),
            (cohorts(), format!(" \r\n{COHORTS_HEADER}")),
            (cohorts(), "NHS_NUMBER|COHORT_LABEL|ACTION|DATE|SOURCE\r\n1".to_owned()),
        ] {
            assert!(matches!(read(&name, text.as_bytes()), Err(ContentError::Header)), "{text}");
        }
        assert_eq!(ContentError::Header.to_string(), "File headers are invalid.");
        assert!(matches!(read(&cohorts(), b"NHS\xff"), Err(ContentError::Encoding(4))));
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
