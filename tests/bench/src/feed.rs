//! Vaccination files.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ims_fhir::batch::Operations;
use ims_testkit::population::VACCINATIONS;
use jiff::civil::date;
use record_ingest::feed::Feed;
use record_ingest::rows::{self, Context};
use xtask::progress::step;

use crate::measure::timed;
use crate::{Better, Case, Options, Outcome};

/// Rows of which the pure work is measured.
const PURE_ROWS: u64 = 200_000;

/// All cases of feeds.
pub fn run(options: &Options) -> Result<Outcome> {
    let rows = options.people.unwrap_or(PURE_ROWS);
    Ok(Outcome { equal_output: None, results: vec![validation(rows)?] })
}

/// A vaccination of a person of the test range, another for each number.
fn row(number: u64) -> Vec<String> {
    let nhs_number = nhs_number(number);
    let unique = format!("bench-{number}");
    let born = format!("{}0{}{:02}", 1940 + number % 60, 1 + number % 9, 1 + number % 28);
    let values = [
        ("NHS_NUMBER", nhs_number.as_str()),
        ("PERSON_FORENAME", "Ada"),
        ("PERSON_SURNAME", "Byron"),
        ("PERSON_DOB", &born),
        ("PERSON_GENDER_CODE", "2"),
        ("PERSON_POSTCODE", "CB3 8DX"),
        ("DATE_AND_TIME", "20250925T10000000"),
        ("SITE_CODE", "RJ1"),
        ("SITE_CODE_TYPE_URI", "https://fhir.nhs.uk/Id/ods-organization-code"),
        ("UNIQUE_ID", &unique),
        ("UNIQUE_ID_URI", "https://ims.example/bench/vaccinations"),
        ("ACTION_FLAG", "NEW"),
        ("PERFORMING_PROFESSIONAL_FORENAME", "Mary"),
        ("PERFORMING_PROFESSIONAL_SURNAME", "Seacole"),
        ("RECORDED_DATE", "20250925"),
        ("PRIMARY_SOURCE", "TRUE"),
        ("VACCINATION_PROCEDURE_CODE", "822851000000102"),
        ("VACCINATION_PROCEDURE_TERM", "Seasonal influenza vaccination"),
        ("DOSE_SEQUENCE", "1"),
        ("VACCINE_PRODUCT_CODE", "43206511000001108"),
        ("VACCINE_PRODUCT_TERM", "Influenza vaccine"),
        ("VACCINE_MANUFACTURER", "Example Biologicals"),
        ("BATCH_NUMBER", "B123"),
        ("EXPIRY_DATE", "20260630"),
        ("SITE_OF_VACCINATION_CODE", "368208006"),
        ("ROUTE_OF_VACCINATION_CODE", "78421000"),
        ("DOSE_AMOUNT", "0.5"),
        ("DOSE_UNIT_CODE", "258773002"),
        ("DOSE_UNIT_TERM", "Millilitre"),
        ("INDICATION_CODE", "443684005"),
        ("LOCATION_CODE", "X99999"),
        ("LOCATION_CODE_TYPE_URI", "https://fhir.nhs.uk/Id/ods-organization-code"),
    ];
    let value = |column: &str| values.iter().find(|(name, _)| *name == column).map_or("", |(_, value)| value);
    VACCINATIONS.iter().map(|column| value(column).to_owned()).collect()
}

/// The valid number of the test range (999…) with this place; those whose check digit would be 10 are passed over.
fn nhs_number(place: u64) -> String {
    // Of eleven stems one has no check digit: step on until one has.
    let mut stem = 999_000_000 + place % 900_000;
    loop {
        let digits = format!("{stem:09}");
        let sum: u64 = digits.bytes().zip((2..=10).rev()).map(|(digit, weight)| u64::from(digit - b'0') * weight).sum();
        match 11 - sum % 11 {
            11 => return format!("{digits}0"),
            10 => stem += 1,
            check => return format!("{digits}{check}"),
        }
    }
}

/// Validation and conversion of rows on one core: from fields as written to the change that is stored.
fn validation(count: u64) -> Result<Case> {
    let context = Context {
        feed: Feed::Vaccinations,
        file: "FLU_Vaccinations_v5_YGM41_20251001T05000000.csv".to_owned(),
        supplier: "EMIS".to_owned(),
        vaccine: Some(("FLU".parse()?, Operations::ALL)),
        order: "20251001T050000".to_owned(),
        today: date(2025, 10, 1),
    };
    let all: Vec<Vec<String>> = (0..count.min(50_000)).map(row).collect();
    for (number, values) in all.iter().enumerate().take(1000) {
        let read = rows::read(&context, number as u64, values);
        ensure!(read.is_ok(), "a row of the benchmark is refused: {read:?}");
    }
    let (mut done, mut spent) = (0u64, Duration::ZERO);
    let begun = Instant::now();
    while done < count {
        let (accepted, took) = timed(|| {
            let read = |(number, values): (usize, &Vec<String>)| black_box(rows::read(&context, number as u64, values));
            all.iter().enumerate().map(read).filter(Result::is_ok).count() as u64
        });
        ensure!(accepted == all.len() as u64, "{} rows were refused", all.len() as u64 - accepted);
        (done, spent) = (done + accepted, spent + took);
    }
    step(format!("validated {done} rows in {:.1} s", begun.elapsed().as_secs_f64()));
    let rate = done as f64 / spent.as_secs_f64();
    Ok(Case::new("validation and conversion, one core", rate, "rows/s", Better::Higher))
}
