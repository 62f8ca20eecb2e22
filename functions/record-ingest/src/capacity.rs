//! Rows of the capacity feed: appointments of a site by date and time. They are about nobody: a chunk's sums are kept as an
//! object, and planning adds up those of the latest file.

use std::collections::BTreeMap;

use ims_messaging::Bucket;
use ims_planning::{Place, SiteDays, capacity_key, joined};
use ims_runtime::Service;
use ims_store::RowFailure;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::IngestError;
use crate::chunk::{Chunk, ChunkResult};
use crate::feed::CAPACITY;
use crate::fields::{Fields, RowErrors};
use crate::rows::Context;

/// Most appointments of one row.
const MOST: u32 = 10_000;
/// Longest name of a site.
const LONGEST_NAME: usize = 200;

/// Reads a row: the site with the day and how many appointments it has then.
///
/// # Errors
/// Names every field that cannot be used.
pub fn read(values: &[String], today: Date) -> Result<SiteDays, RowErrors> {
    let mut row = Fields::new(&CAPACITY, values, today);
    let site = row.one_of("ODS_CODE", "an ODS code of 2 to 10 letters and digits", |text| {
        let fits = (2..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        fits.then(|| text.to_ascii_uppercase())
    });
    let name = row.one_of("SITE_NAME", "1 to 200 characters", |text| {
        (1..=LONGEST_NAME).contains(&text.chars().count()).then(|| text.to_owned())
    });
    let degrees = |most: f64| move |text: &str| text.parse().ok().filter(|value: &f64| value.abs() <= most);
    let latitude = row.one_of("LATITUDE", "degrees north, -90 to 90", degrees(90.0));
    let longitude = row.one_of("LONGITUDE", "degrees east, -180 to 180", degrees(180.0));
    let service = row.one_of("SERVICE", "a vaccine type, as FLU", |text| {
        text.parse::<ims_domain::VaccineType>().ok().map(|vaccine| vaccine.code().to_owned())
    });
    let day = row.one_of("DATE", "a date DD/MM/YYYY", |text| Date::strptime("%d/%m/%Y", text).ok());
    row.one_of("TIME", "a time HH:MM", |text| jiff::civil::Time::strptime("%H:%M", text).ok());
    row.one_of("SLOT_LENGTH", "minutes, 1 to 720", |text| {
        text.parse::<u16>().ok().filter(|minutes| (1..=720).contains(minutes))
    });
    let appointments = row.one_of("CAPACITY", "a whole number from 0 to 10000", |text| {
        text.parse::<u32>().ok().filter(|appointments| *appointments <= MOST)
    });
    let content = (|| {
        let place = Place { latitude: latitude?, longitude: longitude? };
        let days = BTreeMap::from([(day?, appointments?)]);
        Some(SiteDays { site: site?, name: name?, place, service: service?, days })
    })();
    row.finish(content)
}

/// Keeps what a chunk says. The same chunk again keeps the same.
///
/// # Errors
/// Where the object cannot be written.
pub(crate) async fn keep(
    service: &Service,
    context: &Context,
    number: u32,
    chunk: &Chunk,
) -> Result<ChunkResult, IngestError> {
    let started = Timestamp::now();
    let (mut sites, mut failures) = (Vec::new(), Vec::new());
    for (row, values) in &chunk.rows {
        match read(values, context.today) {
            Ok(site) => sites.push(site),
            Err(errors) => failures.push(RowFailure {
                row: *row,
                local_id: format!("{}^{row}", values.first().map_or("", |site| site.trim())),
                diagnostics: errors.to_string(),
            }),
        }
    }
    let accepted = sites.len() as u64;
    let key = capacity_key(&chunk.order, &context.file, number);
    service.objects.put_json(Bucket::Work, &key, &joined(sites)).await?;
    Ok(ChunkResult {
        started,
        ended: Timestamp::now(),
        accepted,
        failures,
        early: Vec::new(),
        unmatched: Vec::new(),
        cleansed: BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn read_row(values: [&str; 9]) -> Result<SiteDays, RowErrors> {
        read(&values.map(str::to_owned), date(2026, 1, 1))
    }

    #[test]
    fn a_row_is_a_sites_appointments_at_a_time() {
        let row = ["V9001", "Town Hall", "53.8", "-1.5", "FLU", "02/01/2026", "09:00", "05", "3"];
        let site = read_row(row).unwrap();
        assert_eq!((site.site.as_str(), site.service.as_str()), ("V9001", "FLU"));
        assert_eq!(site.days, BTreeMap::from([(date(2026, 1, 2), 3)]));
        let later = ["V9001", "Town Hall", "53.8", "-1.5", "FLU", "02/01/2026", "09:05", "05", "4"];
        let day = joined([site, read_row(later).unwrap()]);
        assert_eq!(day[0].days, BTreeMap::from([(date(2026, 1, 2), 7)]));
    }

    #[test]
    fn errors_name_the_field() {
        for (place, value, field) in [
            (0, "V9-1", "ODS_CODE"),
            (1, "", "SITE_NAME"),
            (2, "north", "LATITUDE"),
            (3, "-181", "LONGITUDE"),
            (4, "PLAGUE", "SERVICE"),
            (5, "20260102", "DATE"),
            (6, "9 o'clock", "TIME"),
            (7, "0", "SLOT_LENGTH"),
            (8, "-1", "CAPACITY"),
        ] {
            let mut row = ["V9001", "Town Hall", "53.8", "-1.5", "FLU", "02/01/2026", "09:00", "05", "3"];
            row[place] = value;
            let errors = read_row(row).unwrap_err();
            assert_eq!(errors.0.iter().map(|error| error.field).collect::<Vec<_>>(), [field]);
        }
    }
}
