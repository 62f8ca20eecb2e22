//! Whole campaigns on the local stack, with a report.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{endpoints::Endpoints, stack::Emulator};

/// What a demo run is asked for.
#[derive(Debug, Clone)]
pub struct DemoArgs {
    /// People in the synthetic population.
    pub people: u64,
    /// Seed of the population and of everyone's behaviour.
    pub seed: u64,
    /// Emulator that the stack runs on.
    pub emulator: Emulator,
    /// Where the report goes as JSON.
    pub json: Option<PathBuf>,
    /// Leave the stack up afterwards.
    pub keep: bool,
}

/// Sets the stack up, runs campaigns, prints the report.
///
/// # Errors
/// Where set-up, a campaign or a check fails.
pub async fn run(_args: DemoArgs) -> Result<()> {
    bail!("the demo is not there yet")
}

/// Loads a synthetic population into a running stack.
///
/// # Errors
/// Where a feed is not accepted.
pub async fn load_people(_endpoints: &Endpoints, _people: u64, _seed: u64) -> Result<()> {
    bail!("loading people is not there yet; run without --people")
}
