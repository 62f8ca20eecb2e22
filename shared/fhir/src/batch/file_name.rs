//! File names: `{VACC}_Vaccinations_v5_{ODS}_{YYYYMMDDThhmmss}{00|01}.csv|dat`, in any case.

use ims_domain::VaccineType;
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::Offset;
use thiserror::Error;

/// The version of the file format that is taken.
const VERSION: u8 = 5;

/// A name that is not a vaccination file's; the file fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("Initial file validation failed: invalid file key")]
pub struct FileNameError;

/// How a file's name ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// `.csv`
    Csv,
    /// `.dat`, as files come from the message exchange.
    Dat,
}

/// What a file's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    /// The name without its extension, as written.
    pub stem: String,
    /// Vaccine type of all its rows.
    pub vaccine: VaccineType,
    /// Version of the format; 5.
    pub version: u8,
    /// ODS code of the supplier, in capitals.
    pub ods: String,
    /// When the supplier made it; the order of a supplier's files.
    pub created: Timestamp,
    /// Extension.
    pub extension: Extension,
}

impl FileName {
    /// Reads a name without folders.
    ///
    /// # Errors
    /// If any part is wrong.
    pub fn parse(name: &str) -> Result<Self, FileNameError> {
        Self::read(name).ok_or(FileNameError)
    }

    fn read(name: &str) -> Option<Self> {
        let (stem, extension) = name.rsplit_once('.')?;
        let extension = match extension {
            _ if extension.eq_ignore_ascii_case("csv") => Extension::Csv,
            _ if extension.eq_ignore_ascii_case("dat") => Extension::Dat,
            _ => return None,
        };
        let mut parts = stem.split('_');
        let mut part = || parts.next();
        let (vaccine, vaccinations, version, ods, created) = (part()?, part()?, part()?, part()?, part()?);
        let is_version = |text: &str| text.eq_ignore_ascii_case("v5");
        let is_ods = (2..=10).contains(&ods.len()) && ods.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if parts.next().is_some()
            || !is_ods
            || !vaccinations.eq_ignore_ascii_case("vaccinations")
            || !is_version(version)
        {
            return None;
        }
        Some(Self {
            stem: stem.to_owned(),
            vaccine: vaccine.parse().ok()?,
            version: VERSION,
            ods: ods.to_ascii_uppercase(),
            created: read_created(created)?,
            extension,
        })
    }
}

/// Reads `YYYYMMDDThhmmss` and hours ahead of UTC, `00` or `01`.
fn read_created(text: &str) -> Option<Timestamp> {
    let (at, hours) = (text.get(..15)?, text.get(15..)?);
    let offset = match hours {
        "00" => Offset::UTC,
        "01" => Offset::constant(1),
        _ => return None,
    };
    if !at.as_bytes()[8].eq_ignore_ascii_case(&b'T') {
        return None;
    }
    let day = ims_domain::clock::parse_compact(at.get(..8)?)?;
    offset.to_timestamp(day.to_datetime(read_time(at.get(9..)?)?)).ok()
}

/// Reads `hhmmss`.
pub(super) fn read_time(text: &str) -> Option<Time> {
    if text.len() != 6 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Time::new(text[..2].parse().ok()?, text[2..4].parse().ok()?, text[4..].parse().ok()?, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case() {
        let name = FileName::parse("hpv_VACCINATIONS_V5_ygm41_20250730t12000001.CSV").unwrap();
        assert_eq!(name.vaccine.code(), "HPV");
        assert_eq!((name.ods.as_str(), name.extension), ("YGM41", Extension::Csv));
        assert_eq!(name.created.to_string(), "2025-07-30T11:00:00Z");
        assert_eq!(name.stem, "hpv_VACCINATIONS_V5_ygm41_20250730t12000001");
        let dat = FileName::parse("3IN1_Vaccinations_v5_YGA_20250730T12000000.dat").unwrap();
        assert_eq!((dat.vaccine.code(), dat.extension), ("3IN1", Extension::Dat));
        assert_eq!(dat.created.to_string(), "2025-07-30T12:00:00Z");
    }

    #[test]
    fn any_wrong_part_is_refused() {
        for name in [
            "",
            "HP_Vaccinations_v5_YGM41_20250730T12000000.csv",
            "HPV_Vaccination_v5_YGM41_20250730T12000000.csv",
            "HPV_Vaccinations_v0_YGM41_20250730T12000000.csv",
            "HPV_Vaccinations_v5_AB-12_20250730T12000000.csv",
            "HPV_Vaccinations_v5_YGM41_20250730T12000000.pdf",
            "HPV_Vaccinations_v5_YGM41_20250730T12000000",
            "HPV_Vaccinations_v5_YGM41_20250730T12000002.csv",
            "HPV_Vaccinations_v5_YGM41_20250730T120000.csv",
            "HPV_Vaccinations_v5_YGM41_20250230T12000000.csv",
            "HPV_Vaccinations_v5_YGM41_20250730T25000000.csv",
            "HPV_Vaccinations_v5_YGM41_20250730T12000000_1.csv",
            "HPV_Vaccinations_v5_YGM41.csv",
            "HPV_Vaccinations_v5_YGM41_2025073éT12000000.csv",
            "archive/HPV_Vaccinations_v5_YGM41_20250730T12000000.csv",
        ] {
            assert_eq!(FileName::parse(name), Err(FileNameError), "{name}");
        }
        assert_eq!(FileNameError.to_string(), "Initial file validation failed: invalid file key");
    }
}
