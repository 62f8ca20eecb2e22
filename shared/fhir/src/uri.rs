//! Systems and profiles that resources name.

/// NHS numbers.
pub const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// SNOMED CT codes.
pub const SNOMED: &str = "http://snomed.info/sct";
/// Codes that say why a value is absent.
pub const NULL_FLAVOUR: &str = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor";
/// Extension that carries the vaccination procedure.
pub const VACCINATION_PROCEDURE: &str =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure";
/// Organisation codes of the Organisation Data Service.
pub const ODS_ORGANIZATION: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// Codes of OperationOutcome details.
pub const HTTP_ERROR_CODES: &str = "https://fhir.nhs.uk/Codesystem/http-error-codes";
/// Profile of OperationOutcome.
pub const OPERATION_OUTCOME_PROFILE: &str =
    "https://simplifier.net/guide/UKCoreDevelopment2/ProfileUKCore-OperationOutcome";
/// Countries, as ISO 3166 codes.
pub const COUNTRY: &str = "urn:iso:std:iso:3166";
