//! Sending to queues, and taking a batch from one message by message.

use std::collections::BTreeMap;
use std::future::Future;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Version of the messages' shape.
const SCHEMA: u32 = 1;

/// Attempts at messages that SQS did not take.
const ATTEMPTS: u32 = 5;

/// A queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Queue {
    /// Chunks of feed files.
    RecordIngest,
    /// Snapshot parts to select from.
    CohortSelection,
    /// Claims of people to invite, and due steps.
    InvitationIssue,
    /// Letters to seal.
    LetterDispatch,
    /// Texts to send.
    SmsDispatch,
}

impl Queue {
    /// All queues.
    pub const ALL: [Self; 5] =
        [Self::RecordIngest, Self::CohortSelection, Self::InvitationIssue, Self::LetterDispatch, Self::SmsDispatch];

    /// Name in the environment: `IMS_QUEUE_{name}`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RecordIngest => "RECORD_INGEST",
            Self::CohortSelection => "COHORT_SELECTION",
            Self::InvitationIssue => "INVITATION_ISSUE",
            Self::LetterDispatch => "LETTER_DISPATCH",
            Self::SmsDispatch => "SMS_DISPATCH",
        }
    }
}

/// A failure to send or read messages.
#[derive(Debug, Error)]
pub enum MessagingError {
    /// A queue's URL is not configured.
    #[error("environment variable {variable} is not set")]
    NoQueue {
        /// Variable.
        variable: String,
    },
    /// SQS could not be reached or refused.
    #[error("sending to queue {queue}")]
    Send {
        /// Queue.
        queue: &'static str,
        /// Cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A queue could not be asked how long it is.
    #[error("asking how many messages {queue} holds")]
    Depth {
        /// Queue name or URL.
        queue: String,
        /// Cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A message does not have the shape this version knows.
    #[error("message body cannot be read: {0}")]
    Body(String),
}

/// How many messages a queue holds, as SQS estimates it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Ready to be taken.
    pub waiting: u64,
    /// Taken and not yet answered for.
    pub in_flight: u64,
    /// Not yet visible.
    pub delayed: u64,
}

impl Depth {
    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.waiting + self.in_flight + self.delayed
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    schema: u32,
    body: T,
}

/// The queues of this stack.
#[derive(Debug, Clone)]
pub struct Queues {
    client: Client,
    urls: BTreeMap<Queue, String>,
}

impl Queues {
    /// From `IMS_QUEUE_…`.
    ///
    /// # Errors
    /// Names the first variable that is not set.
    pub fn from_env(client: Client) -> Result<Self, MessagingError> {
        let mut urls = BTreeMap::new();
        for queue in Queue::ALL {
            let variable = format!("IMS_QUEUE_{}", queue.name());
            let url = std::env::var(&variable).ok().filter(|url| !url.is_empty());
            urls.insert(queue, url.ok_or(MessagingError::NoQueue { variable })?);
        }
        Ok(Self { client, urls })
    }

    /// Queues through a client made elsewhere.
    #[must_use]
    pub fn new(client: Client, urls: BTreeMap<Queue, String>) -> Self {
        Self { client, urls }
    }

    /// Sends bodies, ten at a time, until SQS has taken each. Sending again after an error may duplicate; readers are
    /// idempotent.
    ///
    /// # Errors
    /// Where SQS cannot be reached, or goes on refusing an entry.
    pub async fn send<T: Serialize>(&self, queue: Queue, bodies: &[T]) -> Result<(), MessagingError> {
        self.send_later(queue, bodies, 0).await
    }

    /// Sends bodies that become visible after some seconds, at most 900.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_later<T: Serialize>(
        &self,
        queue: Queue,
        bodies: &[T],
        seconds: u32,
    ) -> Result<(), MessagingError> {
        let delay = i32::try_from(seconds.min(900)).unwrap_or(900);
        let failed =
            |source: Box<dyn std::error::Error + Send + Sync>| MessagingError::Send { queue: queue.name(), source };
        let url = self.urls.get(&queue).map_or("", String::as_str);
        for block in bodies.chunks(10) {
            let mut entries = Vec::with_capacity(block.len());
            for (index, body) in block.iter().enumerate() {
                let text =
                    serde_json::to_string(&Envelope { schema: SCHEMA, body }).map_err(|e| failed(Box::new(e)))?;
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(text)
                    .delay_seconds(delay)
                    .build();
                entries.push(entry.map_err(|e| failed(Box::new(e)))?);
            }
            let mut attempt = 0;
            while !entries.is_empty() {
                let sent = self.client.send_message_batch().queue_url(url).set_entries(Some(entries.clone()));
                let output = sent.send().await.map_err(|e| failed(Box::new(e)))?;
                let left: Vec<&str> = output.failed().iter().map(|entry| entry.id()).collect();
                entries.retain(|entry| left.contains(&entry.id()));
                attempt += 1;
                if !entries.is_empty() {
                    if attempt >= ATTEMPTS {
                        return Err(failed(format!("{} entries were refused {attempt} times", entries.len()).into()));
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(100 << attempt)).await;
                }
            }
        }
        Ok(())
    }

    /// How many messages a queue holds.
    ///
    /// # Errors
    /// Where SQS cannot be reached or refuses.
    pub async fn depth(&self, queue: Queue) -> Result<Depth, MessagingError> {
        self.depth_at(self.urls.get(&queue).map_or("", String::as_str)).await
    }

    /// How many messages the queue at a URL holds; for dead-letter queues, which no function sends to.
    ///
    /// # Errors
    /// Where SQS cannot be reached or refuses.
    pub async fn depth_at(&self, url: &str) -> Result<Depth, MessagingError> {
        use aws_sdk_sqs::types::QueueAttributeName as Name;
        let request = self
            .client
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(Name::ApproximateNumberOfMessages)
            .attribute_names(Name::ApproximateNumberOfMessagesNotVisible)
            .attribute_names(Name::ApproximateNumberOfMessagesDelayed);
        let output = request
            .send()
            .await
            .map_err(|error| MessagingError::Depth { queue: url.to_owned(), source: Box::new(error) })?;
        let held = output.attributes.unwrap_or_default();
        let number = |name: Name| held.get(&name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Depth {
            waiting: number(Name::ApproximateNumberOfMessages),
            in_flight: number(Name::ApproximateNumberOfMessagesNotVisible),
            delayed: number(Name::ApproximateNumberOfMessagesDelayed),
        })
    }
}

/// Gives each message of a batch to `work`, one after the other, and reports those that failed, so that only they come
/// again. A body that cannot be read fails too: it ends in the dead-letter queue, not lost.
pub async fn handle_each<T, E, F>(event: SqsEvent, mut work: impl FnMut(T) -> F) -> SqsBatchResponse
where
    T: DeserializeOwned,
    E: std::error::Error + 'static,
    F: Future<Output = Result<(), E>>,
{
    let mut failures = Vec::new();
    for record in event.records {
        let id = record.message_id.unwrap_or_default();
        let result = match read(record.body.as_deref().unwrap_or_default()) {
            Ok(body) => work(body).await.map_err(|error| chain(&error)),
            Err(error) => Err(chain(&error)),
        };
        if let Err(error) = result {
            tracing::error!(message.id = %id, error = %error, "message failed; it will come again");
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            failures.push(failure);
        }
    }
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures;
    response
}

/// Gives all messages of a batch to `work` at once, and reports those that failed, as [`handle_each`] does.
pub async fn handle_together<T, E, F>(event: SqsEvent, work: impl Fn(T) -> F) -> SqsBatchResponse
where
    T: DeserializeOwned,
    E: std::error::Error + 'static,
    F: Future<Output = Result<(), E>>,
{
    let each = event.records.into_iter().map(|record| {
        let mut alone = SqsEvent::default();
        alone.records = vec![record];
        handle_each(alone, &work)
    });
    let mut response = SqsBatchResponse::default();
    for answer in futures::future::join_all(each).await {
        response.batch_item_failures.extend(answer.batch_item_failures);
    }
    response
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, MessagingError> {
    let envelope: Envelope<T> = serde_json::from_str(body).map_err(|error| MessagingError::Body(error.to_string()))?;
    if envelope.schema != SCHEMA {
        return Err(MessagingError::Body(format!("schema {} is not known; expected {SCHEMA}", envelope.schema)));
    }
    Ok(envelope.body)
}

/// An error with its causes in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SmsJob;
    use aws_lambda_events::event::sqs::SqsMessage;

    fn message(id: &str, body: &str) -> SqsMessage {
        let mut message = SqsMessage::default();
        message.message_id = Some(id.to_owned());
        message.body = Some(body.to_owned());
        message
    }

    #[tokio::test]
    async fn a_batch_is_worked_on_together() {
        let body = serde_json::to_string(&Envelope { schema: 1, body: SmsJob { messages: vec![] } }).unwrap();
        let mut event = SqsEvent::default();
        event.records = vec![message("1", &body), message("2", "not json"), message("3", &body)];
        let both = tokio::sync::Barrier::new(2);
        let response = handle_together(event, |_: SmsJob| async {
            both.wait().await;
            Ok::<(), std::io::Error>(())
        })
        .await;
        let failed: Vec<String> = response.batch_item_failures.into_iter().map(|f| f.item_identifier).collect();
        assert_eq!(failed, ["2"]);
    }

    #[tokio::test]
    async fn only_failed_messages_come_again_and_a_bad_body_does_not_fail_the_batch() {
        let good = serde_json::to_string(&Envelope { schema: 1, body: SmsJob { messages: vec![] } }).unwrap();
        let newer = serde_json::to_string(&Envelope { schema: 2, body: SmsJob { messages: vec![] } }).unwrap();
        let mut event = SqsEvent::default();
        event.records = vec![message("1", &good), message("2", "not json"), message("3", &newer), message("4", &good)];
        let mut seen = 0;
        let response = handle_each(event, |_: SmsJob| {
            seen += 1;
            let fails = seen == 2;
            async move { if fails { Err(std::io::Error::other("no")) } else { Ok(()) } }
        })
        .await;
        let failed: Vec<String> = response.batch_item_failures.into_iter().map(|f| f.item_identifier).collect();
        assert_eq!(failed, ["2", "3", "4"]);
        assert_eq!(seen, 2);
    }
}
