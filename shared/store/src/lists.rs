//! Full lists of cohorts: who is a member by a source's word, and which list of it is the latest.
//!
//! A *roll* has an item for everybody whose membership of a label a source said last, written and removed in the transaction
//! that changes the person, so that a full list finds whoever is not on it without a scan of people. Whoever writes a
//! membership that is older than the latest list reads that list afterwards, and whoever takes a list in notes it before
//! it reads the roll: one of the two sees the other.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use ims_domain::person::{FullList, Membership};
use ims_domain::record::{Change, Outcome};
use ims_domain::{Person, PersonId};
use serde::{Deserialize, Serialize};

use crate::transaction::until_it_holds;
use crate::{Actor, Store, StoreError, Table, Transaction, from_item, keys, to_item};

/// Parts of a roll, which are gone through apart from each other.
pub const LISTED_SHARDS: u32 = keys::SHARDS as u32;

/// Attempts at one person or list before giving up.
const ATTEMPTS: u32 = 12;

/// An entry of a roll.
#[derive(Serialize, Deserialize)]
struct Rolled {
    person: PersonId,
    date: jiff::civil::Date,
    order: String,
}

impl Store {
    /// The latest full lists of these labels and sources, by both; those of which none came are left out.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn full_lists(
        &self,
        wanted: BTreeSet<(String, String)>,
    ) -> Result<BTreeMap<(String, String), FullList>, StoreError> {
        let keys = wanted.iter().map(|(label, source)| keys::full_list(label, source));
        let items = self.get_many(Table::Identity, keys).await?;
        let lists = items.into_iter().map(from_item::<FullList>);
        lists.map(|list| list.map(|list| ((list.label.clone(), list.source.clone()), list))).collect()
    }

    /// Notes a full list, unless a later one is noted.
    ///
    /// # Errors
    /// Where the table cannot be read or written.
    pub async fn note_full_list(&self, list: &FullList) -> Result<(), StoreError> {
        let (pk, sk) = keys::full_list(&list.label, &list.source);
        until_it_holds(ATTEMPTS, async |_| {
            let held = self.get(Table::Identity, (pk.clone(), sk.clone())).await?;
            let noted = held.map(from_item::<FullList>).transpose()?;
            let item = to_item(&pk, &sk, list)?;
            match noted {
                Some(noted) if noted.place() >= list.place() => Ok(()),
                Some(noted) => {
                    let held = AttributeValue::S(noted.order);
                    self.transaction().put_where(Table::Identity, item, "order", held).commit().await
                }
                None => self.transaction().create(Table::Identity, item).commit().await,
            }
        })
        .await
    }

    /// Some of a part of a list's roll after a person, in the order of ids; with whether a list ends each one's
    /// membership, as far as the roll tells. Fewer than `most` only at the end.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn roll(
        &self,
        list: &FullList,
        shard: u32,
        after: Option<PersonId>,
        most: usize,
    ) -> Result<Vec<(PersonId, bool)>, StoreError> {
        let pk = keys::roll_pk(&list.label, &list.source, u64::from(shard));
        let mut from = after.map_or_else(|| "0".to_owned(), |person| format!("{person}~"));
        let mut found = Vec::new();
        loop {
            let page = self
                .db
                .query()
                .table_name(self.tables.name(Table::Identity))
                .consistent_read(true)
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                .expression_attribute_values(":pk", AttributeValue::S(pk.clone()))
                .expression_attribute_values(":from", AttributeValue::S(from.clone()))
                .expression_attribute_values(":to", AttributeValue::S("~".to_owned()))
                .set_limit(i32::try_from(most - found.len()).ok())
                .send()
                .await
                .map_err(StoreError::unavailable("Query"))?;
            let (items, is_last) = (page.items.unwrap_or_default(), page.last_evaluated_key.is_none());
            for item in items {
                let rolled: Rolled = from_item(item)?;
                found.push((rolled.person, (rolled.date, rolled.order.as_str()) < list.place()));
            }
            match found.last() {
                Some((last, _)) if !is_last && found.len() < most => from = format!("{last}~"),
                _ => return Ok(found),
            }
        }
    }

    /// Ends somebody's membership, where a full list on which they are not ends it.
    ///
    /// # Errors
    /// Where the tables cannot be read or written, or the person is so busy that no attempt held.
    pub async fn end_membership(&self, person: PersonId, list: &FullList, actor: &Actor) -> Result<bool, StoreError> {
        until_it_holds(ATTEMPTS, async |_| {
            let Some(before) = self.record(person, false).await? else { return Ok(false) };
            let mut after = before.clone();
            let ended = after.apply(&Change::NotListed(list.clone())) == Outcome::Applied;
            if ended {
                self.save(&[(before, after)], None, actor).await?;
            }
            Ok(ended)
        })
        .await
    }
}

impl Transaction<'_> {
    /// Writes what changed in the rolls between two states of a person.
    pub(crate) fn write_roll(self, before: &Person, after: &Person) -> Result<Self, StoreError> {
        let member = |held: Option<&Membership>| held.filter(|held| held.member).cloned();
        let labels: BTreeSet<&String> = before.cohorts.keys().chain(after.cohorts.keys()).collect();
        let mut transaction = self;
        for label in labels {
            let (was, is) = (member(before.cohorts.get(label)), member(after.cohorts.get(label)));
            if was == is {
                continue;
            }
            let source = |held: &Option<Membership>| held.as_ref().map(|held| held.source.clone());
            if let Some(source) = source(&was).filter(|old| source(&is).as_ref() != Some(old)) {
                transaction = transaction.delete(Table::Identity, keys::rolled(label, &source, after.id));
            }
            if let Some(held) = is {
                let (pk, sk) = keys::rolled(label, &held.source, after.id);
                let rolled = Rolled { person: after.id, date: held.date, order: held.order };
                transaction = transaction.put(Table::Identity, to_item(&pk, &sk, &rolled)?);
            }
        }
        Ok(transaction)
    }
}
