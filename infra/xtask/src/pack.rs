//! The suppliers' test pack, run as a supplier would, with the sandbox's test client.

use std::{path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{endpoints::Endpoints, python, workspace_root};

/// The pack on the stack in a directory. Exit status 0: every step went as expected.
///
/// # Errors
/// Where there is no such stack.
pub fn command(local_dir: &Path) -> Result<Command> {
    let endpoints = Endpoints::read(local_dir)?;
    let bucket = |role: &str| endpoints.buckets.get(role).with_context(|| format!("the stack has no bucket {role}"));
    let client = &endpoints.client;
    let mut command = Command::new(python::venv(&[])?);
    command
        .arg("-B")
        .arg(workspace_root().join("tests/supplier-pack/run.py"))
        .args(["--base", &endpoints.api, "--client", &client.id, "--key", &client.key, "--kid", &client.kid])
        .args(["--forbidden", "COVID", "--s3", &endpoints.aws, "--inbound", bucket("inbound")?])
        .args(["--acks", bucket("acks")?, "--ods", &client.ods]);
    Ok(command)
}
