//! Everybody whom a hold concerns: who was written to, is booked, or was given a dose within its scope. Whom to look at
//! comes from the snapshot; whether they are in it is asked of their live record.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use ims_decision::supplies_of;
use ims_domain::PersonId;
use ims_domain::contact::Channel;
use ims_domain::hold::{Contact, Hold, Scope};
use ims_domain::record::Record;
use ims_messaging::Bucket;
use ims_runtime::Service;
use ims_runtime::auth::Staff;
use ims_snapshot::{ContactRow, Manifest, PersonRow, Row, VaccinationRow, read_parquet};
use ims_store::AuditEntry;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::{PlanningError, govern};

/// Records read at the same time.
const CONCURRENCY: usize = 16;

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    person: PersonId,
    /// `sent`, `booked` or `dosed`.
    what: &'static str,
    day: Option<Date>,
    /// Message, booking reference or immunisation.
    reference: String,
}

/// Lists them as `holds/{hold}.csv` in the exports bucket, ids alone, once the trail says so.
pub(crate) async fn trace(service: &Service, by: &Staff, id: &str, reason: &str) -> Result<Value, PlanningError> {
    govern::planners_only(service, by, "trace", id).await?;
    let reason = govern::said_why("trace", reason)?;
    let hold = service.store.hold(id).await?.ok_or_else(|| PlanningError::Unknown(format!("hold '{id}'")))?;
    let pointer = service.store.manifest().await?;
    if pointer.version == 0 {
        return Err(PlanningError::Unknown("population snapshot yet; merge one first".to_owned()));
    }
    let manifest: Manifest = service.objects.read_json(Bucket::Snapshot, &Manifest::key(&pointer.manifest)).await?;
    let today = service.clock.today().await?;
    let mut lines = BTreeSet::new();
    for part in 0..manifest.parts {
        lines.extend(of_part(service, &manifest, part, &hold, today).await?);
    }
    let people: BTreeSet<PersonId> = lines.iter().map(|line| line.person).collect();
    let entry = AuditEntry::new(Timestamp::now(), &by.name, "trace_hold", format!("hold {id}: {reason}"));
    service.store.audit(&entry.in_role(&by.role).counting(people.len())).await?;
    let count = |what: &str| lines.iter().filter(|line| line.what == what).count();
    let object = format!("holds/{id}.csv");
    let told = json!({
        "hold": id, "manifest": manifest.id, "people": people.len(), "sent": count("sent"), "booked": count("booked"),
        "dosed": count("dosed"), "object": object,
    });
    let mut text = "person,what,day,reference\n".to_owned();
    for line in &lines {
        let day = line.day.map(|day| day.to_string()).unwrap_or_default();
        // A supplier's reference may hold anything.
        let reference = line.reference.replace('"', "\"\"");
        text.push_str(&format!("{},{},{day},\"{reference}\"\n", line.person, line.what));
    }
    service.objects.put(Bucket::Exports, &object, text.into_bytes(), "text/csv").await?;
    Ok(told)
}

async fn rows<R: Row>(service: &Service, manifest: &Manifest, part: u32) -> Result<Vec<R>, PlanningError> {
    let Some(key) = manifest.part_key::<R>(part) else { return Ok(Vec::new()) };
    Ok(read_parquet(service.objects.read(Bucket::Snapshot, key).await?)?)
}

/// Whether a message left, by its state in the snapshot.
fn left(row: &ContactRow) -> bool {
    row.kind == "message" && matches!(row.state.as_str(), "sending" | "sent" | "delivered" | "failed" | "unknown")
}

async fn of_part(
    service: &Service,
    manifest: &Manifest,
    part: u32,
    hold: &Hold,
    today: Date,
) -> Result<Vec<Line>, PlanningError> {
    let of = |programme: &str| hold.scope.programme.is_none_or(|wanted| wanted.code() == programme);
    let mut messages: BTreeMap<PersonId, Vec<ContactRow>> = BTreeMap::new();
    for row in rows::<ContactRow>(service, manifest, part).await? {
        if left(&row)
            && of(&row.programme)
            && let Ok(person) = row.person_id.parse()
        {
            messages.entry(person).or_default().push(row);
        }
    }
    let mut people: BTreeSet<PersonId> = messages.keys().copied().collect();
    for row in rows::<VaccinationRow>(service, manifest, part).await? {
        people.extend(row.person_id.parse::<PersonId>().ok().filter(|_| !row.deleted && of(&row.vaccine)));
    }
    for row in rows::<PersonRow>(service, manifest, part).await? {
        let booked = row.programmes.iter().any(|history| history.booked.is_some());
        people.extend(row.person_id.parse::<PersonId>().ok().filter(|_| booked));
    }
    let (messages, scope) = (&messages, &hold.scope);
    let each = stream::iter(people).map(|person| async move {
        let Some(record) = service.store.record(person, true).await? else { return Ok(Vec::new()) };
        Ok::<_, PlanningError>(lines(scope, &record, messages.get(&person).map_or(&[], Vec::as_slice), today))
    });
    let found: Vec<Vec<Line>> = each.buffer_unordered(CONCURRENCY).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// What of a person is in the scope.
fn lines(scope: &Scope, record: &Record, messages: &[ContactRow], today: Date) -> Vec<Line> {
    let person = &record.person;
    let supplies = supplies_of(record);
    let line = |what, day, reference| Line { person: person.id, what, day, reference };
    let mut found = Vec::new();
    for row in messages {
        let channel = if row.channel == Channel::Sms.name() { Channel::Sms } else { Channel::Letter };
        let template = format!("{}-{}-{}", row.programme.to_lowercase(), row.step, row.channel);
        let Ok(programme) = row.programme.parse() else { continue };
        let contact = Contact { programme, cohort: &row.cohort, sent: Some((&template, channel)) };
        if scope.takes(&contact, person, &supplies, today) {
            found.push(line("sent", row.on_date, row.message_id.clone()));
        }
    }
    // What is about messages alone concerns no dose.
    if scope.template.is_some() || scope.channel.is_some() || !scope.takes_person(person, "", today) {
        return found;
    }
    for dose in record.immunisations.values().filter(|dose| dose.counts()) {
        let alone = Record { immunisations: [(dose.id, dose.clone())].into(), ..Record::new(person.clone()) };
        if supplies_of(&alone).iter().any(|supply| scope.takes_supply(supply)) {
            found.push(line("dosed", Some(dose.occurred_on), dose.id.to_string()));
        }
    }
    for booking in record.bookings.values() {
        let alone =
            Record { bookings: [(booking.reference.clone(), booking.clone())].into(), ..Record::new(person.clone()) };
        let to_come = booking.appointment_on >= today;
        if to_come && supplies_of(&alone).iter().any(|supply| scope.takes_supply(supply)) {
            found.push(line("booked", Some(booking.appointment_on), booking.reference.clone()));
        }
    }
    found
}
