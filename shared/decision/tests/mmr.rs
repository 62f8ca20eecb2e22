//! A campaign with a dose schedule: who is due which dose, by the selection's rows and on the live person.

use bytes::Bytes;
use ims_decision::Rules;
use ims_domain::contact::Reason;
use ims_domain::{Person, PersonId};
use ims_eligibility::Status::{self, Actionable, NotActionable, NotEligible};
use ims_snapshot::{Part, PersonRow, Selector, write_parquet};
use ims_store::Definition;
use jiff::civil::{Date, date};
use uuid::Uuid;

const TODAY: Date = date(2025, 10, 6);

fn rules() -> Rules {
    let plan = include_str!("../../../tests/campaigns/mmr.plan.json");
    let plan: ims_domain::campaign::ContactPlan = serde_json::from_str(plan).expect("a plan");
    let rules = include_str!("../../../tests/campaigns/mmr.json").to_owned();
    Rules::new(Definition { campaign: plan.campaign.clone(), version: 1, rules, plan, authors: vec![] }).expect("rules")
}

fn person(born: Option<Date>, doses: &[(&str, Date)]) -> Person {
    let mut person = Person::new(PersonId(Uuid::from_u128(1)), "9990001014".parse().ok());
    person.demographics.date_of_birth = born;
    person.demographics.address_lines = vec!["1 Test Row".into()];
    person.demographics.postcode = "CB3 8DX".into();
    for (vaccine, day) in doses {
        let vaccine = vaccine.parse().expect("a vaccine");
        person.programmes.entry(vaccine).or_default().doses.push(*day);
    }
    person
}

/// Date of birth; doses; status, best cohort and dose that is due.
type Judged = (Option<Date>, Vec<(&'static str, Date)>, Status, Option<&'static str>, u8);

fn judged() -> Vec<Judged> {
    let (toddler, child) = (Some(date(2023, 6, 1)), Some(date(2020, 1, 10)));
    let (first, second) = (("MMR", date(2021, 2, 10)), ("MMR", date(2021, 3, 10)));
    vec![
        (toddler, vec![], Actionable, Some("mmr_1_to_5"), 1),
        (toddler, vec![("MMR", date(2024, 5, 31))], Actionable, Some("mmr_1_to_5"), 1),
        (toddler, vec![("MMR", date(2024, 6, 1))], Actionable, Some("mmr_1_to_5"), 2),
        (child, vec![first], Actionable, Some("mmr_1_to_5"), 2),
        (child, vec![first, ("MMR", date(2021, 3, 9))], Actionable, Some("mmr_1_to_5"), 2),
        (child, vec![first, second], NotActionable, Some("mmr_1_to_5"), 3),
        (child, vec![first, ("MMRV", date(2023, 6, 1))], NotActionable, Some("mmr_1_to_5"), 3),
        // Three doses, and only two can be valid.
        (child, vec![first, second, ("MMR", date(2022, 1, 1))], NotActionable, Some("mmr_1_to_5"), 3),
        // A dose 28 days ago, and 27.
        (toddler, vec![("MMR", date(2025, 9, 8))], Actionable, Some("mmr_1_to_5"), 2),
        (toddler, vec![("MMR", date(2025, 9, 9))], NotActionable, Some("mmr_1_to_5"), 2),
        // The first birthday, the sixth, the eighteenth and the twenty-sixth.
        (Some(date(2024, 10, 7)), vec![], NotEligible, None, 1),
        (Some(date(2024, 10, 6)), vec![], Actionable, Some("mmr_1_to_5"), 1),
        (Some(date(2019, 10, 7)), vec![], Actionable, Some("mmr_1_to_5"), 1),
        (Some(date(2019, 10, 6)), vec![], Actionable, Some("mmr_6_to_11"), 1),
        (Some(date(2007, 10, 6)), vec![], Actionable, Some("mmr_18_to_25"), 1),
        (Some(date(1999, 10, 7)), vec![], Actionable, Some("mmr_18_to_25"), 1),
        (Some(date(1999, 10, 6)), vec![], NotEligible, None, 1),
        (None, vec![], NotEligible, None, 1),
    ]
}

/// Selection over columns finds the same people, cohorts and doses as the rows do.
#[test]
fn columns_agree_with_rows_about_valid_doses() {
    let rules = rules();
    let iteration = rules.iteration(TODAY).expect("live");
    let mut selector = Selector::new(&iteration, rules.plan(), TODAY);
    let judged = judged();
    let rows: Vec<PersonRow> = judged.iter().map(|(born, doses, ..)| PersonRow::of(&person(*born, doses))).collect();
    // One part each, since the person is always the same.
    for (row, (born, doses, status, cohort, dose)) in rows.into_iter().zip(judged) {
        let part = Bytes::from(write_parquet(&[row]).expect("a part"));
        let part = Part::read(part, &selector.needed_to_list()).expect("a part");
        let selection = selector.select(&part);
        let labels: Vec<&str> = iteration.cohort_labels().collect();
        let found = selection.selected.first().map(|one| (labels[usize::from(one.cohort)], one.dose));
        let expected = (status == Actionable).then(|| (cohort.expect("a cohort"), dose));
        assert_eq!(found, expected, "{born:?} {doses:?}");
        assert_eq!(selection.eligible, u64::from(status != NotEligible), "{born:?} {doses:?}");
    }
}

#[test]
fn people_are_due_the_dose_after_their_valid_ones() {
    let rules = rules();
    for (born, doses, status, cohort, dose) in judged() {
        let person = person(born, &doses);
        let row = PersonRow::of(&person);
        let expected = (status, cohort.map(str::to_owned));
        assert_eq!(rules.ask(&row, TODAY).expect("live"), expected, "{born:?} {doses:?}");
        assert_eq!(rules.ask_live(&person, TODAY).expect("live"), expected, "{born:?} {doses:?}");
        assert_eq!(rules.next_dose(&row), dose, "{born:?} {doses:?}");
    }
}

#[test]
fn the_live_person_is_judged_by_valid_doses_too() {
    let rules = rules();
    let early = person(Some(date(2023, 6, 1)), &[("MMR", date(2024, 5, 31))]);
    assert_eq!(rules.decide(&early, 1, TODAY).expect("live").reason, None);
    let valid = person(Some(date(2023, 6, 1)), &[("MMR", date(2024, 6, 1))]);
    assert_eq!(rules.decide(&valid, 1, TODAY).expect("live").reason, Some(Reason::Vaccinated));
    assert_eq!(rules.decide(&valid, 2, TODAY).expect("live").reason, None);
}
