//! Noting an answer on the person whom the message is to.

use ims_domain::invitation::Message;
use ims_domain::record::Record;
use ims_domain::reply::{Answer, SOURCE, Said};
use ims_store::{AuditEntry, AuditResult, Store, StoreError, until_it_holds};
use thiserror::Error;

use crate::door::Now;

/// Attempts at a person whom others keep writing.
const ATTEMPTS: u32 = 12;

/// What the audit trail calls an answer.
const ANSWER: &str = "reply";
/// What the audit trail calls a date of birth that was tried.
const OPEN: &str = "reply_open";

/// Why an answer cannot be noted, or a page not be shown.
#[derive(Debug, Error)]
pub enum ReplyError {
    /// Store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The person of a message is not there.
    #[error("the person of message {0} is not there")]
    Nobody(ims_domain::MessageId),
}

/// Notes an answer, in one transaction with its audit entry, under the person's version.
pub(crate) async fn note(store: &Store, message: &Message, answer: &Answer, now: Now) -> Result<(), ReplyError> {
    let noted = until_it_holds(ATTEMPTS, async |_| {
        let Some(before) = store.person(message.person).await? else { return Ok(false) };
        let said = Said::at(now.day(), now.business, now.system);
        let mut record = Record::new(before.clone());
        for change in answer.changes(&before, message, &said) {
            record.apply(&change);
        }
        if *answer == Answer::Bereaved {
            record.person.report_death();
        }
        let entry = entry(ANSWER, message, answer.name(), now);
        let transaction = if record.person == before {
            store.transaction()
        } else {
            record.person.version = before.version + 1;
            store.transaction().write_person(&record.person, before.version).await?
        };
        transaction.audit(&entry)?.commit().await?;
        Ok::<_, StoreError>(true)
    })
    .await?;
    if noted { Ok(()) } else { Err(ReplyError::Nobody(message.id)) }
}

/// Writes down that somebody tried the date of birth of the person of a message: before anything is shown.
pub(crate) async fn note_try(store: &Store, message: &Message, is_right: bool, now: Now) -> Result<(), StoreError> {
    let entry = entry(OPEN, message, "date of birth", now);
    let result = if is_right { AuditResult::Allowed } else { AuditResult::Refused };
    store.audit(&entry.with_result(result)).await
}

fn entry(operation: &str, message: &Message, what: &str, now: Now) -> AuditEntry {
    let purpose = format!("{what}, {} {} of {}", message.channel.name(), message.id, message.campaign);
    AuditEntry::new(now.system, SOURCE, operation, purpose).about(message.person)
}
