//! A resource as validation sees it, whether it came as JSON or is being made from a row of a batch file.
//!
//! A row becomes a [`Draft`], which borrows the row's text: a tree of JSON values with owned keys would cost several
//! times what reading and checking the row does.

use std::borrow::Cow;

use serde::ser::{SerializeMap, SerializeSeq};
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
        let mut bytes = Vec::with_capacity(2048);
        match serde_json::to_writer(&mut bytes, self) {
            Ok(()) => String::from_utf8(bytes).unwrap_or_default(),
            Err(_) => String::new(),
        }
    }
}

impl Serialize for Draft<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Decimal(number) => serializer.serialize_f64(*number),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                members.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
        }
    }
}
