//! `wave-planning` on stores in memory: who may do what to a wave, and that two people cannot be got round.

use futures::future::join_all;
use ims_domain::PersonId;
use ims_domain::wave::{Wave, WaveAction, WaveState};
use ims_messaging::Bucket;
use ims_store::{AuditSpan, PartResult};
use ims_uptake::watch::{CampaignProgress, Progress, WaveProgress};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::service::{InMemory, staff, token};

const RULES: &str = include_str!("../campaigns/flu.json");
const PLAN: &str = include_str!("../campaigns/flu.plan.json");

/// Planners: the author of the campaign and its wave, and two others.
const AUTHOR: &str = "Ann Author";
const OTHERS: [&str; 2] = ["Ben", "Cat"];

/// The function, with a wave that is planned.
pub struct Planning(pub InMemory);

impl Planning {
    pub async fn start() -> Self {
        let planning = Self(InMemory::start().await);
        planning.define(RULES).await;
        planning
    }

    async fn define(&self, rules: &str) {
        let (rules, mut plan): (Value, Value) =
            (serde_json::from_str(rules).unwrap(), serde_json::from_str(PLAN).unwrap());
        for wave in ["w2", "w3"] {
            plan["waves"].as_array_mut().unwrap().push(json!({"wave": wave, "on": "2025-12-01"}));
        }
        plan["waves"][0]["from_hour"] = json!(10);
        self.as_planner(AUTHOR, json!({"action": "define", "rules": rules, "plan": plan})).await.unwrap();
    }

    /// Plans a wave as its author and has its one part selected: so many people.
    pub async fn select(&self, wave: &str, people: u128) {
        self.as_planner(AUTHOR, json!({"action": "plan", "campaign": "flu-2025", "wave": wave})).await.unwrap();
        let listed: Vec<_> = (0..people).map(|n| (0, n, PersonId(Uuid::from_u128(n)), 1, "flu_65_plus")).collect();
        let object = format!("waves/flu-2025/{wave}/parts/00000.json");
        self.0.service.objects.put_json(Bucket::Work, &object, &listed).await.unwrap();
        let count = u64::try_from(people).unwrap();
        let part = PartResult { part: 0, people: count, eligible: count, candidates: count, object };
        self.0.service.store.put_part("flu-2025", wave, &part).await.unwrap();
        assert_eq!(self.wave(wave).await.state, WaveState::Selected);
    }

    pub async fn ask(&self, request: Value) -> Result<Value, String> {
        self.0.plan(request).await
    }

    async fn as_planner(&self, name: &str, mut request: Value) -> Result<Value, String> {
        request["token"] = json!(staff(name, "planner"));
        self.ask(request).await
    }

    pub async fn wave(&self, wave: &str) -> Wave {
        let told = self.ask(json!({"action": "status", "campaign": "flu-2025", "wave": wave})).await.unwrap();
        serde_json::from_value(told["wave"].clone()).unwrap()
    }

    /// A request to do something to w1 as it is now, with a reason.
    pub async fn order(&self, action: &str) -> Value {
        let version = self.wave("w1").await.version;
        json!({"action": action, "campaign": "flu-2025", "wave": "w1", "version": version, "reason": "as planned"})
    }

    pub async fn act(&self, name: &str, action: &str) -> Result<Value, String> {
        self.as_planner(name, self.order(action).await).await
    }

    /// Sets the business clock.
    async fn set_clock(&self, now: &str) {
        self.0.service.store.set_clock(now.parse().unwrap()).await.unwrap();
        // A function believes the time that it last read for a fifth of a second.
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }

    /// Has two others agree to w1, and releases it.
    pub async fn release(&self) {
        for (name, action) in [("Ben", "review"), ("Cat", "approve"), (AUTHOR, "release")] {
            self.act(name, action).await.unwrap();
        }
    }

    /// Claims that were sent since the last time.
    fn claims(&self) -> usize {
        self.0.memory.take("INVITATION_ISSUE").len()
    }

    /// What an actor did, with what result, the oldest first.
    async fn trail(&self, actor: &str) -> Vec<String> {
        let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let span = AuditSpan { from: today.yesterday().unwrap(), to: today, most: 1_000 };
        let mut entries = self.0.service.store.audit_of_actor(actor, span).await.unwrap();
        entries.reverse();
        entries.iter().map(|entry| format!("{} {}", entry.operation, entry.result.name())).collect()
    }
}

#[tokio::test]
async fn a_wave_goes_by_two_people_who_did_not_write_it_and_all_is_in_the_trail() {
    let planning = Planning::start().await;
    planning.select("w1", 250).await;
    planning.act("Ben", "review").await.unwrap();
    planning.act("Cat", "approve").await.unwrap();
    assert_eq!(planning.claims(), 0, "nothing goes before the release");
    let told = planning.act(AUTHOR, "release").await.unwrap();
    assert_eq!((told["wave"]["state"].as_str(), planning.claims()), (Some("released"), 3));
    planning
        .as_planner("Ben", json!({"action": "pause", "campaign": "flu-2025", "wave": "w1", "reason": "busy line"}))
        .await
        .unwrap();
    planning.act("Cat", "resume").await.unwrap();
    assert_eq!(planning.claims(), 3, "whoever was not decided on goes out again");
    let stop = json!({"action": "stop", "campaign": "flu-2025", "wave": "w1", "reason": "wrong link", "token": staff("Eve", "engineer")});
    planning.ask(stop).await.unwrap();
    assert!(planning.act("Ben", "resume").await.unwrap_err().contains("is stopped"));
    planning.act("Cat", "review").await.unwrap();
    planning.act("Ben", "approve").await.unwrap();
    planning.act("Ben", "release").await.unwrap();
    planning.act("Ben", "close").await.unwrap();
    let wave = planning.wave("w1").await;
    let done: Vec<String> = wave.deeds.iter().map(|deed| format!("{} {}", deed.by, deed.action.name())).collect();
    let expected = [
        "Ann Author plan",
        "Ben review",
        "Cat approve",
        "Ann Author release",
        "Ben pause",
        "Cat resume",
        "Eve stop",
        "Cat review",
        "Ben approve",
        "Ben release",
        "Ben close",
    ];
    assert_eq!(done, expected);
    assert_eq!(planning.trail(AUTHOR).await, ["define allowed", "wave_plan allowed", "wave_release allowed"]);
    let of_ben =
        ["review allowed", "pause allowed", "resume refused", "approve allowed", "release allowed", "close allowed"];
    assert_eq!(planning.trail("Ben").await, of_ben.map(|entry| format!("wave_{entry}")));
}

#[tokio::test]
async fn nobody_gets_round_the_second_person_by_what_they_send() {
    let planning = Planning::start().await;
    planning.select("w1", 10).await;
    let approve = |token: Option<String>| async {
        let mut request = planning.order("review").await;
        // Names in the request are nobody's identity.
        (request["by"], request["name"], request["role"]) = (json!("Ben"), json!("Ben"), json!("planner"));
        if let Some(token) = token {
            request["token"] = json!(token);
        }
        planning.ask(request).await.unwrap_err()
    };
    let forged = {
        let valid = staff("Ben", "planner");
        let other = staff("Cat", "planner");
        let parts: Vec<&str> = valid.split('.').collect();
        format!("{}.{}.{}", parts[0], other.split('.').nth(1).unwrap(), parts[2])
    };
    for (token, why) in [
        (None, "needs the token of a member of staff"),
        (Some(String::new()), "the token was refused"),
        (Some("Ben".to_owned()), "the token was refused"),
        (Some(forged), "signature"),
        (Some(token(|claims| (claims.exp, claims.role) = (1_700_000_001, Some("planner".into())))), "expired"),
        (Some(token(|claims| claims.supplier = Some("EMIS".into()))), "a supplier's"),
        (
            Some(token(|claims| (claims.supplier, claims.role) = (Some("EMIS".into()), Some("planner".into())))),
            "a supplier's",
        ),
        (Some(token(|_| {})), "carries no role"),
        (Some(staff(" ", "planner")), "names nobody"),
        (Some(staff("Dan", "analyst")), "is not for 'Dan' in the role 'analyst'"),
        (Some(staff("Eve", "engineer")), "is not for 'Eve'"),
        (Some(staff("wave-planning", "schedule")), "is not for 'wave-planning'"),
        (Some(staff(AUTHOR, "planner")), "who wrote it"),
        (Some(staff("  ann AUTHOR ", "planner")), "who wrote it"),
    ] {
        let told = approve(token).await;
        assert!(told.contains(why), "{why}: {told}");
    }
    assert_eq!(planning.wave("w1").await.state, WaveState::Selected);
    for action in ["approve", "release", "resume"] {
        assert!(planning.act("Ben", action).await.is_err(), "{action} of a draft");
    }
    planning.act("Ben", "review").await.unwrap();
    assert!(planning.act("Ben", "approve").await.unwrap_err().contains("who reviewed it"));
    assert!(planning.act("BEN ", "approve").await.unwrap_err().contains("who reviewed it"));
    assert!(planning.act("Ben", "release").await.unwrap_err().contains("is reviewed"));
    let mut blind = planning.order("approve").await;
    blind.as_object_mut().unwrap().remove("version");
    assert!(planning.as_planner("Cat", blind).await.unwrap_err().contains("needs the 'version'"));
    let mut silent = planning.order("approve").await;
    silent["reason"] = json!(" ");
    assert!(planning.as_planner("Cat", silent).await.unwrap_err().contains("needs a 'reason'"));
    // Nor by planning it again, nor by the schedule.
    planning.as_planner("Cat", json!({"action": "plan", "campaign": "flu-2025", "wave": "w1"})).await.unwrap();
    planning.ask(json!({"action": "due"})).await.unwrap();
    let wave = planning.wave("w1").await;
    assert_eq!((wave.state, planning.claims()), (WaveState::Reviewed, 0));
    let refused = planning.trail("Dan").await;
    assert_eq!(refused, ["wave_review refused"], "and what was refused is noted");
}

#[tokio::test]
async fn a_request_that_comes_again_approves_nothing_that_was_stopped_meanwhile() {
    let planning = Planning::start().await;
    planning.select("w1", 10).await;
    let review = planning.order("review").await;
    planning.as_planner("Ben", review.clone()).await.unwrap();
    let approve = planning.order("approve").await;
    planning.as_planner("Cat", approve.clone()).await.unwrap();
    let release = planning.order("release").await;
    planning.as_planner("Cat", release.clone()).await.unwrap();
    let before = planning.wave("w1").await;
    for (name, request) in [("Ben", &review), ("Cat", &approve), ("Cat", &release)] {
        planning.as_planner(name, request.clone()).await.unwrap();
    }
    assert_eq!(planning.wave("w1").await, before, "the same again changes nothing");
    planning.claims();
    planning.act(AUTHOR, "stop").await.unwrap();
    for (name, request) in [("Ben", &review), ("Cat", &approve), ("Cat", &release), ("Dan", &review), ("Dan", &approve)]
    {
        let _ = planning.as_planner(name, request.clone()).await;
        assert_eq!((planning.wave("w1").await.state, planning.claims()), (WaveState::Stopped, 0), "{name} {request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_reviews_and_another_approves() {
    let planning = Planning::start().await;
    planning.select("w1", 10).await;
    let (review, approve) = (planning.order("review").await, planning.order("approve").await);
    let version = review["version"].as_u64().unwrap();
    // Everybody sends both, for the version that they see and for the next, all at once.
    let mut asked = Vec::new();
    for name in [AUTHOR, "Ben", "ben", "Cat", "ann author"] {
        for (request, seen) in
            [(&review, version), (&approve, version), (&approve, version + 1), (&approve, version + 2)]
        {
            let mut request = request.clone();
            request["version"] = json!(seen);
            asked.push(planning.as_planner(name, request));
        }
    }
    join_all(asked).await;
    let wave = planning.wave("w1").await;
    let by = |action| {
        let deeds = wave.deeds.iter().filter(move |deed| deed.action == action);
        deeds.map(|deed| deed.by.to_lowercase()).collect::<Vec<_>>()
    };
    let (reviewed, approved) = (by(WaveAction::Review), by(WaveAction::Approve));
    assert_eq!(reviewed.len(), 1, "{:?}", wave.deeds);
    assert!(approved.len() <= 1 && reviewed != approved, "{:?}", wave.deeds);
    assert!(!reviewed.iter().chain(&approved).any(|name| name == "ann author"), "{:?}", wave.deeds);
    // And of many releases one cuts the claims that are kept.
    if wave.state == WaveState::Reviewed {
        let other = OTHERS.into_iter().find(|name| name.to_lowercase() != reviewed[0]).unwrap();
        planning.act(other, "approve").await.unwrap();
    }
    let release = planning.order("release").await;
    join_all((0..6).map(|_| planning.as_planner("Cat", release.clone()))).await;
    let deeds = planning.wave("w1").await.deeds;
    assert_eq!(deeds.iter().filter(|deed| deed.action == WaveAction::Release).count(), 1, "{deeds:?}");
}

#[tokio::test]
async fn a_wave_outside_the_approved_numbers_is_neither_approved_nor_released() {
    let planning = Planning::start().await;
    planning.define(&RULES.replace("\"ApprovalMinimum\": 0", "\"ApprovalMinimum\": 5").replace("60000000", "8")).await;
    for (wave, people, fits) in [("w1", 4, false), ("w2", 9, false), ("w3", 8, true)] {
        planning.select(wave, people).await;
        let order = async |action: &str| {
            let version = planning.wave(wave).await.version;
            json!({"action": action, "campaign": "flu-2025", "wave": wave, "version": version, "reason": "as planned"})
        };
        planning.as_planner("Ben", order("review").await).await.unwrap();
        let told = planning.as_planner("Cat", order("approve").await).await;
        assert_eq!(told.is_ok(), fits, "{wave}: {told:?}");
        assert!(fits || told.unwrap_err().contains(&format!("has {people} candidates")));
        assert_eq!(planning.as_planner("Cat", order("release").await).await.is_ok(), fits, "{wave}");
    }
}

#[tokio::test]
async fn the_schedule_releases_what_was_approved_and_finishes_what_a_crash_left() {
    let planning = Planning::start().await;
    planning.set_clock("2025-10-06T08:59:00Z").await;
    planning.select("w1", 10).await;
    planning.act("Ben", "review").await.unwrap();
    planning.ask(json!({"action": "tick"})).await.unwrap();
    assert_eq!(planning.claims(), 0);
    planning.act("Cat", "approve").await.unwrap();
    planning.ask(json!({"action": "tick"})).await.unwrap();
    assert_eq!((planning.wave("w1").await.state, planning.claims()), (WaveState::Approved, 0), "not before its hour");
    // Ten in the morning of London's summer time.
    planning.set_clock("2025-10-06T09:00:00Z").await;
    planning.ask(json!({"action": "tick"})).await.unwrap();
    assert_eq!((planning.wave("w1").await.state, planning.claims()), (WaveState::Released, 1));
    let held = planning.wave("w1").await;
    assert_eq!(
        held.deeds.last().map(|deed| (deed.by.as_str(), deed.role.as_str())),
        Some(("wave-planning", "schedule"))
    );
    planning.ask(json!({"action": "tick"})).await.unwrap();
    assert_eq!(planning.claims(), 0);
    let crashed = Wave { claims_sent: false, version: held.version + 1, ..held.clone() };
    planning.0.service.store.move_wave(&crashed, &held, None).await.unwrap();
    planning.ask(json!({"action": "tick"})).await.unwrap();
    assert_eq!(planning.claims(), 1);
    // A wave that the schedule plans is its campaign's author's, all the same.
    planning.set_clock("2025-12-31T09:00:00Z").await;
    planning.ask(json!({"action": "tick"})).await.unwrap();
    let planned = planning.0.service.store.waves("flu-2025").await.unwrap();
    assert!(planned.len() > 1 && planned.iter().all(|wave| wave.is_author(AUTHOR)), "{planned:?}");
}

#[tokio::test]
async fn the_rest_of_a_wave_goes_once_somebody_has_looked_at_its_canary() {
    let planning = Planning::start().await;
    planning.select("w1", 1_200).await;
    planning.release().await;
    assert_eq!(planning.claims(), 5, "500 people alone");
    for action in ["pause", "resume"] {
        planning.act("Ben", action).await.unwrap();
    }
    assert_eq!(planning.claims(), 5, "nor more by a pause");
    planning.ask(json!({"action": "tick"})).await.unwrap();
    assert_eq!(planning.claims(), 0);
    let confirm = async |checked: &[&str]| {
        let mut request = planning.order("confirm").await;
        request["checked"] = json!(checked);
        planning.as_planner("Ben", request).await
    };
    let all = ["bounces", "links", "print_proof"];
    assert!(confirm(&all[..2]).await.unwrap_err().contains("'checked' lacks print_proof"));
    assert!(confirm(&all).await.unwrap_err().contains("no report says yet"));
    let report = async |delivered: u64, failed: u64| {
        let now = Progress { sent: 500, delivered, failed, ..Progress::default() };
        let wave = WaveProgress {
            days: [(jiff::civil::date(2025, 10, 6), now)].into_iter().collect(),
            ..WaveProgress::default()
        };
        let known = CampaignProgress { manifest: "m".into(), waves: [("w1".to_owned(), wave)].into_iter().collect() };
        planning.0.service.objects.put_json(Bucket::Exports, &CampaignProgress::key("flu-2025"), &known).await.unwrap();
    };
    report(400, 90).await;
    assert!(confirm(&all).await.unwrap_err().contains("90 of 490 messages did not arrive"));
    assert_eq!(planning.claims(), 0);
    report(480, 10).await;
    confirm(&all).await.unwrap();
    assert_eq!(planning.claims(), 12, "all of it; those who were decided on are not decided on again");
    confirm(&all).await.unwrap();
    assert_eq!(planning.claims(), 0);
}
