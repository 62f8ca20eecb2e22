//! The page of one person.

use std::collections::BTreeSet;

use ims_domain::person::{Gender, WISH_PREFIX};
use ims_domain::{Person, VaccineType};
use ims_store::AuditEntry;
use jiff::civil::Date;
use maud::{Markup, html};

use super::timeline::timeline;
use crate::source::PersonFile;
use crate::{Console, audit, words};

/// What is written where something is withheld.
const WITHHELD: &str = "withheld: it may be disclosed to nobody";

pub(super) fn body(console: &Console, file: &PersonFile, trail: &[AuditEntry], today: Date) -> Markup {
    let person = &file.record.person;
    html! {
        nav class="nhsuk-breadcrumb" aria-label="Breadcrumb" {
            ol class="nhsuk-breadcrumb__list" {
                li class="nhsuk-breadcrumb__list-item" {
                    a class="nhsuk-breadcrumb__link" href=(console.link("/person")) { "Look another person up" }
                }
            }
        }
        h1 { (name(person)) }
        (states(person))
        @if let Some(survivor) = person.survivor {
            p { a href=(console.link(&format!("/person/{survivor}"))) { "Open the record that stands for this one" } }
        }
        section aria-labelledby="demographics" { h2 id="demographics" { "Demographics" } (demographics(person, today)) }
        section aria-labelledby="programmes" { h2 id="programmes" { "Programmes" } (programmes(person)) }
        section aria-labelledby="cohorts" { h2 id="cohorts" { "Cohorts and wishes" } (cohorts(person)) }
        section aria-labelledby="timeline" { h2 id="timeline" { "Timeline" } (timeline(file)) }
        section aria-labelledby="trail" {
            h2 id="trail" { "Who has looked" }
            p { "The latest entries of this person's audit trail, yours among them." }
            (audit::table(trail, audit::Column::Actor))
        }
    }
}

fn name(person: &Person) -> String {
    let name = format!("{} {}", person.demographics.given_name, person.demographics.family_name).trim().to_owned();
    if name.is_empty() { "Name not known".to_owned() } else { name }
}

fn states(person: &Person) -> Markup {
    let mut found = Vec::new();
    if let Some(death) = person.death() {
        let day =
            death.date.map_or_else(|| "on a day that is not known".to_owned(), |day| format!("on {}", words::day(day)));
        let how = if death.formal { "registered" } else { "reported, not registered yet" };
        found.push(("Dead", format!("Died {day} ({how}). Nobody writes to them.")));
    }
    if let Some(reason) = &person.states.removed {
        found
            .push(("Removed", format!("No longer registered in England: {}. Nobody writes to them.", removal(reason))));
    }
    if let Some(number) = person.states.superseded_by {
        found.push((
            "Superseded",
            format!("The NHS number was replaced by {number}. Letters and texts go by that one."),
        ));
    }
    if person.states.invalidated {
        found.push(("Invalidated", "The NHS number was found to be wrong. Nobody writes to them.".to_owned()));
    }
    if person.is_restricted() {
        let text = "Where they live, their practice and how to reach them may be disclosed to nobody, and are withheld here. \
                    Nobody writes to them; their practice does.";
        found.push(("Restricted", text.to_owned()));
    }
    html! {
        @if found.is_empty() {
            p { "Alive and registered, as far as is known." }
        } @else {
            div class="nhsuk-inset-text" {
                span class="nhsuk-u-visually-hidden" { "Information: " }
                @for (state, text) in found { p { strong class="nhsuk-tag nhsuk-tag--red" { (state) } " " (text) } }
            }
        }
    }
}

/// Why somebody is no longer registered (PDS removal reasons).
fn removal(code: &str) -> String {
    let text = match code {
        "DEA" => "died",
        "DEL" => "deleted by the source",
        "EMB" => "went abroad",
        "SCT" => "moved to Scotland",
        "NIT" => "moved to Northern Ireland",
        "ORR" => "did not answer the practice's letters",
        "CGA" => "gone away, address not known",
        "RDI" | "RDR" => "at the practice's request",
        "RPR" => "at their own request",
        "TRA" => "temporary resident, not returned",
        "SER" => "in the armed services",
        "OPA" | "RFI" => "at an address outside the practice's area",
        other => return format!("reason {other}"),
    };
    format!("{text} ({code})")
}

fn line(name: &str, value: &str) -> Markup {
    html! {
        div class="nhsuk-summary-list__row" {
            dt class="nhsuk-summary-list__key" { (name) }
            dd class="nhsuk-summary-list__value" { (if value.is_empty() { "not known" } else { value }) }
        }
    }
}

fn demographics(person: &Person, today: Date) -> Markup {
    let held = &person.demographics;
    let born = held.date_of_birth.map_or_else(String::new, |born| {
        let age = person.age_on(today).filter(|_| person.death().is_none());
        age.map_or_else(|| words::day(born), |age| format!("{} (aged {age})", words::day(born)))
    });
    let others: Vec<String> = person
        .numbers()
        .into_iter()
        .filter(|(id, _)| *id != person.id)
        .filter_map(|(_, number)| number.map(|number| number.to_string()))
        .collect();
    let sex = match held.gender {
        Gender::Male => "male",
        Gender::Female => "female",
        Gender::Other => "other",
        Gender::Unknown => "",
    };
    let address: Vec<&str> = held
        .address_lines
        .iter()
        .map(String::as_str)
        .chain([held.postcode.as_str()])
        .filter(|line| !line.is_empty())
        .collect();
    let whereabouts = [
        ("Address", address.join(", ")),
        ("Practice", held.practice.clone()),
        ("Telephone", held.telephone.clone()),
        ("Mobile", held.mobile.clone()),
        ("Email", held.email.clone()),
    ];
    html! {
        dl class="nhsuk-summary-list" {
            (line("NHS number", &person.nhs_number.map_or_else(String::new, |number| number.to_string())))
            @if !others.is_empty() { (line("Numbers merged into it", &others.join(", "))) }
            (line("Date of birth", &born))
            (line("Sex", sex))
            @for (name, value) in &whereabouts {
                @if person.is_restricted() { (line(name, WITHHELD)) } @else { (line(name, value)) }
            }
            (line("Ethnic category", ethnic_category(&held.ethnic_category)))
            (line("Language", &held.language))
            @if held.interpreter { (line("Interpreter", "needed")) }
            (line("Source", &if held.serial == 0 {
                "vaccinations or bookings only; no demographics came yet".to_owned()
            } else {
                format!("demographics feed, serial number {}", held.serial)
            }))
        }
    }
}

/// An ethnic category in words (NHS Data Dictionary).
fn ethnic_category(code: &str) -> &str {
    match code {
        "A" => "White: British",
        "B" => "White: Irish",
        "C" => "White: any other background",
        "D" => "Mixed: White and Black Caribbean",
        "E" => "Mixed: White and Black African",
        "F" => "Mixed: White and Asian",
        "G" => "Mixed: any other background",
        "H" => "Asian: Indian",
        "J" => "Asian: Pakistani",
        "K" => "Asian: Bangladeshi",
        "L" => "Asian: any other background",
        "M" => "Black: Caribbean",
        "N" => "Black: African",
        "P" => "Black: any other background",
        "R" => "Chinese",
        "S" => "Any other ethnic group",
        "Z" => "not stated",
        "99" => "not known",
        other => other,
    }
}

fn programmes(person: &Person) -> Markup {
    let members = person.members.values().flat_map(|member| member.programmes.keys());
    let shown: BTreeSet<VaccineType> = person.programmes.keys().chain(members).copied().collect();
    html! {
        @if shown.is_empty() {
            p { "No dose, appointment or invitation is known." }
        } @else {
            div class="ims-scroll" tabindex="0" role="region" aria-label="Programmes" {
                table class="nhsuk-table" {
                    caption class="nhsuk-table__caption nhsuk-u-visually-hidden" { "Programmes" }
                    thead class="nhsuk-table__head" {
                        tr { @for title in ["Programme", "Doses", "Appointment that stands", "Invitations"] { th scope="col" { (title) } } }
                    }
                    tbody class="nhsuk-table__body" {
                        @for programme in shown {
                            @let held = person.programme(programme);
                            @let doses: Vec<String> = held.doses.iter().map(|day| words::day(*day)).collect();
                            @let invites: Vec<String> = held.invites.iter().map(|invite| format!("{}, dose {}: {}", invite.campaign, invite.dose,
                                if invite.opened { "written to" } else { "not written to" })).collect();
                            tr class="nhsuk-table__row" {
                                th scope="row" { (programme.code()) }
                                td class="nhsuk-table__cell" { (if doses.is_empty() { "none".to_owned() } else { words::list(&doses) }) }
                                td class="nhsuk-table__cell" { (held.booked.map_or_else(|| "none".to_owned(), words::day)) }
                                td class="nhsuk-table__cell" { (if invites.is_empty() { "none".to_owned() } else { invites.join("; ") }) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cohorts(person: &Person) -> Markup {
    let shown = person.labels();
    html! {
        @if shown.is_empty() {
            p { "None." }
        } @else {
            ul class="nhsuk-list nhsuk-list--bullet" {
                @for label in shown {
                    li {
                        @if let Some(wish) = label.strip_prefix(WISH_PREFIX) { "Wish: " (words::plain(wish)) } @else { (words::plain(label)) }
                        @match person.cohorts.get(label).filter(|membership| membership.member) {
                            Some(membership) => { ", since " (words::day(membership.date)) " (" (membership.source) ")" },
                            None => ", under a number merged into this one",
                        }
                    }
                }
            }
        }
    }
}
