//! Who receives which changes.

use std::collections::BTreeSet;

use ims_domain::VaccineType;
use ims_domain::record::Immunisation;
use serde::Deserialize;
use thiserror::Error;

/// What a subscriber receives of restricted people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Restricted {
    /// The change, without what tells where the person lives or was vaccinated.
    Withhold,
    /// Nothing.
    Omit,
}

/// A receiver of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// Name: its folder in the bucket, and `subscriber` in events.
    pub name: String,
    /// Vaccine types; `None` for all.
    vaccine_types: Option<Vec<VaccineType>>,
    /// Suppliers whose records come from the subscriber itself, and do not go back.
    except_suppliers: BTreeSet<String>,
    /// What it receives of restricted people.
    restricted: Restricted,
}

impl Subscriber {
    /// Whether a change is for this subscriber; `restricted`: of a restricted person.
    #[must_use]
    pub fn wants(&self, held: &Immunisation, restricted: bool) -> bool {
        (!restricted || self.restricted == Restricted::Withhold)
            && self.vaccine_types.as_ref().is_none_or(|types| types.contains(&held.vaccine))
            && !self.except_suppliers.contains(&held.source.supplier)
    }
}

/// All subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribers(Vec<Subscriber>);

/// What is wrong with a list of subscribers.
#[derive(Debug, Error)]
pub enum SubscribersError {
    /// It has another shape.
    #[error("the list of subscribers cannot be read")]
    Json(#[from] serde_json::Error),
    /// A name is no folder, or stands twice.
    #[error("subscriber '{0}': a name is lower-case letters, digits and hyphens, and stands once")]
    Name(String),
    /// A vaccine type is not known.
    #[error("subscriber '{name}': '{vaccine}' is not a vaccine type")]
    Vaccine {
        /// Subscriber.
        name: String,
        /// What was written.
        vaccine: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(rename = "for")]
    _purpose: String,
    vaccine_types: Vec<String>,
    #[serde(default)]
    except_suppliers: BTreeSet<String>,
    restricted: Restricted,
}

impl Subscribers {
    /// The subscribers in `subscribers.json` beside this crate.
    ///
    /// # Errors
    /// Where the file is not valid.
    pub fn built_in() -> Result<Self, SubscribersError> {
        Self::read(include_str!("../subscribers.json"))
    }

    /// Reads a list of subscribers.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn read(json: &str) -> Result<Self, SubscribersError> {
        let written: Vec<Written> = serde_json::from_str(json)?;
        let mut subscribers: Vec<Subscriber> = Vec::with_capacity(written.len());
        for one in written {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if one.name.is_empty() || !one.name.bytes().all(fits) || subscribers.iter().any(|s| s.name == one.name) {
                return Err(SubscribersError::Name(one.name));
            }
            let vaccine_types = if one.vaccine_types.iter().any(|vaccine| vaccine == "*") {
                None
            } else {
                let read = |vaccine: &String| {
                    vaccine
                        .parse()
                        .map_err(|_| SubscribersError::Vaccine { name: one.name.clone(), vaccine: vaccine.clone() })
                };
                Some(one.vaccine_types.iter().map(read).collect::<Result<_, _>>()?)
            };
            subscribers.push(Subscriber {
                name: one.name,
                vaccine_types,
                except_suppliers: one.except_suppliers,
                restricted: one.restricted,
            });
        }
        Ok(Self(subscribers))
    }

    /// One after another.
    pub fn iter(&self) -> impl Iterator<Item = &Subscriber> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_and_a_mistake_is_named() {
        let names: Vec<String> = Subscribers::built_in().unwrap().iter().map(|s| s.name.clone()).collect();
        assert_eq!(names, ["central", "gp"]);
        let one = |name: &str, vaccine: &str| {
            format!(r#"{{"name":"{name}","for":"a test","vaccine_types":["{vaccine}"],"restricted":"omit"}}"#)
        };
        let wrong = |json: String| Subscribers::read(&json).unwrap_err().to_string();
        assert!(wrong(format!("[{}]", one("a", "MEASELS"))).contains("'MEASELS'"));
        assert!(wrong(format!("[{}]", one("a/b", "FLU"))).contains("'a/b'"));
        assert!(wrong(format!("[{},{}]", one("a", "FLU"), one("a", "*"))).contains("'a'"));
    }
}
