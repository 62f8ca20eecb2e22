//! What the print supplier says became of letters: status files in the print bucket, and callbacks.
//!
//! Reports come in any order and more than once; of all that come, the one that counts most stands ([`PrintStatus`]), and
//! the letter keeps it as its `detail`. A letter that came back marks the address it went to, in the same transaction, so
//! that what follows goes another way.

use ims_domain::BatchId;
use ims_domain::MessageId;
use ims_domain::contact::Channel;
use ims_domain::invitation::{Message, MessageState};
use ims_domain::letter::{PrintStatus, ReturnedMail};
use ims_store::{AuditEntry, Store, StoreError, until_it_holds};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use thiserror::Error;

use crate::receipt::Effect;

/// Moves of a letter that others overtake.
const ATTEMPTS: u32 = 6;

/// Who notes, in the audit.
const ACTOR: &str = "receipt-ingest";

/// The header of a status file.
pub const HEADER: [&str; 4] = ["BATCH", "SEQUENCE", "REFERENCE", "STATUS"];

/// One report of the supplier's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrintReport {
    /// The batch.
    pub batch: BatchId,
    /// The message.
    pub reference: MessageId,
    /// What became of it.
    pub status: PrintStatus,
}

/// Why a row or a body is no report. Names the field and says nothing of what it holds but a status that is not known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReportError {
    /// The columns are others.
    #[error("header: expected {}", HEADER.join(","))]
    Header,
    /// A row with more or fewer fields.
    #[error("row: has {0} fields, expected 4")]
    Fields(usize),
    /// Not a batch.
    #[error("BATCH: is not the id of a batch")]
    Batch,
    /// Not a place in a batch.
    #[error("SEQUENCE: is not a number from 1")]
    Sequence,
    /// Not a message.
    #[error("REFERENCE: is not a message id")]
    Reference,
    /// A word that no supplier uses.
    #[error("STATUS: is not known")]
    Status,
    /// Not the JSON of a report.
    #[error("body: is not a report of the print supplier")]
    Body,
}

#[derive(Deserialize)]
struct Body {
    batch: String,
    sequence: u32,
    reference: String,
    status: String,
}

impl PrintReport {
    /// A report of these fields. The place is checked for being one; the message's id is what counts.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn read(batch: &str, sequence: &str, reference: &str, status: &str) -> Result<Self, ReportError> {
        let batch = batch.parse().map_err(|_| ReportError::Batch)?;
        if !sequence.parse::<u32>().is_ok_and(|sequence| sequence > 0) {
            return Err(ReportError::Sequence);
        }
        let reference = reference.parse().map_err(|_| ReportError::Reference)?;
        Ok(Self { batch, reference, status: PrintStatus::parse(status).ok_or(ReportError::Status)? })
    }

    /// A callback's body: `{"batch","sequence","reference","status"}`.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(body: &[u8]) -> Result<Self, ReportError> {
        let body: Body = serde_json::from_slice(body).map_err(|_| ReportError::Body)?;
        Self::read(&body.batch, &body.sequence.to_string(), &body.reference, &body.status)
    }
}

/// A row of a status file: its line, and its report or what is wrong with it.
pub type Row = (usize, Result<PrintReport, ReportError>);

/// The reports of a status file, each with its line; rows that are wrong are errors of their own.
///
/// # Errors
/// Where the header is another.
pub fn rows(file: &str) -> Result<Vec<Row>, ReportError> {
    let mut lines = file.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let header = lines.next().map(|(_, line)| line.trim_start_matches('\u{feff}'));
    if header != Some(HEADER.join(",").as_str()) {
        return Err(ReportError::Header);
    }
    let read = |line: &str| {
        // Ids, numbers and words: nothing that would have to be quoted.
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        match fields.as_slice() {
            [batch, sequence, reference, status] => PrintReport::read(batch, sequence, reference, status),
            other => Err(ReportError::Fields(other.len())),
        }
    };
    Ok(lines.filter(|(_, line)| !line.is_empty()).map(|(number, line)| (number, read(line))).collect())
}

/// What a report does to a letter as it stands.
#[must_use]
pub fn effect(message: &Message, report: &PrintReport) -> Effect {
    if message.channel != Channel::Letter {
        return Effect::Odd("the message is no letter");
    }
    if message.batch != Some(report.batch) {
        return Effect::Odd("the letter is not in this batch");
    }
    if matches!(message.state, MessageState::Queued | MessageState::Withdrawn) {
        return Effect::Odd("the letter has not left");
    }
    let held = message.detail.as_deref().and_then(PrintStatus::parse);
    if held.is_some_and(|held| held >= report.status) {
        return Effect::Nothing;
    }
    if message.state == MessageState::Failed && held.is_none() {
        return Effect::Odd("the letter could not be typeset");
    }
    Effect::Move(Box::new(Message {
        state: report.status.state(),
        detail: Some(report.status.name().to_owned()),
        provider_id: message.provider_id.clone().or_else(|| Some(report.batch.to_string())),
        version: message.version + 1,
        ..message.clone()
    }))
}

/// Notes a report on its letter.
///
/// # Errors
/// Where the store fails.
pub async fn note(store: &Store, report: &PrintReport, today: Date) -> Result<&'static str, StoreError> {
    until_it_holds(ATTEMPTS, async |_| {
        let Some(message) = store.message(report.reference).await? else {
            tracing::warn!(message = %report.reference, "a print report for a message that is not there");
            return Ok("ignored");
        };
        let moved = match effect(&message, report) {
            Effect::Move(moved) => moved,
            Effect::Nothing => return Ok("nothing new"),
            Effect::Odd(why) => {
                tracing::warn!(message = %message.id, state = message.state.name(), why, "a print report was ignored");
                return Ok("ignored");
            }
        };
        let mut transaction = store.transaction().move_message(&moved, message.version)?;
        if message.state == MessageState::Sending {
            transaction = transaction.leave_pending(&message);
        }
        if report.status == PrintStatus::Returned
            && let Some(person) = store.person(message.person).await?
            && !has_moved(&person.demographics.changed, message.sent_on)
        {
            let mut marked = person.clone();
            marked.returned_mail = Some(ReturnedMail::of(&person, today));
            marked.version += 1;
            let purpose = format!("letter {} came back: address marked", message.id);
            let audit = AuditEntry::new(Timestamp::now(), ACTOR, "letter", purpose).about(person.id);
            transaction = transaction.write_person(&marked, person.version).await?.audit(&audit)?;
        }
        transaction.commit().await?;
        Ok("noted")
    })
    .await
}

/// Whether the demographics are newer than the letter, so that it may have gone to another address. `changed` is the
/// source's time, `YYYYMMDDThhmmss`.
fn has_moved(changed: &str, sent_on: Option<Date>) -> bool {
    let day = changed.get(..8).unwrap_or_default();
    sent_on.is_some_and(|sent| !day.is_empty() && day > sent.strftime("%Y%m%d").to_string().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::tests::message;
    use jiff::civil::date;
    use uuid::Uuid;

    fn letter(state: MessageState) -> Message {
        Message { channel: Channel::Letter, batch: Some(BatchId(Uuid::from_u128(9))), ..message(state) }
    }

    fn report(status: PrintStatus) -> PrintReport {
        PrintReport { batch: BatchId(Uuid::from_u128(9)), reference: MessageId(Uuid::from_u128(1)), status }
    }

    #[test]
    fn reports_in_any_order_and_number_end_with_the_one_that_counts_most() {
        use PrintStatus::{Accepted, Cancelled, Delivered, Dispatched, Enclosed, Pending, Printed, Rejected, Returned};
        let cases: [(&[PrintStatus], MessageState, PrintStatus); 5] = [
            (&[Pending, Accepted, Printed, Enclosed, Dispatched], MessageState::Sent, Dispatched),
            (&[Accepted, Rejected], MessageState::Failed, Rejected),
            (&[Pending, Cancelled], MessageState::Failed, Cancelled),
            (&[Dispatched, Delivered], MessageState::Delivered, Delivered),
            (&[Dispatched, Delivered, Returned], MessageState::Failed, Returned),
        ];
        for (statuses, state, last) in cases {
            let forwards: Vec<PrintStatus> = statuses.to_vec();
            let backwards: Vec<PrintStatus> = statuses.iter().rev().copied().collect();
            let twice: Vec<PrintStatus> = [statuses, statuses].concat();
            for order in [forwards, backwards, twice] {
                for begin in [MessageState::Sending, MessageState::Sent] {
                    let mut held = letter(begin);
                    for status in &order {
                        if let Effect::Move(moved) = effect(&held, &report(*status)) {
                            held = *moved;
                        }
                    }
                    assert_eq!((held.state, held.detail.as_deref()), (state, Some(last.name())), "{order:?}");
                }
            }
        }
    }

    #[test]
    fn a_report_about_something_else_changes_nothing() {
        let odd = |message: Message, report: PrintReport| matches!(effect(&message, &report), Effect::Odd(_));
        let accepted = report(PrintStatus::Accepted);
        assert!(odd(message(MessageState::Sent), accepted), "a text");
        assert!(odd(letter(MessageState::Queued), accepted) && odd(letter(MessageState::Withdrawn), accepted));
        assert!(odd(letter(MessageState::Sent), PrintReport { batch: BatchId(Uuid::nil()), ..accepted }));
        let unprintable =
            Message { detail: Some("letter x, heading: is empty".into()), ..letter(MessageState::Failed) };
        assert!(odd(unprintable, accepted));
    }

    #[test]
    fn a_status_file_is_read_row_by_row_and_a_wrong_row_is_named_without_what_it_holds() {
        let (batch, reference) = (Uuid::from_u128(9), Uuid::from_u128(1));
        let file = format!(
            "BATCH,SEQUENCE,REFERENCE,STATUS\r\n{batch},1,{reference},PRINTED\r\n{batch},0,{reference},PRINTED\n\n\
             {batch},2,Siân Example,PRINTED\n{batch},2,{reference},BURNT\n{batch},2\n"
        );
        let read = rows(&file).unwrap();
        assert_eq!(read[0], (2, Ok(report(PrintStatus::Printed))));
        let errors: Vec<(usize, String)> =
            read[1..].iter().map(|(line, row)| (*line, row.clone().unwrap_err().to_string())).collect();
        let expected = [
            (3, "SEQUENCE: is not a number from 1"),
            (5, "REFERENCE: is not a message id"),
            (6, "STATUS: is not known"),
            (7, "row: has 2 fields, expected 4"),
        ];
        assert_eq!(errors, expected.map(|(line, text)| (line, text.to_owned())));
        assert_eq!(rows("NAME,STATUS\n"), Err(ReportError::Header));
    }

    #[test]
    fn a_callback_says_the_same_as_a_row() {
        let body = serde_json::json!({
            "batch": Uuid::from_u128(9), "sequence": 1, "reference": Uuid::from_u128(1), "status": "RETURNED",
        });
        assert_eq!(PrintReport::parse(body.to_string().as_bytes()), Ok(report(PrintStatus::Returned)));
        assert_eq!(PrintReport::parse(b"07700900123"), Err(ReportError::Body));
    }

    #[test]
    fn an_address_that_came_after_the_letter_is_not_marked() {
        let sent = Some(date(2025, 10, 6));
        assert!(has_moved("20251007T000000", sent));
        assert!(!has_moved("20251006T235959", sent) && !has_moved("", sent));
    }
}
