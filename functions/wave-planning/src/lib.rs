//! `wave-planning`: campaigns are defined, waves planned, reviewed, approved, released, paused, stopped and closed.
//!
//! A wave is pinned to one snapshot manifest and one version of its campaign. Whoever asks for a change says who they are
//! by a token that the function verifies (`govern`); the schedule plans what is due and releases what was approved. Every
//! request may be repeated: a step that is already taken answers with the wave as it stands.

mod ahead;
mod campaigns;
pub mod canary;
mod drafts;
mod govern;
mod holds;
mod release;
mod trace;
mod watch;

use ims_decision::{DecisionError, Rules};
use ims_domain::clock;
use ims_domain::hold::Scope;
use ims_domain::wave::{Deed, Wave, WaveAction, WaveRefusal, WaveState};
use ims_messaging::{Bucket, MessagingError, ObjectError, PartJob, Queue};
use ims_runtime::Service;
use ims_runtime::auth::{AuthError, Staff, Verifier};
use ims_runtime::clock::ClockError;
use ims_snapshot::{Manifest, SnapshotError};
use ims_store::{Overtaken, StoreError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;

/// What the function can be asked to do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Request {
    /// Store the next version of a campaign.
    Define {
        /// EliD campaign configuration.
        rules: Value,
        /// Contact plan.
        plan: Value,
    },
    /// Put a draft of a campaign's next version in force.
    Adopt {
        /// Campaign.
        campaign: String,
        /// Draft.
        draft: String,
    },
    /// Plan a wave that the contact plan names, on the current snapshot.
    Plan(Which),
    /// How far a wave is; completes its selection when all parts are in.
    Status(Which),
    /// Say that whom a selected wave would write to is right.
    Review(Order),
    /// Say, as somebody else, that it may go.
    Approve(Order),
    /// Let an approved wave go: at first its canary alone.
    Release(Order),
    /// Say that what went to the canary is right, so that the rest goes.
    Confirm {
        /// The wave, why, and on which version.
        #[serde(flatten)]
        order: Order,
        /// What was looked at: each of [`canary::CHECKS`].
        #[serde(default)]
        checked: Vec<String>,
    },
    /// Hold a released wave; nothing more leaves.
    Pause(Order),
    /// Let a paused wave go on.
    Resume(Order),
    /// Hold a wave until it is reviewed and approved anew.
    Stop(Order),
    /// End a wave; what has not left is withdrawn.
    Close(Order),
    /// Put a hold: nothing of what it takes in leaves while it stands.
    Hold {
        /// What it takes in.
        scope: Scope,
        /// Why.
        reason: String,
    },
    /// Lift a hold.
    Lift {
        /// Its id.
        hold: String,
        /// Why.
        reason: String,
    },
    /// The holds that stand.
    Holds,
    /// List everybody whom a hold concerns.
    Trace {
        /// Its id.
        hold: String,
        /// Why.
        reason: String,
    },
    /// Look for waves that are late, silent or bouncing, pause those that do harm, and say so: a schedule's request.
    Watch,
    /// Plan whatever is due on the business day and release what was approved: the schedule's request.
    #[serde(alias = "due")]
    Tick,
}

/// A request with the token of whoever asks, which all but `status`, `holds` and the schedule's need.
#[derive(Deserialize)]
struct Asked {
    token: Option<String>,
    #[serde(flatten)]
    request: Request,
}

/// A wave of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Which {
    /// Campaign.
    pub campaign: String,
    /// Wave.
    pub wave: String,
}

/// What is to be done to a wave, and why.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Order {
    /// The wave.
    #[serde(flatten)]
    pub which: Which,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Version of the wave that was looked at: needed to review and approve.
    pub version: Option<u64>,
}

/// A wave as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The wave.
    pub wave: Wave,
}

/// Why the function failed.
#[derive(Debug, Error)]
pub enum PlanningError {
    /// The request is not known.
    #[error("the request cannot be read: {0}")]
    Request(#[from] serde_json::Error),
    /// Nobody says who asks.
    #[error("'{0}' needs the token of a member of staff in 'token'")]
    NoToken(String),
    /// The token is not valid, or not of a member of staff.
    #[error(transparent)]
    Token(#[from] AuthError),
    /// Not in this role.
    #[error("'{action}' is not for '{name}' in the role '{role}'")]
    Role {
        /// What was asked.
        action: String,
        /// By whom.
        name: String,
        /// Their role.
        role: String,
    },
    /// It is not said why.
    #[error("'{action}' needs a 'reason': {problem}")]
    Reason {
        /// What was asked.
        action: &'static str,
        /// What is wrong with the reason.
        problem: String,
    },
    /// It is not said what was looked at.
    #[error("'{0}' needs the 'version' of the wave that was looked at")]
    NoVersion(&'static str),
    /// The campaign or its plan has mistakes.
    #[error("the campaign has {} mistakes: {}", .0.len(), .0.join("; "))]
    Invalid(Vec<String>),
    /// There is no such campaign, wave or snapshot.
    #[error("there is no {0}")]
    Unknown(String),
    /// The canary is not looked at, or not well.
    #[error("the canary of wave '{wave}' of campaign '{campaign}' is not confirmed: {why}")]
    Canary {
        /// Campaign.
        campaign: String,
        /// Wave.
        wave: String,
        /// Why not.
        why: String,
    },
    /// The wave's rules do not allow it.
    #[error(transparent)]
    Refused(#[from] WaveRefusal),
    /// The number of candidates is outside what was approved.
    #[error("wave '{wave}' has {candidates} candidates; campaign '{campaign}' was approved for {minimum} to {maximum}")]
    Approval {
        /// Campaign.
        campaign: String,
        /// Wave.
        wave: String,
        /// Candidates.
        candidates: u64,
        /// Fewest.
        minimum: u64,
        /// Most.
        maximum: u64,
    },
    /// Store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Objects.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// Queues.
    #[error(transparent)]
    Messaging(#[from] MessagingError),
    /// Parquet.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Rules.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// Clock.
    #[error(transparent)]
    Clock(#[from] ClockError),
}

impl Overtaken for PlanningError {
    fn is_overtaken(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_condition())
    }
}

/// Handles one request.
///
/// # Errors
/// Where the request cannot be read or carried out, or whoever asks may not.
pub async fn handle(service: &Service, verifier: &Verifier, event: Value) -> Result<Value, PlanningError> {
    let action = event["action"].as_str().unwrap_or_default().to_owned();
    let Asked { token, request } = serde_json::from_value(event)?;
    let by = || govern::identify(verifier, token.as_deref(), &action);
    let act = async |action, order: Order| status(govern::act(service, &by()?, action, &order).await?);
    match request {
        Request::Define { rules, plan } => campaigns::define(service, &by()?, None, rules, &plan).await,
        Request::Adopt { campaign, draft } => campaigns::adopt(service, &by()?, &campaign, &draft).await,
        Request::Plan(which) => status(plan(service, &by()?, &which).await?),
        Request::Status(which) => status(progress(service, &which).await?),
        Request::Review(order) => act(WaveAction::Review, order).await,
        Request::Approve(order) => act(WaveAction::Approve, order).await,
        Request::Release(order) => act(WaveAction::Release, order).await,
        Request::Confirm { order, checked } => status(canary::confirm(service, &by()?, &order, &checked).await?),
        Request::Pause(order) => act(WaveAction::Pause, order).await,
        Request::Resume(order) => act(WaveAction::Resume, order).await,
        Request::Stop(order) => act(WaveAction::Stop, order).await,
        Request::Close(order) => act(WaveAction::Close, order).await,
        Request::Hold { scope, reason } => Ok(json!({"hold": holds::put(service, &by()?, &scope, &reason).await?})),
        Request::Lift { hold, reason } => Ok(json!({"hold": holds::lift(service, &by()?, &hold, &reason).await?})),
        Request::Trace { hold, reason } => trace::trace(service, &by()?, &hold, &reason).await,
        Request::Holds => Ok(json!({"holds": service.store.holds(0).await?.standing})),
        Request::Watch => watch::watch(service).await,
        Request::Tick => tick(service).await,
    }
}

fn status(wave: Wave) -> Result<Value, PlanningError> {
    Ok(serde_json::to_value(Status { wave })?)
}

async fn latest(service: &Service, campaign: &str) -> Result<Rules, PlanningError> {
    let definition = service.store.latest_definition(campaign).await?;
    let definition = definition.ok_or_else(|| PlanningError::Unknown(format!("campaign '{campaign}'")))?;
    Ok(Rules::new(definition)?)
}

async fn wave(service: &Service, which: &Which) -> Result<Wave, PlanningError> {
    let wave = service.store.wave(&which.campaign, &which.wave).await?;
    wave.ok_or_else(|| PlanningError::Unknown(format!("wave '{}' of campaign '{}'", which.wave, which.campaign)))
}

/// Creates the wave and queues the selection of every part. Planned again, only the parts still missing are queued.
async fn plan(service: &Service, by: &Staff, which: &Which) -> Result<Wave, PlanningError> {
    let is_schedule = *by == govern::schedule();
    if !is_schedule {
        govern::planners_only(service, by, "plan", &format!("{}/{}", which.campaign, which.wave)).await?;
    }
    let rules = latest(service, &which.campaign).await?;
    let planned = rules.plan().waves.iter().find(|planned| planned.wave == which.wave);
    let planned = planned.ok_or_else(|| {
        PlanningError::Unknown(format!("wave '{}' in the contact plan of campaign '{}'", which.wave, which.campaign))
    })?;
    let today = service.clock.today().await?;
    rules.iteration(today)?;
    let pointer = service.store.manifest().await?;
    if pointer.version == 0 {
        return Err(PlanningError::Unknown("population snapshot yet; merge one first".to_owned()));
    }
    let manifest: Manifest = service.objects.read_json(Bucket::Snapshot, &Manifest::key(&pointer.manifest)).await?;
    let mut authors = rules.authors().to_vec();
    authors.extend((!is_schedule).then(|| by.name.clone()));
    let deed = Deed {
        action: WaveAction::Plan,
        by: by.name.clone(),
        role: by.role.clone(),
        at: Timestamp::now(),
        reason: if is_schedule { "its day has come" } else { "planned by hand" }.to_owned(),
        version: 0,
    };
    let wave = Wave {
        campaign: which.campaign.clone(),
        wave: which.wave.clone(),
        state: WaveState::Selecting,
        selected_on: today,
        manifest: manifest.id,
        definition: rules.version(),
        cohorts: planned.cohorts.clone(),
        parts: manifest.parts,
        eligible: 0,
        candidates: 0,
        claims: 0,
        claims_sent: false,
        released_on: None,
        authors,
        deeds: vec![deed.clone()],
        version: 1,
    };
    let wave = match service.store.create_wave(&wave, &govern::noted(&wave, &deed)).await {
        Err(error) if error.is_condition() => self::wave(service, which).await?,
        created => created.map(|()| wave)?,
    };
    if wave.state == WaveState::Selecting {
        let done: Vec<u32> =
            service.store.parts(&which.campaign, &which.wave).await?.iter().map(|part| part.part).collect();
        let jobs: Vec<PartJob> = (0..wave.parts)
            .filter(|part| !done.contains(part))
            .map(|part| PartJob { campaign: which.campaign.clone(), wave: which.wave.clone(), part })
            .collect();
        service.queues.send(Queue::CohortSelection, &jobs).await?;
    }
    Ok(wave)
}

/// The wave, moved to `selected` when all its parts are in.
async fn progress(service: &Service, which: &Which) -> Result<Wave, PlanningError> {
    let held = wave(service, which).await?;
    if held.state != WaveState::Selecting {
        return Ok(held);
    }
    let mut wave = held.clone();
    let parts = service.store.parts(&which.campaign, &which.wave).await?;
    wave.eligible = parts.iter().map(|part| part.eligible).sum();
    wave.candidates = parts.iter().map(|part| part.candidates).sum();
    if u32::try_from(parts.len()).is_ok_and(|count| count < wave.parts) {
        return Ok(wave);
    }
    wave.state = WaveState::Selected;
    wave.version += 1;
    match service.store.move_wave(&wave, &held, None).await {
        Err(error) if error.is_condition() => self::wave(service, which).await,
        moved => Ok(moved.map(|()| wave)?),
    }
}

/// Plans waves whose day has come, releases those that were approved, sends claims that a crash left, keeps the selection of
/// waves that come soon, and removes old drafts.
async fn tick(service: &Service) -> Result<Value, PlanningError> {
    let now = service.clock.now().await?;
    let (today, hour) = (clock::london_date(now), clock::london_hour(now));
    let (mut done, mut kept) = (Vec::new(), Vec::new());
    for campaign in service.store.campaigns().await? {
        let rules = latest(service, &campaign).await?;
        for planned in rules.plan().waves.iter().filter(|planned| planned.on <= today) {
            let which = Which { campaign: campaign.clone(), wave: planned.wave.clone() };
            let is_early = planned.on == today && planned.from_hour.is_some_and(|from| hour < from);
            let wave = match service.store.wave(&which.campaign, &which.wave).await? {
                None => plan(service, &govern::schedule(), &which).await?,
                Some(_) => progress(service, &which).await?,
            };
            let wave = if (wave.state == WaveState::Approved && !is_early) || release::is_unsent(&wave) {
                govern::take(service, &govern::schedule(), WaveAction::Release, &which, None, "its day has come")
                    .await?
            } else {
                wave
            };
            done.push(json!({"campaign": which.campaign, "wave": which.wave, "state": wave.state}));
        }
        drafts::remove(service, &campaign, Timestamp::now()).await?;
        if ahead::keep(service, &rules, today).await? {
            kept.push(campaign);
        }
    }
    Ok(json!({"day": today, "waves": done, "kept": kept}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_in_the_fixtures_is_understood() {
        let requests: Vec<Value> = serde_json::from_str(include_str!("../fixtures/requests.json")).unwrap();
        for request in requests {
            let text = request.to_string();
            assert!(serde_json::from_value::<Asked>(request).is_ok(), "{text}");
        }
        assert!(serde_json::from_value::<Asked>(json!({"action": "launch"})).is_err());
    }
}
