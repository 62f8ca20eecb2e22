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
        .map_err(|error| StoreError::Item { key: named(pk, sk), message: error.to_string() })?;
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
    let key = named(&text("pk"), &text("sk"));
    serde_dynamo::from_item(item).map_err(|error| StoreError::Item { key, message: error.to_string() })
}

/// A key as an error may name it: an alias holds an NHS number, which must not reach a log.
fn named(pk: &str, sk: &str) -> String {
    if pk.starts_with("N#") { format!("N#(redacted)/{sk}") } else { format!("{pk}/{sk}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ims_domain::PersonId;

    #[test]
    fn an_error_about_an_alias_does_not_tell_its_nhs_number() {
        #[derive(Debug, serde::Deserialize)]
        struct Alias {
            #[expect(dead_code, reason = "only its absence matters here")]
            person: PersonId,
        }
        let (pk, sk) = crate::keys::alias("9990000018".parse().unwrap());
        let item = Item::from([("pk".to_owned(), AttributeValue::S(pk)), ("sk".to_owned(), AttributeValue::S(sk))]);
        let error = from_item::<Alias>(item).unwrap_err().to_string();
        assert!(error.contains("ALIAS") && !error.contains("9990000018"), "{error}");
    }
}
