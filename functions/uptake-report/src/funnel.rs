//! The funnel of a campaign: who was eligible, selected, written to, and what came of it.
//!
//! Eligible and selected people are counted from the snapshot that each wave is pinned to, on the wave's day and by its
//! version of the rules, so that the numbers stay as they were when someone dies or moves away later.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ims_decision::Rules;
use ims_domain::campaign::Wave;
use ims_eligibility::Status;
use ims_snapshot::{ContactRow, PersonRow};
use serde::{Deserialize, Serialize};

use crate::ReportError;
use crate::standing::{Standing, is_undelivered, left, standing};

/// People by where they stand. `selected` = `sent` + `suppressed` + `failed` + `pending`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct People {
    /// Eligible in a wave that takes their cohort.
    pub eligible: u64,
    /// Selected.
    pub selected: u64,
    /// At least one message left.
    pub sent: u64,
    /// Nothing left, by the reason of the latest decision.
    pub suppressed: BTreeMap<String, u64>,
    /// Nothing left because the provider refused it, by its words.
    pub failed: BTreeMap<String, u64>,
    /// Not decided yet, or queued.
    pub pending: u64,
}

impl People {
    fn add(&mut self, eligible: bool, selected: bool, standing: &Standing) {
        self.eligible += u64::from(eligible);
        if !selected {
            return;
        }
        self.selected += 1;
        match standing {
            Standing::Sent => self.sent += 1,
            Standing::Suppressed(reason) => *self.suppressed.entry(reason.clone()).or_default() += 1,
            Standing::Failed(reason) => *self.failed.entry(reason.clone()).or_default() += 1,
            Standing::Pending => self.pending += 1,
        }
    }
}

/// Messages that left, by step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Messages {
    /// Text messages.
    pub sms: BTreeMap<String, u64>,
    /// Letters.
    pub letters: BTreeMap<String, u64>,
}

/// A campaign's funnel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Funnel {
    /// People, over all waves.
    #[serde(flatten)]
    pub people: People,
    /// Messages that left.
    pub messages: Messages,
    /// Messages among them that are known not to have arrived.
    pub undelivered: u64,
    /// People with an appointment since the plan's first day that was not cancelled: to come, kept or missed.
    pub bookings: u64,
    /// People with a dose since the plan's first day.
    pub vaccinated: u64,
    /// Recall tasks, in whatever state.
    pub recall_tasks: u64,
    /// Calls made.
    pub calls_made: u64,
    /// Recall tasks by the outcome of their last call.
    pub call_outcomes: BTreeMap<String, u64>,
    /// People by wave; someone whom another wave wrote to first is not counted as selected.
    pub by_wave: BTreeMap<String, People>,
    /// People by best cohort at their latest decision.
    pub by_cohort: BTreeMap<String, People>,
    /// Waves whose snapshot is kept no longer: of these only people with a decision are counted.
    pub waves_without_snapshot: Vec<String>,
}

/// A wave with the people of a part of its own snapshot.
pub(crate) struct WavePart<'a> {
    pub(crate) wave: &'a Wave,
    pub(crate) rules: &'a Rules,
    pub(crate) people: &'a [PersonRow],
}

/// What the waves said of a person: (wave, cohort).
#[derive(Debug, Default)]
struct Chosen<'a> {
    eligible: Vec<(&'a str, String)>,
    selected: Vec<(&'a str, String)>,
}

impl Funnel {
    /// Adds one part of the population: its people and contacts now, and its people as each wave saw them.
    pub(crate) fn add_part(
        &mut self,
        rules: &Rules,
        people: &[PersonRow],
        contacts: &[ContactRow],
        waves: &[WavePart<'_>],
    ) -> Result<(), ReportError> {
        let plan = rules.plan();
        // Whoever holds the number that superseded another has all that was recorded under it.
        for row in people.iter().filter(|row| !row.superseded) {
            let Some(history) = row.programme(plan.programme) else { continue };
            self.vaccinated += u64::from(plan.count_valid(&history.dose_dates, row.date_of_birth) > 0);
            self.bookings += u64::from(history.appointment.is_some_and(|day| day >= plan.count_doses_from));
        }
        let mut of_person: HashMap<&str, Vec<&ContactRow>> = HashMap::new();
        for row in contacts.iter().filter(|row| row.campaign == plan.campaign) {
            self.add_contact(row);
            of_person.entry(&row.person_id).or_default().push(row);
        }
        let chosen = choose(waves)?;
        let everyone: BTreeSet<&str> = chosen.keys().chain(of_person.keys()).copied().collect();
        let (nobody, nothing) = (Chosen::default(), Vec::new());
        for person in everyone {
            let chosen = chosen.get(person).unwrap_or(&nobody);
            let contacts = of_person.get(person).unwrap_or(&nothing);
            self.add_person(chosen, contacts);
        }
        Ok(())
    }

    fn add_contact(&mut self, row: &ContactRow) {
        match row.kind.as_str() {
            "message" if left(row) => {
                let steps = if row.channel == "sms" { &mut self.messages.sms } else { &mut self.messages.letters };
                *steps.entry(row.step.clone()).or_default() += 1;
                self.undelivered += u64::from(is_undelivered(row));
            }
            "call" => {
                self.recall_tasks += 1;
                self.calls_made += row.attempts;
                if !row.outcome.is_empty() {
                    *self.call_outcomes.entry(row.outcome.clone()).or_default() += 1;
                }
            }
            _ => {}
        }
    }

    fn add_person(&mut self, chosen: &Chosen<'_>, contacts: &[&ContactRow]) {
        let decisions = || contacts.iter().filter(|row| row.kind == "decision" && row.step == "invite");
        let stands = standing(contacts.iter().copied());
        let selected = !chosen.selected.is_empty() || decisions().next().is_some();
        let eligible = !chosen.eligible.is_empty() || selected;
        self.people.add(eligible, selected, &stands);

        let latest = decisions().max_by_key(|row| (row.on_date, row.dose, row.sequence)).map(|row| row.cohort.as_str());
        let cohort = latest
            .or(chosen.selected.last().map(|(_, cohort)| cohort.as_str()))
            .or(chosen.eligible.last().map(|(_, cohort)| cohort.as_str()));
        if let Some(cohort) = cohort {
            self.by_cohort.entry(cohort.to_owned()).or_default().add(eligible, selected, &stands);
        }

        let waves: BTreeSet<&str> = chosen
            .eligible
            .iter()
            .chain(&chosen.selected)
            .map(|(wave, _)| *wave)
            .chain(decisions().map(|row| row.wave.as_str()))
            .collect();
        for wave in waves {
            let of_wave = contacts.iter().copied().filter(|row| row.wave == wave);
            let decided = decisions().any(|row| row.wave == wave);
            let picked = chosen.selected.iter().any(|(name, _)| *name == wave);
            let elsewhere = picked && !decided && stands == Standing::Sent;
            let selected = decided || (picked && !elsewhere);
            let eligible = decided || picked || chosen.eligible.iter().any(|(name, _)| *name == wave);
            self.by_wave.entry(wave.to_owned()).or_default().add(eligible, selected, &standing(of_wave));
        }
    }
}

/// Whom the waves found eligible in a cohort they take, and whom of these they selected.
fn choose<'a>(waves: &[WavePart<'a>]) -> Result<HashMap<&'a str, Chosen<'a>>, ReportError> {
    let mut found: HashMap<&str, Chosen<'_>> = HashMap::new();
    for WavePart { wave, rules, people } in waves {
        let plan = rules.plan();
        for row in people.iter().filter(|row| !row.is_off_list()) {
            let (status, cohort) = rules.ask(row, wave.selected_on)?;
            let cohort = cohort.unwrap_or_default();
            let is_taken = wave.cohorts.is_empty() || wave.cohorts.contains(&cohort);
            if status == Status::NotEligible || !is_taken {
                continue;
            }
            let chosen = found.entry(&row.person_id).or_default();
            let dose = rules.next_dose(row);
            let invited = row.programme(plan.programme).is_some_and(|history| history.is_invited(&plan.campaign, dose));
            if status == Status::Actionable && !invited && dose <= plan.doses {
                chosen.selected.push((&wave.wave, cohort.clone()));
            }
            chosen.eligible.push((&wave.wave, cohort));
        }
    }
    Ok(found)
}
