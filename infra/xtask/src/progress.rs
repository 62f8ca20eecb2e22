//! What is going on, on stderr, with the time since the start.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// Time since the first step of this process.
#[must_use]
pub fn elapsed() -> Duration {
    start().elapsed()
}

/// Says what happens next.
pub fn step(text: impl AsRef<str>) {
    eprintln!("[{:6.1} s] {}", elapsed().as_secs_f64(), text.as_ref());
}
