//! Deliveries: each message gets its final status after the delay, and its receipt is posted, four at a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use uuid::Uuid;

use super::Callback;
use super::failures::{Failure, Mode, On};
use super::store::Store;

/// Receipts on their way at one time.
const AT_ONCE: usize = 4;
/// The first try and Notify's five more.
const TRIES: u32 = 6;

/// The queue of deliveries to come, in order of acceptance: the delay is the same for all.
#[derive(Clone)]
pub(super) struct Receipts {
    due: mpsc::UnboundedSender<(Instant, Uuid)>,
    delay: Duration,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    posted: AtomicU64,
    retried: AtomicU64,
    given_up: AtomicU64,
    waiting: AtomicU64,
}

impl Receipts {
    pub(super) fn start(store: Arc<Mutex<Store>>, callback: Option<Callback>, delay: Duration) -> anyhow::Result<Self> {
        if let Some(callback) = &callback {
            let host = reqwest::Url::parse(&callback.url)?;
            anyhow::ensure!(
                host.host_str().is_some_and(|host| host == "localhost" || host.starts_with("127.") || host == "[::1]"),
                "callback url '{}': expected a loopback address",
                callback.url
            );
        }
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().build()?;
        let (due, waiting) = mpsc::unbounded_channel();
        let counts = Arc::new(Counts::default());
        tokio::spawn(deliver(waiting, store, callback, http, Arc::clone(&counts)));
        Ok(Self { due, delay, counts })
    }

    /// Has a message delivered after the delay.
    pub(super) fn expect(&self, id: Uuid) {
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        // Refused only when the runtime is ending.
        let _ = self.due.send((Instant::now() + self.delay, id));
    }

    /// Figures for the health page: `waiting` falls to 0 when every message has its status and its receipt was taken.
    pub(super) fn counts(&self) -> Value {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "posted": count(&self.counts.posted), "retried": count(&self.counts.retried),
            "given_up": count(&self.counts.given_up), "waiting": count(&self.counts.waiting),
        })
    }
}

async fn deliver(
    mut waiting: mpsc::UnboundedReceiver<(Instant, Uuid)>,
    store: Arc<Mutex<Store>>,
    callback: Option<Callback>,
    http: reqwest::Client,
    counts: Arc<Counts>,
) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    while let Some((due, id)) = waiting.recv().await {
        tokio::time::sleep_until(due).await;
        let (receipt, fault) = {
            let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
            let receipt = store.complete(id, Timestamp::now());
            let reference = receipt.as_ref().and_then(|receipt| receipt["reference"].as_str()).map(str::to_owned);
            (receipt, reference.and_then(|reference| store.fault(On::Receipt, &reference)))
        };
        let (Some(receipt), Some(callback)) = (receipt, callback.clone()) else {
            counts.waiting.fetch_sub(1, Ordering::Relaxed);
            continue;
        };
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (http, counts, places) = (http.clone(), Arc::clone(&counts), Arc::clone(&places));
        tokio::spawn(async move {
            let mut place = Some(place);
            if let Some(Failure { mode: mode @ Mode::Slow, delay_ms, .. }) = &fault {
                drop(place.take());
                tokio::time::sleep(Duration::from_millis(delay_ms.unwrap_or_else(|| mode.default_delay_ms()))).await;
            }
            for attempt in 1..=TRIES {
                let posted = http.post(&callback.url).bearer_auth(&callback.token).json(&receipt).send().await;
                drop(place.take());
                if posted.is_ok_and(|response| response.status().is_success()) {
                    counts.posted.fetch_add(1, Ordering::Relaxed);
                    for more in again(fault.as_ref().map(|fault| fault.mode), &receipt) {
                        // What comes once too often need not be taken.
                        let _ = http.post(&callback.url).bearer_auth(&callback.token).json(&more).send().await;
                    }
                    break;
                }
                if attempt == TRIES {
                    counts.given_up.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                counts.retried.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(callback.retry_after).await;
                place = Arc::clone(&places).acquire_owned().await.ok();
            }
            counts.waiting.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// What is posted after a receipt was taken.
fn again(fault: Option<Mode>, receipt: &Value) -> Vec<Value> {
    match fault {
        Some(Mode::Thrice) => vec![receipt.clone(), receipt.clone()],
        Some(Mode::Overtaken) => {
            let mut earlier = receipt.clone();
            earlier["status"] = json!("sending");
            vec![earlier]
        }
        _ => Vec::new(),
    }
}
