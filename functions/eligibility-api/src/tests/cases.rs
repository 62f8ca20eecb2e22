//! Recorded requests of the national service through the whole function: each person and campaign in a DynamoDB.

use std::path::PathBuf;

use ims_domain::campaign::{PlanStep, Step};
use ims_eligibility::PersonFacts;
use ims_eligibility::case::Case;

use super::*;

/// Recorded cases where there are acceptance data, and the project's own.
fn files() -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let data = std::env::var_os("IMS_ACCEPTANCE_DATA").map_or_else(|| root.join("../shared"), PathBuf::from);
    let recorded = data.join("acceptance/elid/cases.ndjson");
    if !recorded.is_file() {
        println!("skipped: no acceptance data");
    }
    [root.join("shared/eligibility/tests/cases.ndjson"), recorded].into_iter().filter(|path| path.is_file()).collect()
}

/// The line with the numbers of the person asked about, and of who is logged in, replaced throughout by made-up ones
/// with a check digit: recorded people have numbers that no NHS number can be.
fn with_valid_numbers(line: &str) -> String {
    let case = Case::parse(line).unwrap();
    let mut line = line.to_owned();
    let mut stem = 999_500_000;
    for number in [asked(&case), case.number().map(str::to_owned)].into_iter().flatten() {
        if number.parse::<NhsNumber>().is_err() && number.len() == 10 {
            let made_up = (stem..).find_map(NhsNumber::from_stem).unwrap();
            stem += 20;
            line = line.replace(&number, &made_up.to_string());
        }
    }
    line
}

/// Whom the request's path names: the person of the rows.
fn asked(case: &Case) -> Option<String> {
    let of = |row: &serde_json::Map<String, Value>| row.get("NHS_NUMBER")?.as_str().map(str::to_owned);
    let is_person = |row: &&serde_json::Map<String, Value>| row.get("ATTRIBUTE_TYPE").is_some_and(|t| t == "PERSON");
    let rows = &case.person_rows;
    rows.iter().find(is_person).or(rows.first()).and_then(of).or_else(|| case.number().map(str::to_owned))
}

/// Where EliD knows a person, so does IMS: with the rows as they are, and the cohorts as memberships.
fn person(case: &Case) -> Option<Person> {
    let number = asked(case)?;
    let of = |row: &&serde_json::Map<String, Value>| row.get("NHS_NUMBER").and_then(Value::as_str) == Some(&number);
    let facts = PersonFacts::from_rows(case.person_rows.iter().filter(of))?;
    let mut person = Person::new(PersonId(Uuid::new_v4()), Some(number.parse().ok()?));
    for label in facts.cohorts {
        let joined = Membership { member: true, date: date(2024, 1, 1), order: String::new(), source: "test".into() };
        person.cohorts.insert(label, joined);
    }
    person.attributes = facts.targets;
    person.attributes.insert("PERSON".to_owned(), facts.person);
    Some(person)
}

/// A campaign of others, with a plan that invites once.
fn definition(config: &Value) -> Definition {
    let campaign = config["CampaignConfig"]["ID"].as_str().unwrap_or("campaign").to_owned();
    let target = config["CampaignConfig"]["Target"].as_str().and_then(|target| target.parse::<VaccineType>().ok());
    let plan = json!({
        "schema": 1, "campaign": campaign, "programme": target.map_or("FLU", VaccineType::code),
        "count_doses_from": "2020-01-01", "doses": 1,
        "steps": [PlanStep { step: Step::Invite, after_days: 0 }], "waves": [],
    });
    Definition {
        campaign,
        version: 1,
        rules: config.to_string(),
        plan: serde_json::from_value(plan).unwrap(),
        authors: vec![],
    }
}

async fn answer(case: &Case, consumer: &str) -> (i64, Value) {
    let mut permissions = json!([{"supplier": consumer, "permissions": ["ELIGIBILITY.R"]}]);
    if let Some(campaigns) = &case.permitted_campaign_ids {
        permissions[0]["campaigns"] = json!(campaigns);
    }
    let api = Api::start(&permissions.to_string()).await;
    api.write(person(case)).await;
    for config in &case.configs {
        api.define(definition(config)).await;
    }
    let headers: Vec<(String, String)> = case
        .request_headers
        .iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let parameters: Vec<(&str, String)> = ["conditions", "category", "includeActions"]
        .into_iter()
        .filter_map(|name| Some((name, case.parameter(name)?)))
        .collect();
    let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let path = format!("/patient-check/{}", asked(case).unwrap_or_default());
    let event = event(&path, Some(&of_supplier(consumer)), &headers, &parameters);
    let (status, _, body) = api.ask(event, &case.now.to_string()).await;
    (status, body)
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

#[tokio::test]
async fn every_recorded_case_gets_its_recorded_answer_over_http() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in files() {
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            let line = with_valid_numbers(line);
            let case = Case::parse(&line).unwrap();
            let consumer = serde_json::from_str::<Value>(&line).unwrap()["consumer_id"].as_str().map(str::to_owned);
            let (status, body) = answer(&case, consumer.as_deref().unwrap_or("NBS")).await;
            count += 1;
            let expected = case.expected_status.map(i64::from);
            if Some(status) != expected || comparable(body.clone()) != comparable(case.expected.clone()) {
                wrong.push(format!(
                    "{} {}\n  expected {expected:?} {}\n  got      {status} {body}",
                    case.suite, case.file, case.expected
                ));
            }
        }
    }
    assert!(count > 0, "no cases");
    assert!(wrong.is_empty(), "{} of {count} cases differ:\n{}", wrong.len(), wrong.join("\n"));
    println!("{count} cases");
}
