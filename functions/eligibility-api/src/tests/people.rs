//! About whom answers are given, from what is known at the moment of asking, and what the trail keeps.

use super::*;

fn dose(person: &mut Person, programme: &str, day: jiff::civil::Date) {
    person.programmes.entry(programme.parse().unwrap()).or_default().doses.push(day);
}

#[tokio::test]
async fn the_answer_follows_the_live_person_and_the_business_clock() {
    let api = Api::with_campaigns().await;
    let mut vaccinated = pensioner(2, "9990000018");
    dose(&mut vaccinated, "FLU", date(2025, 9, 20));
    api.write([pensioner(1, NUMBER), vaccinated]).await;
    let flu = [("conditions", "FLU")];
    for (number, now, expected) in [
        (NUMBER, NOW, &[("FLU", "Actionable")][..]),
        ("9990000018", NOW, &[("FLU", "NotActionable")]),
        // The first iteration starts at seven in the morning in London; the season ends at midnight there.
        (NUMBER, "2025-09-01T05:59:59Z", &[]),
        (NUMBER, "2025-09-01T06:00:00Z", &[("FLU", "Actionable")]),
        (NUMBER, "2026-03-31T22:59:59Z", &[("FLU", "Actionable")]),
        (NUMBER, "2026-03-31T23:00:00Z", &[]),
    ] {
        let (status, _, body) = api.ask(check_of(number, &flu), now).await;
        assert_eq!((status, statuses(&body)), (200, expected.to_vec()), "{number} {now}");
    }
}

#[tokio::test]
async fn people_who_are_not_processed_are_as_unknown_as_a_number_nobody_has() {
    let api = Api::with_campaigns().await;
    let numbers: Vec<String> =
        (999_600_000..).filter_map(NhsNumber::from_stem).take(4).map(|n| n.to_string()).collect();
    let mut people: Vec<Person> = numbers.iter().zip(10..).map(|(number, id)| pensioner(id, number)).collect();
    people[0].states.dead = Some(Death { date: None, formal: false });
    people[1].states.removed = Some("SCT".into());
    people[2].states.invalidated = true;
    people[3].states.restricted = true;
    api.write(people).await;
    for (number, id) in numbers.iter().zip(10_u128..) {
        let (status, _, body) = api.ask(check_of(number, &[]), NOW).await;
        let expected = format!("NHS Number '{number}' was not recognised by the Eligibility Signposting API");
        assert_eq!((status, &body["issue"][0]["diagnostics"]), (404, &json!(expected)));
        let under = format!("P#{} not_found", Uuid::from_u128(id));
        assert!(api.trail().iter().any(|entry| entry.starts_with(&under)), "{under}: {:?}", api.trail());
    }
}

#[tokio::test]
async fn a_superseded_number_is_answered_for_whoever_holds_the_one_that_took_its_place() {
    let api = Api::with_campaigns().await;
    let (old, new) = ("9990000018", NUMBER);
    let mut member = pensioner(2, old);
    dose(&mut member, "FLU", date(2025, 9, 20));
    member.states.superseded_by = new.parse().ok();
    api.write([pensioner(1, new), member]).await;
    for number in [old, new] {
        let (status, _, body) = api.ask(check_of(number, &[("conditions", "FLU")]), NOW).await;
        assert_eq!((status, statuses(&body)), (200, vec![("FLU", "NotActionable")]), "{number}");
    }
    // Asked by the old number, both are told of.
    let of = |id: u128| api.trail().iter().filter(|e| e.starts_with(&format!("P#{}", Uuid::from_u128(id)))).count();
    assert_eq!((of(1), of(2)), (2, 1));
}

#[tokio::test]
async fn numbers_that_supersede_each_other_are_nobodys() {
    let api = Api::with_campaigns().await;
    let (one, two) = ("9990000018", NUMBER);
    let mut people = [pensioner(1, one), pensioner(2, two)];
    people[0].states.superseded_by = two.parse().ok();
    people[1].states.superseded_by = one.parse().ok();
    api.write(people).await;
    for number in [one, two] {
        assert_eq!(api.ask(check_of(number, &[]), NOW).await.0, 404);
    }
}

#[tokio::test]
async fn a_restriction_under_the_old_number_holds_under_the_new_one() {
    let api = Api::with_campaigns().await;
    let mut member = pensioner(2, "9990000018");
    member.states.restricted = true;
    member.states.superseded_by = NUMBER.parse().ok();
    api.write([pensioner(1, NUMBER), member]).await;
    for number in [NUMBER, "9990000018"] {
        assert_eq!(api.ask(check_of(number, &[]), NOW).await.0, 404);
    }
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_disclosed() {
    let api = Api::with_campaigns().await;
    api.write([pensioner(1, NUMBER)]).await;
    api.database.refuse("AUDIT");
    for asked in [check_of(NUMBER, &[]), check_of("9990000018", &[]), check_of(NUMBER, &[("category", "x")])] {
        let (status, _, body) = api.ask(asked, NOW).await;
        assert_eq!((status, body.get("processedSuggestions")), (500, None));
    }
}

#[tokio::test]
async fn the_trail_says_who_asked_what_for_whom_and_names_nobody() {
    let api = Api::with_campaigns().await;
    api.write([pensioner(1, NUMBER)]).await;
    let id = "60e0b220-4136-4ca5-ae46-1d97ef59d068";
    let person = Uuid::from_u128(1);
    api.ask(check_of(NUMBER, &[("conditions", "FLU,9990001014")]), NOW).await;
    let kept = |whose: &str, result: &str, what: &str| format!("{whose} {result} {id} {what} Y12345");
    let expected =
        |result: &str, what: &str| [kept("A#NBS", result, what), kept(&format!("P#{person}"), result, what)].to_vec();
    assert_eq!(api.trail(), expected("allowed", "FLU,OTHER"));
    let other = [("nhs-login-nhs-number", "9990000018")];
    api.ask(event(&format!("/patient-check/{NUMBER}"), Some(&of_supplier("NBS")), &other, &[]), NOW).await;
    for entry in expected("refused", "-") {
        assert!(api.trail().contains(&entry), "{entry}: {:?}", api.trail());
    }
    api.ask(check_of("9990000018", &[]), NOW).await;
    assert!(api.trail().contains(&kept("A#NBS", "not_found", "ALL")), "{:?}", api.trail());
    assert!(!format!("{:?}", api.database.items("AUDIT", "")).contains(NUMBER));
}

#[tokio::test]
async fn a_person_is_read_once() {
    let api = Api::with_campaigns().await;
    api.write([pensioner(1, NUMBER)]).await;
    api.ask(check_of(NUMBER, &[]), NOW).await;
    let before = api.database.requests()["GetItem"];
    api.ask(check_of(NUMBER, &[]), NOW).await;
    // The number's alias, and the person's item.
    assert_eq!(api.database.requests()["GetItem"] - before, 2);
}

#[tokio::test]
async fn what_the_data_product_says_stands_in_place_of_what_is_worked_out() {
    let api = Api::with_campaigns().await;
    let mut person = pensioner(1, NUMBER);
    let born = BTreeMap::from([("DATE_OF_BIRTH".to_owned(), "19900101".to_owned())]);
    person.attributes = BTreeMap::from([("PERSON".to_owned(), born)]);
    api.write([person]).await;
    let (_, _, body) = api.ask(check_of(NUMBER, &[("conditions", "FLU")]), NOW).await;
    assert_eq!(statuses(&body), [("FLU", "NotEligible")]);
}
