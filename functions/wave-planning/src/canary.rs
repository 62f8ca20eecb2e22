//! The canary of a wave: its first people go out alone, and the rest waits until somebody has looked at what became of
//! them.

use ims_domain::wave::{Wave, WaveAction};
use ims_messaging::Bucket;
use ims_runtime::Service;
use ims_runtime::auth::Staff;
use ims_uptake::watch::{CampaignProgress, harm};

use crate::{Order, PlanningError, govern};

/// What somebody must have looked at: that messages arrive, that the links in them lead where they should, and a proof of
/// the printed letter.
pub const CHECKS: [&str; 3] = ["bounces", "links", "print_proof"];

/// Confirms the canary, unless what is known of it speaks against it.
pub(crate) async fn confirm(
    service: &Service,
    by: &Staff,
    order: &Order,
    checked: &[String],
) -> Result<Wave, PlanningError> {
    let refuse = |why: String| PlanningError::Canary {
        campaign: order.which.campaign.clone(),
        wave: order.which.wave.clone(),
        why,
    };
    let missing: Vec<&str> = CHECKS.into_iter().filter(|check| !checked.iter().any(|done| done == check)).collect();
    if !missing.is_empty() {
        return Err(refuse(format!("'checked' lacks {}", missing.join(", "))));
    }
    let key = CampaignProgress::key(&order.which.campaign);
    let known = service.objects.get(Bucket::Exports, &key).await?;
    let known: CampaignProgress = known.map(|bytes| serde_json::from_slice(&bytes)).transpose()?.unwrap_or_default();
    let progress = known.waves.get(&order.which.wave).and_then(|wave| wave.days.last_key_value());
    let Some((_, progress)) = progress else {
        return Err(refuse("no report says yet what became of it".to_owned()));
    };
    if let Some(harm) = harm(progress).first() {
        return Err(refuse(harm.to_string()));
    }
    govern::act(service, by, WaveAction::Confirm, order).await
}
