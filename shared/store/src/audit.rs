//! The audit trail: who read, searched for or changed whom, on whose behalf, why, and what came of it.
//!
//! Append only. An entry is written before what it tells of is disclosed, or in the transaction that makes the change. It
//! lies under its person and again under its actor, so that both questions are answered without a scan.

use aws_sdk_dynamodb::types::AttributeValue;
use futures::{StreamExt, TryStreamExt, stream};
use ims_domain::PersonId;
use ims_domain::ids::stable_hash;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Item, Store, StoreError, Table, Transaction, from_item, keys, to_item};

/// Operations of functions that go through many people: applying a feed's rows, deciding on a wave's people, sending.
///
/// Each person's entry lies under the person alone; whoever runs through the people writes one entry without a person,
/// with the count, before each chunk, claim, job or batch. Otherwise one function would fill its own partitions with a
/// line for everybody in the country.
pub const OF_MANY: [&str; 4] = ["feed", "decide", "sms", "letter"];

/// Partitions that are read at the same time.
const CONCURRENCY: usize = 16;

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditResult {
    /// It was done; entries without a result are older and were written only for what was done.
    #[default]
    Allowed,
    /// The actor may not, or the change was not possible.
    Refused,
    /// Nobody, or nothing, was there.
    NotFound,
}

impl AuditResult {
    /// The name used in items.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::NotFound => "not_found",
        }
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When, by the system clock.
    pub at: Timestamp,
    /// Who: a supplier, a member of staff or a function.
    pub actor: String,
    /// The role of a member of staff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// For which organisation or person the actor acted, where it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// What: `create`, `read`, `feed`, `sms`, `letter`, …
    pub operation: String,
    /// Why, or where from: a reason given, a request id, a file and row, a campaign. No personal data.
    pub purpose: String,
    /// Whom it is about; none where nobody was found, or where it stands for a run through many people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    /// What came of it.
    #[serde(default)]
    pub result: AuditResult,
    /// How many records or people it took in, where there could be several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl AuditEntry {
    /// An entry about nobody yet, of something that was done.
    #[must_use]
    pub fn new(at: Timestamp, actor: &str, operation: &str, purpose: String) -> Self {
        Self {
            at,
            actor: actor.to_owned(),
            role: None,
            on_behalf_of: None,
            operation: operation.to_owned(),
            purpose,
            person: None,
            result: AuditResult::Allowed,
            count: None,
        }
    }

    /// With the person it is about.
    #[must_use]
    pub fn about(self, person: PersonId) -> Self {
        Self { person: Some(person), ..self }
    }

    /// With the role of the member of staff.
    #[must_use]
    pub fn in_role(self, role: &str) -> Self {
        Self { role: Some(role.to_owned()), ..self }
    }

    /// With the organisation or person on whose behalf the actor acted.
    #[must_use]
    pub fn on_behalf_of(self, whom: Option<String>) -> Self {
        Self { on_behalf_of: whom, ..self }
    }

    /// With what came of it.
    #[must_use]
    pub fn with_result(self, result: AuditResult) -> Self {
        Self { result, ..self }
    }

    /// With how many records or people it took in.
    #[must_use]
    pub fn counting(self, count: usize) -> Self {
        Self { count: Some(count as u64), ..self }
    }

    /// Where the entry lies: under its person; and under its actor unless it is one of many.
    fn keys(&self, id: Uuid) -> impl Iterator<Item = keys::Key> {
        let sk = format!("{}#{id}", self.at);
        let person = self.person.map(|person| (keys::person_pk(person), sk.clone()));
        let is_of_many = person.is_some() && OF_MANY.contains(&self.operation.as_str());
        let day = self.at.to_zoned(TimeZone::UTC).date();
        let shard = stable_hash(&id.to_string()) % keys::SHARDS;
        let actor = (!is_of_many).then(|| (keys::actor_pk(&self.actor, day, shard), sk));
        person.into_iter().chain(actor)
    }
}

/// Shortest reason that says something, in characters.
const SHORTEST_REASON: usize = 5;
/// Longest reason, in characters.
const LONGEST_REASON: usize = 200;

/// A reason for access as somebody wrote it: on one line, neither empty nor a story.
///
/// # Errors
/// What is wrong with it, to be shown to whoever wrote it.
pub fn reason(written: &str) -> Result<String, String> {
    let reason = written.split_whitespace().collect::<Vec<_>>().join(" ");
    match reason.chars().count() {
        0 => Err("Say why you need it".to_owned()),
        1..SHORTEST_REASON => Err(format!("Say why you need it in at least {SHORTEST_REASON} letters")),
        SHORTEST_REASON..=LONGEST_REASON => Ok(reason),
        long => Err(format!("The reason has {long} letters; at most {LONGEST_REASON} can be kept")),
    }
}

/// The days of a question to the trail, in UTC, and how many entries are wanted at most: the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditSpan {
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
    /// Entries at most.
    pub most: usize,
}

impl AuditSpan {
    fn days(self) -> impl Iterator<Item = Date> {
        self.from.series(jiff::Span::new().days(1)).take_while(move |day| *day <= self.to)
    }

    /// The latest entries, the latest first.
    fn latest(self, mut entries: Vec<AuditEntry>) -> Vec<AuditEntry> {
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        entries.truncate(self.most);
        entries
    }
}

impl Store {
    /// Writes an audit entry alone, before a disclosure.
    ///
    /// # Errors
    /// Where it cannot be written; then nothing may be disclosed.
    pub async fn audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.transaction().audit(entry)?.commit().await
    }

    /// The trail of a person on some days, the latest first.
    ///
    /// # Errors
    /// Where the table or an entry cannot be read.
    pub async fn audit_of_person(&self, person: PersonId, span: AuditSpan) -> Result<Vec<AuditEntry>, StoreError> {
        let (from, to) = (span.from.to_string(), format!("{}~", span.to));
        Ok(span.latest(self.entries(&keys::person_pk(person), &from, &to, span.most).await?))
    }

    /// The trail of a person from an instant on, the latest first.
    ///
    /// # Errors
    /// Where the table or an entry cannot be read.
    pub async fn audit_of_person_since(
        &self,
        person: PersonId,
        since: Timestamp,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let day = since.to_zoned(TimeZone::UTC).date();
        // Keys of one second do not sort by its fraction: whole seconds are read, and what is older left out.
        let from = since.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let mut entries = self.entries(&keys::person_pk(person), &from, "~", usize::MAX).await?;
        entries.retain(|entry| entry.at >= since);
        Ok(AuditSpan { from: day, to: Date::MAX, most: usize::MAX }.latest(entries))
    }

    /// The trail of an actor on some days, the latest first. Of what functions do to many people it has a line for each
    /// run ([`OF_MANY`]).
    ///
    /// # Errors
    /// Where the table or an entry cannot be read.
    pub async fn audit_of_actor(&self, actor: &str, span: AuditSpan) -> Result<Vec<AuditEntry>, StoreError> {
        let partitions = span.days().flat_map(|day| (0..keys::SHARDS).map(move |shard| (day, shard)));
        let read: Vec<Vec<AuditEntry>> =
            stream::iter(partitions)
                .map(|(day, shard)| async move {
                    self.entries(&keys::actor_pk(actor, day, shard), "0", "~", span.most).await
                })
                .buffer_unordered(CONCURRENCY)
                .try_collect()
                .await?;
        Ok(span.latest(read.into_iter().flatten().collect()))
    }

    /// The latest entries of a partition between two sort keys, at least `most` where there are so many.
    async fn entries(&self, pk: &str, from: &str, to: &str, most: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let (mut entries, mut start) = (Vec::new(), None);
        loop {
            let page = self
                .db
                .query()
                .table_name(self.tables.name(Table::Audit))
                .consistent_read(true)
                .scan_index_forward(false)
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                .expression_attribute_values(":pk", text(pk))
                .expression_attribute_values(":from", text(from))
                .expression_attribute_values(":to", text(to))
                .set_limit(i32::try_from(most).ok().filter(|most| *most > 0))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(StoreError::unavailable("Query"))?;
            for item in page.items.unwrap_or_default() {
                entries.push(from_item(item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() || entries.len() >= most {
                return Ok(entries);
            }
        }
    }
}

impl Transaction<'_> {
    /// Adds an audit entry: one write, or two where it lies under person and actor. What is written is never replaced.
    ///
    /// # Errors
    /// Where the entry cannot be an item.
    pub fn audit(mut self, entry: &AuditEntry) -> Result<Self, StoreError> {
        for (pk, sk) in entry.keys(Uuid::new_v4()) {
            let item: Item = to_item(&pk, &sk, entry)?;
            self = self.create(Table::Audit, item);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn entry(operation: &str, person: Option<PersonId>) -> AuditEntry {
        let at = "2025-10-06T23:30:00.5Z".parse().unwrap();
        AuditEntry { person, ..AuditEntry::new(at, "EMIS", operation, "request".to_owned()) }
    }

    #[test]
    fn an_entry_lies_under_its_person_and_its_actor() {
        let (person, id) = (PersonId(Uuid::from_u128(1)), Uuid::from_u128(2));
        let partitions = |operation: &str, person| {
            entry(operation, person)
                .keys(id)
                .map(|(pk, _)| pk.split('#').next().unwrap().to_owned())
                .collect::<String>()
        };
        assert_eq!(partitions("read", Some(person)), "PA");
        assert_eq!(partitions("search", None), "A");
        for operation in OF_MANY {
            assert_eq!(partitions(operation, Some(person)), "P", "{operation}");
            assert_eq!(partitions(operation, None), "A", "the entry of a run, {operation}");
        }
        let (pk, sk) = entry("search", None).keys(id).next().unwrap();
        assert!(pk.starts_with("A#EMIS#2025-10-06#"), "{pk}");
        assert!(sk.starts_with("2025-10-06T23:30:00.5Z#"), "{sk}");
    }

    #[test]
    fn entries_written_before_there_were_results_can_be_read() {
        let old = serde_json::json!({
            "at": "2025-10-06T23:30:00Z", "actor": "EMIS", "operation": "read", "purpose": "request",
            "person": Uuid::from_u128(1).to_string(),
        });
        let read: AuditEntry = serde_json::from_value(old).unwrap();
        assert_eq!((read.result, read.person), (AuditResult::Allowed, Some(PersonId(Uuid::from_u128(1)))));
        assert_eq!((read.on_behalf_of, read.role, read.count), (None, None, None));
    }

    #[test]
    fn a_reason_says_something_on_one_line() {
        assert_eq!(reason(" asked by the\n practice ").unwrap(), "asked by the practice");
        for wrong in ["", " \t", "why", &"x".repeat(201)] {
            assert!(reason(wrong).is_err(), "{wrong}");
        }
        assert!(reason(&"é".repeat(200)).is_ok());
    }

    #[test]
    fn a_span_has_both_its_days_and_the_latest_entries() {
        let span = AuditSpan { from: date(2025, 10, 30), to: date(2025, 11, 1), most: 2 };
        assert_eq!(span.days().map(|day| day.day()).collect::<Vec<_>>(), [30, 31, 1]);
        let at = |second: &str| AuditEntry {
            at: format!("2025-10-30T00:00:{second}Z").parse().unwrap(),
            ..entry("read", None)
        };
        let latest = span.latest(vec![at("01"), at("01.5"), at("00")]);
        assert_eq!(
            latest.iter().map(|entry| entry.at.to_string()).collect::<Vec<_>>(),
            ["2025-10-30T00:00:01.5Z", "2025-10-30T00:00:01Z"]
        );
    }
}
