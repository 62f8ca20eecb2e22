//! Keys, in one place: dear to change later.

use ims_domain::ids::stable_hash;
use ims_domain::reply::Code;
use ims_domain::{ImmunisationId, MessageId, NhsNumber, PersonId};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Shards of every index that many writers share.
pub const SHARDS: u64 = 8;

/// A key: partition, sort.
pub type Key = (String, String);

/// The shard a person falls in.
#[must_use]
pub fn shard(person: PersonId) -> u64 {
    stable_hash(&person.to_string()) % SHARDS
}

/// A person's partition in `person`, `event`, `invitation`, `audit`.
#[must_use]
pub fn person_pk(person: PersonId) -> String {
    format!("P#{person}")
}

/// `audit`: a partition of what an actor did on a day (UTC); entries are spread over the shards.
#[must_use]
pub fn actor_pk(actor: &str, day: Date, shard: u64) -> String {
    format!("A#{actor}#{day}#{shard}")
}

/// `person`: the summary item.
#[must_use]
pub fn person(person: PersonId) -> Key {
    (person_pk(person), "SUMMARY".to_owned())
}

/// `identity`: the alias of an NHS number.
#[must_use]
pub fn alias(number: NhsNumber) -> Key {
    (format!("N#{number}"), "ALIAS".to_owned())
}

/// `identity`: the pointer of an immunisation id.
#[must_use]
pub fn pointer(id: ImmunisationId) -> Key {
    (format!("I#{id}"), "POINTER".to_owned())
}

/// `identity`: a partition of the matching queue, by hash of the record's name.
#[must_use]
pub fn matching_pk(shard: u64) -> String {
    format!("MATCHING#{shard}")
}

/// `identity`: an entry of the matching queue, in the order of when records came into it.
#[must_use]
pub fn matching(since: Timestamp, record: &str) -> Key {
    (matching_pk(stable_hash(record) % SHARDS), format!("{}#{record}", micros(since)))
}

/// `identity`: a partition of what left the matching queue on a day (UTC).
#[must_use]
pub fn settled_pk(day: Date, shard: u64) -> String {
    format!("SETTLED#{day}#{shard}")
}

/// `identity`: an entry that left the matching queue.
#[must_use]
pub fn settled(at: Timestamp, record: &str) -> Key {
    let day = at.to_zoned(TimeZone::UTC).date();
    (settled_pk(day, stable_hash(record) % SHARDS), format!("{}#{record}", micros(at)))
}

/// An instant at a fixed width, so that texts sort as instants do.
#[must_use]
pub fn micros(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// `event`: an immunisation.
#[must_use]
pub fn immunisation(person: PersonId, id: ImmunisationId) -> Key {
    (person_pk(person), format!("IMM#{id}"))
}

/// `event`: a past version of an immunisation.
#[must_use]
pub fn immunisation_version(person: PersonId, id: ImmunisationId, version: u32) -> Key {
    (person_pk(person), format!("PAST#{id}#{version:05}"))
}

/// `event`: an appointment.
#[must_use]
pub fn booking(person: PersonId, reference: &str) -> Key {
    (person_pk(person), format!("BKG#{reference}"))
}

/// `campaign`: a definition by version.
#[must_use]
pub fn definition(campaign: &str, version: u32) -> Key {
    (format!("C#{campaign}"), format!("DEF#{version:05}"))
}

/// `campaign`: a draft of a next version.
#[must_use]
pub fn draft(campaign: &str, draft: &str) -> Key {
    (format!("C#{campaign}"), format!("DRAFT#{draft}"))
}

/// The first of the ids that sort by time (UUID version 7) and were given at an instant.
#[must_use]
pub fn first_id_at(instant: Timestamp) -> String {
    let milliseconds = u64::try_from(instant.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid().to_string()
}

/// `message`: which message the code of a letter stands for.
#[must_use]
pub fn code(code: Code) -> Key {
    (format!("R#{}", code.plain()), "CODE".to_owned())
}

/// `control`: how often the date of birth of a message's person was tried on a day (UTC).
#[must_use]
pub fn tries(message: MessageId, day: Date) -> Key {
    (format!("REPLY#{message}"), day.to_string())
}

/// `campaign`: for which day the selection of waves to come was kept.
#[must_use]
pub fn kept_on(campaign: &str) -> Key {
    (format!("C#{campaign}"), "KEPT".to_owned())
}

/// `campaign`: the partition that lists all campaigns.
pub const CAMPAIGNS_PK: &str = "CAMPAIGNS";

/// `campaign`: an entry in the list of campaigns.
#[must_use]
pub fn listed_campaign(campaign: &str) -> Key {
    (CAMPAIGNS_PK.to_owned(), campaign.to_owned())
}

/// `campaign`: a wave.
#[must_use]
pub fn wave(campaign: &str, wave: &str) -> Key {
    (format!("C#{campaign}"), format!("WAVE#{wave}"))
}

/// `campaign`: a wave's gate, copied to every shard so that claims do not contend for one item.
#[must_use]
pub fn gate(campaign: &str, wave: &str, shard: u64) -> Key {
    (format!("GATE#{campaign}#{wave}#{shard}"), "-".to_owned())
}

/// `campaign`: the partition of all holds that were ever put.
pub const HOLDS_PK: &str = "HOLDS";

/// `campaign`: a hold by its id.
#[must_use]
pub fn hold(id: &str) -> Key {
    (HOLDS_PK.to_owned(), id.to_owned())
}

/// `campaign`: the holds that stand, copied to every shard.
#[must_use]
pub fn holds(shard: u64) -> Key {
    (format!("HOLDING#{shard}"), "-".to_owned())
}

/// `campaign`: what the selection of one snapshot part found.
#[must_use]
pub fn part(campaign: &str, wave: &str, part: u32) -> Key {
    (format!("C#{campaign}"), format!("PART#{wave}#{part:05}"))
}

/// `invitation`: the invitation of a person to a dose of a campaign.
#[must_use]
pub fn invitation(person: PersonId, campaign: &str, dose: u8) -> Key {
    (person_pk(person), format!("C#{campaign}#D#{dose}"))
}

/// `invitation`: a partition of the due index.
#[must_use]
pub fn due_pk(campaign: &str, date: Date, shard: u64) -> String {
    format!("DUE#{campaign}#{date}#{shard}")
}

/// `invitation`: an entry of the due index.
#[must_use]
pub fn due(person: PersonId, campaign: &str, dose: u8, date: Date) -> Key {
    (due_pk(campaign, date, shard(person)), format!("{person}#{dose}"))
}

/// `message`: a message.
#[must_use]
pub fn message(id: MessageId) -> Key {
    (format!("M#{id}"), "MESSAGE".to_owned())
}

/// `message`: a partition of letters waiting to be sealed.
#[must_use]
pub fn pending_letters_pk(campaign: &str, shard: u64) -> String {
    format!("LETTERS#{campaign}#{shard}")
}

/// `message`: a letter waiting to be sealed.
#[must_use]
pub fn pending_letter(campaign: &str, person: PersonId, id: MessageId) -> Key {
    (pending_letters_pk(campaign, shard(person)), id.to_string())
}

/// `call`: a partition of a campaign's recall tasks.
#[must_use]
pub fn calls_pk(campaign: &str, shard: u64) -> String {
    format!("L#{campaign}#{shard}")
}

/// `call`: a recall task.
#[must_use]
pub fn call(campaign: &str, person: PersonId, dose: u8) -> Key {
    (calls_pk(campaign, shard(person)), format!("{person}#{dose}"))
}

/// `file`: a feed file.
#[must_use]
pub fn file(name: &str) -> Key {
    (format!("F#{name}"), "FILE".to_owned())
}

/// `file`: the partition that lists the feed files received on a day (UTC).
#[must_use]
pub fn files_pk(day: Date) -> String {
    format!("FILES#{day}")
}

/// `file`: an entry in the list of the files of a day, in the order in which they came.
#[must_use]
pub fn listed_file(received: Timestamp, name: &str) -> Key {
    (files_pk(received.to_zoned(TimeZone::UTC).date()), format!("{received}#{name}"))
}

/// `file`: one chunk of a feed file.
#[must_use]
pub fn chunk(name: &str, chunk: u32) -> Key {
    (format!("F#{name}"), format!("CHUNK#{chunk:06}"))
}

/// `identity`: a partition of those whose membership of a cohort a source said last.
#[must_use]
pub fn roll_pk(label: &str, source: &str, shard: u64) -> String {
    format!("L#{label}#{shard}#{source}")
}

/// `identity`: somebody whose membership of a cohort a source said last.
#[must_use]
pub fn rolled(label: &str, source: &str, person: PersonId) -> Key {
    (roll_pk(label, source, shard(person)), person.to_string())
}

/// `identity`: the latest full list of a cohort from a source.
#[must_use]
pub fn full_list(label: &str, source: &str) -> Key {
    (format!("LIST#{label}"), format!("S#{source}"))
}

/// What marks the end of what a stream must have delivered; it is no entity.
pub const MARK_PREFIX: &str = "MARK#";

/// In any streamed table: a mark.
#[must_use]
pub fn mark(id: uuid::Uuid) -> Key {
    (format!("{MARK_PREFIX}{id}"), "-".to_owned())
}

/// `control`: the partition of files that came by MESH and whose acknowledgements are still to be sent.
pub const TRANSFERS: &str = "MESH";

/// `control`: a file that came by MESH.
#[must_use]
pub fn transfer(file: &str) -> Key {
    (TRANSFERS.to_owned(), file.to_owned())
}

/// `control`: what was taken of a provider's quota for a stretch of time (a window's number, or a day), in one shard.
#[must_use]
pub fn quota(provider: &str, stretch: &str, shard: u64) -> Key {
    (format!("QUOTA#{provider}#{stretch}#{shard}"), "-".to_owned())
}

/// `control`: a telephone number that was sent a text on a day. The number itself is not in the key.
#[must_use]
pub fn texted(number: &str, day: Date) -> Key {
    (format!("TEXTED#{day}#{}", ims_domain::ids::number_id(number)), "-".to_owned())
}

/// `control`: an item by name.
#[must_use]
pub fn control(name: &str) -> Key {
    (name.to_owned(), "-".to_owned())
}
