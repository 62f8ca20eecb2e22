//! The real functions and the real claim, beside the model.

use std::collections::BTreeMap;
use std::time::Duration;

use ims_decision::{Claim, Claimant, Fence, RulesCache, claim, conclude};
use ims_domain::campaign::Step;
use ims_domain::contact::Channel;
use ims_domain::invitation::{InvitationState, MessageState};
use ims_domain::person::{Death, Demographics, Membership, States};
use ims_domain::record::{Action, AppointmentStatus, Booking, Change, ImmunisationContent, Patient, Source};
use ims_domain::wave::{Wave, WaveState};
use ims_domain::{ImmunisationId, MessageId, NhsNumber, PersonId};
use ims_messaging::{Bucket, ClaimJob, IssueJob};
use ims_store::{Actor, PartResult};
use ims_testkit::population::nhs_number;
use jiff::civil::{Date, date};
use jiff::{SignedDuration, Span, Timestamp};
use serde_json::{Value, json};

use super::model::{self, Model, Stands, Text};
use super::{Act, Crash, PEOPLE};
use crate::service::{InMemory, staff};

const RULES: &str = include_str!("../../campaigns/flu.json");
const PLAN: &str = include_str!("../../campaigns/flu.plan.json");
const CAMPAIGN: &str = "flu-2025";
const FIRST: Date = date(2025, 10, 6);
const STEPS: [Step; 2] = [Step::Invite, Step::Reminder];

/// The service, and what the outside world has seen of it.
struct World {
    inner: InMemory,
    rules: RulesCache,
    ids: Vec<PersonId>,
    states: Vec<States>,
    serial: u64,
    /// Holds that stand, by the person on whose practice.
    holds: BTreeMap<usize, String>,
    day: Date,
    /// How often the provider took each message.
    taken: BTreeMap<MessageId, u32>,
}

fn number(person: usize) -> NhsNumber {
    nhs_number(9_000 + person as u64).parse().unwrap()
}

/// Runs a history; what is not as the model says.
pub async fn agrees(history: &[Act]) -> Result<(), String> {
    let mut world = World::start().await;
    let mut model = Model::new();
    for act in history {
        world.act(&mut model, act).await.map_err(|error| format!("{act:?}: {error}"))?;
        world.compare(&model).await.map_err(|error| format!("after {act:?}: {error}"))?;
    }
    // Everything goes on and comes to its end.
    for person in 0..PEOPLE {
        world.act(&mut model, &Act::Lift(person)).await?;
    }
    for act in [Act::Resume, Act::Agree, Act::Forget, Act::Claim(None)] {
        world.act(&mut model, &act).await?;
    }
    for _ in 0..3 {
        for person in 0..PEOPLE {
            for reminder in [false, true] {
                world.act(&mut model, &Act::Text { person, reminder, crash: Crash::Never }).await?;
            }
        }
        world.act(&mut model, &Act::Due).await?;
    }
    world.compare(&model).await.map_err(|error| format!("at the end: {error}"))?;
    world.account(&model).await
}

impl World {
    async fn start() -> Self {
        let inner = InMemory::start().await;
        let mut world = Self {
            inner,
            rules: RulesCache::default(),
            ids: Vec::new(),
            states: vec![States::default(); PEOPLE],
            serial: 0,
            holds: BTreeMap::new(),
            day: FIRST,
            taken: BTreeMap::new(),
        };
        for person in 0..PEOPLE {
            world.demographics(person).await;
            let id = world.inner.service.store.person_by_nhs_number(number(person)).await.unwrap().unwrap();
            world.ids.push(id);
        }
        let (rules, plan): (Value, Value) = (serde_json::from_str(RULES).unwrap(), serde_json::from_str(PLAN).unwrap());
        world.ask("Ann", json!({"action": "define", "rules": rules, "plan": plan})).await.unwrap();
        world.ask("Ann", json!({"action": "plan", "campaign": CAMPAIGN, "wave": "w1"})).await.unwrap();
        let listed: Vec<_> = world.ids.iter().map(|id| (0, 0, *id, 1, "flu_65_plus")).collect();
        let object = format!("waves/{CAMPAIGN}/w1/parts/00000.json");
        world.inner.service.objects.put_json(Bucket::Work, &object, &listed).await.unwrap();
        let count = PEOPLE as u64;
        let part = PartResult { part: 0, people: count, eligible: count, candidates: count, object };
        world.inner.service.store.put_part(CAMPAIGN, "w1", &part).await.unwrap();
        world
    }

    async fn ask(&self, name: &str, mut request: Value) -> Result<Value, String> {
        request["token"] = json!(staff(name, "planner"));
        self.inner.plan(request).await
    }

    async fn wave(&self) -> Wave {
        let status = json!({"action": "status", "campaign": CAMPAIGN, "wave": "w1"});
        serde_json::from_value(self.inner.plan(status).await.unwrap()["wave"].clone()).unwrap()
    }

    async fn govern(&self, name: &str, action: &str) -> Result<Value, String> {
        let version = self.wave().await.version;
        let reason = "as the history has it";
        let order = json!({"action": action, "campaign": CAMPAIGN, "wave": "w1", "version": version, "reason": reason});
        self.ask(name, order).await
    }

    async fn apply(&self, person: usize, change: Change) {
        let actor = Actor::new("test", "feed", "history".to_owned(), Timestamp::now());
        self.inner.service.store.apply(Some(number(person)), &[change], &actor).await.unwrap();
    }

    /// Tells the demographics of a person anew.
    async fn demographics(&mut self, person: usize) {
        self.serial += 1;
        let demographics = Demographics {
            serial: self.serial,
            changed: "20250930T030000".to_owned(),
            given_name: "Ada".to_owned(),
            family_name: "Byron".to_owned(),
            date_of_birth: Some(date(1950, 1, 15)),
            address_lines: vec!["1 Test Row".to_owned()],
            postcode: "CB3 8DX".to_owned(),
            practice: format!("B8108{person}"),
            mobile: format!("0770090010{person}"),
            ..Demographics::default()
        };
        self.apply(person, Change::Demographics(Box::new((demographics, self.states[person].clone())))).await;
    }

    fn source(&mut self) -> Source {
        self.serial += 1;
        let order = format!("20251006T{:06}", self.serial);
        Source { supplier: "EMIS".to_owned(), file: String::new(), order, row: 0 }
    }

    async fn act(&mut self, model: &mut Model, act: &Act) -> Result<(), String> {
        match *act {
            Act::Merges(person, by) if model.would_circle(person, by) => return Ok(()),
            // The appointment is still to come, and the season not over.
            Act::Days(days) if model.day + u32::from(days) > 120 => return Ok(()),
            Act::Claim(cut) => return self.claim(model, cut).await,
            Act::Text { person, reminder, crash } => {
                let step = usize::from(reminder);
                self.text(person, step, crash).await?;
                let message = self.inner.service.store.message(self.message(person, step)).await.unwrap();
                let withdrawn = message.is_some_and(|message| message.state == MessageState::Withdrawn);
                model.text(person, step, crash, withdrawn);
                return Ok(());
            }
            Act::Due => {
                self.due().await?;
                model.due();
                return Ok(());
            }
            _ => {}
        }
        self.happen(act).await;
        model.learn(act);
        Ok(())
    }

    async fn happen(&mut self, act: &Act) {
        match *act {
            Act::Dies(person, yes) => {
                self.states[person].dead = yes.then_some(Death { date: None, formal: true });
                self.demographics(person).await;
            }
            Act::Merges(person, by) => {
                self.states[person].superseded_by = (by != person).then(|| number(by));
                self.demographics(person).await;
            }
            Act::Books(person, yes) => {
                let source = self.source();
                let booking = Booking {
                    reference: format!("B{person}"),
                    person: self.ids[person],
                    programme: "FLU".parse().unwrap(),
                    appointment_on: date(2026, 3, 1),
                    status: if yes { AppointmentStatus::Booked } else { AppointmentStatus::Cancelled },
                    provider: "RJ1".to_owned(),
                    changed: source.order.clone(),
                    source,
                    patient: Patient::default(),
                    matching: Default::default(),
                };
                self.apply(person, Change::Booking(booking)).await;
            }
            Act::IsVaccinated(person) => {
                let content = ImmunisationContent {
                    vaccine: "FLU".parse().unwrap(),
                    occurred_on: date(2025, 10, 1),
                    body: "{}".to_owned(),
                    patient: Patient::default(),
                };
                let id = ImmunisationId::of("https://ims.example/histories", &number(person).to_string());
                let source = self.source();
                let change = Change::Immunisation { action: Action::New, id, content: Some(content), source };
                self.apply(person, change).await;
            }
            Act::OptsOut(person, yes) => {
                self.serial += 1;
                let order = format!("20251006T{:06}", self.serial);
                let source = "preferences".to_owned();
                let membership = Membership { member: yes, date: date(2025, 10, 6), order, source };
                self.apply(person, Change::Membership { label: "contact_opt_out_all".to_owned(), membership }).await;
            }
            Act::Hold(person) => {
                let scope = json!({"practice": format!("B8108{person}"), "programme": "FLU"});
                let request = json!({"action": "hold", "scope": scope, "reason": "the practice invites its own"});
                let told = self.ask("Cat", request).await.unwrap();
                self.holds.insert(person, told["hold"]["id"].as_str().unwrap().to_owned());
            }
            Act::Lift(person) => {
                if let Some(hold) = self.holds.remove(&person) {
                    let request = json!({"action": "lift", "hold": hold, "reason": "the practice is done"});
                    self.ask("Ben", request).await.unwrap();
                }
            }
            Act::Pause => drop(self.govern("Ann", "pause").await),
            Act::Resume => drop(self.govern("Ben", "resume").await),
            Act::Stop => drop(self.govern("Cat", "stop").await),
            Act::Agree => {
                if matches!(self.wave().await.state, WaveState::Selected | WaveState::Stopped) {
                    self.govern("Ben", "review").await.unwrap();
                    self.govern("Cat", "approve").await.unwrap();
                    self.govern("Ann", "release").await.unwrap();
                }
            }
            Act::Days(days) => {
                self.day = self.day.checked_add(Span::new().days(i64::from(days))).unwrap();
                self.inner.set_day(self.day).await;
            }
            Act::Forget => self.rules = RulesCache::default(),
            Act::Claim(_) | Act::Text { .. } | Act::Due => {}
        }
    }

    async fn issue(&self, jobs: &[IssueJob]) -> Result<(), String> {
        let records: Vec<Value> = jobs
            .iter()
            .enumerate()
            .map(|(place, job)| json!({"messageId": place.to_string(), "body": json!({"schema": 1, "body": job}).to_string()}))
            .collect();
        let event = json!({"Records": records});
        let told = invitation_issue::handle(&self.inner.service, &self.rules, event).await;
        let told = told.map_err(|error| error.to_string())?;
        match told["batchItemFailures"].as_array().is_none_or(Vec::is_empty) {
            true => Ok(()),
            false => Err(format!("jobs failed: {told}")),
        }
    }

    /// Delivers the claim; where it is cut off, whoever it reached was decided on and the others were not.
    async fn claim(&mut self, model: &mut Model, cut: Option<u8>) -> Result<(), String> {
        if model.wave == model::Wave::Draft {
            return Ok(());
        }
        let object = format!("waves/{CAMPAIGN}/w1/claims/000000.json");
        if self.inner.memory.object(&format!("/work/{object}")).is_none() {
            return Ok(());
        }
        let job = IssueJob::Claim(ClaimJob { campaign: CAMPAIGN.to_owned(), wave: "w1".to_owned(), object });
        let Some(cut) = cut else {
            self.issue(&[job]).await?;
            (0..PEOPLE).for_each(|person| model.invite(person));
            return Ok(());
        };
        let limit = Duration::from_micros(u64::from(cut) * 150);
        let _ = tokio::time::timeout(limit, self.issue(&[job])).await;
        // What was on its way to the database is carried out there.
        tokio::time::sleep(Duration::from_millis(10)).await;
        for person in 0..PEOPLE {
            if self.inner.service.store.invitation(self.ids[person], CAMPAIGN, 1).await.unwrap().is_some() {
                model.invite(person);
            }
        }
        Ok(())
    }

    async fn due(&self) -> Result<(), String> {
        let _ = self.inner.memory.take("INVITATION_ISSUE");
        invitation_issue::handle(&self.inner.service, &self.rules, json!({"action": "due"}))
            .await
            .map_err(|e| e.to_string())?;
        let jobs: Vec<Value> =
            self.inner.memory.take("INVITATION_ISSUE").iter().map(|body| serde_json::from_str(body).unwrap()).collect();
        let jobs: Vec<IssueJob> =
            jobs.into_iter().map(|mut job| serde_json::from_value(job["body"].take()).unwrap()).collect();
        // Each comes twice.
        self.issue(&jobs).await?;
        self.issue(&jobs).await
    }

    fn message(&self, person: usize, step: usize) -> MessageId {
        MessageId::of(self.ids[person], CAMPAIGN, 1, STEPS[step].name(), Channel::Sms.name())
    }

    /// What `sms-dispatch` does with a text, with a provider that takes everything.
    async fn text(&mut self, person: usize, step: usize, crash: Crash) -> Result<(), String> {
        let (store, id) = (&self.inner.service.store, self.message(person, step));
        if store.message(id).await.unwrap().is_none() {
            return Ok(());
        }
        // A fence of nothing: whoever died sends nothing any more.
        let fence = Fence(SignedDuration::ZERO);
        let claimant = Claimant { actor: "test", provider: "test", fence, one_a_day: false };
        let claimed = claim(store, &self.rules, id, self.day, Timestamp::now(), claimant).await;
        match claimed.map_err(|error| error.to_string())? {
            Claim::Send(claimed) => {
                if crash == Crash::BeforeSending {
                    return Ok(());
                }
                *self.taken.entry(id).or_default() += 1;
                if crash == Crash::Never {
                    conclude(store, &claimed.0, MessageState::Sent, None, None)
                        .await
                        .map_err(|error| error.to_string())?;
                }
            }
            Claim::Ask(message) => {
                let state = if self.taken.contains_key(&id) { MessageState::Sent } else { MessageState::Queued };
                conclude(store, &message, state, None, None).await.map_err(|error| error.to_string())?;
            }
            Claim::Wait | Claim::Done(_) | Claim::Withdrawn(_) | Claim::Paused | Claim::NotToday => {}
        }
        Ok(())
    }

    /// Everything that is held of every person, beside the model.
    async fn compare(&self, model: &Model) -> Result<(), String> {
        let store = &self.inner.service.store;
        for (person, one) in model.people.iter().enumerate() {
            let held = store.invitation(self.ids[person], CAMPAIGN, 1).await.unwrap();
            let stands = match held.as_ref().map(|held| held.state) {
                None => Stands::Nowhere,
                Some(InvitationState::Open) => Stands::Open,
                Some(InvitationState::Suppressed) => Stands::Suppressed,
                Some(InvitationState::Closed) => Stands::Closed,
            };
            if stands != one.stands {
                return Err(format!("person {person} stands {stands:?}, not {:?}: {held:?}", one.stands));
            }
            for (step, named) in STEPS.iter().enumerate() {
                let message = store.message(self.message(person, step)).await.unwrap();
                let text = match message.as_ref().map(|message| message.state) {
                    None => None,
                    Some(MessageState::Queued) => Some(Text::Queued),
                    Some(MessageState::Sending) => Some(Text::Sending),
                    Some(MessageState::Sent) => Some(Text::Sent),
                    Some(MessageState::Withdrawn) => Some(Text::Withdrawn),
                    Some(other) => return Err(format!("person {person}: a text is {other:?}")),
                };
                let taken = self.taken.get(&self.message(person, step)).copied().unwrap_or_default();
                if (text, taken) != (one.texts[step], one.taken[step]) {
                    let expected = (one.texts[step], one.taken[step]);
                    return Err(format!("person {person}, {named:?}: {:?}, not {expected:?}", (text, taken)));
                }
                if taken > 1 {
                    return Err(format!("person {person}, {named:?}: taken {taken} times"));
                }
            }
            let call = store.call(CAMPAIGN, self.ids[person], 1).await.unwrap().is_some();
            if call != one.call {
                return Err(format!("person {person}: call {call}, not {}", one.call));
            }
        }
        Ok(())
    }

    /// Everybody who was selected was written to, or nothing went out for a reason that stands last; nobody is neither, and
    /// whoever the invitation went out to is not both.
    async fn account(&self, model: &Model) -> Result<(), String> {
        let twice = model.twice();
        if !twice.is_empty() {
            return Err(format!("written to twice: {twice:?}"));
        }
        for (person, one) in model.people.iter().enumerate() {
            let held = self.inner.service.store.invitation(self.ids[person], CAMPAIGN, 1).await.unwrap();
            let mut decisions =
                held.iter().flat_map(|held| &held.decisions).filter(|decision| decision.step == Step::Invite);
            let refused = decisions.next_back().is_some_and(|decision| decision.reason.is_some());
            let sent = one.taken.iter().any(|taken| *taken > 0);
            if !(sent || refused) || (one.taken[0] > 0 && refused) {
                return Err(format!("person {person} is not accounted for: {one:?}, {held:?}"));
            }
        }
        Ok(())
    }
}
