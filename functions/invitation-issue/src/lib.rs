//! `invitation-issue`: re-decides each person on the live item, opens the invitation or records why not, and takes the
//! steps that fall due.
//!
//! Everything about one person happens in one transaction under the person's version and the wave's gate: the decision,
//! the message, the entry for the next step. A claim that comes twice finds the invitation there, and only sends the
//! jobs of messages that are still queued again.

mod issue;
mod steps;

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use ims_decision::{DecisionError, RulesCache};
use ims_domain::{MessageId, PersonId};
use ims_messaging::{Bucket, ClaimJob, IssueJob, MessagingError, ObjectError, Queue, SmsJob, handle_each};
use ims_runtime::clock::ClockError;
use ims_runtime::{Service, Trigger, UnknownEvent};
use ims_store::StoreError;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

/// People decided on at the same time.
const CONCURRENCY: usize = 12;

/// Texts in a job.
const TEXTS: usize = 20;

/// People in a due job.
const DUE: usize = 50;

/// What the function can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Request {
    /// Queue all steps that are due on the business day.
    Due,
}

/// Why the function failed.
#[derive(Debug, Error)]
pub enum IssueError {
    /// The event is not known.
    #[error(transparent)]
    Event(#[from] UnknownEvent),
    /// Something that must be there is not.
    #[error("there is no {0}")]
    Absent(String),
    /// Others wrote the person first, again and again.
    #[error("a person of campaign '{0}' was written by others at every attempt")]
    Busy(String),
    /// Store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Objects.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// Queues.
    #[error(transparent)]
    Messaging(#[from] MessagingError),
    /// Rules.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// Clock.
    #[error(transparent)]
    Clock(#[from] ClockError),
}

/// Handles one event.
///
/// # Errors
/// Where the event is unknown or a request fails; a failed message is reported in the answer.
pub async fn handle(service: &Service, rules: &RulesCache, event: Value) -> Result<Value, IssueError> {
    match Trigger::read(event)? {
        Trigger::Request(Request::Due) => queue_due(service).await,
        Trigger::Messages(messages) => {
            let answer = handle_each(messages, |job: IssueJob| async move {
                match job {
                    IssueJob::Claim(claim) => issue_claim(service, rules, claim).await,
                    IssueJob::Due { campaign, day, people } => take_due(service, rules, campaign, day, people).await,
                }
            })
            .await;
            serde_json::to_value(answer).map_err(|error| IssueError::Absent(error.to_string()))
        }
    }
}

/// Issues a claim of a released wave.
async fn issue_claim(service: &Service, rules: &RulesCache, job: ClaimJob) -> Result<(), IssueError> {
    let wave = service.store.wave(&job.campaign, &job.wave).await?;
    let wave = wave.ok_or_else(|| IssueError::Absent(format!("wave '{}' of campaign '{}'", job.wave, job.campaign)))?;
    let rules = rules.get(&service.store, &job.campaign, wave.definition).await?;
    let people: Vec<(PersonId, u8, String)> = service.objects.read_json(Bucket::Work, &job.object).await?;
    let today = service.clock.today().await?;
    service
        .store
        .audit(&issue::decision(format!("{}/{} claim", job.campaign, job.wave)).counting(people.len()))
        .await?;
    let desk = issue::Desk { store: &service.store, wave: &wave, rules: &rules, today };
    let queued: Vec<Option<MessageId>> = stream::iter(people)
        .map(|(person, dose, cohort)| desk.invite(person, dose, cohort))
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
    send_texts(service, queued).await
}

/// Takes the due step of each invitation.
async fn take_due(
    service: &Service,
    rules: &RulesCache,
    campaign: String,
    day: Date,
    people: Vec<(PersonId, u8)>,
) -> Result<(), IssueError> {
    let today = service.clock.today().await?;
    service.store.audit(&issue::decision(format!("{campaign} steps due on {day}")).counting(people.len())).await?;
    let desk = steps::Desk { store: &service.store, rules, campaign: &campaign, due: day, today };
    let queued: Vec<Option<MessageId>> = stream::iter(people)
        .map(|(person, dose)| desk.take(person, dose))
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
    send_texts(service, queued).await
}

async fn send_texts(service: &Service, queued: Vec<Option<MessageId>>) -> Result<(), IssueError> {
    let texts: Vec<MessageId> = queued.into_iter().flatten().collect();
    let jobs: Vec<SmsJob> = texts.chunks(TEXTS).map(|messages| SmsJob { messages: messages.to_vec() }).collect();
    Ok(service.queues.send(Queue::SmsDispatch, &jobs).await?)
}

/// Queues what is due in every campaign, from the day up to which it was last queued.
async fn queue_due(service: &Service) -> Result<Value, IssueError> {
    let today = service.clock.today().await?;
    let mut queued = BTreeMap::new();
    for campaign in service.store.campaigns().await? {
        let waves = service.store.waves(&campaign).await?;
        let definition = service.store.latest_definition(&campaign).await?;
        if definition.is_some_and(|definition| definition.plan.quiet_days.contains(&today)) {
            // The next day that is not quiet begins where the last one ended.
            continue;
        }
        let Some(first) = waves.iter().map(|wave| wave.selected_on).min() else { continue };
        let from = service.store.due_taken_up_to(&campaign).await?.unwrap_or(first);
        let mut count = 0;
        let mut day = from;
        while day <= today {
            let entries = service.store.due_on(&campaign, day).await?;
            count += entries.len();
            let jobs: Vec<IssueJob> = entries
                .chunks(DUE)
                .map(|block| IssueJob::Due {
                    campaign: campaign.clone(),
                    day,
                    people: block.iter().map(|entry| (entry.person, entry.dose)).collect(),
                })
                .collect();
            service.queues.send(Queue::InvitationIssue, &jobs).await?;
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        service.store.note_due_taken(&campaign, today).await?;
        queued.insert(campaign, count);
    }
    Ok(json!({"queued": queued.values().sum::<usize>(), "campaigns": queued}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_messages_and_requests_are_told_apart() {
        let messages: Value = serde_json::from_str(include_str!("../fixtures/sqs.json")).unwrap();
        assert!(matches!(Trigger::<Request>::read(messages), Ok(Trigger::Messages(_))));
        let due: Value = serde_json::from_str(include_str!("../fixtures/due.json")).unwrap();
        assert!(matches!(Trigger::<Request>::read(due), Ok(Trigger::Request(Request::Due))));
        assert!(Trigger::<Request>::read(json!({"action": "undue"})).is_err());
    }
}
