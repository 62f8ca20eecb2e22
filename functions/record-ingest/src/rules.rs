//! Which rules refused a file's rows, and how often: what an operator and a supplier need to see that a file is wrong in one
//! way, rather than a thousand rows in some way each.

use std::collections::BTreeMap;

use ims_store::RowFailure;

/// Rules that are kept for a file: those that refused most rows.
const MOST: usize = 50;
/// Letters of a rule that are kept.
const LONGEST: usize = 200;

/// The rules that refused these rows, with their counts. A row may break several.
pub(crate) fn count<'f>(failures: impl Iterator<Item = &'f RowFailure>) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for failure in failures {
        for rule in broken(&failure.diagnostics) {
            *counts.entry(rule).or_default() += 1;
        }
    }
    let mut by_count: Vec<(String, u64)> = counts.into_iter().collect();
    by_count.sort_by_key(|(rule, count)| (std::cmp::Reverse(*count), rule.clone()));
    by_count.into_iter().take(MOST).collect()
}

/// The rules in the words of a refusal, less what names a record.
fn broken(diagnostics: &str) -> Vec<String> {
    if diagnostics.starts_with("The provided identifier: ") {
        return vec!["The provided identifier is duplicated".to_owned()];
    }
    if diagnostics.contains("resource does not exist") {
        return vec!["The record to change does not exist".to_owned()];
    }
    let all = diagnostics.strip_prefix("Validation errors: ").unwrap_or(diagnostics);
    all.split("; ")
        .map(|rule| rule.trim().chars().take(LONGEST).collect())
        .filter(|rule: &String| !rule.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ims_fhir::operation_outcome::text;

    fn failure(diagnostics: &str) -> RowFailure {
        RowFailure { row: 1, local_id: "u1^s".into(), diagnostics: diagnostics.into() }
    }

    #[test]
    fn each_rule_is_counted_and_no_record_named() {
        let failures = [
            failure("Validation errors: GENDER must be 1, 2, 9 or 0; RESTRICTED must be 0 or 1"),
            failure("Validation errors: GENDER must be 1, 2, 9 or 0"),
            failure(&text::duplicate("https://supplier.example", "u1")),
            failure(&text::duplicate("https://supplier.example", "u2")),
            failure(&text::not_found("https://supplier.example#u3")),
            failure("No permissions for requested operation"),
        ];
        let counts = count(failures.iter());
        let found: Vec<(&str, u64)> = counts.iter().map(|(rule, count)| (rule.as_str(), *count)).collect();
        assert_eq!(
            found,
            [
                ("GENDER must be 1, 2, 9 or 0", 2),
                ("No permissions for requested operation", 1),
                ("RESTRICTED must be 0 or 1", 1),
                ("The provided identifier is duplicated", 2),
                ("The record to change does not exist", 1),
            ]
        );
    }

    #[test]
    fn a_file_that_is_wrong_in_every_way_keeps_what_is_most_frequent() {
        let failures: Vec<RowFailure> =
            (0..80).flat_map(|rule| vec![failure(&format!("rule {rule:02}")); 1 + rule % 7]).collect();
        let counts = count(failures.iter());
        assert_eq!(counts.len(), MOST);
        assert!(counts.values().all(|count| *count >= 3), "{counts:?}");
    }
}
