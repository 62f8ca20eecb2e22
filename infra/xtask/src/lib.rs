//! The workspace's own tooling, as a library: the local stack, its endpoints, and what CI runs.
//!
//! [`stack::up`] sets a local stack up and says where everything is; several can run side by side, each with its own
//! ports and `--local-dir`.

pub mod bench;
pub mod client;
pub mod conformance;
pub mod contract;
pub mod demo;
pub mod deploy;
pub mod emulator;
pub mod endpoints;
pub mod fuzz;
pub mod localstack;
pub mod logs;
pub mod mesh;
pub mod pack;
pub mod package;
pub mod processes;
pub mod progress;
pub mod python;
pub mod stack;
pub mod test;
pub mod web;
pub mod workers;

use std::path::PathBuf;

/// The workspace's root directory.
#[must_use]
pub fn workspace_root() -> PathBuf {
    let here =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    // A test of another crate sets its own manifest directory; the lock file marks the root above either.
    let root = here.ancestors().find(|dir| dir.join("Cargo.lock").is_file()).map(PathBuf::from);
    root.unwrap_or(here)
}

/// A command that runs the cargo that runs us.
#[must_use]
pub fn cargo() -> std::process::Command {
    let mut command = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace_root()).env("CARGO_TARGET_DIR", package::target_dir());
    command
}
