//! Coverage by group: tallied exactly, published rounded and with small numbers withheld.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use ims_domain::clock::age_on;
use ims_snapshot::PersonRow;
use ims_uptake::{AgeBand, Count, EthnicGroup, Published, Rule, Table, UNKNOWN, deprivation_fifth};
use jiff::civil::Date;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::ReportError;

/// Breakdowns, in the order of the export.
const BREAKDOWNS: [&str; 5] = ["region", "icb", "age_band", "ethnic_group", "deprivation_fifth"];
const REGION: usize = 0;
const ICB: usize = 1;

/// Eligible people on the list, by group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    all: Count,
    groups: [BTreeMap<String, Count>; BREAKDOWNS.len()],
    /// By region, ICB and sub-ICB, to know which areas add up to which.
    pub(crate) within: BTreeMap<String, BTreeMap<String, BTreeMap<String, Groups>>>,
}

/// Breakdowns of each area, in this order.
pub(crate) const WITHIN_AREAS: [&str; 3] = ["age_band", "ethnic_group", "deprivation_fifth"];

/// Eligible people on the list in one area.
#[derive(Debug, Clone, Default)]
pub(crate) struct Groups {
    pub(crate) all: Count,
    /// By each of [`WITHIN_AREAS`].
    pub(crate) by: [BTreeMap<&'static str, Count>; WITHIN_AREAS.len()],
}

impl Groups {
    /// Takes in all of another area.
    pub(crate) fn merge(&mut self, other: &Self) {
        let sum = |to: &mut Count, count: &Count| {
            to.eligible += count.eligible;
            to.vaccinated += count.vaccinated;
        };
        sum(&mut self.all, &other.all);
        for (own, others) in self.by.iter_mut().zip(&other.by) {
            others.iter().for_each(|(group, count)| sum(own.entry(group).or_default(), count));
        }
    }
}

/// A line of the export.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) campaign: String,
    pub(crate) breakdown: &'static str,
    pub(crate) group: String,
    pub(crate) published: Published,
}

impl Tally {
    /// Counts an eligible person. A restricted person has no area here: the snapshot holds none.
    pub(crate) fn add(&mut self, row: &PersonRow, vaccinated: bool, day: Date) {
        let area = |code: &str| if code.is_empty() || row.restricted { UNKNOWN } else { code }.to_owned();
        let age = row.date_of_birth.map(|born| age_on(born, day));
        let decile = if row.restricted { 0 } else { row.imd_decile };
        let named = [AgeBand::of(age).name(), EthnicGroup::of(&row.ethnic_category).name(), deprivation_fifth(decile)];
        let [age_band, ethnic_group, fifth] = named.map(str::to_owned);
        let groups = [area(&row.region), area(&row.icb), age_band, ethnic_group, fifth];
        let region = self.within.entry(groups[REGION].clone()).or_default();
        let within = region.entry(groups[ICB].clone()).or_default().entry(area(&row.sub_icb)).or_default();
        within.all.add(vaccinated);
        for (by, group) in within.by.iter_mut().zip(named) {
            by.entry(group).or_default().add(vaccinated);
        }
        for (tally, group) in self.groups.iter_mut().zip(groups) {
            tally.entry(group).or_default().add(vaccinated);
        }
        self.all.add(vaccinated);
    }

    /// Whether some of an ICB's people are in another region than this.
    pub(crate) fn is_split(&self, region: &str, icb: &str) -> bool {
        self.within.iter().any(|(other, icbs)| other != region && icbs.contains_key(icb))
    }

    /// The lines to publish: the whole, then each breakdown.
    pub(crate) fn lines(&self, campaign: &str, rule: &Rule) -> Vec<Line> {
        let mut table = Table::new();
        let all = table.cell(self.all);
        let mut names = vec![("all", "all".to_owned())];
        let mut places: [BTreeMap<&str, usize>; BREAKDOWNS.len()] = Default::default();
        for ((breakdown, groups), places) in BREAKDOWNS.iter().zip(&self.groups).zip(&mut places) {
            for (group, count) in groups {
                places.insert(group, table.cell(*count));
                names.push((breakdown, group.clone()));
            }
            table.sum(all, places.values().copied());
        }
        for (region, icbs) in &self.within {
            // An ICB that the source puts in two regions adds up to neither.
            let whole = icbs.keys().all(|icb| !self.is_split(region, icb));
            if let Some(place) = places[REGION].get(region.as_str()).filter(|_| whole) {
                table.sum(*place, icbs.keys().filter_map(|icb| places[ICB].get(icb.as_str()).copied()));
            }
        }
        names
            .into_iter()
            .zip(table.release(rule))
            .map(|((breakdown, group), published)| Line { campaign: campaign.to_owned(), breakdown, group, published })
            .collect()
    }
}

/// A proportion to four places, which is more than rounded counts can carry.
pub(crate) fn places(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

/// The lines as CSV; withheld values are empty.
pub(crate) fn to_csv(lines: &[Line]) -> Result<Vec<u8>, ReportError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "campaign",
        "breakdown",
        "group",
        "eligible",
        "vaccinated",
        "coverage",
        "lower",
        "upper",
        "suppressed",
    ])?;
    let number = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
    for line in lines {
        let coverage = line.published.coverage();
        let share = |value: Option<f64>| value.map(|value| format!("{:.4}", places(value))).unwrap_or_default();
        writer.write_record([
            line.campaign.as_str(),
            line.breakdown,
            &line.group,
            &number(line.published.eligible),
            &number(line.published.vaccinated),
            &share(coverage.map(|found| found.value)),
            &share(coverage.map(|found| found.lower)),
            &share(coverage.map(|found| found.upper)),
            if line.published.is_suppressed() { "true" } else { "false" },
        ])?;
    }
    writer.into_inner().map_err(|error| ReportError::Csv(error.into_error().into()))
}

/// The lines as Parquet; withheld values are null.
pub(crate) fn to_parquet(lines: &[Line]) -> Result<Vec<u8>, ReportError> {
    let text = |of: fn(&Line) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(lines.iter().map(of))) };
    let number = |of: fn(&Published) -> Option<u64>| -> ArrayRef {
        let value = |line: &Line| of(&line.published).and_then(|count| i64::try_from(count).ok());
        Arc::new(lines.iter().map(value).collect::<Int64Array>())
    };
    let share = |of: fn(ims_uptake::Interval) -> f64| -> ArrayRef {
        Arc::new(lines.iter().map(|line| line.published.coverage().map(of).map(places)).collect::<Float64Array>())
    };
    let suppressed: BooleanArray = lines.iter().map(|line| Some(line.published.is_suppressed())).collect();
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("campaign", text(|line| &line.campaign), false),
        ("breakdown", text(|line| line.breakdown), false),
        ("group", text(|line| &line.group), false),
        ("eligible", number(|cell| cell.eligible), true),
        ("vaccinated", number(|cell| cell.vaccinated), true),
        ("coverage", share(|found| found.value), true),
        ("lower", share(|found| found.lower), true),
        ("upper", share(|found| found.upper), true),
        ("suppressed", Arc::new(suppressed), false),
    ])?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn person(region: &str, icb: &str, ethnic_category: &str) -> PersonRow {
        PersonRow {
            region: region.into(),
            icb: icb.into(),
            ethnic_category: ethnic_category.into(),
            imd_decile: 2,
            date_of_birth: Some(date(1950, 1, 1)),
            ..PersonRow::default()
        }
    }

    fn tally(groups: &[(PersonRow, u64, u64)]) -> Tally {
        let mut tally = Tally::default();
        for (row, eligible, vaccinated) in groups {
            (0..*eligible).for_each(|index| tally.add(row, index < *vaccinated, date(2025, 11, 1)));
        }
        tally
    }

    fn find<'a>(lines: &'a [Line], breakdown: &str, group: &str) -> &'a Published {
        let line = lines.iter().find(|line| line.breakdown == breakdown && line.group == group);
        &line.unwrap_or_else(|| panic!("{breakdown} {group}")).published
    }

    #[test]
    fn a_small_icb_is_not_told_by_its_region() {
        let lines = tally(&[
            (person("Y1", "QA", "A"), 500, 251),
            (person("Y1", "QB", "A"), 400, 199),
            (person("Y1", "QC", "A"), 300, 3),
            (person("Y2", "QD", "M"), 600, 302),
            (person("Y2", "QE", "M"), 700, 350),
        ])
        .lines("flu", &Rule::default());
        assert_eq!(find(&lines, "icb", "QC").vaccinated, None);
        assert_eq!(find(&lines, "icb", "QB").vaccinated, None, "the smallest neighbour");
        assert_eq!(find(&lines, "region", "Y1").vaccinated, Some(455));
        assert_eq!(find(&lines, "age_band", "75-79").eligible, Some(2_500));
        assert_eq!(find(&lines, "deprivation_fifth", "1").vaccinated, Some(1_105));
    }

    #[test]
    fn a_restricted_person_has_no_area() {
        let restricted = PersonRow { restricted: true, ..person("Y1", "QA", "A") };
        let lines = tally(&[(restricted, 20, 10)]).lines("flu", &Rule::default());
        assert_eq!(find(&lines, "region", UNKNOWN).eligible, Some(20));
        assert_eq!(find(&lines, "deprivation_fifth", UNKNOWN).eligible, Some(20));
        assert!(lines.iter().all(|line| line.group != "Y1" && line.group != "QA"));
    }

    #[test]
    fn csv_and_parquet_hold_the_same_lines() {
        let lines = tally(&[(person("Y1", "QA", "A"), 500, 250), (person("Y2", "QB", "Z"), 100, 2)])
            .lines("flu", &Rule::default());
        let csv = String::from_utf8(to_csv(&lines).unwrap()).unwrap();
        assert_eq!(csv.lines().count(), lines.len() + 1);
        assert!(csv.contains("flu,all,all,600,250,0.4167,"), "{csv}");
        assert!(csv.contains("flu,icb,QB,100,,,,,true"), "{csv}");
        let bytes = bytes::Bytes::from(to_parquet(&lines).unwrap());
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        let rows: usize = reader.build().unwrap().map(|batch| batch.unwrap().num_rows()).sum();
        assert_eq!(rows, lines.len());
    }
}
