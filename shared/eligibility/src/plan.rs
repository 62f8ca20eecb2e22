//! The contact plan beside a campaign: from JSON to [`ContactPlan`], reporting everything that is wrong on the way.
//!
//! The file's shape is published in `schema/contact-plan.schema.json`.

use std::ops::RangeInclusive;

use ims_domain::VaccineType;
use ims_domain::campaign::{ContactPlan, DoseSchedule, MinimumAge, MinimumInterval, PlanStep, PlanWave, Step};
use jiff::civil::Date;
use serde_json::Value;

use crate::campaign::Campaign;
use crate::problem::{Problem, Problems, Scope, shown};

const FIELDS: [&str; 9] =
    ["schema", "campaign", "programme", "count_doses_from", "doses", "dose_schedule", "steps", "quiet_days", "waves"];
const STEPS: [Step; 3] = [Step::Invite, Step::Reminder, Step::Call];
/// Days that a step may come after the invitation.
const LATEST_STEP: i64 = 365;

/// Parses and validates a contact plan.
///
/// # Errors
/// Every problem found, each with the path and the value at fault.
pub fn parse_plan(bytes: &[u8]) -> Result<ContactPlan, Vec<Problem>> {
    match serde_json::from_slice(bytes) {
        Ok(document) => read_plan(&document),
        Err(error) => {
            let problems = Problems::default();
            problems.fatal("", format!("not JSON: {error}"));
            Err(problems.into_vec())
        }
    }
}

/// Validates a contact plan.
///
/// # Errors
/// As [`parse_plan`].
pub fn read_plan(document: &Value) -> Result<ContactPlan, Vec<Problem>> {
    let problems = Problems::default();
    let plan = Scope::of(document, String::new(), &problems).map(|scope| read(&scope));
    let mut found = problems.into_vec();
    let Some(plan) = plan else { return Err(found) };
    // What could not be read has been reported; what the rest says together is asked of the plan as far as it goes.
    let field = |path: &str| path.split(['.', '[']).next().unwrap_or_default().to_owned();
    let broken: Vec<String> = found.iter().map(|problem| field(&problem.path)).collect();
    let further = plan.problems().into_iter().filter(|problem| !broken.contains(&field(&problem.path)));
    found.extend(further.map(|problem| Problem { path: problem.path, message: problem.message, fatal: true }));
    if found.is_empty() { Ok(plan) } else { Err(found) }
}

/// What is wrong with a plan beside this campaign, though either may be right alone.
#[must_use]
pub fn mismatches(campaign: &Campaign, plan: &ContactPlan) -> Vec<Problem> {
    let problems = Problems::default();
    if plan.campaign != campaign.id {
        problems.fatal("campaign", format!("{:?} is not the campaign's ID {:?}", plan.campaign, campaign.id));
    }
    if plan.programme.code() != campaign.target {
        let message = format!("{:?} is not the campaign's Target {:?}", plan.programme.code(), campaign.target);
        problems.fatal("programme", message);
    }
    let cohorts = || campaign.iterations.iter().flat_map(|iteration| &iteration.cohorts);
    for (index, wave) in plan.waves.iter().enumerate() {
        if wave.on < campaign.start_date || campaign.end_date < wave.on {
            let message =
                format!("{} is outside the campaign, {} to {}", wave.on, campaign.start_date, campaign.end_date);
            problems.fatal(format!("waves[{index}].on"), message);
        }
        for (place, label) in wave.cohorts.iter().enumerate() {
            if !cohorts().any(|cohort| cohort.label == *label) {
                let message = format!("{label:?} is not a cohort of any iteration");
                problems.fatal(format!("waves[{index}].cohorts[{place}]"), message);
            }
        }
    }
    problems.into_vec()
}

/// The plan with everything that can be read, and harmless values for what cannot.
fn read(s: &Scope<'_>) -> ContactPlan {
    s.only(&FIELDS);
    let schema = number(s, "schema", 0..=i64::from(u32::MAX)).unwrap_or(1);
    let campaign = s.text("campaign").unwrap_or_else(|| "campaign".to_owned());
    let programme = s.text("programme").and_then(|code| programme(s, &code));
    let count_doses_from = day(s, "count_doses_from").unwrap_or(Date::MIN);
    let doses = number(s, "doses", 0..=i64::from(u8::MAX)).unwrap_or(1);
    let dose_schedule = s.child("dose_schedule").map(|schedule| read_schedule(&schedule));
    let steps = s.objects("steps").iter().filter_map(read_step).collect();
    let waves = s.objects("waves").iter().filter_map(read_wave).collect();
    ContactPlan {
        schema,
        campaign,
        programme: programme.unwrap_or_else(VaccineType::first),
        count_doses_from,
        doses,
        dose_schedule,
        steps,
        quiet_days: quiet_days(s),
        waves,
    }
}

fn programme(s: &Scope<'_>, code: &str) -> Option<VaccineType> {
    let found = VaccineType::all().find(|vaccine| vaccine.code() == code);
    if found.is_none() {
        let known: Vec<&str> = VaccineType::all().map(VaccineType::code).collect();
        s.fatal("programme", format!("{code:?} is not one of {}", known.join(", ")));
    }
    found
}

fn read_schedule(s: &Scope<'_>) -> DoseSchedule {
    s.only(&["minimum_age", "minimum_interval", "maximum_doses", "count_doses_until"]);
    let whole = |scope: &Scope<'_>, key: &str| number(scope, key, 0..=i64::from(u32::MAX));
    let grace = |scope: &Scope<'_>| scope.value("grace_days").and_then(|_| whole(scope, "grace_days")).unwrap_or(0);
    DoseSchedule {
        minimum_age: s.child("minimum_age").and_then(|age| {
            age.only(&["months", "grace_days"]);
            let grace_days = grace(&age);
            whole(&age, "months").map(|months| MinimumAge { months, grace_days })
        }),
        minimum_interval: s.child("minimum_interval").and_then(|interval| {
            interval.only(&["days", "grace_days"]);
            let grace_days = grace(&interval);
            whole(&interval, "days").map(|days| MinimumInterval { days, grace_days })
        }),
        maximum_doses: s.value("maximum_doses").and_then(|_| number(s, "maximum_doses", 1..=i64::from(u8::MAX))),
        count_doses_until: s.value("count_doses_until").and_then(|_| day(s, "count_doses_until")),
    }
}

fn read_step(s: &Scope<'_>) -> Option<PlanStep> {
    s.only(&["step", "after_days"]);
    let name = s.one_of("step", &STEPS.map(Step::name));
    let after_days = number(s, "after_days", 0..=LATEST_STEP);
    Some(PlanStep { step: STEPS.into_iter().find(|step| Some(step.name()) == name)?, after_days: after_days? })
}

fn quiet_days(s: &Scope<'_>) -> Vec<Date> {
    let read = |(place, text): (usize, String)| {
        let day = (text.len() == "YYYY-MM-DD".len()).then(|| text.parse().ok()).flatten();
        if day.is_none() {
            s.fatal(&format!("quiet_days[{place}]"), format!("{text:?} is not a date; write YYYY-MM-DD"));
        }
        day
    };
    s.optional_texts("quiet_days").into_iter().enumerate().filter_map(read).collect()
}

fn read_wave(s: &Scope<'_>) -> Option<PlanWave> {
    s.only(&["wave", "on", "from_hour", "cohorts"]);
    let wave = s.text("wave");
    let on = day(s, "on");
    let cohorts = s.optional_texts("cohorts");
    let from_hour = s.value("from_hour").and_then(|_| number(s, "from_hour", 0..=23));
    Some(PlanWave { wave: wave?, on: on?, from_hour, cohorts })
}

/// A mandatory whole number in a range. Unlike campaigns of others, plans write no numbers as text.
fn number<N: TryFrom<i64>>(s: &Scope<'_>, key: &str, range: RangeInclusive<i64>) -> Option<N> {
    let value = s.mandatory(key)?;
    let Some(number) = value.as_i64() else {
        s.fatal(key, format!("{} is not a whole number", shown(value)));
        return None;
    };
    if !range.contains(&number) {
        s.fatal(key, format!("{number} is not from {} to {}", range.start(), range.end()));
        return None;
    }
    N::try_from(number).ok()
}

/// A mandatory `YYYY-MM-DD`.
fn day(s: &Scope<'_>, key: &str) -> Option<Date> {
    let value = s.mandatory(key)?;
    let text = value.as_str().filter(|text| text.len() == "YYYY-MM-DD".len());
    let day = text.and_then(|text| text.parse().ok());
    if day.is_none() {
        s.fatal(key, format!("{} is not a date; write YYYY-MM-DD", shown(value)));
    }
    day
}
