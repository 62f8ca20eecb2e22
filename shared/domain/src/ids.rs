//! Identifiers, one type an entity.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Namespace of every identifier that is derived from what it names.
const NAMESPACE: Uuid = Uuid::from_u128(0x1b0c_5c0e_8e55_4d5b_9a1e_1b6e_2f6a_9c11);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id!(
    /// A person, whatever NHS numbers point to them. Random: it says nothing of the person.
    PersonId
);
id!(
    /// An immunisation record. Derived from the supplier's identifier, so that one identifier can have one record only.
    ImmunisationId
);
id!(
    /// A message to a person. Derived from what it is, so that it cannot exist twice; it is also the provider's reference.
    MessageId
);
id!(
    /// A print batch.
    BatchId
);

/// Parts joined so that no two different lists give the same text.
fn derived(kind: &str, parts: &[&str]) -> Uuid {
    let mut text = String::from(kind);
    for part in parts {
        text.push_str(&format!("|{}:{part}", part.len()));
    }
    Uuid::new_v5(&NAMESPACE, text.as_bytes())
}

impl ImmunisationId {
    /// The id of the record with this supplier identifier.
    #[must_use]
    pub fn of(system: &str, value: &str) -> Self {
        Self(derived("immunisation", &[system, value]))
    }
}

impl MessageId {
    /// The one message to a person for a dose of a campaign at a step on a channel.
    #[must_use]
    pub fn of(person: PersonId, campaign: &str, dose: u8, step: &str, channel: &str) -> Self {
        Self(derived("message", &[&person.to_string(), campaign, &dose.to_string(), step, channel]))
    }
}

impl BatchId {
    /// The print batch that seals this list of messages.
    #[must_use]
    pub fn of(campaign: &str, messages: &[MessageId]) -> Self {
        let list: Vec<String> = messages.iter().map(ToString::to_string).collect();
        Self(derived("batch", &[campaign, &list.join(",")]))
    }
}

/// A stable name for a telephone number, however it is written: its last ten digits decide.
#[must_use]
pub fn number_id(number: &str) -> Uuid {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    let last: String = digits[digits.len().saturating_sub(10)..].iter().collect();
    derived("number", &[&last])
}

/// FNV-1a, 64 bit: a stable spread of keys over shards and parts, the same on every machine and version.
#[must_use]
pub fn stable_hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_one_however_it_is_written() {
        for written in ["07700900123", "+44 7700 900123", "0044 (0)7700-900123", "7700900123"] {
            assert_eq!(number_id(written), number_id("07700 900 123"), "{written}");
        }
        assert_ne!(number_id("07700900124"), number_id("07700900123"));
    }

    #[test]
    fn derived_ids_do_not_run_together() {
        assert_ne!(ImmunisationId::of("a|b", "c"), ImmunisationId::of("a", "b|c"));
        assert_eq!(ImmunisationId::of("a", "b"), ImmunisationId::of("a", "b"));
        let person = PersonId(Uuid::nil());
        assert_ne!(
            MessageId::of(person, "flu", 1, "invite", "sms"),
            MessageId::of(person, "flu", 1, "invite", "letter")
        );
    }
}
