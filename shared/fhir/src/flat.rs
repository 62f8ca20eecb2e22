//! An Immunization as one flat row of the batch format's 34 columns, cleansed: what subscribers of changes receive.
//!
//! The choices among several names, addresses, codings and performers are those of the national service's own change
//! feed. Each that chose or filled in something is reported as a [`Rule`].

use std::fmt;

use ims_domain::person::Gender;
use jiff::civil::{Date, DateTime};
use serde_json::Value;

use crate::batch::HEADER;
use crate::resource::Node;
use crate::time::{date, moment};
use crate::uri;

/// Postcode of a person for whom none stands.
const NO_POSTCODE: &str = "ZZ99 3CZ";
/// Place of a vaccination whose place is not told.
const NO_PLACE: &str = "X99999";
/// Extension of a coding that carries the term as a person chose it.
const CHOSEN_TERM: &str = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-CodingSCTDescDisplay";

/// What cleansing did to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// No postcode stands at the time of the vaccination: `ZZ99 3CZ` is given.
    PostcodeFilledIn,
    /// The place is not told: `X99999` is given.
    PlaceFilledIn,
    /// Of several names, addresses or organisations one was chosen.
    OneOfSeveralChosen,
    /// Of several codings the first SNOMED CT one was chosen.
    FirstSnomedCoding,
    /// Codings were given but none is SNOMED CT: the code is left out.
    NoSnomedCoding,
    /// A date cannot be read: it is left out.
    DateLeftOut,
    /// Where a restricted person lives or was vaccinated was withheld.
    WhereaboutsWithheld,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 7] = [
        Self::PostcodeFilledIn,
        Self::PlaceFilledIn,
        Self::OneOfSeveralChosen,
        Self::FirstSnomedCoding,
        Self::NoSnomedCoding,
        Self::DateLeftOut,
        Self::WhereaboutsWithheld,
    ];

    /// Name in change files and counts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PostcodeFilledIn => "postcode_filled_in",
            Self::PlaceFilledIn => "place_filled_in",
            Self::OneOfSeveralChosen => "one_of_several_chosen",
            Self::FirstSnomedCoding => "first_snomed_coding",
            Self::NoSnomedCoding => "no_snomed_coding",
            Self::DateLeftOut => "date_left_out",
            Self::WhereaboutsWithheld => "whereabouts_withheld",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A flat row, and what cleansing did to get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flat {
    /// Values in the order of [`HEADER`]; empty where there is none.
    pub values: [String; HEADER.len()],
    /// Rules that chose or filled in something, each once, in order.
    pub rules: Vec<Rule>,
}

struct Cleansing {
    at: Option<DateTime>,
    rules: Vec<Rule>,
}

/// Flattens a stored Immunization. `action` is the value of `ACTION_FLAG`.
#[must_use]
pub fn flatten(resource: &Value, action: &str) -> Flat {
    let occurred = text(resource, &["occurrenceDateTime"]);
    let mut cleansing = Cleansing { at: moment(occurred).map(|moment| moment.written), rules: Vec::new() };
    let c = &mut cleansing;
    let patient = contained(resource, "Patient");
    let practitioner = contained(resource, "Practitioner");
    let (forename, surname) = c.name(patient, true);
    let (performer_forename, performer_surname) = c.name(practitioner, false);
    let (site_code, site_system) = c.site(resource);
    let procedure = items(resource, "extension")
        .iter()
        .find(|extension| text(extension, &["url"]) == uri::VACCINATION_PROCEDURE)
        .map_or(&Value::Null, |extension| &extension["valueCodeableConcept"]);
    let identifier = &items(resource, "identifier").first().unwrap_or(&Value::Null);
    let nhs_number = items(patient, "identifier").iter().find(|held| text(held, &["system"]) == uri::NHS_NUMBER);
    let dose = &resource["doseQuantity"];
    let reason = items(resource, "reasonCode").iter().find(|reason| snomed(reason).is_some()).unwrap_or(&Value::Null);
    let values = [
        text(nhs_number.unwrap_or(&Value::Null), &["value"]).to_owned(),
        forename,
        surname,
        c.date(text(patient, &["birthDate"])),
        Gender::ALL
            .iter()
            .find(|gender| gender.fhir() == text(patient, &["gender"]))
            .map_or_else(String::new, |gender| gender.code().to_owned()),
        c.postcode(patient),
        c.date_time(occurred),
        site_code,
        site_system,
        text(identifier, &["value"]).to_owned(),
        text(identifier, &["system"]).to_owned(),
        action.to_owned(),
        performer_forename,
        performer_surname,
        c.date(text(resource, &["recorded"])),
        resource["primarySource"].as_bool().map_or("", |first_hand| if first_hand { "TRUE" } else { "FALSE" }).into(),
        c.code(procedure),
        term(procedure),
        dose_number(resource),
        c.code(&resource["vaccineCode"]),
        term(&resource["vaccineCode"]),
        text(resource, &["manufacturer", "display"]).to_owned(),
        text(resource, &["lotNumber"]).to_owned(),
        c.date(text(resource, &["expirationDate"])),
        c.code(&resource["site"]),
        term(&resource["site"]),
        c.code(&resource["route"]),
        term(&resource["route"]),
        number(&dose["value"]),
        if text(dose, &["system"]) == uri::SNOMED { text(dose, &["code"]).to_owned() } else { String::new() },
        text(dose, &["unit"]).to_owned(),
        c.code(reason),
        c.or_else(text(resource, &["location", "identifier", "value"]), NO_PLACE, Rule::PlaceFilledIn),
        c.or_else(text(resource, &["location", "identifier", "system"]), uri::ODS_ORGANIZATION, Rule::PlaceFilledIn),
    ];
    let mut rules = cleansing.rules;
    rules.sort_unstable();
    rules.dedup();
    Flat { values, rules }
}

fn text<'v>(value: &'v Value, path: &[&str]) -> &'v str {
    value.text_at(path).unwrap_or_default()
}

fn items<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    Node::get(value, key).and_then(Node::items).unwrap_or_default()
}

fn contained<'v>(resource: &'v Value, kind: &str) -> &'v Value {
    items(resource, "contained").iter().find(|part| text(part, &["resourceType"]) == kind).unwrap_or(&Value::Null)
}

fn number(value: &Value) -> String {
    if value.is_number() { value.to_string() } else { String::new() }
}

fn dose_number(resource: &Value) -> String {
    let first = items(resource, "protocolApplied").first().unwrap_or(&Value::Null);
    first["doseNumberPositiveInt"].as_u64().filter(|dose| *dose > 0).map_or_else(String::new, |dose| dose.to_string())
}

fn snomed(concept: &Value) -> Option<&Value> {
    items(concept, "coding").iter().find(|coding| text(coding, &["system"]) == uri::SNOMED)
}

/// A concept's own text; else the term chosen for its first SNOMED CT coding; else that coding's display.
fn term(concept: &Value) -> String {
    let own = text(concept, &["text"]);
    if !own.is_empty() {
        return own.to_owned();
    }
    let Some(coding) = snomed(concept) else { return String::new() };
    let chosen = items(coding, "extension")
        .iter()
        .filter(|extension| text(extension, &["url"]) == CHOSEN_TERM)
        .map(|extension| text(extension, &["valueString"]))
        .find(|chosen| !chosen.is_empty());
    chosen.unwrap_or_else(|| text(coding, &["display"])).to_owned()
}

/// Given names, joined by spaces.
fn given(name: &Value) -> String {
    items(name, "given").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

impl Cleansing {
    fn note(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    fn or_else(&mut self, value: &str, default: &str, rule: Rule) -> String {
        if value.is_empty() {
            self.note(rule);
            return default.to_owned();
        }
        value.to_owned()
    }

    /// `YYYYMMDD`.
    fn date(&mut self, written: &str) -> String {
        let found = moment(written).map(|moment| moment.written.date());
        if found.is_none() && !written.is_empty() {
            self.note(Rule::DateLeftOut);
        }
        found.map_or_else(String::new, |day| day.strftime("%Y%m%d").to_string())
    }

    /// `YYYYMMDDThhmmss` and `00` (UTC) or `01` (British Summer Time).
    fn date_time(&mut self, written: &str) -> String {
        let found = moment(written).filter(|moment| moment.is_british);
        if found.is_none() && !written.is_empty() {
            self.note(Rule::DateLeftOut);
        }
        found.map_or_else(String::new, |moment| {
            let zone = if moment.offset.is_some_and(|offset| offset.seconds() == 3600) { "01" } else { "00" };
            format!("{}{zone}", moment.written.strftime("%Y%m%dT%H%M%S"))
        })
    }

    /// The code of the first SNOMED CT coding.
    fn code(&mut self, concept: &Value) -> String {
        let codings = items(concept, "coding").len();
        match snomed(concept) {
            Some(coding) => {
                if codings > 1 {
                    self.note(Rule::FirstSnomedCoding);
                }
                text(coding, &["code"]).to_owned()
            }
            None => {
                if codings > 0 {
                    self.note(Rule::NoSnomedCoding);
                }
                String::new()
            }
        }
    }

    /// Whether a name or an address stood at the time of the vaccination.
    fn stands(&self, part: &Value) -> bool {
        let Some(at) = self.at else { return true };
        let (start, end) = (text(part, &["period", "start"]), text(part, &["period", "end"]));
        let first = moment(start).map(|start| start.written);
        let last =
            date(end).map(|day: Date| day.at(23, 59, 59, 999_999_999)).or_else(|| moment(end).map(|end| end.written));
        first.is_none_or(|first| first <= at) && last.is_none_or(|last| at <= last)
    }

    fn chosen<'v>(&mut self, among: usize, choice: Option<&'v Value>) -> &'v Value {
        if among > 1 && choice.is_some() {
            self.note(Rule::OneOfSeveralChosen);
        }
        choice.unwrap_or(&Value::Null)
    }

    /// Forename and surname: the official name that stood; else one that stood and is not an old one; else the first.
    /// `whole`: both or neither.
    fn name(&mut self, person: &Value, whole: bool) -> (String, String) {
        let complete = |name: &&Value| match (name.get("given").is_some(), name.get("family").is_some()) {
            (true, true) => true,
            (false, false) => false,
            _ => !whole,
        };
        let names: Vec<&Value> = items(person, "name").iter().filter(complete).collect();
        let usage = |name: &&&Value, usage: &str| text(name, &["use"]) == usage;
        let standing = || names.iter().filter(|name| self.stands(name));
        let choice = standing()
            .find(|name| usage(name, "official"))
            .or_else(|| standing().find(|name| !usage(name, "old")))
            .or(names.first())
            .copied();
        let name = self.chosen(names.len(), choice);
        let (forename, surname) = (given(name), text(name, &["family"]).to_owned());
        if whole && (forename.is_empty() || surname.is_empty()) {
            return (String::new(), String::new());
        }
        (forename, surname)
    }

    /// The postcode of the address that stood: the home that is no postal address; else one that is not old and no
    /// postal address; else one that is not old; else the first.
    fn postcode(&mut self, patient: &Value) -> String {
        let all = items(patient, "address");
        if let [only] = all {
            return self.or_else(text(only, &["postalCode"]), NO_POSTCODE, Rule::PostcodeFilledIn);
        }
        let is = |address: &&&Value, key: &str, word: &str| text(address, &[key]).eq_ignore_ascii_case(word);
        let standing: Vec<&Value> =
            all.iter().filter(|address| !text(address, &["postalCode"]).is_empty() && self.stands(address)).collect();
        let choice = standing
            .iter()
            .find(|address| is(address, "use", "home") && !is(address, "type", "postal"))
            .or_else(|| standing.iter().find(|address| !is(address, "use", "old") && !is(address, "type", "postal")))
            .or_else(|| standing.iter().find(|address| !is(address, "use", "old")))
            .or(standing.first())
            .copied();
        let address = self.chosen(all.len(), choice);
        self.or_else(text(address, &["postalCode"]), NO_POSTCODE, Rule::PostcodeFilledIn)
    }

    /// Code and system of the organisation: one with an ODS code and said to be an organisation; else one with an ODS
    /// code; else one said to be an organisation; else the first performer that has an identifier.
    fn site(&mut self, resource: &Value) -> (String, String) {
        let actors: Vec<&Value> = items(resource, "performer")
            .iter()
            .filter_map(|performer| performer.get("actor"))
            .filter(|actor| actor.get("identifier").is_some())
            .collect();
        let by_ods = |actor: &&&Value| text(actor, &["identifier", "system"]) == uri::ODS_ORGANIZATION;
        let organisation = |actor: &&&Value| text(actor, &["type"]) == "Organization";
        let choice = actors
            .iter()
            .find(|actor| by_ods(actor) && organisation(actor))
            .or_else(|| actors.iter().find(by_ods))
            .or_else(|| actors.iter().find(organisation))
            .or(actors.first())
            .copied();
        let actor = self.chosen(actors.len(), choice);
        let of = |key| text(actor, &["identifier", key]).to_owned();
        (of("value"), of("system"))
    }
}
