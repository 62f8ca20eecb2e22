//! FHIR R4 Immunization, Patient and OperationOutcome as the national API defines them.
