//! Capacity of sites by day, as a file of it says.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::places::Place;

/// A site's appointments for a service, booked ones among them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SiteDays {
    /// ODS code.
    pub site: String,
    /// Name.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// Vaccine type that the appointments are for, as `FLU`.
    pub service: String,
    /// Appointments by day.
    pub days: BTreeMap<Date, u32>,
}

/// Prefix of the objects that hold capacity: a folder for each file, in the order of their times.
pub const CAPACITY_PREFIX: &str = "capacity/";

/// The object that holds what a chunk of a capacity file says. `order` is the file's time, so that later files come later.
#[must_use]
pub fn capacity_key(order: &str, file: &str, chunk: u32) -> String {
    format!("{CAPACITY_PREFIX}{order}/{file}/{chunk:05}.json")
}

/// The file and its time that a key of [`capacity_key`] is of.
#[must_use]
pub fn capacity_file(key: &str) -> Option<(&str, &str)> {
    let mut parts = key.strip_prefix(CAPACITY_PREFIX)?.split('/');
    Some((parts.next()?, parts.next()?))
}

/// Adds up what chunks say: one entry a site and service. Where two differ about a site's name or place, the later stands.
#[must_use]
pub fn joined(chunks: impl IntoIterator<Item = SiteDays>) -> Vec<SiteDays> {
    let mut sites: BTreeMap<(String, String), SiteDays> = BTreeMap::new();
    for found in chunks {
        match sites.get_mut(&(found.site.clone(), found.service.clone())) {
            Some(held) => {
                held.name = found.name;
                held.place = found.place;
                for (day, appointments) in found.days {
                    *held.days.entry(day).or_default() += appointments;
                }
            }
            None => {
                sites.insert((found.site.clone(), found.service.clone()), found);
            }
        }
    }
    sites.into_values().collect()
}
