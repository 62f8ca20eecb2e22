//! What the steps of a row share, and what all rows share: the running stack.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use ims_store::{FeedFileState, Table, keys};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{Mutex, OwnedMutexGuard};
use xtask::demo::running::Running;
use xtask::endpoints::Endpoints;

use crate::days::{compact, later};
use crate::events::Events;
use crate::features::Row;
use crate::outbound::Changes;
use crate::people::{Patient, People};
use crate::requests::Answer;
use crate::sheet::Sheet;

/// How long anything is waited for that the stack does by itself.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is asked for.
pub const POLL: Duration = Duration::from_millis(200);

/// The running stack, as all rows see it.
pub struct Bench {
    /// Its clients.
    pub running: Running,
    /// For requests to the API.
    pub http: reqwest::Client,
    /// Its business time when the run began.
    pub now: Timestamp,
    /// Whether that time stands still.
    stands: bool,
    /// People of this run.
    pub people: People,
    /// What goes out in change files.
    pub changes: Mutex<Changes>,
    /// What is told of changes.
    pub events: Mutex<Events>,
    run: u64,
    count: AtomicU64,
    names: Mutex<HashMap<String, i64>>,
    lanes: Mutex<HashMap<String, Arc<Mutex<()>>>>,
}

impl Bench {
    /// Connects to the stack in a directory and makes the people of this run known to it.
    ///
    /// # Errors
    /// Where there is no stack, or it does not take the people in.
    pub async fn connect(dir: &Path) -> Result<Arc<Self>> {
        let endpoints = Endpoints::read(dir)?;
        let running = Running::connect(&endpoints).await?;
        let clock = running.store.get(Table::Control, keys::control("CLOCK")).await?.unwrap_or_default();
        let now = match clock.get("now").and_then(|now| now.as_s().ok()) {
            Some(text) => text.parse().with_context(|| format!("the business clock holds '{text}'"))?,
            None => Timestamp::now(),
        };
        let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let bench = Arc::new(Self {
            running,
            http: reqwest::Client::builder().no_proxy().pool_idle_timeout(Duration::from_secs(1)).build()?,
            now,
            stands: clock.contains_key("now"),
            people: People::of_run(run),
            changes: Mutex::new(Changes::default()),
            events: Mutex::new(Events::of(&endpoints).await),
            run,
            count: AtomicU64::new(0),
            names: Mutex::new(HashMap::new()),
            lanes: Mutex::new(HashMap::new()),
        });
        let name = bench.free_name("Demographics_v1_X26", "csv").await?;
        bench.running.put("inbound", &name, bench.people.file(&compact(now))).await?;
        let file = bench.file_done(&name).await?;
        if file.state != FeedFileState::Processed || file.rejected > 0 {
            bail!("the people of the run were not taken in: {file:?}");
        }
        Ok(bench)
    }

    /// A text that no other record or file of any run has.
    #[must_use]
    pub fn unique(&self) -> String {
        format!("{}x{}", self.run, self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// A file name that was not taken yet: this beginning, a time that is not before the business time, an extension.
    ///
    /// # Errors
    /// Where the stack cannot be asked.
    pub async fn free_name(&self, beginning: &str, extension: &str) -> Result<String> {
        let mut names = self.names.lock().await;
        let next = names.entry(beginning.to_owned()).or_insert(0);
        // A file is ordered among changes through the API by its time: it must not be before one that was made.
        let now = if self.stands { self.now } else { later(Timestamp::now(), 1) };
        *next = now.as_second().max(*next);
        loop {
            let name = format!("{beginning}_{}00.{extension}", compact(Timestamp::from_second(*next)?));
            *next += 1;
            if self.running.store.file(&name).await?.is_none() {
                return Ok(name);
            }
        }
    }

    /// A file, once it is in a state that it does not leave.
    ///
    /// # Errors
    /// Where it is in none in time.
    pub async fn file_done(&self, name: &str) -> Result<ims_store::FeedFile> {
        let begun = Instant::now();
        loop {
            let file = self.running.store.file(name).await?;
            match file {
                Some(file) if !matches!(file.state, FeedFileState::Processing | FeedFileState::Preprocessed) => {
                    return Ok(file);
                }
                other if begun.elapsed() > PATIENCE => bail!("{name} gets no further: {other:?}"),
                _ => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// Waits for the lane of a supplier's files of one vaccine type: the national service works on one at a time.
    pub async fn lane(&self, supplier: &str, vaccine: &str) -> OwnedMutexGuard<()> {
        let lane = Arc::clone(self.lanes.lock().await.entry(format!("{supplier}_{vaccine}")).or_default());
        lane.lock_owned().await
    }
}

/// What the steps of one row share.
pub struct World {
    /// The stack.
    pub bench: Arc<Bench>,
    /// Who sends; empty where the row does not say.
    pub supplier: String,
    /// Vaccine type.
    pub vaccine: String,
    /// Sort of patient.
    pub sort: String,
    /// Whom the record is about.
    pub patient: Option<Patient>,
    /// The record as the row made it up.
    pub made: Value,
    /// The record as it was last sent.
    pub sent: Value,
    /// Id of the record.
    pub id: String,
    /// The version that it should have.
    pub version: u32,
    /// How often the record was deleted: deletions are changes that suppliers' versions do not count.
    pub deletions: u32,
    /// The version that the last request named.
    pub stated: String,
    /// What was answered last.
    pub answer: Option<Answer>,
    /// Parameters of the last search.
    pub search: Vec<(String, String)>,
    /// The file.
    pub sheet: Option<Sheet>,
    /// Kept until the row ends.
    pub lane: Option<OwnedMutexGuard<()>>,
}

impl World {
    /// The state in which a row begins.
    #[must_use]
    pub fn new(bench: Arc<Bench>, row: &Row) -> Self {
        let tag = |prefix: &str| row.tagged(prefix).unwrap_or_default().to_owned();
        Self {
            bench,
            supplier: tag("supplier_name_"),
            vaccine: tag("vaccine_type_"),
            sort: row.tagged("patient_id_").unwrap_or("Random").to_owned(),
            patient: None,
            made: Value::Null,
            sent: Value::Null,
            id: String::new(),
            version: 1,
            deletions: 0,
            stated: String::new(),
            answer: None,
            search: Vec::new(),
            sheet: None,
            lane: None,
        }
    }

    /// How many changes the record has seen.
    #[must_use]
    pub fn changes(&self) -> u32 {
        self.version + self.deletions
    }

    /// The last answer.
    ///
    /// # Errors
    /// Where nothing was asked yet.
    pub fn answer(&self) -> Result<&Answer> {
        self.answer.as_ref().context("no request was made yet")
    }

    /// The patient.
    ///
    /// # Errors
    /// Where no record was made up yet.
    pub fn patient(&self) -> Result<&Patient> {
        self.patient.as_ref().context("no record was made up yet")
    }

    /// The file.
    ///
    /// # Errors
    /// Where none was made up yet.
    pub fn sheet(&self) -> Result<&Sheet> {
        self.sheet.as_ref().context("no file was made up yet")
    }
}

/// Fails with what was expected and what there is, where they differ.
///
/// # Errors
/// Where they differ.
pub fn same<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug>(what: &str, found: T, expected: U) -> Result<()> {
    if found == expected { Ok(()) } else { bail!("{what} is {found:?}, expected {expected:?}") }
}
