//! Drafts of a next version: written by planners, counted part by part, shown when all parts are in.

use ims_domain::Person;
use ims_eligibility::Campaign;
use ims_snapshot::{PersonRow, Version, compare, write_parquet};

use super::*;

const DRAFTS: &str = "/campaigns/flu-2025/drafts";

async fn submit(source: &Given, role: &str, rules: &str) -> Answer {
    let body: String = form_urlencoded::Serializer::new(String::new()).append_pair("rules", rules).finish();
    let request = Request::post(format!("/console{DRAFTS}"))
        .header(header::COOKIE, format!("ims_session={}", token_of(role)))
        .header("sec-fetch-site", "same-origin")
        .body(Body::from(body));
    send(console(source.clone()), request.unwrap()).await
}

/// People born from 1950 on, one a year; each tenth restricted.
fn people(count: u8) -> Vec<PersonRow> {
    (0..count)
        .map(|place| {
            let mut person = Person::new(PersonId(uuid::Uuid::from_u128(u128::from(place) + 1)), None);
            person.demographics.date_of_birth = Some(date(1950 + i16::from(place), 6, 1));
            person.demographics.icb = if place < 10 { "QOQ" } else { "QUE" }.into();
            person.states.restricted = place % 10 == 9;
            PersonRow::of(&person)
        })
        .collect()
}

/// What the parts of the snapshot give for rules that were posted.
fn count(source: &Given, rules: &str) {
    let plan: ContactPlan = serde_json::from_str(PLAN).unwrap();
    let day = date(2025, 11, 3);
    let compiled = |rules: &str| {
        let campaign = Campaign::parse(rules.as_bytes()).unwrap();
        campaign.compile(campaign.iteration_on(day).unwrap())
    };
    let (new, base) = (compiled(rules), compiled(RULES));
    let version = |rules| Version { rules, plan: &plan };
    let compared = |part: &[PersonRow]| {
        compare(write_parquet(part).unwrap().into(), version(&new), Some(version(&base)), day).unwrap()
    };
    let parts = people(30).chunks(10).map(compared).collect();
    *source.previewed.lock().unwrap() = parts;
}

#[tokio::test]
async fn a_planner_sees_the_rules_in_force_and_others_are_refused() {
    let answer = get_as("planner", season(), DRAFTS).await;
    assert_eq!(answer.status, 200);
    answer.has(&["New version of", "Remove under 65 on 31 March 2026", "name=\"rules\"", "data-fill=\"rules\""]);
    get_as("planner", season(), "/campaigns/flu-2025").await.has(&["/console/campaigns/flu-2025/drafts"]);
    for role in ["analyst", "engineer"] {
        let answer = get_as(role, season(), DRAFTS).await;
        assert_eq!(answer.status, 403, "{role}");
        answer.has(&["Drafts are for planners"]);
        assert_eq!(submit(&season(), role, RULES).await.status, 403, "{role}");
        let campaign = get_as(role, season(), "/campaigns/flu-2025").await;
        assert!(!campaign.body.contains(DRAFTS), "{role}");
    }
    assert_eq!(get_as("planner", season(), "/campaigns/none/drafts").await.status, 404);
    assert_eq!(get_as("planner", season(), &format!("{DRAFTS}/none")).await.status, 404);
}

#[tokio::test]
async fn mistakes_are_shown_by_their_paths_and_nothing_is_saved() {
    let source = season();
    let wrong =
        RULES.replace("\"Operator\": \"W>\"", "\"Operator\": \"weeks\"").replace("\"Type\": \"V\"", "\"Type\": \"Q\"");
    let answer = submit(&source, "planner", &wrong).await;
    assert_eq!(answer.status, 422);
    answer.has(&[
        "2 mistakes",
        "CampaignConfig.Type",
        "CampaignConfig.Iterations[0].IterationRules[1].Operator",
        "&quot;weeks&quot; is not one of",
        "Error: New version",
    ]);
    for (rules, shown) in [
        ("{".to_owned(), "not JSON"),
        (RULES.replace("flu-2025", "flu-2026"), "CampaignConfig.ID"),
        (RULES.replace("\"Target\": \"FLU\"", "\"Target\": \"RSV\""), "plan.programme"),
        (" ".repeat(400_000), "at most"),
    ] {
        let answer = submit(&source, "planner", &rules).await;
        assert_eq!(answer.status, 422, "{shown}");
        answer.has(&[shown]);
    }
    assert!(source.drafts.lock().unwrap().is_empty() && source.queued.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_draft_is_counted_part_by_part_and_compared() {
    let mut source = season();
    source.snapshot.as_mut().unwrap().parts = 3;
    let rules =
        RULES.replace("19610331", "19700331").replace("\"ApprovalMaximum\": 60000000", "\"ApprovalMaximum\": 15");
    let answer = submit(&source, "planner", &rules).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let draft = source.drafts.lock().unwrap()[0].clone();
    let path = format!("{DRAFTS}/{}", draft.draft);
    assert_eq!(answer.header("location"), format!("/console{path}"));
    assert_eq!((draft.base, draft.parts, draft.day, draft.author.as_str()), (1, 3, date(2025, 11, 3), "Sam Staff"));
    assert_eq!((draft.manifest.as_str(), draft.rules.as_str()), ("00000012-0a1b", rules.as_str()));
    assert_eq!(*source.queued.lock().unwrap(), [0, 1, 2]);

    let waiting = get_as("planner", source.clone(), &path).await;
    waiting.has(&["0 of 3 parts", "Count again"]);
    assert_eq!(waiting.header("refresh"), "2");

    count(&source, &rules);
    let first = source.previewed.lock().unwrap()[..1].to_vec();
    let all = std::mem::replace(&mut *source.previewed.lock().unwrap(), first);
    get_as("planner", source.clone(), &path).await.has(&["1 of 3 parts"]);
    let examples = get_as("planner", source.clone(), &format!("{path}/examples")).await;
    examples.has(&["still being counted"]);
    // What is missing is counted again, and nothing else.
    let again = Request::post(format!("/console{path}"))
        .header(header::COOKIE, format!("ims_session={}", token_of("planner")))
        .header("sec-fetch-site", "same-origin");
    assert_eq!(send(console(source.clone()), again.body(Body::empty()).unwrap()).await.status, 303);
    assert_eq!(source.queued.lock().unwrap()[3..], [1, 2]);

    *source.previewed.lock().unwrap() = all;
    let answer = get_as("planner", source.clone(), &path).await;
    assert_eq!((answer.status, answer.header("refresh")), (200, ""));
    answer.has(&[
        "20 people today; version 1 would invite 11 people.",
        "9 people would enter and 0 people would leave.",
        "More than approved",
        "By integrated care board",
        "By age",
        "By ethnic group",
        "By deprivation decile",
        "This draft is saved",
    ]);
    // Nine in each board, rounded; two of whom nobody may learn where they live, withheld.
    let board = answer.body.split("id=\"icb-table\"").nth(1).unwrap().split("</table>").next().unwrap();
    assert!(board.contains("QOQ") && board.contains("QUE") && board.contains("Not known"), "{board}");
    assert!(
        board.contains(">10<") && board.contains(">–<") && !board.contains(">9<") && !board.contains(">2<"),
        "{board}"
    );
    get_as("planner", source, "/campaigns/flu-2025").await.has(&["by Sam Staff, compared with version 1"]);
}

#[tokio::test]
async fn examples_are_ids_with_reasons_written_down_first() {
    let mut source = season();
    source.snapshot.as_mut().unwrap().parts = 3;
    let rules = RULES.replace("19610331", "19700331");
    submit(&source, "planner", &rules).await;
    count(&source, &rules);
    let path = format!("{DRAFTS}/{}/examples", source.drafts.lock().unwrap()[0].draft);
    let answer = get_as("planner", source.clone(), &path).await;
    answer.has(&["Enters", "Remove under 65 on 31 March 2026", "PERSON.DATE_OF_BIRTH"]);
    assert_eq!(answer.body.matches("What was looked at").count(), 10);
    let audited = source.audited();
    assert_eq!(audited.len(), 10);
    assert!(
        audited.iter().all(|entry| entry.starts_with("Sam Staff preview person allowed: campaign flu-2025 draft "))
    );
    // Restricted people are never drawn, and nobody's date of birth is there.
    for restricted in [10u128, 20, 30] {
        assert!(!answer.body.contains(&uuid::Uuid::from_u128(restricted).to_string()));
    }
    assert!(!answer.body.contains("19500601") && !answer.body.contains("1950-06-01"));

    source.is_audited = false;
    let refused = get_as("planner", source, &path).await;
    assert_eq!(refused.status, 502);
    assert!(!refused.body.contains("What was looked at"));
}

#[tokio::test]
async fn a_draft_is_removed_by_its_author_alone() {
    let source = season();
    submit(&source, "planner", RULES).await;
    let draft = source.drafts.lock().unwrap()[0].clone();
    let (path, remove) = (format!("{DRAFTS}/{}", draft.draft), format!("{DRAFTS}/{}/remove", draft.draft));
    let post = || {
        let request = Request::post(format!("/console{remove}"))
            .header(header::COOKIE, format!("ims_session={}", token_of("planner")))
            .header("sec-fetch-site", "same-origin");
        send(console(source.clone()), request.body(Body::empty()).unwrap())
    };
    get_as("planner", source.clone(), &path).await.has(&["Kept until", "Remove this draft"]);
    get_as("planner", source.clone(), &remove).await.has(&["Remove the draft", "Keep it"]);

    source.drafts.lock().unwrap()[0].author = "Somebody Else".to_owned();
    let others = get_as("planner", source.clone(), &path).await;
    assert!(others.status == 200 && !others.body.contains("Remove this draft"));
    let refused = post().await;
    assert_eq!((refused.status, source.drafts.lock().unwrap().len()), (403, 1));
    refused.has(&["Only its author removes a draft"]);

    source.drafts.lock().unwrap()[0].author = draft.author.clone();
    let removed = post().await;
    assert_eq!((removed.status, removed.header("location")), (303, "/console/campaigns/flu-2025"));
    assert!(source.drafts.lock().unwrap().is_empty());
    assert_eq!(post().await.status, 404, "once more: it is gone");
}

#[tokio::test]
async fn without_a_snapshot_there_is_nothing_to_count() {
    let source = Given { snapshot: None, ..season() };
    let answer = submit(&source, "planner", RULES).await;
    assert_eq!(answer.status, 409);
    answer.has(&["There is no snapshot yet"]);
    assert!(source.drafts.lock().unwrap().is_empty());
}
