//! `POST /Immunization`.

use ims_domain::ImmunisationId;
use ims_domain::record::{Action, Immunisation, Source};
use ims_fhir::operation_outcome::text;
use ims_fhir::{Immunization, IssueCode};
use ims_store::{Actor, Revision, Store};

use crate::http::Answer;
use crate::{ApiError, Refused, revise};

/// Creates an immunisation, or reinstates a deleted one with the same identifier.
pub(crate) async fn create(
    store: &Store,
    immunization: &Immunization,
    source: Source,
    actor: &Actor,
) -> Result<Answer, ApiError> {
    let id = immunization.id();
    let decide = |held: Option<&Immunisation>| decide(held, immunization, &source);
    Ok(match revise(store, id, Some(immunization), actor, decide).await? {
        Ok(written) => created(id, written.shown_version()),
        Err(refusal) => refusal,
    })
}

/// An identifier has one live record.
pub(crate) fn decide(
    held: Option<&Immunisation>,
    immunization: &Immunization,
    source: &Source,
) -> Result<Revision, Refused> {
    if held.is_some_and(|held| !held.deleted) {
        let (system, value) = immunization.identifier();
        let answer = Answer::refusal(IssueCode::Duplicate, text::duplicate(system, value));
        return Err(Refused::Because(answer));
    }
    Ok(Revision { action: Action::New, content: Some(immunization.content()), source: source.clone() })
}

pub(crate) fn created(id: ImmunisationId, version: u32) -> Answer {
    Answer::empty(201).with("Location", format!("/Immunization/{id}")).with("E-Tag", version.to_string())
}
