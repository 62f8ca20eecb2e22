//! One mistake at a time in an otherwise good resource gives the national service's exact text.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use ims_domain::ImmunisationId;
use ims_domain::person::Gender;
use ims_fhir::Immunization;
use jiff::Timestamp;
use serde_json::{Value, json};

const PATIENT: &str = "/contained/1";

fn now() -> Timestamp {
    "2025-06-01T12:00:00Z".parse().unwrap()
}

fn good() -> Value {
    serde_json::from_str(include_str!("fixtures/immunization.json")).unwrap()
}

enum Edit {
    Set(String, Value),
    Remove(String),
}

fn set(at: &str, value: Value) -> Edit {
    Edit::Set(at.to_owned(), value)
}

fn remove(at: &str) -> Edit {
    Edit::Remove(at.to_owned())
}

fn of_patient(at: &str) -> String {
    format!("{PATIENT}{at}")
}

/// Applies an edit; the path's last part is a member's name.
fn edited(edit: &Edit) -> Value {
    let mut resource = good();
    let (at, value) = match edit {
        Edit::Set(at, value) => (at, Some(value.clone())),
        Edit::Remove(at) => (at, None),
    };
    let (parent, key) = at.rsplit_once('/').unwrap();
    let parent = resource.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => {
            parent.insert(key.to_owned(), value);
        }
        None => {
            parent.shift_remove(key).unwrap();
        }
    }
    resource
}

fn diagnostics(resource: &Value) -> String {
    Immunization::validate(resource, now()).expect_err("should be refused").to_string()
}

/// (edit, key of the published error table or "", text)
fn mistakes() -> Vec<(Edit, &'static str, &'static str)> {
    const NHS: &str = "Validation errors: contained[?(@.resourceType=='Patient')].identifier[?(@.system=='https://fhir.nhs.uk/Id/nhs-number')].value";
    let nhs = |wrong: &str| -> &'static str { format!("{NHS} {wrong}").leak() };
    let patient = |rest: &str| -> &'static str {
        format!("Validation errors: contained[?(@.resourceType=='Patient')]{rest}").leak()
    };
    let procedure = |rest: &str| -> &'static str {
        format!("Validation errors: extension[?(@.url=='https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure')].valueCodeableConcept{rest}").leak()
    };
    let given = of_patient("/name/0/given");
    let family = of_patient("/name/0/family");
    let number = of_patient("/identifier/0/value");
    let gender = of_patient("/gender");
    let born = of_patient("/birthDate");
    let postcode = of_patient("/address/0/postalCode");
    let site = "/performer/1/actor/identifier";
    let dose = "/protocolApplied/0/doseNumberPositiveInt";
    let procedure_coding = "/extension/0/valueCodeableConcept/coding/0";
    const OCCURRENCE: &str = "Validation errors: occurrenceDateTime must be a valid datetime in one of the following formats:- 'YYYY-MM-DD' — Full date only- 'YYYY-MM-DDThh:mm:ss%z' — Full date and time with timezone (e.g. +00:00 or +01:00)- 'YYYY-MM-DDThh:mm:ss.f%z' — Full date and time with milliseconds and timezone- Date must not be in the future.Only '+00:00' and '+01:00' are accepted as valid timezone offsets. Note that partial dates are not allowed for occurrenceDateTime in this service.";
    const RECORDED: &str = "Validation errors: recorded must be a valid datetime in one of the following formats:- 'YYYY-MM-DD' — Full date only- 'YYYY-MM-DDThh:mm:ss%z' — Full date and time with timezone (e.g. +00:00 or +01:00)- 'YYYY-MM-DDThh:mm:ss.f%z' — Full date and time with milliseconds and timezone- Date must not be in the future.";
    let mut all = vec![
        // The patient.
        (set(&number, json!("1234567890")), "invalid_mod11_nhsnumber", nhs("is not a valid NHS number")),
        (set(&number, json!("12345678")), "invalid_nhsnumber_length", nhs("must be 10 characters")),
        (set(&number, json!(" ")), "empty_NHSNumber", nhs("must be a non-empty string")),
        (set(&number, json!("999 00 101")), "", nhs("must not contain spaces")),
        (set(&number, json!(9990001014u64)), "", nhs("must be a string")),
        (remove(&given), "no_forename", patient(".name[0].given is a mandatory field")),
        (set(&given, json!("")), "empty_forename", patient(".name[0].given must be an array")),
        (
            set(&given, json!([""])),
            "empty_array_item_forename",
            patient(".name[0].given[0] must be a non-empty string"),
        ),
        (set(&given, json!([])), "", patient(".name[0].given must be a non-empty array")),
        (
            set(&given, json!(["x".repeat(181)])),
            "max_len_forename",
            patient(".name[0].given[0] must be 180 or fewer characters"),
        ),
        (
            set(&given, json!(["a", "b", "c", "d", "e", "f"])),
            "max_item_forename",
            patient(".name[0].given must be an array of maximum length 5"),
        ),
        (remove(&family), "no_surname", patient(".name[0].family is a mandatory field")),
        (set(&family, json!("")), "empty_surname", patient(".name[0].family must be a non-empty string")),
        (set(&family, json!(" ")), "empty_surname", patient(".name[0].family must be a non-empty string")),
        (
            set(&family, json!("é".repeat(36))),
            "max_len_surname",
            patient(".name[0].family must be 35 or fewer characters"),
        ),
        (
            remove(&of_patient("/name")),
            "empty_forename_surname",
            patient(
                ".name[0].given is a mandatory field; contained[?(@.resourceType=='Patient')].name[0].family is a mandatory field",
            ),
        ),
        (
            set(&gender, json!("random")),
            "invalid_gender",
            patient(".gender must be one of the following: male, female, other, unknown"),
        ),
        (
            set(&gender, json!("1")),
            "invalid_gender",
            patient(".gender must be one of the following: male, female, other, unknown"),
        ),
        (set(&gender, json!("")), "empty_gender", patient(".gender must be a non-empty string")),
        (set(&gender, json!(4)), "should_be_string", patient(".gender must be a string")),
        (remove(&gender), "missing_gender", patient(".gender is a mandatory field")),
        (set(&born, json!("2025-06-02")), "future_DateOfBirth", patient(".birthDate must not be in the future")),
        (
            set(&born, json!("2023/23/01")),
            "invalid_DateOfBirth",
            patient(".birthDate must be a valid date string in the format \"YYYY-MM-DD\""),
        ),
        (
            set(&born, json!("")),
            "invalid_DateOfBirth",
            patient(".birthDate must be a valid date string in the format \"YYYY-MM-DD\""),
        ),
        (remove(&born), "missing_DateOfBirth", patient(".birthDate is a mandatory field")),
        (remove(&postcode), "", patient(".address[0].postalCode is a mandatory field")),
        (set(&postcode, json!("")), "", patient(".address[0].postalCode must be a non-empty string")),
        // When.
        (
            remove("/occurrenceDateTime"),
            "empty_OccurrenceDateTime",
            "1 validation error for Immunization __root__ Expect any of field value from this list ['occurrenceDateTime', 'occurrenceString']. (type=value_error)",
        ),
        (remove("/recorded"), "empty_recorded", "Validation errors: recorded is a mandatory field"),
        // Who and where.
        (
            remove(&format!("{site}/value")),
            "empty_site_code",
            "Validation errors: performer[?(@.actor.type=='Organization')].actor.identifier.value is a mandatory field",
        ),
        (
            set(&format!("{site}/value"), json!(" ")),
            "no_site_code",
            "Validation errors: performer[?(@.actor.type=='Organization')].actor.identifier.value must be a non-empty string",
        ),
        (
            remove(&format!("{site}/system")),
            "empty_site_code_uri",
            "Validation errors: performer[?(@.actor.type=='Organization')].actor.identifier.system is a mandatory field",
        ),
        (
            set(&format!("{site}/system"), json!("")),
            "no_site_code_uri",
            "Validation errors: performer[?(@.actor.type=='Organization')].actor.identifier.system must be a non-empty string",
        ),
        (
            set("/performer/1/actor/type", json!("Person")),
            "",
            "Validation errors: There must be exactly one performer.actor[?@.type=='Organization'] with type 'Organization'",
        ),
        (
            remove("/location/identifier/value"),
            "empty_location_code",
            "Validation errors: location.identifier.value is a mandatory field",
        ),
        (
            set("/location/identifier/value", json!(" ")),
            "no_location_code",
            "Validation errors: location.identifier.value must be a non-empty string",
        ),
        (
            remove("/location/identifier/system"),
            "empty_location_code_uri",
            "Validation errors: location.identifier.system is a mandatory field",
        ),
        (
            set("/location/identifier/system", json!("")),
            "no_location_code_uri",
            "Validation errors: location.identifier.system must be a non-empty string",
        ),
        // The identifier.
        (
            set("/identifier/0/value", json!(" ")),
            "no_unique_id",
            "Validation errors: identifier[0].value must be a non-empty string",
        ),
        (
            set("/identifier/0/system", json!(" ")),
            "no_unique_id_uri",
            "Validation errors: identifier[0].system must be a non-empty string",
        ),
        (remove("/identifier/0/system"), "", "Validation errors: identifier[0].system is a mandatory field"),
        (remove("/identifier"), "", "Validation errors: identifier is a mandatory field"),
        (
            set("/identifier", json!([{"system": "a", "value": "b"}, {"system": "a", "value": "c"}])),
            "",
            "Validation errors: identifier must be an array of length 1",
        ),
        // What.
        (set("/status", json!("not-done")), "", "Validation errors: status must be one of the following: completed"),
        (remove("/primarySource"), "empty_primary_source", "Validation errors: primarySource is a mandatory field"),
        (
            set("/primarySource", json!("test")),
            "no_primary_source",
            "Validation errors: primarySource must be a boolean",
        ),
        (
            remove(&format!("{procedure_coding}/code")),
            "no_procedure_code",
            procedure(".coding[?(@.system=='http://snomed.info/sct')].code is a mandatory field"),
        ),
        (
            set(&format!("{procedure_coding}/code"), json!(" ")),
            "empty_procedure_code",
            procedure(".coding[?(@.system=='http://snomed.info/sct')].code must be a non-empty string"),
        ),
        (
            set(&format!("{procedure_coding}/code"), json!("822851000000103")),
            "",
            procedure(".coding[?(@.system=='http://snomed.info/sct')].code is not a valid snomed code"),
        ),
        (
            set(&format!("{procedure_coding}/display"), json!("")),
            "empty_procedure_term",
            procedure(".coding[?(@.system=='http://snomed.info/sct')].display must be a non-empty string"),
        ),
        (remove("/extension"), "", "Validation errors: extension is a mandatory field"),
        (
            set("/extension/0/url", json!("https://example.org")),
            "",
            "Validation errors: extension[0].url must be one of the following: https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure",
        ),
        (
            set("/vaccineCode/coding/0/code", json!(" ")),
            "empty_product_code",
            "Validation errors: vaccineCode.coding[?(@.system=='http://snomed.info/sct')].code must be a non-empty string",
        ),
        (
            set("/vaccineCode/coding/0/code", json!("34680411000001108")),
            "",
            "Validation errors: vaccineCode.coding[?(@.system=='http://snomed.info/sct')].code is not a valid snomed code",
        ),
        (
            set("/vaccineCode/coding/0/display", json!("")),
            "empty_product_term",
            "Validation errors: vaccineCode.coding[?(@.system=='http://snomed.info/sct')].display must be a non-empty string",
        ),
        (
            set("/manufacturer/display", json!("")),
            "empty_manufacturer",
            "Validation errors: manufacturer.display must be a non-empty string",
        ),
        (set("/lotNumber", json!("")), "empty_lot_number", "Validation errors: lotNumber must be a non-empty string"),
        (
            set("/expirationDate", json!("20350702")),
            "invalid_expirationDate",
            "Validation errors: expirationDate must be a valid date string in the format \"YYYY-MM-DD\"",
        ),
        (
            set("/site/coding/0/code", json!("")),
            "empty_vaccine_site_code",
            "Validation errors: site.coding[?(@.system=='http://snomed.info/sct')].code must be a non-empty string",
        ),
        (
            set("/site/coding/0/display", json!("")),
            "empty_vaccine_site_term",
            "Validation errors: site.coding[?(@.system=='http://snomed.info/sct')].display must be a non-empty string",
        ),
        (
            set("/route/coding/0/code", json!("")),
            "empty_route_code",
            "Validation errors: route.coding[?(@.system=='http://snomed.info/sct')].code must be a non-empty string",
        ),
        (
            set("/route/coding/0/display", json!("")),
            "empty_route_term",
            "Validation errors: route.coding[?(@.system=='http://snomed.info/sct')].display must be a non-empty string",
        ),
        (
            set("/doseQuantity/code", json!("")),
            "empty_doseQuantity_code",
            "Validation errors: doseQuantity.code must be a non-empty string",
        ),
        (
            set("/doseQuantity/unit", json!("")),
            "empty_doseQuantity_term",
            "Validation errors: doseQuantity.unit must be a non-empty string",
        ),
        (set("/doseQuantity/value", json!("half")), "", "Validation errors: doseQuantity.value must be a number"),
        (
            remove("/doseQuantity/system"),
            "",
            "Validation errors: If doseQuantity.code is present, doseQuantity.system must also be present",
        ),
        (
            set("/reasonCode/0/coding/0/code", json!("")),
            "empty_indication_code",
            "Validation errors: reasonCode[0].coding[0].code must be a non-empty string",
        ),
        (
            set(dose, json!(0)),
            "doseNumberPositiveInt_PositiveInteger",
            "Validation errors: protocolApplied[0].doseNumberPositiveInt must be a positive integer",
        ),
        (
            set(dose, json!(-1)),
            "doseNumberPositiveInt_PositiveInteger",
            "Validation errors: protocolApplied[0].doseNumberPositiveInt must be a positive integer",
        ),
        (
            set(dose, json!(true)),
            "doseNumberPositiveInt_PositiveInteger",
            "Validation errors: protocolApplied[0].doseNumberPositiveInt must be a positive integer",
        ),
        (
            set(dose, json!(10)),
            "doseNumberPositiveInt_ValidRange",
            "Validation errors: protocolApplied[0].doseNumberPositiveInt must be an integer in the range 1 to 9",
        ),
        (
            set(dose, json!(u64::MAX)),
            "doseNumberPositiveInt_ValidRange",
            "Validation errors: protocolApplied[0].doseNumberPositiveInt must be an integer in the range 1 to 9",
        ),
        (
            set(
                "/protocolApplied/0/targetDisease",
                json!([{"coding": [{"system": "http://snomed.info/sct", "code": "1"}]}]),
            ),
            "",
            "Validation errors: protocolApplied[0].targetDisease[*].coding[?(@.system=='http://snomed.info/sct')].code - ['1'] is not a valid combination of disease codes for this service",
        ),
        (remove("/protocolApplied"), "", "Validation errors: protocolApplied[0].targetDisease is a mandatory field"),
        // The resource as such.
        (
            set("/resourceType", json!("Patient")),
            "",
            "Validation errors: This service only accepts FHIR Immunization Resources (i.e. resourceType must equal 'Immunization')",
        ),
        (
            set("/note", json!([])),
            "",
            "Validation errors: note is not an allowed element of the Immunization resource for this service",
        ),
        (
            set(&of_patient("/telecom"), json!([])),
            "",
            "Validation errors: telecom is not an allowed element of the Patient resource for this service",
        ),
        (remove("/contained"), "", "Validation errors: contained is a mandatory field"),
        (
            set("/contained", json!([{"resourceType": "Practitioner", "id": "Vaccinator"}])),
            "",
            "Validation errors: contained must contain exactly one Patient resource",
        ),
        (remove("/contained/1/id"), "", "Validation errors: The contained Patient resource must have an 'id' field"),
        (
            set("/patient/reference", json!("#Someone")),
            "",
            "Validation errors: The reference '#Someone' does not match the id of the contained Patient resource",
        ),
        (
            remove("/patient"),
            "",
            "Validation errors: patient.reference must be a single reference to a contained Patient resource",
        ),
        (
            set("/performer/0/actor/reference", json!("Practitioner/1")),
            "",
            "Validation errors: contained Practitioner resource id 'Vaccinator' must be referenced from performer",
        ),
    ];
    for wrong in [
        "2025-06-01T12:00:01+00:00",
        "2025-06-02",
        "2023/23/01",
        "2023-02-30T10:00:00.000Z",
        "",
        "2024-01-01T10:00:00-05:00",
        "2024-01-01T10:00:00Z",
        "2024-01",
    ] {
        all.push((set("/occurrenceDateTime", json!(wrong)), "invalid_OccurrenceDateTime", OCCURRENCE));
    }
    for wrong in ["2025-06-02", "2023/23/01", "2023-02-30T10:00:00.000Z", ""] {
        all.push((set("/recorded", json!(wrong)), "invalid_recorded", RECORDED));
    }
    all
}

#[test]
fn one_mistake_gives_its_exact_text() {
    for (edit, _, text) in mistakes() {
        assert_eq!(diagnostics(&edited(&edit)), text);
    }
}

fn acceptance() -> Option<PathBuf> {
    let root = std::env::var_os("IMS_ACCEPTANCE_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")), PathBuf::from);
    let folder = root.join("acceptance/imms");
    if !folder.is_dir() {
        println!("skipped: no acceptance data");
        return None;
    }
    Some(folder)
}

fn read_json(path: &std::path::Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_texts_are_the_published_ones() {
    let Some(folder) = acceptance() else { return };
    let published = &read_json(&folder.join("error_map.json"))["ERROR_MAP"];
    for (_, key, text) in mistakes() {
        if !key.is_empty() {
            assert_eq!(published[key]["diagnostics"], text, "{key}");
        }
    }
}

#[test]
fn the_published_samples_are_accepted() {
    let Some(folder) = acceptance() else { return };
    let mut seen = 0;
    for samples in ["fhir_samples", "spec_components/examples/Immunization"] {
        for entry in std::fs::read_dir(folder.join(samples)).unwrap() {
            let path = entry.unwrap().path();
            let resource = read_json(&path);
            if resource["resourceType"] != "Immunization" || resource.get("contained").is_none() {
                continue;
            }
            let accepted =
                Immunization::validate(&resource, now()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            assert_eq!(serde_json::from_str::<Value>(accepted.body()).unwrap(), resource, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 10, "{seen} samples");
}

#[test]
fn a_stage_collects_all_that_it_finds() {
    let mut resource = edited(&set("/lotNumber", json!("")));
    resource["expirationDate"] = json!("soon");
    let errors = Immunization::validate(&resource, now()).unwrap_err();
    assert_eq!(
        errors.messages(),
        [
            "lotNumber must be a non-empty string",
            "expirationDate must be a valid date string in the format \"YYYY-MM-DD\""
        ]
    );
    assert_eq!(
        errors.to_string(),
        "Validation errors: lotNumber must be a non-empty string; \
         expirationDate must be a valid date string in the format \"YYYY-MM-DD\""
    );
}

#[test]
fn harmless_variations_are_accepted() {
    for (edit, why) in [
        (remove(&of_patient("/identifier")), "no NHS number"),
        (set("/occurrenceDateTime", json!("2025-06-01T12:00:00+00:00")), "this very second"),
        (set("/occurrenceDateTime", json!("2024-10-05")), "a date alone"),
        (set("/recorded", json!("2024-01-01T10:00:00-05:00")), "recorded elsewhere"),
        (remove("/expirationDate"), "no expiry date"),
        (remove("/vaccineCode/coding/0/display"), "no product term"),
        (set(&of_patient("/name/0/family"), json!("é".repeat(35))), "35 characters in 70 bytes"),
        (
            set(
                "/site/coding",
                json!([{"system": "http://snomed.info/test", "code": "368208006"},
                {"system": "http://snomed.info/sct", "code": "368209003"},
                {"system": "http://snomed.info/sct", "code": "368208008"}]),
            ),
            "several codings of a site",
        ),
    ] {
        let result = Immunization::validate(&edited(&edit), now());
        assert!(result.is_ok(), "{why}: {result:?}");
    }
}

#[test]
fn the_fields_are_read() {
    let mut sent = good();
    sent["id"] = json!("stated");
    sent["meta"] = json!({"versionId": "7"});
    let read = Immunization::validate(&sent, now()).unwrap();
    assert_eq!(read.identifier(), ("https://supplier.example/vaccinations", "made-up-0001"));
    assert_eq!(read.id(), ImmunisationId::of("https://supplier.example/vaccinations", "made-up-0001"));
    assert_eq!(read.nhs_number().map(|number| number.to_string()).as_deref(), Some("9990001014"));
    assert_eq!(read.vaccine().code(), "FLU");
    assert_eq!(read.occurred_at(), "2024-10-05T23:30:00.250+00:00");
    assert_eq!(read.occurred_on().to_string(), "2024-10-06", "half past midnight, British Summer Time");
    assert_eq!(read.birth_date().to_string(), "1951-02-28");
    assert_eq!((read.given_name(), read.family_name(), read.gender()), ("Alder Finch", "Marrow", Gender::Female));
    assert_eq!((read.postcode(), read.dose_number()), ("ZZ99 3WZ", Some(1)));
    assert_eq!(read.procedure_code(), Some("822851000000102"));
    assert_eq!(read.product_code(), Some("34680411000001107"));
    assert_eq!((read.site_code(), read.location_code(), read.performer()), ("B0C4P", "X99999", Some("Imogen Quill")));
    assert_eq!(read.stated_id(), Some("stated"));
    assert!(!format!("{read:?}").contains("Marrow"), "no personal data in Debug");

    assert_eq!(serde_json::from_str::<Value>(read.body()).unwrap(), good(), "stored without id and meta");
    let again = Immunization::from_stored(read.body()).unwrap();
    assert_eq!(again.body(), read.body());
    assert_eq!(again.occurred_on(), read.occurred_on());

    let answer = read.to_json(read.id(), 3);
    let keys: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).take(4).collect();
    assert_eq!(keys, ["resourceType", "id", "meta", "contained"]);
    assert_eq!(answer["id"], read.id().to_string());
    assert_eq!(answer["meta"], json!({"versionId": "3"}));
    assert_eq!(answer["protocolApplied"], good()["protocolApplied"]);

    let found = read.to_search_json(read.id(), 3, "urn:uuid:1");
    assert_eq!(found.get("contained"), None);
    assert_eq!(
        found["patient"],
        json!({"reference": "urn:uuid:1", "type": "Patient",
            "identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990001014"}})
    );
    assert_eq!(found["performer"], json!([good()["performer"][1]]));
    assert_eq!(found["identifier"][0]["use"], "official");
    assert_eq!(
        read.to_patient_json().unwrap(),
        json!({"resourceType": "Patient", "id": "9990001014",
            "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990001014"}]})
    );
}

#[test]
fn the_name_in_use_when_vaccinated_counts() {
    let names = json!([
        {"use": "old", "family": "Former", "given": ["A"]},
        {"use": "official", "family": "Later", "given": ["A"], "period": {"start": "2025-01-01"}},
        {"family": "Then", "given": ["A"]},
    ]);
    let read = Immunization::validate(&edited(&set(&of_patient("/name"), names)), now()).unwrap();
    assert_eq!(read.family_name(), "Then");
}

#[test]
fn what_was_not_stored_by_this_service_is_named() {
    assert!(Immunization::from_stored("{").is_err());
    let mut resource = good();
    resource.as_object_mut().unwrap().shift_remove("occurrenceDateTime");
    let error = Immunization::from_stored(&resource.to_string()).unwrap_err();
    assert_eq!(error.to_string(), "the stored Immunization lacks a readable occurrenceDateTime");
}

/// JSON of any shape under the names that validation looks for.
fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(
                (
                    prop_oneof![
                        Just("coding"),
                        Just("code"),
                        Just("system"),
                        Just("actor"),
                        Just("identifier"),
                        Just("value"),
                        Just("id"),
                        Just("name"),
                        Just("given"),
                        Just("type"),
                        Just("reference")
                    ],
                    inner
                ),
                0..4
            )
            .prop_map(|members| members
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

proptest::proptest! {
    #[test]
    fn any_json_anywhere_is_answered(place in 0usize..400, value in any_json()) {
        fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
            all.push(at.to_owned());
            match value {
                Value::Object(members) => members.iter().for_each(|(key, value)| pointers(value, &format!("{at}/{key}"), all)),
                Value::Array(items) => items.iter().enumerate().for_each(|(i, value)| pointers(value, &format!("{at}/{i}"), all)),
                _ => {}
            }
        }
        let mut resource = good();
        let mut all = Vec::new();
        pointers(&resource, "", &mut all);
        *resource.pointer_mut(&all[place % all.len()]).unwrap() = value;
        if let Ok(accepted) = Immunization::validate(&resource, now()) {
            // Whatever is accepted can be read again.
            let again = Immunization::from_stored(accepted.body()).unwrap();
            proptest::prop_assert_eq!(again.body(), accepted.body());
        }
    }
}
