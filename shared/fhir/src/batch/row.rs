//! A row of a batch file, and the change that it asks for.
//!
//! Conversion to FHIR judges nothing: what cannot be converted is passed on as it is written, and validation refuses
//! it in the same words as it would over the API.

use std::borrow::Cow;

use csv::StringRecord;
use ims_domain::person::Gender;
use ims_domain::{ImmunisationId, VaccineType, clock};
use jiff::Timestamp;

use super::file_name::read_time;
use super::{Operation, Operations};
use crate::immunization::Immunization;
use crate::operation_outcome::IssueCode;
use crate::resource::Draft;
use crate::uri;

const INVALID_ACTION_FLAG: &str = "Invalid ACTION_FLAG - ACTION_FLAG must be 'NEW', 'UPDATE' or 'DELETE'";
const NO_PERMISSIONS: &str = "No permissions for requested operation";
const MISSING_UNIQUE_ID: &str = "UNIQUE_ID or UNIQUE_ID_URI is missing";
const NO_DOSE_NUMBER: &str = "Dose sequence not recorded";

/// Identifier systems of two suppliers' earlier file format, and the ones they use now. Both name the same records.
const EARLIER_SYSTEMS: [(&str, &str); 2] =
    [("YGA", "https://tpp-uk.com/Id/ve/vacc"), ("YGJ", "https://emishealth.com/identifiers/vacc")];

/// A column's place in [`super::HEADER`].
#[derive(Clone, Copy)]
#[rustfmt::skip]
enum Column {
    NhsNumber, PersonForename, PersonSurname, PersonDob, PersonGenderCode, PersonPostcode, DateAndTime, SiteCode,
    SiteCodeTypeUri, UniqueId, UniqueIdUri, ActionFlag, PerformingProfessionalForename,
    PerformingProfessionalSurname, RecordedDate, PrimarySource, VaccinationProcedureCode, VaccinationProcedureTerm,
    DoseSequence, VaccineProductCode, VaccineProductTerm, VaccineManufacturer, BatchNumber, ExpiryDate,
    SiteOfVaccinationCode, SiteOfVaccinationTerm, RouteOfVaccinationCode, RouteOfVaccinationTerm, DoseAmount,
    DoseUnitCode, DoseUnitTerm, IndicationCode, LocationCode, LocationCodeTypeUri,
}
use Column as C;

/// The change that a row asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "nearly every row is NEW or UPDATE, so boxing would cost without saving")]
pub enum RowAction {
    /// Create the record.
    New(Immunization),
    /// Replace the record, which must exist.
    Update(Immunization),
    /// Delete the record, which must exist.
    Delete(Delete),
}

/// A record to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// System of the supplier's identifier.
    pub system: String,
    /// The supplier's identifier.
    pub value: String,
    /// Code of the reason, where given.
    pub reason: Option<String>,
    /// When it was recorded, `YYYY-MM-DD`, or as written where it is not a date.
    pub recorded: Option<String>,
}

impl Delete {
    /// The id of the record.
    #[must_use]
    pub fn id(&self) -> ImmunisationId {
        ImmunisationId::of(&self.system, &self.value)
    }
}

/// Why a row was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{diagnostics}")]
pub struct RowError {
    /// `UNIQUE_ID^UNIQUE_ID_URI`
    pub local_id: String,
    /// What is wrong, in the national service's words.
    pub diagnostics: String,
    /// Kind of issue: [`IssueCode::Forbidden`] without permission, else [`IssueCode::Invariant`].
    pub code: IssueCode,
}

/// A row under the header of the format.
#[derive(Debug, Clone, Copy)]
pub struct Row<'r>(Fields<'r>);

/// Fields as a reader gives them, or as a chunk keeps them.
#[derive(Debug, Clone, Copy)]
enum Fields<'r> {
    Record(&'r StringRecord),
    Values(&'r [String]),
}

impl<'r> Row<'r> {
    /// A row with the columns of [`super::HEADER`]; missing ones are empty, further ones are not looked at.
    #[must_use]
    pub fn new(record: &'r StringRecord) -> Self {
        Self(Fields::Record(record))
    }

    /// As [`Row::new`], of fields one by one.
    #[must_use]
    pub fn of(values: &'r [String]) -> Self {
        Self(Fields::Values(values))
    }

    fn field(self, column: Column) -> &'r str {
        match self.0 {
            Fields::Record(record) => record.get(column as usize),
            Fields::Values(values) => values.get(column as usize).map(String::as_str),
        }
        .unwrap_or_default()
    }

    /// The supplier's identifier, as (system, value); an earlier system is given as the one now in use.
    #[must_use]
    pub fn identifier(self) -> (&'r str, &'r str) {
        let system = self.field(C::UniqueIdUri);
        let current = EARLIER_SYSTEMS.iter().find(|(earlier, _)| *earlier == system).map(|(_, current)| *current);
        (current.unwrap_or(system), self.field(C::UniqueId))
    }

    /// `UNIQUE_ID^UNIQUE_ID_URI`, by which acknowledgements name the row.
    #[must_use]
    pub fn local_id(self) -> String {
        let (system, value) = self.identifier();
        format!("{value}^{system}")
    }

    /// The change that the row asks for. `vaccine` is the file's, `allowed` what its supplier may do with it.
    ///
    /// # Errors
    /// The first of: a wrong action flag, no permission, no identifier, and what validation at `now` finds.
    pub fn action(self, vaccine: VaccineType, allowed: Operations, now: Timestamp) -> Result<RowAction, RowError> {
        let refuse = |code, diagnostics: String| RowError { local_id: self.local_id(), diagnostics, code };
        let flag = self.field(C::ActionFlag);
        let operation = match flag {
            _ if flag.eq_ignore_ascii_case("NEW") => Operation::Create,
            _ if flag.eq_ignore_ascii_case("UPDATE") => Operation::Update,
            _ if flag.eq_ignore_ascii_case("DELETE") => Operation::Delete,
            _ => return Err(refuse(IssueCode::Invariant, INVALID_ACTION_FLAG.to_owned())),
        };
        if !allowed.contains(operation) {
            return Err(refuse(IssueCode::Forbidden, NO_PERMISSIONS.to_owned()));
        }
        let (system, value) = self.identifier();
        if system.is_empty() || value.is_empty() {
            return Err(refuse(IssueCode::Invariant, MISSING_UNIQUE_ID.to_owned()));
        }
        if operation == Operation::Delete {
            let present = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            return Ok(RowAction::Delete(Delete {
                system: system.to_owned(),
                value: value.to_owned(),
                reason: present(self.field(C::IndicationCode)),
                recorded: present(&date(self.field(C::RecordedDate))),
            }));
        }
        let immunization = Immunization::accept(&self.to_draft(vaccine), now)
            .map_err(|errors| refuse(IssueCode::Invariant, errors.to_string()))?;
        Ok(match operation {
            Operation::Create => RowAction::New(immunization),
            _ => RowAction::Update(immunization),
        })
    }

    /// The row as an Immunization. What is empty is left out.
    fn to_draft(self, vaccine: VaccineType) -> Draft<'r> {
        let field = |column| self.field(column);
        let mut members: Vec<(&'static str, Draft<'r>)> = Vec::with_capacity(20);
        let mut add = |key, value: Option<Draft<'r>>| {
            if let Some(value) = value {
                members.push((key, value));
            }
        };
        add("resourceType", Some(Draft::of("Immunization")));
        let (patient, practitioner) = (self.patient(), self.practitioner());
        let refers_to_patient = patient.is_some();
        let refers_to_practitioner = practitioner.is_some();
        let contained: Vec<_> = patient.into_iter().chain(practitioner).collect();
        add("contained", (!contained.is_empty()).then_some(Draft::List(contained)));
        let procedure = coded(uri::SNOMED, field(C::VaccinationProcedureCode), field(C::VaccinationProcedureTerm));
        add(
            "extension",
            procedure.map(|concept| {
                list(Draft::Object(vec![
                    ("url", Draft::of(uri::VACCINATION_PROCEDURE)),
                    ("valueCodeableConcept", concept),
                ]))
            }),
        );
        let (system, value) = self.identifier();
        add("identifier", Draft::object_of(&[("system", system), ("value", value)]).map(list));
        add("status", Some(Draft::of("completed")));
        let product = coded(uri::SNOMED, field(C::VaccineProductCode), field(C::VaccineProductTerm));
        add("vaccineCode", product.or_else(|| coded(uri::NULL_FLAVOUR, "NAVU", "Not available")));
        add("patient", refers_to_patient.then(|| Draft::Object(vec![("reference", Draft::of("#Patient1"))])));
        add("occurrenceDateTime", converted(field(C::DateAndTime), date_time));
        add("recorded", converted(field(C::RecordedDate), date));
        add("primarySource", flag(field(C::PrimarySource)));
        add("manufacturer", Draft::object_of(&[("display", field(C::VaccineManufacturer))]));
        let location =
            Draft::object_of(&[("system", field(C::LocationCodeTypeUri)), ("value", field(C::LocationCode))]);
        add("location", location.map(|identifier| Draft::Object(vec![("identifier", identifier)])));
        add("lotNumber", text(field(C::BatchNumber)));
        add("expirationDate", converted(field(C::ExpiryDate), date));
        add("site", coded(uri::SNOMED, field(C::SiteOfVaccinationCode), field(C::SiteOfVaccinationTerm)));
        add("route", coded(uri::SNOMED, field(C::RouteOfVaccinationCode), field(C::RouteOfVaccinationTerm)));
        add("doseQuantity", self.dose_quantity());
        add("performer", self.performers(refers_to_practitioner));
        add(
            "reasonCode",
            text(field(C::IndicationCode)).and_then(|_| coded(uri::SNOMED, field(C::IndicationCode), "")).map(list),
        );
        add("protocolApplied", Some(list(self.protocol(vaccine))));
        Draft::Object(members)
    }

    fn patient(self) -> Option<Draft<'r>> {
        let field = |column| self.field(column);
        let mut members = Vec::with_capacity(7);
        let number = text(field(C::NhsNumber))
            .map(|number| list(Draft::Object(vec![("system", Draft::of(uri::NHS_NUMBER)), ("value", number)])));
        let address = Draft::object_of(&[("postalCode", field(C::PersonPostcode))]).map(list);
        for (key, value) in [
            ("identifier", number),
            ("name", name(field(C::PersonForename), field(C::PersonSurname))),
            ("gender", converted(field(C::PersonGenderCode), gender)),
            ("birthDate", converted(field(C::PersonDob), date)),
            ("address", address),
        ] {
            members.extend(value.map(|value| (key, value)));
        }
        if members.is_empty() {
            return None;
        }
        members.splice(0..0, [("resourceType", Draft::of("Patient")), ("id", Draft::of("Patient1"))]);
        Some(Draft::Object(members))
    }

    fn practitioner(self) -> Option<Draft<'r>> {
        let forename = self.field(C::PerformingProfessionalForename);
        let name = name(forename, self.field(C::PerformingProfessionalSurname))?;
        Some(Draft::Object(vec![
            ("resourceType", Draft::of("Practitioner")),
            ("id", Draft::of("Practitioner1")),
            ("name", name),
        ]))
    }

    fn performers(self, refers_to_practitioner: bool) -> Option<Draft<'r>> {
        let actor = |members| Draft::Object(vec![("actor", Draft::Object(members))]);
        let site = [("system", self.field(C::SiteCodeTypeUri)), ("value", self.field(C::SiteCode))];
        let organization = Draft::object_of(&site)
            .map(|identifier| actor(vec![("type", Draft::of("Organization")), ("identifier", identifier)]));
        let practitioner = refers_to_practitioner.then(|| actor(vec![("reference", Draft::of("#Practitioner1"))]));
        let performers: Vec<_> = organization.into_iter().chain(practitioner).collect();
        (!performers.is_empty()).then_some(Draft::List(performers))
    }

    fn dose_quantity(self) -> Option<Draft<'r>> {
        let code = self.field(C::DoseUnitCode);
        let mut members = Vec::with_capacity(4);
        members.extend(number(self.field(C::DoseAmount)).map(|value| ("value", value)));
        members.extend(text(self.field(C::DoseUnitTerm)).map(|unit| ("unit", unit)));
        if !code.is_empty() {
            members.push(("system", Draft::of(uri::SNOMED)));
            members.push(("code", Draft::of(code)));
        }
        (!members.is_empty()).then_some(Draft::Object(members))
    }

    fn protocol(self, vaccine: VaccineType) -> Draft<'r> {
        let diseases = vaccine.diseases().iter().filter_map(|(code, term)| coded(uri::SNOMED, code, term));
        let sequence = self.field(C::DoseSequence);
        let dose = match sequence.trim().parse() {
            Ok(number) => ("doseNumberPositiveInt", Draft::Integer(number)),
            Err(_) if sequence.is_empty() => ("doseNumberString", Draft::of(NO_DOSE_NUMBER)),
            Err(_) => ("doseNumberPositiveInt", Draft::of(sequence)),
        };
        Draft::Object(vec![("targetDisease", Draft::List(diseases.collect())), dose])
    }
}

fn list(item: Draft<'_>) -> Draft<'_> {
    Draft::List(vec![item])
}

fn text(text: &str) -> Option<Draft<'_>> {
    (!text.is_empty()).then(|| Draft::of(text))
}

fn converted<'r>(text: &'r str, convert: fn(&'r str) -> Cow<'r, str>) -> Option<Draft<'r>> {
    (!text.is_empty()).then(|| Draft::Text(convert(text)))
}

/// A concept with one coding; `None` where neither code nor display is given.
fn coded<'r>(system: &'static str, code: &'r str, display: &'r str) -> Option<Draft<'r>> {
    if code.is_empty() && display.is_empty() {
        return None;
    }
    let coding = Draft::object_of(&[("system", system), ("code", code), ("display", display)])?;
    Some(Draft::Object(vec![("coding", list(coding))]))
}

fn name<'r>(forename: &'r str, surname: &'r str) -> Option<Draft<'r>> {
    let mut members = Vec::with_capacity(2);
    members.extend(text(surname).map(|surname| ("family", surname)));
    members.extend(text(forename).map(|forename| ("given", list(forename))));
    (!members.is_empty()).then(|| list(Draft::Object(members)))
}

/// A number where it is one, else the text.
fn number(amount: &str) -> Option<Draft<'_>> {
    let trimmed = amount.trim();
    let decimal = || trimmed.parse().ok().filter(|number: &f64| number.is_finite()).map(Draft::Decimal);
    (!amount.is_empty()).then(|| trimmed.parse().ok().map(Draft::Integer).or_else(decimal).unwrap_or(Draft::of(amount)))
}

/// A boolean where it is one in any case, else the text.
fn flag(value: &str) -> Option<Draft<'_>> {
    (!value.is_empty()).then(|| match value {
        _ if value.eq_ignore_ascii_case("true") => Draft::Flag(true),
        _ if value.eq_ignore_ascii_case("false") => Draft::Flag(false),
        _ => Draft::of(value),
    })
}

fn gender(code: &str) -> Cow<'_, str> {
    Cow::Borrowed(match Gender::from_code(code) {
        Some(gender) => gender.fhir(),
        None => code,
    })
}

/// `YYYYMMDD` as `YYYY-MM-DD`; anything else as it is.
fn date(text: &str) -> Cow<'_, str> {
    match clock::parse_compact(text) {
        Some(_) => Cow::Owned([&text[..4], "-", &text[4..6], "-", &text[6..]].concat()),
        None => Cow::Borrowed(text),
    }
}

/// `YYYYMMDDThhmmss`, with `00` for UTC (also where nothing is said) or `01` for British Summer Time, as FHIR writes
/// it; anything else as it is.
fn date_time(text: &str) -> Cow<'_, str> {
    let offset = match text.get(15..) {
        Some("" | "00") => "+00:00",
        Some("01") => "+01:00",
        _ => return Cow::Borrowed(text),
    };
    let parts = (text.get(..8), text.get(8..9), text.get(9..15));
    let (Some(day), Some("T"), Some(time)) = parts else { return Cow::Borrowed(text) };
    if clock::parse_compact(day).is_none() || read_time(time).is_none() {
        return Cow::Borrowed(text);
    }
    let (y, m, d) = (&day[..4], &day[4..6], &day[6..]);
    Cow::Owned([y, "-", m, "-", d, "T", &time[..2], ":", &time[2..4], ":", &time[4..], offset].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_converted_or_left() {
        for (from, to) in [
            ("20250730T115250", "2025-07-30T11:52:50+00:00"),
            ("20250730T11525000", "2025-07-30T11:52:50+00:00"),
            ("20250730T11525001", "2025-07-30T11:52:50+01:00"),
            ("20250730T11525002", "20250730T11525002"),
            ("20250230T11525000", "20250230T11525000"),
            ("20250730T25525000", "20250730T25525000"),
            ("20250730 11525000", "20250730 11525000"),
            ("2025073éT1152500", "2025073éT1152500"),
            ("20250730", "20250730"),
        ] {
            assert_eq!(date_time(from), to);
        }
        assert_eq!(date("20240229"), "2024-02-29");
        assert_eq!(date("20230229"), "20230229");
        assert_eq!(date(" "), " ");
    }

    #[test]
    fn numbers_are_numbers_only_where_they_are_finite() {
        assert_eq!(number("1"), Some(Draft::Integer(1)));
        assert_eq!(number("0.50"), Some(Draft::Decimal(0.5)));
        for wrong in ["half", "inf", "NaN", " ", "1e999"] {
            assert_eq!(number(wrong), Some(Draft::of(wrong)));
        }
        assert_eq!(number(""), None);
    }
}
