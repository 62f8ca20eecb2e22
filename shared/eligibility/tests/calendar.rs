//! Days and moments: iterations that come into force in London, the change of the clocks, 29 February, bounds of every
//! date operator.

mod campaigns;

use campaigns::{compile, date, document, everyone, parse, person, rule, with};
use ims_eligibility::{CheckRequest, Query, Status, check};
use jiff::Timestamp;
use serde_json::{Value, json};

fn moment(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

/// The campaign with iterations from these dates and times; a time is absent where empty.
fn with_iterations(starts: &[(&str, &str)]) -> Value {
    let mut campaign = document(json!([everyone("all", 1)]), json!([]));
    let first = campaign["CampaignConfig"]["Iterations"][0].clone();
    let iteration = |(index, (date, time)): (usize, &(&str, &str))| {
        with(first.clone(), json!({"ID": format!("it-{index}"), "IterationDate": date, "IterationTime": time}))
    };
    campaign["CampaignConfig"]["Iterations"] = starts.iter().enumerate().map(iteration).collect();
    campaign
}

#[test]
fn an_iteration_comes_into_force_at_its_moment_in_london() {
    for (starts, now, live) in [
        // The campaign's own time is seven in the morning, in summer time and out of it.
        (&[("20260901", "")][..], "2026-09-01T05:59:59Z", None),
        (&[("20260901", "")], "2026-09-01T06:00:00Z", Some("it-0")),
        (&[("20260901", ""), ("20261115", "")], "2026-11-15T06:59:59Z", Some("it-0")),
        (&[("20260901", ""), ("20261115", "")], "2026-11-15T07:00:00Z", Some("it-1")),
        // An iteration's own time goes before it.
        (&[("20260901", "00:00:00")], "2026-08-31T22:59:59Z", None),
        (&[("20260901", "00:00:00")], "2026-08-31T23:00:00Z", Some("it-0")),
        // Half past one comes twice on 25 October; the first is meant.
        (&[("20260901", ""), ("20261025", "01:30:00")], "2026-10-25T00:29:59Z", Some("it-0")),
        (&[("20260901", ""), ("20261025", "01:30:00")], "2026-10-25T00:30:00Z", Some("it-1")),
        (&[("20260901", ""), ("20261025", "02:00:00")], "2026-10-25T01:59:59Z", Some("it-0")),
        (&[("20260901", ""), ("20261025", "02:00:00")], "2026-10-25T02:00:00Z", Some("it-1")),
        // Half past one does not come on 28 March; it is half past two in summer time.
        (&[("20260901", ""), ("20270328", "01:30:00")], "2027-03-28T01:29:59Z", Some("it-0")),
        (&[("20260901", ""), ("20270328", "01:30:00")], "2027-03-28T01:30:00Z", Some("it-1")),
        // The order in the file does not matter.
        (&[("20261115", ""), ("20260901", "")], "2026-12-01T00:00:00Z", Some("it-0")),
        // The campaign's last day is in it, to midnight in London, which is in summer time by then.
        (&[("20260901", "")], "2027-03-31T22:59:59Z", Some("it-0")),
        (&[("20260901", "")], "2027-03-31T23:00:00Z", None),
        // An iteration older than the campaign waits for its first day.
        (&[("20260801", "")], "2026-08-31T22:59:59Z", None),
        (&[("20260801", "")], "2026-08-31T23:00:00Z", Some("it-0")),
    ] {
        let campaign = parse(&with_iterations(starts)).expect("a campaign");
        let found = campaign.live_iteration(moment(now)).map(|iteration| iteration.id.as_str());
        assert_eq!(found, live, "{starts:?} {now}");
    }
}

#[test]
fn today_is_the_day_in_london() {
    let rules = json!([rule("F", "past", 1, "X", "D<", "0")]);
    let campaign = parse(&document(json!([everyone("all", 1)]), rules)).expect("a campaign");
    let facts = person(&[("X", "20261025")], &[]);
    for (now, status) in [
        ("2026-10-24T22:59:59Z", Status::Actionable),
        // Midnight of summer time, then of winter time: a day of 25 hours.
        ("2026-10-24T23:00:00Z", Status::Actionable),
        ("2026-10-25T23:30:00Z", Status::Actionable),
        ("2026-10-26T00:00:00Z", Status::NotEligible),
    ] {
        let query = Query::default();
        let request = CheckRequest {
            campaigns: &[&campaign],
            permitted: None,
            query: &query,
            now: moment(now),
            response_id: "id",
        };
        let answer = check(&request, |_| &facts).expect("an answer");
        assert_eq!(answer.processed_suggestions[0].status, status, "{now}");
    }
}

/// Whether a rule matches a person whose attribute is this day.
fn matches(operator: &str, comparator: &str, value: &str, today: &str) -> bool {
    let compiled = compile(json!([everyone("all", 1)]), json!([rule("F", "rule", 1, "X", operator, comparator)]));
    compiled.status(&person(&[("X", value)], &[]), date(today)).0 == Status::NotEligible
}

/// Of each date operator: does it match the day before the bound, the bound, and the day after?
#[test]
fn every_date_operator_meets_its_bound() {
    let bounds = [
        // unit, amount, today, the bound and its neighbours
        ("D", "0", "20261001", ["20260930", "20261001", "20261002"]),
        ("D", "-28", "20261001", ["20260902", "20260903", "20260904"]),
        // Across the change of the clocks a day is a day.
        ("D", "-7", "20261028", ["20261020", "20261021", "20261022"]),
        ("D", "1", "20261024", ["20261024", "20261025", "20261026"]),
        ("D", "-1", "20240301", ["20240228", "20240229", "20240301"]),
        ("D", "365", "20240229", ["20250227", "20250228", "20250301"]),
        ("W", "-2", "20261001", ["20260916", "20260917", "20260918"]),
        ("W", "1", "20261021", ["20261027", "20261028", "20261029"]),
        ("W", "-26", "20240829", ["20240228", "20240229", "20240301"]),
        ("Y", "-75", "20261001", ["19510930", "19511001", "19511002"]),
        ("Y", "4", "20240229", ["20280228", "20280229", "20280301"]),
        // A year from 29 February is 28 February where there is none.
        ("Y", "1", "20240229", ["20250227", "20250228", "20250301"]),
        ("Y", "-75", "20240229", ["19490227", "19490228", "19490301"]),
        ("Y", "-2", "20260228", ["20240227", "20240228", "20240229"]),
    ];
    for (unit, amount, today, days) in bounds {
        for (relation, expected) in [
            ("<", [true, false, false]),
            ("<=", [true, true, false]),
            (">", [false, false, true]),
            (">=", [false, true, true]),
        ] {
            let operator = format!("{unit}{relation}");
            let found = days.map(|day| matches(&operator, amount, day, today));
            assert_eq!(found, expected, "{operator} {amount} on {today}: {days:?}");
            // The same from a day of its own, whatever today is.
            let offset = format!("{amount}[[OFFSET:{today}]]");
            for other in ["20200101", "20300101"] {
                assert_eq!(days.map(|day| matches(&operator, &offset, day, other)), expected, "{operator} {offset}");
            }
        }
    }
}

#[test]
fn nvl_of_a_date_is_a_day_like_any_other() {
    let missing = |comparator: &str| {
        let compiled = compile(json!([everyone("all", 1)]), json!([rule("F", "rule", 1, "X", "D>=", comparator)]));
        compiled.status(&person(&[], &[]), date("20261001")).0 == Status::NotEligible
    };
    assert!(missing("0[[NVL:20261001]]"));
    assert!(!missing("0[[NVL:20260930]]"));
    assert!(missing("0[[NVL:20240229]][[OFFSET:20240229]]"));
    assert!(missing("0[[OFFSET:20240229]][[NVL:20240229]]"));
    assert!(!missing("0"));
}

#[test]
fn an_amount_beyond_the_calendar_bounds_nothing_real() {
    for (operator, amount, expected) in [
        ("Y<=", "-9000", false),
        ("Y>", "-9000", true),
        ("Y>=", "9000", false),
        ("Y<", "9000", true),
        // Beyond the first and the last year that there is.
        ("Y<=", "-15000", false),
        ("Y>", "-15000", true),
        ("Y>=", "15000", false),
        ("Y<", "15000", true),
    ] {
        assert_eq!(matches(operator, amount, "20260101", "20261001"), expected, "{operator} {amount}");
    }
}
