//! The feed files of a phase, written row by row.

use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;

use super::columns::{self, BOOKINGS, COHORTS, Change, DEMOGRAPHICS, VACCINATIONS};
use super::draw::Draw;
use super::history::{self, days_from};
use super::household::{self, BLOCK};
use super::person::{self, person_in};
use super::{
    Address, Appointment, AppointmentStatus, Dose, Geography, LateChange, PopulationError, Removal, Settings,
    SyntheticPerson, Vaccine,
};

/// Which drop of feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Everybody, before anything is selected.
    Initial,
    /// What changed between selection and release, for about 3 % of people.
    Late,
}

/// A feed file, and what its intake should make of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedFile {
    /// Where it is; the name is the one to drop it under.
    pub path: PathBuf,
    /// `demographics`, `cohorts`, `bookings`, `flu` or `covid`.
    pub feed: &'static str,
    /// Data rows, the sum of the next three.
    pub rows: u64,
    /// Rows to accept (rows that are older than what is held among them).
    pub accepted: u64,
    /// Rows to reject: invalid NHS number, date in the future, unknown ACTION_FLAG.
    pub rejected: u64,
    /// Vaccination rows that repeat an earlier NEW row of the file word for word.
    pub repeated: u64,
}

/// The files of a phase in the order in which to drop them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedFiles {
    /// The files.
    pub files: Vec<FeedFile>,
}

impl FeedFiles {
    /// Rows to accept in all files.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.files.iter().map(|file| file.accepted).sum()
    }

    /// Rows to reject in all files.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.files.iter().map(|file| file.rejected).sum()
    }
}

/// One deliberately bad row of each kind, and one repeated row, is put in for this many people.
const FAULTS_EVERY: u64 = 5000;

pub(super) struct Out {
    meta: FeedFile,
    writer: csv::Writer<File>,
    repeated_in: Option<u64>, // the run of FAULTS_EVERY people that has had its repeated row
}

impl Out {
    pub(super) fn create(
        path: PathBuf,
        feed: &'static str,
        header: &[&str],
        delimiter: u8,
    ) -> Result<Self, PopulationError> {
        let terminator = if delimiter == b',' { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new()
            .delimiter(delimiter)
            .terminator(terminator)
            .buffer_capacity(1 << 18)
            .from_path(&path)
            .map_err(|source| PopulationError::Csv { path: path.clone(), source })?;
        writer.write_record(header).map_err(|source| PopulationError::Csv { path: path.clone(), source })?;
        let meta = FeedFile { path, feed, rows: 0, accepted: 0, rejected: 0, repeated: 0 };
        Ok(Self { meta, writer, repeated_in: None })
    }

    fn put(&mut self, row: &[String]) -> Result<(), PopulationError> {
        self.meta.rows += 1;
        self.writer.write_record(row).map_err(|source| PopulationError::Csv { path: self.meta.path.clone(), source })
    }

    pub(super) fn accept(&mut self, row: &[String]) -> Result<(), PopulationError> {
        self.meta.accepted += 1;
        self.put(row)
    }

    fn reject(&mut self, row: &[String]) -> Result<(), PopulationError> {
        self.meta.rejected += 1;
        self.put(row)
    }

    pub(super) fn finish(mut self) -> Result<FeedFile, PopulationError> {
        let path = self.meta.path.clone();
        self.writer.flush().map_err(|source| PopulationError::Io { path, source })?;
        Ok(self.meta)
    }
}

struct Feeds<'a> {
    settings: &'a Settings,
    geography: &'a Geography,
    demographics: Out,
    cohorts: Out,
    bookings: Out,
    flu: Out,
    covid: Out,
}

/// Writes the files of a phase into a directory, which is made if need be. The same settings and geography give the same
/// bytes; memory does not grow with the number of people.
///
/// Late changes to one person, and only one, are in [`SyntheticPerson::late`]. Each kind of change, and so each reason for
/// which an invitation may be suppressed, happens to somebody over 80 among the first thousand people.
///
/// # Errors
/// When the directory or a file cannot be written.
pub fn write_feeds(
    settings: &Settings,
    geography: &Geography,
    out_dir: &Path,
    phase: Phase,
) -> Result<FeedFiles, PopulationError> {
    std::fs::create_dir_all(out_dir).map_err(|source| PopulationError::Io { path: out_dir.to_owned(), source })?;
    let hour = match phase {
        Phase::Initial => 5,
        Phase::Late => 15,
    };
    let named = |name: &str, minute: i8| {
        out_dir.join(format!("{name}_{}00.csv", columns::moment(settings.business_date.at(hour, minute, 0, 0))))
    };
    let mut feeds = Feeds {
        settings,
        geography,
        demographics: Out::create(named("Demographics_v1_X26", 0), "demographics", &DEMOGRAPHICS, b',')?,
        cohorts: Out::create(named("Cohorts_v1_X26", 1), "cohorts", &COHORTS, b',')?,
        bookings: Out::create(named("Bookings_v1_X26", 2), "bookings", &BOOKINGS, b',')?,
        flu: Out::create(named("FLU_Vaccinations_v5_YGA", 3), "flu", &VACCINATIONS, b'|')?,
        covid: Out::create(named("COVID_Vaccinations_v5_YGM41", 4), "covid", &VACCINATIONS, b'|')?,
    };
    for number in 0..settings.people.div_ceil(BLOCK) {
        let block = household::block(settings, geography, number);
        for i in number * BLOCK..settings.people.min((number + 1) * BLOCK) {
            let person = person_in(settings, geography, &block, i);
            match phase {
                Phase::Initial => feeds.initial(&person)?,
                Phase::Late => feeds.late(&person)?,
            }
        }
    }
    let Feeds { demographics, cohorts, bookings, flu, covid, .. } = feeds;
    let files = [demographics, cohorts, bookings, flu, covid].into_iter().map(Out::finish).collect::<Result<_, _>>()?;
    Ok(FeedFiles { files })
}

pub(super) fn source(label: &str) -> &'static str {
    match label {
        "at_risk" => "clinical_risk",
        "clinically_extremely_vulnerable" => "shielded_list",
        "care_home_residents" | "care_home_staff" => "care_homes",
        "health_social_care_staff" => "staff",
        "carers" => "carers",
        ims_domain::person::IN_CUSTODY => "prisons",
        _ => "national_preferences",
    }
}

impl Feeds<'_> {
    fn initial(&mut self, person: &SyntheticPerson) -> Result<(), PopulationError> {
        self.initial_demographics(person)?;
        let today = self.settings.business_date;
        let mut draw = Draw::new(self.settings.seed, "cohorts", person.index);
        for &label in &person.cohorts {
            self.cohort(person, label, "JOIN", days_from(today, -2 - draw.below(600) as i64))?;
        }
        if person.index % 100 == 3 && !person.has("carers") {
            // A membership that ended, told in the wrong order: the later date must win, not the later row.
            self.cohort(person, "carers", "LEAVE", days_from(today, -40))?;
            self.cohort(person, "carers", "JOIN", days_from(today, -400))?;
        }
        for held in &person.appointments {
            self.bookings.accept(&columns::booking(self.geography, person, held))?;
        }
        for dose in &person.doses {
            self.dose(person, dose, "NEW")?;
        }
        self.faults(person)
    }

    fn initial_demographics(&mut self, person: &SyntheticPerson) -> Result<(), PopulationError> {
        let at = days_from(self.settings.business_date, -1).at(3, 0, 0, 0);
        let before = days_from(self.settings.business_date, -200).at(3, 0, 0, 0);
        let row = |person: &SyntheticPerson, record_type: &str, at: DateTime, serial: u64| {
            columns::demographics(self.geography, person, &Change { record_type, at, serial })
        };
        let mut rows = Vec::with_capacity(3);
        match &person.previous_address {
            None => rows.push(row(person, "ADD", at, 1)),
            Some(previous) => {
                let there = SyntheticPerson { address: previous.clone(), ..person.clone() };
                rows.push(row(&there, "ADD", before, 1));
                rows.push(row(person, "AMENDED", at, 2));
                // Every other mover's rows come in the wrong order.
                if person.index.is_multiple_of(2) {
                    rows.reverse();
                }
            }
        }
        if let Some(second) = &person.second {
            let mut stale = row(person, "ADD", before, 1);
            stale[3].clone_from(&second.nhs_number);
            if second.superseded {
                stale[4].clone_from(&person.nhs_number);
            }
            rows.push(stale);
        }
        rows.iter().try_for_each(|row| self.demographics.accept(row))
    }

    fn cohort(
        &mut self,
        person: &SyntheticPerson,
        label: &str,
        action: &str,
        date: jiff::civil::Date,
    ) -> Result<(), PopulationError> {
        let row = [
            person.nhs_number.clone(),
            label.to_owned(),
            action.to_owned(),
            columns::day(date),
            source(label).to_owned(),
        ];
        self.cohorts.accept(&row)
    }

    fn vaccinations(&mut self, vaccine: Vaccine) -> &mut Out {
        match vaccine {
            Vaccine::Flu => &mut self.flu,
            Vaccine::Covid => &mut self.covid,
        }
    }

    fn dose(&mut self, person: &SyntheticPerson, dose: &Dose, action: &str) -> Result<(), PopulationError> {
        let row = columns::vaccination(self.geography, person, dose, action);
        let run = person.index / FAULTS_EVERY;
        let out = self.vaccinations(dose.vaccine);
        out.accept(&row)?;
        if action == "NEW" && out.repeated_in != Some(run) {
            out.repeated_in = Some(run);
            out.meta.repeated += 1;
            out.put(&row)?;
        }
        Ok(())
    }

    fn faults(&mut self, person: &SyntheticPerson) -> Result<(), PopulationError> {
        let fault = person.index % FAULTS_EVERY;
        if !(7..=9).contains(&fault) {
            return Ok(());
        }
        for vaccine in [Vaccine::Flu, Vaccine::Covid] {
            let mut draw = Draw::new(self.settings.seed, vaccine.code(), person.index);
            let day = days_from(self.settings.business_date, -3);
            let site = self.geography.lsoas[person.lsoa].site;
            let dose = history::dose(&mut draw, vaccine, 1, day, site);
            let mut row = columns::vaccination(self.geography, person, &dose, "NEW");
            match fault {
                7 => {
                    // The next digit up is never the check digit too.
                    let check = row[0].pop().and_then(|digit| digit.to_digit(10)).unwrap_or_default();
                    row[0].push_str(&((check + 1) % 10).to_string());
                }
                8 => row[6] = "20991231T09000000".to_owned(),
                _ => row[11] = "CREATE".to_owned(),
            }
            self.vaccinations(vaccine).reject(&row)?;
        }
        Ok(())
    }

    fn late(&mut self, person: &SyntheticPerson) -> Result<(), PopulationError> {
        let (settings, geography) = (self.settings, self.geography);
        let at = settings.business_date.at(13, 0, 0, 0);
        let today = settings.business_date;
        let Some(change) = person.late else {
            if person.index % 700 == 5 {
                // An old row sent again: nothing may change.
                let before = days_from(today, -200).at(3, 0, 0, 0);
                let old = Change { record_type: "ADD", at: before, serial: 1 };
                self.demographics.accept(&columns::demographics(geography, person, &old))?;
            }
            return Ok(());
        };
        let after = person.after_late_change(settings, geography);
        match change {
            LateChange::Dies
            | LateChange::Removed(_)
            | LateChange::Returns
            | LateChange::Invalidated
            | LateChange::Restricted
            | LateChange::Moves
            | LateChange::LosesContact
            | LateChange::BirthDateCorrected => {
                let left = matches!(change, LateChange::Removed("NIT" | "ORR"));
                let record_type = if left { "DEL" } else { "AMENDED" };
                let row = columns::demographics(geography, &after, &Change { record_type, at, serial: 11 });
                self.demographics.accept(&row)
            }
            LateChange::Merged => {
                let amended = Change { record_type: "AMENDED", at, serial: 11 };
                let mut row = columns::demographics(geography, person, &amended);
                if let Some(second) = &person.second {
                    row[3].clone_from(&second.nhs_number);
                    row[4].clone_from(&person.nhs_number);
                }
                self.demographics.accept(&row)
            }
            LateChange::LeavesRisk => person
                .cohorts
                .iter()
                .filter(|label| matches!(**label, "at_risk" | "clinically_extremely_vulnerable"))
                .try_for_each(|label| self.cohort(person, label, "LEAVE", today)),
            LateChange::Wishes(label) => self.cohort(person, label, "JOIN", today),
            LateChange::EntersCustody => self.cohort(person, ims_domain::person::IN_CUSTODY, "JOIN", today),
            LateChange::Books(_) | LateChange::Cancels => after
                .appointments
                .iter()
                .filter(|held| !person.appointments.contains(held))
                .try_for_each(|held| self.bookings.accept(&columns::booking(geography, person, held))),
            LateChange::Vaccinated(_) => after.doses.last().map_or(Ok(()), |dose| self.dose(person, dose, "NEW")),
            LateChange::DoseCorrected => after.doses.last().map_or(Ok(()), |dose| self.dose(person, dose, "UPDATE")),
            LateChange::DoseDeleted => person.doses.last().map_or(Ok(()), |dose| self.dose(person, dose, "DELETE")),
        }
    }
}

impl SyntheticPerson {
    /// The person once the late change, if there is one, has happened.
    #[must_use]
    pub fn after_late_change(&self, settings: &Settings, geography: &Geography) -> Self {
        let mut after = self.clone();
        let today = settings.business_date;
        let mut draw = Draw::new(settings.seed, "late detail", self.index);
        match self.late {
            None => {}
            Some(LateChange::Dies) => {
                after.death = Some((days_from(today, -1 - draw.below(6) as i64), draw.chance(0.6)));
            }
            Some(LateChange::Removed(reason)) => after.removal = Some(Removal { reason, from: today }),
            Some(LateChange::Returns) => after.removal = None,
            Some(LateChange::Merged) => {
                if let Some(second) = &mut after.second {
                    second.superseded = true;
                }
            }
            Some(LateChange::Invalidated) => after.invalidated = true,
            Some(LateChange::Restricted) => {
                after.restricted = true;
                after.withhold_contact(Address::default());
                after.practice = String::new();
            }
            Some(LateChange::LosesContact) => after.withhold_contact(person::no_fixed_abode()),
            Some(LateChange::Moves) => {
                let lsoa = if draw.chance(0.6) { self.lsoa } else { geography.draw(draw.unit()) };
                after.address = person::address(settings, geography, lsoa, draw.bits());
                after.lsoa = lsoa;
                after.imd_decile = geography.lsoas[lsoa].imd_decile;
                after.practice = person::practice(geography, lsoa, draw.below(2));
            }
            Some(LateChange::BirthDateCorrected) => {
                after.age = 31;
                after.date_of_birth = person::birth_date(&mut draw, settings, 31);
            }
            Some(LateChange::LeavesRisk) => {
                after.cohorts.retain(|label| !matches!(*label, "at_risk" | "clinically_extremely_vulnerable"));
            }
            Some(LateChange::Wishes(label)) => after.join(label),
            Some(LateChange::EntersCustody) => after.join(ims_domain::person::IN_CUSTODY),
            Some(LateChange::Books(vaccine)) => {
                let day = days_from(today, i64::from(draw.between(2, 14)));
                let (created, site) = (today.at(8, 20, 0, 0), geography.lsoas[self.lsoa].site);
                let held = history::appointment(&mut draw, vaccine, day, created, AppointmentStatus::Booked, site);
                after.appointments.push(held);
            }
            Some(LateChange::Cancels) => {
                for held in &mut after.appointments {
                    if held.status == AppointmentStatus::Booked {
                        *held = Appointment {
                            status: AppointmentStatus::Cancelled,
                            cancelled: Some(today.at(9, 45, 0, 0)),
                            ..held.clone()
                        };
                    }
                }
            }
            Some(LateChange::Vaccinated(vaccine)) => {
                let number = match vaccine {
                    Vaccine::Flu => 1,
                    Vaccine::Covid => 1 + self.doses.iter().filter(|dose| dose.vaccine == vaccine).count() as u8,
                };
                let site = geography.lsoas[self.lsoa].site;
                after.doses.push(history::dose(&mut draw, vaccine, number, days_from(today, -1), site));
            }
            Some(LateChange::DoseCorrected) => {
                if let Some(dose) = after.doses.last_mut() {
                    dose.batch = format!("{}C", dose.batch);
                }
            }
            Some(LateChange::DoseDeleted) => {
                after.doses.pop();
            }
        }
        after
    }

    fn join(&mut self, label: &'static str) {
        if !self.has(label) {
            self.cohorts.push(label);
        }
    }

    fn withhold_contact(&mut self, address: Address) {
        self.address = address;
        self.telephone.clear();
        self.mobile.clear();
        self.email.clear();
    }
}
