//! Rows of batch files: what they become, how they fail, and how both are acknowledged.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use csv::StringRecord;
use ims_domain::VaccineType;
use ims_fhir::ack::{self, FileReport, RowFailure};
use ims_fhir::batch::{self, HEADER, Operations, Row, RowAction, RowError};
use ims_fhir::{Immunization, IssueCode};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

fn now() -> Timestamp {
    "2025-09-01T12:00:00Z".parse().unwrap()
}

fn vaccine(code: &str) -> VaccineType {
    code.parse().unwrap()
}

fn good() -> Vec<String> {
    let mut reader = batch::reader(include_bytes!("fixtures/flu.csv").as_slice());
    batch::check_header(reader.headers().unwrap()).unwrap();
    reader.records().next().unwrap().unwrap().iter().map(str::to_owned).collect()
}

fn with(changes: &[(&str, &str)]) -> StringRecord {
    let mut row = good();
    for (column, value) in changes {
        row[HEADER.iter().position(|name| name == column).unwrap()] = (*value).to_owned();
    }
    StringRecord::from(row)
}

fn act(record: &StringRecord) -> Result<RowAction, RowError> {
    Row::new(record).action(vaccine("FLU"), Operations::ALL, now())
}

fn accepted(record: &StringRecord) -> Immunization {
    match act(record) {
        Ok(RowAction::New(immunization) | RowAction::Update(immunization)) => immunization,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_row_becomes_the_same_resource_as_over_the_api() {
    let immunization = accepted(&with(&[]));
    let body: Value = serde_json::from_str(immunization.body()).unwrap();
    assert_eq!(
        body,
        json!({
            "resourceType": "Immunization",
            "contained": [
                {"resourceType": "Patient", "id": "Patient1",
                    "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990001014"}],
                    "name": [{"family": "Marrow", "given": ["Alder"]}],
                    "gender": "female", "birthDate": "1951-02-28", "address": [{"postalCode": "ZZ99 3WZ"}]},
                {"resourceType": "Practitioner", "id": "Practitioner1",
                    "name": [{"family": "Quill", "given": ["Imogen"]}]}
            ],
            "extension": [{
                "url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure",
                "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "822851000000102",
                    "display": "Seasonal influenza vaccination (procedure)"}]}
            }],
            "identifier": [{"system": "https://supplier.example/vaccinations", "value": "made-up-0001"}],
            "status": "completed",
            "vaccineCode": {"coding": [{"system": "http://snomed.info/sct", "code": "34680411000001107",
                "display": "A flu vaccine"}]},
            "patient": {"reference": "#Patient1"},
            "occurrenceDateTime": "2024-10-05T23:30:00+00:00",
            "recorded": "2024-10-06",
            "primarySource": true,
            "manufacturer": {"display": "Example Vaccines Ltd"},
            "location": {"identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "X99999"}},
            "lotNumber": "L0T1",
            "expirationDate": "2035-07-02",
            "site": {"coding": [{"system": "http://snomed.info/sct", "code": "368208006",
                "display": "Left upper arm structure"}]},
            "route": {"coding": [{"system": "http://snomed.info/sct", "code": "78421000",
                "display": "Intramuscular route"}]},
            "doseQuantity": {"value": 0.5, "unit": "Milliliter", "system": "http://snomed.info/sct",
                "code": "258773002"},
            "performer": [
                {"actor": {"type": "Organization", "identifier": {
                    "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "B0C4P"}}},
                {"actor": {"reference": "#Practitioner1"}}
            ],
            "reasonCode": [{"coding": [{"system": "http://snomed.info/sct", "code": "443684005"}]}],
            "protocolApplied": [{"targetDisease": [{"coding": [{"system": "http://snomed.info/sct",
                "code": "6142004", "display": "Influenza"}]}], "doseNumberPositiveInt": 1}]
        })
    );
    assert_eq!(Immunization::validate(&body, now()).unwrap(), immunization);
}

#[test]
fn what_may_be_missing_may_be_missing() {
    let optional = [
        "NHS_NUMBER",
        "PERFORMING_PROFESSIONAL_FORENAME",
        "PERFORMING_PROFESSIONAL_SURNAME",
        "VACCINATION_PROCEDURE_TERM",
        "VACCINE_PRODUCT_CODE",
        "VACCINE_PRODUCT_TERM",
        "VACCINE_MANUFACTURER",
        "BATCH_NUMBER",
        "EXPIRY_DATE",
        "SITE_OF_VACCINATION_CODE",
        "SITE_OF_VACCINATION_TERM",
        "ROUTE_OF_VACCINATION_CODE",
        "ROUTE_OF_VACCINATION_TERM",
        "DOSE_SEQUENCE",
        "DOSE_AMOUNT",
        "DOSE_UNIT_CODE",
        "DOSE_UNIT_TERM",
        "INDICATION_CODE",
    ];
    for column in optional {
        accepted(&with(&[(column, "")]));
    }
    let least = accepted(&with(&optional.map(|column| (column, ""))));
    let body: Value = serde_json::from_str(least.body()).unwrap();
    assert_eq!(
        body["vaccineCode"],
        json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "NAVU",
            "display": "Not available"}]})
    );
    assert_eq!(body["protocolApplied"][0]["doseNumberString"], "Dose sequence not recorded");
    assert_eq!((least.product_code(), least.dose_number(), least.nhs_number()), (None, None, None));
}

#[test]
fn action_flags_and_genders_are_taken_as_suppliers_write_them() {
    for flag in ["NEW", "New", "new", "nEw"] {
        assert!(matches!(act(&with(&[("ACTION_FLAG", flag)])), Ok(RowAction::New(_))), "{flag}");
    }
    assert!(matches!(act(&with(&[("ACTION_FLAG", "update")])), Ok(RowAction::Update(_))));
    for code in ["0", "1", "2", "9", "unknown", "male", "female", "other"] {
        accepted(&with(&[("PERSON_GENDER_CODE", code)]));
    }
    for uri in ["UNIQUE_ID_URI", "SITE_CODE_TYPE_URI", "LOCATION_CODE_TYPE_URI"] {
        accepted(&with(&[(uri, "invalid_uri")]));
    }
}

#[test]
fn a_deletion_needs_nothing_but_the_identifier() {
    let mut changes: Vec<(&str, &str)> = HEADER.iter().map(|column| (*column, "")).collect();
    changes.extend([
        ("ACTION_FLAG", "Delete"),
        ("UNIQUE_ID", "made-up-0001"),
        ("UNIQUE_ID_URI", "https://supplier.example/vaccinations"),
        ("RECORDED_DATE", "20241007"),
    ]);
    let Ok(RowAction::Delete(delete)) = act(&with(&changes)) else { panic!("not a deletion") };
    assert_eq!(delete.id(), accepted(&with(&[])).id());
    assert_eq!((delete.recorded.as_deref(), delete.reason), (Some("2024-10-07"), None));
}

#[test]
fn earlier_identifiers_name_the_same_record() {
    let earlier = with(&[("UNIQUE_ID_URI", "YGA")]);
    assert_eq!(Row::new(&earlier).local_id(), "made-up-0001^https://tpp-uk.com/Id/ve/vacc");
    assert_eq!(accepted(&earlier).identifier(), ("https://tpp-uk.com/Id/ve/vacc", "made-up-0001"));
}

#[test]
fn checks_come_in_order() {
    let flag = "Invalid ACTION_FLAG - ACTION_FLAG must be 'NEW', 'UPDATE' or 'DELETE'";
    let row = with(&[("ACTION_FLAG", "NEWS"), ("UNIQUE_ID", "")]);
    let refused = |row: &StringRecord, letters| {
        Row::new(row).action(vaccine("FLU"), Operations::from_letters(letters), now()).unwrap_err()
    };
    let error = refused(&row, "");
    assert_eq!((error.diagnostics.as_str(), error.code), (flag, IssueCode::Invariant));
    assert_eq!(error.local_id, "^https://supplier.example/vaccinations");
    let row = with(&[("UNIQUE_ID", ""), ("PERSON_SURNAME", "")]);
    let error = refused(&row, "RUDS");
    assert_eq!(
        (error.diagnostics.as_str(), error.code),
        ("No permissions for requested operation", IssueCode::Forbidden)
    );
    assert_eq!(refused(&row, "C").diagnostics, "UNIQUE_ID or UNIQUE_ID_URI is missing");
}

/// (column, value, key of the published error table)
const MISTAKES: &[(&str, &str, &str)] = &[
    ("DATE_AND_TIME", "20250901T12082000", "invalid_OccurrenceDateTime"),
    ("DATE_AND_TIME", "20250901T120820123000000", "invalid_OccurrenceDateTime"),
    ("DATE_AND_TIME", "20230230T100000000Z", "invalid_OccurrenceDateTime"),
    ("DATE_AND_TIME", "20230230T100000", "invalid_OccurrenceDateTime"),
    ("DATE_AND_TIME", "", "empty_OccurrenceDateTime"),
    ("RECORDED_DATE", "20250902", "invalid_recorded"),
    ("RECORDED_DATE", "20232301", "invalid_recorded"),
    ("RECORDED_DATE", "", "empty_recorded"),
    ("EXPIRY_DATE", "20232301", "invalid_expirationDate"),
    ("PERSON_DOB", "20250902", "future_DateOfBirth"),
    ("PERSON_DOB", "20232301", "invalid_DateOfBirth"),
    ("PERSON_DOB", "", "missing_DateOfBirth"),
    ("NHS_NUMBER", "12345678", "invalid_nhsnumber_length"),
    ("NHS_NUMBER", "1234567890", "invalid_mod11_nhsnumber"),
    ("NHS_NUMBER", " ", "empty_NHSNumber"),
    ("PERSON_FORENAME", "", "no_forename"),
    ("PERSON_FORENAME", " ", "empty_array_item_forename"),
    ("PERSON_SURNAME", "", "no_surname"),
    ("PERSON_SURNAME", " ", "empty_surname"),
    ("PERSON_SURNAME", "Abcdefghijklmnopqrstuvwxyzabcdefghij", "max_len_surname"),
    ("PERSON_GENDER_CODE", "8", "invalid_gender"),
    ("PERSON_GENDER_CODE", "unknow", "invalid_gender"),
    ("PERSON_GENDER_CODE", "", "missing_gender"),
    ("SITE_CODE", "", "empty_site_code"),
    ("SITE_CODE", " ", "no_site_code"),
    ("SITE_CODE_TYPE_URI", "", "empty_site_code_uri"),
    ("SITE_CODE_TYPE_URI", " ", "no_site_code_uri"),
    ("LOCATION_CODE", "", "empty_location_code"),
    ("LOCATION_CODE", " ", "no_location_code"),
    ("LOCATION_CODE_TYPE_URI", "", "empty_location_code_uri"),
    ("LOCATION_CODE_TYPE_URI", " ", "no_location_code_uri"),
    ("UNIQUE_ID", "", "no_unique_identifiers"),
    ("UNIQUE_ID_URI", "", "no_unique_identifiers"),
    ("UNIQUE_ID", " ", "no_unique_id"),
    ("UNIQUE_ID_URI", " ", "no_unique_id_uri"),
    ("PRIMARY_SOURCE", "", "empty_primary_source"),
    ("PRIMARY_SOURCE", " ", "no_primary_source"),
    ("PRIMARY_SOURCE", "test", "no_primary_source"),
    ("VACCINATION_PROCEDURE_CODE", "", "no_procedure_code"),
    ("VACCINATION_PROCEDURE_CODE", " ", "empty_procedure_code"),
    ("ACTION_FLAG", "", "invalid_action_flag"),
    ("ACTION_FLAG", " ", "invalid_action_flag"),
    ("VACCINATION_PROCEDURE_TERM", " ", "empty_procedure_term"),
    ("VACCINE_PRODUCT_CODE", " ", "empty_product_code"),
    ("VACCINE_PRODUCT_TERM", " ", "empty_product_term"),
    ("VACCINE_MANUFACTURER", " ", "empty_manufacturer"),
    ("BATCH_NUMBER", " ", "empty_lot_number"),
    ("SITE_OF_VACCINATION_CODE", " ", "empty_vaccine_site_code"),
    ("SITE_OF_VACCINATION_TERM", " ", "empty_vaccine_site_term"),
    ("ROUTE_OF_VACCINATION_CODE", " ", "empty_route_code"),
    ("ROUTE_OF_VACCINATION_TERM", " ", "empty_route_term"),
    ("DOSE_SEQUENCE", " ", "doseNumberPositiveInt_PositiveInteger"),
    ("DOSE_SEQUENCE", "10", "doseNumberPositiveInt_ValidRange"),
    ("DOSE_UNIT_CODE", " ", "empty_doseQuantity_code"),
    ("DOSE_UNIT_TERM", " ", "empty_doseQuantity_term"),
    ("INDICATION_CODE", " ", "empty_indication_code"),
];

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

#[test]
fn one_wrong_field_refuses_the_row() {
    for (column, value, key) in MISTAKES {
        assert!(act(&with(&[(column, value)])).is_err(), "{column} = '{value}': {key}");
    }
}

#[test]
fn refused_rows_have_the_published_texts() {
    let Some(folder) = acceptance() else { return };
    let published: Value = serde_json::from_slice(&std::fs::read(folder.join("error_map.json")).unwrap()).unwrap();
    for (column, value, key) in MISTAKES {
        let error = act(&with(&[(column, value)])).unwrap_err();
        assert_eq!(published["ERROR_MAP"][key]["diagnostics"], error.diagnostics, "{column} = '{value}'");
    }
    let both = act(&with(&[("PERSON_FORENAME", ""), ("PERSON_SURNAME", "")])).unwrap_err();
    assert_eq!(published["ERROR_MAP"]["empty_forename_surname"]["diagnostics"], both.diagnostics);
}

/// A file's text, as its encoding gives it.
fn text(bytes: &[u8]) -> String {
    let encoding = match batch::not_utf8(bytes).unwrap() {
        None => batch::Encoding::Utf8,
        Some(_) => batch::Encoding::Cp1252,
    };
    std::io::read_to_string(batch::utf8(encoding, bytes)).unwrap()
}

#[test]
fn the_published_files_are_read() {
    let Some(folder) = acceptance() else { return };
    // (file, vaccine type, which rows are good)
    for (file, code, good) in [
        ("sample_valid_csv_data.csv", "RSV", vec![true]),
        ("test-batch-data.csv", "MMR", vec![true, true, false]),
        ("test-batch-data-cp1252.csv", "MMR", vec![true, true, true, true, true, true, false]),
    ] {
        let bytes = std::fs::read(folder.join("csv_samples").join(file)).unwrap();
        let text = text(&bytes);
        let mut reader = batch::reader(text.as_bytes());
        batch::check_header(reader.headers().unwrap()).unwrap();
        let results: Vec<_> = reader
            .records()
            .map(|record| Row::new(&record.unwrap()).action(vaccine(code), Operations::ALL, now()))
            .collect();
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), good, "{file}: {results:?}");
    }
}

fn failure(row: u64, diagnostics: &str) -> RowFailure {
    RowFailure { row, local_id: format!("id-{row}^https://supplier.example"), diagnostics: diagnostics.to_owned() }
}

#[test]
fn acknowledgements_are_as_the_national_service_writes_them() {
    let created = "2025-07-30T12:00:05.9Z".parse().unwrap();
    let file = "FLU_Vaccinations_v5_YGM41_20250730T12000000.csv";
    assert_eq!(
        ack::inf_ack_key(file, created),
        "ack/FLU_Vaccinations_v5_YGM41_20250730T12000000_InfAck_20250730T12000500.csv"
    );
    assert_eq!(
        ack::bus_ack_csv_key(file, created),
        "forwardedFile/FLU_Vaccinations_v5_YGM41_20250730T12000000_BusAck_20250730T12000500.csv"
    );
    assert!(ack::bus_ack_json_key(file, created).ends_with("_BusAck_20250730T12000500.json"));
    let header = "MESSAGE_HEADER_ID|HEADER_RESPONSE_CODE|ISSUE_SEVERITY|ISSUE_CODE|ISSUE_DETAILS_CODE|RESPONSE_TYPE|RESPONSE_CODE|RESPONSE_DISPLAY|RECEIVED_TIME|MAILBOX_FROM|LOCAL_ID|MESSAGE_DELIVERY\n";
    assert_eq!(
        ack::inf_ack("m1", created, ack::FileAnswer::Accepted),
        format!("{header}m1|Success|Information|OK|20013|Technical|20013|Success|20250730T12000500|||True\n")
    );
    assert_eq!(
        ack::inf_ack("m1", created, ack::FileAnswer::Refused),
        format!(
            "{header}m1|Failure|Fatal|Fatal Error|10001|Technical|10002|Infrastructure Level Response Value - Processing Error|20250730T12000500|||False\n"
        )
    );
    // With a reason it says the same and why, whatever is in the reason.
    assert_eq!(
        ack::inf_ack("m1", created, ack::FileAnswer::RefusedBecause("the code 'A|B'\nis not its sender's")),
        ack::inf_ack("m1", created, ack::FileAnswer::Refused)
            .replace("Processing Error", "Processing Error: the code 'A B' is not its sender's"),
    );

    let ended = "2025-07-30T12:01:00Z".parse().unwrap();
    let report = FileReport { file, message_id: "m1", supplier: "EMIS", created, started: created, ended, rows: 10 };
    let header = header.replace("LOCAL_ID|", "LOCAL_ID|IMMS_ID|OPERATION_OUTCOME|");
    let failures = [failure(7, "must be \"YYYY-MM-DD\""), failure(2, "one\n two | three")];
    assert_eq!(
        ack::bus_ack_csv(&report, &failures),
        format!(
            "{header}\
             m1^2|Fatal Error|Fatal|Fatal Error|30002|Business|30002|Business Level Response Value - Processing Error|20250730T12000500||id-2^https://supplier.example||\"one two | three\"|False\n\
             m1^7|Fatal Error|Fatal|Fatal Error|30002|Business|30002|Business Level Response Value - Processing Error|20250730T12000500||id-7^https://supplier.example||must be \"YYYY-MM-DD\"|False\n"
        )
    );
    assert_eq!(ack::bus_ack_csv(&report, &[]), header);
    let twin: Value = serde_json::from_str(&ack::bus_ack_json(&report, &failures)).unwrap();
    assert_eq!(
        twin,
        json!({
            "system": "Immunisation FHIR API Batch Report",
            "version": 1,
            "generatedDate": "2025-07-30T12:01:00.000Z",
            "provider": "EMIS",
            "filename": "FLU_Vaccinations_v5_YGM41_20250730T12000000",
            "messageHeaderId": "m1",
            "summary": {"totalRecords": 10, "succeeded": 8, "failed": 2,
                "ingestionTime": {"start": 1753876805, "end": 1753876861}},
            "failures": [
                {"rowId": 2, "responseCode": "30002", "responseDisplay": "Business Level Response Value - Processing Error",
                    "severity": "Fatal", "localId": "id-2^https://supplier.example", "operationOutcome": "one two | three"},
                {"rowId": 7, "responseCode": "30002", "responseDisplay": "Business Level Response Value - Processing Error",
                    "severity": "Fatal", "localId": "id-7^https://supplier.example", "operationOutcome": "must be \"YYYY-MM-DD\""}
            ]
        })
    );
}

/// Rows that are good whatever the values drawn.
fn good_rows() -> impl Strategy<Value = StringRecord> {
    let person = ("[A-Za-zé' -]{0,20}[a-z]", "[A-Za-zé' -]{0,20}[a-z]", 0usize..4, 1930i16..2025);
    let shot = (1u32..=12, 1u32..=28, 0u32..24, 0usize..3, proptest::option::of(1u32..=9));
    let optional = proptest::collection::vec(any::<bool>(), 12);
    (person, shot, optional, "[ -~]{0,30}[!-~]").prop_map(|(person, shot, kept, id)| {
        let (given, family, gender, year) = person;
        let (month, day, hour, offset, dose) = shot;
        let at = format!("2024{month:02}{day:02}T{hour:02}3015{}", ["", "00", "01"][offset]);
        let (born, dose) = (format!("{year}{month:02}{day:02}"), dose.map_or(String::new(), |dose| dose.to_string()));
        let mut changes = vec![
            ("PERSON_FORENAME", given.as_str()),
            ("PERSON_SURNAME", family.as_str()),
            ("PERSON_GENDER_CODE", ["0", "1", "2", "9"][gender]),
            ("PERSON_DOB", born.as_str()),
            ("DATE_AND_TIME", at.as_str()),
            ("DOSE_SEQUENCE", dose.as_str()),
            ("UNIQUE_ID", id.as_str()),
        ];
        let optional = [
            "NHS_NUMBER",
            "PERFORMING_PROFESSIONAL_FORENAME",
            "PERFORMING_PROFESSIONAL_SURNAME",
            "VACCINE_PRODUCT_CODE",
            "VACCINE_PRODUCT_TERM",
            "VACCINE_MANUFACTURER",
            "EXPIRY_DATE",
            "SITE_OF_VACCINATION_CODE",
            "ROUTE_OF_VACCINATION_TERM",
            "DOSE_AMOUNT",
            "DOSE_UNIT_CODE",
            "INDICATION_CODE",
        ];
        changes.extend(optional.iter().zip(kept).filter(|(_, kept)| !kept).map(|(column, _)| (*column, "")));
        with(&changes)
    })
}

/// Values of which many are wrong, but not in every way.
fn any_field() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(String::new())),
        1 => Just(Some(" ".to_owned())),
        1 => "[0-9]{1,18}".prop_map(Some),
        1 => "\\PC{0,12}".prop_map(Some),
        1 => "20[0-9]{6}T[0-9]{6}(00|01|é)?".prop_map(Some),
    ]
    .prop_map(|value| value.unwrap_or_else(|| "\u{0}".to_owned()))
}

proptest! {
    #[test]
    fn a_good_row_is_good_fhir(row in good_rows()) {
        let immunization = accepted(&row);
        let body: Value = serde_json::from_str(immunization.body()).unwrap();
        prop_assert_eq!(&Immunization::validate(&body, now()).unwrap(), &immunization);
        prop_assert_eq!(&Immunization::from_stored(immunization.body()).unwrap(), &immunization);
        prop_assert_eq!(immunization.id(), ims_domain::ImmunisationId::of("https://supplier.example/vaccinations", &row[9]));
    }

    #[test]
    fn any_row_is_answered(fields in proptest::collection::vec(any_field(), 0..40)) {
        let mut row = good();
        row.resize(fields.len().max(row.len()), String::new());
        for (held, field) in row.iter_mut().zip(fields) {
            if field != "\u{0}" {
                *held = field;
            }
        }
        if let Err(error) = act(&StringRecord::from(row)) {
            prop_assert!(!error.diagnostics.is_empty());
            prop_assert!(error.local_id.contains('^'));
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let text = text(&bytes);
        let _ = batch::FileName::parse(&text);
        let _ = Immunization::from_stored(&text);
        let mut reader = batch::reader(text.as_bytes());
        if let Ok(header) = reader.headers() {
            let _ = batch::check_header(header);
        }
        for record in reader.records().flatten() {
            let _ = act(&record);
        }
    }

    #[test]
    fn any_file_name_is_answered(name in "(FLU|flu|.{0,4})_Vaccinations_v5_(YGM41|.{0,4})_[0-9Té]{0,18}\\.(csv|dat|.{0,3})") {
        let _ = batch::FileName::parse(&name);
    }
}
