//! Applying changes to people's records: read, change, write under condition, again until it holds.

use std::collections::{BTreeMap, HashMap};

use ims_domain::record::{Action, Change, Outcome, Record};
use ims_domain::{ImmunisationId, NhsNumber, Person, PersonId};
use jiff::Timestamp;
use uuid::Uuid;

use crate::transaction::pause;
use crate::{AuditEntry, Store, StoreError, Table, from_item, keys};

/// Attempts at one person before giving up.
const ATTEMPTS: u32 = 12;

/// Who makes a change, and why: the person is filled in.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Supplier, member of staff or function.
    pub name: String,
    /// `create`, `feed`, …
    pub operation: String,
    /// Request id, or file and rows.
    pub purpose: String,
    /// When.
    pub at: Timestamp,
}

impl Actor {
    /// The audit entry for a person.
    #[must_use]
    pub fn on(&self, person: PersonId) -> AuditEntry {
        AuditEntry {
            at: self.at,
            actor: self.name.clone(),
            operation: self.operation.clone(),
            purpose: self.purpose.clone(),
            person,
        }
    }
}

fn immunisation_of(change: &Change) -> Option<ImmunisationId> {
    match change {
        Change::Immunisation { id, .. } => Some(*id),
        _ => None,
    }
}

/// Whether a change may bring a person into being.
fn introduces(change: &Change) -> bool {
    !matches!(change, Change::Immunisation { action: Action::Update | Action::Delete, .. })
}

#[derive(serde::Deserialize)]
struct Pointing {
    pk: String,
    person: PersonId,
}

impl Store {
    /// Applies changes that concern one NHS number (or, without one, one immunisation identifier), in their order.
    ///
    /// A change to an immunisation that exists goes to the person who holds it, whatever number it is sent under.
    /// A number not known yet becomes a new person. Returns the outcomes in the order of the changes.
    ///
    /// # Errors
    /// Where the tables cannot be read or written, or the person is so busy that no attempt held.
    pub async fn apply(
        &self,
        number: Option<NhsNumber>,
        changes: &[Change],
        actor: &Actor,
    ) -> Result<Vec<Outcome>, StoreError> {
        let mut attempt = 0;
        loop {
            match self.try_apply(number, changes, actor).await {
                Err(error) if error.is_condition() && attempt < ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(pause(attempt)).await;
                }
                done => return done,
            }
        }
    }

    async fn try_apply(
        &self,
        number: Option<NhsNumber>,
        changes: &[Change],
        actor: &Actor,
    ) -> Result<Vec<Outcome>, StoreError> {
        let (by_number, pointers) = self.holders(number, changes.iter().filter_map(immunisation_of)).await?;
        let mut outcomes = vec![Outcome::NotFound; changes.len()];
        let mut groups: BTreeMap<Option<PersonId>, Vec<usize>> = BTreeMap::new();
        for (index, change) in changes.iter().enumerate() {
            let holder = immunisation_of(change).and_then(|id| pointers.get(&id).copied()).or(by_number);
            groups.entry(holder).or_default().push(index);
        }
        for (holder, indexes) in groups {
            let group: Vec<&Change> = indexes.iter().map(|index| &changes[*index]).collect();
            let Some(before) = self.before(holder, number, &group).await? else { continue };
            let mut after = before.clone();
            for (index, change) in indexes.iter().zip(&group) {
                outcomes[*index] = after.apply(change);
            }
            if after != before {
                self.save_record(&before, after, &actor.on(before.person.id)).await?;
            }
        }
        Ok(outcomes)
    }

    /// The record as held, or a new one where the changes introduce a person.
    async fn before(
        &self,
        holder: Option<PersonId>,
        number: Option<NhsNumber>,
        group: &[&Change],
    ) -> Result<Option<Record>, StoreError> {
        let Some(holder) = holder else {
            let introduced = group.iter().any(|change| introduces(change));
            return Ok(introduced.then(|| Record::new(Person::new(PersonId(Uuid::new_v4()), number))));
        };
        let with_events = group.iter().any(|change| matches!(change, Change::Immunisation { .. } | Change::Booking(_)));
        let record = self.record(holder, with_events).await?;
        record.map(Some).ok_or_else(|| StoreError::Item {
            key: keys::person_pk(holder),
            message: "an alias points to a person who is not there".to_owned(),
        })
    }

    /// Who holds the number and the immunisations, read at once.
    async fn holders(
        &self,
        number: Option<NhsNumber>,
        ids: impl Iterator<Item = ImmunisationId>,
    ) -> Result<(Option<PersonId>, HashMap<ImmunisationId, PersonId>), StoreError> {
        let mut wanted: Vec<ImmunisationId> = ids.collect();
        wanted.sort_unstable();
        wanted.dedup();
        let alias = number.map(keys::alias);
        let all = alias.into_iter().chain(wanted.into_iter().map(keys::pointer));
        let (mut by_number, mut by_id) = (None, HashMap::new());
        for item in self.get_many(Table::Identity, all).await? {
            let pointing: Pointing = from_item(item)?;
            match pointing.pk.strip_prefix("I#").map(str::parse) {
                Some(Ok(id)) => _ = by_id.insert(id, pointing.person),
                _ => by_number = Some(pointing.person),
            }
        }
        Ok((by_number, by_id))
    }
}
