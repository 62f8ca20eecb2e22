//! Vaccine types of the national immunisation API and the diseases that define them.
//! Source: the API's published disease mapping (SNOMED CT codes).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// (vaccine type, its target diseases as (SNOMED code, term)).
#[rustfmt::skip]
const TYPES: &[(&str, &[(&str, &str)])] = &[
    ("3IN1", &[("398102009", "Acute poliomyelitis"), ("397430003", "Diphtheria caused by Corynebacterium diphtheriae"), ("76902006", "Tetanus")]),
    ("4IN1", &[("398102009", "Acute poliomyelitis"), ("397430003", "Diphtheria caused by Corynebacterium diphtheriae"), ("27836007", "Pertussis"), ("76902006", "Tetanus")]),
    ("6IN1", &[("398102009", "Acute poliomyelitis"), ("397430003", "Diphtheria caused by Corynebacterium diphtheriae"), ("709410003", "Haemophilus influenzae type b infection"), ("27836007", "Pertussis"), ("76902006", "Tetanus"), ("66071002", "Type B viral hepatitis")]),
    ("BCG", &[("56717001", "Tuberculosis")]),
    ("COVID", &[("840539006", "Disease caused by severe acute respiratory syndrome coronavirus 2")]),
    ("FLU", &[("6142004", "Influenza")]),
    ("HEPB", &[("66071002", "Type B viral hepatitis")]),
    ("HIB", &[("709410003", "Haemophilus influenzae type b infection")]),
    ("HIBMENC", &[("709410003", "Haemophilus influenzae type b infection"), ("23511006", "Meningococcal infectious disease")]),
    ("HPV", &[("240532009", "Human papilloma virus infection")]),
    ("MENACWY", &[("23511006", "Meningococcal infectious disease")]),
    ("MENB", &[("1354584007", "Meningococcal infectious disease caused by Neisseria meningitidis serogroup B")]),
    ("MMR", &[("14189004", "Measles"), ("36989005", "Mumps"), ("36653000", "Rubella")]),
    ("MMRV", &[("14189004", "Measles"), ("36989005", "Mumps"), ("36653000", "Rubella"), ("38907003", "Varicella")]),
    ("PNEUMOCOCCAL", &[("16814004", "Pneumococcal infectious disease")]),
    ("PERTUSSIS", &[("27836007", "Pertussis")]),
    ("ROTAVIRUS", &[("186150001", "Enteritis caused by rotavirus")]),
    ("RSV", &[("55735004", "Respiratory syncytial virus infection")]),
    ("SHINGLES", &[("4740000", "Herpes zoster")]),
];

/// A vaccine type such as `COVID` or `FLU`. A programme is named by the vaccine type it gives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VaccineType(u8); // place in TYPES

/// A vaccine type that the national API does not know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown vaccine type '{0}'")]
pub struct UnknownVaccineType(pub String);

impl VaccineType {
    /// All vaccine types, in the API's order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0u8..).take(TYPES.len()).map(Self)
    }

    /// The first in the API's order.
    #[must_use]
    pub fn first() -> Self {
        Self(0)
    }

    /// The code, e.g. `COVID`.
    #[must_use]
    pub fn code(self) -> &'static str {
        TYPES[usize::from(self.0)].0
    }

    /// The target diseases, as (SNOMED code, term).
    #[must_use]
    pub fn diseases(self) -> &'static [(&'static str, &'static str)] {
        TYPES[usize::from(self.0)].1
    }

    /// The vaccine types that protect against a disease, by its SNOMED code; none where the API does not know it.
    pub fn against(code: &str) -> impl Iterator<Item = Self> {
        Self::all().filter(move |vaccine| vaccine.diseases().iter().any(|(disease, _)| *disease == code))
    }

    /// Whether it protects against all that another one does, as MMRV against all that MMR does: its doses are doses of
    /// the other's programme too.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        let own = self.diseases();
        other.diseases().iter().all(|(code, _)| own.iter().any(|(held, _)| held == code))
    }

    /// The vaccine type whose target diseases are exactly these codes, in any order.
    #[must_use]
    pub fn from_diseases(codes: &[&str]) -> Option<Self> {
        Self::all().find(|vaccine| {
            let diseases = vaccine.diseases();
            diseases.len() == codes.len() && diseases.iter().all(|(code, _)| codes.contains(code))
        })
    }
}

impl FromStr for VaccineType {
    type Err = UnknownVaccineType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::all()
            .find(|vaccine| vaccine.code().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownVaccineType(text.to_owned()))
    }
}

impl TryFrom<String> for VaccineType {
    type Error = UnknownVaccineType;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<VaccineType> for String {
    fn from(value: VaccineType) -> Self {
        value.code().to_owned()
    }
}

impl fmt::Display for VaccineType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for VaccineType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_again_by_its_diseases() {
        for vaccine in VaccineType::all() {
            let codes: Vec<&str> = vaccine.diseases().iter().rev().map(|(code, _)| *code).collect();
            assert_eq!(VaccineType::from_diseases(&codes), Some(vaccine));
            assert_eq!(vaccine.code().to_lowercase().parse(), Ok(vaccine));
        }
        assert_eq!(VaccineType::from_diseases(&["840539006"]).map(VaccineType::code), Some("COVID"));
        assert!("PLAGUE".parse::<VaccineType>().is_err());
    }

    #[test]
    fn a_vaccine_covers_what_it_holds_and_nothing_else() {
        let of = |code: &str| code.parse::<VaccineType>().unwrap();
        for (one, other, covers) in [
            ("MMRV", "MMR", true),
            ("MMR", "MMRV", false),
            ("MMR", "MMR", true),
            ("6IN1", "3IN1", true),
            ("FLU", "COVID", false),
        ] {
            assert_eq!(of(one).covers(of(other)), covers, "{one} {other}");
        }
        // Nothing but its own vaccine counts for the programmes of the winter.
        for programme in ["FLU", "COVID", "RSV"] {
            assert_eq!(VaccineType::all().filter(|vaccine| vaccine.covers(of(programme))).count(), 1);
        }
    }

    #[test]
    fn every_type_of_the_published_mapping_is_here_and_no_other() {
        let codes: Vec<&str> = VaccineType::all().map(VaccineType::code).collect();
        assert_eq!(
            codes.join(" "),
            "3IN1 4IN1 6IN1 BCG COVID FLU HEPB HIB HIBMENC HPV MENACWY MENB MMR MMRV PNEUMOCOCCAL PERTUSSIS ROTAVIRUS RSV \
             SHINGLES"
        );
        let against = |code| VaccineType::against(code).map(VaccineType::code).collect::<Vec<_>>().join(" ");
        for (code, expected) in [
            ("14189004", "MMR MMRV"),
            ("709410003", "6IN1 HIB HIBMENC"),
            ("27836007", "4IN1 6IN1 PERTUSSIS"),
            ("23511006", "HIBMENC MENACWY"),
            ("55735004", "RSV"),
            ("1", ""),
        ] {
            assert_eq!(against(code), expected, "{code}");
        }
    }
}
