//! Cutting the letters that wait into batches, and taking up batches that were left behind.

use std::collections::{BTreeMap, HashMap, HashSet};

use ims_domain::campaign::{Step, WaveState};
use ims_domain::invitation::{Message, MessageState};
use ims_domain::letter::LetterKind;
use ims_domain::{BatchId, MessageId, PersonId};
use ims_messaging::{LetterJob, Queue};
use jiff::{SignedDuration, Timestamp};

use crate::compose::wording;
use crate::settle::{Faults, close, sealed, settle};
use crate::stop::look_again;
use crate::{DispatchError, Dispatcher, Queued};

/// Most letters in a batch: typeset and concluded well within the function's time-out.
const MOST_LETTERS: usize = 250;

/// A batch whose claims are older is left behind: its job no longer comes again. Closing it early would be safe, only
/// wasteful.
const LEFT_BEHIND: SignedDuration = SignedDuration::from_hours(1);

/// Queues a job for each batch of letters that wait, in all campaigns.
pub(crate) async fn cut(dispatcher: &Dispatcher) -> Result<Queued, DispatchError> {
    let service = &dispatcher.service;
    let mut queued = Queued::default();
    for campaign in service.store.campaigns().await? {
        let mut waiting = waiting(dispatcher, &campaign).await?;
        if take_up(dispatcher, &campaign, &waiting, Timestamp::now()).await? {
            waiting = self::waiting(dispatcher, &campaign).await?;
        }
        // Letters of closed waves go on: their claim withdraws them.
        let held_back: HashSet<String> = service
            .store
            .waves(&campaign)
            .await?
            .into_iter()
            .filter(|wave| !matches!(wave.state, WaveState::Released | WaveState::Closed))
            .map(|wave| wave.wave)
            .collect();
        waiting.retain(|message| message.state == MessageState::Queued && !held_back.contains(&message.wave));
        let kinds = kinds(dispatcher, &waiting).await?;
        let jobs = jobs(&campaign, &waiting, &kinds);
        queued.batches += jobs.len();
        queued.letters += jobs.iter().map(|job| job.messages.len()).sum::<usize>();
        service.queues.send(Queue::LetterDispatch, &jobs).await?;
    }
    Ok(queued)
}

async fn waiting(dispatcher: &Dispatcher, campaign: &str) -> Result<Vec<Message>, DispatchError> {
    let store = &dispatcher.service.store;
    let pending = store.pending_letters(campaign).await?;
    Ok(store.messages(pending.into_iter().map(|letter| letter.message)).await?)
}

/// The kind of letter that each person wishes, as far as there is a wording. It is looked at again when the batch is
/// sealed.
async fn kinds(
    dispatcher: &Dispatcher,
    waiting: &[Message],
) -> Result<HashMap<(PersonId, Step), LetterKind>, DispatchError> {
    let people: HashSet<PersonId> = waiting.iter().map(|message| message.person).collect();
    let people = dispatcher.service.store.people(people).await?;
    let wished: HashMap<PersonId, LetterKind> =
        people.iter().map(|person| (person.id, LetterKind::wished(person))).collect();
    let kind = |message: &Message| {
        let wished = wished.get(&message.person).copied().unwrap_or_default();
        let found = wording(&dispatcher.templates, message.programme, message.step, wished, dispatcher.unreviewed());
        found.map_or(wished, |(kind, _)| kind)
    };
    Ok(waiting.iter().map(|message| ((message.person, message.step), kind(message))).collect())
}

/// The jobs for letters that are queued: oldest first, one step and kind to a batch.
fn jobs(campaign: &str, waiting: &[Message], kinds: &HashMap<(PersonId, Step), LetterKind>) -> Vec<LetterJob> {
    let mut by_kind: BTreeMap<(Step, LetterKind), Vec<&Message>> = BTreeMap::new();
    for message in waiting {
        let kind = kinds.get(&(message.person, message.step)).copied().unwrap_or_default();
        by_kind.entry((message.step, kind)).or_default().push(message);
    }
    let mut jobs = Vec::new();
    for ((step, kind), mut letters) in by_kind {
        letters.sort_unstable_by_key(|message| (message.queued_on, message.id));
        jobs.extend(letters.chunks(MOST_LETTERS).map(|block| LetterJob {
            campaign: campaign.to_owned(),
            step,
            kind,
            messages: block.iter().map(|message| message.id).collect(),
        }));
    }
    jobs
}

/// Settles letters whose batch is sealed though their worker died, and closes batches whose job was lost. Tells whether
/// there were any.
async fn take_up(
    dispatcher: &Dispatcher,
    campaign: &str,
    waiting: &[Message],
    now: Timestamp,
) -> Result<bool, DispatchError> {
    let mut any = false;
    for (batch, held) in held(waiting) {
        let manifest = match sealed(dispatcher, campaign, batch).await? {
            Some(manifest) => manifest,
            None if now.duration_since(held.latest) < LEFT_BEHIND => continue,
            None => {
                tracing::warn!(%batch, letters = held.messages.len(), "closing a batch that was left behind");
                let now = dispatcher.service.clock.now().await?;
                let heading = dispatcher.heading(campaign, held.step, LetterKind::default(), batch, now);
                close(dispatcher, heading).await?
            }
        };
        settle(dispatcher, &manifest, &held.messages, &Faults::new()).await?;
        look_again(dispatcher, &manifest).await?;
        any = true;
    }
    Ok(any)
}

/// Letters held for a batch.
struct Held {
    step: Step,
    latest: Timestamp,
    messages: Vec<MessageId>,
}

fn held(waiting: &[Message]) -> BTreeMap<BatchId, Held> {
    let mut found: BTreeMap<BatchId, Held> = BTreeMap::new();
    for message in waiting {
        let (MessageState::Sending, Some(batch)) = (message.state, message.batch) else { continue };
        let claimed = message.claimed_at.unwrap_or(Timestamp::UNIX_EPOCH);
        let held =
            found.entry(batch).or_insert_with(|| Held { step: message.step, latest: claimed, messages: Vec::new() });
        held.latest = held.latest.max(claimed);
        held.messages.push(message.id);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::tests::message;
    use ims_domain::letter::{Format, Language};
    use jiff::civil::date;
    use uuid::Uuid;

    fn letter(number: u128, step: Step, state: MessageState) -> Message {
        Message { id: MessageId(Uuid::from_u128(number)), step, state, ..message() }
    }

    #[test]
    fn letters_are_cut_by_step_oldest_first_and_at_most_250_to_a_batch() {
        let mut waiting: Vec<Message> = (0..600).map(|n| letter(n, Step::Invite, MessageState::Queued)).collect();
        waiting.push(letter(1000, Step::Reminder, MessageState::Queued));
        waiting[599].queued_on = date(2025, 10, 1);
        waiting.reverse();
        let cut = jobs("flu-2025", &waiting, &HashMap::new());
        let sizes: Vec<(Step, usize)> = cut.iter().map(|job| (job.step, job.messages.len())).collect();
        assert_eq!(sizes, [(Step::Invite, 250), (Step::Invite, 250), (Step::Invite, 100), (Step::Reminder, 1)]);
        assert_eq!(cut[0].messages[0], MessageId(Uuid::from_u128(599)), "the oldest first");
        assert_eq!(cut[0].messages[1], MessageId(Uuid::from_u128(0)));
        waiting.sort_by_key(|message| message.id);
        assert_eq!(jobs("flu-2025", &waiting, &HashMap::new()), cut, "the same letters give the same batches");
    }

    #[test]
    fn a_batch_has_one_format_language_and_postage() {
        let of = |number: u128| Message {
            person: PersonId(Uuid::from_u128(number)),
            ..letter(number, Step::Invite, MessageState::Queued)
        };
        let waiting: Vec<Message> = (0..6).map(of).collect();
        let wished = [
            LetterKind::default(),
            LetterKind::new(Format::Standard, Language::Welsh),
            LetterKind::new(Format::Braille, Language::English),
        ];
        let kinds =
            waiting.iter().zip(wished.iter().cycle()).map(|(message, kind)| ((message.person, message.step), *kind));
        let cut = jobs("flu-2025", &waiting, &kinds.collect());
        let found: Vec<(String, usize)> = cut.iter().map(|job| (job.kind.to_string(), job.messages.len())).collect();
        let expected = ["standard-en-second", "standard-cy-second", "braille-en-articles_for_the_blind"];
        assert_eq!(found, expected.map(|kind| (kind.to_owned(), 2)));
    }

    #[test]
    fn held_letters_are_found_by_their_batch_with_their_latest_claim() {
        let batch = BatchId(Uuid::from_u128(9));
        let claimed = |number, second| Message {
            batch: Some(batch),
            claimed_at: Some(Timestamp::from_second(second).unwrap()),
            ..letter(number, Step::Invite, MessageState::Sending)
        };
        let waiting = [claimed(1, 10), claimed(2, 30), letter(3, Step::Invite, MessageState::Queued)];
        let found = held(&waiting);
        assert_eq!(found.len(), 1);
        assert_eq!(found[&batch].latest, Timestamp::from_second(30).unwrap());
        assert_eq!(found[&batch].messages.len(), 2);
    }
}
