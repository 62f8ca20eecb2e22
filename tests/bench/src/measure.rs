//! What the system says of processes and of the machine.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

/// Where a run takes place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Processor, as the system names it.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Memory in bytes; 0 where the system does not tell.
    pub memory: u64,
    /// Operating system and architecture.
    pub system: String,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn this() -> Self {
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
            line.unwrap_or_default().trim().to_owned()
        };
        let kilobytes = field("/proc/meminfo", "MemTotal");
        let kilobytes: u64 = kilobytes.trim_end_matches("kB").trim().parse().unwrap_or_default();
        Self {
            cpu: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: kilobytes * 1024,
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }
}

/// A value with the wall-clock time that it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let value = work();
    (value, begun.elapsed())
}

/// The middle value; 0 of none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

/// The value below which this share of the values lies (nearest rank); 0 of none.
#[must_use]
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a rank")]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}

/// What the system says of a process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Process {
    /// Processor time in seconds so far, user's and system's.
    pub cpu: f64,
    /// Most memory that it ever held, bytes.
    pub peak_memory: u64,
}

/// Ticks a second of the times in `/proc`: 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

impl Process {
    /// A running process by its id.
    ///
    /// # Errors
    /// Where it is gone, or the system has no `/proc`.
    pub fn of(id: u32) -> Result<Self> {
        let folder = Path::new("/proc").join(id.to_string());
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
        };
        let (stat, status) = (read("stat")?, read("status")?);
        // The program's name, in brackets, may hold anything.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|value| value.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        Ok(Self { cpu: ticks.sum::<f64>() / TICKS, peak_memory: peak.unwrap_or_default() * 1024 })
    }

    /// This one.
    ///
    /// # Errors
    /// Where the system has no `/proc`.
    pub fn this() -> Result<Self> {
        Self::of(std::process::id())
    }

    /// Counts this process's most memory anew from what it holds now.
    ///
    /// # Errors
    /// Where the system does not let it.
    pub fn forget_peak() -> Result<()> {
        fs::write("/proc/self/clear_refs", "5").context("writing /proc/self/clear_refs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(vec![]), 0.0);
    }

    #[test]
    fn percentiles_are_values_of_the_sample() {
        let sorted: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(
            (percentile(&sorted, 0.5), percentile(&sorted, 0.99), percentile(&sorted, 1.0)),
            (100.0, 198.0, 200.0)
        );
        assert_eq!(percentile(&[], 0.5), 0.0);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_has_used_memory_and_time() {
        let mut sum = 0u64;
        while Process::this().unwrap().cpu == 0.0 {
            sum = (0..1_000_000u64).fold(sum, |sum, value| sum.wrapping_mul(31).wrapping_add(value));
        }
        assert!(Process::this().unwrap().peak_memory > 1 << 20, "{sum}");
    }
}
