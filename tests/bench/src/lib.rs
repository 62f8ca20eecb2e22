//! Benchmarks: what the service does a second, and beside it what the named peer does with the same work in the same run.
//!
//! A benchmark is a function from [`Options`] to an [`Outcome`], and a line in [`BENCHES`]. It says its progress on standard
//! error; the figures go into the report alone.

mod api;
pub mod cohort;
mod feed;
mod letters;
mod made;
pub mod measure;
pub mod memory;
pub mod report;
mod rules;
pub mod stack;
pub mod texts;
mod waves;

use anyhow::Result;

pub use report::{Better, Case, Outcome, Report};

/// What a run is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Size of the population, or of the work; each benchmark has its usual one.
    pub people: Option<u64>,
}

/// A benchmark.
#[derive(Debug, Clone, Copy)]
pub struct Bench {
    /// Name on the command line and in the report.
    pub name: &'static str,
    /// What it measures, in a line.
    pub about: &'static str,
    /// Runs it.
    pub run: fn(&Options) -> Result<Outcome>,
}

/// All benchmarks, in the order in which they are run.
pub const BENCHES: &[Bench] = &[
    Bench {
        name: "feed",
        about: "vaccination files through the local stack, with an in-memory store, and rows validated on one core",
        run: feed::run,
    },
    Bench { name: "rules", about: "people judged a second by the row evaluator on one core", run: rules::run },
    Bench { name: "api", about: "create, read and search on the local stack; the function's own cost", run: api::run },
    Bench {
        name: "cohort",
        about: "from the people's Parquet to the ordered candidates of nine priority groups, and previews",
        run: cohort::run,
    },
    Bench {
        name: "reselect",
        about: "selecting again after a day on which 1 % of people changed, against selecting all",
        run: cohort::reselect::run,
    },
    Bench {
        name: "waves",
        about: "a week's plan for 60 million candidates; ten weeks of invitations against three simpler policies",
        run: waves::run,
    },
    Bench {
        name: "letters",
        about: "letters typeset a second on one core, one PDF each and many to one, and what they weigh",
        run: letters::run,
    },
    Bench {
        name: "faults",
        about: "texts while Notify fails, receipts come in disorder and processes are killed: duplicates and losses",
        run: texts::faults::run,
    },
    Bench {
        name: "rate",
        about: "how far one process of sms-dispatch, and four, fill Notify's limit of 3,000 a minute",
        run: texts::rate::run,
    },
];

/// The benchmarks of these names, in their order; all of them where none is named.
///
/// # Errors
/// Names the first that there is not, and those that there are.
pub fn named(names: &[String]) -> Result<Vec<Bench>, String> {
    let known = || BENCHES.iter().map(|bench| bench.name).collect::<Vec<_>>().join(", ");
    if names.is_empty() {
        return Ok(BENCHES.to_vec());
    }
    names
        .iter()
        .map(|name| {
            let found = BENCHES.iter().find(|bench| bench.name == name);
            found.copied().ok_or_else(|| format!("there is no benchmark '{name}'; there are {}", known()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_refused_with_those_that_are_known() {
        let refusal = named(&["feed".to_owned(), "nothing".to_owned()]).unwrap_err();
        assert!(refusal.contains("'nothing'") && refusal.contains("feed"), "{refusal}");
        assert_eq!(named(&[]).unwrap().len(), BENCHES.len());
    }
}
