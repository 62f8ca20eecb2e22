//! Registered applications: what operators ask.

use ims_runtime::auth::{AuthError, KeySet, Permissions};
use ims_store::{Application, Store, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use crate::assertion::{LONGEST_CLIENT, is_client};

/// What an operator asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Register an application, or replace its keys.
    Register {
        /// Its id.
        client: String,
        /// The supplier that it speaks for.
        supplier: String,
        /// ODS code of the organisation that it is for.
        #[serde(default)]
        ods: Option<String>,
        /// Its public keys, a JSON Web Key Set.
        jwks: Value,
    },
    /// Take a registration away.
    Remove {
        /// Its id.
        client: String,
    },
}

/// Why an application is not registered.
#[derive(Debug, Error)]
pub enum RegisterError {
    /// Its id cannot be one.
    #[error("client '{0}' must be 1 to {LONGEST_CLIENT} letters, digits, '-', '.' or '_'")]
    Client(String),
    /// The supplier has no permissions.
    #[error("supplier '{0}' is not in the permissions")]
    Supplier(String),
    /// The organisation is not the supplier's.
    #[error("ods '{ods}' is no ODS code of supplier '{supplier}'")]
    Ods {
        /// As asked.
        ods: String,
        /// As asked.
        supplier: String,
    },
    /// The keys cannot be used.
    #[error("jwks: {0}")]
    Keys(#[from] AuthError),
    /// Store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Carries an operator's request out.
///
/// # Errors
/// Names what cannot be registered, and why.
pub async fn register(store: &Store, permissions: &Permissions, request: Request) -> Result<Value, RegisterError> {
    match request {
        Request::Register { client, supplier, ods, jwks } => {
            if !is_client(&client) {
                return Err(RegisterError::Client(client));
            }
            if !permissions.suppliers().any(|known| known == supplier) {
                return Err(RegisterError::Supplier(supplier));
            }
            if let Some(ods) = ods.as_ref().filter(|ods| permissions.supplier_of(ods) != Some(&supplier)) {
                return Err(RegisterError::Ods { ods: ods.clone(), supplier });
            }
            let jwks = jwks.to_string();
            KeySet::parse(&jwks)?;
            store.put_application(&client, &Application { supplier, ods, jwks }).await?;
            Ok(json!({"client": client}))
        }
        Request::Remove { client } => {
            store.delete_application(&client).await?;
            Ok(json!({"client": client}))
        }
    }
}
