//! Rows of the details feed: ethnic category and contact details as the person, a vaccinator or a cohort's keeper states them.

use ims_domain::NhsNumber;
use ims_domain::details::{Detail, Origin, Statement};
use ims_domain::record::{Change, Source};
use jiff::civil::Date;

use crate::feed::DETAILS;
use crate::fields::{Fields, RowErrors};

/// Longest telephone number or email address.
const LONGEST: usize = 200;

/// Reads a row as it stands on a business day.
///
/// # Errors
/// Names every field that cannot be used.
pub fn read(values: &[String], today: Date, source: &Source) -> Result<(NhsNumber, Change), RowErrors> {
    let mut row = Fields::new(&DETAILS, values, today);
    let number = row.nhs_number("NHS_NUMBER");
    let fields = "ETHNIC_CATEGORY, TELEPHONE_NUMBER, MOBILE_NUMBER, EMAIL_ADDRESS or PREFERRED_LANGUAGE";
    let detail = row.one_of("FIELD", fields, |text| match text {
        "ETHNIC_CATEGORY" => Some(Detail::EthnicCategory),
        "TELEPHONE_NUMBER" => Some(Detail::Telephone),
        "MOBILE_NUMBER" => Some(Detail::Mobile),
        "EMAIL_ADDRESS" => Some(Detail::Email),
        "PREFERRED_LANGUAGE" => Some(Detail::Language),
        _ => None,
    });
    let origin = row.one_of("SOURCE", "PERSON, VACCINATION or COHORT", |text| match text {
        "PERSON" => Some(Origin::Person),
        "VACCINATION" => Some(Origin::Vaccination),
        "COHORT" => Some(Origin::Cohort),
        _ => None,
    });
    let value = match detail {
        Some(Detail::EthnicCategory) => row.ethnic_category("VALUE"),
        _ => row.one_of("VALUE", "at most 200 characters", |text| (text.chars().count() <= LONGEST).then_some(text)),
    };
    let changed = row.required("CHANGE_TIME_STAMP").and_then(|_| row.past_moment("CHANGE_TIME_STAMP"));
    let content = (|| {
        let said = Statement { value: value?.to_owned(), changed: changed?.to_owned(), order: source.sort_key() };
        Some((number?, Change::Detail { detail: detail?, origin: origin?, said }))
    })();
    row.finish(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn read_row(values: [&str; 5]) -> Result<(NhsNumber, Change), RowErrors> {
        let source = Source { supplier: "X26".into(), file: "f".into(), order: "20251001T050000".into(), row: 7 };
        read(&values.map(str::to_owned), date(2025, 10, 1), &source)
    }

    #[test]
    fn a_row_is_a_statement_with_its_source_and_time() {
        let (_, change) =
            read_row(["9990000018", "MOBILE_NUMBER", "07700900001", "PERSON", "20251001T090000"]).unwrap();
        let said = Statement {
            value: "07700900001".into(),
            changed: "20251001T090000".into(),
            order: "20251001T050000#000000007".into(),
        };
        assert_eq!(change, Change::Detail { detail: Detail::Mobile, origin: Origin::Person, said });
        assert!(read_row(["9990000018", "MOBILE_NUMBER", "", "PERSON", "20251001T090000"]).is_ok(), "taken back");
    }

    #[test]
    fn errors_name_the_field() {
        for (values, field) in [
            (["123", "MOBILE_NUMBER", "1", "PERSON", "20251001T090000"], "NHS_NUMBER"),
            (["9990000018", "POSTCODE", "1", "PERSON", "20251001T090000"], "FIELD"),
            (["9990000018", "ETHNIC_CATEGORY", "white", "PERSON", "20251001T090000"], "VALUE"),
            (["9990000018", "MOBILE_NUMBER", "1", "DEMOGRAPHICS", "20251001T090000"], "SOURCE"),
            (["9990000018", "MOBILE_NUMBER", "1", "PERSON", "20251002T090000"], "CHANGE_TIME_STAMP"),
            (["9990000018", "MOBILE_NUMBER", "1", "PERSON", ""], "CHANGE_TIME_STAMP"),
        ] {
            let errors = read_row(values).unwrap_err();
            assert_eq!(errors.0.iter().map(|error| error.field).collect::<Vec<_>>(), [field]);
        }
    }
}
