//! What is still done for a letter after its batch is sealed: until the supplier's cut-off a letter that no longer stands is
//! put on the stop-list, and where its person became restricted it is taken out of the file, too.
//!
//! The stop-list is an object a letter, `stops/{campaign}/{batch}/{sequence}.json`, created once: nobody has to read and
//! write a list that others write as well. A change of a person is seen either by the look at the live people that follows
//! the sealing, or, where it comes later, by the delivery of the change, which then finds the manifest.

use std::collections::{BTreeSet, HashMap};

use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use ims_contact::letter::{blank, blank_lines};
use ims_contact::manifest::{ManifestLetter, PrintManifest, digest};
use ims_decision::stop_reason;
use ims_domain::contact::{Channel, Reason};
use ims_domain::invitation::{Message, MessageState};
use ims_domain::letter::PrintStatus;
use ims_domain::{BatchId, MessageId, Person, PersonId};
use ims_messaging::Bucket;
use ims_store::AuditEntry;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::settle::{file_key, file_prefix, is_purged, sealed, sealed_file};
use crate::{ACTOR, DispatchError, Dispatcher};

/// A letter that the supplier is to take out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Its batch.
    pub batch: BatchId,
    /// Its place in the batch.
    pub sequence: u32,
    /// The message.
    pub reference: MessageId,
    /// When it was found out.
    pub stopped: Timestamp,
    /// Whether its person became restricted, so that it was taken out of the file; other reasons are not the supplier's
    /// business.
    pub purged: bool,
}

/// What the keys of a batch's stop-list begin with.
pub(crate) fn stops_prefix(campaign: &str, batch: BatchId) -> String {
    format!("stops/{campaign}/{batch}/")
}

/// Looks at everyone again to whom a letter of a sealed batch goes.
pub(crate) async fn look_again(dispatcher: &Dispatcher, manifest: &PrintManifest) -> Result<(), DispatchError> {
    if manifest.letters.is_empty() || is_past(dispatcher, manifest).await? {
        return Ok(());
    }
    let store = &dispatcher.service.store;
    let messages = store.messages(manifest.letters.iter().map(|letter| letter.reference)).await?;
    let people = store.people(messages.iter().map(|message| message.person).collect::<BTreeSet<_>>()).await?;
    let people: HashMap<PersonId, Person> = people.into_iter().map(|person| (person.id, person)).collect();
    let mut purge_needed = false;
    for message in &messages {
        let (Some(letter), Some(person)) = (manifest.letter(message.id), people.get(&message.person)) else { continue };
        purge_needed |= decide(dispatcher, manifest, letter, message, person).await?;
    }
    if purge_needed { purge(dispatcher, manifest).await } else { Ok(()) }
}

/// Takes a delivery of changed people: looks again at the sealed letters of everyone who has been written to.
///
/// # Errors
/// Where a record cannot be read, or a table or bucket fails; the stream then delivers again.
pub(crate) async fn changed(dispatcher: &Dispatcher, event: StreamEvent) -> Result<(), DispatchError> {
    for person in written_to(event)? {
        look_again_at(dispatcher, person).await?;
    }
    Ok(())
}

/// The people of a delivery to whom something was written.
fn written_to(event: StreamEvent) -> Result<BTreeSet<PersonId>, DispatchError> {
    let mut found = BTreeSet::new();
    for record in event.records {
        let image = record.change.new_image;
        if !matches!(image.get("sk"), Some(serde_dynamo::AttributeValue::S(sk)) if sk == "SUMMARY") {
            continue;
        }
        let person: Person =
            serde_dynamo::from_item(image).map_err(|error| DispatchError::Record(error.to_string()))?;
        if person.programmes.values().flat_map(|history| &history.invites).any(|invite| invite.opened) {
            found.insert(person.id);
        }
        // Letters to numbers that this one superseded are stopped with it.
        found.extend(person.members.keys());
    }
    Ok(found)
}

async fn look_again_at(dispatcher: &Dispatcher, id: PersonId) -> Result<(), DispatchError> {
    let store = &dispatcher.service.store;
    let invitations = store.invitations(id).await?;
    let messages =
        store.messages(invitations.iter().flat_map(|invitation| invitation.messages.iter().copied())).await?;
    for message in messages.iter().filter(|message| message.channel == Channel::Letter && can_be_stopped(message)) {
        let Some(batch) = message.batch else { continue };
        // Without a manifest nothing is sealed, and whoever seals it looks again then.
        let Some(manifest) = sealed(dispatcher, &message.campaign, batch).await? else { continue };
        let Some(letter) = manifest.letter(message.id) else { continue };
        if is_past(dispatcher, &manifest).await? {
            continue;
        }
        let Some(person) = store.person(id).await? else { continue };
        if decide(dispatcher, &manifest, letter, message, &person).await? {
            purge(dispatcher, &manifest).await?;
        }
    }
    Ok(())
}

async fn is_past(dispatcher: &Dispatcher, manifest: &PrintManifest) -> Result<bool, DispatchError> {
    Ok(dispatcher.service.clock.now().await? >= manifest.cut_off)
}

/// Whether a letter is still with the supplier, as far as it has said.
fn can_be_stopped(message: &Message) -> bool {
    let said = message.detail.as_deref().and_then(PrintStatus::parse);
    matches!(message.state, MessageState::Sending | MessageState::Sent)
        && said.is_none_or(|status| status < PrintStatus::Dispatched)
}

/// Puts a letter on the stop-list where something now stands against it; whether it must leave the file as well.
async fn decide(
    dispatcher: &Dispatcher,
    manifest: &PrintManifest,
    letter: &ManifestLetter,
    message: &Message,
    person: &Person,
) -> Result<bool, DispatchError> {
    if !can_be_stopped(message) {
        return Ok(false);
    }
    let service = &dispatcher.service;
    let today = service.clock.today().await?;
    let Some(reason) = stop_reason(&service.store, &dispatcher.rules, message, person, today).await? else {
        return Ok(false);
    };
    let purged = reason == Reason::Restricted || person.is_restricted();
    let stop = Stop {
        batch: manifest.batch,
        sequence: letter.sequence,
        reference: message.id,
        stopped: service.clock.now().await?,
        purged,
    };
    let prefix = stops_prefix(&manifest.campaign, manifest.batch);
    let key = format!("{prefix}{:05}.json", letter.sequence);
    // A second object where the first one, for another reason, says that the letter stays in the file.
    let key = if purged { key.replace(".json", "-purged.json") } else { key };
    let purpose = format!("stop {} of batch {}: {}", message.id, manifest.batch, reason.name());
    service.store.audit(&AuditEntry::new(Timestamp::now(), ACTOR, "letter", purpose).about(person.id)).await?;
    if service.objects.create(Bucket::Print, &key, serde_json::to_vec(&stop)?, "application/json").await? {
        tracing::info!(message = %message.id, batch = %manifest.batch, sequence = letter.sequence, reason = reason.name(), "stopped");
    }
    Ok(purged)
}

/// Writes a batch's file anew without the letters to restricted people, and removes every other.
///
/// Several may do this at once for one batch. Each goes on until the list of letters to purge is what it was when it began,
/// and a list never shrinks, so whoever ends last leaves one file without any of them.
async fn purge(dispatcher: &Dispatcher, manifest: &PrintManifest) -> Result<(), DispatchError> {
    let objects = &dispatcher.service.objects;
    let prefix = file_prefix(&manifest.campaign, manifest.batch);
    let mut letters = to_purge(dispatcher, manifest).await?;
    loop {
        let files = objects.list(Bucket::Print, &prefix, "").await?;
        // The sealed file, or what took its place; a worker that sealed nothing may have left another.
        let sealed = files.iter().find(|file| Some(*file) == sealed_file(manifest));
        let Some(key) = files.iter().find(|file| is_purged(file)).or(sealed) else { return Ok(()) };
        let Some(bytes) = objects.get(Bucket::Print, key).await? else { continue };
        let (purged, extension, content_type) = if manifest.text.is_some() {
            (blank_lines(&bytes, &letters), "purged.jsonl", "application/x-ndjson")
        } else {
            let pages: Vec<u32> = manifest.letters.iter().map(|letter| letter.pages).collect();
            (blank(&bytes, &pages, &letters)?, "purged.pdf", "application/pdf")
        };
        let now = file_key(&manifest.campaign, manifest.batch, &digest(&purged), extension);
        objects.put(Bucket::Print, &now, purged, content_type).await?;
        let listed = to_purge(dispatcher, manifest).await?;
        if listed == letters {
            for other in files.iter().filter(|file| **file != now) {
                objects.delete(Bucket::Print, other).await?;
            }
            tracing::info!(batch = %manifest.batch, letters = letters.len(), "purged");
            return Ok(());
        }
        letters = listed;
    }
}

/// The letters of a batch that must not be in its file, by their place.
async fn to_purge(dispatcher: &Dispatcher, manifest: &PrintManifest) -> Result<BTreeSet<u32>, DispatchError> {
    let prefix = stops_prefix(&manifest.campaign, manifest.batch);
    let keys = dispatcher.service.objects.list(Bucket::Print, &prefix, "").await?;
    let place = |key: &String| key.strip_prefix(&prefix)?.strip_suffix("-purged.json")?.parse().ok();
    Ok(keys.iter().filter_map(place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::tests::message;

    #[test]
    fn a_letter_is_stopped_only_while_the_supplier_has_it() {
        for (state, detail, can) in [
            (MessageState::Sending, None, true),
            (MessageState::Sent, None, true),
            (MessageState::Sent, Some("ENCLOSED"), true),
            (MessageState::Sent, Some("DISPATCHED"), false),
            (MessageState::Delivered, Some("DELIVERED"), false),
            (MessageState::Failed, Some("RETURNED"), false),
            (MessageState::Queued, None, false),
            (MessageState::Withdrawn, Some("dead"), false),
        ] {
            let letter = Message { state, detail: detail.map(str::to_owned), ..message() };
            assert_eq!(can_be_stopped(&letter), can, "{state:?} {detail:?}");
        }
    }
}
