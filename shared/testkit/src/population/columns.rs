//! Columns of the feeds, and a person's rows in them.

use jiff::civil::{Date, DateTime};

use super::history::days_from;
use super::{Appointment, AppointmentStatus, Dose, Geography, SyntheticPerson, Vaccine};

/// Demographics feed.
pub const DEMOGRAPHICS: [&str; 34] = [
    "RECORD_TYPE",
    "CHANGE_TIME_STAMP",
    "SERIAL_CHANGE_NUMBER",
    "NHS_NUMBER",
    "SUPERSEDED_BY_NHS_NUMBER",
    "PRIMARY_CARE_PROVIDER",
    "GIVEN_NAME",
    "FAMILY_NAME",
    "DATE_OF_BIRTH",
    "GENDER",
    "ADDRESS_LINE_1",
    "ADDRESS_LINE_2",
    "ADDRESS_LINE_3",
    "ADDRESS_LINE_4",
    "ADDRESS_LINE_5",
    "POSTCODE",
    "LSOA",
    "MSOA",
    "SUB_ICB",
    "ICB",
    "REGION",
    "IMD_DECILE",
    "ETHNIC_CATEGORY",
    "REASON_FOR_REMOVAL",
    "REASON_FOR_REMOVAL_FROM",
    "DATE_OF_DEATH",
    "DEATH_STATUS",
    "TELEPHONE_NUMBER",
    "MOBILE_NUMBER",
    "EMAIL_ADDRESS",
    "PREFERRED_LANGUAGE",
    "IS_INTERPRETER_REQUIRED",
    "RESTRICTED",
    "INVALID_FLAG",
];

/// Cohorts feed.
pub const COHORTS: [&str; 5] = ["NHS_NUMBER", "COHORT_LABEL", "ACTION", "DATE", "SOURCE"];

/// Bookings extract.
pub const BOOKINGS: [&str; 20] = [
    "ODS_CODE",
    "NHS_NUMBER",
    "APPOINTMENT_DATE_TIME",
    "APPOINTMENT_STATUS",
    "SELF_REFERRAL",
    "SOURCE",
    "DATE_OF_BIRTH",
    "BOOKING_REFERENCE_NUMBER",
    "SERVICE",
    "CREATED_DATE_TIME",
    "LATITUDE",
    "LONGITUDE",
    "SITE_NAME",
    "REGION",
    "ICB",
    "BOOKING_SYSTEM",
    "CANCELLED_DATE_TIME",
    "CANCELLATION_REASON",
    "SITE_TYPE",
    "BATCH_SIZE",
];

/// Vaccination batch file.
pub const VACCINATIONS: [&str; 34] = [
    "NHS_NUMBER",
    "PERSON_FORENAME",
    "PERSON_SURNAME",
    "PERSON_DOB",
    "PERSON_GENDER_CODE",
    "PERSON_POSTCODE",
    "DATE_AND_TIME",
    "SITE_CODE",
    "SITE_CODE_TYPE_URI",
    "UNIQUE_ID",
    "UNIQUE_ID_URI",
    "ACTION_FLAG",
    "PERFORMING_PROFESSIONAL_FORENAME",
    "PERFORMING_PROFESSIONAL_SURNAME",
    "RECORDED_DATE",
    "PRIMARY_SOURCE",
    "VACCINATION_PROCEDURE_CODE",
    "VACCINATION_PROCEDURE_TERM",
    "DOSE_SEQUENCE",
    "VACCINE_PRODUCT_CODE",
    "VACCINE_PRODUCT_TERM",
    "VACCINE_MANUFACTURER",
    "BATCH_NUMBER",
    "EXPIRY_DATE",
    "SITE_OF_VACCINATION_CODE",
    "SITE_OF_VACCINATION_TERM",
    "ROUTE_OF_VACCINATION_CODE",
    "ROUTE_OF_VACCINATION_TERM",
    "DOSE_AMOUNT",
    "DOSE_UNIT_CODE",
    "DOSE_UNIT_TERM",
    "INDICATION_CODE",
    "LOCATION_CODE",
    "LOCATION_CODE_TYPE_URI",
];

pub(crate) const ODS_URI: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// Naming system of the vaccination records' identifiers.
pub const UNIQUE_ID_URI: &str = "https://ims.example/synthetic/vaccinations";
pub(crate) const LEFT_ARM: (&str, &str) = ("368208006", "Left upper arm structure (body structure)");
pub(crate) const INTRAMUSCULAR: (&str, &str) = ("78421000", "Intramuscular route (qualifier value)");

/// What a vaccine is called in records.
pub(crate) struct Product {
    pub(crate) procedure: (&'static str, &'static str),
    pub(crate) product: (&'static str, &'static str),
    pub(crate) manufacturer: &'static str,
    pub(crate) disease: (&'static str, &'static str),
}

pub(crate) fn product(vaccine: Vaccine, number: u8, batch: &str) -> Product {
    match vaccine {
        Vaccine::Flu => Product {
            procedure: ("822851000000102", "Seasonal influenza vaccination (procedure)"),
            product: (
                "34680411000001107",
                "Quadrivalent influenza vaccine (split virion, inactivated) suspension for injection 0.5ml pre-filled syringes (Sanofi Pasteur)",
            ),
            manufacturer: "Sanofi Pasteur",
            disease: ("6142004", "Influenza"),
        },
        Vaccine::Covid => Product {
            procedure: match number {
                0 | 1 => (
                    "1324681000000101",
                    "Administration of first dose of severe acute respiratory syndrome coronavirus 2 vaccine (procedure)",
                ),
                _ => (
                    "1324691000000104",
                    "Administration of second dose of severe acute respiratory syndrome coronavirus 2 vaccine (procedure)",
                ),
            },
            product: if batch.starts_with(['A', 'F']) {
                (
                    "39114911000001105",
                    "COVID-19 Vaccine Vaxzevria (ChAdOx1 S [recombinant]) not less than 2.5x100,000,000 infectious units/0.5ml dose suspension for injection multidose vials (AstraZeneca UK Ltd) (product)",
                )
            } else {
                (
                    "39115611000001103",
                    "Comirnaty COVID-19 mRNA Vaccine 30micrograms/0.3ml dose concentrate for dispersion for injection multidose vials (Pfizer Ltd) (product)",
                )
            },
            manufacturer: if batch.starts_with(['A', 'F']) { "AstraZeneca UK Ltd" } else { "Pfizer Ltd" },
            disease: ("840539006", "Disease caused by severe acute respiratory syndrome coronavirus 2"),
        },
    }
}

/// `YYYYMMDD`.
pub(crate) fn day(date: Date) -> String {
    format!("{:04}{:02}{:02}", date.year(), date.month(), date.day())
}

/// `YYYYMMDDThhmmss`, UTC.
pub(crate) fn moment(at: DateTime) -> String {
    format!("{}T{:02}{:02}{:02}", day(at.date()), at.hour(), at.minute(), at.second())
}

fn flag(on: bool) -> String {
    if on { "1" } else { "0" }.to_owned()
}

/// Which row of a person this is.
pub(crate) struct Change<'a> {
    pub(crate) record_type: &'a str,
    pub(crate) at: DateTime,
    pub(crate) serial: u64,
}

/// A row of the demographics feed in the order of [`DEMOGRAPHICS`].
pub(crate) fn demographics(geography: &Geography, person: &SyntheticPerson, change: &Change<'_>) -> [String; 34] {
    let home = person.address.lsoa.map(|place| &geography.lsoas[place]);
    // Of no fixed abode: the areas of the practice that can be said. Restricted: none.
    let registered = (!person.restricted).then(|| &geography.lsoas[person.lsoa]);
    let area = |value: Option<&String>| value.cloned().unwrap_or_default();
    let [line_1, line_2, line_3, line_4, line_5] = person.address.lines.clone();
    [
        change.record_type.to_owned(),
        moment(change.at),
        change.serial.to_string(),
        person.nhs_number.clone(),
        String::new(),
        person.practice.clone(),
        person.given_name.clone(),
        person.family_name.clone(),
        day(person.date_of_birth),
        person.gender.code().to_owned(),
        line_1,
        line_2,
        line_3,
        line_4,
        line_5,
        person.address.postcode.clone(),
        area(home.map(|home| &home.code)),
        area(home.map(|home| &home.msoa)),
        area(home.or(registered).map(|area| &area.sub_icb)),
        area(home.or(registered).map(|area| &area.icb)),
        area(home.or(registered).map(|area| &area.region)),
        home.map(|home| home.imd_decile.to_string()).unwrap_or_default(),
        person.ethnic_category.to_owned(),
        match (&person.removal, &person.death) {
            (Some(removal), _) => removal.reason.to_owned(),
            (None, Some(_)) => "DEA".to_owned(),
            _ => String::new(),
        },
        match (&person.removal, &person.death) {
            (Some(removal), _) => day(removal.from),
            (None, Some((died, _))) => day(*died),
            _ => String::new(),
        },
        person.death.map(|(died, _)| day(died)).unwrap_or_default(),
        person.death.map(|(_, formal)| if formal { "2" } else { "1" }.to_owned()).unwrap_or_default(),
        person.telephone.clone(),
        person.mobile.clone(),
        person.email.clone(),
        person.language.to_owned(),
        flag(person.interpreter),
        flag(person.restricted),
        flag(person.invalidated),
    ]
}

/// A row of the bookings extract in the order of [`BOOKINGS`].
pub(crate) fn booking(geography: &Geography, person: &SyntheticPerson, held: &Appointment) -> [String; 20] {
    let site = &geography.sites[held.site];
    [
        site.code.clone(),
        person.nhs_number.clone(),
        moment(held.at),
        held.status.code().to_owned(),
        "0".to_owned(),
        "NBS".to_owned(),
        day(person.date_of_birth),
        held.reference.clone(),
        held.vaccine.code().to_owned(),
        moment(held.created),
        format!("{:.5}", site.latitude),
        format!("{:.5}", site.longitude),
        site.name.clone(),
        site.region.clone(),
        site.icb.clone(),
        "NBS".to_owned(),
        held.cancelled.map(moment).unwrap_or_default(),
        if held.status == AppointmentStatus::Cancelled { "CITIZEN" } else { "" }.to_owned(),
        "HOSPITAL_HUB".to_owned(),
        "1".to_owned(),
    ]
}

/// A row of a vaccination batch file in the order of [`VACCINATIONS`].
pub(crate) fn vaccination(geography: &Geography, person: &SyntheticPerson, dose: &Dose, action: &str) -> [String; 34] {
    let product = product(dose.vaccine, dose.number, &dose.batch);
    let site = geography.sites[dose.site].code.as_str();
    let number = match &person.second {
        Some(second) if dose.under_second_number => &second.nhs_number,
        _ => &person.nhs_number,
    };
    let (born, given) = (day(person.date_of_birth), format!("{}00", moment(dose.at)));
    let (recorded, expires) = (day(dose.at.date()), day(days_from(dose.at.date(), 120)));
    let sequence = dose.number.to_string();
    [
        number,
        &person.given_name,
        &person.family_name,
        &born,
        person.gender.code(),
        person.recorded_postcode(),
        &given,
        site,
        ODS_URI,
        &dose.unique_id,
        UNIQUE_ID_URI,
        action,
        "Florence",
        "Nightingale",
        &recorded,
        "TRUE",
        product.procedure.0,
        product.procedure.1,
        &sequence,
        product.product.0,
        product.product.1,
        product.manufacturer,
        &dose.batch,
        &expires,
        LEFT_ARM.0,
        LEFT_ARM.1,
        INTRAMUSCULAR.0,
        INTRAMUSCULAR.1,
        "0.5",
        "258773002",
        "Milliliter (qualifier value)",
        "443684005",
        site,
        ODS_URI,
    ]
    .map(str::to_owned)
}
