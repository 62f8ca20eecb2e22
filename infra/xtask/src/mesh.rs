//! The sandbox MESH server (`mesh-sandbox` of the Python package index), whose mailboxes stand for a supplier's and ours.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{contract, processes::Processes, stack};

/// Name of its process.
pub(crate) const PROCESS: &str = "mesh";
/// Key that all its mailboxes share, and the password of each.
const SHARED_KEY: &str = "sandbox-shared-key";
const PASSWORD: &str = "password";
/// The service's own mailbox, a registered supplier's, and one of nobody's.
const OWN: &str = "X26ABC1";
const SUPPLIERS: &str = "X26ABC2";
const NOBODYS: &str = "X26ABC3";
/// Who may send what.
pub(crate) const SENDERS: &str =
    r#"[{"sender": "MAVIS", "mailboxes": ["X26ABC2"], "ods_codes": ["V0V8L"], "feeds": ["vaccinations"]}]"#;

/// A MESH server, as `endpoints.json` tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeshServer {
    /// Base URL.
    pub url: String,
    /// Key that all mailboxes share.
    pub shared_key: String,
    /// Password of each mailbox.
    pub password: String,
    /// The service's mailbox.
    pub own: String,
    /// A mailbox that is registered as the supplier MAVIS's.
    pub supplier: String,
    /// A mailbox that is nobody's.
    pub nobody: String,
}

/// Starts the server on a free port, where it does not run already; `None` where Python is too old for it.
///
/// # Errors
/// Where it cannot be installed or does not start.
pub(crate) async fn start(processes: &Processes, local_dir: &Path) -> Result<Option<MeshServer>> {
    let Some(python) = contract::python()? else { return Ok(None) };
    let kept = local_dir.join("run/mesh.port");
    let port = if processes.is_running(PROCESS) {
        std::fs::read_to_string(&kept).with_context(|| format!("reading {}", kept.display()))?
    } else {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port().to_string();
        let mut command = stack::clean(&python);
        command
            .args(["-m", "uvicorn", "mesh_sandbox.api:app", "--host", "127.0.0.1", "--port", &port, "--no-access-log"])
            .env("AUTH_MODE", "full")
            .env("STORE_MODE", "memory")
            .env("SHARED_KEY", SHARED_KEY);
        processes.start(PROCESS, &mut command)?;
        std::fs::write(&kept, &port)?;
        port
    };
    let url = format!("http://127.0.0.1:{port}");
    stack::wait_for(processes, PROCESS, &format!("{url}/health")).await?;
    Ok(Some(MeshServer {
        url,
        shared_key: SHARED_KEY.to_owned(),
        password: PASSWORD.to_owned(),
        own: OWN.to_owned(),
        supplier: SUPPLIERS.to_owned(),
        nobody: NOBODYS.to_owned(),
    }))
}
