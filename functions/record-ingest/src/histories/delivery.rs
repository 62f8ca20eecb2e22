//! Delivers a history to the real code: files cut into chunks, interleaved, reordered and repeated as far as their sources
//! allow, on a database behind a proxy that makes it fail.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::{Client, Config};
use ims_domain::person::{FullList, Gender};
use ims_domain::record::{Action, Immunisation, ImmunisationContent, Patient, Source};
use ims_domain::{ImmunisationId, NhsNumber, Person};
use ims_fhir::batch::Operations;
use ims_runtime::Settings;
use ims_store::{Actor, LISTED_SHARDS, Revision, Store, Tables};
use ims_testkit::dynamodb::DynamoDb;
use ims_testkit::faults::{Fault, Faults, Kind, Plan};
use jiff::Timestamp;
use jiff::civil::date;

use super::model::{End, Held, Someone};
use super::{Deed, Dose, ETHNIC, IDS, LABELS, MOBILES, NUMBERS, ORIGINS, SOURCES, STATUSES, Sent, Slot, Standing};
use crate::feed::{BOOKINGS, COHORT_LIST, COHORTS, DEMOGRAPHICS, DETAILS, Feed};
use crate::rows::{self, Context};
use crate::{apply, bookings, demographics, lists};

const SYSTEM: &str = "https://supplier.example";

/// Shares of requests that meet each kind of fault.
const FAULTS: [(Kind, f64); 5] = [
    (Kind::Conflict, 0.04),
    (Kind::InProgress, 0.01),
    (Kind::Throttle, 0.02),
    (Kind::Unprocessed, 0.05),
    (Kind::LostReply, 0.03),
];

/// Draws (SplitMix64).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound.max(1) as u64).unwrap_or_default()
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for place in (1..all.len()).rev() {
            all.swap(place, self.below(place + 1));
        }
    }
}

/// Something that is delivered.
#[derive(Debug, Clone)]
enum Delivery {
    /// Rows of a file, by their places.
    Chunk { file: usize, rows: Vec<usize> },
    /// The rows of a file that waited, once all others are answered.
    Early { file: usize },
    /// A call or an event.
    Alone { sent: usize },
    /// A part of the roll, after everybody on a full list.
    Part { file: usize, shard: u32 },
}

fn rows_of(sent: &Sent) -> usize {
    match sent {
        Sent::Doses(rows) => rows.len(),
        Sent::Standings(rows) => rows.len(),
        Sent::Stays(rows) => rows.len(),
        Sent::Slots(rows) => rows.len(),
        Sent::Words(rows) => rows.len(),
        Sent::FullList { members, .. } => members.len(),
        Sent::Call(_) | Sent::Event(_) | Sent::Booking(_) => 0,
    }
}

/// A file's rows in chunks: those about one immunisation together and in order, all others anyhow.
fn chunks(file: usize, sent: &Sent, draw: &mut Draw) -> Vec<Delivery> {
    let parts = 1 + draw.below(3);
    let salt = draw.below(64);
    let mut chunks: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for row in 0..rows_of(sent) {
        let part = if let Sent::Doses(rows) = sent { (rows[row].id * 7 + salt) % parts } else { draw.below(parts) };
        chunks.entry(part).or_default().push(row);
    }
    let mut chunks: Vec<Delivery> = chunks.into_values().map(|rows| Delivery::Chunk { file, rows }).collect();
    draw.shuffle(&mut chunks);
    chunks
}

/// In which order a history comes. Vaccination files and calls come one after the other, the rest as it likes; a full list's
/// members come before its rest leaves. Anything that comes again does so later.
fn arrange(history: &[Sent], draw: &mut Draw) -> Vec<Delivery> {
    let mut queues: Vec<Vec<Delivery>> = vec![Vec::new()];
    for (place, sent) in history.iter().enumerate() {
        match sent {
            Sent::Doses(_) => {
                queues[0].extend(chunks(place, sent, draw));
                queues[0].push(Delivery::Early { file: place });
            }
            Sent::Call(_) => queues[0].push(Delivery::Alone { sent: place }),
            Sent::Event(_) | Sent::Booking(_) => queues.push(vec![Delivery::Alone { sent: place }]),
            Sent::FullList { .. } => {
                let mut queue = chunks(place, sent, draw);
                let mut parts: Vec<Delivery> =
                    (0..LISTED_SHARDS).map(|shard| Delivery::Part { file: place, shard }).collect();
                draw.shuffle(&mut parts);
                queue.extend(parts);
                queues.push(queue);
            }
            _ => queues.extend(chunks(place, sent, draw).into_iter().map(|chunk| vec![chunk])),
        }
    }
    let mut all = Vec::new();
    queues.iter_mut().for_each(|queue| queue.reverse());
    loop {
        queues.retain(|queue| !queue.is_empty());
        if queues.is_empty() {
            break;
        }
        let from = draw.below(queues.len());
        all.extend(queues[from].pop());
    }
    for place in (0..all.len()).rev() {
        // What a call asks for is decided when it comes; sent again it is another call.
        let may_repeat = match &all[place] {
            Delivery::Alone { sent } => !matches!(history[*sent], Sent::Call(_)),
            Delivery::Early { .. } => false,
            _ => true,
        };
        if may_repeat && draw.below(3) == 0 {
            let later = place + 1 + draw.below(all.len() - place);
            let again = all[place].clone();
            all.insert(later, again);
        }
    }
    all
}

/// The real code on a database of its own.
struct World {
    database: DynamoDb,
    store: Store,
    /// Rows of files that wait.
    early: BTreeMap<usize, Vec<usize>>,
    /// Files whose rows that waited are settled.
    settled: BTreeSet<usize>,
}

/// Delivers a history and reads its end, or says which invariant broke.
pub(super) async fn end_of(history: &[Sent], seed: u64) -> Result<End, String> {
    let mut draw = Draw(seed);
    let mut world = World::start(seed).await;
    let order = arrange(history, &mut draw);
    let mut versions = BTreeMap::new();
    for delivery in &order {
        world.deliver(history, delivery).await.map_err(|error| format!("{delivery:?}: {error}"))?;
        world.check(&mut versions).map_err(|broken| format!("after {delivery:?}: {broken}"))?;
    }
    world.end().await
}

impl World {
    async fn start(seed: u64) -> Self {
        let database = DynamoDb::default();
        let faults = Faults::new(&database.listen().await.unwrap()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(faults.clone().serve(listener));
        faults.set(Plan { seed, faults: FAULTS.map(|(kind, rate)| Fault::new(kind, rate)).to_vec() });
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-2"))
            .endpoint_url(url)
            .retry_config(Settings::dynamodb_retries())
            .allow_no_auth()
            .build();
        let tables = Tables::from_lookup(|name| Some(name.trim_start_matches("IMS_TABLE_").to_owned())).unwrap();
        Self {
            database,
            store: Store::new(Client::from_conf(config), tables),
            early: BTreeMap::new(),
            settled: BTreeSet::new(),
        }
    }

    async fn deliver(&mut self, history: &[Sent], delivery: &Delivery) -> Result<(), String> {
        match delivery {
            Delivery::Chunk { file, rows } => {
                let early = self.chunk(*file, &history[*file], rows, true).await?;
                if self.settled.contains(file) {
                    // As after a crash before its answer was kept: its rows that wait are settled with it.
                    self.chunk(*file, &history[*file], &early, false).await?;
                } else {
                    self.early.entry(*file).or_default().extend(early);
                }
                Ok(())
            }
            Delivery::Early { file } => {
                self.settled.insert(*file);
                let mut waiting = self.early.remove(file).unwrap_or_default();
                waiting.sort_unstable();
                waiting.dedup();
                self.chunk(*file, &history[*file], &waiting, false).await.map(|_| ())
            }
            Delivery::Alone { sent } => match &history[*sent] {
                Sent::Call(call) => self.call(*sent, call).await,
                Sent::Event(row) => {
                    let (number, change) = demographics::read(&standing(row), TODAY).unwrap();
                    self.store.apply(Some(number), &[change], &actor()).await.map(|_| ()).map_err(|e| e.to_string())
                }
                Sent::Booking(row) => {
                    let source = Source { supplier: "NBS".into(), file: String::new(), order: String::new(), row: 0 };
                    let (number, change) = bookings::read(&slot(row), TODAY, source).unwrap();
                    self.store.apply(Some(number), &[change], &actor()).await.map(|_| ()).map_err(|e| e.to_string())
                }
                other => Err(format!("{other:?} does not come alone")),
            },
            Delivery::Part { file, shard } => {
                let list = list(*file, &history[*file]).ok_or("no list")?;
                self.store.note_full_list(&list).await.map_err(|error| error.to_string())?;
                let ended = lists::end_part(&self.store, &list, *shard, None, &actor()).await;
                ended.map(|_| ()).map_err(|error| error.to_string())
            }
        }
    }

    /// Applies rows of a file; gives back those that wait.
    async fn chunk(&self, file: usize, sent: &Sent, rows: &[usize], may_wait: bool) -> Result<Vec<usize>, String> {
        let context = context(file, sent);
        let first = if matches!(sent, Sent::FullList { .. }) { 2 } else { 1 };
        let read = |row: &usize| rows::read(&context, *row as u64 + first, &values(sent, *row)).unwrap();
        let prepared = rows.iter().map(read).collect();
        let applied = apply(&self.store, &context, prepared, Timestamp::UNIX_EPOCH, may_wait).await;
        let early = applied.map_err(|error| error.to_string())?.early;
        Ok(early.into_iter().map(|row| usize::try_from(row - first).unwrap()).collect())
    }

    /// A call, decided as the API decides it.
    async fn call(&self, place: usize, call: &Dose) -> Result<(), String> {
        let source = Source { supplier: "EMIS".into(), file: String::new(), order: order(place), row: 0 };
        let content = ImmunisationContent {
            vaccine: "FLU".parse().unwrap(),
            occurred_on: date(2025, 10, call.day),
            body: "{}".into(),
            // Whom the files describe, too, so that nobody has to match records by hand.
            patient: Patient {
                nhs_number: Some(number(call.person)),
                given_name: "Ada".into(),
                family_name: "Byron".into(),
                date_of_birth: Some(date(1950, 1, 15)),
                gender: Gender::Female,
                postcode: "CB3 8DX".into(),
            },
        };
        let decide = |held: Option<&Immunisation>| {
            let live = held.filter(|held| !held.deleted);
            let action = match call.deed {
                Deed::New if live.is_none() => Action::New,
                Deed::Update if held.is_some() && (live.is_none() || call.fresh) => Action::Update,
                Deed::Delete if live.is_some() => Action::Delete,
                _ => return Err(()),
            };
            let content = (action != Action::Delete).then(|| content.clone());
            Ok(Revision { action, content, source: source.clone() })
        };
        let number = (call.deed != Deed::Delete).then(|| number(call.person));
        let revised = self.store.revise(id(call.id), number, &actor(), decide).await;
        revised.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Versions never fall, every version of a record is kept, an identifier has one live record, a number one person.
    fn check(&self, versions: &mut BTreeMap<String, u64>) -> Result<(), String> {
        let number = |item: &serde_json::Value, name: &str| -> u64 {
            item[name]["N"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
        };
        let text = |item: &serde_json::Value, name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
        let mut note = |key: String, version: u64| {
            let held = versions.insert(key.clone(), version).unwrap_or_default();
            if version < held { Err(format!("the version of {key} fell from {held} to {version}")) } else { Ok(()) }
        };
        let mut numbers = BTreeMap::new();
        for person in self.database.items("PERSON", "SUMMARY") {
            note(text(&person, "pk"), number(&person, "version"))?;
            *numbers.entry(text(&person, "nhs_number")).or_insert(0) += 1;
        }
        if let Some((_, count)) = numbers.iter().find(|(_, count)| **count > 1) {
            return Err(format!("a number has {count} people"));
        }
        let (mut live, mut kept): (BTreeMap<String, u32>, BTreeMap<String, Vec<u64>>) = Default::default();
        for (sk, is_past) in [("IMM#", false), ("PAST#", true)] {
            for event in self.database.items("EVENT", sk) {
                let (id, version) = (text(&event, "id"), number(&event, "version"));
                if !is_past {
                    note(format!("{} {id}", text(&event, "pk")), version)?;
                    *live.entry(id.clone()).or_default() += u32::from(event["deleted"]["BOOL"] == false);
                }
                kept.entry(id).or_default().push(version);
            }
        }
        if let Some((id, count)) = live.iter().find(|(_, count)| **count > 1) {
            return Err(format!("{id} has {count} live records"));
        }
        for (id, mut versions) in kept {
            versions.sort_unstable();
            versions.dedup();
            if !versions.iter().copied().eq(1..=versions.len() as u64) {
                return Err(format!("of {id} these versions are kept: {versions:?}"));
            }
        }
        Ok(())
    }

    async fn end(&self) -> Result<End, String> {
        let failed = |error: ims_store::StoreError| error.to_string();
        let mut end = End::default();
        let mut holders = BTreeMap::new();
        for (place, text) in NUMBERS.iter().enumerate() {
            let person = match self.store.person_by_nhs_number(number(place)).await.map_err(failed)? {
                Some(person) => self.store.person(person).await.map_err(failed)?,
                None => None,
            };
            if let Some(person) = &person {
                holders.insert(person.id, place);
                if person.nhs_number.map(|number| number.to_string()).as_deref() != Some(*text) {
                    return Err(format!("person {place} is found under another number"));
                }
            }
            end.people.insert(place, person.as_ref().map(someone).unwrap_or_default());
        }
        for place in 0..IDS {
            let Some(holder) = self.store.person_by_immunisation(id(place)).await.map_err(failed)? else { continue };
            let held = self.store.immunisation(holder, id(place)).await.map_err(failed)?;
            let held = held.ok_or_else(|| format!("the pointer of {place} leads nowhere"))?;
            let holder = *holders.get(&holder).ok_or("somebody without number holds a record")?;
            let (version, shown, live) = (held.version, held.shown_version(), !held.deleted);
            end.doses.insert(place, Held { holder, version, shown, live });
        }
        Ok(end)
    }
}

fn someone(person: &Person) -> Someone {
    let history = person.programme("FLU".parse().unwrap());
    Someone {
        serial: person.demographics.serial,
        dead: person.death().is_some(),
        restricted: person.is_restricted(),
        removed: person.states.removed.is_some(),
        invalid: person.states.invalidated,
        superseded: person.states.superseded_by.is_some(),
        labels: person.labels().into_iter().map(str::to_owned).collect(),
        dose_days: history.doses.iter().map(ToString::to_string).collect(),
        booked: history.booked.map(|day| day.to_string()),
        appointment: history.appointment.map(|day| day.to_string()),
        mobile: person.demographics.mobile.clone(),
        ethnic: person.demographics.ethnic_category.clone(),
    }
}

const TODAY: jiff::civil::Date = date(2025, 10, 31);

fn number(person: usize) -> NhsNumber {
    NUMBERS[person].parse().unwrap()
}

fn id(place: usize) -> ImmunisationId {
    ImmunisationId::of(SYSTEM, &format!("u{place}"))
}

fn actor() -> Actor {
    Actor::new("test", "feed", "test".into(), Timestamp::UNIX_EPOCH)
}

/// The time of what is sent at a place of the history.
fn order(place: usize) -> String {
    format!("20251030T{:02}{:02}00", place / 60, place % 60)
}

fn list(file: usize, sent: &Sent) -> Option<FullList> {
    let Sent::FullList { label, source, day, .. } = sent else { return None };
    let day = format!("202509{day:02}");
    let manifest = ["LIST", "", LABELS[*label], &day, SOURCES[*source], "0"].map(str::to_owned);
    lists::read_manifest(&manifest, TODAY, &order(file)).ok().map(|(list, _)| list)
}

fn context(file: usize, sent: &Sent) -> Context {
    let feed = match sent {
        Sent::Doses(_) => Feed::Vaccinations,
        Sent::Standings(_) => Feed::Demographics,
        Sent::Stays(_) => Feed::Cohorts,
        Sent::FullList { .. } => Feed::CohortList,
        Sent::Words(_) => Feed::Details,
        _ => Feed::Bookings,
    };
    Context {
        feed,
        file: format!("file {file}"),
        supplier: "EMIS".into(),
        vaccine: (feed == Feed::Vaccinations).then(|| ("FLU".parse().unwrap(), Operations::ALL)),
        order: order(file),
        today: TODAY,
        list: list(file, sent),
    }
}

/// A row's values under a feed's columns.
fn under(columns: &[&str], fields: &[(&str, &str)]) -> Vec<String> {
    let value =
        |column: &&str| fields.iter().find(|(name, _)| name == column).map_or("", |(_, value)| *value).to_owned();
    columns.iter().map(value).collect()
}

fn values(sent: &Sent, row: usize) -> Vec<String> {
    match sent {
        Sent::Doses(rows) => {
            let Dose { deed, id, person, day, .. } = rows[row];
            let deed = match deed {
                Deed::New => "NEW",
                Deed::Update => "UPDATE",
                Deed::Delete => "DELETE",
            };
            rows::tests::vaccination(&[
                ("NHS_NUMBER", NUMBERS[person]),
                ("UNIQUE_ID", &format!("u{id}")),
                ("ACTION_FLAG", deed),
                ("DATE_AND_TIME", &format!("202510{day:02}T10000000")),
            ])
        }
        Sent::Standings(rows) => standing(&rows[row]),
        Sent::Stays(rows) => {
            let stay = rows[row];
            let day = format!("202509{:02}", stay.day);
            under(
                &COHORTS,
                &[
                    ("NHS_NUMBER", NUMBERS[stay.person]),
                    ("COHORT_LABEL", LABELS[stay.label]),
                    ("ACTION", if stay.joins { "JOIN" } else { "LEAVE" }),
                    ("DATE", &day),
                    ("SOURCE", SOURCES[stay.source]),
                ],
            )
        }
        Sent::FullList { members, .. } => {
            under(&COHORT_LIST, &[("RECORD_TYPE", "MEMBER"), ("NHS_NUMBER", NUMBERS[members[row]])])
        }
        Sent::Words(rows) => {
            let word = rows[row];
            under(
                &DETAILS,
                &[
                    ("NHS_NUMBER", NUMBERS[word.person]),
                    ("FIELD", if word.mobile { "MOBILE_NUMBER" } else { "ETHNIC_CATEGORY" }),
                    ("VALUE", if word.mobile { MOBILES[word.value] } else { ETHNIC[word.value] }),
                    ("SOURCE", ORIGINS[word.origin]),
                    ("CHANGE_TIME_STAMP", &format!("20251001T{:02}0000", word.changed)),
                ],
            )
        }
        Sent::Slots(rows) => slot(&rows[row]),
        Sent::Call(_) | Sent::Event(_) | Sent::Booking(_) => Vec::new(),
    }
}

fn standing(row: &Standing) -> Vec<String> {
    let flag = |set: bool, value: &'static str| if set { value } else { "" };
    under(
        &DEMOGRAPHICS,
        &[
            ("RECORD_TYPE", "AMENDED"),
            ("CHANGE_TIME_STAMP", "20251001T030000"),
            ("SERIAL_CHANGE_NUMBER", &row.serial.to_string()),
            ("NHS_NUMBER", NUMBERS[row.person]),
            ("SUPERSEDED_BY_NHS_NUMBER", row.superseded_by.map_or("", |by| NUMBERS[by])),
            ("MOBILE_NUMBER", MOBILES[row.mobile]),
            ("ETHNIC_CATEGORY", ETHNIC[row.ethnic]),
            ("GIVEN_NAME", "Ada"),
            ("FAMILY_NAME", "Byron"),
            ("GENDER", "2"),
            ("DATE_OF_BIRTH", "19500115"),
            ("REASON_FOR_REMOVAL", flag(row.removed, "EMB")),
            ("DATE_OF_DEATH", flag(row.dead, "20250930")),
            ("RESTRICTED", flag(row.restricted, "1")),
            ("INVALID_FLAG", flag(row.invalid, "1")),
        ],
    )
}

fn slot(row: &Slot) -> Vec<String> {
    under(
        &BOOKINGS,
        &[
            ("ODS_CODE", "RJ1"),
            ("NHS_NUMBER", NUMBERS[row.person]),
            ("APPOINTMENT_DATE_TIME", &format!("202511{:02}T090000", row.day)),
            ("APPOINTMENT_STATUS", STATUSES[row.status]),
            ("BOOKING_REFERENCE_NUMBER", &format!("R{}", row.reference)),
            ("SERVICE", "FLU"),
            ("CREATED_DATE_TIME", &format!("20251001T{:02}0000", row.changed)),
        ],
    )
}
