//! The running API held to its description, by schemathesis: requests made from the description, and what is answered
//! compared with it.

use std::{path::Path, process::Command};

use anyhow::Result;

use crate::{demo::running, endpoints::Endpoints, python};

/// The oldest Python that schemathesis and the MESH server support.
const OLDEST: (u32, u32) = (3, 11);
/// Seed of the requests.
const SEED: &str = "1";
/// Requests of each kind and operation, at most.
const EXAMPLES: &str = "25";
/// What is compared.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance,ignored_auth,missing_required_header,unsupported_method,allow_header_conformance";
/// Who asks: a supplier that may do everything in a sandbox.
const SUPPLIER: &str = "Postman_Auth";

/// The Python with schemathesis and the MESH server; `None`, with a word about it, where Python is too old for them.
///
/// # Errors
/// Where a package cannot be had.
pub fn python() -> Result<Option<std::path::PathBuf>> {
    if python::version()? < OLDEST {
        crate::progress::step(format!(
            "skipped: schemathesis and the MESH server need Python {}.{}",
            OLDEST.0, OLDEST.1
        ));
        return Ok(None);
    }
    let files = [
        "infra/emulator/requirements.txt",
        "infra/emulator/requirements-checks.txt",
        "infra/emulator/requirements-suppliers.txt",
    ];
    python::venv(&files).map(Some)
}

/// schemathesis on the stack in a directory. Exit status 0: every answer was as described.
///
/// # Errors
/// Where there is no such stack, or no token can be signed.
pub fn command(python: &Path, local_dir: &Path) -> Result<Command> {
    let endpoints = Endpoints::read(local_dir)?;
    let token = running::supplier_token(&endpoints, SUPPLIER)?;
    let mut command = Command::new(python.with_file_name("schemathesis"));
    command
        .current_dir(local_dir)
        .args(["run", &format!("{}/openapi.json", endpoints.api), "--url", &endpoints.api])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--phases", "examples,coverage,fuzzing", "--checks", CHECKS])
        .args(["--seed", SEED, "--max-examples", EXAMPLES, "--generation-deterministic", "--no-shrink"])
        .args(["--workers", "2", "--request-timeout", "30", "--warnings", "off", "--no-color"]);
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(variable);
    }
    Ok(command)
}
