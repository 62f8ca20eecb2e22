//! The body of a request: whatever it holds, it is refused, or is stored, read again the same, and passed on.

#![no_main]

use ims_fhir::batch::HEADER;
use ims_fhir::redaction::withhold_whereabouts;
use ims_fhir::{Immunization, flat};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let now = "2025-10-06T12:00:00Z".parse().expect("an instant");
    let Ok(body) = serde_json::from_slice::<Value>(data) else { return };
    // What was stored before today's rules is read without validation, and passed on to subscribers.
    let flat = flat::flatten(&body, "UPDATE");
    assert_eq!(flat.values.len(), HEADER.len());
    let mut withheld = body.clone();
    withhold_whereabouts(&mut withheld);
    _ = Immunization::from_stored(&withheld.to_string());
    match Immunization::validate(&body, now) {
        Ok(given) => {
            let again = Immunization::from_stored(given.body()).expect("what was accepted can be read again");
            assert_eq!((again.id(), again.content()), (given.id(), given.content()));
            let shown = given.to_json(given.id(), 1);
            assert_eq!(shown["meta"]["versionId"], "1");
            _ = given.to_search_json(given.id(), 1, "urn:uuid:0");
            _ = given.to_patient_json();
            let stored: Value = serde_json::from_str(given.body()).expect("JSON");
            assert!(Immunization::validate(&stored, now).is_ok(), "what was accepted is accepted again");
        }
        Err(errors) => assert!(!errors.to_string().is_empty()),
    }
});
