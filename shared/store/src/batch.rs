//! Many items at once, finishing what DynamoDB leaves unprocessed.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{KeysAndAttributes, PutRequest, WriteRequest};

use crate::keys::Key;
use crate::transaction::{key_item, pause};
use crate::{Item, Store, StoreError, Table};

/// Attempts at the same batch before giving up.
const ATTEMPTS: u32 = 8;

impl Store {
    /// Reads many items, strongly consistent, in no order; absent ones are left out.
    ///
    /// # Errors
    /// Where the table cannot be read, or goes on leaving keys unprocessed.
    pub async fn get_many(&self, table: Table, keys: impl IntoIterator<Item = Key>) -> Result<Vec<Item>, StoreError> {
        let name = self.tables.name(table);
        let keys: Vec<Item> = keys.into_iter().map(key_item).collect();
        let mut found = Vec::with_capacity(keys.len());
        for block in keys.chunks(100) {
            let mut wanted = block.to_vec();
            let mut attempt = 0;
            while !wanted.is_empty() {
                let request = KeysAndAttributes::builder()
                    .set_keys(Some(wanted))
                    .consistent_read(true)
                    .build()
                    .map_err(StoreError::unavailable("BatchGetItem"))?;
                let page = self
                    .db
                    .batch_get_item()
                    .request_items(name, request)
                    .send()
                    .await
                    .map_err(StoreError::unavailable("BatchGetItem"))?;
                found.extend(page.responses.unwrap_or_default().remove(name).unwrap_or_default());
                wanted =
                    page.unprocessed_keys.unwrap_or_default().remove(name).map(|left| left.keys).unwrap_or_default();
                attempt += 1;
                if !wanted.is_empty() {
                    give_up_after(attempt, "BatchGetItem")?;
                    tokio::time::sleep(pause(attempt)).await;
                }
            }
        }
        Ok(found)
    }

    /// Reads one item from each of two tables at once, strongly consistent.
    ///
    /// # Errors
    /// Where a table cannot be read, or goes on leaving keys unprocessed.
    pub(crate) async fn get_both(&self, wanted: [(Table, Key); 2]) -> Result<[Option<Item>; 2], StoreError> {
        let names = [self.tables.name(wanted[0].0), self.tables.name(wanted[1].0)];
        let mut asked = HashMap::new();
        for (name, (_, key)) in names.into_iter().zip(wanted) {
            let keys = KeysAndAttributes::builder().keys(key_item(key)).consistent_read(true).build();
            asked.insert(name.to_owned(), keys.map_err(StoreError::unavailable("BatchGetItem"))?);
        }
        let (mut found, mut attempt) = ([None, None], 0);
        loop {
            let sent = self.db.batch_get_item().set_request_items(Some(asked)).send().await;
            let page = sent.map_err(StoreError::unavailable("BatchGetItem"))?;
            let mut responses = page.responses.unwrap_or_default();
            for (name, item) in names.into_iter().zip(&mut found) {
                if let Some(read) = responses.remove(name).and_then(|items| items.into_iter().next()) {
                    *item = Some(read);
                }
            }
            asked = page.unprocessed_keys.unwrap_or_default();
            if asked.is_empty() {
                return Ok(found);
            }
            attempt += 1;
            give_up_after(attempt, "BatchGetItem")?;
            tokio::time::sleep(pause(attempt)).await;
        }
    }

    /// Puts many items, whatever was there.
    ///
    /// # Errors
    /// Where the table cannot be written, or goes on leaving items unprocessed.
    pub async fn put_many(&self, table: Table, items: Vec<Item>) -> Result<(), StoreError> {
        let name = self.tables.name(table);
        let mut puts = Vec::with_capacity(items.len());
        for item in items {
            let put = PutRequest::builder()
                .set_item(Some(item))
                .build()
                .map_err(StoreError::unavailable("BatchWriteItem"))?;
            puts.push(WriteRequest::builder().put_request(put).build());
        }
        for block in puts.chunks(25) {
            let mut left = block.to_vec();
            let mut attempt = 0;
            while !left.is_empty() {
                let page = self
                    .db
                    .batch_write_item()
                    .set_request_items(Some(HashMap::from([(name.to_owned(), left)])))
                    .send()
                    .await
                    .map_err(StoreError::unavailable("BatchWriteItem"))?;
                left = page.unprocessed_items.unwrap_or_default().remove(name).unwrap_or_default();
                attempt += 1;
                if !left.is_empty() {
                    give_up_after(attempt, "BatchWriteItem")?;
                    tokio::time::sleep(pause(attempt)).await;
                }
            }
        }
        Ok(())
    }
}

fn give_up_after(attempt: u32, operation: &'static str) -> Result<(), StoreError> {
    if attempt < ATTEMPTS {
        return Ok(());
    }
    let source = format!("items were left unprocessed {attempt} times").into();
    Err(StoreError::Unavailable { operation, source })
}
