//! The kind of letter that a person is written to by: its format, its language, and the postage that follows.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::stable_hash;
use crate::invitation::MessageState;
use crate::{Person, postcode};

/// A language that letters are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Welsh.
    #[serde(rename = "cy")]
    Welsh,
    /// Arabic, written from right to left.
    #[serde(rename = "ar")]
    Arabic,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::English, Self::Welsh, Self::Arabic];

    /// The ISO 639-1 code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Welsh => "cy",
            Self::Arabic => "ar",
        }
    }

    /// The tag (BCP 47) by which a reading program chooses its voice.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en-GB",
            Self::Welsh => "cy-GB",
            Self::Arabic => "ar",
        }
    }

    /// Whether it is written from right to left.
    #[must_use]
    pub fn is_right_to_left(self) -> bool {
        self == Self::Arabic
    }

    /// The language of a preferred-language code of the demographics feed (`cy`, `cy-GB`); English where letters are
    /// not written in it.
    #[must_use]
    pub fn preferred(code: &str) -> Self {
        let first = code.trim().split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| first.eq_ignore_ascii_case(language.code())).unwrap_or_default()
    }

    /// A date as it is written in a letter, such as "6 October 2025".
    #[must_use]
    pub fn date(self, date: Date) -> String {
        let months: [&str; 12] = match self {
            Self::English => [
                "January",
                "February",
                "March",
                "April",
                "May",
                "June",
                "July",
                "August",
                "September",
                "October",
                "November",
                "December",
            ],
            Self::Welsh => [
                "Ionawr",
                "Chwefror",
                "Mawrth",
                "Ebrill",
                "Mai",
                "Mehefin",
                "Gorffennaf",
                "Awst",
                "Medi",
                "Hydref",
                "Tachwedd",
                "Rhagfyr",
            ],
            Self::Arabic => [
                "يناير",
                "فبراير",
                "مارس",
                "أبريل",
                "مايو",
                "يونيو",
                "يوليو",
                "أغسطس",
                "سبتمبر",
                "أكتوبر",
                "نوفمبر",
                "ديسمبر",
            ],
        };
        let month = usize::try_from(date.month() - 1).ok().and_then(|index| months.get(index)).copied();
        format!("{} {} {}", date.day(), month.unwrap_or_default(), date.year())
    }
}

/// Formats in which a letter can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// 12 point.
    #[default]
    Standard,
    /// 18 point and more.
    LargePrint,
    /// Short sentences in 16 point, with pictures.
    EasyRead,
    /// Made by the supplier from the text.
    Braille,
    /// Recorded by the supplier from the text.
    Audio,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Standard, Self::LargePrint, Self::EasyRead, Self::Braille, Self::Audio];

    /// The name used in files and keys.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::LargePrint => "large_print",
            Self::EasyRead => "easy_read",
            Self::Braille => "braille",
            Self::Audio => "audio",
        }
    }

    /// Whether the supplier is given the text and not pages: Braille and audio.
    #[must_use]
    pub fn is_made_from_text(self) -> bool {
        matches!(self, Self::Braille | Self::Audio)
    }

    /// The format that a person asked for, by the wishes `contact_braille`, `contact_audio`, `contact_easy_read` and
    /// `contact_large_print`; the first of these where there are several.
    #[must_use]
    pub fn wished(person: &Person) -> Self {
        [
            ("contact_braille", Self::Braille),
            ("contact_audio", Self::Audio),
            ("contact_easy_read", Self::EasyRead),
            ("contact_large_print", Self::LargePrint),
        ]
        .into_iter()
        .find(|(wish, _)| person.in_cohort(wish))
        .map_or(Self::Standard, |(_, format)| format)
    }
}

/// How a letter is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Postage {
    /// Second class.
    #[default]
    Second,
    /// Free of charge, as Royal Mail carries Braille and recordings for blind people.
    ArticlesForTheBlind,
}

impl Postage {
    /// The name used in files and keys.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::ArticlesForTheBlind => "articles_for_the_blind",
        }
    }
}

/// What all letters of a batch have in common beside campaign and step. As text: `large_print-cy-second`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct LetterKind {
    /// Format.
    pub format: Format,
    /// Language.
    pub language: Language,
    /// Postage.
    pub postage: Postage,
}

impl LetterKind {
    /// The kind with this format and language; the postage follows from the format.
    #[must_use]
    pub fn new(format: Format, language: Language) -> Self {
        let postage = if format.is_made_from_text() { Postage::ArticlesForTheBlind } else { Postage::Second };
        Self { format, language, postage }
    }

    /// The kind that a person asked for: by their wishes, and their preferred language.
    #[must_use]
    pub fn wished(person: &Person) -> Self {
        Self::new(Format::wished(person), Language::preferred(&person.demographics.language))
    }
}

impl fmt::Display for LetterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.format.name(), self.language.code(), self.postage.name())
    }
}

/// Not the name of a format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is no format of letters")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// What a print supplier says of a letter, in the order in which it counts: of several reports, however they come, the last
/// of these stands. A letter that arrived, or came back, was not taken out whatever was said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PrintStatus {
    /// The batch is there.
    Pending,
    /// It will be printed.
    Accepted,
    /// On paper.
    Printed,
    /// In its envelope.
    Enclosed,
    /// Handed to the post.
    Dispatched,
    /// Taken out, as the stop-list asks.
    Cancelled,
    /// The supplier will not print it.
    Rejected,
    /// The supplier could not print it.
    Failed,
    /// It arrived.
    Delivered,
    /// The post took it to another address.
    Forwarded,
    /// It came back.
    Returned,
}

impl PrintStatus {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Pending,
        Self::Accepted,
        Self::Printed,
        Self::Enclosed,
        Self::Dispatched,
        Self::Cancelled,
        Self::Rejected,
        Self::Failed,
        Self::Delivered,
        Self::Forwarded,
        Self::Returned,
    ];

    /// The supplier's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Accepted => "ACCEPTED",
            Self::Printed => "PRINTED",
            Self::Enclosed => "ENCLOSED",
            Self::Dispatched => "DISPATCHED",
            Self::Cancelled => "CANCELLED",
            Self::Rejected => "REJECTED",
            Self::Failed => "FAILED",
            Self::Delivered => "DELIVERED",
            Self::Forwarded => "FORWARDED",
            Self::Returned => "RETURNED",
        }
    }

    /// The status of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == word)
    }

    /// The state of a letter of which this is the last word.
    #[must_use]
    pub fn state(self) -> MessageState {
        match self {
            Self::Pending | Self::Accepted | Self::Printed | Self::Enclosed | Self::Dispatched => MessageState::Sent,
            Self::Delivered | Self::Forwarded => MessageState::Delivered,
            Self::Cancelled | Self::Rejected | Self::Failed | Self::Returned => MessageState::Failed,
        }
    }
}

/// An address of a person's from which a letter came back. It holds as long as it is still their address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnedMail {
    /// Business day on which it was reported.
    pub on: Date,
    /// A hash of the address, which tells whether another has taken its place.
    pub address: u64,
}

impl ReturnedMail {
    /// Of the address that the person has now.
    #[must_use]
    pub fn of(person: &Person, on: Date) -> Self {
        Self { on, address: address(person) }
    }

    /// Whether it is still the person's address.
    #[must_use]
    pub fn holds_for(&self, person: &Person) -> bool {
        self.address == address(person)
    }
}

fn address(person: &Person) -> u64 {
    let lines: Vec<String> = person.demographics.address_lines.iter().map(|line| line.trim().to_lowercase()).collect();
    stable_hash(&format!("{}|{}", lines.join("|"), postcode::normalise(&person.demographics.postcode)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PersonId;
    use crate::person::Membership;
    use jiff::civil::date;
    use uuid::Uuid;

    fn person(language: &str, wishes: &[&str]) -> Person {
        let mut person = Person::new(PersonId(Uuid::nil()), None);
        person.demographics.language = language.into();
        for wish in wishes {
            let membership =
                Membership { member: true, date: date(2025, 9, 1), order: String::new(), source: String::new() };
            person.cohorts.insert((*wish).to_owned(), membership);
        }
        person
    }

    #[test]
    fn the_kind_of_a_letter_follows_what_the_person_asked_for() {
        for (language, wishes, kind) in [
            ("", &[][..], "standard-en-second"),
            ("pl", &[], "standard-en-second"),
            ("CY-gb", &["contact_large_print"], "large_print-cy-second"),
            ("ar", &["contact_no_text"], "standard-ar-second"),
            ("en", &["contact_large_print", "contact_braille"], "braille-en-articles_for_the_blind"),
            ("en", &["contact_easy_read"], "easy_read-en-second"),
        ] {
            assert_eq!(LetterKind::wished(&person(language, wishes)).to_string(), kind, "{language} {wishes:?}");
        }
    }

    #[test]
    fn nobody_is_written_to_where_mail_came_back_until_they_have_another_address() {
        let mut person = person("", &[]);
        person.demographics.address_lines = vec!["1 High Street".into()];
        person.demographics.postcode = "LS1 4AP".into();
        assert!(person.has_postal_address());
        person.returned_mail = Some(ReturnedMail::of(&person, date(2025, 11, 3)));
        assert!(!person.has_postal_address());
        person.demographics.postcode = "ls14ap".into();
        assert!(!person.has_postal_address(), "the same address, written in another way");
        person.demographics.address_lines = vec!["2 High Street".into()];
        assert!(person.has_postal_address());
    }

    #[test]
    fn a_status_is_known_by_its_word_and_its_state_never_goes_back_to_sent() {
        for status in PrintStatus::ALL {
            assert_eq!(PrintStatus::parse(status.name()), Some(status));
        }
        assert_eq!(PrintStatus::parse("LOST"), None);
        let states = PrintStatus::ALL.map(PrintStatus::state);
        let settled = states.iter().position(|state| *state != MessageState::Sent).unwrap();
        assert!(states[settled..].iter().all(|state| *state != MessageState::Sent));
    }

    #[test]
    fn dates_are_written_in_the_language_of_the_letter() {
        let day = date(2025, 10, 6);
        let written = Language::ALL.map(|language| language.date(day));
        assert_eq!(written, ["6 October 2025", "6 Hydref 2025", "6 أكتوبر 2025"]);
    }
}
