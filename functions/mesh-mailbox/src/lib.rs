//! A MESH mailbox: files that suppliers send there go into the inbound bucket, and their acknowledgements go back.
//!
//! A message is acknowledged to MESH only when its file is stored; until then it stays in the inbox and is collected again.
//! A run that breaks off anywhere is completed by the next, and two at once do no harm: a message's file is stored once,
//! under a note (a transfer) that also says where its acknowledgements go. An acknowledgement may be sent twice, under the
//! same name, where a run breaks off between sending and noting it.

mod acks;
mod collect;
mod mesh;
mod settings;

use ims_messaging::ObjectError;
use ims_runtime::Service;
use ims_store::StoreError;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

pub use mesh::{Mesh, MeshError, Message};
pub use settings::Settings;

/// What the function is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Request {
    /// Collect what waits in the mailbox, and send the acknowledgements that are there.
    Collect,
}

/// Why a run failed; the next takes up what it left.
#[derive(Debug, Error)]
pub enum CollectError {
    /// The event is no known request.
    #[error("the event is not a known request: {0}")]
    Event(#[from] serde_json::Error),
    /// MESH.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// Tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Buckets.
    #[error(transparent)]
    Objects(#[from] ObjectError),
}

/// Answers a request; without a mailbox there is nothing to do.
///
/// # Errors
/// Where the mailbox or the stack cannot be used.
pub async fn handle(service: &Service, mesh: Option<&Mesh>, event: Value) -> Result<Value, CollectError> {
    let Request::Collect = serde_json::from_value(event)?;
    let Some(mesh) = mesh else { return Ok(json!({"mailbox": "off", "collected": 0, "acknowledgements": 0})) };
    mesh.handshake().await?;
    // Acknowledgements first: a name is collected again only when its file before is done with.
    let acknowledgements = acks::send(service, mesh).await?;
    let collected = collect::collect(service, mesh).await?;
    if collected + acknowledgements > 0 {
        tracing::info!(collected, acknowledgements, "mailbox looked after");
    }
    Ok(json!({"mailbox": "on", "collected": collected, "acknowledgements": acknowledgements}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_asks_to_collect() {
        let event: Value = serde_json::from_str(include_str!("../fixtures/collect.json")).unwrap();
        assert_eq!(serde_json::from_value::<Request>(event).unwrap(), Request::Collect);
        assert!(serde_json::from_value::<Request>(json!({"action": "send"})).is_err());
    }
}
