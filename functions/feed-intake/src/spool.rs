//! Files that may be larger than memory: full lists of cohorts, and Parquet. They are copied to a file of this process, which
//! goes with it, and are read from there row by row, as often as needed.

use std::fs::File;
use std::io::{BufReader, Seek};

use ims_domain::person::FullList;
use ims_fhir::batch;
use jiff::civil::Date;
use record_ingest::feed::{Feed, FeedName};
use record_ingest::lists;

use crate::columnar;
use crate::content::{ContentError, disk};

/// A row: its number in the file, and its values as text.
pub(crate) type NumberedRow = (u64, Vec<String>);

/// A file that is read row by row.
#[derive(Debug)]
pub(crate) struct Spooled {
    file: File,
    /// Rows of people.
    pub(crate) rows: u64,
    /// The list that it is, for a full list of a cohort; else it is Parquet.
    pub(crate) list: Option<FullList>,
}

impl Spooled {
    /// Checks a file as a whole.
    ///
    /// # Errors
    /// Where it cannot be taken, or the disk fails.
    pub(crate) fn of(mut file: File, name: &FeedName, today: Date) -> Result<Self, ContentError> {
        if name.feed != Feed::CohortList {
            return Ok(Self { rows: columnar::check(&file)?, list: None, file });
        }
        file.rewind()?;
        if let Some(byte) = batch::not_utf8(&file)? {
            return Err(ContentError::Encoding(byte));
        }
        let mut spooled = Self { file, rows: 0, list: None };
        let mut records = spooled.records()?;
        if !records.headers().map_err(disk)?.iter().eq(Feed::CohortList.columns().iter().copied()) {
            return Err(ContentError::Header);
        }
        let mut records = records.into_records();
        let manifest = records.next().ok_or_else(|| ContentError::Manifest("it is missing".to_owned()))?;
        let manifest: Vec<String> = manifest.map_err(disk)?.iter().map(str::to_owned).collect();
        let (list, stated) = lists::read_manifest(&manifest, today, &name.order).map_err(|errors| {
            ContentError::Manifest(errors.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })?;
        let mut found = 0;
        for record in records {
            record.map_err(disk)?;
            found += 1;
        }
        if found != stated {
            return Err(ContentError::Members { stated, found });
        }
        (spooled.rows, spooled.list) = (found, Some(list));
        Ok(spooled)
    }

    fn records(&self) -> Result<csv::Reader<BufReader<File>>, ContentError> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        Ok(csv::ReaderBuilder::new().flexible(true).from_reader(BufReader::new(file)))
    }

    /// The rows of people, from the first. One reading at a time.
    ///
    /// # Errors
    /// Where the file cannot be read, at once or at a row.
    pub(crate) fn read(
        &self,
    ) -> Result<Box<dyn Iterator<Item = Result<NumberedRow, ContentError>> + Send>, ContentError> {
        if self.list.is_none() {
            return Ok(Box::new(columnar::rows(&self.file)?));
        }
        // The first row is the manifest.
        let records = (1u64..).zip(self.records()?.into_records()).skip(1);
        Ok(Box::new(records.map(|(row, record)| {
            let record = record.map_err(disk)?;
            Ok((row, record.iter().map(str::to_owned).collect()))
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columnar::tests::{parquet, spooled, text_columns};
    use crate::tests::{number, row};
    use ims_runtime::auth::Permissions;
    use jiff::civil::date;

    const HEADER: &str = "RECORD_TYPE,NHS_NUMBER,COHORT_LABEL,DATE,SOURCE,MEMBERS\n";

    fn taken(name: &str, bytes: &[u8]) -> Result<Spooled, String> {
        let name = FeedName::parse(name, &Permissions::built_in(false).unwrap()).unwrap();
        Spooled::of(spooled(bytes), &name, date(2025, 10, 6)).map_err(|error| error.to_string())
    }

    fn list(text: &str) -> Result<Spooled, String> {
        taken("CohortList_v1_X26_20251006T05000000.csv", text.as_bytes())
    }

    #[test]
    fn a_full_list_is_read_as_often_as_needed() {
        let rows: String = (0..3_000).map(|place| format!("MEMBER,{},,,,\n", number(place))).collect();
        let text = format!("{HEADER}LIST,,at_risk,20251005,gp,3000\n{rows}");
        let spooled = list(&text).unwrap();
        let held = spooled.list.as_ref().unwrap();
        assert_eq!(
            (held.label.as_str(), held.source.as_str(), held.date, spooled.rows),
            ("at_risk", "gp", date(2025, 10, 5), 3_000)
        );
        for _ in 0..2 {
            let read: Vec<NumberedRow> = spooled.read().unwrap().map(Result::unwrap).collect();
            assert!(read.iter().map(|(row, _)| *row).eq(2..=3_001));
            assert_eq!(read[2_999].1[1], number(2_999).to_string());
        }
        assert_eq!(list(&format!("{HEADER}LIST,,at_risk,20251005,gp,0\n")).unwrap().rows, 0);
    }

    #[test]
    fn a_list_that_was_cut_off_or_says_not_whose_it_is_is_refused() {
        for (text, wrong) in [
            ("NHS_NUMBER,COHORT_LABEL\n".to_owned(), "File headers are invalid."),
            (HEADER.to_owned(), "File manifest is invalid: it is missing."),
            (
                format!("{HEADER}MEMBER,9990000018,,,,\n"),
                "File manifest is invalid: RECORD_TYPE must be LIST in the first row; \
                 COHORT_LABEL must be a label of 1 to 100 letters, digits, '_', '-' or '.'; \
                 DATE must be given; MEMBERS must be how many rows follow.",
            ),
            (
                format!("{HEADER}LIST,,at_risk,20251005,gp,2\nMEMBER,9990000018,,,,\n"),
                "File is incomplete: MEMBERS must be how many rows follow; it is '2', and there are 1.",
            ),
        ] {
            assert_eq!(list(&text).unwrap_err(), wrong);
        }
        let mut bytes = format!("{HEADER}LIST,,at_risk,20251005,gp,1\nMEMBER,").into_bytes();
        bytes.extend_from_slice(b"\xff,,,,\n");
        let refused = taken("CohortList_v1_X26_20251006T05000000.csv", &bytes).unwrap_err();
        assert!(refused.starts_with("File encoding is invalid"), "{refused}");
    }

    #[test]
    fn parquet_is_read_as_often_as_needed() {
        let written: Vec<Vec<String>> = (0..50).map(|place| row(place, &[])).collect();
        let bytes = parquet(&text_columns(&written), 7);
        let spooled = taken("Demographics_v1_X26_20251006T05000000.parquet", &bytes).unwrap();
        for _ in 0..2 {
            assert!(spooled.read().unwrap().map(|row| row.unwrap().1).eq(written.iter().cloned()));
        }
        assert_eq!((spooled.rows, &spooled.list), (50, &None));
    }
}
