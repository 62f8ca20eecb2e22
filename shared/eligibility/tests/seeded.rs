//! Twenty mistakes in a campaign, and those in a contact plan, from `mistakes.json` and `plan-mistakes.json`: each is
//! reported at its path with the value at fault, together and alone, and none is accepted. The schemas' tests read the
//! same files.

use ims_eligibility::{CONDITIONS, Campaign, Operator, Problem, mismatches, parse_plan};
use serde::Deserialize;
use serde_json::Value;

const CAMPAIGN: &str = include_str!("../../../tests/campaigns/flu.json");
const PLAN: &str = include_str!("../../../tests/campaigns/mmr.plan.json");
const CAMPAIGN_SCHEMA: &str = include_str!("../schema/campaign.schema.json");
const PLAN_SCHEMA: &str = include_str!("../schema/contact-plan.schema.json");

#[derive(Deserialize)]
struct Mistake {
    /// Where, as a JSON pointer.
    pointer: String,
    /// What is written there.
    value: Value,
    /// What the report says, or how it begins.
    shown: String,
    /// Where the report is, if not there.
    path: Option<String>,
}

impl Mistake {
    fn path(&self) -> String {
        let mut path = String::new();
        for step in self.pointer.split('/').skip(1) {
            if step.parse::<usize>().is_ok() {
                path = format!("{path}[{step}]");
            } else {
                path = format!("{path}{}{step}", if path.is_empty() { "" } else { "." });
            }
        }
        self.path.clone().unwrap_or(path)
    }

    fn seed(&self, document: &mut Value) {
        let (parent, key) = self.pointer.rsplit_once('/').expect("a pointer");
        let parent = document.pointer_mut(parent).expect("the object");
        match key.parse::<usize>() {
            Ok(index) => parent[index] = self.value.clone(),
            Err(_) => parent[key] = self.value.clone(),
        }
    }

    fn is(&self, problem: &Problem) -> bool {
        problem.path == self.path() && problem.message.starts_with(&self.shown)
    }
}

/// Seeds all mistakes and then each alone; reports are the mistakes, one each, and nothing else.
fn check(good: &str, mistakes: &[Mistake], together: bool, read: impl Fn(&[u8]) -> Vec<Problem>) {
    let good: Value = serde_json::from_str(good).expect("JSON");
    assert_eq!(read(good.to_string().as_bytes()), [], "the good one");
    if together {
        let mut wrong = good.clone();
        mistakes.iter().for_each(|mistake| mistake.seed(&mut wrong));
        let found = read(wrong.to_string().as_bytes());
        for mistake in mistakes {
            let reports = found.iter().filter(|problem| mistake.is(problem)).count();
            assert_eq!(reports, 1, "{} {:?}: {found:#?}", mistake.path(), mistake.shown);
        }
        assert_eq!(found.len(), mistakes.len(), "{found:#?}");
    }
    for mistake in mistakes {
        let mut wrong = good.clone();
        mistake.seed(&mut wrong);
        let found = read(wrong.to_string().as_bytes());
        assert!(found.len() == 1 && mistake.is(&found[0]), "{} {:?}: {found:#?}", mistake.path(), mistake.shown);
    }
}

#[test]
fn twenty_mistakes_in_a_campaign_are_twenty_problems() {
    let mistakes: Vec<Mistake> = serde_json::from_str(include_str!("mistakes.json")).expect("mistakes");
    assert_eq!(mistakes.len(), 20);
    check(CAMPAIGN, &mistakes, true, |bytes| Campaign::parse(bytes).err().unwrap_or_default());
}

#[test]
fn every_mistake_in_a_contact_plan_is_a_problem() {
    #[derive(Deserialize)]
    struct Mistakes {
        together: Vec<Mistake>,
        alone: Vec<Mistake>,
    }
    let mistakes: Mistakes = serde_json::from_str(include_str!("plan-mistakes.json")).expect("mistakes");
    let read = |bytes: &[u8]| parse_plan(bytes).err().unwrap_or_default();
    check(PLAN, &mistakes.together, true, read);
    check(PLAN, &mistakes.alone, false, read);
    assert_eq!(parse_plan(b"{").expect_err("problems").len(), 1);
    assert_eq!(parse_plan(b"[]").expect_err("problems").len(), 1);
}

#[test]
fn a_plan_beside_another_campaign_is_reported() {
    let campaign = Campaign::parse(CAMPAIGN.as_bytes()).expect("a campaign");
    let mut plan = parse_plan(PLAN.as_bytes()).expect("a plan");
    plan.waves[0].on = "2025-08-31".parse().expect("a day");
    plan.waves.truncate(1);
    plan.waves[0].cohorts = vec!["flu_65_plus".to_owned(), "nobody".to_owned()];
    let found: Vec<String> = mismatches(&campaign, &plan).into_iter().map(|problem| problem.path).collect();
    assert_eq!(found, ["campaign", "programme", "waves[0].on", "waves[0].cohorts[1]"]);
}

/// The lists in the schemas are those of the code.
#[test]
fn schemas_list_what_the_code_knows() {
    let campaign: Value = serde_json::from_str(CAMPAIGN_SCHEMA).expect("JSON");
    let listed = |schema: &Value, pointer: &str| -> Vec<String> {
        let list = schema.pointer(pointer).and_then(Value::as_array).expect("a list");
        list.iter().map(|item| item.as_str().expect("text").to_owned()).collect()
    };
    let operators: Vec<&str> = Operator::names().collect();
    assert_eq!(listed(&campaign, "/$defs/rule/properties/Operator/enum"), operators);
    assert_eq!(listed(&campaign, "/$defs/condition/enum"), CONDITIONS);
    let plan: Value = serde_json::from_str(PLAN_SCHEMA).expect("JSON");
    let vaccines: Vec<&str> = ims_domain::VaccineType::all().map(ims_domain::VaccineType::code).collect();
    assert_eq!(listed(&plan, "/properties/programme/enum"), vaccines);
}
