//! Hours in which nobody is sent a text, by the clock in London.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use thiserror::Error;

/// From a time of day to another, over midnight where the second is the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hours {
    from: Time,
    to: Time,
}

impl Hours {
    fn holds(self, time: Time) -> bool {
        if self.from <= self.to { self.from <= time && time < self.to } else { time >= self.from || time < self.to }
    }
}

/// Quiet hours, with those of regions that have their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuietHours {
    usual: Option<Hours>,
    regions: BTreeMap<String, Hours>,
}

/// Why a text does not say quiet hours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("quiet hours '{part}': expected 'HH:MM-HH:MM', for one region 'CODE=HH:MM-HH:MM'")]
pub struct QuietHoursError {
    /// The part that cannot be read.
    pub part: String,
}

impl FromStr for QuietHours {
    type Err = QuietHoursError;

    /// Reads `20:00-08:00,Y56=21:00-09:00`: the usual hours, and those of a region by its code. An empty text is none.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut quiet = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = || QuietHoursError { part: part.to_owned() };
            let (region, hours) = part.split_once('=').map_or((None, part), |(region, hours)| (Some(region), hours));
            let (from, to) = hours.split_once('-').ok_or_else(wrong)?;
            let time = |text: &str| {
                let time = text.trim();
                if time.len() == 5 { time.parse::<Time>().map_err(|_| wrong()) } else { Err(wrong()) }
            };
            let hours = Hours { from: time(from)?, to: time(to)? };
            let held = match region {
                None => quiet.usual.replace(hours),
                Some(region) if region.trim().is_empty() => return Err(wrong()),
                Some(region) => quiet.regions.insert(region.trim().to_owned(), hours),
            };
            if held.is_some() {
                return Err(wrong());
            }
        }
        Ok(quiet)
    }
}

impl QuietHours {
    /// How long to wait before a person of a region may be sent a text; `None` where they may be now.
    #[must_use]
    pub fn wait(&self, at: Timestamp, region: &str) -> Option<SignedDuration> {
        let hours = self.regions.get(region).copied().or(self.usual)?;
        let here = at.to_zoned(TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC));
        if !hours.holds(here.time()) {
            return None;
        }
        let mut day = here.date();
        if hours.to <= here.time() {
            day = day.checked_add(1.day()).unwrap_or(day);
        }
        let ends = day.to_datetime(hours.to).to_zoned(here.time_zone().clone()).ok()?;
        Some(ends.timestamp().duration_since(at))
    }

    /// Whether a region has hours of its own, so that the region must be known.
    #[must_use]
    pub fn differ(&self) -> bool {
        !self.regions.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(quiet: &str, at: &str, region: &str) -> Option<i64> {
        let quiet: QuietHours = quiet.parse().unwrap();
        quiet.wait(at.parse().unwrap(), region).map(|wait| wait.as_mins())
    }

    #[test]
    fn hours_are_those_of_london_in_summer_and_winter() {
        let usual = "20:00-08:00";
        // British Summer Time is an hour ahead of UTC.
        assert_eq!(minutes(usual, "2025-10-06T06:30:00Z", ""), Some(30));
        assert_eq!(minutes(usual, "2025-10-06T07:00:00Z", ""), None);
        assert_eq!(minutes(usual, "2025-10-06T18:59:00Z", ""), None);
        assert_eq!(minutes(usual, "2025-10-06T19:00:00Z", ""), Some(12 * 60));
        assert_eq!(minutes(usual, "2025-12-01T07:59:00Z", ""), Some(1));
        assert_eq!(minutes(usual, "2025-12-01T19:59:00Z", ""), None);
        // The night in which the clocks go back is an hour longer.
        assert_eq!(minutes(usual, "2025-10-25T19:00:00Z", ""), Some(13 * 60));
        assert_eq!(minutes(usual, "2026-03-28T20:00:00Z", ""), Some(11 * 60));
    }

    #[test]
    fn a_region_may_have_its_own() {
        let quiet = "20:00-08:00,Y56=19:00-09:00";
        assert_eq!(minutes(quiet, "2025-12-01T19:30:00Z", "Y56"), Some(13 * 60 + 30));
        assert_eq!(minutes(quiet, "2025-12-01T19:30:00Z", "Y63"), None);
        assert_eq!(minutes("12:00-13:00", "2025-12-01T12:30:00Z", ""), Some(30));
        assert_eq!(minutes("", "2025-12-01T03:00:00Z", ""), None);
    }

    #[test]
    fn what_says_no_hours_is_refused() {
        for text in ["20-08", "20:00", "25:00-08:00", "=20:00-08:00", "20:00-08:00,21:00-07:00"] {
            assert!(text.parse::<QuietHours>().is_err(), "{text}");
        }
        assert!("Y56=21:00-09:00".parse::<QuietHours>().unwrap().differ());
    }
}
