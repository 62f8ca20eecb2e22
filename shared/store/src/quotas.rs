//! Quotas that many processes share: each takes blocks of a counter that nobody resets.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::Timestamp;

use crate::keys::Key;
use crate::{Store, StoreError, Table};

impl Store {
    /// Takes up to `wanted` from a quota of `most`, and tells how many it got. The item is removed after `until`.
    ///
    /// One unconditional addition, so that processes never wait for each other. A reply that is lost and asked for again
    /// counts twice: the quota may go unused in part, but is never exceeded.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub async fn take_quota(&self, key: Key, wanted: u64, most: u64, until: Timestamp) -> Result<u64, StoreError> {
        let (pk, sk) = key;
        let output = self
            .db
            .update_item()
            .table_name(self.tables.name(Table::Control))
            .key("pk", AttributeValue::S(pk))
            .key("sk", AttributeValue::S(sk))
            .update_expression("ADD taken :wanted SET #ttl = :until")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":wanted", AttributeValue::N(wanted.to_string()))
            .expression_attribute_values(":until", AttributeValue::N(until.as_second().to_string()))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(StoreError::unavailable("UpdateItem"))?;
        let taken = output.attributes.as_ref().and_then(|held| held.get("taken")).and_then(|taken| taken.as_n().ok());
        let taken: u64 = taken.and_then(|taken| taken.parse().ok()).unwrap_or(u64::MAX);
        Ok(most.saturating_sub(taken.saturating_sub(wanted)).min(wanted))
    }
}
