//! The HTTP API: immunisations are created, read, updated, deleted and searched for in FHIR; appointments
//! and demographics are taken.
//!
//! A request is judged by [`Gate`], which reads nothing but the request; only what it lets in reaches the store. What
//! depends on the record held is decided on the record as it is at the write. Logs carry the request's id, the supplier
//! and the status, and nothing of what was sent.

mod book;
mod create;
mod delete;
mod demographics;
mod description;
mod gate;
mod http;
mod read;
mod routes;
mod search;
mod update;

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayProxyResponse};
use ims_domain::record::{Immunisation, Outcome};
use ims_domain::{ImmunisationId, PersonId};
use ims_fhir::operation_outcome::text;
use ims_fhir::{Immunization, IssueCode, StoredError};
use ims_runtime::Service;
use ims_runtime::clock::ClockError;
use ims_store::{Actor, AuditResult, Revision, Store, StoreError};
use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;

use routes::Place;

pub use description::document;
pub use gate::{Gate, GateError, Task};
pub use http::{Answer, Request};
pub use routes::{Access, Operation, ROUTES, Route};
pub use update::Update;

/// Why a request could not be answered; the caller is told no more than that.
#[derive(Debug, Error)]
pub enum ApiError {
    /// Tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Business clock.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// A record that is held cannot be read.
    #[error("immunisation {id} cannot be read")]
    Stored {
        /// Id.
        id: ImmunisationId,
        /// Cause.
        #[source]
        source: StoredError,
    },
    /// The store answered what it never should.
    #[error("the store answered {0:?} to a change that cannot have this outcome")]
    Outcome(Outcome),
}

/// Seconds after which a caller may try again what the tables were too busy for.
const RETRY_AFTER: &str = "2";

/// Answers a request.
pub async fn handle(service: &Service, gate: &Gate, event: ApiGatewayProxyRequest) -> ApiGatewayProxyResponse {
    let request = Request::read(event);
    let answer = match at_its_time(service, gate, &request).await {
        Ok(answer) => answer,
        Err(ApiError::Store(error)) if error.is_throttled() => {
            tracing::warn!(request.id = request.id(), error = %error, "the tables are busy");
            let text = "The service is busy; try again later.";
            Answer::refusal_at_the_door(429, "throttled", "TOO_MANY_REQUESTS", text).with("Retry-After", RETRY_AFTER)
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(request.id = request.id(), error = %error, cause, "request failed");
            Answer::refusal(IssueCode::Exception, text::FAULT)
        }
    };
    tracing::info!(request.id = request.id(), method = %request.method, status = answer.status, "answered");
    answer.into_response(&request)
}

async fn at_its_time(service: &Service, gate: &Gate, request: &Request) -> Result<Answer, ApiError> {
    let now = if Place::of(&request.path).is_open() { Timestamp::now() } else { service.clock.now().await? };
    answer(&service.store, gate, request, now).await
}

async fn answer(store: &Store, gate: &Gate, request: &Request, now: Timestamp) -> Result<Answer, ApiError> {
    let task = match gate.admit(request, now) {
        Ok(task) => task,
        Err(refusal) => return Ok(refusal),
    };
    let actor = |supplier: &str, operation: &str| Actor {
        on_behalf_of: request.on_behalf_of().map(str::to_owned),
        ..Actor::new(supplier, operation, request.id().to_owned(), Timestamp::now())
    };
    match task {
        Task::Status => Ok(Answer::json(200, status())),
        Task::Describe => Ok(Answer::json(200, description::document(gate.base(request)))),
        Task::Page => Ok(Answer::page(description::page(gate.base(request)))),
        Task::Create { supplier, immunization, source } => {
            create::create(store, &immunization, source, &actor(&supplier, "create")).await
        }
        Task::Read { supplier, id } => read::read(store, gate, id, &actor(&supplier, "read")).await,
        Task::Update { supplier, update } => update::update(store, gate, &update, &actor(&supplier, "update")).await,
        Task::Delete { supplier, id, source } => {
            delete::delete(store, gate, id, source, &actor(&supplier, "delete")).await
        }
        Task::Search { supplier, search } => {
            search::search(store, gate, &search, &request.base, actor(&supplier, "search")).await
        }
        Task::Book { supplier, number, change } => {
            book::book(store, number, *change, &actor(&supplier, "booking")).await
        }
        Task::Demographics { supplier, number, change } => {
            demographics::take(store, number, *change, &actor(&supplier, "demographics")).await
        }
    }
}

/// That the API is up and the function behind it answers, in the national service's shape (`application/health+json`).
pub(crate) fn status() -> Value {
    json!({"status": "pass", "checks": {"healthcheck": {"status": "pass"}}})
}

/// Why a change is not made, as the record held decides.
#[derive(Debug)]
enum Refused {
    /// For this reason.
    Because(Answer),
    /// The record held cannot be read.
    Unreadable(StoredError),
}

/// The record as written, or the answer that refuses it.
async fn revise(
    store: &Store,
    id: ImmunisationId,
    written: Option<&Immunization>,
    actor: &Actor,
    decide: impl Fn(Option<&Immunisation>) -> Result<Revision, Refused>,
) -> Result<Result<Immunisation, Answer>, ApiError> {
    let number = written.and_then(Immunization::nhs_number);
    match store.revise(id, number, actor, decide).await? {
        Ok(written) => Ok(Ok(written)),
        Err(Refused::Because(answer)) => {
            let result = if answer.status == 404 { AuditResult::NotFound } else { AuditResult::Refused };
            attempted(store, actor, store.person_by_immunisation(id).await?, result).await?;
            Ok(Err(answer))
        }
        Err(Refused::Unreadable(source)) => Err(ApiError::Stored { id, source }),
    }
}

/// Notes an attempt that came to nothing, under the person whom it was about where that is known.
async fn attempted(
    store: &Store,
    actor: &Actor,
    person: Option<PersonId>,
    result: AuditResult,
) -> Result<(), StoreError> {
    let entry = actor.entry().with_result(result);
    store
        .audit(&match person {
            Some(person) => entry.about(person),
            None => entry,
        })
        .await
}

/// There is no such record, or it was deleted.
fn missing(id: ImmunisationId) -> Answer {
    Answer::refusal(IssueCode::NotFound, text::not_found(&id.to_string()))
}

#[cfg(test)]
mod tests;
