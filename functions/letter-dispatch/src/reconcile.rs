//! Our letters against the print manifests and what the supplier reported: every hour each batch of which something is
//! still open is compared. What can be set right without a doubt is; the rest is listed, and counted in a metric whose alarm
//! calls somebody.

use std::collections::{BTreeSet, HashMap};

use ims_contact::manifest::{ManifestLetter, PrintManifest};
use ims_domain::invitation::{Message, MessageState};
use ims_domain::letter::PrintStatus;
use ims_domain::{BatchId, MessageId};
use ims_messaging::Bucket;
use ims_runtime::metric;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::settle::{Faults, file_prefix, manifest_key, sealed, settle};
use crate::stop::{look_again, stops_prefix};
use crate::{DispatchError, Dispatcher};

/// How long after the cut-off the supplier has reported something of every letter.
const HEARD_OF: SignedDuration = SignedDuration::from_hours(48);
/// How long after the cut-off a letter that nothing more is said of counts as posted: no word comes of most of them.
const LAST_WORD: SignedDuration = SignedDuration::from_hours(24 * 42);

/// Where two accounts of a letter, or of a batch, differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// The manifest lists it, and there is no such message.
    NoMessage,
    /// The manifest lists it, and the message says that it never left.
    NotSent,
    /// The manifest lists it, and the message names another batch.
    OtherBatch,
    /// It is on the stop-list, and the supplier says that it posted it.
    StoppedButPosted,
    /// The supplier has said nothing of it 48 hours after the cut-off.
    NotHeardOf,
    /// The batch has no file any more.
    NoFile,
}

/// A difference, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Campaign.
    pub campaign: String,
    /// Batch.
    pub batch: BatchId,
    /// The letter; absent where it is the whole batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u32>,
    /// Its message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<MessageId>,
    /// What differs.
    pub difference: Difference,
}

/// What was compared, and what came of it; written to `reconciliations/{time}.json` as well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// Batches of which something was open.
    pub batches: usize,
    /// Letters in them.
    pub letters: usize,
    /// Letters that were brought to what their manifest says.
    pub repaired: usize,
    /// What only a person can set right.
    pub differences: Vec<Found>,
}

/// Compares every batch that is not closed.
pub(crate) async fn reconcile(dispatcher: &Dispatcher) -> Result<Reconciled, DispatchError> {
    let service = &dispatcher.service;
    let now = service.clock.now().await?;
    let mut reconciled = Reconciled::default();
    for campaign in service.store.campaigns().await? {
        for batch in open_batches(dispatcher, &campaign).await? {
            let Some(manifest) = sealed(dispatcher, &campaign, batch).await? else { continue };
            // Nobody changed where a wave was stopped, and its letters are to be stopped all the same.
            look_again(dispatcher, &manifest).await?;
            compare(dispatcher, &manifest, now, &mut reconciled).await?;
        }
    }
    let key = format!("reconciliations/{}.json", now.strftime("%Y%m%dT%H%M%S"));
    service.objects.put_json(Bucket::Print, &key, &reconciled).await?;
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let counts =
        [("LettersDiffer", count(reconciled.differences.len())), ("LettersRepaired", count(reconciled.repaired))];
    metric::count(service.settings.stage(), Timestamp::now(), &counts);
    Ok(reconciled)
}

/// Batches with a manifest that are not marked as closed.
async fn open_batches(dispatcher: &Dispatcher, campaign: &str) -> Result<Vec<BatchId>, DispatchError> {
    let objects = &dispatcher.service.objects;
    let named = |keys: Vec<String>, prefix: &str| -> BTreeSet<BatchId> {
        keys.iter().filter_map(|key| key.strip_prefix(prefix)?.strip_suffix(".json")?.parse().ok()).collect()
    };
    let (batches, closed) = (format!("batches/{campaign}/"), format!("closed/{campaign}/"));
    let all = named(objects.list(Bucket::Print, &batches, "").await?, &batches);
    let closed = named(objects.list(Bucket::Print, &closed, "").await?, &closed);
    Ok(all.difference(&closed).copied().collect())
}

async fn compare(
    dispatcher: &Dispatcher,
    manifest: &PrintManifest,
    now: Timestamp,
    reconciled: &mut Reconciled,
) -> Result<(), DispatchError> {
    let service = &dispatcher.service;
    let ids: Vec<MessageId> = manifest.letters.iter().map(|letter| letter.reference).collect();
    let before = service.store.messages(ids.iter().copied()).await?;
    let held =
        before.iter().filter(|message| message.state == MessageState::Sending && message.batch == Some(manifest.batch));
    let held = held.count();
    let messages = if held > 0 {
        // The manifest stands, so there is no doubt that they left.
        settle(dispatcher, manifest, &ids, &Faults::new()).await?;
        service.store.messages(ids.iter().copied()).await?
    } else {
        before
    };
    let messages: HashMap<MessageId, Message> = messages.into_iter().map(|message| (message.id, message)).collect();
    let stopped = stopped(dispatcher, manifest).await?;
    reconciled.batches += 1;
    reconciled.letters += ids.len();
    reconciled.repaired += held;
    let of = |letter: Option<&ManifestLetter>, difference| Found {
        campaign: manifest.campaign.clone(),
        batch: manifest.batch,
        sequence: letter.map(|letter| letter.sequence),
        reference: letter.map(|letter| letter.reference),
        difference,
    };
    let before = reconciled.differences.len();
    for letter in &manifest.letters {
        let message = messages.get(&letter.reference);
        if let Some(found) = difference(manifest, message, stopped.contains(&letter.sequence), now) {
            reconciled.differences.push(of(Some(letter), found));
        }
    }
    let files = service.objects.list(Bucket::Print, &file_prefix(&manifest.campaign, manifest.batch), "").await?;
    if files.is_empty() && manifest.count > 0 {
        reconciled.differences.push(of(None, Difference::NoFile));
    }
    for found in reconciled.differences.iter().skip(before) {
        tracing::error!(batch = %found.batch, sequence = found.sequence, difference = ?found.difference, "letters differ");
    }
    let is_settled = |message: &Message| {
        matches!(message.state, MessageState::Delivered | MessageState::Failed)
            || now.duration_since(manifest.cut_off) > LAST_WORD
    };
    if reconciled.differences.len() == before && messages.values().all(is_settled) {
        let key = manifest_key(&manifest.campaign, manifest.batch).replacen("batches/", "closed/", 1);
        service.objects.put_json(Bucket::Print, &key, &serde_json::json!({"closed": now})).await?;
    }
    Ok(())
}

/// Where what is held of a listed letter, and what was heard of it, does not fit the manifest.
fn difference(
    manifest: &PrintManifest,
    message: Option<&Message>,
    stopped: bool,
    now: Timestamp,
) -> Option<Difference> {
    let Some(message) = message else { return Some(Difference::NoMessage) };
    if message.batch != Some(manifest.batch) {
        return Some(Difference::OtherBatch);
    }
    if matches!(message.state, MessageState::Queued | MessageState::Withdrawn) {
        return Some(Difference::NotSent);
    }
    match message.detail.as_deref().and_then(PrintStatus::parse) {
        Some(PrintStatus::Dispatched | PrintStatus::Delivered | PrintStatus::Forwarded | PrintStatus::Returned)
            if stopped =>
        {
            Some(Difference::StoppedButPosted)
        }
        None if message.state == MessageState::Sent && now.duration_since(manifest.cut_off) > HEARD_OF => {
            Some(Difference::NotHeardOf)
        }
        _ => None,
    }
}

/// The places of a batch that are on its stop-list.
async fn stopped(dispatcher: &Dispatcher, manifest: &PrintManifest) -> Result<BTreeSet<u32>, DispatchError> {
    let prefix = stops_prefix(&manifest.campaign, manifest.batch);
    let keys = dispatcher.service.objects.list(Bucket::Print, &prefix, "").await?;
    let place = |key: &String| {
        let name = key.strip_prefix(&prefix)?.strip_suffix(".json")?;
        name.strip_suffix("-purged").unwrap_or(name).parse().ok()
    };
    Ok(keys.iter().filter_map(place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::tests::message;
    use ims_contact::manifest::BatchHeading;
    use ims_domain::campaign::Step;
    use ims_domain::letter::LetterKind;
    use uuid::Uuid;

    #[test]
    fn each_way_in_which_accounts_can_differ_is_told_and_others_are_not() {
        let batch = BatchId(Uuid::from_u128(9));
        let heading = BatchHeading {
            batch,
            campaign: "flu-2025".into(),
            step: Step::Invite,
            kind: LetterKind::default(),
            created: Timestamp::UNIX_EPOCH,
            cut_off: Timestamp::UNIX_EPOCH,
        };
        let manifest = PrintManifest::void(heading);
        let (soon, later) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(60 * 60 * 49).unwrap());
        let held = |state, detail: Option<&str>| Message {
            state,
            detail: detail.map(str::to_owned),
            batch: Some(batch),
            ..message()
        };
        let sent = held(MessageState::Sent, None);
        assert_eq!(difference(&manifest, None, false, soon), Some(Difference::NoMessage));
        assert_eq!(difference(&manifest, Some(&sent), false, soon), None);
        assert_eq!(difference(&manifest, Some(&sent), true, later), Some(Difference::NotHeardOf));
        let elsewhere = Message { batch: Some(BatchId(Uuid::nil())), ..sent };
        assert_eq!(difference(&manifest, Some(&elsewhere), false, soon), Some(Difference::OtherBatch));
        for state in [MessageState::Queued, MessageState::Withdrawn] {
            assert_eq!(difference(&manifest, Some(&held(state, None)), false, soon), Some(Difference::NotSent));
        }
        for (word, state, stopped, expected) in [
            ("PRINTED", MessageState::Sent, false, None),
            ("PRINTED", MessageState::Sent, true, None),
            ("DISPATCHED", MessageState::Sent, false, None),
            ("DISPATCHED", MessageState::Sent, true, Some(Difference::StoppedButPosted)),
            ("DELIVERED", MessageState::Delivered, true, Some(Difference::StoppedButPosted)),
            ("CANCELLED", MessageState::Failed, true, None),
        ] {
            let reported = held(state, Some(word));
            assert_eq!(difference(&manifest, Some(&reported), stopped, later), expected, "{word} {stopped}");
        }
    }
}
