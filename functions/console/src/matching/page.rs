//! The pages of the matching queue.

use ims_domain::Person;
use ims_domain::matching::{Difference, Matching, Ruling};
use ims_domain::person::Gender;
use ims_domain::record::{Patient, Source};
use ims_store::{HowSettled, MatchingCount, MatchingEntry, NamedRecord};
use jiff::Timestamp;
use maud::{Markup, html};

use super::ALARM;
use crate::layout::empty;
use crate::source::{Matched, MatchedFile, MatchingList};
use crate::{Console, form, words};

/// What is written where something is withheld.
const WITHHELD: &str = "withheld";

/// The address of a record's page. Gateways decode paths, each in its own way, so that it has nothing to be decoded: what is
/// no id is written in hexadecimal.
pub(super) fn link(console: &Console, record: &NamedRecord) -> String {
    let name = match record {
        NamedRecord::Immunisation(id) => format!("I~{id}"),
        NamedRecord::Booking(person, reference) => {
            let hexadecimal: String = reference.bytes().map(|byte| format!("{byte:02x}")).collect();
            format!("B~{person}~{hexadecimal}")
        }
    };
    console.link(&format!("/matching/{name}"))
}

/// The record of a page's address.
pub(super) fn named(address: &str) -> Option<NamedRecord> {
    let (kind, rest) = address.split_once('~')?;
    match kind {
        "I" => rest.parse().ok().map(NamedRecord::Immunisation),
        "B" => {
            let (person, hexadecimal) = rest.split_once('~')?;
            let digits: Vec<u8> = hexadecimal
                .chars()
                .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
                .collect::<Option<_>>()?;
            let bytes = digits.chunks_exact(2).map(|pair| pair[0] * 16 + pair[1]).collect();
            let reference = String::from_utf8(bytes).ok().filter(|reference| reference.len() * 2 == digits.len())?;
            Some(NamedRecord::Booking(person.parse().ok()?, reference))
        }
        _ => None,
    }
}

/// A difference in words.
pub(crate) fn difference(difference: Difference) -> &'static str {
    match difference {
        Difference::NoNumber => "no NHS number",
        Difference::Number => "NHS number",
        Difference::BirthDate => "date of birth",
        Difference::FamilyName => "family name",
        Difference::GivenName => "given name",
    }
}

fn differences(entry: &MatchingEntry) -> String {
    let all: Vec<String> = entry.differences.iter().map(|one| difference(*one).to_owned()).collect();
    words::list(&all)
}

fn kind(record: &NamedRecord) -> &'static str {
    match record {
        NamedRecord::Immunisation(_) => "Vaccination",
        NamedRecord::Booking(..) => "Appointment",
    }
}

fn came(source: &Source) -> String {
    let supplier = if source.supplier.is_empty() { "unknown" } else { &source.supplier };
    match source.file.as_str() {
        "" => format!("{supplier}, through the API"),
        file => format!("{supplier}, {file}, row {}", source.row),
    }
}

pub(super) fn lists(console: &Console, list: &MatchingList, count: MatchingCount, now: Timestamp) -> Markup {
    html! {
        h1 { "Matching" }
        p {
            "Records that came without an NHS number, or whose patient is not who the number's holder is known to be. They are "
            "kept, and count for nobody until somebody decides: whoever they are about is invited as if they were not there."
        }
        @if count.open > 0 {
            p class="nhsuk-lede-text" {
                (words::count(count.open, "record waits", "records wait"))
                @if count.old > 0 { ", " (words::number(count.old)) " of them for more than " (ALARM.as_hours()) " hours" }
                "."
            }
        }
        section aria-labelledby="waiting" {
            h2 id="waiting" { "What waits" }
            @if list.waiting.is_empty() {
                (empty(html! { "Nothing waits: every record agrees with the person who holds it, or was decided about." }))
            } @else {
                @if (list.waiting.len() as u64) < count.open { p { "The " (list.waiting.len()) " that wait longest." } }
                (table("Records that wait, the oldest first", &["Record", "Since", "What disagrees", "From"], html! {
                    @for entry in &list.waiting {
                        tr class="nhsuk-table__row" {
                            th scope="row" {
                                a href=(link(console, &entry.record)) {
                                    (kind(&entry.record)) " " (entry.vaccine.code())
                                    span class="nhsuk-u-visually-hidden" { " of " (words::time(entry.since)) }
                                }
                            }
                            td class="nhsuk-table__cell" {
                                (words::age(entry.since, now))
                                @if now.duration_since(entry.since) > ALARM { " " strong class="nhsuk-tag nhsuk-tag--red" { "late" } }
                            }
                            td class="nhsuk-table__cell" { (words::capital(&differences(entry))) }
                            td class="nhsuk-table__cell ims-key" { (came(&entry.source)) }
                        }
                    }
                }))
            }
        }
        section aria-labelledby="settled" {
            h2 id="settled" { "What was settled in the last seven days" }
            @if list.settled.is_empty() {
                p { "Nothing." }
            } @else {
                (table("Records that no longer wait, the latest first", &["Record", "When", "How", "By", "Why"], html! {
                    @for entry in &list.settled {
                        @if let Some(settled) = &entry.settled {
                            tr class="nhsuk-table__row" {
                                th scope="row" {
                                    a href=(link(console, &entry.record)) {
                                        (kind(&entry.record)) " " (entry.vaccine.code())
                                        span class="nhsuk-u-visually-hidden" { " settled at " (words::time(settled.deed.at)) }
                                    }
                                }
                                td class="nhsuk-table__cell" { (words::time(settled.deed.at)) }
                                td class="nhsuk-table__cell" {
                                    (how(settled.how))
                                    @if let Some(undone) = &settled.undone {
                                        br; span class="nhsuk-body-s" { "no longer holds: " (undone.by) ", " (words::time(undone.at)) }
                                    }
                                }
                                td class="nhsuk-table__cell" { (settled.deed.by) }
                                td class="nhsuk-table__cell ims-key" { (settled.deed.reason) }
                            }
                        }
                    }
                }))
            }
        }
    }
}

fn table(caption: &str, titles: &[&str], rows: Markup) -> Markup {
    html! {
        div class="ims-scroll" tabindex="0" role="region" aria-label=(caption) {
            table class="nhsuk-table" {
                caption class="nhsuk-table__caption nhsuk-u-visually-hidden" { (caption) }
                thead class="nhsuk-table__head" { tr { @for title in titles { th scope="col" { (title) } } } }
                tbody class="nhsuk-table__body" { (rows) }
            }
        }
    }
}

fn how(how: HowSettled) -> &'static str {
    match how {
        HowSettled::Confirmed => "confirmed: it is about its holder",
        HowSettled::Attached => "attached to somebody else",
        HowSettled::Nobodys => "left as nobody's",
        HowSettled::Agrees => "agrees by itself: demographics or the record were corrected",
        HowSettled::Deleted => "deleted by its supplier",
    }
}

pub(super) fn reason_form(console: &Console, record: &NamedRecord, given: &form::Given) -> Markup {
    html! {
        div class="nhsuk-grid-row" {
            div class="nhsuk-grid-column-two-thirds" {
                (form::summary(given))
                h1 { "Why do you look at this record?" }
                p { "Your name, the reason and what you look at become part of the person's audit trail, before you see anything." }
                form method="post" action=(link(console, record)) novalidate {
                    (form::reason(given))
                    button class="nhsuk-button" type="submit" name="action" value="open" { "Open the record" }
                }
                p { a href=(console.link("/matching")) { "See what waits" } }
            }
        }
    }
}

/// A line of the comparison: what it is, what the record says, and what is known of whom.
struct Line {
    name: &'static str,
    differs: bool,
    stated: String,
    held: String,
    candidate: Option<String>,
}

fn comparison(file: &MatchedFile, candidate: Option<&Person>) -> Vec<Line> {
    let (patient, matching) = (file.held.patient(), file.held.matching());
    let withheld = file.person.is_restricted() || candidate.is_some_and(Person::is_restricted);
    Field::ALL
        .into_iter()
        .map(|field| Line {
            name: field.name(),
            differs: field.difference().is_some_and(|difference| matching.differences.contains(&difference))
                || (field == Field::Number && matching.differences.contains(&Difference::NoNumber)),
            stated: if withheld && field == Field::Postcode { WITHHELD.to_owned() } else { field.stated(patient) },
            held: field.of(&file.person),
            candidate: candidate.map(|person| field.of(person)),
        })
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Number,
    GivenName,
    FamilyName,
    BirthDate,
    Sex,
    Postcode,
}

impl Field {
    const ALL: [Self; 6] =
        [Self::Number, Self::GivenName, Self::FamilyName, Self::BirthDate, Self::Sex, Self::Postcode];

    fn name(self) -> &'static str {
        match self {
            Self::Number => "NHS number",
            Self::GivenName => "Given names",
            Self::FamilyName => "Family name",
            Self::BirthDate => "Date of birth",
            Self::Sex => "Sex",
            Self::Postcode => "Postcode",
        }
    }

    fn difference(self) -> Option<Difference> {
        match self {
            Self::Number => Some(Difference::Number),
            Self::GivenName => Some(Difference::GivenName),
            Self::FamilyName => Some(Difference::FamilyName),
            Self::BirthDate => Some(Difference::BirthDate),
            Self::Sex | Self::Postcode => None,
        }
    }

    fn stated(self, patient: &Patient) -> String {
        match self {
            Self::Number => patient.nhs_number.map(|number| number.to_string()).unwrap_or_default(),
            Self::GivenName => patient.given_name.clone(),
            Self::FamilyName => patient.family_name.clone(),
            Self::BirthDate => patient.date_of_birth.map(words::day).unwrap_or_default(),
            Self::Sex => sex(patient.gender).to_owned(),
            Self::Postcode => patient.postcode.clone(),
        }
    }

    /// What is known of a person. Of somebody without a number everything is known from the record alone.
    fn of(self, person: &Person) -> String {
        let held = &person.demographics;
        if person.nhs_number.is_none() {
            return String::new();
        }
        match self {
            Self::Number => person.nhs_number.map(|number| number.to_string()).unwrap_or_default(),
            Self::GivenName => held.given_name.clone(),
            Self::FamilyName => held.family_name.clone(),
            Self::BirthDate => held.date_of_birth.map(words::day).unwrap_or_default(),
            Self::Sex => sex(held.gender).to_owned(),
            Self::Postcode if person.is_restricted() => WITHHELD.to_owned(),
            Self::Postcode => held.postcode.clone(),
        }
    }
}

fn sex(gender: Gender) -> &'static str {
    match gender {
        Gender::Male => "male",
        Gender::Female => "female",
        Gender::Other => "other",
        Gender::Unknown => "",
    }
}

fn value(text: &str) -> &str {
    if text.is_empty() { "not known" } else { text }
}

/// A record beside its holder and, where somebody else was asked about, that person; with what may be decided.
pub(super) fn record(
    console: &Console,
    name: &NamedRecord,
    file: &MatchedFile,
    candidate: Option<&Person>,
    given: &form::Given,
    wrong: Option<&str>,
) -> Markup {
    let matching = file.held.matching();
    let (colour, state) = state(file);
    html! {
        nav class="nhsuk-breadcrumb" aria-label="Breadcrumb" {
            ol class="nhsuk-breadcrumb__list" {
                li class="nhsuk-breadcrumb__list-item" {
                    a class="nhsuk-breadcrumb__link" href=(console.link("/matching")) { "Matching" }
                }
            }
        }
        (form::summary(given))
        @if let Some(wrong) = wrong {
            div class="nhsuk-error-summary" aria-labelledby="refused-title" role="alert" tabindex="-1" {
                h2 class="nhsuk-error-summary__title" id="refused-title" { "This was not done" }
                div class="nhsuk-error-summary__body" { p { (wrong) "." } }
            }
        }
        h1 { (kind(name)) " " (file.held.vaccine().code()) " of " (words::day(file.held.day())) }
        p { strong class={ "nhsuk-tag nhsuk-tag--" (colour) } { (state) } " Sent by " span class="ims-key" { (came(file.held.source())) } "." }
        @if let Some(decision) = &matching.decision {
            p { "Decided by " (decision.by) " at " (words::time(decision.at)) ": " (decision.reason) "." }
        }
        @let lines = comparison(file, candidate);
        @let titles: Vec<&str> = ["Field", "The record says", "Who holds it"].into_iter()
            .chain(candidate.is_some().then_some("The person with the other number")).collect();
        (table("The record beside who holds it", &titles, html! {
            @for line in &lines {
                tr class="nhsuk-table__row" {
                    th scope="row" {
                        (line.name)
                        @if line.differs { " " strong class="nhsuk-tag nhsuk-tag--yellow" { "differs" } }
                    }
                    td class="nhsuk-table__cell" { (value(&line.stated)) }
                    td class="nhsuk-table__cell" { (value(&line.held)) }
                    @if let Some(candidate) = &line.candidate { td class="nhsuk-table__cell" { (value(candidate)) } }
                }
            }
        }))
        @if file.person.nhs_number.is_none() {
            p { "Nobody holds this record: it came without an NHS number." }
        } @else if file.person.demographics.serial == 0 {
            p { "No demographics came for this number yet; what is known of its holder is from other records." }
        }
        (decisions(console, name, file, given))
    }
}

fn state(file: &MatchedFile) -> (&'static str, &'static str) {
    let matching: &Matching = file.held.matching();
    match matching.decision.as_ref().map(|decision| decision.ruling) {
        _ if file.held.is_deleted() => ("grey", "deleted by its supplier"),
        Some(Ruling::Confirmed) => ("green", "confirmed"),
        Some(Ruling::Attached) => ("green", "attached"),
        Some(Ruling::Nobodys) => ("grey", "nobody's"),
        None if matching.is_open() => ("yellow", "waits"),
        None => ("green", "agrees"),
    }
}

/// The form with what may be decided about a record that stands so.
fn decisions(console: &Console, name: &NamedRecord, file: &MatchedFile, given: &form::Given) -> Markup {
    let matching = file.held.matching();
    let may_attach = matches!(name, NamedRecord::Immunisation(_));
    let button = |action: &str, secondary: bool, text: &str| {
        html! {
            button class={ "nhsuk-button" @if secondary { " nhsuk-button--secondary" } } type="submit" name="action" value=(action) { (text) }
            " "
        }
    };
    html! {
        @if file.held.is_deleted() {
            p { "There is nothing to decide." }
        } @else if matching.decision.is_some() {
            section aria-labelledby="decide" {
                h2 id="decide" { "Undo" }
                form method="post" action=(link(console, name)) novalidate {
                    (form::reason(given))
                    (button("undo", true, "Undo the decision"))
                }
            }
        } @else if matching.is_open() {
            section aria-labelledby="decide" {
                h2 id="decide" { "Decide" }
                p { "Every decision can be undone. Ask the supplier to correct what they sent: then the record settles by itself." }
                form method="post" action=(link(console, name)) novalidate {
                    (form::reason(given))
                    @if may_attach {
                        (form::number(given))
                        p class="nhsuk-body-s" {
                            "The number is only needed to compare or attach. People are not indexed by name and date of birth here: "
                            "trace the number elsewhere, and compare before you attach."
                        }
                    }
                    @if file.person.nhs_number.is_some() {
                        (button("confirm", false, "Confirm: it is about who holds it"))
                    }
                    @if may_attach {
                        (button("compare", true, "Compare with this number"))
                        (button("attach", true, "Attach to this number"))
                    }
                    (button("leave", true, "Leave as nobody's"))
                }
            }
        } @else {
            p { "There is nothing to decide: the record counts for its holder." }
        }
    }
}

impl Matched {
    /// Whom the record describes.
    pub(crate) fn patient(&self) -> &Patient {
        match self {
            Self::Immunisation(held) => &held.patient,
            Self::Booking(held) => &held.patient,
        }
    }

    /// Where it stands with its holder.
    pub(crate) fn matching(&self) -> &Matching {
        match self {
            Self::Immunisation(held) => &held.matching,
            Self::Booking(held) => &held.matching,
        }
    }

    fn source(&self) -> &Source {
        match self {
            Self::Immunisation(held) => &held.source,
            Self::Booking(held) => &held.source,
        }
    }

    fn vaccine(&self) -> ims_domain::VaccineType {
        match self {
            Self::Immunisation(held) => held.vaccine,
            Self::Booking(held) => held.programme,
        }
    }

    fn day(&self) -> jiff::civil::Date {
        match self {
            Self::Immunisation(held) => held.occurred_on,
            Self::Booking(held) => held.appointment_on,
        }
    }

    fn is_deleted(&self) -> bool {
        matches!(self, Self::Immunisation(held) if held.deleted)
    }
}
