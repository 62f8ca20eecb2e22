//! A row of a vaccination file: whatever it holds, it becomes a change that can be stored and read again, or a refusal.

#![no_main]

use csv::ReaderBuilder;
use ims_fhir::Immunization;
use ims_fhir::batch::{HEADER, Operations, Row, RowAction};
use ims_fhir::flat;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let now = "2025-10-06T12:00:00Z".parse().expect("an instant");
    let vaccine = "FLU".parse().expect("a vaccine type");
    let mut reader = ReaderBuilder::new().delimiter(b'|').has_headers(false).flexible(true).from_reader(data);
    for record in reader.records().take(4).flatten() {
        let row = Row::new(&record);
        let local_id = row.local_id();
        match row.action(vaccine, Operations::ALL, now) {
            Ok(RowAction::New(given) | RowAction::Update(given)) => {
                assert!(record.len() <= HEADER.len() || !given.body().is_empty());
                let again = Immunization::from_stored(given.body()).expect("what was accepted can be read again");
                assert_eq!((again.id(), again.nhs_number()), (given.id(), given.nhs_number()));
                assert_eq!(again.content(), given.content());
                assert_eq!(given.vaccine(), vaccine);
                assert!(given.occurred_on() <= ims_fhir_day(now));
                let body = serde_json::from_str(given.body()).expect("JSON");
                assert_eq!(flat::flatten(&body, "NEW").values.len(), HEADER.len());
            }
            Ok(RowAction::Delete(delete)) => assert!(!delete.system.is_empty() && !delete.value.is_empty()),
            Err(error) => assert_eq!(error.local_id, local_id),
        }
    }
});

/// The last London day of an instant.
fn ims_fhir_day(now: jiff::Timestamp) -> jiff::civil::Date {
    now.to_zoned(jiff::tz::TimeZone::get("Europe/London").expect("London")).date()
}
