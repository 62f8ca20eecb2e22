//! The HTTP API: immunisations are created and read in FHIR, appointments are taken.
//!
//! A request is judged by [`Gate`], which reads nothing but the request; only what it lets in reaches the store. Logs
//! carry the request's id, the supplier and the status, and nothing of what was sent.

mod gate;
mod http;

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayProxyResponse};
use ims_domain::record::{Action, Change, Outcome};
use ims_domain::{ImmunisationId, NhsNumber};
use ims_fhir::operation_outcome::text;
use ims_fhir::{Immunization, IssueCode, StoredError};
use ims_runtime::Service;
use ims_runtime::clock::ClockError;
use ims_store::{Actor, StoreError};
use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;

pub use gate::{Gate, GateError, Task};
pub use http::{Answer, Request};

/// Postcode that stands in for a restricted person's: no fixed abode, nowhere in particular.
const WITHHELD_POSTCODE: &str = "ZZ99 3CZ";

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

/// Answers a request.
pub async fn handle(service: &Service, gate: &Gate, event: ApiGatewayProxyRequest) -> ApiGatewayProxyResponse {
    let request = Request::read(event);
    let answer = match answer(service, gate, &request).await {
        Ok(answer) => answer,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::error!(request.id = request.id(), error = %error, cause, "request failed");
            Answer::refusal(IssueCode::Exception, "Internal Server Error")
        }
    };
    tracing::info!(request.id = request.id(), method = %request.method, status = answer.status, "answered");
    answer.into_response(&request)
}

async fn answer(service: &Service, gate: &Gate, request: &Request) -> Result<Answer, ApiError> {
    let now = if request.path.trim_matches('/') == "_status" { Timestamp::now() } else { service.clock.now().await? };
    let task = match gate.admit(request, now) {
        Ok(task) => task,
        Err(refusal) => return Ok(refusal),
    };
    let actor = |supplier: &str, operation: &str| Actor {
        name: supplier.to_owned(),
        operation: operation.to_owned(),
        purpose: request.id().to_owned(),
        at: Timestamp::now(),
    };
    match task {
        Task::Status => Ok(Answer::json(200, json!({"status": "pass"}))),
        Task::Create { supplier, immunization } => {
            create(service, &immunization, &supplier, &actor(&supplier, "create")).await
        }
        Task::Read { supplier, id } => read(service, gate, id, &supplier, &actor(&supplier, "read")).await,
        Task::Book { supplier, number, change } => book(service, number, *change, &actor(&supplier, "booking")).await,
    }
}

async fn create(
    service: &Service,
    immunization: &Immunization,
    supplier: &str,
    actor: &Actor,
) -> Result<Answer, ApiError> {
    let id = immunization.id();
    let change = Change::Immunisation {
        action: Action::New,
        id,
        content: Some(immunization.content()),
        source: gate::source(supplier),
    };
    match service.store.apply(immunization.nhs_number(), &[change], actor).await?.first() {
        Some(Outcome::Applied) => {}
        Some(Outcome::Duplicate) => {
            let (system, value) = immunization.identifier();
            return Ok(Answer::refusal(IssueCode::Duplicate, text::duplicate(system, value)));
        }
        other => return Err(ApiError::Outcome(other.copied().unwrap_or(Outcome::NotFound))),
    }
    // A record that was deleted comes back with its next version.
    let version = match service.store.person_by_immunisation(id).await? {
        Some(person) => service.store.immunisation(person, id).await?.map_or(1, |held| held.version),
        None => 1,
    };
    Ok(created(id, version))
}

fn created(id: ImmunisationId, version: u32) -> Answer {
    Answer::empty(201).with("Location", format!("/Immunization/{id}")).with("E-Tag", version.to_string())
}

async fn read(
    service: &Service,
    gate: &Gate,
    id: ImmunisationId,
    supplier: &str,
    actor: &Actor,
) -> Result<Answer, ApiError> {
    let missing = || Answer::refusal(IssueCode::NotFound, text::not_found(&id.to_string()));
    let store = &service.store;
    let Some(person) = store.person_by_immunisation(id).await? else { return Ok(missing()) };
    let Some(held) = store.immunisation(person, id).await?.filter(|held| !held.deleted) else { return Ok(missing()) };
    if !gate.allows(supplier, held.vaccine.code(), 'R') {
        return Ok(gate::forbidden());
    }
    let immunization = Immunization::from_stored(&held.body).map_err(|source| ApiError::Stored { id, source })?;
    // Somebody of whom nothing is known is disclosed as if restricted.
    let restricted = store.person(person).await?.is_none_or(|person| person.states.restricted);
    store.audit(&actor.on(person)).await?;
    let mut resource = immunization.to_json(id, held.version);
    if restricted {
        withhold_whereabouts(&mut resource);
    }
    Ok(Answer::json(200, resource).with("E-Tag", held.version.to_string()))
}

/// Takes out of a resource what tells where a restricted person lives or was.
fn withhold_whereabouts(resource: &mut Value) {
    if let Some(contained) = resource.get_mut("contained").and_then(Value::as_array_mut) {
        for patient in contained.iter_mut().filter(|part| part["resourceType"] == "Patient") {
            if patient.get("address").is_some() {
                patient["address"] = json!([{"postalCode": WITHHELD_POSTCODE}]);
            }
        }
    }
    if let Some(members) = resource.as_object_mut() {
        members.shift_remove("location");
    }
}

async fn book(service: &Service, number: NhsNumber, change: Change, actor: &Actor) -> Result<Answer, ApiError> {
    match service.store.apply(Some(number), &[change], actor).await?.first() {
        Some(Outcome::Applied) => Ok(Answer::empty(201)),
        // Sent before, or older than what is held.
        Some(Outcome::AlreadyKnown) => Ok(Answer::empty(200)),
        other => Err(ApiError::Outcome(other.copied().unwrap_or(Outcome::NotFound))),
    }
}

#[cfg(test)]
mod tests;
