//! Control items: business clock of a sandbox, snapshot manifest pointer.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{Store, StoreError, Table, from_item, keys, to_item};

/// Which manifest is current.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ManifestPointer {
    /// Rises by one with every manifest; 0 before the first.
    pub version: u64,
    /// Id of the manifest.
    pub manifest: String,
    /// Change files up to this key are merged.
    pub watermark: String,
    /// When a merge last found nothing new, so that the manifest is as good as one made then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Timestamp>,
}

impl Store {
    /// Which manifest is current; version 0 before the first.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn manifest(&self) -> Result<ManifestPointer, StoreError> {
        let item = self.get(Table::Control, keys::control("MANIFEST")).await?;
        Ok(item.map(from_item).transpose()?.unwrap_or_default())
    }

    /// Publishes the next manifest by compare-and-set.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where another was published since `held` was read.
    pub async fn publish_manifest(&self, next: &ManifestPointer, held: u64) -> Result<(), StoreError> {
        let (pk, sk) = keys::control("MANIFEST");
        self.transaction().replace(Table::Control, to_item(&pk, &sk, next)?, held).commit().await
    }

    /// Sets the business clock of a sandbox.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub async fn set_clock(&self, now: Timestamp) -> Result<(), StoreError> {
        let (pk, sk) = keys::control("CLOCK");
        let mut item = to_item(&pk, &sk, &ManifestPointer::default())?;
        item.retain(|name, _| matches!(name.as_str(), "pk" | "sk" | "schema"));
        item.insert("now".to_owned(), AttributeValue::S(now.to_string()));
        self.put(Table::Control, item).await
    }

    /// Puts a mark into a streamed table; its stream delivers it after all that was written before.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub async fn put_mark(&self, table: Table, id: uuid::Uuid) -> Result<(), StoreError> {
        let (pk, sk) = keys::mark(id);
        let item = [("pk", pk), ("sk", sk)].map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
        self.put(table, item.into()).await
    }

    /// The day up to which due steps of a campaign were taken up; `None` before the first.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn due_taken_up_to(&self, campaign: &str) -> Result<Option<Date>, StoreError> {
        let item = self.get(Table::Control, keys::control(&format!("DUE#{campaign}"))).await?;
        Ok(item.map(from_item::<DueProgress>).transpose()?.map(|progress| progress.up_to))
    }

    /// Has due steps of a campaign looked for again from a day on, where they were taken up beyond it.
    ///
    /// # Errors
    /// Where the table cannot be read or written.
    pub async fn look_for_due_from(&self, campaign: &str, day: Date) -> Result<(), StoreError> {
        match self.due_taken_up_to(campaign).await? {
            Some(up_to) if up_to > day => self.note_due_taken(campaign, day).await,
            _ => Ok(()),
        }
    }

    /// Notes the day up to which due steps of a campaign were taken up.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub async fn note_due_taken(&self, campaign: &str, up_to: Date) -> Result<(), StoreError> {
        let (pk, sk) = keys::control(&format!("DUE#{campaign}"));
        self.put(Table::Control, to_item(&pk, &sk, &DueProgress { up_to })?).await
    }
}

/// Where a subscriber's chain of change files ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeFeedEnd {
    /// Rises by one with every move; 0 before the first.
    pub version: u64,
    /// Number of the next change, from 1.
    pub next: u64,
}

impl Store {
    /// Where a subscriber's chain of change files ends, as far as it is noted: it may go on, never less far.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn change_feed_end(&self, subscriber: &str) -> Result<ChangeFeedEnd, StoreError> {
        let item = self.get(Table::Control, keys::control(&format!("CHANGES#{subscriber}"))).await?;
        Ok(item.map(from_item).transpose()?.unwrap_or(ChangeFeedEnd { version: 0, next: 1 }))
    }

    /// Moves the end on by the changes of the file that stands there.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where it was moved since `held` was read.
    pub async fn move_change_feed_end(
        &self,
        subscriber: &str,
        held: &ChangeFeedEnd,
        changes: u64,
    ) -> Result<(), StoreError> {
        let (pk, sk) = keys::control(&format!("CHANGES#{subscriber}"));
        let next = ChangeFeedEnd { version: held.version + 1, next: held.next + changes };
        self.transaction().replace(Table::Control, to_item(&pk, &sk, &next)?, held.version).commit().await
    }
}

#[derive(Serialize, Deserialize)]
struct DueProgress {
    up_to: Date,
}
