//! `GET /Immunization/{id}`.

use ims_domain::{ImmunisationId, Person};
use ims_fhir::Immunization;
use ims_fhir::redaction::withhold_whereabouts;
use ims_store::{Actor, AuditResult, Store};

use crate::gate::{Gate, forbidden};
use crate::http::Answer;
use crate::{ApiError, attempted, missing};

/// Discloses an immunisation, once that is written down.
pub(crate) async fn read(store: &Store, gate: &Gate, id: ImmunisationId, actor: &Actor) -> Result<Answer, ApiError> {
    let person = store.person_by_immunisation(id).await?;
    let (held, survivor) = match person {
        Some(person) => store.immunisation_with_survivor(person, id).await?,
        None => (None, None),
    };
    let held = held.filter(|held| !held.deleted);
    let Some((person, held)) = person.zip(held) else {
        attempted(store, actor, person, AuditResult::NotFound).await?;
        return Ok(missing(id));
    };
    if !gate.allows(&actor.name, held.vaccine.code(), 'R') {
        attempted(store, actor, Some(person), AuditResult::Refused).await?;
        return Ok(forbidden());
    }
    let immunization = Immunization::from_stored(&held.body).map_err(|source| ApiError::Stored { id, source })?;
    let restricted = is_restricted(survivor.as_ref());
    store.audit(&actor.on(person)).await?;
    let mut resource = immunization.to_json(id, held.shown_version());
    if restricted {
        withhold_whereabouts(&mut resource);
    }
    Ok(Answer::json(200, resource).with("E-Tag", held.shown_version().to_string()))
}

/// Whether the whereabouts of somebody for whom this person stands are withheld. Somebody of whom nothing is known is disclosed as if restricted.
pub(crate) fn is_restricted(survivor: Option<&Person>) -> bool {
    survivor.is_none_or(Person::is_restricted)
}
