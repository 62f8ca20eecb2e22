//! A season on the set clock: feeds, waves, answers, reminders and calls, day by day.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, stream};
use ims_contact::manifest::PrintManifest;
use ims_domain::{MessageId, PersonId, campaign::Step, contact::Channel};
use ims_eligibility::Status;
use ims_snapshot::{Manifest, PersonRow, Row, read_parquet};
use ims_testkit::population::{self, FeedFile, Geography, Phase, Settings, Vaccine};
use jiff::civil::Date;
use serde_json::{Value, json};

use super::{
    Stages,
    campaigns::{self, Agenda, Campaign},
    crowd::{Asked, Crowd, Day, Post},
    running::Running,
    timeline::Timeline,
};
use crate::progress::step;

/// Connections to the API at once.
const CONNECTIONS: usize = 16;

/// A wave as the service reports it.
#[derive(Debug, Clone)]
pub(super) struct WaveCount {
    pub(super) campaign: String,
    pub(super) wave: String,
    pub(super) eligible: u64,
    pub(super) candidates: u64,
    /// When.
    pub(super) on: Date,
}

/// What a season leaves behind, beside what the service holds.
#[derive(Default)]
pub(super) struct Left {
    pub(super) waves: Vec<WaveCount>,
    /// By campaign, everyone who was eligible in a wave that takes their cohort.
    pub(super) eligible: BTreeMap<String, HashSet<String>>,
    pub(super) records_accepted: u64,
    pub(super) records_rejected: u64,
}

/// A season under way.
pub(super) struct Season<'a> {
    running: &'a Running,
    campaigns: &'a [Campaign],
    settings: Settings,
    geography: &'a Geography,
    folder: PathBuf,
    pub(super) crowd: Crowd<'a>,
    pub(super) timeline: Timeline,
    pub(super) left: Left,
    /// Somebody watches the console: the snapshot is merged, and so reported on, every business day.
    pub(super) live: bool,
    /// Who is who: the service's ids with the NHS numbers that the people dataset gives.
    people: Vec<(PersonId, String)>,
    numbers: HashMap<PersonId, usize>,
    references: HashSet<MessageId>,
    manifests: HashSet<String>,
}

impl<'a> Season<'a> {
    pub(super) fn new(
        running: &'a Running,
        campaigns: &'a [Campaign],
        settings: Settings,
        geography: &'a Geography,
        folder: &Path,
    ) -> Result<Self> {
        Ok(Self {
            running,
            campaigns,
            settings,
            geography,
            folder: folder.to_owned(),
            crowd: Crowd::new(settings, geography, campaigns),
            timeline: Timeline::create(folder)?,
            left: Left::default(),
            live: false,
            people: Vec::new(),
            numbers: HashMap::new(),
            references: HashSet::new(),
            manifests: HashSet::new(),
        })
    }

    /// Runs it from the first wave to the last answer.
    pub(super) async fn run(&mut self, stages: &mut Stages) -> Result<Date> {
        let calendar = campaigns::calendar(self.campaigns);
        let (Some(first), Some(last)) = (calendar.first(), calendar.last()) else {
            bail!("the campaigns have no waves")
        };
        let last_day = last.day;
        self.first_day(first, stages).await?;
        for agenda in &calendar[1..] {
            let quiet = agenda.waves.is_empty() && !agenda.due && !agenda.calls && agenda.day != last_day;
            if quiet && !self.crowd.has_plans_until(agenda.day) {
                continue;
            }
            self.day(agenda, stages).await?;
        }
        Ok(last_day)
    }

    async fn first_day(&mut self, agenda: &Agenda, stages: &mut Stages) -> Result<()> {
        let day = agenda.day;
        stages.enter("feeds");
        self.running.set_day(day).await?;
        self.drop_feeds(day, Phase::Initial).await?;
        stages.enter("selection");
        for campaign in self.campaigns {
            let request = json!({"action": "define", "rules": campaign.rules, "plan": campaign.plan_json});
            let defined = self.running.invoke("wave-planning", &request).await?;
            step(format!("defined {} version {}", campaign.id, defined["version"]));
        }
        self.select(agenda).await?;
        stages.enter("late changes");
        self.crowd.expect_earlier_bookings(day);
        self.drop_feeds(day, Phase::Late).await?;
        let late = self.crowd.late_comers(day);
        self.tell(day, late).await?;
        self.running.drain().await?;
        self.release(agenda, stages).await
    }

    async fn day(&mut self, agenda: &Agenda, stages: &mut Stages) -> Result<()> {
        let day = agenda.day;
        stages.enter("answers");
        self.running.drain().await?;
        self.running.set_day(day).await?;
        let lived = self.crowd.live_until(day);
        if !lived.is_empty() {
            let posts: usize = lived.posts.values().map(Vec::len).sum();
            step(format!(
                "{day}: {posts} records by API; by file {} doses, {} bookings, {} wishes",
                lived.doses.len(),
                lived.bookings.len(),
                lived.wishes.len()
            ));
        }
        self.tell(day, lived).await?;
        if agenda.due {
            stages.enter("reminders");
            self.take_due_steps(day).await?;
        }
        if agenda.calls {
            stages.enter("calls");
            self.call(day).await?;
        }
        if !agenda.waves.is_empty() {
            stages.enter("selection");
            self.select(agenda).await?;
            self.release(agenda, stages).await?;
        }
        if self.live {
            stages.enter("picture");
            self.merge().await?;
        }
        Ok(())
    }

    // Feeds and records -----------------------------------------------------------------------------------------

    async fn drop_feeds(&mut self, day: Date, phase: Phase) -> Result<()> {
        let files = population::write_feeds(&self.settings, self.geography, &self.feeds(), phase)?;
        // Few people may leave a file without rows, which would be refused.
        let files: Vec<FeedFile> = files.files.into_iter().filter(|file| file.rows > 0).collect();
        match phase {
            // Large files write to the same people, and would only get in each other's way.
            Phase::Initial => {
                for file in files {
                    self.drop_files(day, vec![file]).await?;
                }
                Ok(())
            }
            Phase::Late => self.drop_files(day, files).await,
        }
    }

    fn feeds(&self) -> PathBuf {
        self.folder.join("feeds")
    }

    /// Drops files at once and waits for all; what they say does not depend on their order.
    async fn drop_files(&mut self, day: Date, files: Vec<FeedFile>) -> Result<()> {
        let running = self.running;
        let begun = std::time::Instant::now();
        let waits = files.into_iter().map(|file| async move {
            let taken = running.drop_file(&file.path).await?;
            anyhow::Ok((file, taken))
        });
        let mut done = waits.collect::<stream::FuturesUnordered<_>>();
        while let Some(answered) = done.next().await {
            let (file, taken) = answered?;
            let rate = file.rows as f64 / begun.elapsed().as_secs_f64().max(0.001);
            step(format!(
                "  {}: {} rows accepted, {} refused ({rate:.0} rows/s)",
                taken.name, taken.accepted, taken.rejected
            ));
            if (taken.accepted, taken.rejected) != (file.accepted, file.rejected + file.repeated) {
                step(format!("  note: expected {} accepted, {} refused", file.accepted, file.rejected + file.repeated));
            }
            self.left.records_accepted += taken.accepted;
            self.left.records_rejected += taken.rejected;
            self.timeline.file(day, &file.path)?;
        }
        Ok(())
    }

    /// Posts a day's records and drops its files.
    async fn tell(&mut self, day: Date, told: Day) -> Result<()> {
        let running = self.running;
        let mut people = stream::iter(told.posts.into_values())
            .map(|posts| async move {
                let mut answered: Vec<(Post, u16)> = Vec::with_capacity(posts.len());
                for post in posts {
                    let status = running.post(post.resource, &post.body).await?;
                    answered.push((post, status));
                }
                anyhow::Ok(answered)
            })
            .buffer_unordered(CONNECTIONS);
        while let Some(answered) = people.next().await {
            for (post, status) in answered? {
                let kind = if post.resource == "Booking" { "booking" } else { "immunization" };
                self.timeline.record(day, kind, status, &post.body)?;
                if (200..300).contains(&status) {
                    self.left.records_accepted += 1;
                } else {
                    self.left.records_rejected += 1;
                }
            }
        }
        drop(people);
        let (at, folder) = (|minute: i8| day.at(15, minute, 0, 0), self.feeds());
        let mut files = Vec::new();
        if !told.bookings.is_empty() {
            files.push(population::write_bookings(self.geography, &folder, at(12), &told.bookings)?);
        }
        for (vaccine, minute) in [(Vaccine::Flu, 13), (Vaccine::Covid, 14)] {
            let given: Vec<_> = told.doses.iter().filter(|(_, dose)| dose.vaccine == vaccine).cloned().collect();
            if !given.is_empty() {
                files.push(population::write_vaccinations(self.geography, &folder, at(minute), vaccine, &given)?);
            }
        }
        if !told.wishes.is_empty() {
            files.push(population::write_memberships(&folder, at(15), &told.wishes)?);
        }
        self.drop_files(day, files).await
    }

    // Waves -----------------------------------------------------------------------------------------------------

    /// Merges the snapshot, up to everything acknowledged so far.
    pub(super) async fn merge(&self) -> Result<Value> {
        let merged = self.running.invoke("snapshot-export", &json!({"action": "merge", "settle": true})).await?;
        step(format!(
            "snapshot {}: {} people, {} vaccinations, {} contacts",
            merged["version"], merged["people"], merged["vaccinations"], merged["contacts"]
        ));
        Ok(merged)
    }

    /// Selects the day's waves from a fresh snapshot.
    async fn select(&mut self, agenda: &Agenda) -> Result<()> {
        self.running.drain().await?;
        self.merge().await?;
        self.read_people(agenda).await?;
        for (place, wave) in &agenda.waves {
            let request = json!({"action": "plan", "campaign": self.campaigns[*place].id, "wave": wave});
            self.running.invoke("wave-planning", &request).await?;
        }
        for (place, wave) in &agenda.waves {
            let campaign = &self.campaigns[*place].id;
            let begun = std::time::Instant::now();
            let request = json!({"action": "status", "campaign": campaign, "wave": wave});
            let found = loop {
                let answer = self.running.invoke("wave-planning", &request).await?;
                match answer["wave"]["state"].as_str() {
                    Some("selecting") if begun.elapsed().as_secs() < 300 => {}
                    Some("selected") => break answer,
                    _ => bail!("{campaign} {wave} was not selected: {answer}"),
                }
                tokio::time::sleep(std::time::Duration::from_millis(150)).await;
            };
            let count =
                |name: &str| found["wave"][name].as_u64().with_context(|| format!("{wave} has no {name}: {found}"));
            let counted = WaveCount {
                campaign: campaign.clone(),
                wave: wave.clone(),
                eligible: count("eligible")?,
                candidates: count("candidates")?,
                on: agenda.day,
            };
            step(format!("{campaign} {wave}: {} eligible, {} selected", counted.eligible, counted.candidates));
            self.left.waves.push(counted);
            self.timeline.wave(agenda.day, "select", campaign, wave)?;
        }
        Ok(())
    }

    /// Releases the day's waves and waits until their messages have left.
    async fn release(&mut self, agenda: &Agenda, stages: &mut Stages) -> Result<()> {
        stages.enter("invitations");
        for (place, wave) in &agenda.waves {
            self.running.release_all(&self.campaigns[*place].id, wave).await?;
        }
        self.running.drain().await?;
        for (place, wave) in &agenda.waves {
            self.timeline.wave(agenda.day, "issue", &self.campaigns[*place].id, wave)?;
        }
        self.seal().await?;
        self.answer(Step::Invite, agenda.day).await
    }

    async fn seal(&self) -> Result<()> {
        let sealed = self.running.invoke("letter-dispatch", &json!({"action": "seal"})).await?;
        step(format!("sealing {} letters in {} batches", sealed["letters"], sealed["batches"]));
        self.running.drain().await
    }

    /// Takes the reminders and calls that are due, in all campaigns.
    async fn take_due_steps(&mut self, day: Date) -> Result<()> {
        let due = self.running.invoke("invitation-issue", &json!({"action": "due"})).await?;
        step(format!("{day}: {} people have a step due", due["queued"]));
        self.running.drain().await?;
        for campaign in self.campaigns {
            self.timeline.due(day, &campaign.id)?;
        }
        self.seal().await?;
        self.answer(Step::Reminder, day).await
    }

    // Who was written to ----------------------------------------------------------------------------------------

    /// Learns the service's ids of people from the current snapshot, and who is eligible in the day's waves.
    async fn read_people(&mut self, agenda: &Agenda) -> Result<()> {
        let bytes = self.running.get("snapshot", &Manifest::key(&self.running.manifest().await?)).await?;
        let manifest: Manifest = serde_json::from_slice(&bytes).context("reading the manifest")?;
        let Some(people) = manifest.datasets.get(PersonRow::DATASET) else { bail!("the snapshot has no people") };
        self.people.clear();
        for part in &people.parts {
            let rows: Vec<PersonRow> = read_parquet(self.running.get("snapshot", &part.key).await?)?;
            for (place, wave) in &agenda.waves {
                self.note_eligible(&self.campaigns[*place], wave, agenda.day, &rows)?;
            }
            for row in rows {
                let id: PersonId = row.person_id.parse().with_context(|| format!("person id {}", row.person_id))?;
                self.people.push((id, row.nhs_number));
            }
        }
        self.numbers = self.people.iter().enumerate().map(|(place, (id, _))| (*id, place)).collect();
        Ok(())
    }

    fn note_eligible(&mut self, campaign: &Campaign, wave: &str, day: Date, rows: &[PersonRow]) -> Result<()> {
        let cohorts = campaign.plan.waves.iter().find(|held| held.wave == wave).map(|held| &held.cohorts);
        let noted = self.left.eligible.entry(campaign.id.clone()).or_default();
        for row in rows.iter().filter(|row| !row.is_off_list()) {
            let (status, cohort) = campaign.compiled.ask(row, day)?;
            let cohort = cohort.unwrap_or_default();
            let taken = cohorts.is_none_or(|cohorts| cohorts.is_empty() || cohorts.contains(&cohort));
            if status != Status::NotEligible && taken {
                noted.insert(row.person_id.clone());
            }
        }
        Ok(())
    }

    /// References that have left since the last time, by text or in a sealed batch.
    async fn new_references(&mut self) -> Result<HashSet<MessageId>> {
        let mut new = HashSet::new();
        for sent in self.running.sent().await? {
            new.extend(sent["reference"].as_str().and_then(|text| text.parse::<MessageId>().ok()));
        }
        for manifest in self.new_manifests().await? {
            new.extend(manifest.letters.iter().map(|letter| letter.reference));
        }
        new.retain(|reference| self.references.insert(*reference));
        Ok(new)
    }

    /// Manifests of batches sealed since the last time.
    async fn new_manifests(&mut self) -> Result<Vec<PrintManifest>> {
        let mut found = Vec::new();
        for key in self.running.keys("print").await? {
            if key.starts_with("batches/") && key.ends_with(".json") && self.manifests.insert(key.clone()) {
                let bytes = self.running.get("print", &key).await?;
                found.push(serde_json::from_slice(&bytes).with_context(|| format!("reading {key}"))?);
            }
        }
        Ok(found)
    }

    /// Those who were really written to make up their minds.
    async fn answer(&mut self, sent: Step, day: Date) -> Result<()> {
        let new = self.new_references().await?;
        if new.is_empty() {
            return Ok(());
        }
        let mut found = 0;
        for (person, number) in &self.people {
            for (place, campaign) in self.campaigns.iter().enumerate() {
                for dose in 1..=campaign.plan.doses {
                    let reached = [Channel::Sms, Channel::Letter].into_iter().any(|channel| {
                        new.contains(&MessageId::of(*person, &campaign.id, dose, sent.name(), channel.name()))
                    });
                    if !reached {
                        continue;
                    }
                    found += 1;
                    if let Some(person) = self.crowd.index_of(number) {
                        self.crowd.written_to(Asked { person, campaign: place, dose }, sent, day);
                    }
                }
            }
        }
        step(format!("{day}: {found} people were written to ({})", sent.name()));
        if found < new.len() {
            step(format!(
                "  note: {} references belong to no {} of anyone in the snapshot",
                new.len() - found,
                sent.name()
            ));
        }
        Ok(())
    }

    /// The NHS number of a person, by the service's id.
    pub(super) fn number_of(&self, person: PersonId) -> Option<&str> {
        self.numbers.get(&person).map(|place| self.people[*place].1.as_str())
    }

    // Calls -----------------------------------------------------------------------------------------------------

    async fn call(&mut self, day: Date) -> Result<()> {
        let lists = super::recall::assign(self.running).await?;
        let (running, campaigns) = (self.running, self.campaigns);
        let mut tasks = Vec::new();
        for task in lists {
            let Some(campaign) = campaigns.iter().position(|campaign| campaign.id == task.campaign) else {
                bail!("a task of the unknown campaign {}", task.campaign);
            };
            let number = self.number_of(task.person).unwrap_or_default().to_owned();
            // A stale second registration of somebody: nobody at that number knows of it.
            let Some(person) = self.crowd.index_of(&number) else { continue };
            let asked = Asked { person, campaign, dose: task.dose };
            if self.crowd.calls_to(asked) < super::recall::ATTEMPTS {
                tasks.push((task, asked, number));
            }
        }
        let mut plans = Vec::with_capacity(tasks.len());
        for (task, asked, number) in tasks {
            let outcome = self.crowd.called(asked);
            plans.push((task, asked, number, outcome));
        }
        let mut calls = stream::iter(plans)
            .map(|(task, asked, number, outcome)| async move {
                let told = super::recall::call(running, &task, outcome).await?;
                anyhow::Ok((asked, number, outcome, told))
            })
            .buffer_unordered(CONNECTIONS);
        let (mut made, mut booked) = (0, Vec::new());
        while let Some(call) = calls.next().await {
            let (asked, number, outcome, told) = call?;
            let Some(name) = told else { continue };
            made += 1;
            self.timeline.call(day, &campaigns[asked.campaign].id, &number, &name)?;
            if outcome == ims_domain::invitation::CallOutcome::Booked {
                booked.push(asked);
            }
        }
        drop(calls);
        booked.sort_unstable();
        step(format!("{day}: {made} calls made, {} ended with a booking", booked.len()));
        let mut told = Day::default();
        for asked in booked {
            self.crowd.booked_by_call(&mut told, asked, day);
        }
        self.tell(day, told).await
    }
}
