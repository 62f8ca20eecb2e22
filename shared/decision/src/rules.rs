//! A campaign's rules and plan, ready to be asked about one person.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ims_domain::campaign::{ContactPlan, Wave};
use ims_domain::contact::{Channel, Reason, channel, suppression};
use ims_domain::hold::Holds;
use ims_domain::{Person, clock};
use ims_eligibility::{Campaign, CompiledIteration, Status};
use ims_snapshot::{PersonRow, facts_of, facts_of_person};
use ims_store::{Definition, Overtaken, Store, StoreError};
use jiff::civil::Date;
use thiserror::Error;

/// Why no decision can be made.
#[derive(Debug, Error)]
pub enum DecisionError {
    /// Store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such campaign, or no such version of it.
    #[error("there is no version {version} of campaign '{campaign}'")]
    NoDefinition {
        /// Campaign.
        campaign: String,
        /// Version.
        version: u32,
    },
    /// The rules of a stored campaign cannot be read.
    #[error("the rules of campaign '{campaign}' cannot be read: {problem}")]
    Rules {
        /// Campaign.
        campaign: String,
        /// First problem.
        problem: String,
    },
    /// No iteration of the campaign is live.
    #[error("campaign '{campaign}' has no live iteration on {day}")]
    NotLive {
        /// Campaign.
        campaign: String,
        /// Business day.
        day: Date,
    },
    /// Something that must be there is not.
    #[error("{what} is not there")]
    Absent {
        /// What.
        what: String,
    },
}

impl Overtaken for DecisionError {
    fn is_overtaken(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_condition())
    }
}

/// The answer about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// Why nothing goes out; none means that it does.
    pub reason: Option<Reason>,
    /// Best cohort, or empty.
    pub cohort: String,
    /// How to reach the person; there where nothing stands against it.
    pub channel: Option<Channel>,
    /// The rules' answer in a few words.
    pub explanation: String,
}

/// The rules and the plan of one version of a campaign.
pub struct Rules {
    campaign: Campaign,
    definition: Definition,
    compiled: Mutex<HashMap<Date, Arc<CompiledIteration>>>,
}

impl Rules {
    /// Reads a definition.
    ///
    /// # Errors
    /// Where its rules are not valid.
    pub fn new(definition: Definition) -> Result<Self, DecisionError> {
        let campaign =
            Campaign::parse_published(definition.rules.as_bytes()).map_err(|problems| DecisionError::Rules {
                campaign: definition.campaign.clone(),
                problem: problems.first().map(ToString::to_string).unwrap_or_default(),
            })?;
        Ok(Self { campaign, definition, compiled: Mutex::new(HashMap::new()) })
    }

    /// Loads a version of a campaign.
    ///
    /// # Errors
    /// Where there is none, or its rules are not valid.
    pub async fn load(store: &Store, campaign: &str, version: u32) -> Result<Self, DecisionError> {
        let definition = store.definition(campaign, version).await?;
        Self::new(definition.ok_or_else(|| DecisionError::NoDefinition { campaign: campaign.to_owned(), version })?)
    }

    /// The campaign's rules as they were read.
    #[must_use]
    pub fn campaign(&self) -> &Campaign {
        &self.campaign
    }

    /// The contact plan.
    #[must_use]
    pub fn plan(&self) -> &ContactPlan {
        &self.definition.plan
    }

    /// Who wrote this version.
    #[must_use]
    pub fn authors(&self) -> &[String] {
        &self.definition.authors
    }

    /// Version of the definition.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.definition.version
    }

    /// The iteration that is live at noon of a day, compiled once a day.
    ///
    /// # Errors
    /// Where none is live.
    pub fn iteration(&self, day: Date) -> Result<Arc<CompiledIteration>, DecisionError> {
        if let Ok(compiled) = self.compiled.lock()
            && let Some(iteration) = compiled.get(&day)
        {
            return Ok(iteration.clone());
        }
        let not_live = || DecisionError::NotLive { campaign: self.definition.campaign.clone(), day };
        let iteration = self.campaign.iteration_on(day).ok_or_else(not_live)?;
        let iteration = Arc::new(self.campaign.compile(iteration));
        if let Ok(mut compiled) = self.compiled.lock() {
            compiled.insert(day, iteration.clone());
        }
        Ok(iteration)
    }

    /// Cohort labels by place: the highest priority group first.
    #[must_use]
    pub fn cohort_places(&self) -> HashMap<String, u32> {
        let iterations = self.campaign.iterations.iter();
        let mut cohorts: Vec<(i64, &str)> = iterations
            .flat_map(|iteration| &iteration.cohorts)
            .map(|cohort| (cohort.priority.unwrap_or(i64::MAX), cohort.label.as_str()))
            .collect();
        cohorts.sort_unstable();
        cohorts.into_iter().zip(0..).map(|((_, label), place)| (label.to_owned(), place)).collect()
    }

    /// The dose that a person would have next.
    #[must_use]
    pub fn next_dose(&self, row: &PersonRow) -> u8 {
        row.next_dose(self.plan())
    }

    /// Whether a person of the snapshot is eligible, and actionable with which best cohort.
    ///
    /// # Errors
    /// Where no iteration is live.
    pub fn ask(&self, row: &PersonRow, today: Date) -> Result<(Status, Option<String>), DecisionError> {
        let iteration = self.iteration(today)?;
        let facts = facts_of(row, self.plan());
        let (status, cohort) = iteration.status(&facts, today);
        Ok((status, cohort.map(str::to_owned)))
    }

    /// Whether the live person is eligible, and actionable with which best cohort.
    ///
    /// # Errors
    /// Where no iteration is live.
    pub fn ask_live(&self, person: &Person, today: Date) -> Result<(Status, Option<String>), DecisionError> {
        let iteration = self.iteration(today)?;
        let (status, cohort) = iteration.status(&facts_of_person(person, self.plan()), today);
        Ok((status, cohort.map(str::to_owned)))
    }

    /// Decides on the live person.
    ///
    /// # Errors
    /// Where no iteration is live.
    pub fn decide(&self, person: &Person, dose: u8, today: Date) -> Result<Decided, DecisionError> {
        let row = PersonRow::of(person);
        let (status, cohort) = self.ask_live(person, today)?;
        let reason = suppression(person, self.plan(), dose, today, status == Status::Actionable);
        let doses = self.next_dose(&row).saturating_sub(1);
        let age = person.age_on(today).map_or_else(|| "unknown".to_owned(), |age| age.to_string());
        let cohort = cohort.unwrap_or_default();
        let explanation = format!(
            "{} in cohort '{cohort}' on {}; doses {doses}; age band {}",
            status.as_str(),
            clock::compact(today),
            age.parse::<i16>().map_or(age, |age| format!("{}-{}", age / 5 * 5, age / 5 * 5 + 4)),
        );
        let channel = if reason.is_none() { channel(person, today) } else { None };
        Ok(Decided { reason, cohort, channel, explanation })
    }
}

/// How long a process may go on believing the state of a wave, or which version of a campaign is the latest; every claim
/// checks the gate in its transaction all the same.
const FRESH: Duration = Duration::from_secs(2);

/// Waves by campaign and name, with the time they were read.
type Waves = HashMap<(String, String), (Instant, Wave)>;

/// The latest version by campaign, with the time it was read.
type Latest = HashMap<String, (Instant, Option<Arc<Rules>>)>;

/// Rules by campaign and version, kept for the life of a process, since a version never changes; waves and which version
/// is the latest, and the holds that stand, kept for two seconds.
#[derive(Default)]
pub struct RulesCache {
    holds: Mutex<Option<(Instant, Holds)>>,
    rules: tokio::sync::Mutex<HashMap<(String, u32), Arc<Rules>>>,
    latest: tokio::sync::Mutex<Latest>,
    waves: Mutex<Waves>,
}

impl RulesCache {
    /// A version of a campaign's rules.
    ///
    /// # Errors
    /// As [`Rules::load`].
    pub async fn get(&self, store: &Store, campaign: &str, version: u32) -> Result<Arc<Rules>, DecisionError> {
        let mut held = self.rules.lock().await;
        if let Some(rules) = held.get(&(campaign.to_owned(), version)) {
            return Ok(rules.clone());
        }
        let rules = Arc::new(Rules::load(store, campaign, version).await?);
        held.insert((campaign.to_owned(), version), rules.clone());
        Ok(rules)
    }

    /// The latest version of a campaign's rules, at most two seconds old; none where the campaign has no definition.
    ///
    /// # Errors
    /// Where the store fails, or the rules are not valid.
    pub async fn latest(&self, store: &Store, campaign: &str) -> Result<Option<Arc<Rules>>, DecisionError> {
        let mut held = self.latest.lock().await;
        if let Some((read, rules)) = held.get(campaign)
            && read.elapsed() < FRESH
        {
            return Ok(rules.clone());
        }
        let version = store.latest_definition(campaign).await?.map(|definition| definition.version);
        let rules = match version {
            Some(version) => Some(self.get(store, campaign, version).await?),
            None => None,
        };
        held.insert(campaign.to_owned(), (Instant::now(), rules.clone()));
        Ok(rules)
    }

    /// The latest version of every campaign, in the order of their names, each at most two seconds old.
    ///
    /// # Errors
    /// Where the store fails, or the rules of a campaign are not valid.
    pub async fn all_latest(&self, store: &Store) -> Result<Vec<Arc<Rules>>, DecisionError> {
        let mut all = Vec::new();
        for campaign in store.campaigns().await? {
            all.extend(self.latest(store, &campaign).await?);
        }
        Ok(all)
    }

    /// The holds that stand, at most two seconds old. Whoever acts on them checks their version in the transaction.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn holds(&self, store: &Store, shard: u64) -> Result<Holds, DecisionError> {
        if let Ok(held) = self.holds.lock()
            && let Some((read, holds)) = &*held
            && read.elapsed() < FRESH
        {
            return Ok(holds.clone());
        }
        let found = store.holds(shard).await?;
        if let Ok(mut held) = self.holds.lock() {
            *held = Some((Instant::now(), found.clone()));
        }
        Ok(found)
    }

    /// Forgets all waves and holds, so that the next question reads them anew.
    pub fn forget(&self) {
        if let Ok(mut holds) = self.holds.lock() {
            *holds = None;
        }
        if let Ok(mut waves) = self.waves.lock() {
            waves.clear();
        }
    }

    /// A wave, at most two seconds old; read anew where `anew`.
    ///
    /// # Errors
    /// Where there is none, or the store fails.
    pub async fn wave(&self, store: &Store, campaign: &str, wave: &str, anew: bool) -> Result<Wave, DecisionError> {
        let key = (campaign.to_owned(), wave.to_owned());
        if !anew
            && let Ok(waves) = self.waves.lock()
            && let Some((read, wave)) = waves.get(&key)
            && read.elapsed() < FRESH
        {
            return Ok(wave.clone());
        }
        let found = store.wave(campaign, wave).await?;
        let found =
            found.ok_or_else(|| DecisionError::Absent { what: format!("wave '{wave}' of campaign '{campaign}'") })?;
        if let Ok(mut waves) = self.waves.lock() {
            waves.insert(key, (Instant::now(), found.clone()));
        }
        Ok(found)
    }
}
