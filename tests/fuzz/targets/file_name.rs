//! The name of a file: it names a vaccination file, or is refused.

#![no_main]

use ims_fhir::ack;
use ims_fhir::batch::FileName;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(name) = std::str::from_utf8(data) else { return };
    // Acknowledgements are made of names that are none, too.
    assert!(ack::inf_ack_key(name, jiff::Timestamp::UNIX_EPOCH).starts_with("ack/"));
    let Ok(parsed) = FileName::parse(name) else { return };
    assert!(name.starts_with(&parsed.stem) && name.len() == parsed.stem.len() + 4);
    assert_eq!(parsed.version, 5);
    assert!(!parsed.ods.is_empty() && parsed.ods.to_uppercase() == parsed.ods);
    assert!(!name.contains(['/', '\\']) && !name.contains(".."), "a name leads nowhere");
    // Names are read in any case, and mean the same.
    let upper = FileName::parse(&name.to_uppercase()).expect("the same name in capitals");
    assert_eq!((upper.vaccine, upper.ods, upper.created), (parsed.vaccine, parsed.ods, parsed.created));
});
