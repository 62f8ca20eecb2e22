//! Registered applications of suppliers, and the one-time ids of what they identify themselves with.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Store, StoreError, Table, from_item, keys, to_item};

/// A registered application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// The supplier that it speaks for.
    pub supplier: String,
    /// ODS code of the organisation that it was registered for, one of the supplier's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ods: Option<String>,
    /// Its public keys, a JSON Web Key Set as text.
    pub jwks: String,
}

#[derive(Serialize)]
struct Spent {}

impl Store {
    /// The application with an id.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn application(&self, id: &str) -> Result<Option<Application>, StoreError> {
        let item = self.get(Table::Control, keys::control(&format!("CLIENT#{id}"))).await?;
        item.map(from_item).transpose()
    }

    /// Registers an application, or replaces what is registered.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub async fn put_application(&self, id: &str, application: &Application) -> Result<(), StoreError> {
        let (pk, sk) = keys::control(&format!("CLIENT#{id}"));
        self.put(Table::Control, to_item(&pk, &sk, application)?).await
    }

    /// Takes an application's registration away; it gets no token any more.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub async fn delete_application(&self, id: &str) -> Result<(), StoreError> {
        self.transaction().delete(Table::Control, keys::control(&format!("CLIENT#{id}"))).commit().await
    }

    /// Spends a one-time id (`jti`) of an application's; `false` where it was spent before. The table forgets it some time
    /// after `until`, when what carries it is no longer good anyway.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub async fn spend_once(&self, client: &str, id: &str, until: Timestamp) -> Result<bool, StoreError> {
        let (pk, sk) = keys::control(&format!("JTI#{client}#{id}"));
        let mut item = to_item(&pk, &sk, &Spent {})?;
        item.insert("ttl".to_owned(), AttributeValue::N(until.as_second().to_string()));
        match self.transaction().create(Table::Control, item).commit().await {
            Ok(()) => Ok(true),
            Err(error) if error.is_condition() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
