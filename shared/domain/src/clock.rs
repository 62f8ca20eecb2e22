//! Dates as the service reckons them: business dates in Europe/London, ages in completed years.

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

/// The date in London at an instant. Falls back to the UTC date only if the bundled time-zone database lacks London.
#[must_use]
pub fn london_date(at: Timestamp) -> Date {
    let zone = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
    at.to_zoned(zone).date()
}

/// The hour in London at an instant.
#[must_use]
pub fn london_hour(at: Timestamp) -> i8 {
    let zone = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
    at.to_zoned(zone).hour()
}

/// Completed years on a day. Someone born on 29 February comes of age on 1 March in common years, as English law has it.
#[must_use]
pub fn age_on(born: Date, day: Date) -> i16 {
    let years = day.year() - born.year();
    if (day.month(), day.day()) < (born.month(), born.day()) { years - 1 } else { years }
}

/// A compact date, `YYYYMMDD`.
#[must_use]
pub fn compact(date: Date) -> String {
    format!("{:04}{:02}{:02}", date.year(), date.month(), date.day())
}

/// Reads `YYYYMMDD`.
#[must_use]
pub fn parse_compact(text: &str) -> Option<Date> {
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Date::new(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn ages_turn_on_the_birthday_and_leap_days_on_the_first_of_march() {
        assert_eq!(age_on(date(1960, 6, 15), date(2025, 6, 14)), 64);
        assert_eq!(age_on(date(1960, 6, 15), date(2025, 6, 15)), 65);
        assert_eq!(age_on(date(1960, 2, 29), date(2025, 2, 28)), 64);
        assert_eq!(age_on(date(1960, 2, 29), date(2025, 3, 1)), 65);
    }

    #[test]
    fn the_day_changes_at_midnight_in_london() {
        assert_eq!(london_date("2025-07-01T23:30:00Z".parse().unwrap()), date(2025, 7, 2));
        assert_eq!(london_date("2025-12-01T23:30:00Z".parse().unwrap()), date(2025, 12, 1));
    }

    #[test]
    fn compact_dates_are_strict() {
        assert_eq!(parse_compact("20240229"), Some(date(2024, 2, 29)));
        for wrong in ["20230229", "2024-02-29", "2024022", "20241301", ""] {
            assert_eq!(parse_compact(wrong), None, "{wrong}");
        }
    }
}
