//! Who does what to a wave: the identity in a verified token, the rules of the domain, and one transaction that moves the
//! wave under the version they were asked of, with the audit entry.

use ims_domain::wave::{Deed, Wave, WaveAction};
use ims_runtime::Service;
use ims_runtime::auth::{Staff, Verifier};
use ims_store::{AuditEntry, AuditResult, audit, until_it_holds};
use jiff::Timestamp;

use crate::{Order, PlanningError, Which, release};

/// Attempts at a wave that others write first.
const ATTEMPTS: u32 = 6;

/// The role under which the function itself acts; no token that is let in carries it.
const SCHEDULE: &str = "schedule";

/// Who asks, by the token in the request.
pub(crate) fn identify(verifier: &Verifier, token: Option<&str>, action: &str) -> Result<Staff, PlanningError> {
    let token = token.ok_or_else(|| PlanningError::NoToken(action.to_owned()))?;
    Ok(verifier.staff(token)?)
}

/// The function itself, on the schedule.
pub(crate) fn schedule() -> Staff {
    Staff { name: "wave-planning".to_owned(), role: SCHEDULE.to_owned() }
}

fn entry(by: &Staff, action: &str, purpose: String) -> AuditEntry {
    AuditEntry::new(Timestamp::now(), &by.name, &format!("wave_{action}"), purpose).in_role(&by.role)
}

/// The audit entry of what was done to a wave, on the version it had.
pub(crate) fn noted(wave: &Wave, deed: &Deed) -> AuditEntry {
    let by = Staff { name: deed.by.clone(), role: deed.role.clone() };
    let purpose = format!("{}/{} version {}: {}", wave.campaign, wave.wave, deed.version, deed.reason);
    AuditEntry { at: deed.at, ..entry(&by, deed.action.name(), purpose) }
}

async fn refuse(service: &Service, by: &Staff, action: &str, what: String) -> Result<(), PlanningError> {
    Ok(service.store.audit(&entry(by, action, what).with_result(AuditResult::Refused)).await?)
}

/// Refuses whoever is no planner, which is noted.
pub(crate) async fn planners_only(
    service: &Service,
    by: &Staff,
    action: &str,
    what: &str,
) -> Result<(), PlanningError> {
    if by.role == "planner" {
        return Ok(());
    }
    refuse(service, by, action, what.to_owned()).await?;
    Err(PlanningError::Role { action: action.to_owned(), name: by.name.clone(), role: by.role.clone() })
}

/// The reason for a deed, which only a release as approved need not give.
fn reason(action: WaveAction, written: &str) -> Result<String, PlanningError> {
    if written.trim().is_empty() && action == WaveAction::Release {
        return Ok("as approved".to_owned());
    }
    said_why(action.name(), written)
}

/// A reason as somebody wrote it.
pub(crate) fn said_why(action: &'static str, written: &str) -> Result<String, PlanningError> {
    audit::reason(written).map_err(|problem| PlanningError::Reason { action, problem })
}

/// Does something to a wave for a person. What is refused is in the audit trail as well.
pub(crate) async fn act(
    service: &Service,
    by: &Staff,
    action: WaveAction,
    order: &Order,
) -> Result<Wave, PlanningError> {
    let which = &order.which;
    let purpose = || format!("{}/{}", which.campaign, which.wave);
    if !action.is_for(&by.role) {
        refuse(service, by, action.name(), purpose()).await?;
        let (name, role) = (by.name.clone(), by.role.clone());
        return Err(PlanningError::Role { action: action.name().to_owned(), name, role });
    }
    let reason = reason(action, &order.reason)?;
    if order.version.is_none() && matches!(action, WaveAction::Review | WaveAction::Approve | WaveAction::Confirm) {
        return Err(PlanningError::NoVersion(action.name()));
    }
    let done = take(service, by, action, which, order.version, &reason).await;
    if let Err(error @ (PlanningError::Refused(_) | PlanningError::Approval { .. } | PlanningError::Canary { .. })) =
        &done
    {
        refuse(service, by, action.name(), format!("{}: {error}", purpose())).await?;
    }
    done
}

/// Does something to a wave: anew where somebody else wrote it first.
pub(crate) async fn take(
    service: &Service,
    by: &Staff,
    action: WaveAction,
    which: &Which,
    seen: Option<u64>,
    reason: &str,
) -> Result<Wave, PlanningError> {
    let (wave, moved) = until_it_holds(ATTEMPTS, async |_| {
        let held = crate::progress(service, which).await?;
        let deed = Deed {
            action,
            by: by.name.clone(),
            role: by.role.clone(),
            at: Timestamp::now(),
            reason: reason.to_owned(),
            version: seen.unwrap_or(held.version),
        };
        let Some(mut next) = held.after(deed)? else { return Ok::<_, PlanningError>((held, false)) };
        if matches!(action, WaveAction::Approve | WaveAction::Release) {
            release::check_bounds(service, &held).await?;
        }
        if action == WaveAction::Release {
            next.released_on = Some(held.released_on.unwrap_or(service.clock.today().await?));
            next.claims = release::claims_of(held.candidates);
        }
        let entry = next.deeds.last().map(|deed| noted(&held, deed));
        service.store.move_wave(&next, &held, entry.as_ref()).await?;
        Ok((next, true))
    })
    .await?;
    if release::is_unsent(&wave) && (moved || action == WaveAction::Release) {
        return release::send(service, wave).await;
    }
    Ok(wave)
}
