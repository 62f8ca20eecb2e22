//! Which mailbox, and how it is reached.

use ims_runtime::SettingsError;
use ims_runtime::settings::{optional, required};

/// Longest part in which something is sent, in bytes.
const CHUNK: usize = 20 << 20;

/// Which mailbox, and how it is reached. Has no `Debug`: it holds secrets.
#[derive(Clone)]
pub struct Settings {
    /// Base URL of the MESH API, without a slash at the end.
    pub url: String,
    /// The mailbox.
    pub mailbox: String,
    /// Its password.
    pub password: String,
    /// The key that all mailboxes of an environment share.
    pub shared_key: String,
    /// Workflow of what is sent: acknowledgements.
    pub workflow: String,
    /// Longest part in which something is sent, in bytes; MESH takes 100 MB.
    pub chunk: usize,
    /// File (PEM) of the client's certificate and private key, which MESH asks for beyond a sandbox.
    pub identity: Option<String>,
}

impl Settings {
    /// Reads `IMS_MESH_…`; `None` where there is no mailbox.
    ///
    /// # Errors
    /// Where there is a mailbox and something else is missing.
    pub fn from_env() -> Result<Option<Self>, SettingsError> {
        let Some(mailbox) = optional("IMS_MESH_MAILBOX") else { return Ok(None) };
        Ok(Some(Self {
            url: required("IMS_MESH_URL")?.trim_end_matches('/').to_owned(),
            mailbox,
            password: required("IMS_MESH_PASSWORD")?,
            shared_key: required("IMS_MESH_SHARED_KEY")?,
            workflow: optional("IMS_MESH_ACK_WORKFLOW").unwrap_or_else(|| "IMS_ACK".to_owned()),
            chunk: CHUNK,
            identity: optional("IMS_MESH_IDENTITY"),
        }))
    }
}
