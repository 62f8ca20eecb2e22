//! Invitations, messages and recall calls, and the states they pass through.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::campaign::Step;
use crate::contact::{Channel, Reason};
use crate::{BatchId, MessageId, PersonId, VaccineType};

/// State of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InvitationState {
    /// Something was written, or is about to be; next steps follow.
    Open,
    /// Ended: vaccinated, booked, died, opted out, or all steps taken.
    Closed,
    /// Nothing was written; a later wave may decide again.
    Suppressed,
}

/// One decision about a person, kept so that it can be explained later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The wave that selected the person.
    pub wave: String,
    /// Business day of the decision.
    pub on: Date,
    /// Which step was decided.
    pub step: Step,
    /// Version of the campaign definition used.
    pub definition: u32,
    /// Version of the person it was made on.
    pub person_version: u64,
    /// Best cohort then.
    pub cohort: String,
    /// Why nothing went out; none means that something did.
    pub reason: Option<Reason>,
    /// The rules' answer in a few words.
    pub explanation: String,
}

/// The invitation of a person to one dose of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Person.
    pub person: PersonId,
    /// Campaign.
    pub campaign: String,
    /// Programme.
    pub programme: VaccineType,
    /// Dose, from 1.
    pub dose: u8,
    /// Wave that selected the person last.
    pub wave: String,
    /// Best cohort at that wave.
    pub cohort: String,
    /// State.
    pub state: InvitationState,
    /// Why it was suppressed or closed.
    pub reason: Option<Reason>,
    /// Business day of the wave's decision; steps fall due from here.
    pub issued: Date,
    /// The next step and the day it falls due.
    pub next_step: Option<(Step, Date)>,
    /// Rises by one with every write.
    pub version: u64,
    /// All decisions, oldest first.
    pub decisions: Vec<Decision>,
    /// Messages written, oldest first.
    pub messages: Vec<MessageId>,
}

/// State of a message.
///
/// ```text
/// queued ──▶ sending ──▶ sent ──▶ delivered
///    │          │  ▲       └────▶ failed
///    ▼          ▼  │ after the fence
/// withdrawn  unknown / failed
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageState {
    /// Decided, not yet claimed.
    Queued,
    /// Claimed by a sender: it counts as having left.
    Sending,
    /// Accepted by the provider, or in a sealed print batch.
    Sent,
    /// The provider says that it arrived.
    Delivered,
    /// Refused by the provider, or it says that it did not arrive.
    Failed,
    /// The re-check at the claim found a reason not to send.
    Withdrawn,
    /// It cannot be told whether it left; a person decides.
    Unknown,
}

impl MessageState {
    /// The name used in items and exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a provider's later word may move the message from this state to another.
    #[must_use]
    pub fn accepts_receipt(self, to: Self) -> bool {
        matches!(
            (self, to),
            (Self::Sending | Self::Unknown, Self::Sent | Self::Delivered | Self::Failed)
                | (Self::Sent, Self::Delivered | Self::Failed)
                | (Self::Failed, Self::Delivered)
        )
    }
}

/// A message to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Id, and the reference that the provider is given.
    pub id: MessageId,
    /// Person.
    pub person: PersonId,
    /// Campaign.
    pub campaign: String,
    /// Programme.
    pub programme: VaccineType,
    /// Dose, from 1.
    pub dose: u8,
    /// Wave.
    pub wave: String,
    /// Step.
    pub step: Step,
    /// Channel.
    pub channel: Channel,
    /// State.
    pub state: MessageState,
    /// Why it was withdrawn or failed, in the provider's or our words.
    pub detail: Option<String>,
    /// Rises with every claim.
    pub attempt: u32,
    /// Business day it was queued.
    pub queued_on: Date,
    /// Business day it left.
    pub sent_on: Option<Date>,
    /// System time of the last claim; the fence counts from here.
    pub claimed_at: Option<Timestamp>,
    /// The provider that a text was claimed for; none but that one is asked about it. GOV.UK Notify where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider's id.
    pub provider_id: Option<String>,
    /// Print batch, for a letter.
    pub batch: Option<BatchId>,
    /// Rises by one with every write.
    pub version: u64,
}

/// Outcome of a recall call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// Nobody answered; another attempt may follow.
    NoAnswer,
    /// Spoke, and an appointment was made.
    Booked,
    /// Spoke; will arrange it themselves.
    WillArrange,
    /// Spoke, and does not want it.
    Declined,
    /// Already vaccinated, by their own account.
    AlreadyVaccinated,
    /// Wrong number.
    WrongNumber,
    /// Told that the person has died: contact is held.
    Bereaved,
}

impl CallOutcome {
    /// Whether the task is finished by it.
    #[must_use]
    pub fn is_final(self) -> bool {
        self != Self::NoAnswer
    }
}

/// State of a recall task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallState {
    /// Waits to be assigned.
    Waiting,
    /// On an agent's list until the lease ends.
    Assigned,
    /// Finished.
    Done,
    /// No longer needed: booked, vaccinated, died and so on.
    Withdrawn,
}

/// A recall task: a person to telephone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Person.
    pub person: PersonId,
    /// Campaign.
    pub campaign: String,
    /// Programme.
    pub programme: VaccineType,
    /// Dose, from 1.
    pub dose: u8,
    /// Best cohort.
    pub cohort: String,
    /// Region code, to group lists by.
    pub region: String,
    /// Deprivation decile, 1 most deprived, 0 unknown: the more deprived are called first.
    pub imd_decile: u8,
    /// State.
    pub state: CallState,
    /// Business day it became due.
    pub due: Date,
    /// Agent that holds it.
    pub agent: Option<String>,
    /// Business day on which the lease ends.
    pub lease_until: Option<Date>,
    /// Calls made.
    pub attempts: u32,
    /// Last outcome.
    pub outcome: Option<CallOutcome>,
    /// Why it was withdrawn.
    pub reason: Option<Reason>,
    /// Rises by one with every write.
    pub version: u64,
}
