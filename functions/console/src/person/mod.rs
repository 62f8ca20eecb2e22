//! Person: one person's record, for those who answer for records.
//!
//! Nothing is shown before a reason is given and written in the audit trail. That entry is what lets its author see the
//! record for a while, and each time it is shown another entry says so. NHS numbers come by form and stay out of
//! addresses; pages are addressed by the person's id, which says nothing of them.

mod page;
mod timeline;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use ims_domain::{NhsNumber, PersonId};
use ims_store::{AuditEntry, AuditResult, AuditSpan, audit};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use crate::layout::{Frame, Problem};
use crate::rooms::Room;
use crate::session::Staff;
use crate::sign_in::{Fields, see};
use crate::source::{PersonFile, SourceError};
use crate::{Console, Shared, form, words};

/// How long a reason that was given opens a record for its author.
const REASON_HOLDS: SignedDuration = SignedDuration::from_mins(15);

/// Entries of the person's audit trail that are shown.
const TRAIL: usize = 50;

/// The operation whose entry opens a record.
const OPEN: &str = "open_person";

fn frame<'a>(console: &'a Console, staff: &'a Staff) -> Frame<'a> {
    Frame { console, staff: Some(staff), room: Some(Room::Person), title: "Person" }
}

fn unreadable(error: SourceError) -> Problem {
    Problem::unreadable(&error)
}

/// Answers `GET /person`: the form that looks a person up.
pub(crate) async fn ask(State(console): State<Shared>, Extension(staff): Extension<Staff>) -> Response {
    frame(&console, &staff).page(StatusCode::OK, None, &search_form(&console, &form::Given::default()))
}

fn search_form(console: &Console, given: &form::Given) -> Markup {
    html! {
        div class="nhsuk-grid-row" {
            div class="nhsuk-grid-column-two-thirds" {
                (form::summary(given))
                h1 { "Look a person up" }
                p { "Your name, the reason and what you look at become part of the person's audit trail, before you see anything." }
                form method="post" action=(console.link("/person")) novalidate {
                    (form::number(given))
                    (form::reason(given))
                    button class="nhsuk-button" type="submit" { "Look up" }
                }
            }
        }
    }
}

/// Answers `POST /person`: finds the person, notes the attempt and its reason, and leads to the record.
pub(crate) async fn search(State(console): State<Shared>, Extension(staff): Extension<Staff>, body: Bytes) -> Response {
    let given = form::Given::of(&Fields::of(&body), true);
    let (Some(number), Some(reason)) = (given.number(), given.reason()) else {
        return frame(&console, &staff).page(StatusCode::BAD_REQUEST, None, &search_form(&console, &given));
    };
    match found(&console, &staff, number, reason).await {
        Ok(Some(person)) => see(&console.link(&format!("/person/{person}"))),
        Ok(None) => form::nobody(&console, "/person").respond(&frame(&console, &staff)),
        Err(problem) => problem.respond(&frame(&console, &staff)),
    }
}

async fn found(console: &Console, staff: &Staff, number: NhsNumber, why: &str) -> Result<Option<PersonId>, Problem> {
    let source = console.source();
    let found = source.person_by_nhs_number(number).await.map_err(unreadable)?;
    let entry = staff.entry(source.now(), OPEN, why);
    let entry = match found {
        Some(person) => entry.about(person),
        None => entry.with_result(AuditResult::NotFound),
    };
    source.audit(entry).await.map_err(unreadable)?;
    Ok(found)
}

/// Answers `GET /person/{id}`: the record, where the reader gave a reason a short while ago; else asks for one.
pub(crate) async fn open(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path(id): Path<String>,
) -> Response {
    let frame = frame(&console, &staff);
    let Ok(id) = id.parse::<PersonId>() else { return nowhere(&console).respond(&frame) };
    match shown(&console, &staff, id).await {
        Ok(Some((file, trail))) => {
            let today = console.source().business_now().await.map(|now| words::local(now).date());
            frame.answer(today.map(|today| (page::body(&console, &file, &trail, today), None)).map_err(unreadable))
        }
        Ok(None) => frame.page(StatusCode::OK, None, &reason_form(&console, id, &form::Given::default())),
        Err(problem) => problem.respond(&frame),
    }
}

/// The record and its trail, once the trail says that it is shown; `None` where a reason must be given first.
async fn shown(
    console: &Console,
    staff: &Staff,
    id: PersonId,
) -> Result<Option<(PersonFile, Vec<AuditEntry>)>, Problem> {
    let source = console.source();
    let now = source.now();
    let since = now.checked_sub(REASON_HOLDS).unwrap_or(Timestamp::MIN);
    let recent = source.trail_since(id, since).await.map_err(unreadable)?;
    let opened = recent.into_iter().find(|entry| is_opening(entry, staff));
    let Some(opened) = opened else { return Ok(None) };
    let entry = staff.entry(now, "read_person", &opened.purpose).about(id);
    let Some(file) = source.person(id).await.map_err(unreadable)? else {
        source.audit(entry.with_result(AuditResult::NotFound)).await.map_err(unreadable)?;
        return Err(nowhere(console));
    };
    source.audit(entry).await.map_err(unreadable)?;
    let span = AuditSpan { from: Date::MIN, to: Date::MAX, most: TRAIL };
    let trail = source.trail_of_person(id, span).await.map_err(unreadable)?;
    Ok(Some((file, trail)))
}

fn is_opening(entry: &AuditEntry, staff: &Staff) -> bool {
    entry.operation == OPEN
        && entry.result == AuditResult::Allowed
        && entry.actor == staff.name
        && entry.role.as_deref() == Some(staff.role.name())
}

/// Answers `POST /person/{id}`: takes the reason.
pub(crate) async fn give_reason(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let frame = frame(&console, &staff);
    let Ok(id) = id.parse::<PersonId>() else { return nowhere(&console).respond(&frame) };
    let given = form::Given::of(&Fields::of(&body), false);
    let Some(reason) = given.reason() else {
        return frame.page(StatusCode::BAD_REQUEST, None, &reason_form(&console, id, &given));
    };
    let source = console.source();
    match source.audit(staff.entry(source.now(), OPEN, reason).about(id)).await {
        Ok(()) => see(&console.link(&format!("/person/{id}"))),
        Err(error) => unreadable(error).respond(&frame),
    }
}

fn reason_form(console: &Console, id: PersonId, given: &form::Given) -> Markup {
    html! {
        div class="nhsuk-grid-row" {
            div class="nhsuk-grid-column-two-thirds" {
                (form::summary(given))
                h1 { "Why do you need this record?" }
                p {
                    "A reason opens a record for " (REASON_HOLDS.as_mins()) " minutes. Your name, the reason and what you look at become part of "
                    "the person's audit trail, before you see anything."
                }
                form method="post" action=(console.link(&format!("/person/{id}"))) novalidate {
                    (form::reason(given))
                    button class="nhsuk-button" type="submit" { "Open the record" }
                }
                p { a href=(console.link("/person")) { "Look another person up" } }
            }
        }
    }
}

fn nowhere(console: &Console) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "No such person", "There is nobody with this id.".to_owned())
        .then("Look the person up by NHS number.")
        .link(console.link("/person"), "Look a person up")
}

/// Notes that somebody without the role asked for a record by its address.
pub(crate) async fn note_refused(console: &Console, staff: &Staff, path: &str) {
    let Some(id) = path.rsplit('/').next().and_then(|id| id.parse::<PersonId>().ok()) else { return };
    let source = console.source();
    let entry = staff.entry(source.now(), "read_person", "no role for it").about(id);
    if let Err(error) = source.audit(entry.with_result(AuditResult::Refused)).await {
        tracing::error!(%error, cause = %error.source, "a refusal could not be noted");
    }
}

/// A reason as the trail keeps it, or what is wrong with it.
pub(crate) fn read_reason(written: &str) -> Result<String, String> {
    let reason = audit::reason(written)?;
    let digits = reason.chars().filter(char::is_ascii_digit).count();
    let is_number = reason.split(|letter: char| !letter.is_ascii_digit() && letter != ' ' && letter != '-');
    let has_number = is_number
        .map(|part| part.chars().filter(char::is_ascii_digit).collect::<String>())
        .any(|part| part.parse::<NhsNumber>().is_ok());
    if digits >= 10 && has_number {
        return Err("Leave NHS numbers out of the reason: the trail names the person by itself".to_owned());
    }
    Ok(reason)
}
