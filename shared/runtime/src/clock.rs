//! The two clocks. The system clock times leases, tokens and time-outs; the business clock says what day it is for a
//! campaign. A sandbox may set its business clock; everywhere else they agree.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use thiserror::Error;

use crate::Settings;

/// How long a process may go on believing the business time it last read.
const FRESH: Duration = Duration::from_millis(200);

/// Why the business time cannot be told.
#[derive(Debug, Error)]
pub enum ClockError {
    /// The control table could not be read.
    #[error("reading the business clock from table {table}")]
    Read {
        /// Table.
        table: String,
        /// Cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What it holds is not a time.
    #[error("the business clock holds '{0}', which is not an RFC 3339 time")]
    Invalid(String),
}

/// The business clock.
#[derive(Debug)]
pub struct BusinessClock {
    settable: Option<(Client, String)>,
    last: Mutex<Option<(Instant, Timestamp)>>,
}

impl BusinessClock {
    /// The clock of a stage: a sandbox reads `CLOCK` in the control table, others the system clock.
    #[must_use]
    pub fn new(settings: &Settings, db: Client, control_table: String) -> Self {
        Self { settable: settings.is_sandbox().then_some((db, control_table)), last: Mutex::new(None) }
    }

    /// Business time now.
    ///
    /// # Errors
    /// Where the control table cannot be read or holds no time.
    pub async fn now(&self) -> Result<Timestamp, ClockError> {
        let Some((db, table)) = &self.settable else { return Ok(Timestamp::now()) };
        if let Ok(last) = self.last.lock()
            && let Some((read, time)) = *last
            && read.elapsed() < FRESH
        {
            return Ok(time);
        }
        let item = db
            .get_item()
            .table_name(table)
            .key("pk", AttributeValue::S("CLOCK".to_owned()))
            .key("sk", AttributeValue::S("-".to_owned()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| ClockError::Read { table: table.clone(), source: Box::new(error) })?
            .item
            .unwrap_or_default();
        let time = match item.get("now").and_then(|value| value.as_s().ok()) {
            Some(text) => text.parse().map_err(|_| ClockError::Invalid(text.clone()))?,
            None => Timestamp::now(),
        };
        if let Ok(mut last) = self.last.lock() {
            *last = Some((Instant::now(), time));
        }
        Ok(time)
    }

    /// Business day now, in London.
    ///
    /// # Errors
    /// As [`Self::now`].
    pub async fn today(&self) -> Result<Date, ClockError> {
        let zone = TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC);
        Ok(self.now().await?.to_zoned(zone).date())
    }
}
