//! What follows when a text did not arrive: a letter in its stead, and a mark on the number.

use ims_domain::campaign::WaveState;
use ims_domain::contact::Channel;
use ims_domain::invitation::{Decision, InvitationState, Message, MessageState};
use ims_domain::reach::NumberFault;
use ims_domain::{MessageId, Person};
use ims_store::{AuditEntry, Store};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::{DecisionError, RulesCache};

/// How a text failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFailure {
    /// The provider's word, or ours.
    pub detail: String,
    /// The provider's id, where it told one.
    pub provider_id: Option<String>,
    /// What it says of the number.
    pub number: Option<NumberFault>,
}

/// Notes on a text that left that it did not arrive and will not: in one transaction the text, what is now held against
/// the number, and a letter for the same step, where one may go to the person as they are now. The letter is decided on
/// again when it is about to leave. Returns the letter.
///
/// # Errors
/// Where the store fails, or somebody else moved the text, the invitation or the person: then it is to be asked again.
pub async fn fail_text(
    store: &Store,
    rules: &RulesCache,
    text: &Message,
    failure: &TextFailure,
    today: Date,
    now: Timestamp,
    actor: &str,
) -> Result<Option<MessageId>, DecisionError> {
    let failed = Message {
        state: MessageState::Failed,
        detail: Some(failure.detail.clone()),
        provider_id: text.provider_id.clone().or_else(|| failure.provider_id.clone()),
        version: text.version + 1,
        ..text.clone()
    };
    let mut transaction = store.transaction().move_message(&failed, text.version)?;
    let Some(person) = store.person(text.person).await? else {
        transaction.commit().await?;
        return Ok(None);
    };
    let mut noted = person.clone();
    if let Some(fault) = failure.number {
        noted.note_failed_text(fault, today);
        noted.version += 1;
        transaction = transaction.write_person(&noted, person.version).await?;
    } else {
        transaction = transaction.check_person(&person);
    }
    let purpose = format!("text {} of {}/{} failed", text.id, text.campaign, text.wave);
    transaction = transaction.audit(&AuditEntry::new(now, actor, "receipt", purpose).about(person.id))?;
    let invitation = store.invitation(text.person, &text.campaign, text.dose).await?;
    let mut written = None;
    if let Some(invitation) = invitation.filter(|invitation| invitation.state == InvitationState::Open)
        && let Some((letter, definition)) = letter_instead(store, rules, text, &noted, today).await?
    {
        let mut moved = invitation.clone();
        moved.version += 1;
        moved.messages.push(letter.id);
        moved.decisions.push(Decision {
            wave: text.wave.clone(),
            on: today,
            step: text.step,
            definition,
            person_version: noted.version,
            cohort: invitation.cohort.clone(),
            reason: None,
            explanation: format!("by letter, since the text did not arrive: {}", failure.detail),
        });
        written = Some(letter.id);
        transaction = transaction.create_message(&letter)?.write_invitation(&moved, invitation.version)?;
    }
    transaction.commit().await?;
    Ok(written)
}

/// Notes on a text that left that it arrived. Where it was thought to have failed, what was held against the number goes,
/// and the letter in its stead is not needed: whoever is about to let that leave finds so.
///
/// # Errors
/// Where the store fails, or somebody else moved the text or the person: then it is to be asked again.
pub async fn text_arrived(
    store: &Store,
    text: &Message,
    provider_id: &str,
    now: Timestamp,
    actor: &str,
) -> Result<(), DecisionError> {
    let arrived = Message {
        state: MessageState::Delivered,
        detail: None,
        provider_id: text.provider_id.clone().or_else(|| Some(provider_id.to_owned())),
        version: text.version + 1,
        ..text.clone()
    };
    let mut transaction = store.transaction().move_message(&arrived, text.version)?;
    if text.state == MessageState::Failed
        && let Some(person) = store.person(text.person).await?.filter(|person| person.number_fault().is_some())
    {
        let cleared = Person { failed_number: None, version: person.version + 1, ..person.clone() };
        let purpose = format!("text {} of {}/{} arrived after all", text.id, text.campaign, text.wave);
        transaction = transaction
            .write_person(&cleared, person.version)
            .await?
            .audit(&AuditEntry::new(now, actor, "receipt", purpose).about(person.id))?;
    }
    Ok(transaction.commit().await?)
}

/// The letter that may follow, and the version of the campaign under which that was decided.
async fn letter_instead(
    store: &Store,
    rules: &RulesCache,
    text: &Message,
    person: &Person,
    today: Date,
) -> Result<Option<(Message, u32)>, DecisionError> {
    let id = MessageId::of(text.person, &text.campaign, text.dose, text.step.name(), Channel::Letter.name());
    if !person.has_postal_address() || store.message(id).await?.is_some() {
        return Ok(None);
    }
    let wave = rules.wave(store, &text.campaign, &text.wave, true).await?;
    if matches!(wave.state, WaveState::Stopped | WaveState::Closed) {
        return Ok(None);
    }
    let rules = rules.get(store, &text.campaign, wave.definition).await?;
    let against = match rules.decide(person, text.dose, today) {
        Ok(decided) => decided.reason.is_some(),
        // The campaign is over.
        Err(DecisionError::NotLive { .. }) => true,
        Err(error) => return Err(error),
    };
    let letter = Message {
        id,
        channel: Channel::Letter,
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
        ..text.clone()
    };
    Ok((!against).then_some((letter, wave.definition)))
}
