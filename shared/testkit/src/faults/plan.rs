//! Which faults meet which requests. Whether one does is drawn from the seed, the operation and how many requests of
//! that operation came before: with one seed, the nth request of an operation always meets the same fault.

use serde::{Deserialize, Serialize};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Another transaction holds one of the items: `TransactionCanceledException` with the reason `TransactionConflict`,
    /// for a single write `TransactionConflictException`. Nothing is written.
    Conflict,
    /// `TransactionInProgressException`, as for a token whose first request is still under way. Nothing is written.
    InProgress,
    /// `ProvisionedThroughputExceededException`, `ThrottlingException` or `RequestLimitExceeded`, for a transaction also
    /// a cancellation with such a reason. Nothing is read or written.
    Throttle,
    /// 500 `InternalServerError`. Nothing is read or written.
    ServerError,
    /// Part of a batch is left unprocessed.
    Unprocessed,
    /// The request is carried out and its reply lost: the connection closes, or 500 is answered.
    LostReply,
    /// A read that need not be consistent is answered as it was answered before.
    StaleRead,
    /// The answer comes late, by `delay_ms`.
    Slow,
}

/// A fault that meets a share of the requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub kind: Kind,
    /// Share of the requests that can meet it, 0 to 1; 1 unless given.
    #[serde(default = "everything")]
    pub rate: f64,
    /// Only these operations, e.g. `TransactWriteItems`; all that can meet it unless given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
    /// Only requests whose body contains this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containing: Option<String>,
    /// At most so many times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
    /// Milliseconds by which `slow` delays; 200 unless given.
    #[serde(default = "usual_delay")]
    pub delay_ms: u64,
}

/// The faults that are on, the first of which that meets a request happens.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Seed of all draws.
    #[serde(default)]
    pub seed: u64,
    /// The faults.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

fn everything() -> f64 {
    1.0
}

fn usual_delay() -> u64 {
    200
}

impl Fault {
    /// A fault of this kind at this rate.
    #[must_use]
    pub fn new(kind: Kind, rate: f64) -> Self {
        Self { kind, rate, operations: Vec::new(), containing: None, at_most: None, delay_ms: usual_delay() }
    }

    /// Only for requests of this operation.
    #[must_use]
    pub fn on(mut self, operation: &str) -> Self {
        self.operations.push(operation.to_owned());
        self
    }

    /// At most so many times.
    #[must_use]
    pub fn at_most(mut self, times: u64) -> Self {
        self.at_most = Some(times);
        self
    }

    /// Only for requests whose body contains a text.
    #[must_use]
    pub fn containing(mut self, text: &str) -> Self {
        self.containing = Some(text.to_owned());
        self
    }

    /// Whether it meets the `number`th request (from 0) of an operation, having happened `so_far` times.
    pub(super) fn meets(&self, seed: u64, operation: &str, number: u64, body: &str, so_far: u64) -> bool {
        self.kind.can_meet(operation)
            && (self.operations.is_empty() || self.operations.iter().any(|wanted| wanted == operation))
            && self.at_most.is_none_or(|times| so_far < times)
            && self.containing.as_ref().is_none_or(|text| body.contains(text.as_str()))
            && Draw::new(seed, operation, number, self.kind as u64).share() < self.rate
    }
}

impl Kind {
    fn can_meet(self, operation: &str) -> bool {
        match self {
            Self::Conflict => {
                matches!(operation, "TransactWriteItems" | "PutItem" | "UpdateItem" | "DeleteItem" | "TransactGetItems")
            }
            Self::InProgress => operation == "TransactWriteItems",
            Self::Unprocessed => matches!(operation, "BatchWriteItem" | "BatchGetItem"),
            Self::StaleRead => matches!(operation, "Query" | "Scan" | "GetItem" | "BatchGetItem"),
            Self::Throttle | Self::ServerError | Self::LostReply | Self::Slow => true,
        }
    }
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn parse(body: &[u8]) -> Result<Self, String> {
        let plan: Self = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        match plan.faults.iter().find(|fault| !(0.0..=1.0).contains(&fault.rate)) {
            Some(fault) => Err(format!("rate {} of {:?} is not between 0 and 1", fault.rate, fault.kind)),
            None => Ok(plan),
        }
    }
}

/// Draws for one request (SplitMix64).
#[derive(Debug, Clone)]
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(seed: u64, operation: &str, number: u64, salt: u64) -> Self {
        let mut draw = Self(seed);
        for part in operation.bytes().map(u64::from).chain([number, salt]) {
            draw.0 ^= part;
            draw.0 = draw.next();
        }
        draw
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to 1. 53 bits, so that the quotient is exact.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below a bound; 0 where the bound is 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_always_meets_the_same_requests_and_another_meets_others() {
        let fault = Fault::new(Kind::Throttle, 0.25);
        let met = |seed| (0..400).map(|n| fault.meets(seed, "GetItem", n, "", 0)).collect::<Vec<_>>();
        assert_eq!(met(7), met(7));
        assert_ne!(met(7), met(8));
        let share = met(7).into_iter().filter(|met| *met).count();
        assert!((60..140).contains(&share), "{share} of 400 at a rate of a quarter");
    }

    #[test]
    fn a_fault_keeps_to_its_operations_its_text_and_its_times() {
        let fault = Fault::new(Kind::LostReply, 1.0).on("TransactWriteItems").at_most(2).containing("made-up");
        assert!(fault.meets(1, "TransactWriteItems", 0, "a made-up one", 1));
        assert!(!fault.meets(1, "TransactWriteItems", 0, "a made-up one", 2));
        assert!(!fault.meets(1, "TransactWriteItems", 0, "another", 0));
        assert!(!fault.meets(1, "GetItem", 0, "a made-up one", 0));
        assert!(
            !Fault::new(Kind::Unprocessed, 1.0).meets(1, "GetItem", 0, "", 0),
            "only a batch can be left half done"
        );
    }

    #[test]
    fn a_plan_that_makes_no_sense_is_refused() {
        for body in
            [r#"{"faults": [{"kind": "fire"}]}"#, r#"{"faults": [{"kind": "slow", "rate": 2}]}"#, r#"{"sed": 1}"#]
        {
            assert!(Plan::parse(body.as_bytes()).is_err(), "{body}");
        }
        let plan = Plan::parse(br#"{"seed": 3, "faults": [{"kind": "lost_reply"}]}"#).unwrap();
        assert_eq!(plan, Plan { seed: 3, faults: vec![Fault::new(Kind::LostReply, 1.0)] });
    }
}
