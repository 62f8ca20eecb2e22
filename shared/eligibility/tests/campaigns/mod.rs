//! Small campaigns and people to test the rule language with.
#![allow(dead_code)] // each test file uses some of it

use ims_eligibility::{Campaign, CompiledIteration, PersonFacts, Problem, parse_date};
use jiff::civil::Date;
use serde_json::{Value, json};

pub fn date(text: &str) -> Date {
    parse_date(text).expect("a date")
}

/// A campaign that is right in every respect, with one iteration of these cohorts and rules.
pub fn document(cohorts: Value, rules: Value) -> Value {
    json!({"CampaignConfig": {
        "ID": "flu-2026", "Version": 1, "Name": "Flu 2026", "Type": "V", "Target": "FLU",
        "Manager": ["m@example.nhs.uk"], "Approver": [], "Reviewer": [],
        "IterationFrequency": "X", "IterationType": "O", "IterationTime": "07:00:00",
        "StartDate": "20260901", "EndDate": "20270331", "ApprovalMinimum": 0, "ApprovalMaximum": 10,
        "DefaultCommsRouting": "BOOK",
        "Iterations": [{
            "ID": "it-1", "Version": 1, "Name": "first", "IterationDate": "20260901", "Type": "O",
            "DefaultCommsRouting": "BOOK", "DefaultNotEligibleRouting": "", "DefaultNotActionableRouting": "",
            "IterationCohorts": cohorts,
            "IterationRules": rules,
            "ActionsMapper": {
                "BOOK": {
                    "ExternalRoutingCode": "Book", "ActionType": "Button", "ActionDescription": "Book now",
                    "UrlLink": "https://WWW.example.nhs.uk", "UrlLabel": "Book",
                },
                "WALK_IN": {"ExternalRoutingCode": "WalkIn", "ActionType": "InfoText"},
            },
        }],
    }})
}

pub fn cohort(label: &str, priority: i64) -> Value {
    json!({
        "CohortLabel": label, "CohortGroup": format!("{label}_group"), "Priority": priority, "Virtual": "N",
        "PositiveDescription": format!("are {label}"), "NegativeDescription": format!("are not {label}"),
    })
}

pub fn everyone(label: &str, priority: i64) -> Value {
    let mut cohort = cohort(label, priority);
    cohort["Virtual"] = json!("Y");
    cohort
}

/// A rule on an attribute of the person.
pub fn rule(kind: &str, name: &str, priority: i64, attribute: &str, operator: &str, comparator: &str) -> Value {
    json!({
        "Type": kind, "Name": name, "Description": format!("{name} text"), "Priority": priority,
        "AttributeLevel": "PERSON", "AttributeName": attribute, "Operator": operator, "Comparator": comparator,
    })
}

/// The value with more members.
pub fn with(mut value: Value, members: Value) -> Value {
    let map = value.as_object_mut().expect("an object");
    map.extend(members.as_object().expect("an object").clone());
    value
}

pub fn parse(document: &Value) -> Result<Campaign, Vec<Problem>> {
    Campaign::parse(document.to_string().as_bytes())
}

pub fn campaign(cohorts: Value, rules: Value) -> Campaign {
    parse(&document(cohorts, rules)).unwrap_or_else(|problems| panic!("{problems:?}"))
}

pub fn compile(cohorts: Value, rules: Value) -> CompiledIteration {
    let campaign = campaign(cohorts, rules);
    campaign.compile(&campaign.iterations[0])
}

pub fn person(attributes: &[(&str, &str)], cohorts: &[&str]) -> PersonFacts {
    PersonFacts {
        person: attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        cohorts: cohorts.iter().map(|label| (*label).to_owned()).collect(),
        ..PersonFacts::default()
    }
}
