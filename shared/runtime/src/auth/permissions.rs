//! What each supplier may do with which vaccine type, and which ODS codes stand for it.
//!
//! The configuration has the shape of the national service's own: a list of suppliers with permissions such as
//! `COVID.CRUDS` (create, read, update, delete, search) and ODS codes. `*` stands for every vaccine type. Beside vaccine
//! types, `BOOKINGS`, `DEMOGRAPHICS`, `COHORTS` and `DETAILS` name the other feeds; their senders are named by their ODS code.
//! `ELIGIBILITY.R` is to ask what a person is due, of all campaigns or of those listed under `campaigns`.

use std::collections::BTreeMap;

use ims_domain::VaccineType;
use serde::Deserialize;
use thiserror::Error;

/// Letters of operations: create, read, update, delete, search.
const OPERATIONS: &str = "CRUDS";

/// A supplier as the configuration writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    supplier: String,
    #[serde(default)]
    permissions: Vec<String>,
    #[serde(default)]
    ods_codes: Vec<String>,
    /// What a sandbox lets it do beside.
    #[serde(default)]
    sandbox_permissions: Vec<String>,
    /// Campaigns that it may ask eligibility for; all where absent.
    campaigns: Option<Vec<String>>,
    /// Whether only a sandbox knows it.
    #[serde(default)]
    sandbox_only: bool,
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PermissionsError {
    /// Two entries are of one supplier.
    #[error("supplier '{0}' has two entries")]
    Supplier(String),
    /// A permission that cannot be read.
    #[error(
        "supplier '{supplier}': the permission '{permission}' is not a vaccine type or feed, a dot, and letters of CRUDS"
    )]
    Permission {
        /// Supplier.
        supplier: String,
        /// As written.
        permission: String,
    },
    /// An ODS code that stands for two suppliers.
    #[error("the ODS code '{0}' stands for two suppliers")]
    OdsCode(String),
}

/// What suppliers may do, and who they are by ODS code.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "Vec<Entry>")]
pub struct Permissions {
    grants: BTreeMap<String, Vec<(String, String)>>,
    sandbox_grants: BTreeMap<String, Vec<(String, String)>>,
    by_ods_code: BTreeMap<String, String>,
    campaigns: BTreeMap<String, Vec<String>>,
    sandbox_only: Vec<String>,
}

impl TryFrom<Vec<Entry>> for Permissions {
    type Error = PermissionsError;

    fn try_from(entries: Vec<Entry>) -> Result<Self, Self::Error> {
        let mut all = Self::default();
        for Entry { supplier, permissions, sandbox_permissions, ods_codes, campaigns, sandbox_only } in entries {
            let grant = |permission: String| {
                let read = permission.split_once('.').filter(|(what, letters)| {
                    !what.is_empty() && !letters.is_empty() && letters.chars().all(|letter| OPERATIONS.contains(letter))
                });
                let read = read.map(|(what, letters)| (what.to_owned(), letters.to_owned()));
                read.ok_or_else(|| PermissionsError::Permission { supplier: supplier.clone(), permission })
            };
            let grants = permissions.into_iter().map(grant).collect::<Result<_, _>>()?;
            let in_a_sandbox = sandbox_permissions.into_iter().map(grant).collect::<Result<_, _>>()?;
            all.sandbox_grants.insert(supplier.clone(), in_a_sandbox);
            for code in ods_codes {
                if all.by_ods_code.insert(code.to_ascii_uppercase(), supplier.clone()).is_some() {
                    return Err(PermissionsError::OdsCode(code));
                }
            }
            if let Some(campaigns) = campaigns {
                all.campaigns.insert(supplier.clone(), campaigns);
            }
            if sandbox_only {
                all.sandbox_only.push(supplier.clone());
            }
            if all.grants.insert(supplier.clone(), grants).is_some() {
                return Err(PermissionsError::Supplier(supplier));
            }
        }
        Ok(all)
    }
}

impl Permissions {
    /// The permissions in `permissions.json` beside this module: the national service's in production, and those of the
    /// other feeds' senders. A sandbox has suppliers of its own as well.
    ///
    /// # Errors
    /// Where the file is not valid.
    pub fn built_in(is_sandbox: bool) -> Result<Self, serde_json::Error> {
        let mut all: Self = serde_json::from_str(include_str!("permissions.json"))?;
        let beside = std::mem::take(&mut all.sandbox_grants);
        if is_sandbox {
            for (supplier, grants) in beside {
                all.grants.entry(supplier).or_default().extend(grants);
            }
        } else {
            for supplier in std::mem::take(&mut all.sandbox_only) {
                all.grants.remove(&supplier);
                all.by_ods_code.retain(|_, held| *held != supplier);
            }
        }
        Ok(all)
    }

    /// Whether a supplier may do an operation (`C`, `R`, `U`, `D`, `S`) with a vaccine type or another feed.
    #[must_use]
    pub fn allows(&self, supplier: &str, what: &str, operation: char) -> bool {
        self.grants.get(supplier).is_some_and(|grants| {
            grants.iter().any(|(granted, operations)| {
                let covers = granted == what || granted == "*" && what.parse::<VaccineType>().is_ok();
                covers && operations.contains(operation)
            })
        })
    }

    /// The campaigns, by id, that a supplier may ask eligibility for; `None`: all.
    #[must_use]
    pub fn campaigns(&self, supplier: &str) -> Option<&[String]> {
        self.campaigns.get(supplier).map(Vec::as_slice)
    }

    /// The supplier that an ODS code stands for, in any case.
    #[must_use]
    pub fn supplier_of(&self, ods_code: &str) -> Option<&str> {
        self.by_ods_code.get(&ods_code.to_ascii_uppercase()).map(String::as_str)
    }

    /// The ODS codes that stand for a supplier, in order.
    pub fn ods_codes(&self, supplier: &str) -> impl Iterator<Item = &str> {
        self.by_ods_code.iter().filter(move |(_, held)| *held == supplier).map(|(code, _)| code.as_str())
    }

    /// All suppliers, by name.
    pub fn suppliers(&self) -> impl Iterator<Item = &str> {
        self.grants.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Permissions, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn permissions_are_per_supplier_vaccine_and_operation() {
        let permissions = read(
            r#"[{"supplier": "A", "permissions": ["COVID.CR", "BOOKINGS.C"], "ods_codes": ["YGA", "b1c"]},
                {"supplier": "B", "permissions": ["*.S"], "campaigns": ["flu"]}, {"supplier": "C"}]"#,
        )
        .unwrap();
        for (supplier, what, operation, allowed) in [
            ("A", "COVID", 'C', true),
            ("A", "COVID", 'D', false),
            ("A", "FLU", 'C', false),
            ("A", "BOOKINGS", 'C', true),
            ("B", "FLU", 'S', true),
            ("B", "FLU", 'R', false),
            ("B", "BOOKINGS", 'S', false),
            ("C", "FLU", 'S', false),
            ("D", "FLU", 'S', false),
            ("a", "COVID", 'C', false),
        ] {
            assert_eq!(permissions.allows(supplier, what, operation), allowed, "{supplier} {what} {operation}");
        }
        assert_eq!(permissions.campaigns("A"), None);
        assert_eq!(permissions.campaigns("B"), Some(&["flu".to_owned()][..]));
        for (code, supplier) in [("YGA", Some("A")), ("yga", Some("A")), ("B1C", Some("A")), ("A", None), ("", None)] {
            assert_eq!(permissions.supplier_of(code), supplier, "{code}");
        }
    }

    #[test]
    fn a_configuration_that_could_be_misread_is_refused() {
        for (text, why) in [
            (r#"[{"supplier": "A"}, {"supplier": "A"}]"#, "supplier 'A' has two entries"),
            (
                r#"[{"supplier": "A", "ods_codes": ["X1"]}, {"supplier": "B", "ods_codes": ["x1"]}]"#,
                "the ODS code 'x1' stands for two suppliers",
            ),
            (r#"[{"supplier": "A", "permissions": ["FLU"]}]"#, "supplier 'A': the permission 'FLU' is not"),
            (r#"[{"supplier": "A", "permissions": ["FLU.CX"]}]"#, "the permission 'FLU.CX' is not"),
            (r#"[{"supplier": "A", "permissions": [".C"]}]"#, "the permission '.C' is not"),
            (r#"[{"supplier": "A", "odscodes": []}]"#, "unknown field `odscodes`"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn what_the_file_grants_is_known() {
        let all = Permissions::built_in(true).unwrap();
        for (what, _) in all.grants.values().flatten() {
            let is_feed = ["*", "BOOKINGS", "CAPACITY", "DEMOGRAPHICS", "COHORTS", "DETAILS", "ELIGIBILITY"]
                .contains(&what.as_str());
            assert!(is_feed || what.parse::<VaccineType>().is_ok(), "{what}");
        }
        assert!(all.allows("Postman_Auth", "MENB", 'S'));
        let real = Permissions::built_in(false).unwrap();
        assert!(!real.allows("Postman_Auth", "MENB", 'S') && real.suppliers().all(|name| name != "Postman_Auth"));
    }

    #[test]
    fn the_national_suppliers_have_what_production_gives_them() {
        let Some(folder) = acceptance_data() else { return };
        let path = folder.join("acceptance/imms/permissions_config_prod.json");
        let national: Permissions = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let held = Permissions::built_in(false).unwrap();
        assert!(national.grants.len() > 10);
        for (supplier, grants) in &national.grants {
            assert_eq!(held.grants.get(supplier), Some(grants), "{supplier}");
        }
        for (code, supplier) in &national.by_ods_code {
            assert_eq!(held.by_ods_code.get(code), Some(supplier), "{code}");
        }
    }

    /// The folder of acceptance data, where it is there.
    fn acceptance_data() -> Option<std::path::PathBuf> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folder = std::env::var_os("IMS_ACCEPTANCE_DATA").map_or_else(|| root.join("../shared"), Into::into);
        let there = folder.join("acceptance").is_dir();
        if !there {
            eprintln!("skipped: no acceptance data in {}", folder.display());
        }
        there.then_some(folder)
    }
}
