//! Our texts held against the provider's list.

use std::sync::Arc;
use std::time::Duration;

use ims_contact::notify::NotifyClient;
use ims_contact::phone::UkMobile;
use ims_contact::provider::{Text, TextProvider};
use ims_domain::MessageId;
use ims_domain::contact::Channel;
use ims_domain::invitation::{Message, MessageState};
use ims_testkit::dynamodb::DynamoDb;
use jiff::{SignedDuration, Timestamp};
use sms_dispatch::compare::Difference;
use sms_dispatch::{Dispatcher, Now};
use uuid::Uuid;

use super::faults::{sandbox, settled};
use super::providers::govuk;
use super::{API_KEY, CAMPAIGN, message_id, person_id, release, texts, write};
use crate::memory::store_at;
use crate::stack::DAY;

#[tokio::test]
async fn what_differs_is_repaired_where_that_is_safe_and_listed_for_a_person_where_not() {
    let store = store_at(&DynamoDb::default().listen().await.unwrap());
    release(&store).await.unwrap();
    write(&store, 0..8, |_| false).await.unwrap();
    let notify = sandbox(None, 1_000_000).await.unwrap();
    let client = NotifyClient::new(&notify, API_KEY.parse().unwrap(), Duration::from_secs(5)).unwrap();
    let nobodys = MessageId(Uuid::from_u128(7));
    let has = async |reference: MessageId, to: &str| {
        let to = UkMobile::parse(to).unwrap();
        let text = Text { reference, to, nhs_number: None, template: Uuid::nil(), body: "Hello".into() };
        client.send(&text, Timestamp::now()).await.unwrap();
    };
    let delivered = "07700900123";
    let states = [
        (0, MessageState::Sent, Some(delivered)),
        (1, MessageState::Sent, Some("07700900002")),
        (2, MessageState::Unknown, Some(delivered)),
        (3, MessageState::Queued, Some(delivered)),
        (4, MessageState::Withdrawn, Some(delivered)),
        (5, MessageState::Delivered, Some(delivered)),
        (6, MessageState::Queued, None),
    ];
    for (number, state, to) in states {
        let held = store.message(message_id(number)).await.unwrap().unwrap();
        let moved = Message { state, version: 2, ..held };
        store.transaction().move_message(&moved, 1).unwrap().commit().await.unwrap();
        if let Some(to) = to {
            has(message_id(number), to).await;
        }
    }
    has(message_id(5), delivered).await;
    has(nobodys, delivered).await;
    settled(&notify).await.unwrap();
    let now: Now = Arc::new(|| Timestamp::now() + SignedDuration::from_mins(10));
    let routes = vec![govuk(&notify, Duration::from_secs(5))];
    let dispatcher = Dispatcher::new(routes, SignedDuration::from_secs(90), now).unwrap();

    let found = sms_dispatch::compare_all(&store, &dispatcher, DAY).await.unwrap();
    let of = |difference| {
        let mut references = found.differences.get(&difference).cloned().unwrap_or_default();
        references.sort();
        references
    };
    let named = |ids: &[MessageId]| {
        let mut names: Vec<String> = ids.iter().map(ToString::to_string).collect();
        names.sort();
        names
    };
    let id = message_id;
    assert_eq!(of(Difference::ReceiptMissed), named(&[id(0), id(1)]), "{found:?}");
    assert_eq!(of(Difference::LeftUnnoticed), named(&[id(2), id(3)]));
    assert_eq!(of(Difference::LeftThoughWithdrawn), named(&[id(4)]));
    assert_eq!(of(Difference::Twice), named(&[id(5)]));
    assert_eq!(of(Difference::NotOurs), named(&[nobodys]));
    assert_eq!((found.listed, found.alarming()), (8, 3));
    let held = texts(&store, 0..7).await.unwrap();
    let states: Vec<MessageState> = (0..7).map(|number| held[&id(number)].state).collect();
    use MessageState::{Delivered, Failed, Queued, Withdrawn};
    assert_eq!(states, [Delivered, Failed, Delivered, Delivered, Withdrawn, Delivered, Queued]);
    let letter = MessageId::of(person_id(1), CAMPAIGN, 1, "invite", Channel::Letter.name());
    assert!(store.message(letter).await.unwrap().is_none(), "there is no address to write to");

    // Again: what was repaired is as it should be, what only a person can set right still differs.
    let again = sms_dispatch::compare_all(&store, &dispatcher, DAY).await.unwrap();
    assert_eq!((again.differences.len(), again.alarming()), (3, 3), "{again:?}");
}
