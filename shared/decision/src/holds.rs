//! Whether a hold keeps a message or a call from somebody.

use ims_domain::Person;
use ims_domain::hold::{Contact, Hold, Holds, Supply};
use ims_domain::record::{AppointmentStatus, Record};
use ims_fhir::batch::HEADER;
use ims_fhir::flat::flatten;
use ims_store::{Store, StoreError};
use jiff::civil::Date;
use serde_json::Value;

/// What a record says that somebody was given, and where they have an appointment.
#[must_use]
pub fn supplies_of(record: &Record) -> Vec<Supply> {
    let doses = record.immunisations.values().filter(|dose| dose.counts()).map(|dose| {
        let resource: Value = serde_json::from_str(&dose.body).unwrap_or_default();
        let flat = flatten(&resource, "");
        let field = |name: &str| {
            let place = HEADER.iter().position(|column| *column == name);
            place.map(|place| flat.values[place].clone()).unwrap_or_default()
        };
        Supply {
            programme: Some(dose.vaccine),
            product: field("VACCINE_PRODUCT_CODE"),
            batch: field("BATCH_NUMBER"),
            site: field("SITE_CODE"),
        }
    });
    let bookings = record
        .bookings
        .values()
        .filter(|booking| booking.status == AppointmentStatus::Booked && booking.matching.counts())
        .map(|booking| Supply {
            programme: Some(booking.programme),
            site: booking.provider.clone(),
            ..Supply::default()
        });
    doses.chain(bookings).collect()
}

/// The hold that keeps a contact from somebody, if any. Records are read only where a hold asks what people were given.
///
/// # Errors
/// Where a record cannot be read.
pub async fn held_by(
    store: &Store,
    holds: &Holds,
    contact: &Contact<'_>,
    person: &Person,
    today: Date,
) -> Result<Option<Hold>, StoreError> {
    if holds.standing.is_empty() {
        return Ok(None);
    }
    let mut supplies = Vec::new();
    if holds.ask_supplies() {
        // What was recorded under numbers that this person's superseded lies under those people.
        for id in person.numbers().into_keys() {
            supplies.extend(store.record(id, true).await?.iter().flat_map(supplies_of));
        }
    }
    Ok(holds.against(contact, person, &supplies, today).cloned())
}
