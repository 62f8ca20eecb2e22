//! Who is called first, and by whom.

use std::collections::{BTreeMap, HashMap};

use ims_domain::PersonId;
use ims_domain::invitation::Call;
use ims_snapshot::lot;

/// Cohorts of each campaign by place: the highest priority first.
pub type CohortPlaces = HashMap<String, HashMap<String, u32>>;

/// Where a task stands in the order: place of its cohort in the campaign's rules, deprivation decile (1 first, unknown
/// last), the person's lot.
#[must_use]
pub fn place(task: &Call, cohorts: &CohortPlaces) -> (u32, u8, u64, String, u8) {
    let cohort = cohorts.get(&task.campaign).and_then(|places| places.get(&task.cohort)).copied().unwrap_or(u32::MAX);
    let decile = if task.imd_decile == 0 { u8::MAX } else { task.imd_decile };
    // The campaign and dose only make the order total.
    (cohort, decile, lot(task.person), task.campaign.clone(), task.dose)
}

/// Deals ordered tasks out to agents in turn, up to `per_agent` on each list, `held` included. All tasks of a person go to
/// one agent, so that nobody is telephoned by two people on a day. Returns (index of the task, agent).
#[must_use]
pub fn deal<'a>(
    ordered: &[Call],
    agents: &'a [String],
    per_agent: usize,
    held: &BTreeMap<String, Vec<PersonId>>,
) -> Vec<(usize, &'a str)> {
    let mut room: Vec<usize> =
        agents.iter().map(|agent| per_agent.saturating_sub(held.get(agent).map_or(0, Vec::len))).collect();
    let mut caller: HashMap<PersonId, Option<usize>> = HashMap::new();
    for (agent, people) in held {
        let index = agents.iter().position(|name| name == agent);
        caller.extend(people.iter().map(|person| (*person, index)));
    }
    let mut dealt = Vec::new();
    let mut turn = 0;
    for (index, task) in ordered.iter().enumerate() {
        let agent = match caller.get(&task.person) {
            // Somebody who is not on duty now holds another task of the person.
            Some(None) => continue,
            Some(Some(agent)) => Some(*agent),
            None => (0..agents.len()).map(|step| (turn + step) % agents.len()).find(|agent| room[*agent] > 0),
        };
        let Some(agent) = agent.filter(|agent| room[*agent] > 0) else { continue };
        if !caller.contains_key(&task.person) {
            turn = (agent + 1) % agents.len();
        }
        caller.insert(task.person, Some(agent));
        room[agent] -= 1;
        dealt.push((index, agents[agent].as_str()));
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;
    use ims_domain::invitation::CallState;
    use jiff::civil::date;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn task(person: u128, campaign: &str, cohort: &str, imd_decile: u8) -> Call {
        Call {
            person: PersonId(Uuid::from_u128(person)),
            campaign: campaign.into(),
            programme: "FLU".parse().unwrap(),
            dose: 1,
            cohort: cohort.into(),
            region: String::new(),
            imd_decile,
            state: CallState::Waiting,
            due: date(2025, 11, 3),
            agent: None,
            lease_until: None,
            attempts: 0,
            outcome: None,
            reason: None,
            version: 1,
        }
    }

    fn places() -> CohortPlaces {
        let flu = HashMap::from([("flu_65_plus".to_owned(), 0), ("at_risk".to_owned(), 1)]);
        HashMap::from([("flu".to_owned(), flu)])
    }

    #[test]
    fn cohort_goes_before_deprivation_and_the_unknown_come_last() {
        let mut tasks = [
            task(1, "flu", "at_risk", 1),
            task(2, "flu", "flu_65_plus", 0),
            task(3, "flu", "flu_65_plus", 10),
            task(4, "flu", "flu_65_plus", 1),
            task(5, "flu", "a cohort that the rules no longer have", 1),
        ];
        tasks.sort_by_cached_key(|task| place(task, &places()));
        let order: Vec<u128> = tasks.iter().map(|task| task.person.0.as_u128()).collect();
        assert_eq!(order, [4, 3, 2, 1, 5]);
    }

    #[test]
    fn agents_take_turns_and_what_they_hold_counts() {
        let agents = ["ann".to_owned(), "bob".to_owned()];
        let tasks: Vec<Call> = (1..=5).map(|person| task(person, "flu", "at_risk", 1)).collect();
        let held = BTreeMap::from([("ann".to_owned(), vec![PersonId(Uuid::from_u128(9))])]);
        assert_eq!(deal(&tasks, &agents, 2, &held), [(0, "ann"), (1, "bob"), (2, "bob")]);
        assert!(deal(&tasks, &[], 2, &held).is_empty());
    }

    #[test]
    fn a_person_is_called_by_one_agent_a_day() {
        let agents = ["ann".to_owned(), "bob".to_owned()];
        let tasks = [task(1, "flu", "at_risk", 1), task(1, "covid", "at_risk", 1), task(2, "flu", "at_risk", 1)];
        assert_eq!(deal(&tasks, &agents, 9, &BTreeMap::new()), [(0, "ann"), (1, "ann"), (2, "bob")]);
        let off_duty = BTreeMap::from([("eve".to_owned(), vec![PersonId(Uuid::from_u128(1))])]);
        assert_eq!(deal(&tasks, &agents, 9, &off_duty), [(2, "ann")]);
    }

    proptest! {
        /// Lists are never too long; nobody is on two; nothing is dealt twice; while tasks are left over, lists are full
        /// or the rest of the tasks belongs to people whose agent has no room.
        #[test]
        fn dealing_is_fair(
            people in prop::collection::vec((0u128..30, 0u8..=10, any::<bool>()), 0..60),
            agents in 0usize..5,
            per_agent in 0usize..8,
        ) {
            let agents: Vec<String> = (0..agents).map(|agent| format!("agent-{agent}")).collect();
            let mut tasks: Vec<Call> = people
                .iter()
                .map(|(person, decile, flu)| task(*person, if *flu { "flu" } else { "covid" }, "at_risk", *decile))
                .collect();
            tasks.sort_by_cached_key(|task| place(task, &places()));
            let dealt = deal(&tasks, &agents, per_agent, &BTreeMap::new());
            let mut caller: HashMap<PersonId, &str> = HashMap::new();
            let mut length: HashMap<&str, usize> = HashMap::new();
            for pair in dealt.windows(2) {
                prop_assert!(pair[0].0 < pair[1].0, "in order, each once");
            }
            for (index, agent) in &dealt {
                prop_assert_eq!(*caller.entry(tasks[*index].person).or_insert(agent), *agent);
                *length.entry(agent).or_default() += 1;
            }
            prop_assert!(length.values().all(|length| *length <= per_agent));
            let is_full = |agent: &str| length.get(agent).copied().unwrap_or(0) == per_agent;
            for (index, task) in tasks.iter().enumerate() {
                if !dealt.iter().any(|(dealt, _)| *dealt == index) {
                    match caller.get(&task.person) {
                        Some(agent) => prop_assert!(is_full(agent)),
                        None => prop_assert!(agents.iter().all(|agent| is_full(agent))),
                    }
                }
            }
        }
    }
}
