//! Rows of a chunk as changes, or as refusals.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use ims_domain::matching::Difference;
use ims_domain::person::FullList;
use ims_domain::record::{Action, Change, Outcome, Source};
use ims_domain::{ImmunisationId, NhsNumber, VaccineType};
use ims_fhir::batch::{HEADER, Operations, Row, RowAction};
use ims_fhir::operation_outcome::text;
use ims_runtime::auth::Permissions;
use ims_store::{FeedFile, RowFailure};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::chunk::Unmatched;
use crate::feed::{BOOKINGS, COHORT_LIST, COHORTS, DEMOGRAPHICS, DETAILS, Feed};
use crate::fields::RowErrors;
use crate::{bookings, cohorts, demographics, details, lists};

/// What all rows of a file have in common.
#[derive(Debug, Clone)]
pub struct Context {
    /// Feed.
    pub feed: Feed,
    /// File, as sources name it.
    pub file: String,
    /// Who sent it.
    pub supplier: String,
    /// Vaccine type and what the sender may do with it, for vaccinations.
    pub vaccine: Option<(VaccineType, Operations)>,
    /// Place of the file among its sender's.
    pub order: String,
    /// Business day.
    pub today: Date,
    /// The list that the file is, for a full list of a cohort.
    pub list: Option<FullList>,
}

impl Context {
    /// The context of a file's rows; `None` where the file's item names no feed, vaccinations without vaccine, or a full
    /// list without saying which.
    #[must_use]
    pub fn of(file: &FeedFile, order: &str, today: Date, permissions: &Permissions) -> Option<Self> {
        let feed = Feed::named(&file.feed)?;
        let vaccine = match &file.vaccine {
            Some(code) => {
                let vaccine: VaccineType = code.parse().ok()?;
                let granted = ['C', 'U', 'D'].iter().filter(|op| permissions.allows(&file.supplier, code, **op));
                Some((vaccine, Operations::from_letters(&granted.collect::<String>())))
            }
            None if feed == Feed::Vaccinations => return None,
            None => None,
        };
        if feed == Feed::CohortList && file.list.is_none() {
            return None;
        }
        let (list, supplier, file) = (file.list.clone(), file.supplier.clone(), file.name.clone());
        Some(Self { feed, file, supplier, vaccine, order: order.to_owned(), today, list })
    }

    /// The last second of the business day in London: a file is judged by the day.
    fn end_of_day(&self) -> Timestamp {
        static LONDON: LazyLock<TimeZone> = LazyLock::new(|| TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC));
        let next = self.today.tomorrow().and_then(|day| day.to_zoned(LONDON.clone()));
        next.map(|next| next.timestamp() - Span::new().seconds(1)).unwrap_or(Timestamp::MAX)
    }
}

/// A row that may be applied.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Row in the file, from 1.
    pub row: u64,
    /// The supplier's own name for it.
    pub local_id: String,
    /// Whom it is about, where it says so.
    pub number: Option<NhsNumber>,
    /// The change.
    pub change: Change,
    /// The supplier's identifier of an immunisation, as (system, value).
    identifier: Option<(String, String)>,
}

impl Prepared {
    /// The immunisation it is about.
    #[must_use]
    pub fn immunisation(&self) -> Option<ImmunisationId> {
        match &self.change {
            Change::Immunisation { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// The refusal that follows from an outcome; `None` where the row was accepted.
    #[must_use]
    pub fn refusal(&self, outcome: Outcome) -> Option<RowFailure> {
        let (system, value) = self.identifier.as_ref().map_or(("", ""), |(system, value)| (system, value));
        match outcome {
            Outcome::Applied | Outcome::AlreadyKnown => None,
            Outcome::Duplicate if self.identifier.is_none() => {
                Some(self.refused(demographics::OTHER_CONTENT.to_owned()))
            }
            Outcome::Duplicate => Some(self.refused(text::duplicate(system, value))),
            Outcome::NotFound => Some(self.refused(text::not_found(&format!("{system}#{value}")))),
        }
    }

    /// That the row was stored and its record waits in the matching queue.
    #[must_use]
    pub fn unmatched(&self, differences: BTreeSet<Difference>) -> Unmatched {
        Unmatched { row: self.row, local_id: self.local_id.clone(), differences }
    }

    /// Whether the identifier's system was written as an earlier one.
    pub(crate) fn is_renamed(&self, values: &[String]) -> bool {
        let written = written(values, "UNIQUE_ID_URI");
        self.identifier.as_ref().zip(written).is_some_and(|((system, _), written)| system != written)
    }

    /// The patient's postcode as written, for a vaccination.
    pub(crate) fn postcode_as_sent<'v>(&self, values: &'v [String]) -> Option<&'v str> {
        written(values, "PERSON_POSTCODE")
    }

    /// A refusal of this row.
    #[must_use]
    pub fn refused(&self, diagnostics: String) -> RowFailure {
        RowFailure { row: self.row, local_id: self.local_id.clone(), diagnostics }
    }
}

/// Reads a row.
///
/// # Errors
/// The refusal that the acknowledgement lists.
pub fn read(context: &Context, row: u64, values: &[String]) -> Result<Prepared, RowFailure> {
    let source =
        Source { supplier: context.supplier.clone(), file: context.file.clone(), order: context.order.clone(), row };
    let today = context.today;
    let (local_id, change) = match (context.feed, context.vaccine) {
        (Feed::Vaccinations, vaccine) => {
            let (vaccine, allowed) = vaccine.ok_or_else(|| RowFailure {
                row,
                local_id: String::new(),
                diagnostics: "the file names no vaccine type".to_owned(),
            })?;
            return vaccination(values, vaccine, allowed, context.end_of_day(), source);
        }
        (Feed::Demographics, _) => {
            (local_id(&DEMOGRAPHICS, values, "SERIAL_CHANGE_NUMBER", row), demographics::read(values, today))
        }
        (Feed::Cohorts, _) => (local_id(&COHORTS, values, "COHORT_LABEL", row), cohorts::read(values, today, &source)),
        (Feed::CohortList, _) => {
            let missing =
                || RowFailure { row, local_id: String::new(), diagnostics: "the file names no list".to_owned() };
            let list = context.list.as_ref().ok_or_else(missing)?;
            (local_id(&COHORT_LIST, values, "RECORD_TYPE", row), lists::read_member(values, today, list, &source))
        }
        (Feed::Details, _) => (local_id(&DETAILS, values, "FIELD", row), details::read(values, today, &source)),
        // Capacity is about nobody and changes nobody: its chunks are kept before this is asked.
        (Feed::Capacity, _) => return Err(refused_as(row, "capacity is about no person")),
        (Feed::Bookings, _) => {
            (local_id(&BOOKINGS, values, "BOOKING_REFERENCE_NUMBER", row), bookings::read(values, today, source))
        }
    };
    match change {
        Ok((number, change)) => Ok(Prepared { row, local_id, number: Some(number), change, identifier: None }),
        Err(errors) => Err(refused(row, local_id, &errors)),
    }
}

fn refused_as(row: u64, why: &str) -> RowFailure {
    RowFailure { row, local_id: String::new(), diagnostics: why.to_owned() }
}

fn refused(row: u64, local_id: String, errors: &RowErrors) -> RowFailure {
    RowFailure { row, local_id, diagnostics: errors.to_string() }
}

/// The sender's own name for a row that has no identifier of its own: a field that is not personal, and the row.
fn local_id(columns: &[&str], values: &[String], field: &str, row: u64) -> String {
    let value = columns.iter().position(|column| *column == field).and_then(|place| values.get(place));
    format!("{}^{row}", value.map_or("", |value| value.trim()))
}

/// A vaccination's field as written.
fn written<'v>(values: &'v [String], column: &str) -> Option<&'v str> {
    let place = HEADER.iter().position(|known| *known == column)?;
    values.get(place).map(String::as_str)
}

fn vaccination(
    values: &[String],
    vaccine: VaccineType,
    allowed: Operations,
    now: Timestamp,
    source: Source,
) -> Result<Prepared, RowFailure> {
    let row = Row::of(values);
    let (local_id, number) = (row.local_id(), source.row);
    let identifier = row.identifier();
    let action = row.action(vaccine, allowed, now).map_err(|error| RowFailure {
        row: number,
        local_id: error.local_id,
        diagnostics: error.diagnostics,
    })?;
    let id = ImmunisationId::of(identifier.0, identifier.1);
    let (action, number, content) = match action {
        RowAction::New(given) => (Action::New, given.nhs_number(), Some(given.into_content())),
        RowAction::Update(given) => (Action::Update, given.nhs_number(), Some(given.into_content())),
        RowAction::Delete(_) => (Action::Delete, values.first().and_then(|number| number.trim().parse().ok()), None),
    };
    Ok(Prepared {
        row: source.row,
        local_id,
        number,
        identifier: Some((identifier.0.to_owned(), identifier.1.to_owned())),
        change: Change::Immunisation { action, id, content, source },
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use jiff::civil::date;

    /// The context of a flu file on 1 October 2025.
    pub(crate) fn context() -> Context {
        Context {
            feed: Feed::Vaccinations,
            file: "FLU_Vaccinations_v5_YGM41_20251001T05000000.csv".into(),
            supplier: "EMIS".into(),
            vaccine: Some(("FLU".parse().unwrap(), Operations::ALL)),
            order: "20251001T050000".into(),
            today: date(2025, 10, 1),
            list: None,
        }
    }

    /// A flu vaccination with these fields changed.
    pub(crate) fn vaccination(changes: &[(&str, &str)]) -> Vec<String> {
        let mut values = vec![String::new(); HEADER.len()];
        let base = [
            ("NHS_NUMBER", "9990000018"),
            ("PERSON_FORENAME", "Ada"),
            ("PERSON_SURNAME", "Byron"),
            ("PERSON_DOB", "19500115"),
            ("PERSON_GENDER_CODE", "2"),
            ("PERSON_POSTCODE", "CB3 8DX"),
            ("DATE_AND_TIME", "20251001T10000000"),
            ("SITE_CODE", "RJ1"),
            ("SITE_CODE_TYPE_URI", "https://fhir.nhs.uk/Id/ods-organization-code"),
            ("UNIQUE_ID", "u1"),
            ("UNIQUE_ID_URI", "https://supplier.example"),
            ("ACTION_FLAG", "NEW"),
            ("RECORDED_DATE", "20251001"),
            ("PRIMARY_SOURCE", "TRUE"),
            ("VACCINATION_PROCEDURE_CODE", "822851000000102"),
            ("LOCATION_CODE", "X99999"),
            ("LOCATION_CODE_TYPE_URI", "https://fhir.nhs.uk/Id/ods-organization-code"),
        ];
        for (field, value) in base.iter().chain(changes) {
            values[HEADER.iter().position(|column| column == field).unwrap()] = (*value).to_owned();
        }
        values
    }

    #[test]
    fn a_new_row_is_a_change_of_the_person_it_names() {
        let row = read(&context(), 3, &vaccination(&[])).unwrap();
        assert_eq!(row.number.unwrap().to_string(), "9990000018");
        assert_eq!(row.local_id, "u1^https://supplier.example");
        let Change::Immunisation { action, content, source, .. } = row.change else { panic!() };
        assert_eq!((action, source.row, source.order.as_str()), (Action::New, 3, "20251001T050000"));
        assert_eq!(content.unwrap().occurred_on, date(2025, 10, 1));
    }

    #[test]
    fn the_future_begins_after_the_business_day() {
        let at = |time: &str| read(&context(), 1, &vaccination(&[("DATE_AND_TIME", time)]));
        assert!(at("20251001T23590001").is_ok());
        assert!(at("20251002T00000001").unwrap_err().diagnostics.contains("occurrenceDateTime"));
        // In October the clocks are still forward: 23:30 UTC is tomorrow.
        assert!(at("20251001T23300000").is_err());
    }

    #[test]
    fn refusals_are_in_the_national_words() {
        let refused = |allowed: &str, changes: &[(&str, &str)]| {
            let vaccine = Some(("FLU".parse().unwrap(), Operations::from_letters(allowed)));
            read(&Context { vaccine, ..context() }, 1, &vaccination(changes)).unwrap_err().diagnostics
        };
        assert_eq!(refused("CR", &[("ACTION_FLAG", "delete")]), "No permissions for requested operation");
        assert_eq!(
            refused("CUD", &[("ACTION_FLAG", "CREATE")]),
            "Invalid ACTION_FLAG - ACTION_FLAG must be 'NEW', 'UPDATE' or 'DELETE'"
        );
        assert!(refused("CUD", &[("NHS_NUMBER", "9990000019")]).ends_with("value is not a valid NHS number"));
    }

    #[test]
    fn outcomes_become_refusals_that_name_the_identifier() {
        let row = read(&context(), 5, &vaccination(&[])).unwrap();
        assert_eq!(row.refusal(Outcome::Applied), None);
        assert_eq!(row.refusal(Outcome::AlreadyKnown), None);
        let duplicate = row.refusal(Outcome::Duplicate).unwrap();
        assert_eq!(duplicate.row, 5);
        assert_eq!(duplicate.diagnostics, "The provided identifier: https://supplier.example#u1 is duplicated");
        assert_eq!(
            row.refusal(Outcome::NotFound).unwrap().diagnostics,
            "Immunization resource does not exist. ID: https://supplier.example#u1"
        );
    }

    #[test]
    fn a_deletion_needs_no_nhs_number() {
        let row = read(&context(), 1, &vaccination(&[("ACTION_FLAG", "DELETE"), ("NHS_NUMBER", "")])).unwrap();
        assert_eq!(row.number, None);
        assert!(matches!(row.change, Change::Immunisation { action: Action::Delete, content: None, .. }));
    }

    #[test]
    fn acknowledgements_name_rows_without_personal_data() {
        let demographics = Context { feed: Feed::Demographics, vaccine: None, ..context() };
        let values = crate::demographics::tests::row(&[("GENDER", "X"), ("SERIAL_CHANGE_NUMBER", "42")]);
        let refusal = read(&demographics, 9, &values).unwrap_err();
        assert_eq!(refusal.local_id, "42^9");
        assert_eq!(refusal.diagnostics, "Validation errors: GENDER must be 1, 2, 9 or 0");
    }
}
