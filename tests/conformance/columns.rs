//! What a record must look like in the columns of the change files, as the national service's extract has them.

use serde_json::Value;

use crate::files::Sheet;
use crate::payloads::{CONCEPTS, SNOMED};
use crate::people::gender_code;

/// The columns of a record that was sent as FHIR, with the flag of the change.
#[must_use]
pub fn of_record(record: &Value, flag: &str) -> Vec<(&'static str, String)> {
    let text = |place: &str| match record.pointer(place) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(flag)) => flag.to_string().to_uppercase(),
        _ => String::new(),
    };
    let date = |place: &str| text(place).get(..10).unwrap_or_default().replace('-', "");
    let at = text("/occurrenceDateTime");
    let time = at.get(11..19).unwrap_or("00:00:00").replace(':', "");
    let offset = if at.ends_with("+01:00") { "01" } else { "00" };
    let [procedure, product, site, route] = CONCEPTS.map(|place| concept(record.pointer(place)));
    let (patient, practitioner) = ("/contained/1", "/contained/0");
    let name = |of: &str, part: &str| text(&format!("{of}/name/0/{part}"));
    vec![
        ("NHS_NUMBER", text("/contained/1/identifier/0/value")),
        ("PERSON_FORENAME", name(patient, "given/0")),
        ("PERSON_SURNAME", name(patient, "family")),
        ("PERSON_DOB", date("/contained/1/birthDate")),
        ("PERSON_GENDER_CODE", gender_code(&text("/contained/1/gender")).to_owned()),
        ("PERSON_POSTCODE", text("/contained/1/address/0/postalCode")),
        ("DATE_AND_TIME", format!("{}T{time}{offset}", date("/occurrenceDateTime"))),
        ("SITE_CODE", text("/performer/1/actor/identifier/value")),
        ("SITE_CODE_TYPE_URI", text("/performer/1/actor/identifier/system")),
        ("UNIQUE_ID", text("/identifier/0/value")),
        ("UNIQUE_ID_URI", text("/identifier/0/system")),
        ("ACTION_FLAG", flag.to_owned()),
        ("PERFORMING_PROFESSIONAL_FORENAME", name(practitioner, "given/0")),
        ("PERFORMING_PROFESSIONAL_SURNAME", name(practitioner, "family")),
        ("RECORDED_DATE", date("/recorded")),
        ("PRIMARY_SOURCE", text("/primarySource")),
        ("VACCINATION_PROCEDURE_CODE", procedure.0),
        ("VACCINATION_PROCEDURE_TERM", procedure.1),
        ("DOSE_SEQUENCE", text("/protocolApplied/0/doseNumberPositiveInt")),
        ("VACCINE_PRODUCT_CODE", product.0),
        ("VACCINE_PRODUCT_TERM", product.1),
        ("VACCINE_MANUFACTURER", text("/manufacturer/display")),
        ("BATCH_NUMBER", text("/lotNumber")),
        ("EXPIRY_DATE", date("/expirationDate")),
        ("SITE_OF_VACCINATION_CODE", site.0),
        ("SITE_OF_VACCINATION_TERM", site.1),
        ("ROUTE_OF_VACCINATION_CODE", route.0),
        ("ROUTE_OF_VACCINATION_TERM", route.1),
        ("DOSE_AMOUNT", text("/doseQuantity/value")),
        ("DOSE_UNIT_CODE", text("/doseQuantity/code")),
        ("DOSE_UNIT_TERM", text("/doseQuantity/unit")),
        ("INDICATION_CODE", text("/reasonCode/0/coding/0/code")),
        ("LOCATION_CODE", text("/location/identifier/value")),
        ("LOCATION_CODE_TYPE_URI", text("/location/identifier/system")),
    ]
}

/// Code and term of a concept: those of its first SNOMED CT coding; the term is the concept's text where it has one, else
/// the description that was chosen, else the display.
fn concept(concept: Option<&Value>) -> (String, String) {
    let Some(concept) = concept else { return Default::default() };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let codings = concept["coding"].as_array().into_iter().flatten();
    let Some(coding) = codings.clone().find(|coding| coding["system"] == SNOMED) else {
        return (String::new(), text(&concept["text"]));
    };
    let described = text(&coding["extension"][0]["valueString"]);
    let terms = [text(&concept["text"]), described, text(&coding["display"])];
    (text(&coding["code"]), terms.into_iter().find(|term| !term.is_empty()).unwrap_or_default())
}

/// The columns of a record that a file's row wrote, with the flag of the change.
#[must_use]
pub fn of_row(sheet: &Sheet, row: usize, flag: &str) -> Vec<(&'static str, String)> {
    let value = |column: &'static str| {
        let value = sheet.value(row, column);
        match column {
            "ACTION_FLAG" => flag.to_owned(),
            "PERSON_GENDER_CODE" => gender_code(value).to_owned(),
            "PRIMARY_SOURCE" => value.to_uppercase(),
            _ => value.to_owned(),
        }
    };
    ims_fhir::batch::HEADER.iter().map(|column| (*column, value(column))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_term_is_the_text_else_what_the_first_snomed_coding_says() {
        let coding = |system: &str, display: &str| json!({"system": system, "code": "1", "display": display});
        let mut described = coding(SNOMED, "b");
        described["extension"] = json!([{"url": "u", "valueString": "c"}]);
        for (given, term) in [
            (json!({"coding": [coding("x", "a"), coding(SNOMED, "b")]}), "b"),
            (json!({"coding": [described], "text": ""}), "c"),
            (json!({"coding": [coding(SNOMED, "b")], "text": "t"}), "t"),
        ] {
            assert_eq!(concept(Some(&given)), ("1".to_owned(), term.to_owned()), "{given}");
        }
        assert_eq!(concept(None), Default::default());
    }
}
