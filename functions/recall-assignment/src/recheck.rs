//! Whether a person is still to be telephoned: asked again when a task is handed out and when it is opened.

use std::collections::HashMap;
use std::sync::Arc;

use ims_decision::{DecisionError, Rules, RulesCache};
use ims_domain::Person;
use ims_domain::contact::{Reason, may_telephone, suppression};
use ims_domain::invitation::Call;
use ims_eligibility::Status;
use ims_store::{Store, StoreError};
use jiff::civil::Date;

/// The latest rules of each campaign.
pub(crate) struct Recheck {
    pub(crate) campaigns: HashMap<String, Arc<Rules>>,
}

impl Recheck {
    /// Loads campaigns by name; one without a definition is left out, and its tasks are no longer wanted.
    pub(crate) async fn load(store: &Store, rules: &RulesCache, names: &[String]) -> Result<Self, DecisionError> {
        let mut campaigns = HashMap::new();
        for name in names {
            if let Some(latest) = rules.latest(store, name).await? {
                campaigns.insert(name.clone(), latest);
            }
        }
        Ok(Self { campaigns })
    }

    /// Why the person need not or may not be telephoned today, or `None`.
    pub(crate) fn against(&self, task: &Call, person: &Person, today: Date) -> Result<Option<Reason>, DecisionError> {
        let Some(rules) = self.campaigns.get(&task.campaign) else { return Ok(Some(Reason::NotEligible)) };
        let actionable = match rules.ask_live(person, today) {
            Ok((status, _)) => status == Status::Actionable,
            // The campaign is over.
            Err(DecisionError::NotLive { .. }) => false,
            Err(error) => return Err(error),
        };
        // A call needs a telephone number, not a way to write.
        let reason = suppression(person, rules.plan(), task.dose, today, actionable)
            .filter(|reason| *reason != Reason::NoContactRoute);
        Ok(reason.or((!may_telephone(person)).then_some(Reason::NoContactRoute)))
    }
}

/// The live person of a task.
pub(crate) async fn person_of(store: &Store, task: &Call) -> Result<Person, DecisionError> {
    let person = store.person(task.person).await.map_err(|error: StoreError| DecisionError::Store(error))?;
    person.ok_or_else(|| DecisionError::Absent { what: format!("the person of a recall task of '{}'", task.campaign) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ims_domain::PersonId;
    use ims_domain::campaign::{ContactPlan, PlanStep, Step};
    use ims_domain::invitation::CallState;
    use ims_domain::person::{Death, Membership};
    use ims_store::Definition;
    use jiff::civil::date;
    use uuid::Uuid;

    const TODAY: Date = date(2025, 11, 3);

    fn recheck() -> Recheck {
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
        let rules = include_str!("../../../tests/campaigns/flu.json").to_owned();
        let rules =
            Rules::new(Definition { campaign: "flu-2025".into(), version: 1, rules, plan, authors: vec![] }).unwrap();
        Recheck { campaigns: HashMap::from([("flu-2025".to_owned(), Arc::new(rules))]) }
    }

    fn task() -> Call {
        Call {
            person: PersonId(Uuid::from_u128(1)),
            campaign: "flu-2025".into(),
            programme: "FLU".parse().unwrap(),
            dose: 1,
            cohort: "flu_65_plus".into(),
            region: String::new(),
            imd_decile: 1,
            state: CallState::Waiting,
            due: TODAY,
            agent: None,
            lease_until: None,
            attempts: 0,
            outcome: None,
            reason: None,
            version: 1,
        }
    }

    fn person() -> Person {
        let mut person = Person::new(PersonId(Uuid::from_u128(1)), None);
        person.demographics.date_of_birth = Some(date(1950, 1, 1));
        person.demographics.telephone = "01632 960000".into();
        person
    }

    fn wish(person: &mut Person, label: &str) {
        let membership = Membership { member: true, date: TODAY, order: String::new(), source: "list".into() };
        person.cohorts.insert(label.to_owned(), membership);
    }

    #[test]
    fn a_person_is_called_unless_something_stands_against_it() {
        type Change = fn(&mut Person);
        let cases: [(&str, Change, Option<Reason>); 10] = [
            ("a landline suffices", |_| {}, None),
            ("dead", |person| person.states.dead = Some(Death { date: None, formal: false }), Some(Reason::Dead)),
            ("restricted", |person| person.states.restricted = true, Some(Reason::Restricted)),
            // So that of two numbers of one person one is called: the one that took the other's place.
            ("superseded", |person| person.states.superseded_by = "9990000018".parse().ok(), Some(Reason::Removed)),
            (
                "vaccinated",
                |person| {
                    person.programmes.entry("FLU".parse().unwrap()).or_default().doses = vec![date(2025, 10, 9)];
                },
                Some(Reason::Vaccinated),
            ),
            (
                "booked",
                |person| person.programmes.entry("FLU".parse().unwrap()).or_default().booked = Some(TODAY),
                Some(Reason::Booked),
            ),
            (
                "too young",
                |person| person.demographics.date_of_birth = Some(date(1995, 1, 1)),
                Some(Reason::NotEligible),
            ),
            ("opted out", |person| wish(person, "contact_opt_out_flu"), Some(Reason::OptedOut)),
            ("no calls", |person| wish(person, "contact_no_telephone"), Some(Reason::NoContactRoute)),
            ("no number", |person| person.demographics.telephone.clear(), Some(Reason::NoContactRoute)),
        ];
        for (name, change, expected) in cases {
            let mut person = person();
            change(&mut person);
            assert_eq!(recheck().against(&task(), &person, TODAY).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn nobody_is_called_when_the_campaign_is_over() {
        let found = recheck().against(&task(), &person(), date(2026, 6, 1)).unwrap();
        assert_eq!(found, Some(Reason::NotEligible));
        let unknown = Call { campaign: "gone".into(), ..task() };
        assert_eq!(recheck().against(&unknown, &person(), TODAY).unwrap(), Some(Reason::NotEligible));
    }
}
