//! What happened with a person, the latest first: vaccinations, appointments, decisions, messages and calls.

use ims_domain::campaign::Step;
use ims_domain::contact::{Channel, Reason};
use ims_domain::invitation::{Decision, Invitation, Message, MessageState};
use ims_domain::matching::{Matching, Ruling};
use ims_domain::record::{AppointmentStatus, Booking, Immunisation, Source};
use jiff::civil::Date;
use maud::{Markup, html};
use serde_json::Value;

use crate::source::PersonFile;
use crate::words;

/// Something that happened on a day.
struct Event {
    on: Date,
    /// Which comes after which on one day: what is decided is then sent, and a dose is given at an appointment.
    place: u8,
    what: String,
    more: Markup,
}

/// The timeline; of restricted people without what tells where they are.
pub(super) fn timeline(file: &PersonFile) -> Markup {
    let is_restricted = file.record.person.is_restricted();
    let mut events = Vec::new();
    for held in file.record.immunisations.values() {
        let past: Vec<&Immunisation> = file.past.iter().filter(|past| past.id == held.id).collect();
        events.push(vaccination(held, &past, is_restricted));
    }
    events.extend(file.record.bookings.values().map(|booking| appointment(booking, is_restricted)));
    for invitation in &file.invitations {
        events.extend(invitation.decisions.iter().map(|decision| decided(invitation, decision)));
    }
    events.extend(file.messages.iter().map(message));
    events.extend(file.calls.iter().map(call));
    events.sort_by_key(|event| std::cmp::Reverse((event.on, event.place)));
    html! {
        @if events.is_empty() {
            p { "Nothing is recorded yet: no vaccination, no appointment, no invitation." }
        } @else {
            ol class="ims-timeline" {
                @for event in &events {
                    li {
                        p class="ims-timeline__day" { (words::day(event.on)) }
                        div {
                            h3 class="nhsuk-heading-xs" { (event.what) }
                            (event.more)
                        }
                    }
                }
            }
        }
    }
}

/// That a record is not, or only by a decision, taken for this person's.
fn standing(matching: &Matching) -> Markup {
    let text = match &matching.decision {
        Some(decision) if decision.ruling == Ruling::Nobodys => "nobody's: does not count",
        Some(_) => "counts by a decision of staff",
        None if matching.is_open() => "unmatched: does not count",
        None => return html! {},
    };
    html! { p { strong class="nhsuk-tag nhsuk-tag--yellow" { (text) } } }
}

/// Who sent a change, and how.
fn sent_by(source: &Source) -> String {
    let supplier = if source.supplier.is_empty() { "an unknown supplier" } else { &source.supplier };
    if source.file.is_empty() {
        format!("sent by {supplier} through the API")
    } else {
        format!("sent by {supplier} in {}, row {}", source.file, source.row)
    }
}

fn vaccination(held: &Immunisation, past: &[&Immunisation], is_restricted: bool) -> Event {
    let mut versions: Vec<&Immunisation> = past.to_vec();
    versions.push(held);
    versions.sort_by_key(|version| std::cmp::Reverse(version.version));
    let deleted = if held.deleted { ", deleted by its supplier" } else { "" };
    Event {
        on: held.occurred_on,
        place: 3,
        what: format!("Vaccination: {}{deleted}", held.vaccine.code()),
        more: html! {
            (standing(&held.matching))
            (details(held, is_restricted))
            p class="nhsuk-body-s" { "Version " (held.version) ", " (sent_by(&held.source)) "." }
            @if versions.len() > 1 {
                details class="nhsuk-details" {
                    summary class="nhsuk-details__summary" {
                        span class="nhsuk-details__summary-text" {
                            "All " (versions.len()) " versions"
                            span class="nhsuk-u-visually-hidden" { " of the vaccination of " (words::day(held.occurred_on)) }
                        }
                    }
                    div class="nhsuk-details__text" {
                        @for version in versions {
                            p class="nhsuk-u-margin-bottom-1" {
                                strong { "Version " (version.version) } @if version.deleted { " (deletion)" } ", " (sent_by(&version.source))
                            }
                            p class="nhsuk-body-s" { "Given on " (words::day(version.occurred_on)) "." }
                            (details(version, is_restricted))
                        }
                    }
                }
            }
        },
    }
}

/// What the record says of the dose.
fn details(held: &Immunisation, is_restricted: bool) -> Markup {
    let body: Value = serde_json::from_str(&held.body).unwrap_or_default();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let display = |part: &str| {
        let shown = text(&format!("/{part}/coding/0/display"));
        if shown.is_empty() { text(&format!("/{part}/coding/0/code")) } else { shown }
    };
    let dose = body.pointer("/protocolApplied/0/doseNumberPositiveInt").and_then(Value::as_u64);
    let performer = body["performer"].as_array().into_iter().flatten();
    let organisation = performer.filter_map(|one| one.pointer("/actor/identifier/value")?.as_str()).next();
    let mut parts = vec![("Vaccine", display("vaccineCode"))];
    parts.push(("Dose", dose.map(|dose| dose.to_string()).unwrap_or_default()));
    parts.push(("Batch", text("/lotNumber")));
    parts.push(("Given in", display("site")));
    if is_restricted {
        parts.push(("Organisation and place", "withheld".to_owned()));
    } else {
        parts.push(("Organisation", organisation.unwrap_or_default().to_owned()));
        parts.push(("Place", text("/location/identifier/value")));
    }
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    html! { @if !parts.is_empty() { p { (parts.join("; ")) "." } } }
}

fn appointment(booking: &Booking, is_restricted: bool) -> Event {
    let what = match booking.status {
        AppointmentStatus::Booked => "booked",
        AppointmentStatus::Cancelled => "cancelled",
        AppointmentStatus::Attended => "attended",
        AppointmentStatus::Dna => "did not attend",
    };
    Event {
        on: booking.appointment_on,
        place: 2,
        what: format!("Appointment: {}, {what}", booking.programme.code()),
        more: html! {
            (standing(&booking.matching))
            p {
                "Reference " (booking.reference)
                @if is_restricted { "; where is withheld" }
                @else if !booking.provider.is_empty() { "; with " (booking.provider) }
                ". " (words::capital(&sent_by(&booking.source))) "."
            }
        },
    }
}

fn step(step: Step) -> &'static str {
    match step {
        Step::Invite => "invitation",
        Step::Reminder => "reminder",
        Step::Call => "recall call",
    }
}

fn because(reason: Option<Reason>) -> Option<String> {
    reason.map(|reason| words::suppression(reason.name()))
}

/// The rules' answer with its status in words.
fn in_words(explanation: &str) -> String {
    let (status, rest) = explanation.split_once(' ').unwrap_or((explanation, ""));
    let status = match status {
        "Actionable" => "due now",
        "NotActionable" => "not due now",
        "NotEligible" => "not eligible",
        other => other,
    };
    format!("{status} {rest}").trim().to_owned()
}

fn decided(invitation: &Invitation, decision: &Decision) -> Event {
    let what = step(decision.step);
    let outcome = match because(decision.reason) {
        Some(why) => format!("no {what}: {why}"),
        None => format!("{what} to go out"),
    };
    Event {
        on: decision.on,
        place: 0,
        what: format!("Decision: {outcome}"),
        more: html! {
            p {
                "Campaign " (invitation.campaign) ", dose " (invitation.dose) ", wave " (decision.wave)
                @if !decision.cohort.is_empty() { ", as " (words::plain(&decision.cohort)) }
                "."
            }
            @if !decision.explanation.is_empty() { p { "The rules: " (in_words(&decision.explanation)) } }
            p class="nhsuk-body-s" {
                "Decided under version " (decision.definition) " of the campaign on version " (decision.person_version) " of the person's record."
            }
        },
    }
}

fn message(message: &Message) -> Event {
    let kind = match message.channel {
        Channel::Sms => "Text",
        Channel::Letter => "Letter",
    };
    let state = match message.state {
        MessageState::Queued => "waits to be sent",
        MessageState::Sending => "is being sent",
        MessageState::Sent => "sent",
        MessageState::Delivered => "delivered",
        MessageState::Failed => "did not arrive",
        MessageState::Withdrawn => "withdrawn before it left",
        MessageState::Unknown => "cannot be told whether it left",
    };
    let detail = message.detail.as_deref().map(|detail| match message.state {
        MessageState::Withdrawn => words::suppression(detail),
        _ => words::failure(detail),
    });
    Event {
        on: message.sent_on.unwrap_or(message.queued_on),
        place: 1,
        what: format!("{kind} ({}): {state}", step(message.step)),
        more: html! {
            p {
                "Campaign " (message.campaign) ", dose " (message.dose) ", wave " (message.wave)
                @if let Some(detail) = detail { "; " (detail) }
                ". Queued on " (words::day(message.queued_on)) "."
            }
        },
    }
}

fn call(call: &ims_domain::invitation::Call) -> Event {
    let outcome = call.outcome.and_then(|outcome| Some(serde_json::to_value(outcome).ok()?.as_str()?.to_owned()));
    let what = match (because(call.reason), outcome) {
        (Some(why), _) => format!("no longer needed: {why}"),
        (None, Some(outcome)) => words::call_outcome(&outcome),
        (None, None) => "not made yet".to_owned(),
    };
    Event {
        on: call.due,
        place: 1,
        what: format!("Recall call: {what}"),
        more: html! {
            p {
                "Campaign " (call.campaign) ", dose " (call.dose) "; " (words::count(u64::from(call.attempts), "call", "calls")) " made"
                @if let Some(agent) = &call.agent { ", with " (agent) }
                "."
            }
        },
    }
}
