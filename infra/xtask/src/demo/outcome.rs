//! What came of it: sums of people, from the snapshot and from what really left.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, bail};
use ims_contact::manifest::PrintManifest;
use ims_snapshot::{ContactRow, Manifest, PersonRow, Row, VaccinationRow, read_parquet};
use jiff::civil::Date;
use serde::Serialize;

use super::{campaigns::Campaign, running::Running, season::Left};

/// Sums of people in a campaign, or over all; selected = sent + suppressed + failed + pending.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Sums {
    pub(super) eligible: u64,
    pub(super) selected: u64,
    pub(super) sent: u64,
    pub(super) suppressed: BTreeMap<String, u64>,
    pub(super) failed: BTreeMap<String, u64>,
    pub(super) pending: u64,
    pub(super) messages: Messages,
    pub(super) duplicates: u64,
    pub(super) sent_to_ineligible: u64,
    pub(super) bookings: u64,
    /// People with an appointment that was not cancelled: to come, kept or missed.
    pub(super) booked: u64,
    pub(super) vaccinated: u64,
    pub(super) recall_tasks: u64,
    pub(super) calls_made: u64,
}

/// Messages that left, by step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Messages {
    pub(super) sms: BTreeMap<String, u64>,
    pub(super) letters: BTreeMap<String, u64>,
}

fn add(into: &mut BTreeMap<String, u64>, from: &BTreeMap<String, u64>) {
    for (name, count) in from {
        *into.entry(name.clone()).or_insert(0) += count;
    }
}

impl Sums {
    /// Adds another campaign's.
    pub(super) fn add(&mut self, other: &Self) {
        self.eligible += other.eligible;
        self.selected += other.selected;
        self.sent += other.sent;
        add(&mut self.suppressed, &other.suppressed);
        add(&mut self.failed, &other.failed);
        self.pending += other.pending;
        add(&mut self.messages.sms, &other.messages.sms);
        add(&mut self.messages.letters, &other.messages.letters);
        self.duplicates += other.duplicates;
        self.sent_to_ineligible += other.sent_to_ineligible;
        self.bookings += other.bookings;
        self.booked += other.booked;
        self.vaccinated += other.vaccinated;
        self.recall_tasks += other.recall_tasks;
        self.calls_made += other.calls_made;
    }

    /// Whether every selected person is accounted for.
    pub(super) fn add_up(&self) -> bool {
        let parts =
            self.sent + self.suppressed.values().sum::<u64>() + self.failed.values().sum::<u64>() + self.pending;
        self.selected == parts
    }
}

/// A line of the funnel: a cohort of a wave. All are people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Funnel {
    pub(super) selected: u64,
    pub(super) suppressed: u64,
    pub(super) sent: u64,
    pub(super) reminded: u64,
    pub(super) called: u64,
    pub(super) vaccinated: u64,
}

/// A campaign's figures.
pub(super) struct Figures {
    pub(super) campaign: String,
    pub(super) sums: Sums,
    /// By (wave, cohort).
    pub(super) funnel: BTreeMap<(String, String), Funnel>,
    /// (vaccinated, eligible) by group.
    pub(super) by_region: BTreeMap<String, (u64, u64)>,
    pub(super) by_fifth: BTreeMap<String, (u64, u64)>,
}

/// The snapshot and the lists of what left, brought into the run's folder.
pub(super) struct Collected {
    pub(super) people: Vec<PersonRow>,
    contacts: Vec<ContactRow>,
    /// References that left.
    left: HashSet<String>,
}

/// Brings the current snapshot, print manifests, Notify's list and the exports into the run's folder, and reads them.
pub(super) async fn collect(running: &Running, folder: &Path) -> Result<Collected> {
    let manifest = running.get("snapshot", &Manifest::key(&running.manifest().await?)).await?;
    let manifest: Manifest = serde_json::from_slice(&manifest).context("reading the manifest")?;
    let people = fetch::<PersonRow>(running, &manifest, folder).await?;
    fetch::<VaccinationRow>(running, &manifest, folder).await?;
    let contacts = fetch::<ContactRow>(running, &manifest, folder).await?;

    let sent = running.sent().await?;
    fs::write(folder.join("sent.json"), serde_json::to_vec_pretty(&sent)?)?;
    let mut left: HashSet<String> =
        sent.iter().filter_map(|sent| sent["reference"].as_str().map(str::to_owned)).collect();
    let manifests = folder.join("manifests");
    fs::create_dir_all(&manifests)?;
    for key in running.keys("print").await?.iter().filter(|key| key.starts_with("batches/") && key.ends_with(".json")) {
        let bytes = running.get("print", key).await?;
        let manifest: PrintManifest = serde_json::from_slice(&bytes).with_context(|| format!("reading {key}"))?;
        left.extend(manifest.letters.iter().map(|letter| letter.reference.to_string()));
        fs::write(manifests.join(key.replace('/', "-")), bytes)?;
    }
    for key in running.keys("exports").await? {
        let path = folder.join("exports").join(&key);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, running.get("exports", &key).await?)?;
    }
    Ok(Collected { people, contacts, left })
}

async fn fetch<R: Row>(running: &Running, manifest: &Manifest, folder: &Path) -> Result<Vec<R>> {
    let Some(dataset) = manifest.datasets.get(R::DATASET) else { bail!("the snapshot has no {}", R::DATASET) };
    let folder = folder.join("snapshot").join(R::DATASET);
    fs::create_dir_all(&folder)?;
    let mut rows = Vec::new();
    for (place, part) in dataset.parts.iter().enumerate() {
        let bytes = running.get("snapshot", &part.key).await?;
        fs::write(folder.join(format!("part-{place:05}.parquet")), &bytes)?;
        rows.extend(read_parquet::<R>(bytes)?);
    }
    Ok(rows)
}

/// Reckons a campaign's figures.
pub(super) fn figures(collected: &Collected, campaign: &Campaign, left: &Left, bookings: u64) -> Result<Figures> {
    let of_campaign = || collected.contacts.iter().filter(|row| row.campaign == campaign.id);
    let has_left = |row: &ContactRow| collected.left.contains(&row.message_id);
    let decisions = || of_campaign().filter(|row| row.kind == "decision" && row.step == "invite");

    let mut sums = Sums { bookings, ..Sums::default() };
    let mut sent: HashSet<&str> = HashSet::new();
    let mut failed: HashMap<&str, &str> = HashMap::new();
    let mut reached: HashMap<(&str, u64), BTreeSet<&str>> = HashMap::new();
    for row in of_campaign().filter(|row| row.kind == "message") {
        if has_left(row) {
            sent.insert(&row.person_id);
            reached.entry((&row.person_id, row.dose)).or_default().insert(&row.step);
            let by = if row.channel == "sms" { &mut sums.messages.sms } else { &mut sums.messages.letters };
            *by.entry(row.step.clone()).or_insert(0) += 1;
        } else if matches!(row.state.as_str(), "failed" | "unknown") {
            let why = if row.reason.is_empty() { row.state.as_str() } else { row.reason.as_str() };
            failed.insert(&row.person_id, why);
        }
    }

    // The latest decision about each person, and how many each wave decided.
    let mut latest: HashMap<&str, &ContactRow> = HashMap::new();
    let mut decided: BTreeMap<&str, u64> = BTreeMap::new();
    for row in decisions() {
        *decided.entry(&row.wave).or_insert(0) += 1;
        let later =
            |held: &ContactRow| (row.on_date, row.dose, row.sequence) >= (held.on_date, held.dose, held.sequence);
        if latest.get(row.person_id.as_str()).is_none_or(|held| later(held)) {
            latest.insert(&row.person_id, row);
        }
    }
    let waves = || left.waves.iter().filter(|wave| wave.campaign == campaign.id);
    let undecided: u64 =
        waves().map(|wave| wave.candidates.saturating_sub(decided.get(wave.wave.as_str()).copied().unwrap_or(0))).sum();
    sums.pending = undecided;
    sums.selected = u64::try_from(latest.len())? + undecided;
    sums.sent = u64::try_from(latest.keys().filter(|person| sent.contains(*person)).count())?;
    for (person, decision) in latest.iter().filter(|(person, _)| !sent.contains(*person)) {
        if let Some(why) = failed.get(person) {
            *sums.failed.entry((*why).to_owned()).or_insert(0) += 1;
        } else if decision.reason.is_empty() {
            sums.pending += 1;
        } else {
            *sums.suppressed.entry(decision.reason.clone()).or_insert(0) += 1;
        }
    }

    let eligible = left.eligible.get(&campaign.id);
    sums.eligible = eligible.map_or(0, |people| people.len() as u64);
    let doses = |row: &PersonRow| {
        row.programme(campaign.plan.programme).map_or(0, |held| held.doses_since(campaign.plan.count_doses_from))
    };
    sums.vaccinated = collected.people.iter().filter(|row| doses(row) > 0).count() as u64;
    let booked = |row: &PersonRow| {
        let history = row.programme(campaign.plan.programme);
        history.and_then(|held| held.appointment).is_some_and(|day| day >= campaign.plan.count_doses_from)
    };
    sums.booked = collected.people.iter().filter(|row| booked(row)).count() as u64;
    let doses_of: HashMap<&str, u64> =
        collected.people.iter().map(|row| (row.person_id.as_str(), u64::from(doses(row)))).collect();
    for row in of_campaign().filter(|row| row.kind == "call") {
        sums.recall_tasks += 1;
        sums.calls_made += row.attempts;
        if row.attempts > 0 {
            reached.entry((&row.person_id, row.dose)).or_default().insert("call");
        }
    }

    let mut funnel: BTreeMap<(String, String), Funnel> = BTreeMap::new();
    for row in decisions() {
        let line = funnel.entry((row.wave.clone(), row.cohort.clone())).or_default();
        line.selected += 1;
        if !row.reason.is_empty() {
            line.suppressed += 1;
            continue;
        }
        let steps = reached.get(&(row.person_id.as_str(), row.dose));
        let has = |step: &str| u64::from(steps.is_some_and(|steps| steps.contains(step)));
        line.sent += has("invite");
        line.reminded += has("reminder");
        line.called += has("call");
        line.vaccinated += u64::from(doses_of.get(row.person_id.as_str()).is_some_and(|doses| *doses >= row.dose));
    }

    let (mut by_region, mut by_fifth) = (BTreeMap::new(), BTreeMap::new());
    for row in collected.people.iter().filter(|row| eligible.is_some_and(|people| people.contains(&row.person_id))) {
        let region = if row.region.is_empty() { ims_uptake::UNKNOWN } else { &row.region };
        let fifth = ims_uptake::deprivation_fifth(row.imd_decile);
        for (groups, name) in [(&mut by_region, region), (&mut by_fifth, fifth)] {
            let counts: &mut (u64, u64) = groups.entry(name.to_owned()).or_default();
            counts.0 += u64::from(doses(row) > 0);
            counts.1 += 1;
        }
    }
    Ok(Figures { campaign: campaign.id.clone(), sums, funnel, by_region, by_fifth })
}

/// Where the picture that the console shows differs from the figures, in words.
pub(super) fn other_picture(folder: &Path, figures: &Figures) -> Result<Vec<String>> {
    let path = folder.join("exports/picture").join(format!("{}.json", figures.campaign));
    let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let picture: serde_json::Value =
        serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?;
    let sums = &figures.sums;
    let ours = [
        ("eligible", sums.eligible),
        ("selected", sums.selected),
        ("invited", sums.sent),
        ("pending", sums.pending),
        ("booked", sums.booked),
        ("vaccinated", sums.vaccinated),
        ("called", sums.calls_made),
    ];
    let differ = ours.into_iter().filter(|(name, count)| picture["funnel"][name] != *count);
    Ok(differ
        .map(|(name, count)| {
            format!("{}: {count} {name}, the console's picture {}", figures.campaign, picture["funnel"][name])
        })
        .collect())
}

/// The day of each wave, for the report.
pub(super) fn wave_days(left: &Left, campaign: &str) -> BTreeMap<String, Date> {
    left.waves.iter().filter(|wave| wave.campaign == campaign).map(|wave| (wave.wave.clone(), wave.on)).collect()
}
