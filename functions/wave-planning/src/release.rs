//! Releasing a wave: candidates in order, cut into claims.

use ims_domain::PersonId;
use ims_domain::wave::{Wave, WaveState};
use ims_messaging::{Bucket, ClaimJob, IssueJob, Queue};
use ims_runtime::Service;
use serde_json::Value;

use crate::PlanningError;

/// People in a claim.
const CLAIM: usize = 100;

/// A candidate as selection lists them: place of the cohort, lot, person, dose, cohort.
type Candidate = (u32, u64, PersonId, u8, String);

/// Claims that so many people are cut into.
pub(crate) fn claims_of(candidates: u64) -> u32 {
    u32::try_from(candidates.div_ceil(CLAIM as u64)).unwrap_or(u32::MAX)
}

/// Whether a crash came between the gate of a wave and its claims.
pub(crate) fn is_unsent(wave: &Wave) -> bool {
    wave.state == WaveState::Released && !wave.claims_sent
}

/// Sends the claims of a released wave, of its canary alone where that is not confirmed, for whoever was not decided on; looks for due steps from its first day on, and
/// notes that it is done. Whatever dies before the note is sent again by the schedule; what is sent again issues nothing
/// twice.
pub(crate) async fn send(service: &Service, wave: Wave) -> Result<Wave, PlanningError> {
    let claims = cut(service, &wave).await?;
    service.store.look_for_due_from(&wave.campaign, wave.selected_on).await?;
    let first = if wave.waits_for_confirmation() { claims_of(wave.canary()) as usize } else { claims.len() };
    service.queues.send(Queue::InvitationIssue, &claims[..first.min(claims.len())]).await?;
    let sent = Wave { claims_sent: true, version: wave.version + 1, ..wave.clone() };
    match service.store.move_wave(&sent, &wave, None).await {
        // Paused or stopped meanwhile: that state stands.
        Err(error) if error.is_condition() => Ok(service.store.wave(&wave.campaign, &wave.wave).await?.unwrap_or(wave)),
        noted => Ok(noted.map(|()| sent)?),
    }
}

/// A wave outside the campaign's approved numbers is neither approved nor released. A maximum of 0 sets no bounds.
pub(crate) async fn check_bounds(service: &Service, wave: &Wave) -> Result<(), PlanningError> {
    let Some(definition) = service.store.definition(&wave.campaign, wave.definition).await? else {
        return Err(PlanningError::Unknown(format!("version {} of campaign '{}'", wave.definition, wave.campaign)));
    };
    let rules: Value = serde_json::from_str(&definition.rules)?;
    let bound = |name: &str| rules["CampaignConfig"][name].as_u64().unwrap_or(0);
    let (minimum, maximum) = (bound("ApprovalMinimum"), bound("ApprovalMaximum"));
    if maximum > 0 && !(minimum..=maximum).contains(&wave.candidates) {
        return Err(PlanningError::Approval {
            campaign: wave.campaign.clone(),
            wave: wave.wave.clone(),
            candidates: wave.candidates,
            minimum,
            maximum,
        });
    }
    Ok(())
}

/// Merges the parts' ordered lists and cuts claims, as objects that the jobs name.
async fn cut(service: &Service, wave: &Wave) -> Result<Vec<IssueJob>, PlanningError> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for part in service.store.parts(&wave.campaign, &wave.wave).await? {
        candidates.extend(service.objects.read_json::<Vec<Candidate>>(Bucket::Work, &part.object).await?);
    }
    candidates.sort_unstable();
    let mut jobs = Vec::new();
    for (number, claim) in candidates.chunks(CLAIM).enumerate() {
        let object = format!("waves/{}/{}/claims/{number:06}.json", wave.campaign, wave.wave);
        let people: Vec<(PersonId, u8, &str)> =
            claim.iter().map(|(_, _, person, dose, cohort)| (*person, *dose, cohort.as_str())).collect();
        service.objects.put_json(Bucket::Work, &object, &people).await?;
        jobs.push(IssueJob::Claim(ClaimJob { campaign: wave.campaign.clone(), wave: wave.wave.clone(), object }));
    }
    Ok(jobs)
}
