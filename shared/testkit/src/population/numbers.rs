//! NHS and telephone numbers that belong to nobody.

use ims_domain::NhsNumber;

/// How many people have NHS numbers in the 999 range, which the NHS never issues. People beyond that (and second
/// registrations of people beyond 1.2 million) are numbered from ranges that could be issued: their files must never leave
/// the computer.
pub const PEOPLE_IN_TEST_RANGE: u64 = 870_000;

/// Of ten stems that differ in the last digit at least nine have a check digit, so nine a prefix can be counted on.
const PER_PREFIX: u64 = 9;
const TEST_RANGE: u64 = 900_000;

fn number(prefix: u64, nth: u64) -> Option<NhsNumber> {
    (0..10).filter_map(|digit| NhsNumber::from_stem(prefix * 10 + digit)).nth(nth as usize)
}

/// The k-th number of the 999 range, or of a range that starts at the eight-digit prefix `beyond`.
fn kth(k: u64, beyond: u64) -> String {
    let (prefix, nth) = match k.checked_sub(TEST_RANGE) {
        // Multiplied by a unit of the integers modulo 100,000, so that neighbours do not look alike.
        None => (99_900_000 + (k / PER_PREFIX) * 61_803 % 100_000, k % PER_PREFIX),
        Some(rest) => (beyond + rest / PER_PREFIX, rest % PER_PREFIX),
    };
    number(prefix, nth).map(|number| number.to_string()).unwrap_or_default()
}

/// The NHS number of person `i`; no two people share one.
#[must_use]
pub fn nhs_number(i: u64) -> String {
    match i.checked_sub(PEOPLE_IN_TEST_RANGE) {
        None => kth(i, 40_000_000),
        Some(rest) => kth(TEST_RANGE + rest, 40_000_000),
    }
}

/// The number of the n-th second registration; none is anybody's first.
#[must_use]
pub(crate) fn second_number(n: u64) -> String {
    match n.checked_sub(TEST_RANGE - PEOPLE_IN_TEST_RANGE) {
        None => kth(PEOPLE_IN_TEST_RANGE + n, 70_000_000),
        Some(rest) => kth(TEST_RANGE + rest, 70_000_000),
    }
}

/// A mobile number of the range 07700 900000–999999; different for 100,000 people in a row.
#[must_use]
pub(crate) fn mobile(i: u64) -> String {
    format!("077009{:05}", (i % 100_000) * 61_803 % 100_000)
}

/// A landline number of the range 01632 960000–960999, which is kept for drama.
#[must_use]
pub(crate) fn landline(household: u64) -> String {
    format!("01632960{:03}", household % 1000 * 617 % 1000)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nhs_numbers_are_valid_and_never_shared() {
        let mut seen = HashSet::new();
        for i in (0..869_990).step_by(7).chain(869_990..870_010).chain(2_000_000..2_000_100) {
            let text = nhs_number(i);
            assert!(text.parse::<NhsNumber>().is_ok(), "{i}: {text}");
            assert_eq!(text.starts_with("999"), i < PEOPLE_IN_TEST_RANGE, "{i}: {text}");
            assert!(seen.insert(text), "{i}");
        }
        for n in (0..30_000).chain(40_000..40_100) {
            let text = second_number(n);
            assert!(text.parse::<NhsNumber>().is_ok(), "{n}: {text}");
            assert!(seen.insert(text), "{n}");
        }
    }

    #[test]
    fn mobile_numbers_differ_for_a_hundred_thousand_people() {
        let all: HashSet<String> = (0..100_000).map(mobile).collect();
        assert_eq!(all.len(), 100_000);
        assert!(all.iter().all(|number| number.len() == 11));
    }
}
