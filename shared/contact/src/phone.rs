//! UK mobile numbers, as GOV.UK Notify sends texts to them.

use std::fmt;

use thiserror::Error;

/// A UK mobile number in E.164 form, `+447…`. `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UkMobile(String);

/// Why a text is not a UK mobile number. The number itself is never repeated: errors are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PhoneError {
    /// Nothing there.
    #[error("mobile number is empty")]
    Empty,
    /// A letter or symbol.
    #[error("mobile number has a letter or symbol at character {position}")]
    Symbol {
        /// Position of the first one, counted from 1.
        position: usize,
    },
    /// An international number.
    #[error("mobile number has a country code other than 44")]
    NotUk,
    /// Too few digits.
    #[error("mobile number has {digits} digits after the leading 0 or 44; expected 10")]
    TooShort {
        /// Digits found.
        digits: usize,
    },
    /// Too many digits.
    #[error("mobile number has {digits} digits after the leading 0 or 44; expected 10")]
    TooLong {
        /// Digits found.
        digits: usize,
    },
    /// A landline, pager or personal number.
    #[error("number is not in a range of UK mobiles")]
    NotMobile,
}

impl UkMobile {
    /// Reads `07…`, `447…`, `+447…`, `00447…` and `+44 (0)7…`; spaces, hyphens, dots and brackets are ignored.
    ///
    /// # Errors
    /// When it is not one number in a UK mobile range: 071–075, 077–079 and 07624 (Ofcom's National Telephone
    /// Numbering Plan; 070 are personal numbers, 076 pagers).
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        let mut digits = String::with_capacity(15);
        let mut plus = false;
        for (index, character) in text.chars().enumerate() {
            match character {
                '0'..='9' => digits.push(character),
                '+' if digits.is_empty() && !plus => plus = true,
                ' ' | '\u{a0}' | '\t' | '-' | '\u{2010}'..='\u{2013}' | '.' | '(' | ')' => {}
                _ => return Err(PhoneError::Symbol { position: index + 1 }),
            }
        }
        if digits.is_empty() {
            return Err(PhoneError::Empty);
        }
        let international = if plus { Some(digits.as_str()) } else { digits.strip_prefix("00") };
        let national = match international {
            Some(rest) => {
                let rest = rest.strip_prefix("44").ok_or(PhoneError::NotUk)?;
                rest.strip_prefix('0').unwrap_or(rest)
            }
            None => match digits.strip_prefix("44") {
                Some(rest) => rest.strip_prefix('0').unwrap_or(rest),
                None => digits.strip_prefix('0').unwrap_or(&digits),
            },
        };
        match national.len() {
            10 => {}
            digits if digits < 10 => return Err(PhoneError::TooShort { digits }),
            digits => return Err(PhoneError::TooLong { digits }),
        }
        let mobile =
            matches!(national.as_bytes(), [b'7', b'1'..=b'5' | b'7'..=b'9', ..]) || national.starts_with("7624");
        if mobile { Ok(Self(format!("+44{national}"))) } else { Err(PhoneError::NotMobile) }
    }

    /// The number as `+447…`. For the provider only; never for a log.
    #[must_use]
    pub fn e164(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UkMobile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UkMobile(+447…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_people_write_a_mobile_number_give_one_number() {
        for text in [
            "07700900123",
            "07700 900 123",
            " 07700-900123 ",
            "7700900123",
            "447700900123",
            "+447700900123",
            "+44 7700 900123",
            "+44 (0)7700 900123",
            "0044 7700 900123",
        ] {
            assert_eq!(
                UkMobile::parse(text).map(|number| number.e164().to_owned()),
                Ok("+447700900123".into()),
                "{text}"
            );
        }
        assert_eq!(UkMobile::parse("07624 000000").unwrap().e164(), "+447624000000");
    }

    #[test]
    fn other_numbers_are_refused_with_what_is_wrong() {
        for (text, error) in [
            ("", PhoneError::Empty),
            ("  ", PhoneError::Empty),
            ("07700x900123", PhoneError::Symbol { position: 6 }),
            ("07700900123+", PhoneError::Symbol { position: 12 }),
            ("+1 202 555 0123", PhoneError::NotUk),
            ("00353 87 1234567", PhoneError::NotUk),
            ("0770090012", PhoneError::TooShort { digits: 9 }),
            ("077009001234", PhoneError::TooLong { digits: 11 }),
            ("020 7946 0123", PhoneError::NotMobile),
            ("070 0000 0000", PhoneError::NotMobile),
            ("076 0000 0000", PhoneError::NotMobile),
        ] {
            assert_eq!(UkMobile::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn debug_and_errors_do_not_show_the_number() {
        let number = UkMobile::parse("07700900123").unwrap();
        assert!(!format!("{number:?}").contains("900"));
        assert!(!UkMobile::parse("020 7946 0123").unwrap_err().to_string().contains("7946"));
    }
}
