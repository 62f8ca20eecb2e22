//! A person as the service knows them: one item, small enough to be read and written whole.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::clock::age_on;
use crate::details::Statements;
use crate::letter::ReturnedMail;
use crate::matching::Identity;
use crate::merge::Member;
use crate::reach::FailedNumber;
use crate::{NhsNumber, PersonId, VaccineType, postcode};

/// Cohort labels that say what a person wishes about contact, not what they are.
pub const WISH_PREFIX: &str = "contact_";

/// Cohort label of people in prison or another secure setting: they are reached through its healthcare service.
pub const IN_CUSTODY: &str = "in_custody";

/// Sex as NHS files code it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Gender {
    /// 1
    Male,
    /// 2
    Female,
    /// 9
    Other,
    /// 0, or nothing said
    #[default]
    Unknown,
}

impl Gender {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Male, Self::Female, Self::Other, Self::Unknown];

    /// From the NHS code 1, 2, 9 or 0.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "1" => Some(Self::Male),
            "2" => Some(Self::Female),
            "9" => Some(Self::Other),
            "0" => Some(Self::Unknown),
            _ => None,
        }
    }

    /// The NHS code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Male => "1",
            Self::Female => "2",
            Self::Other => "9",
            Self::Unknown => "0",
        }
    }

    /// The FHIR code.
    #[must_use]
    pub fn fhir(self) -> &'static str {
        match self {
            Self::Male => "male",
            Self::Female => "female",
            Self::Other => "other",
            Self::Unknown => "unknown",
        }
    }
}

/// What the demographics feed says of a person; every field is replaced together by a later row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Demographics {
    /// The source's serial number of the row this came from; 0 where only a vaccination or booking is known.
    pub serial: u64,
    /// When the source made that change, `YYYYMMDDThhmmss`, UTC; decides between rows of one serial number.
    pub changed: String,
    /// A hash of that row, which tells another row of the same serial number and time from the same one again.
    pub digest: u64,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// Date of birth, where known.
    pub date_of_birth: Option<Date>,
    /// Sex.
    pub gender: Gender,
    /// Address lines, blank ones left out.
    pub address_lines: Vec<String>,
    /// Postcode as written, normalised.
    pub postcode: String,
    /// LSOA code, e.g. `E01000001`.
    pub lsoa: String,
    /// MSOA code.
    pub msoa: String,
    /// Sub-ICB location code.
    pub sub_icb: String,
    /// ICB code, e.g. `QOQ`.
    pub icb: String,
    /// Region code, e.g. `Y63`.
    pub region: String,
    /// Index of Multiple Deprivation decile, 1 most deprived to 10; 0 unknown.
    pub imd_decile: u8,
    /// Ethnic category (NHS Data Dictionary), `Z` not stated, `99` not known.
    pub ethnic_category: String,
    /// Registered practice, e.g. `B81087`.
    pub practice: String,
    /// Landline or other number to telephone.
    pub telephone: String,
    /// Mobile number to text.
    pub mobile: String,
    /// Email address.
    pub email: String,
    /// Preferred language code.
    pub language: String,
    /// Whether an interpreter is needed.
    pub interpreter: bool,
}

impl Demographics {
    /// Who the person is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            given_name: self.given_name.clone(),
            family_name: self.family_name.clone(),
            date_of_birth: self.date_of_birth,
        }
    }

    /// Its place among the source's rows about the person: of all that came, in whatever order, the last is held.
    #[must_use]
    pub fn place(&self) -> (u64, &str, u64) {
        (self.serial, &self.changed, self.digest)
    }
}

/// The five separate, reversible states under which nobody is written to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct States {
    /// Died, with the date where known; formally registered or informally reported.
    pub dead: Option<Death>,
    /// Removed from registration, with the reason code (EMB, SCT, NIT, ORR, …).
    pub removed: Option<String>,
    /// The NHS number that replaced this one.
    pub superseded_by: Option<NhsNumber>,
    /// The NHS number was invalidated.
    pub invalidated: bool,
    /// PDS "R": the address may be disclosed to nobody.
    pub restricted: bool,
}

/// A death.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// The day, where known.
    pub date: Option<Date>,
    /// Whether it is registered (status 2) or so far only reported (status 1).
    pub formal: bool,
}

/// Membership of a cohort, or of a list of wishes. Kept when it ends, so that an older row cannot revive it. Where a full
/// list ended it, it keeps the place of the row that it ended, so that the order in which the two came does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Member now.
    pub member: bool,
    /// The day of the latest change.
    pub date: Date,
    /// Place of the change in its source (file time and row), which decides between changes of one day.
    pub order: String,
    /// Which list says so.
    pub source: String,
}

/// A full list of a cohort, as one source gave it: who is not on it has left, as far as that source had the last word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FullList {
    /// Cohort label.
    pub label: String,
    /// Which source's list it is.
    pub source: String,
    /// The day as at which it is the full list.
    pub date: Date,
    /// Its place among the source's files, before all of its own rows.
    pub order: String,
}

impl FullList {
    /// Its place among what is said of a label.
    #[must_use]
    pub fn place(&self) -> (Date, &str) {
        (self.date, &self.order)
    }

    /// Whether a membership ends by it: the source said so last, and before this list. Rows of the list itself come after
    /// its own place.
    #[must_use]
    pub fn ends(&self, label: &str, held: &Membership) -> bool {
        let is_of_this = label == self.label && held.source == self.source;
        held.member && is_of_this && (held.date, held.order.as_str()) < self.place()
    }
}

/// What rules need of a person's history with one programme. Recomputed from the person's events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct ProgrammeSummary {
    /// Days on which a dose was given, ascending, each day once.
    pub doses: Vec<Date>,
    /// The day of the latest appointment that stands (booked, not cancelled or missed).
    pub booked: Option<Date>,
    /// Who holds that booking.
    pub booking_provider: String,
    /// The day of the latest appointment that was not cancelled: to come, kept or missed.
    pub appointment: Option<Date>,
    /// Invitations written or suppressed, newest last.
    pub invites: Vec<Invite>,
}

/// A trace of an invitation in the person's own summary, so that rules and selection see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Campaign.
    pub campaign: String,
    /// Dose, from 1.
    pub dose: u8,
    /// The day it was decided.
    pub date: Date,
    /// Whether it was opened (a message is on its way); otherwise it was suppressed and may be decided again.
    pub opened: bool,
}

impl ProgrammeSummary {
    /// Doses on or after a day (the start of a season or of the programme).
    #[must_use]
    pub fn doses_since(&self, from: Date) -> u8 {
        u8::try_from(self.doses.iter().filter(|day| **day >= from).count()).unwrap_or(u8::MAX)
    }

    /// Whether an invitation for this dose of the campaign was opened.
    #[must_use]
    pub fn is_invited(&self, campaign: &str, dose: u8) -> bool {
        self.invites.iter().any(|invite| invite.opened && invite.campaign == campaign && invite.dose == dose)
    }

    /// Notes an invitation's latest decision; one entry for each campaign and dose.
    pub fn note_invite(&mut self, invite: Invite) {
        self.invites.retain(|held| held.campaign != invite.campaign || held.dose != invite.dose);
        self.invites.push(invite);
    }
}

/// A person.
///
/// `states`, `cohorts` and `programmes` are what was recorded under this person's own number. What decides about them is
/// asked through the methods, which join in what members bring ([`crate::merge`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Internal id.
    pub id: PersonId,
    /// Rises by one with every write; every decision about the person is made under it.
    pub version: u64,
    /// NHS number, where known.
    pub nhs_number: Option<NhsNumber>,
    /// Demographics.
    #[serde(default)]
    pub demographics: Demographics,
    /// Whom the demographics feed has said this was, other than now: by them, too, records are matched.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub former_identities: BTreeSet<Identity>,
    /// The five states.
    #[serde(default)]
    pub states: States,
    /// Cohorts and wishes by label, ended ones included.
    #[serde(default)]
    pub cohorts: BTreeMap<String, Membership>,
    /// History by programme.
    #[serde(default)]
    pub programmes: BTreeMap<VaccineType, ProgrammeSummary>,
    /// What others than the demographics feed state of its fields ([`crate::details`]); `demographics` has what stands.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: Statements,
    /// What the national Eligibility Data Product says of the person, where its rows were loaded: attributes by the
    /// row's type (`PERSON`, or a target such as `RSV`). Rules then ask these in place of what IMS works out itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, BTreeMap<String, String>>,
    /// The address from which a letter came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned_mail: Option<ReturnedMail>,
    /// A mobile number of theirs that texts did not reach ([`crate::reach`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_number: Option<FailedNumber>,
    /// Whoever holds the number that superseded this person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survivor: Option<PersonId>,
    /// What those bring whose numbers this person's superseded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<PersonId, Member>,
}

impl Person {
    /// Someone of whom nothing but an id is known yet.
    #[must_use]
    pub fn new(id: PersonId, nhs_number: Option<NhsNumber>) -> Self {
        Self {
            id,
            version: 0,
            nhs_number,
            demographics: Demographics::default(),
            former_identities: BTreeSet::new(),
            states: States::default(),
            cohorts: BTreeMap::new(),
            programmes: BTreeMap::new(),
            details: Statements::new(),
            attributes: BTreeMap::new(),
            returned_mail: None,
            failed_number: None,
            survivor: None,
            members: BTreeMap::new(),
        }
    }

    /// Notes whom a row of the demographics feed names, before the row is taken over: an older row tells a former identity.
    pub(crate) fn note_identity(&mut self, row: &Demographics) {
        let (named, held) = (row.identity(), self.demographics.identity());
        if row.place() <= self.demographics.place() {
            if named != held && named.says_something() {
                self.former_identities.insert(named);
            }
            return;
        }
        self.former_identities.remove(&named);
        if self.demographics.serial > 0 && named != held && held.says_something() {
            self.former_identities.insert(held);
        }
    }

    /// The death, known under whichever number.
    #[must_use]
    pub fn death(&self) -> Option<&Death> {
        self.states.dead.as_ref().or_else(|| self.members.values().find_map(|member| member.dead.as_ref()))
    }

    /// Whether the address may be disclosed to nobody, under whichever number that was said.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        self.states.restricted || self.members.values().any(|member| member.restricted)
    }

    /// This person and all members, with their numbers.
    #[must_use]
    pub fn numbers(&self) -> BTreeMap<PersonId, Option<NhsNumber>> {
        let members = self.members.values().flat_map(|member| &member.people);
        members.map(|(id, number)| (*id, *number)).chain([(self.id, self.nhs_number)]).collect()
    }

    /// Labels of the cohorts of which the person is a member, and of the wishes they hold, now.
    #[must_use]
    pub fn labels(&self) -> BTreeSet<&str> {
        let own = self.cohorts.iter().filter(|(_, membership)| membership.member).map(|(label, _)| label);
        own.chain(self.members.values().flat_map(|member| &member.labels)).map(String::as_str).collect()
    }

    /// Whether the person is a member of a cohort (or holds a wish) now.
    #[must_use]
    pub fn in_cohort(&self, label: &str) -> bool {
        self.cohorts.get(label).is_some_and(|membership| membership.member)
            || self.members.values().any(|member| member.labels.contains(label))
    }

    /// The cohorts of which the person is a member, wishes left out.
    pub fn cohort_labels(&self) -> impl Iterator<Item = &str> {
        self.labels().into_iter().filter(|label| !label.starts_with(WISH_PREFIX))
    }

    /// The wishes that the person holds.
    pub fn wishes(&self) -> impl Iterator<Item = &str> {
        self.labels().into_iter().filter(|label| label.starts_with(WISH_PREFIX))
    }

    /// Whether the person has opted out of all contact, or of this programme's.
    #[must_use]
    pub fn has_opted_out(&self, programme: VaccineType) -> bool {
        self.in_cohort("contact_opt_out_all")
            || self.in_cohort(&format!("contact_opt_out_{}", programme.code().to_lowercase()))
    }

    /// Age in completed years on a day, where the date of birth is known.
    #[must_use]
    pub fn age_on(&self, day: Date) -> Option<i16> {
        self.demographics.date_of_birth.map(|born| age_on(born, day))
    }

    /// The person's history with a programme: its own vaccine, and any that covers it.
    #[must_use]
    pub fn programme(&self, programme: VaccineType) -> ProgrammeSummary {
        let mut history = self.programmes.get(&programme).cloned().unwrap_or_default();
        let wider = self.programmes.iter().filter(|(vaccine, _)| **vaccine != programme && vaccine.covers(programme));
        for (_, other) in wider {
            history.join(other);
        }
        let members = self.members.values().flat_map(|member| &member.programmes);
        for (_, other) in members.filter(|(vaccine, _)| vaccine.covers(programme)) {
            history.join(other);
        }
        history
    }

    /// Whether a letter can be addressed: at least one line and a postcode that is not a dummy, and none came back from there.
    #[must_use]
    pub fn has_postal_address(&self) -> bool {
        !self.is_restricted()
            && !self.address_is_disowned()
            && self.returned_mail.is_none_or(|returned| !returned.holds_for(self))
            && postcode::is_deliverable(&self.demographics.postcode)
            && self.demographics.address_lines.iter().any(|line| !line.trim().is_empty())
    }
}
