//! Vaccination batch files: pipe-delimited, 34 columns, one record change a row.

mod encoding;
mod file_name;
mod operations;
mod row;

use std::io::Read;

use csv::StringRecord;
use thiserror::Error;

pub use encoding::{Encoding, Utf8, not_utf8, utf8};
pub use file_name::{Extension, FileName, FileNameError};
pub use operations::{Operation, Operations};
pub use row::{Delete, Row, RowAction, RowError};

/// The columns, in order.
pub const HEADER: [&str; 34] = [
    "NHS_NUMBER",
    "PERSON_FORENAME",
    "PERSON_SURNAME",
    "PERSON_DOB",
    "PERSON_GENDER_CODE",
    "PERSON_POSTCODE",
    "DATE_AND_TIME",
    "SITE_CODE",
    "SITE_CODE_TYPE_URI",
    "UNIQUE_ID",
    "UNIQUE_ID_URI",
    "ACTION_FLAG",
    "PERFORMING_PROFESSIONAL_FORENAME",
    "PERFORMING_PROFESSIONAL_SURNAME",
    "RECORDED_DATE",
    "PRIMARY_SOURCE",
    "VACCINATION_PROCEDURE_CODE",
    "VACCINATION_PROCEDURE_TERM",
    "DOSE_SEQUENCE",
    "VACCINE_PRODUCT_CODE",
    "VACCINE_PRODUCT_TERM",
    "VACCINE_MANUFACTURER",
    "BATCH_NUMBER",
    "EXPIRY_DATE",
    "SITE_OF_VACCINATION_CODE",
    "SITE_OF_VACCINATION_TERM",
    "ROUTE_OF_VACCINATION_CODE",
    "ROUTE_OF_VACCINATION_TERM",
    "DOSE_AMOUNT",
    "DOSE_UNIT_CODE",
    "DOSE_UNIT_TERM",
    "INDICATION_CODE",
    "LOCATION_CODE",
    "LOCATION_CODE_TYPE_URI",
];

/// The header is not the 34 columns in order; the file fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("File headers are invalid.")]
pub struct HeaderError;

/// Checks a header row.
///
/// # Errors
/// If it is not exactly [`HEADER`].
pub fn check_header(header: &StringRecord) -> Result<(), HeaderError> {
    if header.iter().eq(HEADER) { Ok(()) } else { Err(HeaderError) }
}

/// A reader of batch rows: pipe-delimited, double quotes, rows of any length, the first one the header.
pub fn reader<R: Read>(from: R) -> csv::Reader<R> {
    csv::ReaderBuilder::new().delimiter(b'|').flexible(true).from_reader(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_exact() {
        let header = HEADER.join("|");
        let check = |text: &str| check_header(reader(text.as_bytes()).headers().unwrap());
        assert_eq!(check(&header), Ok(()));
        assert_eq!(check(&format!("\"{}\"", HEADER.join("\"|\""))), Ok(()));
        assert_eq!(check(&header.replace('|', ",")), Err(HeaderError));
        assert_eq!(check(&format!("{header}|PERSON_AGE")), Err(HeaderError));
        assert_eq!(check(&header.replace("PERSON_SURNAME", "PERSON_SURNAMES")), Err(HeaderError));
        assert_eq!(check(&HEADER[1..].join("|")), Err(HeaderError));
        assert_eq!(check(""), Err(HeaderError));
        assert_eq!(HeaderError.to_string(), "File headers are invalid.");
    }
}
