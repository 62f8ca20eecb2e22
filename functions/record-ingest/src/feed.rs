//! The feeds: file names, columns, and which rows belong together.

use std::fmt;
use std::io::Read;

use csv::StringRecord;
use ims_domain::VaccineType;
use ims_domain::clock::parse_compact;
use ims_fhir::batch::{self, FileName, Row};
use ims_runtime::auth::Permissions;
use jiff::tz::Offset;
use thiserror::Error;

/// Demographics feed, in order.
#[rustfmt::skip]
pub const DEMOGRAPHICS: [&str; 34] = [
    "RECORD_TYPE", "CHANGE_TIME_STAMP", "SERIAL_CHANGE_NUMBER", "NHS_NUMBER", "SUPERSEDED_BY_NHS_NUMBER",
    "PRIMARY_CARE_PROVIDER", "GIVEN_NAME", "FAMILY_NAME", "DATE_OF_BIRTH", "GENDER", "ADDRESS_LINE_1",
    "ADDRESS_LINE_2", "ADDRESS_LINE_3", "ADDRESS_LINE_4", "ADDRESS_LINE_5", "POSTCODE", "LSOA", "MSOA", "SUB_ICB",
    "ICB", "REGION", "IMD_DECILE", "ETHNIC_CATEGORY", "REASON_FOR_REMOVAL", "REASON_FOR_REMOVAL_FROM",
    "DATE_OF_DEATH", "DEATH_STATUS", "TELEPHONE_NUMBER", "MOBILE_NUMBER", "EMAIL_ADDRESS", "PREFERRED_LANGUAGE",
    "IS_INTERPRETER_REQUIRED", "RESTRICTED", "INVALID_FLAG",
];

/// Cohorts feed, in order.
pub const COHORTS: [&str; 5] = ["NHS_NUMBER", "COHORT_LABEL", "ACTION", "DATE", "SOURCE"];

/// Full list of a cohort, in order.
pub const COHORT_LIST: [&str; 6] = ["RECORD_TYPE", "NHS_NUMBER", "COHORT_LABEL", "DATE", "SOURCE", "MEMBERS"];

/// Details feed, in order.
pub const DETAILS: [&str; 5] = ["NHS_NUMBER", "FIELD", "VALUE", "SOURCE", "CHANGE_TIME_STAMP"];

/// Capacity feed, in order.
pub const CAPACITY: [&str; 9] =
    ["ODS_CODE", "SITE_NAME", "LATITUDE", "LONGITUDE", "SERVICE", "DATE", "TIME", "SLOT_LENGTH", "CAPACITY"];

/// Bookings extract, in order.
#[rustfmt::skip]
pub const BOOKINGS: [&str; 20] = [
    "ODS_CODE", "NHS_NUMBER", "APPOINTMENT_DATE_TIME", "APPOINTMENT_STATUS", "SELF_REFERRAL", "SOURCE",
    "DATE_OF_BIRTH", "BOOKING_REFERENCE_NUMBER", "SERVICE", "CREATED_DATE_TIME", "LATITUDE", "LONGITUDE", "SITE_NAME",
    "REGION", "ICB", "BOOKING_SYSTEM", "CANCELLED_DATE_TIME", "CANCELLATION_REASON", "SITE_TYPE", "BATCH_SIZE",
];

/// A feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feed {
    /// Vaccinations given, pipe-delimited.
    Vaccinations,
    /// Demographics and the states of people.
    Demographics,
    /// Cohorts, and wishes about contact.
    Cohorts,
    /// Appointments.
    Bookings,
    /// The full list of a cohort from a source.
    CohortList,
    /// Ethnic category and contact details as others than the demographics service state them.
    Details,
    /// Appointments that sites offer.
    Capacity,
}

impl Feed {
    const ALL: [Self; 7] = [
        Self::Vaccinations,
        Self::Demographics,
        Self::Cohorts,
        Self::Bookings,
        Self::CohortList,
        Self::Details,
        Self::Capacity,
    ];

    /// Name, as a file's item holds it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Vaccinations => "vaccinations",
            Self::Demographics => "demographics",
            Self::Cohorts => "cohorts",
            Self::Bookings => "bookings",
            Self::CohortList => "cohortlist",
            Self::Details => "details",
            Self::Capacity => "capacity",
        }
    }

    /// Its name in permissions; vaccinations go by vaccine type.
    #[must_use]
    pub fn grant(self) -> &'static str {
        match self {
            Self::Vaccinations => "",
            Self::Demographics => "DEMOGRAPHICS",
            Self::Cohorts | Self::CohortList => "COHORTS",
            Self::Bookings => "BOOKINGS",
            Self::Details => "DETAILS",
            Self::Capacity => "CAPACITY",
        }
    }

    /// The feed of this name.
    #[must_use]
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feed| feed.code() == code)
    }

    /// Columns, in order.
    #[must_use]
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Vaccinations => &batch::HEADER,
            Self::Demographics => &DEMOGRAPHICS,
            Self::Cohorts => &COHORTS,
            Self::Bookings => &BOOKINGS,
            Self::CohortList => &COHORT_LIST,
            Self::Details => &DETAILS,
            Self::Capacity => &CAPACITY,
        }
    }

    /// A reader of this feed's rows: the first is the header; rows may be too short or too long.
    #[must_use]
    pub fn reader<R: Read>(self, from: R) -> csv::Reader<R> {
        match self {
            Self::Vaccinations => batch::reader(from),
            _ => csv::ReaderBuilder::new().flexible(true).from_reader(from),
        }
    }

    /// What a row must share with another to have to be applied after it; `None` where the row lacks it (and will be
    /// refused).
    #[must_use]
    pub fn partition_key(self, record: &StringRecord) -> Option<String> {
        if self == Self::Vaccinations {
            let (system, value) = Row::new(record).identifier();
            return (!system.is_empty() && !value.is_empty()).then(|| format!("{value}^{system}"));
        }
        let key = if self == Self::Capacity { "ODS_CODE" } else { "NHS_NUMBER" };
        let place = self.columns().iter().position(|column| *column == key)?;
        record.get(place).map(str::trim).filter(|number| !number.is_empty()).map(str::to_owned)
    }
}

impl fmt::Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A name that is no feed's; the file fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("Initial file validation failed: invalid file key")]
pub struct FeedNameError;

/// What a feed file's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedName {
    /// Feed.
    pub feed: Feed,
    /// Who sent it, as permissions name them: the supplier of vaccinations, the ODS code for the other feeds.
    pub sender: String,
    /// Vaccine type of all rows, for vaccinations.
    pub vaccine: Option<VaccineType>,
    /// When it was made, `YYYYMMDDThhmmss`, UTC; the order of a sender's files.
    pub order: String,
    /// Whether it is Parquet rather than text.
    pub is_parquet: bool,
}

impl FeedName {
    /// Reads a name without folders, in any case.
    ///
    /// # Errors
    /// If it is no feed's, or the ODS code of a vaccination file stands for no supplier.
    pub fn parse(name: &str, permissions: &Permissions) -> Result<Self, FeedNameError> {
        if let Ok(file) = FileName::parse(name) {
            return Ok(Self {
                feed: Feed::Vaccinations,
                sender: permissions.supplier_of(&file.ods).ok_or(FeedNameError)?.to_owned(),
                vaccine: Some(file.vaccine),
                order: Offset::UTC.to_datetime(file.created).strftime("%Y%m%dT%H%M%S").to_string(),
                is_parquet: false,
            });
        }
        Self::other_feed(&name.to_ascii_uppercase()).ok_or(FeedNameError)
    }

    fn other_feed(name: &str) -> Option<Self> {
        let (stem, kind) = name.rsplit_once('.')?;
        let is_parquet = kind == "PARQUET";
        if !is_parquet && kind != "CSV" {
            return None;
        }
        let parts: Vec<&str> = stem.split('_').collect();
        let [feed, "V1", sender, time] = parts[..] else { return None };
        let feed = Feed::ALL.into_iter().skip(1).find(|known| known.code().eq_ignore_ascii_case(feed))?;
        if is_parquet && feed != Feed::Demographics {
            return None;
        }
        let is_ods = (2..=10).contains(&sender.len()) && sender.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let order = time.strip_suffix("00").filter(|order| is_ods && is_moment(order))?;
        Some(Self { feed, sender: sender.to_owned(), vaccine: None, order: order.to_owned(), is_parquet })
    }

    /// Whether the sender may send such a file at all; single rows of vaccinations are judged by their action.
    #[must_use]
    pub fn is_permitted(&self, permissions: &Permissions) -> bool {
        match self.vaccine {
            Some(vaccine) => ['C', 'U', 'D'].iter().any(|op| permissions.allows(&self.sender, vaccine.code(), *op)),
            None => permissions.allows(&self.sender, self.feed.grant(), 'C'),
        }
    }
}

/// Whether a text is `YYYYMMDDThhmmss`.
pub(crate) fn is_moment(text: &str) -> bool {
    moment(text).is_some()
}

/// Reads `YYYYMMDDThhmmss`.
pub(crate) fn moment(text: &str) -> Option<jiff::civil::DateTime> {
    let (day, time) = text.split_once('T')?;
    if time.len() != 6 || !time.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let time = jiff::civil::Time::new(time[..2].parse().ok()?, time[2..4].parse().ok()?, time[4..].parse().ok()?, 0);
    Some(parse_compact(day)?.to_datetime(time.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions() -> Permissions {
        let text = r#"[{"supplier": "EMIS", "permissions": ["FLU.CRUDS"], "ods_codes": ["YGM41"]},
            {"supplier": "TPP", "permissions": ["FLU.RS"], "ods_codes": ["YGA"]},
            {"supplier": "X26", "permissions": ["DEMOGRAPHICS.C"]}]"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn names_say_feed_sender_and_order() {
        for (name, feed, sender, vaccine, order) in [
            ("Demographics_v1_X26_20251001T05000000.csv", Feed::Demographics, "X26", None, "20251001T050000"),
            ("COHORTS_V1_x26_20251001t05010000.CSV", Feed::Cohorts, "X26", None, "20251001T050100"),
            ("Bookings_v1_X26_20251001T05020000.csv", Feed::Bookings, "X26", None, "20251001T050200"),
            ("CohortList_v1_X26_20251001T05030000.csv", Feed::CohortList, "X26", None, "20251001T050300"),
            ("Capacity_v1_X26_20251001T05050000.csv", Feed::Capacity, "X26", None, "20251001T050500"),
            ("Demographics_v1_X26_20251001T05040000.Parquet", Feed::Demographics, "X26", None, "20251001T050400"),
            (
                "FLU_Vaccinations_v5_YGM41_20250730T12000001.csv",
                Feed::Vaccinations,
                "EMIS",
                Some("FLU"),
                "20250730T110000",
            ),
        ] {
            let read = FeedName::parse(name, &permissions()).unwrap();
            assert_eq!((read.feed, read.sender.as_str(), read.order.as_str()), (feed, sender, order), "{name}");
            assert_eq!(read.vaccine.map(VaccineType::code), vaccine, "{name}");
        }
        for name in [
            "Demographics_v1_X26_20251001T050000.csv",
            "Demographics_v2_X26_20251001T05000000.csv",
            "Demographics_v1_X-6_20251001T05000000.csv",
            "Demographics_v1_X26_20251301T05000000.csv",
            "Demographics_v1_X26_20251001T05000000.dat",
            "Cohorts_v1_X26_20251001T05000000.parquet",
            "Vaccinations_v1_X26_20251001T05000000.csv",
            "a/Cohorts_v1_X26_20251001T05000000.csv",
            "HPV_Vaccinations_v5_YGM41.csv",
            "FLU_Vaccinations_v5_ABC12_20250730T12000001.csv",
            "é.csv",
            "",
        ] {
            assert_eq!(FeedName::parse(name, &permissions()), Err(FeedNameError), "{name}");
        }
    }

    #[test]
    fn a_sender_needs_permission_for_the_feed_or_the_vaccine() {
        let permissions = permissions();
        for (name, permitted) in [
            ("FLU_Vaccinations_v5_YGM41_20250730T12000001.csv", true),
            ("COVID_Vaccinations_v5_YGM41_20250730T12000001.csv", false),
            ("FLU_Vaccinations_v5_YGA_20250730T12000001.csv", false),
            ("Demographics_v1_X26_20251001T05000000.csv", true),
            ("Cohorts_v1_X26_20251001T05000000.csv", false),
            ("CohortList_v1_X26_20251001T05000000.csv", false),
            ("Demographics_v1_Y99_20251001T05000000.csv", false),
        ] {
            assert_eq!(FeedName::parse(name, &permissions).unwrap().is_permitted(&permissions), permitted, "{name}");
        }
    }
}
