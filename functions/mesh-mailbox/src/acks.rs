//! Acknowledgements of the files that came by MESH, back to the mailboxes that sent them.

use ims_fhir::ack;
use ims_messaging::Bucket;
use ims_runtime::Service;
use ims_store::{FeedFile, FeedFileState, Transfer};
use jiff::{Span, Timestamp};

use crate::CollectError;
use crate::mesh::{Mesh, MeshError};

/// Seconds by which S3's clock may be behind.
const LEEWAY: i64 = 2;

/// Sends the acknowledgements that are there and were not sent; gives back how many.
pub(crate) async fn send(service: &Service, mesh: &Mesh) -> Result<u64, CollectError> {
    let mut count = 0;
    for mut transfer in service.store.open_transfers().await? {
        let file = service.store.file(&transfer.file).await?;
        let written = service.objects.list(Bucket::Acks, &prefix(&transfer.file), "").await?;
        let due = due(&transfer, file.as_ref(), &written);
        for key in due.keys.iter().filter(|key| !transfer.sent.contains(key)).cloned().collect::<Vec<_>>() {
            let bytes = service.objects.read(Bucket::Acks, &key).await?;
            let name = key.rsplit('/').next().unwrap_or(&key);
            match mesh.send(&transfer.mailbox, name, &key, &bytes).await {
                Ok(()) => count += 1,
                // The mailbox is not there, or not for this workflow: the others get theirs.
                Err(error @ MeshError::Refused { .. }) => {
                    tracing::error!(file = transfer.file, %error, "an acknowledgement could not be sent");
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            transfer.sent.push(key);
            let Some(noted) = service.store.note_transfer(&transfer).await? else { break };
            transfer = noted;
        }
        if due.complete && due.keys.iter().all(|key| transfer.sent.contains(key)) {
            service.store.close_transfer(&transfer).await?;
        }
    }
    Ok(count)
}

/// Where the InfAcks of a file's name are.
fn prefix(file: &str) -> String {
    let key = ack::inf_ack_key(file, Timestamp::UNIX_EPOCH);
    key[..key.len() - "19700101T00000000.csv".len()].to_owned()
}

/// What a sender is to get.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    /// Keys that are there.
    keys: Vec<String>,
    /// Whether no more will come.
    complete: bool,
}

/// What the sender of a transfer is to get, as its file stands; `written` are the InfAcks of its name.
fn due(transfer: &Transfer, file: Option<&FeedFile>, written: &[String]) -> Due {
    let since = transfer.at.checked_sub(Span::new().seconds(LEEWAY)).unwrap_or(transfer.at);
    let first = ack::inf_ack_key(&transfer.file, since);
    let mut keys: Vec<String> = written.iter().filter(|key| **key >= first).cloned().collect();
    let answered = !keys.is_empty();
    // Another upload had the name: this one is a duplicate, and has its InfAck only.
    let Some(file) = file.filter(|file| file.received >= since) else { return Due { keys, complete: answered } };
    let complete = match file.state {
        FeedFileState::Processed => {
            keys.push(ack::bus_ack_csv_key(&file.name, file.received));
            keys.push(ack::bus_ack_json_key(&file.name, file.received));
            answered
        }
        FeedFileState::Failed | FeedFileState::Empty | FeedFileState::Unauthorised | FeedFileState::Duplicate => {
            answered
        }
        _ => false,
    };
    Due { keys, complete }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "FLU_Vaccinations_v5_V0V8L_20251006T10000000.csv";

    fn transfer() -> Transfer {
        Transfer {
            file: FILE.into(),
            mailbox: "X26ABC2".into(),
            message: "M1".into(),
            at: "2025-10-06T10:00:05Z".parse().unwrap(),
            sent: Vec::new(),
            version: 1,
        }
    }

    fn file(state: FeedFileState, received: &str) -> FeedFile {
        FeedFile {
            name: FILE.into(),
            etag: "e".into(),
            message_id: "m".into(),
            feed: "vaccinations".into(),
            supplier: "MAVIS".into(),
            vaccine: Some("FLU".into()),
            state,
            error: None,
            duplicate_of: None,
            held: None,
            list: None,
            left: 0,
            rules: Default::default(),
            cleansed: Default::default(),
            received: received.parse().unwrap(),
            rows: 0,
            chunks: 0,
            accepted: 0,
            rejected: 0,
        }
    }

    fn inf_ack(second: &str) -> String {
        format!("ack/FLU_Vaccinations_v5_V0V8L_20251006T10000000_InfAck_20251006T1000{second}00.csv")
    }

    #[test]
    fn a_sender_gets_the_acknowledgements_of_the_upload_and_no_earlier_ones() {
        assert_eq!(format!("{}20251006T10000600.csv", prefix(FILE)), inf_ack("06"));
        let (transfer, mine, before) = (transfer(), inf_ack("06"), inf_ack("01"));
        let written = [before, mine.clone()];
        let bus = |kind: &str| {
            format!("forwardedFile/FLU_Vaccinations_v5_V0V8L_20251006T10000000_BusAck_20251006T10000600.{kind}")
        };
        let now = "2025-10-06T10:00:06Z";
        for (state, keys, complete) in [
            (FeedFileState::Processing, vec![mine.clone()], false),
            (FeedFileState::Preprocessed, vec![mine.clone()], false),
            (FeedFileState::Processed, vec![mine.clone(), bus("csv"), bus("json")], true),
            (FeedFileState::Failed, vec![mine.clone()], true),
            (FeedFileState::Unauthorised, vec![mine.clone()], true),
        ] {
            assert_eq!(due(&transfer, Some(&file(state, now)), &written), Due { keys, complete }, "{state:?}");
        }
        // Nothing is complete before the InfAck is there.
        let failed = file(FeedFileState::Failed, now);
        assert_eq!(due(&transfer, Some(&failed), &written[..1]), Due { keys: vec![], complete: false });
        assert_eq!(due(&transfer, None, &[]), Due { keys: vec![], complete: false });
        // A name that was taken before: a duplicate, which has its InfAck only.
        let earlier = file(FeedFileState::Processed, "2025-10-06T09:00:00Z");
        assert_eq!(due(&transfer, Some(&earlier), &written), Due { keys: vec![mine], complete: true });
    }
}
