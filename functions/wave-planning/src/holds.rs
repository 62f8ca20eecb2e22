//! Holds: put and lifted, in the name of whoever asks. A hold bites at the commit that writes it, since every claim checks
//! the version of the list.

use ims_domain::hold::{Hold, Holds, Said, Scope};
use ims_domain::wave::{Wave, WaveState};
use ims_runtime::Service;
use ims_runtime::auth::Staff;
use ims_store::{AuditEntry, until_it_holds};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{PlanningError, govern, release};

/// Attempts at the list that others write first.
const ATTEMPTS: u32 = 6;

/// The role of a local system, which may hold its own area or practice.
const LOCAL: &str = "local";

fn said(by: &Staff, reason: &str) -> Said {
    Said { by: by.name.clone(), role: by.role.clone(), at: Timestamp::now(), reason: reason.to_owned() }
}

fn entry(said: &Said, action: &str, hold: &Hold) -> AuditEntry {
    let purpose = format!("hold {}: {}", hold.id, said.reason);
    AuditEntry::new(said.at, &said.by, action, purpose).in_role(&said.role)
}

async fn role(service: &Service, by: &Staff, action: &str, allowed: bool) -> Result<(), PlanningError> {
    if allowed { Ok(()) } else { govern::planners_only(service, by, action, action).await }
}

/// Puts a hold. One that stands with the same scope is answered as it stands.
pub(crate) async fn put(service: &Service, by: &Staff, scope: &Scope, reason: &str) -> Result<Hold, PlanningError> {
    let is_local = by.role == LOCAL && (scope.area.is_some() || scope.practice.is_some());
    role(service, by, "hold", is_local || by.role == "engineer").await?;
    let reason = govern::said_why("hold", reason)?;
    until_it_holds(ATTEMPTS, async |_| {
        let held = service.store.holds(0).await?;
        if let Some(standing) = held.standing.iter().find(|standing| standing.scope == *scope) {
            return Ok::<_, PlanningError>(standing.clone());
        }
        let hold = Hold { id: Uuid::now_v7().to_string(), scope: scope.clone(), put: said(by, &reason), lifted: None };
        let mut next = Holds { version: held.version + 1, ..held };
        next.standing.push(hold.clone());
        service.store.write_holds(&next, &hold, &entry(&hold.put, "hold", &hold)).await?;
        Ok(hold)
    })
    .await
}

/// Lifts a hold, and has everybody whom it kept back looked at again. One that was lifted stays as it is.
pub(crate) async fn lift(service: &Service, by: &Staff, id: &str, reason: &str) -> Result<Hold, PlanningError> {
    let unknown = || PlanningError::Unknown(format!("hold '{id}'"));
    let hold = service.store.hold(id).await?.ok_or_else(unknown)?;
    let is_own = by.role == LOCAL && (hold.put.role.as_str(), &hold.put.by) == (LOCAL, &by.name);
    role(service, by, "lift", is_own).await?;
    let reason = govern::said_why("lift", reason)?;
    // First, so that the schedule sends the claims should this die after the hold is lifted.
    let waves = unsent(service).await?;
    let hold = until_it_holds(ATTEMPTS, async |_| {
        let held = service.store.holds(0).await?;
        let Some(standing) = held.standing.iter().find(|standing| standing.id == id) else {
            return service.store.hold(id).await?.ok_or_else(unknown);
        };
        let lifted = Hold { lifted: Some(said(by, &reason)), ..standing.clone() };
        let mut next = Holds { version: held.version + 1, ..held.clone() };
        next.standing.retain(|standing| standing.id != id);
        let entry = entry(&said(by, &reason), "lift", &lifted);
        service.store.write_holds(&next, &lifted, &entry).await?;
        Ok::<_, PlanningError>(lifted)
    })
    .await?;
    for wave in waves {
        release::send(service, wave).await?;
    }
    Ok(hold)
}

/// The released waves, noted as those whose claims are still to be sent.
async fn unsent(service: &Service) -> Result<Vec<Wave>, PlanningError> {
    let mut found = Vec::new();
    for campaign in service.store.campaigns().await? {
        for wave in service.store.waves(&campaign).await? {
            let marked = until_it_holds(ATTEMPTS, async |_| {
                let Some(held) = service.store.wave(&campaign, &wave.wave).await? else { return Ok(None) };
                if held.state != WaveState::Released || !held.claims_sent {
                    return Ok::<_, PlanningError>(Some(held).filter(release::is_unsent));
                }
                let marked = Wave { claims_sent: false, version: held.version + 1, ..held.clone() };
                service.store.move_wave(&marked, &held, None).await?;
                Ok(Some(marked))
            })
            .await?;
            found.extend(marked);
        }
    }
    Ok(found)
}
