//! The vaccinations dataset: one row a record, deleted ones included.

use ims_domain::record::Immunisation;
use jiff::civil::Date;

use crate::{Column, Row, day, flag, number, text};

/// An immunisation in the snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VaccinationRow {
    /// Immunisation id.
    pub immunisation_id: String,
    /// Person.
    pub person_id: String,
    /// Vaccine type.
    pub vaccine: String,
    /// Day it was given.
    pub occurred: Option<Date>,
    /// Version of the record.
    pub version: u64,
    /// Deleted by its supplier.
    pub deleted: bool,
    /// Supplier of the latest version.
    pub supplier: String,
    /// File of the latest version; null where it came through the API.
    pub file: String,
    /// Counts for nobody: it waits to be matched, or was left as nobody's.
    pub unmatched: bool,
}

impl VaccinationRow {
    /// A record's row.
    #[must_use]
    pub fn of(event: &Immunisation) -> Self {
        Self {
            immunisation_id: event.id.to_string(),
            person_id: event.person.to_string(),
            vaccine: event.vaccine.to_string(),
            occurred: Some(event.occurred_on),
            version: u64::from(event.version),
            deleted: event.deleted,
            supplier: event.source.supplier.clone(),
            file: event.source.file.clone(),
            unmatched: !event.matching.counts(),
        }
    }
}

impl Row for VaccinationRow {
    const DATASET: &'static str = "vaccinations";

    fn columns() -> Vec<Column<Self>> {
        vec![
            text!("immunisation_id", "record id", immunisation_id),
            text!("person_id", "internal id of the person", person_id),
            text!("vaccine", "vaccine type", vaccine),
            day!("occurred", "day it was given, London", occurred),
            number!("version", "version of the record", version),
            flag!("deleted", "deleted by its supplier", deleted),
            text!("supplier", "supplier of the latest version", supplier),
            text!("file", "feed file of the latest version; null from the API", file),
            flag!("unmatched", "counts for nobody: waits to be matched, or was left as nobody's", unmatched),
        ]
    }

    fn unlike() -> &'static [&'static str] {
        &["immunisation_id", "person_id"]
    }

    fn key(&self) -> String {
        self.immunisation_id.clone()
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn person(&self) -> &str {
        &self.person_id
    }
}
