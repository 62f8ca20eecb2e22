//! Claiming a message: `queued → sending` under the person's version, the wave's gate, and the holds that stand.
//!
//! A message leaves at that commit. Whoever finds it in `sending` later must wait for the fence and then ask the
//! provider, because the one who claimed it may have sent it and died.

use ims_domain::campaign::{Step, WaveState};
use ims_domain::contact::{Channel, Reason, is_reachable};
use ims_domain::hold::{Contact, template_of};
use ims_domain::invitation::{Decision, Invitation, InvitationState, Message, MessageState};
use ims_domain::person::Invite;
use ims_domain::{BatchId, MessageId, Person};
use ims_store::{AuditEntry, DueEntry, Store, StoreError, keys, until_it_holds};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::{DecisionError, RulesCache, held_by};

/// Attempts at a claim that others keep overtaking.
const ATTEMPTS: u32 = 6;

/// How long after a claim no request of its claimant can still be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence(pub SignedDuration);

/// Who claims a text, and for which provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimant<'a> {
    /// In the audit trail.
    pub actor: &'a str,
    /// Who will be given the text.
    pub provider: &'a str,
    /// When an earlier claim is over.
    pub fence: Fence,
    /// Whether a telephone number is sent one text a day at most, whoever has it.
    pub one_a_day: bool,
}

/// What became of a claim.
#[derive(Debug)]
pub enum Claim {
    /// Send it now: nobody has.
    Send(Box<(Message, Person)>),
    /// An earlier claimant may have sent it, and the fence has passed: ask the provider first.
    Ask(Box<Message>),
    /// An earlier claimant may still be sending it: come back after the fence.
    Wait,
    /// Nothing to do: sent, withdrawn or failed already.
    Done(MessageState),
    /// Withdrawn now, for this reason.
    Withdrawn(Reason),
    /// The wave is paused or stopped, or a hold stands: the message stays queued.
    Paused,
    /// The number was sent another text today: the message stays queued.
    NotToday,
}

/// Claims a message: re-decides on the live person, and moves it to `sending`, or withdraws it.
///
/// # Errors
/// Where the store fails, or the message's campaign, wave or person is not there.
pub async fn claim(
    store: &Store,
    rules: &RulesCache,
    id: MessageId,
    today: Date,
    now: Timestamp,
    claimant: Claimant<'_>,
) -> Result<Claim, DecisionError> {
    until_it_holds(ATTEMPTS, async |tried| {
        if tried > 0 {
            // Somebody wrote the person or the message, the wave's gate closed, or a hold was put.
            rules.forget();
        }
        try_claim(store, rules, id, today, now, claimant).await
    })
    .await
}

async fn try_claim(
    store: &Store,
    rules: &RulesCache,
    id: MessageId,
    today: Date,
    now: Timestamp,
    claimant: Claimant<'_>,
) -> Result<Claim, DecisionError> {
    let absent = |what: String| DecisionError::Absent { what };
    let message = store.message(id).await?.ok_or_else(|| absent(format!("message {id}")))?;
    match message.state {
        MessageState::Queued => {}
        MessageState::Sending => {
            if message.claimed_at.is_some_and(|at| now.duration_since(at) < claimant.fence.0) {
                return Ok(Claim::Wait);
            }
            // Claimed anew, so that only one asks. Unless it turns out that nothing left, nothing is re-decided.
            let claimed = Message {
                attempt: message.attempt + 1,
                claimed_at: Some(now),
                version: message.version + 1,
                ..message.clone()
            };
            store.transaction().move_message(&claimed, message.version)?.commit().await?;
            return Ok(Claim::Ask(Box::new(claimed)));
        }
        state => return Ok(Claim::Done(state)),
    }
    let person = store.person(message.person).await?.ok_or_else(|| absent(format!("person of message {id}")))?;
    let holds = match verdict(store, rules, &message, &person, today).await? {
        Verdict::Send(holds) => holds,
        // Only letters follow a text.
        Verdict::Paused | Verdict::NotNeeded => return Ok(Claim::Paused),
        Verdict::Withdraw(reason, definition) => {
            withdraw(store, &message, &person, reason, today, definition).await?;
            return Ok(Claim::Withdrawn(reason));
        }
    };
    let mut number = None;
    if claimant.one_a_day {
        let texted = store.texted(&person.demographics.mobile, today).await?;
        if texted.is_some_and(|texted| texted != id) {
            return Ok(Claim::NotToday);
        }
        number = Some(texted.is_some());
    }
    let for_provider = Message { provider: Some(claimant.provider.to_owned()), ..message };
    let claimed = commit(store, &for_provider, &person, holds, number, today, now, claimant.actor).await?;
    Ok(Claim::Send(Box::new((claimed, person))))
}

/// What is to be done with a message that has not left.
enum Verdict {
    /// Send it, under this version of the holds that stand.
    Send(u64),
    /// Leave it queued: the wave, or a hold, keeps it.
    Paused,
    /// For this reason, under this version of the campaign.
    Withdraw(Reason, u32),
    /// The text in whose stead it was queued arrived after all: it alone is withdrawn, the invitation goes on.
    NotNeeded,
}

/// Decides anew on the live person and the state of the wave.
async fn verdict(
    store: &Store,
    rules: &RulesCache,
    message: &Message,
    person: &Person,
    today: Date,
) -> Result<Verdict, DecisionError> {
    let mut wave = rules.wave(store, &message.campaign, &message.wave, false).await?;
    if wave.state != WaveState::Released {
        // Only "released" may be believed from memory: the gate is checked at the commit.
        wave = rules.wave(store, &message.campaign, &message.wave, true).await?;
    }
    match wave.state {
        WaveState::Released => {}
        WaveState::Closed => return Ok(Verdict::Withdraw(Reason::Held, wave.definition)),
        // What waits is kept for when the wave goes on.
        _ => return Ok(Verdict::Paused),
    }
    let holds = rules.holds(store, keys::shard(person.id)).await?;
    if message.channel == Channel::Letter && text_left(store, message).await? {
        return Ok(Verdict::NotNeeded);
    }
    let rules = rules.get(store, &message.campaign, wave.definition).await?;
    let decided = rules.decide(person, message.dose, today)?;
    let unreachable = !is_reachable(person, message.channel, today);
    let mut reason = decided.reason.or(unreachable.then_some(Reason::NoContactRoute));
    if reason.is_none() && already_written(store, person, &message.campaign, message.dose, message.step).await? {
        reason = Some(Reason::AlreadyWritten);
    }
    if let Some(reason) = reason {
        return Ok(Verdict::Withdraw(reason, wave.definition));
    }
    let template = template_of(message);
    let contact =
        Contact { programme: message.programme, cohort: &decided.cohort, sent: Some((&template, message.channel)) };
    let held = held_by(store, &holds, &contact, person, today).await?;
    Ok(if held.is_some() { Verdict::Paused } else { Verdict::Send(holds.version) })
}

/// Whether the text of the same step left and is not known to have failed.
async fn text_left(store: &Store, letter: &Message) -> Result<bool, StoreError> {
    let (step, sms) = (letter.step.name(), Channel::Sms.name());
    let text = store.message(MessageId::of(letter.person, &letter.campaign, letter.dose, step, sms)).await?;
    let not_left = [MessageState::Queued, MessageState::Withdrawn, MessageState::Failed];
    Ok(text.is_some_and(|text| !not_left.contains(&text.state)))
}

/// Whether the message of a step left already to another NHS number of the person's. It holds as long as the person's
/// version does: a number that was superseded is written to no more, and a merge or its undoing writes the survivor.
///
/// # Errors
/// Where the store fails.
pub async fn already_written(
    store: &Store,
    person: &Person,
    campaign: &str,
    dose: u8,
    step: Step,
) -> Result<bool, StoreError> {
    if person.members.is_empty() {
        return Ok(false);
    }
    let members = person.numbers().into_keys().filter(|member| *member != person.id);
    let id = |member, channel: Channel| MessageId::of(member, campaign, dose, step.name(), channel.name());
    let ids = members.flat_map(|member| [Channel::Sms, Channel::Letter].map(|channel| id(member, channel)));
    let messages = store.messages(ids).await?;
    Ok(messages.iter().any(|message| !matches!(message.state, MessageState::Queued | MessageState::Withdrawn)))
}

/// Commits a claim under the versions of message, person and holds, and the wave's gate. With `number` it takes the place of
/// the person's telephone number on the day, which the same message has already where that is true.
#[expect(clippy::too_many_arguments, reason = "what a claim rests on, each of it once")]
async fn commit(
    store: &Store,
    message: &Message,
    person: &Person,
    holds: u64,
    number: Option<bool>,
    today: Date,
    now: Timestamp,
    actor: &str,
) -> Result<Message, DecisionError> {
    let claimed = Message {
        state: MessageState::Sending,
        attempt: message.attempt + 1,
        claimed_at: Some(now),
        sent_on: Some(today),
        version: message.version + 1,
        ..message.clone()
    };
    let purpose = format!("{} {} of {}/{}", message.step.name(), message.id, message.campaign, message.wave);
    let audit = AuditEntry::new(now, actor, message.channel.name(), purpose).about(person.id);
    let mut transaction = store.transaction();
    if let Some(again) = number {
        transaction = transaction.take_number(&person.demographics.mobile, today, message.id, again)?;
    }
    transaction
        .move_message(&claimed, message.version)?
        .check_person(person)
        .check_released(&message.campaign, &message.wave, keys::shard(person.id))
        .check_holds(holds, keys::shard(person.id))
        .audit(&audit)?
        .commit()
        .await?;
    Ok(claimed)
}

/// Claims a letter for a print batch whose manifest is not sealed yet: re-decides on the live person, and holds the letter
/// in `sending` with the batch on it.
///
/// A letter leaves when the batch's manifest is created, so one that an earlier worker already holds for the same batch is
/// decided anew, without a fence. What no longer stands is withdrawn where it was queued; where it was held it stays held,
/// because the earlier worker may yet create a manifest that lists it: only the sealed manifest tells.
///
/// `None` means that the letter is not for this batch: withdrawn, paused, held by another batch, or gone.
///
/// # Errors
/// Where the store fails, or the message's campaign, wave or person is not there.
pub async fn claim_letter(
    store: &Store,
    rules: &RulesCache,
    id: MessageId,
    batch: BatchId,
    today: Date,
    now: Timestamp,
    actor: &str,
) -> Result<Option<(Message, Person)>, DecisionError> {
    until_it_holds(ATTEMPTS, async |tried| {
        if tried > 0 {
            // Somebody wrote the person or the message, the wave's gate closed, or a hold was put.
            rules.forget();
        }
        try_claim_letter(store, rules, id, batch, today, now, actor).await
    })
    .await
}

async fn try_claim_letter(
    store: &Store,
    rules: &RulesCache,
    id: MessageId,
    batch: BatchId,
    today: Date,
    now: Timestamp,
    actor: &str,
) -> Result<Option<(Message, Person)>, DecisionError> {
    let absent = |what: String| DecisionError::Absent { what };
    let message = store.message(id).await?.ok_or_else(|| absent(format!("message {id}")))?;
    let held = message.state == MessageState::Sending && message.batch == Some(batch);
    if !held && message.state != MessageState::Queued {
        return Ok(None);
    }
    let person = store.person(message.person).await?.ok_or_else(|| absent(format!("person of message {id}")))?;
    let holds = match verdict(store, rules, &message, &person, today).await? {
        Verdict::Send(holds) => holds,
        Verdict::Withdraw(reason, definition) if !held => {
            withdraw(store, &message, &person, reason, today, definition).await?;
            return Ok(None);
        }
        Verdict::NotNeeded if !held => {
            let detail = Some("the text arrived".to_owned());
            let version = message.version + 1;
            let withdrawn = Message { state: MessageState::Withdrawn, detail, version, ..message.clone() };
            store.transaction().move_message(&withdrawn, message.version)?.leave_pending(&message).commit().await?;
            return Ok(None);
        }
        Verdict::Paused | Verdict::Withdraw(..) | Verdict::NotNeeded => return Ok(None),
    };
    let for_batch = Message { batch: Some(batch), ..message };
    let claimed = commit(store, &for_batch, &person, holds, None, today, now, actor).await?;
    Ok(Some((claimed, person)))
}

/// Why a letter that was sealed should not be posted, on the person as they are now; `None` where it may, or where the wave
/// is only paused. What left under another of the person's numbers is no reason: it would speak against both.
///
/// # Errors
/// Where the store fails, or the message's campaign or wave is not there.
pub async fn stop_reason(
    store: &Store,
    rules: &RulesCache,
    message: &Message,
    person: &Person,
    today: Date,
) -> Result<Option<Reason>, DecisionError> {
    Ok(match verdict(store, rules, message, person, today).await? {
        Verdict::Withdraw(reason, _) if reason != Reason::AlreadyWritten => Some(reason),
        // That the text arrived after all stops no letter that was sealed: it left.
        Verdict::Withdraw(..) | Verdict::Send(_) | Verdict::Paused | Verdict::NotNeeded => None,
    })
}

/// Whether a message that was claimed may still be given to its provider, on the person, the wave and the holds as they are
/// now.
///
/// # Errors
/// Where the store fails, or the message's campaign or wave is not there.
pub async fn still_stands(
    store: &Store,
    rules: &RulesCache,
    message: &Message,
    person: &Person,
    today: Date,
) -> Result<bool, DecisionError> {
    Ok(matches!(verdict(store, rules, message, person, today).await?, Verdict::Send(_)))
}

/// Withdraws a queued message: nothing of it left. The invitation ends with it, and where it was the invitation itself
/// the person may be decided on again by a later wave.
///
/// # Errors
/// Where the store fails, or somebody else moved the message, the invitation or the person.
pub async fn withdraw(
    store: &Store,
    message: &Message,
    person: &Person,
    reason: Reason,
    today: Date,
    definition: u32,
) -> Result<(), DecisionError> {
    let withdrawn = Message {
        state: MessageState::Withdrawn,
        detail: Some(reason.name().to_owned()),
        version: message.version + 1,
        ..message.clone()
    };
    let mut transaction = store.transaction().move_message(&withdrawn, message.version)?;
    if message.channel == Channel::Letter {
        transaction = transaction.leave_pending(message);
    }
    let Some(invitation) = store.invitation(message.person, &message.campaign, message.dose).await? else {
        return Ok(transaction.commit().await?);
    };
    let (ended, due) = end(&invitation, message.step, reason, today, definition, person.version);
    transaction = transaction.write_invitation(&ended, invitation.version)?;
    if let Some(due) = due {
        transaction = transaction.leave_due(&due);
    }
    if ended.state == InvitationState::Suppressed {
        let mut noted = person.clone();
        noted.version += 1;
        noted.programmes.entry(message.programme).or_default().note_invite(Invite {
            campaign: message.campaign.clone(),
            dose: message.dose,
            date: today,
            opened: false,
        });
        transaction = transaction.write_person(&noted, person.version).await?;
    }
    Ok(transaction.commit().await?)
}

/// An invitation ended at a step for a reason, and the entry of the due index that goes with it.
fn end(
    invitation: &Invitation,
    step: Step,
    reason: Reason,
    today: Date,
    definition: u32,
    person_version: u64,
) -> (Invitation, Option<DueEntry>) {
    let due = invitation.next_step.map(|(_, due)| DueEntry {
        person: invitation.person,
        campaign: invitation.campaign.clone(),
        dose: invitation.dose,
        due,
    });
    // Where the invitation itself never left, a later wave may decide again, whatever becomes of its reminder.
    let is_suppressed = step == Step::Invite || invitation.state == InvitationState::Suppressed;
    let state = if is_suppressed { InvitationState::Suppressed } else { InvitationState::Closed };
    let mut ended = Invitation {
        state,
        reason: Some(reason),
        next_step: None,
        version: invitation.version + 1,
        ..invitation.clone()
    };
    ended.decisions.push(Decision {
        wave: invitation.wave.clone(),
        on: today,
        step,
        definition,
        person_version,
        cohort: invitation.cohort.clone(),
        reason: Some(reason),
        explanation: "found when the message was about to leave".to_owned(),
    });
    (ended, due)
}

/// Notes what the provider said of a message that was claimed. Whoever claimed it later has the word; then this changes
/// nothing.
///
/// # Errors
/// Where the store fails.
pub async fn conclude(
    store: &Store,
    claimed: &Message,
    state: MessageState,
    provider_id: Option<String>,
    detail: Option<String>,
) -> Result<(), DecisionError> {
    let concluded = Message { state, provider_id, detail, version: claimed.version + 1, ..claimed.clone() };
    let mut transaction = store.transaction().move_message(&concluded, claimed.version)?;
    if claimed.channel == Channel::Letter {
        transaction = transaction.leave_pending(claimed);
    }
    match transaction.commit().await {
        Err(StoreError::Condition { .. }) => {
            tracing::warn!(message = %claimed.id, "a later claim or a receipt moved the message first");
            Ok(())
        }
        done => Ok(done?),
    }
}
