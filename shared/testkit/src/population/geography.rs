//! The places people live and are vaccinated at, read from the files that `infra/geography/extract.py` writes.

use std::path::Path;

use super::{PopulationError, england};

/// A lower-layer super output area of England.
#[derive(Debug, Clone, PartialEq)]
pub struct Lsoa {
    /// ONS code, `E01…`.
    pub code: String,
    /// ONS name, e.g. `Halton 007A`.
    pub name: String,
    /// MSOA code; synthetic in the extract.
    pub msoa: String,
    /// Sub-ICB location, e.g. `01F`.
    pub sub_icb: String,
    /// ICB, e.g. `QYG`.
    pub icb: String,
    /// ICB's name.
    pub icb_name: String,
    /// NHS England region, e.g. `Y62`.
    pub region: String,
    /// Region's name.
    pub region_name: String,
    /// Degrees north, WGS 84.
    pub latitude: f64,
    /// Degrees east, WGS 84.
    pub longitude: f64,
    /// Minutes by road to the nearest hospital.
    pub hospital_minutes: f64,
    /// Place of the nearest hospital in [`Geography::sites`].
    pub site: usize,
    /// Decile of deprivation, 1 (most) to 10; synthetic in the extract.
    pub imd_decile: u8,
    /// Place of the region in the tables of `england`.
    pub(crate) region_index: usize,
}

impl Lsoa {
    /// The local authority's name, which addresses give as the town.
    #[must_use]
    pub fn town(&self) -> &str {
        self.name.rsplit_once(' ').map_or(self.name.as_str(), |(town, _)| town)
    }
}

/// A vaccination site.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Site code; synthetic in the extract.
    pub code: String,
    /// Postcode.
    pub postcode: String,
    /// Name.
    pub name: String,
    /// Degrees north, WGS 84.
    pub latitude: f64,
    /// Degrees east, WGS 84.
    pub longitude: f64,
    /// ICB, e.g. `QYG`.
    pub icb: String,
    /// NHS England region, e.g. `Y62`.
    pub region: String,
}

/// Areas and sites.
#[derive(Debug, Clone, PartialEq)]
pub struct Geography {
    /// Areas in the order of the file.
    pub lsoas: Vec<Lsoa>,
    /// Sites in the order of the file.
    pub sites: Vec<Site>,
    cumulative: Vec<f64>, // of people, over `lsoas`
}

impl Geography {
    /// Reads `lsoa.csv` and `sites.csv` of a directory.
    ///
    /// # Errors
    /// When a file cannot be read, a column is missing, a number or region is not one, or a site is unknown.
    pub fn load(dir: &Path) -> Result<Self, PopulationError> {
        let mut sites = Vec::new();
        for_each_row(&dir.join("sites.csv"), |row| {
            sites.push(Site {
                code: row.text("site_code")?,
                postcode: row.text("postcode")?,
                name: row.text("name")?,
                latitude: row.number("latitude")?,
                longitude: row.number("longitude")?,
                icb: row.text("icb")?,
                region: row.text("region")?,
            });
            Ok(())
        })?;
        let places: std::collections::HashMap<String, usize> =
            sites.iter().enumerate().map(|(place, site)| (site.code.clone(), place)).collect();
        let mut lsoas = Vec::new();
        for_each_row(&dir.join("lsoa.csv"), |row| {
            let region = row.text("region")?;
            let site = row.text("site_code")?;
            lsoas.push(Lsoa {
                code: row.text("lsoa")?,
                name: row.text("lsoa_name")?,
                msoa: row.text("msoa")?,
                sub_icb: row.text("sub_icb")?,
                icb: row.text("icb")?,
                icb_name: row.text("icb_name")?,
                region_index: england::region_index(&region).ok_or_else(|| row.wrong("region", &region))?,
                region_name: row.text("region_name")?,
                region,
                latitude: row.number("latitude")?,
                longitude: row.number("longitude")?,
                hospital_minutes: row.number("hospital_minutes")?,
                site: *places.get(&site).ok_or_else(|| row.wrong("site_code", &site))?,
                imd_decile: row.number("imd_decile")? as u8,
            });
            Ok(())
        })?;
        Self::new(lsoas, sites).ok_or_else(|| PopulationError::Empty { path: dir.to_owned() })
    }

    /// From areas and sites at hand; `None` when either is empty.
    fn new(lsoas: Vec<Lsoa>, sites: Vec<Site>) -> Option<Self> {
        if lsoas.is_empty() || sites.is_empty() {
            return None;
        }
        // An LSOA has about as many people as any other of its region, and regions have the people ONS counts.
        let mut areas = [0u32; england::REGIONS.len()];
        for lsoa in &lsoas {
            areas[lsoa.region_index] += 1;
        }
        let mut so_far = 0.0;
        let cumulative = lsoas
            .iter()
            .map(|lsoa| {
                so_far += england::region_people(lsoa.region_index) / f64::from(areas[lsoa.region_index]);
                so_far
            })
            .collect();
        Some(Self { lsoas, sites, cumulative })
    }

    /// The place in [`Geography::lsoas`] that `u` in [0, 1) falls on, weighted by people.
    pub(crate) fn draw(&self, u: f64) -> usize {
        let total = self.cumulative.last().copied().unwrap_or_default();
        self.cumulative.partition_point(|&so_far| so_far <= u * total).min(self.lsoas.len() - 1)
    }
}

struct Row<'a> {
    path: &'a Path,
    headers: &'a csv::StringRecord,
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    fn text(&self, column: &'static str) -> Result<String, PopulationError> {
        let place = self.headers.iter().position(|name| name == column);
        place.and_then(|place| self.record.get(place)).map(str::to_owned).ok_or_else(|| self.wrong(column, ""))
    }

    fn number(&self, column: &'static str) -> Result<f64, PopulationError> {
        let text = self.text(column)?;
        text.parse().map_err(|_| self.wrong(column, &text))
    }

    fn wrong(&self, column: &'static str, value: &str) -> PopulationError {
        let line = self.record.position().map_or(0, csv::Position::line);
        PopulationError::Geography { path: self.path.to_owned(), line, column, value: value.to_owned() }
    }
}

fn for_each_row(
    path: &Path,
    mut take: impl FnMut(&Row<'_>) -> Result<(), PopulationError>,
) -> Result<(), PopulationError> {
    let csv_error = |source| PopulationError::Csv { path: path.to_owned(), source };
    let mut reader = csv::Reader::from_path(path).map_err(csv_error)?;
    let headers = reader.headers().map_err(csv_error)?.clone();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(csv_error)? {
        take(&Row { path, headers: &headers, record: &record })?;
    }
    Ok(())
}
