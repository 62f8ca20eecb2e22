//! How a recall task moves. Every move is a function of the task, the day and what happened, without input or output.
//!
//! ```text
//! waiting ──assign──▶ assigned ──final outcome, or third attempt──▶ done
//!    │  ▲                │  │
//!    │  └──lease ended───┘  │
//!    │  └──no answer, for the next day
//!    └───────────▶ withdrawn ◀──┘ no longer needed
//! ```

use ims_domain::contact::Reason;
use ims_domain::invitation::{Call, CallOutcome, CallState};
use jiff::civil::Date;
use thiserror::Error;

/// Calls to somebody who does not answer, at most.
pub const ATTEMPTS: u32 = 3;

/// Why an agent may not open or conclude a task.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotHeld {
    /// Nobody holds it, or somebody else does.
    #[error("agent '{agent}' does not hold the task, which is {state:?}")]
    Other {
        /// Who asked.
        agent: String,
        /// State of the task.
        state: CallState,
    },
    /// The agent's lease has ended.
    #[error("the lease of agent '{agent}' ended on {until}")]
    Ended {
        /// Who asked.
        agent: String,
        /// The day it ended.
        until: Date,
    },
}

fn next_day(day: Date) -> Date {
    day.tomorrow().unwrap_or(day)
}

/// Whether a lease has ended: it is good for the business day on which it was given.
#[must_use]
pub fn is_expired(task: &Call, today: Date) -> bool {
    task.state == CallState::Assigned && task.lease_until.is_none_or(|until| until <= today)
}

/// Whether the task may be handed out today.
#[must_use]
pub fn is_ready(task: &Call, today: Date) -> bool {
    (task.state == CallState::Waiting && task.due <= today) || is_expired(task, today)
}

/// Back among those that wait, after a lease that ended. What the last call brought is kept.
#[must_use]
pub fn return_to_waiting(task: &Call) -> Call {
    Call { state: CallState::Waiting, agent: None, lease_until: None, version: task.version + 1, ..task.clone() }
}

/// Handed to an agent for one business day.
#[must_use]
pub fn assign(task: &Call, agent: &str, today: Date) -> Call {
    Call {
        state: CallState::Assigned,
        agent: Some(agent.to_owned()),
        lease_until: Some(next_day(today)),
        version: task.version + 1,
        ..task.clone()
    }
}

/// No longer needed.
#[must_use]
pub fn withdraw(task: &Call, reason: Reason) -> Call {
    Call {
        state: CallState::Withdrawn,
        agent: None,
        lease_until: None,
        reason: Some(reason),
        version: task.version + 1,
        ..task.clone()
    }
}

/// That the agent holds the task today.
///
/// # Errors
/// Says who or what stands against it.
pub fn check_held(task: &Call, agent: &str, today: Date) -> Result<(), NotHeld> {
    if task.state != CallState::Assigned || task.agent.as_deref() != Some(agent) {
        return Err(NotHeld::Other { agent: agent.to_owned(), state: task.state });
    }
    match task.lease_until {
        Some(until) if until <= today => Err(NotHeld::Ended { agent: agent.to_owned(), until }),
        _ => Ok(()),
    }
}

/// The task after a call by the agent who holds it; `None` where the same agent said the same before.
///
/// # Errors
/// Where the agent does not hold it.
pub fn conclude(task: &Call, agent: &str, outcome: CallOutcome, today: Date) -> Result<Option<Call>, NotHeld> {
    // Nobody else held it since, or the agent would not still be on it.
    let said_before = task.agent.as_deref() == Some(agent) && task.outcome == Some(outcome);
    if said_before && matches!(task.state, CallState::Waiting | CallState::Done) {
        return Ok(None);
    }
    check_held(task, agent, today)?;
    let attempts = task.attempts + 1;
    let is_done = outcome.is_final() || attempts >= ATTEMPTS;
    Ok(Some(Call {
        state: if is_done { CallState::Done } else { CallState::Waiting },
        due: if is_done { task.due } else { next_day(today) },
        // The agent stays on it, so that the same outcome said twice is known again.
        agent: Some(agent.to_owned()),
        lease_until: None,
        attempts,
        outcome: Some(outcome),
        version: task.version + 1,
        ..task.clone()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ims_domain::PersonId;
    use jiff::civil::date;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn waiting() -> Call {
        Call {
            person: PersonId(Uuid::from_u128(1)),
            campaign: "flu".into(),
            programme: "FLU".parse().unwrap(),
            dose: 1,
            cohort: "flu_65_plus".into(),
            region: "Y61".into(),
            imd_decile: 3,
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

    const MONDAY: Date = date(2025, 11, 3);
    const TUESDAY: Date = date(2025, 11, 4);

    #[test]
    fn only_the_agent_who_holds_it_concludes_it() {
        let held = assign(&waiting(), "ann", MONDAY);
        let refused = conclude(&held, "bob", CallOutcome::Declined, MONDAY).unwrap_err();
        assert_eq!(refused, NotHeld::Other { agent: "bob".into(), state: CallState::Assigned });
        assert!(conclude(&waiting(), "ann", CallOutcome::Declined, MONDAY).is_err());
        let done = conclude(&held, "ann", CallOutcome::Declined, MONDAY).unwrap().unwrap();
        assert_eq!((done.state, done.attempts), (CallState::Done, 1));
        assert!(conclude(&done, "bob", CallOutcome::Declined, MONDAY).is_err());
        assert!(conclude(&done, "ann", CallOutcome::Booked, MONDAY).is_err(), "another outcome is not the same again");
    }

    #[test]
    fn a_lease_ends_with_its_day() {
        let held = assign(&waiting(), "ann", MONDAY);
        assert!(!is_expired(&held, MONDAY) && is_expired(&held, TUESDAY) && is_ready(&held, TUESDAY));
        let late = conclude(&held, "ann", CallOutcome::Booked, TUESDAY);
        assert_eq!(late, Err(NotHeld::Ended { agent: "ann".into(), until: TUESDAY }));
        assert_eq!(return_to_waiting(&held).state, CallState::Waiting);
    }

    #[test]
    fn nobody_is_called_twice_a_day_nor_more_than_three_times() {
        let mut task = waiting();
        let mut day = MONDAY;
        for attempt in 1..=ATTEMPTS {
            assert!(is_ready(&task, day));
            let held = assign(&task, "ann", day);
            task = conclude(&held, "ann", CallOutcome::NoAnswer, day).unwrap().unwrap();
            assert_eq!(task.attempts, attempt);
            assert!(!is_ready(&task, day), "not again on the same day");
            day = next_day(day);
        }
        assert_eq!((task.state, task.outcome), (CallState::Done, Some(CallOutcome::NoAnswer)));
    }

    #[derive(Debug, Clone, Copy)]
    enum Move {
        Assign(usize),
        Outcome(usize, CallOutcome),
        Return,
        Withdraw,
        NextDay,
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let outcome = prop_oneof![
            3 => Just(CallOutcome::NoAnswer),
            1 => Just(CallOutcome::Booked),
            1 => Just(CallOutcome::Bereaved),
        ];
        let one = prop_oneof![
            4 => (0usize..2).prop_map(Move::Assign),
            4 => (0usize..2, outcome).prop_map(|(agent, outcome)| Move::Outcome(agent, outcome)),
            1 => Just(Move::Return),
            1 => Just(Move::Withdraw),
            3 => Just(Move::NextDay),
        ];
        prop::collection::vec(one, 1..40)
    }

    proptest! {
        /// Whatever happens in whatever order: versions rise, ended tasks stay ended, attempts are capped, and the same outcome said again
        /// at once changes nothing.
        #[test]
        fn a_task_keeps_its_promises(moves in moves()) {
            let agents = ["ann", "bob"];
            let (mut task, mut day) = (waiting(), MONDAY);
            for step in moves {
                let next = match step {
                    Move::Assign(agent) => is_ready(&task, day).then(|| assign(&task, agents[agent], day)),
                    Move::Outcome(agent, outcome) => conclude(&task, agents[agent], outcome, day).ok().flatten(),
                    Move::Return => is_expired(&task, day).then(|| return_to_waiting(&task)),
                    Move::Withdraw => is_ready(&task, day).then(|| withdraw(&task, Reason::Booked)),
                    Move::NextDay => {
                        day = next_day(day);
                        None
                    }
                };
                let Some(next) = next else { continue };
                prop_assert!(!matches!(task.state, CallState::Done | CallState::Withdrawn));
                prop_assert_eq!(next.version, task.version + 1);
                prop_assert!(next.attempts <= ATTEMPTS);
                prop_assert_eq!(next.state == CallState::Assigned, next.lease_until.is_some());
                if let Move::Outcome(agent, outcome) = step {
                    prop_assert_eq!(next.attempts, task.attempts + 1);
                    prop_assert_eq!(conclude(&next, agents[agent], outcome, day), Ok(None));
                } else {
                    prop_assert_eq!(next.attempts, task.attempts);
                }
                task = next;
            }
        }
    }
}
