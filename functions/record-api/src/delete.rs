//! `DELETE /Immunization/{id}`.

use ims_domain::ImmunisationId;
use ims_domain::record::{Action, Immunisation, Source};
use ims_store::{Actor, Revision, Store};

use crate::gate::{Gate, forbidden};
use crate::http::Answer;
use crate::{ApiError, Refused, missing, revise};

/// Deletes an immunisation; its versions are kept.
pub(crate) async fn delete(
    store: &Store,
    gate: &Gate,
    id: ImmunisationId,
    source: Source,
    actor: &Actor,
) -> Result<Answer, ApiError> {
    let decide = |held: Option<&Immunisation>| decide(gate, held, id, &source);
    Ok(match revise(store, id, None, actor, decide).await? {
        Ok(_) => Answer::empty(204),
        Err(refusal) => refusal,
    })
}

/// Only what is there can be deleted, by whom it is permitted for its vaccine type.
pub(crate) fn decide(
    gate: &Gate,
    held: Option<&Immunisation>,
    id: ImmunisationId,
    source: &Source,
) -> Result<Revision, Refused> {
    let held = held.filter(|held| !held.deleted).ok_or_else(|| Refused::Because(missing(id)))?;
    if !gate.allows(&source.supplier, held.vaccine.code(), 'D') {
        return Err(Refused::Because(forbidden()));
    }
    Ok(Revision { action: Action::Delete, content: None, source: source.clone() })
}
