//! Texts to made-up people, through the code of `sms-dispatch` and `receipt-ingest`, a store in memory and the sandbox Notify.

pub mod faults;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod providers;
pub mod rate;
#[cfg(test)]
mod since;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use ims_contact::notify::NotifyClient;
use ims_domain::campaign::{ContactPlan, Step, Wave, WaveState};
use ims_domain::contact::Channel;
use ims_domain::invitation::{Invitation, InvitationState, Message, MessageState};
use ims_domain::person::{Death, Demographics};
use ims_domain::{MessageId, Person, PersonId};
use ims_store::{AuditEntry, Definition, Item, Store, Table, keys, to_item};
use ims_testkit::population::nhs_number;
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sms_dispatch::{Dispatcher, Limits, Now, Route};
use uuid::Uuid;

use crate::stack::DAY;

/// Campaign of the texts.
pub const CAMPAIGN: &str = "flu-2025";
/// Its wave.
const WAVE: &str = "w1";
/// Key of the sandbox Notify.
pub(crate) const API_KEY: &str = "bench-26785a09-ab16-4eb0-8407-a37497a57506-3d844edf-8d35-48ac-975b-e847b4f122b0";
/// Texts in a job, as `invitation-issue` makes them.
pub(crate) const TEXTS: usize = 20;

/// Noon of the business day.
#[must_use]
pub fn noon() -> Timestamp {
    let noon = DAY.at(12, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC);
    noon.map_or(Timestamp::UNIX_EPOCH, |noon| noon.timestamp())
}

fn person_id(number: u64) -> PersonId {
    PersonId(Uuid::from_u128(0x00de_cade_0000_4000_8000_0000_0000_0000 | u128::from(number)))
}

/// The text to a made-up person.
#[must_use]
pub fn message_id(number: u64) -> MessageId {
    MessageId::of(person_id(number), CAMPAIGN, 1, Step::Invite.name(), Channel::Sms.name())
}

fn person(number: u64) -> Result<Person> {
    let mut person = Person::new(person_id(number), Some(nhs_number(number).parse()?));
    person.version = 1;
    person.demographics = Demographics {
        serial: 1,
        given_name: "Ada".to_owned(),
        family_name: "Byron".to_owned(),
        date_of_birth: Some(date(1950, 1, 15)),
        address_lines: vec!["1 Nowhere Street".to_owned(), "Sometown".to_owned()],
        postcode: "ZZ99 3WZ".to_owned(),
        // Nobody is reached: the sandbox is on this computer.
        mobile: format!("0777{number:07}"),
        ..Demographics::default()
    };
    Ok(person)
}

fn text(number: u64) -> Result<Message> {
    Ok(Message {
        id: message_id(number),
        person: person_id(number),
        campaign: CAMPAIGN.to_owned(),
        programme: "FLU".parse()?,
        dose: 1,
        wave: WAVE.to_owned(),
        step: Step::Invite,
        channel: Channel::Sms,
        state: MessageState::Queued,
        detail: None,
        attempt: 0,
        queued_on: DAY,
        sent_on: None,
        claimed_at: None,
        provider: None,
        provider_id: None,
        batch: None,
        version: 1,
    })
}

fn invitation(number: u64) -> Result<Invitation> {
    Ok(Invitation {
        person: person_id(number),
        campaign: CAMPAIGN.to_owned(),
        programme: "FLU".parse()?,
        dose: 1,
        wave: WAVE.to_owned(),
        cohort: "flu_65_plus".to_owned(),
        state: InvitationState::Open,
        reason: None,
        issued: DAY,
        next_step: None,
        version: 1,
        decisions: Vec::new(),
        messages: vec![message_id(number)],
    })
}

/// Writes a released wave.
async fn release(store: &Store) -> Result<()> {
    let folder = xtask::workspace_root().join("tests/campaigns");
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).with_context(|| format!("reading {file}"));
    let plan: ContactPlan = serde_json::from_str(&read("flu.plan.json")?)?;
    let (campaign, rules) = (CAMPAIGN.to_owned(), read("flu.json")?);
    let definition = Definition { campaign, version: 1, rules, plan, authors: Vec::new() };
    let entry = AuditEntry::new(Timestamp::now(), "benchmark", "release", WAVE.to_owned());
    store.create_definition(&definition, &entry).await?;
    let selected = Wave {
        campaign: CAMPAIGN.to_owned(),
        wave: WAVE.to_owned(),
        state: WaveState::Selected,
        selected_on: DAY,
        manifest: String::new(),
        definition: 1,
        cohorts: Vec::new(),
        parts: 1,
        eligible: 0,
        candidates: 0,
        claims: 0,
        claims_sent: true,
        released_on: None,
        authors: Vec::new(),
        deeds: Vec::new(),
        version: 1,
    };
    store.create_wave(&selected, &entry).await?;
    let released = Wave { state: WaveState::Released, version: 2, ..selected.clone() };
    Ok(store.move_wave(&released, &selected, Some(&entry)).await?)
}

/// Writes people, each with an invitation and a text that is queued; those of whom `dead` is true have died since.
async fn write(store: &Store, numbers: Range<u64>, dead: impl Fn(u64) -> bool) -> Result<()> {
    let (mut people, mut invitations, mut messages): (Vec<Item>, Vec<Item>, Vec<Item>) = Default::default();
    for number in numbers {
        let mut person = person(number)?;
        if dead(number) {
            person.states.dead = Some(Death { date: Some(DAY), formal: true });
        }
        let (pk, sk) = keys::person(person.id);
        people.push(to_item(&pk, &sk, &person)?);
        let (pk, sk) = keys::invitation(person.id, CAMPAIGN, 1);
        invitations.push(to_item(&pk, &sk, &invitation(number)?)?);
        let (pk, sk) = keys::message(message_id(number));
        messages.push(to_item(&pk, &sk, &text(number)?)?);
    }
    store.put_many(Table::Person, people).await?;
    store.put_many(Table::Invitation, invitations).await?;
    Ok(store.put_many(Table::Message, messages).await?)
}

/// A dispatcher as a new process has it.
fn dispatcher(notify: &str, deadline: Duration, limits: Limits, fence: SignedDuration, now: Now) -> Result<Dispatcher> {
    let client = NotifyClient::new(notify, API_KEY.parse()?, deadline)?;
    Ok(Dispatcher::new(vec![Route::new(Arc::new(client), limits)], fence, now)?)
}

/// What the sandbox accepted: how often, and with what status in the end, by reference.
async fn accepted(notify: &str) -> Result<BTreeMap<String, (u64, String)>> {
    let sent: Vec<Value> = reqwest::get(format!("{notify}/_sent")).await?.json().await?;
    let mut accepted: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for one in sent {
        let held = accepted.entry(one["reference"].as_str().unwrap_or_default().to_owned()).or_default();
        *held = (held.0 + 1, one["status"].as_str().unwrap_or_default().to_owned());
    }
    Ok(accepted)
}

/// All texts of some people, by id.
async fn texts(store: &Store, numbers: Range<u64>) -> Result<BTreeMap<MessageId, Message>> {
    let messages = store.messages(numbers.map(message_id)).await?;
    Ok(messages.into_iter().map(|message| (message.id, message)).collect())
}
