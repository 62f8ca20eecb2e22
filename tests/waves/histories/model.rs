//! The reference model: what stands against whom, and what a wave has done about each person. It shares no code with the
//! service.

use std::collections::BTreeSet;

use super::{Act, Crash, PEOPLE};

/// State of the wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wave {
    Draft,
    Released,
    Paused,
    Stopped,
}

/// A text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    Queued,
    /// Claimed, and nobody knows what became of it.
    Sending,
    Sent,
    Withdrawn,
}

/// What was decided about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    Nowhere,
    Open,
    Suppressed,
    Closed,
}

/// What is still to come of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Nothing,
    Reminder(u32),
    Call(u32),
}

/// A person, and their invitation.
#[derive(Debug, Clone)]
pub struct One {
    dead: bool,
    booked: bool,
    vaccinated: bool,
    opted_out: bool,
    /// Whose number superseded theirs.
    by: Option<usize>,
    /// A hold stands on their practice.
    pub held: bool,
    pub stands: Stands,
    /// The texts of the invitation and of the reminder.
    pub texts: [Option<Text>; 2],
    next: Next,
    issued: u32,
    pub call: bool,
    /// How often the provider took each text.
    pub taken: [u32; 2],
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Model {
    pub people: Vec<One>,
    pub wave: Wave,
    pub day: u32,
    /// The day up to which due entries were queued.
    up_to: Option<u32>,
}

impl Model {
    pub fn new() -> Self {
        let one = One {
            dead: false,
            booked: false,
            vaccinated: false,
            opted_out: false,
            by: None,
            held: false,
            stands: Stands::Nowhere,
            texts: [None; 2],
            next: Next::Nothing,
            issued: 0,
            call: false,
            taken: [0; 2],
        };
        Self { people: vec![one; PEOPLE], wave: Wave::Draft, day: 0, up_to: None }
    }

    /// Whoever holds a person's number now; none in a circle.
    fn root(&self, person: usize) -> Option<usize> {
        let mut at = person;
        for _ in 0..=PEOPLE {
            match self.people[at].by {
                Some(next) => at = next,
                None => return Some(at),
            }
        }
        None
    }

    /// Whether a merge would make a circle, which histories leave out.
    pub fn would_circle(&self, person: usize, by: usize) -> bool {
        self.root(by) == Some(person) || self.root(by).is_none()
    }

    /// All numbers of whoever holds this one.
    fn members(&self, person: usize) -> Vec<usize> {
        (0..PEOPLE).filter(|other| self.root(*other) == Some(person)).collect()
    }

    /// Whether something stands against writing to a person now.
    pub fn stands_against(&self, person: usize) -> bool {
        self.people[person].by.is_some()
            || self.members(person).into_iter().any(|member| {
                let one = &self.people[member];
                one.dead || one.booked || one.vaccinated || one.opted_out
            })
    }

    /// Whether a step's text left to another number of the person's.
    fn already(&self, person: usize, step: usize) -> bool {
        let left = |one: &One| matches!(one.texts.get(step).copied().flatten(), Some(Text::Sending | Text::Sent));
        self.members(person).into_iter().any(|member| member != person && left(&self.people[member]))
    }

    fn goes_on(&mut self) {
        self.wave = Wave::Released;
        // Due entries are looked for from the wave's first day again.
        self.up_to = self.up_to.map(|_| 0);
    }

    /// What is known of people, and what is done to the wave.
    pub fn learn(&mut self, act: &Act) {
        match *act {
            Act::Dies(person, yes) => self.people[person].dead = yes,
            Act::Books(person, yes) => self.people[person].booked = yes,
            Act::IsVaccinated(person) => self.people[person].vaccinated = true,
            Act::OptsOut(person, yes) => self.people[person].opted_out = yes,
            Act::Merges(person, by) => self.people[person].by = (by != person).then_some(by),
            Act::Pause if self.wave == Wave::Released => self.wave = Wave::Paused,
            Act::Resume if self.wave == Wave::Paused => self.goes_on(),
            Act::Stop if matches!(self.wave, Wave::Released | Wave::Paused | Wave::Draft) => self.wave = Wave::Stopped,
            Act::Agree if matches!(self.wave, Wave::Stopped | Wave::Draft) => self.goes_on(),
            Act::Hold(person) => self.people[person].held = true,
            Act::Lift(person) if self.people[person].held => {
                self.people[person].held = false;
                if self.wave == Wave::Released {
                    self.goes_on();
                }
            }
            Act::Days(days) => self.day += u32::from(days),
            _ => {}
        }
    }

    /// The claim reaches a person.
    pub fn invite(&mut self, person: usize) {
        if self.wave != Wave::Released || self.people[person].stands != Stands::Nowhere {
            return;
        }
        let against = self.stands_against(person) || self.already(person, 0);
        let day = self.day;
        let one = &mut self.people[person];
        one.issued = day;
        if against {
            one.stands = Stands::Suppressed;
        } else {
            (one.stands, one.texts[0], one.next) = (Stands::Open, Some(Text::Queued), Next::Reminder(day + 14));
        }
    }

    /// A text's job is delivered. Whoever believes for two seconds more that the wave runs may withdraw what something stands
    /// against, as `withdrawn` tells; it sends nothing.
    pub fn text(&mut self, person: usize, step: usize, crash: Crash, withdrawn: bool) {
        let Some(text) = self.people[person].texts[step] else { return };
        match text {
            Text::Queued if self.wave != Wave::Released && !withdrawn => {}
            Text::Queued if self.stands_against(person) || self.already(person, step) => {
                let one = &mut self.people[person];
                (one.texts[step], one.next) = (Some(Text::Withdrawn), Next::Nothing);
                let is_suppressed = step == 0 || one.stands == Stands::Suppressed;
                one.stands = if is_suppressed { Stands::Suppressed } else { Stands::Closed };
            }
            Text::Queued if self.people[person].held => {}
            Text::Queued => {
                let one = &mut self.people[person];
                one.taken[step] += u32::from(crash != Crash::BeforeSending);
                one.texts[step] = Some(if crash == Crash::Never { Text::Sent } else { Text::Sending });
            }
            Text::Sending => {
                let one = &mut self.people[person];
                one.texts[step] = Some(if one.taken[step] > 0 { Text::Sent } else { Text::Queued });
            }
            Text::Sent | Text::Withdrawn => {}
        }
    }

    /// Everything that is due is taken.
    pub fn due(&mut self) {
        let from = self.up_to.unwrap_or_default();
        let today = self.day;
        self.up_to = Some(today);
        let due: Vec<(usize, usize)> = (0..PEOPLE)
            .filter_map(|person| match self.people[person].next {
                Next::Reminder(due) => Some((person, due, 1)),
                Next::Call(due) => Some((person, due, 2)),
                Next::Nothing => None,
            })
            .filter(|(_, due, _)| (from..=today).contains(due))
            .map(|(person, _, step)| (person, step))
            .collect();
        for (person, step) in due {
            if self.people[person].stands != Stands::Open || self.wave != Wave::Released {
                continue;
            }
            // Under a number that was superseded it ends, and goes on under the one that took its place.
            let person = match self.root(person).filter(|root| *root != person) {
                None => person,
                Some(root) => {
                    let issued = self.people[person].issued;
                    (self.people[person].stands, self.people[person].next) = (Stands::Closed, Next::Nothing);
                    if !matches!(self.people[root].stands, Stands::Nowhere | Stands::Suppressed) {
                        continue;
                    }
                    let survivor = &mut self.people[root];
                    (survivor.stands, survivor.issued) = (Stands::Open, issued);
                    survivor.next = if step == 1 { Next::Reminder(today) } else { Next::Call(today) };
                    root
                }
            };
            let against = self.stands_against(person) || self.already(person, step);
            let one = &mut self.people[person];
            if !against && one.held && step == 2 {
                continue;
            }
            if against {
                (one.stands, one.next) = (Stands::Closed, Next::Nothing);
            } else if step == 1 {
                (one.texts[1], one.next) = (Some(Text::Queued), Next::Call((one.issued + 28).max(today + 14)));
            } else {
                (one.call, one.next) = (true, Next::Nothing);
            }
        }
    }

    /// Steps of texts that left to any number of the same person more than once.
    pub fn twice(&self) -> BTreeSet<(usize, usize)> {
        let mut found = BTreeSet::new();
        for person in 0..PEOPLE {
            for step in 0..2 {
                if self.people[person].taken[step] > 1 {
                    found.insert((person, step));
                }
            }
        }
        found
    }
}
