//! What can go wrong with the store.

use thiserror::Error;

/// How DynamoDB names what it refuses because too much was asked of it at once.
const THROTTLES: [&str; 3] = ["ProvisionedThroughputExceeded", "ThrottlingException", "RequestLimitExceeded"];

/// A failure of the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A table's name is not configured.
    #[error("environment variable {variable} is not set")]
    NoTable {
        /// Variable.
        variable: String,
    },
    /// A condition did not hold: somebody else wrote first, or the thing exists. Read again and decide again.
    #[error("the condition of write {index} in a transaction did not hold")]
    Condition {
        /// Place of the write in the transaction, from 0.
        index: usize,
    },
    /// The database could not be reached, or refused, after all retries.
    #[error("{operation} failed")]
    Unavailable {
        /// What was attempted.
        operation: &'static str,
        /// Cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An item does not have the shape this version knows.
    #[error("item {key} cannot be read: {message}")]
    Item {
        /// Key of the item.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// A write would exceed what one transaction may hold.
    #[error("a transaction of {0} writes is over the limit of 100")]
    TooLarge(usize),
}

impl StoreError {
    /// Wraps a client error.
    pub fn unavailable<E: std::error::Error + Send + Sync + 'static>(
        operation: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Unavailable { operation, source: Box::new(source) }
    }

    /// Whether the database refused because too much was asked of it at once, after all retries.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let text = error.to_string();
            if THROTTLES.iter().any(|code| text.contains(code)) {
                return true;
            }
            cause = error.source();
        }
        false
    }

    /// Whether reading again and deciding again may help.
    #[must_use]
    pub fn is_condition(&self) -> bool {
        matches!(self, Self::Condition { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::operation::get_item::GetItemError;
    use aws_sdk_dynamodb::types::error::{ProvisionedThroughputExceededException, ResourceNotFoundException};

    #[test]
    fn a_throttle_is_told_from_other_failures() {
        let throughput = ProvisionedThroughputExceededException::builder().message("slow down").build();
        let error = GetItemError::ProvisionedThroughputExceededException(throughput);
        assert!(StoreError::unavailable("GetItem")(error).is_throttled());
        let missing = ResourceNotFoundException::builder().message("no table").build();
        assert!(!StoreError::unavailable("GetItem")(GetItemError::ResourceNotFoundException(missing)).is_throttled());
        assert!(!StoreError::Condition { index: 0 }.is_throttled());
    }
}
