//! Takes feed files in: judges each as a whole, acknowledges it, and cuts it into chunks for `record-ingest`.
//!
//! An event may come again at any point. Everything that is written follows from the event and the file alone, so that
//! coming again completes what was begun. Another upload of a name, or of content that was taken, is a duplicate.

pub mod arrival;
mod body;
mod columnar;
pub mod content;
pub mod decide;
pub mod guard;
pub mod sender;
mod spool;

use aws_lambda_events::event::s3::S3Event;
use ims_fhir::ack::{self, FileAnswer};
use ims_fhir::batch::FileName;
use ims_messaging::{Bucket, ChunkJob, MessagingError, ObjectError, Queue, SENDER_MAILBOX};
use ims_runtime::Service;
use ims_runtime::auth::{Permissions, SendersError};
use ims_runtime::clock::ClockError;
use ims_store::{FeedFile, FeedFileState, Held, StoreError};
use jiff::{Span, Timestamp};
use record_ingest::chunk::chunk_key;
use record_ingest::feed::FeedName;
use serde_json::{Value, json};
use thiserror::Error;

use arrival::{Arrival, EventError};
use body::Body;
use content::ContentError;
use sender::Rules;

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
    /// The event, or the built-in permissions.
    #[error("JSON that cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// Business clock.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The file's content cannot be taken, or the disk fails.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The registered senders.
    #[error("IMS_SENDERS: {0}")]
    Senders(#[from] SendersError),
    /// What somebody decided cannot be carried out.
    #[error(transparent)]
    Decision(#[from] decide::DecisionError),
    /// A whole second's worth of acknowledgements of one name is taken.
    #[error("no free name for the acknowledgement of {0}")]
    Acknowledgement(String),
}

/// Takes in the files that an event tells of, or carries out what somebody decided about one.
///
/// # Errors
/// Where a file could not be taken in, and the event should come again; or where a request cannot be carried out.
pub async fn handle(service: &Service, event: Value) -> Result<Value, IntakeError> {
    if event.get("Records").is_none() {
        let file = decide::decide(service, serde_json::from_value(event)?).await?;
        return Ok(json!({"file": file}));
    }
    let event: S3Event = serde_json::from_value(event)?;
    let permissions = Permissions::built_in(service.settings.is_sandbox())?;
    let rules = Rules::from_env(&service.settings)?;
    for record in &event.records {
        take(service, &permissions, &rules, &Arrival::read(record)?).await?;
    }
    Ok(Value::Null)
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
        held: None,
        list: None,
        left: 0,
        rules: Default::default(),
        cleansed: Default::default(),
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
        FeedFileState::AwaitingApproval => return tell_that_it_waits(service, &held).await,
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
    let today = service.clock.today().await?;
    let body = match Body::read(service, &name, &arrival.name, today).await {
        Ok(body) if body.is_empty() => return refuse(service, file, FeedFileState::Empty, None).await,
        Ok(body) => body,
        Err(error) => return refuse(service, file, FeedFileState::Failed, Some(what_is_wrong(error)?)).await,
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
    let why = match body.why_to_hold(&service.store, &name, today).await {
        Ok(why) => why,
        Err(error) => return refuse(service, file, FeedFileState::Failed, Some(what_is_wrong(error)?)).await,
    };
    if why.is_none() {
        acknowledge(service, &file, FileAnswer::Accepted).await?;
    }
    let mut file = body.write_chunks(&service.objects, &name, file).await?;
    if let Some(why) = why {
        tracing::warn!(file = %file.name, why, "file held back until somebody approves it");
        file.state = FeedFileState::AwaitingApproval;
        file.held = Some(Held { why, decision: None });
    }
    match store.move_file(&file, FeedFileState::Processing).await {
        Ok(()) => {
            tracing::info!(file = %file.name, feed = %file.feed, rows = file.rows, chunks = file.chunks, "file taken in");
        }
        // Another delivery of the event was faster: what it found holds.
        Err(StoreError::Condition { .. }) => file = store.file(&file.name).await?.unwrap_or(file),
        Err(error) => return Err(error.into()),
    }
    match file.state {
        FeedFileState::Preprocessed => send(service, &file).await,
        FeedFileState::AwaitingApproval => tell_that_it_waits(service, &file).await,
        _ => Ok(()),
    }
}

/// What is wrong with a file's content, to be noted; anything else is a failure, after which the event comes again.
fn what_is_wrong(error: IntakeError) -> Result<String, IntakeError> {
    match error {
        IntakeError::Content(ContentError::Disk(_)) => Err(error),
        IntakeError::Content(error) => Ok(error.to_string()),
        other => Err(other),
    }
}

async fn tell_that_it_waits(service: &Service, file: &FeedFile) -> Result<(), IntakeError> {
    let why = file.held.as_ref().map_or("", |held| &held.why);
    acknowledge(service, file, FileAnswer::Awaiting(why)).await
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
    acknowledge(service, &file, FileAnswer::Refused).await?;
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
    let answer = match &file.error {
        _ if state == FeedFileState::Empty => FileAnswer::Accepted,
        Some(why) => FileAnswer::RefusedBecause(why),
        None => FileAnswer::Refused,
    };
    acknowledge(service, &file, answer).await?;
    let same = file.duplicate_of.as_deref().unwrap_or_default();
    tracing::warn!(file = %file.name, ?state, error = error.as_deref().unwrap_or_default(), same, "file not processed");
    Ok(service.store.put_file(&FeedFile { state, error, ..file }).await?)
}

/// Writes the InfAck. Uploads of one name within a second would share its key, so the later takes the next second.
async fn acknowledge(service: &Service, file: &FeedFile, answer: FileAnswer<'_>) -> Result<(), IntakeError> {
    let text = ack::inf_ack(&file.message_id, file.received, answer);
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
    use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
    use aws_sdk_dynamodb::{Client, Config};
    use ims_domain::NhsNumber;
    use ims_store::{Actor, Store, Tables};
    use ims_testkit::dynamodb::DynamoDb;
    use record_ingest::feed::DEMOGRAPHICS;

    use super::*;

    /// A store on a database of its own, its tables called as the environment's variables end.
    pub(crate) async fn database() -> (DynamoDb, Store) {
        let database = DynamoDb::default();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-2"))
            .endpoint_url(database.listen().await.unwrap())
            .allow_no_auth()
            .build();
        let tables = Tables::from_lookup(|name| Some(name.trim_start_matches("IMS_TABLE_").to_owned())).unwrap();
        (database, Store::new(Client::from_conf(config), tables))
    }

    pub(crate) async fn store() -> Store {
        database().await.1
    }

    pub(crate) fn actor() -> Actor {
        Actor::new("X26", "feed", "test".into(), Timestamp::UNIX_EPOCH)
    }

    /// A made-up number for each place.
    pub(crate) fn number(place: u64) -> NhsNumber {
        let mut stems = (999_000_000u64..).filter_map(NhsNumber::from_stem);
        stems.nth(usize::try_from(place).unwrap()).unwrap()
    }

    /// A row of demographics of the person at a place, with these fields changed.
    pub(crate) fn row(place: u64, changes: &[(&str, &str)]) -> Vec<String> {
        let number = number(place).to_string();
        let base = [
            ("RECORD_TYPE", "AMENDED"),
            ("CHANGE_TIME_STAMP", "20251001T030000"),
            ("SERIAL_CHANGE_NUMBER", "6"),
            ("NHS_NUMBER", number.as_str()),
        ];
        let value = |column: &str| {
            let found = changes.iter().chain(&base).find(|(field, _)| *field == column);
            found.map_or(String::new(), |(_, value)| (*value).to_owned())
        };
        DEMOGRAPHICS.iter().map(|column| value(column)).collect()
    }

    /// A demographics file of X26 that waits.
    pub(crate) fn held_file(name: &str) -> FeedFile {
        let arrival = Arrival {
            name: name.into(),
            etag: "e".into(),
            principal: String::new(),
            at: Timestamp::UNIX_EPOCH,
            message_id: Default::default(),
        };
        let parsed = FeedName::parse(name, &Permissions::built_in(false).unwrap()).unwrap();
        FeedFile {
            state: FeedFileState::AwaitingApproval,
            held: Some(Held { why: "it says of many that they have died".into(), decision: None }),
            ..item(&arrival, Some(&parsed))
        }
    }

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
