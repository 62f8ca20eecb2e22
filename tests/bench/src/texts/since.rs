//! What has happened since a text was queued, and since it left.

use std::sync::Arc;
use std::time::Duration;

use ims_decision::{RulesCache, claim_letter};
use ims_domain::contact::Channel;
use ims_domain::invitation::{Invitation, InvitationState, Message, MessageState};
use ims_domain::person::{Death, Membership};
use ims_domain::reach::NumberFault;
use ims_domain::{BatchId, MessageId, Person, VaccineType};
use ims_messaging::SmsJob;
use ims_store::Store;
use ims_testkit::dynamodb::DynamoDb;
use ims_testkit::notify::{Failure, Mode, On};
use jiff::{SignedDuration, Timestamp, ToSpan};
use receipt_ingest::{CallbackToken, Desk};
use serde_json::json;
use sms_dispatch::{Dispatcher, Limits};

use super::faults::{sandbox, set};
use super::providers::govuk;
use super::{CAMPAIGN, accepted, dispatcher, message_id, noon, person_id, release, texts, write};
use crate::memory::store_at;
use crate::stack::DAY;

fn flu() -> VaccineType {
    "FLU".parse().unwrap()
}

/// A store with a text that is queued to one person, and Notify.
async fn one() -> (Store, String) {
    let store = store_at(&DynamoDb::default().listen().await.unwrap());
    release(&store).await.unwrap();
    write(&store, 0..1, |_| false).await.unwrap();
    (store, sandbox(None, 30).await.unwrap())
}

async fn change(store: &Store, change: impl FnOnce(&mut Person)) {
    let held = store.person(person_id(0)).await.unwrap().unwrap();
    let mut changed = Person { version: held.version + 1, ..held.clone() };
    change(&mut changed);
    store.transaction().write_person(&changed, held.version).await.unwrap().commit().await.unwrap();
}

async fn send(store: &Store, notify: &str) -> Message {
    let limits = Limits { per_minute: 0, per_day: 0 };
    let fence = SignedDuration::from_secs(90);
    let dispatcher = dispatcher(notify, Duration::from_secs(1), limits, fence, Arc::new(Timestamp::now)).unwrap();
    let job = SmsJob { messages: vec![message_id(0)] };
    let done = sms_dispatch::dispatch(store, &dispatcher, job, noon()).await.unwrap();
    assert!(done.failed.is_none() && done.later.is_empty(), "{done:?}");
    store.message(message_id(0)).await.unwrap().unwrap()
}

/// What became of both texts after an event at a business time.
async fn send_both(store: &Store, notify: &str, business: Timestamp) -> [MessageState; 2] {
    let routes = vec![govuk(notify, Duration::from_secs(1))];
    let dispatcher = Dispatcher::new(routes, SignedDuration::from_secs(90), Arc::new(Timestamp::now)).unwrap();
    for number in [0, 1] {
        let job = SmsJob { messages: vec![message_id(number)] };
        let done = sms_dispatch::dispatch(store, &dispatcher, job, business).await.unwrap();
        assert!(done.failed.is_none(), "{done:?}");
    }
    let held = texts(store, 0..2).await.unwrap();
    [0, 1].map(|number| held[&message_id(number)].state)
}

#[tokio::test]
async fn a_number_is_sent_one_text_a_day_whoever_has_it() {
    let store = store_at(&DynamoDb::default().listen().await.unwrap());
    release(&store).await.unwrap();
    write(&store, 0..2, |_| false).await.unwrap();
    let notify = sandbox(None, 30).await.unwrap();
    for number in [0, 1] {
        let held = store.person(person_id(number)).await.unwrap().unwrap();
        let mut shares = Person { version: held.version + 1, ..held.clone() };
        shares.demographics.mobile = if number == 0 { "07700 900123" } else { "+447700900123" }.into();
        store.transaction().write_person(&shares, held.version).await.unwrap().commit().await.unwrap();
    }
    let failure = Failure { mode: Mode::Status500, on: On::Send, share: 1.0, seed: 1, delay_ms: None, attempts: None };
    set(&notify, &[failure]).await.unwrap();
    assert_eq!(send_both(&store, &notify, noon()).await, [MessageState::Queued; 2]);
    set(&notify, &[]).await.unwrap();
    // The text that came first has the number for the day, however often it is tried.
    for _ in 0..2 {
        assert_eq!(send_both(&store, &notify, noon()).await, [MessageState::Sent, MessageState::Queued]);
    }
    assert_eq!(send_both(&store, &notify, noon() + 24.hours()).await, [MessageState::Sent; 2]);
    assert_eq!(accepted(&notify).await.unwrap().len(), 2);
}

/// A text to somebody to whom this has happened since they were selected is withdrawn, for this reason.
async fn is_withdrawn(reason: &str, happened: impl FnOnce(&mut Person)) {
    let (store, notify) = one().await;
    change(&store, happened).await;
    let text = send(&store, &notify).await;
    assert_eq!((text.state, text.detail.as_deref()), (MessageState::Withdrawn, Some(reason)));
    assert!(accepted(&notify).await.unwrap().is_empty());
    let invitation = store.invitation(person_id(0), CAMPAIGN, 1).await.unwrap().unwrap();
    assert_eq!(invitation.state, InvitationState::Suppressed);
}

#[tokio::test]
async fn who_is_as_they_were_is_sent_their_text() {
    let (store, notify) = one().await;
    assert_eq!(send(&store, &notify).await.state, MessageState::Sent);
    assert_eq!(accepted(&notify).await.unwrap().len(), 1);
}

#[tokio::test]
async fn who_has_died_since_is_not_sent_a_text() {
    is_withdrawn("dead", |person| person.states.dead = Some(Death { date: None, formal: false })).await;
}

#[tokio::test]
async fn who_has_booked_since_is_not_sent_a_text() {
    is_withdrawn("booked", |person| person.programmes.entry(flu()).or_default().booked = Some(DAY + 3.days())).await;
}

#[tokio::test]
async fn who_was_vaccinated_since_is_not_sent_a_text() {
    is_withdrawn("vaccinated", |person| person.programmes.entry(flu()).or_default().doses.push(DAY)).await;
}

#[tokio::test]
async fn who_has_opted_out_since_is_not_sent_a_text() {
    is_withdrawn("opted_out", |person| {
        let wish = Membership { member: true, date: DAY, order: String::new(), source: "list".into() };
        person.cohorts.insert("contact_opt_out_flu".into(), wish);
    })
    .await;
}

#[tokio::test]
async fn who_became_restricted_since_is_not_sent_a_text() {
    is_withdrawn("restricted", |person| person.states.restricted = true).await;
}

/// Posts a receipt for the text; the answer's status and words.
async fn receipt(store: &Store, rules: &RulesCache, status: &str, bearer: &str) -> (u64, String) {
    let id = "740e5834-3a29-46b4-9a6f-16142fde533a";
    let body = json!({"id": id, "reference": message_id(0), "status": status, "to": "07700900123"});
    let event = json!({
        "httpMethod": "POST", "path": "/receipts/notify", "headers": {"authorization": format!("Bearer {bearer}")},
        "multiValueHeaders": {}, "requestContext": {"identity": {}, "httpMethod": "POST"},
        "body": body.to_string(), "isBase64Encoded": false,
    });
    let token = CallbackToken::new("right".to_owned());
    let answer =
        receipt_ingest::handle(&Desk { store, rules, token: &token, nhs_notify: None }, event, DAY).await.unwrap();
    (answer["statusCode"].as_u64().unwrap(), answer["body"].as_str().unwrap().to_owned())
}

async fn letter(store: &Store) -> Option<Message> {
    store.message(MessageId::of(person_id(0), CAMPAIGN, 1, "invite", Channel::Letter.name())).await.unwrap()
}

async fn invitation(store: &Store) -> Invitation {
    store.invitation(person_id(0), CAMPAIGN, 1).await.unwrap().unwrap()
}

async fn fault(store: &Store) -> Option<NumberFault> {
    let person = store.person(person_id(0)).await.unwrap().unwrap();
    person.number_fault().map(|failed| failed.fault)
}

#[tokio::test]
async fn a_text_that_failed_is_followed_by_a_letter_once() {
    for (word, expected) in [
        ("permanent-failure", Some(NumberFault::Dead)),
        ("temporary-failure", Some(NumberFault::Silent)),
        ("technical-failure", None),
    ] {
        let ((store, notify), rules) = (one().await, RulesCache::default());
        change(&store, |person| person.demographics.postcode = "LS1 4AP".into()).await;
        send(&store, &notify).await;
        assert_eq!(receipt(&store, &rules, word, "wrong").await.0, 401);
        assert_eq!(letter(&store).await, None, "who has not the token says nothing");
        let (status, words) = receipt(&store, &rules, word, "right").await;
        assert!(status == 200 && words.contains("a letter follows"), "{word}: {words}");
        let held = letter(&store).await.unwrap();
        assert_eq!((held.state, held.attempt, held.sent_on), (MessageState::Queued, 0, None));
        assert_eq!(store.pending_letters(CAMPAIGN).await.unwrap().len(), 1);
        assert_eq!(invitation(&store).await.messages, [message_id(0), held.id]);
        assert_eq!(fault(&store).await, expected, "{word}");
        for again in [word, "sending", "permanent-failure"] {
            let (status, words) = receipt(&store, &rules, again, "right").await;
            assert!(status == 200 && words.contains("nothing new"), "{again}: {words}");
        }
        assert_eq!(letter(&store).await, Some(held));
        assert_eq!(invitation(&store).await.version, 2);
    }
}

#[tokio::test]
async fn a_text_that_arrived_after_all_needs_no_letter() {
    let ((store, notify), rules) = (one().await, RulesCache::default());
    change(&store, |person| person.demographics.postcode = "LS1 4AP".into()).await;
    send(&store, &notify).await;
    receipt(&store, &rules, "permanent-failure", "right").await;
    assert!(receipt(&store, &rules, "delivered", "right").await.1.contains("noted"));
    assert_eq!(store.message(message_id(0)).await.unwrap().unwrap().state, MessageState::Delivered);
    assert_eq!(fault(&store).await, None);
    let queued = letter(&store).await.unwrap();
    let batch = BatchId::of(CAMPAIGN, &[queued.id]);
    let claimed = claim_letter(&store, &rules, queued.id, batch, DAY, Timestamp::now(), "test").await.unwrap();
    assert!(claimed.is_none());
    let withdrawn = letter(&store).await.unwrap();
    assert_eq!((withdrawn.state, withdrawn.detail.as_deref()), (MessageState::Withdrawn, Some("the text arrived")));
    assert!(store.pending_letters(CAMPAIGN).await.unwrap().is_empty());
    assert_eq!(invitation(&store).await.state, InvitationState::Open, "the invitation goes on");
}

#[tokio::test]
async fn no_letter_follows_to_where_none_can_go() {
    let ((store, notify), rules) = (one().await, RulesCache::default());
    send(&store, &notify).await;
    change(&store, |person| person.demographics.address_lines.clear()).await;
    assert!(receipt(&store, &rules, "permanent-failure", "right").await.1.contains("noted"));
    assert_eq!(letter(&store).await, None);
    assert_eq!(fault(&store).await, Some(NumberFault::Dead));

    let ((store, notify), rules) = (one().await, RulesCache::default());
    send(&store, &notify).await;
    change(&store, |person| person.states.dead = Some(Death { date: None, formal: true })).await;
    receipt(&store, &rules, "temporary-failure", "right").await;
    assert_eq!(letter(&store).await, None, "nor to somebody who has died");
}

#[tokio::test]
async fn a_number_that_is_no_mobile_is_found_before_anything_is_sent() {
    let (store, notify) = one().await;
    change(&store, |person| {
        person.demographics.mobile = "01632 960000".into();
        person.demographics.postcode = "LS1 4AP".into();
    })
    .await;
    assert_eq!(send(&store, &notify).await.state, MessageState::Failed);
    assert!(accepted(&notify).await.unwrap().is_empty());
    assert_eq!(letter(&store).await.unwrap().state, MessageState::Queued);
    assert_eq!(fault(&store).await, Some(NumberFault::NotMobile));
}
