//! One text: claim, send, settle.

use std::collections::BTreeMap;

use ims_contact::notify::SendError;
use ims_contact::phone::UkMobile;
use ims_contact::template::{Fields, plain_words};
use ims_decision::{Claim, DecisionError, TextFailure, claim, conclude, fail_text};
use ims_domain::clock::london_date;
use ims_domain::contact::Channel;
use ims_domain::invitation::{Message, MessageState};
use ims_domain::reach::NumberFault;
use ims_domain::{MessageId, Person};
use ims_store::{Store, until_it_holds};
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use crate::pace::Turn;
use crate::{ACTOR, DispatchError, Dispatcher};

/// After so many claims nobody asks or sends any more: a person decides.
const MOST_ATTEMPTS: u32 = 12;

/// How Notify names the number in what it says of it.
const NUMBER_FIELD: &str = "phone_number";

/// Attempts at writing down what others keep overtaking.
const ATTEMPTS: u32 = 6;

/// Status of an answer that the provider was asked too often.
const TOO_FAST: u16 = 429;

/// Longest delay of a message in SQS, in seconds.
const LONGEST_DELAY: u32 = 900;

/// Seconds before a text that Notify certainly did not take is tried again.
const TRY_AGAIN: u32 = 5;

/// Sends one text. Returns the seconds after which it must be looked at again, where it is not settled.
pub(crate) async fn send(
    store: &Store,
    dispatcher: &Dispatcher,
    id: MessageId,
    business: Timestamp,
) -> Result<Option<u32>, DispatchError> {
    let fence = u32::try_from(dispatcher.fence.0.as_secs()).unwrap_or(u32::MAX);
    // What is settled or on its way needs no turn.
    if let Some(held) = store.message(id).await? {
        let claimed = held.claimed_at.unwrap_or(Timestamp::MIN);
        match held.state {
            MessageState::Queued => {
                if let Some(seconds) = quiet(store, dispatcher, &held, business).await? {
                    return Ok(Some(seconds));
                }
            }
            MessageState::Sending if (dispatcher.now)().duration_since(claimed) < dispatcher.fence.0 => {
                return Ok(Some(fence));
            }
            MessageState::Sending => {}
            _ => return Ok(None),
        }
    }
    // The turn is waited for before the claim: the claim's time is the token's, which Notify takes for 30 s.
    let turn = match dispatcher.pace.turn(store, &dispatcher.now).await? {
        Turn::Later(seconds) => return Ok(Some(seconds)),
        Turn::Go(turn) => turn,
    };
    let (today, now) = (london_date(business), (dispatcher.now)());
    match claim(store, &dispatcher.rules, id, today, now, dispatcher.fence, ACTOR).await? {
        Claim::Done(_) | Claim::Withdrawn(_) | Claim::Paused => Ok(None),
        Claim::Wait => Ok(Some(fence)),
        Claim::Send(claimed) => {
            let (message, person) = *claimed;
            turn.spend();
            submit(store, dispatcher, &message, &person, today).await
        }
        Claim::Ask(claimed) => {
            let (message, person) = *claimed;
            drop(turn);
            ask(store, dispatcher, &message, &person, today).await
        }
    }
}

/// Seconds to wait where it is too early or too late in the day where the person lives; a queue holds a job back for a
/// quarter of an hour at most, and then it is asked again.
async fn quiet(
    store: &Store,
    dispatcher: &Dispatcher,
    message: &Message,
    business: Timestamp,
) -> Result<Option<u32>, DispatchError> {
    let region = match dispatcher.quiet.differ() {
        true => store.person(message.person).await?.map(|person| person.demographics.region),
        false => None,
    };
    let wait = dispatcher.quiet.wait(business, &region.unwrap_or_default());
    Ok(wait.map(|wait| u32::try_from(wait.as_secs() + 1).unwrap_or(u32::MAX).min(LONGEST_DELAY)))
}

/// Asks Notify twice whether it has the text; sends it only if it has not.
async fn ask(
    store: &Store,
    dispatcher: &Dispatcher,
    message: &Message,
    person: &Person,
    today: Date,
) -> Result<Option<u32>, DispatchError> {
    for question in 0..2 {
        if question > 0 {
            tokio::time::sleep(dispatcher.between_questions).await;
        }
        match dispatcher.notify.find_by_reference(&message.id, (dispatcher.now)()).await {
            Ok(Some(found)) => {
                let state = found.status.state().unwrap_or(MessageState::Sent);
                if state == MessageState::Failed {
                    fail(store, dispatcher, message, "did not arrive".to_owned(), None, today).await?;
                } else {
                    conclude(store, message, state, Some(found.id.to_string()), None).await?;
                }
                return Ok(None);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(message = %message.id, error = %error, "Notify could not be asked");
                return wait_or_park(store, dispatcher, message).await;
            }
        }
    }
    match dispatcher.pace.turn(store, &dispatcher.now).await? {
        Turn::Go(turn) => turn.spend(),
        Turn::Later(_) => return wait_or_park(store, dispatcher, message).await,
    }
    submit(store, dispatcher, message, person, today).await
}

/// Sends a text that this process has claimed.
async fn submit(
    store: &Store,
    dispatcher: &Dispatcher,
    message: &Message,
    person: &Person,
    today: Date,
) -> Result<Option<u32>, DispatchError> {
    let to = match UkMobile::parse(&person.demographics.mobile) {
        Ok(to) => to,
        Err(error) => {
            let detail = format!("mobile number: {error}");
            fail(store, dispatcher, message, detail, Some(NumberFault::NotMobile), today).await?;
            return Ok(None);
        }
    };
    let (template, text) = render(dispatcher, message, person)?;
    let personalisation = BTreeMap::from([("body".to_owned(), text)]);
    // The token is as old as the claim: however long this process was held up, Notify refuses it before the fence.
    let claimed = message.claimed_at.unwrap_or_else(|| (dispatcher.now)());
    match dispatcher.notify.send_sms(&to, template, &message.id, &personalisation, claimed).await {
        Ok(accepted) => {
            conclude(store, message, MessageState::Sent, Some(accepted.id.to_string()), None).await?;
            Ok(None)
        }
        Err(SendError::Refused { status, message: why }) => {
            let detail = format!("refused {status}: {why}");
            if why.contains(NUMBER_FIELD) {
                fail(store, dispatcher, message, detail, Some(NumberFault::NotMobile), today).await?;
            } else {
                // The fault is ours, and many texts may share it: letters would not mend it.
                tracing::error!(message = %message.id, detail, "Notify refuses a text");
                conclude(store, message, MessageState::Failed, None, Some(detail)).await?;
            }
            Ok(None)
        }
        Err(SendError::Retryable { status, .. }) => {
            if status == Some(TOO_FAST) {
                dispatcher.pace.hold_off((dispatcher.now)());
            }
            // Certainly not taken: free for the next claim, which decides anew.
            conclude(store, message, MessageState::Queued, None, None).await?;
            Ok(Some(TRY_AGAIN))
        }
        Err(error @ SendError::Unknown { .. }) => {
            tracing::warn!(message = %message.id, error = %error, "it may have been accepted");
            wait_or_park(store, dispatcher, message).await
        }
    }
}

/// Notes that a text cannot arrive, with what follows; whoever claimed it later has the word.
async fn fail(
    store: &Store,
    dispatcher: &Dispatcher,
    message: &Message,
    detail: String,
    number: Option<NumberFault>,
    today: Date,
) -> Result<(), DispatchError> {
    let failure = TextFailure { detail, provider_id: None, number };
    let failed = until_it_holds(ATTEMPTS, async |_| {
        let held = store.message(message.id).await?.filter(|held| held.version == message.version);
        if let Some(held) = held {
            fail_text(store, &dispatcher.rules, &held, &failure, today, (dispatcher.now)(), ACTOR).await?;
        }
        Ok::<(), DecisionError>(())
    });
    Ok(failed.await?)
}

/// Leaves a text in `sending` until the fence has passed, or parks it as `unknown` after too many attempts.
async fn wait_or_park(store: &Store, dispatcher: &Dispatcher, message: &Message) -> Result<Option<u32>, DispatchError> {
    if message.attempt >= MOST_ATTEMPTS {
        let detail = format!("not settled after {} attempts", message.attempt);
        conclude(store, message, MessageState::Unknown, None, Some(detail)).await?;
        return Ok(None);
    }
    Ok(Some(u32::try_from(dispatcher.fence.0.as_secs()).unwrap_or(u32::MAX)))
}

fn render(dispatcher: &Dispatcher, message: &Message, person: &Person) -> Result<(Uuid, String), DispatchError> {
    let missing = || DispatchError::NoTemplate { programme: message.programme.to_string(), step: message.step.name() };
    let template = dispatcher.templates.find(message.programme, message.step, Channel::Sms).ok_or_else(missing)?;
    let fields = Fields {
        greeting_name: person.demographics.given_name.clone(),
        to_parent: false,
        programme: plain_words(message.programme).to_owned(),
        dose: message.dose,
        doses: message.dose.max(1),
        booking_link: dispatcher.booking_link.clone(),
        booking_phone: dispatcher.booking_phone.clone(),
    };
    Ok((template.provider_template, template.render(&fields)?.text()))
}
