//! The Notify client against the sandbox: what a sender may conclude from each way in which a call can end.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use ims_contact::notify::{NotifyClient, ProviderStatus, SendError};
use ims_contact::phone::UkMobile;
use ims_domain::MessageId;
use ims_testkit::notify::{Config, Sandbox};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

const KEY: &str = "test-26785a09-ab16-4eb0-8407-a37497a57506-3d844edf-8d35-48ac-975b-e847b4f122b0";

struct World {
    url: String,
    client: NotifyClient,
}

impl World {
    async fn new() -> Self {
        Self::with(Config::new(KEY.parse().unwrap()), Duration::from_secs(15)).await
    }

    async fn with(config: Config, deadline: Duration) -> Self {
        let url = Sandbox::new(config).unwrap().serve_in_background().await.unwrap();
        let client = NotifyClient::new(&url, KEY.parse().unwrap(), deadline).unwrap();
        Self { url, client }
    }

    async fn fail(&self, failure: Value) {
        let response =
            reqwest::Client::new().post(format!("{}/_failures", self.url)).json(&failure).send().await.unwrap();
        assert_eq!(response.status(), 204);
    }

    async fn clear(&self) {
        reqwest::Client::new().delete(format!("{}/_failures", self.url)).send().await.unwrap();
    }

    async fn sent(&self) -> usize {
        let sent: Vec<Value> = reqwest::get(format!("{}/_sent", self.url)).await.unwrap().json().await.unwrap();
        sent.len()
    }

    async fn send(&self, now: Timestamp) -> Result<String, SendError> {
        let body = BTreeMap::from([("body".to_owned(), "Hello".to_owned())]);
        let to = UkMobile::parse("07700 900123").unwrap();
        self.client.send_sms(&to, Uuid::nil(), &reference(), &body, now).await.map(|accepted| accepted.id)
    }
}

fn reference() -> MessageId {
    "5d0b1f0e-2f6a-5c11-9a1e-1b6e2f6a9c11".parse().unwrap()
}

#[tokio::test]
async fn an_accepted_message_is_found_by_its_reference() {
    let world = World::new().await;
    let now = Timestamp::now();
    assert_eq!(world.client.find_by_reference(&reference(), now).await, Ok(None));
    let id = world.send(now).await.unwrap();
    let found = world.client.find_by_reference(&reference(), now).await.unwrap().unwrap();
    assert_eq!((found.id.to_string(), found.reference), (id, Some(reference().to_string())));
    assert!(matches!(found.status, ProviderStatus::Created | ProviderStatus::Delivered));
}

#[tokio::test]
async fn what_notify_did_not_accept_may_be_tried_again() {
    let world = World::new().await;
    for (mode, expected) in [("status_500", 500), ("status_429", 429)] {
        world.fail(json!({"mode": mode})).await;
        let error = world.send(Timestamp::now()).await.unwrap_err();
        assert!(matches!(error, SendError::Retryable { status: Some(status), .. } if status == expected), "{error}");
        world.clear().await;
    }
    assert_eq!(world.sent().await, 0);
    world.send(Timestamp::now()).await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_is_unknown_whether_or_not_the_message_went() {
    let world = World::with(Config::new(KEY.parse().unwrap()), Duration::from_millis(300)).await;
    for (mode, accepted) in [("timeout_before_accept", false), ("timeout_after_accept", true)] {
        world.fail(json!({"mode": mode})).await;
        let error = world.send(Timestamp::now()).await.unwrap_err();
        assert!(matches!(error, SendError::Unknown { .. }), "{error}");
        let found = world.client.find_by_reference(&reference(), Timestamp::now()).await.unwrap();
        assert_eq!(found.is_some(), accepted, "{mode}");
    }
    assert_eq!(world.sent().await, 1, "the client never repeats a request by itself");
}

#[tokio::test]
async fn no_connection_means_that_nothing_left() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = NotifyClient::new(&format!("http://{free}"), KEY.parse().unwrap(), Duration::from_secs(15)).unwrap();
    let to = UkMobile::parse("07700900123").unwrap();
    let error = client.send_sms(&to, Uuid::nil(), &reference(), &BTreeMap::new(), Timestamp::now()).await.unwrap_err();
    assert!(matches!(error, SendError::Retryable { status: None, .. }), "{error}");
    assert!(!error.to_string().contains("900123"));
}

#[tokio::test]
async fn a_message_that_is_wrong_is_refused_for_good() {
    let world = World::new().await;
    let to = UkMobile::parse("07700900123").unwrap();
    let error =
        world.client.send_sms(&to, Uuid::nil(), &reference(), &BTreeMap::new(), Timestamp::now()).await.unwrap_err();
    assert_eq!(
        error,
        SendError::Refused { status: 400, message: "BadRequestError: Missing personalisation: body".into() }
    );
}

#[tokio::test]
async fn a_wrong_clock_fails_no_message() {
    let world = World::new().await;
    let late = Timestamp::now() - jiff::SignedDuration::from_secs(60);
    let error = world.send(late).await.unwrap_err();
    assert!(matches!(error, SendError::Retryable { status: Some(403), .. }), "{error}");
}

#[tokio::test]
async fn a_request_still_in_the_network_arrives_after_its_sender_gave_up() {
    let world = World::with(Config::new(KEY.parse().unwrap()), Duration::from_millis(100)).await;
    world.fail(json!({"mode": "late_accept", "delay_ms": 200})).await;
    assert!(matches!(world.send(Timestamp::now()).await, Err(SendError::Unknown { .. })));
    while world.sent().await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(world.client.find_by_reference(&reference(), Timestamp::now()).await.unwrap().is_some());
}
