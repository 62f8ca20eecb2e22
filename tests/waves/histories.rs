//! Any history of deaths, bookings, doses, wishes, merges, pauses, stops, holds, crashes and repeats, delivered to the real
//! functions and the real claim on a database in memory, ends for every person as a reference model says: nobody is written
//! to twice for a step, nobody against whom something stands at that moment, and everybody selected is accounted for.

mod model;
mod world;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// People of a history, all of them selected.
const PEOPLE: usize = 5;

/// Where a worker dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    /// It lives.
    Never,
    /// After its claim, before it sends.
    BeforeSending,
    /// After the provider took it, before that is noted.
    AfterSending,
}

/// Something that happens.
#[derive(Debug, Clone)]
enum Act {
    /// It becomes known that somebody died, or that this was wrong.
    Dies(usize, bool),
    /// An appointment is made or cancelled.
    Books(usize, bool),
    /// A dose is recorded.
    IsVaccinated(usize),
    /// A wish not to be written to is expressed or taken back.
    OptsOut(usize, bool),
    /// A number supersedes another.
    Merges(usize, usize),
    /// A planner pauses the wave.
    Pause,
    /// A planner resumes it.
    Resume,
    /// An engineer stops it.
    Stop,
    /// Two planners agree to it, and one releases it.
    Agree,
    /// A hold is put on somebody's practice.
    Hold(usize),
    /// It is lifted.
    Lift(usize),
    /// The claim of the wave is delivered; cut off after some 100 microseconds.
    Claim(Option<u8>),
    /// The job of somebody's text is delivered: the invitation's, or the reminder's.
    Text { person: usize, reminder: bool, crash: Crash },
    /// Days pass.
    Days(u8),
    /// Due steps are queued and taken.
    Due,
    /// A process forgets what it believes.
    Forget,
}

fn act() -> impl Strategy<Value = Act> {
    let person = || 0..PEOPLE;
    let crash = prop_oneof![3 => Just(Crash::Never), 1 => Just(Crash::BeforeSending), 1 => Just(Crash::AfterSending)];
    prop_oneof![
        2 => (person(), prop::bool::weighted(0.7)).prop_map(|(p, yes)| Act::Dies(p, yes)),
        2 => (person(), prop::bool::weighted(0.6)).prop_map(|(p, yes)| Act::Books(p, yes)),
        1 => person().prop_map(Act::IsVaccinated),
        2 => (person(), prop::bool::weighted(0.6)).prop_map(|(p, yes)| Act::OptsOut(p, yes)),
        2 => (person(), person()).prop_map(|(p, q)| Act::Merges(p, q)),
        1 => Just(Act::Pause),
        2 => Just(Act::Resume),
        1 => Just(Act::Stop),
        2 => Just(Act::Agree),
        1 => person().prop_map(Act::Hold),
        1 => person().prop_map(Act::Lift),
        4 => prop::option::weighted(0.4, 0u8..60).prop_map(Act::Claim),
        12 => (person(), prop::bool::weighted(0.3), crash).prop_map(|(person, reminder, crash)| Act::Text { person, reminder, crash }),
        2 => (1u8..20).prop_map(Act::Days),
        2 => Just(Act::Due),
        1 => Just(Act::Forget),
    ]
}

#[test]
fn any_history_ends_for_every_person_as_the_model_says() {
    let cases = std::env::var("IMS_HISTORIES").map_or(24, |cases| cases.parse().unwrap());
    let mut runner =
        TestRunner::new(Config { cases, max_shrink_iters: 400, failure_persistence: None, ..Config::default() });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let strategy = prop::collection::vec(act(), 10..60);
    let result =
        runner.run(&strategy, |history| runtime.block_on(world::agrees(&history)).map_err(TestCaseError::fail));
    if let Err(error) = result {
        panic!("{error}");
    }
}
