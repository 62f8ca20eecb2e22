//! Telephone numbers that were sent a text on a day.

use aws_sdk_dynamodb::types::AttributeValue;
use ims_domain::MessageId;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::{Store, StoreError, Table, Transaction, from_item, keys, to_item};

/// Seconds for which it is kept, from the day's beginning.
const KEPT: i64 = 3 * 86_400;

/// Which text a number was sent on a day.
#[derive(Serialize, Deserialize)]
struct Texted {
    message: MessageId,
    /// When the item may be removed, in seconds since 1970.
    ttl: i64,
}

impl Store {
    /// The text that took a number's place on a day.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn texted(&self, number: &str, day: Date) -> Result<Option<MessageId>, StoreError> {
        let item = self.get(Table::Control, keys::texted(number, day)).await?;
        Ok(item.map(from_item::<Texted>).transpose()?.map(|texted| texted.message))
    }
}

impl Transaction<'_> {
    /// Takes a number's place on a day for a text; `again` where the same text has it already.
    ///
    /// # Errors
    /// Where it cannot be an item.
    pub fn take_number(self, number: &str, day: Date, message: MessageId, again: bool) -> Result<Self, StoreError> {
        let (pk, sk) = keys::texted(number, day);
        let begins = day.to_zoned(TimeZone::UTC).map_or(i64::MAX, |day| day.timestamp().as_second());
        let ttl = begins.saturating_add(KEPT);
        let item = to_item(&pk, &sk, &Texted { message, ttl })?;
        Ok(match again {
            true => self.put_where(Table::Control, item, "message", AttributeValue::S(message.to_string())),
            false => self.create(Table::Control, item),
        })
    }
}
