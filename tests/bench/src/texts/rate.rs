//! How far processes of `sms-dispatch` fill Notify's limit, without being refused once.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use ims_messaging::SmsJob;
use ims_testkit::notify::{Config, Failure, Mode, On, Sandbox};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sms_dispatch::Limits;
use xtask::progress::step;

use super::{API_KEY, TEXTS, dispatcher, message_id, noon, release, write};
use crate::memory::{Database, store_at};
use crate::{Better, Case, Options, Outcome};

/// Notify's usual limit in any 60 s.
const LIMIT: u64 = 3_000;
/// Minutes that are measured.
const MINUTES: u64 = 2;
/// Before them: processes start, and the limit's minute fills.
const BEFORE: Duration = Duration::from_secs(10);
/// Time that Notify takes to answer.
const ANSWER: u64 = 100;
/// Jobs in an event, as the template has it.
const JOBS: usize = 5;

/// What a process of `sms-dispatch` is asked for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sender {
    database: String,
    notify: String,
    from: u64,
    to: u64,
}

/// One process and four.
pub fn run(_: &Options) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut results = Vec::new();
    for processes in [1, 4] {
        let (filled, refused) = runtime.block_on(measure(processes))?;
        step(format!("{processes} processes: {filled:.2} % of {LIMIT} a minute, {refused} refused"));
        let name = |what: &str| format!("{what}, {processes} {}", if processes == 1 { "process" } else { "processes" });
        results.push(Case::new(name("limit filled"), filled, "%", Better::Higher));
        results.push(Case::new(name("refused as too fast"), refused as f64, "requests", Better::Lower));
    }
    Ok(Outcome { equal_output: None, results })
}

/// The share of the limit that was used, in percent, and how many requests were refused.
async fn measure(processes: u64) -> Result<(f64, u64)> {
    let database = Database::start()?;
    let store = database.store();
    release(&store).await?;
    let share = LIMIT * (MINUTES + 1) / processes;
    write(&store, 0..share * processes, |_| false).await?;
    let config = Config { rate_per_minute: usize::try_from(LIMIT)?, ..Config::new(API_KEY.parse()?) };
    let notify = Sandbox::new(config)?.serve_in_background().await?;
    let slow = Failure { mode: Mode::Slow, on: On::Send, share: 1.0, seed: 1, delay_ms: Some(ANSWER), attempts: None };
    super::faults::set(&notify, &[slow]).await?;
    let begun = Timestamp::now();
    let mut running = Running(Vec::new());
    for place in 0..processes {
        let asked = Sender {
            database: database.url().to_owned(),
            notify: notify.clone(),
            from: place * share,
            to: (place + 1) * share,
        };
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--sender", &serde_json::to_string(&asked)?]).stdin(Stdio::null());
        running.0.push(command.spawn().context("starting a process of sms-dispatch")?);
    }
    let measured = Duration::from_secs(60 * MINUTES);
    tokio::time::sleep(BEFORE + measured + Duration::from_secs(1)).await;
    for process in &mut running.0 {
        ensure!(process.try_wait()?.is_none(), "a process of sms-dispatch ended before its texts did");
    }
    let sent: Vec<Value> = reqwest::get(format!("{notify}/_sent")).await?.json().await?;
    let health: Value = reqwest::get(format!("{notify}/_health")).await?.json().await?;
    let from = begun + BEFORE;
    let within = sent.iter().filter(|one| {
        let at = one["at"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        at.is_some_and(|at| from <= at && at < from + measured)
    });
    let filled = within.count() as f64 / (LIMIT * MINUTES) as f64 * 100.0;
    Ok((filled, health["happened"]["too_fast"].as_u64().unwrap_or_default()))
}

/// Processes that are ended with it.
struct Running(Vec<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        for process in &mut self.0 {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Is a process of `sms-dispatch`: event after event, until its texts are sent.
///
/// # Errors
/// Where a text cannot be worked on.
pub fn sender(asked: Sender) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = store_at(&asked.database);
        let limits = Limits { per_minute: LIMIT, per_day: 250_000 };
        let fence = SignedDuration::from_secs(90);
        let deadline = Duration::from_secs(15);
        let dispatcher = dispatcher(&asked.notify, deadline, limits, fence, Arc::new(Timestamp::now))?;
        let numbers: Vec<u64> = (asked.from..asked.to).collect();
        let begun = Instant::now();
        for event in numbers.chunks(TEXTS * JOBS) {
            let jobs = event.chunks(TEXTS).map(|block| {
                let job = SmsJob { messages: block.iter().map(|number| message_id(*number)).collect() };
                sms_dispatch::dispatch(&store, &dispatcher, job, noon())
            });
            for done in try_join_all(jobs).await? {
                done.failed.map_or(Ok(()), Err)?;
            }
        }
        step(format!("{} texts in {:.0} s", numbers.len(), begun.elapsed().as_secs_f64()));
        Ok(())
    })
}
