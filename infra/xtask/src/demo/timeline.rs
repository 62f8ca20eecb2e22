//! What was acknowledged, in that order: the oracle replays it.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use jiff::civil::Date;
use serde_json::{Value, json};

/// The timeline of a run, written as it happens.
pub(super) struct Timeline {
    folder: PathBuf,
    out: BufWriter<File>,
}

impl Timeline {
    /// Begins `timeline.ndjson` in a folder.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let path = folder.join("timeline.ndjson");
        let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self { folder: folder.to_owned(), out: BufWriter::new(file) })
    }

    fn line(&mut self, day: Date, kind: &'static str, mut rest: Value) -> Result<()> {
        rest["day"] = day.to_string().into();
        rest["kind"] = kind.into();
        serde_json::to_writer(&mut self.out, &rest)?;
        self.out.write_all(b"\n")?;
        Ok(())
    }

    /// A feed file whose rows were all answered.
    pub(super) fn file(&mut self, day: Date, path: &Path) -> Result<()> {
        let path = path.strip_prefix(&self.folder).unwrap_or(path);
        self.line(day, "file", json!({"path": path}))
    }

    /// A record that the API answered; `kind` is `immunization` or `booking`.
    pub(super) fn record(&mut self, day: Date, kind: &'static str, status: u16, body: &Value) -> Result<()> {
        self.line(day, kind, json!({"status": status, "body": body}))
    }

    /// A wave was selected, or its messages have left.
    pub(super) fn wave(&mut self, day: Date, kind: &'static str, campaign: &str, wave: &str) -> Result<()> {
        self.line(day, kind, json!({"campaign": campaign, "wave": wave}))
    }

    /// Steps that were due have been taken.
    pub(super) fn due(&mut self, day: Date, campaign: &str) -> Result<()> {
        self.line(day, "due", json!({"campaign": campaign}))
    }

    /// A recall call was made.
    pub(super) fn call(&mut self, day: Date, campaign: &str, nhs_number: &str, outcome: &str) -> Result<()> {
        self.line(day, "call", json!({"campaign": campaign, "nhs_number": nhs_number, "outcome": outcome}))
    }

    /// Writes everything out and gives the file's path.
    pub(super) fn finish(&mut self) -> Result<PathBuf> {
        self.out.flush()?;
        Ok(self.folder.join("timeline.ndjson"))
    }
}
