//! FHIR dates and date-times, read strictly: no partial dates.

use ims_domain::clock::london_date;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

/// A run of digits as a number.
fn digits(bytes: &[u8]) -> Option<i16> {
    bytes.iter().try_fold(0i16, |number, byte| {
        byte.is_ascii_digit().then(|| number.checked_mul(10)?.checked_add(i16::from(byte - b'0')))?
    })
}

fn small(bytes: &[u8]) -> Option<i8> {
    digits(bytes).and_then(|number| i8::try_from(number).ok())
}

/// Reads `YYYY-MM-DD`.
pub(crate) fn date(text: &str) -> Option<Date> {
    let [y @ .., b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else { return None };
    if y.len() != 4 {
        return None;
    }
    Date::new(digits(y)?, small(&[*m1, *m2])?, small(&[*d1, *d2])?).ok()
}

/// A date, or a date and time with its offset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moment {
    /// As written; midnight where no time was written.
    pub(crate) written: DateTime,
    /// The offset, where a time was written.
    pub(crate) offset: Option<Offset>,
    /// Written as `+00:00`, `+01:00`, `+0000` or `+0100`, or a date alone.
    pub(crate) is_british: bool,
}

/// Reads `YYYY-MM-DD`, or `YYYY-MM-DDThh:mm:ss` with an optional fraction of up to six digits and an offset.
pub(crate) fn moment(text: &str) -> Option<Moment> {
    let bytes = text.as_bytes();
    if bytes.len() == 10 {
        let written = date(text)?.at(0, 0, 0, 0);
        return Some(Moment { written, offset: None, is_british: true });
    }
    let day = date(text.get(..10)?)?;
    let [b'T', h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = &bytes[10..] else { return None };
    let time = (small(&[*h1, *h2])?, small(&[*m1, *m2])?, small(&[*s1, *s2])?);
    let zone = match rest {
        [b'.', tail @ ..] => {
            let length = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=6).contains(&length) {
                return None;
            }
            &tail[length..]
        }
        _ => rest,
    };
    let (sign, hours, minutes) = match zone {
        [b'Z'] => (1, 0, 0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            (if *sign == b'-' { -1 } else { 1 }, digits(&[*h1, *h2])?, digits(&[*m1, *m2])?)
        }
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60);
    let time = jiff::civil::Time::new(time.0, time.1, time.2, 0).ok()?;
    Some(Moment {
        written: day.to_datetime(time),
        offset: Some(Offset::from_seconds(seconds).ok()?),
        is_british: zone[0] == b'+' && minutes == 0 && hours <= 1,
    })
}

impl Moment {
    /// The day in London.
    pub(crate) fn london_date(self) -> Date {
        match self.offset {
            // London is never more than an hour from these offsets, so only the hours beside midnight need the rules.
            Some(offset) if !(self.is_british && (1..=22).contains(&self.written.hour())) => {
                offset.to_timestamp(self.written).map_or(self.written.date(), london_date)
            }
            _ => self.written.date(),
        }
    }
}

/// The time against which "in the future" is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    at: Timestamp,
    day_utc: Date,
}

impl Now {
    pub(crate) fn new(at: Timestamp) -> Self {
        Self { at, day_utc: Offset::UTC.to_datetime(at).date() }
    }

    /// Whether a day has not begun in London, whose date is never behind UTC's.
    pub(crate) fn is_before_day(self, day: Date) -> bool {
        day > self.day_utc && day > london_date(self.at)
    }

    /// Whether a moment has not come.
    pub(crate) fn is_before(self, moment: Moment) -> bool {
        match moment.offset {
            None => self.is_before_day(moment.written.date()),
            Some(offset) => offset.to_timestamp(moment.written).is_ok_and(|at| at > self.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read_strictly() {
        for (text, day) in [
            ("2021-02-07", Some("2021-02-07")),
            ("2021-02-07T13:28:17+00:00", Some("2021-02-07")),
            ("2021-02-07T13:28:17.271+00:00", Some("2021-02-07")),
            ("2021-07-01T23:30:00+00:00", Some("2021-07-02")),
            ("2021-07-01T00:30:00+01:00", Some("2021-07-01")),
            ("2021-12-01T00:30:00+01:00", Some("2021-11-30")),
            ("2021-07-01T23:30:00Z", Some("2021-07-02")),
            ("2021-07-01T23:30:00-0500", Some("2021-07-02")),
            ("2021-02-30", None),
            ("2021-2-3", None),
            ("2021-02", None),
            ("2021-02-07T13:28+00:00", None),
            ("2021-02-07T13:28:17", None),
            ("2021-02-07T25:28:17+00:00", None),
            ("2021-02-07T13:28:17.+00:00", None),
            ("2021-02-07T13:28:17.1234567+00:00", None),
            ("2021-02-07T13:28:17+1:00", None),
            ("2023/23/01", None),
            ("é021-02-07", None),
            ("", None),
        ] {
            let read = moment(text).map(|moment| moment.london_date().to_string());
            assert_eq!(read.as_deref(), day, "{text}");
        }
        assert!(moment("2021-07-01T12:00:00+0100").unwrap().is_british);
        assert!(!moment("2021-07-01T12:00:00Z").unwrap().is_british);
        assert!(!moment("2021-07-01T12:00:00+02:00").unwrap().is_british);
    }

    #[test]
    fn today_in_london_is_not_in_the_future() {
        let now = Now::new("2025-07-01T23:30:00Z".parse().unwrap());
        assert!(!now.is_before_day(date("2025-07-02").unwrap()));
        assert!(now.is_before_day(date("2025-07-03").unwrap()));
        assert!(!now.is_before(moment("2025-07-01T23:30:00+00:00").unwrap()));
        assert!(now.is_before(moment("2025-07-01T23:31:00+00:00").unwrap()));
        assert!(!now.is_before(moment("2025-07-02T00:30:00+01:00").unwrap()));
    }
}
