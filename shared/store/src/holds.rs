//! Holds: what stands is one list, copied to every shard, so that claims do not contend for one item.

use ims_domain::hold::{Hold, Holds};

use crate::{AuditEntry, Store, StoreError, Table, Transaction, from_item, keys, to_item};

impl Store {
    /// The holds that stand, from the copy of a shard.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn holds(&self, shard: u64) -> Result<Holds, StoreError> {
        let item = self.get(Table::Campaign, keys::holds(shard)).await?;
        Ok(item.map(from_item).transpose()?.unwrap_or_default())
    }

    /// All holds that were ever put, by id: lifted ones too.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn all_holds(&self) -> Result<Vec<Hold>, StoreError> {
        let items = self.query(Table::Campaign, keys::HOLDS_PK, "").await?;
        items.into_iter().map(from_item).collect()
    }

    /// A hold by its id, lifted or not.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn hold(&self, id: &str) -> Result<Option<Hold>, StoreError> {
        self.get(Table::Campaign, keys::hold(id)).await?.map(from_item).transpose()
    }

    /// Writes the list that stands from now on, the hold by which it differs from the list held, and the audit entry of
    /// whoever put or lifted it. Whatever is claimed after this is claimed under the new list.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where another list was written meanwhile.
    pub async fn write_holds(&self, next: &Holds, hold: &Hold, entry: &AuditEntry) -> Result<(), StoreError> {
        let held = next.version.saturating_sub(1);
        let (pk, sk) = keys::hold(&hold.id);
        let mut transaction = self.transaction().put(Table::Campaign, to_item(&pk, &sk, hold)?).audit(entry)?;
        for shard in 0..keys::SHARDS {
            let (pk, sk) = keys::holds(shard);
            transaction = transaction.replace(Table::Campaign, to_item(&pk, &sk, next)?, held);
        }
        transaction.commit().await
    }
}

impl Transaction<'_> {
    /// Checks that the holds that stand are those of a version, on the copy of the person's shard.
    #[must_use]
    pub fn check_holds(self, version: u64, shard: u64) -> Self {
        match version {
            0 => self.check_absent(Table::Campaign, keys::holds(shard)),
            version => self.check_version(Table::Campaign, keys::holds(shard), version),
        }
    }
}
