//! Figures, and how they are written down.

use serde::Serialize;

use crate::measure::Machine;

/// Whether a smaller or a larger figure is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Seconds, bytes, duplicates.
    Lower,
    /// Rows a second.
    Higher,
}

/// One figure, and the peer's for the same work where there is a peer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Case {
    /// What was done.
    pub case: String,
    /// Our figure.
    pub ours: f64,
    /// The peer's.
    pub peer: Option<f64>,
    /// Who the peer is, with its version.
    pub peer_name: Option<String>,
    /// Unit of both.
    pub unit: &'static str,
    /// Which way is better.
    pub better: Better,
    /// How many times better ours is; over 1 where it is better.
    pub ratio: Option<f64>,
}

impl Case {
    /// A figure without a peer. One that is no finite number is written as 0.
    #[must_use]
    pub fn new(case: impl Into<String>, ours: f64, unit: &'static str, better: Better) -> Self {
        let ours = if ours.is_finite() { ours } else { 0.0 };
        Self { case: case.into(), ours, peer: None, peer_name: None, unit, better, ratio: None }
    }

    /// The same with the peer's figure. The ratio is left out where it would be no finite number.
    #[must_use]
    pub fn beside(self, peer_name: impl Into<String>, peer: f64) -> Self {
        let ratio = match self.better {
            Better::Lower => peer / self.ours,
            Better::Higher => self.ours / peer,
        };
        Self {
            peer: Some(peer).filter(|peer| peer.is_finite()),
            peer_name: Some(peer_name.into()),
            ratio: Some(ratio).filter(|ratio| ratio.is_finite()),
            ..self
        }
    }
}

/// What a benchmark found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// Whether ours and the peers' output is the same; `None` where there is no peer whose output could be compared.
    pub equal_output: Option<bool>,
    /// The figures.
    pub results: Vec<Case>,
}

/// A benchmark's name with what it found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Named {
    /// Name.
    pub bench: &'static str,
    /// What it found.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Everything that a run found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Where it ran.
    pub machine: Machine,
    /// The benchmarks, in the order in which they were run.
    pub benches: Vec<Named>,
}

impl Report {
    /// The figures as a table to read.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        for Named { bench, outcome } in &self.benches {
            let equal = match outcome.equal_output {
                Some(true) => "; output equal to the peers'",
                Some(false) => "; OUTPUT DIFFERS FROM THE PEERS'",
                None => "",
            };
            text.push_str(&format!("{bench}{equal}\n"));
            for case in &outcome.results {
                let ours = format!("{} {}", figure(case.ours), case.unit);
                text.push_str(&format!("  {:<46} {ours:>24}", case.case));
                if let (Some(peer), Some(name)) = (case.peer, &case.peer_name) {
                    text.push_str(&format!("  {name}: {}", figure(peer)));
                }
                if let Some(ratio) = case.ratio {
                    text.push_str(&format!("  ({} times better)", figure(ratio)));
                }
                text.push('\n');
            }
        }
        text
    }
}

/// A figure to three places that count, whole thousands in full.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_says_how_many_times_better_ours_is() {
        let faster = Case::new("rows", 300.0, "rows/s", Better::Higher).beside("peer", 100.0);
        let slower = Case::new("time", 3.0, "s", Better::Lower).beside("peer", 1.5);
        assert_eq!((faster.ratio, slower.ratio), (Some(3.0), Some(0.5)));
    }

    #[test]
    fn numbers_are_finite() {
        let nothing = Case::new("none", 0.0, "s", Better::Lower).beside("peer", 1.0);
        assert_eq!(nothing.ratio, None);
        let odd = Case::new("odd", f64::NAN, "s", Better::Lower).beside("peer", f64::INFINITY);
        assert_eq!((odd.ours, odd.peer, odd.ratio), (0.0, None, None));
    }

    #[test]
    fn the_report_has_the_shape_that_others_read() {
        let case = Case::new("rows", 2.0, "rows/s", Better::Higher);
        let named = Named { bench: "feed", outcome: Outcome { equal_output: None, results: vec![case] } };
        let report = serde_json::to_value(Report { machine: Machine::this(), benches: vec![named] }).unwrap();
        let bench = &report["benches"][0];
        assert_eq!(bench["bench"], "feed");
        assert!(bench["equal_output"].is_null());
        let expected = serde_json::json!({
            "case": "rows", "ours": 2.0, "peer": null, "peer_name": null, "unit": "rows/s", "better": "higher", "ratio": null
        });
        assert_eq!(bench["results"][0], expected);
        assert!(report["machine"]["cores"].as_u64().unwrap() > 0);
    }
}
