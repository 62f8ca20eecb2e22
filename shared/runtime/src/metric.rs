//! Metrics as log lines in the embedded metric format, from which CloudWatch makes them by itself.

use std::io::Write;

use jiff::Timestamp;
use serde_json::{Value, json};

/// Namespace of the service's own metrics.
const NAMESPACE: &str = "IMS";

/// Says counts, by name, in the log.
pub fn count(stage: &str, at: Timestamp, counts: &[(&str, u64)]) {
    let mut out = std::io::stdout().lock();
    // A line that cannot be written is a metric that is missing, which alarms say by themselves.
    _ = writeln!(out, "{}", line(stage, at, counts));
}

fn line(stage: &str, at: Timestamp, counts: &[(&str, u64)]) -> Value {
    let metrics: Vec<Value> = counts.iter().map(|(name, _)| json!({"Name": name, "Unit": "Count"})).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["Stage"]], "Metrics": metrics}],
        },
        "Stage": stage,
    });
    for (name, count) in counts {
        line[*name] = json!(count);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_declares_each_metric_and_has_its_value() {
        let line = line("sandbox", Timestamp::UNIX_EPOCH, &[("Waiting", 3), ("Late", 0)]);
        assert_eq!((&line["Waiting"], &line["Late"], &line["Stage"]), (&json!(3), &json!(0), &json!("sandbox")));
        let declared = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(declared["Metrics"][1], json!({"Name": "Late", "Unit": "Count"}));
        assert_eq!((&declared["Namespace"], &declared["Dimensions"]), (&json!("IMS"), &json!([["Stage"]])));
    }
}
