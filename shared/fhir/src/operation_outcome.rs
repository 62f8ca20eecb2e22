//! OperationOutcome: what the API answers when it does not do what was asked.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::uri;

/// The national service's texts that do not come from validation.
pub mod text {
    use ims_domain::ImmunisationId;

    /// The supplier may not do this for this vaccine type.
    pub const UNAUTHORIZED_VACCINE_TYPE: &str = "Unauthorized request for vaccine type";
    /// The id in the path is missing or is not one.
    pub const INVALID_EVENT_ID: &str =
        "Validation errors: the provided event ID is either missing or not in the expected format.";

    /// The `E-Tag` request header is not there.
    pub const NO_VERSION: &str =
        "Validation errors: Immunization resource version not specified in the request headers";
    /// A new record is given its id by the service.
    pub const ID_IN_CREATE: &str = "Validation errors: id field must not be present for CREATE operation";
    /// The caller may do nothing at all.
    pub const UNAUTHORIZED: &str = "Unauthorized request";
    /// A fault of the service.
    pub const FAULT: &str = "Unable to process request. Issue may be transient.";
    /// Beside results: some of the vaccine types asked for are not shown to this supplier.
    pub const UNAUTHORIZED_DETAILS: &str = "Your search contains details that you are not authorised to request";
    /// Beside no results: no vaccine type is for any of the diseases asked for.
    pub const NO_SUCH_DISEASE: &str =
        "This service does not contain any vaccination types with the target disease requested.";
    /// The answer to a search would be too long.
    pub const TOO_MANY_RESULTS: &str = "Search returned too many results. Please narrow down the search";

    /// No such record, or it was deleted.
    #[must_use]
    pub fn not_found(id: &str) -> String {
        format!("Immunization resource does not exist. ID: {id}")
    }

    /// Another record holds the supplier's identifier.
    #[must_use]
    pub fn duplicate(system: &str, value: &str) -> String {
        format!("The provided identifier: {system}#{value} is duplicated")
    }

    /// The `E-Tag` request header is not an integer version.
    #[must_use]
    pub fn invalid_version(header: &str) -> String {
        format!("Validation errors: Immunization resource version:{header} in the request headers is invalid.")
    }

    /// The id in the path is not the one in the body.
    #[must_use]
    pub fn inconsistent_id(id: &str) -> String {
        format!(
            "Validation errors: The provided immunization id:{id} doesn't match with the content of the request body"
        )
    }

    /// The supplier's identifier is not the one held: which parts of it, `identifier[0].system` or `.value`.
    #[must_use]
    pub fn inconsistent_identifier(parts: &[&str]) -> String {
        let parts: Vec<String> = parts.iter().map(|part| format!("identifier[0].{part}")).collect();
        format!("Validation errors: {} doesn't match with the stored content", parts.join(" and "))
    }

    /// Beside results: these vaccine types are none.
    #[must_use]
    pub fn ignored_targets(targets: &[String]) -> String {
        format!(
            "Your search included invalid -immunization.target value(s) that were ignored: {}. The search was performed \
             using the valid value(s) only.",
            targets.join(", ")
        )
    }

    /// The version in the request is behind the one held.
    #[must_use]
    pub fn changed_since_read(id: ImmunisationId) -> String {
        format!("Validation errors: The requested immunization resource {id} has changed since the last retrieve.")
    }

    /// The version in the request is ahead of the one held.
    #[must_use]
    pub fn inconsistent_version(id: ImmunisationId) -> String {
        format!(
            "Validation errors: The requested immunization resource {id} version is inconsistent with the existing version."
        )
    }
}

/// What kind of issue it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IssueCode {
    /// The content breaks a rule: 400.
    Invariant,
    /// A parameter or header is wrong: 400.
    Invalid,
    /// Not permitted: 403.
    Forbidden,
    /// No such record: 404.
    NotFound,
    /// The identifier is taken: 422.
    Duplicate,
    /// A fault of the service: 500.
    Exception,
    /// Some of what was asked for is not permitted; goes with a warning beside results: 200.
    Unauthorized,
}

impl IssueCode {
    /// The FHIR code; in capitals it is also the code of the details.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Invariant => "invariant",
            Self::Invalid => "invalid",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::Duplicate => "duplicate",
            Self::Exception => "exception",
            Self::Unauthorized => "unauthorized",
        }
    }

    /// The HTTP status of an answer that consists of this issue.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Invariant | Self::Invalid => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Duplicate => 422,
            Self::Exception => 500,
            Self::Unauthorized => 200,
        }
    }
}

/// An OperationOutcome with one issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationOutcome {
    /// Whether it only warns, beside results.
    pub is_warning: bool,
    /// Kind of issue.
    pub code: IssueCode,
    /// What is wrong.
    pub diagnostics: String,
}

impl OperationOutcome {
    /// An error.
    #[must_use]
    pub fn error(code: IssueCode, diagnostics: impl Into<String>) -> Self {
        Self { is_warning: false, code, diagnostics: diagnostics.into() }
    }

    /// A warning, for a bundle whose request was partly refused.
    #[must_use]
    pub fn warning(code: IssueCode, diagnostics: impl Into<String>) -> Self {
        Self { is_warning: true, code, diagnostics: diagnostics.into() }
    }

    /// The resource; `id` is the answer's own.
    #[must_use]
    pub fn to_json(&self, id: Uuid) -> Value {
        let code = self.code.code();
        json!({
            "resourceType": "OperationOutcome",
            "id": id.to_string(),
            "meta": {"profile": [uri::OPERATION_OUTCOME_PROFILE]},
            "issue": [{
                "severity": if self.is_warning { "warning" } else { "error" },
                "code": code,
                "details": {"coding": [{"system": uri::HTTP_ERROR_CODES, "code": code.to_uppercase()}]},
                "diagnostics": self.diagnostics,
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_has_the_national_shape() {
        let outcome = OperationOutcome::error(IssueCode::NotFound, text::not_found("17")).to_json(Uuid::nil());
        assert_eq!(
            outcome.to_string(),
            "{\"resourceType\":\"OperationOutcome\",\"id\":\"00000000-0000-0000-0000-000000000000\",\
             \"meta\":{\"profile\":[\"https://simplifier.net/guide/UKCoreDevelopment2/ProfileUKCore-OperationOutcome\"]},\
             \"issue\":[{\"severity\":\"error\",\"code\":\"not-found\",\"details\":{\"coding\":[{\
             \"system\":\"https://fhir.nhs.uk/Codesystem/http-error-codes\",\"code\":\"NOT-FOUND\"}]},\
             \"diagnostics\":\"Immunization resource does not exist. ID: 17\"}]}"
        );
    }
}
