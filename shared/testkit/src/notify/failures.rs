//! Faults that can be set. Whether one hits is drawn from the seed, the message's reference and how often that
//! reference was seen: the same run meets the same faults in whatever order requests arrive.

use serde::{Deserialize, Serialize};

/// A fault that hits a share of the requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// What happens.
    pub mode: Mode,
    /// Share of requests, 0 to 1; 1 unless given.
    #[serde(default = "everything")]
    pub share: f64,
    /// Seed of the draw.
    #[serde(default)]
    pub seed: u64,
    /// Time that `slow`, `late_accept` and the time-outs take, in milliseconds.
    #[serde(default)]
    pub delay_ms: Option<u64>,
    /// Which requests; `send` unless given.
    #[serde(default)]
    pub on: On,
    /// Only the first so many requests with one reference; all unless given.
    #[serde(default)]
    pub attempts: Option<u32>,
}

fn everything() -> f64 {
    1.0
}

/// What happens to a request that a failure hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Accepted, but the connection hangs for the delay (60 s) and then answers 504.
    TimeoutAfterAccept,
    /// Not accepted; the connection hangs for the delay (60 s) and then answers 504.
    TimeoutBeforeAccept,
    /// Arrives after the delay (20 s) even when the sender has gone; its token is checked then.
    LateAccept,
    /// Not accepted, answered 500.
    #[serde(rename = "status_500")]
    Status500,
    /// Not accepted, answered 429.
    #[serde(rename = "status_429")]
    Status429,
    /// Answered as usual after the delay (1 s); of a receipt: posted after it, so that later ones come before it.
    Slow,
    /// Of a receipt alone: posted three times.
    Thrice,
    /// Of a receipt alone: followed by one that says less, as if it had been overtaken.
    Overtaken,
}

impl Mode {
    pub(super) fn default_delay_ms(self) -> u64 {
        match self {
            Self::TimeoutAfterAccept | Self::TimeoutBeforeAccept => 60_000,
            Self::LateAccept => 20_000,
            Self::Slow => 1_000,
            Self::Status500 | Self::Status429 | Self::Thrice | Self::Overtaken => 0,
        }
    }
}

/// Requests that a failure can hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// Requests to send.
    #[default]
    Send,
    /// Requests for a list, such as by reference; every time-out here only delays.
    Find,
    /// Receipts that are posted.
    Receipt,
}

impl Failure {
    /// Whether it hits the `attempt`th request (from 0) with a reference.
    pub(super) fn hits(&self, on: On, reference: &str, attempt: u32) -> bool {
        if self.on != on || self.attempts.is_some_and(|attempts| attempt >= attempts) {
            return false;
        }
        let mut state = self.seed ^ (u64::from(attempt) << 32);
        for byte in reference.bytes() {
            state = splitmix(state ^ u64::from(byte));
        }
        // 53 bits, so that the quotient is exact.
        ((splitmix(state) >> 11) as f64 / (1_u64 << 53) as f64) < self.share
    }
}

fn splitmix(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Reads one failure or a list of them; the first that hits a request is the one that happens.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Failure>, String> {
    let value: serde_json::Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let list = if value.is_array() { value } else { serde_json::Value::Array(vec![value]) };
    let failures: Vec<Failure> = serde_json::from_value(list).map_err(|error| error.to_string())?;
    let of_receipts = |mode| matches!(mode, Mode::Thrice | Mode::Overtaken);
    for Failure { mode, share, on, .. } in &failures {
        if !(0.0..=1.0).contains(share) {
            return Err(format!("share {share} is not between 0 and 1"));
        }
        let fits = if *on == On::Receipt { of_receipts(*mode) || *mode == Mode::Slow } else { !of_receipts(*mode) };
        if !fits {
            return Err(format!("mode {mode:?} does not happen on {on:?}"));
        }
    }
    Ok(failures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_messages_is_hit_and_always_the_same_ones() {
        let failure = &parse(br#"{"mode": "status_500", "share": 0.2, "seed": 1}"#).unwrap()[0];
        let hit: Vec<usize> = (0..10_000).filter(|i| failure.hits(On::Send, &format!("reference {i}"), 0)).collect();
        assert!((1_850..2_150).contains(&hit.len()), "{}", hit.len());
        let again: Vec<usize> = (0..10_000).filter(|i| failure.hits(On::Send, &format!("reference {i}"), 0)).collect();
        assert_eq!(hit, again);
        let second = hit.iter().filter(|i| failure.hits(On::Send, &format!("reference {i}"), 1)).count();
        assert!(second < hit.len() / 3, "a second attempt is drawn anew: {second}");
    }

    #[test]
    fn a_wrong_failure_is_refused() {
        for body in [
            "",
            "{}",
            r#"{"mode": "fire"}"#,
            r#"{"mode": "thrice"}"#,
            r#"{"mode": "status_500", "on": "receipt"}"#,
            r#"{"mode": "slow", "share": 2}"#,
            r#"{"mode": "slow", "chance": 1}"#,
        ] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
        assert_eq!(parse(br#"[{"mode": "slow"}, {"mode": "status_429", "on": "find"}]"#).unwrap().len(), 2);
    }
}
