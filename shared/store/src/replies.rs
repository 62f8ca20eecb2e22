//! What the public's door needs: which message a letter's code stands for, and how often a date of birth was tried.

use aws_sdk_dynamodb::types::AttributeValue;
use ims_domain::MessageId;
use ims_domain::reply::Code;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Store, StoreError, Table, from_item, keys, to_item, until_it_holds};

/// Attempts at a try that others overtake.
const ATTEMPTS: u32 = 12;

/// How long tries are remembered: they are counted by day.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(48);

#[derive(Serialize, Deserialize)]
struct Coded {
    message: MessageId,
}

#[derive(Serialize, Deserialize)]
struct Tries {
    /// Tries so far: each is a version.
    version: u64,
}

impl Store {
    /// Notes which messages codes stand for. A letter's code is noted before the letter leaves; noted again, nothing changes.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub async fn note_codes(&self, codes: impl IntoIterator<Item = (Code, MessageId)>) -> Result<(), StoreError> {
        let item = |(code, message)| {
            let (pk, sk) = keys::code(code);
            to_item(&pk, &sk, &Coded { message })
        };
        self.put_many(Table::Message, codes.into_iter().map(item).collect::<Result<_, _>>()?).await
    }

    /// The message that a code stands for.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn message_by_code(&self, code: Code) -> Result<Option<MessageId>, StoreError> {
        let item = self.get(Table::Message, keys::code(code)).await?;
        Ok(item.map(from_item::<Coded>).transpose()?.map(|coded| coded.message))
    }

    /// Spends one of so many tries a day (UTC) at a message's date of birth; false where none is left.
    ///
    /// # Errors
    /// Where the table cannot be read or written.
    pub async fn spend_try(&self, message: MessageId, day: Date, most: u64) -> Result<bool, StoreError> {
        let (pk, sk) = keys::tries(message, day);
        until_it_holds(ATTEMPTS, async |_| {
            let held = self.get(Table::Control, (pk.clone(), sk.clone())).await?;
            let held = held.map(from_item::<Tries>).transpose()?.map_or(0, |tries| tries.version);
            if held >= most {
                return Ok(false);
            }
            let mut item = to_item(&pk, &sk, &Tries { version: held + 1 })?;
            let ends = Timestamp::now() + REMEMBERED;
            item.insert("ttl".to_owned(), AttributeValue::N(ends.as_second().to_string()));
            self.transaction().replace(Table::Control, item, held).commit().await.map(|()| true)
        })
        .await
    }
}
