//! Handing tasks out: leases that ended come back, people are re-checked, and the rest is dealt to agents in order.

use std::collections::{BTreeMap, HashMap};

use futures::stream::{self, StreamExt, TryStreamExt};
use ims_decision::RulesCache;
use ims_domain::invitation::{Call, CallState};
use ims_domain::{Person, PersonId};
use ims_messaging::{Bucket, Objects};
use ims_store::Store;
use jiff::civil::Date;
use serde::Serialize;

use crate::order::{CohortPlaces, deal, place};
use crate::recheck::Recheck;
use crate::{RecallError, task};

/// Writes and reads under way at once.
const CONCURRENCY: usize = 16;

/// A task as lists name it: no name, no number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskReference {
    /// Campaign.
    pub campaign: String,
    /// Person.
    pub person: PersonId,
    /// Dose, from 1.
    pub dose: u8,
}

impl TaskReference {
    fn of(task: &Call) -> Self {
        Self { campaign: task.campaign.clone(), person: task.person, dose: task.dose }
    }
}

/// What a run handed out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Assigned {
    /// Tasks on the lists, those from an earlier run of the day included.
    pub assigned: usize,
    /// Tasks that still wait, those for a later day included.
    pub waiting: usize,
    /// Tasks withdrawn in this run, by reason.
    pub withdrawn: BTreeMap<String, usize>,
    /// Lists by agent.
    pub lists: BTreeMap<String, Vec<TaskReference>>,
}

/// Hands tasks out for a day. The same request again on the same day gives the same lists, filled up where there is room.
pub(crate) async fn assign(
    store: &Store,
    objects: &Objects,
    rules: &RulesCache,
    agents: &[String],
    per_agent: usize,
    today: Date,
) -> Result<Assigned, RecallError> {
    let names = store.campaigns().await?;
    let recheck = Recheck::load(store, rules, &names).await?;
    let places: CohortPlaces =
        recheck.campaigns.iter().map(|(name, rules)| (name.clone(), rules.cohort_places())).collect();
    let mut tasks = Vec::new();
    for name in &names {
        tasks.extend(store.calls(name).await?);
    }
    tasks.sort_by_cached_key(|task| place(task, &places));
    let mut answer = Assigned::default();

    let (ready, others): (Vec<Call>, Vec<Call>) = tasks.into_iter().partition(|call| task::is_ready(call, today));
    let (wanted, withdrawn) = sort_out(store, &recheck, ready, today).await?;
    for call in write(store, withdrawn).await? {
        let reason = call.next.reason.map_or("unknown", |reason| reason.name());
        *answer.withdrawn.entry(reason.to_owned()).or_default() += 1;
    }

    let mut lists: BTreeMap<String, Vec<Call>> = agents.iter().map(|agent| (agent.clone(), Vec::new())).collect();
    let mut held: BTreeMap<String, Vec<PersonId>> = BTreeMap::new();
    for call in others {
        match (&call.state, &call.agent) {
            (CallState::Assigned, Some(agent)) => {
                held.entry(agent.clone()).or_default().push(call.person);
                lists.entry(agent.clone()).or_default().push(call);
            }
            (CallState::Waiting, _) => answer.waiting += 1,
            _ => {}
        }
    }
    let dealt: HashMap<usize, &str> = deal(&wanted, agents, per_agent, &held).into_iter().collect();
    let mut moves = Vec::new();
    for (index, call) in wanted.iter().enumerate() {
        match dealt.get(&index) {
            Some(agent) => moves.push(Move { held: call.version, next: task::assign(call, agent, today) }),
            None => {
                answer.waiting += 1;
                if call.state == CallState::Assigned {
                    moves.push(Move { held: call.version, next: task::return_to_waiting(call) });
                }
            }
        }
    }
    for Move { next, .. } in write(store, moves).await? {
        if let Some(agent) = next.agent.as_ref().filter(|_| next.state == CallState::Assigned) {
            lists.entry(agent.clone()).or_default().push(next);
        }
    }
    for (agent, mut calls) in lists {
        calls.sort_by_cached_key(|task| place(task, &places));
        let list: Vec<TaskReference> = calls.iter().map(TaskReference::of).collect();
        answer.assigned += list.len();
        if !list.is_empty() && agents.contains(&agent) {
            let key = format!("calls/{today}/{agent}.csv");
            objects.put(Bucket::Exports, &key, to_csv(&list)?, "text/csv").await?;
        }
        answer.lists.insert(agent, list);
    }
    Ok(answer)
}

/// Re-checks tasks on their live people: those still wanted, in their order, and those to withdraw.
async fn sort_out(
    store: &Store,
    recheck: &Recheck,
    ready: Vec<Call>,
    today: Date,
) -> Result<(Vec<Call>, Vec<Move>), RecallError> {
    let mut ids: Vec<PersonId> = ready.iter().map(|call| call.person).collect();
    ids.sort_unstable();
    ids.dedup();
    let blocks: Vec<Vec<PersonId>> = ids.chunks(100).map(<[PersonId]>::to_vec).collect();
    let found: Vec<Vec<Person>> =
        stream::iter(blocks).map(|block| store.people(block)).buffer_unordered(CONCURRENCY).try_collect().await?;
    let people: HashMap<PersonId, Person> = found.into_iter().flatten().map(|person| (person.id, person)).collect();
    let (mut wanted, mut withdrawn) = (Vec::new(), Vec::new());
    for call in ready {
        let Some(person) = people.get(&call.person) else {
            tracing::error!(campaign = %call.campaign, "a recall task is about a person who is not there");
            continue;
        };
        match recheck.against(&call, person, today)? {
            Some(reason) => withdrawn.push(Move { held: call.version, next: task::withdraw(&call, reason) }),
            None => wanted.push(call),
        }
    }
    Ok((wanted, withdrawn))
}

/// A task as it is to be, over the version it was decided on.
struct Move {
    held: u64,
    next: Call,
}

/// Writes moves under their conditions; returns those that held. A task that somebody else moved meanwhile is left to them.
async fn write(store: &Store, moves: Vec<Move>) -> Result<Vec<Move>, RecallError> {
    let written: Vec<Option<Move>> = stream::iter(moves)
        .map(|one| async move {
            match store.transaction().write_call(&one.next, one.held)?.commit().await {
                Ok(()) => Ok(Some(one)),
                Err(error) if error.is_condition() => Ok(None),
                Err(error) => Err(RecallError::from(error)),
            }
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
    Ok(written.into_iter().flatten().collect())
}

fn to_csv(list: &[TaskReference]) -> Result<Vec<u8>, RecallError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for reference in list {
        writer.serialize(reference)?;
    }
    writer.into_inner().map_err(|error| RecallError::Csv(error.into_error().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_call_list_names_tasks_and_nothing_else() {
        let list = [TaskReference { campaign: "flu-2025".into(), person: PersonId(Uuid::nil()), dose: 1 }];
        let csv = String::from_utf8(to_csv(&list).unwrap()).unwrap();
        assert_eq!(csv, "campaign,person,dose\nflu-2025,00000000-0000-0000-0000-000000000000,1\n");
    }
}
