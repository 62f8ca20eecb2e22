//! Texts while everything fails: is any sent twice, is any lost?

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use ims_decision::RulesCache;
use ims_domain::MessageId;
use ims_domain::ids::stable_hash;
use ims_domain::invitation::{Message, MessageState};
use ims_messaging::SmsJob;
use ims_store::Store;
use ims_testkit::dynamodb::serve;
use ims_testkit::notify::{Callback, Config, Failure, Mode, On, Sandbox};
use jiff::{SignedDuration, Timestamp};
use receipt_ingest::{CallbackToken, Desk};
use serde_json::{Value, json};
use sms_dispatch::{Dispatcher, Limits};
use xtask::progress::step;

use super::{API_KEY, TEXTS, accepted, dispatcher, message_id, noon, release, texts, write};
use crate::memory::{Database, store_at};
use crate::stack::DAY;
use crate::{Better, Case, Options, Outcome};

/// Texts unless the command line says otherwise.
const PEOPLE: u64 = 20_000;
/// One fault for so many texts, or more.
const TEXTS_A_FAULT: u64 = 10;
/// Processes of `sms-dispatch`.
const PROCESSES: u64 = 4;
/// Seconds for which the sandbox takes a token, which is dated in whole seconds: less than two in truth.
pub(super) const TOKEN: i64 = 1;
/// Deadline of a request.
const DEADLINE: Duration = Duration::from_secs(1);
/// Longer than a token and a deadline.
const FENCE: SignedDuration = SignedDuration::from_secs(5);
/// After so long a job comes again that was not answered for.
const VISIBILITY: Duration = Duration::from_secs(2);
/// Bearer token of the receipts.
const CALLBACK: &str = "bench-callback";

/// Jobs as SQS has them: delayed, given out again when they are not answered for, and sometimes twice.
#[derive(Default)]
struct Jobs {
    waiting: BinaryHeap<Reverse<(Instant, u64, Vec<MessageId>)>>,
    number: u64,
    in_work: u64,
}

impl Jobs {
    fn add(&mut self, job: SmsJob, after: Duration) {
        self.number += 1;
        self.waiting.push(Reverse((Instant::now() + after, self.number, job.messages)));
    }

    /// The next job that is ready; whether all are done where there is none.
    fn take(&mut self) -> Result<(u64, SmsJob), bool> {
        match self.waiting.peek() {
            Some(Reverse((ready, ..))) if *ready <= Instant::now() => {
                let Some(Reverse((_, number, messages))) = self.waiting.pop() else { return Err(false) };
                self.in_work += 1;
                Ok((number, SmsJob { messages }))
            }
            Some(_) => Err(false),
            None => Err(self.in_work == 0),
        }
    }
}

type Shared = Arc<Mutex<Jobs>>;

fn jobs(shared: &Shared) -> std::sync::MutexGuard<'_, Jobs> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn chance(what: &str, number: u64, of: u64) -> u64 {
    stable_hash(&format!("{what} {number}")) % of
}

/// What a run is made of; the tests have a small one.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) database: String,
    pub(super) notify: String,
    pub(super) people: u64,
    pub(super) deaths: u64,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Reconciled {
    pub(super) duplicates: Vec<String>,
    pub(super) lost: Vec<MessageId>,
    /// Texts by our state, and what Notify says of them.
    pub(super) states: BTreeMap<(&'static str, String), u64>,
    pub(super) kills: u64,
}

/// 20,000 texts with 2,000 faults. `--people` is the number of texts.
pub fn run(options: &Options) -> Result<Outcome> {
    let people = options.people.unwrap_or(PEOPLE);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (reconciled, faults, seconds) = runtime.block_on(measure(people))?;
    ensure!(faults >= people / TEXTS_A_FAULT, "only {faults} faults came about");
    step(format!("{people} texts, {faults} faults, {} processes killed, {seconds:.0} s", reconciled.kills));
    for ((ours, theirs), count) in &reconciled.states {
        step(format!("{count:>8} {ours:<10} at Notify: {theirs}"));
    }
    step(format!("duplicates: {:?}; lost: {:?}", reconciled.duplicates, reconciled.lost));
    let count = |case, count: u64| Case::new(case, count as f64, "texts", Better::Lower);
    Ok(Outcome {
        equal_output: None,
        results: vec![
            count("duplicates", reconciled.duplicates.len() as u64),
            count("lost", reconciled.lost.len() as u64),
            Case::new("faults", faults as f64, "faults", Better::Higher),
            Case::new("texts a second, with faults", people as f64 / seconds, "texts/s", Better::Higher),
        ],
    })
}

async fn measure(people: u64) -> Result<(Reconciled, u64, f64)> {
    let database = Database::start()?;
    let receipts = receipts(database.store()).await?;
    let notify = sandbox(Some(receipts), TOKEN).await?;
    set(&notify, &failures()).await?;
    step(format!("{people} people with a text each"));
    let (database_url, people_dead) = (database.url().to_owned(), people / 100);
    let setting = Setting { database: database_url, notify: notify.clone(), people, deaths: people_dead };
    let begun = Instant::now();
    let reconciled = campaign(&setting).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let health = health(&notify).await?;
    let mut faults = reconciled.kills;
    for fault in health["happened"]["faults"].as_array().into_iter().flatten() {
        step(format!("{:>8} {} of {}", fault["count"], fault["mode"], fault["on"]));
        faults += fault["count"].as_u64().unwrap_or_default();
    }
    Ok((reconciled, faults, seconds))
}

/// The sandbox Notify, posting receipts where an address is given; its base URL.
pub(super) async fn sandbox(receipts: Option<String>, token_window_seconds: i64) -> Result<String> {
    let retry_after = Duration::from_millis(500);
    let callback =
        receipts.map(|base| Callback { url: format!("{base}/receipts"), token: CALLBACK.to_owned(), retry_after });
    let config = Config { callback, rate_per_minute: 0, token_window_seconds, ..Config::new(API_KEY.parse()?) };
    Sandbox::new(config)?.serve_in_background().await
}

/// `receipt-ingest` behind an address, as the gateway puts it there.
pub(super) async fn receipts(store: Store) -> Result<String> {
    let held = Arc::new((store, RulesCache::default(), CallbackToken::new(CALLBACK.to_owned())));
    type Held = Arc<(Store, RulesCache, CallbackToken)>;
    let take = |State(held): State<Held>, headers: HeaderMap, body: String| async move {
        let header = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let event = json!({
            "httpMethod": "POST", "path": "/receipts/notify", "headers": {"authorization": header},
            "multiValueHeaders": {}, "requestContext": {"identity": {}, "httpMethod": "POST"},
            "body": body, "isBase64Encoded": false,
        });
        // A function handles one event at a time, and so its future need not move between threads.
        let runtime = tokio::runtime::Handle::current();
        let answer = tokio::task::spawn_blocking(move || {
            let desk = Desk { store: &held.0, rules: &held.1, token: &held.2, nhs_notify: None };
            runtime.block_on(receipt_ingest::handle(&desk, event, DAY)).ok()
        });
        let answer = answer.await.ok().flatten();
        let status = answer.and_then(|answer| u16::try_from(answer["statusCode"].as_u64()?).ok());
        StatusCode::from_u16(status.unwrap_or(500)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    };
    Ok(serve(axum::Router::new().route("/receipts", post(take)).with_state(held)).await?)
}

/// What the sandbox does wrong: about one text in ten meets something.
fn failures() -> Vec<Failure> {
    let failure = |mode, on, share, seed, delay_ms| Failure { mode, on, share, seed, delay_ms, attempts: Some(2) };
    vec![
        // The answer does not come before the deadline.
        failure(Mode::TimeoutAfterAccept, On::Send, 0.015, 1, Some(1_500)),
        failure(Mode::TimeoutBeforeAccept, On::Send, 0.010, 2, Some(1_500)),
        // The request arrives when its sender has gone: with a token that is good, and with one that is too old.
        failure(Mode::LateAccept, On::Send, 0.010, 3, Some(1_100)),
        failure(Mode::LateAccept, On::Send, 0.005, 4, Some(3_000)),
        failure(Mode::Status500, On::Send, 0.015, 5, None),
        failure(Mode::Status429, On::Send, 0.005, 6, None),
        failure(Mode::Slow, On::Send, 0.010, 7, Some(700)),
        failure(Mode::Status500, On::Find, 0.200, 8, None),
        failure(Mode::Thrice, On::Receipt, 0.015, 9, None),
        failure(Mode::Overtaken, On::Receipt, 0.010, 10, None),
        failure(Mode::Slow, On::Receipt, 0.015, 11, Some(2_000)),
    ]
}

pub(super) async fn set(notify: &str, failures: &[Failure]) -> Result<()> {
    reqwest::Client::new().post(format!("{notify}/_failures")).json(failures).send().await?.error_for_status()?;
    Ok(())
}

async fn health(notify: &str) -> Result<Value> {
    Ok(reqwest::get(format!("{notify}/_health")).await?.json().await?)
}

/// A whole campaign: every text's job until nothing is left to do, and every receipt.
pub(super) async fn campaign(setting: &Setting) -> Result<Reconciled> {
    let store = store_at(&setting.database);
    release(&store).await?;
    let dead = |number| number % 100 < setting.deaths * 100 / setting.people.max(1);
    write(&store, 0..setting.people, dead).await?;
    let shared = Shared::default();
    let numbers: Vec<u64> = (0..setting.people).collect();
    for (place, block) in (0..).zip(numbers.chunks(TEXTS)) {
        let job = SmsJob { messages: block.iter().map(|number| message_id(*number)).collect() };
        if chance("twice", place, 20) == 0 {
            jobs(&shared).add(job.clone(), Duration::from_millis(chance("apart", place, 3_000)));
        }
        jobs(&shared).add(job, Duration::ZERO);
    }
    let kills = work(setting, &shared, true).await?;
    settled(&setting.notify).await?;
    let before = (texts(&store, 0..setting.people).await?, accepted(&setting.notify).await?);
    // Whatever comes again once all is done changes nothing.
    for _ in 0..3 {
        for block in numbers.chunks(TEXTS) {
            jobs(&shared)
                .add(SmsJob { messages: block.iter().map(|number| message_id(*number)).collect() }, Duration::ZERO);
        }
    }
    work(setting, &shared, false).await?;
    settled(&setting.notify).await?;
    let after = (texts(&store, 0..setting.people).await?, accepted(&setting.notify).await?);
    ensure!(before == after, "what came again after the campaign changed something");
    Ok(reconcile(setting, &after.0, &after.1, kills))
}

/// Waits until Notify has told what became of every text.
pub(super) async fn settled(notify: &str) -> Result<()> {
    let begun = Instant::now();
    while health(notify).await?["receipts"]["waiting"] != 0 {
        ensure!(begun.elapsed() < Duration::from_secs(120), "receipts are still to come: {}", health(notify).await?);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Works on jobs until none is left; how many processes were killed.
async fn work(setting: &Setting, shared: &Shared, killing: bool) -> Result<u64> {
    let kills = Arc::new(AtomicU64::new(0));
    let processes: Vec<_> = (0..PROCESSES)
        .map(|_| {
            let (setting, shared, kills) = (setting.clone(), Arc::clone(shared), Arc::clone(&kills));
            tokio::task::spawn_blocking(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(process(&setting, &shared, killing, &kills))
            })
        })
        .collect();
    for process in processes {
        process.await.context("a process")??;
    }
    Ok(kills.load(Ordering::Relaxed))
}

/// One process, started anew whenever it was killed.
async fn process(setting: &Setting, shared: &Shared, killing: bool, kills: &AtomicU64) -> Result<()> {
    let (store, limits) = (store_at(&setting.database), Limits { per_minute: 0, per_day: 0 });
    let new = || dispatcher(&setting.notify, DEADLINE, limits, FENCE, Arc::new(Timestamp::now));
    let mut alive = new()?;
    loop {
        // Not taken in the match itself, which would hold the lock throughout.
        let taken = jobs(shared).take();
        let (number, job) = match taken {
            Ok(taken) => taken,
            Err(true) => return Ok(()),
            Err(false) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
        };
        let life = if killing && chance("killed", number, 8) == 0 { chance("when", number, 250) } else { u64::MAX };
        let work = take(&store, &alive, job.clone());
        match tokio::time::timeout(Duration::from_millis(life.min(60_000)), work).await {
            Ok(Ok(later)) => later.into_iter().for_each(|(job, after)| jobs(shared).add(job, after)),
            Ok(Err(error)) => {
                step(format!("a job failed: {error:#}"));
                jobs(shared).add(job, VISIBILITY);
            }
            Err(_) => {
                kills.fetch_add(1, Ordering::Relaxed);
                alive = new()?;
                jobs(shared).add(job, VISIBILITY);
            }
        }
        jobs(shared).in_work -= 1;
    }
}

async fn take(store: &Store, dispatcher: &Dispatcher, job: SmsJob) -> Result<Vec<(SmsJob, Duration)>> {
    let done = sms_dispatch::dispatch(store, dispatcher, job, noon()).await?;
    done.failed.map_or(Ok(()), Err)?;
    Ok(done.later.into_iter().map(|(job, seconds)| (job, Duration::from_secs(u64::from(seconds)))).collect())
}

/// Holds our texts and Notify's against each other.
fn reconcile(
    setting: &Setting,
    ours: &BTreeMap<MessageId, Message>,
    theirs: &BTreeMap<String, (u64, String)>,
    kills: u64,
) -> Reconciled {
    let duplicates = theirs.iter().filter(|(_, (count, _))| *count > 1).map(|(reference, _)| reference.clone());
    let mut found = Reconciled { duplicates: duplicates.collect(), lost: Vec::new(), states: BTreeMap::new(), kills };
    for id in (0..setting.people).map(message_id) {
        let state = ours.get(&id).map(|message| message.state);
        let there = theirs.get(&id.to_string());
        let is_so = match state {
            Some(MessageState::Delivered | MessageState::Failed | MessageState::Sent) => there.is_some(),
            Some(MessageState::Withdrawn) => there.is_none(),
            // Still queued, sending or unknown when nothing is left to do: nobody would ever look at it again.
            _ => false,
        };
        if !is_so {
            found.lost.push(id);
        }
        let name = state.map_or("absent", MessageState::name);
        let status = there.map_or_else(|| "never heard of".to_owned(), |(_, status)| status.clone());
        *found.states.entry((name, status)).or_default() += 1;
    }
    found
}
