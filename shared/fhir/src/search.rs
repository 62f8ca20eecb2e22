//! Searches for immunisations: read from the parameters of a query or a form, with the national service's checks, in its
//! order and its words.

use std::collections::{BTreeMap, BTreeSet};

use ims_domain::{ImmunisationId, NhsNumber, VaccineType};
use jiff::civil::Date;
use thiserror::Error;

use crate::operation_outcome::text;
use crate::{Immunization, IssueCode, OperationOutcome, time, uri};

pub(crate) const PATIENT: &str = "patient.identifier";
pub(crate) const TARGET: &str = "-immunization.target";
pub(crate) const DISEASE: &str = "target-disease";
pub(crate) const FROM: &str = "-date.from";
pub(crate) const TO: &str = "-date.to";
pub(crate) const INCLUDE: &str = "_include";
pub(crate) const IDENTIFIER: &str = "identifier";
pub(crate) const ELEMENTS: &str = "_elements";
/// All parameters of a search.
pub const SEARCH_PARAMETERS: [&str; 8] = [PATIENT, TARGET, DISEASE, FROM, TO, INCLUDE, IDENTIFIER, ELEMENTS];
/// What a search by patient may carry; a search by identifier carries none of them.
const OF_PATIENT_SEARCH: [&str; 6] = [PATIENT, TARGET, DISEASE, FROM, TO, INCLUDE];

/// Why a search cannot be made, in the national service's words. Never repeats an NHS number.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidSearch(String);

impl InvalidSearch {
    fn new<T>(text: impl Into<String>) -> Result<T, Self> {
        Err(Self(text.into()))
    }
}

/// A search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// By person and vaccine types or diseases.
    Patient(PatientSearch),
    /// By the supplier's identifier.
    Identifier(IdentifierSearch),
}

/// A search for what a person was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientSearch {
    /// Whom.
    pub number: NhsNumber,
    /// Vaccine types. None where no vaccine type is for any of the diseases asked for; then nothing is found.
    pub targets: BTreeSet<VaccineType>,
    /// The diseases asked for, as sent, where the search is by disease.
    pub(crate) diseases: BTreeSet<String>,
    /// First day, included.
    pub(crate) from: Option<Date>,
    /// Last day, included.
    pub(crate) to: Option<Date>,
    /// `_include` as sent.
    pub(crate) include: Option<String>,
    /// What was not understood of the rest.
    pub(crate) warnings: Vec<OperationOutcome>,
}

/// A search for the record with a supplier's identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentifierSearch {
    pub(crate) system: String,
    pub(crate) value: String,
    /// Of the resource, only these members (`id`, `meta`) are wanted; all where absent.
    pub(crate) elements: Option<BTreeSet<String>>,
}

impl Search {
    /// Reads the parameters of a query, a form, or both.
    ///
    /// # Errors
    /// The first thing that makes the search impossible; dates and `_include` are judged together.
    pub fn read(parameters: impl IntoIterator<Item = (String, String)>) -> Result<Self, InvalidSearch> {
        let parameters = Parameters::read(parameters)?;
        if parameters.has(DISEASE) && (parameters.has(TARGET) || parameters.has(IDENTIFIER)) {
            return InvalidSearch::new(format!(
                "Search parameter {DISEASE} cannot be used with {TARGET} or {IDENTIFIER}. Use one search type only."
            ));
        }
        if parameters.has(IDENTIFIER) || parameters.has(ELEMENTS) {
            return IdentifierSearch::read(&parameters).map(Self::Identifier);
        }
        PatientSearch::read(&parameters).map(Self::Patient)
    }
}

/// Parameters by name, their values taken apart at commas.
struct Parameters(BTreeMap<String, Vec<String>>);

impl Parameters {
    fn read(sent: impl IntoIterator<Item = (String, String)>) -> Result<Self, InvalidSearch> {
        let mut parameters = BTreeMap::new();
        for (name, value) in sent {
            let values = value.split(',').map(|value| value.trim().to_owned()).collect();
            if parameters.insert(name, values).is_some() {
                return InvalidSearch::new("Parameters may not be duplicated. Use commas for \"or\".");
            }
        }
        if parameters.is_empty() {
            return InvalidSearch::new(format!("No parameter provided. Search using either {IDENTIFIER} or {PATIENT}"));
        }
        Ok(Self(parameters))
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn values(&self, name: &str) -> &[String] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}

impl PatientSearch {
    fn read(parameters: &Parameters) -> Result<Self, InvalidSearch> {
        let number = number(parameters)?;
        let mut search = if parameters.has(DISEASE) {
            Self::by_disease(number, parameters)?
        } else {
            Self::by_target(number, parameters)?
        };
        let mut errors = Vec::new();
        search.from = day(parameters, FROM, &mut errors);
        search.to = day(parameters, TO, &mut errors);
        search.include = parameters.values(INCLUDE).first().cloned();
        if search.include.as_ref().is_some_and(|include| !include.eq_ignore_ascii_case("Immunization:patient")) {
            errors.push(format!("Search parameter {INCLUDE} may only be 'Immunization:patient' if provided."));
        }
        if !errors.is_empty() {
            return InvalidSearch::new(errors.join("; "));
        }
        if search.from.zip(search.to).is_some_and(|(from, to)| from > to) {
            return InvalidSearch::new(format!("Search parameter {FROM} must be before {TO}"));
        }
        Ok(search)
    }

    fn new(number: NhsNumber) -> Self {
        let (targets, diseases) = (BTreeSet::new(), BTreeSet::new());
        Self { number, targets, diseases, from: None, to: None, include: None, warnings: Vec::new() }
    }

    fn by_target(number: NhsNumber, parameters: &Parameters) -> Result<Self, InvalidSearch> {
        let known = |code: &str| VaccineType::all().find(|vaccine| vaccine.code() == code);
        let mut search = Self::new(number);
        let mut ignored = BTreeSet::new();
        if parameters.values(TARGET).is_empty() {
            return InvalidSearch::new(format!("Search parameter {TARGET} must have one or more values."));
        }
        for target in parameters.values(TARGET) {
            match known(target) {
                Some(vaccine) => _ = search.targets.insert(vaccine),
                None => _ = ignored.insert(target.clone()),
            }
        }
        if search.targets.is_empty() {
            let codes: BTreeSet<&str> = VaccineType::all().map(VaccineType::code).collect();
            let codes: Vec<&str> = codes.into_iter().collect();
            return InvalidSearch::new(format!("{TARGET} must be one or more of the following: {}", codes.join(", ")));
        }
        if !ignored.is_empty() {
            let ignored: Vec<String> = ignored.into_iter().collect();
            search.warnings.push(OperationOutcome::warning(IssueCode::Invalid, text::ignored_targets(&ignored)));
        }
        Ok(search)
    }

    fn by_disease(number: NhsNumber, parameters: &Parameters) -> Result<Self, InvalidSearch> {
        let mut search = Self::new(number);
        let (mut unknown, mut malformed) = (BTreeSet::new(), false);
        let values = parameters.values(DISEASE).iter().filter(|value| !value.is_empty());
        for value in values {
            let code = value.split_once('|').map(|(system, code)| (system.trim(), code.trim()));
            let warning = match code {
                Some((uri::SNOMED, code)) if !code.is_empty() => {
                    let mut vaccines = VaccineType::against(code).peekable();
                    if vaccines.peek().is_some() {
                        search.targets.extend(vaccines);
                        search.diseases.insert(value.clone());
                        continue;
                    }
                    unknown.insert(value.clone());
                    format!("Target disease code '{code}' is not a supported target disease in this service.")
                }
                _ => {
                    malformed = true;
                    format!(
                        "Invalid format for '{value}': Search parameter {DISEASE} must be in the format \
                         \"{snomed}|{{SNOMED code}}\" e.g. \"{snomed}|14189004\"",
                        snomed = uri::SNOMED
                    )
                }
            };
            search.warnings.push(OperationOutcome::warning(IssueCode::Invalid, warning));
        }
        match (search.targets.is_empty(), unknown.is_empty(), malformed) {
            (false, ..) => {}
            (true, true, false) => {
                return InvalidSearch::new(format!("Search parameter {DISEASE} must have one or more values."));
            }
            // Well formed, but for nothing that is vaccinated against: a search that finds nothing.
            (true, false, false) => {
                search.diseases = unknown;
                search.warnings = vec![OperationOutcome::warning(IssueCode::Invalid, text::NO_SUCH_DISEASE)];
            }
            (true, _, true) => {
                return InvalidSearch::new(format!(
                    "Search parameter {DISEASE} must be one or more valid SNOMED codes from the supported target disease \
                     list."
                ));
            }
        }
        Ok(search)
    }

    /// Whether the search asks for a record: it names one of the person's numbers, and was given on one of the days. The
    /// day is the one written in the record, whatever its offset. Vaccine types are a matter of permission too, and left
    /// to the caller.
    #[must_use]
    pub fn covers(&self, numbers: &[NhsNumber], given: &Immunization) -> bool {
        let day = given.occurred_at().get(..10).and_then(time::date).unwrap_or(given.occurred_on());
        given.nhs_number().is_some_and(|number| numbers.contains(&number))
            && self.from.is_none_or(|from| from <= day)
            && self.to.is_none_or(|to| day <= to)
    }
}

fn number(parameters: &Parameters) -> Result<NhsNumber, InvalidSearch> {
    let [identifier] = parameters.values(PATIENT) else {
        return InvalidSearch::new(format!("Search parameter {PATIENT} must have one value."));
    };
    let number = match identifier.split('|').collect::<Vec<_>>()[..] {
        [uri::NHS_NUMBER, number] => number,
        _ => {
            return InvalidSearch::new(format!(
                "{PATIENT} must be in the format of \"{system}|{{NHS number}}\" e.g. \"{system}|9000000009\"",
                system = uri::NHS_NUMBER
            ));
        }
    };
    number.parse().or_else(|_| InvalidSearch::new(format!("Search parameter {PATIENT} must be a valid NHS number.")))
}

fn day(parameters: &Parameters, name: &str, errors: &mut Vec<String>) -> Option<Date> {
    let values = parameters.values(name);
    if values.len() > 1 {
        errors.push(format!("Search parameter {name} may have one value at most."));
    }
    let day = time::date(values.first()?);
    if day.is_none() {
        errors.push(format!("Search parameter {name} must be in format: YYYY-MM-DD"));
    }
    day
}

impl IdentifierSearch {
    fn read(parameters: &Parameters) -> Result<Self, InvalidSearch> {
        if parameters.has(PATIENT) && parameters.has(IDENTIFIER) {
            return InvalidSearch::new("Search parameter should have either identifier or patient.identifier");
        }
        if OF_PATIENT_SEARCH.iter().any(|name| parameters.has(name)) {
            return InvalidSearch::new("Identifier search included patient.identifier search parameters");
        }
        let format = || {
            InvalidSearch::new(
                "Search parameter identifier must have one value and must be in the format of \
                 \"identifier.system|identifier.value\" \"http://xyz.org/vaccs|2345-gh3s-r53h7-12ny\"",
            )
        };
        let identifier = match parameters.values(IDENTIFIER) {
            [identifier] if !identifier.is_empty() => identifier,
            [_, _, ..] => return format(),
            _ if parameters.has(ELEMENTS) => {
                return InvalidSearch::new("Search parameter _elements must have the following parameter: identifier");
            }
            _ => return format(),
        };
        let Some((system, value)) = identifier.split_once('|').filter(|_| !identifier.contains(' ')) else {
            return format();
        };
        let elements = match parameters.values(ELEMENTS) {
            [] => None,
            elements if elements.iter().all(|element| matches!(element.as_str(), "id" | "meta")) => {
                Some(elements.iter().cloned().collect())
            }
            _ => return InvalidSearch::new("_elements must be one or more of the following: id,meta"),
        };
        Ok(Self { system: system.to_owned(), value: value.to_owned(), elements })
    }

    /// The id of the record that has the identifier, if there is one.
    #[must_use]
    pub fn id(&self) -> ImmunisationId {
        ImmunisationId::of(&self.system, &self.value)
    }
}
