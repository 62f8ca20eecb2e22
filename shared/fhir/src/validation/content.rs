//! Second stage: everything that is written must be well written. Nothing is asked here to be there, but for the few
//! things without which the rest cannot be read.

use super::checks::Findings;
use super::{ValidationErrors, contained};
use crate::resource::Node;
use crate::time::Now;
use crate::uri;

pub(super) const RESOURCE_TYPE: &str =
    "This service only accepts FHIR Immunization Resources (i.e. resourceType must equal 'Immunization')";

const DOSE_NUMBER_MAX: i64 = 9;

macro_rules! of_procedure {
    ($path:literal) => {
        concat!(
            "extension[?(@.url=='https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure')]",
            ".valueCodeableConcept",
            $path
        )
    };
}
pub(super) use of_procedure;

/// The performer that is an Organization.
pub(crate) fn organization<N: Node>(resource: &N) -> Option<&N> {
    let performers = resource.get("performer")?.items()?;
    performers.iter().filter_map(|performer| performer.get("actor")).find(|actor| is_organization(*actor))
}

fn is_organization<N: Node>(actor: &N) -> bool {
    actor.text_at(&["type"]) == Some("Organization")
}

/// Runs the stage. A missing identifier or extension ends it at once, as in the national service.
pub(super) fn check<N: Node>(resource: &N, now: Now, findings: &mut Findings) -> Result<(), ValidationErrors> {
    if resource.text_at(&["resourceType"]) != Some("Immunization") {
        findings.say(RESOURCE_TYPE);
    }
    check_keys(resource, findings);
    contained::check_patient_reference(resource, findings);
    contained::check_practitioner_reference(resource, findings);
    contained::check_patient(resource, now, findings);
    if let Some(occurrence) = resource.get("occurrenceDateTime") {
        findings.moment(occurrence, "occurrenceDateTime", now, true);
    }
    check_performer(resource, findings);
    check_identifier(resource, findings)?;
    findings.one_of(resource.get("status"), &["completed"], "status");
    contained::check_practitioner(resource, findings);
    if let Some(recorded) = resource.get("recorded") {
        findings.moment(recorded, "recorded", now, false);
    }
    if resource.get("primarySource").is_some_and(|value| value.flag().is_none()) {
        findings.add("primarySource", "must be a boolean");
    }
    check_protocol(resource, findings);
    findings.text_if_any(resource.get("manufacturer").and_then(|maker| maker.get("display")), "manufacturer.display");
    findings.text_if_any(resource.get("lotNumber"), "lotNumber");
    if let Some(expiry) = resource.get("expirationDate") {
        findings.date(expiry, "expirationDate", None);
    }
    let site = [
        "site.coding[?(@.system=='http://snomed.info/sct')].code",
        "site.coding[?(@.system=='http://snomed.info/sct')].display",
    ];
    check_coded(resource.get("site"), site, findings);
    let route = [
        "route.coding[?(@.system=='http://snomed.info/sct')].code",
        "route.coding[?(@.system=='http://snomed.info/sct')].display",
    ];
    check_coded(resource.get("route"), route, findings);
    check_dose_quantity(resource, findings);
    check_reasons(resource, findings);
    let identifier = |key| organization(resource)?.get("identifier")?.get(key);
    findings.text_if_any(identifier("system"), "performer[?(@.actor.type=='Organization')].actor.identifier.system");
    let identifier = |key| resource.get("location")?.get("identifier")?.get(key);
    findings.text_if_any(identifier("value"), "location.identifier.value");
    findings.text_if_any(identifier("system"), "location.identifier.system");
    check_extension(resource, findings)?;
    let coding = snomed(resource.get("vaccineCode"));
    findings.concept(
        coding.and_then(|coding| coding.get("code")),
        "vaccineCode.coding[?(@.system=='http://snomed.info/sct')].code",
    );
    findings.text_if_any(
        coding.and_then(|coding| coding.get("display")),
        "vaccineCode.coding[?(@.system=='http://snomed.info/sct')].display",
    );
    Ok(())
}

/// The first SNOMED CT coding of a concept.
pub(crate) fn snomed<N: Node>(concept: Option<&N>) -> Option<&N> {
    concept?.get("coding")?.find("system", uri::SNOMED)
}

fn is_key_of_immunization(key: &str) -> bool {
    matches!(
        key,
        "resourceType"
            | "meta"
            | "narrative"
            | "contained"
            | "id"
            | "extension"
            | "identifier"
            | "status"
            | "vaccineCode"
            | "patient"
            | "occurrenceDateTime"
            | "recorded"
            | "primarySource"
            | "manufacturer"
            | "location"
            | "lotNumber"
            | "expirationDate"
            | "site"
            | "route"
            | "doseQuantity"
            | "performer"
            | "reasonCode"
            | "protocolApplied"
    )
}

fn is_key_of_patient(key: &str) -> bool {
    matches!(key, "resourceType" | "id" | "identifier" | "name" | "gender" | "birthDate" | "address")
}

fn is_key_of_practitioner(key: &str) -> bool {
    matches!(key, "resourceType" | "id" | "name")
}

fn check_keys<N: Node>(resource: &N, findings: &mut Findings) {
    let mut check = |node: &N, kind: &str, allowed: fn(&str) -> bool| {
        node.each_key(|key| {
            if !allowed(key) {
                findings.add(key, format_args!("is not an allowed element of the {kind} resource for this service"));
            }
        });
    };
    check(resource, "Immunization", is_key_of_immunization);
    for contained in resource.get("contained").and_then(Node::items).unwrap_or_default() {
        match contained.text_at(&["resourceType"]) {
            Some("Patient") => check(contained, "Patient", is_key_of_patient),
            Some("Practitioner") => check(contained, "Practitioner", is_key_of_practitioner),
            _ => {}
        }
    }
}

fn check_performer<N: Node>(resource: &N, findings: &mut Findings) {
    let performers = resource.get("performer").and_then(Node::items).unwrap_or_default();
    let organizations = performers.iter().filter(|performer| performer.get("actor").is_some_and(is_organization));
    if organizations.count() != 1 {
        findings.say("There must be exactly one performer.actor[?@.type=='Organization'] with type 'Organization'");
    }
    let value = organization(resource).and_then(|actor| actor.get("identifier")?.get("value"));
    findings.text_if_any(value, "performer[?(@.actor.type=='Organization')].actor.identifier.value");
}

fn check_identifier<N: Node>(resource: &N, findings: &mut Findings) -> Result<(), ValidationErrors> {
    let Some(identifier) = resource.get("identifier") else {
        return Err(ValidationErrors::one("identifier is a mandatory field"));
    };
    if let Some(only) = findings.list_of_one(identifier, "identifier")
        && findings.objects(std::slice::from_ref(only), "identifier")
    {
        findings.text_if_any(only.get("value"), "identifier[0].value");
        findings.text_if_any(only.get("system"), "identifier[0].system");
    }
    Ok(())
}

fn check_protocol<N: Node>(resource: &N, findings: &mut Findings) {
    let protocol = resource.get("protocolApplied").and_then(|list| findings.list_of_one(list, "protocolApplied"));
    if let Some(dose) = protocol.and_then(|protocol| protocol.get("doseNumberPositiveInt")) {
        findings.positive(dose, DOSE_NUMBER_MAX, "protocolApplied[0].doseNumberPositiveInt");
    }
    let dose = protocol.and_then(|protocol| protocol.get("doseNumberString"));
    findings.text_if_any(dose, "protocolApplied[0].doseNumberString");
    let Some(diseases) = protocol.and_then(|protocol| protocol.get("targetDisease")?.items()) else {
        return findings.mandatory(false, "protocolApplied[0].targetDisease");
    };
    if diseases.iter().any(|disease| disease.get("coding").is_none()) {
        findings.say("Every element of protocolApplied[0].targetDisease must have 'coding' property");
    }
    let codings = |index: usize| diseases[index].get("coding").map(|coding| coding.items().unwrap_or_default());
    let is_snomed = |coding: &&N| coding.text_at(&["system"]) == Some(uri::SNOMED);
    let unclear = (0..diseases.len()).find(|i| codings(*i).is_some_and(|c| c.iter().filter(is_snomed).count() != 1));
    if let Some(index) = unclear {
        findings.add(
            format_args!("protocolApplied[0].targetDisease[{index}].coding"),
            format_args!("must contain exactly one element with a system of {}", uri::SNOMED),
        );
    }
    for (index, disease) in diseases.iter().enumerate() {
        if let Some(code) = snomed(Some(disease)).and_then(|coding| coding.get("code")) {
            let place = format_args!(
                "protocolApplied[0].targetDisease[{index}].coding[?(@.system=='http://snomed.info/sct')].code"
            );
            if findings.text(code, place).is_none() {
                break;
            }
        }
    }
}

fn check_coded<N: Node>(concept: Option<&N>, [code, display]: [&str; 2], findings: &mut Findings) {
    let coding = snomed(concept);
    findings.text_if_any(coding.and_then(|coding| coding.get("code")), code);
    findings.text_if_any(coding.and_then(|coding| coding.get("display")), display);
}

fn check_dose_quantity<N: Node>(resource: &N, findings: &mut Findings) {
    let Some(quantity) = resource.get("doseQuantity") else { return };
    if quantity.get("value").is_some_and(|value| !value.is_number()) {
        findings.add("doseQuantity.value", "must be a number");
    }
    findings.text_if_any(quantity.get("code"), "doseQuantity.code");
    findings.text_if_any(quantity.get("system"), "doseQuantity.system");
    if quantity.get("code").is_some() && quantity.get("system").is_none() {
        findings.say("If doseQuantity.code is present, doseQuantity.system must also be present");
    }
    findings.text_if_any(quantity.get("unit"), "doseQuantity.unit");
}

fn check_reasons<N: Node>(resource: &N, findings: &mut Findings) {
    let reasons = resource.get("reasonCode").and_then(Node::items).unwrap_or_default();
    for (index, reason) in reasons.iter().enumerate() {
        if let Some(codings) = reason.get("coding")
            && findings.list(codings, format_args!("reasonCode[{index}].coding")).is_none()
        {
            break;
        }
    }
    for (index, reason) in reasons.iter().enumerate() {
        let coding = reason.get("coding").and_then(|codings| codings.items()?.first());
        if let Some(code) = coding.and_then(|coding| coding.get("code"))
            && findings.text(code, format_args!("reasonCode[{index}].coding[0].code")).is_none()
        {
            break;
        }
    }
}

fn check_extension<N: Node>(resource: &N, findings: &mut Findings) -> Result<(), ValidationErrors> {
    let Some(extension) = resource.get("extension") else {
        return Err(ValidationErrors::one("extension is a mandatory field"));
    };
    for item in extension.items().unwrap_or_default() {
        let Some(concept) = item.get("valueCodeableConcept") else {
            return Err(ValidationErrors::one(of_procedure!(" is a mandatory field")));
        };
        if concept.get("coding").is_none() {
            return Err(ValidationErrors::one(of_procedure!(".coding is a mandatory field")));
        }
    }
    if let Some(only) = findings.list_of_one(extension, "extension") {
        findings.one_of(only.get("url"), &[uri::VACCINATION_PROCEDURE], "extension[0].url");
    }
    let coding = snomed(super::required::procedure(resource));
    findings.concept(
        coding.and_then(|coding| coding.get("code")),
        of_procedure!(".coding[?(@.system=='http://snomed.info/sct')].code"),
    );
    findings.text_if_any(
        coding.and_then(|coding| coding.get("display")),
        of_procedure!(".coding[?(@.system=='http://snomed.info/sct')].display"),
    );
    Ok(())
}
