//! The people of a run: of each sort that scenarios name, made known to the stack by one demographics file.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail};
use ims_testkit::population::nhs_number;
use ims_tests::rows::{demographics, demographics_file};

/// People whose GP, names and numbers are in the demographics feed.
const REGISTERED: u64 = 40;
/// The practice at which they are registered.
pub const PRACTICE: &str = "Y02274";
/// First of the people of all runs, and how many each run has room for.
const FIRST: u64 = 200_000;
const ROOM: u64 = 400;
const RUNS: u64 = 1_600;

/// Whom a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patient {
    /// NHS number, where it has one.
    pub number: Option<String>,
    /// Family name.
    pub family: String,
    /// Given name.
    pub given: String,
    /// FHIR's word for the sex.
    pub gender: &'static str,
    /// Date of birth, `YYYY-MM-DD`.
    pub birth: String,
    /// Postcode.
    pub postcode: String,
    /// Practice, where the demographics feed names one.
    pub practice: Option<&'static str>,
    /// Whether whereabouts are withheld.
    pub restricted: bool,
}

/// The people of a run.
#[derive(Debug)]
pub struct People {
    base: u64,
    serial: u64,
    next: AtomicUsize,
}

/// A sort of people, by the names that scenarios give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Registered,
    Restricted,
    Superseded,
    WithoutPractice,
    Unknown,
    WithoutNumber,
}

fn sort(name: &str) -> Option<Sort> {
    Some(match name {
        "Random" | "Valid_NHS" | "ValidNHS" => Sort::Registered,
        "SFlag" => Sort::Restricted,
        "OldNHSNo" | "SupersedeNhsNo" => Sort::Superseded,
        "NO_GP_NHS" => Sort::WithoutPractice,
        // Numbers that are valid, and of nobody whom the demographics feed knows.
        "InvalidInPDS" | "Invalid_NHS" | "Mod11_NHS" => Sort::Unknown,
        "NullNHS" | "NUllNHS" => Sort::WithoutNumber,
        _ => return None,
    })
}

impl People {
    /// The people of the run that begins at this second since 1970.
    #[must_use]
    pub fn of_run(second: u64) -> Self {
        Self { base: FIRST + second / 10 % RUNS * ROOM, serial: second, next: AtomicUsize::new(0) }
    }

    /// Somebody of a sort; everybody else for every call, apart from those registered, who take turns.
    ///
    /// # Errors
    /// Where there is no such sort.
    pub fn patient(&self, name: &str) -> Result<Patient> {
        let Some(sort) = sort(name) else { bail!("no sort of patient is called '{name}'") };
        let turn = self.next.fetch_add(1, Ordering::Relaxed) as u64;
        let place = match sort {
            Sort::Registered => turn % REGISTERED,
            // Four each, after those registered.
            Sort::Restricted => REGISTERED + turn % 4,
            Sort::Superseded => REGISTERED + 4 + turn % 4,
            Sort::WithoutPractice => REGISTERED + 12 + turn % 4,
            Sort::Unknown | Sort::WithoutNumber => REGISTERED + 16 + turn % (ROOM - REGISTERED - 16),
        };
        Ok(self.person(place, sort))
    }

    fn person(&self, place: u64, sort: Sort) -> Patient {
        const GIVEN: [&str; 5] = ["Ada", "Grace", "Alan", "Mary", "Edward"];
        let letters: String = format!("{place:03}").bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
        Patient {
            number: (sort != Sort::WithoutNumber).then(|| nhs_number(self.base + place)),
            family: format!("Tester{letters}"),
            given: GIVEN[usize::try_from(place % 5).unwrap_or_default()].to_owned(),
            gender: ["female", "male", "other", "unknown"][usize::try_from(place % 4).unwrap_or_default()],
            birth: format!("19{:02}-{:02}-{:02}", 50 + place % 45, 1 + place % 12, 1 + place % 28),
            postcode: "LS01 1AB".to_owned(),
            practice: matches!(sort, Sort::Registered | Sort::Restricted | Sort::Superseded).then_some(PRACTICE),
            restricted: sort == Sort::Restricted,
        }
    }

    /// The demographics file that makes the people known; `stamp` is the time of its rows.
    #[must_use]
    pub fn file(&self, stamp: &str) -> Vec<u8> {
        let mut rows = Vec::new();
        let mut serial = self.serial * 1_000;
        let mut add = |place: u64, sort: Sort, changes: &[(&str, &str)]| {
            let patient = self.person(place, sort);
            serial += 1;
            let (number, serial) = (patient.number.unwrap_or_default(), serial.to_string());
            let birth = patient.birth.replace('-', "");
            let mut all = vec![
                ("NHS_NUMBER", number.as_str()),
                ("CHANGE_TIME_STAMP", stamp),
                ("SERIAL_CHANGE_NUMBER", &serial),
                ("PRIMARY_CARE_PROVIDER", patient.practice.unwrap_or_default()),
                ("GIVEN_NAME", &patient.given),
                ("FAMILY_NAME", &patient.family),
                ("DATE_OF_BIRTH", &birth),
                ("GENDER", gender_code(patient.gender)),
                ("POSTCODE", &patient.postcode),
            ];
            all.splice(0..0, changes.iter().copied());
            rows.push(demographics(&all));
        };
        for place in 0..REGISTERED {
            add(place, Sort::Registered, &[]);
        }
        for place in 0..4 {
            add(REGISTERED + place, Sort::Restricted, &[("RESTRICTED", "1")]);
            // The number that takes the old one's place is somebody's own.
            let newer = nhs_number(self.base + REGISTERED + 8 + place);
            add(REGISTERED + 8 + place, Sort::Registered, &[]);
            add(REGISTERED + 4 + place, Sort::Superseded, &[("SUPERSEDED_BY_NHS_NUMBER", newer.as_str())]);
            add(REGISTERED + 12 + place, Sort::WithoutPractice, &[]);
        }
        demographics_file(&rows)
    }
}

/// The code of files for a sex: 1 male, 2 female, 9 other, 0 not known; for what is none of these words, itself.
#[must_use]
pub fn gender_code(word: &str) -> &str {
    match word {
        "male" => "1",
        "female" => "2",
        "other" => "9",
        "unknown" => "0",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_sort_has_people_of_its_own_and_the_file_names_those_it_should() {
        let people = People::of_run(1_764_000_000);
        let mut numbers = BTreeSet::new();
        for sort in ["Random", "SFlag", "OldNHSNo", "NO_GP_NHS", "InvalidInPDS"] {
            let patient = people.patient(sort).unwrap();
            assert!(numbers.insert(patient.number.clone().unwrap()), "{sort}");
            let file = String::from_utf8(people.file("20251006T153000")).unwrap();
            assert_eq!(file.contains(patient.number.as_deref().unwrap()), sort != "InvalidInPDS", "{sort}");
        }
        assert_eq!(people.patient("NullNHS").unwrap().number, None);
        assert!(people.patient("Nobody").is_err());
    }
}
