//! The way back for texts whose jobs were lost or ended in the dead-letter queue.

use ims_domain::MessageId;
use ims_messaging::{Bucket, Queue, SmsJob};
use ims_runtime::Service;
use ims_snapshot::{ContactRow, Manifest, read_parquet};

use crate::DispatchError;

/// Texts in a job.
const TEXTS: usize = 20;

/// Queues a job for every text that the current snapshot shows as queued or sending. Those that were settled since are
/// left alone by their claim.
pub(crate) async fn requeue(service: &Service) -> Result<usize, DispatchError> {
    let pointer = service.store.manifest().await?;
    if pointer.version == 0 {
        return Ok(0);
    }
    let manifest: Manifest = service.objects.read_json(Bucket::Snapshot, &Manifest::key(&pointer.manifest)).await?;
    let mut open: Vec<MessageId> = Vec::new();
    for part in 0..manifest.parts {
        let Some(key) = manifest.part_key::<ContactRow>(part) else { continue };
        let rows: Vec<ContactRow> = read_parquet(service.objects.read(Bucket::Snapshot, key).await?)?;
        let texts = rows.iter().filter(|row| {
            row.kind == "message" && row.channel == "sms" && matches!(row.state.as_str(), "queued" | "sending")
        });
        open.extend(texts.filter_map(|row| row.message_id.parse::<MessageId>().ok()));
    }
    let jobs: Vec<SmsJob> = open.chunks(TEXTS).map(|messages| SmsJob { messages: messages.to_vec() }).collect();
    service.queues.send(Queue::SmsDispatch, &jobs).await?;
    Ok(open.len())
}
