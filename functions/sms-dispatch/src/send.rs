//! One text: claim, send, settle.

use ims_contact::phone::UkMobile;
use ims_contact::provider::{SendError, Text};
use ims_contact::template::{Fields, Template, plain_words};
use ims_decision::{Claim, Claimant, DecisionError, TextFailure, claim, conclude, fail_text, still_stands};
use ims_domain::clock::london_date;
use ims_domain::invitation::{Message, MessageState};
use ims_domain::letter::Language;
use ims_domain::reach::NumberFault;
use ims_domain::{MessageId, Person};
use ims_store::{Store, until_it_holds};
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use crate::pace::Turn;
use crate::route::{self, Route};
use crate::{ACTOR, DispatchError, Dispatcher};

/// After so many claims nobody asks or sends any more: a person decides.
const MOST_ATTEMPTS: u32 = 12;

/// How the providers name the number in what they say of it.
const NUMBER_FIELDS: [&str; 2] = ["phone_number", "contactDetails/sms"];

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
    let held = store.message(id).await?;
    if let Some(held) = &held {
        let claimed = held.claimed_at.unwrap_or(Timestamp::MIN);
        match held.state {
            MessageState::Queued => {
                if let Some(seconds) = quiet(store, dispatcher, held, business).await? {
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
    // Nothing is claimed for which there are no words.
    if let Some(held) = &held {
        wording(dispatcher, held, Language::English)?;
    }
    let Some(route) = chosen(store, dispatcher, held.as_ref()).await? else {
        tracing::error!(message = %id, "the provider that the text was claimed for is not configured");
        return Ok(Some(LONGEST_DELAY));
    };
    // The turn is waited for before the claim: the claim's time is the token's, which Notify takes for 30 s.
    let turn = match route.pace.turn(store, &dispatcher.now).await? {
        Turn::Later(seconds) => return Ok(Some(seconds)),
        Turn::Go(turn) => turn,
    };
    let (today, now) = (london_date(business), (dispatcher.now)());
    let claimant = Claimant {
        actor: ACTOR,
        provider: route.provider.name(),
        fence: dispatcher.fence,
        one_a_day: dispatcher.one_a_day,
    };
    match claim(store, &dispatcher.rules, id, today, now, claimant).await? {
        Claim::Done(_) | Claim::Withdrawn(_) | Claim::Paused => Ok(None),
        Claim::NotToday => Ok(Some(LONGEST_DELAY)),
        Claim::Wait => Ok(Some(fence)),
        Claim::Send(claimed) => {
            turn.spend();
            submit(store, dispatcher, &claimed.0, &claimed.1, today).await
        }
        Claim::Ask(message) => {
            drop(turn);
            ask(store, dispatcher, &message, today).await
        }
    }
}

/// The provider of a text: the one that it was claimed for, or one to claim it for.
async fn chosen<'a>(
    store: &Store,
    dispatcher: &'a Dispatcher,
    held: Option<&Message>,
) -> Result<Option<&'a Route>, DispatchError> {
    let claimed = held.filter(|held| held.state == MessageState::Sending);
    if let Some(claimed) = claimed {
        return Ok(route::of(&dispatcher.routes, claimed));
    }
    let person = match held {
        Some(held) if dispatcher.routes.len() > 1 => store.person(held.person).await?,
        _ => None,
    };
    Ok(route::choose(&dispatcher.routes, person.as_ref(), (dispatcher.now)()))
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

/// Asks the provider that may have the text twice whether it has. One of which it has never heard is free for the next
/// claim, which decides anew: meanwhile the wave may have been stopped, or the person have died. A provider that itself
/// keeps apart what it was given twice is given it again.
async fn ask(
    store: &Store,
    dispatcher: &Dispatcher,
    message: &Message,
    today: Date,
) -> Result<Option<u32>, DispatchError> {
    let Some(route) = route::of(&dispatcher.routes, message) else {
        let provider = message.provider.as_deref().unwrap_or_default();
        tracing::error!(message = %message.id, provider, "the provider that may have the text is not configured");
        return wait_or_park(store, dispatcher, message).await;
    };
    if route.provider.deduplicates() {
        let person = store.person(message.person).await?;
        let Some(person) = person else { return wait_or_park(store, dispatcher, message).await };
        // What speaks against it now: it may have left, so it is not withdrawn; but it is not given again.
        if !still_stands(store, &dispatcher.rules, message, &person, today).await? {
            return wait_or_park(store, dispatcher, message).await;
        }
        let Turn::Go(turn) = route.pace.turn(store, &dispatcher.now).await? else {
            return wait_or_park(store, dispatcher, message).await;
        };
        turn.spend();
        return submit(store, dispatcher, message, &person, today).await;
    }
    for question in 0..2 {
        if question > 0 {
            tokio::time::sleep(dispatcher.between_questions).await;
        }
        match route.provider.find(&message.id, (dispatcher.now)()).await {
            Ok(Some(found)) => {
                let state = found.state.unwrap_or(MessageState::Sent);
                if state == MessageState::Failed {
                    let provider_id = Some(found.id);
                    let failure = TextFailure { detail: "did not arrive".to_owned(), provider_id, number: None };
                    fail(store, dispatcher, message, &failure, today).await?;
                } else {
                    conclude(store, message, state, Some(found.id), None).await?;
                }
                return Ok(None);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(message = %message.id, error = %error, "the provider could not be asked");
                return wait_or_park(store, dispatcher, message).await;
            }
        }
    }
    conclude(store, message, MessageState::Queued, None, None).await?;
    Ok(Some(0))
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
            let number = Some(NumberFault::NotMobile);
            let failure = TextFailure { detail: format!("mobile number: {error}"), provider_id: None, number };
            fail(store, dispatcher, message, &failure, today).await?;
            return Ok(None);
        }
    };
    let Some(route) = route::of(&dispatcher.routes, message) else {
        return wait_or_park(store, dispatcher, message).await;
    };
    let (template, body) = render(dispatcher, message, person)?;
    let text = Text { reference: message.id, to, nhs_number: person.nhs_number, template, body };
    let claimed = message.claimed_at.unwrap_or_else(|| (dispatcher.now)());
    let sent = route.provider.send(&text, claimed).await;
    route.note(sent.as_ref().map(|_| ()), (dispatcher.now)());
    match sent {
        Ok(accepted) => {
            conclude(store, message, MessageState::Sent, Some(accepted.id), None).await?;
            Ok(None)
        }
        Err(SendError::Refused { status, message: why }) => {
            let detail = format!("refused {status}: {why}");
            if NUMBER_FIELDS.iter().any(|name| why.contains(name)) {
                let failure = TextFailure { detail, provider_id: None, number: Some(NumberFault::NotMobile) };
                fail(store, dispatcher, message, &failure, today).await?;
            } else {
                // The fault is ours, and many texts may share it: letters would not mend it.
                tracing::error!(message = %message.id, detail, "Notify refuses a text");
                conclude(store, message, MessageState::Failed, None, Some(detail)).await?;
            }
            Ok(None)
        }
        Err(SendError::Retryable { status, .. }) => {
            if status == Some(TOO_FAST) {
                route.pace.hold_off((dispatcher.now)());
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
    failure: &TextFailure,
    today: Date,
) -> Result<(), DispatchError> {
    let failed = until_it_holds(ATTEMPTS, async |_| {
        let held = store.message(message.id).await?.filter(|held| held.version == message.version);
        if let Some(held) = held {
            fail_text(store, &dispatcher.rules, &held, failure, today, (dispatcher.now)(), ACTOR).await?;
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

/// The wording of a text in a language, as far as there is one that may be sent.
fn wording<'a>(
    dispatcher: &'a Dispatcher,
    message: &Message,
    language: Language,
) -> Result<&'a Template, DispatchError> {
    let missing = || DispatchError::NoTemplate { programme: message.programme.to_string(), step: message.step.name() };
    let found = dispatcher.templates.text(message.programme, message.step, language, dispatcher.unreviewed);
    found.ok_or_else(missing)
}

fn render(dispatcher: &Dispatcher, message: &Message, person: &Person) -> Result<(Uuid, String), DispatchError> {
    let language = Language::preferred(&person.demographics.language);
    let template = wording(dispatcher, message, language)?;
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
