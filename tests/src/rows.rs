//! Feed files made by hand.

use ims_testkit::population::{DEMOGRAPHICS, VACCINATIONS};

/// Naming system of the made-up vaccination records.
pub const SYSTEM: &str = "https://ims.example/tests/vaccinations";

/// A row of a feed: the base fields, with some changed, in the order of the columns.
fn row(columns: &[&str], base: &[(&str, &str)], changes: &[(&str, &str)]) -> Vec<String> {
    let value = |column: &str| {
        let found = changes.iter().chain(base).find(|(field, _)| *field == column);
        found.map_or(String::new(), |(_, value)| (*value).to_owned())
    };
    columns.iter().map(|column| value(column)).collect()
}

/// A row of a vaccination file: a flu vaccination on 1 October 2025.
#[must_use]
pub fn vaccination(changes: &[(&str, &str)]) -> Vec<String> {
    let base = [
        ("PERSON_FORENAME", "Ada"),
        ("PERSON_SURNAME", "Byron"),
        ("PERSON_DOB", "19950115"),
        ("PERSON_GENDER_CODE", "2"),
        ("PERSON_POSTCODE", "CB3 8DX"),
        ("DATE_AND_TIME", "20251001T10000000"),
        ("SITE_CODE", "RJ1"),
        ("SITE_CODE_TYPE_URI", "https://fhir.nhs.uk/Id/ods-organization-code"),
        ("UNIQUE_ID_URI", SYSTEM),
        ("ACTION_FLAG", "NEW"),
        ("RECORDED_DATE", "20251001"),
        ("PRIMARY_SOURCE", "TRUE"),
        ("VACCINATION_PROCEDURE_CODE", "822851000000102"),
        ("LOCATION_CODE", "X99999"),
        ("LOCATION_CODE_TYPE_URI", "https://fhir.nhs.uk/Id/ods-organization-code"),
    ];
    row(&VACCINATIONS, &base, changes)
}

/// A row of the demographics feed: a woman of 75 with an address.
#[must_use]
pub fn demographics(changes: &[(&str, &str)]) -> Vec<String> {
    let base = [
        ("RECORD_TYPE", "ADD"),
        ("CHANGE_TIME_STAMP", "20250930T030000"),
        ("SERIAL_CHANGE_NUMBER", "1"),
        ("GIVEN_NAME", "Ada"),
        ("FAMILY_NAME", "Byron"),
        ("DATE_OF_BIRTH", "19500115"),
        ("GENDER", "2"),
        ("ADDRESS_LINE_1", "1 Test Row"),
        ("POSTCODE", "CB3 8DX"),
        ("IS_INTERPRETER_REQUIRED", "0"),
        ("RESTRICTED", "0"),
        ("INVALID_FLAG", "0"),
    ];
    row(&DEMOGRAPHICS, &base, changes)
}

/// A vaccination file.
#[must_use]
pub fn vaccination_file(rows: &[Vec<String>]) -> Vec<u8> {
    file(&VACCINATIONS, rows, "|")
}

/// A demographics file; no value may hold a comma or a quotation mark.
#[must_use]
pub fn demographics_file(rows: &[Vec<String>]) -> Vec<u8> {
    file(&DEMOGRAPHICS, rows, ",")
}

fn file(columns: &[&str], rows: &[Vec<String>], delimiter: &str) -> Vec<u8> {
    let mut text = columns.join(delimiter);
    for row in rows {
        text.push('\n');
        text.push_str(&row.join(delimiter));
    }
    text.push('\n');
    text.into_bytes()
}
