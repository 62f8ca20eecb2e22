//! What sites offer, and where areas are: the files that planning reads beside the people's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Span;
use jiff::civil::Date;

use super::draw::Draw;
use super::{Geography, PopulationError, Settings};

/// Columns of the capacity feed, in order.
const CAPACITY: [&str; 9] =
    ["ODS_CODE", "SITE_NAME", "LATITUDE", "LONGITUDE", "SERVICE", "DATE", "TIME", "SLOT_LENGTH", "CAPACITY"];
/// Days that a file tells of.
const DAYS: i64 = 28;
/// Share of the people for whom there is an appointment on a weekday.
const A_DAY: f64 = 0.01;
/// When sessions begin.
const SESSIONS: [&str; 2] = ["09:00", "13:30"];

fn writer(path: &Path) -> Result<csv::Writer<std::fs::File>, PopulationError> {
    csv::Writer::from_path(path).map_err(|source| PopulationError::Csv { path: path.to_owned(), source })
}

/// Writes four weeks of capacity from a day on into a folder: two sessions on weekdays, one on Saturdays, for each site and
/// vaccine. About one person in a hundred finds an appointment on a weekday; where people are few, every session has one all the
/// same, so that there is something to plan with.
///
/// # Errors
/// When the file cannot be written.
pub fn write_capacity(
    settings: &Settings,
    geography: &Geography,
    folder: &Path,
    from: Date,
) -> Result<PathBuf, PopulationError> {
    let path = folder.join(format!("Capacity_v1_X26_{}T05300000.csv", from.strftime("%Y%m%d")));
    let failed = |source| PopulationError::Csv { path: path.clone(), source };
    let mut out = writer(&path)?;
    out.write_record(CAPACITY).map_err(failed)?;
    let of_all = settings.people as f64 * A_DAY / geography.sites.len() as f64;
    let usual = (of_all / SESSIONS.len() as f64).max(1.0);
    for (place, site) in geography.sites.iter().enumerate() {
        let mut draw = Draw::new(settings.seed, "capacity", place as u64);
        for day in (0..DAYS).filter_map(|day| from.checked_add(Span::new().days(day)).ok()) {
            let open = match day.weekday() {
                jiff::civil::Weekday::Sunday => 0,
                jiff::civil::Weekday::Saturday => 1,
                _ => SESSIONS.len(),
            };
            for (vaccine, session) in
                ["COVID", "FLU"].iter().flat_map(|vaccine| SESSIONS.iter().take(open).map(move |at| (vaccine, at)))
            {
                // Whole numbers whose mean is what is usual, between none and twice as many.
                let capacity = (usual * 2.0 * draw.unit() + draw.unit()).floor();
                let (latitude, longitude) = (site.latitude.to_string(), site.longitude.to_string());
                let (date, capacity) = (day.strftime("%d/%m/%Y").to_string(), capacity.to_string());
                let row = [&site.code, &site.name, &latitude, &longitude, *vaccine, &date, *session, "10", &capacity];
                out.write_record(row).map_err(failed)?;
            }
        }
    }
    out.flush().map_err(|source| PopulationError::Io { path: path.clone(), source })?;
    Ok(path)
}

/// The centre of each MSOA, the mean of its LSOAs', as planning reads them: `area,latitude,longitude`.
#[must_use]
pub fn areas(geography: &Geography) -> String {
    let mut sums: BTreeMap<&str, (f64, f64, f64)> = BTreeMap::new();
    for lsoa in &geography.lsoas {
        let sum = sums.entry(&lsoa.msoa).or_default();
        *sum = (sum.0 + lsoa.latitude, sum.1 + lsoa.longitude, sum.2 + 1.0);
    }
    let mut text = String::from("area,latitude,longitude\n");
    for (area, (latitude, longitude, count)) in sums {
        text.push_str(&format!("{area},{:.5},{:.5}\n", latitude / count, longitude / count));
    }
    text
}
