//! Between structs and items.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StoreError;

/// An item as DynamoDB holds it.
pub type Item = HashMap<String, AttributeValue>;

/// Version of the items' shape, kept in every item as `schema`.
pub const SCHEMA: u32 = 1;

/// A struct as an item under a key.
///
/// # Errors
/// Where the struct cannot be an item (it is not a map).
pub fn to_item<T: Serialize>(pk: &str, sk: &str, value: &T) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(value)
        .map_err(|error| StoreError::Item { key: format!("{pk}/{sk}"), message: error.to_string() })?;
    item.insert("pk".to_owned(), AttributeValue::S(pk.to_owned()));
    item.insert("sk".to_owned(), AttributeValue::S(sk.to_owned()));
    item.insert("schema".to_owned(), AttributeValue::N(SCHEMA.to_string()));
    Ok(item)
}

/// The struct that an item holds.
///
/// # Errors
/// Names the item's key and what does not fit.
pub fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
    let key = format!("{}/{}", text("pk"), text("sk"));
    serde_dynamo::from_item(item).map_err(|error| StoreError::Item { key, message: error.to_string() })
}
