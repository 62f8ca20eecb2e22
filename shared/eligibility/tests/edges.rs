//! What tells rule semantics from its neighbours where nothing else does: bounds that are remembered, rules by the
//! hundred, the ends of the calendar, suffixes that are wrong.

mod campaigns;

use campaigns::{campaign, cohort, compile, date, document, everyone, parse, person, rule, with};
use ims_eligibility::Status;
use serde_json::json;

#[test]
fn compiled_rules_follow_the_day_they_are_asked_about() {
    let rules = compile(json!([everyone("all", 1)]), json!([rule("F", "future", 1, "X", "D>", "0")]));
    let facts = person(&[("X", "20261001")], &[]);
    // Forth, back, and again: nothing of one day is left on another.
    for (today, status) in [
        ("20260930", Status::NotEligible),
        ("20261001", Status::Actionable),
        ("20260930", Status::NotEligible),
        ("20270930", Status::Actionable),
        ("20260930", Status::NotEligible),
    ] {
        assert_eq!(rules.status(&facts, date(today)).0, status, "{today}");
        assert_eq!(rules.clone().status(&facts, date(today)).0, status, "{today}, a copy");
    }
}

#[test]
fn days_are_in_order_across_months_and_years() {
    let is_past = |value: &str, today: &str| {
        let rules = compile(json!([everyone("all", 1)]), json!([rule("F", "past", 1, "X", "D<", "0")]));
        rules.status(&person(&[("X", value)], &[]), date(today)).0 == Status::NotEligible
    };
    let days = ["18000101", "19991231", "20000101", "20240229", "20240301", "20251231", "20260101", "20260201"];
    for (place, earlier) in days.iter().enumerate() {
        for later in &days[place + 1..] {
            assert!(is_past(earlier, later), "{earlier} {later}");
            assert!(!is_past(later, earlier), "{later} {earlier}");
        }
        assert!(!is_past(earlier, earlier), "{earlier}");
    }
}

#[test]
fn each_of_hundreds_of_rules_has_its_own_answer() {
    let rules: Vec<_> = (0..300).map(|n| rule("F", &format!("rule {n}"), n + 1, &format!("X{n}"), "=", "1")).collect();
    let compiled = compile(json!([cohort("a", 1), everyone("all", 2)]), json!(rules));
    let today = date("20261001");
    let member = |attributes: &[(&str, &str)]| person(attributes, &["a"]);
    assert_eq!(compiled.status(&member(&[]), today), (Status::Actionable, Some("a")));
    for n in [0, 1, 31, 63, 64, 65, 127, 128, 191, 192, 255, 256, 257, 299] {
        let name = format!("X{n}");
        let facts = member(&[(&name, "1")]);
        assert_eq!(compiled.status(&facts, today), (Status::NotEligible, None), "{n}");
        let decision = compiled.decide(&facts, today);
        assert_eq!(decision.status, Status::NotEligible);
        assert!(decision.reasons.iter().all(|reason| reason.rule == format!("rule {n}")), "{n}");
        let other = member(&[(&name, "2")]);
        assert_eq!(compiled.status(&other, today).0, Status::Actionable, "{n}");
    }
}

#[test]
fn cohorts_that_share_rules_are_judged_each_for_itself() {
    let rules = json!([
        with(rule("F", "not for a", 1, "X", "=", "1"), json!({"CohortLabel": "a"})),
        rule("S", "not now", 2, "Y", "=", "1"),
        with(rule("S", "not now for b", 3, "Z", "=", "1"), json!({"CohortLabel": "b"})),
    ]);
    let compiled = compile(json!([cohort("a", 1), cohort("b", 2)]), rules);
    for (attributes, expected) in [
        (&[][..], (Status::Actionable, Some("a"))),
        (&[("X", "1")], (Status::Actionable, Some("b"))),
        (&[("Y", "1")], (Status::NotActionable, Some("a"))),
        (&[("X", "1"), ("Y", "1")], (Status::NotActionable, Some("b"))),
        (&[("Z", "1")], (Status::Actionable, Some("a"))),
        (&[("X", "1"), ("Z", "1")], (Status::NotActionable, Some("b"))),
    ] {
        let facts = person(attributes, &["a", "b"]);
        assert_eq!(compiled.status(&facts, date("20261001")), expected, "{attributes:?}");
        assert_eq!(compiled.decide(&facts, date("20261001")).status, expected.0, "{attributes:?}");
    }
}

#[test]
fn comparators_are_taken_up_to_the_ends_of_the_calendar_and_no_further() {
    for (operator, comparator, right) in [
        ("D<=", "3650000", true),
        ("D<=", "-3650000", true),
        ("D<=", "3650001", false),
        ("D<=", "-3650001", false),
        ("W<=", "-500000", true),
        ("Y<=", "-9998", true),
        ("Y<=", "-19999", false),
        ("D<=", "+1", true),
        ("D<=", " -1 ", true),
        ("D<=", "1.5", false),
        ("D<=", "", false),
        ("D<=", "-1[[NVL:]]", false),
        ("D<=", "-1[[NVL:20260101]][[NVL:20260101]]", false),
        ("D<=", "-1[[OFFSET:20260101]][[OFFSET:20260101]]", false),
        ("D<=", "[[NVL:20260101]]", false),
        ("D<=", "-1[[OFFSET:]]", false),
        ("=", "Y[[OFFSET:20260101]]", false),
        ("between", "1,5[[NVL:x]]", false),
        ("between", "1", false),
        ("between", "1,2,3", false),
        ("in", "", false),
        ("in", ",", false),
        ("is_null", "anything[[NVL:]]", true),
        ("is_true", "", true),
    ] {
        let document = document(json!([everyone("all", 1)]), json!([rule("F", "r", 1, "X", operator, comparator)]));
        assert_eq!(parse(&document).is_ok(), right, "{operator} {comparator:?}");
    }
}

#[test]
fn a_campaign_is_live_on_both_its_ends_and_on_no_day_beside() {
    let campaign = campaign(json!([everyone("all", 1)]), json!([]));
    for (now, live) in [
        ("2026-08-31T12:00:00Z", false),
        ("2026-09-01T12:00:00Z", true),
        ("2027-03-31T12:00:00Z", true),
        ("2027-04-01T12:00:00Z", false),
    ] {
        assert_eq!(campaign.live_iteration(now.parse().expect("a time")).is_some(), live, "{now}");
    }
}

#[test]
fn what_is_known_through_a_reference_is_what_is_known() {
    let labels = json!({"AttributeLevel": "COHORT", "AttributeName": "COHORT_LABEL"});
    let target = json!({"AttributeLevel": "TARGET", "AttributeTarget": "FLU", "AttributeName": "VALID_DOSES_COUNT"});
    let mut facts = person(&[("X", "1")], &["carers", "staff"]);
    facts.targets.insert("FLU".into(), [("VALID_DOSES_COUNT".to_owned(), "2".to_owned())].into());
    for rule in [
        rule("F", "own", 1, "X", "=", "1"),
        with(rule("F", "of a target", 1, "X", "=", "2"), target),
        with(rule("F", "of cohorts, as text", 1, "X", "contains", "carers,staff"), labels.clone()),
        with(rule("F", "of cohorts", 1, "X", "MemberOf", "staff"), labels),
    ] {
        let compiled = compile(json!([cohort("staff", 1)]), json!([rule.clone()]));
        let today = date("20261001");
        assert_eq!(compiled.status(&facts, today).0, Status::NotEligible, "{rule}");
        assert_eq!(compiled.status(&&facts, today).0, Status::NotEligible, "{rule}, through a reference");
    }
}
