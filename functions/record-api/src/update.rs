//! `PUT /Immunization/{id}`.

use ims_domain::ImmunisationId;
use ims_domain::record::{Action, Immunisation, Source};
use ims_fhir::operation_outcome::text;
use ims_fhir::{Immunization, IssueCode};
use ims_store::{Actor, Revision, Store};

use crate::gate::{Gate, forbidden};
use crate::http::Answer;
use crate::{ApiError, Refused, missing, revise};

/// What is to be written, and over what.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The record, as the path and the body name it.
    pub id: ImmunisationId,
    /// The version that the supplier has seen.
    pub version: u64,
    /// What it shall say, valid.
    pub immunization: Immunization,
    /// Where the change comes from.
    pub source: Source,
}

/// Changes an immunisation, or reinstates a deleted one.
pub(crate) async fn update(store: &Store, gate: &Gate, update: &Update, actor: &Actor) -> Result<Answer, ApiError> {
    let decide = |held: Option<&Immunisation>| decide(gate, held, update);
    Ok(match revise(store, update.id, Some(&update.immunization), actor, decide).await? {
        Ok(written) => Answer::empty(200).with("E-Tag", written.shown_version().to_string()),
        Err(refusal) => refusal,
    })
}

/// Whether the update may be made: the supplier is permitted the vaccine type held and the one sent, the identifier
/// stays, and the version is the one seen. A deleted record is reinstated whatever version was seen.
pub(crate) fn decide(gate: &Gate, held: Option<&Immunisation>, update: &Update) -> Result<Revision, Refused> {
    let Update { id, version, immunization, source } = update;
    let refuse = |text: String| Err(Refused::Because(Answer::refusal(IssueCode::Invariant, text)));
    let held = held.ok_or_else(|| Refused::Because(missing(*id)))?;
    if ![held.vaccine, immunization.vaccine()].iter().all(|vaccine| gate.allows(&source.supplier, vaccine.code(), 'U'))
    {
        return Err(Refused::Because(forbidden()));
    }
    // The id follows from the identifier, so that another id means another identifier.
    if immunization.id() != *id {
        let stored = Immunization::from_stored(&held.body).map_err(Refused::Unreadable)?;
        let ((system, value), (stored_system, stored_value)) = (immunization.identifier(), stored.identifier());
        let differ = [("system", system != stored_system), ("value", value != stored_value)];
        let parts: Vec<&str> = differ.iter().filter(|(_, differs)| *differs).map(|(part, _)| *part).collect();
        return refuse(text::inconsistent_identifier(&parts));
    }
    let shown = u64::from(held.shown_version());
    if !held.deleted && *version < shown {
        return refuse(text::changed_since_read(*id));
    }
    if !held.deleted && *version > shown {
        return refuse(text::inconsistent_version(*id));
    }
    Ok(Revision { action: Action::Update, content: Some(immunization.content()), source: source.clone() })
}
