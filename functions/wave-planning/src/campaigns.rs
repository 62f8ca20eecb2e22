//! Campaigns: new versions, and drafts put in force.

use ims_domain::campaign::ContactPlan;
use ims_eligibility::{Campaign, Problem, mismatches, read_plan};
use ims_runtime::Service;
use ims_runtime::auth::Staff;
use ims_store::{AuditEntry, Definition};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{PlanningError, govern};

/// The plan, where it and the rules beside it are right.
fn valid(rules: &[u8], plan: &Value) -> Result<ContactPlan, PlanningError> {
    let of_plan = |problems: Vec<Problem>| problems.into_iter().map(|problem| format!("plan.{problem}"));
    match (read_plan(plan), Campaign::parse(rules)) {
        (Ok(plan), Ok(campaign)) => {
            let problems = mismatches(&campaign, &plan);
            if problems.is_empty() { Ok(plan) } else { Err(PlanningError::Invalid(of_plan(problems).collect())) }
        }
        (plan, campaign) => {
            let of_rules = campaign.err().unwrap_or_default();
            let of_plan = of_plan(plan.err().unwrap_or_default());
            Err(PlanningError::Invalid(of_plan.chain(of_rules.iter().map(ToString::to_string)).collect()))
        }
    }
}

/// Stores the next version of a campaign; the same content again is not a new version.
pub(crate) async fn define(
    service: &Service,
    by: &Staff,
    other_author: Option<&str>,
    rules: Value,
    plan: &Value,
) -> Result<Value, PlanningError> {
    govern::planners_only(service, by, "define", plan["campaign"].as_str().unwrap_or_default()).await?;
    let bytes = serde_json::to_vec(&rules)?;
    let plan = valid(&bytes, plan)?;
    let campaign = plan.campaign.clone();
    let rules = String::from_utf8(bytes).unwrap_or_default();
    let latest = service.store.latest_definition(&campaign).await?;
    if let Some(latest) = latest.as_ref().filter(|latest| latest.rules == rules && latest.plan == plan) {
        return Ok(json!({"campaign": campaign, "version": latest.version}));
    }
    let version = latest.map_or(1, |latest| latest.version + 1);
    let authors = other_author.map(str::to_owned).into_iter().chain([by.name.clone()]).collect();
    let definition = Definition { campaign: campaign.clone(), version, rules, plan, authors };
    let entry = AuditEntry::new(Timestamp::now(), &by.name, "define", format!("{campaign} version {version}"));
    service.store.create_definition(&definition, &entry.in_role(&by.role)).await?;
    Ok(json!({"campaign": campaign, "version": version}))
}

/// Stores a draft as the next version, unless the version that it was compared with is no longer the latest. Who wrote
/// the draft is an author as much as who puts it in force.
pub(crate) async fn adopt(service: &Service, by: &Staff, campaign: &str, draft: &str) -> Result<Value, PlanningError> {
    let found = service.store.draft(campaign, draft).await?;
    let unknown = || PlanningError::Unknown(format!("draft '{draft}' of campaign '{campaign}'"));
    let found = found.ok_or_else(unknown)?;
    let rules: Value = serde_json::from_str(&found.rules)?;
    let latest = service.store.latest_definition(campaign).await?.ok_or_else(unknown)?;
    let written = rules.to_string();
    if latest.version != found.base && latest.rules != written {
        let message =
            format!("draft '{draft}' was compared with version {}; the latest is {}", found.base, latest.version);
        return Err(PlanningError::Invalid(vec![message]));
    }
    define(service, by, Some(&found.author), rules, &serde_json::to_value(&found.plan)?).await
}
