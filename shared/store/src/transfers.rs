//! Files that came by MESH and whose acknowledgements are still to be sent back: one partition, which holds what is open.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Store, StoreError, Table, from_item, keys, to_item};

/// A file that came by MESH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Its name, the key in the inbound bucket.
    pub file: String,
    /// The mailbox that sent it.
    pub mailbox: String,
    /// The message that it came in.
    pub message: String,
    /// When it was taken.
    pub at: Timestamp,
    /// Keys of the acknowledgements that were sent.
    pub sent: Vec<String>,
    /// Rises by one with every change; 1 at first.
    pub version: u64,
}

impl Store {
    /// Opens a transfer, unless one of its name is open; gives back the one that is open then.
    ///
    /// # Errors
    /// Where the table cannot be read or written.
    pub async fn open_transfer(&self, transfer: &Transfer) -> Result<Transfer, StoreError> {
        let key = keys::transfer(&transfer.file);
        let item = to_item(&key.0, &key.1, transfer)?;
        match self.transaction().create(Table::Control, item).commit().await {
            Ok(()) => Ok(transfer.clone()),
            Err(error) if error.is_condition() => {
                let held = self.get(Table::Control, key).await?.map(from_item).transpose()?;
                // Closed since: as if it were open still, so that the caller comes again.
                Ok(held.unwrap_or_else(|| Transfer { message: String::new(), ..transfer.clone() }))
            }
            Err(error) => Err(error),
        }
    }

    /// All open transfers, by name.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn open_transfers(&self) -> Result<Vec<Transfer>, StoreError> {
        self.query(Table::Control, keys::TRANSFERS, "").await?.into_iter().map(from_item).collect()
    }

    /// Notes what was sent; the transfer as it stands then, or `None` where another run changed it meanwhile.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub async fn note_transfer(&self, transfer: &Transfer) -> Result<Option<Transfer>, StoreError> {
        let next = Transfer { version: transfer.version + 1, ..transfer.clone() };
        let (pk, sk) = keys::transfer(&next.file);
        match self.transaction().replace(Table::Control, to_item(&pk, &sk, &next)?, transfer.version).commit().await {
            Ok(()) => Ok(Some(next)),
            Err(error) if error.is_condition() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Closes a transfer whose sender has everything; another run may have closed it.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub async fn close_transfer(&self, transfer: &Transfer) -> Result<(), StoreError> {
        self.transaction().delete(Table::Control, keys::transfer(&transfer.file)).commit().await
    }
}
