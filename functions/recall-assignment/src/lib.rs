//! `recall-assignment`: who is telephoned, by whom and in what order.
//!
//! Tasks come from `invitation-issue`, when the step `call` of an invitation falls due. They are handed out for one business
//! day at a time; whoever they are about is asked after again on the live person, when handed out and when opened.

mod assignment;
mod desk;
mod order;
mod recheck;
mod task;

use ims_decision::{DecisionError, RulesCache};
use ims_domain::PersonId;
use ims_domain::invitation::CallOutcome;
use ims_messaging::ObjectError;
use ims_runtime::Service;
use ims_runtime::clock::ClockError;
use ims_store::StoreError;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

pub use assignment::{Assigned, TaskReference};
pub use desk::{Held, Opened};
pub use order::{CohortPlaces, deal, place};
pub use task::{ATTEMPTS, NotHeld};

/// What the function is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Request {
    /// Hand tasks out to agents for today.
    Assign {
        /// Agents on duty.
        agents: Vec<String>,
        /// Tasks on each list, at most.
        per_agent: usize,
    },
    /// What a schedule asks: leases that ended come back, tasks no longer needed are withdrawn, nothing is handed out.
    Due,
    /// Say whom to call.
    Open(Held),
    /// Note what a call brought.
    Outcome {
        /// Task and agent.
        #[serde(flatten)]
        held: Held,
        /// Outcome.
        outcome: CallOutcome,
    },
}

/// Why the function failed.
#[derive(Debug, Error)]
pub enum RecallError {
    /// The event is no known request.
    #[error("the event is not a known request: {0}")]
    Event(#[from] serde_json::Error),
    /// An agent's name cannot be part of an object key.
    #[error("agent '{0}' must be 1 to 64 letters, digits, '.', '-', '_' or '@', given once")]
    Agent(String),
    /// There is no such task.
    #[error("there is no recall task of person {person} for dose {dose} of '{campaign}'")]
    NoTask {
        /// Campaign.
        campaign: String,
        /// Person.
        person: PersonId,
        /// Dose.
        dose: u8,
    },
    /// The agent does not hold the task.
    #[error(transparent)]
    NotHeld(#[from] NotHeld),
    /// Business clock.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// Store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Objects.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// Rules.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// A call list.
    #[error("a call list cannot be written as CSV")]
    Csv(#[from] csv::Error),
}

/// Handles a request.
///
/// # Errors
/// Where the event is no known request, the agent may not do what it asks, or reading or writing fails.
pub async fn handle(service: &Service, rules: &RulesCache, event: Value) -> Result<Value, RecallError> {
    let request: Request = serde_json::from_value(event)?;
    let today = service.clock.today().await?;
    let (store, objects) = (&service.store, &service.objects);
    match request {
        Request::Assign { agents, per_agent } => {
            check_agents(&agents)?;
            let answer = assignment::assign(store, objects, rules, &agents, per_agent, today).await?;
            tracing::info!(assigned = answer.assigned, waiting = answer.waiting, "recall tasks handed out");
            Ok(serde_json::to_value(answer)?)
        }
        Request::Due => Ok(serde_json::to_value(assignment::assign(store, objects, rules, &[], 0, today).await?)?),
        Request::Open(held) => {
            Ok(serde_json::to_value(desk::open(store, rules, &held, today, Timestamp::now()).await?)?)
        }
        Request::Outcome { held, outcome } => {
            Ok(serde_json::to_value(desk::outcome(store, &held, outcome, today, Timestamp::now()).await?)?)
        }
    }
}

fn check_agents(agents: &[String]) -> Result<(), RecallError> {
    let is_name = |agent: &String| {
        (1..=64).contains(&agent.len()) && agent.chars().all(|c| c.is_ascii_alphanumeric() || ".-_@".contains(c))
    };
    let wrong = agents.iter().enumerate().find(|(index, agent)| !is_name(agent) || agents[..*index].contains(agent));
    wrong.map_or(Ok(()), |(_, agent)| Err(RecallError::Agent(agent.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn every_fixture_is_a_request() {
        let assign = request(include_str!("../fixtures/assign.json"));
        assert_eq!(assign, Request::Assign { agents: vec!["agent-1".into(), "agent-2".into()], per_agent: 40 });
        assert_eq!(request(include_str!("../fixtures/due.json")), Request::Due);
        let Request::Open(opened) = request(include_str!("../fixtures/open.json")) else { panic!("open") };
        let Request::Outcome { held, outcome } = request(include_str!("../fixtures/outcome.json")) else {
            panic!("outcome")
        };
        assert_eq!((opened, outcome), (held, CallOutcome::NoAnswer));
    }

    #[test]
    fn an_agents_name_cannot_lead_out_of_its_folder() {
        let check = |agents: &[&str]| check_agents(&agents.iter().map(|&agent| agent.into()).collect::<Vec<_>>());
        assert!(check(&["agent-1", "a.b@example.org"]).is_ok());
        for wrong in [&["../x"][..], &[""], &["a/b"], &["ann", "ann"]] {
            assert!(matches!(check(wrong), Err(RecallError::Agent(_))), "{wrong:?}");
        }
    }
}
