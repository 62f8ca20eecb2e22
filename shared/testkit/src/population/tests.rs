use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use ims_domain::NhsNumber;
use jiff::civil::date;

use super::behaviour::{Course, Step, booking, call_outcome, dose_given, fhir_immunization, response, uptake};
use super::*;

/// A directory of its own for a test, removed when it ends.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ims-population-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Two areas of each region and one site each, of every depth of deprivation.
fn geography(dir: &Path) -> Geography {
    let mut lsoas =
        "lsoa,lsoa_name,msoa,msoa_name,sub_icb,sub_icb_name,icb,icb_name,region,region_name,latitude,longitude,\
        hospital_minutes,hospital_postcode,site_code,imd_decile\n"
            .to_owned();
    let mut sites = "site_code,postcode,name,latitude,longitude,icb,icb_name,region,region_name\n".to_owned();
    let regions = ["Y56", "Y58", "Y59", "Y60", "Y61", "Y62", "Y63"];
    for (n, region) in regions.into_iter().enumerate() {
        sites += &format!("V900{n},B{n} 2TH,\"Hospital, {n}\",52.{n},-1.{n},Q0{n},ICB {n},{region},Region {n}\n");
        for (k, decile) in [1, 3, 5, 6, 8, 10].into_iter().enumerate() {
            lsoas += &format!(
                "E0100{n}{k}00,Town {n} 00{k}A,E0290{n}{k}00,Town {n} 00{k},0{n}A,Sub {n},Q0{n},ICB {n},{region},Region {n},\
                 52.{n}{k},-1.{n}{k},{}.5,B{n} 2TH,V900{n},{decile}\n",
                10 + k
            );
        }
    }
    std::fs::write(dir.join("lsoa.csv"), lsoas).unwrap();
    std::fs::write(dir.join("sites.csv"), sites).unwrap();
    Geography::load(dir).unwrap()
}

fn settings(people: u64) -> Settings {
    Settings { people, seed: 7, business_date: date(2020, 12, 14) }
}

fn people(settings: &Settings, geography: &Geography) -> Vec<SyntheticPerson> {
    (0..settings.people).map(|i| person(settings, geography, i)).collect()
}

fn read(file: &FeedFile) -> (Vec<String>, Vec<HashMap<String, String>>) {
    let delimiter = if matches!(file.feed, "flu" | "covid") { b'|' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_path(&file.path).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader.deserialize().map(Result::unwrap).collect();
    (header, rows)
}

fn share(of: &[SyntheticPerson], which: impl Fn(&SyntheticPerson) -> bool) -> f64 {
    of.iter().filter(|person| which(person)).count() as f64 / of.len() as f64 * 100.0
}

#[test]
fn the_same_seed_writes_the_same_bytes_and_another_does_not() {
    let dir = Directory::new("bytes");
    let places = geography(&dir.0);
    let bytes = |seed, name: &str| {
        let (initial, late) = generate(&Settings { seed, ..settings(1_500) }, &places, &dir.0.join(name)).unwrap();
        let files = initial.files.iter().chain(&late.files);
        files.map(|file| std::fs::read(&file.path).unwrap()).collect::<Vec<_>>()
    };
    let first = bytes(7, "a");
    assert_eq!(first, bytes(7, "b"));
    assert_ne!(first, bytes(8, "c"));
}

#[test]
fn a_person_does_not_depend_on_who_else_is_asked_for() {
    let dir = Directory::new("alone");
    let places = geography(&dir.0);
    let all = people(&settings(500), &places);
    for i in [0, 17, 123, 499] {
        assert_eq!(person(&settings(1_000_000), &places, i), all[i as usize]);
    }
    // Households are of neighbours at one address.
    for one in &all {
        let head = &all[one.household as usize];
        assert!(one.index - head.index < 10 && head.lsoa == one.lsoa);
    }
}

#[test]
fn twenty_thousand_people_look_like_england() {
    let dir = Directory::new("shares");
    let places = geography(&dir.0);
    let settings = settings(20_000);
    let all = people(&settings, &places);
    let near = |name: &str, percent: f64, from: f64, to: f64| {
        assert!((from..=to).contains(&percent), "{name}: {percent:.2} is not in {from}–{to}");
    };
    let aged = |from: u8, to: u8| all.iter().filter(|p| (from..=to).contains(&p.age)).cloned().collect::<Vec<_>>();
    near("aged 0–17", share(&all, |p| p.age < 18), 20.0, 22.8);
    near("aged 65+", share(&all, |p| p.age >= 65), 17.2, 19.8);
    near("aged 80+", share(&all, |p| p.age >= 80), 4.3, 5.8);
    near("London", share(&all, |p| places.lsoas[p.lsoa].region == "Y56"), 15.4, 16.5);
    let white = |p: &SyntheticPerson| p.ethnic_group == EthnicGroup::White;
    near("White", share(&all, white), 78.0, 84.0);
    let london: Vec<_> = all.iter().filter(|p| places.lsoas[p.lsoa].region == "Y56").cloned().collect();
    near("White in London", share(&london, white), 48.0, 60.0);
    assert!(share(&aged(65, 120), white) > share(&aged(0, 17), white) + 10.0, "the old are more often White");
    near("female over 85", share(&aged(85, 120), |p| p.gender.code() == "2"), 57.0, 70.0);
    near("at risk, school age", share(&aged(5, 15), |p| p.has("at_risk")), 6.8, 9.8);
    near("at risk, working age", share(&aged(16, 69), |p| p.has("at_risk")), 18.0, 21.2);
    near("at risk, 70+", share(&aged(70, 120), |p| p.has("at_risk")), 63.0, 69.5);
    near("dead", share(&all, |p| p.death.is_some()), 0.7, 1.3);
    near("restricted", share(&all, |p| p.restricted), 0.1, 0.3);
    near("second numbers", share(&all, |p| p.second.is_some()), 2.0, 2.6);
    near("late changes", share(&all, |p| p.late.is_some()), 2.3, 3.5);
    near("adults with a mobile", share(&aged(18, 120), |p| !p.mobile.is_empty()), 84.0, 93.0);
    let mut holders: HashMap<&str, u32> = HashMap::new();
    all.iter().filter(|p| !p.mobile.is_empty()).for_each(|p| *holders.entry(&p.mobile).or_default() += 1);
    let shared: u32 = holders.values().filter(|&&n| n > 1).sum();
    near("shared mobiles", f64::from(shared) / holders.values().sum::<u32>() as f64 * 100.0, 1.5, 4.5);
    let last_season = |p: &SyntheticPerson| p.doses.iter().any(|d| d.at.date() < date(2020, 9, 1));
    near("last season's flu dose at 65+", share(&aged(65, 120), last_season), 72.0, 78.0);
    // Nobody lives without an adult, but for a child in a very young block.
    let homes: HashSet<u64> = all.iter().filter(|p| p.age >= 18).map(|p| p.household).collect();
    near("children without an adult", share(&aged(0, 17), |p| !homes.contains(&p.household)), 0.0, 0.3);

    let numbers: HashSet<&str> = all
        .iter()
        .flat_map(|p| std::iter::once(p.nhs_number.as_str()).chain(p.second.as_ref().map(|s| s.nhs_number.as_str())))
        .collect();
    let second = all.iter().filter(|p| p.second.is_some()).count();
    assert_eq!(numbers.len(), 20_000 + second);
    assert!(numbers.iter().all(|number| number.starts_with("999") && number.parse::<NhsNumber>().is_ok()));
    for person in &all {
        let years = settings.business_date.since((jiff::Unit::Year, person.date_of_birth)).unwrap().get_years();
        assert_eq!(years, i16::from(person.age), "{}", person.date_of_birth);
    }
}

#[test]
fn feeds_have_the_exact_columns_and_the_counts_they_promise() {
    let dir = Directory::new("feeds");
    let places = geography(&dir.0);
    let settings = settings(6_000);
    let (initial, late) = generate(&settings, &places, &dir.0.join("out")).unwrap();
    for (phase, files) in [("initial", &initial), ("late", &late)] {
        let names: Vec<_> = files.files.iter().map(|f| f.path.file_name().unwrap().to_str().unwrap()).collect();
        let hour = if phase == "initial" { "05" } else { "15" };
        assert_eq!(
            names,
            [
                format!("Demographics_v1_X26_20201214T{hour}000000.csv"),
                format!("Cohorts_v1_X26_20201214T{hour}010000.csv"),
                format!("Bookings_v1_X26_20201214T{hour}020000.csv"),
                format!("FLU_Vaccinations_v5_YGA_20201214T{hour}030000.csv"),
                format!("COVID_Vaccinations_v5_YGM41_20201214T{hour}040000.csv"),
            ]
        );
        for file in &files.files {
            let (header, rows) = read(file);
            let expected: &[&str] = match file.feed {
                "demographics" => &DEMOGRAPHICS,
                "cohorts" => &COHORTS,
                "bookings" => &BOOKINGS,
                _ => &VACCINATIONS,
            };
            assert_eq!(header, expected, "{phase} {}", file.feed);
            assert!(file.accepted > 0, "{phase} {} is empty", file.feed);
            assert_eq!(rows.len() as u64, file.rows);
            assert_eq!(file.rows, file.accepted + file.rejected + file.repeated);
            let bad = |row: &HashMap<String, String>| {
                row["NHS_NUMBER"].parse::<NhsNumber>().is_err()
                    || row.get("DATE_AND_TIME").is_some_and(|at| at.starts_with("2099"))
                    || row.get("ACTION_FLAG").is_some_and(|flag| !["NEW", "UPDATE", "DELETE"].contains(&flag.as_str()))
            };
            assert_eq!(rows.iter().filter(|row| bad(row)).count() as u64, file.rejected, "{phase} {}", file.feed);
        }
    }
    assert!(initial.rejected() >= 12, "three kinds, two files, two runs of people");
    assert_eq!(late.rejected(), 0);

    // Doses lie before the business date; corrected and deleted records exist.
    let known: HashSet<String> = initial.files[3..]
        .iter()
        .flat_map(|file| read(file).1)
        .filter(|row| !row["DATE_AND_TIME"].starts_with("2099"))
        .inspect(|row| assert!(row["DATE_AND_TIME"].as_str() < "20201214", "{}", row["DATE_AND_TIME"]))
        .map(|row| row["UNIQUE_ID"].clone())
        .collect();
    for row in late.files[3..].iter().flat_map(|file| read(file).1) {
        assert_eq!(known.contains(&row["UNIQUE_ID"]), row["ACTION_FLAG"] != "NEW", "{}", row["ACTION_FLAG"]);
    }
}

#[test]
fn whoever_is_restricted_has_no_address_and_no_telephone_in_any_file() {
    let dir = Directory::new("restricted");
    let places = geography(&dir.0);
    let settings = settings(6_000);
    let all = people(&settings, &places);
    let (initial, late) = generate(&settings, &places, &dir.0.join("out")).unwrap();
    let restricted =
        |late: bool| move |p: &&SyntheticPerson| p.restricted || (late && p.late == Some(LateChange::Restricted));
    for (files, late) in [(&initial, false), (&late, true)] {
        let numbers: HashSet<&str> = all.iter().filter(restricted(late)).map(|p| p.nhs_number.as_str()).collect();
        assert!(numbers.len() > 3);
        let mut seen = 0;
        for file in &files.files {
            for row in read(file).1.iter().filter(|row| numbers.contains(row["NHS_NUMBER"].as_str())) {
                seen += 1;
                assert_ne!(file.feed, "bookings", "a booking tells where somebody lives");
                for (column, value) in row {
                    let telling = column.starts_with("ADDRESS")
                        || ["POSTCODE", "LSOA", "MSOA", "SUB_ICB", "ICB", "REGION", "IMD_DECILE", "EMAIL_ADDRESS"]
                            .contains(&column.as_str())
                        || ["TELEPHONE_NUMBER", "MOBILE_NUMBER", "PRIMARY_CARE_PROVIDER"].contains(&column.as_str());
                    assert!(!telling || value.is_empty(), "{column} is {value}");
                    assert!(column != "PERSON_POSTCODE" || value == "ZZ99 3WZ", "{value}");
                }
            }
        }
        assert!(seen > 0);
    }
}

#[test]
fn every_late_change_happens_among_the_first_thousand_to_people_on_the_list() {
    let dir = Directory::new("late");
    let places = geography(&dir.0);
    let settings = settings(1_000);
    let certain: Vec<_> = people(&settings, &places).into_iter().filter(|p| p.index % 40 == 17).collect();
    assert_eq!(certain.len(), 25);
    for person in &certain {
        let after = person.after_late_change(&settings, &places);
        assert_ne!(&after, person, "{:?} changes something", person.late);
        let flu_now = |p: &SyntheticPerson| p.doses.iter().any(|d| d.at.date() >= season_start(settings.business_date));
        match person.late {
            Some(LateChange::Returns) => assert!(person.removal.is_some() && after.removal.is_none()),
            Some(LateChange::DoseDeleted) => assert!(flu_now(person) && !flu_now(&after)),
            Some(LateChange::DoseCorrected) => assert!(flu_now(person) && flu_now(&after)),
            Some(LateChange::LosesContact) => {
                assert!(!person.mobile.is_empty() && after.mobile.is_empty() && after.address.postcode == "ZZ99 3VZ");
            }
            Some(LateChange::BirthDateCorrected) => assert!(person.age >= 80 && after.age == 31),
            Some(LateChange::LeavesRisk) => assert!(person.has("at_risk") && !after.has("at_risk") && person.age == 45),
            Some(LateChange::Merged) => assert!(!person.second.as_ref().unwrap().superseded),
            _ => {
                assert!(!person.is_off_list() && !person.restricted && !flu_now(person) && person.age >= 80);
                assert!(person.cohorts.iter().all(|label| !label.starts_with("contact_") && *label != "in_custody"));
            }
        }
    }
}

#[test]
fn uptake_meets_its_anchors_and_falls_with_deprivation() {
    let dir = Directory::new("uptake");
    let places = geography(&dir.0);
    let settings = settings(4_000);
    let course = Course { campaign: "covid-2020", vaccine: Vaccine::Covid, dose: 1 };
    let base: Vec<_> = people(&settings, &places).into_iter().filter(|p| p.age >= 70).collect();
    let mean = |of: &[SyntheticPerson]| of.iter().map(|p| uptake(p, &course)).sum::<f64>() / of.len() as f64 * 100.0;
    let all_of =
        |code: &'static str| base.iter().map(|p| SyntheticPerson { ethnicity: code, ..p.clone() }).collect::<Vec<_>>();
    assert!((mean(&base) - 93.2).abs() < 1.0, "all: {}", mean(&base));
    assert!((mean(&all_of("N")) - 67.2).abs() < 6.0, "Black African: {}", mean(&all_of("N")));
    assert!((mean(&all_of("M")) - 73.8).abs() < 5.0, "Black Caribbean: {}", mean(&all_of("M")));
    let at = |decile| SyntheticPerson { imd_decile: decile, ..base[0].clone() };
    let odds = |p: f64| p / (1.0 - p);
    let ratio = odds(uptake(&at(1), &course)) / odds(uptake(&at(10), &course));
    assert!((ratio - 0.55).abs() < 0.01, "{ratio}");
}

#[test]
fn reminders_and_calls_bring_more_people_and_nobody_twice() {
    let dir = Directory::new("steps");
    let places = geography(&dir.0);
    let settings = settings(6_000);
    let course = Course { campaign: "flu-2020", vaccine: Vaccine::Flu, dose: 1 };
    let all: Vec<_> = people(&settings, &places).into_iter().filter(|p| p.age >= 50).collect();
    let comes = |p: &SyntheticPerson, step| {
        let answer = response(&settings, p, &course, step);
        answer.books_after_days.is_some() || answer.vaccinated_elsewhere_after_days.is_some_and(|days| days < 20)
    };
    let (mut invited, mut reminded, mut called, mut outcomes) = (0.0, 0.0, 0, HashMap::new());
    for person in &all {
        let steps = [Step::Invite, Step::Reminder, Step::Call].map(|step| comes(person, step));
        assert!(steps.iter().filter(|&&come| come).count() <= 1);
        invited += f64::from(u8::from(steps[0]));
        reminded += f64::from(u8::from(steps[1]));
        if !steps[0] && !steps[1] {
            let outcome = call_outcome(&settings, person, &course, 1);
            assert!(outcome != ims_domain::invitation::CallOutcome::Booked || steps[2]);
            *outcomes.entry(format!("{outcome:?}")).or_insert(0) += 1;
            called += 1;
        }
    }
    let ratio = (invited + reminded) / invited;
    assert!((1.2..1.4).contains(&ratio), "the reminder's risk ratio is {ratio:.2}");
    for outcome in ["NoAnswer", "Booked", "WillArrange", "Declined", "WrongNumber"] {
        assert!(outcomes.contains_key(outcome), "{outcome} in {outcomes:?} of {called}");
    }
}

#[test]
fn api_bodies_carry_the_person_the_dose_and_the_booking() {
    let dir = Directory::new("bodies");
    let places = geography(&dir.0);
    let settings = settings(100);
    let course = Course { campaign: "covid-2020", vaccine: Vaccine::Covid, dose: 2 };
    let one = person(&settings, &places, 42);
    let dose = dose_given(&settings, &places, &one, &course, date(2020, 12, 20).at(10, 5, 0, 0));
    let body = fhir_immunization(&places, &one, &dose);
    assert_eq!(body["contained"][1]["identifier"][0]["value"], one.nhs_number);
    assert_eq!(body["occurrenceDateTime"], "2020-12-20T10:05:00+00:00");
    assert_eq!(body["protocolApplied"][0]["doseNumberPositiveInt"], 2);
    assert_eq!(body["extension"][0]["valueCodeableConcept"]["coding"][0]["code"], "1324691000000104");
    let created = date(2020, 12, 15).at(9, 0, 0, 0);
    let held = behaviour::booking_made(&settings, &places, &one, &course, created, date(2020, 12, 20).at(10, 0, 0, 0));
    let body = booking(&places, &one, &held);
    assert_eq!(body.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>(), BOOKINGS);
    assert_eq!(body["APPOINTMENT_DATE_TIME"], "20201220T100000");
    assert_eq!(body["SERVICE"], "COVID");
}

#[test]
fn a_geography_with_a_wrong_value_is_refused_by_line_and_column() {
    let dir = Directory::new("wrong");
    geography(&dir.0);
    let text = std::fs::read_to_string(dir.0.join("lsoa.csv")).unwrap();
    std::fs::write(dir.0.join("lsoa.csv"), text.replacen(",V9003,", ",V0000,", 1)).unwrap();
    let error = Geography::load(&dir.0).unwrap_err().to_string();
    assert!(error.ends_with("lsoa.csv line 20: site_code is \"V0000\""), "{error}");
}
