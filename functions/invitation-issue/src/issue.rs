//! Inviting one person of a wave.

use ims_decision::{Decided, Rules, already_written};
use ims_domain::campaign::{Step, Wave, WaveState};
use ims_domain::contact::{Channel, Reason};
use ims_domain::invitation::{Decision, Invitation, InvitationState, Message, MessageState};
use ims_domain::person::Invite;
use ims_domain::{MessageId, Person, PersonId};
use ims_store::{AuditEntry, DueEntry, Store, Transaction, keys};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::IssueError;

/// Attempts at one person.
pub(crate) const ATTEMPTS: u32 = 8;

/// The audit entry of a decision, or of a run of them.
pub(crate) fn decision(purpose: String) -> AuditEntry {
    AuditEntry::new(Timestamp::now(), "invitation-issue", "decide", purpose)
}

/// What a claim of a wave is decided with.
pub(crate) struct Desk<'a> {
    pub(crate) store: &'a Store,
    pub(crate) wave: &'a Wave,
    pub(crate) rules: &'a Rules,
    pub(crate) today: Date,
}

impl Desk<'_> {
    /// Decides on a person and writes what follows. Returns the text to send, where one is queued.
    pub(crate) async fn invite(
        &self,
        person: PersonId,
        dose: u8,
        cohort: String,
    ) -> Result<Option<MessageId>, IssueError> {
        for _ in 0..ATTEMPTS {
            match self.try_invite(person, dose, &cohort).await {
                Err(IssueError::Store(error)) if error.is_condition() => {
                    // Somebody wrote the person, or the wave's gate closed.
                    let wave = self.store.wave(&self.wave.campaign, &self.wave.wave).await?;
                    if wave.is_none_or(|wave| wave.state != WaveState::Released) {
                        return Ok(None);
                    }
                }
                done => return done,
            }
        }
        Err(IssueError::Busy(self.wave.campaign.clone()))
    }

    async fn try_invite(&self, id: PersonId, dose: u8, cohort: &str) -> Result<Option<MessageId>, IssueError> {
        let campaign = &self.wave.campaign;
        let held = self.store.invitation(id, campaign, dose).await?;
        if let Some(held) = &held
            && !held.decisions.iter().any(|decision| decision.step == Step::Invite)
        {
            return self.note_carried(held).await;
        }
        if let Some(held) = &held
            && (held.state != InvitationState::Suppressed || held.wave == self.wave.wave)
        {
            return still_queued(self.store, held).await;
        }
        let person = self.store.person(id).await?;
        let person =
            person.ok_or_else(|| IssueError::Absent(format!("person whom wave '{}' selected", self.wave.wave)))?;
        let mut decided = self.rules.decide(&person, dose, self.today)?;
        if decided.reason.is_none() && already_written(self.store, &person, campaign, dose, Step::Invite).await? {
            decided = Decided { reason: Some(Reason::AlreadyWritten), channel: None, ..decided };
        }
        let invitation = self.invitation(&person, dose, cohort, &decided, held.as_ref());
        let held_version = held.as_ref().map_or(0, |held| held.version);
        let mut transaction = self
            .store
            .transaction()
            .check_released(campaign, &self.wave.wave, keys::shard(id))
            .write_person(&self.noted(&person, dose, decided.channel.is_some()), person.version)
            .await?
            .write_invitation(&invitation, held_version)?
            .audit(&decision(format!("{campaign}/{} dose {dose}", self.wave.wave)).about(id))?;
        if let Some((_, due)) = invitation.next_step {
            transaction = transaction.enter_due(&DueEntry { person: id, campaign: campaign.clone(), dose, due })?;
        }
        let mut text = None;
        if let Some(channel) = decided.channel {
            let message = queued(&invitation, Step::Invite, channel, self.today);
            transaction = write_queued(self.store, transaction, &message).await?;
            text = (channel == Channel::Sms).then_some(message.id);
        }
        transaction.commit().await?;
        Ok(text)
    }

    /// Notes of an invitation that goes on from a number that this person's superseded that the wave reached the person
    /// too: the invitation itself went out under that number.
    async fn note_carried(&self, held: &Invitation) -> Result<Option<MessageId>, IssueError> {
        let mut noted = Invitation { version: held.version + 1, ..held.clone() };
        noted.decisions.push(Decision {
            wave: self.wave.wave.clone(),
            on: self.today,
            step: Step::Invite,
            definition: self.wave.definition,
            person_version: 0,
            cohort: held.cohort.clone(),
            reason: Some(Reason::AlreadyWritten),
            explanation: "invited under a number that this one superseded".to_owned(),
        });
        let purpose = format!("{}/{} dose {}, invited before", held.campaign, self.wave.wave, held.dose);
        self.store
            .transaction()
            .check_released(&held.campaign, &self.wave.wave, keys::shard(held.person))
            .write_invitation(&noted, held.version)?
            .audit(&decision(purpose).about(held.person))?
            .commit()
            .await?;
        still_queued(self.store, &noted).await
    }

    fn invitation(
        &self,
        person: &Person,
        dose: u8,
        cohort: &str,
        decided: &Decided,
        held: Option<&Invitation>,
    ) -> Invitation {
        let plan = self.rules.plan();
        let mut decisions = held.map(|held| held.decisions.clone()).unwrap_or_default();
        decisions.push(Decision {
            wave: self.wave.wave.clone(),
            on: self.today,
            step: Step::Invite,
            definition: self.wave.definition,
            person_version: person.version,
            cohort: cohort.to_owned(),
            reason: decided.reason,
            explanation: decided.explanation.clone(),
        });
        let mut messages = held.map(|held| held.messages.clone()).unwrap_or_default();
        if let Some(channel) = decided.channel {
            let id = MessageId::of(person.id, &self.wave.campaign, dose, Step::Invite.name(), channel.name());
            if !messages.contains(&id) {
                messages.push(id);
            }
        }
        Invitation {
            person: person.id,
            campaign: self.wave.campaign.clone(),
            programme: plan.programme,
            dose,
            wave: self.wave.wave.clone(),
            cohort: cohort.to_owned(),
            state: if decided.reason.is_some() { InvitationState::Suppressed } else { InvitationState::Open },
            reason: decided.reason,
            issued: self.today,
            next_step: decided.channel.and_then(|_| plan.next_step(Step::Invite, self.today)),
            version: held.map_or(0, |held| held.version) + 1,
            decisions,
            messages,
        }
    }

    fn noted(&self, person: &Person, dose: u8, opened: bool) -> Person {
        let mut noted = person.clone();
        noted.version += 1;
        noted.programmes.entry(self.rules.plan().programme).or_default().note_invite(Invite {
            campaign: self.wave.campaign.clone(),
            dose,
            date: self.today,
            opened,
        });
        noted
    }
}

/// The text of an invitation that is still queued, so that its job is sent again.
pub(crate) async fn still_queued(store: &Store, invitation: &Invitation) -> Result<Option<MessageId>, IssueError> {
    let Some(last) = invitation.messages.last() else { return Ok(None) };
    let message = store.message(*last).await?;
    let queued = message.filter(|message| message.state == MessageState::Queued && message.channel == Channel::Sms);
    Ok(queued.map(|message| message.id))
}

/// A message of an invitation, queued.
pub(crate) fn queued(invitation: &Invitation, step: Step, channel: Channel, today: Date) -> Message {
    Message {
        id: MessageId::of(invitation.person, &invitation.campaign, invitation.dose, step.name(), channel.name()),
        person: invitation.person,
        campaign: invitation.campaign.clone(),
        programme: invitation.programme,
        dose: invitation.dose,
        wave: invitation.wave.clone(),
        step,
        channel,
        state: MessageState::Queued,
        detail: None,
        attempt: 0,
        queued_on: today,
        sent_on: None,
        claimed_at: None,
        provider: None,
        provider_id: None,
        batch: None,
        version: 1,
    }
}

/// Adds a queued message to a transaction: a new one, or one that was withdrawn before it ever left.
pub(crate) async fn write_queued<'a>(
    store: &Store,
    transaction: Transaction<'a>,
    message: &Message,
) -> Result<Transaction<'a>, IssueError> {
    match store.message(message.id).await? {
        None => Ok(transaction.create_message(message)?),
        Some(held) if held.state == MessageState::Withdrawn => {
            let again = Message { version: held.version + 1, attempt: held.attempt, ..message.clone() };
            Ok(transaction.requeue_message(&again, held.version)?)
        }
        Some(held) => Err(IssueError::Absent(format!("free message id {}: it is {}", held.id, held.state.name()))),
    }
}
