//! What a request's parameters ask for.

mod campaigns;

use campaigns::{document, everyone, parse, person};
use ims_eligibility::{Campaign, Category, CheckRequest, Query, Refusal, check};
use serde_json::json;

/// A live campaign of a type, for a condition.
fn campaign(kind: &str, target: &str) -> Campaign {
    let mut document = document(json!([everyone("all", 1)]), json!([]));
    let config = &mut document["CampaignConfig"];
    (config["ID"], config["Type"], config["Target"]) = (json!(target.to_lowercase()), json!(kind), json!(target));
    parse(&document).expect("a campaign")
}

#[test]
fn a_category_takes_in_campaigns_of_its_kind_alone() {
    let campaigns = [campaign("V", "FLU"), campaign("S", "RSV")];
    let all: Vec<&Campaign> = campaigns.iter().collect();
    for (category, conditions) in [
        (None, &["FLU", "RSV"][..]),
        (Some("ALL"), &["FLU", "RSV"]),
        (Some("vaccinations "), &["FLU"]),
        (Some("SCREENING"), &["RSV"]),
    ] {
        let query = Query::parse(None, category, None).expect("a query");
        let now = "2026-10-01T12:00:00Z".parse().expect("a time");
        let request = CheckRequest { campaigns: &all, permitted: None, query: &query, now, response_id: "id" };
        let body = check(&request, |_| person(&[], &[])).expect("an answer");
        let mut found: Vec<String> = body.processed_suggestions.into_iter().map(|one| one.condition).collect();
        found.sort();
        assert_eq!(found, conditions, "{category:?}");
    }
}

#[test]
fn parameters_are_read_in_any_case_and_refused_by_name() {
    for (text, category) in
        [("all", Category::All), (" Vaccinations", Category::Vaccinations), ("screening", Category::Screening)]
    {
        assert_eq!(Query::parse(None, Some(text), None).map(|query| query.category), Ok(category), "{text}");
    }
    for (text, wanted) in [("Y", true), ("y", true), ("N", false), (" n ", false)] {
        assert_eq!(Query::parse(None, None, Some(text)).map(|query| query.include_actions), Ok(wanted), "{text}");
    }
    assert_eq!(Query::parse(None, Some("X"), None), Err(Refusal::Category("X".into())));
    assert_eq!(Query::parse(None, None, Some("X")), Err(Refusal::IncludeActions("X".into())));
    assert_eq!(Query::parse(Some("FLU,,RSV"), None, None), Err(Refusal::Conditions(String::new())));
    let conditions = |text| Query::parse(Some(text), None, None).map(|query| query.conditions);
    assert_eq!(conditions("flu, rsv"), Ok(Some(vec!["FLU".to_owned(), "RSV".to_owned()])));
    assert_eq!(conditions("flu,all"), Ok(None));
}
