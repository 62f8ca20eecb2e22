//! The demo's campaigns, from `tests/campaigns`.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use ims_decision::Rules;
use ims_domain::campaign::{ContactPlan, Step};
use ims_store::Definition;
use ims_testkit::population::Vaccine;
use jiff::civil::Date;
use serde_json::Value;

use super::days_after;

/// A campaign: its eligibility rules and its contact plan.
pub(super) struct Campaign {
    pub(super) id: String,
    pub(super) vaccine: Vaccine,
    pub(super) rules: Value,
    pub(super) plan: ContactPlan,
    /// The plan as it is in the file.
    pub(super) plan_json: Value,
    /// The rules, compiled as the service does.
    pub(super) compiled: Rules,
}

/// Reads every `*.plan.json` of a folder with the rules beside it, those of flu first. Campaigns of programmes for which
/// the demo's people have no histories are left out, as the oracle leaves them out.
pub(super) fn read(folder: &Path) -> Result<Vec<Campaign>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let Some(stem) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".plan.json")) else { continue };
        let json = |path: &Path| -> Result<Value> {
            let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))
        };
        let plan_json = json(&path)?;
        let plan: ContactPlan =
            serde_json::from_value(plan_json.clone()).with_context(|| format!("reading {}", path.display()))?;
        let Some(vaccine) = Vaccine::from_code(plan.programme.code()) else { continue };
        let rules = json(&folder.join(format!("{stem}.json")))?;
        let definition = Definition {
            campaign: plan.campaign.clone(),
            version: 1,
            rules: rules.to_string(),
            plan: plan.clone(),
            authors: vec![],
        };
        let compiled = Rules::new(definition)?;
        found.push(Campaign { id: plan.campaign.clone(), vaccine, rules, plan, plan_json, compiled });
    }
    if found.is_empty() {
        bail!("{} has no *.plan.json", folder.display());
    }
    found.sort_by(|a, b| b.id.cmp(&a.id));
    Ok(found)
}

/// What is to be done on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agenda {
    /// The business day.
    pub(super) day: Date,
    /// Waves to plan and release, as (place of the campaign, wave).
    pub(super) waves: Vec<(usize, String)>,
    /// Whether reminders or calls fall due.
    pub(super) due: bool,
    /// Whether people are telephoned.
    pub(super) calls: bool,
}

/// Days of the season on which the service has something to do, with days between on which only people do.
pub(super) fn calendar(campaigns: &[Campaign]) -> Vec<Agenda> {
    let mut days: Vec<Agenda> = Vec::new();
    let at = |day: Date, days: &mut Vec<Agenda>| {
        days.iter().position(|held| held.day == day).unwrap_or_else(|| {
            days.push(Agenda { day, waves: Vec::new(), due: false, calls: false });
            days.len() - 1
        })
    };
    for (place, campaign) in campaigns.iter().enumerate() {
        for wave in &campaign.plan.waves {
            let on = at(wave.on, &mut days);
            days[on].waves.push((place, wave.wave.clone()));
            for step in campaign.plan.steps.iter().filter(|step| step.step != Step::Invite) {
                let due = at(days_after(wave.on, step.after_days), &mut days);
                days[due].due = true;
                if step.step == Step::Call {
                    days[due].calls = true;
                    // Those who did not answer are called again in the days after.
                    for later in [4u32, 14] {
                        let again = at(days_after(wave.on, step.after_days + later), &mut days);
                        days[again].calls = true;
                    }
                }
            }
        }
    }
    days.sort_by_key(|day| day.day);
    if let Some(last) = days.last().map(|last| last.day) {
        days.push(Agenda { day: days_after(last, 14u32), waves: Vec::new(), due: false, calls: false });
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_calendar_has_every_wave_reminder_and_call_in_order() {
        let campaigns = read(&crate::workspace_root().join("tests/campaigns")).unwrap();
        assert_eq!(campaigns[0].id, "flu-2025");
        let days = calendar(&campaigns);
        assert!(days.is_sorted_by(|a, b| a.day < b.day));
        let of = |day| days.iter().find(|held| held.day == day).unwrap();
        assert_eq!(of(date(2025, 10, 6)).waves, [(0, "w1".to_owned()), (1, "w1".to_owned())]);
        assert_eq!(of(date(2025, 12, 8)).waves, [(1, "w3".to_owned())]);
        assert!(of(date(2025, 10, 20)).due && !of(date(2025, 10, 20)).calls);
        assert!(of(date(2025, 11, 3)).due && of(date(2025, 11, 3)).calls);
        assert!(of(date(2025, 11, 7)).calls && !of(date(2025, 11, 7)).due);
        assert!(days.iter().all(|held| held.day != date(2025, 10, 10)), "nothing is due that Friday");
    }
}
