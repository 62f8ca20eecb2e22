//! Last stage: what the service requires to be there. All that is there was found well written before.

use super::checks::Findings;
use super::contained::{current_name, of_patient, patient};
use super::content::{of_procedure, organization, snomed};
use crate::resource::Node;
use crate::uri;

/// The vaccination procedure's concept.
pub(super) fn procedure<N: Node>(resource: &N) -> Option<&N> {
    resource.get("extension")?.find("url", uri::VACCINATION_PROCEDURE)?.get("valueCodeableConcept")
}

/// The vaccination procedure's SNOMED CT code.
pub(crate) fn procedure_code<N: Node>(resource: &N) -> Option<&str> {
    snomed(procedure(resource))?.text_at(&["code"])
}

/// The first postcode of the contained Patient that is filled in.
pub(crate) fn postal_code<N: Node>(resource: &N) -> Option<&str> {
    let addresses = patient(resource)?.get("address")?.items()?;
    addresses.iter().filter_map(|address| address.text_at(&["postalCode"])).find(|code| !code.is_empty())
}

pub(super) fn check<N: Node>(resource: &N, findings: &mut Findings) {
    let patient = patient(resource);
    let names = patient.and_then(|patient| patient.get("name")?.items()).unwrap_or_default();
    let index = current_name(names, resource.text_at(&["occurrenceDateTime"]));
    let has_name = |key| names.get(index).is_some_and(|name| name.get(key).is_some());
    // Where the part is missing, the national service names the first name.
    findings.mandatory(has_name("given"), of_patient!(".name[0].given"));
    findings.mandatory(has_name("family"), of_patient!(".name[0].family"));
    let has = |key| patient.is_some_and(|patient| patient.get(key).is_some());
    findings.mandatory(has("birthDate"), of_patient!(".birthDate"));
    findings.mandatory(has("gender"), of_patient!(".gender"));
    findings.mandatory(postal_code(resource).is_some(), of_patient!(".address[0].postalCode"));

    let identifier = organization(resource).and_then(|actor| actor.get("identifier"));
    let has = |key| identifier.is_some_and(|identifier| identifier.get(key).is_some());
    findings.mandatory(has("value"), "performer[?(@.actor.type=='Organization')].actor.identifier.value");
    findings.mandatory(has("system"), "performer[?(@.actor.type=='Organization')].actor.identifier.system");

    let identifier = resource.get("identifier").and_then(|list| list.items()?.first());
    let has = |key| identifier.is_some_and(|identifier| identifier.get(key).is_some());
    findings.mandatory(has("value"), "identifier[0].value");
    findings.mandatory(has("system"), "identifier[0].system");
    findings.mandatory(resource.get("recorded").is_some(), "recorded");
    findings.mandatory(resource.get("primarySource").is_some(), "primarySource");
    findings.mandatory(
        procedure_code(resource).is_some(),
        of_procedure!(".coding[?(@.system=='http://snomed.info/sct')].code"),
    );

    let identifier = resource.get("location").and_then(|location| location.get("identifier"));
    let has = |key| identifier.is_some_and(|identifier| identifier.get(key).is_some());
    findings.mandatory(has("value"), "location.identifier.value");
    findings.mandatory(has("system"), "location.identifier.system");
}
