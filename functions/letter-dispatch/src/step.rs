//! What may be done with one letter of a batch: the whole of the state logic, without input or output.
//!
//! Three rules make a letter leave at most once and never get lost:
//! 1. it joins a batch by a claim that writes the batch on it, and only while it is queued;
//! 2. while the batch has no manifest, nobody takes it out of `sending`;
//! 3. once there is a manifest, that alone tells: listed letters are sent, the others are queued again.

use ims_contact::manifest::PrintManifest;
use ims_domain::invitation::{Message, MessageState};
use ims_domain::{BatchId, MessageId};

/// What a worker on a batch does with a letter next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Decide on the live person, and hold it for the batch if nothing stands against it.
    Claim,
    /// It left in this batch: note it as sent.
    Conclude,
    /// It did not leave in this batch, and now never will: queue it again.
    Requeue,
    /// Nothing: it is settled, or another batch's.
    Leave,
}

/// The next action on a letter in this state, with this batch on it, by a worker on `batch`. `listed` is `None` while the
/// batch has no manifest.
pub(crate) fn next(state: MessageState, held_by: Option<BatchId>, batch: BatchId, listed: Option<bool>) -> Action {
    let held = state == MessageState::Sending && held_by == Some(batch);
    match listed {
        None if held || state == MessageState::Queued => Action::Claim,
        Some(true) if held => Action::Conclude,
        Some(false) if held => Action::Requeue,
        _ => Action::Leave,
    }
}

/// The next action on a letter of a sealed batch.
pub(crate) fn after_seal(message: &Message, manifest: &PrintManifest) -> Action {
    next(message.state, message.batch, manifest.batch, Some(manifest.lists(message.id)))
}

/// The batch of a job, and after each of its batches that was closed without letters, the next one: so the same letters,
/// queued again, can still be sealed, and a job that comes again finds the same batch.
pub(crate) fn batch_after(closed: Option<BatchId>, campaign: &str, messages: &[MessageId]) -> BatchId {
    let Some(closed) = closed else { return BatchId::of(campaign, messages) };
    let list: Vec<MessageId> = messages.iter().copied().chain([MessageId(closed.0)]).collect();
    BatchId::of(campaign, &list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn each_state_of_a_letter_has_one_next_action() {
        use MessageState::{Delivered, Failed, Queued, Sending, Sent, Unknown, Withdrawn};
        let (this, other) = (BatchId(Uuid::from_u128(1)), BatchId(Uuid::from_u128(2)));
        let cases = [
            (Queued, None, None, Action::Claim),
            (Queued, None, Some(false), Action::Leave),
            (Sending, Some(this), None, Action::Claim),
            (Sending, Some(this), Some(true), Action::Conclude),
            (Sending, Some(this), Some(false), Action::Requeue),
            (Sending, Some(other), None, Action::Leave),
            (Sending, Some(other), Some(true), Action::Leave),
            (Sending, Some(other), Some(false), Action::Leave),
            (Sending, None, None, Action::Leave),
        ];
        for (state, held_by, listed, action) in cases {
            assert_eq!(next(state, held_by, this, listed), action, "{state:?} {held_by:?} {listed:?}");
        }
        for state in [Sent, Delivered, Failed, Withdrawn, Unknown] {
            for listed in [None, Some(true), Some(false)] {
                assert_eq!(next(state, Some(this), this, listed), Action::Leave, "{state:?} {listed:?}");
            }
        }
    }

    #[test]
    fn a_job_finds_its_batch_again_and_a_closed_batch_is_followed_by_another() {
        let messages = [MessageId(Uuid::from_u128(7)), MessageId(Uuid::from_u128(8))];
        let first = batch_after(None, "flu", &messages);
        assert_eq!(first, BatchId::of("flu", &messages));
        let second = batch_after(Some(first), "flu", &messages);
        assert_eq!(second, batch_after(Some(first), "flu", &messages));
        assert!(second != first && second != batch_after(Some(second), "flu", &messages));
    }
}
