//! Published examples: PHEindicatormethods' test data, where the acceptance data is there.

use std::path::PathBuf;

use ims_uptake::{Z_95, Z_99_8, wilson};

#[test]
fn proportions_agree_with_pheindicatormethods() {
    let root = std::env::var_os("IMS_ACCEPTANCE_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join("oracle/phe/Proportion__testdata_Prop.csv");
    if !path.exists() {
        eprintln!("skipped: no acceptance data");
        return;
    }
    let mut reader = csv::Reader::from_path(&path).unwrap();
    let headers = reader.headers().unwrap().clone();
    let place = |name: &str| headers.iter().position(|header| header == name).unwrap();
    let columns = ["Numerator", "Denominator", "value", "lower95_0cl", "upper95_0cl", "lower99_8cl", "upper99_8cl"];
    let places = columns.map(place);
    let multiplier = place("multiplier");
    let mut compared = 0;
    for row in reader.records() {
        let row = row.unwrap();
        let numbers: Vec<f64> = places.iter().filter_map(|place| row[*place].parse().ok()).collect();
        let [numerator, denominator, expected @ ..] = numbers.as_slice() else { continue };
        if expected.len() != 5 {
            continue;
        }
        let scale: f64 = row[multiplier].parse().unwrap();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let (numerator, denominator) = (*numerator as u64, *denominator as u64);
        let usual = wilson(numerator, denominator, Z_95).unwrap();
        let wide = wilson(numerator, denominator, Z_99_8).unwrap();
        let found = [usual.value, usual.lower, usual.upper, wide.lower, wide.upper];
        for ((found, expected), name) in found.iter().zip(expected).zip(&columns[2..]) {
            assert!((found * scale - expected).abs() < 1e-9 * scale, "{} {name}: {found} {expected}", &row[0]);
        }
        compared += 1;
    }
    assert!(compared >= 16, "only {compared} rows were compared");
}
