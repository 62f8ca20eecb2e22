//! Suppliers of batch files, and what they may do with which vaccine type.

use ims_domain::VaccineType;

/// A change to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A new record, or a deleted one again.
    Create,
    /// Another version of a record.
    Update,
    /// A record's end.
    Delete,
}

/// A set of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Operations(u8);

impl Operations {
    /// Every operation.
    pub const ALL: Self = Self(0b111);

    /// From permission letters: `C`, `U` and `D` in any case; others (`R`, `S`) are not changes and count for nothing.
    #[must_use]
    pub fn from_letters(letters: &str) -> Self {
        Self(letters.bytes().fold(0, |set, letter| {
            set | match letter.to_ascii_uppercase() {
                b'C' => Operation::Create.bit(),
                b'U' => Operation::Update.bit(),
                b'D' => Operation::Delete.bit(),
                _ => 0,
            }
        }))
    }

    /// What permissions such as `COVID.CRUDS` allow for a vaccine type.
    #[must_use]
    pub fn granted<'p>(permissions: impl IntoIterator<Item = &'p str>, vaccine: VaccineType) -> Self {
        let of_vaccine = permissions.into_iter().filter_map(|permission| {
            let (code, letters) = permission.split_once('.')?;
            code.eq_ignore_ascii_case(vaccine.code()).then_some(letters)
        });
        Self(of_vaccine.fold(0, |set, letters| set | Self::from_letters(letters).0))
    }

    /// Whether it holds an operation.
    #[must_use]
    pub fn contains(self, operation: Operation) -> bool {
        self.0 & operation.bit() != 0
    }

    /// Whether it holds none; a file of such a supplier is not processed.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Operation {
    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

/// A supplier as the national service knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Supplier {
    /// Name, e.g. `EMIS`.
    pub name: &'static str,
    /// ODS codes that stand for it in file names.
    pub ods_codes: &'static [&'static str],
    /// Permissions, e.g. `COVID.CRUDS`; empty where it has none.
    pub permissions: &'static [&'static str],
}

const NATIONAL: &[&str] = &["COVID.CRUDS", "FLU.CRUDS", "HPV.CRUDS", "MMR.CRUDS", "PERTUSSIS.CRUDS", "RSV.CRUDS"];

#[rustfmt::skip]
const GENERAL_PRACTICE: &[&str] = &[
    "3IN1.CRUDS", "COVID.CRUDS", "FLU.CRUDS", "HPV.CRUDS", "MENACWY.CRUDS", "MMR.CRUDS", "MMRV.CRUDS",
    "PERTUSSIS.CRUDS", "PNEUMOCOCCAL.CRUDS", "RSV.CRUDS", "SHINGLES.CRUDS",
];

/// The national service's suppliers. Source: its published production permissions.
#[rustfmt::skip]
pub const SUPPLIERS: &[Supplier] = &[
    Supplier { name: "DPSFULL", ods_codes: &["DPSFULL"], permissions: NATIONAL },
    Supplier { name: "DPSREDUCED", ods_codes: &["DPSREDUCED"], permissions: NATIONAL },
    Supplier { name: "RAVS", ods_codes: &["X26", "X8E5B"], permissions: &["MENB.CRUDS", "MMR.CRUDS", "RSV.CRUDS", "PNEUMOCOCCAL.CRUDS"] },
    Supplier { name: "MAVIS", ods_codes: &["V0V8L"], permissions: &["3IN1.CRUDS", "FLU.CRUDS", "HPV.CRUDS", "MENACWY.CRUDS", "MMR.CRUDS", "MMRV.CRUDS"] },
    Supplier { name: "EMIS", ods_codes: &["YGM41", "YGJ"], permissions: GENERAL_PRACTICE },
    Supplier { name: "TPP", ods_codes: &["YGA"], permissions: GENERAL_PRACTICE },
    Supplier { name: "MEDICUS", ods_codes: &["YGMYW"], permissions: GENERAL_PRACTICE },
    Supplier { name: "PINNACLE", ods_codes: &["8J1100001"], permissions: &[] },
    Supplier { name: "AGEM-NIVS", ods_codes: &["0DE"], permissions: &[] },
    Supplier { name: "NIMS", ods_codes: &["0DF"], permissions: &[] },
    Supplier { name: "POSITIVE-SOLUTIONS", ods_codes: &["YGM17"], permissions: &[] },
    Supplier { name: "CEGEDIM", ods_codes: &["YGM04"], permissions: &[] },
    Supplier { name: "MEDICAL_DIRECTOR", ods_codes: &["YGMYH"], permissions: &[] },
    Supplier { name: "WELSH_DA_1", ods_codes: &["W00"], permissions: &[] },
    Supplier { name: "WELSH_DA_2", ods_codes: &["W000"], permissions: &[] },
    Supplier { name: "NORTHERN_IRELAND_DA", ods_codes: &["ZT001"], permissions: &[] },
    Supplier { name: "SCOTLAND_DA", ods_codes: &["YA7"], permissions: &[] },
    Supplier { name: "COVID19_VACCINE_RESOLUTION_SERVICEDESK", ods_codes: &["N2N9I"], permissions: &[] },
    Supplier { name: "EVA", ods_codes: &["8HA94"], permissions: &[] },
    Supplier { name: "SONAR", ods_codes: &["8HK48"], permissions: &[] },
];

impl Supplier {
    /// The supplier that an ODS code stands for, in any case.
    #[must_use]
    pub fn by_ods_code(code: &str) -> Option<&'static Self> {
        SUPPLIERS.iter().find(|supplier| supplier.ods_codes.iter().any(|held| held.eq_ignore_ascii_case(code)))
    }

    /// What it may do with a vaccine type.
    #[must_use]
    pub fn operations(&self, vaccine: VaccineType) -> Operations {
        Operations::granted(self.permissions.iter().copied(), vaccine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_by_vaccine_type() {
        let flu: VaccineType = "FLU".parse().unwrap();
        let mavis = Supplier::by_ods_code("v0v8l").unwrap();
        assert_eq!(mavis.name, "MAVIS");
        assert_eq!(mavis.operations(flu), Operations::ALL);
        assert!(mavis.operations("COVID".parse().unwrap()).is_empty());
        let read_create = Operations::granted(["flu.CR", "MMR.CRUDS"], flu);
        assert!(read_create.contains(Operation::Create) && !read_create.contains(Operation::Delete));
        assert_eq!(Supplier::by_ods_code("ABC12"), None);
    }
}
