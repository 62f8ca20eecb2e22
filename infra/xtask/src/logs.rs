//! Personal data in logs: everyone who came into a local stack, by file or through the API, is looked for in all that its
//! processes and functions wrote.
//!
//! A find names file, line and kind, never the value.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{demo::running::Running, endpoints::Endpoints};

/// File of a stack's directory that holds what was sent to its API.
pub const RECEIVED: &str = "received.ndjson";

/// What is personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Personal {
    /// NHS number.
    NhsNumber,
    /// Given or family name.
    Name,
    /// Postcode.
    Postcode,
    /// Telephone number.
    Phone,
}

/// Columns of feeds that hold it.
const COLUMNS: [(&str, Personal); 10] = [
    ("NHS_NUMBER", Personal::NhsNumber),
    ("SUPERSEDED_BY_NHS_NUMBER", Personal::NhsNumber),
    ("PERSON_FORENAME", Personal::Name),
    ("PERSON_SURNAME", Personal::Name),
    ("GIVEN_NAME", Personal::Name),
    ("FAMILY_NAME", Personal::Name),
    ("PERSON_POSTCODE", Personal::Postcode),
    ("POSTCODE", Personal::Postcode),
    ("MOBILE_NUMBER", Personal::Phone),
    ("TELEPHONE_NUMBER", Personal::Phone),
];

/// What is looked for, each in its plain form: digits, or letters and digits in capitals.
#[derive(Debug, Default)]
pub struct Register(HashMap<String, Personal>);

/// A find.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Find {
    /// File.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// What was found there.
    pub kind: Personal,
}

impl std::fmt::Display for Find {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {:?}", self.file.display(), self.line, self.kind)
    }
}

impl Register {
    /// Adds a value. What is no telling value of its kind is left out: a number of the wrong length, a name that is
    /// shorter than four letters or a word of the language.
    pub fn add(&mut self, kind: Personal, value: &str) {
        let value = value.trim();
        let plain = match kind {
            Personal::NhsNumber | Personal::Phone => digits(value),
            Personal::Postcode => value.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_uppercase(),
            Personal::Name => value.to_uppercase(),
        };
        let tells = match kind {
            Personal::NhsNumber => plain.len() == 10,
            Personal::Phone => (10..=13).contains(&plain.len()),
            Personal::Postcode => (5..=7).contains(&plain.len()),
            Personal::Name => {
                plain.chars().count() >= 4 && plain.chars().all(char::is_alphabetic) && !WORDS.contains(&plain.as_str())
            }
        };
        if !tells {
            return;
        }
        if kind == Personal::Phone {
            // 07…, +447… and 447… are one number.
            let national = plain.strip_prefix("44").map_or(plain.clone(), |rest| format!("0{rest}"));
            self.0.insert(national.replacen('0', "44", 1), kind);
            self.0.insert(national, kind);
        } else {
            self.0.insert(plain, kind);
        }
    }

    /// Adds everyone in a feed file.
    pub fn add_file(&mut self, text: &str) {
        let mut lines = text.lines();
        let header = lines.next().unwrap_or_default();
        let delimiter = if header.contains('|') { '|' } else { ',' };
        let clean = |field: &str| field.trim().trim_matches('"').to_owned();
        let columns: Vec<Option<Personal>> = header
            .split(delimiter)
            .map(|name| COLUMNS.iter().find(|(column, _)| *column == clean(name)).map(|(_, kind)| *kind))
            .collect();
        for line in lines {
            for (kind, field) in columns.iter().zip(line.split(delimiter)) {
                if let Some(kind) = kind {
                    self.add(*kind, &clean(field));
                }
            }
        }
    }

    /// Adds everyone in what the API was sent: the query, or a form, and a FHIR body.
    pub fn add_request(&mut self, query: &str, body: &str) {
        for text in [query, body].map(unescaped) {
            for run in text.split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() == 10) {
                self.add(Personal::NhsNumber, run);
            }
        }
        if let Ok(body) = serde_json::from_str::<Value>(body) {
            self.add_resource(&body);
        }
    }

    fn add_resource(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                let patient = fields.get("resourceType").is_some_and(|kind| kind == "Patient");
                for name in fields.get("name").filter(|_| patient).and_then(Value::as_array).into_iter().flatten() {
                    let given = name["given"].as_array().into_iter().flatten();
                    for part in given.chain([&name["family"]]).filter_map(Value::as_str) {
                        self.add(Personal::Name, part);
                    }
                }
                for address in fields.get("address").filter(|_| patient).and_then(Value::as_array).into_iter().flatten()
                {
                    self.add(Personal::Postcode, address["postalCode"].as_str().unwrap_or_default());
                }
                for telecom in fields.get("telecom").filter(|_| patient).and_then(Value::as_array).into_iter().flatten()
                {
                    self.add(Personal::Phone, telecom["value"].as_str().unwrap_or_default());
                }
                fields.values().for_each(|field| self.add_resource(field));
            }
            Value::Array(values) => values.iter().for_each(|value| self.add_resource(value)),
            _ => {}
        }
    }

    /// Number of values of each kind.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Personal, usize> {
        let mut counts = BTreeMap::new();
        for kind in self.0.values() {
            *counts.entry(*kind).or_default() += 1;
        }
        counts
    }

    /// What a line holds.
    #[must_use]
    pub fn found_in(&self, line: &str) -> BTreeSet<Personal> {
        let line = unescaped(line).to_uppercase();
        // Words, and whether they follow the word before after but one space, hyphen or plus.
        let mut words: Vec<(&str, bool)> = Vec::new();
        let mut end = usize::MAX;
        let mut start = None;
        for (place, c) in line.char_indices().chain([(line.len(), ' ')]) {
            match (c.is_alphanumeric(), start) {
                (true, None) => start = Some(place),
                (false, Some(begun)) => {
                    let between = line.get(end.min(begun)..begun).unwrap_or_default();
                    words.push((&line[begun..place], matches!(between, " " | "-" | "+")));
                    (end, start) = (place, None);
                }
                _ => {}
            }
        }
        let mut found = BTreeSet::new();
        for place in 0..words.len() {
            let mut joined = String::new();
            for (offset, (word, follows)) in words[place..].iter().take(5).enumerate() {
                if offset > 0 && !follows {
                    break;
                }
                joined.push_str(word);
                // A name is one word; numbers and postcodes may be spaced.
                found.extend(self.0.get(&joined).filter(|kind| offset == 0 || **kind != Personal::Name));
            }
        }
        found
    }

    /// Searches files, and those in folders below.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn search(&self, folder: &Path) -> Result<(Vec<Find>, usize)> {
        let (mut finds, mut lines) = (Vec::new(), 0);
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let mut reader = BufReader::new(fs::File::open(&path)?);
                let mut bytes = Vec::new();
                for line in 1.. {
                    bytes.clear();
                    if reader.read_until(b'\n', &mut bytes)? == 0 {
                        break;
                    }
                    lines += 1;
                    let found = self.found_in(&String::from_utf8_lossy(&bytes));
                    finds.extend(found.into_iter().map(|kind| Find { file: path.clone(), line, kind }));
                }
            }
        }
        finds.sort();
        Ok((finds, lines))
    }
}

/// A text with its percent-escapes of ASCII resolved.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('%');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(u8::is_ascii);
        plain.push(byte.map_or('%', char::from));
        plain.push_str(if byte.is_some() { &part[2..] } else { part });
    }
    plain
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Names that are words of the language or of the logs as well, in capitals. The contract's test sends such as `false`.
const WORDS: [&str; 27] = [
    "BANKS", "BELL", "BLACK", "BROWN", "BUTLER", "COLE", "COOK", "COOPER", "FALSE", "FIELD", "GRACE", "GRAY", "GREEN",
    "HOPE", "HUNT", "KING", "LANE", "LONG", "MARK", "MILES", "NULL", "REED", "ROSE", "TRUE", "WARD", "WHITE", "YOUNG",
];

/// Looks in a running stack's logs for everyone who came into it.
///
/// # Errors
/// Where the stack cannot be read.
pub async fn check(dir: &Path) -> Result<Vec<Find>> {
    let register = register(dir).await?;
    let (finds, lines) = register.search(&dir.join("logs"))?;
    eprintln!("searched {lines} lines of logs for {:?}: {} found", register.counts(), finds.len());
    for find in finds.iter().take(20) {
        eprintln!("  {find}");
    }
    Ok(finds)
}

async fn register(dir: &Path) -> Result<Register> {
    let running = Running::connect(&Endpoints::read(dir)?).await?;
    let mut register = Register::default();
    for key in running.keys("inbound").await? {
        register.add_file(&String::from_utf8_lossy(&running.get("inbound", &key).await?));
    }
    let received = dir.join(RECEIVED);
    for line in fs::read_to_string(&received).with_context(|| format!("reading {}", received.display()))?.lines() {
        let line: Value = serde_json::from_str(line)?;
        register.add_request(line["query"].as_str().unwrap_or_default(), line["body"].as_str().unwrap_or_default());
    }
    Ok(register)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register() -> Register {
        let mut register = Register::default();
        register.add_file(
            "NHS_NUMBER|PERSON_FORENAME|PERSON_SURNAME|PERSON_POSTCODE|X\n9990001014|\"Ada\"|Byron|CB3 8DX|y\n",
        );
        register.add_file("MOBILE_NUMBER,FAMILY_NAME\n07700900123,King\n");
        register.add_request(
            "patient.identifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fnhs-number%7C9990000018",
            r#"{"contained": [{"resourceType": "Patient", "name": [{"family": "Lovelace", "given": ["Augusta"]}], "address": [{"postalCode": "EC1A 1BB"}]}]}"#,
        );
        register
    }

    #[test]
    fn what_is_planted_is_found_in_any_spelling_and_told_without_its_value() {
        use Personal::{Name, NhsNumber, Phone, Postcode};
        let folder = std::env::temp_dir().join(format!("xtask-logs-{}", std::process::id()));
        fs::create_dir_all(folder.join("functions")).unwrap();
        let planted = [
            ("nothing but file=FLU_Vaccinations_v5_YGM41_20251001T05000000.csv row=3", None),
            (r#"{"key":"N#9990001014/ALIAS"}"#, Some(NhsNumber)),
            ("number 999 000 1014 refused", Some(NhsNumber)),
            ("x 99900010145 and 19990001014", None),
            ("search?id=nhs-number%7C9990000018", Some(NhsNumber)),
            ("at CB3%208DX", Some(Postcode)),
            ("at cb38dx", Some(Postcode)),
            ("at EC1A+1BB", Some(Postcode)),
            ("call +447700900123", Some(Phone)),
            ("call 07700 900 123", Some(Phone)),
            ("Mrs BYRON", Some(Name)),
            ("Byronic", None),
            ("augusta", Some(Name)),
            ("the King of names is no find", None),
        ];
        let text: Vec<&str> = planted.iter().map(|(line, _)| *line).collect();
        let file = folder.join("functions/ims-record-api.log");
        fs::write(&file, text.join("\n")).unwrap();
        let (finds, lines) = register().search(&folder).unwrap();
        let expected: Vec<Find> = (1..)
            .zip(&planted)
            .filter_map(|(line, (_, kind))| kind.map(|kind| Find { file: file.clone(), line, kind }))
            .collect();
        assert_eq!((finds, lines), (expected.clone(), planted.len()));
        assert!(expected[0].to_string().ends_with("ims-record-api.log:2: NhsNumber"), "{}", expected[0]);
        fs::remove_dir_all(folder).unwrap();
    }
}
