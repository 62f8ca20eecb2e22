//! What a step means: a table of sentences, each with the function that carries it out.

use anyhow::Result;
use futures::future::BoxFuture;

use crate::world::World;
use crate::{acks, answers, events, files, found, outbound, payloads, requests, searches, stored, whole_files};

/// What a step said: the values in its sentence, and the table under it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Values in the order of the sentence.
    pub values: Vec<String>,
    /// Table, header first.
    pub table: Option<Vec<Vec<String>>>,
}

impl Said {
    /// The value at this place of the sentence.
    #[must_use]
    pub fn value(&self, place: usize) -> &str {
        self.values.get(place).map_or("", String::as_str)
    }
}

/// A function that carries a step out.
pub type Act = for<'a> fn(&'a mut World, &'a Said) -> BoxFuture<'a, Result<()>>;
/// A sentence, `{}` standing for its values, and what it means. Case, quotation marks around values and the number of
/// spaces do not matter.
pub type Step = (&'static str, Act);

/// Sentences and the functions for them.
macro_rules! steps {
    ($($sentence:literal => $act:path,)*) => {
        &[$(($sentence, |world, said| Box::pin($act(world, said)))),*]
    };
}
pub(crate) use steps;

/// Why a row is not run here.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Skipped(pub &'static str);

const TABLES: [&[Step]; 11] = [
    payloads::STEPS,
    requests::STEPS,
    answers::STEPS,
    searches::STEPS,
    found::STEPS,
    files::STEPS,
    whole_files::STEPS,
    acks::STEPS,
    stored::STEPS,
    outbound::STEPS,
    events::STEPS,
];

/// The function for a step and the values in it; of several sentences that fit, the one that says most. `None` where the
/// step is not understood.
#[must_use]
pub fn understand(text: &str) -> Option<(Act, Vec<String>)> {
    let text = plain(text);
    let fitting = TABLES.into_iter().flatten().filter_map(|(sentence, act)| {
        let sentence = plain(sentence);
        matched(&sentence, &text).map(|values| (sentence.len(), *act, values))
    });
    fitting.max_by_key(|(length, ..)| *length).map(|(_, act, values)| (act, values))
}

/// A sentence with single spaces and without single quotation marks.
fn plain(text: &str) -> String {
    text.replace('\'', "").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The values that stand in a text where a sentence has `{}`.
fn matched(sentence: &str, text: &str) -> Option<Vec<String>> {
    // An empty value at the end has left no space before it.
    let text = if sentence.ends_with("{}") { format!("{text} ") } else { text.to_owned() };
    let lower = text.to_ascii_lowercase();
    let sentence = sentence.to_ascii_lowercase();
    let mut parts = sentence.split("{}");
    let mut at = lower.strip_prefix(parts.next()?).map(|rest| lower.len() - rest.len())?;
    let mut parts = parts.peekable();
    let mut values = Vec::new();
    while let Some(part) = parts.next() {
        let end = match parts.peek() {
            Some(_) => at + lower[at..].find(part)?,
            None => lower[at..].strip_suffix(part).map(|value| at + value.len())?,
        };
        values.push(text[at..end].trim().to_owned());
        at = end + part.len();
    }
    (at == text.len()).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_the_sentence_leaves_room() {
        for (sentence, text, values) in [
            ("a thing", "A  thing", Some(vec![])),
            ("a thing", "a thing more", None),
            ("status code {}", "status code '201'", Some(vec!["201"])),
            ("from {} to {}", "from '2025-13-01' to ''", Some(vec!["2025-13-01", ""])),
            (
                "{} and {} for the file",
                "Failed and File headers are invalid. for the file",
                Some(vec!["Failed", "File headers are invalid."]),
            ),
            ("from {} on", "to x on", None),
        ] {
            let values = values.map(|values| values.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(matched(&plain(sentence), &plain(text)), values, "{text}");
        }
    }

    #[test]
    fn the_sentence_that_says_most_is_meant_and_others_are_not_understood() {
        let values = |text: &str| understand(text).map(|(_, values)| values);
        assert_eq!(values("The request will be successful with the status code '204'"), Some(vec!["204".to_owned()]));
        assert_eq!(values("Valid json payload is created"), Some(vec![]));
        assert_eq!(values("Valid json payload is created by an owl"), None);
    }

    #[test]
    fn no_two_steps_have_one_sentence() {
        let mut all: Vec<String> =
            TABLES.into_iter().flatten().map(|(sentence, _)| plain(sentence).to_ascii_lowercase()).collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
