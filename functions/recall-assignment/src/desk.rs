//! One task at the recall desk: opened by the agent who holds it, and concluded with what the call brought.

use ims_decision::RulesCache;
use ims_domain::PersonId;
use ims_domain::contact::Reason;
use ims_domain::invitation::{Call, CallOutcome};
use ims_store::{AuditEntry, Store, Transaction};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::recheck::{Recheck, person_of};
use crate::{RecallError, task};

/// Attempts at a write that others keep overtaking.
const ATTEMPTS: u32 = 6;

/// Which task, and which agent asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Held {
    /// Agent.
    pub agent: String,
    /// Campaign.
    pub campaign: String,
    /// Person.
    pub person: PersonId,
    /// Dose, from 1.
    pub dose: u8,
}

impl Held {
    fn audit(&self, operation: &str, purpose: String, at: Timestamp) -> AuditEntry {
        let purpose = format!("{purpose} {}/dose {}", self.campaign, self.dose);
        AuditEntry::new(at, &self.agent, operation, purpose).about(self.person).in_role("agent")
    }

    async fn task(&self, store: &Store) -> Result<Call, RecallError> {
        let found = store.call(&self.campaign, self.person, self.dose).await?;
        found.ok_or_else(|| RecallError::NoTask {
            campaign: self.campaign.clone(),
            person: self.person,
            dose: self.dose,
        })
    }
}

/// What an agent needs to call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Opened {
    /// The task.
    pub task: Call,
    /// Why it was withdrawn just now; then nothing is disclosed.
    pub withdrawn: Option<Reason>,
    /// Name, where disclosed.
    pub name: Option<String>,
    /// Number to call, where disclosed.
    pub telephone: Option<String>,
    /// Language the person prefers.
    pub language: Option<String>,
    /// Whether an interpreter is needed.
    pub interpreter: bool,
}

impl Opened {
    fn withdrawn(task: Call, reason: Reason) -> Self {
        Self { task, withdrawn: Some(reason), name: None, telephone: None, language: None, interpreter: false }
    }
}

/// Opens a task: re-checks the person, writes the audit entry, and only then says whom to call.
///
/// # Errors
/// Where the agent does not hold the task, or the audit entry cannot be written; then nothing is disclosed.
pub(crate) async fn open(
    store: &Store,
    rules: &RulesCache,
    held: &Held,
    today: Date,
    now: Timestamp,
) -> Result<Opened, RecallError> {
    let recheck = Recheck::load(store, rules, std::slice::from_ref(&held.campaign)).await?;
    let mut attempt = 0;
    loop {
        match try_open(store, &recheck, held, today, now).await {
            Err(RecallError::Store(error)) if error.is_condition() && attempt < ATTEMPTS => attempt += 1,
            done => return done,
        }
    }
}

async fn try_open(
    store: &Store,
    recheck: &Recheck,
    held: &Held,
    today: Date,
    now: Timestamp,
) -> Result<Opened, RecallError> {
    let call = held.task(store).await?;
    task::check_held(&call, &held.agent, today)?;
    let person = person_of(store, &call).await?;
    if let Some(reason) = recheck.against(&call, &person, today)? {
        let withdrawn = task::withdraw(&call, reason);
        store.transaction().write_call(&withdrawn, call.version)?.commit().await?;
        return Ok(Opened::withdrawn(withdrawn, reason));
    }
    store.audit(&held.audit("open_call", "recall call".to_owned(), now)).await?;
    let demographics = &person.demographics;
    let number = if demographics.telephone.is_empty() { &demographics.mobile } else { &demographics.telephone };
    let said = |text: &String| (!text.is_empty()).then(|| text.clone());
    Ok(Opened {
        task: call,
        withdrawn: None,
        name: Some(format!("{} {}", demographics.given_name, demographics.family_name).trim().to_owned()),
        telephone: Some(number.clone()),
        language: said(&demographics.language),
        interpreter: demographics.interpreter,
    })
}

/// Notes the outcome of a call. Someone told that the person has died: nothing more is written to them, in any campaign,
/// until a newer row of the demographics feed says otherwise.
///
/// # Errors
/// Where the agent does not hold the task, or others keep writing it.
pub(crate) async fn outcome(
    store: &Store,
    held: &Held,
    outcome: CallOutcome,
    today: Date,
    now: Timestamp,
) -> Result<Call, RecallError> {
    let mut attempt = 0;
    loop {
        match try_outcome(store, held, outcome, today, now).await {
            Err(RecallError::Store(error)) if error.is_condition() && attempt < ATTEMPTS => attempt += 1,
            done => return done,
        }
    }
}

async fn try_outcome(
    store: &Store,
    held: &Held,
    outcome: CallOutcome,
    today: Date,
    now: Timestamp,
) -> Result<Call, RecallError> {
    let call = held.task(store).await?;
    let Some(next) = task::conclude(&call, &held.agent, outcome, today)? else { return Ok(call) };
    let mut transaction = store.transaction().write_call(&next, call.version)?;
    if outcome == CallOutcome::Bereaved {
        transaction = hold_contact(store, transaction, &call).await?;
    }
    let purpose = format!("attempt {}: {outcome:?}", next.attempts);
    transaction.audit(&held.audit("call", purpose, now))?.commit().await?;
    Ok(next)
}

async fn hold_contact<'a>(
    store: &Store,
    transaction: Transaction<'a>,
    call: &Call,
) -> Result<Transaction<'a>, RecallError> {
    let mut person = person_of(store, call).await?;
    if !person.report_death() {
        return Ok(transaction.check_person(&person));
    }
    let version = person.version;
    person.version += 1;
    Ok(transaction.write_person(&person, version).await?)
}
