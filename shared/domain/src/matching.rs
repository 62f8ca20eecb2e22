//! Whether a record is about the person who holds the NHS number it came under.
//!
//! A record counts for the person who holds it if what it says of the patient agrees with who the demographics feed says
//! has that number. One that does not, or that came without a number, is kept and answered as any other, and counts for
//! nobody until somebody decides about it, or until what is known agrees.
//!
//! Agreement is asked of every identity that the feed has ever given the number, so that it does not depend on which of
//! two rows arrived first, and a record that agreed once still does after a marriage or a correction.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::record::Patient;
use crate::{NhsNumber, Person, PersonId};

/// Who somebody is, as a source says: the part by which records are matched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Identity {
    /// Given names.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// Date of birth.
    pub date_of_birth: Option<Date>,
}

impl Identity {
    /// Whether it names anybody at all.
    pub(crate) fn says_something(&self) -> bool {
        self.fields() > 0
    }

    /// How many of its fields say something.
    fn fields(&self) -> u8 {
        u8::from(!self.given_name.trim().is_empty())
            + u8::from(!self.family_name.trim().is_empty())
            + u8::from(self.date_of_birth.is_some())
    }
}

/// What speaks against a record being about the person who holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// It came without an NHS number, so that nobody known holds it.
    NoNumber,
    /// It names another NHS number than its holder's.
    Number,
    /// The dates of birth differ.
    BirthDate,
    /// The family names differ.
    FamilyName,
    /// The given names differ.
    GivenName,
}

impl Difference {
    /// The name in items, notices and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoNumber => "no_number",
            Self::Number => "number",
            Self::BirthDate => "birth_date",
            Self::FamilyName => "family_name",
            Self::GivenName => "given_name",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What was decided about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// It is about the person who holds it.
    Confirmed,
    /// It is about somebody else, whom it was moved to.
    Attached,
    /// It is about nobody who is known, and counts for nobody.
    Nobodys,
}

impl Ruling {
    /// The name in items.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Attached => "attached",
            Self::Nobodys => "nobodys",
        }
    }
}

/// A decision of a member of staff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What was decided.
    pub ruling: Ruling,
    /// Who decided.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// Who held the record before it was attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PersonId>,
}

/// Where a record stands with its holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Matching {
    /// What speaks against it; nothing where it agrees.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub differences: BTreeSet<Difference>,
    /// When it came into the matching queue, where it is or was in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What staff decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

impl Matching {
    /// Whether it waits for a decision.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.decision.is_none() && !self.differences.is_empty()
    }

    /// Whether staff attached it to its holder, whatever number it came with.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.decision.as_ref().is_some_and(|decision| decision.ruling == Ruling::Attached)
    }

    /// Whether the record counts for its holder.
    #[must_use]
    pub fn counts(&self) -> bool {
        match &self.decision {
            None => self.differences.is_empty(),
            Some(decision) => decision.ruling != Ruling::Nobodys,
        }
    }

    /// Where the record stands, in a word: `agreed`, `unmatched`, `confirmed`, `attached` or `nobodys`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.decision {
            Some(decision) => decision.ruling.name(),
            None if self.differences.is_empty() => "agreed",
            None => "unmatched",
        }
    }

    /// Of the next version of a record that says these things of its patient: a decision, and the time since which it
    /// waits, hold as long as the record says the same.
    pub(crate) fn of_next(held: Option<(&Self, bool)>, differences: BTreeSet<Difference>) -> Self {
        match held {
            Some((matching, true)) => Self { differences, ..matching.clone() },
            Some((matching, false)) if matching.is_open() => {
                Self { differences, since: matching.since, decision: None }
            }
            _ => Self { differences, ..Self::default() },
        }
    }
}

impl Patient {
    /// Who the patient is.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            given_name: self.given_name.clone(),
            family_name: self.family_name.clone(),
            date_of_birth: self.date_of_birth,
        }
    }

    /// Whether both say the same of who the patient is.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.nhs_number == other.nhs_number && self.identity() == other.identity()
    }
}

impl Person {
    /// Every identity that the demographics feed has given the number; none where no row has come yet.
    #[must_use]
    pub fn identities(&self) -> BTreeSet<Identity> {
        let current = (self.demographics.serial > 0).then(|| self.demographics.identity());
        self.former_identities.iter().cloned().chain(current).collect()
    }

    /// What speaks against a record about this patient counting for this person.
    #[must_use]
    pub fn differences(&self, patient: &Patient) -> BTreeSet<Difference> {
        self.differences_by(&self.identities(), patient)
    }

    /// As [`Person::differences`], with the identities at hand.
    pub(crate) fn differences_by(&self, identities: &BTreeSet<Identity>, patient: &Patient) -> BTreeSet<Difference> {
        let Some(number) = self.nhs_number else { return BTreeSet::from([Difference::NoNumber]) };
        if patient.nhs_number.is_some_and(|stated: NhsNumber| stated != number) {
            return BTreeSet::from([Difference::Number]);
        }
        let stated = patient.identity();
        // Of several identities the one that is nearest counts, of those that say most: a row that leaves names out does
        // not let everybody in.
        let most = identities.iter().map(Identity::fields).max().unwrap_or_default();
        let asked = identities.iter().filter(|known| known.fields() == most);
        let each = asked.map(|known| compare(known, &stated));
        each.min_by_key(|differences| (differences.len(), differences.clone())).unwrap_or_default()
    }
}

/// How two values of a field stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Likeness {
    /// The same.
    Same,
    /// Not the same, and yet possibly one: a day and a month exchanged, another form of a name.
    Alike,
    /// Different.
    Different,
    /// One of them is not known.
    Unknown,
}

/// In what two identities differ; nothing where they are taken for one person's.
///
/// They are where
/// - the birth dates are equal, the family names are equal, and the given names have a word or their first letter in
///   common; or
/// - the birth dates are equal and the first given names are equal, whatever the family names; or
/// - the birth dates are equal but for day and month exchanged, and family name and first given name are equal.
///
/// What one side does not know cannot differ. Case, accents, punctuation and spaces in names do not count.
#[must_use]
pub fn compare(known: &Identity, stated: &Identity) -> BTreeSet<Difference> {
    use Likeness::{Alike, Different, Same, Unknown};
    let born = dates(known.date_of_birth, stated.date_of_birth);
    let family = families(&known.family_name, &stated.family_name);
    let given = given_names(&known.given_name, &stated.given_name);
    let agrees = match (born, family, given) {
        (Same | Unknown, Same | Unknown, Same | Alike | Unknown) => true,
        (Same | Alike, Different, Same) => born == Same,
        (Alike, Same, Same) => true,
        _ => false,
    };
    if agrees {
        return BTreeSet::new();
    }
    let fields = [
        (Difference::BirthDate, matches!(born, Different | Alike)),
        (Difference::FamilyName, family == Different),
        (Difference::GivenName, given == Different),
    ];
    fields.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
}

fn dates(known: Option<Date>, stated: Option<Date>) -> Likeness {
    let (Some(known), Some(stated)) = (known, stated) else { return Likeness::Unknown };
    if known == stated {
        Likeness::Same
    } else if known.year() == stated.year() && known.month() == stated.day() && known.day() == stated.month() {
        Likeness::Alike
    } else {
        Likeness::Different
    }
}

fn families(known: &str, stated: &str) -> Likeness {
    let (known, stated) = (folded(known), folded(stated));
    match known.is_empty() || stated.is_empty() {
        true => Likeness::Unknown,
        false if known == stated => Likeness::Same,
        false => Likeness::Different,
    }
}

fn given_names(known: &str, stated: &str) -> Likeness {
    let (known, stated) = (words(known), words(stated));
    let (Some(first), Some(other)) = (known.first(), stated.first()) else { return Likeness::Unknown };
    if first == other {
        Likeness::Same
    } else if first.chars().next() == other.chars().next() || known.iter().any(|word| stated.contains(word)) {
        Likeness::Alike
    } else {
        Likeness::Different
    }
}

/// A name without case, accents, punctuation and spaces.
fn folded(name: &str) -> String {
    words(name).concat()
}

/// The words of a name: letters and digits in lower case, without accents; an apostrophe does not part words.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    // Folded before the parting and again after it: some capitals become a letter and a mark.
    for letter in name.nfkd().flat_map(char::to_lowercase).nfkd() {
        let Some(word) = words.last_mut() else { break };
        match letter {
            // Letters that Unicode does not take apart.
            'ß' => word.push_str("ss"),
            'æ' => word.push_str("ae"),
            'œ' => word.push_str("oe"),
            'ø' => word.push('o'),
            'đ' | 'ð' => word.push('d'),
            'ł' => word.push('l'),
            'þ' => word.push_str("th"),
            'ı' => word.push('i'),
            '\'' | '’' | '‘' | 'ʼ' | '`' | '´' => {}
            letter if is_combining_mark(letter) => {}
            letter if letter.is_alphanumeric() => word.push(letter),
            _ if word.is_empty() => {}
            _ => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests;
