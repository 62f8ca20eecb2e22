//! A rule in plain words, from its attribute, operator and comparator.

use ims_eligibility::{AttributeLevel, IterationRule, Operator, parse_date};

use crate::words;

/// "date of birth is after 31 March 1961 (where there is none, 31 March 2026 is taken)".
pub(super) fn rule(rule: &IterationRule) -> String {
    let (operator, comparator) = rule.test_text.split_once(' ').unwrap_or((rule.test_text.as_str(), ""));
    format!("{} {}", subject(&rule.level), test(operator, comparator))
}

fn subject(level: &AttributeLevel) -> String {
    match level {
        AttributeLevel::Person { attribute } => lower(attribute),
        AttributeLevel::Target { target, attribute } => format!("{target} {}", lower(attribute)),
        AttributeLevel::Cohort => "the list of cohorts".to_owned(),
    }
}

fn lower(name: &str) -> String {
    let plain = words::plain(name).to_lowercase();
    // Abbreviations keep their capitals.
    plain
        .split(' ')
        .map(
            |word| {
                if matches!(word, "icb" | "gp" | "lsoa" | "msoa" | "nhs") {
                    word.to_uppercase()
                } else {
                    word.to_owned()
                }
            },
        )
        .collect::<Vec<_>>()
        .join(" ")
}

fn test(operator: &str, comparator: &str) -> String {
    let (value, default, offset) = split(comparator);
    let shown = value_words(value);
    let is_day = parse_date(value).is_some();
    let words = match (operator, operator.split_at_checked(1)) {
        ("=", _) => format!("is {shown}"),
        ("!=", _) => format!("is not {shown}"),
        (">", _) if is_day => format!("is after {shown}"),
        (">=", _) if is_day => format!("is {shown} or later"),
        ("<", _) if is_day => format!("is before {shown}"),
        ("<=", _) if is_day => format!("is {shown} or earlier"),
        (">", _) => format!("is more than {shown}"),
        (">=", _) => format!("is {shown} or more"),
        ("<", _) => format!("is less than {shown}"),
        ("<=", _) => format!("is {shown} or less"),
        ("contains", _) => format!("contains '{value}'"),
        ("not_contains", _) => format!("does not contain '{value}'"),
        ("starts_with", _) => format!("begins with '{value}'"),
        ("not_starts_with", _) => format!("does not begin with '{value}'"),
        ("ends_with", _) => format!("ends with '{value}'"),
        ("in" | "MemberOf", _) => format!("has one of {}", listed(value)),
        ("not_in" | "NotMemberOf", _) => format!("has none of {}", listed(value)),
        ("is_null" | "is_empty", _) => "is missing".to_owned(),
        ("is_not_null" | "is_not_empty", _) => "is there".to_owned(),
        ("between", _) => format!("is from {}", value.replace(',', " to ")),
        ("not_between", _) => format!("is not from {}", value.replace(',', " to ")),
        ("is_true", _) => "is true".to_owned(),
        ("is_false", _) => "is false".to_owned(),
        (_, Some((unit, relation))) if Operator::parse(operator).is_some() => date_test(unit, relation, value, offset),
        _ => format!("{operator} {comparator}"),
    };
    match default {
        Some(default) => format!("{words} (where there is none, {} is taken)", value_words(default)),
        None => words,
    }
}

/// A date against a day so many units from today.
fn date_test(unit: &str, relation: &str, value: &str, offset: Option<&str>) -> String {
    let amount: i64 = value.trim().parse().unwrap_or(0);
    let (one, many) = match unit {
        "D" => ("day", "days"),
        "W" => ("week", "weeks"),
        _ => ("year", "years"),
    };
    let from = offset.map_or_else(|| "today".to_owned(), value_words);
    let length = words::count(amount.unsigned_abs(), one, many);
    let edge = match amount {
        0 => from,
        ..0 => format!("{length} before {from}"),
        1.. => format!("{length} after {from}"),
    };
    match relation {
        ">" => format!("is later than {edge}"),
        ">=" => format!("is {edge} or later"),
        "<" => format!("is earlier than {edge}"),
        _ => format!("is {edge} or earlier"),
    }
}

/// Value, `[[NVL:…]]`, `[[OFFSET:…]]`.
fn split(comparator: &str) -> (&str, Option<&str>, Option<&str>) {
    let value = comparator.split("[[").next().unwrap_or(comparator);
    let suffix = |name: &str| {
        let (_, rest) = comparator.split_once(name)?;
        rest.split("]]").next()
    };
    (value, suffix("[[NVL:"), suffix("[[OFFSET:"))
}

fn value_words(value: &str) -> String {
    parse_date(value).map_or_else(|| value.to_owned(), words::day)
}

fn listed(values: &str) -> String {
    let values: Vec<&str> = values.split(',').map(str::trim).collect();
    values.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_reads_as_a_sentence() {
        for (operator, comparator, words) in [
            (">", "19610331[[NVL:20260331]]", "is after 31 March 1961 (where there is none, 31 March 2026 is taken)"),
            ("W>", "-26", "is later than 26 weeks before today"),
            ("D>=", "0[[NVL:18000101]]", "is today or later (where there is none, 1 January 1800 is taken)"),
            ("Y<=", "-75[[OFFSET:20260331]]", "is 75 years before 31 March 2026 or earlier"),
            ("in", "a,b", "has one of a, b"),
            ("between", "1,5", "is from 1 to 5"),
            ("is_true", "", "is true"),
            (">=", "3", "is 3 or more"),
        ] {
            assert_eq!(test(operator, comparator), words, "{operator} {comparator}");
        }
        assert_eq!(subject(&AttributeLevel::Person { attribute: "DATE_OF_BIRTH".into() }), "date of birth");
    }
}
