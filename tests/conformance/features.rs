//! Feature files, and the rows that are in them: a line of an outline's examples, or a scenario without an outline.

use std::path::{Path, PathBuf};

use gherkin::{Examples, Feature, GherkinEnv, Scenario, Table};

/// A row: everything that is needed to run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// File name of the feature.
    pub feature: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Place of the row in its scenario, from 1.
    pub place: usize,
    /// Tags of feature, scenario and examples, without `@`.
    pub tags: Vec<String>,
    /// Steps, with the values of the row filled in.
    pub steps: Vec<Line>,
}

/// A step as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `Given`, `When`, `Then`, `And`, `But`.
    pub keyword: String,
    /// The step.
    pub text: String,
    /// The table under it, header first.
    pub table: Option<Vec<Vec<String>>>,
}

impl Row {
    /// The value of the tag that begins so, such as `FLU` of `vaccine_type_FLU` for `vaccine_type_`.
    #[must_use]
    pub fn tagged(&self, prefix: &str) -> Option<&str> {
        self.tags.iter().rev().find_map(|tag| tag.strip_prefix(prefix))
    }
}

/// The rows of a file.
///
/// # Errors
/// Where it is no feature file, with the place of what is not understood.
pub fn read(path: &Path) -> Result<Vec<Row>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    rows(&name, &text)
}

/// The rows of a feature, in order.
fn rows(file: &str, text: &str) -> Result<Vec<Row>, String> {
    let feature = Feature::parse(text, GherkinEnv::default()).map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    let background = |given: &Option<gherkin::Background>| given.as_ref().map(|b| b.steps.clone()).unwrap_or_default();
    let before = background(&feature.background);
    for scenario in &feature.scenarios {
        rows.extend(expand(file, &feature.tags, &before, scenario));
    }
    for rule in &feature.rules {
        let (mut tags, mut before) = (feature.tags.clone(), before.clone());
        tags.extend(rule.tags.iter().cloned());
        before.extend(background(&rule.background));
        for scenario in &rule.scenarios {
            rows.extend(expand(file, &tags, &before, scenario));
        }
    }
    Ok(rows)
}

fn expand(file: &str, tags: &[String], before: &[gherkin::Step], scenario: &Scenario) -> Vec<Row> {
    let mut all = tags.to_vec();
    all.extend(scenario.tags.iter().cloned());
    let row = |place, tags: &[String], values: &[(String, String)]| Row {
        feature: file.to_owned(),
        scenario: filled(&scenario.name, values),
        place,
        tags: tags.iter().map(|tag| tag.trim_start_matches('@').to_owned()).collect(),
        steps: before.iter().chain(&scenario.steps).map(|step| line(step, values)).collect(),
    };
    if scenario.examples.is_empty() {
        return vec![row(1, &all, &[])];
    }
    let mut rows = Vec::new();
    for Examples { table, tags, .. } in &scenario.examples {
        let tags: Vec<String> = all.iter().chain(tags).cloned().collect();
        for values in table.as_ref().map(examples).unwrap_or_default() {
            rows.push(row(rows.len() + 1, &tags, &values));
        }
    }
    rows
}

/// The lines of a table of examples, as (name, value).
fn examples(table: &Table) -> Vec<Vec<(String, String)>> {
    let Some((header, lines)) = table.rows.split_first() else { return Vec::new() };
    lines.iter().map(|line| header.iter().cloned().zip(line.iter().cloned()).collect()).collect()
}

fn line(step: &gherkin::Step, values: &[(String, String)]) -> Line {
    let table = step.table.as_ref().map(|table| {
        let rows = table.rows.iter();
        rows.map(|row| row.iter().map(|cell| filled(cell, values)).collect()).collect()
    });
    Line { keyword: step.keyword.trim().to_owned(), text: filled(&step.value, values), table }
}

/// A text with the values of a row in the place of their names.
fn filled(text: &str, values: &[(String, String)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("<{name}>"), value))
}

/// The feature files of a folder and the folders in it, in the order of their paths.
///
/// # Errors
/// Where the folder cannot be read.
pub fn files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "feature") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "@all
Feature: Things

    Background:
        Given a shop

    @one @vaccine_type_FLU
    Scenario: plain
        Given a thing
            | name | size |
            | a b  |      |
        # And not this
        Then it is there

    @vaccine_type_RSV
    Scenario Outline: outline for <who>
        When '<who>' asks <what>

        Examples:
            | who | what |
            | EMIS | \"\" |
            | TPP | a <b> |
        @late
        Examples:
            | who | what |
            | SONAR | x |";

    #[test]
    fn an_outline_is_a_row_for_each_line_of_its_examples() {
        let rows = rows("things.feature", TEXT).unwrap();
        let said = |row: &Row| row.steps.iter().map(|step| step.text.clone()).collect::<Vec<_>>();
        assert_eq!(rows.iter().map(|row| row.place).collect::<Vec<_>>(), [1, 1, 2, 3]);
        assert_eq!(said(&rows[0]), ["a shop", "a thing", "it is there"]);
        assert_eq!(
            rows[0].steps[1].table,
            Some(vec![vec!["name".into(), "size".into()], vec!["a b".into(), "".into()]])
        );
        assert_eq!(rows[1].scenario, "outline for EMIS");
        assert_eq!(said(&rows[1]), ["a shop", "'EMIS' asks \"\""]);
        assert_eq!(said(&rows[2])[1], "'TPP' asks a <b>");
        assert_eq!(rows[3].tags, ["all", "vaccine_type_RSV", "late"]);
        assert_eq!((rows[0].tagged("vaccine_type_"), rows[3].tagged("vaccine_type_")), (Some("FLU"), Some("RSV")));
    }

    #[test]
    fn what_is_no_feature_is_told_with_its_place() {
        let error = rows("x.feature", "Feature: x\n  Scenario: y\n    Given z\n    Perhaps z\n").unwrap_err();
        assert!(error.contains("5:1"), "{error}");
    }
}
