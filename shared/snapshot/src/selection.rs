//! Who of a part is due an invitation of a campaign: in order, or counted.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use ims_domain::PersonId;
use ims_domain::campaign::ContactPlan;
use ims_domain::clock::age_on;
use ims_eligibility::{CompiledIteration, Status};
use ims_uptake::{AgeBand, EthnicGroup, UNKNOWN};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::column::SnapshotError;
use crate::evaluate::{Asking, Evaluator};
use crate::facts::Source;
use crate::part::{Codes, Held, Needed, Part, Values};
use crate::{PROGRAMMES, PersonRow};

/// Selects people for a campaign, part by part.
///
/// Somebody is selected who is on the list, Actionable by the rules, due a dose that the plan gives, and not yet invited for
/// it. Reading a part and asking about it are two steps, so that a part that is kept in memory can be asked again:
///
/// ```no_run
/// # fn f(rules: &ims_eligibility::CompiledIteration, plan: &ims_domain::campaign::ContactPlan,
/// #      today: jiff::civil::Date, bytes: bytes::Bytes) -> Result<(), ims_snapshot::SnapshotError> {
/// use ims_snapshot::{By, Part, Preview, Selector};
/// let mut selector = Selector::new(rules, plan, today);
/// let mut preview = Preview::default();
/// // … for each part:
/// let part = Part::read(bytes, &selector.needed().and(By::Icb.needed()))?;
/// preview.add(selector.count(&part, Some(By::Icb)));
/// # Ok(())
/// # }
/// ```
pub struct Selector<'c> {
    evaluator: Evaluator<'c>,
    /// Columns of the doses and the invitations of the plan's programme, where it has columns.
    history: Option<(String, String)>,
    /// The column that says, beside the doses, which of them are valid.
    beside: Option<&'static str>,
    /// Whether people of this cohort are wanted, by place.
    wanted: Vec<bool>,
}

/// Somebody who is selected, by place in the part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selected {
    /// The person's place in the part.
    pub person: u32,
    /// Place of the best cohort among those of the iteration.
    pub cohort: u16,
    /// Dose that is due.
    pub dose: u8,
}

/// Who of a part is selected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// People on the list whom the rules do not call NotEligible.
    pub eligible: u64,
    /// In the order of the part.
    pub selected: Vec<Selected>,
}

/// Somebody who is selected, by name. Candidates are ordered by cohort, lot and person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Candidate {
    /// Place of the best cohort among those of the iteration.
    pub cohort: u16,
    /// Tie-breaker.
    pub lot: u64,
    /// Person.
    pub person: PersonId,
    /// Dose that is due.
    pub dose: u8,
}

impl<'c> Selector<'c> {
    /// For an iteration, the contact plan, and the day as of which rules are evaluated.
    #[must_use]
    pub fn new(rules: &'c CompiledIteration, plan: &'c ContactPlan, today: Date) -> Self {
        let index = PROGRAMMES.iter().position(|code| *code == plan.programme.code());
        let programme = index.map(|index| PROGRAMMES[index].to_lowercase());
        Self {
            evaluator: Evaluator::new(rules, plan, today),
            history: programme.map(|code| (format!("{code}_dose_dates"), format!("{code}_invites"))),
            beside: index.and_then(|index| Source::Doses(index).beside(plan)),
            wanted: vec![true; rules.cohort_labels().count()],
        }
    }

    /// Only people whose best cohort is one of these; everyone where empty.
    #[must_use]
    pub fn limited_to(mut self, cohorts: &[String]) -> Self {
        let wanted = |label: &str| cohorts.is_empty() || cohorts.iter().any(|cohort| cohort == label);
        self.wanted = self.evaluator.rules.cohort_labels().map(wanted).collect();
        self
    }

    /// The columns that it looks at; to list candidates, [`Selector::needed_to_list`].
    #[must_use]
    pub fn needed(&self) -> Needed {
        let mut needed = self.evaluator.needed();
        needed.columns.extend(self.history.iter().flat_map(|(doses, invites)| [doses.clone(), invites.clone()]));
        needed.columns.extend(self.beside.map(str::to_owned));
        needed
    }

    /// The columns that it looks at, ids and lots included.
    #[must_use]
    pub fn needed_to_list(&self) -> Needed {
        Needed { people: true, ..self.needed() }
    }

    /// The day as of which it asks.
    #[must_use]
    pub fn today(&self) -> Date {
        self.evaluator.today
    }

    /// The evaluator it asks.
    pub fn evaluator(&mut self) -> &mut Evaluator<'c> {
        &mut self.evaluator
    }

    /// Who of the part is selected.
    pub fn select(&mut self, part: &Part) -> Selection {
        let mut selection = Selection::default();
        let wanted = self.wanted.clone();
        self.each_eligible(part, |person, cohort, due| {
            selection.eligible += 1;
            if let Some(dose) = due.filter(|_| wanted[usize::from(cohort)]) {
                selection.selected.push(Selected { person, cohort, dose });
            }
        });
        selection
    }

    /// Goes through those of the part who are eligible: place, best cohort, and the dose to which they are to be invited now,
    /// if any. Whoever is of a cohort that is not wanted is eligible all the same.
    fn each_eligible(&mut self, part: &Part, mut take: impl FnMut(u32, u16, Option<u8>)) {
        let standings = self.evaluator.standings(part);
        let (plan, history) = (self.evaluator.plan, self.history.as_ref());
        let nothing = Held { values: Values::DaysFrom(0, 1), codes: Codes::Same };
        let pairs = history.zip(self.beside).and_then(|((doses, _), beside)| part.pair(doses, beside));
        let doses = pairs.as_ref().or_else(|| part.column(&history?.0)).unwrap_or(&nothing);
        let invites = history.and_then(|(_, invites)| part.column(invites)).unwrap_or(&nothing);
        let about_doses = history.and_then(|(doses, _)| Asking::about(doses));
        let about_doses = match self.beside {
            Some(beside) => about_doses.and_then(|asking| asking.beside(beside)),
            None => about_doses,
        };
        let dose_of = ask(about_doses, &doses.values, |row| row.next_dose(plan));
        let about_invites = history.and_then(|(_, invites)| Asking::about(invites));
        let invited_for = ask(about_invites, &invites.values, |row| {
            let history = row.programme(plan.programme);
            let invited = |dose| history.is_some_and(|history| history.is_invited(&plan.campaign, dose));
            (1..=plan.doses).filter(|dose| invited(*dose)).collect::<Vec<u8>>()
        });
        for (person, (status, cohort)) in standings.iter().enumerate() {
            let Some(cohort) = cohort else { continue };
            if part.is_off_list(person) {
                continue;
            }
            let due = (status == Status::Actionable).then(|| dose_of[doses.codes.get(person)]);
            let due = due.filter(|dose| *dose <= plan.doses && !invited_for[invites.codes.get(person)].contains(dose));
            // A part has fewer people, and a campaign fewer cohorts, than these types hold.
            take(person as u32, cohort as u16, due);
        }
    }

    /// People on the list for whom the rules may say something else on a day to come, up to `until`, although nothing new is
    /// known of them: their places in the part, with the first such day.
    pub fn turning(&mut self, part: &Part, until: Date) -> Vec<(u32, Date)> {
        let days = self.evaluator.turning_days(part, until).into_iter().zip(0u32..);
        days.filter_map(|(day, person)| Some((person, day?)))
            .filter(|(person, _)| !part.is_off_list(*person as usize))
            .collect()
    }

    /// How many are eligible, and the candidates of the part in order. The part must hold [`Selector::needed_to_list`].
    ///
    /// # Errors
    /// Where a person has no valid id.
    pub fn candidates(&mut self, part: &Part) -> Result<(u64, Vec<Candidate>), SnapshotError> {
        let selection = self.select(part);
        let mut candidates = Vec::with_capacity(selection.selected.len());
        for selected in selection.selected {
            let place = selected.person as usize;
            let person = part.known_id(place)?;
            candidates.push(Candidate { cohort: selected.cohort, lot: part.lot(place), person, dose: selected.dose });
        }
        candidates.sort_unstable();
        Ok((selection.eligible, candidates))
    }

    /// The candidates of the part in order, and by id those who are eligible and not candidates. The part must hold
    /// [`Selector::needed_to_list`].
    ///
    /// # Errors
    /// Where a person has no valid id.
    pub(crate) fn listed(&mut self, part: &Part) -> Result<(Vec<Candidate>, Vec<PersonId>), SnapshotError> {
        let mut found = Vec::new();
        let wanted = self.wanted.clone();
        self.each_eligible(part, |person, cohort, due| {
            found.push((person as usize, cohort, due.filter(|_| wanted[usize::from(cohort)])));
        });
        let (mut candidates, mut others) = (Vec::new(), Vec::new());
        for (place, cohort, due) in found {
            let person = part.known_id(place)?;
            match due {
                Some(dose) => candidates.push(Candidate { cohort, lot: part.lot(place), person, dose }),
                None => others.push(person),
            }
        }
        candidates.sort_unstable();
        others.sort_unstable();
        Ok((candidates, others))
    }

    /// Counts those of the part who are selected, by best cohort and by something else. The part must hold
    /// [`Selector::needed`] and [`By::needed`].
    pub fn count(&mut self, part: &Part, by: Option<By>) -> Preview {
        let mut tally = Tally::new(by);
        self.add_to(&mut tally, part);
        self.preview(tally)
    }

    /// As [`Selector::count`], into a tally that many parts are added to before it becomes a preview.
    pub fn add_to(&mut self, tally: &mut Tally, part: &Part) {
        let selection = self.select(part);
        self.count_in(tally, part, &selection);
    }

    /// Counts a selection from a part that holds [`By::needed`].
    pub(crate) fn count_in(&self, tally: &mut Tally, part: &Part, selection: &Selection) {
        let nothing = Held { values: Values::DaysFrom(0, 1), codes: Codes::Same };
        let held = tally.by.and_then(|by| part.column(by.column())).unwrap_or(&nothing);
        let place_of = tally.places(&held.values, self.evaluator.today);
        let cohorts = self.wanted.len();
        tally.cells.resize(tally.keys.len() * cohorts, 0);
        for selected in &selection.selected {
            let key = place_of[held.codes.get(selected.person as usize)];
            tally.cells[key * cohorts + usize::from(selected.cohort)] += 1;
        }
        tally.people += part.people() as u64;
        tally.eligible += selection.eligible;
    }

    /// The preview that a tally amounts to.
    #[must_use]
    pub fn preview(&self, tally: Tally) -> Preview {
        let cohorts: Vec<String> = self.evaluator.rules.cohort_labels().map(str::to_owned).collect();
        let mut counts = BTreeMap::new();
        for (key, place) in tally.keys {
            for (cohort, label) in cohorts.iter().enumerate() {
                let count = tally.cells.get(place * cohorts.len() + cohort).copied().unwrap_or(0);
                if count > 0 {
                    *counts.entry((label.clone(), key.clone().into_owned())).or_insert(0) += count;
                }
            }
        }
        Preview { people: tally.people, eligible: tally.eligible, cohorts, counts: Counted(counts) }
    }
}

/// Counts of one campaign while parts are added, by numbers instead of names.
#[derive(Debug, Default)]
pub struct Tally {
    by: Option<By>,
    people: u64,
    eligible: u64,
    /// Keys with their places.
    keys: HashMap<Cow<'static, str>, usize>,
    /// People by key and cohort.
    cells: Vec<u64>,
}

impl Tally {
    /// Of nobody yet.
    #[must_use]
    pub fn new(by: Option<By>) -> Self {
        Self { by, ..Self::default() }
    }

    /// The place of the key of each of a column's values, by code.
    fn places(&mut self, values: &Values, today: Date) -> Vec<usize> {
        let by = self.by;
        // Neighbours are often alike.
        let mut last: Option<(Cow<'static, str>, usize)> = None;
        let mut place = |key: Cow<'static, str>| match &last {
            Some((held, place)) if *held == key => *place,
            _ => {
                let next = self.keys.len();
                let place = *self.keys.entry(key.clone()).or_insert(next);
                last = Some((key, place));
                place
            }
        };
        match by {
            Some(by) => ask(Asking::about(by.column()), values, |row| place(by.key(row, today))),
            None => vec![place(Cow::Borrowed(ALL))],
        }
    }
}

/// What a function says of each value of a column, by code; of somebody of whom nothing is known where there is none.
pub(crate) fn ask<T>(asking: Option<Asking>, values: &Values, mut say: impl FnMut(&PersonRow) -> T) -> Vec<T> {
    match asking {
        Some(mut asking) => asking.each(values, say),
        None => vec![say(&PersonRow::default())],
    }
}

/// Key of a count of everyone.
pub const ALL: &str = "all";

/// What a preview counts by, besides the cohort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// NHS England region.
    Region,
    /// Integrated care board.
    Icb,
    /// Sub-ICB location.
    SubIcb,
    /// MSOA of residence.
    Msoa,
    /// LSOA of residence.
    Lsoa,
    /// Age band on the day.
    Age,
    /// Ethnic group.
    Ethnicity,
    /// Deprivation decile.
    Imd,
    /// GP practice.
    Practice,
    /// 1 male, 2 female, 9 other, 0 unknown.
    Gender,
}

impl By {
    /// All, with their names.
    pub const NAMES: [(&'static str, Self); 10] = [
        ("region", Self::Region),
        ("icb", Self::Icb),
        ("sub_icb", Self::SubIcb),
        ("msoa", Self::Msoa),
        ("lsoa", Self::Lsoa),
        ("age", Self::Age),
        ("ethnicity", Self::Ethnicity),
        ("imd", Self::Imd),
        ("practice", Self::Practice),
        ("gender", Self::Gender),
    ];

    /// The column that it looks at.
    #[must_use]
    pub fn needed(self) -> Needed {
        Needed { columns: [self.column().to_owned()].into(), people: false }
    }

    fn column(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Icb => "icb",
            Self::SubIcb => "sub_icb",
            Self::Msoa => "msoa",
            Self::Lsoa => "lsoa",
            Self::Age => "date_of_birth",
            Self::Ethnicity => "ethnic_category",
            Self::Imd => "imd_decile",
            Self::Practice => "practice",
            Self::Gender => "gender",
        }
    }

    /// A person's key; `unknown` where it is not known.
    #[must_use]
    pub fn key(self, row: &PersonRow, today: Date) -> Cow<'static, str> {
        let text = match self {
            Self::Age => return AgeBand::of(row.date_of_birth.map(|born| age_on(born, today))).name().into(),
            Self::Ethnicity => return EthnicGroup::of(&row.ethnic_category).name().into(),
            Self::Imd if row.imd_decile == 0 => return UNKNOWN.into(),
            Self::Imd => return row.imd_decile.to_string().into(),
            Self::Region => &row.region,
            Self::Icb => &row.icb,
            Self::SubIcb => &row.sub_icb,
            Self::Msoa => &row.msoa,
            Self::Lsoa => &row.lsoa,
            Self::Practice => &row.practice,
            Self::Gender => &row.gender,
        };
        if text.is_empty() { UNKNOWN.into() } else { text.clone().into() }
    }
}

impl FromStr for By {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::NAMES.iter().find(|(name, _)| *name == text).map(|(_, by)| *by).ok_or_else(|| {
            let names: Vec<&str> = Self::NAMES.iter().map(|(name, _)| *name).collect();
            format!("{text:?} is not one of {}", names.join(", "))
        })
    }
}

/// How many would be selected. Previews of parts of one snapshot, under one campaign, add up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// People looked at.
    pub people: u64,
    /// Those on the list whom the rules do not call NotEligible.
    pub eligible: u64,
    /// The campaign's cohorts, best first.
    pub cohorts: Vec<String>,
    counts: Counted,
}

/// By cohort and key; a list of [`Count`] in JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Count>", into = "Vec<Count>")]
struct Counted(BTreeMap<(String, String), u64>);

/// One count of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Best cohort.
    pub cohort: String,
    /// What was counted by: a code, band or group; [`ALL`] where nothing was.
    pub key: String,
    /// People.
    pub count: u64,
}

impl From<Vec<Count>> for Counted {
    fn from(counts: Vec<Count>) -> Self {
        Self(counts.into_iter().map(|count| ((count.cohort, count.key), count.count)).collect())
    }
}

impl From<Counted> for Vec<Count> {
    fn from(counted: Counted) -> Self {
        counted.0.into_iter().map(|((cohort, key), count)| Count { cohort, key, count }).collect()
    }
}

impl Preview {
    /// Adds what another part gave.
    pub fn add(&mut self, other: Self) {
        self.people += other.people;
        self.eligible += other.eligible;
        if self.cohorts.is_empty() {
            self.cohorts = other.cohorts;
        }
        for (place, count) in other.counts.0 {
            *self.counts.0.entry(place).or_insert(0) += count;
        }
    }

    /// People who would be selected.
    #[must_use]
    pub fn selected(&self) -> u64 {
        self.counts.0.values().sum()
    }

    /// The counts that are not 0: best cohort first, and by key within.
    #[must_use]
    pub fn counts(&self) -> Vec<Count> {
        let mut counts: Vec<Count> = self.counts.clone().into();
        counts.sort_by_cached_key(|count| self.cohorts.iter().position(|cohort| *cohort == count.cohort));
        counts
    }
}
