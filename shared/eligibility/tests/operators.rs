//! Every operator, against the values that tell it from its neighbours.

mod campaigns;

use campaigns::{compile, date, everyone, person, rule, with};
use ims_eligibility::Status;
use serde_json::json;

/// Whether a rule with this operator and comparator matches a person whose attribute has this value.
fn matches(operator: &str, comparator: &str, value: Option<&str>, today: &str) -> bool {
    let rules = json!([rule("F", "rule", 1, "X", operator, comparator)]);
    let compiled = compile(json!([everyone("all", 1)]), rules);
    let facts = match value {
        Some(value) => person(&[("X", value)], &[]),
        None => person(&[], &[]),
    };
    compiled.status(&facts, date(today)).0 == Status::NotEligible
}

#[track_caller]
fn check(table: &[(&str, &str, Option<&str>, bool)], today: &str) {
    for (operator, comparator, value, expected) in table {
        assert_eq!(
            matches(operator, comparator, *value, today),
            *expected,
            "{value:?} {operator} {comparator:?} on {today}"
        );
    }
}

#[test]
fn comparisons_are_numeric_between_numbers_and_textual_otherwise() {
    check(
        &[
            ("=", "1", Some("01"), true),
            ("=", "1", Some("2"), false),
            // A sign that only other languages know: a text.
            ("=", "1", Some("+1"), false),
            ("=", "Y", Some("Y"), true),
            ("=", "Y", Some("y"), false),
            ("=", "", Some(""), true),
            ("=", "Y", None, false),
            ("!=", "Y", None, true),
            ("!=", "Y", Some(""), true),
            ("!=", "Y", Some("Y"), false),
            ("<", "10", Some("9"), true),
            ("<", "10a", Some("9"), false),
            ("<=", "-5", Some("-5"), true),
            ("<", "-5", Some("-6"), true),
            (">", "10", Some("10"), false),
            (">=", "10", Some("10"), true),
            (">", "B", Some("C"), true),
            // A blank value is neither more nor less than anything.
            ("<", "10", Some(""), false),
            (">", "-1", Some(""), false),
            ("<", "10", None, false),
        ],
        "20261001",
    );
}

#[test]
fn nvl_stands_in_for_a_missing_value_only() {
    check(
        &[
            ("=", "Y[[NVL:Y]]", None, true),
            ("=", "Y[[NVL:Y]]", Some("N"), false),
            ("=", "Y[[NVL:Y]]", Some(""), false),
            ("<", "20260212[[NVL:18000101]]", None, true),
            ("D<", "0[[NVL:18000101]]", None, true),
            ("D<", "0[[NVL:18000101]]", Some("20270101"), false),
            ("D<", "0", None, false),
            ("in", "A,B[[NVL:B]]", None, true),
            ("not_in", "A,B[[NVL:B]]", None, false),
            ("between", "1,5[[NVL:3]]", None, true),
            ("contains", "ab[[NVL:cab]]", None, true),
        ],
        "20261001",
    );
}

#[test]
fn text_operators() {
    check(
        &[
            ("contains", "B3", Some("CB3 8DX"), true),
            ("contains", "B4", Some("CB3 8DX"), false),
            ("contains", "B4", None, false),
            ("not_contains", "B4", Some("CB3 8DX"), true),
            ("not_contains", "B4", None, true),
            ("starts_with", "CB", Some("CB3"), true),
            ("starts_with", "B", Some("CB3"), false),
            // A missing value is not the word "None".
            ("starts_with", "N", None, false),
            ("not_starts_with", "CB", Some("CB3"), false),
            ("not_starts_with", "N", None, true),
            ("ends_with", "B3", Some("CB3"), true),
            ("ends_with", "e", None, false),
        ],
        "20261001",
    );
}

#[test]
fn lists_share_an_element_or_not() {
    check(
        &[
            ("in", "QH8,QJG", Some("QJG"), true),
            ("in", "QH8, QJG", Some("QJG"), true),
            ("in", "QH8,QJG", Some("QJ"), false),
            ("in", "QH8,QJG", None, false),
            ("not_in", "QH8,QJG", Some("QUE"), true),
            ("not_in", "QH8,QJG", None, true),
            ("MemberOf", "a,b", Some("c,b"), true),
            ("NotMemberOf", "a,b", Some("c,b"), false),
        ],
        "20261001",
    );
}

#[test]
fn presence_truth_and_ranges() {
    check(
        &[
            ("is_null", "", None, true),
            ("is_null", "", Some(""), true),
            ("is_null", "", Some("x"), false),
            ("is_not_null", "", Some("x"), true),
            ("is_empty", "", Some(""), true),
            ("is_not_empty", "", None, false),
            ("is_true", "", Some("true"), true),
            ("is_true", "", Some("Y"), false),
            ("is_false", "", Some("false"), true),
            ("is_false", "", None, false),
            ("between", "1,5", Some("1"), true),
            ("between", "5,1", Some("5"), true),
            ("between", "1,5", Some("6"), false),
            ("between", "1,5", Some("many"), false),
            ("between", "1,5", None, false),
            ("not_between", "1,5", Some("6"), true),
            ("not_between", "1,5", Some("3"), false),
            ("not_between", "1,5", None, false),
        ],
        "20261001",
    );
}

#[test]
fn days_weeks_and_years_meet_their_bounds() {
    check(
        &[
            ("D<=", "-28", Some("20260903"), true),
            ("D<", "-28", Some("20260903"), false),
            ("D>=", "0", Some("20261001"), true),
            ("D>", "0", Some("20261001"), false),
            ("W<=", "-2", Some("20260917"), true),
            ("W<", "-2", Some("20260917"), false),
            ("W>=", "1", Some("20261008"), true),
            ("W>", "1", Some("20261008"), false),
            // Turns 75 today: not "under 75".
            ("Y>", "-75", Some("19511001"), false),
            ("Y>", "-75", Some("19511002"), true),
            ("Y<=", "-75", Some("19511001"), true),
            ("Y>=", "-75", Some("19511001"), true),
            ("Y<", "-75", Some("19511001"), false),
            ("Y<=", "-800", Some("19511001"), false),
            ("D>=", "0", Some("not_a_date"), false),
            ("D<=", "0", Some("20260230"), false),
            ("D<=", "0", Some(""), false),
        ],
        "20261001",
    );
}

#[test]
fn birthdays_on_29_february() {
    // Born on 29 February 1948: 75 on 1 March 2023, for 28 February is still the day before.
    check(&[("Y<=", "-75", Some("19480229"), false)], "20230228");
    check(&[("Y<=", "-75", Some("19480229"), true)], "20230301");
    // In a leap year the birthday itself counts.
    check(&[("Y<=", "-76", Some("19480229"), true)], "20240229");
    // 75 years before 29 February 2024 is 28 February 1949.
    check(&[("Y<=", "-75", Some("19490228"), true), ("Y<=", "-75", Some("19490301"), false)], "20240229");
}

#[test]
fn offset_measures_from_its_own_day() {
    for today in ["20260901", "20270331"] {
        check(
            &[
                // 65 or over on 31 March 2027, whenever asked.
                ("Y<=", "-65[[OFFSET:20270331]]", Some("19620331"), true),
                ("Y<=", "-65[[OFFSET:20270331]]", Some("19620401"), false),
                ("Y>", "-65[[OFFSET:20270331]][[NVL:20000101]]", None, true),
                ("Y>", "-65[[NVL:20000101]][[OFFSET:20270331]]", None, true),
            ],
            today,
        );
    }
}

#[test]
fn cohort_labels_as_an_attribute() {
    let of = |operator: &str, comparator: &str, cohorts: &[&str]| {
        let rule =
            with(rule("F", "rule", 1, "COHORT_LABEL", operator, comparator), json!({"AttributeLevel": "COHORT"}));
        let compiled = compile(json!([everyone("all", 1)]), json!([rule]));
        compiled.status(&person(&[], cohorts), date("20261001")).0 == Status::NotEligible
    };
    assert!(of("MemberOf", "a,b", &["b", "c"]));
    assert!(!of("MemberOf", "a,b", &["c"]));
    assert!(of("NotMemberOf", "a,b", &["c"]));
    assert!(of("contains", "care_home", &["care_home_residents"]));
    // Everyone is a member of a virtual cohort.
    assert!(of("MemberOf", "all", &[]));
    assert!(!of("is_empty", "", &[]));
}

/// Evaluators over columns find the day at which an answer changes by halves only where it changes once.
#[test]
fn a_test_changes_at_most_once_as_days_go_by_where_it_says_so() {
    for (operator, comparator, once, by_itself) in [
        ("=", "20260101", false, false),
        ("!=", "20260101", false, false),
        (">", "20260101", true, false),
        ("<=", "20260101", true, false),
        (">", "A", false, false),
        ("contains", "0101", false, false),
        ("in", "20260101", false, false),
        ("between", "20260101,20260201", false, false),
        ("is_null", "", false, false),
        ("is_true", "", false, false),
        ("D>", "-7", true, true),
        ("Y<=", "-65", true, true),
        ("Y<=", "-65[[OFFSET:20260331]]", true, false),
    ] {
        let compiled = compile(json!([everyone("all", 1)]), json!([rule("F", "rule", 1, "X", operator, comparator)]));
        assert_eq!(compiled.is_threshold(0), once, "{operator} {comparator}");
        assert_eq!(compiled.depends_on_today(0), by_itself, "{operator} {comparator}");
        assert!(!compiled.is_threshold(1) && !compiled.depends_on_today(1), "membership of a cohort");
    }
}
