//! Applying changes to people's records: read, change, write under condition, again until it holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ims_domain::matching::Difference;
use ims_domain::record::{Action, Change, Immunisation, ImmunisationContent, Outcome, Record, Source};
use ims_domain::{ImmunisationId, NhsNumber, Person, PersonId};
use jiff::Timestamp;
use uuid::Uuid;

use crate::transaction::until_it_holds;
use crate::{AuditEntry, Store, StoreError, Table, from_item, keys, matching};

/// Attempts at one person before giving up.
const ATTEMPTS: u32 = 12;

/// Events in one transaction, each of which takes up to four writes: itself, its past version or its pointer, and two of
/// the matching queue.
const MOST_EVENTS: usize = 20;

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
    /// The role of a member of staff.
    pub role: Option<String>,
    /// For which organisation or person, where that was said.
    pub on_behalf_of: Option<String>,
}

impl Actor {
    /// A supplier or a function, on its own behalf.
    #[must_use]
    pub fn new(name: &str, operation: &str, purpose: String, at: Timestamp) -> Self {
        let (name, operation) = (name.to_owned(), operation.to_owned());
        Self { name, operation, purpose, at, role: None, on_behalf_of: None }
    }

    /// The audit entry for a person.
    #[must_use]
    pub fn on(&self, person: PersonId) -> AuditEntry {
        self.entry().about(person)
    }

    /// An audit entry about nobody in particular.
    #[must_use]
    pub fn entry(&self) -> AuditEntry {
        AuditEntry {
            role: self.role.clone(),
            on_behalf_of: self.on_behalf_of.clone(),
            ..AuditEntry::new(self.at, &self.name, &self.operation, self.purpose.clone())
        }
    }
}

/// What became of a change, and where that left its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What became of it.
    pub outcome: Outcome,
    /// What speaks against its record, where that now waits in the matching queue.
    pub unmatched: BTreeSet<Difference>,
}

impl Applied {
    /// Of a change that found nothing.
    const NOWHERE: Self = Self { outcome: Outcome::NotFound, unmatched: BTreeSet::new() };

    fn of(outcome: Outcome, change: &Change, record: &Record) -> Self {
        let matching = match change {
            Change::Immunisation { id, .. } => {
                record.immunisations.get(id).filter(|held| !held.deleted).map(|held| &held.matching)
            }
            Change::Booking(booking) => record.bookings.get(&booking.reference).map(|held| &held.matching),
            _ => None,
        };
        let open = matching.filter(|matching| matching.is_open());
        Self { outcome, unmatched: open.map(|matching| matching.differences.clone()).unwrap_or_default() }
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
    !matches!(change, Change::Immunisation { action: Action::Update | Action::Delete, .. } | Change::NotListed(_))
}

#[derive(serde::Deserialize)]
struct Pointing {
    pk: String,
    person: PersonId,
}

/// Who holds which numbers and immunisations, and their summaries, read for many changes at once.
#[derive(Debug, Default)]
pub struct Holders {
    numbers: HashMap<NhsNumber, PersonId>,
    immunisations: HashMap<ImmunisationId, PersonId>,
    people: HashMap<PersonId, Person>,
}

impl Holders {
    /// Whether somebody held the immunisation when this was read.
    #[must_use]
    pub fn knows(&self, id: ImmunisationId) -> bool {
        self.immunisations.contains_key(&id)
    }

    /// The summary of whoever held a number when this was read.
    #[must_use]
    pub fn named(&self, number: NhsNumber) -> Option<&Person> {
        self.people.get(self.numbers.get(&number)?)
    }

    fn person(&self, id: PersonId) -> Result<Person, StoreError> {
        self.people.get(&id).cloned().ok_or_else(|| StoreError::Item {
            key: keys::person_pk(id),
            message: "an alias points to a person who is not there".to_owned(),
        })
    }
}

/// A decision about one immunisation.
#[derive(Debug, Clone)]
pub struct Revision {
    /// What to do. It must be possible with the record that was seen.
    pub action: Action,
    /// What the record shall say; not needed for a deletion.
    pub content: Option<ImmunisationContent>,
    /// Where it comes from.
    pub source: Source,
}

impl Revision {
    fn change(self, id: ImmunisationId) -> Change {
        Change::Immunisation { action: self.action, id, content: self.content, source: self.source }
    }
}

/// A decision that could not be carried out: a fault of whoever decided.
fn absent(id: ImmunisationId) -> StoreError {
    let (pk, sk) = keys::pointer(id);
    StoreError::Item { key: format!("{pk}/{sk}"), message: "the change decided on is not possible".to_owned() }
}

/// What is known of the changes' people before the first attempt.
type Known<'a> = Option<&'a Holders>;

impl Store {
    /// Reads who holds these numbers and immunisations, a hundred at a time, for [`Store::apply_known`].
    ///
    /// # Errors
    /// Where a table or an item cannot be read.
    pub async fn holders(
        &self,
        numbers: impl IntoIterator<Item = NhsNumber>,
        immunisations: impl IntoIterator<Item = ImmunisationId>,
    ) -> Result<Holders, StoreError> {
        let mut found = Holders::default();
        let numbers: HashMap<String, NhsNumber> =
            numbers.into_iter().map(|number| (keys::alias(number).0, number)).collect();
        let immunisations: BTreeSet<ImmunisationId> = immunisations.into_iter().collect();
        let all = numbers.values().map(|number| keys::alias(*number));
        let all: Vec<keys::Key> = all.chain(immunisations.into_iter().map(keys::pointer)).collect();
        for item in self.get_many(Table::Identity, all).await? {
            let pointing: Pointing = from_item(item)?;
            match (pointing.pk.strip_prefix("I#").map(str::parse), numbers.get(&pointing.pk)) {
                (Some(Ok(id)), _) => _ = found.immunisations.insert(id, pointing.person),
                (_, Some(number)) => _ = found.numbers.insert(*number, pointing.person),
                _ => {}
            }
        }
        let people: BTreeSet<PersonId> = found.numbers.values().chain(found.immunisations.values()).copied().collect();
        found.people = self.people(people).await?.into_iter().map(|person| (person.id, person)).collect();
        Ok(found)
    }

    /// As [`Store::apply`], with what was read of many changes' people at once. It may be out of date: writes are
    /// conditional on it, and an answer without a write is only given on what is read anew.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn apply_known(
        &self,
        holders: &Holders,
        number: Option<NhsNumber>,
        changes: &[Change],
        actor: &Actor,
    ) -> Result<Vec<Applied>, StoreError> {
        match self.try_apply(Some(holders), number, changes, actor).await {
            Ok(Some(applied)) => Ok(applied),
            Err(error) if !error.is_condition() => Err(error),
            Ok(None) | Err(_) => self.apply_anew(number, changes, actor).await,
        }
    }

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
        let applied = self.apply_anew(number, changes, actor).await?;
        Ok(applied.into_iter().map(|applied| applied.outcome).collect())
    }

    async fn apply_anew(
        &self,
        number: Option<NhsNumber>,
        changes: &[Change],
        actor: &Actor,
    ) -> Result<Vec<Applied>, StoreError> {
        let applied = until_it_holds(ATTEMPTS, async |_| self.try_apply(None, number, changes, actor).await).await?;
        Ok(applied.unwrap_or_default())
    }

    /// Changes one immunisation as `decide` says when it sees the record held, which is `None` where there never was one
    /// and may be deleted. The decision, and so every check in it, holds at the write: where the record or its person is
    /// written in between, it is made again on what is held then.
    ///
    /// A change that carries a resource goes to the person with this NHS number, handed over from the person who held
    /// the record where that is somebody else; without a number it stays with that person. Returns the record as
    /// written.
    ///
    /// # Errors
    /// Where the tables cannot be read or written, or the person is so busy that no attempt held; inside, what `decide`
    /// refuses with.
    pub async fn revise<R>(
        &self,
        id: ImmunisationId,
        number: Option<NhsNumber>,
        actor: &Actor,
        decide: impl Fn(Option<&Immunisation>) -> Result<Revision, R>,
    ) -> Result<Result<Immunisation, R>, StoreError> {
        until_it_holds(ATTEMPTS, async |_| self.try_revise(id, number, actor, &decide).await).await
    }

    async fn try_revise<R>(
        &self,
        id: ImmunisationId,
        number: Option<NhsNumber>,
        actor: &Actor,
        decide: impl Fn(Option<&Immunisation>) -> Result<Revision, R>,
    ) -> Result<Result<Immunisation, R>, StoreError> {
        let holders = self.holders(number, [id]).await?;
        let named = number.and_then(|number| holders.numbers.get(&number).copied());
        let Some(holder) = holders.immunisations.get(&id).copied() else {
            let revision = match decide(None) {
                Ok(revision) => revision,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let before = self.held(&holders, named, number).await?;
            if before.immunisations.contains_key(&id) {
                // Made since its pointer was looked for: the decision rests on what is no longer so.
                return Err(StoreError::Condition { index: 0 });
            }
            let mut after = before.clone();
            after.apply(&revision.change(id));
            return self.saved(id, before, after, actor).await.map(Ok);
        };
        let before = self.held(&holders, Some(holder), None).await?;
        let revision = match decide(before.immunisations.get(&id)) {
            Ok(revision) => revision,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut after = before.clone();
        if let (Some(content), Some(_)) = (&revision.content, number)
            && named != Some(holder)
            && !is_attached(&before, id, content)
        {
            let receiving = self.held(&holders, named, number).await?;
            let mut received = receiving.clone();
            if after.hand_over(&mut received, id, content, &revision.source) {
                let written = received.immunisations.get(&id).cloned();
                self.save(&[(before, after), (receiving, received)], Some((id, holder)), actor).await?;
                return written.ok_or_else(|| absent(id)).map(Ok);
            }
        }
        after.apply(&revision.change(id));
        self.saved(id, before, after, actor).await.map(Ok)
    }

    /// A person's record with their timeline; a new person's where there is none.
    async fn held(
        &self,
        holders: &Holders,
        person: Option<PersonId>,
        number: Option<NhsNumber>,
    ) -> Result<Record, StoreError> {
        match person {
            Some(person) => self.record_of(holders.person(person)?, true).await,
            None => Ok(Record::new(Person::new(PersonId(Uuid::new_v4()), number))),
        }
    }

    /// Saves a record in which one immunisation changed, and returns that.
    async fn saved(
        &self,
        id: ImmunisationId,
        before: Record,
        after: Record,
        actor: &Actor,
    ) -> Result<Immunisation, StoreError> {
        let written = after.immunisations.get(&id).filter(|_| after != before).cloned().ok_or_else(|| absent(id))?;
        self.save(&[(before, after)], None, actor).await?;
        Ok(written)
    }

    /// One attempt. `None` where nothing would be written, and so the answer would rest on what may be out of date.
    async fn try_apply(
        &self,
        known: Known<'_>,
        number: Option<NhsNumber>,
        changes: &[Change],
        actor: &Actor,
    ) -> Result<Option<Vec<Applied>>, StoreError> {
        let read;
        let holders = match known {
            Some(holders) => holders,
            None => {
                read = self.holders(number, changes.iter().filter_map(immunisation_of)).await?;
                &read
            }
        };
        let by_number = number.and_then(|number| holders.numbers.get(&number).copied());
        let mut applied = vec![Applied::NOWHERE; changes.len()];
        let mut groups: BTreeMap<Option<PersonId>, Vec<usize>> = BTreeMap::new();
        for (index, change) in changes.iter().enumerate() {
            let holder = immunisation_of(change).and_then(|id| holders.immunisations.get(&id).copied()).or(by_number);
            groups.entry(holder).or_default().push(index);
        }
        for (holder, indexes) in groups {
            let group: Vec<&Change> = indexes.iter().map(|index| &changes[*index]).collect();
            let Some(before) = self.before(holders, holder, number, &group).await? else {
                if known.is_some() {
                    return Ok(None);
                }
                continue;
            };
            let mut after = before.clone();
            for (index, change) in indexes.iter().zip(&group) {
                applied[*index].outcome = after.apply(change);
                // A record that was not there when holders were looked for may have been made since, for somebody else.
                if known.is_some() && applied[*index].outcome == Outcome::NotFound {
                    return Ok(None);
                }
            }
            for (index, change) in indexes.iter().zip(&group) {
                applied[*index] = Applied::of(applied[*index].outcome, change, &after);
            }
            if after != before {
                self.save_in_turn(before, after, actor).await?;
            } else if known.is_some() {
                return Ok(None);
            }
        }
        Ok(Some(applied))
    }

    /// Saves a record, in several transactions where more events changed than one can hold: the person last, so that
    /// whoever begins again after a crash finds what is left to do.
    async fn save_in_turn(&self, before: Record, after: Record, actor: &Actor) -> Result<(), StoreError> {
        if after.changed_since(&before) <= MOST_EVENTS {
            return self.save(&[(before, after)], None, actor).await;
        }
        // Stamped at once, so that what a stage wrote is what the last one would have written.
        let stamped = matching::stamped(&[(before, after)], actor.at).into_owned();
        for (mut before, mut after) in stamped {
            while after.changed_since(&before) > MOST_EVENTS {
                let mut next = before.clone();
                next.take_events(&after, MOST_EVENTS);
                self.save(&[(before, next.clone())], None, actor).await?;
                before = next;
                before.person.version += 1;
            }
            after.person.version = before.person.version;
            self.save(&[(before, after)], None, actor).await?;
        }
        Ok(())
    }

    /// The record as held, or a new one where the changes introduce a person.
    async fn before(
        &self,
        holders: &Holders,
        holder: Option<PersonId>,
        number: Option<NhsNumber>,
        group: &[&Change],
    ) -> Result<Option<Record>, StoreError> {
        let Some(holder) = holder else {
            let introduced = group.iter().any(|change| introduces(change));
            return Ok(introduced.then(|| Record::new(Person::new(PersonId(Uuid::new_v4()), number))));
        };
        let person = holders.person(holder)?;
        let with_events = group.iter().any(|change| needs_events(&person, change));
        self.record_of(person, with_events).await.map(Some)
    }
}

/// Whether a change can be applied to a person's record only with the events in it: where it is one itself, or where it
/// names the person otherwise than before, so that all are matched anew.
fn needs_events(person: &Person, change: &Change) -> bool {
    match change {
        Change::Immunisation { .. } | Change::Booking(_) => true,
        Change::Demographics(row) => !person.identities().contains(&row.0.identity()),
        Change::Membership { .. } | Change::Detail { .. } | Change::NotListed(_) => false,
    }
}

/// Whether staff attached the record to whoever holds it, and the supplier still says the same of its patient.
fn is_attached(holder: &Record, id: ImmunisationId, content: &ImmunisationContent) -> bool {
    holder
        .immunisations
        .get(&id)
        .is_some_and(|held| !held.deleted && held.matching.is_attached() && held.patient.is_same(&content.patient))
}
