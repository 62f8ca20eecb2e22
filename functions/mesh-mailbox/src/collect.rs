//! The inbox: each message's file into the inbound bucket.

use ims_messaging::{Bucket, SENDER_MAILBOX};
use ims_runtime::Service;
use ims_store::Transfer;
use jiff::{SignedDuration, Timestamp};

use crate::mesh::{Mesh, Message};
use crate::{CollectError, MeshError};

/// What is noted of an object beside the mailbox that sent it: the message that it came in.
const MESSAGE: &str = "mesh-message";
/// Longest time that a run takes. What an earlier one began and did not end is taken up after it.
const LONGEST_RUN: SignedDuration = SignedDuration::from_mins(6);

/// Collects what waits; gives back how many files were stored.
pub(crate) async fn collect(service: &Service, mesh: &Mesh) -> Result<u64, CollectError> {
    let mut collected = 0;
    for id in mesh.inbox().await? {
        let message = match mesh.message(&id).await {
            Ok(Some(message)) => message,
            Ok(None) => continue,
            // It stays in the inbox, for a person; the others are collected.
            Err(error @ MeshError::Message { .. }) => {
                tracing::error!(%error, "a message is left in the inbox");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if message.is_report {
            tracing::warn!(mesh.message = %message.id, "MESH reports that something sent was not delivered");
        } else if take(service, message).await? {
            collected += 1;
        } else {
            continue;
        }
        mesh.acknowledge(&id).await?;
    }
    Ok(collected)
}

/// Stores a message's file, unless it is stored; `false` where it has to wait: for another message's file of the same name,
/// which is not done with yet, or for another run, which is about to store it.
async fn take(service: &Service, message: Message) -> Result<bool, CollectError> {
    let transfer = Transfer {
        file: message.file.clone(),
        mailbox: message.from.clone(),
        message: message.id.clone(),
        at: Timestamp::now(),
        sent: Vec::new(),
        version: 1,
    };
    let held = service.store.open_transfer(&transfer).await?;
    if held.message != transfer.message {
        tracing::info!(mesh.message = %message.id, "waits: an earlier file of its name is not done with");
        return Ok(false);
    }
    let noted = service.objects.note(Bucket::Inbound, &message.file, MESSAGE).await?;
    if noted.as_deref() == Some(&message.id) {
        return Ok(true);
    }
    if held.at != transfer.at && transfer.at.duration_since(held.at) < LONGEST_RUN {
        tracing::info!(mesh.message = %message.id, "waits: another run is at it");
        return Ok(false);
    }
    let notes = [(SENDER_MAILBOX, message.from.as_str()), (MESSAGE, message.id.as_str())];
    service.objects.put_with(Bucket::Inbound, &message.file, message.bytes, &notes).await?;
    Ok(true)
}
