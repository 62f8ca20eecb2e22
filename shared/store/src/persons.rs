//! People and their timelines.

use aws_sdk_dynamodb::types::AttributeValue;
use ims_domain::record::{Booking, Immunisation, Record};
use ims_domain::{ImmunisationId, NhsNumber, Person, PersonId};
use serde::Deserialize;

use crate::{Item, Store, StoreError, Table, Transaction, from_item, keys, to_item};

/// What a person is known by, and which version of them.
#[derive(Deserialize)]
struct Versioned {
    id: PersonId,
    version: u64,
}

impl Store {
    /// The person an NHS number points to.
    ///
    /// # Errors
    /// Where the table cannot be read.
    pub async fn person_by_nhs_number(&self, number: NhsNumber) -> Result<Option<PersonId>, StoreError> {
        Ok(self.get(Table::Identity, keys::alias(number)).await?.as_ref().and_then(person_of))
    }

    /// The person who holds an immunisation record.
    ///
    /// # Errors
    /// Where the table cannot be read.
    pub async fn person_by_immunisation(&self, id: ImmunisationId) -> Result<Option<PersonId>, StoreError> {
        Ok(self.get(Table::Identity, keys::pointer(id)).await?.as_ref().and_then(person_of))
    }

    /// A person's summary.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn person(&self, id: PersonId) -> Result<Option<Person>, StoreError> {
        self.get(Table::Person, keys::person(id)).await?.map(from_item).transpose()
    }

    /// Many people's summaries, in no order.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn people(&self, ids: impl IntoIterator<Item = PersonId>) -> Result<Vec<Person>, StoreError> {
        let items = self.get_many(Table::Person, ids.into_iter().map(keys::person)).await?;
        items.into_iter().map(from_item).collect()
    }

    /// The version of every person of one of so many segments of the table, counted from 0. All together read the whole
    /// table: for checks at night, never while somebody waits.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn person_versions(
        &self,
        segment: u32,
        segments: u32,
        mut each: impl FnMut(PersonId, u64),
    ) -> Result<(), StoreError> {
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let mut start = None;
        loop {
            let page = self
                .db
                .scan()
                .table_name(self.tables.name(Table::Person))
                .consistent_read(true)
                .segment(number(segment))
                .total_segments(number(segments))
                .projection_expression("pk, sk, id, #version")
                .expression_attribute_names("#version", "version")
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(StoreError::unavailable("Scan"))?;
            for item in page.items.unwrap_or_default() {
                if item.get("sk").and_then(|sk| sk.as_s().ok()).is_some_and(|sk| sk == "SUMMARY") {
                    let held: Versioned = from_item(item)?;
                    each(held.id, held.version);
                }
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    /// A person's summary, with their timeline where `with_events`.
    ///
    /// # Errors
    /// Where a table or an item cannot be read.
    pub async fn record(&self, id: PersonId, with_events: bool) -> Result<Option<Record>, StoreError> {
        let Some(person) = self.person(id).await? else { return Ok(None) };
        self.record_of(person, with_events).await.map(Some)
    }

    /// A person's record from their summary, with their timeline where `with_events`.
    pub(crate) async fn record_of(&self, person: Person, with_events: bool) -> Result<Record, StoreError> {
        let id = person.id;
        let mut record = Record::new(person);
        if with_events {
            for item in self.query_between(Table::Event, &keys::person_pk(id), "BKG#", "IMM$").await? {
                if item.get("sk").and_then(|sk| sk.as_s().ok()).is_some_and(|sk| sk.starts_with("BKG#")) {
                    let event: Booking = from_item(item)?;
                    record.bookings.insert(event.reference.clone(), event);
                } else {
                    let event: Immunisation = from_item(item)?;
                    record.immunisations.insert(event.id, event);
                }
            }
        }
        Ok(record)
    }

    /// One immunisation.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn immunisation(&self, person: PersonId, id: ImmunisationId) -> Result<Option<Immunisation>, StoreError> {
        self.get(Table::Event, keys::immunisation(person, id)).await?.map(from_item).transpose()
    }

    /// One immunisation, with the summary of whoever stands for its person: what a disclosure needs, in one read where the
    /// person stands for themself.
    ///
    /// # Errors
    /// Where a table or an item cannot be read.
    pub async fn immunisation_with_survivor(
        &self,
        person: PersonId,
        id: ImmunisationId,
    ) -> Result<(Option<Immunisation>, Option<Person>), StoreError> {
        let wanted = [(Table::Event, keys::immunisation(person, id)), (Table::Person, keys::person(person))];
        let [event, person] = self.get_both(wanted).await?;
        let person: Option<Person> = person.map(from_item).transpose()?;
        let survivor = match person {
            Some(Person { survivor: Some(_), id, .. }) => self.survivor(id).await?,
            person => person,
        };
        Ok((event.map(from_item).transpose()?, survivor))
    }

    /// A person's immunisations, deleted ones included, past versions not.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn immunisations(&self, person: PersonId) -> Result<Vec<Immunisation>, StoreError> {
        let items = self.query(Table::Event, &keys::person_pk(person), "IMM#").await?;
        items.into_iter().map(from_item).collect()
    }

    /// Past versions of a person's immunisations, in the order of records and versions.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn past_immunisations(&self, person: PersonId) -> Result<Vec<Immunisation>, StoreError> {
        let items = self.query(Table::Event, &keys::person_pk(person), "PAST#").await?;
        items.into_iter().map(from_item).collect()
    }
}

impl Transaction<'_> {
    /// Writes the events that changed between two states of a record. `received` is an immunisation that this person held
    /// before.
    pub(crate) fn write_events(
        self,
        before: &Record,
        after: &Record,
        received: Option<(ImmunisationId, PersonId)>,
    ) -> Result<Self, StoreError> {
        let id = after.person.id;
        let mut transaction = self;
        for (immunisation, event) in &after.immunisations {
            let old = before.immunisations.get(immunisation);
            if old == Some(event) {
                continue;
            }
            let (pk, sk) = keys::immunisation(id, *immunisation);
            transaction = transaction.replace(
                Table::Event,
                to_item(&pk, &sk, event)?,
                old.map_or(0, |old| u64::from(old.version)),
            );
            if let Some(old) = old {
                let (pk, sk) = keys::immunisation_version(id, *immunisation, old.version);
                transaction = transaction.put(Table::Event, to_item(&pk, &sk, old)?);
            }
            let (pk, sk) = keys::pointer(*immunisation);
            let pointer = pointing(&pk, &sk, id);
            transaction = match received {
                Some((received, holder)) if received == *immunisation && holder != id => {
                    let holder = AttributeValue::S(holder.to_string());
                    transaction.put_where(Table::Identity, pointer, "person", holder)
                }
                _ if old.is_none() => transaction.create(Table::Identity, pointer),
                _ => transaction,
            };
        }
        for (reference, event) in &after.bookings {
            if before.bookings.get(reference) != Some(event) {
                let (pk, sk) = keys::booking(id, reference);
                transaction = transaction.put(Table::Event, to_item(&pk, &sk, event)?);
            }
        }
        Ok(transaction)
    }

    /// Checks that a person was not written since this version.
    #[must_use]
    pub fn check_person(self, person: &Person) -> Self {
        self.check_version(Table::Person, keys::person(person.id), person.version)
    }
}

pub(crate) fn person_item(person: &Person) -> Result<Item, StoreError> {
    let (pk, sk) = keys::person(person.id);
    to_item(&pk, &sk, person)
}

/// The alias of a number.
pub(crate) fn alias_item(number: NhsNumber, person: PersonId) -> Item {
    let (pk, sk) = keys::alias(number);
    pointing(&pk, &sk, person)
}

fn pointing(pk: &str, sk: &str, person: PersonId) -> Item {
    Item::from([
        ("pk".to_owned(), AttributeValue::S(pk.to_owned())),
        ("sk".to_owned(), AttributeValue::S(sk.to_owned())),
        ("schema".to_owned(), AttributeValue::N(crate::item::SCHEMA.to_string())),
        ("person".to_owned(), AttributeValue::S(person.to_string())),
    ])
}

fn person_of(item: &Item) -> Option<PersonId> {
    item.get("person")?.as_s().ok()?.parse().ok()
}
