//! The tables and their names.

use std::collections::BTreeMap;

use crate::StoreError;

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// One item a person.
    Person,
    /// NHS numbers and immunisation ids that point to a person.
    Identity,
    /// People's timelines.
    Event,
    /// Campaign definitions, waves, selection parts.
    Campaign,
    /// Invitations and the due index.
    Invitation,
    /// Messages and pending letters.
    Message,
    /// Recall tasks.
    Call,
    /// Feed files and their chunks.
    File,
    /// Who saw or changed whom.
    Audit,
    /// Clock, manifest pointer, leases.
    Control,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 10] = [
        Self::Person,
        Self::Identity,
        Self::Event,
        Self::Campaign,
        Self::Invitation,
        Self::Message,
        Self::Call,
        Self::File,
        Self::Audit,
        Self::Control,
    ];

    /// Name in the environment: `IMS_TABLE_{name}`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "PERSON",
            Self::Identity => "IDENTITY",
            Self::Event => "EVENT",
            Self::Campaign => "CAMPAIGN",
            Self::Invitation => "INVITATION",
            Self::Message => "MESSAGE",
            Self::Call => "CALL",
            Self::File => "FILE",
            Self::Audit => "AUDIT",
            Self::Control => "CONTROL",
        }
    }
}

/// The tables' names in this stack.
#[derive(Debug, Clone)]
pub struct Tables(BTreeMap<Table, String>);

impl Tables {
    /// From `IMS_TABLE_…`.
    ///
    /// # Errors
    /// Names the first variable that is not set.
    pub fn from_env() -> Result<Self, StoreError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// From any source of variables.
    ///
    /// # Errors
    /// Names the first variable that is not there.
    pub fn from_lookup(read: impl Fn(&str) -> Option<String>) -> Result<Self, StoreError> {
        let mut names = BTreeMap::new();
        for table in Table::ALL {
            let variable = format!("IMS_TABLE_{}", table.name());
            let value = read(&variable).filter(|value| !value.is_empty());
            names.insert(table, value.ok_or(StoreError::NoTable { variable })?);
        }
        Ok(Self(names))
    }

    /// A table's name.
    #[must_use]
    pub fn name(&self, table: Table) -> &str {
        self.0.get(&table).map_or("", String::as_str)
    }
}
