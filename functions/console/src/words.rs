//! Numbers, days and the system's names in plain British English.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Data older than this is worth a warning, in seconds of system time.
pub(crate) const STALE: i64 = 300;

/// `12,345`.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 message`, `12,345 messages`.
pub(crate) fn count(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// `1 person`, `12,345 people`.
pub(crate) fn people(value: u64) -> String {
    count(value, "person", "people")
}

/// `50.0%`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// One number as a share of another; `None` where the other is 0.
pub(crate) fn share(part: u64, whole: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "people are far fewer than 2^52")]
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// `3 November 2025`.
pub(crate) fn day(date: Date) -> String {
    date.strftime("%-d %B %Y").to_string()
}

/// A time as it is in London.
pub(crate) fn local(at: Timestamp) -> Zoned {
    at.to_zoned(TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC))
}

/// `14:03:20 on 22 November 2026`.
pub(crate) fn time(at: Timestamp) -> String {
    local(at).strftime("%H:%M:%S on %-d %B %Y").to_string()
}

/// Seconds from then to now; 0 where then is still to come.
pub(crate) fn age_seconds(then: Timestamp, now: Timestamp) -> i64 {
    now.as_second().saturating_sub(then.as_second()).max(0)
}

/// `40 seconds ago`, `3 hours ago`.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = age_seconds(then, now);
    let (value, one, many) = match seconds {
        ..60 => (seconds, "second", "seconds"),
        60..3600 => (seconds / 60, "minute", "minutes"),
        3600..86_400 => (seconds / 3600, "hour", "hours"),
        _ => (seconds / 86_400, "day", "days"),
    };
    format!("{} ago", count(value.unsigned_abs(), one, many))
}

/// Why nothing went out to somebody.
pub(crate) fn suppression(reason: &str) -> String {
    match reason {
        "dead" => "died",
        "removed" => "no longer registered in England, or registered under another NHS number",
        "invalidated" => "NHS number invalidated",
        "restricted" => "address may be disclosed to nobody; the practice reaches them",
        "vaccinated" => "already had the dose",
        "booked" => "already with an appointment",
        "not_eligible" => "the rules no longer say that they should be vaccinated now",
        "opted_out" => "asked not to be contacted",
        "says_vaccinated" => "answered to have had the vaccine elsewhere",
        "in_custody" => "in a secure setting; its healthcare service reaches them",
        "no_contact_route" => "no mobile number that may be texted, and no usable address",
        "already_written" => {
            "the same message went to another NHS number of theirs before the two were known to be one"
        }
        "held" => "the wave was paused or stopped before the message left",
        other => return plain(other),
    }
    .to_owned()
}

/// Why a provider refused a message.
pub(crate) fn failure(reason: &str) -> String {
    match reason {
        "permanent-failure" => "the number or address does not exist".to_owned(),
        "temporary-failure" => "could not be reached, for now".to_owned(),
        "technical-failure" => "a technical failure at the provider".to_owned(),
        other => plain(other),
    }
}

/// The outcome of a call.
pub(crate) fn call_outcome(outcome: &str) -> String {
    match outcome {
        "no_answer" => "no answer".to_owned(),
        "booked" => "made an appointment".to_owned(),
        "will_arrange" => "will arrange it".to_owned(),
        "declined" => "declined".to_owned(),
        "already_vaccinated" => "vaccinated already".to_owned(),
        "wrong_number" => "wrong number".to_owned(),
        "bereaved" => "the person has died".to_owned(),
        other => plain(other),
    }
}

/// A group of a breakdown.
pub(crate) fn group(breakdown: &str, group: &str) -> String {
    match (breakdown, group) {
        (_, "unknown") => "Not known".to_owned(),
        ("deprivation_fifth", "1") => "1 (most deprived)".to_owned(),
        ("deprivation_fifth", "5") => "5 (least deprived)".to_owned(),
        ("ethnic_group", name) => capital(&plain(name)),
        (_, name) => name.to_owned(),
    }
}

/// A name of the system, as words: `not_known` → `not known`.
pub(crate) fn plain(name: &str) -> String {
    name.replace(['_', '-'], " ")
}

/// With a capital first letter.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ages_read_as_words() {
        for (value, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(value), text);
        }
        assert_eq!(people(1), "1 person");
        let now: Timestamp = "2026-11-22T14:04:00Z".parse().unwrap();
        for (then, text) in [
            ("2026-11-22T14:03:20Z", "40 seconds ago"),
            ("2026-11-22T14:03:00Z", "1 minute ago"),
            ("2026-11-22T11:00:00Z", "3 hours ago"),
            ("2026-11-20T11:00:00Z", "2 days ago"),
            ("2026-11-22T14:04:01Z", "0 seconds ago"),
        ] {
            assert_eq!(age(then.parse().unwrap(), now), text);
        }
        assert_eq!(time("2026-07-01T12:00:00Z".parse().unwrap()), "13:00:00 on 1 July 2026");
    }
}
