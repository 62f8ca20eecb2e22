//! Rows of the cohorts feed: memberships, and wishes about contact.

use ims_domain::NhsNumber;
use ims_domain::person::Membership;
use ims_domain::record::{Change, Source};
use jiff::civil::Date;

use crate::feed::COHORTS;
use crate::fields::{Fields, RowErrors};

/// Reads a row as it stands on a business day.
///
/// # Errors
/// Names every field that cannot be used.
pub fn read(values: &[String], today: Date, source: &Source) -> Result<(NhsNumber, Change), RowErrors> {
    let mut row = Fields::new(&COHORTS, values, today);
    let number = row.nhs_number("NHS_NUMBER");
    let label = row.label("COHORT_LABEL");
    let member = row.one_of("ACTION", "JOIN or LEAVE", |text| match text {
        "JOIN" => Some(true),
        "LEAVE" => Some(false),
        _ => None,
    });
    let date = row.required("DATE").and_then(|_| row.past_day("DATE")).flatten();
    let list = row.text("SOURCE");
    let content = (|| {
        let membership = Membership { member: member?, date: date?, order: source.sort_key(), source: list.to_owned() };
        Some((number?, Change::Membership { label: label?.to_owned(), membership }))
    })();
    row.finish(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn source() -> Source {
        Source { supplier: "X26".into(), file: "f".into(), order: "20251001T050000".into(), row: 7 }
    }

    fn read_row(values: [&str; 5]) -> Result<(NhsNumber, Change), RowErrors> {
        read(&values.map(str::to_owned), date(2025, 10, 1), &source())
    }

    #[test]
    fn a_row_gives_a_membership_with_its_place_in_the_source() {
        let (_, change) = read_row(["9990000018", "at_risk", "LEAVE", "20251001", "clinical_risk"]).unwrap();
        let membership = Membership {
            member: false,
            date: date(2025, 10, 1),
            order: "20251001T050000#000000007".into(),
            source: "clinical_risk".into(),
        };
        assert_eq!(change, Change::Membership { label: "at_risk".into(), membership });
    }

    #[test]
    fn errors_name_the_field() {
        for (values, field) in [
            (["123", "at_risk", "JOIN", "20251001", "s"], "NHS_NUMBER"),
            (["9990000018", "", "JOIN", "20251001", "s"], "COHORT_LABEL"),
            (["9990000018", "at risk", "JOIN", "20251001", "s"], "COHORT_LABEL"),
            (["9990000018", "at_risk", "LEFT", "20251001", "s"], "ACTION"),
            (["9990000018", "at_risk", "JOIN", "20251002", "s"], "DATE"),
            (["9990000018", "at_risk", "JOIN", "", "s"], "DATE"),
        ] {
            let errors = read_row(values).unwrap_err();
            assert_eq!(errors.0.iter().map(|error| error.field).collect::<Vec<_>>(), [field]);
        }
    }
}
