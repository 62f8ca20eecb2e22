//! The independent oracle of `tests/oracle`, run over what the season left behind.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::outcome::{Figures, Sums};
use crate::{python, workspace_root};

/// Packages of the oracle: they come with the emulator's.
const REQUIREMENTS: &str = "infra/emulator/requirements.txt";

/// What the oracle found.
pub(super) struct Verdict {
    /// Every set is equal.
    pub(super) equal: bool,
    /// The whole result.
    pub(super) result: Value,
}

/// Replays the timeline and compares.
pub(super) fn run(folder: &Path) -> Result<Verdict> {
    let root = workspace_root();
    let out = folder.join("oracle.json");
    let _ = fs::remove_file(&out);
    let status = Command::new(python::venv(&[REQUIREMENTS])?)
        .current_dir(&root)
        .env("PYTHONPATH", root.join("tests"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["-m", "oracle", "--timeline"])
        .arg(folder.join("timeline.ndjson"))
        .arg("--campaigns")
        .arg(root.join("tests/campaigns"))
        .arg("--sent")
        .arg(folder.join("sent.json"))
        .arg("--manifests")
        .arg(folder.join("manifests"))
        .arg("--snapshot")
        .arg(folder.join("snapshot"))
        .arg("--out")
        .arg(&out)
        .status()
        .context("running the oracle")?;
    let Ok(bytes) = fs::read(&out) else { bail!("the oracle wrote no result ({status}); see above") };
    let result: Value = serde_json::from_slice(&bytes).context("reading the oracle's result")?;
    let equal = result["equal"] == true;
    if equal != status.success() {
        bail!("the oracle's status ({status}) and its result (equal: {equal}) disagree");
    }
    Ok(Verdict { equal, result })
}

impl Verdict {
    /// Duplicates and messages to ineligible people, in all campaigns.
    pub(super) fn counts(&self) -> Result<(u64, u64)> {
        let count =
            |name: &str| self.result[name]["count"].as_u64().with_context(|| format!("the oracle has no {name}"));
        Ok((count("duplicates")?, count("sent_to_ineligible")?))
    }

    /// The oracle's own sums of a campaign.
    fn expected(&self, campaign: &str) -> &Value {
        &self.result["expected"]["campaigns"][campaign]
    }

    /// Takes its counts of duplicates and wrong messages over into a campaign's sums.
    pub(super) fn complete(&self, figures: &mut Figures) {
        let count = |name: &str| self.expected(&figures.campaign)[name].as_u64().unwrap_or(0);
        let (duplicates, ineligible) = (count("duplicates"), count("sent_to_ineligible"));
        figures.sums.duplicates = duplicates;
        figures.sums.sent_to_ineligible = ineligible;
    }

    /// Sums that the oracle reckons otherwise, as `name: ours, the oracle's`.
    pub(super) fn other_sums(&self, campaign: &str, sums: &Sums) -> Result<Vec<String>> {
        let ours = serde_json::to_value(sums)?;
        let expected = self.expected(campaign);
        let Some(fields) = ours.as_object() else { return Ok(Vec::new()) };
        Ok(fields
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "duplicates" | "sent_to_ineligible"))
            .filter(|(name, value)| !same(value, &expected[name.as_str()]))
            .map(|(name, value)| format!("{campaign} {name}: {value}, the oracle's {}", expected[name.as_str()]))
            .collect())
    }
}

/// Equal, whatever the order of names.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|held| same(value, held)))
        }
        _ => one == other,
    }
}
