//! A wave that is stopped in mid-release: nothing leaves afterwards, and when it goes on everybody is written to once; while
//! processes die and every job comes twice. And: two people cannot be got round through console and command line.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ims_domain::MessageId;
use ims_domain::contact::Channel;
use ims_domain::invitation::{Invitation, InvitationState, Message, MessageState};
use ims_store::FeedFileState;
use ims_testkit::population::nhs_number;
use ims_tests::{
    Stack,
    draw::Draw,
    rows::{demographics, demographics_file},
    stack,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use xtask::demo::running::token_of;
use xtask::workers::{kill, workers};

/// First of the people of these tests: none of another test's.
const PEOPLE: u64 = 500_000;
/// How long after a stop a text may still arrive that was on its way.
const GRACE: SignedDuration = SignedDuration::from_secs(5);
/// How long is watched that nothing arrives: longer than the fence after which a text that was claimed is looked at again.
const WATCHED: Duration = Duration::from_secs(20);
/// How long the service has to come to rest.
const PATIENCE: Duration = Duration::from_secs(600);

/// How many people the wave has: `IMS_STOP_PEOPLE`, 1,000 by default.
fn people() -> u64 {
    std::env::var("IMS_STOP_PEOPLE").map_or(1_000, |people| people.parse().expect("a number in IMS_STOP_PEOPLE"))
}

/// People too young for the campaigns of other tests.
fn file(stack: &Stack, from: u64, to: u64) -> Vec<u8> {
    let serial = (8 * stack.run).to_string();
    let row = |place: u64| {
        let (number, mobile) = (nhs_number(PEOPLE + place), format!("07700900{:03}", 100 + place % 800));
        let changes = [
            ("NHS_NUMBER", number.as_str()),
            ("MOBILE_NUMBER", &mobile),
            ("SERIAL_CHANGE_NUMBER", &serial),
            ("DATE_OF_BIRTH", "19950115"),
        ];
        demographics(&changes)
    };
    demographics_file(&(from..to).map(row).collect::<Vec<_>>())
}

async fn planning(stack: &Stack, request: Value) -> Value {
    stack.running.invoke("wave-planning", &request).await.unwrap()
}

/// A campaign for younger people too, with its wave selected; its name, and how many were selected.
async fn select(stack: &Stack, name: &str) -> (String, u64) {
    let (campaign, rules, plan) = stack.campaign(name).unwrap();
    let text = rules.to_string().replace("19610331", "20050331");
    assert_ne!(text, rules.to_string());
    let rules: Value = serde_json::from_str(&text).unwrap();
    stack.running.invoke("snapshot-export", &json!({"action": "merge", "settle": true})).await.unwrap();
    planning(stack, json!({"action": "define", "rules": rules, "plan": plan})).await;
    planning(stack, json!({"action": "plan", "campaign": campaign, "wave": "w1"})).await;
    let begun = Instant::now();
    loop {
        let status = planning(stack, json!({"action": "status", "campaign": campaign, "wave": "w1"})).await;
        if status["wave"]["state"] == "selected" {
            return (campaign, status["wave"]["candidates"].as_u64().unwrap());
        }
        assert!(begun.elapsed() < PATIENCE, "{status}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What Notify accepted, by reference: when, each time.
async fn accepted(stack: &Stack) -> BTreeMap<String, Vec<Timestamp>> {
    let mut found: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
    for sent in stack.running.sent().await.unwrap() {
        let at = sent["at"].as_str().unwrap().parse().unwrap();
        found.entry(sent["reference"].as_str().unwrap().to_owned()).or_default().push(at);
    }
    found
}

/// Brings every text to an end, whatever was given up meanwhile.
async fn come_to_rest(stack: &Stack, campaign: &str) -> Vec<Message> {
    let begun = Instant::now();
    loop {
        stack.running.quiet().await.unwrap();
        let mut again = 0;
        for queue in ["invitation-issue", "sms-dispatch"] {
            again += stack.redrive(queue).await.unwrap();
        }
        let mut messages: Vec<Message> = stack.items("message", "M#", "MESSAGE").await.unwrap();
        messages.retain(|message| message.campaign == campaign && message.channel == Channel::Sms);
        let open = messages
            .iter()
            .filter(|message| matches!(message.state, MessageState::Queued | MessageState::Sending))
            .count();
        if again == 0 && open == 0 {
            return messages;
        }
        assert!(begun.elapsed() < PATIENCE, "{open} texts are open, {again} jobs were given up");
        if again == 0 {
            stack.running.invoke("snapshot-export", &json!({"action": "merge", "settle": true})).await.unwrap();
            stack.running.invoke("sms-dispatch", &json!({"action": "reconcile"})).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_after_a_stop_and_everybody_is_written_to_once_when_it_goes_on() {
    let Some(stack) = stack().await.unwrap() else { return };
    stack.notify("_reset", Some(&Value::Null)).await.unwrap();
    let mut draw = Draw::new(stack.run);
    let (all, most) = (people(), 5_000);
    for (place, from) in (0..all).step_by(usize::try_from(most).unwrap()).enumerate() {
        let name = format!("Demographics_v1_X26_{}.csv", stack.stamp(1_100 + place as u64));
        let file = stack.drop_file(&name, file(&stack, from, all.min(from + most))).await.unwrap();
        assert_eq!((file.state, file.rejected), (FeedFileState::Processed, 0), "{file:?}");
    }
    stack.running.drain().await.unwrap();
    let (campaign, selected) = select(&stack, "stops").await;
    assert!(selected >= all, "{selected} selected");

    stack.deliver_twice(true).await.unwrap();
    stack.running.release(&campaign, "w1").await.unwrap();
    let begun = Instant::now();
    let enough = usize::try_from(all / 10).unwrap().max(20);
    while stack.running.sent().await.unwrap().len() < enough {
        assert!(begun.elapsed() < PATIENCE, "the texts do not begin to leave");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let stop = json!({
        "action": "stop", "campaign": campaign, "wave": "w1", "reason": "the link in the text is wrong",
        "token": token_of(&stack.running.endpoints, "Eve Engineer", "engineer").unwrap(),
    });
    planning(&stack, stop).await;
    let stopped = Timestamp::now();
    // Whoever claimed a text just before may die with it.
    let watched = Instant::now();
    let names: Vec<&String> =
        ["sms-dispatch", "invitation-issue"].iter().map(|name| &stack.running.endpoints.functions[*name]).collect();
    let mut killed = 0;
    while watched.elapsed() < WATCHED {
        let mut victims = workers(&stack.dir);
        victims.retain(|worker| names.contains(&&worker.function));
        if watched.elapsed() < WATCHED / 4 && !victims.is_empty() && kill(&victims[draw.below(victims.len())]) {
            killed += 1;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let before = accepted(&stack).await;
    assert!((before.len() as u64) < selected, "the stop came too late to be one in mid-release");
    let last = before.values().flatten().max().copied().unwrap();
    eprintln!(
        "{} of {selected} texts had left; the last {:.1} s after the stop; {killed} processes killed",
        before.len(),
        last.duration_since(stopped).as_secs_f64()
    );
    assert!(last.duration_since(stopped) <= GRACE, "a text arrived {} after the stop", last.duration_since(stopped));

    // It cannot simply go on; agreed to anew it can.
    let resumed = stack.running.govern("demo-reviewer", "resume", &campaign, "w1").await;
    assert!(resumed.unwrap_err().to_string().contains("is stopped"));
    stack.running.release_all(&campaign, "w1").await.unwrap();
    let messages = come_to_rest(&stack, &campaign).await;
    stack.deliver_twice(false).await.unwrap();
    let after = accepted(&stack).await;
    let twice: Vec<_> = after.iter().filter(|(_, times)| times.len() != 1).collect();
    assert!(twice.is_empty(), "sent more than once: {twice:?}");
    let mut invitations: Vec<Invitation> = stack.items("invitation", "P#", &format!("C#{campaign}#")).await.unwrap();
    invitations.retain(|invitation| invitation.campaign == campaign);
    assert_eq!(invitations.len() as u64, selected, "everyone who was selected was decided on");
    let open = invitations.iter().filter(|invitation| invitation.state == InvitationState::Open);
    let invited: BTreeSet<MessageId> = open.flat_map(|invitation| invitation.messages.clone()).collect();
    for message in &messages {
        assert!(
            matches!(message.state, MessageState::Sent | MessageState::Delivered | MessageState::Failed),
            "{message:?}"
        );
        assert!(invited.contains(&message.id), "{message:?}");
    }
    let texts: BTreeSet<String> = messages.iter().map(|message| message.id.to_string()).collect();
    assert_eq!(texts, after.into_keys().collect(), "those whom Notify has, and those invited by text");
    assert!(texts.len() as u64 >= all);
    stack.running.govern("demo-reviewer", "close", &campaign, "w1").await.unwrap();
}
