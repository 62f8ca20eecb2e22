//! Checks of single values. Each reports at most one thing about a value and names the place where it stands.

use std::fmt::Display;

use ims_domain::NhsNumber;

use super::{ValidationErrors, snomed};
use crate::resource::Node;
use crate::time::{self, Now};

/// What a stage has found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<String>);

impl Findings {
    /// Notes that the value at a place is not as it must be.
    pub(crate) fn add(&mut self, place: impl Display, wrong: impl Display) {
        self.0.push(format!("{place} {wrong}"));
    }

    /// Notes a finding in its own words.
    pub(crate) fn say(&mut self, message: impl Into<String>) {
        self.0.push(message.into());
    }

    /// Ends the stage.
    pub(crate) fn settle(self) -> Result<(), ValidationErrors> {
        if self.0.is_empty() { Ok(()) } else { Err(ValidationErrors { messages: self.0, of_fhir: false }) }
    }

    /// A string that is not blank; its text where it is one.
    pub(crate) fn text<'n, N: Node>(&mut self, value: &'n N, place: impl Display) -> Option<&'n str> {
        let Some(text) = value.text() else {
            self.add(place, "must be a string");
            return None;
        };
        if text.trim().is_empty() {
            self.add(place, "must be a non-empty string");
            return None;
        }
        Some(text)
    }

    /// A string that is not blank, if there is one.
    pub(crate) fn text_if_any<N: Node>(&mut self, value: Option<&N>, place: impl Display) {
        if let Some(value) = value {
            self.text(value, place);
        }
    }

    /// A string of at most `max` characters; whether it is one.
    pub(crate) fn text_within<N: Node>(&mut self, value: &N, max: usize, place: impl Display + Copy) -> bool {
        match self.text(value, place) {
            Some(text) if text.len() > max && text.chars().count() > max => {
                self.add(place, format_args!("must be {max} or fewer characters"));
                false
            }
            found => found.is_some(),
        }
    }

    /// A string that is one of a list.
    pub(crate) fn one_of<N: Node>(&mut self, value: Option<&N>, allowed: &[&str], place: impl Display + Copy) {
        if let Some(text) = value.and_then(|value| self.text(value, place))
            && !allowed.contains(&text)
        {
            self.add(place, format_args!("must be one of the following: {}", allowed.join(", ")));
        }
    }

    /// An array with at least one element.
    pub(crate) fn list<'n, N: Node>(&mut self, value: &'n N, place: impl Display) -> Option<&'n [N]> {
        match value.items() {
            None => self.add(place, "must be an array"),
            Some([]) => self.add(place, "must be a non-empty array"),
            Some(items) => return Some(items),
        }
        None
    }

    /// An array with exactly one element.
    pub(crate) fn list_of_one<'n, N: Node>(&mut self, value: &'n N, place: impl Display) -> Option<&'n N> {
        match value.items() {
            None => self.add(place, "must be an array"),
            Some([only]) => return Some(only),
            Some(_) => self.add(place, "must be an array of length 1"),
        }
        None
    }

    /// Elements that are objects with members.
    pub(crate) fn objects<N: Node>(&mut self, items: &[N], place: impl Display) -> bool {
        for item in items {
            match item.members() {
                None => self.add(place, "must be an array of objects"),
                Some(0) => self.add(place, "must be an array of non-empty objects"),
                Some(_) => continue,
            }
            return false;
        }
        true
    }

    /// Strings that are not blank, each within `max` characters where that is given.
    pub(crate) fn texts<N: Node>(&mut self, items: &[N], max: usize, place: impl Display + Copy) {
        for (index, item) in items.iter().enumerate() {
            if !self.text_within(item, max, format_args!("{place}[{index}]")) {
                return;
            }
        }
    }

    /// A full date.
    pub(crate) fn date<N: Node>(&mut self, value: &N, place: impl Display, not_after: Option<Now>) {
        let Some(text) = value.text() else { return self.add(place, "must be a string") };
        match time::date(text) {
            None => self.add(place, "must be a valid date string in the format \"YYYY-MM-DD\""),
            Some(day) if not_after.is_some_and(|now| now.is_before_day(day)) => {
                self.add(place, "must not be in the future");
            }
            Some(_) => {}
        }
    }

    /// A full date, or a date and time with an offset, not in the future; `british` allows +00:00 and +01:00 only.
    pub(crate) fn moment<N: Node>(&mut self, value: &N, place: impl Display, now: Now, british: bool) {
        let Some(text) = value.text() else { return self.add(place, "must be a string") };
        let ok = time::moment(text).is_some_and(|moment| !now.is_before(moment) && (moment.is_british || !british));
        if ok {
            return;
        }
        let mut wrong = String::from(
            "must be a valid datetime in one of the following formats:\
             - 'YYYY-MM-DD' — Full date only\
             - 'YYYY-MM-DDThh:mm:ss%z' — Full date and time with timezone (e.g. +00:00 or +01:00)\
             - 'YYYY-MM-DDThh:mm:ss.f%z' — Full date and time with milliseconds and timezone\
             - Date must not be in the future.",
        );
        if british {
            wrong.push_str(&format!(
                "Only '+00:00' and '+01:00' are accepted as valid timezone offsets. \
                 Note that partial dates are not allowed for {place} in this service."
            ));
        }
        self.add(place, wrong);
    }

    /// A SNOMED CT concept.
    pub(crate) fn concept<N: Node>(&mut self, value: Option<&N>, place: impl Display + Copy) {
        if let Some(text) = value.and_then(|value| self.text(value, place))
            && !snomed::is_concept_id(text)
        {
            self.add(place, "is not a valid snomed code");
        }
    }

    /// An NHS number.
    pub(crate) fn nhs_number<N: Node>(&mut self, value: &N, place: impl Display) {
        let Some(text) = value.text() else { return self.add(place, "must be a string") };
        if !text.is_empty() && text.trim().is_empty() {
            self.add(place, "must be a non-empty string");
        } else if text.chars().count() != 10 {
            self.add(place, "must be 10 characters");
        } else if text.contains(' ') {
            self.add(place, "must not contain spaces");
        } else if text.parse::<NhsNumber>().is_err() {
            self.add(place, "is not a valid NHS number");
        }
    }

    /// An integer from 1 to `max`.
    pub(crate) fn positive<N: Node>(&mut self, value: &N, max: i64, place: impl Display) {
        match value.integer() {
            Some(number) if number > max => {
                self.add(place, format_args!("must be an integer in the range 1 to {max}"));
            }
            Some(number) if number > 0 => {}
            _ => self.add(place, "must be a positive integer"),
        }
    }

    /// Something that must be there.
    pub(crate) fn mandatory(&mut self, is_there: bool, place: impl Display) {
        if !is_there {
            self.add(place, "is a mandatory field");
        }
    }
}
