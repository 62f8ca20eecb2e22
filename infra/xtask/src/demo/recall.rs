//! The recall desk: agents who take their lists, open a task, call, and say what came of it.

use anyhow::{Context, Result};
use ims_domain::{PersonId, invitation::CallOutcome};
use serde::Deserialize;
use serde_json::json;

use super::running::Running;

/// Calls made to one person about one dose at most.
pub(super) const ATTEMPTS: u32 = 3;
/// Agents at the desk.
const AGENTS: usize = 12;
/// Tasks on an agent's list at once.
const PER_AGENT: usize = 500;

/// A task on an agent's list.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) agent: String,
    pub(super) campaign: String,
    pub(super) person: PersonId,
    pub(super) dose: u8,
}

#[derive(Deserialize)]
struct Listed {
    campaign: String,
    person: PersonId,
    dose: u8,
}

/// Has the waiting tasks assigned, and gives every agent's list.
pub(super) async fn assign(running: &Running) -> Result<Vec<Task>> {
    let agents: Vec<String> = (1..=AGENTS).map(|n| format!("agent-{n:02}")).collect();
    let request = json!({"action": "assign", "agents": agents, "per_agent": PER_AGENT});
    let answer = running.invoke("recall-assignment", &request).await?;
    let lists = answer["lists"].as_object().with_context(|| format!("recall-assignment gave no lists: {answer}"))?;
    let mut tasks = Vec::new();
    for (agent, list) in lists {
        let list: Vec<Listed> =
            serde_json::from_value(list.clone()).with_context(|| format!("the list of {agent}: {list}"))?;
        tasks.extend(list.into_iter().map(|task| Task {
            agent: agent.clone(),
            campaign: task.campaign,
            person: task.person,
            dose: task.dose,
        }));
    }
    Ok(tasks)
}

/// Opens a task and records what came of the call: its name, or none where the call was no longer to be made.
pub(super) async fn call(running: &Running, task: &Task, outcome: CallOutcome) -> Result<Option<String>> {
    let named = |action: &str| {
        json!({
            "action": action, "agent": task.agent, "campaign": task.campaign, "person": task.person.to_string(),
            "dose": task.dose,
        })
    };
    let opened = running.invoke("recall-assignment", &named("open")).await?;
    if opened["telephone"].as_str().is_none_or(str::is_empty) {
        return Ok(None);
    }
    let name = serde_json::to_value(outcome)?;
    let mut request = named("outcome");
    request["outcome"] = name.clone();
    running.invoke("recall-assignment", &request).await?;
    Ok(name.as_str().map(str::to_owned))
}
