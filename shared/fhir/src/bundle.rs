//! The searchset Bundle: what a search found, whom it is about, and what was not understood or not permitted.

use std::collections::BTreeSet;

use form_urlencoded::Serializer;
use ims_domain::VaccineType;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::operation_outcome::text;
use crate::redaction::withhold_whereabouts;
use crate::search::{self, IdentifierSearch, PatientSearch};
use crate::{Immunization, IssueCode, OperationOutcome, uri};

/// A record that a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The record.
    pub immunization: Immunization,
    /// Its version, as suppliers see it.
    pub version: u32,
    /// Whether the person's whereabouts are withheld.
    pub restricted: bool,
}

impl Match {
    /// The resource, its patient named by the URL that the patient has in the bundle.
    fn resource(&self, patient_url: &str) -> Value {
        let mut resource = self.immunization.to_search_json(self.immunization.id(), self.version, patient_url);
        if self.restricted {
            withhold_whereabouts(&mut resource);
        }
        resource
    }
}

fn bundle(base: &str, query: &str, entries: Vec<Value>, total: usize) -> Value {
    json!({
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": "self", "url": format!("{base}/Immunization?{query}")}],
        "entry": entries,
        "total": total,
    })
}

fn entry(url: impl Into<String>, resource: Value, mode: &str) -> Value {
    json!({"fullUrl": url.into(), "resource": resource, "search": {"mode": mode}})
}

fn matched(base: &str, found: &Match, resource: Value) -> Value {
    entry(format!("{base}/Immunization/{}", found.immunization.id()), resource, "match")
}

impl PatientSearch {
    /// The answer: the records found, which the search covers and which are of the permitted vaccine types; the patient,
    /// once; what was not permitted or not understood. `base` is the URL of the API, `new_id` makes ids.
    #[must_use]
    pub fn bundle(
        &self,
        base: &str,
        permitted: &BTreeSet<VaccineType>,
        found: &[Match],
        mut new_id: impl FnMut() -> Uuid,
    ) -> Value {
        let patient_url = format!("urn:uuid:{}", new_id());
        let mut entries: Vec<Value> = found.iter().map(|one| matched(base, one, one.resource(&patient_url))).collect();
        let patient = found.last().and_then(|one| one.immunization.to_patient_json());
        entries.extend(patient.map(|patient| entry(patient_url, patient, "include")));
        let refused = (permitted != &self.targets)
            .then(|| OperationOutcome::warning(IssueCode::Unauthorized, text::UNAUTHORIZED_DETAILS));
        for warning in refused.iter().chain(&self.warnings) {
            let id = new_id();
            entries.push(entry(format!("urn:uuid:{id}"), warning.to_json(id), "outcome"));
        }
        bundle(base, &self.query(permitted), entries, found.len())
    }

    /// The search as it was made.
    fn query(&self, permitted: &BTreeSet<VaccineType>) -> String {
        let mut query = Serializer::new(String::new());
        if self.diseases.is_empty() {
            let codes: Vec<&str> = permitted.iter().map(|vaccine| vaccine.code()).collect();
            query.append_pair(search::TARGET, &codes.join(","));
        } else {
            let diseases: Vec<&str> = self.diseases.iter().map(String::as_str).collect();
            query.append_pair(search::DISEASE, &diseases.join(","));
        }
        query.append_pair(search::PATIENT, &format!("{}|{}", uri::NHS_NUMBER, self.number));
        for (name, value) in [
            (search::FROM, self.from.map(|day| day.to_string())),
            (search::TO, self.to.map(|day| day.to_string())),
            (search::INCLUDE, self.include.clone()),
        ] {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        }
        query.finish()
    }

    /// What an audit entry may say of the search: vaccine types and days, not whom.
    #[must_use]
    pub fn purpose(&self, permitted: &BTreeSet<VaccineType>) -> String {
        let codes: Vec<&str> = permitted.iter().map(|vaccine| vaccine.code()).collect();
        let day = |day: Option<jiff::civil::Date>| day.map(|day| day.to_string()).unwrap_or_default();
        match (self.from, self.to) {
            (None, None) => codes.join(","),
            (from, to) => format!("{} {}..{}", codes.join(","), day(from), day(to)),
        }
    }
}

impl IdentifierSearch {
    /// The answer: the record, or of it what was asked for. `base` is the URL of the API, `new_id` makes ids.
    #[must_use]
    pub fn bundle(&self, base: &str, found: Option<&Match>, mut new_id: impl FnMut() -> Uuid) -> Value {
        let entries = found.map(|found| {
            let mut resource = found.resource(&format!("urn:uuid:{}", new_id()));
            if let (Some(elements), Some(members)) = (&self.elements, resource.as_object_mut()) {
                members.retain(|name, _| name == "resourceType" || elements.contains(name));
            }
            matched(base, found, resource)
        });
        let mut query = Serializer::new(String::new());
        query.append_pair(search::IDENTIFIER, &format!("{}|{}", self.system, self.value));
        if let Some(elements) = &self.elements {
            let elements: Vec<&str> = elements.iter().map(String::as_str).collect();
            query.append_pair(search::ELEMENTS, &elements.join(","));
        }
        let total = usize::from(entries.is_some());
        bundle(base, &query.finish(), entries.into_iter().collect(), total)
    }
}
