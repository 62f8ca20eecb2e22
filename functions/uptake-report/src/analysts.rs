//! The analysts' exports: record level, under the internal person id alone. No NHS number, no name, no date of birth, no
//! postcode; restricted people without any area.

use bytes::Bytes;
use ims_domain::clock::age_on;
use ims_snapshot::column::{Access, schema};
use ims_snapshot::{
    Column, ContactRow, PROGRAMMES, PersonRow, Row, VaccinationRow, day, flag, number, text, texts, write_parquet,
};
use ims_uptake::{AgeBand, EthnicGroup, deprivation_fifth};
use jiff::civil::Date;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::ReportError;

/// A person, as analysts see them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Person {
    person_id: String,
    age_band: String,
    gender: String,
    ethnic_group: String,
    deprivation_fifth: String,
    lsoa: String,
    msoa: String,
    sub_icb: String,
    icb: String,
    region: String,
    on_list: bool,
    restricted: bool,
    has_mobile: bool,
    has_telephone: bool,
    has_address: bool,
    cohorts: Vec<String>,
    wishes: Vec<String>,
    doses: [Vec<Date>; PROGRAMMES.len()],
    booked: [Option<Date>; PROGRAMMES.len()],
}

impl Person {
    /// From the snapshot, on the day of the report.
    pub(crate) fn of(row: &PersonRow, today: Date) -> Self {
        let area = |code: &String| if row.restricted { String::new() } else { code.clone() };
        Self {
            person_id: row.person_id.clone(),
            age_band: AgeBand::of(row.date_of_birth.map(|born| age_on(born, today))).name().to_owned(),
            gender: row.gender.clone(),
            ethnic_group: EthnicGroup::of(&row.ethnic_category).name().to_owned(),
            deprivation_fifth: deprivation_fifth(if row.restricted { 0 } else { row.imd_decile }).to_owned(),
            lsoa: area(&row.lsoa),
            msoa: area(&row.msoa),
            sub_icb: area(&row.sub_icb),
            icb: area(&row.icb),
            region: area(&row.region),
            on_list: !row.is_off_list(),
            restricted: row.restricted,
            has_mobile: row.has_mobile,
            has_telephone: row.has_telephone,
            has_address: row.has_address,
            cohorts: row.cohorts.clone(),
            wishes: row.wishes.clone(),
            doses: row.programmes.clone().map(|history| history.dose_dates),
            booked: row.programmes.clone().map(|history| history.booked),
        }
    }
}

impl Row for Person {
    const DATASET: &'static str = "export of people";

    fn columns() -> Vec<Column<Self>> {
        let mut columns = vec![
            text!("person_id", "internal id, random; the same in all exports", person_id),
            text!("age_band", "age band on the day of the report", age_band),
            text!("gender", "1 male, 2 female, 9 other, 0 unknown", gender),
            text!("ethnic_group", "ethnic group", ethnic_group),
            text!("deprivation_fifth", "fifth of the LSOA by deprivation, 1 most deprived", deprivation_fifth),
            text!("lsoa", "LSOA of residence; null for restricted people, as all areas", lsoa),
            text!("msoa", "MSOA of residence", msoa),
            text!("sub_icb", "sub-ICB location", sub_icb),
            text!("icb", "integrated care board", icb),
            text!("region", "NHS England region", region),
            flag!("on_list", "not dead, removed, superseded or invalidated", on_list),
            flag!("restricted", "address may be disclosed to nobody", restricted),
            flag!("has_mobile", "a mobile number is held", has_mobile),
            flag!("has_telephone", "may be telephoned", has_telephone),
            flag!("has_address", "a letter can be addressed", has_address),
            texts!("cohorts", "cohorts of which the person is a member", cohorts),
            texts!("wishes", "wishes about contact", wishes),
        ];
        for (index, programme) in PROGRAMMES.iter().enumerate() {
            let programme = programme.to_lowercase();
            columns.push(Column::new(
                format!("{programme}_dose_dates"),
                "days on which a dose was given, ascending",
                Access::Days(
                    Box::new(move |row: &Self| row.doses[index].clone()),
                    Box::new(move |row: &mut Self, value| row.doses[index] = value),
                ),
            ));
            columns.push(Column::new(
                format!("{programme}_booked"),
                "day of the latest appointment that stands",
                Access::Day(
                    Box::new(move |row: &Self| row.booked[index]),
                    Box::new(move |row: &mut Self, value| row.booked[index] = value),
                ),
            ));
        }
        columns
    }

    fn key(&self) -> String {
        self.person_id.clone()
    }

    fn version(&self) -> u64 {
        0
    }

    fn person(&self) -> &str {
        &self.person_id
    }
}

/// A contact, as analysts see it: without the provider's reference and the words of the explanation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Contact {
    row: ContactRow,
}

impl Contact {
    /// From the snapshot.
    pub(crate) fn of(row: &ContactRow) -> Self {
        // A provider's words about a failed message may repeat what it was sent.
        let reason = row.reason.split([':', ';']).next().unwrap_or_default().trim().to_owned();
        Self { row: ContactRow { reason, ..row.clone() } }
    }
}

impl Row for Contact {
    const DATASET: &'static str = "export of contacts";

    fn columns() -> Vec<Column<Self>> {
        vec![
            text!("kind", "invitation, decision, message or call", row.kind),
            text!("person_id", "internal id, random; the same in all exports", row.person_id),
            text!("campaign", "campaign", row.campaign),
            text!("programme", "vaccine type", row.programme),
            number!("dose", "dose, from 1", row.dose),
            text!("wave", "wave", row.wave),
            text!("cohort", "best cohort at the decision", row.cohort),
            text!("step", "invite, reminder or call", row.step),
            text!("channel", "sms, letter or telephone", row.channel),
            text!("state", "state of the invitation, message or call; sent or suppressed for a decision", row.state),
            text!("reason", "why it was suppressed, closed, withdrawn or failed", row.reason),
            day!("on_date", "business day it was issued, decided, sent or due", row.on_date),
            number!("sequence", "place among the invitation's decisions, from 0", row.sequence),
            number!("definition", "version of the campaign definition", row.definition),
            text!("outcome", "outcome of the last call", row.outcome),
            number!("attempts", "attempts to send, or calls made", row.attempts),
        ]
    }

    fn key(&self) -> String {
        self.row.key()
    }

    fn version(&self) -> u64 {
        self.row.version
    }

    fn person(&self) -> &str {
        &self.row.person_id
    }
}

/// A vaccination, as analysts see it: without the supplier's identifier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Vaccination {
    row: VaccinationRow,
}

impl Vaccination {
    /// From the snapshot; deleted records are left out, and those that count for nobody.
    pub(crate) fn of(row: &VaccinationRow) -> Option<Self> {
        (!row.deleted && !row.unmatched).then(|| Self { row: row.clone() })
    }
}

impl Row for Vaccination {
    const DATASET: &'static str = "export of vaccinations";

    fn columns() -> Vec<Column<Self>> {
        vec![
            text!("person_id", "internal id, random; the same in all exports", row.person_id),
            text!("vaccine", "vaccine type", row.vaccine),
            day!("occurred", "day it was given, London", row.occurred),
            text!("supplier", "supplier of the latest version", row.supplier),
        ]
    }

    fn key(&self) -> String {
        self.row.immunisation_id.clone()
    }

    fn version(&self) -> u64 {
        self.row.version
    }

    fn person(&self) -> &str {
        &self.row.person_id
    }
}

/// One Parquet file that grows part by part, so that only its compressed bytes are held.
pub(crate) struct Growing {
    writer: ArrowWriter<Vec<u8>>,
}

impl Growing {
    /// A file of these rows, without any yet.
    pub(crate) fn new<R: Row>() -> Result<Self, ReportError> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        Ok(Self { writer: ArrowWriter::try_new(Vec::new(), schema::<R>(), Some(properties))? })
    }

    /// Adds a part's rows.
    pub(crate) fn add<R: Row>(&mut self, rows: &[R]) -> Result<(), ReportError> {
        if rows.is_empty() {
            return Ok(());
        }
        // The snapshot's writer knows how to turn rows into columns; what it makes is read back as such.
        let bytes = Bytes::from(write_parquet(rows)?);
        for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
            self.writer.write(&batch?)?;
        }
        self.writer.flush()?;
        Ok(())
    }

    /// The whole file.
    pub(crate) fn finish(self) -> Result<Vec<u8>, ReportError> {
        Ok(self.writer.into_inner()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ims_snapshot::read_parquet;
    use jiff::civil::date;

    fn row(id: &str, restricted: bool) -> PersonRow {
        PersonRow {
            person_id: id.into(),
            nhs_number: "9434765919".into(),
            postcode: "CB3 8DX".into(),
            lsoa: "E01018223".into(),
            region: "Y61".into(),
            practice: "B81087".into(),
            imd_decile: 4,
            restricted,
            date_of_birth: Some(date(1950, 2, 28)),
            ..PersonRow::default()
        }
    }

    #[test]
    fn a_file_grows_part_by_part() {
        let people = ["a", "b", "c"].map(|id| Person::of(&row(id, false), date(2025, 11, 1)));
        let mut file = Growing::new::<Person>().unwrap();
        file.add(&people[..1]).unwrap();
        file.add::<Person>(&[]).unwrap();
        file.add(&people[1..]).unwrap();
        assert_eq!(read_parquet::<Person>(file.finish().unwrap()).unwrap(), people);
        let empty = Growing::new::<Contact>().unwrap().finish().unwrap();
        assert!(read_parquet::<Contact>(empty).unwrap().is_empty());
    }

    #[test]
    fn analysts_get_no_identifiers_and_no_place_of_restricted_people() {
        let names: Vec<String> = Person::columns().into_iter().map(|column| column.name).collect();
        for absent in ["nhs_number", "postcode", "date_of_birth", "practice"] {
            assert!(!names.iter().any(|name| name == absent), "{absent}");
        }
        let bytes = write_parquet(&[Person::of(&row("a", true), date(2025, 11, 1))]).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!has("E01018223") && !has("Y61") && !has("9434765919") && !has("CB3"));
        let contacts: Vec<String> = Contact::columns().into_iter().map(|column| column.name).collect();
        assert!(!contacts.contains(&"message_id".to_owned()) && !contacts.contains(&"explanation".to_owned()));
    }
}
