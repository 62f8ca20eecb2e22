//! Releasing a wave: candidates in order, cut into claims.

use ims_domain::PersonId;
use ims_domain::campaign::{Wave, WaveState};
use ims_messaging::{Bucket, ClaimJob, IssueJob, Queue};
use ims_runtime::Service;
use serde_json::Value;

use crate::{PlanningError, Which};

/// People in a claim.
const CLAIM: usize = 100;

/// A candidate as selection lists them: place of the cohort, lot, person, dose, cohort.
type Candidate = (u32, u64, PersonId, u8, String);

/// Releases a selected wave. The gate opens first, then the claims go out; released again, all claims go out again,
/// which issues nothing twice.
pub(crate) async fn release(service: &Service, which: &Which) -> Result<Wave, PlanningError> {
    let mut wave = crate::progress(service, which).await?;
    let claims = match wave.state {
        WaveState::Selected => {
            check_approval(service, &wave).await?;
            let claims = cut(service, &wave).await?;
            wave.claims = u32::try_from(claims.len()).unwrap_or(u32::MAX);
            wave.state = WaveState::Released;
            service.store.move_wave(&wave, WaveState::Selected).await?;
            claims
        }
        WaveState::Released => cut(service, &wave).await?,
        state => {
            return Err(PlanningError::State {
                campaign: which.campaign.clone(),
                wave: which.wave.clone(),
                state: state.name(),
                action: "released",
            });
        }
    };
    send(service, wave, &claims).await
}

/// Whether the schedule has to release a wave: it is selected, or a crash came between its gate and its claims.
pub(crate) fn is_owed(wave: &Wave) -> bool {
    wave.state == WaveState::Selected || (wave.state == WaveState::Released && !wave.claims_sent)
}

/// Sends the claims of a released wave, looks for due steps from its first day on, and notes that it is done. Whatever
/// dies before the note is sent again by the schedule.
async fn send(service: &Service, wave: Wave, claims: &[IssueJob]) -> Result<Wave, PlanningError> {
    service.store.look_for_due_from(&wave.campaign, wave.selected_on).await?;
    service.queues.send(Queue::InvitationIssue, claims).await?;
    let sent = Wave { claims_sent: true, ..wave };
    match service.store.move_wave(&sent, WaveState::Released).await {
        // Paused or stopped meanwhile: that state stands.
        Err(error) if error.is_condition() => Ok(sent),
        noted => Ok(noted.map(|()| sent)?),
    }
}

/// Lets a paused wave go on: the claims go out again, for whoever was not decided on, and due steps are looked for from
/// the wave's first day.
pub(crate) async fn resume(service: &Service, which: &Which) -> Result<Wave, PlanningError> {
    let wave = crate::turn(service, which, WaveState::Paused, WaveState::Released, "resumed").await?;
    let claims = cut(service, &wave).await?;
    send(service, wave, &claims).await
}

/// A wave outside the campaign's approved numbers is not released. A maximum of 0 sets no bounds.
async fn check_approval(service: &Service, wave: &Wave) -> Result<(), PlanningError> {
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
