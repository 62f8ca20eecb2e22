//! Plans of waves: what is counted of every part, the plan that is made of it with what a planner asks for, and what each part
//! may then select.

use std::collections::{BTreeMap, HashMap};

use ims_decision::{Rules, RulesCache, plan_count};
use ims_domain::clock::compact;
use ims_messaging::{Bucket, PlanJob, Queue};
use ims_planning::{
    AREAS_KEY, Aims, CAPACITY_PREFIX, CountedPart, PartQuota, Place, PlanDraft, SiteDays, Unsound, WavePlan,
    capacity_file, joined, plan_wave,
};
use ims_runtime::Service;
use ims_snapshot::{Manifest, PersonRow, read_parquet};
use ims_store::{AuditEntry, FeedFileState};
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error;
use uuid::Uuid;

use crate::{Candidate, SelectionError};

/// Days for which a capacity file is believed.
const BELIEVED: i64 = 14;

/// What operators and the console ask.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Request {
    /// Count the candidates of a wave of the contact plan, on the current snapshot.
    Count {
        /// Campaign.
        campaign: String,
        /// Wave.
        wave: String,
        /// Who asks.
        by: String,
    },
    /// Make a plan from what was counted.
    Plan {
        /// Campaign.
        campaign: String,
        /// Draft, as `count` named it.
        draft: String,
        /// What is asked for.
        #[serde(default)]
        aims: Aims,
    },
    /// Make this the wave's plan.
    Adopt {
        /// Campaign.
        campaign: String,
        /// Draft.
        draft: String,
        /// What is asked for.
        #[serde(default)]
        aims: Aims,
        /// Who decides so.
        by: String,
    },
}

/// Why no plan can be made.
#[derive(Debug, Error)]
pub enum PlanError {
    /// The list of areas cannot be read.
    #[error("{AREAS_KEY} line {line}: {value:?} is not area,latitude,longitude")]
    Areas {
        /// Line, from 1.
        line: usize,
        /// As it is.
        value: String,
    },
    /// What was asked for cannot be used.
    #[error(transparent)]
    Unsound(#[from] Unsound),
    /// Parts are still being counted.
    #[error("{0} parts are still being counted")]
    Counting(usize),
    /// The wave is selected already.
    #[error("wave '{wave}' of campaign '{campaign}' is {state} already; a plan must come before its selection")]
    Selected {
        /// Campaign.
        campaign: String,
        /// Wave.
        wave: String,
        /// Its state.
        state: String,
    },
    /// The plan was made for another number of parts.
    #[error("the plan of wave '{wave}' is for {planned} parts; the snapshot has {parts}")]
    Parts {
        /// Wave.
        wave: String,
        /// Parts of the plan.
        planned: u32,
        /// Parts of the wave.
        parts: u32,
    },
}

/// A plan, or how many parts it waits for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Waiting(usize),
    Plan(Box<WavePlan>),
}

/// Carries out a request.
///
/// # Errors
/// Where it cannot be.
pub(crate) async fn answer(service: &Service, rules: &RulesCache, request: Request) -> Result<Value, SelectionError> {
    match request {
        Request::Count { campaign, wave, by } => count(service, rules, campaign, wave, by).await,
        Request::Plan { campaign, draft, aims } => {
            let answer = match made(service, &campaign, &draft, &aims).await {
                Ok((plan, _)) => Answer::Plan(Box::new(plan)),
                Err(SelectionError::Plan(PlanError::Counting(parts))) => Answer::Waiting(parts),
                Err(error) => return Err(error),
            };
            Ok(serde_json::to_value(answer)?)
        }
        Request::Adopt { campaign, draft, aims, by } => adopt(service, &campaign, &draft, &aims, by).await,
    }
}

/// Notes what is to be counted and queues every part.
async fn count(
    service: &Service,
    rules: &RulesCache,
    campaign: String,
    wave: String,
    by: String,
) -> Result<Value, SelectionError> {
    let absent = |what: String| SelectionError::Absent(format!("{what} of campaign '{campaign}'"));
    let latest = rules.latest(&service.store, &campaign).await?.ok_or_else(|| absent("definition".to_owned()))?;
    let planned = latest.plan().waves.iter().find(|planned| planned.wave == wave);
    let planned = planned.ok_or_else(|| absent(format!("wave '{wave}' in the contact plan")))?;
    let day = service.clock.today().await?;
    latest.iteration(day)?;
    let pointer = service.store.manifest().await?;
    if pointer.version == 0 {
        return Err(SelectionError::Absent("population snapshot yet; merge one first".to_owned()));
    }
    let manifest: Manifest = service.objects.read_json(Bucket::Snapshot, &Manifest::key(&pointer.manifest)).await?;
    let draft = PlanDraft {
        campaign: campaign.clone(),
        wave,
        draft: Uuid::now_v7().to_string(),
        author: by,
        definition: latest.version(),
        manifest: manifest.id,
        parts: manifest.parts,
        day,
        service: latest.plan().programme.code().to_owned(),
        cohorts: plan_count::cohorts(&latest),
        limited_to: planned.cohorts.clone(),
        weeks: weeks(&latest, day),
    };
    service.objects.put_json(Bucket::Work, &PlanDraft::key(&draft.campaign, &draft.draft), &draft).await?;
    let job = |part| PlanJob { campaign: draft.campaign.clone(), plan: draft.draft.clone(), part };
    let jobs: Vec<PlanJob> = (0..draft.parts).map(job).collect();
    service.queues.send(Queue::CohortSelection, &jobs).await?;
    Ok(json!({"draft": draft}))
}

/// Whole weeks since the campaign's first wave for each cohort: how long somebody of it may have waited.
fn weeks(rules: &Rules, day: Date) -> BTreeMap<String, u16> {
    let since = |label: &String| {
        let takes = rules.plan().waves.iter().filter(|wave| wave.cohorts.is_empty() || wave.cohorts.contains(label));
        let first = takes.map(|wave| wave.on).min().filter(|first| *first <= day)?;
        u16::try_from(first.until(day).ok()?.get_days() / 7).ok()
    };
    plan_count::cohorts(rules).into_iter().map(|label| (label.clone(), since(&label).unwrap_or(0))).collect()
}

async fn draft(service: &Service, campaign: &str, draft: &str) -> Result<PlanDraft, SelectionError> {
    let found = service.objects.get(Bucket::Work, &PlanDraft::key(campaign, draft)).await?;
    let found = found.ok_or_else(|| SelectionError::Absent(format!("draft '{draft}' of campaign '{campaign}'")))?;
    Ok(serde_json::from_slice(&found)?)
}

/// Counts one part. The same job again writes the same object.
pub(crate) async fn count_part(service: &Service, rules: &RulesCache, job: PlanJob) -> Result<(), SelectionError> {
    let draft = draft(service, &job.campaign, &job.plan).await?;
    let rules = rules.get(&service.store, &job.campaign, draft.definition).await?;
    let absent = || SelectionError::Absent(format!("snapshot part {} of campaign '{}'", job.part, job.campaign));
    let manifest: Manifest = service.objects.read_json(Bucket::Snapshot, &Manifest::key(&draft.manifest)).await?;
    let key = manifest.part_key::<PersonRow>(job.part).ok_or_else(absent)?;
    let people: Vec<PersonRow> = read_parquet(service.objects.read(Bucket::Snapshot, key).await?)?;
    let counted = plan_count::count(&rules, &draft.limited_to, &people, draft.day)?;
    let key = PlanDraft::part_key(&job.campaign, &job.plan, job.part);
    service.objects.put_json(Bucket::Work, &key, &counted).await?;
    tracing::info!(campaign = %job.campaign, plan = %job.plan, part = job.part, "part counted for a plan");
    Ok(())
}

/// The plan of a draft with these aims, and each part's quota.
async fn made(
    service: &Service,
    campaign: &str,
    id: &str,
    aims: &Aims,
) -> Result<(WavePlan, Vec<PartQuota>), SelectionError> {
    aims.check().map_err(PlanError::from)?;
    let draft = draft(service, campaign, id).await?;
    let mut parts: Vec<CountedPart> = Vec::new();
    let mut missing = 0;
    for part in 0..draft.parts {
        match service.objects.get(Bucket::Work, &PlanDraft::part_key(campaign, id, part)).await? {
            Some(counted) => parts.push(serde_json::from_slice(&counted)?),
            None => missing += 1,
        }
    }
    if missing > 0 {
        return Err(PlanError::Counting(missing).into());
    }
    let areas = areas(service).await?;
    let (order, capacity) = capacity(service, draft.day).await?;
    Ok(plan_wave(&draft, &parts, &areas, (&order, &capacity), aims).map_err(PlanError::from)?)
}

/// Writes what each part may select, and then the wave's plan. Adopted again, or another draft, the later stands until the wave
/// is selected.
async fn adopt(service: &Service, campaign: &str, id: &str, aims: &Aims, by: String) -> Result<Value, SelectionError> {
    let (mut plan, quotas) = made(service, campaign, id, aims).await?;
    let wave = plan.draft.wave.clone();
    if let Some(held) = service.store.wave(campaign, &wave).await? {
        let state = held.state.name().to_owned();
        return Err(PlanError::Selected { campaign: campaign.to_owned(), wave, state }.into());
    }
    plan.adopted_by = Some(by.clone());
    let purpose = format!("campaign {campaign} wave {wave} draft {id}: {} people", plan.account.all.invited);
    service.store.audit(&AuditEntry::new(Timestamp::now(), &by, "plan_wave", purpose)).await?;
    for (part, quota) in (0u32..).zip(&quotas) {
        service.objects.put_json(Bucket::Work, &PlanDraft::quota_key(campaign, id, part), quota).await?;
    }
    service.objects.put_json(Bucket::Work, &PlanDraft::wave_key(campaign, &wave), &plan).await?;
    tracing::info!(campaign, wave, draft = id, invited = plan.account.all.invited, "plan adopted");
    Ok(json!({"plan": plan}))
}

/// Centres of areas, by code; none where no list was given.
async fn areas(service: &Service) -> Result<BTreeMap<String, Place>, SelectionError> {
    let Some(bytes) = service.objects.get(Bucket::Work, AREAS_KEY).await? else { return Ok(BTreeMap::new()) };
    Ok(read_areas(&String::from_utf8_lossy(&bytes))?)
}

fn read_areas(text: &str) -> Result<BTreeMap<String, Place>, PlanError> {
    let mut areas = BTreeMap::new();
    for (place, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
        let values: Vec<&str> = line.split(',').map(str::trim).collect();
        let read = || {
            let [area, latitude, longitude] = values[..] else { return None };
            let degrees = |text: &str, most: f64| text.parse().ok().filter(|value: &f64| value.abs() <= most);
            let place = Place { latitude: degrees(latitude, 90.0)?, longitude: degrees(longitude, 180.0)? };
            (!area.is_empty()).then(|| (area.to_owned(), place))
        };
        let (area, centre) = read().ok_or_else(|| PlanError::Areas { line: place + 1, value: line.to_owned() })?;
        areas.insert(area, centre);
    }
    Ok(areas)
}

/// The latest capacity file that is processed, with its time; none where there is none of the last [`BELIEVED`] days.
async fn capacity(service: &Service, day: Date) -> Result<(String, Vec<SiteDays>), SelectionError> {
    let from = day.checked_sub(Span::new().days(BELIEVED)).unwrap_or(day);
    let after = format!("{CAPACITY_PREFIX}{}", compact(from));
    let keys = service.objects.list(Bucket::Work, CAPACITY_PREFIX, &after).await?;
    let mut files: Vec<(&str, &str)> = keys.iter().filter_map(|key| capacity_file(key)).collect();
    files.dedup();
    for (order, name) in files.into_iter().rev() {
        let file = service.store.file(name).await?;
        if file.is_none_or(|file| file.state != FeedFileState::Processed) {
            continue;
        }
        let mut chunks: Vec<SiteDays> = Vec::new();
        for key in keys.iter().filter(|key| capacity_file(key) == Some((order, name))) {
            chunks.extend(service.objects.read_json::<Vec<SiteDays>>(Bucket::Work, key).await?);
        }
        return Ok((order.to_owned(), joined(chunks)));
    }
    Ok((String::new(), Vec::new()))
}

/// The quota of a wave's part, where the wave has a plan, with the day from which the plan counts.
pub(crate) async fn quota(
    service: &Service,
    campaign: &str,
    wave: (&str, u32),
    part: u32,
) -> Result<Option<(PlanDraft, PartQuota)>, SelectionError> {
    #[derive(Deserialize)]
    struct Adopted {
        draft: PlanDraft,
    }
    let (wave, parts) = wave;
    let Some(bytes) = service.objects.get(Bucket::Work, &PlanDraft::wave_key(campaign, wave)).await? else {
        return Ok(None);
    };
    let Adopted { draft } = serde_json::from_slice(&bytes)?;
    if draft.parts != parts {
        return Err(PlanError::Parts { wave: wave.to_owned(), planned: draft.parts, parts }.into());
    }
    let quota = service.objects.read_json(Bucket::Work, &PlanDraft::quota_key(campaign, &draft.draft, part)).await?;
    Ok(Some((draft, quota)))
}

/// The candidates that a plan takes: of each kind as many as its quota, by lot. They are put in order by the day on which they are
/// invited, then by cohort.
pub(crate) fn taken(
    candidates: Vec<Candidate>,
    people: &[PersonRow],
    draft: &PlanDraft,
    quota: PartQuota,
) -> Vec<Candidate> {
    let rows: HashMap<&str, &PersonRow> = people.iter().map(|row| (row.person_id.as_str(), row)).collect();
    let mut drawing = quota.drawing();
    let mut taken: Vec<Candidate> = candidates
        .into_iter()
        .filter_map(|(place, lot, person, dose, cohort)| {
            let row = rows.get(person.to_string().as_str())?;
            let day = drawing.next(&plan_count::kind(row, cohort.clone(), draft.day))?;
            Some(((u32::from(day) << 16) | place.min(0xffff), lot, person, dose, cohort))
        })
        .collect();
    taken.sort_unstable();
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_a_code_and_a_place() {
        let areas = read_areas("area,latitude,longitude\nE02000001, 51.5 ,-0.1\n\n").unwrap();
        assert_eq!(areas["E02000001"], Place { latitude: 51.5, longitude: -0.1 });
        for line in ["E02000001,51.5", "E02000001,north,0", ",51.5,0", "E02000001,151.5,0"] {
            let error = read_areas(&format!("area,latitude,longitude\n{line}")).unwrap_err().to_string();
            assert!(error.contains("line 2") && error.contains(line), "{error}");
        }
    }

    #[test]
    fn every_request_in_the_fixtures_is_understood() {
        let requests: Vec<Value> = serde_json::from_str(include_str!("../fixtures/plan-requests.json")).unwrap();
        for request in requests {
            let text = request.to_string();
            assert!(serde_json::from_value::<Request>(request).is_ok(), "{text}");
        }
        let unknown = json!({"action": "plan", "campaign": "flu", "draft": "d", "aims": {"speed": 3}});
        assert!(serde_json::from_value::<Request>(unknown).is_err());
    }
}
