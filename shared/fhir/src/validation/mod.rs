//! The national service's checks of an Immunization, in its order and with its texts.
//!
//! They run in stages, and a stage that finds anything ends the check: what is contained; what is written, wherever
//! something is written; what FHIR itself requires; the vaccine type; what the service requires to be there.

mod checks;
mod contained;
mod content;
mod required;
pub(crate) mod snomed;

use std::fmt;

use ims_domain::VaccineType;
use jiff::Timestamp;

pub(crate) use contained::{current_name, patient, practitioner};
pub(crate) use content::organization;
pub(crate) use required::{postal_code, procedure_code};

use crate::resource::Node;
use crate::time::Now;
use checks::Findings;

/// Everything that one stage found wrong with a resource. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationErrors {
    messages: Vec<String>,
    of_fhir: bool,
}

impl ValidationErrors {
    /// The findings one by one, without the heading that `Display` gives them.
    #[must_use]
    pub fn messages(&self) -> &[String] {
        &self.messages
    }

    pub(crate) fn one(message: impl Into<String>) -> Self {
        Self { messages: vec![message.into()], of_fhir: false }
    }

    /// A breach of FHIR itself, which the national service reports in its FHIR library's words.
    fn fhir(place: &str, message: &str) -> Self {
        Self { messages: vec![format!("1 validation error for Immunization {place} {message}")], of_fhir: true }
    }
}

impl fmt::Display for ValidationErrors {
    /// The text for `diagnostics`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.of_fhir {
            f.write_str("Validation errors: ")?;
        }
        for (index, message) in self.messages.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            f.write_str(message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ValidationErrors {}

/// Runs all stages; the vaccine type comes with the proof that the resource is acceptable.
pub(crate) fn check<N: Node>(resource: &N, now: Timestamp) -> Result<VaccineType, ValidationErrors> {
    let mut findings = Findings::default();
    if resource.members().is_none() {
        return Err(ValidationErrors::one(content::RESOURCE_TYPE));
    }
    contained::check_shape(resource, &mut findings);
    findings.settle()?;

    let mut findings = Findings::default();
    content::check(resource, Now::new(now), &mut findings)?;
    findings.settle()?;

    check_fhir(resource)?;
    let vaccine = vaccine_type(resource)?;

    let mut findings = Findings::default();
    required::check(resource, &mut findings);
    findings.settle()?;
    Ok(vaccine)
}

/// What FHIR requires and no other stage looks at.
fn check_fhir<N: Node>(resource: &N) -> Result<(), ValidationErrors> {
    const MISSING: &str = "field required (type=value_error.missing)";
    if resource.get("occurrenceDateTime").is_none() {
        return Err(ValidationErrors::fhir(
            "__root__",
            "Expect any of field value from this list ['occurrenceDateTime', 'occurrenceString']. (type=value_error)",
        ));
    }
    for field in ["status", "vaccineCode"] {
        if resource.get(field).is_none() {
            return Err(ValidationErrors::fhir(field, MISSING));
        }
    }
    let protocol = resource.get("protocolApplied").and_then(Node::items).and_then(<[N]>::first);
    let doses = ["doseNumberPositiveInt", "doseNumberString"].map(|key| protocol.and_then(|p| p.get(key)).is_some());
    let place = "protocolApplied -> 0 -> __root__";
    match doses {
        [false, false] => Err(ValidationErrors::fhir(
            place,
            "Expect any of field value from this list ['doseNumberPositiveInt', 'doseNumberString']. (type=value_error)",
        )),
        [true, true] => Err(ValidationErrors::fhir(
            place,
            "Any of one field value is expected from this list ['doseNumberPositiveInt', 'doseNumberString'], \
             but got multiple! (type=value_error)",
        )),
        _ => Ok(()),
    }
}

/// The vaccine type that the target diseases mean.
pub(crate) fn vaccine_type<N: Node>(resource: &N) -> Result<VaccineType, ValidationErrors> {
    let diseases = resource
        .get("protocolApplied")
        .and_then(Node::items)
        .and_then(<[N]>::first)
        .and_then(|protocol| protocol.get("targetDisease"))
        .and_then(Node::items)
        .unwrap_or_default();
    let mut codes = Vec::with_capacity(diseases.len());
    for (index, disease) in diseases.iter().enumerate() {
        let coding = disease.get("coding").and_then(|codings| codings.find("system", crate::uri::SNOMED));
        let Some(code) = coding.and_then(|coding| coding.get("code")).and_then(Node::text) else {
            return Err(ValidationErrors::one(format!(
                "protocolApplied[0].targetDisease[{index}].coding[?(@.system=='http://snomed.info/sct')].code \
                 is a mandatory field"
            )));
        };
        codes.push(code);
    }
    if codes.is_empty() {
        return Err(ValidationErrors::one(
            "protocolApplied[0].targetDisease[0].coding[?(@.system=='http://snomed.info/sct')].code is a mandatory field",
        ));
    }
    VaccineType::from_diseases(&codes).ok_or_else(|| {
        let list: Vec<String> = codes.iter().map(|code| format!("'{code}'")).collect();
        ValidationErrors::one(format!(
            "protocolApplied[0].targetDisease[*].coding[?(@.system=='http://snomed.info/sct')].code - [{}] \
             is not a valid combination of disease codes for this service",
            list.join(", ")
        ))
    })
}
