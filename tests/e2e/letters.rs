//! Letters from the release of a wave to what the print supplier reports: batches of one language, an address that is gone
//! within a minute of its person's restriction, and mail that came back.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::time::{Duration, Instant};

use ims_contact::manifest::{PrintManifest, digest};
use ims_domain::invitation::{Message, MessageState};
use ims_domain::letter::Language;
use ims_domain::{NhsNumber, PersonId};
use ims_store::FeedFileState;
use ims_testkit::population::nhs_number;
use ims_tests::rows::{demographics, demographics_file};
use ims_tests::{Stack, stack};
use serde_json::{Value, json};
use xtask::demo::running::supplier_token;

/// First of the people of this test: none of another test's.
const PEOPLE: u64 = 6_600;

/// Preferred languages of the people, who have an address and no telephone.
const LANGUAGES: [&str; 4] = ["en", "en", "cy", "ar"];

fn row(stack: &Stack, place: usize, changes: &[(&str, &str)]) -> Vec<String> {
    let number = nhs_number(PEOPLE + place as u64);
    let (family, serial) = (format!("Byron-{}", stack.run), (4 * stack.run).to_string());
    let mut fields = changes.to_vec();
    fields.extend([
        ("NHS_NUMBER", number.as_str()),
        ("FAMILY_NAME", &family),
        ("SERIAL_CHANGE_NUMBER", &serial),
        ("PREFERRED_LANGUAGE", LANGUAGES[place]),
    ]);
    demographics(&fields)
}

async fn eventually<T>(what: &str, seconds: u64, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(seconds), "{what}: not after {seconds} s");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The campaign's letters by the place of their person.
async fn letters(stack: &Stack, campaign: &str) -> Vec<Message> {
    let messages: Vec<Message> = stack.items("message", "M#", "MESSAGE").await.unwrap();
    let mut found = Vec::new();
    for place in 0..LANGUAGES.len() {
        let person = person(stack, place).await;
        found.extend(messages.iter().find(|held| held.campaign == campaign && held.person == person).cloned());
    }
    found
}

async fn person(stack: &Stack, place: usize) -> PersonId {
    let number: NhsNumber = nhs_number(PEOPLE + place as u64).parse().unwrap();
    stack.running.store.person_by_nhs_number(number).await.unwrap().expect("a person")
}

async fn keys(stack: &Stack, prefix: &str) -> Vec<String> {
    let mut keys = stack.running.keys("print").await.unwrap();
    keys.retain(|key| key.starts_with(prefix));
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_go_out_in_batches_of_one_language_and_are_followed_to_the_door() {
    let Some(stack) = stack().await.unwrap() else { return };
    let rows: Vec<_> = (0..LANGUAGES.len()).map(|place| row(&stack, place, &[])).collect();
    let name = format!("Demographics_v1_X26_{}.csv", stack.stamp(50));
    let dropped = stack.drop_file(&name, demographics_file(&rows)).await.unwrap();
    assert_eq!((dropped.state, dropped.rejected), (FeedFileState::Processed, 0), "{dropped:?}");
    stack.running.drain().await.unwrap();
    let (campaign, rules, plan) = stack.campaign("letters").unwrap();
    let planning = async |request: Value| stack.running.invoke("wave-planning", &request).await.unwrap();
    stack.running.invoke("snapshot-export", &json!({"action": "merge", "settle": true})).await.unwrap();
    planning(json!({"action": "define", "rules": rules, "plan": plan})).await;
    planning(json!({"action": "plan", "campaign": campaign, "wave": "w1"})).await;
    eventually("the wave is selected", 60, async || {
        let status = planning(json!({"action": "status", "campaign": campaign, "wave": "w1"})).await;
        (status["wave"]["state"] == "selected").then_some(())
    })
    .await;
    stack.running.release(&campaign, "w1").await.unwrap();
    eventually("letters wait", 60, async || (letters(&stack, &campaign).await.len() == 4).then_some(())).await;

    stack.running.invoke("letter-dispatch", &json!({"action": "seal"})).await.unwrap();
    let sent = eventually("letters are sealed", 60, async || {
        let held = letters(&stack, &campaign).await;
        held.iter().all(|letter| letter.state == MessageState::Sent).then_some(held)
    })
    .await;
    let mut manifests = Vec::new();
    for (place, letter) in sent.iter().enumerate() {
        let batch = letter.batch.unwrap();
        let key = format!("batches/{campaign}/{batch}.json");
        let manifest: PrintManifest = serde_json::from_slice(&stack.running.get("print", &key).await.unwrap()).unwrap();
        assert!(manifest.lists(letter.id));
        assert_eq!(manifest.kind.language, Language::preferred(LANGUAGES[place]), "{place}");
        let pdf = stack.running.get("print", manifest.pdf.as_ref().unwrap()).await.unwrap();
        manifest.verify(&pdf).unwrap();
        manifests.push(manifest);
    }

    // Somebody becomes restricted after sealing.
    let restricted = &manifests[0];
    let body = json!({
        "RECORD_TYPE": "AMENDED", "CHANGE_TIME_STAMP": "20251006T070000",
        "SERIAL_CHANGE_NUMBER": 4 * stack.run + 1, "NHS_NUMBER": nhs_number(PEOPLE), "DATE_OF_BIRTH": "19500115",
        "RESTRICTED": "1",
    });
    let endpoints = &stack.running.endpoints;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = http.post(format!("{}/Demographics", endpoints.api));
    let post = post.bearer_auth(supplier_token(endpoints, "X26").unwrap()).header("content-type", "application/json");
    assert_eq!(post.body(body.to_string()).send().await.unwrap().status().as_u16(), 201);
    let sequence = restricted.letter(sent[0].id).unwrap().sequence;
    let stop = format!("stops/{campaign}/{}/{sequence:05}-purged.json", restricted.batch);
    let prefix = format!("batches/{campaign}/{}-", restricted.batch);
    let purged = eventually("the address is gone", 60, async || {
        let files = keys(&stack, &prefix).await;
        let is_gone = !files.contains(restricted.pdf.as_ref().unwrap());
        (is_gone && files.len() == 1 && keys(&stack, &stop).await.len() == 1).then(|| files[0].clone())
    })
    .await;
    let file = stack.running.get("print", &purged).await.unwrap();
    assert!(purged.contains(&digest(&file)[..16]) && restricted.verify(&file).is_err(), "{purged}");

    // The supplier reports: one letter came back, one is posted.
    let report = |place: usize, status: &str| {
        let (manifest, id) = (&manifests[place], sent[place].id);
        format!("{},{},{id},{status}\n", manifest.batch, manifest.letter(id).unwrap().sequence)
    };
    let name = format!("letters-{}.csv", stack.run);
    let rows = [report(2, "RETURNED"), report(2, "PRINTED"), report(3, "DISPATCHED"), "x,1,y,PRINTED\n".to_owned()];
    let file = format!("BATCH,SEQUENCE,REFERENCE,STATUS\n{}", rows.concat());
    stack.running.put("print", &format!("status/{name}"), file.into_bytes()).await.unwrap();
    let answer = format!("answers/{name}.json");
    let told: Value = eventually("the supplier is answered", 30, async || {
        let found = !keys(&stack, &answer).await.is_empty();
        if found { serde_json::from_slice(&stack.running.get("print", &answer).await.unwrap()).ok() } else { None }
    })
    .await;
    assert_eq!(told["refused"], json!([{"line": 5, "error": "BATCH: is not the id of a batch"}]), "{told}");
    let held = letters(&stack, &campaign).await;
    assert_eq!((held[2].state, held[2].detail.as_deref()), (MessageState::Failed, Some("RETURNED")));
    assert_eq!((held[3].state, held[3].detail.as_deref()), (MessageState::Sent, Some("DISPATCHED")));
    let returned = stack.running.store.person(held[2].person).await.unwrap().unwrap();
    assert!(!returned.has_postal_address() && returned.returned_mail.is_some());

    // Our account, the manifests' and the supplier's agree.
    let told = stack.running.invoke("letter-dispatch", &json!({"action": "reconcile"})).await.unwrap();
    let differ: Vec<&Value> =
        told["differences"].as_array().unwrap().iter().filter(|found| found["campaign"] == json!(campaign)).collect();
    assert!(differ.is_empty(), "{differ:?}");
    assert!(told["batches"].as_u64().unwrap() >= 3, "{told}");
}
