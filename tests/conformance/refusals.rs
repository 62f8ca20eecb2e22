//! What the national immunisation API answers when it refuses, by the names that scenarios give the refusals.
//! Source: the national service's published list of error texts.

/// A refusal: its name, the code of its issue, and its text, in which `<imms_id>`, `<identifier>` and `<version>` stand for
/// what the request named.
pub struct Refusal {
    /// Name.
    pub name: &'static str,
    /// Code of the issue.
    pub code: &'static str,
    /// Text.
    pub text: &'static str,
}

/// Profile of every refusal.
pub const PROFILE: &str = "https://simplifier.net/guide/UKCoreDevelopment2/ProfileUKCore-OperationOutcome";
/// System of the codes in its details.
pub const SYSTEM: &str = "https://fhir.nhs.uk/Codesystem/http-error-codes";

/// The refusal of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Refusal> {
    REFUSALS.iter().find(|refusal| refusal.name == name)
}

#[rustfmt::skip]
const REFUSALS: &[Refusal] = &[
    Refusal { name: "invalid_DateFrom_Include", code: "invalid", text: "Search parameter -date.from must be in format: YYYY-MM-DD; Search parameter _include may only be 'Immunization:patient' if provided." },
    Refusal { name: "invalid_NHSNumber", code: "invalid", text: "Search parameter patient.identifier must be a valid NHS number." },
    Refusal { name: "empty_NHSNumber", code: "invalid", text: "Validation errors: contained[?(@.resourceType=='Patient')].identifier[?(@.system=='https://fhir.nhs.uk/Id/nhs-number')].value must be a non-empty string" },
    Refusal { name: "invalid_include", code: "invalid", text: "Search parameter _include may only be 'Immunization:patient' if provided." },
    Refusal { name: "invalid_DateFrom_To", code: "invalid", text: "Search parameter -date.from must be in format: YYYY-MM-DD; Search parameter -date.to must be in format: YYYY-MM-DD" },
    Refusal { name: "invalid_DateFrom_DateTo_Include", code: "invalid", text: "Search parameter -date.from must be in format: YYYY-MM-DD; Search parameter -date.to must be in format: YYYY-MM-DD; Search parameter _include may only be 'Immunization:patient' if provided." },
    Refusal { name: "invalid_DiseaseType", code: "invalid", text: "-immunization.target must be one or more of the following: 3IN1, 4IN1, 6IN1, BCG, COVID, FLU, HEPB, HIB, HIBMENC, HPV, MENACWY, MENB, MMR, MMRV, PERTUSSIS, PNEUMOCOCCAL, ROTAVIRUS, RSV, SHINGLES" },
    Refusal { name: "invalid_target_disease_codes", code: "invalid", text: "Search parameter target-disease must be one or more valid SNOMED codes from the supported target disease list." },
    Refusal { name: "invalid_DateFrom", code: "invalid", text: "Search parameter -date.from must be in format: YYYY-MM-DD" },
    Refusal { name: "invalid_DateTo", code: "invalid", text: "Search parameter -date.to must be in format: YYYY-MM-DD" },
    Refusal { name: "unauthorized_access", code: "forbidden", text: "Unauthorized request for vaccine type" },
    Refusal { name: "not_found", code: "not-found", text: "Immunization resource does not exist. ID: <imms_id>" },
    Refusal { name: "forbidden", code: "forbidden", text: "Unauthorized request for vaccine type" },
    Refusal { name: "doseNumberPositiveInt_PositiveInteger", code: "invariant", text: "Validation errors: protocolApplied[0].doseNumberPositiveInt must be a positive integer" },
    Refusal { name: "doseNumberPositiveInt_ValidRange", code: "invariant", text: "Validation errors: protocolApplied[0].doseNumberPositiveInt must be an integer in the range 1 to 9" },
    Refusal { name: "invalid_OccurrenceDateTime", code: "invariant", text: "Validation errors: occurrenceDateTime must be a valid datetime in one of the following formats:- 'YYYY-MM-DD' — Full date only- 'YYYY-MM-DDThh:mm:ss%z' — Full date and time with timezone (e.g. +00:00 or +01:00)- 'YYYY-MM-DDThh:mm:ss.f%z' — Full date and time with milliseconds and timezone- Date must not be in the future.Only '+00:00' and '+01:00' are accepted as valid timezone offsets. Note that partial dates are not allowed for occurrenceDateTime in this service." },
    Refusal { name: "empty_OccurrenceDateTime", code: "invariant", text: "1 validation error for Immunization __root__ Expect any of field value from this list ['occurrenceDateTime', 'occurrenceString']. (type=value_error)" },
    Refusal { name: "invalid_recorded", code: "invariant", text: "Validation errors: recorded must be a valid datetime in one of the following formats:- 'YYYY-MM-DD' — Full date only- 'YYYY-MM-DDThh:mm:ss%z' — Full date and time with timezone (e.g. +00:00 or +01:00)- 'YYYY-MM-DDThh:mm:ss.f%z' — Full date and time with milliseconds and timezone- Date must not be in the future." },
    Refusal { name: "empty_recorded", code: "invariant", text: "Validation errors: recorded is a mandatory field" },
    Refusal { name: "future_DateOfBirth", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].birthDate must not be in the future" },
    Refusal { name: "missing_DateOfBirth", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].birthDate is a mandatory field" },
    Refusal { name: "invalid_DateOfBirth", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].birthDate must be a valid date string in the format \"YYYY-MM-DD\"" },
    Refusal { name: "invalid_expirationDate", code: "invariant", text: "Validation errors: expirationDate must be a valid date string in the format \"YYYY-MM-DD\"" },
    Refusal { name: "invalid_nhsnumber_length", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].identifier[?(@.system=='https://fhir.nhs.uk/Id/nhs-number')].value must be 10 characters" },
    Refusal { name: "no_forename", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].name[0].given is a mandatory field" },
    Refusal { name: "empty_forename", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].name[0].given must be an array" },
    Refusal { name: "empty_array_item_forename", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].name[0].given[0] must be a non-empty string" },
    Refusal { name: "no_surname", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].name[0].family is a mandatory field" },
    Refusal { name: "empty_forename_surname", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].name[0].given is a mandatory field; contained[?(@.resourceType=='Patient')].name[0].family is a mandatory field" },
    Refusal { name: "empty_surname", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].name[0].family must be a non-empty string" },
    Refusal { name: "invalid_gender", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].gender must be one of the following: male, female, other, unknown" },
    Refusal { name: "empty_gender", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].gender must be a non-empty string" },
    Refusal { name: "missing_gender", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].gender is a mandatory field" },
    Refusal { name: "invalid_mod11_nhsnumber", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].identifier[?(@.system=='https://fhir.nhs.uk/Id/nhs-number')].value is not a valid NHS number" },
    Refusal { name: "should_be_string", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].gender must be a string" },
    Refusal { name: "max_len_surname", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].name[0].family must be 35 or fewer characters" },
    Refusal { name: "max_len_forename", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].name[0].given[0] must be 180 or fewer characters" },
    Refusal { name: "max_item_forename", code: "invariant", text: "Validation errors: contained[?(@.resourceType=='Patient')].name[0].given must be an array of maximum length 5" },
    Refusal { name: "empty_site_code", code: "invariant", text: "Validation errors: performer[?(@.actor.type=='Organization')].actor.identifier.value is a mandatory field" },
    Refusal { name: "no_site_code", code: "invariant", text: "Validation errors: performer[?(@.actor.type=='Organization')].actor.identifier.value must be a non-empty string" },
    Refusal { name: "empty_site_code_uri", code: "invariant", text: "Validation errors: performer[?(@.actor.type=='Organization')].actor.identifier.system is a mandatory field" },
    Refusal { name: "no_site_code_uri", code: "invariant", text: "Validation errors: performer[?(@.actor.type=='Organization')].actor.identifier.system must be a non-empty string" },
    Refusal { name: "empty_location_code", code: "invariant", text: "Validation errors: location.identifier.value is a mandatory field" },
    Refusal { name: "no_location_code", code: "invariant", text: "Validation errors: location.identifier.value must be a non-empty string" },
    Refusal { name: "empty_location_code_uri", code: "invariant", text: "Validation errors: location.identifier.system is a mandatory field" },
    Refusal { name: "no_location_code_uri", code: "invariant", text: "Validation errors: location.identifier.system must be a non-empty string" },
    Refusal { name: "no_unique_identifiers", code: "invariant", text: "UNIQUE_ID or UNIQUE_ID_URI is missing" },
    Refusal { name: "no_unique_id", code: "invariant", text: "Validation errors: identifier[0].value must be a non-empty string" },
    Refusal { name: "no_unique_id_uri", code: "invariant", text: "Validation errors: identifier[0].system must be a non-empty string" },
    Refusal { name: "empty_primary_source", code: "invariant", text: "Validation errors: primarySource is a mandatory field" },
    Refusal { name: "no_primary_source", code: "invariant", text: "Validation errors: primarySource must be a boolean" },
    Refusal { name: "no_procedure_code", code: "invariant", text: "Validation errors: extension[?(@.url=='https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure')].valueCodeableConcept.coding[?(@.system=='http://snomed.info/sct')].code is a mandatory field" },
    Refusal { name: "empty_procedure_code", code: "invariant", text: "Validation errors: extension[?(@.url=='https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure')].valueCodeableConcept.coding[?(@.system=='http://snomed.info/sct')].code must be a non-empty string" },
    Refusal { name: "empty_product_term", code: "invariant", text: "Validation errors: vaccineCode.coding[?(@.system=='http://snomed.info/sct')].display must be a non-empty string" },
    Refusal { name: "empty_product_code", code: "invariant", text: "Validation errors: vaccineCode.coding[?(@.system=='http://snomed.info/sct')].code must be a non-empty string" },
    Refusal { name: "empty_procedure_term", code: "invariant", text: "Validation errors: extension[?(@.url=='https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure')].valueCodeableConcept.coding[?(@.system=='http://snomed.info/sct')].display must be a non-empty string" },
    Refusal { name: "invalid_action_flag", code: "invariant", text: "Invalid ACTION_FLAG - ACTION_FLAG must be 'NEW', 'UPDATE' or 'DELETE'" },
    Refusal { name: "empty_manufacturer", code: "invariant", text: "Validation errors: manufacturer.display must be a non-empty string" },
    Refusal { name: "empty_lot_number", code: "invariant", text: "Validation errors: lotNumber must be a non-empty string" },
    Refusal { name: "empty_vaccine_site_code", code: "invariant", text: "Validation errors: site.coding[?(@.system=='http://snomed.info/sct')].code must be a non-empty string" },
    Refusal { name: "empty_vaccine_site_term", code: "invariant", text: "Validation errors: site.coding[?(@.system=='http://snomed.info/sct')].display must be a non-empty string" },
    Refusal { name: "empty_route_code", code: "invariant", text: "Validation errors: route.coding[?(@.system=='http://snomed.info/sct')].code must be a non-empty string" },
    Refusal { name: "empty_route_term", code: "invariant", text: "Validation errors: route.coding[?(@.system=='http://snomed.info/sct')].display must be a non-empty string" },
    Refusal { name: "empty_doseQuantity_code", code: "invariant", text: "Validation errors: doseQuantity.code must be a non-empty string" },
    Refusal { name: "empty_doseQuantity_term", code: "invariant", text: "Validation errors: doseQuantity.unit must be a non-empty string" },
    Refusal { name: "empty_indication_code", code: "invariant", text: "Validation errors: reasonCode[0].coding[0].code must be a non-empty string" },
    Refusal { name: "invalid_etag", code: "invariant", text: "Validation errors: Immunization resource version:<version> in the request headers is invalid." },
    Refusal { name: "duplicate", code: "duplicate", text: "The provided identifier: <identifier> is duplicated" },
    Refusal { name: "no_imms_id", code: "invalid", text: "Validation errors: the provided event ID is either missing or not in the expected format." },
];
