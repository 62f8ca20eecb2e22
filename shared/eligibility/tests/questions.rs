//! A compiled iteration as questions: their answers, put together, are the status.

mod campaigns;

use campaigns::{cohort, compile, date, everyone, person, rule, with};
use ims_eligibility::{CompiledIteration, PersonFacts, Status, Subject};
use serde_json::{Value, json};

/// Two cohorts by membership and one that is everyone's, with rules for all and for one, and one that picks actions.
fn compiled() -> CompiledIteration {
    let of_target = json!({"AttributeLevel": "TARGET", "AttributeTarget": "FLU", "AttributeName": "VALID_DOSES_COUNT"});
    let of_cohorts = json!({"AttributeLevel": "COHORT", "AttributeName": "COHORT_LABEL"});
    let rules = json!([
        with(rule("F", "not a", 1, "A", "=", "Y"), json!({"CohortLabel": "a"})),
        rule("F", "young 1", 2, "YOUNG", "=", "Y"),
        rule("F", "young 2", 2, "FIT", "=", "Y"),
        with(rule("S", "had it", 3, "X", ">=", "1"), of_target),
        with(rule("S", "in prison", 4, "X", "MemberOf", "prison"), of_cohorts),
        with(rule("R", "book", 5, "SITE", "=", "Y"), json!({"CommsRouting": "BOOK"})),
    ]);
    compile(json!([cohort("a", 1), cohort("b", 2), everyone("all", 3)]), rules)
}

/// Everybody that the rules can tell apart.
fn people() -> impl Iterator<Item = PersonFacts> {
    (0..256u32).map(|bits| {
        let has = |bit: u32| bits >> bit & 1 == 1;
        let attributes = ["A", "YOUNG", "FIT", "SITE"];
        let attributes: Vec<(&str, &str)> =
            attributes.into_iter().zip(0..).filter(|(_, bit)| has(*bit)).map(|(name, _)| (name, "Y")).collect();
        let labels = ["a", "b", "prison"];
        let labels: Vec<&str> =
            labels.into_iter().zip(4..).filter(|(_, bit)| has(*bit)).map(|(label, _)| label).collect();
        let mut facts = person(&attributes, &labels);
        let doses = if has(7) { "1" } else { "0" };
        facts.targets.insert("FLU".into(), [("VALID_DOSES_COUNT".to_owned(), doses.to_owned())].into());
        facts
    })
}

#[test]
fn the_answers_to_all_questions_are_the_status() {
    let (compiled, today) = (compiled(), date("20261001"));
    let labels: Vec<&str> = compiled.cohort_labels().collect();
    assert_eq!(labels, ["a", "b", "all"]);
    let mut seen = Vec::new();
    for facts in people() {
        let expected = compiled.status(&facts, today);
        let told = |standing: (Status, Option<usize>)| (standing.0, standing.1.map(|place| labels[place]));
        assert_eq!(told(compiled.standing(|question| compiled.answer(question, &facts, today))), expected, "{facts:?}");
        // What has no subject need not be asked.
        let asked = |question| compiled.subject(question).is_some() && compiled.answer(question, &facts, today);
        assert_eq!(told(compiled.standing(asked)), expected, "{facts:?}, with subjects alone");
        seen.push(expected);
    }
    for each in [
        (Status::NotEligible, None),
        (Status::NotActionable, Some("a")),
        (Status::NotActionable, Some("b")),
        (Status::NotActionable, Some("all")),
        (Status::Actionable, Some("a")),
        (Status::Actionable, Some("b")),
        (Status::Actionable, Some("all")),
    ] {
        assert!(seen.contains(&each), "{each:?} is among them");
    }
}

#[test]
fn a_question_looks_at_one_thing_and_is_answered_from_it() {
    let (compiled, today) = (compiled(), date("20261001"));
    let subjects: Vec<_> = (0..compiled.questions()).map(|question| compiled.subject(question)).collect();
    assert_eq!(
        subjects,
        [
            Some(Subject::Person("A")),
            Some(Subject::Person("YOUNG")),
            Some(Subject::Person("FIT")),
            Some(Subject::Target("FLU", "VALID_DOSES_COUNT")),
            Some(Subject::Cohorts),
            // It picks actions.
            None,
            Some(Subject::Cohorts),
            Some(Subject::Cohorts),
            // Everybody is a member.
            None,
        ]
    );
    let facts = person(&[("YOUNG", "Y"), ("SITE", "Y")], &["b"]);
    let answers: Vec<bool> = (0..9).map(|question| compiled.answer(question, &facts, today)).collect();
    assert_eq!(answers, [false, true, false, false, false, true, false, true, true]);
    assert!(!compiled.answer(9, &facts, today) && compiled.subject(9).is_none(), "there is no such question");
}

#[test]
fn of_several_rows_of_a_kind_the_first_counts() {
    let rows: Vec<Value> = vec![
        json!({"ATTRIBUTE_TYPE": "PERSON", "GENDER": "1"}),
        json!({"ATTRIBUTE_TYPE": "PERSON", "GENDER": "2", "POSTCODE": "CB3 8DX"}),
        json!({"ATTRIBUTE_TYPE": "COHORTS", "COHORT_MEMBERSHIPS": [{"COHORT_LABEL": "a"}]}),
        json!({"ATTRIBUTE_TYPE": "COHORTS", "COHORT_MEMBERSHIPS": [{"COHORT_LABEL": "b"}]}),
    ];
    let facts = PersonFacts::from_rows(rows.iter().filter_map(Value::as_object)).expect("a person");
    assert_eq!((facts.person.get("GENDER").map(String::as_str), facts.person.get("POSTCODE")), (Some("1"), None));
    assert_eq!(facts.cohorts.iter().collect::<Vec<_>>(), ["a"]);
    assert_eq!(PersonFacts::from_rows(rows.iter().skip(2).filter_map(Value::as_object)), None, "nobody's");
}
