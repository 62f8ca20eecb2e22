//! `POST /Demographics`: one row of the demographics feed at once, since a death must not wait for the night.

use ims_domain::NhsNumber;
use ims_domain::person::States;
use ims_domain::record::{Change, Outcome};
use ims_fhir::IssueCode;
use ims_store::{Actor, Store};
use record_ingest::demographics::OTHER_CONTENT;
use serde_json::{Value, json};

use crate::ApiError;
use crate::http::Answer;

/// Takes what the demographics service says of a person, in the source's order: 201 where it changed the person, 200
/// where it, or something later, was known already.
pub(crate) async fn take(store: &Store, number: NhsNumber, change: Change, actor: &Actor) -> Result<Answer, ApiError> {
    let outcome = store.apply(Some(number), std::slice::from_ref(&change), actor).await?.first().copied();
    let answer = |status, result| Answer::json(status, told(&change, result));
    match outcome {
        Some(Outcome::Applied) => Ok(answer(201, "applied")),
        Some(Outcome::AlreadyKnown) => Ok(answer(200, "already_known")),
        Some(Outcome::Duplicate) => {
            let text = format!("{OTHER_CONTENT}; it is '{}'", serial(&change));
            Ok(Answer::refusal(IssueCode::Duplicate, text))
        }
        other => Err(ApiError::Outcome(other.unwrap_or(Outcome::NotFound))),
    }
}

fn serial(change: &Change) -> u64 {
    if let Change::Demographics(row) = change { row.0.serial } else { 0 }
}

/// What was done, without anything that says whom it is about.
fn told(change: &Change, result: &str) -> Value {
    let states = if let Change::Demographics(row) = change { states(&row.1) } else { Vec::new() };
    json!({"result": result, "SERIAL_CHANGE_NUMBER": serial(change), "states": states})
}

/// The states that a row sets, by name.
fn states(states: &States) -> Vec<&'static str> {
    [
        ("dead", states.dead.is_some()),
        ("removed", states.removed.is_some()),
        ("superseded", states.superseded_by.is_some()),
        ("invalidated", states.invalidated),
        ("restricted", states.restricted),
    ]
    .into_iter()
    .filter_map(|(name, set)| set.then_some(name))
    .collect()
}
