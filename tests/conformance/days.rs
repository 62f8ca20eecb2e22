//! Days and times as scenarios name them, seen from the stack's business time.

use anyhow::{Result, bail};
use jiff::{Span, Timestamp, tz::TimeZone};

/// A time as FHIR writes it, to the millisecond.
#[must_use]
pub fn moment(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S.000+00:00").to_string()
}

/// A day as FHIR writes it.
#[must_use]
pub fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string()
}

/// A time as file names write it, to the second, without offset.
#[must_use]
pub fn compact(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%S").to_string()
}

/// So many seconds after a time, or before it.
#[must_use]
pub fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(Span::new().seconds(seconds)).unwrap_or(at)
}

/// Seconds of a day.
pub const DAY: i64 = 24 * 3600;

/// The text of a date that a scenario names; `None` for no date at all.
///
/// # Errors
/// Where there is no such name.
pub fn named(name: &str, now: Timestamp) -> Result<Option<String>> {
    Ok(Some(match name {
        "future_occurrence" => moment(later(now, 500)),
        "past_occurrence" => moment(later(now, -5_050)),
        "current_occurrence" => moment(later(now, -60)),
        "current_date" => day(now),
        "future_date" => day(later(now, DAY)),
        "past_date" => day(later(now, -DAY)),
        "invalid_format" => "2023/23/01".to_owned(),
        "nonexistent" => "2023-02-30T10:00:00.000Z".to_owned(),
        "empty" => String::new(),
        "none" => return Ok(None),
        _ => bail!("no date is called '{name}'"),
    }))
}

/// The same for a column of a file. Files are judged by the day, so that their future begins tomorrow.
///
/// # Errors
/// Where there is no such name.
pub fn in_file(name: &str, now: Timestamp) -> Result<String> {
    Ok(match name {
        "future_occurrence" => format!("{}00", compact(later(now, DAY))),
        "invalid_batch_occurrence" => moment(now).chars().filter(|c| c.is_ascii_alphanumeric()).collect(),
        _ => {
            let text = named(name, now)?.unwrap_or_default();
            text.chars().filter(|c| c.is_ascii_alphanumeric()).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_seen_from_the_business_time() {
        let now: Timestamp = "2025-10-06T15:30:00Z".parse().unwrap();
        for (name, text) in [
            ("future_occurrence", "2025-10-06T15:38:20.000+00:00"),
            ("future_date", "2025-10-07"),
            ("past_date", "2025-10-05"),
            ("empty", ""),
        ] {
            assert_eq!(named(name, now).unwrap().as_deref(), Some(text), "{name}");
        }
        assert_eq!(named("none", now).unwrap(), None);
        assert!(named("someday", now).is_err());
        assert_eq!(in_file("future_occurrence", now).unwrap(), "20251007T15300000");
        assert_eq!(in_file("invalid_format", now).unwrap(), "20232301");
        assert_eq!(in_file("future_date", now).unwrap(), "20251007");
    }
}
