//! The Immunization resource, accepted and read.

use ims_domain::person::Gender;
use ims_domain::postcode;
use ims_domain::record::{ImmunisationContent, Patient};
use ims_domain::{ImmunisationId, NhsNumber, VaccineType};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::resource::Node;
use crate::validation::{self, ValidationErrors};
use crate::{time, uri};

/// Why a stored resource could not be read again.
#[derive(Debug, Error)]
pub enum StoredError {
    /// It is not JSON.
    #[error("the stored Immunization is not JSON")]
    Json(#[from] serde_json::Error),
    /// A field without which it means nothing is missing or unreadable.
    #[error("the stored Immunization lacks a readable {0}")]
    Field(&'static str),
}

/// An Immunization that passed validation when it came in.
///
/// `Debug` shows only the vaccine and the day, so that personal data cannot reach a log by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Immunization {
    body: String,
    stated_id: Option<String>,
    system: String,
    value: String,
    nhs_number: Option<NhsNumber>,
    vaccine: VaccineType,
    occurred_at: String,
    occurred_on: Date,
    birth_date: Date,
    given_name: String,
    family_name: String,
    gender: Gender,
    postcode: String,
    dose_number: Option<u8>,
    procedure_code: Option<String>,
    product_code: Option<String>,
    site_code: String,
    location_code: String,
    performer: Option<String>,
}

impl Immunization {
    /// Checks a resource as the national service does at `now`, and reads it.
    ///
    /// # Errors
    /// All that the first failing stage found, in the national service's words.
    pub fn validate(body: &Value, now: Timestamp) -> Result<Self, ValidationErrors> {
        Self::accept(body, now)
    }

    pub(crate) fn accept<N: Node>(resource: &N, now: Timestamp) -> Result<Self, ValidationErrors> {
        let vaccine = validation::check(resource, now)?;
        Self::read(resource, vaccine, resource.stored())
            .map_err(|field| ValidationErrors::one(format!("{field} is a mandatory field")))
    }

    /// Reads a stored resource again, without validation: the rules may have changed since.
    ///
    /// # Errors
    /// If it is not JSON, or a field that every accepted resource has cannot be read.
    pub fn from_stored(text: &str) -> Result<Self, StoredError> {
        let resource: Value = serde_json::from_str(text)?;
        let vaccine = validation::vaccine_type(&resource).map_err(|_| StoredError::Field("protocolApplied"))?;
        Self::read(&resource, vaccine, text.to_owned()).map_err(StoredError::Field)
    }

    /// Reads the fields; the error names one that is missing.
    fn read<N: Node>(resource: &N, vaccine: VaccineType, body: String) -> Result<Self, &'static str> {
        let identifier = resource.get("identifier").and_then(|list| list.items()?.first()).ok_or("identifier")?;
        let patient = validation::patient(resource).ok_or("contained Patient")?;
        let occurred_at = resource.text_at(&["occurrenceDateTime"]).ok_or("occurrenceDateTime")?;
        let names = patient.get("name").and_then(Node::items).unwrap_or_default();
        let name = names.get(validation::current_name(names, Some(occurred_at)));
        let protocol = resource.get("protocolApplied").and_then(|list| list.items()?.first());
        let owned = |text: Option<&str>, field| text.map(str::to_owned).ok_or(field);
        Ok(Self {
            stated_id: resource.text_at(&["id"]).map(str::to_owned),
            system: owned(identifier.text_at(&["system"]), "identifier.system")?,
            value: owned(identifier.text_at(&["value"]), "identifier.value")?,
            nhs_number: patient
                .get("identifier")
                .and_then(|list| list.find("system", uri::NHS_NUMBER)?.text_at(&["value"])?.parse().ok()),
            vaccine,
            occurred_on: time::moment(occurred_at).ok_or("occurrenceDateTime")?.london_date(),
            occurred_at: occurred_at.to_owned(),
            birth_date: patient.text_at(&["birthDate"]).and_then(time::date).ok_or("birthDate")?,
            given_name: name.and_then(|name| Some(joined(name.get("given")?.items()?))).ok_or("given name")?,
            family_name: owned(name.and_then(|name| name.text_at(&["family"])), "family name")?,
            gender: patient.text_at(&["gender"]).and_then(gender).ok_or("gender")?,
            postcode: owned(validation::postal_code(resource), "postalCode")?,
            dose_number: protocol
                .and_then(|protocol| protocol.get("doseNumberPositiveInt")?.integer())
                .and_then(|number| u8::try_from(number).ok()),
            procedure_code: validation::procedure_code(resource).map(str::to_owned),
            product_code: resource
                .get("vaccineCode")
                .and_then(|code| code.get("coding")?.find("system", uri::SNOMED)?.text_at(&["code"]))
                .map(str::to_owned),
            site_code: owned(
                validation::organization(resource).and_then(|actor| actor.text_at(&["identifier", "value"])),
                "performer",
            )?,
            location_code: owned(resource.text_at(&["location", "identifier", "value"]), "location")?,
            performer: professional(resource, occurred_at),
            body,
        })
    }

    /// The record's id, which follows from the supplier's identifier. Computed at each call.
    #[must_use]
    pub fn id(&self) -> ImmunisationId {
        ImmunisationId::of(&self.system, &self.value)
    }

    /// The supplier's identifier, as (system, value).
    #[must_use]
    pub fn identifier(&self) -> (&str, &str) {
        (&self.system, &self.value)
    }

    /// The `id` that the sender wrote into the resource, if any; an update must agree with its path.
    #[must_use]
    pub fn stated_id(&self) -> Option<&str> {
        self.stated_id.as_deref()
    }

    /// The patient's NHS number, where it was sent.
    #[must_use]
    pub fn nhs_number(&self) -> Option<NhsNumber> {
        self.nhs_number
    }

    /// The record as one of the patient with this number, to whom staff attached it: the number that it was sent with is
    /// somebody else's, or nobody's.
    #[must_use]
    pub fn attached_to(self, number: NhsNumber) -> Self {
        Self { nhs_number: Some(number), ..self }
    }

    /// The vaccine type.
    #[must_use]
    pub fn vaccine(&self) -> VaccineType {
        self.vaccine
    }

    /// The day of the vaccination in London.
    #[must_use]
    pub fn occurred_on(&self) -> Date {
        self.occurred_on
    }

    /// The date, or date and time, of the vaccination as sent.
    #[must_use]
    pub fn occurred_at(&self) -> &str {
        &self.occurred_at
    }

    /// The patient's date of birth.
    #[must_use]
    pub fn birth_date(&self) -> Date {
        self.birth_date
    }

    /// The patient's given names, joined by spaces.
    #[must_use]
    pub fn given_name(&self) -> &str {
        &self.given_name
    }

    /// The patient's family name.
    #[must_use]
    pub fn family_name(&self) -> &str {
        &self.family_name
    }

    /// The patient's sex.
    #[must_use]
    pub fn gender(&self) -> Gender {
        self.gender
    }

    /// The patient's postcode as sent.
    #[must_use]
    pub fn postcode(&self) -> &str {
        &self.postcode
    }

    /// Place of the dose in the course, 1 to 9, where it was recorded.
    #[must_use]
    pub fn dose_number(&self) -> Option<u8> {
        self.dose_number
    }

    /// SNOMED CT code of the procedure.
    #[must_use]
    pub fn procedure_code(&self) -> Option<&str> {
        self.procedure_code.as_deref()
    }

    /// SNOMED CT code of the product, where it was recorded.
    #[must_use]
    pub fn product_code(&self) -> Option<&str> {
        self.product_code.as_deref()
    }

    /// Code of the organisation that vaccinated, usually an ODS code.
    #[must_use]
    pub fn site_code(&self) -> &str {
        &self.site_code
    }

    /// Code of the place where the vaccination was given.
    #[must_use]
    pub fn location_code(&self) -> &str {
        &self.location_code
    }

    /// Name of the professional who vaccinated, where it was sent.
    #[must_use]
    pub fn performer(&self) -> Option<&str> {
        self.performer.as_deref()
    }

    /// What the record says, as a person's timeline keeps it.
    #[must_use]
    pub fn content(&self) -> ImmunisationContent {
        self.clone().into_content()
    }

    /// As [`Immunization::content`], without a copy.
    #[must_use]
    pub fn into_content(self) -> ImmunisationContent {
        let patient = Patient {
            nhs_number: self.nhs_number,
            given_name: self.given_name,
            family_name: self.family_name,
            date_of_birth: Some(self.birth_date),
            gender: self.gender,
            postcode: postcode::normalise(&self.postcode),
        };
        ImmunisationContent { vaccine: self.vaccine, occurred_on: self.occurred_on, body: self.body, patient }
    }

    /// The resource as it is stored: as sent, compact, without `id` and `meta`.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The resource as the API answers a read.
    #[must_use]
    pub fn to_json(&self, id: ImmunisationId, version: u32) -> Value {
        let mut sent: Map<String, Value> = serde_json::from_str(&self.body).unwrap_or_default();
        let mut resource = Map::with_capacity(sent.len() + 2);
        resource.insert("resourceType".to_owned(), json!("Immunization"));
        resource.insert("id".to_owned(), json!(id.to_string()));
        resource.insert("meta".to_owned(), json!({"versionId": version.to_string()}));
        sent.retain(|key, _| !resource.contains_key(key));
        resource.extend(sent);
        Value::Object(resource)
    }

    /// The resource as an entry of a search bundle has it: nothing contained, the patient named by `patient_url`, the
    /// full URL of the bundle's Patient, and the identifier of official use unless it says another.
    #[must_use]
    pub fn to_search_json(&self, id: ImmunisationId, version: u32, patient_url: &str) -> Value {
        let mut resource = self.to_json(id, version);
        if let Some(members) = resource.as_object_mut() {
            let contained = members.shift_remove("contained").unwrap_or_default();
            if let Some(Value::Array(performers)) = members.get_mut("performer") {
                let is_internal = |performer: &Value| {
                    performer.text_at(&["actor", "reference"]).is_some_and(|to| to.starts_with('#'))
                };
                performers.retain(|performer| !is_internal(performer));
            }
            if let Some(identifier) = members.get_mut("identifier").and_then(|list| list.get_mut(0)?.as_object_mut()) {
                identifier.entry("use").or_insert_with(|| json!("official"));
            }
            let mut patient = json!({"reference": patient_url, "type": "Patient"});
            if let Some(number) = self.nhs_number {
                patient["identifier"] = json!({"system": uri::NHS_NUMBER, "value": number.to_string()});
            } else if names_no_number(&contained) {
                patient["identifier"] = json!({"system": uri::NHS_NUMBER});
            }
            members.insert("patient".to_owned(), patient);
        }
        resource
    }

    /// The Patient of a search bundle: the NHS number and nothing else. `None` where no number was sent.
    #[must_use]
    pub fn to_patient_json(&self) -> Option<Value> {
        let number = self.nhs_number?.to_string();
        Some(json!({
            "resourceType": "Patient",
            "id": number,
            "identifier": [{"system": uri::NHS_NUMBER, "value": number}],
        }))
    }
}

impl std::fmt::Debug for Immunization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Immunization({} on {}, redacted)", self.vaccine, self.occurred_on)
    }
}

/// Whether a patient among these has an identifier that is to be an NHS number and has no value.
fn names_no_number(contained: &Value) -> bool {
    let patients = contained.as_array().into_iter().flatten().filter(|part| part["resourceType"] == "Patient");
    patients
        .flat_map(|patient| patient["identifier"].as_array().into_iter().flatten())
        .any(|identifier| identifier["system"] == uri::NHS_NUMBER && identifier.get("value").is_none_or(Value::is_null))
}

fn gender(code: &str) -> Option<Gender> {
    [Gender::Male, Gender::Female, Gender::Other, Gender::Unknown].into_iter().find(|gender| gender.fhir() == code)
}

/// Texts joined by spaces.
fn joined<N: Node>(items: &[N]) -> String {
    let mut texts = items.iter().filter_map(Node::text);
    let mut joined = texts.next().unwrap_or_default().to_owned();
    texts.for_each(|text| {
        joined.push(' ');
        joined.push_str(text);
    });
    joined
}

fn professional<N: Node>(resource: &N, occurred_at: &str) -> Option<String> {
    let names = validation::practitioner(resource)?.get("name")?.items()?;
    let name = names.get(validation::current_name(names, Some(occurred_at)))?;
    let given = name.get("given").and_then(Node::items).map(joined).unwrap_or_default();
    let family = name.text_at(&["family"]).unwrap_or_default();
    let full = format!("{given} {family}");
    Some(full.trim().to_owned()).filter(|full| !full.is_empty())
}
