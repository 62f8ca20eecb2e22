//! The page "Plan a wave": counting, what a planner asks for, the plan, and making it the wave's.

use ims_domain::contact::Channel;
use ims_planning::{Aims, CountedPart, Kind, Place, PlanDraft, SiteDays, plan_wave};
use serde_json::json;

use super::*;

/// What the function for plans answers: `d1` is counted, `d2` not yet; a plan of 400 people at one site.
pub(super) fn answer(request: &Value) -> Result<Value, String> {
    let of = |field: &str| request[field].as_str().unwrap_or_default();
    match (of("action"), of("draft")) {
        ("count", _) if of("wave") == "w9" => Err("there is no wave 'w9' in the contact plan".into()),
        ("count", _) => Ok(json!({"draft": {"draft": "d1"}})),
        (_, "d2") => Ok(json!({"waiting": 3})),
        ("plan" | "adopt", "d1") => {
            let aims: Aims = serde_json::from_value(request["aims"].clone()).unwrap();
            Ok(json!({"plan": plan(&aims)}))
        }
        _ => Err("there is no such draft".into()),
    }
}

fn plan(aims: &Aims) -> ims_planning::WavePlan {
    let draft = PlanDraft {
        campaign: "flu-2025".into(),
        wave: "w3".into(),
        draft: "d1".into(),
        author: "Sam Staff".into(),
        definition: 1,
        manifest: "m".into(),
        parts: 1,
        day: date(2025, 11, 3),
        service: "FLU".into(),
        cohorts: vec!["flu_65_plus".into(), "at_risk".into()],
        limited_to: vec![],
        weeks: BTreeMap::new(),
    };
    let kind = |cohort: &str, fifth| Kind {
        cohort: cohort.into(),
        area: Some("E1".into()),
        apart: None,
        fifth,
        channel: Some(Channel::Letter),
    };
    let part = CountedPart {
        people: 500,
        candidates: vec![(kind("flu_65_plus", 1), 200), (kind("at_risk", 5), 200)],
        ..CountedPart::default()
    };
    let place = Place { latitude: 53.8, longitude: -1.5 };
    let days = (1..28).map(|day| (date(2025, 11, 3).checked_add(jiff::Span::new().days(day)).unwrap(), 6)).collect();
    let site = SiteDays { site: "V9001".into(), name: "Town Hall".into(), place, service: "FLU".into(), days };
    let areas = BTreeMap::from([("E1".to_owned(), place)]);
    plan_wave(&draft, &[part], &areas, ("20251103T053000", &[site]), aims).unwrap().0
}

async fn post_as(role: &str, source: Given, path: &str, body: &str) -> Answer {
    let request = Request::post(format!("/console{path}"))
        .header(header::COOKIE, format!("ims_session={}", token_of(role)))
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    send(console(source), request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn a_planner_has_candidates_counted_and_sees_the_plan_and_what_binds() {
    let source = season();
    get_as("planner", source.clone(), "/waves").await.has(&["Plan a wave"]);
    get_as("planner", source.clone(), "/waves/plan").await.has(&["Count the candidates"]);
    let counted = post_as("planner", source.clone(), "/waves/plan", "wave=flu-2025%2Fw3").await;
    assert_eq!((counted.status, counted.header("location")), (303, "/console/waves/plan/flu-2025/d1"));
    let asked = source.asked.lock().unwrap().pop().unwrap();
    assert_eq!(asked, json!({"action": "count", "campaign": "flu-2025", "wave": "w3", "by": "Sam Staff"}));
    let waiting = get_as("planner", source.clone(), "/waves/plan/flu-2025/d2").await;
    waiting.has(&["3 parts to go"]);
    assert_eq!(waiting.header("refresh"), "2");
    let page = get_as("planner", source.clone(), "/waves/plan/flu-2025/d1").await;
    page.has(&["What binds: free appointments.", "Town Hall (V9001)", "1, most deprived", "All candidates"]);
    let small = get_as("planner", source.clone(), "/waves/plan/flu-2025/d1?size=20&equity=1").await;
    small.has(&["Left for want of the size of the wave", "Left for want of free appointments"]);
    let asked = source.asked.lock().unwrap().pop().unwrap();
    assert_eq!((&asked["aims"]["size"], &asked["aims"]["equity"]), (&json!(20), &json!(1.0)));
    let wrong = get_as("planner", source, "/waves/plan/flu-2025/d1?size=many").await;
    wrong.has(&["There is a problem", "it is 'many'"]);
}

#[tokio::test]
async fn a_plan_is_made_the_waves_by_planners_alone() {
    let source = season();
    let adopted = post_as("planner", source.clone(), "/waves/plan/flu-2025/d1", "size=20").await;
    assert_eq!(adopted.status, 200);
    adopted.has(&["has its plan", "20 people"]);
    let asked = source.asked.lock().unwrap().pop().unwrap();
    assert_eq!(
        (&asked["action"], &asked["by"], &asked["aims"]["size"]),
        (&json!("adopt"), &json!("Sam Staff"), &json!(20))
    );
    for (role, path, body, status, text) in [
        ("engineer", "/waves/plan/flu-2025/d1", "size=20", 403, "Plans are for planners"),
        ("engineer", "/waves/plan", "wave=flu-2025%2Fw3", 403, "Plans are for planners"),
        ("analyst", "/waves/plan", "wave=flu-2025%2Fw3", 403, "You may not enter this room"),
        ("planner", "/waves/plan", "", 400, "The form names no wave."),
        ("planner", "/waves/plan", "wave=flu-2025%2Fw9", 409, "There is no wave"),
        ("planner", "/waves/plan/flu-2025/d1", "size=many", 400, "must be a whole number"),
        ("planner", "/waves/plan/flu-2025/d9", "size=20", 409, "There is no such draft"),
    ] {
        let answer = post_as(role, source.clone(), path, body).await;
        assert_eq!(answer.status, status, "{role} {path} {body}");
        answer.has(&[text]);
    }
}
