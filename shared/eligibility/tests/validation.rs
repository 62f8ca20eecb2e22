//! What is reported about campaigns that are wrong.

mod campaigns;

use campaigns::{cohort, document, parse, rule, with};
use serde_json::{Value, json};

/// The problems as `path: message`.
fn problems(document: &Value) -> Vec<String> {
    parse(document).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

fn good() -> Value {
    document(json!([cohort("a", 1), cohort("b", 2)]), json!([rule("F", "r", 10, "DATE_OF_BIRTH", "Y>", "-65")]))
}

#[test]
fn a_good_campaign_has_no_problems() {
    assert_eq!(problems(&good()), Vec::<String>::new());
}

#[test]
fn other_ways_of_writing_are_accepted() {
    let mut campaign = good();
    let config = &mut campaign["CampaignConfig"];
    config["Version"] = json!("2");
    config["StartDate"] = json!(20_260_901);
    config["EndDate"] = json!("20260902");
    config["Manager"] = json!(null);
    config["SomethingElse"] = json!({"x": 1});
    config["Iterations"][0]["IterationRules"][0]["RuleStop"] = json!(true);
    config["Iterations"][0]["IterationCohorts"][0]["Virtual"] = json!(" y ");
    assert_eq!(problems(&campaign), Vec::<String>::new());
}

/// Each mistake is reported at its path, with the value at fault, and nothing else is.
#[test]
fn one_mistake_one_problem() {
    let iteration = "/CampaignConfig/Iterations/0";
    let rule = "/CampaignConfig/Iterations/0/IterationRules/0";
    let cohort = "/CampaignConfig/Iterations/0/IterationCohorts/1";
    let action = "/CampaignConfig/Iterations/0/ActionsMapper/BOOK";
    let root = "/CampaignConfig";
    let table = [
        (root, "ID", json!(null), "must not be null"),
        (root, "ID", json!(" "), "blank"),
        (root, "Version", json!("one"), "\"one\""),
        (root, "Version", json!(1.5), "1.5"),
        (root, "Name", json!(7), "7"),
        (root, "Type", json!("X"), "\"X\" is not one of V, S"),
        (root, "Target", json!("PLAGUE"), "\"PLAGUE\""),
        (root, "Manager", json!("me"), "\"me\""),
        (root, "IterationFrequency", json!("Y"), "\"Y\""),
        (root, "IterationType", json!("B"), "\"B\""),
        (root, "IterationTime", json!("7:00"), "\"7:00\""),
        (root, "IterationTime", json!("24:00:00"), "\"24:00:00\""),
        (root, "StartDate", json!("20260231"), "\"20260231\""),
        (root, "EndDate", json!("2027-03-31"), "\"2027-03-31\""),
        (root, "EndDate", json!("20260831"), "20260831"),
        (root, "EndDate", json!("20260901"), "20260901"),
        (root, "Name", json!(" "), "blank"),
        (root, "ApprovalMinimum", json!(11), "11"),
        (root, "ApprovalMinimum", json!(-1), "-1"),
        (root, "DefaultCommsRouting", json!(7), "7"),
        (root, "Reviewer", json!(7), "7"),
        (iteration, "Version", json!("x"), "\"x\""),
        (iteration, "Name", json!(""), "blank"),
        (iteration, "ApprovalMaximum", json!("many"), "\"many\""),
        (iteration, "StatusText", json!({"Actionable": 5}), "5"),
        (iteration, "RulesMapper", json!({"R": {"RuleNames": "x"}}), "\"x\""),
        (cohort, "CohortGroup", json!(""), "blank"),
        (cohort, "PositiveDescription", json!(1), "1"),
        (rule, "Name", json!(""), "blank"),
        (rule, "CommsRouting", json!(7), "7"),
        (rule, "CohortLabel", json!(1), "1"),
        (action, "ActionType", json!(1), "1"),
        (action, "ExternalRoutingCode", json!([]), "[]"),
        (action, "UrlLabel", json!(1), "1"),
        (root, "Iterations", json!([]), "at least one"),
        (iteration, "ID", json!(""), "blank"),
        (iteration, "IterationDate", json!("soon"), "\"soon\""),
        (iteration, "IterationDate", json!("20270401"), "20270401"),
        (iteration, "IterationNumber", json!("first"), "\"first\""),
        (iteration, "Type", json!("Z"), "\"Z\""),
        (iteration, "DefaultCommsRouting", json!("BOOK|TELEPORT"), "\"TELEPORT\""),
        (iteration, "DefaultNotEligibleRouting", json!("TELEPORT"), "\"TELEPORT\""),
        (iteration, "DefaultNotActionableRouting", json!("TELEPORT"), "\"TELEPORT\""),
        (iteration, "IterationRules", json!({}), "{}"),
        (cohort, "CohortLabel", json!("a"), "\"a\""),
        (cohort, "CohortGroup", json!(null), "null"),
        (cohort, "Priority", json!("high"), "\"high\""),
        (cohort, "Virtual", json!("maybe"), "\"maybe\""),
        (rule, "Type", json!("Q"), "\"Q\""),
        (rule, "Name", json!(null), "null"),
        (rule, "Description", json!(["x"]), "[\"x\"]"),
        (rule, "Description", json!("on [[TARGET.FLU]]"), "[[TARGET.FLU]]"),
        (rule, "Priority", json!("first"), "\"first\""),
        (rule, "AttributeLevel", json!("PLANET"), "\"PLANET\""),
        (rule, "AttributeName", json!(""), "PERSON"),
        (rule, "Operator", json!("=="), "\"==\""),
        (rule, "Comparator", json!(-65), "-65"),
        (rule, "Comparator", json!("sixty"), "\"sixty\""),
        (rule, "Comparator", json!("-65[[NVL:never]]"), "\"never\""),
        (rule, "Comparator", json!("-65[[OFFSET:20270230]]"), "\"20270230\""),
        (rule, "Comparator", json!("-65[[NULL:1]]"), "NULL:1"),
        (rule, "Comparator", json!("-99999999"), "-99999999"),
        (rule, "RuleStop", json!("perhaps"), "\"perhaps\""),
        (action, "UrlLink", json!("www.nhs.uk"), "\"www.nhs.uk\""),
        (action, "ActionDescription", json!("#Heading"), "#Heading"),
        (action, "ActionDescription", json!("text\n## Heading"), "## Heading"),
        (action, "ActionDescription", json!("-item"), "-item"),
        (action, "ActionDescription", json!("see [here] (https://x.uk)"), "[here]"),
        (action, "ActionDescription", json!("[[PERSON.DATE_OF_BIRTH:DAY()]]"), "DAY()"),
        (action, "ActionDescription", json!("[[PERSON.]]"), "a part of its name is empty"),
        (action, "ActionDescription", json!("[[TARGET..LAST_SUCCESSFUL_DATE]]"), "a part of its name is empty"),
        (action, "ActionDescription", json!("[[PLANET.NAME]]"), "names \"PLANET\""),
        (action, "ActionDescription", json!("[[PERSON.POSTCODE.SECTOR]]"), "write [[PERSON.attribute]]"),
    ];
    for (object, key, value, shown) in table {
        let mut campaign = good();
        campaign.pointer_mut(object).expect("the object")[key] = value.clone();
        let found = problems(&campaign);
        assert_eq!(found.len(), 1, "{object} {key} = {value}: {found:?}");
        let pointer = object.trim_start_matches('/').replace("/0", "[0]").replace("/1", "[1]").replace('/', ".");
        assert!(found[0].starts_with(&format!("{pointer}.{key}")), "{value}: {}", found[0]);
        assert!(found[0].contains(shown), "{shown} in {}", found[0]);
    }
}

#[test]
fn missing_fields_are_named() {
    let mandatory = [
        (
            "/CampaignConfig",
            &["ID", "Version", "Name", "Type", "Target", "IterationFrequency", "StartDate", "EndDate", "Iterations"][..],
        ),
        (
            "/CampaignConfig/Iterations/0",
            &["ID", "Version", "Name", "IterationDate", "Type", "DefaultCommsRouting", "ActionsMapper"],
        ),
        ("/CampaignConfig/Iterations/0/IterationCohorts/0", &["CohortLabel", "CohortGroup"]),
        (
            "/CampaignConfig/Iterations/0/IterationRules/0",
            &["Type", "Name", "Description", "Priority", "AttributeLevel", "Operator", "Comparator"],
        ),
    ];
    for (object, keys) in mandatory {
        for key in keys {
            let mut campaign = good();
            let map = campaign.pointer_mut(object).and_then(Value::as_object_mut).expect("the object");
            map.remove(*key);
            let found = problems(&campaign);
            assert_eq!(found.len(), 1, "{key}: {found:?}");
            assert!(found[0].ends_with(&format!(".{key}: is missing")), "{}", found[0]);
        }
    }
}

#[test]
fn many_mistakes_are_all_reported_at_once() {
    let target = json!({"AttributeLevel": "TARGET", "AttributeTarget": null});
    let rules = json!([
        rule("F", "ok", 1, "GENDER", "=", "1"),
        with(rule("S", "no target", 2, "LAST_SUCCESSFUL_DATE", "D<", "0"), target),
        with(rule("R", "labelled", 3, "GENDER", "=", "1"), json!({"CohortLabel": "a"})),
        rule("S", "range", 4, "VALID_DOSES_COUNT", "between", "1-5"),
        with(rule("F", "cohort", 5, "POSTCODE", "MemberOf", "a"), json!({"AttributeLevel": "COHORT"})),
        rule("F", "empty list", 6, "ICB", "in", " , "),
        rule("S", "offset", 7, "GENDER", "=", "1[[OFFSET:20270331]]"),
        with(rule("S", "typo", 8, "X", "is_empty", ""), json!({"AttributeLevel": "TARGET", "AttributeTarget": "FLUU"})),
    ]);
    let mut campaign = document(json!([cohort("a", 1), with(cohort("a", 2), json!({"CohortGroup": 5}))]), rules);
    let mut copy = campaign["CampaignConfig"]["Iterations"][0].clone();
    copy["IterationCohorts"] = json!([]);
    copy["IterationRules"] = json!([]);
    let config = &mut campaign["CampaignConfig"];
    config["Iterations"].as_array_mut().expect("a list").push(copy);
    config["EndDate"] = json!("20250101");
    config["Approver"] = json!(["x", 7]);
    let paths: Vec<String> =
        parse(&campaign).expect_err("problems").into_iter().map(|p| p.path.replace("CampaignConfig.", "")).collect();
    assert_eq!(
        paths,
        [
            "Approver[1]",
            "EndDate",
            "Iterations[0].IterationCohorts[1].CohortLabel",
            "Iterations[0].IterationCohorts[1].CohortGroup",
            "Iterations[0].IterationRules[1].AttributeTarget",
            "Iterations[0].IterationRules[2].CohortLabel",
            "Iterations[0].IterationRules[3].Comparator",
            "Iterations[0].IterationRules[4].AttributeName",
            "Iterations[0].IterationRules[5].Comparator",
            "Iterations[0].IterationRules[6].Comparator",
            "Iterations[0].IterationRules[7].AttributeTarget",
            "Iterations[1].ID",
            "Iterations[1].IterationDate",
        ]
    );
}

#[test]
fn iterations_of_one_day_are_reported_and_can_be_evaluated_where_their_times_differ() {
    let mut campaign = good();
    let iterations = campaign["CampaignConfig"]["Iterations"].as_array_mut().expect("a list");
    let second = with(iterations[0].clone(), json!({"ID": "it-2", "IterationTime": "12:00:00"}));
    iterations.push(second);
    let found = problems(&campaign);
    assert_eq!(found, ["CampaignConfig.Iterations[1].IterationDate: 20260901 is also the date of Iterations[0]"]);
    assert!(ims_eligibility::Campaign::parse_published(campaign.to_string().as_bytes()).is_ok());
}

#[test]
fn what_is_not_a_campaign_at_all() {
    let parse = |text: &str| ims_eligibility::Campaign::parse(text.as_bytes()).expect_err("problems");
    for text in ["", "{", "[]", "{}", r#"{"CampaignConfig": []}"#, "{\"CampaignConfig\": \"\u{fffd}\"}"] {
        let found = parse(text);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].path, "CampaignConfig", "{text}");
    }
}

#[test]
fn a_published_campaign_is_read_in_spite_of_flaws() {
    let mut campaign = good();
    campaign["CampaignConfig"]["Iterations"][0]["DefaultCommsRouting"] = json!("TELEPORT");
    let bytes = campaign.to_string();
    assert!(ims_eligibility::Campaign::parse_published(bytes.as_bytes()).is_ok());
    campaign["CampaignConfig"]["Iterations"][0]["IterationRules"][0]["Comparator"] = json!("x");
    let found = ims_eligibility::Campaign::parse_published(campaign.to_string().as_bytes()).expect_err("problems");
    assert_eq!(found.len(), 1, "only what matters: {found:?}");
}
