//! Two providers: a text goes to one of them, and to that one alone, whatever fails.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use ims_contact::nhs_notify::{Application, NhsNotifyClient};
use ims_contact::notify::NotifyClient;
use ims_decision::RulesCache;
use ims_domain::invitation::{Message, MessageState};
use ims_messaging::SmsJob;
use ims_store::Store;
use ims_testkit::dynamodb::{DynamoDb, serve};
use ims_testkit::notify::{Failure, Mode, NhsCallback, NhsSandbox, On};
use jiff::{SignedDuration, Timestamp};
use receipt_ingest::{CallbackSecret, CallbackToken, Desk};
use serde_json::{Value, json};
use sms_dispatch::{Dispatcher, Limits, Now, Route};
use uuid::Uuid;

use super::faults::{sandbox, set};
use super::{API_KEY, accepted, message_id, noon, release, texts, write};
use crate::memory::store_at;
use crate::stack::DAY;

const NO_LIMITS: Limits = Limits { per_minute: 0, per_day: 0 };

/// A key made for this run: it opens nothing.
fn private_key() -> Vec<u8> {
    static KEY: OnceLock<Vec<u8>> = OnceLock::new();
    let made = || {
        let der: Pkcs8V1Der<'_> = KeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
        // PKCS#1 lies in PKCS#8 after its header.
        der.as_ref()[26..].to_vec()
    };
    KEY.get_or_init(made).clone()
}

/// GOV.UK Notify.
pub(super) fn govuk(notify: &str, deadline: Duration) -> Route {
    let client = NotifyClient::new(notify, API_KEY.parse().unwrap(), deadline).unwrap();
    Route::new(Arc::new(client), NO_LIMITS)
}

/// NHS Notify.
pub(super) fn nhs(base: &str, deadline: Duration) -> Route {
    let application = Application { key: "app".into(), key_id: "key-1".into(), private: private_key() };
    let (comms, tokens) = (format!("{base}/comms"), format!("{base}/oauth2/token"));
    let client = NhsNotifyClient::new(&comms, &tokens, application, Uuid::from_u128(1), deadline).unwrap();
    Route::new(Arc::new(client), NO_LIMITS)
}

fn failure(mode: Mode, share: f64, attempts: Option<u32>) -> Failure {
    Failure { mode, on: On::Send, share, seed: 1, delay_ms: Some(60_000), attempts }
}

async fn work(store: &Store, routes: Vec<Route>, people: u64, ahead: i64) -> (u64, Vec<Message>) {
    let now: Now = Arc::new(move || Timestamp::now() + SignedDuration::from_secs(ahead));
    let dispatcher = Dispatcher::new(routes, SignedDuration::from_secs(90), now).unwrap();
    let mut waiting = 0;
    // One after the other, so that the provider's state at each is known.
    for number in 0..people {
        let job = SmsJob { messages: vec![message_id(number)] };
        let done = sms_dispatch::dispatch(store, &dispatcher, job, noon()).await.unwrap();
        assert!(done.failed.is_none(), "{done:?}");
        waiting += done.later.len() as u64;
    }
    let held: BTreeMap<_, _> = texts(store, 0..people).await.unwrap();
    (waiting, (0..people).map(|number| held[&message_id(number)].clone()).collect())
}

#[tokio::test]
async fn a_provider_that_is_down_is_passed_over_by_what_it_certainly_has_not() {
    let store = store_at(&DynamoDb::default().listen().await.unwrap());
    release(&store).await.unwrap();
    write(&store, 0..12, |_| false).await.unwrap();
    let (first, second) =
        (sandbox(None, 1_000_000).await.unwrap(), serve(NhsSandbox::new(None).router()).await.unwrap());
    set(&first, &[failure(Mode::Status500, 1.0, None)]).await.unwrap();
    let deadline = Duration::from_secs(5);
    let routes = || vec![govuk(&first, deadline), nhs(&second, deadline)];
    let (waiting, held) = work(&store, routes(), 12, 0).await;
    assert_eq!(waiting, 5, "after five failures in a row the other provider is taken");
    let gone = held.iter().filter(|text| text.provider.as_deref() == Some("nhs-notify")).count();
    assert_eq!(gone, 7, "{held:?}");
    let (_, held) = work(&store, std::iter::once(nhs(&second, deadline)).chain(routes()).collect(), 12, 0).await;
    assert!(held.iter().all(|text| text.state == MessageState::Sent), "{held:?}");
    assert_eq!(accepted(&first).await.unwrap().len(), 0);
    let second = accepted(&second).await.unwrap();
    assert_eq!((second.len(), second.values().map(|(count, _)| count).sum::<u64>()), (12, 12));
}

#[tokio::test]
async fn what_may_have_been_accepted_stays_with_its_provider() {
    let store = store_at(&DynamoDb::default().listen().await.unwrap());
    release(&store).await.unwrap();
    write(&store, 0..8, |_| false).await.unwrap();
    let (first, second) =
        (sandbox(None, 1_000_000).await.unwrap(), serve(NhsSandbox::new(None).router()).await.unwrap());
    // The sandbox has all eight, and nobody was told.
    set(&first, &[failure(Mode::TimeoutAfterAccept, 1.0, None)]).await.unwrap();
    let deadline = Duration::from_secs(1);
    let (_, held) = work(&store, vec![govuk(&first, deadline), nhs(&second, deadline)], 5, 0).await;
    assert!(held.iter().all(|text| text.state == MessageState::Sending), "{held:?}");
    // Long after; the provider that may have them is passed over, but they are asked about there, and nowhere else.
    let (_, held) = work(&store, vec![nhs(&second, deadline), govuk(&first, deadline)], 8, 100).await;
    for (number, text) in held.iter().enumerate() {
        let of = if number < 5 { "notify" } else { "nhs-notify" };
        assert_eq!(text.provider.as_deref(), Some(of), "{number}");
        assert!(matches!(text.state, MessageState::Sent | MessageState::Delivered), "{text:?}");
    }
    assert_eq!(accepted(&first).await.unwrap().len(), 5);
    assert_eq!(accepted(&second).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_of_nhs_notify_settle_texts_in_any_order() {
    let store = store_at(&DynamoDb::default().listen().await.unwrap());
    release(&store).await.unwrap();
    write(&store, 0..3, |_| false).await.unwrap();
    let base = serve(NhsSandbox::new(None).router()).await.unwrap();
    let deadline = Duration::from_secs(5);
    let routes = vec![nhs(&base, deadline), govuk("http://127.0.0.1:1", deadline)];
    let (_, held) = work(&store, routes, 3, 0).await;
    assert!(held.iter().all(|text| text.state == MessageState::Sent), "{held:?}");
    let callback = NhsCallback { url: String::new(), application: "application".into(), api_key: "agreed".into() };
    let (rules, token) = (RulesCache::default(), CallbackToken::new("other".to_owned()));
    let secret = CallbackSecret::new("application", "agreed".to_owned());
    let desk = Desk { store: &store, rules: &rules, token: &token, nhs_notify: Some(&secret) };
    let post = async |number: u64, status: &str, sign: bool| {
        let body = json!({"data": [{"type": "MessageStatus", "attributes": {
            "messageId": "0ujsszwN8NRY24YaXiTIE2VWDTS", "messageReference": message_id(number), "messageStatus": status,
        }}]})
        .to_string();
        let signature = if sign { callback.signature(body.as_bytes()) } else { "00".repeat(32) };
        let event = json!({
            "httpMethod": "POST", "path": "/receipts/nhs-notify", "multiValueHeaders": {}, "requestContext": {"identity": {}, "httpMethod": "POST"},
            "headers": {"x-api-key": "agreed", "x-hmac-sha256-signature": signature}, "body": body, "isBase64Encoded": false,
        });
        let answer: Value = receipt_ingest::handle(&desk, event, DAY).await.unwrap();
        answer["statusCode"].as_u64().unwrap()
    };
    assert_eq!(post(0, "delivered", false).await, 403);
    for (number, order) in [
        (0, ["delivered", "sending", "delivered"]),
        (1, ["sending", "failed", "failed"]),
        (2, ["failed", "delivered", "failed"]),
    ] {
        for status in order {
            assert_eq!(post(number, status, true).await, 202, "{number} {status}");
        }
    }
    let held = texts(&store, 0..3).await.unwrap();
    let states: Vec<MessageState> = (0..3).map(|number| held[&message_id(number)].state).collect();
    assert_eq!(states, [MessageState::Delivered, MessageState::Failed, MessageState::Delivered]);
}
