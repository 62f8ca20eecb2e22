//! Matching: records that count for nobody until somebody decides about them.
//!
//! The lists name records by their supplier and what disagrees, and show nobody. A record is shown, beside the person who
//! holds it, only once a reason is in that person's audit trail, as in the room Person; every decision has a reason of its
//! own and is one transaction with its audit entries.

mod page;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use ims_domain::PersonId;
use ims_store::{Actor, AuditEntry, AuditResult, MatchingOrder, NamedRecord};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::layout::{Frame, Problem};
use crate::rooms::Room;
use crate::session::Staff;
use crate::sign_in::{Fields, see};
use crate::source::{MatchedFile, SourceError};
use crate::{Console, Shared, form};

/// Records that are listed at most: those that wait longest.
const MOST: usize = 200;
/// Days for which what was decided is listed.
const DAYS: i64 = 7;
/// After so long a record that waits raises an alarm.
pub(crate) const ALARM: SignedDuration = SignedDuration::from_hours(24);
/// How long a reason that was given opens a record for its author.
const REASON_HOLDS: SignedDuration = SignedDuration::from_mins(15);
/// The operation whose entry opens a record; a decision does so too.
const OPEN: &str = "open_match";

fn frame<'a>(console: &'a Console, staff: &'a Staff) -> Frame<'a> {
    Frame { console, staff: Some(staff), room: Some(Room::Matching), title: "Matching" }
}

fn unreadable(error: SourceError) -> Problem {
    Problem::unreadable(&error)
}

/// Answers `GET /matching`: what waits, the oldest first, and what was decided of late.
pub(crate) async fn all(State(console): State<Shared>, Extension(staff): Extension<Staff>) -> Response {
    let source = console.source();
    let now = source.now();
    let today = now.to_zoned(TimeZone::UTC).date();
    let days = (0..DAYS).filter_map(|ago| today.checked_sub(jiff::Span::new().days(ago)).ok()).collect();
    let answer = async {
        let before = now.checked_sub(ALARM).unwrap_or(Timestamp::MIN);
        let count = source.matching_count(before).await.map_err(unreadable)?;
        let list = source.matching(MOST, days).await.map_err(unreadable)?;
        Ok((page::lists(&console, &list, count, now), None))
    };
    frame(&console, &staff).answer(answer.await)
}

/// Answers `GET /matching/{record}`: the record beside its holder, where the reader gave a reason a short while ago; else
/// asks for one.
pub(crate) async fn one(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path(name): Path<String>,
) -> Response {
    let frame = frame(&console, &staff);
    let Some(record) = page::named(&name) else { return nowhere(&console).respond(&frame) };
    match shown(&console, &staff, &record).await {
        Ok(Some(file)) => {
            let body = page::record(&console, &record, &file, None, &form::Given::default(), None);
            frame.page(StatusCode::OK, None, &body)
        }
        Ok(None) => frame.page(StatusCode::OK, None, &page::reason_form(&console, &record, &form::Given::default())),
        Err(problem) => problem.respond(&frame),
    }
}

/// The record and its holder, once the trail says that they are shown; `None` where a reason must be given first.
async fn shown(console: &Console, staff: &Staff, record: &NamedRecord) -> Result<Option<MatchedFile>, Problem> {
    let source = console.source();
    let now = source.now();
    let file = source.matched(record.clone()).await.map_err(unreadable)?.ok_or_else(|| nowhere(console))?;
    let since = now.checked_sub(REASON_HOLDS).unwrap_or(Timestamp::MIN);
    let recent = source.trail_since(file.person.id, since).await.map_err(unreadable)?;
    let Some(opened) = recent.into_iter().find(|entry| is_opening(entry, staff)) else { return Ok(None) };
    let entry = staff.entry(now, "read_match", &opened.purpose).about(file.person.id);
    source.audit(entry).await.map_err(unreadable)?;
    Ok(Some(file))
}

fn is_opening(entry: &AuditEntry, staff: &Staff) -> bool {
    let opens = entry.operation == OPEN || entry.operation.starts_with("match_");
    opens
        && entry.result == AuditResult::Allowed
        && entry.actor == staff.name
        && entry.role.as_deref() == Some(staff.role.name())
}

/// Answers `POST /matching/{record}`: takes the reason that opens the record, compares it with another person, or decides.
pub(crate) async fn act(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let frame = frame(&console, &staff);
    let Some(record) = page::named(&name) else { return nowhere(&console).respond(&frame) };
    let fields = Fields::of(&body);
    let action = fields.get("action").unwrap_or("open");
    let needs_number = matches!(action, "attach" | "compare");
    let given = form::Given::of(&fields, needs_number);
    let answer = match action {
        "open" => open(&console, &staff, &record, &given).await,
        "compare" => compare(&console, &staff, &record, &given).await,
        _ => decide(&console, &staff, &record, action, &given).await,
    };
    answer.unwrap_or_else(|problem| problem.respond(&frame))
}

async fn open(
    console: &Console,
    staff: &Staff,
    record: &NamedRecord,
    given: &form::Given,
) -> Result<Response, Problem> {
    let Some(reason) = given.reason() else {
        let body = page::reason_form(console, record, given);
        return Ok(frame(console, staff).page(StatusCode::BAD_REQUEST, None, &body));
    };
    let source = console.source();
    let file = source.matched(record.clone()).await.map_err(unreadable)?.ok_or_else(|| nowhere(console))?;
    note(console, staff, file.person.id, record, reason).await?;
    Ok(see(&page::link(console, record)))
}

async fn note(
    console: &Console,
    staff: &Staff,
    person: PersonId,
    record: &NamedRecord,
    reason: &str,
) -> Result<(), Problem> {
    let source = console.source();
    let entry = staff.entry(source.now(), OPEN, &format!("{record}: {reason}")).about(person);
    source.audit(entry).await.map_err(unreadable)
}

/// Shows the record beside the person with another number as well, once that is in that person's trail.
async fn compare(
    console: &Console,
    staff: &Staff,
    record: &NamedRecord,
    given: &form::Given,
) -> Result<Response, Problem> {
    let frame = frame(console, staff);
    let Some(file) = shown(console, staff, record).await? else { return Ok(see(&page::link(console, record))) };
    let page = |status, candidate: Option<&ims_domain::Person>, wrong: Option<&str>| {
        frame.page(status, None, &page::record(console, record, &file, candidate, given, wrong))
    };
    let (Some(number), Some(reason)) = (given.number(), given.reason()) else {
        return Ok(page(StatusCode::BAD_REQUEST, None, None));
    };
    let source = console.source();
    let Some(candidate) = source.person_by_nhs_number(number).await.map_err(unreadable)? else {
        let entry = staff.entry(source.now(), OPEN, &format!("{record}: {reason}"));
        source.audit(entry.with_result(AuditResult::NotFound)).await.map_err(unreadable)?;
        return Ok(page(StatusCode::NOT_FOUND, None, Some("Nobody is known by this NHS number")));
    };
    note(console, staff, candidate, record, reason).await?;
    let found = source.person(candidate).await.map_err(unreadable)?.ok_or_else(|| nowhere(console))?;
    Ok(page(StatusCode::OK, Some(&found.record.person), None))
}

async fn decide(
    console: &Console,
    staff: &Staff,
    record: &NamedRecord,
    action: &str,
    given: &form::Given,
) -> Result<Response, Problem> {
    let frame = frame(console, staff);
    let order = match (action, given.number()) {
        ("confirm", _) => Some(MatchingOrder::Confirm),
        ("attach", number) => number.map(MatchingOrder::Attach),
        ("leave", _) => Some(MatchingOrder::LeaveAsNobodys),
        ("undo", _) => Some(MatchingOrder::Undo),
        _ => None,
    };
    // Nobody decides about what they were not shown.
    let Some(file) = shown(console, staff, record).await? else { return Ok(see(&page::link(console, record))) };
    let refused = |status, wrong: Option<&str>| {
        frame.page(status, None, &page::record(console, record, &file, None, given, wrong))
    };
    let (Some(order), Some(reason)) = (order, given.reason()) else {
        return Ok(refused(StatusCode::BAD_REQUEST, None));
    };
    let source = console.source();
    let role = Some(staff.role.name().to_owned());
    let actor = Actor { role, ..Actor::new(&staff.name, "match", String::new(), source.now()) };
    match source.settle(record.clone(), order, reason.to_owned(), actor).await.map_err(unreadable)? {
        Ok(_) => Ok(see(&page::link(console, record))),
        Err(refusal) => Ok(refused(StatusCode::CONFLICT, Some(&crate::words::capital(&refusal.to_string())))),
    }
}

fn nowhere(console: &Console) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "No such record", "There is no record with this name.".to_owned())
        .then("It may have been attached to somebody else, or deleted by its supplier.")
        .link(console.link("/matching"), "See what waits")
}

/// Notes that somebody without the role asked for a record by its address.
pub(crate) async fn note_refused(console: &Console, staff: &Staff, path: &str) {
    let Some(record) = path.rsplit('/').next().and_then(page::named) else { return };
    let source = console.source();
    let Ok(Some(file)) = source.matched(record).await else { return };
    let entry = staff.entry(source.now(), "read_match", "no role for it").about(file.person.id);
    if let Err(error) = source.audit(entry.with_result(AuditResult::Refused)).await {
        tracing::error!(%error, cause = %error.source, "a refusal could not be noted");
    }
}
