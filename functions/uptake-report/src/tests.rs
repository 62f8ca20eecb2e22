use super::*;
use ims_domain::campaign::{ContactPlan, PlanStep, Step, WaveState};
use ims_snapshot::ProgrammeColumns;
use ims_store::Definition;
use jiff::civil::date;

const RULES: &str = include_str!("../../../tests/campaigns/flu.json");

fn rules() -> Rules {
    let plan = ContactPlan {
        schema: 1,
        campaign: "flu-2025".into(),
        programme: "FLU".parse().unwrap(),
        count_doses_from: date(2025, 9, 1),
        doses: 1,
        steps: vec![PlanStep { step: Step::Invite, after_days: 0 }],
        waves: vec![],
    };
    Rules::new(Definition { campaign: "flu-2025".into(), version: 1, rules: RULES.into(), plan }).unwrap()
}

fn wave(name: &str, cohorts: &[&str]) -> Wave {
    Wave {
        campaign: "flu-2025".into(),
        wave: name.into(),
        state: WaveState::Released,
        selected_on: date(2025, 10, 6),
        manifest: "m1".into(),
        definition: 1,
        cohorts: cohorts.iter().map(|&label| label.into()).collect(),
        parts: 1,
        eligible: 0,
        candidates: 0,
        claims: 0,
        claims_sent: false,
    }
}

/// A person of 75, or of 30.
fn person(id: &str, old: bool, doses: &[Date]) -> PersonRow {
    let mut row = PersonRow {
        person_id: id.into(),
        date_of_birth: Some(if old { date(1950, 1, 1) } else { date(1995, 1, 1) }),
        ..PersonRow::default()
    };
    row.programmes[1] = ProgrammeColumns { dose_dates: doses.to_vec(), ..ProgrammeColumns::default() };
    row
}

fn contact(kind: &str, id: &str, state: &str, reason: &str) -> ContactRow {
    ContactRow {
        kind: kind.into(),
        person_id: id.into(),
        campaign: "flu-2025".into(),
        wave: "w1".into(),
        cohort: if kind == "decision" { "flu_65_plus".into() } else { String::new() },
        step: if kind == "call" { "call".into() } else { "invite".into() },
        channel: "sms".into(),
        state: state.into(),
        reason: reason.into(),
        dose: 1,
        attempts: if kind == "call" { 2 } else { 1 },
        on_date: Some(date(2025, 10, 6)),
        ..ContactRow::default()
    }
}

#[test]
fn the_fixture_is_a_request() {
    let event: Value = serde_json::from_str(include_str!("../fixtures/report.json")).unwrap();
    assert_eq!(serde_json::from_value::<Request>(event).unwrap(), Request::Report);
    assert!(serde_json::from_value::<Request>(json!({"action": "other"})).is_err());
}

#[test]
fn everyone_selected_is_accounted_for() {
    let dose = [date(2025, 9, 20)];
    let then = vec![
        person("sent", true, &[]),
        person("booked", true, &[]),
        person("failed", true, &[]),
        person("waiting", true, &[]),
        person("had_it", true, &dose),
        person("young", false, &[]),
        PersonRow { dead: true, ..person("dead", true, &[]) },
        person("died_since", true, &[]),
    ];
    let mut now = then.clone();
    now[0] = person("sent", true, &[date(2025, 10, 20)]);
    now[7].dead = true;
    let contacts = vec![
        contact("decision", "sent", "sent", ""),
        contact("message", "sent", "delivered", ""),
        contact("call", "sent", "done", ""),
        contact("decision", "booked", "suppressed", "booked"),
        contact("decision", "failed", "sent", ""),
        contact("message", "failed", "failed", "BadRequestError: not a UK number"),
        contact("decision", "died_since", "suppressed", "dead"),
    ];
    let rules = rules();
    let mut funnel = Funnel::default();
    let (w1, w2) = (wave("w1", &[]), wave("w2", &["at_risk"]));
    let waves =
        [WavePart { wave: &w1, rules: &rules, people: &then }, WavePart { wave: &w2, rules: &rules, people: &then }];
    funnel.add_part(&rules, &now, &contacts, &waves).unwrap();

    let expected = People {
        eligible: 6,
        selected: 5,
        sent: 1,
        suppressed: BTreeMap::from([("booked".into(), 1), ("dead".into(), 1)]),
        failed: BTreeMap::from([("BadRequestError".into(), 1)]),
        pending: 1,
    };
    assert_eq!(funnel.people, expected);
    assert_eq!(funnel.by_wave, BTreeMap::from([("w1".into(), expected.clone())]));
    assert_eq!(funnel.by_cohort, BTreeMap::from([("flu_65_plus".into(), expected)]));
    assert_eq!(funnel.messages.sms, BTreeMap::from([("invite".into(), 1)]));
    assert_eq!((funnel.vaccinated, funnel.recall_tasks, funnel.calls_made), (2, 1, 2));
}

#[test]
fn coverage_is_of_the_eligible_people_on_the_list() {
    let mut people: Vec<PersonRow> = (0..40).map(|n| person(&n.to_string(), true, &[])).collect();
    people.iter_mut().take(20).for_each(|row| row.programmes[1].dose_dates = vec![date(2025, 10, 1)]);
    people.push(PersonRow { dead: true, ..person("dead", true, &[]) });
    people.push(person("young", false, &[date(2025, 10, 1)]));
    let mut counted = Tally::default();
    tally(&mut counted, &rules(), &people, date(2025, 11, 1), date(2025, 11, 1)).unwrap();
    let lines = counted.lines("flu-2025", &Rule::default());
    assert_eq!(lines[0].published.eligible, Some(40));
    assert_eq!(lines[0].published.vaccinated, Some(20));
}

#[test]
fn a_report_is_json_with_its_sums_at_the_top() {
    let value = serde_json::to_value(Funnel::default()).unwrap();
    for name in
        ["eligible", "selected", "sent", "suppressed", "failed", "pending", "messages", "bookings", "vaccinated"]
    {
        assert!(value.get(name).is_some(), "{name}");
    }
}
