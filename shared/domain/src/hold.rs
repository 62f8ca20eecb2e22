//! Holds: nothing of what a hold takes in leaves while it stands, whichever wave it belongs to.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::contact::Channel;
use crate::invitation::Message;
use crate::{Person, VaccineType};

/// What a hold takes in. Every field that is given narrows it.
///
/// Product, batch and site are those of doses that a person was given, and the site that of an appointment: an invitation
/// itself names none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scope {
    /// Vaccine type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programme: Option<VaccineType>,
    /// SNOMED CT code of a product.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Batch number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// Cohort label: the best cohort, or any that the person is a member of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cohort: Option<String>,
    /// Youngest age, in completed years.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_from: Option<i16>,
    /// Oldest age.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_to: Option<i16>,
    /// Code of an LSOA, MSOA, sub-ICB, ICB or region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// ODS code of a practice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub practice: Option<String>,
    /// ODS code of a site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Name of a message template, as `flu-invite-sms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
}

/// A dose that was given, or an appointment: as far as holds ask of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Supply {
    /// Vaccine type.
    pub programme: Option<VaccineType>,
    /// SNOMED CT code of the product; empty where not known.
    pub product: String,
    /// Batch number; empty where not known.
    pub batch: String,
    /// ODS code of the site; empty where not known.
    pub site: String,
}

/// A message, or a call, that is about to reach somebody.
#[derive(Debug, Clone, Copy)]
pub struct Contact<'a> {
    /// Vaccine type.
    pub programme: VaccineType,
    /// Best cohort.
    pub cohort: &'a str,
    /// Template and channel of a message; none of a call.
    pub sent: Option<(&'a str, Channel)>,
}

/// Name of a message's template.
#[must_use]
pub fn template_of(message: &Message) -> String {
    format!("{}-{}-{}", message.programme.code().to_lowercase(), message.step.name(), message.channel.name())
}

impl Scope {
    /// Whether nothing narrows it.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it asks what a person was given or where.
    #[must_use]
    pub fn asks_supplies(&self) -> bool {
        self.product.is_some() || self.batch.is_some() || self.site.is_some()
    }

    /// Whether a person is in it: by age, area, practice and cohort.
    #[must_use]
    pub fn takes_person(&self, person: &Person, cohort: &str, today: Date) -> bool {
        let of = &person.demographics;
        let areas = [&of.lsoa, &of.msoa, &of.sub_icb, &of.icb, &of.region];
        let age = person.age_on(today);
        // Whose age is not known is held too: a hold errs towards nothing leaving.
        self.age_from.is_none_or(|from| age.is_none_or(|age| age >= from))
            && self.age_to.is_none_or(|to| age.is_none_or(|age| age <= to))
            && self.area.as_ref().is_none_or(|area| areas.contains(&area))
            && self.practice.as_ref().is_none_or(|practice| of.practice == *practice)
            && self.cohort.as_ref().is_none_or(|label| label == cohort || person.labels().contains(label.as_str()))
    }

    /// Whether a dose or an appointment is in it.
    #[must_use]
    pub fn takes_supply(&self, supply: &Supply) -> bool {
        let is = |wanted: &Option<String>, held: &str| wanted.as_ref().is_none_or(|wanted| wanted == held);
        self.programme.is_none_or(|programme| supply.programme == Some(programme))
            && is(&self.product, &supply.product)
            && is(&self.batch, &supply.batch)
            && is(&self.site, &supply.site)
    }

    /// Whether it keeps a contact from somebody, who was given what `supplies` lists.
    #[must_use]
    pub fn takes(&self, contact: &Contact<'_>, person: &Person, supplies: &[Supply], today: Date) -> bool {
        let sent = |holds: &dyn Fn(&str, Channel) -> bool| contact.sent.is_some_and(|(name, by)| holds(name, by));
        self.programme.is_none_or(|programme| contact.programme == programme)
            && self.template.as_ref().is_none_or(|template| sent(&|name, _| name == template))
            && self.channel.is_none_or(|channel| sent(&|_, by| by == channel))
            && self.takes_person(person, contact.cohort, today)
            && (!self.asks_supplies() || supplies.iter().any(|supply| self.takes_supply(supply)))
    }
}

/// Who did something to a hold, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Name in the token.
    pub by: String,
    /// Their role.
    pub role: String,
    /// When, by the system clock.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Id.
    pub id: String,
    /// What it takes in.
    pub scope: Scope,
    /// Who put it.
    pub put: Said,
    /// Who lifted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Said>,
}

/// The holds that stand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Holds {
    /// Rises by one with every hold that is put or lifted; 0 before the first.
    pub version: u64,
    /// Those that stand.
    pub standing: Vec<Hold>,
}

impl Holds {
    /// Whether any of them asks what people were given.
    #[must_use]
    pub fn ask_supplies(&self) -> bool {
        self.standing.iter().any(|hold| hold.scope.asks_supplies())
    }

    /// The first that keeps a contact from somebody.
    #[must_use]
    pub fn against(&self, contact: &Contact<'_>, person: &Person, supplies: &[Supply], today: Date) -> Option<&Hold> {
        self.standing.iter().find(|hold| hold.scope.takes(contact, person, supplies, today))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::PersonId;
    use crate::person::Membership;

    const TODAY: Date = date(2025, 10, 6);

    fn person() -> Person {
        let mut person = Person::new(PersonId(uuid::Uuid::nil()), None);
        person.demographics.date_of_birth = Some(date(1950, 1, 15));
        (person.demographics.icb, person.demographics.practice) = ("QOQ".into(), "B81087".into());
        let membership = Membership { member: true, date: TODAY, order: String::new(), source: "gp".into() };
        person.cohorts.insert("at_risk".into(), membership);
        person
    }

    fn scope(json: &str) -> Scope {
        // Domain knows no JSON: fields are set by hand, `name=value` apart by spaces.
        let mut scope = Scope::default();
        for (name, value) in json.split_whitespace().filter_map(|field| field.split_once('=')) {
            let text = Some(value.to_owned());
            match name {
                "programme" => scope.programme = value.parse().ok(),
                "product" => scope.product = text,
                "batch" => scope.batch = text,
                "cohort" => scope.cohort = text,
                "from" => scope.age_from = value.parse().ok(),
                "to" => scope.age_to = value.parse().ok(),
                "area" => scope.area = text,
                "practice" => scope.practice = text,
                "site" => scope.site = text,
                "template" => scope.template = text,
                "channel" => scope.channel = Some(if value == "sms" { Channel::Sms } else { Channel::Letter }),
                other => panic!("{other}"),
            }
        }
        scope
    }

    #[test]
    fn every_field_narrows_a_hold() {
        let text = Contact {
            programme: "FLU".parse().unwrap(),
            cohort: "flu_65_plus",
            sent: Some(("flu-invite-sms", Channel::Sms)),
        };
        let call = Contact { sent: None, ..text };
        let dose = Supply {
            programme: "FLU".parse().ok(),
            product: "39114911000001105".into(),
            batch: "AB1".into(),
            site: "RJ1".into(),
        };
        for (fields, holds_text, holds_call) in [
            ("", true, true),
            ("programme=FLU", true, true),
            ("programme=COVID", false, false),
            ("channel=sms", true, false),
            ("channel=letter", false, false),
            ("template=flu-invite-sms", true, false),
            ("template=flu-reminder-sms", false, false),
            ("cohort=flu_65_plus", true, true),
            ("cohort=at_risk", true, true),
            ("cohort=carers", false, false),
            ("from=75 to=75", true, true),
            ("from=76", false, false),
            ("to=74", false, false),
            ("area=QOQ", true, true),
            ("area=QMJ", false, false),
            ("practice=B81087 area=QOQ programme=FLU", true, true),
            ("practice=B81088", false, false),
            ("batch=AB1", true, true),
            ("batch=AB1 site=RJ1 product=39114911000001105", true, true),
            ("batch=AB1 site=RJ2", false, false),
            ("batch=AB2", false, false),
            ("batch=AB1 area=QMJ", false, false),
        ] {
            let scope = scope(fields);
            let takes = |contact| scope.takes(contact, &person(), std::slice::from_ref(&dose), TODAY);
            assert_eq!((takes(&text), takes(&call)), (holds_text, holds_call), "{fields}");
        }
        assert!(!scope("batch=AB1").takes(&text, &person(), &[], TODAY), "nobody was given it");
        let mut ageless = person();
        ageless.demographics.date_of_birth = None;
        assert!(scope("from=90").takes(&text, &ageless, &[], TODAY), "whose age is not known is held");
    }
}
