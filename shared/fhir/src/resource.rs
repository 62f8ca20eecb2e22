//! A resource as validation sees it, whether it came as JSON or is being made from a row of a batch file.
//!
//! A row becomes a [`Draft`], which borrows the row's text: a tree of JSON values with owned keys would cost several
//! times what reading and checking the row does.

use std::borrow::Cow;
use std::fmt::Write;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// A part of a resource.
pub(crate) trait Node: Sized {
    /// The member of an object.
    fn get(&self, key: &str) -> Option<&Self>;
    /// The text of a string.
    fn text(&self) -> Option<&str>;
    /// The elements of an array.
    fn items(&self) -> Option<&[Self]>;
    /// A boolean.
    fn flag(&self) -> Option<bool>;
    /// A number written without fraction or exponent.
    fn integer(&self) -> Option<i64>;
    /// Whether it is a number of any kind.
    fn is_number(&self) -> bool;
    /// Number of members; `None` unless it is an object.
    fn members(&self) -> Option<usize>;
    /// Calls `f` with every member's name.
    fn each_key(&self, f: impl FnMut(&str));
    /// The resource as it is stored, without `id` and `meta`, which the service adds when it is read.
    fn stored(&self) -> String;

    /// The element whose member `key` is `text`.
    fn find<'n>(&'n self, key: &str, text: &str) -> Option<&'n Self> {
        self.items()?.iter().find(|item| item.get(key).and_then(Node::text) == Some(text))
    }

    /// The text at the end of a path of members.
    fn text_at(&self, path: &[&str]) -> Option<&str> {
        path.iter().try_fold(self, |node, key| node.get(key))?.text()
    }
}

impl Node for Value {
    fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    fn text(&self) -> Option<&str> {
        self.as_str()
    }

    fn items(&self) -> Option<&[Self]> {
        self.as_array().map(Vec::as_slice)
    }

    fn flag(&self) -> Option<bool> {
        self.as_bool()
    }

    fn integer(&self) -> Option<i64> {
        match self {
            Self::Number(number) if number.is_u64() => Some(number.as_i64().unwrap_or(i64::MAX)),
            Self::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    fn is_number(&self) -> bool {
        Self::is_number(self)
    }

    fn members(&self) -> Option<usize> {
        self.as_object().map(Map::len)
    }

    fn each_key(&self, mut f: impl FnMut(&str)) {
        for key in self.as_object().into_iter().flat_map(Map::keys) {
            f(key);
        }
    }

    fn stored(&self) -> String {
        struct Stored<'a>(&'a Map<String, Value>);
        impl Serialize for Stored<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().filter(|(key, _)| !matches!(key.as_str(), "id" | "meta")))
            }
        }
        self.as_object().and_then(|members| serde_json::to_string(&Stored(members)).ok()).unwrap_or_default()
    }
}

/// A resource under construction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Draft<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// A boolean.
    Flag(bool),
    /// A number without fraction.
    Integer(i64),
    /// A finite number with a fraction.
    Decimal(f64),
    /// An array.
    List(Vec<Draft<'a>>),
    /// An object; no name twice.
    Object(Vec<(&'static str, Draft<'a>)>),
}

impl<'a> Draft<'a> {
    /// A string.
    pub(crate) fn of(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// An object of those members that have a value; `None` where none has.
    pub(crate) fn object_of(members: &[(&'static str, &'a str)]) -> Option<Self> {
        let present: Vec<_> =
            members.iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| (*key, Self::of(text))).collect();
        (!present.is_empty()).then_some(Self::Object(present))
    }
}

impl Node for Draft<'_> {
    fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(name, _)| *name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn items(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Integer(_) | Self::Decimal(_))
    }

    fn members(&self) -> Option<usize> {
        match self {
            Self::Object(members) => Some(members.len()),
            _ => None,
        }
    }

    fn each_key(&self, mut f: impl FnMut(&str)) {
        if let Self::Object(members) = self {
            members.iter().for_each(|(key, _)| f(key));
        }
    }

    fn stored(&self) -> String {
        let mut json = String::with_capacity(2560);
        self.write(&mut json);
        json
    }
}

impl Draft<'_> {
    /// Writes the value as compact JSON. Nearly every text is written as it stands, so it is looked through once rather
    /// than escaped byte by byte; names of members are ours and need no escape.
    fn write(&self, json: &mut String) {
        match self {
            Self::Text(text) => write_text(text, json),
            Self::Flag(flag) => json.push_str(if *flag { "true" } else { "false" }),
            Self::Integer(number) => _ = write!(json, "{number}"),
            Self::Decimal(number) => json.push_str(&serde_json::to_string(number).unwrap_or_default()),
            Self::List(items) => {
                json.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        json.push(',');
                    }
                    item.write(json);
                }
                json.push(']');
            }
            Self::Object(members) => {
                json.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    json.push_str(if index > 0 { ",\"" } else { "\"" });
                    json.push_str(key);
                    json.push_str("\":");
                    value.write(json);
                }
                json.push('}');
            }
        }
    }
}

fn write_text(text: &str, json: &mut String) {
    if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        json.push_str(&serde_json::to_string(text).unwrap_or_default());
        return;
    }
    json.push('"');
    json.push_str(text);
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_draft_is_stored_as_the_json_that_it_stands_for() {
        let texts = ["", "plain", "Zoë ŵ 😀", "a \"quoted\" \\ word", "line\nbreak\u{1}\u{7f}", "\u{2028}"];
        let draft = Draft::Object(vec![
            ("texts", Draft::List(texts.iter().map(|text| Draft::of(text)).collect())),
            ("flags", Draft::List(vec![Draft::Flag(true), Draft::Flag(false)])),
            ("numbers", Draft::List(vec![Draft::Integer(-3), Draft::Integer(i64::MAX), Draft::Decimal(0.5)])),
            ("none", Draft::Object(Vec::new())),
        ]);
        let value = json!({"texts": texts, "flags": [true, false], "numbers": [-3, i64::MAX, 0.5], "none": {}});
        assert_eq!(draft.stored(), value.to_string());
    }
}
