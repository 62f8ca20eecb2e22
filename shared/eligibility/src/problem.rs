//! What is wrong with a campaign, and a reader of JSON objects that collects it all.

use std::cell::RefCell;
use std::fmt;

use jiff::civil::{Date, Time};
use serde_json::{Map, Value};

use crate::operator::parse_date;

/// One thing wrong with a campaign definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, for example `CampaignConfig.Iterations[0].IterationRules[3].Comparator`.
    pub path: String,
    /// What, with the value at fault.
    pub message: String,
    /// The campaign cannot be evaluated at all (as opposed to: it can, but is not fit to publish).
    pub(crate) fatal: bool,
}

impl Problem {
    /// A problem that whoever reads campaigns found beside these.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), fatal: true }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Collects problems while several scopes of one document are being read.
#[derive(Debug, Default)]
pub(crate) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    /// Reports something that stops the campaign from being evaluated.
    pub(crate) fn fatal(&self, path: impl Into<String>, message: impl Into<String>) {
        self.push(path.into(), message.into(), true);
    }

    /// Reports something that should stop the campaign from being published.
    pub(crate) fn flaw(&self, path: impl Into<String>, message: impl Into<String>) {
        self.push(path.into(), message.into(), false);
    }

    fn push(&self, path: String, message: String, fatal: bool) {
        self.0.borrow_mut().push(Problem { path, message, fatal });
    }

    pub(crate) fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// One JSON object at a known path.
pub(crate) struct Scope<'a> {
    map: &'a Map<String, Value>,
    path: String,
    problems: &'a Problems,
}

impl<'a> Scope<'a> {
    /// The object at `path`; `None`, reported, if the value is something else.
    pub(crate) fn of(value: &'a Value, path: String, problems: &'a Problems) -> Option<Self> {
        match value.as_object() {
            Some(map) => Some(Self { map, path, problems }),
            None => {
                problems.fatal(path, format!("{} is not an object", shown(value)));
                None
            }
        }
    }

    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(crate) fn fatal(&self, key: &str, message: impl Into<String>) {
        self.problems.fatal(self.path_of(key), message);
    }

    pub(crate) fn flaw(&self, key: &str, message: impl Into<String>) {
        self.problems.flaw(self.path_of(key), message);
    }

    /// The value, unless absent or null.
    pub(crate) fn value(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|v| !v.is_null())
    }

    /// Reports members that there should not be.
    pub(crate) fn only(&self, known: &[&str]) {
        for key in self.map.keys().filter(|key| !known.contains(&key.as_str())) {
            self.fatal(key, format!("is not known; expected {}", known.join(", ")));
        }
    }

    pub(crate) fn mandatory(&self, key: &str) -> Option<&'a Value> {
        let value = self.value(key);
        if value.is_none() {
            self.fatal(key, if self.map.contains_key(key) { "must not be null" } else { "is missing" });
        }
        value
    }

    fn as_text(&self, key: &str, value: &Value) -> Option<String> {
        match value {
            Value::String(s) => Some(s.clone()),
            other => {
                self.fatal(key, format!("{} is not a string", shown(other)));
                None
            }
        }
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.mandatory(key).and_then(|v| self.as_text(key, v))
    }

    pub(crate) fn optional_text(&self, key: &str) -> Option<String> {
        self.value(key).and_then(|v| self.as_text(key, v))
    }

    /// A mandatory string that identifies something, so must not be blank.
    pub(crate) fn name(&self, key: &str) -> Option<String> {
        let text = self.text(key)?;
        if text.trim().is_empty() {
            self.flaw(key, "must not be blank");
        }
        Some(text)
    }

    fn as_whole(&self, key: &str, value: &Value) -> Option<i64> {
        // Campaigns in use carry whole numbers as strings, too.
        let number = match value {
            Value::Number(n) => n.as_i64().or_else(|| n.as_f64().filter(|f| f.fract() == 0.0).map(|f| f as i64)),
            Value::String(s) => s.trim().parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.fatal(key, format!("{} is not a whole number", shown(value)));
        }
        number
    }

    pub(crate) fn whole(&self, key: &str) -> Option<i64> {
        self.mandatory(key).and_then(|v| self.as_whole(key, v))
    }

    pub(crate) fn optional_whole(&self, key: &str) -> Option<i64> {
        self.value(key).and_then(|v| self.as_whole(key, v))
    }

    /// A mandatory string out of a closed list.
    pub(crate) fn one_of(&self, key: &str, allowed: &[&'static str]) -> Option<&'static str> {
        let text = self.text(key)?;
        let found = allowed.iter().copied().find(|a| *a == text);
        if found.is_none() {
            self.fatal(key, format!("{text:?} is not one of {}", allowed.join(", ")));
        }
        found
    }

    /// A mandatory `YYYYMMDD`, as string or number.
    pub(crate) fn date(&self, key: &str) -> Option<Date> {
        let value = self.mandatory(key)?;
        let text = match value {
            Value::String(s) => s.clone(),
            Value::Number(n) => n.to_string(),
            other => {
                self.fatal(key, format!("{} is not a date; write YYYYMMDD", shown(other)));
                return None;
            }
        };
        let date = parse_date(&text);
        if date.is_none() {
            self.fatal(key, format!("{text:?} is not a date; write YYYYMMDD"));
        }
        date
    }

    /// An optional `HH:MM:SS`; an empty string counts as absent.
    pub(crate) fn optional_time(&self, key: &str) -> Option<Time> {
        let text = self.optional_text(key)?;
        if text.is_empty() {
            return None;
        }
        let time = parse_time(text.trim());
        if time.is_none() {
            self.fatal(key, format!("{text:?} is not a time; write HH:MM:SS"));
        }
        time
    }

    pub(crate) fn optional_texts(&self, key: &str) -> Vec<String> {
        match self.value(key) {
            None => Vec::new(),
            Some(value) => self.as_texts(key, value),
        }
    }

    pub(crate) fn as_texts(&self, key: &str, value: &Value) -> Vec<String> {
        let Some(items) = value.as_array() else {
            self.fatal(key, format!("{} is not a list of strings", shown(value)));
            return Vec::new();
        };
        let mut texts = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            match item.as_str() {
                Some(text) => texts.push(text.to_owned()),
                None => self.fatal(&format!("{key}[{i}]"), format!("{} is not a string", shown(item))),
            }
        }
        texts
    }

    /// The objects of a mandatory list.
    pub(crate) fn objects(&self, key: &str) -> Vec<Scope<'a>> {
        let Some(value) = self.mandatory(key) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.fatal(key, format!("{} is not a list", shown(value)));
            return Vec::new();
        };
        let path = self.path_of(key);
        let scope = |(i, item)| Scope::of(item, format!("{path}[{i}]"), self.problems);
        items.iter().enumerate().filter_map(scope).collect()
    }

    /// The objects of a map from names to objects, in the order written.
    pub(crate) fn entries(&self, key: &str, value: &'a Value) -> Vec<(String, Scope<'a>)> {
        let path = self.path_of(key);
        let Some(scope) = Scope::of(value, path.clone(), self.problems) else { return Vec::new() };
        let mut entries = Vec::with_capacity(scope.map.len());
        for (name, item) in scope.map {
            if name.is_empty() {
                self.flaw(key, "has an entry whose key is empty");
            }
            if let Some(entry) = Scope::of(item, format!("{path}.{name}"), self.problems) {
                entries.push((name.clone(), entry));
            }
        }
        entries
    }

    pub(crate) fn mandatory_entries(&self, key: &str) -> Vec<(String, Scope<'a>)> {
        self.mandatory(key).map(|v| self.entries(key, v)).unwrap_or_default()
    }

    pub(crate) fn child(&self, key: &str) -> Option<Scope<'a>> {
        Scope::of(self.value(key)?, self.path_of(key), self.problems)
    }
}

/// `HH:MM:SS`.
fn parse_time(text: &str) -> Option<Time> {
    let bytes = text.as_bytes();
    if bytes.len() != 8 || bytes[2] != b':' || bytes[5] != b':' {
        return None;
    }
    let two = |at: usize| -> Option<i8> {
        let digits = text.get(at..at + 2)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    Time::new(two(0)?, two(3)?, two(6)?, 0).ok()
}

/// A value as it should appear in a message: whole if short.
pub(crate) fn shown(value: &Value) -> String {
    const LIMIT: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= LIMIT {
        return text;
    }
    let start: String = text.chars().take(LIMIT).collect();
    format!("{start}…")
}
