//! Settling letters against a sealed manifest.

use std::collections::HashMap;

use futures::{StreamExt, TryStreamExt, stream};
use ims_contact::manifest::{BatchHeading, PrintManifest};
use ims_decision::conclude;
use ims_domain::invitation::{Message, MessageState};
use ims_domain::{BatchId, MessageId};
use ims_messaging::Bucket;
use ims_store::{Store, StoreError};

use crate::step::{Action, after_seal};
use crate::{AT_ONCE, DispatchError, Dispatcher};

/// Readings of the letters, while others go on moving them.
const PASSES: u32 = 6;

/// Letters that could not be typeset, with the reason.
pub(crate) type Faults = HashMap<MessageId, String>;

/// The key of a batch's manifest.
pub(crate) fn manifest_key(campaign: &str, batch: BatchId) -> String {
    format!("batches/{campaign}/{batch}.json")
}

/// The key of a file of a batch, a PDF or a text. Its digest is part of it: workers on one batch may have typeset different
/// letters, and none may overwrite the file that the manifest tells of.
pub(crate) fn file_key(campaign: &str, batch: BatchId, sha256: &str, extension: &str) -> String {
    format!("{}{}.{extension}", file_prefix(campaign, batch), sha256.get(..16).unwrap_or(sha256))
}

/// What the keys of all files of a batch begin with, the manifest's left out.
pub(crate) fn file_prefix(campaign: &str, batch: BatchId) -> String {
    format!("batches/{campaign}/{batch}-")
}

/// The manifest of a batch, if it is sealed.
pub(crate) async fn sealed(
    dispatcher: &Dispatcher,
    campaign: &str,
    batch: BatchId,
) -> Result<Option<PrintManifest>, DispatchError> {
    let key = manifest_key(campaign, batch);
    let Some(bytes) = dispatcher.service.objects.get(Bucket::Print, &key).await? else { return Ok(None) };
    let manifest = serde_json::from_slice(&bytes)
        .map_err(|error| ims_messaging::ObjectError::Content { key, message: error.to_string() })?;
    Ok(Some(manifest))
}

/// Creates the manifest, unless another worker was first; the one that stands.
pub(crate) async fn create(dispatcher: &Dispatcher, manifest: PrintManifest) -> Result<PrintManifest, DispatchError> {
    let key = manifest_key(&manifest.campaign, manifest.batch);
    let bytes = serde_json::to_vec_pretty(&manifest)?;
    if dispatcher.service.objects.create(Bucket::Print, &key, bytes, "application/json").await? {
        tracing::info!(batch = %manifest.batch, letters = manifest.count, pages = manifest.pages, "sealed");
        return Ok(manifest);
    }
    // Another worker's, or our own where the answer to a first attempt was lost.
    Ok(dispatcher.service.objects.read_json(Bucket::Print, &key).await?)
}

/// Closes a batch of which nothing shall leave any more, unless it is sealed already; the manifest that stands.
pub(crate) async fn close(dispatcher: &Dispatcher, heading: BatchHeading) -> Result<PrintManifest, DispatchError> {
    create(dispatcher, PrintManifest::void(heading)).await
}

/// Brings the letters of a sealed batch to where the manifest says, and removes files that it does not tell of. Letters
/// that it does not list are queued again, or failed where this worker found that they cannot be typeset.
pub(crate) async fn settle(
    dispatcher: &Dispatcher,
    manifest: &PrintManifest,
    messages: &[MessageId],
    faults: &Faults,
) -> Result<(), DispatchError> {
    let store = &dispatcher.service.store;
    let mut left = 0;
    for _ in 0..PASSES {
        let held = store.messages(messages.iter().copied()).await?;
        let open: Vec<&Message> =
            held.iter().filter(|message| after_seal(message, manifest) != Action::Leave).collect();
        left = open.len();
        if left == 0 {
            break;
        }
        stream::iter(open)
            .map(|message| settle_one(store, manifest, message, faults.get(&message.id)))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
    }
    if left > 0 {
        return Err(DispatchError::Unsettled { batch: manifest.batch.to_string(), letters: left });
    }
    remove_other_files(dispatcher, manifest).await
}

async fn settle_one(
    store: &Store,
    manifest: &PrintManifest,
    message: &Message,
    fault: Option<&String>,
) -> Result<(), DispatchError> {
    match (after_seal(message, manifest), fault) {
        (Action::Conclude, _) => {
            conclude(store, message, MessageState::Sent, Some(manifest.batch.to_string()), None).await?;
        }
        (Action::Requeue, Some(fault)) => {
            tracing::error!(message = %message.id, fault, "the letter cannot be typeset");
            conclude(store, message, MessageState::Failed, None, Some(fault.clone())).await?;
        }
        (Action::Requeue, None) => requeue(store, message).await?,
        (Action::Claim | Action::Leave, _) => {}
    }
    Ok(())
}

/// Queues a held letter again. It never left those that wait, so the next cut finds it.
async fn requeue(store: &Store, message: &Message) -> Result<(), StoreError> {
    let queued = Message {
        state: MessageState::Queued,
        batch: None,
        claimed_at: None,
        sent_on: None,
        version: message.version + 1,
        ..message.clone()
    };
    match store.transaction().move_message(&queued, message.version)?.commit().await {
        Err(error) if error.is_condition() => Ok(()), // Somebody moved it; it is read again.
        done => done,
    }
}

/// Files that a worker wrote and did not seal hold names and addresses for nobody. Safe once a manifest stands: no other
/// can come to name them. What a purge put in the place of the sealed file stays.
async fn remove_other_files(dispatcher: &Dispatcher, manifest: &PrintManifest) -> Result<(), DispatchError> {
    let objects = &dispatcher.service.objects;
    for key in objects.list(Bucket::Print, &file_prefix(&manifest.campaign, manifest.batch), "").await? {
        if sealed_file(manifest) != Some(&key) && !is_purged(&key) {
            objects.delete(Bucket::Print, &key).await?;
        }
    }
    Ok(())
}

/// The key of the file that was sealed.
pub(crate) fn sealed_file(manifest: &PrintManifest) -> Option<&String> {
    manifest.pdf.as_ref().or(manifest.text.as_ref())
}

/// Whether a file took the place of the sealed one, without the letters to restricted people.
pub(crate) fn is_purged(key: &str) -> bool {
    key.contains(".purged.")
}
