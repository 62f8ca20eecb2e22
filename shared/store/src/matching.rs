//! The matching queue: records that count for nobody until somebody decides about them.
//!
//! An entry is an item beside the aliases, put and deleted in the transaction that writes the record, so that the queue is
//! never behind the records. Keys hold ids and times alone. What left the queue is listed by day, so that it can be undone.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use futures::{StreamExt, TryStreamExt, stream};
use ims_domain::matching::{Decision, Difference, Matching, Ruling};
use ims_domain::record::{Booking, Immunisation, Record, Source};
use ims_domain::{ImmunisationId, NhsNumber, PersonId, VaccineType};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::keys::Key;
use crate::transaction::pause;
use crate::{Actor, AuditResult, Item, Store, StoreError, Table, Transaction, from_item, keys, to_item};

/// Attempts at a decision before giving up.
const ATTEMPTS: u32 = 12;

/// A record by its name: `I#{immunisation}`, or `B#{person}#{reference}` for an appointment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamedRecord {
    /// An immunisation.
    Immunisation(ImmunisationId),
    /// An appointment of a person, by its reference.
    Booking(PersonId, String),
}

impl fmt::Display for NamedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Immunisation(id) => write!(f, "I#{id}"),
            Self::Booking(person, reference) => write!(f, "B#{person}#{reference}"),
        }
    }
}

/// A text that names no record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a record is named I#(id) or B#(person)#(reference)")]
pub struct NotARecord;

impl FromStr for NamedRecord {
    type Err = NotARecord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('#') {
            Some(("I", id)) => id.parse().map(Self::Immunisation).map_err(|_| NotARecord),
            Some(("B", rest)) => {
                let (person, reference) = rest.split_once('#').ok_or(NotARecord)?;
                let person = person.parse().map_err(|_| NotARecord)?;
                Ok(Self::Booking(person, reference.to_owned()))
            }
            _ => Err(NotARecord),
        }
    }
}

impl Serialize for NamedRecord {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NamedRecord {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How a record left the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HowSettled {
    /// Staff confirmed that it is about the person who holds it.
    Confirmed,
    /// Staff attached it to somebody else.
    Attached,
    /// Staff left it as nobody's.
    Nobodys,
    /// Demographics that came later, or a correction by the supplier, made it agree.
    Agrees,
    /// Its supplier deleted it.
    Deleted,
}

impl From<Ruling> for HowSettled {
    fn from(ruling: Ruling) -> Self {
        match ruling {
            Ruling::Confirmed => Self::Confirmed,
            Ruling::Attached => Self::Attached,
            Ruling::Nobodys => Self::Nobodys,
        }
    }
}

/// Who did something, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// Who: a member of staff, or the supplier or function whose change settled it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why, or where the change came from.
    pub reason: String,
}

/// That a record left the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// How.
    pub how: HowSettled,
    /// By whom.
    pub deed: Deed,
    /// That a decision no longer holds: it was undone, or the supplier sent the record for another patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<Deed>,
}

/// An entry of the queue, or of what left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchingEntry {
    /// Which record.
    pub record: NamedRecord,
    /// Who held it.
    pub person: PersonId,
    /// Vaccine type or programme.
    pub vaccine: VaccineType,
    /// Where its latest version came from.
    pub source: Source,
    /// When it came into the queue.
    pub since: Timestamp,
    /// What speaks against it.
    pub differences: BTreeSet<Difference>,
    /// How it left the queue; `None` while it is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
}

/// How many records wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct MatchingCount {
    /// All.
    pub open: u64,
    /// Of them, those that wait for longer than asked about.
    pub old: u64,
}

/// What is to be decided about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchingOrder {
    /// It is about the person who holds it.
    Confirm,
    /// It is about the person with this number.
    Attach(NhsNumber),
    /// It is about nobody who is known.
    LeaveAsNobodys,
    /// The decision no longer holds.
    Undo,
}

impl MatchingOrder {
    /// What the audit trail calls it.
    #[must_use]
    pub fn operation(self) -> &'static str {
        match self {
            Self::Confirm => "match_confirm",
            Self::Attach(_) => "match_attach",
            Self::LeaveAsNobodys => "match_nobodys",
            Self::Undo => "match_undo",
        }
    }
}

/// What came of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruled {
    /// Who holds the record now.
    pub person: PersonId,
    /// False where it had been decided so before.
    pub changed: bool,
}

/// Why a decision could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MatchingRefusal {
    /// There is no such record, or its supplier deleted it.
    #[error("there is no such record any more")]
    NotThere,
    /// It does not wait: what is known agrees with it by now.
    #[error("the record does not wait: it agrees with the person who holds it")]
    NotWaiting,
    /// It was decided otherwise.
    #[error("it was decided otherwise ({} by {by}): undo that first", ruling.name())]
    Decided {
        /// What was decided.
        ruling: Ruling,
        /// By whom.
        by: String,
    },
    /// Nobody known holds it, so that there is nobody to be confirmed.
    #[error("the record came without an NHS number: attach it to a person, or leave it as nobody's")]
    NobodyHolds,
    /// The number to attach it to is nobody's.
    #[error("nobody is known by this NHS number")]
    NobodyKnown,
    /// Appointments are corrected where they were made.
    #[error("an appointment cannot be attached to somebody else: it has to be booked again under the right number")]
    Appointment,
    /// No decision of staff holds.
    #[error("there is no decision to undo")]
    NothingToUndo,
}

/// Whether, and since when, a record waits; seen of whichever person it is live with.
struct Standing<'r> {
    entry: MatchingEntry,
    matching: &'r Matching,
}

impl<'r> Standing<'r> {
    fn immunisation(held: &'r Immunisation) -> Option<Self> {
        let record = NamedRecord::Immunisation(held.id);
        let entry = entry(record, held.person, held.vaccine, &held.source, &held.matching);
        (!held.deleted).then_some(Self { entry, matching: &held.matching })
    }

    fn booking(held: &'r Booking) -> Self {
        let record = NamedRecord::Booking(held.person, held.reference.clone());
        let entry = entry(record, held.person, held.programme, &held.source, &held.matching);
        Self { entry, matching: &held.matching }
    }

    fn key(&self) -> Key {
        keys::matching(self.entry.since, &self.entry.record.to_string())
    }

    fn settled(&self, settled: Settled) -> (Key, MatchingEntry) {
        let key = keys::settled(settled.deed.at, &self.entry.record.to_string());
        (key, MatchingEntry { settled: Some(settled), ..self.entry.clone() })
    }
}

fn entry(
    record: NamedRecord,
    person: PersonId,
    vaccine: VaccineType,
    source: &Source,
    matching: &Matching,
) -> MatchingEntry {
    let since = matching.since.unwrap_or_default();
    let (source, differences) = (source.clone(), matching.differences.clone());
    MatchingEntry { record, person, vaccine, source, since, differences, settled: None }
}

/// Records as they are to be written: those that come into the queue know since when.
pub(crate) fn stamped(changed: &[(Record, Record)], at: Timestamp) -> Cow<'_, [(Record, Record)]> {
    let lacks = |matching: &Matching| matching.is_open() && matching.since.is_none();
    let any = changed.iter().any(|(_, after)| {
        after.immunisations.values().any(|held| held.is_unmatched() && lacks(&held.matching))
            || after.bookings.values().any(|held| lacks(&held.matching))
    });
    if !any {
        return Cow::Borrowed(changed);
    }
    let mut stamped = changed.to_vec();
    for (before, after) in &mut stamped {
        // What is not written stays as it is: it is stamped by whoever writes it next.
        let written = after.immunisations.iter_mut().filter(|(id, held)| before.immunisations.get(id) != Some(*held));
        for (_, held) in written.filter(|(_, held)| held.is_unmatched() && lacks(&held.matching)) {
            held.matching.since = Some(at);
        }
        let written =
            after.bookings.iter_mut().filter(|(reference, held)| before.bookings.get(*reference) != Some(*held));
        for (_, held) in written.filter(|(_, held)| lacks(&held.matching)) {
            held.matching.since = Some(at);
        }
    }
    Cow::Owned(stamped)
}

/// The records that changed, as they stood and as they stand.
fn standings(changed: &[(Record, Record)]) -> BTreeMap<NamedRecord, [Option<Standing<'_>>; 2]> {
    let mut found: BTreeMap<NamedRecord, [Option<Standing<'_>>; 2]> = BTreeMap::new();
    for (before, after) in changed {
        for (id, held) in &after.immunisations {
            let old = before.immunisations.get(id);
            if old == Some(held) {
                continue;
            }
            let [was, is] = found.entry(NamedRecord::Immunisation(*id)).or_default();
            // Of a record that moves, the person with whom it is live tells.
            if let Some(standing) = old.and_then(Standing::immunisation) {
                *was = Some(standing);
            }
            if let Some(standing) = Standing::immunisation(held) {
                *is = Some(standing);
            }
        }
        for (reference, held) in &after.bookings {
            let old = before.bookings.get(reference);
            if old != Some(held) {
                let standing = Standing::booking(held);
                found.insert(standing.entry.record.clone(), [old.map(Standing::booking), Some(standing)]);
            }
        }
    }
    found
}

impl Transaction<'_> {
    /// Puts records that came into the queue, and takes out those that no longer wait.
    pub(crate) fn follow_matching(self, changed: &[(Record, Record)], actor: &Actor) -> Result<Self, StoreError> {
        // An item is written once in a transaction.
        let mut writes: BTreeMap<Key, Option<MatchingEntry>> = BTreeMap::new();
        let deed =
            Deed { by: actor.name.clone(), at: actor.at, reason: format!("{} {}", actor.operation, actor.purpose) };
        for [was, is] in standings(changed).into_values() {
            let decided_in = |standing: &Option<Standing<'_>>| -> Option<Decision> {
                standing.as_ref().and_then(|standing| standing.matching.decision.clone())
            };
            let (decided, decides) = (decided_in(&was), decided_in(&is));
            let was_open = was.as_ref().filter(|standing| standing.matching.is_open());
            let is_open = is.as_ref().filter(|standing| standing.matching.is_open());
            if let Some(was) = was_open {
                writes.entry(was.key()).or_default();
            }
            if let Some(is) = is_open {
                writes.insert(is.key(), Some(is.entry.clone()));
            }
            let settled = match (was_open, &decides) {
                (Some(was), Some(decision)) => {
                    let how = decision.ruling.into();
                    Some(was.settled(Settled { how, deed: of_decision(decision), undone: None }))
                }
                (Some(was), None) if is_open.is_none() => {
                    let how = if is.is_some() { HowSettled::Agrees } else { HowSettled::Deleted };
                    Some(was.settled(Settled { how, deed: deed.clone(), undone: None }))
                }
                _ => None,
            };
            let undone = match (&was, &decided, &decides) {
                (Some(was), Some(decision), None) if is.is_some() => {
                    let how = decision.ruling.into();
                    Some(was.settled(Settled { how, deed: of_decision(decision), undone: Some(deed.clone()) }))
                }
                _ => None,
            };
            writes.extend(settled.into_iter().chain(undone).map(|(key, entry)| (key, Some(entry))));
        }
        let mut transaction = self;
        for (key, entry) in writes {
            transaction = match entry {
                Some(entry) => transaction.put(Table::Identity, to_item(&key.0, &key.1, &entry)?),
                None => transaction.delete(Table::Identity, key),
            };
        }
        Ok(transaction)
    }
}

fn of_decision(decision: &Decision) -> Deed {
    Deed { by: decision.by.clone(), at: decision.at, reason: decision.reason.clone() }
}

fn entries(items: Vec<Item>) -> Result<Vec<MatchingEntry>, StoreError> {
    items.into_iter().map(from_item).collect()
}

impl Store {
    /// The records that have waited longest, the oldest first, at most so many.
    ///
    /// # Errors
    /// Where the table or an entry cannot be read.
    pub async fn matching_queue(&self, most: usize) -> Result<Vec<MatchingEntry>, StoreError> {
        let shards = stream::iter(0..keys::SHARDS)
            .map(|shard| async move { self.query_first(Table::Identity, &keys::matching_pk(shard), most).await });
        let found: Vec<Vec<Item>> = shards.buffered(4).try_collect().await?;
        let mut found = entries(found.into_iter().flatten().collect())?;
        found.sort_by(|one, other| (one.since, &one.record).cmp(&(other.since, &other.record)));
        found.truncate(most);
        Ok(found)
    }

    /// How many records wait, and how many of them came before an instant.
    ///
    /// # Errors
    /// Where the table cannot be read.
    pub async fn matching_count(&self, before: Timestamp) -> Result<MatchingCount, StoreError> {
        let until = keys::micros(before);
        let until = until.as_str();
        let shards = stream::iter(0..keys::SHARDS).map(|shard| async move {
            let pk = keys::matching_pk(shard);
            let open = self.query_count(Table::Identity, &pk, "~").await?;
            Ok::<_, StoreError>((
                open,
                if open == 0 { 0 } else { self.query_count(Table::Identity, &pk, until).await? },
            ))
        });
        let counts: Vec<(u64, u64)> = shards.buffered(4).try_collect().await?;
        Ok(counts.into_iter().fold(MatchingCount::default(), |sum, (open, old)| MatchingCount {
            open: sum.open + open,
            old: sum.old + old,
        }))
    }

    /// What left the queue on a day (UTC), the latest first.
    ///
    /// # Errors
    /// Where the table or an entry cannot be read.
    pub async fn matching_settled(&self, day: Date) -> Result<Vec<MatchingEntry>, StoreError> {
        let shards = stream::iter(0..keys::SHARDS)
            .map(|shard| async move { self.query(Table::Identity, &keys::settled_pk(day, shard), "").await });
        let found: Vec<Vec<Item>> = shards.buffered(4).try_collect().await?;
        let mut found = entries(found.into_iter().flatten().collect())?;
        found.sort_by_key(|entry| std::cmp::Reverse(entry.settled.as_ref().map(|settled| settled.deed.at)));
        Ok(found)
    }

    /// Decides about a record that waits, or takes a decision back, in one transaction with the audit entries of everybody
    /// whose record changes. The same decision again changes nothing. The reason must name nobody.
    ///
    /// # Errors
    /// Where the tables cannot be read or written, or the person is so busy that no attempt held; inside, why the decision
    /// cannot be carried out, which is in the audit trail as well.
    pub async fn settle_matching(
        &self,
        record: &NamedRecord,
        order: MatchingOrder,
        reason: &str,
        staff: &Actor,
    ) -> Result<Result<Ruled, MatchingRefusal>, StoreError> {
        let actor =
            Actor { operation: order.operation().to_owned(), purpose: format!("{record}: {reason}"), ..staff.clone() };
        let mut tried = 0;
        // No closure: who calls this from a boxed future needs one that is `Send`.
        let ruled = loop {
            let attempt = match record {
                NamedRecord::Immunisation(id) => self.try_settle(*id, order, reason, &actor).await,
                NamedRecord::Booking(person, reference) => {
                    self.try_settle_booking(*person, reference, order, reason, &actor).await
                }
            };
            match attempt {
                Err(error) if error.is_condition() && tried < ATTEMPTS => {
                    tried += 1;
                    tokio::time::sleep(pause(tried)).await;
                }
                done => break done?,
            }
        };
        match ruled {
            Ok(ruled) => Ok(Ok(ruled)),
            Err((person, refusal)) => {
                let not_there = matches!(refusal, MatchingRefusal::NotThere | MatchingRefusal::NobodyKnown);
                let result = if not_there { AuditResult::NotFound } else { AuditResult::Refused };
                let entry = actor.entry().with_result(result);
                self.audit(&person.map_or_else(|| entry.clone(), |person| entry.clone().about(person))).await?;
                Ok(Err(refusal))
            }
        }
    }

    async fn try_settle(
        &self,
        id: ImmunisationId,
        order: MatchingOrder,
        reason: &str,
        actor: &Actor,
    ) -> Result<Attempt, StoreError> {
        let Some(holder) = self.person_by_immunisation(id).await? else {
            return Ok(Err((None, MatchingRefusal::NotThere)));
        };
        let refused = |refusal| Ok(Err((Some(holder), refusal)));
        let before = self.record(holder, true).await?;
        let Some(before) = before else { return refused(MatchingRefusal::NotThere) };
        let Some(held) = before.immunisations.get(&id).filter(|held| !held.deleted) else {
            return refused(MatchingRefusal::NotThere);
        };
        let number = before.person.nhs_number;
        // Whom it is attached to is known by any of the numbers that point to them.
        let to = match order {
            MatchingOrder::Attach(named) => match self.person_by_nhs_number(named).await? {
                None => return refused(MatchingRefusal::NobodyKnown),
                to => to,
            },
            _ => None,
        };
        let step = match next(&held.matching, number.is_some(), order, to == Some(holder)) {
            Ok(step) => step,
            Err(refusal) => return refused(refusal),
        };
        let mut after = before.clone();
        match step {
            Step::Nothing => return Ok(Ok(Ruled { person: holder, changed: false })),
            Step::Put(ruling) => _ = after.decide(id, Some(decision(actor, reason, ruling, None))),
            Step::TakeBack => _ = after.decide(id, None),
            Step::Attach | Step::Return => {
                let Some(to) = to.or_else(|| held.matching.decision.as_ref()?.from) else {
                    return refused(MatchingRefusal::NothingToUndo);
                };
                let receiving = self.record(to, true).await?;
                let receiving = receiving.ok_or_else(|| StoreError::Item {
                    key: keys::person_pk(to),
                    message: "a record is to be moved to a person who is not there".to_owned(),
                })?;
                let mut received = receiving.clone();
                let decided = (step == Step::Attach).then(|| decision(actor, reason, Ruling::Attached, Some(holder)));
                after.attach(&mut received, id, decided);
                self.save(&[(before, after), (receiving, received)], Some((id, holder)), actor).await?;
                return Ok(Ok(Ruled { person: to, changed: true }));
            }
        }
        self.save(&[(before, after)], None, actor).await?;
        Ok(Ok(Ruled { person: holder, changed: true }))
    }

    async fn try_settle_booking(
        &self,
        person: PersonId,
        reference: &str,
        order: MatchingOrder,
        reason: &str,
        actor: &Actor,
    ) -> Result<Attempt, StoreError> {
        let refused = |refusal| Ok(Err((Some(person), refusal)));
        let Some(before) = self.record(person, true).await? else {
            return Ok(Err((None, MatchingRefusal::NotThere)));
        };
        let Some(held) = before.bookings.get(reference) else { return refused(MatchingRefusal::NotThere) };
        if matches!(order, MatchingOrder::Attach(_)) {
            return refused(MatchingRefusal::Appointment);
        }
        let mut after = before.clone();
        match next(&held.matching, before.person.nhs_number.is_some(), order, false) {
            Err(refusal) => return refused(refusal),
            Ok(Step::Nothing) => return Ok(Ok(Ruled { person, changed: false })),
            Ok(Step::Put(ruling)) => _ = after.decide_booking(reference, Some(decision(actor, reason, ruling, None))),
            Ok(Step::TakeBack | Step::Attach | Step::Return) => _ = after.decide_booking(reference, None),
        }
        self.save(&[(before, after)], None, actor).await?;
        Ok(Ok(Ruled { person, changed: true }))
    }
}

fn decision(actor: &Actor, reason: &str, ruling: Ruling, from: Option<PersonId>) -> Decision {
    Decision { ruling, by: actor.name.clone(), at: actor.at, reason: reason.to_owned(), from }
}

/// What came of one attempt: a refusal with whom it was about.
type Attempt = Result<Ruled, (Option<PersonId>, MatchingRefusal)>;

/// How a decision is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It holds already.
    Nothing,
    /// A decision is put on the record.
    Put(Ruling),
    /// The decision is taken off the record.
    TakeBack,
    /// The record moves to whom it is attached.
    Attach,
    /// The record moves back to whoever held it.
    Return,
}

/// How an order is carried out on a record that stands so. `has_number`: whether its holder has an NHS number; `holds`:
/// whether the person to attach it to holds it.
fn next(matching: &Matching, has_number: bool, order: MatchingOrder, holds: bool) -> Result<Step, MatchingRefusal> {
    let wanted = match order {
        MatchingOrder::Confirm => Some(Ruling::Confirmed),
        MatchingOrder::Attach(_) if holds => Some(Ruling::Confirmed),
        MatchingOrder::Attach(_) => Some(Ruling::Attached),
        MatchingOrder::LeaveAsNobodys => Some(Ruling::Nobodys),
        MatchingOrder::Undo => None,
    };
    match (&matching.decision, wanted) {
        (Some(decision), None) if decision.ruling == Ruling::Attached => Ok(Step::Return),
        (Some(_), None) => Ok(Step::TakeBack),
        (None, None) if matching.is_open() => Ok(Step::Nothing),
        (None, None) => Err(MatchingRefusal::NothingToUndo),
        // Attached to them before.
        (Some(decision), Some(Ruling::Confirmed)) if holds && decision.ruling == Ruling::Attached => Ok(Step::Nothing),
        (Some(decision), Some(ruling)) if decision.ruling == ruling && ruling != Ruling::Attached => Ok(Step::Nothing),
        (Some(decision), Some(_)) => Err(MatchingRefusal::Decided { ruling: decision.ruling, by: decision.by.clone() }),
        (None, Some(_)) if !matching.is_open() => Err(MatchingRefusal::NotWaiting),
        (None, Some(Ruling::Confirmed)) if !has_number => Err(MatchingRefusal::NobodyHolds),
        (None, Some(Ruling::Attached)) => Ok(Step::Attach),
        (None, Some(ruling)) => Ok(Step::Put(ruling)),
    }
}
