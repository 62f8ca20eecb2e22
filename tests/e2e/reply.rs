//! The public's door on the running stack: an answer stops the text that is on its way.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::time::{Duration, Instant};

use ims_domain::contact::{Channel, Reason};
use ims_domain::invitation::{Message, MessageState};
use ims_domain::reply::ReplyKey;
use ims_domain::{MessageId, NhsNumber};
use ims_testkit::population::nhs_number;
use ims_tests::rows::{demographics, demographics_file};
use ims_tests::{Stack, stack};
use serde_json::{Value, json};

/// The person of this test: none of another test's.
const PERSON: u64 = 79_000;
/// Where they live.
const MSOA: &str = "E02999902";

/// The public's pages.
struct Pages {
    http: reqwest::Client,
    base: String,
}

impl Pages {
    fn of(stack: &Stack) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, base: stack.running.endpoints.api.replace("/api", "/r") }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let form: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.post(format!("{}{path}", self.base)).body(form);
        let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

fn pass(page: &str) -> String {
    page.split("name=\"pass\" value=\"").nth(1).expect(page).split('"').next().unwrap().to_owned()
}

async fn message(stack: &Stack, id: MessageId, wanted: impl Fn(&Message) -> bool) -> Message {
    let begun = Instant::now();
    loop {
        let held = stack.running.store.message(id).await.unwrap();
        if let Some(message) = held.as_ref().filter(|message| wanted(message)) {
            return message.clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(90), "the text gets no further: {held:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_by_link_stops_the_text_that_is_on_its_way() {
    let Some(stack) = stack().await.unwrap() else { return };
    stack.notify("_reset", Some(&Value::Null)).await.unwrap();
    let (number, serial) = (nhs_number(PERSON), (stack.run * 2).to_string());
    let row = demographics(&[
        ("NHS_NUMBER", &number),
        ("SERIAL_CHANGE_NUMBER", &serial),
        ("MOBILE_NUMBER", "07700900145"),
        ("DATE_OF_BIRTH", "19500327"),
        ("MSOA", MSOA),
    ]);
    let name = format!("Demographics_v1_X26_{}.csv", stack.stamp(81));
    stack.drop_file(&name, demographics_file(&[row])).await.unwrap();
    stack.running.drain().await.unwrap();
    stack.running.invoke("snapshot-export", &json!({"action": "merge", "settle": true})).await.unwrap();
    let (campaign, rules, plan) = stack.campaign_of("reply", MSOA).unwrap();
    let planning = async |request: Value| stack.running.invoke("wave-planning", &request).await.unwrap();
    planning(json!({"action": "define", "rules": rules, "plan": plan})).await;
    planning(json!({"action": "plan", "campaign": campaign, "wave": "w1"})).await;
    let begun = Instant::now();
    while planning(json!({"action": "status", "campaign": campaign, "wave": "w1"})).await["wave"]["state"] != "selected"
    {
        assert!(begun.elapsed() < Duration::from_secs(60), "the wave is not selected");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Notify takes nothing, so that the text has been claimed, and waits.
    stack.notify("_failures", Some(&json!([{"mode": "status_500"}]))).await.unwrap();
    stack.running.release(&campaign, "w1").await.unwrap();
    let number: NhsNumber = number.parse().unwrap();
    let person = stack.running.store.person_by_nhs_number(number).await.unwrap().expect("a person");
    let id = MessageId::of(person, &campaign, 1, "invite", Channel::Sms.name());
    message(&stack, id, |message| message.attempt > 0).await;

    let (pages, key) = (Pages::of(&stack), ReplyKey::new(xtask::stack::REPLY_KEY.as_bytes()).unwrap());
    let (status, opened) = pages.get(&format!("/{}", key.link(id))).await;
    assert!(status == 200 && !opened.contains("flu") && !opened.contains("Byron"), "{opened}");
    assert_eq!(pages.get("/AAAA").await.0, 404);
    assert!(pages.get("/style.css").await.1.contains("focus"));
    let born = [("pass", pass(&opened)), ("day", "27".into()), ("month", "3".into()), ("year", "1950".into())];
    let born: Vec<(&str, &str)> = born.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (status, known) = pages.post("/birth", &born).await;
    assert!(status == 200 && known.contains("flu"), "{known}");
    let given = pass(&known);
    for _ in 0..2 {
        let (status, done) = pages.post("/answer", &[("pass", &given), ("answer", "opt_out"), ("lang", "cy")]).await;
        assert!(status == 200 && done.contains("lang=\"cy\""), "{done}");
    }

    stack.notify("_failures", Some(&json!([]))).await.unwrap();
    stack.running.invoke("sms-dispatch", &json!({"action": "reconcile"})).await.unwrap();
    stack.redrive("sms-dispatch").await.unwrap();
    let settled = |message: &Message| !matches!(message.state, MessageState::Queued | MessageState::Sending);
    let kept = message(&stack, id, settled).await;
    assert_eq!((kept.state, kept.detail.as_deref()), (MessageState::Withdrawn, Some(Reason::OptedOut.name())));
    let sent = stack.running.sent().await.unwrap();
    assert!(!sent.iter().any(|sent| sent["reference"] == json!(id.to_string())), "nothing went to them");
}
