//! `sms-dispatch` is ended at each of its requests, on both sides of each, while Notify fails in each way: never a second
//! text, and none is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ims_domain::invitation::MessageState;
use ims_messaging::SmsJob;
use ims_testkit::dynamodb::{DynamoDb, serve};
use ims_testkit::fuse::Fuse;
use ims_testkit::notify::{Config, Failure, Mode, NhsSandbox, On, Sandbox};
use jiff::{SignedDuration, Timestamp};
use sms_dispatch::{Dispatcher, Now};

use super::faults::{Setting, TOKEN, campaign, receipts, sandbox, set};
use super::providers::{govuk, nhs};
use super::{API_KEY, accepted, message_id, noon, release, texts, write};
use crate::memory::store_at;

const FENCE: SignedDuration = SignedDuration::from_secs(9);
/// Nobody answers there.
const NOWHERE: &str = "http://127.0.0.1:1";
/// More requests than the work makes.
const MOST: u64 = 200;

/// What Notify does to the first request to send.
const MODES: [Option<Mode>; 5] = [
    None,
    Some(Mode::TimeoutAfterAccept),
    Some(Mode::TimeoutBeforeAccept),
    Some(Mode::Status500),
    Some(Mode::Status429),
];

/// Ends the work on two texts, of which one is to somebody who has died, at a request; works on them again until they are
/// settled. Whether the work got as far as that request.
async fn ended_at(request: u64, after: bool, mode: Option<Mode>, by_nhs_notify: bool) -> bool {
    let side = if after { "carried out" } else { "not carried out" };
    let case = format!("request {request}, {side}, {mode:?}, NHS Notify: {by_nhs_notify}");
    let fuse = Fuse::new(request, after);
    let database = DynamoDb::default();
    // The work reaches both services through the fuse; what looks at them later does not.
    let guarded = store_at(&serve(fuse.guard(database.router())).await.unwrap());
    let store = store_at(&database.listen().await.unwrap());
    // The clock of the test runs ahead of the sandbox's.
    let config = Config { token_window_seconds: 1_000_000, ..Config::new(API_KEY.parse().unwrap()) };
    let sandbox = match by_nhs_notify {
        true => NhsSandbox::new(None).router(),
        false => Sandbox::new(config).unwrap().router(),
    };
    let open = serve(sandbox.clone()).await.unwrap();
    let notify = serve(fuse.guard(sandbox)).await.unwrap();
    if let Some(mode) = mode {
        let delay_ms = Some(60_000);
        set(&open, &[Failure { mode, on: On::Send, share: 1.0, seed: 1, delay_ms, attempts: Some(1) }]).await.unwrap();
    }
    release(&store).await.unwrap();
    write(&store, 0..2, |number| number == 1).await.unwrap();

    let ahead = Arc::new(AtomicI64::new(0));
    let now: Now = {
        let ahead = Arc::clone(&ahead);
        Arc::new(move || Timestamp::now() + SignedDuration::from_secs(ahead.load(Ordering::SeqCst)))
    };
    let process = || {
        let deadline = Duration::from_millis(300);
        let route = if by_nhs_notify { nhs(&notify, deadline) } else { govuk(&notify, deadline) };
        // Another provider that is never needed.
        let other = if by_nhs_notify { govuk(NOWHERE, deadline) } else { nhs(NOWHERE, deadline) };
        Dispatcher::new(vec![route, other], FENCE, now.clone()).unwrap()
    };
    let job = || SmsJob { messages: vec![message_id(0), message_id(1)] };
    let first = process();
    let ran = fuse.run(sms_dispatch::dispatch(&guarded, &first, job(), noon())).await;
    for _ in 0..8 {
        // SQS gives the job out again, long after.
        ahead.fetch_add(100, Ordering::SeqCst);
        let done = sms_dispatch::dispatch(&guarded, &process(), job(), noon()).await.unwrap();
        assert!(done.failed.is_none(), "{case}: {:?}", done.failed);
        if done.later.is_empty() {
            break;
        }
    }
    let held = texts(&store, 0..2).await.unwrap();
    // Notify says that it arrived where it had to be asked.
    let left = [MessageState::Sent, MessageState::Delivered].contains(&held[&message_id(0)].state);
    assert!(left, "{case}: {held:?}");
    assert_eq!(held[&message_id(1)].state, MessageState::Withdrawn, "{case}: {held:?}");
    let accepted = accepted(&open).await.unwrap();
    let counts: Vec<(&str, u64)> = accepted.iter().map(|(id, (count, _))| (id.as_str(), *count)).collect();
    assert_eq!(counts, [(message_id(0).to_string().as_str(), 1)], "{case}");
    ran.is_none()
}

/// Walks through all requests of the work: before each, and, where Notify does not fail, after each too. What is left behind
/// after one request is what is left before the next.
async fn walk(modes: &[Option<Mode>], by_nhs_notify: bool) {
    let sides = modes.iter().map(|mode| (*mode, false)).chain([(None, true)]);
    for (mode, after) in sides {
        let mut request = 1;
        while ended_at(request, after, mode, by_nhs_notify).await {
            request += 1;
            assert!(request < MOST, "the work does not end");
        }
        // Two texts are read and decided on; one is claimed, sent and concluded, one withdrawn.
        assert!(request > 12, "only {request} requests were walked through");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_leaves_once_wherever_its_sender_is_killed() {
    walk(&MODES, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_leaves_once_through_the_second_provider_too() {
    walk(&[None, Some(Mode::TimeoutAfterAccept)], true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_three_times_more_after_the_campaign_changes_nothing() {
    let database = DynamoDb::default();
    let database = database.listen().await.unwrap();
    let notify = sandbox(Some(receipts(store_at(&database)).await.unwrap()), TOKEN).await.unwrap();
    let failure = |mode, on, seed| Failure { mode, on, share: 0.2, seed, delay_ms: Some(1_200), attempts: Some(1) };
    let failures = [
        failure(Mode::TimeoutAfterAccept, On::Send, 1),
        failure(Mode::LateAccept, On::Send, 2),
        failure(Mode::Status500, On::Find, 3),
        failure(Mode::Thrice, On::Receipt, 4),
        failure(Mode::Overtaken, On::Receipt, 5),
        failure(Mode::Slow, On::Receipt, 6),
    ];
    set(&notify, &failures).await.unwrap();
    let setting = Setting { database, notify, people: 200, deaths: 20 };
    // It compares before and after itself.
    let reconciled = campaign(&setting).await.unwrap();
    assert_eq!((reconciled.duplicates.len(), reconciled.lost.len()), (0, 0), "{reconciled:?}");
    let withdrawn = reconciled.states.get(&("withdrawn", "never heard of".to_owned()));
    assert_eq!(withdrawn, Some(&20), "{reconciled:?}");
}
