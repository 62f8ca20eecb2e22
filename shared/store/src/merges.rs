//! Writing records together with the people whose numbers superseded theirs, or were superseded by theirs.
//!
//! A survivor's item follows every change of its members in the same transaction, so that whoever decides about a person
//! needs to check one version only.

use std::collections::BTreeMap;

use ims_domain::record::Record;
use ims_domain::{ImmunisationId, Person, PersonId, merge};
use uuid::Uuid;

use crate::persons::{alias_item, person_item};
use crate::{Actor, Store, StoreError, Table, Transaction, keys, matching};

/// People in one merge, so that a transaction holds them all.
const MOST: usize = 40;

/// People by id.
type People = BTreeMap<PersonId, Person>;

impl Store {
    /// The person who stands for somebody now: they themselves, or whoever holds the number that superseded theirs.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn survivor(&self, id: PersonId) -> Result<Option<Person>, StoreError> {
        let mut found = self.person(id).await?;
        for _ in 0..MOST {
            let Some(next) = found.as_ref().and_then(|person| person.survivor) else { break };
            found = Some(self.there(next).await?);
        }
        Ok(found)
    }

    /// Who stands for each of these people now.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn survivors(
        &self,
        ids: impl IntoIterator<Item = PersonId>,
    ) -> Result<BTreeMap<PersonId, Person>, StoreError> {
        let mut found = BTreeMap::new();
        for person in self.people(ids).await? {
            let id = person.id;
            let survivor = if person.survivor.is_some() { self.survivor(id).await? } else { Some(person) };
            found.extend(survivor.map(|survivor| (id, survivor)));
        }
        Ok(found)
    }

    async fn there(&self, id: PersonId) -> Result<Person, StoreError> {
        self.person(id).await?.ok_or_else(|| StoreError::Item {
            key: keys::person_pk(id),
            message: "a person points to somebody who is not there".to_owned(),
        })
    }

    /// Writes what changed in records, each given before and after, with an audit entry for everybody who is written, in
    /// one transaction: their events, and the survivors that follow from them. `received` is an immunisation that one of
    /// the records takes over from this person.
    ///
    /// The matching queue follows the records in the same transaction. Versions rise by one; past versions of immunisations are kept.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where somebody was written since they were read, or was created by somebody else.
    pub async fn save(
        &self,
        changed: &[(Record, Record)],
        received: Option<(ImmunisationId, PersonId)>,
        actor: &Actor,
    ) -> Result<(), StoreError> {
        let stamped = matching::stamped(changed, actor.at);
        let changed: &[(Record, Record)] = &stamped;
        let mut held: People = changed.iter().map(|(before, _)| (before.person.id, before.person.clone())).collect();
        let mut people: People = changed.iter().map(|(_, after)| (after.person.id, after.person.clone())).collect();
        let superseding = changed
            .iter()
            .any(|(before, after)| before.person.states.superseded_by != after.person.states.superseded_by);
        if superseding {
            self.read_named(&mut held, &mut people).await?;
            merge::point(&mut people);
        } else {
            self.read_survivors(&mut held, &mut people).await?;
        }
        merge::gather(&mut people);
        let mut transaction = self.transaction();
        for (before, after) in changed {
            transaction =
                transaction.write_events(before, after, received)?.write_roll(&before.person, &after.person)?;
        }
        transaction = transaction.follow_matching(changed, actor)?;
        for (id, mut person) in people {
            let version = held.get(&id).map_or(0, |held| held.version);
            let given = changed.iter().any(|(before, _)| before.person.id == id);
            if !given && held.get(&id) == Some(&person) {
                // Read and not written, but part of what their own survivor is written with: that must still be so.
                if person.survivor.is_some() {
                    transaction = transaction.check_person(&person);
                }
                continue;
            }
            person.version = version + 1;
            transaction = transaction.replace(Table::Person, person_item(&person)?, version);
            if version == 0
                && let Some(number) = person.nhs_number
            {
                transaction = transaction.create(Table::Identity, alias_item(number, id));
            }
            transaction = transaction.audit(&actor.on(id))?;
        }
        transaction.commit().await
    }

    /// Reads everybody whom these people point to or name as superseding them, and so on. A number that is not known yet
    /// becomes a new person.
    async fn read_named(&self, held: &mut People, people: &mut People) -> Result<(), StoreError> {
        let mut open: Vec<PersonId> = people.keys().copied().collect();
        while let Some(id) = open.pop() {
            let Some(person) = people.get(&id) else { continue };
            let named = person.states.superseded_by;
            let mut next: Vec<PersonId> = person.survivor.into_iter().collect();
            if let Some(number) = named
                && !people.values().any(|known| known.nhs_number == Some(number))
            {
                match self.person_by_nhs_number(number).await? {
                    Some(id) => next.push(id),
                    None => {
                        let new = Person::new(PersonId(Uuid::new_v4()), Some(number));
                        people.insert(new.id, new);
                    }
                }
            }
            for id in next.into_iter().filter(|id| !people.contains_key(id)).collect::<Vec<_>>() {
                if people.len() >= MOST {
                    return Err(StoreError::TooLarge(people.len()));
                }
                let person = self.there(id).await?;
                held.insert(id, person.clone());
                people.insert(id, person);
                open.push(id);
            }
        }
        Ok(())
    }

    /// Reads everybody whom these people point to, and so on.
    async fn read_survivors(&self, held: &mut People, people: &mut People) -> Result<(), StoreError> {
        while let Some(id) =
            people.values().filter_map(|person| person.survivor).find(|survivor| !people.contains_key(survivor))
        {
            let person = self.there(id).await?;
            held.insert(id, person.clone());
            people.insert(id, person);
        }
        Ok(())
    }
}

impl Transaction<'_> {
    /// Writes a person whose held version is `held`, and whoever takes over from them what changed.
    ///
    /// # Errors
    /// Where somebody cannot be read, or cannot be an item.
    pub async fn write_person(self, person: &Person, held: u64) -> Result<Self, StoreError> {
        let store = self.store();
        let mut people = People::from([(person.id, person.clone())]);
        let mut read = People::new();
        store.read_survivors(&mut read, &mut people).await?;
        merge::gather(&mut people);
        let mut transaction = self.replace(Table::Person, person_item(person)?, held);
        for (id, before) in read {
            if let Some(after) = people.get_mut(&id).filter(|after| **after != before) {
                after.version = before.version + 1;
                transaction = transaction.replace(Table::Person, person_item(after)?, before.version);
            } else if before.survivor.is_some() {
                // As in [`Store::save`].
                transaction = transaction.check_person(&before);
            }
        }
        Ok(transaction)
    }
}
