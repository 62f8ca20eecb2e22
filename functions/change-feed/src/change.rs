//! A change as a subscriber receives it.

use std::collections::BTreeMap;

use ims_domain::matching::Ruling;
use ims_domain::record::{Action, Immunisation};
use ims_domain::{Person, clock};
use ims_fhir::batch::HEADER;
use ims_fhir::flat::{self, Rule};
use ims_fhir::redaction::withhold_whereabouts;
use ims_snapshot::column::Access;
use ims_snapshot::{Column, number, text, texts};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ChangeFeedError;

/// What happened to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// Created, or created again after a deletion.
    #[default]
    Create,
    /// Changed, or reinstated by an update.
    Update,
    /// Deleted by its supplier.
    Delete,
}

impl Operation {
    fn of(held: &Immunisation) -> Self {
        match held.action {
            _ if held.deleted => Self::Delete,
            Action::Update => Self::Update,
            Action::New | Action::Delete => Self::Create,
        }
    }

    /// As change files write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }

    /// As `ACTION_FLAG` has it.
    fn flag(self) -> &'static str {
        match self {
            Self::Create => "NEW",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// A line of a change file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Row {
    /// Place in the subscriber's chain, from 1, without a gap.
    pub sequence: u64,
    /// What happened.
    pub operation: Operation,
    /// Immunisation id.
    pub immunisation: String,
    /// Version; of two changes of one record the higher is the later.
    pub version: u32,
    /// Vaccine type.
    pub vaccine_type: String,
    /// Supplier of this version.
    pub supplier: String,
    /// Business time of the change at its source, `YYYYMMDDThhmmss`.
    pub changed: String,
    /// Where the record stands with who holds it: `agreed`, `unmatched` (it counts for nobody until it is matched),
    /// `confirmed`, `attached` or `nobodys`.
    #[serde(default)]
    pub matching: String,
    /// What cleansing did; see [`Rule`].
    pub cleansing: Vec<String>,
    /// The record in the batch format's columns.
    pub record: Map<String, Value>,
}

impl Row {
    /// What tells one change from another, whatever its number: record and version.
    #[must_use]
    pub fn name(&self) -> (&str, u32) {
        (&self.immunisation, self.version)
    }
}

/// A change on its way: the row, still without a place, and what only the event tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The line of the change file.
    pub row: Row,
    /// Registered practice; empty where not known or withheld.
    pub practice: String,
    /// Whole years at the vaccination; `None` where the date of birth is not known or later.
    pub subject_age: Option<i16>,
}

/// The member of [`Row::record`] that tells the organisation.
pub(crate) const ORGANISATION: &str = "SITE_CODE";
/// The member of [`Row::record`] that tells whom it is about.
pub(crate) const NHS_NUMBER: &str = "NHS_NUMBER";

impl Change {
    /// The change that an immunisation, as written, stands for.
    ///
    /// # Errors
    /// Where the stored resource is not JSON.
    pub fn of(held: &Immunisation, person: Option<&Person>) -> Result<Self, ChangeFeedError> {
        let unreadable = || ChangeFeedError::Resource { id: held.id.to_string(), version: held.version };
        let mut resource: Value = serde_json::from_str(&held.body).map_err(|_| unreadable())?;
        let restricted = is_restricted(person);
        if restricted {
            withhold_whereabouts(&mut resource);
        }
        let operation = Operation::of(held);
        let mut flat = flat::flatten(&resource, operation.flag());
        if restricted {
            flat.rules.push(Rule::WhereaboutsWithheld);
        }
        let columns = HEADER.iter().zip(flat.values);
        let mut record: Map<String, Value> =
            columns.map(|(name, value)| ((*name).to_owned(), Value::String(value))).collect();
        // Of a record that staff attached to somebody the number is theirs, whatever it came with.
        let is_attached = held.matching.decision.as_ref().is_some_and(|decision| decision.ruling == Ruling::Attached);
        if let Some(number) = person.and_then(|person| person.nhs_number).filter(|_| is_attached && !held.deleted) {
            record.insert(NHS_NUMBER.to_owned(), Value::String(number.to_string()));
        }
        let row = Row {
            sequence: 0,
            operation,
            immunisation: held.id.to_string(),
            version: held.version,
            vaccine_type: held.vaccine.code().to_owned(),
            supplier: held.source.supplier.clone(),
            changed: held.source.order.clone(),
            matching: held.matching.name().to_owned(),
            cleansing: flat.rules.iter().map(ToString::to_string).collect(),
            record,
        };
        Ok(Self {
            row,
            practice: person
                .filter(|_| !restricted)
                .map(|person| person.demographics.practice.clone())
                .unwrap_or_default(),
            subject_age: held
                .patient
                .date_of_birth
                .filter(|born| *born <= held.occurred_on)
                .map(|born| clock::age_on(born, held.occurred_on)),
        })
    }
}

/// Whether a person's whereabouts are withheld. Somebody of whom nothing is known is treated as if restricted.
pub(crate) fn is_restricted(person: Option<&Person>) -> bool {
    person.is_none_or(Person::is_restricted)
}

/// How often each rule of cleansing applied, all rules named.
pub(crate) fn cleansing_counts<'r>(rows: impl IntoIterator<Item = &'r Row>) -> BTreeMap<&'static str, u64> {
    let mut counts: BTreeMap<&'static str, u64> = Rule::ALL.iter().map(|rule| (rule.name(), 0)).collect();
    for rule in rows.into_iter().flat_map(|row| &row.cleansing) {
        if let Some(count) = counts.get_mut(rule.as_str()) {
            *count += 1;
        }
    }
    counts
}

impl ims_snapshot::Row for Row {
    const DATASET: &'static str = "changes";

    fn columns() -> Vec<Column<Self>> {
        let mut columns: Vec<Column<Self>> = vec![
            number!("sequence", "place in the subscriber's chain", sequence),
            Column::new(
                "operation",
                "CREATE, UPDATE or DELETE",
                Access::Text(
                    Box::new(|row: &Self| row.operation.name().to_owned()),
                    Box::new(|row: &mut Self, value| {
                        row.operation = [Operation::Create, Operation::Update, Operation::Delete]
                            .into_iter()
                            .find(|operation| operation.name() == value)
                            .unwrap_or_default();
                    }),
                ),
            ),
            text!("immunisation", "record id", immunisation),
            Column::new(
                "version",
                "version of the record",
                Access::Number(
                    Box::new(|row: &Self| u64::from(row.version)),
                    Box::new(|row: &mut Self, value| row.version = u32::try_from(value).unwrap_or(u32::MAX)),
                ),
            ),
            text!("vaccine_type", "vaccine type", vaccine_type),
            text!("supplier", "supplier of this version", supplier),
            text!("changed", "business time of the change at its source", changed),
            text!("matching", "where the record stands with who holds it", matching),
            texts!("cleansing", "what cleansing did", cleansing),
        ];
        columns.extend(HEADER.iter().map(|name| {
            Column::new(
                name.to_lowercase(),
                "as the batch format has it",
                Access::Text(
                    Box::new(move |row: &Self| {
                        row.record.get(*name).and_then(Value::as_str).unwrap_or_default().to_owned()
                    }),
                    Box::new(move |row: &mut Self, value| {
                        row.record.insert((*name).to_owned(), Value::String(value));
                    }),
                ),
            )
        }));
        columns
    }

    fn key(&self) -> String {
        format!("{:012}", self.sequence)
    }

    fn version(&self) -> u64 {
        u64::from(self.version)
    }

    fn person(&self) -> &str {
        ""
    }
}
