//! A campaign's rules over the columns of a part.
//!
//! Each question of the rules looks at one column. For every distinct value of a column its questions are asked once, by
//! the same code that asks them of a single person; values with the same answers are of one class. A person's standing
//! then is a table look-up by the classes of their values, with no rule evaluated again.

use std::collections::HashMap;

use ims_domain::campaign::ContactPlan;
use ims_eligibility::{CompiledIteration, PersonFacts, Status};
use jiff::civil::Date;
use rustc_hash::FxBuildHasher;

use crate::column::{Access, from_days};
use crate::facts::Source;
use crate::part::{Codes, Held, Needed, Part, Value, Values};
use crate::{Column, PersonRow, Row};

/// Combinations of classes up to which standings are kept in a table.
const TABLE: usize = 1 << 22;

/// People whose classes are put together at a time.
const BLOCK: usize = 4096;

/// In the table: not looked at yet.
const NOT_YET: u16 = u16::MAX;

/// Answers to all questions, one bit each.
type Answers = Box<[u64]>;

/// How each person of a part stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standings(Vec<u16>);

impl Standings {
    /// A person's status and, unless NotEligible, the place of the best cohort with it.
    #[must_use]
    pub fn get(&self, person: usize) -> (Status, Option<usize>) {
        unpack(self.0[person])
    }

    /// As [`Standings::get`], person by person.
    pub fn iter(&self) -> impl Iterator<Item = (Status, Option<usize>)> + '_ {
        self.0.iter().map(|packed| unpack(*packed))
    }
}

fn pack((status, cohort): (Status, Option<usize>)) -> u16 {
    let place = cohort.and_then(|place| u16::try_from(place).ok()).unwrap_or(0);
    match status {
        Status::NotEligible => 0,
        Status::NotActionable => 1 + place * 2,
        Status::Actionable => 2 + place * 2,
    }
}

fn unpack(packed: u16) -> (Status, Option<usize>) {
    let Some(rest) = packed.checked_sub(1) else { return (Status::NotEligible, None) };
    let status = if rest % 2 == 1 { Status::Actionable } else { Status::NotActionable };
    (status, Some(usize::from(rest / 2)))
}

/// A column that questions look at.
struct Input {
    source: Source,
    asking: Asking,
    questions: Vec<usize>,
    classes: Vec<Answers>,
    by_answers: HashMap<Answers, u32>,
    by_value: HashMap<Value, u32, FxBuildHasher>,
    /// Classes of [`KEPT_DAYS`], `u32::MAX` where not asked yet.
    by_day: Vec<u32>,
}

/// A row in which one column is set after the other, to ask about its values; or two columns, about pairs of theirs.
pub(crate) struct Asking {
    column: Column<PersonRow>,
    beside: Option<Column<PersonRow>>,
    row: PersonRow,
}

impl Asking {
    /// About a column of the dataset; `None` where there is none of this name.
    pub(crate) fn about(name: &str) -> Option<Self> {
        Some(Self { column: column(name)?, beside: None, row: PersonRow::default() })
    }

    /// About pairs, this column's value first.
    pub(crate) fn beside(self, name: &str) -> Option<Self> {
        Some(Self { beside: Some(column(name)?), ..self })
    }

    /// The row of somebody with this value, and no other.
    pub(crate) fn row(&mut self, value: &Value) -> &PersonRow {
        match (value, &self.beside) {
            (Value::Pair(pair), Some(beside)) => {
                set_in(&mut self.row, &self.column, &pair.0);
                set_in(&mut self.row, beside, &pair.1);
            }
            (value, _) => set_in(&mut self.row, &self.column, value),
        }
        &self.row
    }

    /// What a function says of each of a column's values, by code.
    pub(crate) fn each<T>(&mut self, values: &Values, mut say: impl FnMut(&PersonRow) -> T) -> Vec<T> {
        match values {
            Values::Listed(listed) => listed.iter().map(|value| say(self.row(value))).collect(),
            Values::DaysFrom(first, count) => {
                let day = |code: u32| code.checked_sub(1).map(|past| first + past as i32);
                (0..*count).map(|code| say(self.row(&Value::Day(day(code))))).collect()
            }
        }
    }
}

/// A column of the dataset; `None` where there is none of this name.
fn column(name: &str) -> Option<Column<PersonRow>> {
    PersonRow::columns().into_iter().find(|column| column.name == name)
}

fn set_in(row: &mut PersonRow, column: &Column<PersonRow>, value: &Value) {
    match (&column.access, value) {
        (Access::Day(_, set), Value::Day(day)) => set(row, day.and_then(from_days)),
        (Access::Text(_, set), Value::Text(text)) => set(row, text.to_string()),
        (Access::Number(_, set), Value::Number(number)) => set(row, u64::try_from(*number).unwrap_or(0)),
        (Access::Flag(_, set), Value::Number(flag)) => set(row, *flag != 0),
        (Access::Texts(_, set), Value::Texts(texts)) => set(row, texts.iter().map(ToString::to_string).collect()),
        (Access::Days(_, set), Value::Days(days)) => set(row, days.iter().copied().filter_map(from_days).collect()),
        // A column that the part does not hold: nothing is known.
        _ => *row = PersonRow::default(),
    }
}

/// Evaluates one iteration of a campaign, as of one day, over any number of parts.
pub struct Evaluator<'c> {
    pub(crate) rules: &'c CompiledIteration,
    pub(crate) plan: &'c ContactPlan,
    pub(crate) today: Date,
    /// Answers of those questions that no column decides.
    constant: Answers,
    inputs: Vec<Input>,
    table: Vec<u16>,
    /// Classes of each input that the table is made for.
    table_for: Vec<usize>,
}

impl<'c> Evaluator<'c> {
    /// For an iteration, the plan that says which doses count, and a day.
    #[must_use]
    pub fn new(rules: &'c CompiledIteration, plan: &'c ContactPlan, today: Date) -> Self {
        let words = rules.questions().div_ceil(64).max(1);
        let mut constant = vec![0; words].into_boxed_slice();
        let mut inputs: Vec<Input> = Vec::new();
        let nobody = PersonFacts::default();
        for question in 0..rules.questions() {
            let Some(subject) = rules.subject(question) else { continue };
            let source = Source::of(subject);
            let asking = source.and_then(|source| {
                let asking = Asking::about(&source.column())?;
                match source.beside(plan) {
                    Some(beside) => asking.beside(beside),
                    None => Some(asking),
                }
            });
            let (Some(source), Some(asking)) = (source, asking) else {
                if rules.answer(question, &nobody, today) {
                    set(&mut constant, question);
                }
                continue;
            };
            match inputs.iter_mut().find(|input| input.source == source) {
                Some(input) => input.questions.push(question),
                None => inputs.push(Input {
                    source,
                    asking,
                    questions: vec![question],
                    classes: Vec::new(),
                    by_answers: HashMap::new(),
                    by_value: HashMap::default(),
                    by_day: Vec::new(),
                }),
            }
        }
        Self { rules, plan, today, constant, inputs, table: Vec::new(), table_for: Vec::new() }
    }

    /// The columns that it looks at.
    #[must_use]
    pub fn needed(&self) -> Needed {
        let sources = self.inputs.iter().map(|input| input.source);
        let beside = sources.clone().filter_map(|source| source.beside(self.plan)).map(str::to_owned);
        Needed { columns: sources.map(Source::column).chain(beside).collect(), people: false }
    }

    /// How each person of the part stands, those off the list included. A column that the part does not hold counts as
    /// empty: read what [`Evaluator::needed`] says.
    pub fn standings(&mut self, part: &Part) -> Standings {
        let nothing = Held { values: Values::DaysFrom(0, 1), codes: Codes::Same };
        let pairs: Vec<Option<Held>> = self.inputs.iter().map(|input| input.pairs(part, self.plan)).collect();
        let mut columns: Vec<(&Codes, Vec<u32>)> = Vec::with_capacity(self.inputs.len());
        for (input, pairs) in self.inputs.iter_mut().zip(&pairs) {
            let held = pairs.as_ref().or_else(|| part.column(&input.source.column())).unwrap_or(&nothing);
            columns.push((&held.codes, input.classes_of(held, self.rules, self.plan, self.today)));
        }
        let classes: Vec<usize> = self.inputs.iter().map(|input| input.classes.len()).collect();
        let combinations = classes.iter().try_fold(1usize, |all, classes| all.checked_mul(*classes));
        match combinations.filter(|combinations| *combinations <= TABLE) {
            Some(combinations) => self.by_table(part.people(), columns, classes, combinations),
            None => self.one_by_one(part.people(), &columns),
        }
    }

    fn by_table(
        &mut self,
        people: usize,
        mut columns: Vec<(&Codes, Vec<u32>)>,
        classes: Vec<usize>,
        combinations: usize,
    ) -> Standings {
        if self.table.is_empty() || self.table_for != classes {
            self.table = vec![NOT_YET; combinations];
            self.table_for.clone_from(&classes);
        }
        let mut stride = 1u32;
        for ((_, by_code), classes) in columns.iter_mut().zip(&classes) {
            by_code.iter_mut().for_each(|class| *class *= stride);
            stride *= *classes as u32;
        }
        let mut standings = Vec::with_capacity(people);
        let mut places = [0u32; BLOCK];
        for start in (0..people).step_by(BLOCK) {
            let places = &mut places[..BLOCK.min(people - start)];
            places.fill(0);
            for (codes, by_code) in &columns {
                add_classes(places, codes, start, by_code);
            }
            for place in places.iter() {
                let mut standing = self.table[*place as usize];
                if standing == NOT_YET {
                    standing = self.stand(*place as usize);
                    self.table[*place as usize] = standing;
                }
                standings.push(standing);
            }
        }
        Standings(standings)
    }

    /// The standing for a place in the table.
    fn stand(&self, mut place: usize) -> u16 {
        let mut answers = self.constant.clone();
        for input in &self.inputs {
            let class = place % input.classes.len();
            place /= input.classes.len();
            union(&mut answers, &input.classes[class]);
        }
        self.decide(&answers)
    }

    fn decide(&self, answers: &[u64]) -> u16 {
        pack(self.rules.standing(|question| answers[question / 64] >> (question % 64) & 1 == 1))
    }

    /// Where there are too many combinations for a table: the answers of every person are put together.
    fn one_by_one(&self, people: usize, columns: &[(&Codes, Vec<u32>)]) -> Standings {
        let mut answers = self.constant.clone();
        let standing = |person| {
            answers.copy_from_slice(&self.constant);
            for (input, (codes, by_code)) in self.inputs.iter().zip(columns) {
                union(&mut answers, &input.classes[by_code[codes.get(person)] as usize]);
            }
            self.decide(&answers)
        };
        Standings((0..people).map(standing).collect())
    }

    /// For each person the first day after today, up to `until`, on which the answer may be another although nothing new
    /// is known of the person; `None` where there is none.
    pub fn turning_days(&mut self, part: &Part, until: Date) -> Vec<Option<Date>> {
        let mut turning: Vec<Option<Date>> = vec![None; part.people()];
        for input in &mut self.inputs {
            let asked: Vec<usize> =
                input.questions.iter().copied().filter(|question| self.rules.depends_on_today(*question)).collect();
            let pairs = input.pairs(part, self.plan).filter(|_| !asked.is_empty());
            let held = pairs.as_ref().or_else(|| part.column(&input.source.column()));
            let Some(held) = held.filter(|_| !asked.is_empty()) else { continue };
            let (source, rules, plan, today) = (input.source, self.rules, self.plan, self.today);
            // Of a column of days most values are nobody's.
            let had = held.codes.had(held.values.len());
            let mut code = 0;
            let by_code = input.asking.each(&held.values, |row| {
                code += 1;
                if !had[code - 1] {
                    return None;
                }
                let mut facts = PersonFacts::default();
                source.say(row, plan, &mut facts);
                let before: Vec<bool> = asked.iter().map(|question| rules.answer(*question, &facts, today)).collect();
                let turns = |day: &Date| {
                    asked.iter().zip(&before).any(|(question, before)| rules.answer(*question, &facts, *day) != *before)
                };
                let days = std::iter::successors(today.tomorrow().ok(), |day| day.tomorrow().ok());
                days.take_while(|day| *day <= until).find(turns)
            });
            if by_code.iter().all(Option::is_none) {
                continue;
            }
            for (person, turns) in turning.iter_mut().enumerate() {
                if let Some(day) = by_code[held.codes.get(person)] {
                    *turns = Some(turns.map_or(day, |other| other.min(day)));
                }
            }
        }
        turning
    }
}

fn add_classes(places: &mut [u32], codes: &Codes, start: usize, by_code: &[u32]) {
    let end = start + places.len();
    match codes {
        Codes::Same => places.iter_mut().for_each(|place| *place += by_code[0]),
        Codes::Bytes(codes) => {
            // A table of all bytes needs no check of bounds.
            let mut all = [0u32; 256];
            all[..by_code.len()].copy_from_slice(by_code);
            places.iter_mut().zip(&codes[start..end]).for_each(|(place, code)| *place += all[usize::from(*code)]);
        }
        Codes::Shorts(codes) => {
            places.iter_mut().zip(&codes[start..end]).for_each(|(place, code)| *place += by_code[usize::from(*code)]);
        }
        Codes::Words(codes) => {
            places.iter_mut().zip(&codes[start..end]).for_each(|(place, code)| *place += by_code[*code as usize]);
        }
    }
}

fn set(answers: &mut [u64], question: usize) {
    answers[question / 64] |= 1 << (question % 64);
}

fn union(answers: &mut [u64], others: &[u64]) {
    answers.iter_mut().zip(others).for_each(|(answer, other)| *answer |= other);
}

/// Days whose classes are kept by their place: from 1890 to 2099.
const KEPT_DAYS: std::ops::Range<i32> = -29_220..47_482;

impl Input {
    /// The pairs of the column's values with those of the column that it needs beside it; `None` where it needs none.
    fn pairs(&self, part: &Part, plan: &ContactPlan) -> Option<Held> {
        part.pair(&self.source.column(), self.source.beside(plan)?)
    }

    /// The class of each value, by code.
    fn classes_of(&mut self, held: &Held, rules: &CompiledIteration, plan: &ContactPlan, today: Date) -> Vec<u32> {
        match &held.values {
            Values::DaysFrom(first, count) => {
                let thresholds = self.questions.iter().all(|question| rules.is_threshold(*question));
                if thresholds && self.by_day.is_empty() {
                    self.fill_days(rules, plan, today);
                }
                // Where every day has to be asked about, only those that somebody has are.
                let had = if thresholds { Vec::new() } else { held.codes.had(held.values.len()) };
                let day = |code: u32| code.checked_sub(1).map(|past| first + past as i32);
                (0..*count)
                    .map(|code| match had.get(code as usize) {
                        Some(false) => 0,
                        _ => self.class_of_day(day(code), rules, plan, today),
                    })
                    .collect()
            }
            Values::Listed(listed) => listed.iter().map(|value| self.class_of(value, rules, plan, today)).collect(),
        }
    }

    /// Finds the classes of all kept days by halves: between two days of one class all are of it.
    fn fill_days(&mut self, rules: &CompiledIteration, plan: &ContactPlan, today: Date) {
        self.by_day = vec![u32::MAX; KEPT_DAYS.len()];
        let mut open = vec![(0, KEPT_DAYS.len() - 1)];
        while let Some((first, last)) = open.pop() {
            for place in [first, last] {
                if self.by_day[place] == u32::MAX {
                    let day = Value::Day(Some(KEPT_DAYS.start + place as i32));
                    self.by_day[place] = self.ask(&day, rules, plan, today);
                }
            }
            if self.by_day[first] == self.by_day[last] {
                let class = self.by_day[first];
                self.by_day[first..=last].fill(class);
            } else if last - first > 1 {
                let middle = first.midpoint(last);
                open.extend([(first, middle), (middle, last)]);
            }
        }
    }

    fn class_of_day(&mut self, day: Option<i32>, rules: &CompiledIteration, plan: &ContactPlan, today: Date) -> u32 {
        let Some(place) = day.filter(|day| KEPT_DAYS.contains(day)).map(|day| (day - KEPT_DAYS.start) as usize) else {
            return self.class_of(&Value::Day(day), rules, plan, today);
        };
        if self.by_day.is_empty() {
            self.by_day = vec![u32::MAX; KEPT_DAYS.len()];
        }
        if self.by_day[place] == u32::MAX {
            self.by_day[place] = self.ask(&Value::Day(day), rules, plan, today);
        }
        self.by_day[place]
    }

    fn class_of(&mut self, value: &Value, rules: &CompiledIteration, plan: &ContactPlan, today: Date) -> u32 {
        if let Some(class) = self.by_value.get(value) {
            return *class;
        }
        let class = self.ask(value, rules, plan, today);
        self.by_value.insert(value.clone(), class);
        class
    }

    /// Asks this column's questions about a value.
    fn ask(&mut self, value: &Value, rules: &CompiledIteration, plan: &ContactPlan, today: Date) -> u32 {
        let mut facts = PersonFacts::default();
        self.source.say(self.asking.row(value), plan, &mut facts);
        let mut answers = vec![0; rules.questions().div_ceil(64).max(1)].into_boxed_slice();
        for question in &self.questions {
            if rules.answer(*question, &facts, today) {
                set(&mut answers, *question);
            }
        }
        if let Some(class) = self.by_answers.get(&answers) {
            return *class;
        }
        let class = self.classes.len() as u32;
        self.classes.push(answers.clone());
        self.by_answers.insert(answers, class);
        class
    }
}
