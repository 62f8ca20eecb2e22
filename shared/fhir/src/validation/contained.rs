//! The contained Patient and Practitioner.

use super::checks::Findings;
use crate::resource::Node;
use crate::time::Now;
use crate::uri;

const FAMILY_MAX: usize = 35;
const GIVEN_MAX: usize = 180;
const GIVEN_NAMES_MAX: usize = 5;

macro_rules! of_patient {
    ($path:literal) => {
        concat!("contained[?(@.resourceType=='Patient')]", $path)
    };
}
pub(super) use of_patient;

fn of_type<'n, N: Node>(resource: &'n N, kind: &str) -> Option<&'n N> {
    resource.get("contained")?.find("resourceType", kind)
}

/// The contained Patient.
pub(crate) fn patient<N: Node>(resource: &N) -> Option<&N> {
    of_type(resource, "Patient")
}

/// The contained Practitioner.
pub(crate) fn practitioner<N: Node>(resource: &N) -> Option<&N> {
    of_type(resource, "Practitioner")
}

/// First stage: `contained` is one Patient and at most one Practitioner, with ids of their own.
pub(super) fn check_shape<N: Node>(resource: &N, findings: &mut Findings) {
    let Some(contained) = resource.get("contained") else {
        return findings.mandatory(false, "contained");
    };
    let Some(items) = findings.list(contained, "contained") else { return };
    if !findings.objects(items, "contained") {
        return;
    }
    if items.iter().any(|item| item.get("resourceType").is_none()) {
        return findings.say("contained resources must have 'resourceType' key");
    }
    let count = |kind: &str| items.iter().filter(|item| item.text_at(&["resourceType"]) == Some(kind)).count();
    let (patients, practitioners) = (count("Patient"), count("Practitioner"));
    let mut wrong = Vec::new();
    if patients + practitioners != items.len() {
        wrong.push("contained must contain only Patient and Practitioner resources");
    }
    if patients != 1 {
        wrong.push("contained must contain exactly one Patient resource");
    }
    if practitioners > 1 {
        wrong.push("contained must contain a maximum of one Practitioner resource");
    }
    if wrong.is_empty() {
        let patient_id = patient(resource).and_then(|patient| patient.text_at(&["id"]));
        let practitioner = practitioner(resource).map(|practitioner| practitioner.text_at(&["id"]));
        match (patient_id, practitioner) {
            (None, _) => wrong.push("The contained Patient resource must have an 'id' field"),
            (_, Some(None)) => wrong.push("The contained Practitioner resource must have an 'id' field"),
            (id, Some(other)) if id == other => wrong.push("ids must not be duplicated amongst contained resources"),
            _ => {}
        }
    }
    wrong.into_iter().for_each(|message| findings.say(message));
}

/// `patient` refers to the contained Patient.
pub(super) fn check_patient_reference<N: Node>(resource: &N, findings: &mut Findings) {
    let Some(reference) = resource.text_at(&["patient", "reference"]).filter(|text| text.starts_with('#')) else {
        return findings.say("patient.reference must be a single reference to a contained Patient resource");
    };
    if patient(resource).and_then(|patient| patient.text_at(&["id"])) != Some(&reference[1..]) {
        findings.say(format!("The reference '{reference}' does not match the id of the contained Patient resource"));
    }
}

/// The contained Practitioner is referred to by `performer` once, and nothing else contained is.
pub(super) fn check_practitioner_reference<N: Node>(resource: &N, findings: &mut Findings) {
    let performers = resource.get("performer").and_then(Node::items).unwrap_or_default();
    let mut references =
        performers.iter().filter_map(|performer| performer.text_at(&["actor", "reference"])?.strip_prefix('#'));
    let Some(id) = practitioner(resource).and_then(|practitioner| practitioner.text_at(&["id"])) else {
        if references.next().is_some() {
            findings
                .say("performer must not contain internal references when there is no contained Practitioner resource");
        }
        return;
    };
    let (mut here, mut elsewhere) = (0, 0);
    references.for_each(|reference| if reference == id { here += 1 } else { elsewhere += 1 });
    if elsewhere > 0 {
        findings.say(
            "performer must not contain any internal references other than to the contained Practitioner resource",
        );
    } else if here == 0 {
        findings.say(format!("contained Practitioner resource id '{id}' must be referenced from performer"));
    } else if here > 1 {
        findings.say(format!("contained Practitioner resource id '{id}' must only be referenced once from performer"));
    }
}

/// Whether a name was in use on the day of the vaccination; FHIR dates sort as text.
fn in_use<N: Node>(name: &N, occurrence: Option<&str>) -> bool {
    let Some(day) = occurrence else { return true };
    let bound = |key| name.text_at(&["period", key]).filter(|text| !text.is_empty());
    bound("start").is_none_or(|start| day >= start) && bound("end").is_none_or(|end| day <= end)
}

/// The place of the name by which a person went when vaccinated: official before others, old ones last.
pub(crate) fn current_name<N: Node>(names: &[N], occurrence: Option<&str>) -> usize {
    if names.len() < 2 {
        return 0;
    }
    let mut candidates: [Option<usize>; 3] = [None; 3];
    for (index, name) in names.iter().enumerate() {
        if name.get("given").is_none() || name.get("family").is_none() || !in_use(name, occurrence) {
            continue;
        }
        let rank = match name.text_at(&["use"]) {
            Some("official") => 0,
            Some("old") => 2,
            _ => 1,
        };
        candidates[rank].get_or_insert(index);
    }
    candidates.into_iter().flatten().next().unwrap_or(0)
}

/// The contained Patient, wherever something is written.
pub(super) fn check_patient<N: Node>(resource: &N, now: Now, findings: &mut Findings) {
    let Some(patient) = patient(resource) else { return };
    if let Some(identifiers) = patient.get("identifier") {
        let list = identifiers.items().unwrap_or_default();
        if list.first().is_some_and(|identifier| identifier.get("extension").is_some()) {
            findings.add(of_patient!(".identifier[0]"), "must not include an extension");
        }
        if findings.list(identifiers, of_patient!(".identifier")).is_some() {
            check_nhs_numbers(list, findings);
        }
    }
    if let Some(name) = patient.get("name")
        && let Some(names) = findings.list(name, of_patient!(".name"))
        && findings.objects(names, of_patient!(".name"))
    {
        let place = current_name(names, resource.text_at(&["occurrenceDateTime"]));
        if let Some(given) = names[place].get("given") {
            let place = format_args!(of_patient!(".name[{}].given"), place);
            if let Some(items) = findings.list(given, place) {
                if items.len() > GIVEN_NAMES_MAX {
                    findings.add(place, format_args!("must be an array of maximum length {GIVEN_NAMES_MAX}"));
                } else {
                    findings.texts(items, GIVEN_MAX, place);
                }
            }
        }
        if let Some(family) = names[place].get("family") {
            findings.text_within(family, FAMILY_MAX, format_args!(of_patient!(".name[{}].family"), place));
        }
    }
    if let Some(birth_date) = patient.get("birthDate") {
        findings.date(birth_date, of_patient!(".birthDate"), Some(now));
    }
    findings.one_of(patient.get("gender"), &["male", "female", "other", "unknown"], of_patient!(".gender"));
    if let Some(address) = patient.get("address")
        && let Some(addresses) = findings.list(address, of_patient!(".address"))
    {
        let mut codes = addresses.iter().filter_map(|address| address.get("postalCode"));
        // Of several, one that is filled in will do.
        if let Some(first) = codes.next() {
            let filled = |code: &&N| code.text() != Some("");
            let code = if filled(&first) { first } else { codes.find(filled).unwrap_or(first) };
            findings.text(code, of_patient!(".address[0].postalCode"));
        }
    }
}

fn check_nhs_numbers<N: Node>(identifiers: &[N], findings: &mut Findings) {
    let mut numbers = identifiers
        .iter()
        .filter(|identifier| identifier.text_at(&["system"]) == Some(uri::NHS_NUMBER))
        .filter_map(|identifier| identifier.get("value"));
    let place = of_patient!(".identifier[?(@.system=='https://fhir.nhs.uk/Id/nhs-number')].value");
    if let Some(number) = numbers.next() {
        findings.nhs_number(number, place);
    }
    // Two numbers would leave it open whose record this is.
    if numbers.next().is_some() {
        findings.add(place, "must be unique");
    }
}

/// The contained Practitioner's name, wherever something is written.
pub(super) fn check_practitioner<N: Node>(resource: &N, findings: &mut Findings) {
    let place = "contained[?(@.resourceType=='Practitioner')].name";
    let Some(name) = practitioner(resource).and_then(|practitioner| practitioner.get("name")) else { return };
    let Some(names) = findings.list(name, place) else { return };
    if !findings.objects(names, place) {
        return;
    }
    let index = current_name(names, resource.text_at(&["occurrenceDateTime"]));
    if let Some(given) = names[index].get("given") {
        let place = format_args!("{place}[{index}].given");
        if let Some(items) = findings.list(given, place) {
            findings.texts(items, usize::MAX, place);
        }
    }
    findings.text_if_any(names[index].get("family"), format_args!("{place}[{index}].family"));
}
