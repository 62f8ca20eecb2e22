//! Whether texts reach a person's number: learnt from what became of those that were sent to it.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::Person;

/// Texts in a row that did not arrive in time, after which a number counts as one that texts do not reach.
const LATE: u8 = 3;

/// Why a text did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberFault {
    /// The network knows no such number.
    Dead,
    /// It is no mobile number: a landline, or not a number.
    NotMobile,
    /// The telephone was off or full for as long as the provider tried.
    Silent,
}

/// What is held against a mobile number. It says nothing of another number that the person may have later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedNumber {
    /// The number, as demographics had it.
    pub number: String,
    /// What was wrong last.
    pub fault: NumberFault,
    /// Texts in a row that did not arrive.
    pub times: u8,
    /// Business day of the last.
    pub on: Date,
}

impl Person {
    /// What is held against the person's present mobile number.
    #[must_use]
    pub fn number_fault(&self) -> Option<&FailedNumber> {
        self.failed_number.as_ref().filter(|failed| failed.number == self.demographics.mobile)
    }

    /// Whether texts to the present mobile number are in vain.
    #[must_use]
    pub fn texts_fail(&self) -> bool {
        self.number_fault().is_some_and(|failed| failed.fault != NumberFault::Silent || failed.times >= LATE)
    }

    /// Whether the present mobile number is nobody's, so that calling it is in vain too.
    #[must_use]
    pub fn number_is_dead(&self) -> bool {
        self.number_fault().is_some_and(|failed| failed.fault == NumberFault::Dead)
    }

    /// Notes that a text to the present mobile number did not arrive.
    pub fn note_failed_text(&mut self, fault: NumberFault, on: Date) {
        let times = self.number_fault().map_or(0, |failed| failed.times).saturating_add(1);
        self.failed_number = Some(FailedNumber { number: self.demographics.mobile.clone(), fault, times, on });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PersonId;
    use crate::contact::{Channel, channel, may_telephone};
    use jiff::civil::date;
    use uuid::Uuid;

    const TODAY: Date = date(2025, 10, 6);

    fn person() -> Person {
        let mut person = Person::new(PersonId(Uuid::from_u128(1)), None);
        person.demographics.date_of_birth = Some(date(1950, 1, 1));
        person.demographics.mobile = "07700900123".into();
        person.demographics.address_lines = vec!["1 Nowhere Street".into()];
        person.demographics.postcode = "LS1 4AP".into();
        person
    }

    #[test]
    fn a_number_that_texts_do_not_reach_gives_way_to_the_post_until_there_is_another() {
        for (fault, texts, calls) in [
            (NumberFault::Dead, false, false),
            (NumberFault::NotMobile, false, true),
            (NumberFault::Silent, true, true),
        ] {
            let mut person = person();
            person.note_failed_text(fault, TODAY);
            assert_eq!(channel(&person, TODAY) == Some(Channel::Sms), texts, "{fault:?}");
            assert_eq!(may_telephone(&person), calls, "{fault:?}");
            person.demographics.mobile = "07700900124".into();
            assert_eq!(channel(&person, TODAY), Some(Channel::Sms));
            assert!(may_telephone(&person));
        }
    }

    #[test]
    fn a_telephone_that_is_off_again_and_again_counts_as_out_of_reach() {
        let mut person = person();
        for times in 1..=3 {
            assert_eq!(channel(&person, TODAY), Some(Channel::Sms), "{times}");
            person.note_failed_text(NumberFault::Silent, TODAY);
        }
        assert_eq!(channel(&person, TODAY), Some(Channel::Letter));
        person.failed_number = None;
        assert_eq!(channel(&person, TODAY), Some(Channel::Sms));
    }
}
