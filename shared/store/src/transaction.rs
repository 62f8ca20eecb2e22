//! Transactions: all writes or none, each under its condition.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, Select, TransactWriteItem};
use uuid::Uuid;

use crate::keys::Key;
use crate::{Item, Store, StoreError, Table};

/// Attempts at a transaction that met a conflict or a throttle.
const ATTEMPTS: u32 = 8;

/// Writes that are made together or not at all.
#[derive(Debug)]
pub struct Transaction<'a> {
    store: &'a Store,
    writes: Vec<TransactWriteItem>,
}

pub(crate) fn key_item((pk, sk): Key) -> Item {
    Item::from([("pk".to_owned(), AttributeValue::S(pk)), ("sk".to_owned(), AttributeValue::S(sk))])
}

fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

impl Store {
    /// Starts a transaction.
    #[must_use]
    pub fn transaction(&self) -> Transaction<'_> {
        Transaction { store: self, writes: Vec::new() }
    }

    /// Reads one item, strongly consistent.
    ///
    /// # Errors
    /// Where the table cannot be read.
    pub async fn get(&self, table: Table, key: Key) -> Result<Option<Item>, StoreError> {
        let output = self
            .db
            .get_item()
            .table_name(self.tables.name(table))
            .set_key(Some(key_item(key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::unavailable("GetItem"))?;
        Ok(output.item)
    }

    /// Writes one item whatever was there.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub async fn put(&self, table: Table, item: Item) -> Result<(), StoreError> {
        let mut attempt = 0;
        loop {
            let put = self.db.put_item().table_name(self.tables.name(table)).set_item(Some(item.clone()));
            let Err(error) = put.send().await else { return Ok(()) };
            attempt += 1;
            // A transaction holds the item. All else the client has tried again.
            let conflict = error.code() == Some("TransactionConflictException");
            if !conflict || attempt >= ATTEMPTS {
                return Err(StoreError::unavailable("PutItem")(error));
            }
            tokio::time::sleep(pause(attempt)).await;
        }
    }

    /// All items of a partition whose sort key begins so, strongly consistent, in order.
    ///
    /// # Errors
    /// Where the table cannot be read.
    pub async fn query(&self, table: Table, pk: &str, sk_prefix: &str) -> Result<Vec<Item>, StoreError> {
        let values = vec![(":pk", pk), (":sk", sk_prefix)];
        match sk_prefix {
            "" => self.query_where(table, "pk = :pk", vec![(":pk", pk)]).await,
            _ => self.query_where(table, "pk = :pk AND begins_with(sk, :sk)", values).await,
        }
    }

    /// All items of a partition whose sort key lies between two texts, strongly consistent, in order.
    ///
    /// # Errors
    /// Where the table cannot be read.
    pub async fn query_between(&self, table: Table, pk: &str, from: &str, to: &str) -> Result<Vec<Item>, StoreError> {
        let values = vec![(":pk", pk), (":from", from), (":to", to)];
        self.query_where(table, "pk = :pk AND sk BETWEEN :from AND :to", values).await
    }

    /// The first items of a partition, strongly consistent, in order: at most so many.
    ///
    /// # Errors
    /// Where the table cannot be read.
    pub async fn query_first(&self, table: Table, pk: &str, most: usize) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut start = None;
        while items.len() < most {
            let request = self
                .db
                .query()
                .table_name(self.tables.name(table))
                .consistent_read(true)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
                .limit(i32::try_from(most - items.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start);
            let page = request.send().await.map_err(StoreError::unavailable("Query"))?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        items.truncate(most);
        Ok(items)
    }

    /// How many items of a partition have sort keys up to this one, strongly consistent.
    ///
    /// # Errors
    /// Where the table cannot be read.
    pub async fn query_count(&self, table: Table, pk: &str, to: &str) -> Result<u64, StoreError> {
        let (mut count, mut start) = (0, None);
        loop {
            let request = self
                .db
                .query()
                .table_name(self.tables.name(table))
                .consistent_read(true)
                .select(Select::Count)
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
                .expression_attribute_values(":from", AttributeValue::S(" ".to_owned()))
                .expression_attribute_values(":to", AttributeValue::S(to.to_owned()))
                .set_exclusive_start_key(start);
            let page = request.send().await.map_err(StoreError::unavailable("Query"))?;
            count += u64::try_from(page.count).unwrap_or_default();
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(count);
            }
        }
    }

    async fn query_where(
        &self,
        table: Table,
        condition: &str,
        values: Vec<(&str, &str)>,
    ) -> Result<Vec<Item>, StoreError> {
        let values: Item =
            values.into_iter().map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned()))).collect();
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let request = self
                .db
                .query()
                .table_name(self.tables.name(table))
                .consistent_read(true)
                .key_condition_expression(condition)
                .set_expression_attribute_values(Some(values.clone()))
                .set_exclusive_start_key(start);
            let page = request.send().await.map_err(StoreError::unavailable("Query"))?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }
}

impl<'a> Transaction<'a> {
    /// Puts an item that must not be there yet.
    #[must_use]
    pub fn create(self, table: Table, item: Item) -> Self {
        self.push_put(table, item, Some("attribute_not_exists(pk)"), None)
    }

    /// Puts an item whose held `version` must be the one given; 0 means that it must not be there yet.
    #[must_use]
    pub fn replace(self, table: Table, item: Item, version: u64) -> Self {
        if version == 0 {
            return self.create(table, item);
        }
        self.push_put(table, item, Some("version = :held"), Some((":held", number(version))))
    }

    /// Puts an item whatever was there.
    #[must_use]
    pub fn put(self, table: Table, item: Item) -> Self {
        self.push_put(table, item, None, None)
    }

    /// Puts an item where the held one has this value in an attribute.
    #[must_use]
    pub fn put_where(self, table: Table, item: Item, attribute: &str, value: AttributeValue) -> Self {
        let name = attribute.to_owned();
        self.push(|store| {
            let put = Put::builder()
                .table_name(store.tables.name(table))
                .set_item(Some(item))
                .condition_expression("#held = :held")
                .expression_attribute_names("#held", name)
                .expression_attribute_values(":held", value)
                .build();
            put.ok().map(|put| TransactWriteItem::builder().put(put).build())
        })
    }

    /// Deletes an item, there or not.
    #[must_use]
    pub fn delete(self, table: Table, key: Key) -> Self {
        self.push(|store| {
            let delete = Delete::builder().table_name(store.tables.name(table)).set_key(Some(key_item(key))).build();
            delete.ok().map(|delete| TransactWriteItem::builder().delete(delete).build())
        })
    }

    /// Checks that an item's attribute has this value, without writing it.
    #[must_use]
    pub fn check(self, table: Table, key: Key, attribute: &str, value: AttributeValue) -> Self {
        let name = attribute.to_owned();
        self.push(|store| {
            let check = ConditionCheck::builder()
                .table_name(store.tables.name(table))
                .set_key(Some(key_item(key)))
                .condition_expression("#checked = :checked")
                .expression_attribute_names("#checked", name)
                .expression_attribute_values(":checked", value)
                .build();
            check.ok().map(|check| TransactWriteItem::builder().condition_check(check).build())
        })
    }

    /// Checks that there is no such item.
    #[must_use]
    pub fn check_absent(self, table: Table, key: Key) -> Self {
        self.push(|store| {
            let check = ConditionCheck::builder()
                .table_name(store.tables.name(table))
                .set_key(Some(key_item(key)))
                .condition_expression("attribute_not_exists(pk)")
                .build();
            check.ok().map(|check| TransactWriteItem::builder().condition_check(check).build())
        })
    }

    /// Checks that an item still has this `version`.
    #[must_use]
    pub fn check_version(self, table: Table, key: Key, version: u64) -> Self {
        self.check(table, key, "version", number(version))
    }

    pub(crate) fn store(&self) -> &'a Store {
        self.store
    }

    fn push_put(
        self,
        table: Table,
        item: Item,
        condition: Option<&str>,
        value: Option<(&str, AttributeValue)>,
    ) -> Self {
        let condition = condition.map(str::to_owned);
        let value = value.map(|(name, value)| (name.to_owned(), value));
        self.push(|store| {
            let mut put = Put::builder()
                .table_name(store.tables.name(table))
                .set_item(Some(item))
                .set_condition_expression(condition);
            if let Some((name, value)) = value {
                put = put.expression_attribute_values(name, value);
            }
            put.build().ok().map(|put| TransactWriteItem::builder().put(put).build())
        })
    }

    fn push(mut self, write: impl FnOnce(&Store) -> Option<TransactWriteItem>) -> Self {
        // The builders fail only where a required field is absent, and all are given above.
        self.writes.extend(write(self.store));
        self
    }

    /// Number of writes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Commits. Conflicts, throttles and lost replies are tried again under one client token, by which the database knows
    /// what it has carried out: a reply lost after success is mistaken neither for a failure nor for somebody else's write.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where a condition did not hold; [`StoreError::Unavailable`] after the last attempt.
    pub async fn commit(self) -> Result<(), StoreError> {
        if self.writes.is_empty() {
            return Ok(());
        }
        if self.writes.len() > 100 {
            return Err(StoreError::TooLarge(self.writes.len()));
        }
        let token = Uuid::new_v4().to_string();
        let mut attempt = 0;
        loop {
            let sent = self
                .store
                .db
                .transact_write_items()
                .set_transact_items(Some(self.writes.clone()))
                .client_request_token(&token)
                .send()
                .await;
            let error = match sent {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let retry = match &error {
                // No answer, or none that can be read: it may have been carried out, which the token will tell.
                SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
                SdkError::ServiceError(answer) => match answer.err() {
                    TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                        let reasons = cancelled.cancellation_reasons().iter();
                        let codes: Vec<&str> = reasons.map(|reason| reason.code().unwrap_or("None")).collect();
                        if let Some(index) = codes.iter().position(|code| *code == "ConditionalCheckFailed") {
                            return Err(StoreError::Condition { index });
                        }
                        codes.iter().any(|code| {
                            matches!(*code, "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
                        })
                    }
                    refused => {
                        let passes = matches!(
                            refused.code(),
                            Some(
                                "TransactionInProgressException"
                                    | "ThrottlingException"
                                    | "ProvisionedThroughputExceededException"
                                    | "RequestLimitExceeded"
                            )
                        );
                        passes || answer.raw().status().is_server_error()
                    }
                },
                _ => false,
            };
            attempt += 1;
            if !retry || attempt >= ATTEMPTS {
                return Err(StoreError::Unavailable { operation: "TransactWriteItems", source: Box::new(error) });
            }
            tokio::time::sleep(pause(attempt)).await;
        }
    }
}

/// Does again what somebody else's write came before, with pauses, until it holds or has been tried `attempts` times
/// more. `attempt` is told how often it was tried before.
///
/// # Errors
/// What the last attempt failed with.
pub async fn until_it_holds<T, E: Overtaken>(
    attempts: u32,
    mut attempt: impl AsyncFnMut(u32) -> Result<T, E>,
) -> Result<T, E> {
    let mut tried = 0;
    loop {
        match attempt(tried).await {
            Err(error) if error.is_overtaken() && tried < attempts => {
                tried += 1;
                tokio::time::sleep(pause(tried)).await;
            }
            done => return done,
        }
    }
}

/// An error that may only mean that somebody else wrote first.
pub trait Overtaken {
    /// Whether a condition did not hold, so that what was decided must be decided anew.
    fn is_overtaken(&self) -> bool;
}

impl Overtaken for StoreError {
    fn is_overtaken(&self) -> bool {
        self.is_condition()
    }
}

/// Capped exponential pause with jitter: 20 ms doubling to 1 s.
pub(crate) fn pause(attempt: u32) -> Duration {
    let ceiling = 20u64.saturating_mul(1 << attempt.min(6)).min(1_000);
    let jitter = u64::from(Uuid::new_v4().as_bytes()[0]);
    Duration::from_millis(ceiling / 2 + ceiling * jitter / 512)
}
