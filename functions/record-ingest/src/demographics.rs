//! Rows of the demographics feed. A row replaces everything that was known.

use ims_domain::ids::stable_hash;
use ims_domain::person::{Death, Demographics, Gender, States};
use ims_domain::record::Change;
use ims_domain::{NhsNumber, postcode};
use jiff::civil::Date;

use crate::feed::DEMOGRAPHICS;
use crate::fields::{Fields, RowErrors};

/// Why a row is refused that contradicts another of the same place.
pub const OTHER_CONTENT: &str =
    "Validation errors: SERIAL_CHANGE_NUMBER must be one that no other row of the person with other content has";

/// Reads a row as it stands on a business day.
///
/// # Errors
/// Names every field that cannot be used.
pub fn read(values: &[String], today: Date) -> Result<(NhsNumber, Change), RowErrors> {
    let mut row = Fields::new(&DEMOGRAPHICS, values, today);
    let number = row.nhs_number("NHS_NUMBER");
    let deleted = row.one_of("RECORD_TYPE", "ADD, AMENDED or DEL", |text| match text {
        "ADD" | "AMENDED" => Some(false),
        "DEL" => Some(true),
        _ => None,
    });
    let changed = row.required("CHANGE_TIME_STAMP").and_then(|_| row.past_moment("CHANGE_TIME_STAMP"));
    let serial = row.one_of("SERIAL_CHANGE_NUMBER", "a whole number from 1", |text| {
        text.parse().ok().filter(|serial: &u64| *serial > 0 && text.bytes().all(|byte| byte.is_ascii_digit()))
    });
    let superseded_by = match row.text("SUPERSEDED_BY_NHS_NUMBER") {
        "" => None,
        _ => row.nhs_number("SUPERSEDED_BY_NHS_NUMBER"),
    };
    if superseded_by.is_some() && superseded_by == number {
        row.refuse("SUPERSEDED_BY_NHS_NUMBER", "another number than NHS_NUMBER");
    }
    let date_of_birth = row.past_day("DATE_OF_BIRTH");
    let gender = row.one_of("GENDER", "1, 2, 9 or 0", |text| match text {
        "" => Some(Gender::Unknown),
        code => Gender::from_code(code),
    });
    let imd_decile = row.one_of("IMD_DECILE", "a number from 1 to 10", |text| match text {
        "" => Some(0),
        text => text.parse().ok().filter(|decile| (1..=10).contains(decile)),
    });
    let ethnic_category = row.ethnic_category("ETHNIC_CATEGORY");
    let died = row.past_day("DATE_OF_DEATH");
    let formal = row.one_of("DEATH_STATUS", "1 or 2", |text| match text {
        "" => Some(None),
        "1" => Some(Some(false)),
        "2" => Some(Some(true)),
        _ => None,
    });
    row.past_day("REASON_FOR_REMOVAL_FROM");
    let (interpreter, restricted, invalidated) =
        (row.flag("IS_INTERPRETER_REQUIRED"), row.flag("RESTRICTED"), row.flag("INVALID_FLAG"));
    let text = |field| row.text(field).to_owned();
    let content = (|| {
        let restricted = restricted?;
        // A restricted person's whereabouts are not kept even where a row gives them.
        let open = |field| if restricted { String::new() } else { text(field) };
        let lines = ["ADDRESS_LINE_1", "ADDRESS_LINE_2", "ADDRESS_LINE_3", "ADDRESS_LINE_4", "ADDRESS_LINE_5"];
        let demographics = Demographics {
            serial: serial?,
            changed: changed?.to_owned(),
            digest: stable_hash(&values.join("\u{1f}")),
            given_name: text("GIVEN_NAME"),
            family_name: text("FAMILY_NAME"),
            date_of_birth: date_of_birth?,
            gender: gender?,
            address_lines: lines.into_iter().map(open).filter(|line| !line.is_empty()).collect(),
            postcode: postcode::normalise(&open("POSTCODE")),
            lsoa: open("LSOA"),
            msoa: open("MSOA"),
            sub_icb: open("SUB_ICB"),
            icb: open("ICB"),
            region: open("REGION"),
            imd_decile: if restricted { 0 } else { imd_decile? },
            ethnic_category: ethnic_category?.to_owned(),
            practice: open("PRIMARY_CARE_PROVIDER"),
            telephone: open("TELEPHONE_NUMBER"),
            mobile: open("MOBILE_NUMBER"),
            email: open("EMAIL_ADDRESS"),
            language: text("PREFERRED_LANGUAGE"),
            interpreter: interpreter?,
        };
        let (died, formal) = (died?, formal?);
        let reason = text("REASON_FOR_REMOVAL");
        let states = States {
            dead: (died.is_some() || formal.is_some()).then(|| Death { date: died, formal: formal.unwrap_or(false) }),
            removed: match reason.as_str() {
                "" => deleted?.then(|| "DEL".to_owned()),
                _ => Some(reason),
            },
            superseded_by,
            invalidated: invalidated?,
            restricted,
        };
        Some((number?, Change::Demographics(Box::new((demographics, states)))))
    })();
    row.finish(content)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use jiff::civil::date;

    /// A row with these fields changed.
    pub(crate) fn row(changes: &[(&str, &str)]) -> Vec<String> {
        let mut values = vec![String::new(); DEMOGRAPHICS.len()];
        let base = [
            ("RECORD_TYPE", "ADD"),
            ("CHANGE_TIME_STAMP", "20250930T030000"),
            ("SERIAL_CHANGE_NUMBER", "1"),
            ("NHS_NUMBER", "9990000018"),
            ("GIVEN_NAME", "Ada"),
            ("FAMILY_NAME", "Byron"),
            ("DATE_OF_BIRTH", "19500115"),
            ("GENDER", "2"),
            ("ADDRESS_LINE_1", "1 High Street"),
            ("ADDRESS_LINE_3", "Cambridge"),
            ("POSTCODE", "cb38dx"),
            ("MOBILE_NUMBER", "07700900001"),
        ];
        for (field, value) in base.iter().chain(changes) {
            let place = DEMOGRAPHICS.iter().position(|column| column == field).unwrap();
            values[place] = (*value).to_owned();
        }
        values
    }

    fn read_states(changes: &[(&str, &str)]) -> States {
        match read(&row(changes), date(2025, 10, 1)).unwrap().1 {
            Change::Demographics(row) => row.1,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_row_gives_demographics() {
        let (number, change) = read(&row(&[]), date(2025, 10, 1)).unwrap();
        assert_eq!(number.to_string(), "9990000018");
        let Change::Demographics(row) = change else { panic!() };
        assert_eq!(row.0.postcode, "CB3 8DX");
        assert_eq!(row.0.address_lines, ["1 High Street", "Cambridge"]);
        assert_eq!(row.1, States::default());
    }

    #[test]
    fn states_are_as_the_row_says() {
        let dead = |changes: &[(&str, &str)]| read_states(changes).dead;
        assert_eq!(dead(&[("DEATH_STATUS", "1")]), Some(Death { date: None, formal: false }));
        assert_eq!(
            dead(&[("DATE_OF_DEATH", "20250901"), ("DEATH_STATUS", "2")]),
            Some(Death { date: Some(date(2025, 9, 1)), formal: true })
        );
        let removed = |changes: &[(&str, &str)]| read_states(changes).removed;
        assert_eq!(removed(&[("RECORD_TYPE", "DEL")]).as_deref(), Some("DEL"));
        assert_eq!(removed(&[("RECORD_TYPE", "DEL"), ("REASON_FOR_REMOVAL", "EMB")]).as_deref(), Some("EMB"));
        assert_eq!(removed(&[("REASON_FOR_REMOVAL", "SCT")]).as_deref(), Some("SCT"));
        assert!(read_states(&[("INVALID_FLAG", "1")]).invalidated);
        assert!(read_states(&[("SUPERSEDED_BY_NHS_NUMBER", "9434765919")]).superseded_by.is_some());
    }

    #[test]
    fn where_a_restricted_person_lives_is_not_kept() {
        let (_, change) = read(&row(&[("RESTRICTED", "1"), ("LSOA", "E01000001")]), date(2025, 10, 1)).unwrap();
        let Change::Demographics(row) = change else { panic!() };
        assert!(row.1.restricted);
        assert!(row.0.address_lines.is_empty() && row.0.postcode.is_empty());
        assert!(row.0.lsoa.is_empty() && row.0.mobile.is_empty());
    }

    #[test]
    fn errors_name_the_field_and_hide_its_value() {
        for (field, value) in [
            ("NHS_NUMBER", "9990000019"),
            ("NHS_NUMBER", ""),
            ("RECORD_TYPE", "add"),
            ("CHANGE_TIME_STAMP", ""),
            ("CHANGE_TIME_STAMP", "20251002T090000"),
            ("SERIAL_CHANGE_NUMBER", "0"),
            ("SERIAL_CHANGE_NUMBER", "+1"),
            ("SUPERSEDED_BY_NHS_NUMBER", "9990000018"),
            ("DATE_OF_BIRTH", "20251002"),
            ("DATE_OF_BIRTH", "1950-01-15"),
            ("GENDER", "3"),
            ("IMD_DECILE", "11"),
            ("ETHNIC_CATEGORY", "Z0"),
            ("DATE_OF_DEATH", "20251002"),
            ("DEATH_STATUS", "3"),
            ("RESTRICTED", "Y"),
        ] {
            let error = read(&row(&[(field, value)]), date(2025, 10, 1)).unwrap_err();
            assert!(error.to_string().starts_with(&format!("Validation errors: {field} must be ")), "{error}");
            assert!(value.len() < 10 || !format!("{error:?} {error}").contains(value), "{error}");
        }
        let two = read(&row(&[("GENDER", "3"), ("RESTRICTED", "2")]), date(2025, 10, 1)).unwrap_err();
        assert_eq!(two.to_string(), "Validation errors: GENDER must be 1, 2, 9 or 0; RESTRICTED must be 0 or 1");
        let short = read(&row(&[])[..33], date(2025, 10, 1)).unwrap_err();
        assert!(short.to_string().contains("The row must be 34 fields"), "{short}");
    }
}
