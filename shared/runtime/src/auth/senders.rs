//! Who may send which files: principals of the inbound bucket and MESH mailboxes, each bound to ODS codes and feeds.

use std::collections::BTreeSet;

use serde::Deserialize;
use thiserror::Error;

/// A sender as the configuration writes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// Who it is, in words; for logs and refusals.
    pub sender: String,
    /// Its principals as S3's events name them, such as `AWS:AROAEXAMPLE` with any session, or `AWS:AROAEXAMPLE:session`.
    #[serde(default)]
    pub principals: Vec<String>,
    /// Its MESH mailboxes.
    #[serde(default)]
    pub mailboxes: Vec<String>,
    /// ODS codes that may stand in the names of its files.
    pub ods_codes: Vec<String>,
    /// Feeds that it may send (`vaccinations`, `demographics`, `cohorts`, `bookings`).
    pub feeds: Vec<String>,
}

/// What is wrong with a configuration.
#[derive(Debug, Error)]
pub enum SendersError {
    /// It is no list of senders.
    #[error("it is no list of senders: {0}")]
    Json(#[from] serde_json::Error),
    /// A sender that no file could come from, or that could send none.
    #[error("sender '{0}' needs a principal or a mailbox, an ODS code and a feed")]
    Empty(String),
    /// A principal or mailbox of two senders.
    #[error("'{0}' is a principal or mailbox of two senders")]
    Twice(String),
}

/// Where a file came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// Put into the bucket by this principal.
    Principal(&'a str),
    /// Sent from this mailbox.
    Mailbox(&'a str),
}

/// All senders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Senders(Vec<Sender>);

impl Senders {
    /// Reads a configuration: a JSON list.
    ///
    /// # Errors
    /// Where it could be misread.
    pub fn parse(text: &str) -> Result<Self, SendersError> {
        let senders: Vec<Sender> = serde_json::from_str(text)?;
        let mut seen = BTreeSet::new();
        for sender in &senders {
            let reachable = !sender.principals.is_empty() || !sender.mailboxes.is_empty();
            if !reachable || sender.ods_codes.is_empty() || sender.feeds.is_empty() {
                return Err(SendersError::Empty(sender.sender.clone()));
            }
            let mailboxes = sender.mailboxes.iter().map(|mailbox| mailbox.to_ascii_uppercase());
            for name in sender.principals.iter().cloned().chain(mailboxes) {
                if !seen.insert(name.clone()) {
                    return Err(SendersError::Twice(name));
                }
            }
        }
        Ok(Self(senders))
    }

    /// The sender of what came from somewhere; `None` where nobody is registered there.
    #[must_use]
    pub fn of(&self, origin: Origin<'_>) -> Option<&Sender> {
        self.0.iter().find(|sender| match origin {
            Origin::Principal(principal) => sender.principals.iter().any(|held| is_principal(held, principal)),
            Origin::Mailbox(mailbox) => sender.mailboxes.iter().any(|held| held.eq_ignore_ascii_case(mailbox)),
        })
    }
}

impl Sender {
    /// Whether a file with this ODS code in its name, of this feed, may come from here.
    ///
    /// # Errors
    /// Why not, in words.
    pub fn may_send(&self, ods_code: &str, feed: &str) -> Result<(), String> {
        if !self.ods_codes.iter().any(|held| held.eq_ignore_ascii_case(ods_code)) {
            return Err(format!("the ODS code '{ods_code}' in its name is not one of its sender's ({})", self.sender));
        }
        if !self.feeds.iter().any(|held| held == feed) {
            return Err(format!("its sender ({}) is not registered for the feed '{feed}'", self.sender));
        }
        Ok(())
    }
}

/// Whether a principal is the one held: the same, or a session of it.
#[must_use]
pub fn is_principal(held: &str, principal: &str) -> bool {
    principal.strip_prefix(held).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"[
        {"sender": "MAVIS", "principals": ["AWS:AROAMAVIS"], "mailboxes": ["X26ABC2"], "ods_codes": ["V0V8L"], "feeds": ["vaccinations"]},
        {"sender": "cohorting", "principals": ["AWS:AROAX:task"], "ods_codes": ["X26"], "feeds": ["demographics", "cohorts"]}]"#;

    #[test]
    fn a_file_is_bound_to_whom_it_came_from() {
        let senders = Senders::parse(TEXT).unwrap();
        let check = |origin, ods: &str, feed: &str| senders.of(origin).map(|sender| sender.may_send(ods, feed));
        assert_eq!(check(Origin::Principal("AWS:AROAMAVIS:sftp-1"), "v0v8l", "vaccinations"), Some(Ok(())));
        assert_eq!(check(Origin::Principal("AWS:AROAMAVIS"), "V0V8L", "vaccinations"), Some(Ok(())));
        assert_eq!(check(Origin::Mailbox("x26abc2"), "V0V8L", "vaccinations"), Some(Ok(())));
        let why = check(Origin::Mailbox("X26ABC2"), "YGA", "vaccinations").unwrap().unwrap_err();
        assert_eq!(why, "the ODS code 'YGA' in its name is not one of its sender's (MAVIS)");
        let why = check(Origin::Principal("AWS:AROAX:task"), "X26", "bookings").unwrap().unwrap_err();
        assert_eq!(why, "its sender (cohorting) is not registered for the feed 'bookings'");
        for nobody in [
            Origin::Principal("AWS:AROAMAVISX"),
            Origin::Principal("AWS:AROAX:other"),
            Origin::Principal("X26ABC2"),
            Origin::Principal(""),
            Origin::Mailbox("AWS:AROAMAVIS"),
            Origin::Mailbox(""),
        ] {
            assert_eq!(check(nobody, "V0V8L", "vaccinations"), None, "{nobody:?}");
        }
    }

    #[test]
    fn a_configuration_that_could_be_misread_is_refused() {
        for (text, why) in [
            ("{}", "no list of senders"),
            (r#"[{"sender": "A", "ods_codes": ["X"], "feeds": ["cohorts"]}]"#, "sender 'A' needs"),
            (r#"[{"sender": "A", "mailboxes": ["m"], "ods_codes": [], "feeds": ["cohorts"]}]"#, "sender 'A' needs"),
            (r#"[{"sender": "A", "mailboxes": ["m"], "ods_codes": ["X"], "feeds": []}]"#, "sender 'A' needs"),
            (r#"[{"sender": "A", "mailbox": ["m"], "ods_codes": ["X"], "feeds": ["cohorts"]}]"#, "unknown field"),
            (
                r#"[{"sender": "A", "mailboxes": ["m"], "ods_codes": ["X"], "feeds": ["cohorts"]},
                    {"sender": "B", "mailboxes": ["M"], "ods_codes": ["Y"], "feeds": ["cohorts"]}]"#,
                "'M' is a principal or mailbox of two senders",
            ),
        ] {
            let error = Senders::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert_eq!(Senders::parse("[]").unwrap(), Senders::default());
    }
}
