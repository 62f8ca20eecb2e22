//! Reading the fields of a row, noting everything that is wrong with it.

use std::fmt;

use ims_domain::NhsNumber;
use ims_domain::clock::{london_date, parse_compact};
use jiff::civil::Date;
use jiff::tz::Offset;

use crate::feed;

/// A field whose value cannot be used. `Debug` and `Display` leave out the value, which may be personal.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Column.
    pub field: &'static str,
    /// The value as written.
    pub value: String,
    /// What it must be.
    pub expected: String,
}

impl FieldError {
    /// The error with the value, for the sender alone; never for a log.
    #[must_use]
    pub fn with_value(&self) -> String {
        format!("{self}; it is '{}'", self.value)
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}", self.field, self.expected)
    }
}

impl fmt::Debug for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Everything that is wrong with a row. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowErrors(pub Vec<FieldError>);

impl fmt::Display for RowErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Validation errors: ")?;
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for RowErrors {}

/// The fields of a row.
pub(crate) struct Fields<'a> {
    columns: &'static [&'static str],
    values: &'a [String],
    today: Date,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// Fields under these columns; `today` is the business day.
    pub(crate) fn new(columns: &'static [&'static str], values: &'a [String], today: Date) -> Self {
        let mut fields = Self { columns, values, today, errors: Vec::new() };
        if values.len() != columns.len() {
            fields.errors.push(FieldError {
                field: "The row",
                value: format!("{} fields", values.len()),
                expected: format!("{} fields", columns.len()),
            });
        }
        fields
    }

    /// A field without white space around it; empty where there is none.
    pub(crate) fn text(&self, field: &str) -> &'a str {
        let place = self.columns.iter().position(|column| *column == field);
        place.and_then(|place| self.values.get(place)).map_or("", |value| value.trim())
    }

    /// Notes an error.
    pub(crate) fn refuse(&mut self, field: &'static str, expected: &str) {
        let value = self.text(field).to_owned();
        self.errors.push(FieldError { field, value, expected: expected.to_owned() });
    }

    /// The row's content, unless something was wrong.
    pub(crate) fn finish<T>(self, content: Option<T>) -> Result<T, RowErrors> {
        match content {
            Some(content) if self.errors.is_empty() => Ok(content),
            _ => Err(RowErrors(self.errors)),
        }
    }

    /// A field that must be there.
    pub(crate) fn required(&mut self, field: &'static str) -> Option<&'a str> {
        let text = self.text(field);
        if text.is_empty() {
            self.refuse(field, "given");
            return None;
        }
        Some(text)
    }

    fn read<T>(&mut self, field: &'static str, expected: &str, read: impl FnOnce(&'a str) -> Option<T>) -> Option<T> {
        let value = read(self.text(field));
        if value.is_none() {
            self.refuse(field, expected);
        }
        value
    }

    /// One of a few values; `expected` lists them.
    pub(crate) fn one_of<T>(
        &mut self,
        field: &'static str,
        expected: &str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Option<T> {
        self.read(field, expected, read)
    }

    /// An NHS number that must be there.
    pub(crate) fn nhs_number(&mut self, field: &'static str) -> Option<NhsNumber> {
        self.read(field, "a valid NHS number of ten digits", |text| text.parse().ok())
    }

    /// An ethnic category of the NHS Data Dictionary; empty where it is left out.
    pub(crate) fn ethnic_category(&mut self, field: &'static str) -> Option<&'a str> {
        self.read(field, "A to S, Z or 99", |text| match text.as_bytes() {
            [] | [b'A'..=b'S' | b'Z'] | [b'9', b'9'] => Some(text),
            _ => None,
        })
    }

    /// A cohort label.
    pub(crate) fn label(&mut self, field: &'static str) -> Option<&'a str> {
        self.read(field, "a label of 1 to 100 letters, digits, '_', '-' or '.'", |text| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            ((1..=100).contains(&text.len()) && text.bytes().all(fits)).then_some(text)
        })
    }

    /// A flag, 0 where it is left out.
    pub(crate) fn flag(&mut self, field: &'static str) -> Option<bool> {
        self.read(field, "0 or 1", |text| match text {
            "" | "0" => Some(false),
            "1" => Some(true),
            _ => None,
        })
    }

    /// A day not after today; the inner `None` where it is left out.
    pub(crate) fn past_day(&mut self, field: &'static str) -> Option<Option<Date>> {
        let today = self.today;
        let day = match self.text(field) {
            "" => return Some(None),
            text => parse_compact(text),
        };
        if day.is_none() {
            self.refuse(field, "a date YYYYMMDD");
        } else if day > Some(today) {
            self.refuse(field, "a date that is not in the future");
            return None;
        }
        day.map(Some)
    }

    /// A date and time, UTC, as its day in London.
    pub(crate) fn moment(&mut self, field: &'static str) -> Option<Date> {
        self.read(field, "a date and time YYYYMMDDThhmmss", |text| {
            Some(london_date(Offset::UTC.to_timestamp(feed::moment(text)?).ok()?))
        })
    }

    /// A date and time, UTC, whose day in London is not after today, as written; empty where it is left out.
    pub(crate) fn past_moment(&mut self, field: &'static str) -> Option<&'a str> {
        let text = self.text(field);
        if !text.is_empty() && self.moment(field)? > self.today {
            self.refuse(field, "a date and time that is not in the future");
            return None;
        }
        Some(text)
    }
}
