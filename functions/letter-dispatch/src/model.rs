//! A model of workers on batches: any interleaving, kills at any point, jobs delivered twice or lost, people who change
//! meanwhile. Writes are single steps, as their conditions make them.

use std::collections::BTreeMap;

use ims_domain::invitation::MessageState;
use ims_domain::{BatchId, MessageId};
use proptest::prelude::*;
use uuid::Uuid;

use crate::step::{Action, batch_after, next};

/// A letter, and whether its person may be written to at the moment.
#[derive(Debug, Clone)]
struct Letter {
    state: MessageState,
    batch: Option<BatchId>,
    waits: bool,
    fit: bool,
}

#[derive(Debug, Clone)]
enum Phase {
    Look,
    Hold { place: usize, kept: Vec<usize> },
    Settle { place: usize, again: bool },
    Done,
}

/// A worker on a job: places of letters, in order.
#[derive(Debug, Clone)]
struct Worker {
    job: Vec<usize>,
    closed: Option<BatchId>,
    phase: Phase,
}

#[derive(Debug, Clone)]
enum Event {
    Step(usize),
    Kill(usize),
    DeliverAgain(usize),
    Lose(usize),
    PersonChanges(usize),
    Cut { also_left_behind: bool },
}

#[derive(Debug)]
struct World {
    letters: Vec<Letter>,
    manifests: BTreeMap<BatchId, Vec<usize>>,
    workers: Vec<Worker>,
}

fn id(place: usize) -> MessageId {
    MessageId(Uuid::from_u128(place as u128))
}

impl Worker {
    fn batch(&self) -> BatchId {
        batch_after(self.closed, "flu", &self.job.iter().map(|&place| id(place)).collect::<Vec<_>>())
    }
}

impl World {
    fn new(letters: usize) -> Self {
        let letter = Letter { state: MessageState::Queued, batch: None, waits: true, fit: true };
        Self { letters: vec![letter; letters], manifests: BTreeMap::new(), workers: Vec::new() }
    }

    fn settle(&mut self, place: usize, batch: BatchId) {
        let listed = self.manifests.get(&batch).map(|letters| letters.contains(&place));
        let letter = &mut self.letters[place];
        match next(letter.state, letter.batch, batch, listed) {
            Action::Conclude => (letter.state, letter.waits) = (MessageState::Sent, false),
            Action::Requeue => (letter.state, letter.batch) = (MessageState::Queued, None),
            Action::Claim | Action::Leave => {}
        }
    }

    fn claim(&mut self, place: usize, batch: BatchId) -> bool {
        let letter = &mut self.letters[place];
        if next(letter.state, letter.batch, batch, None) != Action::Claim {
            return false;
        }
        if letter.fit {
            (letter.state, letter.batch) = (MessageState::Sending, Some(batch));
        } else if letter.state == MessageState::Queued {
            (letter.state, letter.waits) = (MessageState::Withdrawn, false);
        }
        letter.fit
    }

    fn step(&mut self, index: usize) {
        let Some(mut worker) = self.workers.get(index).cloned() else { return };
        if matches!(worker.phase, Phase::Done) {
            return;
        }
        let batch = worker.batch();
        worker.phase = match worker.phase {
            Phase::Look => match self.manifests.get(&batch) {
                Some(letters) => Phase::Settle { place: 0, again: letters.is_empty() },
                None => Phase::Hold { place: 0, kept: Vec::new() },
            },
            Phase::Hold { place, mut kept } if place < worker.job.len() => {
                if self.claim(worker.job[place], batch) {
                    kept.push(worker.job[place]);
                }
                Phase::Hold { place: place + 1, kept }
            }
            Phase::Hold { kept, .. } => {
                let held = |place: &usize| {
                    let letter = &self.letters[*place];
                    letter.state == MessageState::Sending && letter.batch == Some(batch)
                };
                if kept.is_empty() && !worker.job.iter().any(held) {
                    Phase::Done
                } else {
                    self.manifests.entry(batch).or_insert(kept);
                    Phase::Settle { place: 0, again: false }
                }
            }
            Phase::Settle { place, again } if place < worker.job.len() => {
                self.settle(worker.job[place], batch);
                Phase::Settle { place: place + 1, again }
            }
            Phase::Settle { again: true, .. } => {
                worker.closed = Some(batch);
                Phase::Look
            }
            Phase::Settle { again: false, .. } | Phase::Done => Phase::Done,
        };
        self.workers[index] = worker;
    }

    fn cut(&mut self, also_left_behind: bool) {
        for place in 0..self.letters.len() {
            if let (MessageState::Sending, Some(batch)) = (self.letters[place].state, self.letters[place].batch) {
                if also_left_behind {
                    self.manifests.entry(batch).or_default();
                }
                self.settle(place, batch);
            }
        }
        let queued: Vec<usize> = (0..self.letters.len())
            .filter(|&place| self.letters[place].waits && self.letters[place].state == MessageState::Queued)
            .collect();
        for job in queued.chunks(3) {
            self.workers.push(Worker { job: job.to_vec(), closed: None, phase: Phase::Look });
        }
    }

    fn apply(&mut self, event: &Event) {
        match *event {
            Event::Step(index) => self.step(index),
            Event::Kill(index) => {
                if let Some(worker) = self.workers.get_mut(index) {
                    (worker.phase, worker.closed) = (Phase::Look, None);
                }
            }
            Event::DeliverAgain(index) => {
                if let Some(worker) = self.workers.get(index).cloned() {
                    self.workers.push(Worker { closed: None, phase: Phase::Look, ..worker });
                }
            }
            Event::Lose(index) => {
                if index < self.workers.len() {
                    self.workers.remove(index);
                }
            }
            Event::PersonChanges(place) => {
                if let Some(letter) = self.letters.get_mut(place) {
                    letter.fit = !letter.fit;
                }
            }
            Event::Cut { also_left_behind } => self.cut(also_left_behind),
        }
    }

    /// What must hold at every moment.
    fn check(&self) -> Result<(), TestCaseError> {
        for (place, letter) in self.letters.iter().enumerate() {
            let printed: Vec<BatchId> = self
                .manifests
                .iter()
                .filter(|(_, letters)| letters.contains(&place))
                .map(|(batch, _)| *batch)
                .collect();
            prop_assert!(printed.len() <= 1, "letter {place} was printed twice");
            match letter.state {
                MessageState::Sent => prop_assert_eq!(printed.len(), 1, "letter {} is sent but not printed", place),
                MessageState::Sending => {
                    prop_assert!(printed.is_empty() || printed[0] == letter.batch.unwrap(), "letter {place}");
                }
                _ => prop_assert!(printed.is_empty(), "letter {place} was printed and is {:?}", letter.state),
            }
            let open = matches!(letter.state, MessageState::Queued | MessageState::Sending);
            prop_assert_eq!(letter.waits, open, "letter {} is lost or waits for nothing", place);
        }
        Ok(())
    }

    /// No more kills: all workers finish, and the schedule cuts until nothing waits.
    fn finish(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..8 {
            for index in 0..self.workers.len() {
                for _ in 0..200 {
                    if matches!(self.workers[index].phase, Phase::Done) {
                        break;
                    }
                    self.step(index);
                }
                prop_assert!(matches!(self.workers[index].phase, Phase::Done), "a worker goes on for ever");
            }
            self.check()?;
            self.workers.clear();
            self.cut(true);
        }
        for (place, letter) in self.letters.iter().enumerate() {
            let settled = matches!(letter.state, MessageState::Sent | MessageState::Withdrawn);
            prop_assert!(settled, "letter {place} is {:?} in the end", letter.state);
        }
        Ok(())
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        24 => (0usize..5).prop_map(Event::Step),
        2 => (0usize..5).prop_map(Event::Kill),
        2 => (0usize..5).prop_map(Event::DeliverAgain),
        1 => (0usize..5).prop_map(Event::Lose),
        3 => (0usize..5).prop_map(Event::PersonChanges),
        2 => any::<bool>().prop_map(|also_left_behind| Event::Cut { also_left_behind }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_letter_leaves_at_most_once_and_is_never_lost(
        letters in 1usize..6,
        events in prop::collection::vec(event(), 0..120),
    ) {
        let mut world = World::new(letters);
        world.cut(false);
        for event in &events {
            world.apply(event);
            world.check()?;
        }
        world.finish()?;
    }
}
