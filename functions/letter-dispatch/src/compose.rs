//! Composing one letter from the live person and the template.

use ims_contact::letter::{Letter, LetterError, MOST_ADDRESS_LINES};
use ims_contact::template::{Fields, LONGEST_NAME, Template, TemplateError, TemplateSet, plain_words};
use ims_domain::campaign::Step;
use ims_domain::contact::TEXT_FROM_AGE;
use ims_domain::invitation::Message;
use ims_domain::letter::{Format, Language, LetterKind};
use ims_domain::{Person, VaccineType};
use jiff::civil::Date;
use thiserror::Error;

/// The kind of letter that a person can be sent of what they asked for, and its wording. `None` where there is no wording.
pub(crate) fn wording(
    templates: &TemplateSet,
    programme: VaccineType,
    step: Step,
    wished: LetterKind,
    unreviewed: bool,
) -> Option<(LetterKind, &Template)> {
    let template = templates.letter(programme, step, wished.language, wished.format, unreviewed)?;
    let format = if wished.format == Format::EasyRead { template.format } else { wished.format };
    Some((LetterKind::new(format, template.language), template))
}

/// What all letters of a batch have in common.
pub(crate) struct Wording<'a> {
    pub(crate) template: &'a Template,
    pub(crate) kind: LetterKind,
    pub(crate) programme: VaccineType,
    /// Doses in the course.
    pub(crate) doses: u8,
    pub(crate) booking_link: &'a str,
    pub(crate) booking_phone: &'a str,
    /// Business day that is printed.
    pub(crate) today: Date,
}

/// Why a letter cannot be typeset. Names fields, never what they hold.
#[derive(Debug, Error)]
pub(crate) enum ComposeError {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Letter(#[from] LetterError),
}

impl Wording<'_> {
    /// The letter to a person, checked: it can be typeset.
    pub(crate) fn compose(&self, message: &Message, person: &Person) -> Result<Letter, ComposeError> {
        let to_parent = person.age_on(self.today).is_some_and(|age| age < TEXT_FROM_AGE);
        let rendered = self.template.render(&Fields {
            greeting_name: name(person),
            to_parent,
            programme: plain_words(self.programme).to_owned(),
            dose: message.dose,
            doses: self.doses,
            booking_link: self.booking_link.to_owned(),
            booking_phone: self.booking_phone.to_owned(),
        })?;
        let mut letter = Letter {
            reference: message.id.to_string(),
            address_lines: address_lines(person, to_parent, self.kind.language),
            date: self.kind.language.date(self.today),
            heading: rendered.heading.unwrap_or_default(),
            paragraphs: rendered.paragraphs,
            pictures: rendered.pictures,
            language: self.kind.language,
            format: self.kind.format,
        };
        loop {
            match letter.check() {
                Ok(()) => return Ok(letter),
                Err(LetterError::AddressTooWide { index, .. }) if break_line(&mut letter.address_lines, index) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The name as it stands in "Dear …"; an initial for given names that would make it too long.
fn name(person: &Person) -> String {
    let (given, family) = (person.demographics.given_name.trim(), person.demographics.family_name.trim());
    let full = format!("{given} {family}").trim().to_owned();
    if full.chars().count() <= LONGEST_NAME {
        return full;
    }
    let initial: String = given.chars().take(1).collect();
    format!("{initial} {family}").trim().chars().take(LONGEST_NAME).collect()
}

/// Name, address and postcode; the last lines of a long address share one.
fn address_lines(person: &Person, to_parent: bool, language: Language) -> Vec<String> {
    let mut lines = Vec::with_capacity(MOST_ADDRESS_LINES);
    if to_parent {
        // Whoever delivers it reads the address, too, so it is in a language of the country.
        let to = if language == Language::Welsh { "I riant neu warcheidwad" } else { "To the parent or guardian of" };
        lines.push(to.to_owned());
    }
    lines.push(name(person));
    let room = MOST_ADDRESS_LINES - lines.len() - 1;
    let mut address: Vec<String> = person
        .demographics
        .address_lines
        .iter()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    while address.len() > room
        && let Some(last) = address.pop()
        && let Some(before) = address.last_mut()
    {
        before.push_str(", ");
        before.push_str(&last);
    }
    lines.append(&mut address);
    lines.push(person.demographics.postcode.clone());
    lines
}

/// Breaks an address line in two at the space nearest its middle; tells whether it could.
fn break_line(lines: &mut Vec<String>, index: usize) -> bool {
    if lines.len() >= MOST_ADDRESS_LINES {
        return false;
    }
    let Some(line) = lines.get(index) else { return false };
    let middle = line.len() / 2;
    let Some((space, _)) = line.match_indices(' ').min_by_key(|(place, _)| place.abs_diff(middle)) else {
        return false;
    };
    let (first, second) = (line[..space].trim_end().to_owned(), line[space..].trim_start().to_owned());
    lines.splice(index..=index, [first, second]);
    true
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ims_domain::contact::Channel;
    use ims_domain::invitation::MessageState;
    use ims_domain::person::Membership;
    use ims_domain::{MessageId, PersonId};
    use jiff::civil::date;
    use uuid::Uuid;

    pub(crate) fn message() -> Message {
        Message {
            id: MessageId(Uuid::from_u128(1)),
            person: PersonId(Uuid::from_u128(2)),
            campaign: "flu-2025".into(),
            programme: "FLU".parse().unwrap(),
            dose: 1,
            wave: "w1".into(),
            step: Step::Invite,
            channel: Channel::Letter,
            state: MessageState::Queued,
            detail: None,
            attempt: 0,
            queued_on: date(2025, 10, 6),
            sent_on: None,
            claimed_at: None,
            provider: None,
            provider_id: None,
            batch: None,
            version: 1,
        }
    }

    fn person(born: Option<Date>, lines: &[&str]) -> Person {
        let mut person = Person::new(PersonId(Uuid::from_u128(2)), None);
        person.demographics.given_name = "Siân".into();
        person.demographics.family_name = "Example".into();
        person.demographics.date_of_birth = born;
        person.demographics.address_lines = lines.iter().map(|line| (*line).to_owned()).collect();
        person.demographics.postcode = "LS1 4AP".into();
        person
    }

    fn compose(person: &Person) -> Result<Letter, ComposeError> {
        let templates = TemplateSet::embedded().unwrap();
        let programme = "FLU".parse().unwrap();
        let (kind, template) = wording(&templates, programme, Step::Invite, LetterKind::wished(person), true).unwrap();
        let wording = Wording {
            template,
            kind,
            programme,
            doses: 1,
            booking_link: "www.nhs.uk/get-vaccination",
            booking_phone: "119",
            today: date(2025, 10, 6),
        };
        wording.compose(&message(), person)
    }

    #[test]
    fn an_adult_is_written_to_by_name() {
        let letter = compose(&person(Some(date(1950, 1, 2)), &["1 High Street", " ", "Leeds"])).unwrap();
        assert_eq!(letter.address_lines, ["Siân Example", "1 High Street", "Leeds", "LS1 4AP"]);
        assert_eq!(letter.date, "6 October 2025");
        assert_eq!(letter.reference, message().id.to_string());
        assert!(letter.paragraphs[0].contains("Dear Siân Example"));
    }

    #[test]
    fn a_child_is_written_to_through_the_parent_or_guardian_until_the_sixteenth_birthday() {
        let address = ["Flat 2", "1 High Street", "Headingley", "Leeds", "West Yorkshire"];
        let letter = compose(&person(Some(date(2009, 10, 7)), &address)).unwrap();
        assert_eq!(
            letter.address_lines,
            [
                "To the parent or guardian of",
                "Siân Example",
                "Flat 2",
                "1 High Street",
                "Headingley",
                "Leeds, West Yorkshire",
                "LS1 4AP"
            ]
        );
        assert!(letter.paragraphs[0].contains("parent or guardian of Siân Example"));
        let sixteen = compose(&person(Some(date(2009, 10, 6)), &address)).unwrap();
        assert_eq!(sixteen.address_lines[0], "Siân Example");
    }

    #[test]
    fn everyone_is_written_to_in_their_language_and_format() {
        let mut child = person(Some(date(2015, 10, 7)), &["1 High Street", "Leeds"]);
        child.demographics.language = "cy".into();
        let letter = compose(&child).unwrap();
        assert_eq!((letter.language, letter.address_lines[0].as_str()), (Language::Welsh, "I riant neu warcheidwad"));
        assert!(letter.heading.contains("eich plentyn") && letter.date == "6 Hydref 2025", "{}", letter.heading);
        child.demographics.language = "ar".into();
        let letter = compose(&child).unwrap();
        assert_eq!(
            (letter.language, letter.address_lines[0].as_str()),
            (Language::Arabic, "To the parent or guardian of")
        );
        let mut adult = person(Some(date(1950, 1, 2)), &["1 High Street", "Leeds"]);
        for (wish, format) in [("contact_large_print", Format::LargePrint), ("contact_easy_read", Format::EasyRead)] {
            let membership =
                Membership { member: true, date: date(2025, 9, 1), order: String::new(), source: String::new() };
            adult.cohorts.insert(wish.into(), membership);
            let letter = compose(&adult).unwrap();
            assert_eq!((letter.format, letter.check()), (format, Ok(())));
            assert_eq!(letter.pictures.is_empty(), format != Format::EasyRead);
        }
    }

    #[test]
    fn a_line_too_wide_for_the_window_is_broken() {
        let wide = "The Very Long House Name On The Old Mill Lane Beside The River Near The Bridge";
        let letter = compose(&person(Some(date(1950, 1, 2)), &[wide, "Leeds"])).unwrap();
        assert_eq!(letter.address_lines.len(), 5);
        assert_eq!(format!("{} {}", letter.address_lines[1], letter.address_lines[2]), wide);
    }

    #[test]
    fn what_cannot_be_printed_is_told_without_saying_what_it_is() {
        let error = compose(&person(Some(date(1950, 1, 2)), &["家 High Street", "Leeds"])).unwrap_err().to_string();
        assert!(error.contains("address_lines[1]") && !error.contains("High Street"), "{error}");
        let endless = "x".repeat(200);
        let error = compose(&person(Some(date(1950, 1, 2)), &[&endless])).unwrap_err().to_string();
        assert!(error.contains("address_lines[1]") && !error.contains("xxx"), "{error}");
    }

    #[test]
    fn a_long_name_is_shortened_to_an_initial() {
        let mut long = person(Some(date(1950, 1, 2)), &["1 High Street"]);
        long.demographics.given_name = "Wolfeschlegel ".repeat(8).trim().to_owned();
        assert_eq!(name(&long), "W Example");
    }
}
