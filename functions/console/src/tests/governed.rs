//! The page of one wave: who may do what, and in whose name it goes to `wave-planning`.

use ims_domain::wave::{Deed, WaveAction};

use super::*;

const PAGE: &str = "/waves/flu-2025/w1";

/// A wave by Ann Author in a state, reviewed by somebody where it is reviewed.
fn wave_in(state: WaveState, reviewer: &str) -> Given {
    let mut source = season();
    let wave = &mut source.campaigns[0].waves[0];
    wave.state = state;
    if !reviewer.is_empty() {
        wave.deeds = vec![Deed {
            action: WaveAction::Review,
            by: reviewer.into(),
            role: "planner".into(),
            at: "2026-11-22T14:00:00Z".parse().unwrap(),
            reason: "counts <agree>".into(),
            version: 2,
        }];
    }
    source
}

async fn post_as(role: &str, source: Given, body: &str) -> Answer {
    let request = Request::post(format!("/console{PAGE}"))
        .header(header::COOKIE, format!("ims_session={}", token_of(role)))
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    send(console(source), request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn a_wave_says_what_stands_and_who_may_go_on() {
    let buttons = |answer: &Answer| -> Vec<&str> {
        WaveAction::ORDERS
            .into_iter()
            .map(WaveAction::name)
            .filter(|name| answer.body.contains(&format!("name=\"action\" value=\"{name}\"")))
            .collect()
    };
    // The pages are shown to Sam Staff.
    for (state, reviewer, role, expected, text) in [
        (WaveState::Selected, "", "planner", vec!["review", "stop", "close"], "Ann Author"),
        (WaveState::Selected, "", "engineer", vec!["stop"], "nobody yet"),
        (WaveState::Reviewed, "Ben", "planner", vec!["approve", "stop", "close"], "counts &lt;agree&gt;"),
        (WaveState::Reviewed, "Sam Staff", "planner", vec!["stop", "close"], "who reviewed it"),
        (WaveState::Approved, "Ben", "planner", vec!["release", "stop", "close"], "approved, not released"),
        (WaveState::Released, "Ben", "engineer", vec!["pause", "stop"], "Messages may leave"),
        (WaveState::Released, "Ben", "planner", vec!["confirm", "pause", "stop", "close"], "The first 500 people"),
        (WaveState::Paused, "Ben", "planner", vec!["resume", "stop", "close"], "until it is resumed"),
        (WaveState::Stopped, "Ben", "planner", vec!["review", "close"], "reviewed and approved anew"),
        (WaveState::Closed, "Ben", "planner", vec![], "it is over"),
    ] {
        let page = get_as(role, wave_in(state, reviewer), PAGE).await;
        assert_eq!(page.status, 200);
        assert_eq!(buttons(&page), expected, "{state:?} {role}");
        page.has(&[text, "What was done", "6,000"]);
    }
    let mut own = wave_in(WaveState::Selected, "");
    own.campaigns[0].waves[0].authors = vec!["sam staff".into()];
    let page = get_as("planner", own, PAGE).await;
    page.has(&["who wrote it"]);
    assert!(!page.body.contains("value=\"review\""));
    assert_eq!(get_as("planner", season(), "/waves/flu-2025/w9").await.status, 404);
    assert_eq!(get_as("analyst", season(), PAGE).await.status, 403);
}

#[tokio::test]
async fn what_is_done_goes_to_wave_planning_with_the_sessions_own_token() {
    let source = wave_in(WaveState::Reviewed, "Ben");
    let answer = post_as("planner", source.clone(), "action=approve&version=3&reason=clinics+have+room").await;
    assert_eq!((answer.status, answer.header("location")), (303, format!("/console{PAGE}").as_str()));
    let order = source.orders.lock().unwrap().pop().unwrap();
    assert_eq!((order.action, order.version, order.reason.as_str()), (WaveAction::Approve, 3, "clinics have room"));
    assert!(order.token == token_of("planner"), "nobody else's token, and none made up");
    let body = "action=confirm&version=3&reason=looked+at+it&bounces=yes&print_proof=yes";
    post_as("planner", source.clone(), body).await;
    let order = source.orders.lock().unwrap().pop().unwrap();
    assert_eq!(
        (order.action, order.checked),
        (WaveAction::Confirm, vec!["bounces".to_owned(), "print_proof".to_owned()])
    );
    for (body, status, text) in [
        ("action=approve&version=3&reason=", 400, "Say why"),
        ("action=approve&reason=clinics+have+room", 400, "which version"),
        ("action=launch&version=3&reason=clinics+have+room", 400, "nothing that can be done"),
        ("action=approve&version=3&reason=not+yours+to+say", 409, "is for somebody else"),
        // A name in the form is no identity.
        ("action=approve&version=3&reason=not+yours+to+say&by=Cat&token=x", 409, "is for somebody else"),
    ] {
        let answer = post_as("planner", source.clone(), body).await;
        assert_eq!(answer.status, status, "{body}");
        answer.has(&[text]);
    }
    assert_eq!(
        post_as("analyst", source.clone(), "action=approve&version=3&reason=clinics+have+room").await.status,
        403
    );
    assert!(source.orders.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_wrong_with_a_wave_is_said_in_words_beside_what_was_expected() {
    let mut source = wave_in(WaveState::Released, "Ben");
    get_as("planner", source.clone(), PAGE).await.has(&["Nobody has looked yet"]);
    let told = r#"{"at": "2026-11-22T14:03:00Z", "day": "2025-11-03", "alarms": [
        {"campaign": "flu-2025", "wave": "w1", "alarm": {"kind": "bouncing", "failed": 115, "heard": 715}, "text": "115 of 715 messages did not arrive"},
        {"campaign": "flu-2025", "wave": "w0", "alarm": {"kind": "not_released", "days": 2}, "text": "its day was 2 days ago and it is not released"}
    ]}"#;
    let known = r#"{"manifest": "m", "waves": {"w1": {"days": {"2025-10-13": {"sent": 5500, "delivered": 5000, "unheard": 100, "booked": 600}}}}}"#;
    source.watched =
        [("alarms", told), ("flu-2025", known)].map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let page = get_as("planner", source.clone(), PAGE).await;
    page.has(&[
        "115 of 715 messages did not arrive.",
        "1 minute ago",
        "13 October 2025",
        "5,500 (6,000 decided)",
        "600 (660)",
    ]);
    assert!(!page.body.contains("2 days ago and it is not released"), "that is another wave");
    let all = get_as("engineer", source, "/waves").await;
    all.has(&["flu-2025, w1", "115 of 715", "flu-2025, w0", "its day was 2 days ago and it is not released."]);
}
