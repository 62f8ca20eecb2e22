//! Invitations, messages and recall tasks.

use ims_domain::invitation::{Call, Invitation, Message};
use ims_domain::{MessageId, PersonId};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{Store, StoreError, Table, Transaction, from_item, keys, to_item};

/// An invitation whose next step falls due on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueEntry {
    /// Person.
    pub person: PersonId,
    /// Campaign.
    pub campaign: String,
    /// Dose.
    pub dose: u8,
    /// The day.
    pub due: Date,
}

/// A letter that waits to be sealed in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingLetter {
    /// Message.
    pub message: MessageId,
    /// Person.
    pub person: PersonId,
    /// Campaign.
    pub campaign: String,
    /// Business day it was queued.
    pub queued_on: Date,
}

impl Store {
    /// An invitation.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn invitation(
        &self,
        person: PersonId,
        campaign: &str,
        dose: u8,
    ) -> Result<Option<Invitation>, StoreError> {
        self.get(Table::Invitation, keys::invitation(person, campaign, dose)).await?.map(from_item).transpose()
    }

    /// All invitations of a person.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn invitations(&self, person: PersonId) -> Result<Vec<Invitation>, StoreError> {
        let items = self.query(Table::Invitation, &keys::person_pk(person), "C#").await?;
        items.into_iter().map(from_item).collect()
    }

    /// What falls due in a campaign on a day.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn due_on(&self, campaign: &str, day: Date) -> Result<Vec<DueEntry>, StoreError> {
        let mut found = Vec::new();
        for shard in 0..keys::SHARDS {
            for item in self.query(Table::Invitation, &keys::due_pk(campaign, day, shard), "").await? {
                found.push(from_item(item)?);
            }
        }
        Ok(found)
    }

    /// A message.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn message(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.get(Table::Message, keys::message(id)).await?.map(from_item).transpose()
    }

    /// Many messages, in no order.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn messages(&self, ids: impl IntoIterator<Item = MessageId>) -> Result<Vec<Message>, StoreError> {
        let items = self.get_many(Table::Message, ids.into_iter().map(keys::message)).await?;
        items.into_iter().map(from_item).collect()
    }

    /// Letters of a campaign that wait to be sealed.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn pending_letters(&self, campaign: &str) -> Result<Vec<PendingLetter>, StoreError> {
        let mut found = Vec::new();
        for shard in 0..keys::SHARDS {
            for item in self.query(Table::Message, &keys::pending_letters_pk(campaign, shard), "").await? {
                found.push(from_item(item)?);
            }
        }
        Ok(found)
    }

    /// A recall task.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn call(&self, campaign: &str, person: PersonId, dose: u8) -> Result<Option<Call>, StoreError> {
        self.get(Table::Call, keys::call(campaign, person, dose)).await?.map(from_item).transpose()
    }

    /// All recall tasks of a campaign.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn calls(&self, campaign: &str) -> Result<Vec<Call>, StoreError> {
        let mut found = Vec::new();
        for shard in 0..keys::SHARDS {
            for item in self.query(Table::Call, &keys::calls_pk(campaign, shard), "").await? {
                found.push(from_item(item)?);
            }
        }
        Ok(found)
    }
}

impl Transaction<'_> {
    /// Writes an invitation whose held version is `held`.
    ///
    /// # Errors
    /// Where it cannot be an item.
    pub fn write_invitation(self, invitation: &Invitation, held: u64) -> Result<Self, StoreError> {
        let (pk, sk) = keys::invitation(invitation.person, &invitation.campaign, invitation.dose);
        Ok(self.replace(Table::Invitation, to_item(&pk, &sk, invitation)?, held))
    }

    /// Enters an invitation in the due index.
    ///
    /// # Errors
    /// Where the entry cannot be an item.
    pub fn enter_due(self, entry: &DueEntry) -> Result<Self, StoreError> {
        let (pk, sk) = keys::due(entry.person, &entry.campaign, entry.dose, entry.due);
        Ok(self.put(Table::Invitation, to_item(&pk, &sk, entry)?))
    }

    /// Takes an invitation out of the due index.
    #[must_use]
    pub fn leave_due(self, entry: &DueEntry) -> Self {
        self.delete(Table::Invitation, keys::due(entry.person, &entry.campaign, entry.dose, entry.due))
    }

    /// Writes a message that must not exist yet; a letter also joins those waiting to be sealed.
    ///
    /// # Errors
    /// Where it cannot be an item.
    pub fn create_message(self, message: &Message) -> Result<Self, StoreError> {
        self.requeue_message(message, 0)
    }

    /// Queues a message that was withdrawn at version `held`, before it ever left.
    ///
    /// # Errors
    /// Where it cannot be an item.
    pub fn requeue_message(self, message: &Message, held: u64) -> Result<Self, StoreError> {
        let transaction = self.move_message(message, held)?;
        if message.channel != ims_domain::contact::Channel::Letter {
            return Ok(transaction);
        }
        let pending = PendingLetter {
            message: message.id,
            person: message.person,
            campaign: message.campaign.clone(),
            queued_on: message.queued_on,
        };
        let (pk, sk) = keys::pending_letter(&message.campaign, message.person, message.id);
        Ok(transaction.put(Table::Message, to_item(&pk, &sk, &pending)?))
    }

    /// Writes a message whose held version is `held`; the message carries the next one.
    ///
    /// # Errors
    /// Where it cannot be an item.
    pub fn move_message(self, message: &Message, held: u64) -> Result<Self, StoreError> {
        let (pk, sk) = keys::message(message.id);
        Ok(self.replace(Table::Message, to_item(&pk, &sk, message)?, held))
    }

    /// Takes a letter out of those waiting to be sealed.
    #[must_use]
    pub fn leave_pending(self, message: &Message) -> Self {
        self.delete(Table::Message, keys::pending_letter(&message.campaign, message.person, message.id))
    }

    /// Writes a recall task whose held version is `held`.
    ///
    /// # Errors
    /// Where it cannot be an item.
    pub fn write_call(self, call: &Call, held: u64) -> Result<Self, StoreError> {
        let (pk, sk) = keys::call(&call.campaign, call.person, call.dose);
        Ok(self.replace(Table::Call, to_item(&pk, &sk, call)?, held))
    }
}
