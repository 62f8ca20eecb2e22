//! What somebody decides about a file that was held back.

use ims_fhir::ack::FileAnswer;
use ims_runtime::Service;
use ims_store::{AuditEntry, AuditResult, FeedFile, FeedFileState, FileDecision, Held, Store, StoreError, audit};
use jiff::Timestamp;
use serde::Deserialize;
use thiserror::Error;

use crate::{IntakeError, acknowledge, send};

/// What the function can be asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Apply the rows of a file that was held back.
    Approve {
        /// File.
        file: String,
        /// Who decides: never who sent it.
        by: String,
        /// Why.
        reason: String,
    },
    /// Apply none of them.
    Refuse {
        /// File.
        file: String,
        /// Who decides: never who sent it.
        by: String,
        /// Why.
        reason: String,
    },
}

/// Why a decision is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecisionError {
    /// There is no such file.
    #[error("file '{0}' is not known")]
    Unknown(String),
    /// The file does not wait, or was decided the other way.
    #[error("file '{file}' does not wait for a decision: it is {state}")]
    State {
        /// File.
        file: String,
        /// What became of it.
        state: String,
    },
    /// Who decides sent it.
    #[error("by must be somebody else than who sent the file; it is '{0}'")]
    Sender(String),
    /// A field cannot be used.
    #[error("{field} cannot be used: {what}")]
    Field {
        /// Field.
        field: &'static str,
        /// What is wrong.
        what: String,
    },
}

impl Request {
    /// Whether it approves, and the file, the author and the reason.
    fn parts(self) -> (bool, String, String, String) {
        match self {
            Self::Approve { file, by, reason } => (true, file, by, reason),
            Self::Refuse { file, by, reason } => (false, file, by, reason),
        }
    }
}

/// Takes a decision; the same once more completes what was begun and answers the same.
///
/// # Errors
/// Where it cannot be taken.
pub(crate) async fn decide(service: &Service, request: Request) -> Result<FeedFile, IntakeError> {
    let file = settle(&service.store, request, Timestamp::now()).await?;
    match file.state {
        FeedFileState::Preprocessed => {
            acknowledge(service, &file, FileAnswer::Accepted).await?;
            send(service, &file).await?;
        }
        FeedFileState::Failed => acknowledge(service, &file, FileAnswer::Refused).await?,
        _ => {}
    }
    Ok(file)
}

/// Moves the file as decided, with an audit entry in the same transaction.
async fn settle(store: &Store, request: Request, now: Timestamp) -> Result<FeedFile, IntakeError> {
    let (approved, name, by, reason) = request.parts();
    let by = by.trim().to_owned();
    if by.is_empty() || by.chars().count() > 100 {
        let what = format!("it must have 1 to 100 letters; it is '{by}'");
        return Err(DecisionError::Field { field: "by", what }.into());
    }
    let reason = audit::reason(&reason).map_err(|what| DecisionError::Field { field: "reason", what })?;
    let operation = if approved { "approve_feed" } else { "refuse_feed" };
    let entry = AuditEntry::new(now, &by, operation, format!("{name}: {reason}"));
    loop {
        let Some(file) = store.file(&name).await? else {
            store.audit(&entry.with_result(AuditResult::NotFound)).await?;
            return Err(DecisionError::Unknown(name).into());
        };
        if by.eq_ignore_ascii_case(&file.supplier) {
            store.audit(&entry.with_result(AuditResult::Refused)).await?;
            return Err(DecisionError::Sender(by).into());
        }
        let taken = file.held.as_ref().and_then(|held| held.decision.as_ref());
        if taken.is_some_and(|taken| taken.approved == approved) {
            return Ok(file);
        }
        let Some(held) = file.held.clone().filter(|_| file.state == FeedFileState::AwaitingApproval) else {
            store.audit(&entry.with_result(AuditResult::Refused)).await?;
            let state = taken.map_or_else(
                || format!("{:?}", file.state),
                |taken| format!("{} by {}", if taken.approved { "approved" } else { "refused" }, taken.by),
            );
            return Err(DecisionError::State { file: name, state }.into());
        };
        let decision = FileDecision { approved, by: by.clone(), reason: reason.clone(), at: now };
        let decided = FeedFile {
            state: if approved { FeedFileState::Preprocessed } else { FeedFileState::Failed },
            error: (!approved).then(|| format!("Refused by {by}: {reason}")),
            held: Some(Held { decision: Some(decision), ..held }),
            ..file
        };
        match store.decide_file(&decided, &entry).await {
            Ok(()) => {
                tracing::info!(file = %decided.name, approved, "a file that was held back is decided");
                return Ok(decided);
            }
            // Somebody else decided first: see how.
            Err(StoreError::Condition { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{database, held_file};
    use futures::future::join_all;

    const FILE: &str = "Demographics_v1_X26_20251006T05000000.csv";

    fn approve(by: &str, reason: &str) -> Request {
        Request::Approve { file: FILE.into(), by: by.into(), reason: reason.into() }
    }

    fn refuse(by: &str) -> Request {
        Request::Refuse { file: FILE.into(), by: by.into(), reason: "sent by mistake".into() }
    }

    async fn decided(store: &Store, request: Request) -> Result<FeedFile, String> {
        settle(store, request, "2025-10-06T09:00:00Z".parse().unwrap()).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_decision_is_taken_once_audited_and_the_same_again_answers_the_same() {
        let (database, store) = database().await;
        store.create_file(&held_file(FILE)).await.unwrap();
        let file = decided(&store, approve("Sam Staff", "confirmed by the sender")).await.unwrap();
        assert_eq!(file.state, FeedFileState::Preprocessed);
        assert_eq!(store.file(FILE).await.unwrap(), Some(file.clone()));
        assert_eq!(decided(&store, approve("Another Person", "confirmed again")).await, Ok(file));
        let refused = decided(&store, refuse("Sam Staff")).await.unwrap_err();
        assert_eq!(refused, format!("file '{FILE}' does not wait for a decision: it is approved by Sam Staff"));
        let trail: Vec<String> = database
            .items("AUDIT", "")
            .iter()
            .map(|entry| {
                ["actor", "operation", "purpose", "result"].map(|name| entry[name]["S"].as_str().unwrap()).join(" ")
            })
            .collect();
        assert!(
            trail.contains(&format!("Sam Staff approve_feed {FILE}: confirmed by the sender allowed")),
            "{trail:?}"
        );
        assert!(trail.contains(&format!("Sam Staff refuse_feed {FILE}: sent by mistake refused")), "{trail:?}");
        assert_eq!(trail.len(), 2, "one entry for each decision and refusal: {trail:?}");
    }

    #[tokio::test]
    async fn nobody_decides_about_a_file_of_their_own_and_fields_are_checked() {
        let (_, store) = database().await;
        store.create_file(&held_file(FILE)).await.unwrap();
        for (request, wrong) in [
            (approve("x26", "it is right"), "by must be somebody else than who sent the file; it is 'x26'"),
            (approve(" ", "it is right"), "by cannot be used: it must have 1 to 100 letters; it is ''"),
            (approve("Sam Staff", " "), "reason cannot be used: Say why you need it"),
            (
                Request::Refuse { file: "no.csv".into(), by: "Sam Staff".into(), reason: "sent by mistake".into() },
                "file 'no.csv' is not known",
            ),
        ] {
            assert_eq!(decided(&store, request).await, Err(wrong.to_owned()));
        }
        assert_eq!(store.file(FILE).await.unwrap().unwrap().state, FeedFileState::AwaitingApproval);
    }

    #[tokio::test]
    async fn of_many_who_decide_at_once_one_way_holds() {
        let (_, store) = database().await;
        store.create_file(&held_file(FILE)).await.unwrap();
        let all = (0..16).map(|place| {
            let by = format!("officer {place}");
            decided(&store, if place % 2 == 0 { approve(&by, "confirmed by the sender") } else { refuse(&by) })
        });
        let answers = join_all(all).await;
        let held = store.file(FILE).await.unwrap().unwrap();
        let approved = held.state == FeedFileState::Preprocessed;
        assert!(approved || held.error.as_deref().is_some_and(|error| error.starts_with("Refused by officer")));
        let (taken, turned_away): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!((taken.len(), turned_away.len()), (8, 8));
        assert!(taken.into_iter().all(|file| file.as_ref() == Ok(&held)));
    }
}
