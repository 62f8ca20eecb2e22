//! `ims reply`: the public's way in to a message of the local stack.

use std::process::ExitCode;

use anyhow::Context;
use ims_domain::MessageId;
use ims_domain::reply::ReplyKey;
use serde_json::Value;

use crate::local_dir;

/// Arguments of `ims reply`.
#[derive(clap::Args)]
pub struct Args {
    /// The message: the reference that Notify was given, as `GET {notify}/_sent` shows it
    message: MessageId,
}

/// Runs `ims reply`: prints the link to the message's page.
///
/// # Errors
/// If there is no local stack.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let dir = local_dir();
    let read = |file: &str| {
        let path = dir.join(file);
        std::fs::read(&path)
            .with_context(|| format!("no {}: set the local stack up first (cargo xtask up)", path.display()))
    };
    let endpoints: Value = serde_json::from_slice(&read("endpoints.json")?)?;
    let front_door = endpoints["api"].as_str().and_then(|api| api.strip_suffix("/api"));
    let front_door = front_door.context("the API is not behind a front door")?;
    println!("{front_door}/r/{}", ReplyKey::new(&read("reply-key")?)?.link(args.message));
    Ok(ExitCode::SUCCESS)
}
