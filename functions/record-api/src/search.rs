//! `GET /Immunization` and `POST /Immunization/_search`.

use std::collections::BTreeSet;

use ims_domain::record::Immunisation;
use ims_domain::{NhsNumber, Person, PersonId, VaccineType};
use ims_fhir::operation_outcome::text;
use ims_fhir::{IdentifierSearch, Immunization, IssueCode, Match, PatientSearch, Search};
use ims_store::{Actor, AuditResult, Store};
use serde_json::Value;
use uuid::Uuid;

use crate::gate::{Gate, forbidden};
use crate::http::Answer;
use crate::read::is_restricted;
use crate::{ApiError, attempted};

/// Longest answer, in bytes; Lambda returns 6 MB.
const LONGEST_ANSWER: usize = 5 << 20;

/// Discloses what a search finds, once that is written down for the person it is about.
pub(crate) async fn search(
    store: &Store,
    gate: &Gate,
    search: &Search,
    base: &str,
    actor: Actor,
) -> Result<Answer, ApiError> {
    match search {
        Search::Patient(search) => by_patient(store, gate, search, base, actor).await,
        Search::Identifier(search) => by_identifier(store, gate, search, base, actor).await,
    }
}

async fn by_patient(
    store: &Store,
    gate: &Gate,
    search: &PatientSearch,
    base: &str,
    actor: Actor,
) -> Result<Answer, ApiError> {
    let Some(permitted) = permitted(gate, &actor.name, search) else {
        attempted(store, &actor, store.person_by_nhs_number(search.number).await?, AuditResult::Refused).await?;
        return Ok(forbidden());
    };
    let mut found = Vec::new();
    let mut about = Vec::new();
    if !permitted.is_empty()
        && let Some(person) = store.person_by_nhs_number(search.number).await?
    {
        // Under any of a person's numbers all that is recorded under one of them is found.
        let survivor = store.survivor(person).await?;
        let all = survivor.as_ref().map(Person::numbers).unwrap_or_default();
        let numbers: Vec<NhsNumber> = all.values().copied().flatten().chain([search.number]).collect();
        let mut held = Vec::new();
        for person in all.keys() {
            held.extend(store.immunisations(*person).await?);
        }
        let restricted = is_restricted(survivor.as_ref());
        found = covered(search, &numbers, &permitted, held, restricted)?;
        about.extend(all.into_keys());
    }
    let answer = search.bundle(base, &permitted, &found, Uuid::new_v4);
    let purpose = format!("{} {}", actor.purpose, search.purpose(&permitted));
    disclose(store, answer, &about, found.len(), Actor { purpose, ..actor }).await
}

/// The vaccine types of a search that the supplier may see; `None` where it asks for some and may see none of them.
pub(crate) fn permitted(gate: &Gate, supplier: &str, search: &PatientSearch) -> Option<BTreeSet<VaccineType>> {
    let permitted: BTreeSet<VaccineType> =
        search.targets.iter().copied().filter(|vaccine| gate.allows(supplier, vaccine.code(), 'S')).collect();
    (!permitted.is_empty() || search.targets.is_empty()).then_some(permitted)
}

/// Of a person's records, those that the search asks for and the supplier may see, in the order of their days.
pub(crate) fn covered(
    search: &PatientSearch,
    numbers: &[NhsNumber],
    permitted: &BTreeSet<VaccineType>,
    mut held: Vec<Immunisation>,
    restricted: bool,
) -> Result<Vec<Match>, ApiError> {
    held.retain(|held| !held.deleted && permitted.contains(&held.vaccine));
    held.sort_by_key(|held| (held.occurred_on, held.id));
    let mut found = Vec::with_capacity(held.len());
    for held in &held {
        let one = matched(held, restricted, Some(search.number))?;
        if search.covers(numbers, &one.immunization) {
            found.push(one);
        }
    }
    Ok(found)
}

/// A record as a search discloses it: one that staff attached is its holder's, who goes by `number`, whichever it came with.
fn matched(held: &Immunisation, restricted: bool, number: Option<NhsNumber>) -> Result<Match, ApiError> {
    let sent = Immunization::from_stored(&held.body).map_err(|source| ApiError::Stored { id: held.id, source })?;
    let immunization = match number.filter(|_| held.matching.is_attached()) {
        Some(number) => sent.attached_to(number),
        None => sent,
    };
    Ok(Match { immunization, version: held.shown_version(), restricted })
}

async fn by_identifier(
    store: &Store,
    gate: &Gate,
    search: &IdentifierSearch,
    base: &str,
    actor: Actor,
) -> Result<Answer, ApiError> {
    let id = search.id();
    let person = store.person_by_immunisation(id).await?;
    let (held, survivor) = match person {
        Some(person) => store.immunisation_with_survivor(person, id).await?,
        None => (None, None),
    };
    let held = held.filter(|held| !held.deleted);
    let Some((person, held)) = person.zip(held) else {
        attempted(store, &actor, person, AuditResult::NotFound).await?;
        return Ok(Answer::json(200, search.bundle(base, None, Uuid::new_v4)));
    };
    if !gate.allows(&actor.name, held.vaccine.code(), 'S') {
        attempted(store, &actor, Some(person), AuditResult::Refused).await?;
        return Ok(forbidden());
    }
    let found = matched(&held, is_restricted(survivor.as_ref()), survivor.and_then(|person| person.nhs_number))?;
    let answer = search.bundle(base, Some(&found), Uuid::new_v4);
    let purpose = format!("{} identifier", actor.purpose);
    disclose(store, answer, &[person], 1, Actor { purpose, ..actor }).await
}

/// The answer, once the audit trail says that it was given. That nothing was found of somebody who is known is a
/// disclosure too; where nobody is known by the number, the actor's trail says so.
async fn disclose(
    store: &Store,
    answer: Value,
    about: &[PersonId],
    found: usize,
    actor: Actor,
) -> Result<Answer, ApiError> {
    if answer.to_string().len() > LONGEST_ANSWER {
        attempted(store, &actor, about.first().copied(), AuditResult::Refused).await?;
        return Ok(Answer::refusal(IssueCode::Invalid, text::TOO_MANY_RESULTS));
    }
    if about.is_empty() {
        attempted(store, &actor, None, AuditResult::NotFound).await?;
    }
    for person in about {
        store.audit(&actor.on(*person).counting(found)).await?;
    }
    Ok(Answer::json(200, answer))
}
