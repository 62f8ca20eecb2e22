//! One text a person and nobody missed, while processes die, messages come twice and Notify fails.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ims_domain::{
    MessageId,
    contact::{Channel, Reason},
    invitation::{Invitation, InvitationState, Message, MessageState},
};
use ims_messaging::{ClaimJob, IssueJob, SmsJob};
use ims_store::FeedFileState;
use ims_testkit::population::nhs_number;
use ims_tests::{
    Stack,
    draw::Draw,
    rows::{demographics, demographics_file},
    stack,
};
use serde_json::{Value, json};
use xtask::workers::{kill, workers};

/// People who are selected.
const PEOPLE: u64 = 160;
/// Of them, those who have died by the time the wave is released.
const DEAD: u64 = 8;
/// How long processes are killed.
const UNREST: Duration = Duration::from_secs(20);
/// How long the service has to come to rest after that.
const PATIENCE: Duration = Duration::from_secs(300);
/// Kinds of jobs on the way to a text.
const FUNCTIONS: [&str; 2] = ["sms-dispatch", "invitation-issue"];

fn people(serial: u64, dead: u64) -> Vec<u8> {
    let rows: Vec<Vec<String>> = (0..if dead > 0 { dead } else { PEOPLE })
        .map(|i| {
            let (number, mobile, serial) = (nhs_number(i), format!("07700900{:03}", 300 + i), serial.to_string());
            let mut changes =
                vec![("NHS_NUMBER", number.as_str()), ("MOBILE_NUMBER", &mobile), ("SERIAL_CHANGE_NUMBER", &serial)];
            if dead > 0 {
                changes.extend([("RECORD_TYPE", "AMENDED"), ("DATE_OF_DEATH", "20251005"), ("DEATH_STATUS", "2")]);
            }
            demographics(&changes)
        })
        .collect();
    demographics_file(&rows)
}

async fn drop_people(stack: &Stack, place: u64, body: Vec<u8>) {
    let file = stack.drop_file(&format!("Demographics_v1_X26_{}.csv", stack.stamp(place)), body).await.unwrap();
    assert_eq!((file.state, file.rejected), (FeedFileState::Processed, 0), "{file:?}");
}

/// Defines a flu campaign of this run alone, and selects its wave; its name, and how many were selected.
async fn select(stack: &Stack) -> (String, u64) {
    let (campaign, rules, plan) = stack.campaign("faults").unwrap();
    let planning = async |request: Value| stack.running.invoke("wave-planning", &request).await.unwrap();
    stack.running.invoke("snapshot-export", &json!({"action": "merge", "settle": true})).await.unwrap();
    planning(json!({"action": "define", "rules": rules, "plan": plan})).await;
    planning(json!({"action": "plan", "campaign": campaign, "wave": "w1"})).await;
    let begun = Instant::now();
    loop {
        let status = planning(json!({"action": "status", "campaign": campaign, "wave": "w1"})).await;
        if status["wave"]["state"] == "selected" {
            return (campaign, status["wave"]["candidates"].as_u64().unwrap());
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{status}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn messages(stack: &Stack, campaign: &str) -> Vec<Message> {
    let mut messages: Vec<Message> = stack.items("message", "M#", "MESSAGE").await.unwrap();
    messages.retain(|message| message.campaign == campaign);
    messages.sort_by_key(|message| message.id);
    messages
}

/// Sends every job on the way to a text once more, in another order and in other blocks.
async fn send_all_again(stack: &Stack, campaign: &str, draw: &mut Draw) {
    let mut claims = stack.running.keys("work").await.unwrap();
    claims.retain(|key| key.starts_with(&format!("waves/{campaign}/w1/claims/")));
    for object in claims {
        let job = IssueJob::Claim(ClaimJob { campaign: campaign.to_owned(), wave: "w1".to_owned(), object });
        stack.send("invitation-issue", &job).await.unwrap();
    }
    let mut ids: Vec<MessageId> = messages(stack, campaign).await.iter().map(|message| message.id).collect();
    draw.shuffle(&mut ids);
    for block in ids.chunks(13) {
        stack.send("sms-dispatch", &SmsJob { messages: block.to_vec() }).await.unwrap();
    }
}

/// Kills a function process every 300 ms or so until told to stop; how many.
async fn unrest(stack: &Stack, mut draw: Draw, stop: Arc<AtomicBool>) -> usize {
    let names: Vec<&String> = FUNCTIONS.iter().map(|name| &stack.running.endpoints.functions[*name]).collect();
    let mut killed = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut victims = workers(&stack.dir);
        victims.retain(|worker| worker.function.is_empty() || names.contains(&&worker.function));
        if !victims.is_empty() && kill(&victims[draw.below(victims.len())]) {
            killed += 1;
        }
        tokio::time::sleep(Duration::from_millis(200 + draw.below(200) as u64)).await;
    }
    killed
}

/// Brings every text to an end: what was given up goes back to its queue, and what is still open is queued again.
async fn come_to_rest(stack: &Stack, campaign: &str) {
    let begun = Instant::now();
    loop {
        stack.running.quiet().await.unwrap();
        let mut again = 0;
        for queue in FUNCTIONS {
            again += stack.redrive(queue).await.unwrap();
        }
        let open = messages(stack, campaign)
            .await
            .iter()
            .filter(|message| matches!(message.state, MessageState::Queued | MessageState::Sending))
            .count();
        if again == 0 && open == 0 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{open} texts of {campaign} are still open, {again} jobs were given up");
        if again == 0 {
            stack.running.invoke("snapshot-export", &json!({"action": "merge", "settle": true})).await.unwrap();
            let answer = stack.running.invoke("sms-dispatch", &json!({"action": "reconcile"})).await.unwrap();
            eprintln!("{open} texts open, {} queued again", answer["requeued"]);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Waits until Notify has told what became of every text.
async fn receipts(stack: &Stack) {
    let begun = Instant::now();
    loop {
        let health = stack.notify("_health", None).await.unwrap();
        if health["receipts"]["waiting"] == 0 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(90), "{health}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_text_a_person_and_nobody_missed_whatever_fails() {
    let Some(stack) = stack().await.unwrap() else { return };
    let seed = std::env::var("IMS_FAULT_SEED").map_or(stack.run, |seed| seed.parse().unwrap());
    // Captured by the test harness: shown where the test fails.
    eprintln!("IMS_FAULT_SEED={seed}");
    let mut draw = Draw::new(seed);
    stack.notify("_reset", Some(&Value::Null)).await.unwrap();
    drop_people(&stack, 1_000, people(2 * stack.run, 0)).await;
    stack.running.drain().await.unwrap();
    let (campaign, selected) = select(&stack).await;
    assert!(selected >= PEOPLE, "{selected} selected");
    drop_people(&stack, 1_001, people(2 * stack.run + 1, DEAD)).await;

    let failures = json!([
        {"mode": "timeout_after_accept", "share": 0.15, "seed": seed, "attempts": 1},
        {"mode": "status_500", "share": 0.10, "seed": seed ^ 1, "attempts": 2},
        {"mode": "status_429", "share": 0.10, "seed": seed ^ 2, "attempts": 2},
        // Longer in the network than its token is good for.
        {"mode": "late_accept", "share": 0.10, "seed": seed ^ 3, "attempts": 1, "delay_ms": 6_000},
        {"mode": "timeout_before_accept", "share": 0.05, "seed": seed ^ 4, "attempts": 1},
        {"mode": "slow", "share": 0.20, "seed": seed ^ 5, "delay_ms": 700},
        {"mode": "status_500", "share": 0.20, "seed": seed ^ 6, "attempts": 1, "on": "find"},
    ]);
    stack.notify("_failures", Some(&failures)).await.unwrap();
    let stack = Arc::new(stack);
    let stop = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn({
        let (stack, stop, draw) = (Arc::clone(&stack), Arc::clone(&stop), Draw::new(seed ^ 7));
        async move { unrest(&stack, draw, stop).await }
    });
    stack.deliver_twice(true).await.unwrap();
    let begun = Instant::now();
    stack.running.release(&campaign, "w1").await.unwrap();
    while begun.elapsed() < UNREST {
        tokio::time::sleep(Duration::from_secs(3)).await;
        send_all_again(&stack, &campaign, &mut draw).await;
    }
    stop.store(true, Ordering::Relaxed);
    let killed = killer.await.unwrap();
    let left = stack.running.sent().await.unwrap().len();
    eprintln!("{killed} processes killed while {left} texts left");
    assert!(killed >= 5, "{killed} processes were killed");
    come_to_rest(&stack, &campaign).await;
    // And once more everything, when all is done.
    send_all_again(&stack, &campaign, &mut draw).await;
    come_to_rest(&stack, &campaign).await;
    receipts(&stack).await;
    stack.deliver_twice(false).await.unwrap();

    let mut accepted: BTreeMap<String, usize> = BTreeMap::new();
    for sent in stack.running.sent().await.unwrap() {
        *accepted.entry(sent["reference"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    let twice: Vec<_> = accepted.iter().filter(|(_, count)| **count != 1).collect();
    assert!(twice.is_empty(), "seed {seed}: sent more than once: {twice:?}");

    let mut invitations: Vec<Invitation> = stack.items("invitation", "P#", &format!("C#{campaign}#")).await.unwrap();
    invitations.retain(|invitation| invitation.campaign == campaign);
    assert_eq!(invitations.len() as u64, selected, "seed {seed}: everyone who was selected was decided on");
    let (suppressed, open): (Vec<&Invitation>, Vec<&Invitation>) =
        invitations.iter().partition(|invitation| invitation.state == InvitationState::Suppressed);
    assert!(open.iter().all(|invitation| invitation.state == InvitationState::Open));
    let dead = suppressed.iter().filter(|invitation| invitation.reason == Some(Reason::Dead)).count();
    assert_eq!(dead as u64, DEAD, "seed {seed}: {suppressed:?}");
    assert!(suppressed.iter().all(|invitation| invitation.messages.is_empty()), "seed {seed}: {suppressed:?}");

    let messages = messages(&stack, &campaign).await;
    let texts: BTreeSet<String> = messages
        .iter()
        .filter(|message| message.channel == Channel::Sms)
        .map(|message| message.id.to_string())
        .collect();
    let invited: BTreeSet<String> =
        open.iter().flat_map(|invitation| &invitation.messages).map(ToString::to_string).collect();
    assert_eq!(invited.len(), open.len(), "seed {seed}: one message an invitation");
    assert_eq!(invited, messages.iter().map(|message| message.id.to_string()).collect(), "seed {seed}");
    assert_eq!(texts, accepted.into_keys().collect(), "seed {seed}: those whom Notify has, and those invited by text");
    assert!(texts.len() as u64 >= PEOPLE - DEAD, "seed {seed}: {} texts", texts.len());
    for message in messages.iter().filter(|message| message.channel == Channel::Sms) {
        let settled = matches!(message.state, MessageState::Sent | MessageState::Delivered);
        assert!(settled, "seed {seed}: {message:?}");
    }
}
