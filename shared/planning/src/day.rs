//! One day's invitations, rank by rank.

use std::ops::Range;

use ims_domain::contact::Channel;

use crate::account::Left;
use crate::aims::{Aims, Limits};
use crate::allocate::{DayUse, Grant};
use crate::candidates::{Apart, Cell, FIFTHS, Home};
use crate::places::Nearest;

/// Room or people below this are none: what rounding leaves of real numbers.
const NOTHING: f64 = 1e-9;

/// Why people of a cell are left: for want of appointments or sites, and for want of something else.
pub(crate) type Reasons = [(Left, u32); 2];

/// Nobody is left.
const NOBODY: Reasons = [(Left::Appointments, 0), (Left::Size, 0)];

/// Candidates in the order in which they are invited.
pub(crate) struct Queue<'c> {
    cells: &'c [Cell],
    /// Cells in order, those of a rank together.
    order: Vec<u32>,
    /// Where each rank is in the order.
    ranks: Vec<Range<usize>>,
    chances: Vec<f64>,
    remaining: Vec<u32>,
    /// Why people are left, by cell; known when the last day is done.
    pub(crate) left: Vec<Reasons>,
}

impl<'c> Queue<'c> {
    pub(crate) fn new(cells: &'c [Cell], aims: &Aims, chance: impl Fn(&Cell) -> f64) -> Self {
        let mut keyed: Vec<(i32, u64, u32)> = cells
            .iter()
            .zip(0u32..)
            .map(|(cell, place)| (cell.rank(aims.weeks_a_cohort), cell.tie(aims.seed), place))
            .collect();
        // Cells that are alike in all are interchangeable; their place in the list decides.
        keyed.sort_unstable();
        let mut ranks: Vec<Range<usize>> = Vec::new();
        let mut from = 0;
        for ranked in keyed.chunk_by(|one, other| one.0 == other.0) {
            ranks.push(from..from + ranked.len());
            from += ranked.len();
        }
        Self {
            cells,
            order: keyed.into_iter().map(|(_, _, place)| place).collect(),
            ranks,
            chances: cells.iter().map(chance).collect(),
            remaining: cells.iter().map(|cell| cell.people).collect(),
            left: vec![NOBODY; cells.len()],
        }
    }

    pub(crate) fn buckets(&self) -> Vec<Range<usize>> {
        self.ranks.clone()
    }
}

/// What a day has used, and what it may.
pub(crate) struct Used<'a> {
    limits: &'a Limits,
    size: u64,
    people: u64,
    letters: u64,
    texts: u64,
    answers: f64,
    apart: [u32; Apart::ALL.len()],
    quotas: [u32; Apart::ALL.len()],
}

/// Calls by the thousand and pence that people written to by letter and by text come to.
fn cost(limits: &Limits, letters: u64, texts: u64) -> (u64, u64) {
    let calls = letters * u64::from(limits.calls_a_thousand_letters) + texts * u64::from(limits.calls_a_thousand_texts);
    (calls, letters * u64::from(limits.pence_a_letter) + texts * u64::from(limits.pence_a_text))
}

impl<'a> Used<'a> {
    pub(crate) fn new(aims: &'a Aims, size: u64) -> Self {
        let quotas = Apart::ALL.map(|apart| aims.quotas.of(apart));
        let apart = [0; Apart::ALL.len()];
        Self { limits: &aims.limits, size, people: 0, letters: 0, texts: 0, answers: 0.0, apart, quotas }
    }

    pub(crate) fn size_left(&self) -> u64 {
        self.size - self.people
    }

    pub(crate) fn of_day(&self) -> DayUse {
        let (calls, pence) = cost(self.limits, self.letters, self.texts);
        let Self { people, letters, texts, answers, .. } = *self;
        DayUse { people, letters, texts, calls: calls.div_ceil(1_000), pence, answers }
    }

    /// How many more may be written to by a channel, and what stops the next.
    fn more(&self, channel: Option<Channel>) -> (u64, Left) {
        let mut least = (self.size_left(), Left::Size);
        let mut take = |more: u64, left: Left| {
            if more < least.0 {
                least = (more, left);
            }
        };
        let (calls, pence) = cost(self.limits, self.letters, self.texts);
        let of = |limit: Option<u64>, used: u64, each: u32| match (limit, u64::from(each)) {
            (Some(limit), each) if each > 0 => limit.saturating_sub(used) / each,
            _ => u64::MAX,
        };
        let thousand = self.limits.calls.map(|calls| calls.saturating_mul(1_000));
        match channel {
            Some(Channel::Letter) => {
                take(of(self.limits.letters, self.letters, 1), Left::Letters);
                take(of(thousand, calls, self.limits.calls_a_thousand_letters), Left::Calls);
                take(of(self.limits.pence, pence, self.limits.pence_a_letter), Left::Budget);
            }
            Some(Channel::Sms) => {
                take(of(self.limits.texts, self.texts, 1), Left::Texts);
                take(of(thousand, calls, self.limits.calls_a_thousand_texts), Left::Calls);
                take(of(self.limits.pence, pence, self.limits.pence_a_text), Left::Budget);
            }
            None => {}
        }
        least
    }

    fn note(&mut self, channel: Option<Channel>, people: u32, answers: f64) {
        self.people += u64::from(people);
        self.answers += answers;
        match channel {
            Some(Channel::Letter) => self.letters += u64::from(people),
            Some(Channel::Sms) => self.texts += u64::from(people),
            None => {}
        }
    }

    /// Share of so many wanted letters and texts that there is room for, of each, so that areas share what there is.
    fn shares(&self, letters: f64, texts: f64) -> (f64, f64) {
        let share = |more: Option<f64>, wanted: f64| match more {
            Some(more) if wanted > more => (more / wanted).max(0.0),
            _ => 1.0,
        };
        let left = |limit: Option<u64>, used: u64| limit.map(|limit| limit.saturating_sub(used) as f64);
        let mut of_letters = share(left(self.limits.letters, self.letters), letters);
        let mut of_texts = share(left(self.limits.texts, self.texts), texts);
        let (calls, pence) = cost(self.limits, self.letters, self.texts);
        let thousand = self.limits.calls.map(|calls| calls.saturating_mul(1_000));
        let limits = self.limits;
        for (more, letter, text) in [
            (left(thousand, calls), limits.calls_a_thousand_letters, limits.calls_a_thousand_texts),
            (left(limits.pence, pence), limits.pence_a_letter, limits.pence_a_text),
            (Some(self.size_left() as f64), 1, 1),
        ] {
            let wanted = letters * of_letters * f64::from(letter) + texts * of_texts * f64::from(text);
            let both = share(more, wanted);
            of_letters *= if letter > 0 { both } else { 1.0 };
            of_texts *= if text > 0 { both } else { 1.0 };
        }
        (of_letters, of_texts)
    }
}

/// A cell that still has people, while its rank is looked at.
struct Waiting {
    cell: u32,
    /// Answers expected of the people for whom no site was found yet.
    wanted: f64,
    /// Whether any open site was within reach.
    reached: bool,
}

/// Answers that a site would take of a cell's people.
struct Offer {
    waiting: u32,
    site: u32,
    answers: f64,
}

/// The work space of one day.
pub(crate) struct Bucket<'a> {
    nearest: &'a Nearest,
    day: u16,
    last: bool,
    weights: [f64; FIFTHS],
    reaches: Vec<f64>,
    weeks_to_next_site: u16,
    demand: Vec<[f64; FIFTHS]>,
    shares: Vec<[f64; FIFTHS]>,
    touched: Vec<u32>,
    waiting: Vec<Waiting>,
    offers: Vec<Offer>,
    carried: Vec<f64>,
}

impl<'a> Bucket<'a> {
    pub(crate) fn new(nearest: &'a Nearest, aims: &Aims, day: u16, last: bool) -> Self {
        let sites = nearest.sites();
        Self {
            nearest,
            day,
            last,
            weights: aims.weights(),
            reaches: (0..=u8::MAX).map(|weeks| aims.reach(u16::from(weeks))).collect(),
            weeks_to_next_site: aims.weeks_to_next_site,
            demand: vec![[0.0; FIFTHS]; sites],
            shares: vec![[0.0; FIFTHS]; sites],
            touched: Vec::new(),
            waiting: Vec::new(),
            offers: Vec::new(),
            carried: vec![0.0; sites],
        }
    }

    /// Invites people of one rank.
    pub(crate) fn invite(
        &mut self,
        queue: &mut Queue<'_>,
        ranked: Range<usize>,
        room: &mut [f64],
        used: &mut Used<'_>,
        grants: &mut Vec<Grant>,
    ) {
        self.waiting.clear();
        for place in ranked {
            let cell = queue.order[place];
            let at = cell as usize;
            if queue.remaining[at] == 0 {
                continue;
            }
            match queue.cells[at].home {
                Home::Apart(apart) => self.pass_on(queue, cell, apart, used, grants),
                Home::Area(_) => {
                    let wanted = f64::from(queue.remaining[at]) * queue.chances[at];
                    self.waiting.push(Waiting { cell, wanted, reached: false });
                }
            }
        }
        self.offer(queue, room);
        self.grant(queue, room, used, grants);
    }

    /// People without a usable area, under their quota; those this service writes to count for its limits, too.
    fn pass_on(&self, queue: &mut Queue<'_>, cell: u32, apart: Apart, used: &mut Used<'_>, grants: &mut Vec<Grant>) {
        let at = cell as usize;
        let channel = queue.cells[at].channel.filter(|_| apart.is_written_to());
        let quota = used.quotas[apart.place()] - used.apart[apart.place()];
        let (more, left) = used.more(channel);
        let (more, left) = if u64::from(quota) <= more { (u64::from(quota), Left::Quota) } else { (more, left) };
        let people = u32::try_from(more).unwrap_or(u32::MAX).min(queue.remaining[at]);
        if people > 0 {
            let answers = if channel.is_some() { f64::from(people) * queue.chances[at] } else { 0.0 };
            used.apart[apart.place()] += people;
            used.note(channel, people, answers);
            queue.remaining[at] -= people;
            grants.push(Grant { cell, day: self.day, people });
        }
        if self.last && queue.remaining[at] > 0 {
            queue.left[at] = [(Left::Appointments, 0), (left, queue.remaining[at])];
        }
    }

    /// Sites take what they have room for: of the areas to which they are nearest first, then, of people who have waited, of those
    /// to which they are second, and so on. Where there is not room for all of a rank, each fifth gets its share by its weight.
    fn offer(&mut self, queue: &Queue<'_>, room: &[f64]) {
        self.offers.clear();
        let mut left = room.to_vec();
        for turn in 0..self.nearest.each() {
            if !self.last && left.iter().all(|left| *left <= NOTHING) {
                break;
            }
            if !self.ask(queue, &left, turn) {
                break;
            }
            for site in &self.touched {
                let site = *site as usize;
                self.shares[site] = ration(&self.demand[site], &self.weights, left[site]);
            }
            for place in 0..self.waiting.len() {
                let Some(site) = self.site(queue, place, turn).filter(|site| left[*site] > NOTHING) else { continue };
                let waiting = &mut self.waiting[place];
                let answers = waiting.wanted * self.shares[site][queue.cells[waiting.cell as usize].class()];
                if waiting.wanted > NOTHING && answers > 0.0 {
                    waiting.wanted -= answers;
                    self.offers.push(Offer { waiting: place as u32, site: site as u32, answers });
                }
            }
            for site in &self.touched {
                let site = *site as usize;
                let of_classes = self.demand[site].iter().zip(&self.shares[site]);
                let taken: f64 = of_classes.map(|(demand, share)| demand * share).sum();
                left[site] = (left[site] - taken).max(0.0);
                self.demand[site] = [0.0; FIFTHS];
            }
        }
    }

    /// The open site of a waiting cell's turn, where it is within reach and the cell has waited long enough for so many.
    fn site(&self, queue: &Queue<'_>, place: usize, turn: usize) -> Option<usize> {
        let cell = &queue.cells[self.waiting[place].cell as usize];
        let Home::Area(area) = cell.home else { return None };
        let (site, kilometres) = *self.nearest.of(area).get(turn)?;
        let reach = self.reaches[usize::from(cell.weeks).min(self.reaches.len() - 1)];
        let is_due = turn <= usize::from(cell.weeks / self.weeks_to_next_site);
        (is_due && f64::from(kilometres) <= reach).then_some(site as usize)
    }

    /// Adds up what each site is asked for in a turn; whether anybody has a site in it.
    fn ask(&mut self, queue: &Queue<'_>, left: &[f64], turn: usize) -> bool {
        let mut asks = false;
        self.touched.clear();
        for place in 0..self.waiting.len() {
            let Some(site) = self.site(queue, place, turn) else { continue };
            asks = true;
            self.waiting[place].reached = true;
            let Waiting { cell, wanted, .. } = self.waiting[place];
            if left[site] <= NOTHING || wanted <= NOTHING {
                continue;
            }
            if self.demand[site].iter().all(|demand| *demand == 0.0) {
                self.touched.push(site as u32);
            }
            self.demand[site][queue.cells[cell as usize].class()] += wanted;
        }
        asks
    }

    /// Turns offers into whole people, within the day's limits, and says why the rest are left.
    fn grant(&mut self, queue: &mut Queue<'_>, room: &mut [f64], used: &mut Used<'_>, grants: &mut Vec<Grant>) {
        let (mut letters, mut texts) = (0.0, 0.0);
        for offer in &self.offers {
            let at = self.waiting[offer.waiting as usize].cell as usize;
            let people = offer.answers / queue.chances[at];
            match queue.cells[at].channel {
                Some(Channel::Letter) => letters += people,
                _ => texts += people,
            }
            self.carried[offer.site as usize] = 0.0;
        }
        let shares = used.shares(letters, texts);
        // Cells in the order of their ties, whichever site offers.
        self.offers.sort_by_key(|offer| (offer.site, offer.waiting));
        for offer in &self.offers {
            let (site, at) = (offer.site as usize, self.waiting[offer.waiting as usize].cell as usize);
            let (channel, chance) = (queue.cells[at].channel, queue.chances[at]);
            let share = if channel == Some(Channel::Letter) { shares.0 } else { shares.1 };
            let carried = self.carried[site] + offer.answers * share;
            let whole = (carried / chance + NOTHING).floor() as u64;
            let people = whole.min(used.more(channel).0).min(u64::from(queue.remaining[at])) as u32;
            let answers = f64::from(people) * chance;
            self.carried[site] = (carried - answers).max(0.0);
            if people > 0 {
                queue.remaining[at] -= people;
                room[site] = (room[site] - answers).max(0.0);
                used.note(channel, people, answers);
                grants.push(Grant { cell: at as u32, day: self.day, people });
            }
        }
        if self.last {
            self.say_why(queue, used, shares);
        }
    }

    /// Those for whom sites had no room are left for want of appointments; those for whom they had, for want of what else ran
    /// out. Where nothing else did, a remainder of less than one person was the sites'.
    fn say_why(&self, queue: &mut Queue<'_>, used: &Used<'_>, shares: (f64, f64)) {
        for waiting in &self.waiting {
            let at = waiting.cell as usize;
            let remaining = queue.remaining[at];
            if remaining == 0 {
                continue;
            }
            let channel = queue.cells[at].channel;
            let share = if channel == Some(Channel::Letter) { shares.0 } else { shares.1 };
            let of_sites = if waiting.reached { Left::Appointments } else { Left::Reach };
            let turned_away = (waiting.wanted / queue.chances[at]).round() as u32;
            let (more, limit) = used.more(channel);
            let of_limits = if share < 1.0 || more == 0 { remaining.saturating_sub(turned_away) } else { 0 };
            queue.left[at] = [(of_sites, remaining - of_limits), (limit, of_limits)];
        }
    }
}

/// Share of each class's demand that a room takes: all of it where there is room, else by weight, none more than all.
fn ration(demand: &[f64; FIFTHS], weights: &[f64; FIFTHS], room: f64) -> [f64; FIFTHS] {
    let mut shares = [0.0; FIFTHS];
    let mut full = [false; FIFTHS];
    let mut left = room;
    // Each turn either ends or fills a class.
    for _ in 0..=FIFTHS {
        let weighted: f64 = (0..FIFTHS).filter(|class| !full[*class]).map(|class| demand[class] * weights[class]).sum();
        if weighted <= 0.0 {
            break;
        }
        let level = left / weighted;
        let over: Vec<usize> = (0..FIFTHS)
            .filter(|class| !full[*class] && demand[*class] > 0.0 && level * weights[*class] >= 1.0)
            .collect();
        if over.is_empty() {
            for class in (0..FIFTHS).filter(|class| !full[*class]) {
                shares[class] = level * weights[class];
            }
            break;
        }
        for class in over {
            full[class] = true;
            shares[class] = 1.0;
            left = (left - demand[class]).max(0.0);
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_takes_all_or_shares_by_weight() {
        let weights = [1.0, 2.0, 1.75, 1.5, 1.25, 1.0];
        let demand = [0.0, 10.0, 0.0, 0.0, 0.0, 10.0];
        assert_eq!(ration(&demand, &weights, 30.0), [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        let shares = ration(&demand, &weights, 9.0);
        assert!((shares[1] - 0.6).abs() < 1e-9 && (shares[5] - 0.3).abs() < 1e-9);
        // What the weighted class cannot use goes to the other.
        let shares = ration(&demand, &weights, 16.0);
        assert!((shares[1] - 1.0).abs() < 1e-9 && (shares[5] - 0.6).abs() < 1e-9);
    }
}
