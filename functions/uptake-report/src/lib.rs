//! `uptake-report`: coverage and funnels from one snapshot, and the analysts' exports.
//!
//! Everything is a function of the manifest, the campaigns' definitions and their waves. The same again is answered from
//! what was written before; `funnel.json` is written last and says which inputs it stands for. Before it goes each
//! campaign's [`Picture`], which stands under one key and is always the latest.

mod analysts;
mod areas;
mod coverage;
mod delivery;
mod funnel;
mod picture;
mod progress;
mod snapshot;
mod standing;
mod trend;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ims_decision::{DecisionError, Rules};
use ims_domain::campaign::Wave;
use ims_domain::ids::stable_hash;
use ims_eligibility::{Campaign as EligibilityCampaign, Status};
use ims_messaging::{Bucket, ObjectError, Objects};
use ims_runtime::settings::optional;
use ims_runtime::{Service, SettingsError};
use ims_snapshot::{ContactRow, Manifest, PersonRow, SnapshotError, VaccinationRow};
use ims_store::{Definition, Store, StoreError};
use ims_uptake::Rule;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

pub use delivery::{Arrivals, Count, Delivery, Kind};
pub use funnel::{Funnel, Messages, People};
pub use picture::{AreaCoverage, Cell, GroupCoverage, Level, Picture, PictureFunnel, SCHEMA};
pub use trend::Day;

use analysts::{Contact, Growing, Person, Vaccination};
use coverage::Tally;
use delivery::Deliveries;
use funnel::WavePart;
use progress::Waves;
use snapshot::Snapshot;
use trend::Trend;

/// What the function is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Request {
    /// Report on the current snapshot.
    Report,
}

/// Why the function failed.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The event is no known request, or the report cannot be written as JSON.
    #[error("the event is not a known request: {0}")]
    Event(#[from] serde_json::Error),
    /// There is no snapshot to report on.
    #[error("there is no snapshot yet: merge one first")]
    NoSnapshot,
    /// A campaign has no definition.
    #[error("campaign '{0}' has no definition")]
    NoDefinition(String),
    /// Store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Objects.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// Rules.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// A snapshot part.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// An export.
    #[error("an export cannot be written as Parquet")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// An export.
    #[error("an export cannot be written as columns")]
    Arrow(#[from] arrow::error::ArrowError),
    /// An export.
    #[error("an export cannot be written as CSV")]
    Csv(#[from] csv::Error),
}

/// How soon after a report a new snapshot is reported on at once; a sooner one waits for the schedule, because a report
/// reads the whole snapshot.
#[derive(Debug, Clone, Copy)]
pub struct Pace(pub SignedDuration);

impl Pace {
    /// From `IMS_REPORT_EVERY_SECONDS`; a quarter of an hour where it is not set.
    ///
    /// # Errors
    /// Where it is no number of seconds.
    pub fn from_env() -> Result<Self, SettingsError> {
        let name = "IMS_REPORT_EVERY_SECONDS";
        let seconds = match optional(name) {
            None => 900,
            Some(text) => text.parse::<u32>().map_err(|_| SettingsError::Invalid {
                name: name.to_owned(),
                value: text.clone(),
                why: "expected seconds".to_owned(),
            })?,
        };
        Ok(Self(SignedDuration::from_secs(seconds.into())))
    }
}

/// Handles a request, or the news of a manifest in the snapshot bucket.
///
/// # Errors
/// Where the event is no known request, there is no snapshot, or reading or writing fails.
pub async fn handle(service: &Service, pace: Pace, event: Value) -> Result<Value, ReportError> {
    if is_news(&event) {
        return match last_written(service).await? {
            Some(last) if Timestamp::now().duration_since(last) < pace.0 => {
                Ok(json!({"skipped": format!("the last report is of {last}")}))
            }
            _ => report(service).await,
        };
    }
    match serde_json::from_value(event)? {
        Request::Report => report(service).await,
    }
}

/// Whether an event tells of objects that were created.
fn is_news(event: &Value) -> bool {
    let records = event["Records"].as_array();
    records.is_some_and(|records| records.iter().all(|record| record["s3"]["object"]["key"].is_string()))
}

/// When a picture was last written.
async fn last_written(service: &Service) -> Result<Option<Timestamp>, ReportError> {
    let Some(campaign) = service.store.campaigns().await?.into_iter().next() else { return Ok(None) };
    let Some(bytes) = service.objects.get(Bucket::Exports, &picture::key(&campaign)).await? else { return Ok(None) };
    let picture: Value = serde_json::from_slice(&bytes)?;
    Ok(picture["written"].as_str().and_then(|written| written.parse().ok()))
}

/// What a campaign's report follows from besides the snapshot: cheap to read, before it is known whether anything changed.
struct Inputs {
    name: String,
    definition: Definition,
    /// By day, then name.
    waves: Vec<Wave>,
}

async fn inputs(store: &Store, name: String) -> Result<Inputs, ReportError> {
    let definition = store.latest_definition(&name).await?.ok_or_else(|| ReportError::NoDefinition(name.clone()))?;
    let mut waves = store.waves(&name).await?;
    waves.sort_by(|one, other| (one.selected_on, &one.wave).cmp(&(other.selected_on, &other.wave)));
    Ok(Inputs { name, definition, waves })
}

/// A campaign as it is reported on.
struct Campaign {
    name: String,
    /// Its name for people.
    title: String,
    rules: Arc<Rules>,
    waves: Vec<(Wave, Arc<Rules>)>,
    /// The day whose rules say who is eligible now; none where no iteration was ever live.
    day: Option<Date>,
    funnel: Funnel,
    tally: Tally,
    trend: Trend,
    progress: Waves,
    deliveries: Deliveries,
}

async fn load(store: &Store, inputs: Inputs, business_date: Date) -> Result<Campaign, ReportError> {
    let Inputs { name, definition, waves: planned } = inputs;
    let title = EligibilityCampaign::parse_published(definition.rules.as_bytes()).map(|campaign| campaign.name);
    let latest = definition.version;
    let rules = Arc::new(Rules::new(definition)?);
    let mut versions = HashMap::from([(latest, rules.clone())]);
    let mut waves = Vec::new();
    for wave in planned {
        let rules = match versions.get(&wave.definition) {
            Some(rules) => rules.clone(),
            None => Arc::new(Rules::load(store, &name, wave.definition).await?),
        };
        versions.insert(wave.definition, rules.clone());
        waves.push((wave, rules));
    }
    // After a campaign's last day its last wave's rules go on saying whom it was for.
    let days = std::iter::once(business_date).chain(waves.iter().rev().map(|(wave, _)| wave.selected_on));
    let day = days.into_iter().find(|day| rules.iteration(*day).is_ok());
    Ok(Campaign {
        title: title.unwrap_or_else(|_| name.clone()),
        name,
        rules,
        waves,
        day,
        funnel: Funnel::default(),
        tally: Tally::default(),
        trend: Trend::default(),
        progress: Waves::default(),
        deliveries: Deliveries::default(),
    })
}

/// What the report follows from besides the manifest.
fn fingerprint(campaigns: &[Inputs]) -> Result<String, ReportError> {
    let inputs: Vec<(&str, u32, &[Wave])> = campaigns
        .iter()
        .map(|campaign| (campaign.name.as_str(), campaign.definition.version, campaign.waves.as_slice()))
        .collect();
    Ok(format!("{:016x}", stable_hash(&serde_json::to_string(&inputs)?)))
}

/// What was written of the same inputs before, if it is all there: two objects are read, and the pictures listed.
async fn written(
    objects: &Objects,
    funnel_key: &str,
    manifest: &str,
    fingerprint: &str,
    campaigns: &[Inputs],
) -> Result<Option<Value>, ReportError> {
    let Some(bytes) = objects.get(Bucket::Exports, funnel_key).await? else { return Ok(None) };
    let Ok(written) = serde_json::from_slice::<Value>(&bytes) else { return Ok(None) };
    if written["manifest"] != json!(manifest) || written["inputs"] != json!(fingerprint) {
        return Ok(None);
    }
    let pictures = objects.list(Bucket::Exports, picture::PREFIX, "").await?;
    let is_there = |campaign: &Inputs| pictures.contains(&picture::key(&campaign.name));
    Ok(campaigns.iter().all(is_there).then_some(written))
}

async fn report(service: &Service) -> Result<Value, ReportError> {
    let pointer = service.store.manifest().await?;
    if pointer.version == 0 {
        return Err(ReportError::NoSnapshot);
    }
    let objects = &service.objects;
    let current = Snapshot::open(objects, &pointer.manifest).await?.ok_or(ReportError::NoSnapshot)?;
    let date = current.manifest.business_date;
    let mut found = Vec::new();
    for name in service.store.campaigns().await? {
        found.push(inputs(&service.store, name).await?);
    }
    let inputs = fingerprint(&found)?;
    let funnel_key = format!("{date}/funnel.json");
    if let Some(written) = written(objects, &funnel_key, &pointer.manifest, &inputs, &found).await? {
        return Ok(written);
    }

    let mut campaigns = Vec::new();
    for inputs in found {
        campaigns.push(load(&service.store, inputs, date).await?);
    }
    let exports = read_all(service, &current, &mut campaigns).await?;
    let lines: Vec<coverage::Line> = campaigns
        .iter()
        .filter(|campaign| campaign.day.is_some())
        .flat_map(|campaign| campaign.tally.lines(&campaign.name, &Rule::default()))
        .collect();
    let parquet = "application/vnd.apache.parquet";
    let [people, contacts, vaccinations] = exports;
    let files = [
        ("coverage.parquet", coverage::to_parquet(&lines)?, parquet),
        ("coverage.csv", coverage::to_csv(&lines)?, "text/csv"),
        ("people.parquet", people.finish()?, parquet),
        ("contacts.parquet", contacts.finish()?, parquet),
        ("vaccinations.parquet", vaccinations.finish()?, parquet),
    ];
    let mut keys = Vec::new();
    for (name, bytes, content_type) in files {
        let key = format!("{date}/{name}");
        objects.put(Bucket::Exports, &key, bytes, content_type).await?;
        keys.push(key);
    }
    for campaign in &campaigns {
        let picture = picture_of(campaign, &current.manifest, Timestamp::now());
        if !picture.put(objects).await? {
            tracing::warn!(campaign = %campaign.name, "the picture is of a later snapshot and was left");
        }
        campaign.deliveries.file(&campaign.name, &pointer.manifest, Timestamp::now()).put(objects).await?;
    }
    for campaign in &mut campaigns {
        let progress = std::mem::take(&mut campaign.progress);
        progress.put(objects, &campaign.name, &pointer.manifest, date).await?;
    }
    keys.push(funnel_key.clone());
    let funnels: BTreeMap<&str, &Funnel> =
        campaigns.iter().map(|campaign| (campaign.name.as_str(), &campaign.funnel)).collect();
    let answer = json!({
        "manifest": pointer.manifest,
        "business_date": date,
        "campaigns": funnels,
        "files": keys,
        "inputs": inputs,
    });
    objects.put_json(Bucket::Exports, &funnel_key, &answer).await?;
    tracing::info!(manifest = %pointer.manifest, campaigns = campaigns.len(), "report written");
    Ok(answer)
}

/// A campaign's picture.
fn picture_of(campaign: &Campaign, manifest: &Manifest, written: Timestamp) -> Picture {
    let rule = Rule::default();
    let lines = campaign.tally.lines(&campaign.name, &rule);
    let sources = picture::Sources {
        campaign: &campaign.name,
        name: &campaign.title,
        programme: campaign.rules.plan().programme.code(),
        funnel: &campaign.funnel,
        areas: areas::areas(&campaign.tally, &lines, &rule),
        trend: campaign.trend.days(),
    };
    Picture::of(manifest, sources, written)
}

/// Reads the snapshot, and those that waves are pinned to, part by part; fills funnels and tallies, and returns the exports of people,
/// contacts and vaccinations.
async fn read_all(
    service: &Service,
    current: &Snapshot<'_>,
    campaigns: &mut [Campaign],
) -> Result<[Growing; 3], ReportError> {
    let mut pinned: HashMap<String, Option<Snapshot<'_>>> = HashMap::new();
    for campaign in campaigns.iter_mut() {
        for (wave, _) in &campaign.waves {
            if !pinned.contains_key(&wave.manifest) {
                pinned.insert(wave.manifest.clone(), Snapshot::open(&service.objects, &wave.manifest).await?);
            }
            if pinned.get(&wave.manifest).is_some_and(Option::is_none) {
                tracing::warn!(campaign = %campaign.name, wave = %wave.wave, "the wave's snapshot is kept no longer");
                campaign.funnel.waves_without_snapshot.push(wave.wave.clone());
            }
        }
    }
    let parts = current.manifest.parts;
    let date = current.manifest.business_date;
    let mut exports = [Growing::new::<Person>()?, Growing::new::<Contact>()?, Growing::new::<Vaccination>()?];
    for part in 0..parts {
        let people: Vec<PersonRow> = current.part(part).await?;
        let contacts: Vec<ContactRow> = current.part(part).await?;
        let vaccinations: Vec<VaccinationRow> = current.part(part).await?;
        let mut seen: HashMap<&str, Vec<PersonRow>> = HashMap::new();
        for (id, snapshot) in &pinned {
            if let Some(snapshot) = snapshot {
                seen.insert(id, snapshot.people(part, parts).await?);
            }
        }
        for campaign in campaigns.iter_mut() {
            let waves: Vec<WavePart<'_>> = campaign
                .waves
                .iter()
                .filter_map(|(wave, rules)| Some(WavePart { wave, rules, people: seen.get(wave.manifest.as_str())? }))
                .collect();
            campaign.funnel.add_part(&campaign.rules, &people, &contacts, &waves)?;
            campaign.trend.add_part(campaign.rules.plan(), &people, &contacts);
            campaign.progress.add_part(campaign.rules.plan(), &people, &contacts);
            campaign.deliveries.add_part(&campaign.rules.plan().campaign, &people, &contacts);
            if let Some(day) = campaign.day {
                tally(&mut campaign.tally, &campaign.rules, &people, day, date)?;
            }
        }
        let [to_people, to_contacts, to_vaccinations] = &mut exports;
        to_people.add(&people.iter().map(|row| Person::of(row, date)).collect::<Vec<_>>())?;
        to_contacts.add(&contacts.iter().map(Contact::of).collect::<Vec<_>>())?;
        to_vaccinations.add(&vaccinations.iter().filter_map(Vaccination::of).collect::<Vec<_>>())?;
    }
    Ok(exports)
}

/// Adds a part's eligible people on the list. The denominator is the registered list, not a census.
fn tally(tally: &mut Tally, rules: &Rules, people: &[PersonRow], day: Date, date: Date) -> Result<(), ReportError> {
    let plan = rules.plan();
    for row in people.iter().filter(|row| !row.is_off_list()) {
        let (status, _) = rules.ask(row, day)?;
        if status != Status::NotEligible {
            let doses = row
                .programme(plan.programme)
                .map_or(0, |history| plan.count_valid(&history.dose_dates, row.date_of_birth));
            tally.add(row, doses > 0, date);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
