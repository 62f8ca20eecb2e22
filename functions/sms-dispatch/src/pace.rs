//! Sending at a provider's pace, which all processes share.
//!
//! Time is cut into windows of half a second. Each has its part of what may be sent in a minute, as a counter in the
//! control table, and a process takes blocks of it for as many texts as it has ready. A token is spent in its window or
//! not at all. So any minute at the provider holds at most the tokens of the windows that it touches, and of those whose
//! requests were a little late: the pace is a few per cent below the limit for that, and for clocks that differ.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ims_domain::ids::stable_hash;
use ims_store::{Store, StoreError, keys};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use uuid::Uuid;

use crate::Now;

/// Length of a window in milliseconds.
const WINDOW: i64 = 500;
/// Windows in a minute.
const WINDOWS: u64 = 120;
/// Percent of the provider's limit that is used. What is left takes up one window and a second of delay on the way.
const SHARE: u64 = 97;
/// Most tokens taken at once.
const BLOCK: u64 = 16;
/// Tokens a window for which one counter suffices: with blocks of a single token, some 500 writes a second.
const COUNTER: u64 = 250;
/// Windows for which a process sends nothing after the provider found it too fast all the same.
const HOLD_OFF: i64 = 4;
/// How long a text may wait for its turn before it goes back to the queue.
const PATIENCE: Duration = Duration::from_secs(10);
/// Seconds after which it comes again.
const AGAIN: u32 = 5;

/// What a provider takes, for all processes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests in any 60 s; 0 is no limit.
    pub per_minute: u64,
    /// Texts in a day (UTC), which is a budget too; 0 is no limit.
    pub per_day: u64,
}

impl Limits {
    /// Tokens of a window: over a minute they sum up to what may be used of the limit.
    fn of_window(self, window: i64) -> u64 {
        let used = self.per_minute * SHARE / 100;
        let window = window.unsigned_abs();
        (window + 1) * used / WINDOWS - window * used / WINDOWS
    }

    fn shards(self) -> u64 {
        1 + self.per_minute / WINDOWS / COUNTER
    }

    /// What one counter of a window holds: all of them together exactly the window's tokens.
    fn of_shard(self, window: i64, shard: u64) -> u64 {
        let (tokens, shards) = (self.of_window(window), self.shards());
        tokens / shards + u64::from(shard < tokens % shards)
    }
}

fn window_of(at: Timestamp) -> i64 {
    at.as_millisecond().div_euclid(WINDOW)
}

/// Tokens of this process.
#[derive(Debug, Default)]
struct Held {
    window: i64,
    tokens: u64,
    /// Up to this window there is nothing more to be had.
    none_until: i64,
}

/// The pace of one provider.
#[derive(Debug)]
pub struct Pace {
    provider: &'static str,
    limits: Limits,
    held: Mutex<Held>,
    /// One lease at a time.
    leasing: tokio::sync::Mutex<()>,
    waiting: AtomicU64,
    /// Spreads processes over the counters.
    place: u64,
}

/// Whether a text may go.
#[derive(Debug)]
pub enum Turn<'a> {
    /// Now, with this token.
    Go(Token<'a>),
    /// Not for so many seconds.
    Later(u32),
}

/// Leave to send one text now. One that is dropped unspent serves another text of this process.
#[derive(Debug)]
pub struct Token<'a> {
    pace: &'a Pace,
    window: i64,
    spent: bool,
}

impl Token<'_> {
    /// Spends it.
    pub fn spend(mut self) {
        self.spent = true;
    }
}

impl Drop for Token<'_> {
    fn drop(&mut self) {
        let mut held = self.pace.held();
        if !self.spent && held.window == self.window {
            held.tokens += 1;
        }
    }
}

/// Counts who waits, for as long as they do.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pace {
    /// The pace of a provider, by the name under which its counters lie.
    #[must_use]
    pub fn new(provider: &'static str, limits: Limits) -> Self {
        let place = stable_hash(&Uuid::new_v4().to_string());
        let (held, leasing, waiting) = (Mutex::default(), tokio::sync::Mutex::default(), AtomicU64::new(0));
        Self { provider, limits, held, leasing, waiting, place }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a text's turn, or says when to come again.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn turn(&self, store: &Store, now: &Now) -> Result<Turn<'_>, StoreError> {
        let _waiting = Waiting::new(&self.waiting);
        let patience_ends = now() + PATIENCE;
        loop {
            let leasing = self.leasing.lock().await;
            let at = now();
            let window = window_of(at);
            if self.draw(window) {
                return Ok(Turn::Go(Token { pace: self, window, spent: false }));
            }
            if window > self.held().none_until {
                let wanted = self.waiting.load(Ordering::Relaxed).clamp(1, BLOCK);
                let Some(tokens) = self.lease(store, at, window, wanted).await? else {
                    return Ok(Turn::Later(until_tomorrow(at)));
                };
                let mut held = self.held();
                if tokens == 0 {
                    held.none_until = held.none_until.max(window);
                } else {
                    *held = Held { window, tokens, none_until: held.none_until };
                }
                continue;
            }
            let next = self.held().none_until + 1;
            drop(leasing);
            let begins = Timestamp::from_millisecond(next.saturating_mul(WINDOW)).unwrap_or(Timestamp::MAX);
            if begins > patience_ends {
                return Ok(Turn::Later(AGAIN));
            }
            tokio::time::sleep(begins.duration_since(at).unsigned_abs()).await;
        }
    }

    /// Sends nothing for a while: the provider said that it was too much.
    pub fn hold_off(&self, at: Timestamp) {
        let mut held = self.held();
        held.tokens = 0;
        held.none_until = held.none_until.max(window_of(at) + HOLD_OFF);
    }

    fn draw(&self, window: i64) -> bool {
        if self.limits.per_minute == 0 && self.limits.per_day == 0 {
            return true;
        }
        let mut held = self.held();
        let has = held.window == window && held.tokens > 0;
        held.tokens -= u64::from(has);
        has
    }

    /// Takes tokens of a window, from the counter where this process begins and then from the others; none where the
    /// day's are used up.
    async fn lease(&self, store: &Store, at: Timestamp, window: i64, wanted: u64) -> Result<Option<u64>, StoreError> {
        let mut tokens = 0;
        if self.limits.per_minute == 0 {
            tokens = wanted;
        } else {
            let shards = self.limits.shards();
            for shard in (0..shards).map(|step| (self.place % shards + step) % shards) {
                let key = keys::quota(self.provider, &window.to_string(), shard);
                let most = self.limits.of_shard(window, shard);
                tokens += store.take_quota(key, wanted - tokens, most, at + 1.hour()).await?;
                if tokens == wanted {
                    break;
                }
            }
        }
        if self.limits.per_day == 0 || tokens == 0 {
            return Ok(Some(tokens));
        }
        let day = at.to_zoned(TimeZone::UTC).date();
        let key = keys::quota(self.provider, &day.to_string(), 0);
        let left = store.take_quota(key, tokens, self.limits.per_day, at + 72.hours()).await?;
        Ok((left > 0).then_some(left))
    }
}

/// Seconds to the end of the day (UTC).
fn until_tomorrow(at: Timestamp) -> u32 {
    let second = at.as_second().rem_euclid(86_400);
    u32::try_from(86_400 - second).unwrap_or(AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTIFY: Limits = Limits { per_minute: 3_000, per_day: 0 };

    #[test]
    fn windows_give_every_minute_the_same_and_any_sixty_seconds_less_than_the_limit() {
        for per_minute in [60, 1_000, 3_000, 3_600, 100_000, 1_000_000] {
            let limits = Limits { per_minute, ..NOTIFY };
            let begin = 3_533_000_007;
            for first in begin..begin + 200 {
                let minute: u64 = (first..first + 120).map(|window| limits.of_window(window)).sum();
                assert_eq!(minute, per_minute * SHARE / 100);
                // A minute that begins within a window touches one more; a second's lateness, two.
                let most: u64 = (first..first + 123).map(|window| limits.of_window(window)).sum();
                assert!(most <= per_minute || per_minute < 100, "{most} of {per_minute}");
            }
            for window in begin..begin + 10 {
                let shards: u64 = (0..limits.shards()).map(|shard| limits.of_shard(window, shard)).sum();
                assert_eq!(shards, limits.of_window(window));
            }
        }
    }

    #[test]
    fn a_token_that_was_not_spent_serves_another_text_of_its_window() {
        let pace = Pace::new("test", NOTIFY);
        *pace.held() = Held { window: 7, tokens: 1, none_until: 0 };
        assert!(pace.draw(7));
        assert!(!pace.draw(7));
        drop(Token { pace: &pace, window: 7, spent: false });
        assert!(!pace.draw(8), "it is good in its window alone");
        assert!(pace.draw(7));
        Token { pace: &pace, window: 7, spent: false }.spend();
        assert!(!pace.draw(7));
    }

    #[test]
    fn the_day_ends_at_midnight_utc() {
        assert_eq!(until_tomorrow("2025-10-06T23:59:50Z".parse().unwrap()), 10);
        assert_eq!(until_tomorrow("2025-10-06T00:00:00Z".parse().unwrap()), 86_400);
    }
}
