//! `GET /patient-check/{nhsNumber}`: what a person is due, and why, to the contract of the national Eligibility
//! Signposting API.
//!
//! The answer comes from one consistent read of the live person and the latest version of every campaign. It is given once
//! the audit trail says so. Logs carry the request's id, the consumer and the status, and nothing of the person.

mod gate;

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayProxyResponse};
use ims_decision::{DecisionError, RulesCache};
use ims_domain::{Person, PersonId, contact};
use ims_eligibility::{CONDITIONS, CheckRequest, Query, Refusal, check, refuse};
use ims_runtime::Service;
use ims_runtime::clock::ClockError;
use ims_snapshot::facts_of_person;
use ims_store::{AuditEntry, AuditResult, Store, StoreError};
use jiff::Timestamp;
use record_api::{Answer, Request};
use serde_json::json;
use thiserror::Error;
use uuid::Uuid;

pub use gate::{Check, Gate, Task};

/// What the audit trail calls an answer.
const OPERATION: &str = "eligibility";
/// Seconds after which a consumer may try again what the tables were too busy for.
const RETRY_AFTER: &str = "2";

/// Why a request could not be answered; the consumer is told no more than that.
#[derive(Debug, Error)]
pub enum ApiError {
    /// Tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Business clock.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// Campaigns.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// The campaigns give no answer.
    #[error("the campaigns give no answer: {0}")]
    Campaigns(String),
    /// An answer that is not JSON.
    #[error("the answer cannot be written")]
    Answer(#[from] serde_json::Error),
}

impl ApiError {
    fn is_throttled(&self) -> bool {
        match self {
            Self::Store(error) | Self::Decision(DecisionError::Store(error)) => error.is_throttled(),
            _ => false,
        }
    }
}

/// Answers a request.
pub async fn handle(
    service: &Service,
    gate: &Gate,
    rules: &RulesCache,
    event: ApiGatewayProxyRequest,
) -> ApiGatewayProxyResponse {
    let request = Request::read(event);
    let answer = match service.clock.now().await {
        Ok(now) => respond(&service.store, gate, rules, &request, now).await,
        Err(error) => failed(&request, &error.into(), Timestamp::now()),
    };
    tracing::info!(request.id = request.id(), method = %request.method, status = answer.status, "answered");
    answer.into_response(&request)
}

/// Answers a request at a business time.
pub async fn respond(store: &Store, gate: &Gate, rules: &RulesCache, request: &Request, now: Timestamp) -> Answer {
    match answer(store, gate, rules, request, now).await {
        Ok(answer) => answer,
        Err(error) => failed(request, &error, now),
    }
}

fn failed(request: &Request, error: &ApiError, now: Timestamp) -> Answer {
    if error.is_throttled() {
        tracing::warn!(request.id = request.id(), %error, "the tables are busy");
        let text = "The service is busy; try again later.";
        return Answer::refusal_at_the_door(429, "throttled", "TOO_MANY_REQUESTS", text)
            .with("Retry-After", RETRY_AFTER);
    }
    tracing::error!(request.id = request.id(), %error, "request failed");
    refused(&Refusal::Internal(String::new()), now)
}

fn refused(refusal: &Refusal, now: Timestamp) -> Answer {
    let refused = refuse(refusal, &Uuid::new_v4().to_string(), now);
    Answer::json(refused.status, refused.response)
}

async fn answer(
    store: &Store,
    gate: &Gate,
    rules: &RulesCache,
    request: &Request,
    now: Timestamp,
) -> Result<Answer, ApiError> {
    let asked = match gate.admit(request) {
        Ok(Task::Check(asked)) => asked,
        Ok(Task::Status) => {
            return Ok(Answer::json(200, json!({"status": "pass", "checks": {"healthcheck": {"status": "pass"}}})));
        }
        Err(refusal) => return Ok(refusal),
    };
    let trail = Trail { store, asked: &asked, request: request.id() };
    let known = match asked.number {
        Some(number) => store.person_by_nhs_number(number).await?,
        None => None,
    };
    let query = match &asked.query {
        Ok(query) => query,
        Err(refusal) => {
            trail.enter(known, AuditResult::Refused, None).await?;
            return Ok(refused(refusal, now));
        }
    };
    // Under any of a person's numbers the answer is about whoever stands for them now.
    let person = match known {
        Some(known) => store.survivor(known).await?.filter(is_processed),
        None => None,
    };
    let Some(person) = person else {
        trail.enter(known, AuditResult::NotFound, None).await?;
        return Ok(refused(&Refusal::UnknownPerson(asked.asked_about.clone()), now));
    };
    let campaigns = rules.all_latest(store).await?;
    let request = CheckRequest {
        campaigns: &campaigns.iter().map(|rules| rules.campaign()).collect::<Vec<_>>(),
        permitted: gate.campaigns(&asked.consumer),
        query,
        now,
        response_id: &Uuid::new_v4().to_string(),
    };
    let facts = |campaign: &ims_eligibility::Campaign| {
        let rules = campaigns.iter().find(|rules| rules.campaign().id == campaign.id);
        rules.map(|rules| facts_of_person(&person, rules.plan())).unwrap_or_default()
    };
    let response = check(&request, facts).map_err(|refusal| match refusal {
        Refusal::Internal(why) => ApiError::Campaigns(why),
        other => ApiError::Campaigns(other.to_string()),
    })?;
    let suggestions = response.processed_suggestions.len();
    let response = serde_json::to_value(response)?;
    for person in known.into_iter().chain((known != Some(person.id)).then_some(person.id)) {
        trail.enter(Some(person), AuditResult::Allowed, Some(suggestions)).await?;
    }
    Ok(Answer::json(200, response))
}

/// Whether answers are given about a person at all: not about the dead, those who left the list, whose number is no
/// longer one, and those whose whereabouts nobody may learn. To a consumer they are as unknown as a number that nobody
/// has.
fn is_processed(person: &Person) -> bool {
    contact::off_list(person).is_none() && !person.is_restricted()
}

/// The audit trail of one question.
struct Trail<'a> {
    store: &'a Store,
    asked: &'a Check,
    request: &'a str,
}

impl Trail<'_> {
    async fn enter(
        &self,
        person: Option<PersonId>,
        result: AuditResult,
        count: Option<usize>,
    ) -> Result<(), StoreError> {
        let conditions = match &self.asked.query {
            Ok(query) => conditions(query),
            Err(_) => "-".to_owned(),
        };
        let purpose = format!("{} {conditions}", self.request);
        let mut entry = AuditEntry::new(Timestamp::now(), &self.asked.consumer, OPERATION, purpose)
            .on_behalf_of(self.asked.organisation.clone())
            .with_result(result);
        if let Some(person) = person {
            entry = entry.about(person);
        }
        if let Some(count) = count {
            entry = entry.counting(count);
        }
        self.store.audit(&entry).await
    }
}

/// The conditions asked about as the trail names them: a word that is no condition could be anything, so it is not kept.
fn conditions(query: &Query) -> String {
    let Some(names) = &query.conditions else { return "ALL".to_owned() };
    let known = |name: &String| CONDITIONS.iter().find(|condition| *condition == name).copied().unwrap_or("OTHER");
    names.iter().map(known).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests;
