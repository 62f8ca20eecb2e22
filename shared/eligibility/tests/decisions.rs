//! How rules combine, which iteration is live, and what is answered.

mod campaigns;

use campaigns::{campaign, cohort, compile, date, document, everyone, parse, person, rule, with};
use ims_eligibility::{CheckRequest, Decision, Outcome, Query, Refusal, Status, check, refuse};
use jiff::Timestamp;
use serde_json::{Value, json};

fn decide(cohorts: Value, rules: Value, attributes: &[(&str, &str)], labels: &[&str]) -> Decision {
    let compiled = compile(cohorts, rules);
    let facts = person(attributes, labels);
    let decision = compiled.decide(&facts, date("20261001"));
    assert_eq!(compiled.status(&facts, date("20261001")).0, decision.status, "the fast path agrees");
    decision
}

fn names(decision: &Decision) -> Vec<&str> {
    decision.reasons.iter().map(|r| r.rule.as_str()).collect()
}

/// Attributes of a person, the status and the reasons expected.
type Expectation = (&'static [(&'static str, &'static str)], Status, &'static [&'static str]);

#[test]
fn equal_priorities_are_anded_and_different_ones_ored() {
    let rules = json!([
        rule("S", "a1", 10, "A", "=", "Y"),
        rule("S", "a2", 10, "B", "=", "Y"),
        rule("S", "b", 20, "C", "=", "Y"),
    ]);
    let table: [Expectation; 5] = [
        (&[], Status::Actionable, &[]),
        (&[("A", "Y")], Status::Actionable, &[]),
        (&[("B", "Y")], Status::Actionable, &[]),
        // One reason stands for the priority.
        (&[("A", "Y"), ("B", "Y")], Status::NotActionable, &["a1"]),
        (&[("A", "Y"), ("B", "Y"), ("C", "Y")], Status::NotActionable, &["a1", "b"]),
    ];
    for (attributes, status, reasons) in table {
        let decision = decide(json!([everyone("all", 1)]), rules.clone(), attributes, &[]);
        assert_eq!(decision.status, status, "{attributes:?}");
        assert_eq!(names(&decision), reasons, "{attributes:?}");
    }
}

#[test]
fn rule_stop_ends_the_chain_only_when_its_priority_matches() {
    let stop = json!({"RuleStop": "Y"});
    let rules = json!([
        with(rule("S", "first", 10, "A", "=", "Y"), stop.clone()),
        rule("S", "second", 20, "B", "=", "Y"),
        with(rule("S", "third", 30, "C", "=", "Y"), stop),
        rule("S", "fourth", 40, "D", "=", "Y"),
    ]);
    let all = [("A", "Y"), ("B", "Y"), ("C", "Y"), ("D", "Y")];
    let cohorts = || json!([everyone("all", 1)]);
    assert_eq!(names(&decide(cohorts(), rules.clone(), &all, &[])), ["first"]);
    assert_eq!(names(&decide(cohorts(), rules.clone(), &all[1..], &[])), ["second", "third"]);
    assert_eq!(names(&decide(cohorts(), rules, &all[3..], &[])), ["fourth"]);
}

#[test]
fn filters_go_before_suppressions_and_the_best_cohort_wins() {
    let cohorts = json!([cohort("over_65", 10), cohort("at_risk", 20)]);
    let rules = json!([
        with(rule("F", "too young", 10, "DATE_OF_BIRTH", "Y>", "-65"), json!({"CohortLabel": "over_65"})),
        with(rule("S", "had it", 20, "HAD", "=", "Y"), json!({"CohortLabel": "at_risk, carers"})),
    ]);
    let young = [("DATE_OF_BIRTH", "19700101")];
    let old = [("DATE_OF_BIRTH", "19500101"), ("HAD", "Y")];

    let decision = decide(cohorts.clone(), rules.clone(), &young, &["over_65"]);
    assert_eq!((decision.status, names(&decision)), (Status::NotEligible, vec!["too young"]));

    let decision = decide(cohorts.clone(), rules.clone(), &young, &["over_65", "at_risk"]);
    assert_eq!(decision.status, Status::Actionable);
    assert_eq!(decision.cohorts.iter().map(|c| c.label.as_str()).collect::<Vec<_>>(), ["at_risk"]);

    let decision = decide(cohorts.clone(), rules.clone(), &old, &["over_65", "at_risk"]);
    assert_eq!((decision.status, decision.cohorts[0].label.as_str()), (Status::Actionable, "over_65"));

    let decision = decide(cohorts, rules, &old, &["at_risk"]);
    assert_eq!((decision.status, names(&decision)), (Status::NotActionable, vec!["had it"]));
}

#[test]
fn best_cohort_is_the_first_by_priority_and_one_without_priority_is_last() {
    let cohorts = json!([with(cohort("c", 0), json!({"Priority": null})), cohort("b", 20), cohort("a", 10)]);
    let compiled = compile(cohorts, json!([]));
    let best = |labels: &[&str]| {
        let (_, label) = compiled.status(&person(&[], labels), date("20261001"));
        label.map(str::to_owned)
    };
    assert_eq!(best(&["a", "b", "c"]).as_deref(), Some("a"));
    assert_eq!(best(&["c", "b"]).as_deref(), Some("b"));
    assert_eq!(best(&["c"]).as_deref(), Some("c"));
    assert_eq!(best(&[]), None);
}

#[test]
fn everyone_is_in_a_virtual_cohort() {
    assert_eq!(decide(json!([cohort("a", 1)]), json!([]), &[], &[]).status, Status::NotEligible);
    assert_eq!(decide(json!([everyone("a", 1)]), json!([]), &[], &[]).status, Status::Actionable);
}

#[test]
fn a_suppression_priority_meant_for_other_cohorts_is_left_out_whole() {
    let rules = json!([
        with(rule("S", "in care", 10, "CARE", "=", "Y"), json!({"CohortLabel": "older"})),
        rule("S", "no booking", 10, "BOOKED", "is_empty", ""),
    ]);
    let cohorts = json!([cohort("older", 1), cohort("younger", 2)]);
    let care = [("CARE", "Y")];
    assert_eq!(decide(cohorts.clone(), rules.clone(), &care, &["older"]).status, Status::NotActionable);
    assert_eq!(decide(cohorts, rules, &care, &["younger"]).status, Status::Actionable);
}

#[test]
fn an_explanation_shows_each_step_and_the_value_seen() {
    let rules =
        json!([rule("F", "too young", 10, "DATE_OF_BIRTH", "Y>", "-65"), rule("S", "flagged", 20, "FLAG", "=", "Y")]);
    let decision = decide(json!([cohort("a", 1), cohort("b", 2)]), rules, &[("DATE_OF_BIRTH", "19500101")], &["b"]);
    let steps: Vec<_> = decision
        .explanation
        .iter()
        .map(|s| (s.cohort.as_str(), s.rule.as_deref(), s.test.as_str(), s.value.as_deref(), s.outcome))
        .collect();
    assert_eq!(
        steps,
        [
            ("a", None, "MemberOf a", None, Outcome::NotMember),
            ("b", None, "MemberOf b", None, Outcome::Member),
            ("b", Some("too young"), "Y> -65", Some("19500101"), Outcome::NotMatched),
            ("b", Some("flagged"), "= Y", None, Outcome::NotMatched),
        ]
    );
}

#[test]
fn the_live_iteration_is_the_one_that_started_last_by_london_time() {
    let mut document = document(json!([everyone("all", 1)]), json!([]));
    let second = with(
        document["CampaignConfig"]["Iterations"][0].clone(),
        json!({"ID": "it-2", "IterationDate": "20261025", "IterationTime": "01:30:00"}),
    );
    document["CampaignConfig"]["Iterations"].as_array_mut().expect("a list").push(second);
    let campaign = parse(&document).expect("a campaign");
    let live = |now: &str| campaign.live_iteration(now.parse().expect("a time")).map(|i| i.id.clone());
    for (now, expected) in [
        // The first day of the campaign, before and at 07:00 British Summer Time.
        ("2026-08-31T23:30:00Z", None),
        ("2026-09-01T05:59:59Z", None),
        ("2026-09-01T06:00:00Z", Some("it-1")),
        // 25 October 2026 has 01:30 twice; the iteration starts the first time.
        ("2026-10-25T00:29:59Z", Some("it-1")),
        ("2026-10-25T00:30:00Z", Some("it-2")),
        ("2026-10-25T01:30:00Z", Some("it-2")),
        // The last day ends at midnight in London: in summer time, an hour early by UTC.
        ("2027-03-31T22:59:59Z", Some("it-2")),
        ("2027-03-31T23:00:00Z", None),
    ] {
        assert_eq!(live(now).as_deref(), expected, "{now}");
    }
    // Of a day, the iteration that is live at its noon.
    for (day, expected) in [
        ("20260831", None),
        ("20260901", Some("it-1")),
        ("20261024", Some("it-1")),
        ("20261025", Some("it-2")),
        ("20270331", Some("it-2")),
        ("20270401", None),
    ] {
        assert_eq!(campaign.iteration_on(date(day)).map(|live| live.id.as_str()), expected, "{day}");
    }
}

#[test]
fn a_status_is_written_as_the_service_writes_it() {
    let all = [Status::NotEligible, Status::NotActionable, Status::Actionable];
    assert_eq!(all.map(Status::as_str), ["NotEligible", "NotActionable", "Actionable"]);
    assert!(all.is_sorted(), "the worst first");
}

#[test]
fn actions_follow_the_first_matching_priority_else_the_default() {
    let rules = json!([
        with(rule("R", "r1", 10, "ICB", "=", "QJG"), json!({"CommsRouting": "WALK_IN|BOOK|NOWHERE"})),
        with(rule("R", "r2", 20, "ICB", "=", "QUE"), json!({"CommsRouting": "NOWHERE"})),
    ]);
    let compiled = compile(json!([everyone("all", 1)]), rules);
    let codes = |icb: &str, wanted: bool| {
        let answer = compiled.suggest(&person(&[("ICB", icb)], &[]), date("20261001"), wanted).expect("an answer");
        answer.actions.map(|actions| actions.into_iter().map(|a| a.action_code).collect::<Vec<_>>())
    };
    assert_eq!(codes("QJG", true), Some(vec!["WalkIn".to_owned(), "Book".to_owned()]));
    assert_eq!(codes("QUE", true), Some(vec!["Book".to_owned()]), "a routing that leads nowhere keeps the default");
    assert_eq!(codes("QXX", true), Some(vec!["Book".to_owned()]));
    assert_eq!(codes("QJG", false), None);
}

#[test]
fn texts_are_filled_with_the_persons_values() {
    let facts = {
        let mut facts = person(&[("POSTCODE", "CB3 8DX"), ("DATE_OF_BIRTH", "19510403")], &[]);
        let record = [("LAST_SUCCESSFUL_DATE", "20260305")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        facts.targets.insert("FLU".to_owned(), record.into());
        facts
    };
    let text = |template: &str| {
        let rules =
            json!([with(rule("S", "rule", 1, "POSTCODE", "is_not_empty", ""), json!({"Description": template}))]);
        let document = document(json!([everyone("all", 1)]), rules);
        let campaign = ims_eligibility::Campaign::parse_published(document.to_string().as_bytes()).expect("a campaign");
        let answer = campaign.compile(&campaign.iterations[0]).suggest(&facts, date("20261001"), true);
        answer.map(|a| a.suitability_rules.first().map_or_else(String::new, |r| r.rule_text.clone()))
    };
    for (template, expected) in [
        ("at [[PERSON.POSTCODE]], born [[person.date_of_birth:date(%-d %B %Y)]]", "at CB3 8DX, born 3 April 1951"),
        ("had on [[TARGET.FLU.LAST_SUCCESSFUL_DATE:DATE(%d.%m.%Y)]]", "had on 05.03.2026"),
        ("due [[TARGET.FLU.NEXT_DOSE_DUE:ADD_DAYS(91)]]", "due 20260604"),
        ("due [[TARGET.FLU.NEXT_DOSE_DUE:ADD_DAYS():DATE(%-d %B %Y)]]", "due 4 June 2026"),
        ("book [[TARGET.FLU.ANY_NAME:ADD_DAYS(-1, LAST_SUCCESSFUL_DATE)]]", "book 20260304"),
        // Not known: nothing.
        ("[[TARGET.COVID.LAST_SUCCESSFUL_DATE:DATE(%d %B %Y)]]?", "?"),
        ("[[TARGET.FLU.BOOKED_APPOINTMENT_DATE:ADD_DAYS(3)]]?", "?"),
        ("[[PERSON.GENDER]]?", "?"),
        ("no [[ token", "no [[ token"),
        // A token lies within one line.
        ("first\n[[PERSON.POSTCODE]]\nlast", "first\nCB3 8DX\nlast"),
        ("one [[PERSON\n.POSTCODE]] two [[PERSON.POSTCODE]]", "one [[PERSON\n.POSTCODE]] two CB3 8DX"),
    ] {
        assert_eq!(text(template).as_deref(), Ok(expected), "{template}");
    }
    for template in [
        "[[PERSON.SHOE_SIZE]]",
        "[[TARGET.PLAGUE.LAST_SUCCESSFUL_DATE]]",
        "[[TARGET.FLU.SHOE_SIZE]]",
        "[[PLANET.NAME]]",
        "[[PERSON]]",
        "[[]]",
        "[[PERSON.POSTCODE:DATE(%Y)]]",
        "[[TARGET.FLU.NEXT_DOSE_DUE:ADD_DAYS]]",
        "[[TARGET.FLU.NEXT_DOSE_DUE:ADD_DAYS(soon)]]",
        "[[TARGET.FLU.NEXT_DOSE_DUE:ADD_YEARS(1)]]",
    ] {
        assert!(text(template).is_err(), "{template}");
    }
}

#[test]
fn requests_that_are_not_understood_are_refused() {
    let now: Timestamp = "2026-10-01T12:00:00Z".parse().expect("a time");
    let query = |conditions, category, actions| Query::parse(conditions, category, actions);
    let table = [
        (query(Some("FLU;COVID"), None, None), 400, "parameters/conditions"),
        (query(Some(""), None, None), 400, "parameters/conditions"),
        (query(None, Some("SHOES"), None), 422, "parameters/category"),
        (query(None, None, Some("maybe")), 422, "parameters/includeActions"),
        (Err(Refusal::UnknownPerson("9000000009".to_owned())), 404, "parameters/id"),
    ];
    for (result, status, location) in table {
        let refusal = result.expect_err("refused");
        let answer = refuse(&refusal, "id", now);
        assert_eq!(answer.status, status, "{refusal}");
        assert_eq!(answer.response["resourceType"], "OperationOutcome");
        assert_eq!(answer.response["issue"][0]["location"][0], location);
    }
    assert_eq!(query(Some("flu, covid"), Some("vaccinations"), Some("n")).map(|q| q.include_actions), Ok(false));
}

#[test]
fn of_two_campaigns_for_a_condition_the_later_iteration_answers() {
    let now: Timestamp = "2026-10-01T12:00:00Z".parse().expect("a time");
    let version = |id: &str, start: &str, text: &str| {
        let mut document = document(json!([everyone("all", 1)]), json!([]));
        document["CampaignConfig"]["ID"] = json!(id);
        document["CampaignConfig"]["Iterations"][0]["IterationDate"] = json!(start);
        document["CampaignConfig"]["Iterations"][0]["StatusText"] = json!({"Actionable": text});
        parse(&document).expect("a campaign")
    };
    let campaigns =
        [version("old", "20260901", "old"), version("new", "20260915", "new"), version("next", "20261115", "next")];
    let query = Query::default();
    let ask = |campaigns: &[ims_eligibility::Campaign], permitted: Option<&[String]>| {
        let request = CheckRequest {
            campaigns: &campaigns.iter().collect::<Vec<_>>(),
            permitted,
            query: &query,
            now,
            response_id: "id",
        };
        check(&request, |_| person(&[], &[]))
            .map(|body| body.processed_suggestions.into_iter().map(|s| s.status_text).collect::<Vec<_>>())
    };
    assert_eq!(ask(&campaigns, None), Ok(vec!["new".to_owned()]));
    assert_eq!(ask(&campaigns, Some(&["old".to_owned()])), Ok(vec!["old".to_owned()]));
    assert_eq!(ask(&campaigns, Some(&[])), Ok(vec![]));
    let twins = [campaigns[0].clone(), version("twin", "20260901", "twin")];
    assert!(matches!(ask(&twins, None), Err(Refusal::Internal(_))), "two campaigns from the same moment");
    assert_eq!(campaign(json!([]), json!([])).target, "FLU");
}

#[test]
fn an_explanation_names_what_was_looked_at_and_the_kind_and_priority_of_the_rule() {
    let target = json!({"AttributeLevel": "TARGET", "AttributeTarget": "FLU", "AttributeName": "LAST_SUCCESSFUL_DATE"});
    let labels = json!({"AttributeLevel": "COHORT", "AttributeName": "COHORT_LABEL"});
    let rules = json!([
        rule("F", "own", 10, "GENDER", "=", "2"),
        with(rule("S", "of a target", 20, "X", "is_null", ""), target),
        with(rule("S", "of cohorts", 30, "X", "MemberOf", "all,b"), labels),
    ]);
    let decision = decide(json!([everyone("all", 1)]), rules, &[], &["c"]);
    let steps: Vec<_> = decision
        .explanation
        .iter()
        .map(|step| (step.attribute.as_str(), step.kind, step.priority, step.test.as_str(), step.value.as_deref()))
        .collect();
    use ims_eligibility::RuleType::{Filter, Suppression};
    assert_eq!(
        steps,
        [
            ("COHORT", None, Some(1), "everyone", None),
            ("PERSON.GENDER", Some(Filter), Some(10), "= 2", None),
            ("TARGET.FLU.LAST_SUCCESSFUL_DATE", Some(Suppression), Some(20), "is_null", None),
            // Of a virtual cohort everyone is a member.
            ("COHORT", Some(Suppression), Some(30), "MemberOf all,b", Some("c,all")),
        ]
    );
    assert_eq!((decision.status, names(&decision)), (Status::NotActionable, vec!["of a target", "of cohorts"]));
}
