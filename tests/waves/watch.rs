//! The watch over waves, on stores in memory: a late, a silent and a bouncing wave each raise their alarm, a normal one none.

use ims_domain::wave::WaveState;
use ims_messaging::Bucket;
use ims_uptake::watch::{AreaProgress, CampaignProgress, Progress, WaveProgress};
use jiff::civil::date;
use serde_json::{Value, json};

use crate::governance::Planning;

/// What a wave of 1,000 has come to after a week.
fn healthy() -> Progress {
    Progress {
        sent: 930,
        delivered: 700,
        failed: 15,
        refused: 3,
        unheard: 5,
        suppressed: 55,
        complained: 2,
        booked: 110,
        vaccinated: 40,
    }
}

/// A wave that was released a week ago, has come to this, and is looked at: the kinds of alarms, and its state.
async fn watched(progress: Option<Progress>, area: AreaProgress) -> (Vec<String>, WaveState) {
    let mut planning = Planning::start().await;
    planning.select("w1", 1_000).await;
    planning.release().await;
    let day = date(2025, 10, 13);
    planning.0.set_day(day).await;
    let wave = WaveProgress {
        days: progress.map(|progress| (day, progress)).into_iter().collect(),
        areas: [("QOQ".to_owned(), area)].into_iter().collect(),
    };
    let known =
        CampaignProgress { manifest: "00000002-m".into(), waves: [("w1".to_owned(), wave)].into_iter().collect() };
    let key = CampaignProgress::key("flu-2025");
    planning.0.service.objects.put_json(Bucket::Exports, &key, &known).await.unwrap();
    let told = planning.ask(json!({"action": "watch"})).await.unwrap();
    let kept: Value = planning.0.service.objects.read_json(Bucket::Exports, "watch/alarms.json").await.unwrap();
    assert_eq!(kept, told, "the console reads what was found");
    let kinds = told["alarms"].as_array().unwrap().iter().map(|raised| {
        assert_eq!((&raised["campaign"], &raised["wave"]), (&json!("flu-2025"), &json!("w1")));
        raised["alarm"]["kind"].as_str().unwrap().to_owned()
    });
    (kinds.collect(), planning.wave("w1").await.state)
}

#[tokio::test]
async fn a_late_a_silent_and_a_bouncing_wave_each_raise_their_alarm_and_a_normal_one_none() {
    let fine = AreaProgress { sent: 300, came: 30 };
    let nothing: Vec<String> = Vec::new();
    assert_eq!(watched(Some(healthy()), fine).await, (nothing, WaveState::Released));
    let of = async |change: &dyn Fn(&mut Progress), area| {
        let mut progress = healthy();
        change(&mut progress);
        watched(Some(progress), area).await
    };
    let one = |kind: &str, state| (vec![kind.to_owned()], state);
    assert_eq!(watched(None, fine).await, one("slow", WaveState::Released), "nothing went out");
    let silent = of(&|now| (now.delivered, now.failed, now.unheard) = (0, 0, 720), fine).await;
    assert_eq!(silent, one("unheard", WaveState::Released));
    let empty = of(&|now| (now.booked, now.vaccinated) = (0, 0), AreaProgress { sent: 300, came: 0 }).await;
    assert_eq!(empty, one("no_bookings", WaveState::Released));
    let area = of(&|_| {}, AreaProgress { sent: 300, came: 0 }).await;
    assert_eq!(area, one("area_without_bookings", WaveState::Released));
    let bouncing = of(&|now| (now.delivered, now.failed) = (600, 115), fine).await;
    assert_eq!(bouncing, one("bouncing", WaveState::Paused), "and is paused by itself");
    let suppressed = of(&|now| (now.sent, now.suppressed) = (300, 700), fine).await;
    assert_eq!(suppressed, one("suppressing", WaveState::Paused));
    let complaints = of(&|now| now.complained = 25, fine).await;
    assert_eq!(complaints, one("complaints", WaveState::Paused));
}

#[tokio::test]
async fn a_wave_whose_day_passes_without_a_release_is_late_and_one_that_was_never_planned_too() {
    let mut planning = Planning::start().await;
    planning.select("w1", 10).await;
    let kinds = async |planning: &Planning| -> Vec<(String, String)> {
        let told = planning.ask(json!({"action": "watch"})).await.unwrap();
        let of = |raised: &Value| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&raised["wave"]), text(&raised["alarm"]["kind"]))
        };
        told["alarms"].as_array().unwrap().iter().map(of).collect()
    };
    assert_eq!(kinds(&planning).await, []);
    planning.0.set_day(date(2025, 10, 8)).await;
    assert_eq!(kinds(&planning).await, [("w1".to_owned(), "not_released".to_owned())]);
    planning.0.set_day(date(2025, 12, 3)).await;
    let late = kinds(&planning).await;
    assert_eq!(late.len(), 3, "w2 and w3 are due since 1 December: {late:?}");
}

#[tokio::test]
async fn what_the_watch_paused_and_a_planner_resumed_goes_on() {
    let mut planning = Planning::start().await;
    planning.select("w1", 1_000).await;
    planning.release().await;
    let day = date(2025, 10, 13);
    planning.0.set_day(day).await;
    let bouncing = Progress { delivered: 600, failed: 115, ..healthy() };
    let wave = WaveProgress { days: [(day, bouncing)].into_iter().collect(), ..WaveProgress::default() };
    let known = CampaignProgress { manifest: "m".into(), waves: [("w1".to_owned(), wave)].into_iter().collect() };
    planning.0.service.objects.put_json(Bucket::Exports, &CampaignProgress::key("flu-2025"), &known).await.unwrap();
    planning.ask(json!({"action": "watch"})).await.unwrap();
    let paused = planning.wave("w1").await;
    let deed = paused.deeds.last().unwrap();
    assert_eq!((deed.by.as_str(), deed.reason.as_str()), ("wave-planning", "115 of 715 messages did not arrive"));
    planning.act("Ben", "resume").await.unwrap();
    planning.ask(json!({"action": "watch"})).await.unwrap();
    assert_eq!(planning.wave("w1").await.state, WaveState::Released, "somebody has seen it");
}
