//! The contacts dataset: invitations, the decisions behind them, messages and recall tasks, one row each.

use ims_domain::invitation::{Call, Invitation, Message};
use jiff::civil::Date;

use crate::{Column, Row, day, number, text};

/// What a row of the contacts dataset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactKind {
    /// An invitation and its present state.
    Invitation,
    /// One decision about a step.
    Decision,
    /// A message.
    Message,
    /// A recall task.
    Call,
}

impl ContactKind {
    /// The value in column `kind`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::Decision => "decision",
            Self::Message => "message",
            Self::Call => "call",
        }
    }
}

/// A row of the contacts dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactRow {
    /// invitation, decision, message or call.
    pub kind: String,
    /// Person.
    pub person_id: String,
    /// Campaign.
    pub campaign: String,
    /// Programme.
    pub programme: String,
    /// Dose.
    pub dose: u64,
    /// Wave.
    pub wave: String,
    /// Best cohort at the decision.
    pub cohort: String,
    /// Step.
    pub step: String,
    /// Channel.
    pub channel: String,
    /// State.
    pub state: String,
    /// Reason.
    pub reason: String,
    /// Business day.
    pub on_date: Option<Date>,
    /// Message id.
    pub message_id: String,
    /// Print batch.
    pub batch: String,
    /// Version of what the row shows.
    pub version: u64,
    /// Place among the invitation's decisions.
    pub sequence: u64,
    /// Version of the campaign definition.
    pub definition: u64,
    /// Why, in a few words.
    pub explanation: String,
    /// Outcome of a call.
    pub outcome: String,
    /// Calls made.
    pub attempts: u64,
}

impl ContactRow {
    /// An invitation's row, and one for each decision.
    #[must_use]
    pub fn of_invitation(invitation: &Invitation) -> Vec<Self> {
        let whole = Self {
            kind: ContactKind::Invitation.name().to_owned(),
            person_id: invitation.person.to_string(),
            campaign: invitation.campaign.clone(),
            programme: invitation.programme.to_string(),
            dose: u64::from(invitation.dose),
            wave: invitation.wave.clone(),
            cohort: invitation.cohort.clone(),
            state: json_name(&invitation.state),
            reason: invitation.reason.map(|reason| reason.name().to_owned()).unwrap_or_default(),
            on_date: Some(invitation.issued),
            version: invitation.version,
            ..Self::default()
        };
        let decisions = invitation.decisions.iter().zip(0u64..).map(|(decision, sequence)| Self {
            kind: ContactKind::Decision.name().to_owned(),
            wave: decision.wave.clone(),
            cohort: decision.cohort.clone(),
            step: decision.step.name().to_owned(),
            state: if decision.reason.is_some() { "suppressed" } else { "sent" }.to_owned(),
            reason: decision.reason.map(|reason| reason.name().to_owned()).unwrap_or_default(),
            on_date: Some(decision.on),
            sequence,
            definition: u64::from(decision.definition),
            explanation: decision.explanation.clone(),
            ..whole.clone()
        });
        std::iter::once(whole.clone()).chain(decisions).collect()
    }

    /// A message's row.
    #[must_use]
    pub fn of_message(message: &Message) -> Self {
        Self {
            kind: ContactKind::Message.name().to_owned(),
            person_id: message.person.to_string(),
            campaign: message.campaign.clone(),
            programme: message.programme.to_string(),
            dose: u64::from(message.dose),
            wave: message.wave.clone(),
            step: message.step.name().to_owned(),
            channel: message.channel.name().to_owned(),
            state: message.state.name().to_owned(),
            reason: message.detail.clone().unwrap_or_default(),
            on_date: Some(message.sent_on.unwrap_or(message.queued_on)),
            message_id: message.id.to_string(),
            batch: message.batch.map(|batch| batch.to_string()).unwrap_or_default(),
            version: message.version,
            attempts: u64::from(message.attempt),
            ..Self::default()
        }
    }

    /// A recall task's row.
    #[must_use]
    pub fn of_call(call: &Call) -> Self {
        Self {
            kind: ContactKind::Call.name().to_owned(),
            person_id: call.person.to_string(),
            campaign: call.campaign.clone(),
            programme: call.programme.to_string(),
            dose: u64::from(call.dose),
            cohort: call.cohort.clone(),
            step: "call".to_owned(),
            channel: "telephone".to_owned(),
            state: json_name(&call.state),
            reason: call.reason.map(|reason| reason.name().to_owned()).unwrap_or_default(),
            on_date: Some(call.due),
            version: call.version,
            outcome: call.outcome.map(|outcome| json_name(&outcome)).unwrap_or_default(),
            attempts: u64::from(call.attempts),
            ..Self::default()
        }
    }
}

/// The name a unit variant has on the wire.
fn json_name<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

impl Row for ContactRow {
    const DATASET: &'static str = "contacts";

    fn columns() -> Vec<Column<Self>> {
        vec![
            text!("kind", "invitation, decision, message or call", kind),
            text!("person_id", "internal id of the person", person_id),
            text!("campaign", "campaign", campaign),
            text!("programme", "vaccine type", programme),
            number!("dose", "dose, from 1", dose),
            text!("wave", "wave", wave),
            text!("cohort", "best cohort at the decision", cohort),
            text!("step", "invite, reminder or call", step),
            text!("channel", "sms, letter or telephone", channel),
            text!("state", "state of the invitation, message or call; sent or suppressed for a decision", state),
            text!("reason", "why it was suppressed, closed, withdrawn or failed", reason),
            day!("on_date", "business day it was issued, decided, sent or due", on_date),
            text!("message_id", "message id, which is the provider's reference", message_id),
            text!("batch", "print batch", batch),
            number!("version", "version of what the row shows", version),
            number!("sequence", "place among the invitation's decisions, from 0", sequence),
            number!("definition", "version of the campaign definition", definition),
            text!("explanation", "the rules' answer in a few words", explanation),
            text!("outcome", "outcome of the last call", outcome),
            number!("attempts", "attempts to send, or calls made", attempts),
        ]
    }

    fn unlike() -> &'static [&'static str] {
        &["person_id", "message_id"]
    }

    fn key(&self) -> String {
        match self.kind.as_str() {
            "message" => self.message_id.clone(),
            kind => format!("{kind}#{}#{}#{}#{}", self.person_id, self.campaign, self.dose, self.sequence),
        }
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn person(&self) -> &str {
        &self.person_id
    }
}
