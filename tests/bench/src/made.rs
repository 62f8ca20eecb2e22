//! Made-up records.

use ims_testkit::population::{VACCINATIONS, nhs_number};
use serde_json::{Value, json};

/// Naming system of the records' identifiers.
const SYSTEM: &str = "https://ims.example/bench/vaccinations";

fn born(number: u64) -> (u64, u64, u64) {
    (1940 + number % 60, 1 + number % 9, 1 + number % 28)
}

/// A row of a vaccination file: a flu vaccination of 25 September 2025, another person for each number.
#[must_use]
pub fn row(number: u64) -> Vec<String> {
    let (nhs_number, unique) = (nhs_number(number), format!("bench-{number}"));
    let (year, month, day) = born(number);
    let born = format!("{year}{month:02}{day:02}");
    let values = [
        ("NHS_NUMBER", nhs_number.as_str()),
        ("PERSON_FORENAME", "Ada"),
        ("PERSON_SURNAME", "Byron"),
        ("PERSON_DOB", &born),
        ("PERSON_GENDER_CODE", "2"),
        ("PERSON_POSTCODE", "ZZ99 3WZ"),
        ("DATE_AND_TIME", "20250925T10000000"),
        ("SITE_CODE", "X99999"),
        ("SITE_CODE_TYPE_URI", "https://fhir.nhs.uk/Id/ods-organization-code"),
        ("UNIQUE_ID", &unique),
        ("UNIQUE_ID_URI", SYSTEM),
        ("ACTION_FLAG", "NEW"),
        ("PERFORMING_PROFESSIONAL_FORENAME", "Imogen"),
        ("PERFORMING_PROFESSIONAL_SURNAME", "Quill"),
        ("RECORDED_DATE", "20250925"),
        ("PRIMARY_SOURCE", "TRUE"),
        ("VACCINATION_PROCEDURE_CODE", "822851000000102"),
        ("VACCINATION_PROCEDURE_TERM", "Seasonal influenza vaccination (procedure)"),
        ("DOSE_SEQUENCE", "1"),
        ("VACCINE_PRODUCT_CODE", "34680411000001107"),
        ("VACCINE_PRODUCT_TERM", "A flu vaccine"),
        ("VACCINE_MANUFACTURER", "Example Vaccines Ltd"),
        ("BATCH_NUMBER", "L0T1"),
        ("EXPIRY_DATE", "20350702"),
        ("SITE_OF_VACCINATION_CODE", "368208006"),
        ("SITE_OF_VACCINATION_TERM", "Left upper arm structure"),
        ("ROUTE_OF_VACCINATION_CODE", "78421000"),
        ("ROUTE_OF_VACCINATION_TERM", "Intramuscular route"),
        ("DOSE_AMOUNT", "0.5"),
        ("DOSE_UNIT_CODE", "258773002"),
        ("DOSE_UNIT_TERM", "millilitre"),
        ("INDICATION_CODE", "443684005"),
        ("LOCATION_CODE", "X99999"),
        ("LOCATION_CODE_TYPE_URI", "https://fhir.nhs.uk/Id/ods-organization-code"),
    ];
    let value = |column: &str| values.iter().find(|(name, _)| *name == column).map_or("", |(_, value)| value);
    VACCINATIONS.iter().map(|column| value(column).to_owned()).collect()
}

/// A flu vaccination of 2 October 2025 as the API takes it, another person for each number.
#[must_use]
pub fn immunization(number: u64) -> Value {
    let coding = |code: &str, display: &str| json!({"coding": [{"system": "http://snomed.info/sct", "code": code, "display": display}]});
    let site = json!({"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "X99999"});
    let (year, month, day) = born(number);
    json!({
        "resourceType": "Immunization",
        "contained": [
            {"resourceType": "Practitioner", "id": "Vaccinator", "name": [{"family": "Quill", "given": ["Imogen"]}]},
            {
                "resourceType": "Patient",
                "id": "Person",
                "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": nhs_number(number)}],
                "name": [{"family": "Byron", "given": ["Ada"]}],
                "gender": "female",
                "birthDate": format!("{year}-{month:02}-{day:02}"),
                "address": [{"postalCode": "ZZ99 3WZ"}],
            },
        ],
        "extension": [{
            "url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure",
            "valueCodeableConcept": coding("822851000000102", "Seasonal influenza vaccination (procedure)"),
        }],
        "identifier": [{"system": SYSTEM, "value": format!("bench-api-{number}")}],
        "status": "completed",
        "vaccineCode": coding("34680411000001107", "A flu vaccine"),
        "patient": {"reference": "#Person"},
        "occurrenceDateTime": "2025-10-02T10:15:00+00:00",
        "recorded": "2025-10-02",
        "primarySource": true,
        "manufacturer": {"display": "Example Vaccines Ltd"},
        "location": {"identifier": site},
        "lotNumber": "L0T1",
        "expirationDate": "2035-07-02",
        "site": coding("368208006", "Left upper arm structure"),
        "route": coding("78421000", "Intramuscular route"),
        "doseQuantity": {"value": 0.5, "unit": "millilitre", "system": "http://unitsofmeasure.org", "code": "ml"},
        "performer": [
            {"actor": {"reference": "#Vaccinator"}},
            {"actor": {"type": "Organization", "identifier": site}},
        ],
        "reasonCode": [coding("443684005", "Disease outbreak")],
        "protocolApplied": [{
            "targetDisease": [coding("6142004", "Influenza")],
            "doseNumberPositiveInt": 1,
        }],
    })
}
