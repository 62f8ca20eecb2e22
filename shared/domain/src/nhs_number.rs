//! NHS numbers: ten digits, the last a modulus 11 check digit (NHS Data Dictionary, "NHS NUMBER").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A valid NHS number. `Debug` is redacted, so that it cannot reach a log by accident.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NhsNumber(u64);

/// Why a text is not an NHS number. The text itself is personal and is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NhsNumberError {
    /// Not ten digits.
    #[error("an NHS number has ten digits")]
    Length,
    /// The check digit disagrees.
    #[error("the NHS number's check digit is wrong")]
    CheckDigit,
}

impl NhsNumber {
    /// The check digit for the first nine digits, or `None` where no number has that stem (modulus 11 gives 10).
    #[must_use]
    pub fn check_digit(stem: u64) -> Option<u64> {
        let mut rest = stem % 1_000_000_000;
        let mut sum = 0;
        for weight in 2..=10 {
            sum += (rest % 10) * weight;
            rest /= 10;
        }
        match 11 - sum % 11 {
            11 => Some(0),
            10 => None,
            digit => Some(digit),
        }
    }

    /// The number with the given nine-digit stem, where there is one.
    #[must_use]
    pub fn from_stem(stem: u64) -> Option<Self> {
        Self::check_digit(stem).map(|digit| Self(stem * 10 + digit))
    }

    /// The number in the shape "999 123 4567", as letters print it.
    #[must_use]
    pub fn spaced(&self) -> String {
        let digits = self.to_string();
        format!("{} {} {}", &digits[..3], &digits[3..6], &digits[6..])
    }
}

impl FromStr for NhsNumber {
    type Err = NhsNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 10 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NhsNumberError::Length);
        }
        let number: u64 = text.parse().map_err(|_| NhsNumberError::Length)?;
        match Self::check_digit(number / 10) {
            Some(digit) if digit == number % 10 => Ok(Self(number)),
            _ => Err(NhsNumberError::CheckDigit),
        }
    }
}

impl TryFrom<String> for NhsNumber {
    type Error = NhsNumberError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<NhsNumber> for String {
    fn from(number: NhsNumber) -> Self {
        number.to_string()
    }
}

impl fmt::Display for NhsNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}", self.0)
    }
}

impl fmt::Debug for NhsNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NhsNumber(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_data_dictionary_example_is_valid() {
        assert!("9434765919".parse::<NhsNumber>().is_ok());
        assert_eq!("9434765918".parse::<NhsNumber>(), Err(NhsNumberError::CheckDigit));
        for wrong in ["", "943476591", "94347659199", "943 476 5919", "943476591x", "９４３４７６５９１９"] {
            assert_eq!(wrong.parse::<NhsNumber>(), Err(NhsNumberError::Length), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_number_survives_text_and_any_changed_digit_is_refused(stem in 0u64..1_000_000_000, place in 0usize..10, by in 1u8..10) {
            if let Some(number) = NhsNumber::from_stem(stem) {
                let text = number.to_string();
                prop_assert_eq!(text.parse::<NhsNumber>(), Ok(number));
                let mut digits = text.into_bytes();
                digits[place] = b'0' + (digits[place] - b'0' + by) % 10;
                let changed = String::from_utf8(digits).unwrap();
                prop_assert!(changed.parse::<NhsNumber>().is_err());
            }
        }
    }

    #[test]
    fn debug_hides_the_number() {
        let number: NhsNumber = "9434765919".parse().unwrap();
        assert!(!format!("{number:?}").contains("943"));
    }
}
