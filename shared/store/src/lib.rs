//! DynamoDB tables, keys, items and conditional writes. The only crate that knows attribute values.
//!
//! Invariant: nothing about a person is written without a condition on the version that was read.

mod applications;
mod apply;
pub mod audit;
mod batch;
mod campaigns;
mod control;
mod error;
mod feed_files;
mod holds;
mod item;
pub mod keys;
mod lists;
mod matching;
mod merges;
mod outreach;
mod persons;
mod quotas;
mod replies;
mod tables;
mod texted;
mod transaction;
mod transfers;

pub use applications::Application;
pub use apply::{Actor, Applied, Holders, Revision};
pub use audit::{AuditEntry, AuditResult, AuditSpan};
pub use campaigns::{Definition, Draft, PartResult};
pub use control::{ChangeFeedEnd, ManifestPointer};
pub use error::StoreError;
pub use feed_files::{ChunkState, FeedFile, FeedFileState, FileDecision, Held, RowFailure};
pub use item::{Item, from_item, to_item};
pub use lists::LISTED_SHARDS;
pub use matching::{
    Deed, HowSettled, MatchingCount, MatchingEntry, MatchingOrder, MatchingRefusal, NamedRecord, NotARecord, Ruled,
    Settled,
};
pub use outreach::{DueEntry, PendingLetter};
pub use tables::{Table, Tables};
pub use transaction::{Overtaken, Transaction, until_it_holds};
pub use transfers::Transfer;

use aws_sdk_dynamodb::Client;

/// The truth: a client and the names of its tables.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) db: Client,
    pub(crate) tables: Tables,
}

impl Store {
    /// A store on these tables.
    #[must_use]
    pub fn new(db: Client, tables: Tables) -> Self {
        Self { db, tables }
    }

    /// The client, for what has no call of its own here.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.db
    }

    /// The tables' names.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }
}
