//! Rows of the bookings extract; the API takes the same fields as JSON.

use ims_domain::matching::Matching;
use ims_domain::record::{AppointmentStatus, Booking, Change, Patient, Source};
use ims_domain::{NhsNumber, PersonId, VaccineType};
use jiff::civil::Date;

use crate::feed::BOOKINGS;
use crate::fields::{Fields, RowErrors};

/// Longest booking reference; it becomes part of a key.
const LONGEST_REFERENCE: usize = 100;

/// Reads a row as it stands on a business day.
///
/// # Errors
/// Names every field that cannot be used.
pub fn read(values: &[String], today: Date, source: Source) -> Result<(NhsNumber, Change), RowErrors> {
    let mut row = Fields::new(&BOOKINGS, values, today);
    let number = row.nhs_number("NHS_NUMBER");
    let reference = row.one_of("BOOKING_REFERENCE_NUMBER", "a reference of 1 to 100 characters", |text| {
        (1..=LONGEST_REFERENCE).contains(&text.len()).then_some(text)
    });
    let programme = row.one_of("SERVICE", "a vaccine type such as FLU or COVID", |text| {
        VaccineType::all().find(|vaccine| vaccine.code() == text)
    });
    let status = row.one_of("APPOINTMENT_STATUS", "BOOKED, CANCELLED, ATTENDED or DNA", |text| match text {
        "BOOKED" => Some(AppointmentStatus::Booked),
        "CANCELLED" => Some(AppointmentStatus::Cancelled),
        "ATTENDED" => Some(AppointmentStatus::Attended),
        "DNA" => Some(AppointmentStatus::Dna),
        _ => None,
    });
    let appointment_on = row.moment("APPOINTMENT_DATE_TIME");
    let created = row.required("CREATED_DATE_TIME").and_then(|_| row.past_moment("CREATED_DATE_TIME"));
    let cancelled = row.past_moment("CANCELLED_DATE_TIME");
    let date_of_birth = row.past_day("DATE_OF_BIRTH");
    let provider = row.text("ODS_CODE").to_owned();
    let content = (|| {
        let booking = Booking {
            reference: reference?.to_owned(),
            person: PersonId(Default::default()),
            programme: programme?,
            appointment_on: appointment_on?,
            status: status?,
            provider,
            changed: created?.max(cancelled?).to_owned(),
            source,
            patient: Patient { nhs_number: number, date_of_birth: date_of_birth?, ..Patient::default() },
            matching: Matching::default(),
        };
        Some((number?, Change::Booking(booking)))
    })();
    row.finish(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn read_row(changes: &[(&str, &str)]) -> Result<(NhsNumber, Change), RowErrors> {
        let mut values = vec![String::new(); BOOKINGS.len()];
        let base = [
            ("ODS_CODE", "RJ1"),
            ("NHS_NUMBER", "9990000018"),
            ("APPOINTMENT_DATE_TIME", "20251020T233000"),
            ("APPOINTMENT_STATUS", "BOOKED"),
            ("BOOKING_REFERENCE_NUMBER", "R-1"),
            ("SERVICE", "FLU"),
            ("CREATED_DATE_TIME", "20251001T090000"),
        ];
        for (field, value) in base.iter().chain(changes) {
            values[BOOKINGS.iter().position(|column| column == field).unwrap()] = (*value).to_owned();
        }
        let source = Source { supplier: "X26".into(), file: "f".into(), order: "20251001T050000".into(), row: 1 };
        read(&values, date(2025, 10, 1), source)
    }

    fn booking(changes: &[(&str, &str)]) -> Booking {
        match read_row(changes).unwrap().1 {
            Change::Booking(booking) => booking,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_row_gives_an_appointment_on_its_london_day() {
        let made = booking(&[]);
        assert_eq!((made.reference.as_str(), made.provider.as_str()), ("R-1", "RJ1"));
        assert_eq!(made.appointment_on, date(2025, 10, 21)); // 23:30 UTC is half past midnight in summer time
        assert_eq!((made.status, made.changed.as_str()), (AppointmentStatus::Booked, "20251001T090000"));
        let cancelled = booking(&[("APPOINTMENT_STATUS", "CANCELLED"), ("CANCELLED_DATE_TIME", "20251001T100000")]);
        assert_eq!(cancelled.changed, "20251001T100000");
        assert_eq!(booking(&[("CANCELLED_DATE_TIME", "20250901T100000")]).changed, "20251001T090000");
    }

    #[test]
    fn errors_name_the_field_and_on_request_the_value() {
        for (field, value) in [
            ("NHS_NUMBER", "9990000019"),
            ("BOOKING_REFERENCE_NUMBER", ""),
            ("SERVICE", "PLAGUE"),
            ("APPOINTMENT_STATUS", "PROVISIONAL"),
            ("APPOINTMENT_DATE_TIME", "20251020"),
            ("CREATED_DATE_TIME", "20251002T090000"),
            ("CANCELLED_DATE_TIME", "20251002T090000"),
            ("DATE_OF_BIRTH", "20251002"),
        ] {
            let errors = read_row(&[(field, value)]).unwrap_err();
            assert_eq!(errors.0.iter().map(|error| error.field).collect::<Vec<_>>(), [field]);
            assert!(errors.0[0].with_value().ends_with(&format!("it is '{value}'")));
        }
    }
}
