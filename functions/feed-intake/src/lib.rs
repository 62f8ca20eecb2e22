//! Takes feed files in: judges each as a whole, acknowledges it, and cuts it into chunks for `record-ingest`.
//!
//! An event may come again at any point. Everything that is written follows from the event and the file alone, so that
//! coming again completes what was begun. Another upload of a name, or of content that was taken, is a duplicate.

pub mod arrival;
pub mod content;
pub mod sender;

use aws_lambda_events::event::s3::S3Event;
use futures::{StreamExt, TryStreamExt, stream};
use ims_fhir::{ack, batch::FileName};
use ims_messaging::{Bucket, ChunkJob, MessagingError, ObjectError, Queue, SENDER_MAILBOX};
use ims_runtime::Service;
use ims_runtime::auth::{Permissions, SendersError};
use ims_store::{FeedFile, FeedFileState, StoreError};
use jiff::{Span, Timestamp};
use record_ingest::chunk::{Chunk, chunk_key};
use record_ingest::feed::FeedName;
use thiserror::Error;

use arrival::{Arrival, EventError};
use content::{Content, ContentError};
use sender::Rules;

/// Chunks written at the same time.
const CONCURRENCY: usize = 16;

/// Why a file could not be taken in; the event comes again.
#[derive(Debug, Error)]
pub enum IntakeError {
    /// The event cannot be read.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Buckets.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// Queues.
    #[error(transparent)]
    Messaging(#[from] MessagingError),
    /// The disk.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The built-in permissions.
    #[error("the built-in permissions cannot be read")]
    Permissions(#[from] serde_json::Error),
    /// The registered senders.
    #[error("IMS_SENDERS: {0}")]
    Senders(#[from] SendersError),
    /// A whole second's worth of acknowledgements of one name is taken.
    #[error("no free name for the acknowledgement of {0}")]
    Acknowledgement(String),
}

/// Takes in the files that an event tells of.
///
/// # Errors
/// Where one could not be taken in; the event should come again.
pub async fn handle(service: &Service, event: S3Event) -> Result<(), IntakeError> {
    let permissions = Permissions::built_in(service.settings.is_sandbox())?;
    let rules = Rules::from_env(&service.settings)?;
    for record in &event.records {
        take(service, &permissions, &rules, &Arrival::read(record)?).await?;
    }
    Ok(())
}

/// The item of a file that just arrived.
fn item(arrival: &Arrival, name: Option<&FeedName>) -> FeedFile {
    FeedFile {
        name: arrival.name.clone(),
        etag: arrival.etag.clone(),
        message_id: arrival.message_id.to_string(),
        feed: name.map_or("unknown", |name| name.feed.code()).to_owned(),
        supplier: name.map_or("unknown", |name| name.sender.as_str()).to_owned(),
        vaccine: name.and_then(|name| name.vaccine).map(|vaccine| vaccine.code().to_owned()),
        state: FeedFileState::Processing,
        error: None,
        duplicate_of: None,
        received: arrival.at,
        rows: 0,
        chunks: 0,
        accepted: 0,
        rejected: 0,
    }
}

async fn take(
    service: &Service,
    permissions: &Permissions,
    rules: &Rules,
    arrival: &Arrival,
) -> Result<(), IntakeError> {
    let store = &service.store;
    let name = FeedName::parse(&arrival.name, permissions);
    let file = item(arrival, name.as_ref().ok());
    let held = claim(service, &file).await?;
    if held.message_id != file.message_id {
        return duplicate(service, file).await;
    }
    match held.state {
        FeedFileState::Processing => {}
        FeedFileState::Preprocessed => return send(service, &held).await,
        _ => return Ok(()),
    }
    let name = match name {
        Ok(name) => name,
        Err(error) => return refuse(service, file, FeedFileState::Failed, Some(error.to_string())).await,
    };
    if let Err(why) = judge(service, rules, arrival, &name).await? {
        let file = FeedFile { error: Some(why.clone()), ..file };
        return refuse(service, file, FeedFileState::Unauthorised, Some(why)).await;
    }
    if !name.is_permitted(permissions) {
        return refuse(service, file, FeedFileState::Unauthorised, None).await;
    }
    let mut kept = tempfile::tempfile().map_err(ContentError::Disk)?;
    service.objects.download(Bucket::Inbound, &arrival.name, &mut kept).await?;
    let content = match Content::judge(&name, kept) {
        Ok(content) if content.rows == 0 => return refuse(service, file, FeedFileState::Empty, None).await,
        Ok(content) => content,
        Err(error @ ContentError::Disk(_)) => return Err(error.into()),
        Err(error) => return refuse(service, file, FeedFileState::Failed, Some(error.to_string())).await,
    };
    // Notes the content beside the names: no file that is waited for, so already `Processed`.
    let same = FeedFile {
        name: format!("etag-{}", file.etag),
        feed: "content".to_owned(),
        state: FeedFileState::Processed,
        duplicate_of: Some(file.name.clone()),
        ..file.clone()
    };
    let taken = claim(service, &same).await?;
    if taken.message_id != file.message_id {
        // Earlier notes have the name in `error`.
        let file = FeedFile { duplicate_of: taken.duplicate_of.or(taken.error), ..file };
        return refuse(service, file, FeedFileState::Duplicate, None).await;
    }
    acknowledge(service, &file, true).await?;
    let file = write_chunks(service, file, &name, &content).await?;
    match store.move_file(&file, FeedFileState::Processing).await {
        Ok(()) => {
            tracing::info!(file = %file.name, feed = %file.feed, rows = file.rows, chunks = file.chunks, "file taken in");
        }
        // Another delivery of the event was faster, and wrote the same.
        Err(StoreError::Condition { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    send(service, &file).await
}

/// Whether a file may come from where it came from; else why not.
async fn judge(
    service: &Service,
    rules: &Rules,
    arrival: &Arrival,
    name: &FeedName,
) -> Result<Result<(), String>, ObjectError> {
    let mailbox = match rules.trusts(&arrival.principal) {
        true => service.objects.note(Bucket::Inbound, &arrival.name, SENDER_MAILBOX).await?,
        false => None,
    };
    let ods_code = FileName::parse(&arrival.name).map_or_else(|_| name.sender.clone(), |file| file.ods);
    Ok(rules.judge(&arrival.principal, mailbox.as_deref(), &ods_code, name.feed.code()))
}

/// Notes a file unless its name is noted; gives back what is noted.
async fn claim(service: &Service, file: &FeedFile) -> Result<FeedFile, IntakeError> {
    match service.store.create_file(file).await {
        Ok(()) => Ok(file.clone()),
        Err(StoreError::Condition { .. }) => {
            // Nothing is ever deleted, so what stood in the way is there.
            Ok(service.store.file(&file.name).await?.unwrap_or_else(|| file.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Answers an upload whose name is taken; it is noted beside the first.
async fn duplicate(service: &Service, file: FeedFile) -> Result<(), IntakeError> {
    acknowledge(service, &file, false).await?;
    tracing::warn!(file = %file.name, "file not processed: its name was taken before");
    let noted = FeedFile {
        name: format!("{}#{}", file.name, file.message_id),
        state: FeedFileState::Duplicate,
        duplicate_of: Some(file.name.clone()),
        ..file
    };
    Ok(service.store.put_file(&noted).await?)
}

/// Answers a file that is not processed.
async fn refuse(
    service: &Service,
    file: FeedFile,
    state: FeedFileState,
    error: Option<String>,
) -> Result<(), IntakeError> {
    // An empty file is in order: there is only nothing to do.
    acknowledge(service, &file, state == FeedFileState::Empty).await?;
    let same = file.duplicate_of.as_deref().unwrap_or_default();
    tracing::warn!(file = %file.name, ?state, error = error.as_deref().unwrap_or_default(), same, "file not processed");
    Ok(service.store.put_file(&FeedFile { state, error, ..file }).await?)
}

/// Writes the InfAck. Uploads of one name within a second would share its key, so the later takes the next second.
async fn acknowledge(service: &Service, file: &FeedFile, accepted: bool) -> Result<(), IntakeError> {
    let text = match &file.error {
        Some(why) if !accepted => ack::inf_ack_because(&file.message_id, file.received, why),
        _ => ack::inf_ack(&file.message_id, file.received, accepted),
    };
    for seconds in 0..60 {
        let key = ack::inf_ack_key(&file.name, later(file.received, seconds));
        if service.objects.create(Bucket::Acks, &key, text.clone().into_bytes(), "text/csv").await? {
            return Ok(());
        }
        if service.objects.get(Bucket::Acks, &key).await?.is_some_and(|held| held == text.as_bytes()) {
            return Ok(());
        }
    }
    Err(IntakeError::Acknowledgement(file.name.clone()))
}

fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(Span::new().seconds(seconds)).unwrap_or(at)
}

/// Writes the chunks into the work bucket; gives back the file's item with its counts.
async fn write_chunks(
    service: &Service,
    file: FeedFile,
    name: &FeedName,
    content: &Content,
) -> Result<FeedFile, IntakeError> {
    let mut count = 0;
    for chunks in content.cut(name)? {
        let numbered: Vec<(u32, Chunk)> = (count..).zip(chunks?).collect();
        count += u32::try_from(numbered.len()).unwrap_or(u32::MAX);
        let file = &file.name;
        stream::iter(numbered)
            .map(|(number, chunk)| async move {
                service.objects.put_json(Bucket::Work, &chunk_key(file, number), &chunk).await
            })
            .buffer_unordered(CONCURRENCY)
            .try_collect::<Vec<()>>()
            .await?;
    }
    Ok(FeedFile { state: FeedFileState::Preprocessed, rows: content.rows, chunks: count, ..file })
}

/// Sends a job for every chunk that is not answered yet.
async fn send(service: &Service, file: &FeedFile) -> Result<(), IntakeError> {
    let answered: Vec<u32> = service.store.chunks(&file.name).await?.into_iter().map(|chunk| chunk.chunk).collect();
    let jobs: Vec<ChunkJob> = (0..file.chunks)
        .filter(|chunk| answered.binary_search(chunk).is_err())
        .map(|chunk| ChunkJob { file: file.name.clone(), chunk, object: chunk_key(&file.name, chunk) })
        .collect();
    Ok(service.queues.send(Queue::RecordIngest, &jobs).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_says_what_the_name_says() {
        let event: S3Event = serde_json::from_str(include_str!("../fixtures/object-created.json")).unwrap();
        let arrival = Arrival::read(&event.records[0]).unwrap();
        let name = FeedName::parse(&arrival.name, &Permissions::built_in(false).unwrap()).unwrap();
        let file = item(&arrival, Some(&name));
        assert_eq!((file.feed.as_str(), file.supplier.as_str()), ("vaccinations", "EMIS"));
        assert_eq!(file.vaccine.as_deref(), Some("FLU"));
        assert_eq!(item(&arrival, None).supplier, "unknown");
    }

    #[test]
    fn an_acknowledgement_that_finds_its_second_taken_moves_on() {
        let at: Timestamp = "2025-10-01T05:00:59.5Z".parse().unwrap();
        let key = |seconds| ack::inf_ack_key("a.csv", later(at, seconds));
        assert_eq!(key(0), "ack/a_InfAck_20251001T05005900.csv");
        assert_eq!(key(1), "ack/a_InfAck_20251001T05010000.csv");
    }
}
