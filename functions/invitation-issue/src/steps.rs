//! Taking the due step of one invitation: a reminder, or a recall task.

use ims_decision::{RulesCache, already_written, held_by};
use ims_domain::campaign::{Step, WaveState};
use ims_domain::contact::{Channel, Reason, may_telephone};
use ims_domain::hold::Contact;
use ims_domain::invitation::{Call, CallState, Decision, Invitation, InvitationState};
use ims_domain::{MessageId, Person, PersonId};
use ims_store::{DueEntry, Store, keys};
use jiff::civil::Date;

use crate::IssueError;
use crate::issue::{ATTEMPTS, decision, queued, still_queued, write_queued};

/// What due steps are decided with.
pub(crate) struct Desk<'a> {
    pub(crate) store: &'a Store,
    pub(crate) rules: &'a RulesCache,
    pub(crate) campaign: &'a str,
    pub(crate) due: Date,
    pub(crate) today: Date,
}

/// What became of an attempt at a due step.
enum Taken {
    /// It is done; with the text to send, where one is queued.
    Done(Option<MessageId>),
    /// The number was superseded: the invitation goes on under the person who has its successor.
    GoesOn(PersonId),
}

impl Desk<'_> {
    /// Takes the due step of an invitation. Returns the text to send, where one is queued.
    pub(crate) async fn take(&self, person: PersonId, dose: u8) -> Result<Option<MessageId>, IssueError> {
        let (mut person, mut due) = (person, self.due);
        for _ in 0..ATTEMPTS {
            match self.try_take(person, dose, due).await {
                // Somebody wrote the person, the wave's gate closed, or a hold was put.
                Err(IssueError::Store(error)) if error.is_condition() => self.rules.forget(),
                Ok(Taken::GoesOn(survivor)) => (person, due) = (survivor, self.today),
                Ok(Taken::Done(text)) => return Ok(text),
                Err(error) => return Err(error),
            }
        }
        Err(IssueError::Busy(self.campaign.to_owned()))
    }

    async fn try_take(&self, id: PersonId, dose: u8, due: Date) -> Result<Taken, IssueError> {
        let entry = DueEntry { person: id, campaign: self.campaign.to_owned(), dose, due };
        let Some(held) = self.store.invitation(id, self.campaign, dose).await? else {
            self.store.transaction().leave_due(&entry).commit().await?;
            return Ok(Taken::Done(None));
        };
        let step = match held.next_step {
            Some((step, on)) if on == due && held.state == InvitationState::Open => step,
            // Taken before, or ended: only the job of a text that is still queued may be missing.
            _ => return Ok(Taken::Done(still_queued(self.store, &held).await?)),
        };
        let wave = self.store.wave(self.campaign, &held.wave).await?;
        let wave = wave.ok_or_else(|| IssueError::Absent(format!("wave '{}' of '{}'", held.wave, self.campaign)))?;
        if wave.state != WaveState::Released {
            // Whoever lets the wave go on looks for due steps again; closing ends them.
            return Ok(Taken::Done(None));
        }
        let rules = self.rules.get(self.store, self.campaign, wave.definition).await?;
        let person = self.store.person(id).await?.ok_or_else(|| IssueError::Absent("invited person".to_owned()))?;
        if let Some(survivor) = person.survivor.filter(|survivor| *survivor != id) {
            self.carry(&held, step, &person, survivor, &entry).await?;
            return Ok(Taken::GoesOn(survivor));
        }
        let decided = rules.decide(&person, dose, self.today)?;
        let no_call = step == Step::Call && !may_telephone(&person);
        let mut reason = decided.reason.or(no_call.then_some(Reason::NoContactRoute));
        if reason.is_none() && already_written(self.store, &person, self.campaign, dose, step).await? {
            reason = Some(Reason::AlreadyWritten);
        }
        let next = if reason.is_none() { rules.plan().step_after(step, held.issued, self.today) } else { None };
        let holds = self.rules.holds(self.store, keys::shard(id)).await?;
        let telephoned = Contact { programme: rules.plan().programme, cohort: &decided.cohort, sent: None };
        if reason.is_none()
            && step == Step::Call
            && held_by(self.store, &holds, &telephoned, &person, self.today).await?.is_some()
        {
            // Whoever lifts the hold looks for due steps again. A text is held at its claim.
            return Ok(Taken::Done(None));
        }
        let mut taken = Invitation {
            state: if reason.is_some() { InvitationState::Closed } else { InvitationState::Open },
            reason,
            next_step: next,
            version: held.version + 1,
            ..held.clone()
        };
        taken.decisions.push(Decision {
            wave: held.wave.clone(),
            on: self.today,
            step,
            definition: wave.definition,
            person_version: person.version,
            cohort: held.cohort.clone(),
            reason,
            explanation: decided.explanation,
        });
        let mut transaction = self
            .store
            .transaction()
            .check_released(self.campaign, &held.wave, keys::shard(id))
            .check_person(&person)
            .check_holds(holds.version, keys::shard(id))
            .leave_due(&entry)
            .audit(&decision(format!("{}/{} dose {dose}, {}", self.campaign, held.wave, step.name())).about(id))?;
        if let Some((_, due)) = next {
            transaction = transaction.enter_due(&DueEntry { due, ..entry })?;
        }
        let mut text = None;
        match (reason, step, decided.channel) {
            (Some(_), _, _) => {}
            (None, Step::Call, _) => {
                transaction = transaction.write_call(&call(&taken, &person, self.today), 0)?;
            }
            (None, _, Some(channel)) => {
                let message = queued(&taken, step, channel, self.today);
                taken.messages.push(message.id);
                text = (channel == Channel::Sms).then_some(message.id);
                transaction = write_queued(self.store, transaction, &message).await?;
            }
            (None, _, None) => {}
        }
        transaction.write_invitation(&taken, held.version)?.commit().await?;
        Ok(Taken::Done(text))
    }

    /// Ends the invitation of a number that was superseded. It goes on, with the step that is due, under the survivor, unless
    /// the survivor was invited to that dose as well.
    async fn carry(
        &self,
        held: &Invitation,
        step: Step,
        person: &Person,
        survivor: PersonId,
        entry: &DueEntry,
    ) -> Result<(), IssueError> {
        let absent = || IssueError::Absent("survivor of an invited person".to_owned());
        let survivor = self.store.person(survivor).await?.ok_or_else(absent)?;
        let theirs = self.store.invitation(survivor.id, self.campaign, held.dose).await?;
        let goes_on = theirs.as_ref().is_none_or(|theirs| theirs.state == InvitationState::Suppressed);
        let mut ended = Invitation {
            state: InvitationState::Closed,
            reason: Some(Reason::Removed),
            next_step: None,
            version: held.version + 1,
            ..held.clone()
        };
        let last = held.decisions.last();
        ended.decisions.push(Decision {
            wave: held.wave.clone(),
            on: self.today,
            step,
            definition: last.map_or(0, |last| last.definition),
            person_version: person.version,
            cohort: held.cohort.clone(),
            reason: Some(Reason::Removed),
            explanation: if goes_on { "goes on under the number that superseded this one" } else { "superseded" }
                .to_owned(),
        });
        let purpose = format!("{}/{} dose {}, carried to the survivor", self.campaign, held.wave, held.dose);
        let mut transaction = self
            .store
            .transaction()
            .check_released(self.campaign, &held.wave, keys::shard(person.id))
            .check_person(person)
            .check_person(&survivor)
            .leave_due(entry)
            .write_invitation(&ended, held.version)?
            .audit(&decision(purpose.clone()).about(person.id))?;
        if goes_on {
            let version = theirs.as_ref().map_or(0, |theirs| theirs.version);
            let carried = Invitation {
                person: survivor.id,
                state: InvitationState::Open,
                reason: None,
                next_step: Some((step, self.today)),
                version: version + 1,
                decisions: theirs.as_ref().map(|theirs| theirs.decisions.clone()).unwrap_or_default(),
                messages: theirs.map(|theirs| theirs.messages).unwrap_or_default(),
                ..held.clone()
            };
            transaction = transaction
                .write_invitation(&carried, version)?
                .enter_due(&DueEntry { person: survivor.id, due: self.today, ..entry.clone() })?
                .audit(&decision(purpose).about(survivor.id))?;
        }
        Ok(transaction.commit().await?)
    }
}

fn call(invitation: &Invitation, person: &Person, today: Date) -> Call {
    Call {
        person: invitation.person,
        campaign: invitation.campaign.clone(),
        programme: invitation.programme,
        dose: invitation.dose,
        cohort: invitation.cohort.clone(),
        region: person.demographics.region.clone(),
        imd_decile: person.demographics.imd_decile,
        state: CallState::Waiting,
        due: today,
        agent: None,
        lease_until: None,
        attempts: 0,
        outcome: None,
        reason: None,
        version: 1,
    }
}
