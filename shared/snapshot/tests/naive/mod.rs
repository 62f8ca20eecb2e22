//! The published meaning of campaign rules, read from the JSON itself for one person at a time: slow, and sharing no code
//! with the evaluators that it is held against.
#![allow(dead_code)] // each test file uses some of it

pub mod random;

use std::collections::BTreeMap;

use ims_snapshot::{PROGRAMMES, PersonRow};
use serde_json::Value;

/// Year, month, day.
pub type Day = (i64, i64, i64);

/// What is known of a person, as EliD's rows say it.
pub struct Known {
    pub person: BTreeMap<&'static str, String>,
    pub targets: BTreeMap<(String, &'static str), String>,
    pub cohorts: Vec<String>,
}

fn day(date: jiff::civil::Date) -> Day {
    (date.year().into(), date.month().into(), date.day().into())
}

pub fn text(day: Day) -> String {
    format!("{:04}{:02}{:02}", day.0, day.1, day.2)
}

fn parse(text: &str) -> Option<Day> {
    if text.len() != 8 || !text.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let (y, m, d) = (text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?);
    ((1..=12).contains(&m) && (1..=month_length(y, m)).contains(&d)).then_some((y, m, d))
}

fn month_length(y: i64, m: i64) -> i64 {
    match m {
        2 if (y % 4 == 0 && y % 100 != 0) || y % 400 == 0 => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// So many days later, one by one.
fn later(mut from: Day, days: i64) -> Day {
    for _ in 0..days.abs() {
        from = match (days > 0, from) {
            (true, (y, m, d)) if d < month_length(y, m) => (y, m, d + 1),
            (true, (y, 12, _)) => (y + 1, 1, 1),
            (true, (y, m, _)) => (y, m + 1, 1),
            (false, (y, m, d)) if d > 1 => (y, m, d - 1),
            (false, (y, 1, _)) => (y - 1, 12, 31),
            (false, (y, m, _)) => (y, m - 1, month_length(y, m - 1)),
        };
    }
    from
}

/// So many months earlier, on the last day where a month is too short.
fn months_before((y, m, d): Day, months: i64) -> Day {
    let whole = y * 12 + (m - 1) - months;
    let (y, m) = (whole.div_euclid(12), whole.rem_euclid(12) + 1);
    (y, m, d.min(month_length(y, m)))
}

/// Which doses count: not before a day or after another, not too young, not too soon after the one that counts before, and
/// no more than so many.
#[derive(Debug, Clone, Default)]
pub struct Schedule {
    pub from: Day,
    pub until: Option<Day>,
    /// Months and days of grace.
    pub age: Option<(i64, i64)>,
    /// Days and days of grace.
    pub interval: Option<(i64, i64)>,
    pub most: Option<usize>,
    /// Whether it says anything but the first day.
    pub is_schedule: bool,
}

impl Schedule {
    pub fn valid(&self, doses: &[Day], born: Option<Day>) -> Vec<Day> {
        let mut valid: Vec<Day> = Vec::new();
        for dose in doses {
            let late = self.until.is_some_and(|until| *dose > until);
            let young = match (self.age, born) {
                (Some((months, grace)), Some(born)) => months_before(later(*dose, grace), months) < born,
                _ => false,
            };
            let soon = match (self.interval, valid.last()) {
                (Some((days, grace)), Some(last)) => *dose < later(*last, days - grace),
                _ => false,
            };
            if *dose >= self.from && !late && !young && !soon && self.most.is_none_or(|most| valid.len() < most) {
                valid.push(*dose);
            }
        }
        valid
    }
}

/// What the dataset says of a person. The schedule is that of `programme`.
pub fn known(row: &PersonRow, programme: &str, schedule: &Schedule) -> Known {
    let mut person = BTreeMap::new();
    let postcode = row.postcode.as_str();
    let (out, inward) = postcode.split_once(' ').unwrap_or(("", ""));
    for (name, value) in [
        ("DATE_OF_BIRTH", row.date_of_birth.map(|date| text(day(date))).unwrap_or_default()),
        ("GENDER", row.gender.clone()),
        ("POSTCODE", postcode.to_owned()),
        ("POSTCODE_OUTCODE", out.to_owned()),
        ("POSTCODE_SECTOR", if out.is_empty() { String::new() } else { format!("{out}{}", &inward[..1]) }),
        ("LSOA", row.lsoa.clone()),
        ("MSOA", row.msoa.clone()),
        ("GP_PRACTICE_CODE", row.practice.clone()),
        ("ICB", row.icb.clone()),
        ("ICB_OF_RESIDENCE", row.icb.clone()),
        ("COMMISSIONING_REGION", row.region.clone()),
        ("CARE_HOME_FLAG", if row.cohorts.contains(&"care_home_residents".to_owned()) { "Y" } else { "N" }.to_owned()),
    ] {
        if !value.is_empty() {
            person.insert(name, value);
        }
    }
    let mut targets = BTreeMap::new();
    for (code, history) in PROGRAMMES.iter().zip(&row.programmes) {
        let doses: Vec<Day> = history.dose_dates.iter().map(|date| day(*date)).collect();
        let born = row.date_of_birth.map(day);
        let valid = if *code == programme { schedule.valid(&doses, born) } else { doses.clone() };
        let invited = history.invites.iter().filter(|invite| invite.ends_with("#open")).map(|invite| {
            let written: Vec<&str> = invite.split('#').collect();
            written[written.len() - 2].replace('-', "")
        });
        let mut say = |name, value: Option<String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                targets.insert(((*code).to_owned(), name), value);
            }
        };
        say("LAST_SUCCESSFUL_DATE", doses.last().copied().map(text));
        say("LAST_VALID_DOSE_DATE", valid.last().copied().map(text));
        say("VALID_DOSES_COUNT", Some(valid.len().to_string()));
        if *code == programme && schedule.is_schedule {
            say("INVALID_DOSES_COUNT", Some((doses.len() - valid.len()).to_string()));
        }
        say("SUCCESSFUL_PROCEDURE_COUNT", Some(doses.len().to_string()));
        say("BOOKED_APPOINTMENT_DATE", history.booked.map(|date| text(day(date))));
        say("BOOKED_APPOINTMENT_PROVIDER", Some(history.booking_provider.clone()));
        say("LAST_INVITE_DATE", invited.max());
    }
    Known { person, targets, cohorts: row.cohorts.clone() }
}

/// The iteration in force at noon: of those begun, the one that began last, while the campaign runs.
pub fn live(campaign: &Value, today: Day) -> Option<&Value> {
    let config = &campaign["CampaignConfig"];
    let now = text(today);
    if now.as_str() < config["StartDate"].as_str()? || now.as_str() > config["EndDate"].as_str()? {
        return None;
    }
    let start = |iteration: &Value| {
        let time = iteration["IterationTime"].as_str().or(config["IterationTime"].as_str()).unwrap_or("00:00:00");
        (iteration["IterationDate"].as_str().unwrap_or_default().to_owned(), time.to_owned())
    };
    let begun = |iteration: &&Value| start(iteration) <= (now.clone(), "12:00:00".to_owned());
    config["Iterations"].as_array()?.iter().filter(begun).max_by_key(|iteration| start(iteration))
}

/// The person's status, and their best cohort unless NotEligible.
pub fn stand(iteration: &Value, known: &Known, today: Day) -> (&'static str, Option<String>) {
    let cohorts = iteration["IterationCohorts"].as_array().unwrap();
    let virtual_labels: Vec<&str> =
        cohorts.iter().filter(|cohort| cohort["Virtual"] == "Y").filter_map(|c| c["CohortLabel"].as_str()).collect();
    // Lower priority first; those without one last.
    let mut order: Vec<&Value> = cohorts.iter().collect();
    order.sort_by_key(|cohort| cohort["Priority"].as_i64().unwrap_or(i64::MAX));
    let mut best = ("NotEligible", None);
    for cohort in order {
        let label = cohort["CohortLabel"].as_str().unwrap();
        let member = cohort["Virtual"] == "Y" || known.cohorts.iter().any(|held| held == label);
        let status = if !member || fires(iteration, "F", label, known, &virtual_labels, today) {
            continue;
        } else if fires(iteration, "S", label, known, &virtual_labels, today) {
            "NotActionable"
        } else {
            "Actionable"
        };
        if best.0 == "NotEligible" || (best.0 == "NotActionable" && status == "Actionable") {
            best = (status, Some(label.to_owned()));
        }
    }
    best
}

/// Whether any priority of rules of this type matches: all of its rules that apply to the cohort.
fn fires(iteration: &Value, kind: &str, label: &str, known: &Known, virtual_labels: &[&str], today: Day) -> bool {
    let rules: Vec<&Value> =
        iteration["IterationRules"].as_array().unwrap().iter().filter(|r| r["Type"] == kind).collect();
    let labels = |rule: &Value| -> Vec<String> {
        let list = rule["CohortLabel"].as_str().unwrap_or_default();
        list.split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()).collect()
    };
    let mut priorities: Vec<i64> = rules.iter().filter_map(|rule| rule["Priority"].as_i64()).collect();
    priorities.sort_unstable();
    priorities.dedup();
    priorities.into_iter().any(|priority| {
        let of_priority: Vec<&&Value> = rules.iter().filter(|rule| rule["Priority"] == priority).collect();
        let specific = of_priority.iter().any(|rule| !labels(rule).is_empty());
        let for_this = of_priority.iter().any(|rule| labels(rule).contains(&label.to_owned()));
        if kind == "S" && specific && !for_this {
            // The general rules of such a priority refine rules that are meant for other cohorts.
            return false;
        }
        let applying: Vec<&&&Value> = of_priority
            .iter()
            .filter(|rule| labels(rule).is_empty() || labels(rule).contains(&label.to_owned()))
            .collect();
        !applying.is_empty() && applying.iter().all(|rule| matches(rule, known, virtual_labels, today))
    })
}

fn matches(rule: &Value, known: &Known, virtual_labels: &[&str], today: Day) -> bool {
    let name = rule["AttributeName"].as_str().unwrap_or_default();
    let value = match rule["AttributeLevel"].as_str().unwrap() {
        "PERSON" => known.person.get(name).cloned(),
        "TARGET" => {
            let target = rule["AttributeTarget"].as_str().unwrap();
            known.targets.iter().find(|((of, held), _)| of == target && *held == name).map(|(_, value)| value.clone())
        }
        _ => {
            let mut labels: Vec<&str> = known.cohorts.iter().map(String::as_str).collect();
            labels.sort_unstable();
            labels.dedup();
            labels.extend(virtual_labels);
            (!labels.is_empty()).then(|| labels.join(","))
        }
    };
    holds(rule["Operator"].as_str().unwrap(), rule["Comparator"].as_str().unwrap(), value, today)
}

fn whole(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) { None } else { text.parse().ok() }
}

/// The part of a comparator in `[[NAME:…]]`, and the comparator without it.
fn suffix(comparator: &str, name: &str) -> (Option<String>, String) {
    let open = format!("[[{name}:");
    let Some(at) = comparator.find(&open) else { return (None, comparator.to_owned()) };
    let end = comparator[at..].find("]]").unwrap() + at;
    let inner = comparator[at + open.len()..end].to_owned();
    (Some(inner), format!("{}{}", &comparator[..at], &comparator[end + 2..]))
}

fn compare(relation: &str, order: std::cmp::Ordering) -> bool {
    match relation {
        "=" => order.is_eq(),
        "!=" => order.is_ne(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        "<" => order.is_lt(),
        _ => order.is_le(),
    }
}

/// Whether a value passes an operator and comparator as campaigns write them.
pub fn holds(operator: &str, comparator: &str, value: Option<String>, today: Day) -> bool {
    let blank = value.as_deref().is_none_or(str::is_empty);
    match operator {
        "is_null" | "is_empty" => return blank,
        "is_not_null" | "is_not_empty" => return !blank,
        "is_true" => return value.is_some_and(|v| v.to_lowercase() == "true"),
        "is_false" => return value.is_some_and(|v| v.to_lowercase() == "false"),
        _ => {}
    }
    let (nvl, rest) = suffix(comparator, "NVL");
    let (offset, wanted) = suffix(&rest, "OFFSET");
    let value = value.or(nvl);
    if let Some(unit) = operator.chars().next().filter(|unit| "DWY".contains(*unit)) {
        let Some(date) = value.as_deref().and_then(parse) else { return false };
        let from = offset.as_deref().and_then(parse).unwrap_or(today);
        let amount: i64 = wanted.trim().parse().unwrap();
        let bound = match unit {
            'D' => later(from, amount),
            'W' => later(from, amount * 7),
            _ => {
                let year = from.0 + amount;
                (year, from.1, from.2.min(month_length(year, from.1)))
            }
        };
        return compare(&operator[1..], date.cmp(&bound));
    }
    let list =
        |text: &str| text.split(',').map(|part| part.trim().to_owned()).filter(|p| !p.is_empty()).collect::<Vec<_>>();
    match operator {
        "contains" => value.is_some_and(|v| !v.is_empty() && v.contains(&wanted)),
        "not_contains" => !value.is_some_and(|v| !v.is_empty() && v.contains(&wanted)),
        "starts_with" => value.is_some_and(|v| !v.is_empty() && v.starts_with(&wanted)),
        "not_starts_with" => !value.is_some_and(|v| !v.is_empty() && v.starts_with(&wanted)),
        "ends_with" => value.is_some_and(|v| !v.is_empty() && v.ends_with(&wanted)),
        "in" | "MemberOf" => value.is_some_and(|v| list(&v).iter().any(|part| list(&wanted).contains(part))),
        "not_in" | "NotMemberOf" => !value.is_some_and(|v| list(&v).iter().any(|part| list(&wanted).contains(part))),
        "between" | "not_between" => {
            let bounds: Vec<i64> = wanted.split(',').map(|bound| whole(bound.trim()).unwrap()).collect();
            let (low, high) = (bounds[0].min(bounds[1]), bounds[0].max(bounds[1]));
            let number = value.and_then(|v| whole(v.trim()));
            number.is_some_and(|number| (low..=high).contains(&number) == (operator == "between"))
        }
        relation => match value {
            // Nothing is different from anything, and stands in no other relation.
            None => relation == "!=",
            Some(v) if v.is_empty() => matches!(relation, "=" | "!=") && compare(relation, "".cmp(wanted.as_str())),
            Some(v) => match (whole(&v), whole(&wanted)) {
                (Some(left), Some(right)) => compare(relation, left.cmp(&right)),
                _ => compare(relation, v.as_str().cmp(wanted.as_str())),
            },
        },
    }
}
