//! Recorded cases of the Eligibility Signposting API: the project's own, and the national service's where they are at hand.

use std::path::PathBuf;

use ims_eligibility::case::Case;
use serde_json::Value;

fn cases() -> String {
    let crate_dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let data = std::env::var_os("IMS_ACCEPTANCE_DATA").map_or_else(|| crate_dir.join("../../../shared"), PathBuf::from);
    let own = std::fs::read_to_string(crate_dir.join("tests/cases.ndjson")).expect("the project's own cases");
    let recorded = std::fs::read_to_string(data.join("acceptance/elid/cases.ndjson")).unwrap_or_else(|_| {
        println!("skipped: no acceptance data");
        String::new()
    });
    own + &recorded
}

/// Drops what differs from one answer to the next.
fn comparable(mut body: Value) -> Value {
    if let Some(map) = body.as_object_mut() {
        map.remove("responseId");
        map.remove("id");
        if let Some(meta) = map.get_mut("meta").and_then(Value::as_object_mut) {
            meta.remove("lastUpdated");
        }
    }
    body
}

#[test]
fn every_recorded_case_gets_its_recorded_answer() {
    let text = cases();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in text.lines() {
        let case = Case::parse(line).expect("a case");
        let answer = case.answer("00000000-0000-0000-0000-000000000000");
        count += 1;
        if Some(answer.status) != case.expected_status
            || comparable(answer.response.clone()) != comparable(case.expected.clone())
        {
            wrong.push(format!(
                "{} {}\n  expected {:?} {}\n  got      {} {}",
                case.suite, case.file, case.expected_status, case.expected, answer.status, answer.response
            ));
        }
    }
    assert!(count > 0, "no cases in the file");
    assert!(wrong.is_empty(), "{} of {count} cases differ:\n{}", wrong.len(), wrong.join("\n"));
    println!("{count} cases");
}

/// The fast path gives the same status as the one that explains itself.
#[test]
fn status_agrees_with_decide_on_every_recorded_case() {
    let text = cases();
    for line in text.lines() {
        let case = Case::parse(line).expect("a case");
        let Some(facts) = case.facts() else { continue };
        for campaign in case.campaigns().expect("campaigns") {
            for iteration in &campaign.iterations {
                let compiled = campaign.compile(iteration);
                let today = ims_eligibility::london_date(case.now);
                let decision = compiled.decide(&facts, today);
                let (status, cohort) = compiled.status(&facts, today);
                assert_eq!(status, decision.status, "{}", case.file);
                if let Some(label) = cohort {
                    assert_eq!(label, decision.cohorts[0].label, "{}", case.file);
                }
            }
        }
    }
}
