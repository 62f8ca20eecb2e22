//! Our texts held against the provider's list: what differs is listed, repaired where that is safe, and alarmed where not.
//!
//! Only the provider knows what left, and only we know what should have. A repair moves a text to what the provider says
//! became of it, under the text's version, as a receipt would; it never sends and never queues.

use std::collections::{BTreeMap, HashSet};

use ims_contact::provider::{Listed, TextProvider};
use ims_decision::{DecisionError, RulesCache, TextFailure, fail_text, text_arrived};
use ims_domain::MessageId;
use ims_domain::invitation::{Message, MessageState};
use ims_store::{Store, until_it_holds};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{ACTOR, DispatchError};

/// How far back the provider's list is read.
const BACK: SignedDuration = SignedDuration::from_hours(26);
/// Younger ones may be about to be written down.
const YOUNG: SignedDuration = SignedDuration::from_mins(5);
/// Attempts at a text that others move.
const ATTEMPTS: u32 = 6;

/// How a text differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// The provider tells what became of it, and no receipt did. Repaired.
    ReceiptMissed,
    /// The provider has it, and we held it for not sent. Repaired, so that it is not sent again.
    LeftUnnoticed,
    /// The provider has it, and we withdrew it.
    LeftThoughWithdrawn,
    /// The provider has it twice.
    Twice,
    /// The provider has a reference of nobody's.
    NotOurs,
}

impl Difference {
    /// Whether only a person can set it right.
    #[must_use]
    pub fn is_alarming(self) -> bool {
        matches!(self, Self::LeftThoughWithdrawn | Self::Twice | Self::NotOurs)
    }
}

/// What a comparison found.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Texts of the provider's list.
    pub listed: u64,
    /// Differences, each with the references that it concerns.
    pub differences: BTreeMap<Difference, Vec<String>>,
}

impl Comparison {
    fn add(&mut self, difference: Difference, reference: &str) {
        self.differences.entry(difference).or_default().push(reference.to_owned());
    }

    /// How many only a person can set right.
    #[must_use]
    pub fn alarming(&self) -> u64 {
        let alarming = self.differences.iter().filter(|(difference, _)| difference.is_alarming());
        alarming.map(|(_, references)| references.len() as u64).sum()
    }
}

/// Goes through the provider's list of the last day, the newest first.
pub(crate) async fn compare(
    store: &Store,
    rules: &RulesCache,
    provider: &dyn TextProvider,
    today: Date,
    now: Timestamp,
) -> Result<Comparison, DispatchError> {
    let (mut found, mut seen, mut older_than) = (Comparison::default(), HashSet::new(), None);
    loop {
        let page = provider.list(older_than.clone(), now).await.map_err(DispatchError::Provider)?;
        let Some(last) = page.last() else { return Ok(found) };
        older_than = Some(last.id.clone());
        let reached = last.created + BACK < now;
        let due: Vec<Listed> =
            page.into_iter().filter(|one| now - BACK <= one.created && one.created + YOUNG <= now).collect();
        let ids = due.iter().filter_map(|one| one.reference.parse::<MessageId>().ok());
        let ours = store.messages(ids.collect::<HashSet<_>>()).await?;
        let ours: BTreeMap<MessageId, Message> = ours.into_iter().map(|message| (message.id, message)).collect();
        for one in due {
            found.listed += 1;
            if !seen.insert(one.reference.clone()) {
                found.add(Difference::Twice, &one.reference);
                continue;
            }
            let held = one.reference.parse().ok().and_then(|id: MessageId| ours.get(&id));
            let Some(difference) = difference(held, &one) else { continue };
            found.add(difference, &one.reference);
            if let Some(held) = held.filter(|_| !difference.is_alarming()) {
                repair(store, rules, held.id, &one, today, now).await?;
            }
        }
        if reached {
            return Ok(found);
        }
    }
}

/// How our text differs from what the provider has.
fn difference(ours: Option<&Message>, theirs: &Listed) -> Option<Difference> {
    let Some(ours) = ours else { return Some(Difference::NotOurs) };
    match ours.state {
        MessageState::Queued | MessageState::Unknown => Some(Difference::LeftUnnoticed),
        MessageState::Withdrawn => Some(Difference::LeftThoughWithdrawn),
        held => {
            let said = theirs.state.filter(|said| *said != MessageState::Sent)?;
            held.accepts_receipt(said).then_some(Difference::ReceiptMissed)
        }
    }
}

/// Moves a text to what the provider says, unless it has moved meanwhile.
async fn repair(
    store: &Store,
    rules: &RulesCache,
    id: MessageId,
    theirs: &Listed,
    today: Date,
    now: Timestamp,
) -> Result<(), DecisionError> {
    until_it_holds(ATTEMPTS, async |_| {
        let Some(held) = store.message(id).await?.filter(|held| difference(Some(held), theirs).is_some()) else {
            return Ok(());
        };
        match theirs.state {
            Some(MessageState::Delivered) => text_arrived(store, &held, &theirs.id, now, ACTOR).await,
            Some(MessageState::Failed) => {
                let detail = "did not arrive".to_owned();
                let failure = TextFailure { detail, provider_id: Some(theirs.id.clone()), number: None };
                fail_text(store, rules, &held, &failure, today, now, ACTOR).await.map(|_| ())
            }
            _ => {
                let provider_id = Some(theirs.id.clone());
                let sent =
                    Message { state: MessageState::Sent, provider_id, version: held.version + 1, ..held.clone() };
                Ok(store.transaction().move_message(&sent, held.version)?.commit().await?)
            }
        }
    })
    .await
}
