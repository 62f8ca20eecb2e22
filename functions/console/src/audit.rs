//! Audit: who read, searched for or changed a person, and what somebody did. It shows no record; reading it is an entry in
//! it, written first.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use ims_store::{AuditEntry, AuditResult, AuditSpan};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::layout::{Frame, Problem, empty};
use crate::rooms::Room;
use crate::session::Staff;
use crate::sign_in::Fields;
use crate::source::SourceError;
use crate::{Console, Shared, form, words};

/// Entries that are shown at most: the latest.
const MOST: usize = 500;

/// Id of the second form's reason.
const ACTOR_REASON: &str = "actor-reason";

/// What a table of entries leaves out, since all its rows have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// A person's trail: it says who.
    Actor,
    /// An actor's trail: it says whom.
    Person,
}

fn frame<'a>(console: &'a Console, staff: &'a Staff) -> Frame<'a> {
    Frame { console, staff: Some(staff), room: Some(Room::Audit), title: "Audit" }
}

fn unreadable(error: SourceError) -> Problem {
    Problem::unreadable(&error)
}

/// Answers `GET /audit`: both questions.
pub(crate) async fn ask(State(console): State<Shared>, Extension(staff): Extension<Staff>) -> Response {
    let body = forms(&console, Whose::Person, &form::Given::default(), &Actor::default());
    frame(&console, &staff).page(StatusCode::OK, None, &body)
}

/// Which of the two forms.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Person,
    Actor,
}

/// The part of the actor's form that the other has not.
#[derive(Default)]
struct Actor {
    name: String,
    day: String,
    wrong: Option<String>,
}

impl Actor {
    fn of(fields: &Fields) -> (Self, Option<Date>) {
        let text = |name: &str| fields.get(name).unwrap_or_default().trim().to_owned();
        let (name, day) = (text("actor"), text("day"));
        let read = day.parse::<Date>().ok();
        let wrong = match (&read, name.is_empty()) {
            (_, true) => Some("Enter a name".to_owned()),
            (None, _) => Some("Enter a day, such as 2026-11-25".to_owned()),
            _ => None,
        };
        let read = read.filter(|_| wrong.is_none());
        (Self { name, day, wrong }, read)
    }
}

fn forms(console: &Console, whose: Whose, given: &form::Given, actor: &Actor) -> Markup {
    let blank = if whose == Whose::Person {
        form::Given::default().with_reason_id(ACTOR_REASON)
    } else {
        form::Given::default()
    };
    let (of_person, of_actor) = if whose == Whose::Person { (given, &blank) } else { (&blank, given) };
    html! {
        (form::summary(given))
        h1 { "Audit" }
        p { "Who read, searched for or changed whom, and why. That you look is an entry in the trail, written first." }
        div class="ims-beside ims-beside--even" {
            section aria-labelledby="of-person" {
                h2 id="of-person" { "Who looked at a person" }
                form method="post" action=(console.link("/audit/person")) novalidate {
                    (form::number(of_person))
                    (form::reason(of_person))
                    button class="nhsuk-button" type="submit" { "Show the person's trail" }
                }
            }
            section aria-labelledby="of-actor" {
                h2 id="of-actor" { "What somebody did on a day" }
                form method="post" action=(console.link("/audit/actor")) novalidate {
                    (form::field("actor", "Supplier, member of staff or function", "As it is written in the trail, such as EMIS", actor.wrong.as_deref(), |described| html! {
                        input class={ "nhsuk-input" @if actor.wrong.is_some() { " nhsuk-input--error" } } id="actor" name="actor" type="text"
                            autocomplete="off" spellcheck="false" value=(actor.name) aria-describedby=(described);
                    }))
                    (form::field("day", "Day (UTC)", "Year, month and day", None, |described| {
                        let today = console.source().now().to_zoned(TimeZone::UTC).date().to_string();
                        html! {
                            input class="nhsuk-input nhsuk-input--width-10" id="day" name="day" type="date"
                                value=(if actor.day.is_empty() { &today } else { &actor.day }) aria-describedby=(described);
                        }
                    }))
                    (form::reason(of_actor))
                    button class="nhsuk-button" type="submit" { "Show what they did" }
                }
            }
        }
    }
}

/// Answers `POST /audit/person`.
pub(crate) async fn of_person(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    body: Bytes,
) -> Response {
    let frame = frame(&console, &staff);
    let given = form::Given::of(&Fields::of(&body), true);
    let (Some(number), Some(reason)) = (given.number(), given.reason()) else {
        let body = forms(&console, Whose::Person, &given, &Actor::default());
        return frame.page(StatusCode::BAD_REQUEST, None, &body);
    };
    let answer = async {
        let source = console.source();
        let found = source.person_by_nhs_number(number).await.map_err(unreadable)?;
        let entry = staff.entry(source.now(), "read_audit", reason);
        let Some(person) = found else {
            source.audit(entry.with_result(AuditResult::NotFound)).await.map_err(unreadable)?;
            return Err(form::nobody(&console, "/audit"));
        };
        source.audit(entry.about(person)).await.map_err(unreadable)?;
        let span = AuditSpan { from: Date::MIN, to: Date::MAX, most: MOST };
        let trail = source.trail_of_person(person, span).await.map_err(unreadable)?;
        Ok((trail_page(&console, "Who looked at this person", &trail, Column::Actor), None))
    };
    frame.answer(answer.await)
}

/// Answers `POST /audit/actor`.
pub(crate) async fn of_actor(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    body: Bytes,
) -> Response {
    let frame = frame(&console, &staff);
    let fields = Fields::of(&body);
    let given = form::Given::of(&fields, false).with_reason_id(ACTOR_REASON);
    let (actor, day) = Actor::of(&fields);
    let (Some(day), Some(reason)) = (day, given.reason()) else {
        return frame.page(StatusCode::BAD_REQUEST, None, &forms(&console, Whose::Actor, &given, &actor));
    };
    let answer = async {
        let source = console.source();
        let entry = staff.entry(source.now(), "read_audit", &format!("trail of {} on {day}: {reason}", actor.name));
        source.audit(entry).await.map_err(unreadable)?;
        let span = AuditSpan { from: day, to: day, most: MOST };
        let trail = source.trail_of_actor(&actor.name, span).await.map_err(unreadable)?;
        let title = format!("What {} did on {}", actor.name, words::day(day));
        Ok((trail_page(&console, &title, &trail, Column::Person), None))
    };
    frame.answer(answer.await)
}

fn trail_page(console: &Console, title: &str, trail: &[AuditEntry], column: Column) -> Markup {
    html! {
        h1 { (title) }
        @if trail.len() >= MOST { p { "The latest " (MOST) " entries; the command " code { "cargo ims audit" } " shows all." } }
        @if column == Column::Person {
            p { "Of functions that go through many people it has a line for each run; each person's own trail has the rest." }
        }
        (table(trail, column))
        p { a href=(console.link("/audit")) { "Ask something else" } }
    }
}

/// What an operation is called.
fn operation(name: &str) -> String {
    match name {
        "open_person" => "asked for the record".to_owned(),
        "read_person" => "looked at the record".to_owned(),
        "read_audit" => "looked at the audit trail".to_owned(),
        "open_call" => "opened a recall call".to_owned(),
        "open_match" => "asked for a record to be matched".to_owned(),
        "read_match" => "looked at a record to be matched".to_owned(),
        "match_confirm" => "confirmed whom a record is about".to_owned(),
        "match_attach" => "attached a record to somebody".to_owned(),
        "match_nobodys" => "left a record as nobody's".to_owned(),
        "match_undo" => "took a decision about a record back".to_owned(),
        "decide" => "decided whether to write".to_owned(),
        "feed" => "applied rows of a feed".to_owned(),
        "sms" => "sent a text".to_owned(),
        "letter" => "sent a letter".to_owned(),
        other => words::plain(other),
    }
}

/// Entries of a trail, the latest first.
pub(crate) fn table(trail: &[AuditEntry], column: Column) -> Markup {
    html! {
        @if trail.is_empty() {
            (empty(html! { "There are no entries." }))
        } @else {
            div class="ims-scroll" tabindex="0" role="region" aria-label="Audit trail" {
                table class="nhsuk-table" {
                    caption class="nhsuk-table__caption nhsuk-u-visually-hidden" { "Audit trail, the latest first" }
                    thead class="nhsuk-table__head" {
                        tr {
                            @let whom = if column == Column::Actor { "Who" } else { "Person" };
                            @for title in ["When", whom, "What", "Result", "Why"] { th scope="col" { (title) } }
                        }
                    }
                    tbody class="nhsuk-table__body" {
                        @for entry in trail { (row(entry, column)) }
                    }
                }
            }
        }
    }
}

fn row(entry: &AuditEntry, column: Column) -> Markup {
    let (colour, result) = match entry.result {
        AuditResult::Allowed => ("green", "allowed"),
        AuditResult::Refused => ("red", "refused"),
        AuditResult::NotFound => ("grey", "nothing found"),
    };
    html! {
        tr class="nhsuk-table__row" {
            td class="nhsuk-table__cell" { (words::time(entry.at)) }
            @match column {
                Column::Actor => td class="nhsuk-table__cell" {
                    (entry.actor)
                    @if let Some(role) = &entry.role { br; span class="nhsuk-body-s" { (words::plain(role)) } }
                    @if let Some(whom) = &entry.on_behalf_of { br; span class="nhsuk-body-s" { "for " (whom) } }
                },
                Column::Person => td class="nhsuk-table__cell ims-key" {
                    (entry.person.map_or_else(|| "–".to_owned(), |person| person.to_string()))
                },
            }
            td class="nhsuk-table__cell" {
                (operation(&entry.operation))
                @if let Some(count) = entry.count { " (" (words::number(count)) ")" }
            }
            td class="nhsuk-table__cell" { strong class={ "nhsuk-tag nhsuk-tag--" (colour) } { (result) } }
            td class="nhsuk-table__cell ims-key" { (entry.purpose) }
        }
    }
}
