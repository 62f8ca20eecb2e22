//! Random people and random campaigns, in which values meet their comparators often.

use ims_snapshot::{PROGRAMMES, PersonRow, ProgrammeColumns};
use jiff::civil::{Date, date};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

pub const LABELS: [&str; 5] = ["at_risk", "care_home_residents", "carers", "staff", "pregnant"];

const ICBS: [&str; 4] = ["", "QOQ", "QUE", "QJG"];

/// Days near which things happen: leap days and year ends among them.
const DAYS: [Date; 12] = [
    date(1960, 2, 29),
    date(1960, 3, 1),
    date(1961, 3, 31),
    date(1976, 3, 31),
    date(2000, 2, 29),
    date(2024, 2, 29),
    date(2025, 8, 31),
    date(2025, 9, 1),
    date(2025, 9, 30),
    date(2025, 10, 26),
    date(2025, 12, 31),
    date(2026, 2, 28),
];

pub fn day() -> impl Strategy<Value = Date> + Clone {
    let near = (select(&DAYS[..]), -2i32..3)
        .prop_map(|(day, shift)| day.saturating_add(jiff::Span::new().days(i64::from(shift))));
    prop_oneof![4 => near, 1 => (1900i16..2030, 1i8..13, 1i8..29).prop_map(|(y, m, d)| date(y, m, d))]
}

fn text(day: Date) -> String {
    format!("{:04}{:02}{:02}", day.year(), day.month(), day.day())
}

fn history() -> impl Strategy<Value = ProgrammeColumns> {
    let invite = (select(vec!["flu", "covid"]), 1u8..3, day(), select(vec!["open", "suppressed"]))
        .prop_map(|(campaign, dose, on, state)| format!("{campaign}#{dose}#{on}#{state}"));
    (
        prop::collection::vec(day(), 0..4),
        prop::option::of(day()),
        select(vec!["", "RX1", "RX2"]),
        prop::collection::vec(invite, 0..3),
    )
        .prop_map(|(mut dose_dates, booked, provider, invites)| {
            dose_dates.sort_unstable();
            let booking_provider = provider.to_owned();
            ProgrammeColumns { dose_dates, booked, booking_provider, appointment: booked, invites }
        })
}

pub fn person() -> impl Strategy<Value = PersonRow> {
    let place = (
        select(vec!["", "CB3 8DX", "CB1 1AA", "EC1A 1BB", "NFA"]),
        select(vec!["", "E01018223", "E01000001"]),
        select(vec!["", "E02003711", "E02000001"]),
        select(&ICBS[..]),
        select(vec!["", "Y61", "Y63"]),
        select(vec!["", "B81087", "A99001"]),
        0u64..11,
        select(vec!["", "A", "H", "M", "Z", "99"]),
    );
    let states = (any::<u128>(), prop::bool::weighted(0.1), prop::bool::weighted(0.1), 0u64..1000);
    let programmes = (history(), history(), history(), history());
    (
        prop::option::weighted(0.9, day()),
        select(vec!["0", "1", "2", "9"]),
        place,
        subsequence(&LABELS[..], 0..4),
        states,
        programmes,
    )
        .prop_map(|(date_of_birth, gender, place, cohorts, states, programmes)| PersonRow {
            person_id: uuid::Uuid::from_u128(states.0).to_string(),
            version: 1,
            date_of_birth,
            gender: gender.to_owned(),
            postcode: place.0.to_owned(),
            lsoa: place.1.to_owned(),
            msoa: place.2.to_owned(),
            icb: place.3.to_owned(),
            region: place.4.to_owned(),
            practice: place.5.to_owned(),
            imd_decile: place.6,
            ethnic_category: place.7.to_owned(),
            dead: states.1,
            removed: states.2,
            cohorts: cohorts.into_iter().map(str::to_owned).collect(),
            lot: states.3,
            programmes: [programmes.0, programmes.1, programmes.2, programmes.3],
            ..PersonRow::default()
        })
}

/// Operator and comparator. `whole` numbers, days, and texts meet all kinds of values.
fn test() -> impl Strategy<Value = (String, String)> {
    let day_text = || day().prop_map(text);
    let number = || prop_oneof![(0i64..4).prop_map(|n| n.to_string()), day_text()];
    let word = || {
        prop_oneof![
            4 => select(vec!["QOQ", "QUE", "CB3", "CB38", "EC1A", "RX1", "Y", "N", "1", "2", "E0", "at_risk", "carers", "8DX", "Y61", "B81087", "00", "0"])
                .prop_map(str::to_owned),
            1 => day_text(),
            1 => (0i64..4).prop_map(|n| n.to_string()),
        ]
    };
    let any_word = || prop_oneof![word(), word().prop_map(|w| w.to_lowercase())];
    let with_nvl = |text: String, nvl: Option<String>| match nvl {
        Some(nvl) => format!("{text}[[NVL:{nvl}]]"),
        None => text,
    };
    let nvl = || prop::option::weighted(0.4, prop_oneof![any_word(), day_text()]);
    let compare = (select(vec!["=", "!=", ">", ">=", "<", "<="]), prop_oneof![number(), any_word()], nvl())
        .prop_map(move |(operator, value, nvl)| (operator.to_owned(), with_nvl(value, nvl)));
    let texts =
        (select(vec!["contains", "not_contains", "starts_with", "not_starts_with", "ends_with"]), any_word(), nvl())
            .prop_map(move |(operator, value, nvl)| (operator.to_owned(), with_nvl(value, nvl)));
    let lists =
        (select(vec!["in", "not_in", "MemberOf", "NotMemberOf"]), prop::collection::vec(any_word(), 1..4), nvl())
            .prop_map(move |(operator, values, nvl)| (operator.to_owned(), with_nvl(values.join(", "), nvl)));
    let bare = select(vec!["is_null", "is_not_null", "is_empty", "is_not_empty", "is_true", "is_false"])
        .prop_map(|operator| (operator.to_owned(), String::new()));
    let between = (select(vec!["between", "not_between"]), number(), number(), prop::option::of(number()))
        .prop_map(move |(operator, low, high, nvl)| (operator.to_owned(), with_nvl(format!("{low},{high}"), nvl)));
    let dates = (
        select(vec!["D", "W", "Y"]),
        select(vec!["<=", "<", ">=", ">"]),
        -90i64..20,
        prop::option::weighted(0.4, day_text()),
        prop::option::weighted(0.4, day_text()),
        any::<bool>(),
    )
        .prop_map(move |(unit, relation, amount, offset, nvl, nvl_first)| {
            let offset = offset.map(|day| format!("[[OFFSET:{day}]]")).unwrap_or_default();
            let nvl = nvl.map(|day| format!("[[NVL:{day}]]")).unwrap_or_default();
            let (first, second) = if nvl_first { (nvl, offset) } else { (offset, nvl) };
            (format!("{unit}{relation}"), format!("{amount}{first}{second}"))
        });
    prop_oneof![3 => compare, 1 => texts, 2 => lists, 1 => bare, 1 => between, 3 => dates]
}

fn rule() -> impl Strategy<Value = Value> {
    let person = select(vec![
        "DATE_OF_BIRTH",
        "DATE_OF_BIRTH",
        "DATE_OF_BIRTH",
        "GENDER",
        "POSTCODE",
        "POSTCODE_OUTCODE",
        "POSTCODE_SECTOR",
        "LSOA",
        "MSOA",
        "GP_PRACTICE_CODE",
        "ICB",
        "ICB_OF_RESIDENCE",
        "COMMISSIONING_REGION",
        "CARE_HOME_FLAG",
        "DE_FLAG",
    ])
    .prop_map(|name| json!({"AttributeLevel": "PERSON", "AttributeName": name}));
    let target = (
        select(&PROGRAMMES[..]),
        select(vec![
            "LAST_SUCCESSFUL_DATE",
            "LAST_VALID_DOSE_DATE",
            "VALID_DOSES_COUNT",
            "INVALID_DOSES_COUNT",
            "SUCCESSFUL_PROCEDURE_COUNT",
            "BOOKED_APPOINTMENT_DATE",
            "BOOKED_APPOINTMENT_PROVIDER",
            "LAST_INVITE_DATE",
            "LAST_INVITE_STATUS",
        ]),
    )
        .prop_map(
            |(target, name)| json!({"AttributeLevel": "TARGET", "AttributeTarget": target, "AttributeName": name}),
        );
    let cohort = Just(json!({"AttributeLevel": "COHORT", "AttributeName": "COHORT_LABEL"}));
    (
        select(vec!["F", "F", "S", "S", "S", "R", "X", "Y"]),
        1i64..5,
        prop_oneof![3 => person, 3 => target, 1 => cohort],
        test(),
        prop::option::weighted(0.4, subsequence(&LABELS[..], 1..4)),
        prop::option::weighted(0.2, select(vec!["Y", "N"])),
    )
        .prop_map(|(kind, priority, mut rule, (operator, comparator), labels, stop)| {
            rule["Type"] = json!(kind);
            rule["Name"] = json!("rule");
            rule["Description"] = json!("a rule");
            rule["Priority"] = json!(priority);
            rule["Operator"] = json!(operator);
            rule["Comparator"] = json!(comparator);
            if let Some(labels) = labels.filter(|_| matches!(kind, "F" | "S")) {
                rule["CohortLabel"] = json!(labels.join(", "));
            }
            if let Some(stop) = stop {
                rule["RuleStop"] = json!(stop);
            }
            rule
        })
}

fn iteration() -> impl Strategy<Value = Value> {
    let cohort = (prop::option::weighted(0.8, 1i64..4), prop::bool::weighted(0.3));
    let cohorts = prop::collection::vec(cohort, LABELS.len());
    (Just(LABELS.to_vec()).prop_shuffle(), cohorts, 1..=LABELS.len(), prop::collection::vec(rule(), 0..9)).prop_map(
        |(labels, cohorts, many, rules)| {
            let cohorts: Vec<Value> = labels
                .iter()
                .zip(cohorts)
                .take(many)
                .map(|(label, (priority, everyone))| {
                    let everyone = if everyone { "Y" } else { "N" };
                    json!({"CohortLabel": label, "CohortGroup": label, "Priority": priority, "Virtual": everyone})
                })
                .collect();
            json!({
                "Version": 1, "Name": "n", "Type": "O",
                "DefaultCommsRouting": "", "DefaultNotEligibleRouting": "", "DefaultNotActionableRouting": "",
                "IterationCohorts": cohorts, "IterationRules": rules, "ActionsMapper": {},
            })
        },
    )
}

/// A campaign of one to three iterations in September to December 2025.
pub fn campaign() -> impl Strategy<Value = Value> {
    let iterations =
        prop::collection::btree_map((0i64..90, select(vec!["07:00:00", "12:00:00", "12:00:01"])), iteration(), 1..4);
    iterations.prop_map(|iterations| {
        let iterations: Vec<Value> = iterations
            .into_iter()
            .enumerate()
            .map(|(number, ((after, time), mut iteration))| {
                let start = date(2025, 9, 1).saturating_add(jiff::Span::new().days(after));
                iteration["ID"] = json!(format!("iteration-{number}"));
                iteration["IterationDate"] = json!(text(start));
                iteration["IterationTime"] = json!(time);
                iteration
            })
            .collect();
        json!({"CampaignConfig": {
            "ID": "flu", "Version": 1, "Name": "n", "Type": "V", "Target": "FLU",
            "IterationFrequency": "X", "IterationType": "O", "IterationTime": "07:00:00",
            "StartDate": "20250901", "EndDate": "20260228",
            "DefaultCommsRouting": "", "Iterations": iterations,
        }})
    })
}
