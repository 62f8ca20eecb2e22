//! Feed files that were held back, and who decides about them.

use ims_store::{FileDecision, Held};

use super::*;

const FILE: &str = "Demographics_v1_X26_20251006T05000000.csv";
const WHY: &str = "it says of 20 of 100 people held whom it names that they have died";

fn waiting() -> Given {
    let mut source = season();
    let file = &mut source.files[0];
    (file.name, file.feed, file.supplier, file.vaccine) = (FILE.into(), "demographics".into(), "X26".into(), None);
    (file.state, file.accepted, file.rejected) = (FeedFileState::AwaitingApproval, 0, 0);
    file.held = Some(Held { why: WHY.into(), decision: None });
    source
}

async fn post_as(role: &str, source: Given, body: &str) -> Answer {
    let request = Request::post(format!("/console/feeds/{FILE}"))
        .header(header::COOKIE, format!("ims_session={}", token_of(role)))
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    send(console(source), request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn a_file_that_waits_says_why_and_only_a_records_officer_gets_the_buttons() {
    for role in ["planner", "engineer", "records-officer"] {
        let page = get_as(role, waiting(), &format!("/feeds/{FILE}")).await;
        page.has(&["waits for approval", "It says of 20 of 100 people", "None of its rows is applied"]);
        let officer = role == "records-officer";
        assert_eq!(page.body.contains("value=\"approve\""), officer, "{role}");
        assert_eq!(page.body.contains("A records officer decides."), !officer, "{role}");
    }
    get_as("engineer", waiting(), "/system").await.has(&["waits for approval: it says of 20 of 100"]);
    let mut decided = waiting();
    decided.files[0].state = FeedFileState::Failed;
    let decision = FileDecision {
        approved: false,
        by: "Sam Staff".into(),
        reason: "the sender took it back".into(),
        at: "2026-11-22T14:00:00Z".parse().unwrap(),
    };
    decided.files[0].held = Some(Held { why: WHY.into(), decision: Some(decision) });
    let page = get_as("records-officer", decided, &format!("/feeds/{FILE}")).await;
    page.has(&["Refused by Sam Staff", "the sender took it back"]);
    assert!(!page.body.contains("value=\"approve\""));
}

#[tokio::test]
async fn a_decision_goes_to_feed_intake_with_its_author_and_reason() {
    let source = waiting();
    for (decision, approved) in [("approve", true), ("refuse", false)] {
        let body = format!("decision={decision}&reason=confirmed+by+the+sender");
        let answer = post_as("records-officer", source.clone(), &body).await;
        assert_eq!((answer.status, answer.header("location")), (303, format!("/console/feeds/{FILE}").as_str()));
        let ruling = source.rulings.lock().unwrap().pop().unwrap();
        let reason = "confirmed by the sender".to_owned();
        assert_eq!(ruling, FileRuling { file: FILE.into(), approved, by: "Sam Staff".into(), reason });
    }
    for (role, body, status, text) in [
        ("engineer", "decision=approve&reason=confirmed+by+the+sender", 403, "You may not decide this"),
        ("records-officer", "decision=approve&reason=", 400, "Say why"),
        ("records-officer", "decision=perhaps&reason=confirmed+by+the+sender", 400, "'perhaps' is no decision"),
        ("records-officer", "decision=approve&reason=decided+before+that", 400, "does not wait for a decision"),
        ("analyst", "decision=approve&reason=confirmed+by+the+sender", 403, "You may not enter this room"),
    ] {
        let answer = post_as(role, source.clone(), body).await;
        assert_eq!(answer.status, status, "{role} {body}");
        answer.has(&[text]);
    }
    assert!(source.rulings.lock().unwrap().is_empty());
    assert_eq!(source.audited(), [format!("Sam Staff decide_feed nobody refused: {FILE}")]);
}
