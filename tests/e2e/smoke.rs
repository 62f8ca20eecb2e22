//! The shortest way through the whole: a file, a wave, a text, a letter, and all of it in the snapshot; and a stack that
//! listens on this computer alone. It says whether an emulator does what the service needs.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
    time::{Duration, Instant},
};

use ims_domain::{
    contact::Channel,
    invitation::{Message, MessageState},
};
use ims_snapshot::{ContactRow, Manifest, Row, read_parquet};
use ims_store::FeedFileState;
use ims_testkit::population::nhs_number;
use ims_tests::{
    Stack,
    rows::{demographics, demographics_file},
    stack,
};
use serde_json::{Value, json};

/// First of the people of this test: none of another test's. The first two have mobile telephones, the third has none.
const PEOPLE: u64 = 17_200;
/// Where they live.
const MSOA: &str = "E02999903";
const PATIENCE: Duration = Duration::from_secs(90);

/// A file of three people, some of whom can be written to by text.
fn file(stack: &Stack) -> Vec<u8> {
    let row = |place: u64| {
        let (number, serial) = (nhs_number(PEOPLE + place), (2 * stack.run).to_string());
        let mobile = if place < 2 { format!("07700900{:03}", 520 + place) } else { String::new() };
        let changes = [
            ("NHS_NUMBER", number.as_str()),
            ("MOBILE_NUMBER", &mobile),
            ("SERIAL_CHANGE_NUMBER", &serial),
            ("MSOA", MSOA),
        ];
        demographics(&changes)
    };
    demographics_file(&(0..3).map(row).collect::<Vec<_>>())
}

/// Messages of a campaign by channel, once all of these people's are on their way out.
async fn messages(stack: &Stack, campaign: &str, wanted: impl Fn(&Message) -> bool) -> Vec<Message> {
    let mut ours = BTreeSet::new();
    for place in 0..3 {
        let number = nhs_number(PEOPLE + place).parse().unwrap();
        ours.insert(stack.running.store.person_by_nhs_number(number).await.unwrap().expect("a person"));
    }
    let begun = Instant::now();
    loop {
        let mut messages: Vec<Message> = stack.items("message", "M#", "MESSAGE").await.unwrap();
        messages.retain(|message| message.campaign == campaign && ours.contains(&message.person));
        if messages.len() == 3 && messages.iter().all(&wanted) {
            return messages;
        }
        assert!(begun.elapsed() < PATIENCE, "the messages get no further: {messages:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// References of a campaign's messages in the current snapshot.
async fn in_snapshot(stack: &Stack, campaign: &str) -> BTreeSet<String> {
    let id = stack.running.manifest().await.unwrap();
    let manifest: Manifest =
        serde_json::from_slice(&stack.running.get("snapshot", &Manifest::key(&id)).await.unwrap()).unwrap();
    let mut found = BTreeSet::new();
    for part in &manifest.datasets[ContactRow::DATASET].parts {
        let rows: Vec<ContactRow> = read_parquet(stack.running.get("snapshot", &part.key).await.unwrap()).unwrap();
        found.extend(
            rows.into_iter().filter(|row| row.campaign == campaign && row.kind == "message").map(|row| row.message_id),
        );
    }
    found
}

/// References in the print batches.
async fn printed(stack: &Stack) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for key in stack
        .running
        .keys("print")
        .await
        .unwrap()
        .iter()
        .filter(|key| key.starts_with("batches/") && key.ends_with(".json"))
    {
        let batch: Value = serde_json::from_slice(&stack.running.get("print", key).await.unwrap()).unwrap();
        let letters = batch["letters"].as_array().expect("letters");
        found.extend(letters.iter().filter_map(|letter| letter["reference"].as_str().map(str::to_owned)));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_becomes_texts_and_a_letter_and_all_is_in_the_snapshot() {
    let Some(stack) = stack().await.unwrap() else { return };
    let invoke = async |function: &str, request: Value| stack.running.invoke(function, &request).await.unwrap();
    stack.notify("_reset", Some(&Value::Null)).await.unwrap();
    let name = format!("Demographics_v1_X26_{}.csv", stack.stamp(52));
    let dropped = stack.drop_file(&name, file(&stack)).await.unwrap();
    assert_eq!((dropped.state, dropped.rejected), (FeedFileState::Processed, 0), "{dropped:?}");
    let acks = stack.acks(&format!("forwardedFile/{}", name.trim_end_matches(".csv")), 2).await.unwrap();
    assert_eq!(acks.len(), 2, "CSV and JSON: {acks:?}");
    invoke("snapshot-export", json!({"action": "merge", "settle": true})).await;

    let (campaign, rules, plan) = stack.campaign_of("smoke", MSOA).unwrap();
    invoke("wave-planning", json!({"action": "define", "rules": rules, "plan": plan})).await;
    invoke("wave-planning", json!({"action": "plan", "campaign": campaign, "wave": "w1"})).await;
    let begun = Instant::now();
    let status = json!({"action": "status", "campaign": campaign, "wave": "w1"});
    while invoke("wave-planning", status.clone()).await["wave"]["state"] != "selected" {
        assert!(begun.elapsed() < PATIENCE, "the wave is not selected");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    stack.running.release(&campaign, "w1").await.unwrap();

    let left = |message: &Message| message.channel == Channel::Letter || message.state == MessageState::Delivered;
    let texts = messages(&stack, &campaign, left).await;
    invoke("letter-dispatch", json!({"action": "seal"})).await;
    let done = |message: &Message| {
        let wanted = if message.channel == Channel::Letter { MessageState::Sent } else { MessageState::Delivered };
        message.state == wanted
    };
    let messages = messages(&stack, &campaign, done).await;
    let of = |channel: Channel| -> BTreeSet<String> {
        messages.iter().filter(|message| message.channel == channel).map(|message| message.id.to_string()).collect()
    };
    let (by_text, by_letter) = (of(Channel::Sms), of(Channel::Letter));
    assert_eq!((by_text.len(), by_letter.len()), (2, 1), "{texts:?}");
    let sent = stack.running.sent().await.unwrap();
    for reference in &by_text {
        assert_eq!(sent.iter().filter(|sent| sent["reference"] == json!(reference)).count(), 1, "{reference}");
    }
    assert!(by_letter.is_subset(&printed(&stack).await), "the letter is in a sealed batch");

    invoke("snapshot-export", json!({"action": "merge", "settle": true})).await;
    let found = in_snapshot(&stack, &campaign).await;
    assert!(by_text.is_subset(&found) && by_letter.is_subset(&found), "{found:?} has not all of {messages:?}");
    stack.running.drain().await.unwrap();
}

/// Sockets that processes listen at: inode and address, from `/proc/net/tcp` and `tcp6` (proc(5)).
fn listening() -> Vec<(String, bool, String)> {
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, "0A", _, _, _, _, _, inode, ..] = fields[..] else { continue };
            let address = local.split(':').next().unwrap_or_default();
            found.push((inode.to_owned(), is_loopback(address), local.to_owned()));
        }
    }
    found
}

/// Whether an address, as the kernel writes it (words of four bytes in the machine's order), is of the loopback interface.
fn is_loopback(address: &str) -> bool {
    let words: Vec<[u8; 4]> = (0..address.len() / 8)
        .filter_map(|word| u32::from_str_radix(address.get(8 * word..8 * word + 8)?, 16).ok())
        .map(u32::to_ne_bytes)
        .collect();
    match words[..] {
        [word] => Ipv4Addr::from(word).is_loopback(),
        [_, _, _, _] => {
            let bytes: [u8; 16] = words.concat().try_into().unwrap_or_default();
            let address = Ipv6Addr::from(bytes);
            address.is_loopback() || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
        }
        _ => false,
    }
}

/// Inodes of the sockets that a process holds.
fn sockets(process: &str) -> BTreeSet<String> {
    let links = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let targets = links.filter_map(|link| fs::read_link(link.path()).ok());
    targets
        .filter_map(|target| Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect()
}

#[tokio::test]
async fn a_stack_listens_on_this_computer_alone() {
    let Some(stack) = stack().await.unwrap() else { return };
    if !Path::new("/proc/net/tcp").exists() {
        eprintln!("skipped: this system does not tell who listens");
        return;
    }
    assert!(is_loopback("0100007F") && !is_loopback("00000000") && !is_loopback(&"0".repeat(32)));
    let listening = listening();
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(stack.dir.join("run")).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(name) = name.strip_suffix(".json") else { continue };
        let record: Value = serde_json::from_slice(&fs::read(entry.path()).unwrap()).unwrap();
        let held = sockets(&record["pid"].to_string());
        for (_, loopback, address) in listening.iter().filter(|(inode, ..)| held.contains(inode)) {
            assert!(loopback, "{name} listens at {address}");
            seen.insert(name.to_owned());
        }
    }
    let mut wanted = BTreeSet::from(["emulator", "front-door", "notify"].map(str::to_owned));
    if stack.running.endpoints.emulator == "localstack" && std::env::var_os("IMS_DYNAMODB_URL").is_none() {
        wanted.insert("dynamodb".to_owned());
    }
    assert!(wanted.is_subset(&seen), "only {seen:?} listen");
}
