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
        dose_schedule: None,
        steps: vec![PlanStep { step: Step::Invite, after_days: 0 }],
        quiet_days: vec![],
        waves: vec![],
    };
    Rules::new(Definition { campaign: "flu-2025".into(), version: 1, rules: RULES.into(), plan, authors: vec![] })
        .unwrap()
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
        released_on: Some(date(2025, 10, 6)),
        authors: vec!["Ann Author".into()],
        deeds: vec![],
        version: 3,
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

/// People of 75 with a dose or without, in an area.
fn group(region: &str, icb: &str, sub_icb: &str, eligible: usize, vaccinated: usize) -> Vec<PersonRow> {
    let row = |index: usize| {
        let doses = if index < vaccinated { vec![date(2025, 10, 1)] } else { vec![] };
        let row = person(&format!("{region}{icb}{sub_icb}{index}"), true, &doses);
        PersonRow { region: region.into(), icb: icb.into(), sub_icb: sub_icb.into(), ..row }
    };
    (0..eligible).map(row).collect()
}

fn drawn(people: &[PersonRow], contacts: &[ContactRow]) -> Picture {
    let rules = Arc::new(rules());
    let (mut counted, mut trend) = (Tally::default(), Trend::default());
    let mut funnel = Funnel::default();
    tally(&mut counted, &rules, people, date(2025, 11, 1), date(2025, 11, 1)).unwrap();
    trend.add_part(rules.plan(), people, contacts);
    funnel.add_part(&rules, people, contacts, &[]).unwrap();
    let campaign = Campaign {
        name: "flu-2025".into(),
        title: "Seasonal flu 2025 to 2026".into(),
        day: Some(date(2025, 11, 1)),
        waves: vec![],
        rules,
        funnel,
        tally: counted,
        trend,
        progress: Waves::default(),
        deliveries: Deliveries::default(),
    };
    let manifest = Manifest {
        schema: 1,
        id: "00000007-a".into(),
        created: "2026-11-22T18:00:00Z".parse().unwrap(),
        business_date: date(2025, 11, 1),
        watermark: String::new(),
        parts: 1,
        datasets: BTreeMap::new(),
    };
    picture_of(&campaign, &manifest, "2026-11-22T18:00:05Z".parse().unwrap())
}

fn area<'a>(picture: &'a Picture, level: Level, code: &str) -> &'a AreaCoverage {
    let found = picture.areas.iter().find(|area| area.level == level && area.code == code);
    found.unwrap_or_else(|| panic!("{level:?} {code}"))
}

#[test]
fn a_picture_holds_areas_within_areas_and_withholds_small_ones() {
    let mut people = group("Y1", "QA", "S1", 400, 200);
    people.extend(group("Y1", "QA", "S2", 300, 150));
    people.extend(group("Y1", "QA", "S3", 100, 3));
    people.extend(group("Y1", "QB", "S4", 500, 250));
    people.extend(group("Y2", "QC", "S5", 600, 300));
    let restricted = group("Y2", "QC", "S5", 20, 10);
    people.extend(restricted.into_iter().map(|row| PersonRow { restricted: true, ..row }));
    let picture = drawn(&people, &[]);

    assert_eq!(area(&picture, Level::Nation, "ENG").coverage.eligible, Some(1_920));
    assert_eq!(area(&picture, Level::Icb, "QA").parent.as_deref(), Some("Y1"));
    assert_eq!(area(&picture, Level::Icb, "QA").coverage.eligible, Some(800));
    assert_eq!(area(&picture, Level::SubIcb, "S3").coverage.vaccinated, None);
    assert_eq!(area(&picture, Level::SubIcb, "S2").coverage.vaccinated, None, "the smallest neighbour");
    assert_eq!(area(&picture, Level::SubIcb, "S1").coverage.vaccinated, Some(200));
    assert_eq!(area(&picture, Level::SubIcb, "S5").coverage.eligible, Some(600), "restricted people have no area");
    assert_eq!(area(&picture, Level::Region, "unknown").coverage.eligible, Some(20));
    let bands = &area(&picture, Level::Region, "Y1").groups["age_band"];
    assert_eq!(bands.len(), 1);
    assert_eq!((bands[0].group.as_str(), bands[0].coverage.eligible), ("75-79", Some(1_300)));
}

#[test]
fn a_picture_has_the_shape_that_the_console_reads() {
    let people = group("Y1", "QA", "S1", 40, 20);
    let value = serde_json::to_value(drawn(&people, &[])).unwrap();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let expected = [
        "schema",
        "campaign",
        "name",
        "programme",
        "manifest",
        "watermark",
        "business_date",
        "written",
        "funnel",
        "areas",
        "trend",
    ];
    assert_eq!(names(&value), expected);
    assert_eq!(value["programme"], json!("FLU"));
    assert_eq!(value["watermark"], json!("2026-11-22T18:00:00Z"));
    assert_eq!(value["areas"][3]["level"], json!("sub_icb"));
    let cell = &value["areas"][0]["groups"]["ethnic_group"][0];
    assert_eq!(names(cell), ["group", "eligible", "vaccinated", "coverage", "lower", "upper"]);
    assert_eq!(value["trend"], json!([{"day": "2025-10-01", "invited": 0, "vaccinated": 20, "called": 0}]));
    let read: Picture = serde_json::from_value(value).unwrap();
    assert_eq!(read, drawn(&people, &[]));
}

#[test]
fn a_day_counts_the_first_message_the_first_dose_and_calls() {
    let people = [person("a", true, &[date(2024, 10, 1), date(2025, 10, 3), date(2025, 11, 3)])];
    let reminder = ContactRow {
        step: "reminder".into(),
        on_date: Some(date(2025, 10, 20)),
        ..contact("message", "a", "delivered", "")
    };
    let contacts = [
        reminder,
        contact("message", "a", "sent", ""),
        contact("message", "b", "queued", ""),
        contact("call", "a", "done", ""),
        contact("decision", "a", "", ""),
    ];
    let picture = drawn(&people, &contacts);
    let days: Vec<_> = picture.trend.iter().map(|day| (day.day, day.invited, day.vaccinated, day.called)).collect();
    assert_eq!(days, [(date(2025, 10, 3), 0, 1, 0), (date(2025, 10, 6), 1, 0, 1)]);
    let funnel = &picture.funnel;
    assert_eq!((funnel.invited, funnel.vaccinated, funnel.called), (1, 1, 2));
}

#[test]
fn an_older_report_leaves_a_newer_picture() {
    let written = br#"{"manifest": "00000007-a", "schema": 1}"#;
    assert!(picture::is_later(written, "00000006-b"));
    assert!(!picture::is_later(written, "00000007-a"));
    assert!(!picture::is_later(written, "00000008-0"));
    assert!(!picture::is_later(b"{}", "00000006-b"));
}

#[test]
fn the_consoles_fixture_is_a_picture() {
    let picture: Picture = serde_json::from_str(include_str!("../../console/fixtures/picture.json")).unwrap();
    assert_eq!((picture.schema, picture.areas[0].level), (SCHEMA, Level::Nation));
}

#[test]
fn a_new_manifest_is_news_and_a_request_is_not() {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert!(is_news(&read(include_str!("../fixtures/manifest-created.json"))));
    assert!(!is_news(&read(include_str!("../fixtures/report.json"))));
}
