//! Feeds: the files that came, what became of each, and its acknowledgements.
//!
//! An acknowledgement of rows names them by the supplier's own identifiers: only an engineer downloads it, and the audit
//! trail says so first. Everybody else in the room sees counts. A file that was held back is decided by a records officer;
//! `feed-intake` carries the decision out and audits it.

use std::collections::{BTreeMap, BTreeSet};

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ims_fhir::ack;
use ims_store::{AuditResult, FeedFile, FeedFileState, Held};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use maud::{Markup, html};
use serde_json::Value;

use crate::layout::{Frame, Problem, empty};
use crate::rooms::{Role, Room};
use crate::session::Staff;
use crate::sign_in::{Fields, see};
use crate::source::{FileRuling, SourceError};
use crate::system::{file_name, file_state};
use crate::{Console, Shared, form, words};

/// Days of files that are shown where no day is chosen.
const DAYS: i64 = 7;

/// Files that are shown at most: the latest.
const MOST: usize = 200;

fn unreadable(error: SourceError) -> Problem {
    Problem::unreadable(&error)
}

/// Which files are asked for.
#[derive(Default)]
struct Wanted {
    day: Option<Date>,
    supplier: String,
    feed: String,
}

impl Wanted {
    fn of(query: &str) -> Result<Self, String> {
        let mut wanted = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty()) {
            match &*name {
                "day" => {
                    wanted.day = Some(value.parse().map_err(|_| format!("'{value}' is no day, such as 2026-11-25"))?)
                }
                "supplier" => wanted.supplier = value.into_owned(),
                "feed" => wanted.feed = value.into_owned(),
                _ => {}
            }
        }
        Ok(wanted)
    }

    fn covers(&self, file: &FeedFile) -> bool {
        (self.supplier.is_empty() || self.supplier == file.supplier)
            && (self.feed.is_empty() || self.feed == feed(file))
    }

    fn days(&self, now: Timestamp) -> Vec<Date> {
        let today = now.to_zoned(TimeZone::UTC).date();
        match self.day {
            Some(day) => vec![day],
            None => (0..DAYS).filter_map(|ago| today.checked_sub(Span::new().days(ago)).ok()).collect(),
        }
    }
}

/// A feed's name, with its vaccine.
fn feed(file: &FeedFile) -> String {
    file.vaccine.as_ref().map_or_else(|| file.feed.clone(), |vaccine| format!("{} {vaccine}", file.feed))
}

/// Answers `/feeds`.
pub(crate) async fn all(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    RawQuery(query): RawQuery,
) -> Response {
    let frame = Frame { console: &console, staff: Some(&staff), room: Some(Room::Feeds), title: "Feeds" };
    let answer = async {
        let wanted = Wanted::of(query.as_deref().unwrap_or_default()).map_err(|problem| {
            Problem::new(StatusCode::BAD_REQUEST, "No such day", problem)
                .link(console.link("/feeds"), "Show the latest files")
        })?;
        let files = console.source().files(wanted.days(console.source().now())).await.map_err(unreadable)?;
        Ok((list(&console, &wanted, &files), None))
    };
    frame.answer(answer.await)
}

fn chooser(id: &str, label: &str, all: &str, values: &BTreeSet<String>, chosen: &str) -> Markup {
    html! {
        div class="nhsuk-form-group" {
            label class="nhsuk-label" for=(id) { (label) }
            select class="nhsuk-select" id=(id) name=(id) {
                option value="" { (all) }
                @for value in values { option value=(value) selected[value == chosen] { (value) } }
            }
        }
    }
}

fn list(console: &Console, wanted: &Wanted, files: &[FeedFile]) -> Markup {
    let suppliers = files.iter().map(|file| file.supplier.clone()).filter(|name| !name.is_empty()).collect();
    let feeds = files.iter().map(feed).filter(|name| !name.trim().is_empty()).collect();
    let shown: Vec<&FeedFile> = files.iter().filter(|file| wanted.covers(file)).collect();
    html! {
        h1 { "Feeds" }
        form class="ims-filters" method="get" action=(console.link("/feeds")) {
            div class="nhsuk-form-group" {
                label class="nhsuk-label" for="day" { "Day (UTC)" }
                input class="nhsuk-input nhsuk-input--width-10" id="day" name="day" type="date"
                    value=[wanted.day.map(|day| day.to_string())];
            }
            (chooser("supplier", "Supplier", "All suppliers", &suppliers, &wanted.supplier))
            (chooser("feed", "Feed", "All feeds", &feeds, &wanted.feed))
            button class="nhsuk-button nhsuk-button--secondary" type="submit" { "Show" }
        }
        @if shown.is_empty() {
            (empty(html! {
                @if wanted.day.is_some() { "No such file came on this day." }
                @else { "No such file came in the last " (DAYS) " days." }
                " A file is taken in when it is uploaded to the inbound bucket."
            }))
        } @else {
            p {
                (words::count(shown.len() as u64, "file", "files"))
                @match wanted.day { Some(day) => { " of " (words::day(day)) }, None => { " of the last " (DAYS) " days" } }
                ", the latest first." @if shown.len() > MOST { " The first " (MOST) " are shown: choose a day." }
            }
            (table(console, shown.into_iter().take(MOST)))
        }
    }
}

/// A table of files, each with a link to its page.
pub(crate) fn table<'f>(console: &Console, files: impl Iterator<Item = &'f FeedFile>) -> Markup {
    html! {
        div class="ims-scroll" tabindex="0" role="region" aria-label="Feed files" {
            table class="nhsuk-table" {
                caption class="nhsuk-table__caption nhsuk-u-visually-hidden" { "Feed files" }
                thead class="nhsuk-table__head" {
                    tr {
                        @for title in ["File", "Feed", "Received", "State"] { th scope="col" { (title) } }
                        @for title in ["Rows", "Accepted", "Refused"] { th scope="col" class="ims-number" { (title) } }
                    }
                }
                tbody class="nhsuk-table__body" { @for file in files { (row(console, file)) } }
            }
        }
    }
}

/// The address of a file's page; a name may hold what an address may not.
fn address(console: &Console, file: &FeedFile) -> String {
    let name: String = form_urlencoded::byte_serialize(file.name.as_bytes()).collect();
    console.link(&format!("/feeds/{}", name.replace('+', "%20")))
}

fn tag(file: &FeedFile) -> Markup {
    let (colour, state) = file_state(file.state);
    html! { strong class={ "nhsuk-tag nhsuk-tag--" (colour) } { (state) } }
}

fn row(console: &Console, file: &FeedFile) -> Markup {
    html! {
        tr class="nhsuk-table__row" {
            th scope="row" class="ims-key" { a href=(address(console, file)) { (file_name(file)) } }
            td class="nhsuk-table__cell" { (feed(file)) @if !file.supplier.is_empty() { ", " (file.supplier) } }
            td class="nhsuk-table__cell" { (words::time(file.received)) }
            td class="nhsuk-table__cell" {
                (tag(file))
                @if let Some(error) = &file.error { br; span class="nhsuk-body-s" { (error) } }
                @if let Some(first) = &file.duplicate_of { br; span class="nhsuk-body-s" { "the same as " (first) } }
            }
            @for value in [file.rows, file.accepted, file.rejected] {
                td class="nhsuk-table__cell ims-number" { (words::number(value)) }
            }
        }
    }
}

/// What a state means, and what to do next.
fn meaning(file: &FeedFile) -> &'static str {
    match file.state {
        FeedFileState::Processing => "The file is being checked and cut. Nothing to do.",
        FeedFileState::Preprocessed => {
            "Its rows are being applied. If it stays so for more than 15 minutes, look at the queue record-ingest in the room System."
        }
        FeedFileState::AwaitingApproval => {
            "None of its rows is applied. Ask its sender whether it is right; then a records officer approves or refuses it here."
        }
        FeedFileState::Processed if file.rejected > 0 => {
            "Every row is answered. The supplier has the refused rows and their reasons in the acknowledgement, and sends them again, \
             corrected, in a new file."
        }
        FeedFileState::Processed => "Every row is stored. Nothing to do.",
        FeedFileState::Failed => {
            "The file was refused as a whole and no row was applied. Tell the supplier, who has the same answer in the acknowledgement; \
             a corrected file needs a new name."
        }
        FeedFileState::Duplicate => {
            "The same name or content was taken before. Nothing was applied again; nothing to do."
        }
        FeedFileState::Empty => "It has no rows. Nothing to do, unless rows were expected: then ask the supplier.",
        FeedFileState::Unauthorised => {
            "The supplier may not send this feed. Find out whether it should have the permission; a permitted file needs a new name."
        }
    }
}

/// The file's acknowledgements: name in the address, key, what it is.
fn acknowledgements(file: &FeedFile) -> Vec<(&'static str, String, &'static str)> {
    let name = file_name(file);
    let mut all =
        vec![("inf-ack.csv", ack::inf_ack_key(name, file.received), "the answer to the file as such (InfAck, CSV)")];
    if file.state == FeedFileState::Processed {
        all.push(("bus-ack.csv", ack::bus_ack_csv_key(name, file.received), "the refused rows (BusAck, CSV)"));
        all.push(("bus-ack.json", ack::bus_ack_json_key(name, file.received), "the refused rows (BusAck, JSON)"));
    }
    all
}

/// Whether an acknowledgement names rows.
fn names_rows(acknowledgement: &str) -> bool {
    acknowledgement.starts_with("bus-ack")
}

fn may_download(staff: &Staff, acknowledgement: &str) -> bool {
    !names_rows(acknowledgement) || staff.role == Role::Engineer
}

async fn known(console: &Console, name: &str) -> Result<FeedFile, Problem> {
    console.source().file(name).await.map_err(unreadable)?.ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "No such file", format!("No file '{name}' came."))
            .link(console.link("/feeds"), "Go to the feeds")
    })
}

/// Answers `/feeds/{file}`.
pub(crate) async fn one(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path(name): Path<String>,
) -> Response {
    let frame = Frame { console: &console, staff: Some(&staff), room: Some(Room::Feeds), title: "Feed file" };
    let answer = async {
        let file = known(&console, &name).await?;
        let took = took(&console, &file).await?;
        Ok((detail(&console, &staff, &file, took), None))
    };
    frame.answer(answer.await)
}

/// Seconds from the first row taken up to the last one done, as the acknowledgement has it.
async fn took(console: &Console, file: &FeedFile) -> Result<Option<i64>, Problem> {
    if file.state != FeedFileState::Processed {
        return Ok(None);
    }
    let key = ack::bus_ack_json_key(file_name(file), file.received);
    let Some(bytes) = console.source().acknowledgement(&key).await.map_err(unreadable)? else { return Ok(None) };
    let report: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let second = |name: &str| report.pointer(&format!("/summary/ingestionTime/{name}")).and_then(Value::as_i64);
    Ok(second("end").zip(second("start")).map(|(end, start)| end - start))
}

/// The most frequent first.
fn by_count(rules: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let mut all: Vec<(&str, u64)> = rules.iter().map(|(rule, count)| (rule.as_str(), *count)).collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    all
}

/// A table of rules and the rows that each was applied to; nothing where there is none.
fn counted(title: &str, rules: &BTreeMap<String, u64>) -> Markup {
    html! {
        @if !rules.is_empty() {
            h2 { (title) }
            div class="ims-scroll" tabindex="0" role="region" aria-label=(title) {
                table class="nhsuk-table" {
                    caption class="nhsuk-table__caption nhsuk-u-visually-hidden" { (title) }
                    thead class="nhsuk-table__head" {
                        tr { th scope="col" { "Rule" } th scope="col" class="ims-number" { "Rows" } }
                    }
                    tbody class="nhsuk-table__body" {
                        @for (rule, count) in by_count(rules) {
                            tr class="nhsuk-table__row" {
                                th scope="row" class="ims-key" { (rule) }
                                td class="nhsuk-table__cell ims-number" { (words::number(count)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Why a file was held back, what was decided, and, for a records officer while it waits, the form that decides.
fn decision(console: &Console, staff: &Staff, file: &FeedFile, held: &Held) -> Markup {
    let given = form::Given::default();
    html! {
        section aria-labelledby="held" {
            h2 id="held" { "Held back" }
            p { (words::capital(&held.why)) "." }
            @match &held.decision {
                Some(taken) => p {
                    @if taken.approved { "Approved" } @else { "Refused" } " by " (taken.by) ", " (words::time(taken.at)) ": " (taken.reason)
                },
                None if staff.role == Role::RecordsOfficer => form method="post" action=(address(console, file)) novalidate {
                    (form::reason(&given))
                    button class="nhsuk-button" type="submit" name="decision" value="approve" { "Approve: apply its rows" }
                    " "
                    button class="nhsuk-button nhsuk-button--secondary" type="submit" name="decision" value="refuse" { "Refuse: apply none" }
                },
                None => p { "A records officer decides." },
            }
        }
    }
}

/// Answers `POST /feeds/{file}`: a records officer's decision about a file that was held back.
pub(crate) async fn decide(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    let frame = Frame { console: &console, staff: Some(&staff), room: Some(Room::Feeds), title: "Feed file" };
    match decided(&console, &staff, &name, &Fields::of(&body)).await {
        Ok(file) => see(&address(&console, &file)),
        Err(problem) => problem.respond(&frame),
    }
}

async fn decided(console: &Console, staff: &Staff, name: &str, fields: &Fields) -> Result<FeedFile, Problem> {
    let file = known(console, name).await?;
    let back = |problem: Problem| problem.link(address(console, &file), "Go to the file");
    let source = console.source();
    if staff.role != Role::RecordsOfficer {
        let entry = staff.entry(source.now(), "decide_feed", &file.name).with_result(AuditResult::Refused);
        source.audit(entry).await.map_err(unreadable)?;
        let what = "Whether a file that was held back is applied is for records officers to decide.".to_owned();
        return Err(back(Problem::new(StatusCode::FORBIDDEN, "You may not decide this", what)));
    }
    let wrong = |what: String| back(Problem::new(StatusCode::BAD_REQUEST, "Nothing was decided", what));
    let approved = match fields.get("decision").unwrap_or_default() {
        "approve" => true,
        "refuse" => false,
        other => return Err(wrong(format!("'{other}' is no decision: approve or refuse."))),
    };
    let given = form::Given::of(fields, false);
    let reason =
        given.reason().ok_or_else(|| wrong("Say why, in a few words, without names and NHS numbers.".to_owned()))?;
    let ruling = FileRuling { file: file.name.clone(), approved, by: staff.name.clone(), reason: reason.to_owned() };
    source.decide_file(ruling).await.map_err(unreadable)?.map_err(|what| wrong(words::capital(&what)))?;
    Ok(file)
}

fn detail(console: &Console, staff: &Staff, file: &FeedFile, took: Option<i64>) -> Markup {
    let line = |name: &str, value: Markup| {
        html! {
            div class="nhsuk-summary-list__row" {
                dt class="nhsuk-summary-list__key" { (name) }
                dd class="nhsuk-summary-list__value" { (value) }
            }
        }
    };
    html! {
        nav class="nhsuk-breadcrumb" aria-label="Breadcrumb" {
            ol class="nhsuk-breadcrumb__list" {
                li class="nhsuk-breadcrumb__list-item" { a class="nhsuk-breadcrumb__link" href=(console.link("/feeds")) { "Feeds" } }
            }
        }
        h1 class="nhsuk-heading-l ims-key" { (file_name(file)) }
        p { (tag(file)) " " (meaning(file)) }
        @if let Some(error) = &file.error { p { "What is wrong: " (error) } }
        @if let Some(held) = &file.held { (decision(console, staff, file, held)) }
        dl class="nhsuk-summary-list" {
            (line("Feed", html! { (feed(file)) }))
            (line("Supplier", html! { (if file.supplier.is_empty() { "not known" } else { &file.supplier }) }))
            (line("Received", html! { (words::time(file.received)) }))
            (line("Rows", html! { (words::number(file.rows)) " in " (words::count(u64::from(file.chunks), "chunk", "chunks")) }))
            (line("Accepted", html! { (words::number(file.accepted)) }))
            (line("Refused", html! { (words::number(file.rejected)) }))
            @if let Some(list) = &file.list {
                (line("Full list", html! { (list.label) @if !list.source.is_empty() { " from " (list.source) } ", as at " (words::day(list.date)) }))
                (line("Left, since not on it", html! { (words::number(file.left)) }))
            }
            @if let Some(seconds) = took {
                (line("Applied in", html! { @if seconds < 1 { "less than a second" } @else { (words::count(seconds.unsigned_abs(), "second", "seconds")) } }))
            }
        }
        (counted("Rules that refused rows", &file.rules))
        (counted("Rules that changed values of accepted rows", &file.cleansed))
        h2 { "Acknowledgements" }
        ul class="nhsuk-list nhsuk-list--bullet" {
            @for (name, key, what) in acknowledgements(file) {
                li {
                    @if may_download(staff, name) {
                        a href={ (address(console, file)) "/" (name) } { "Download " (what) }
                        @if names_rows(name) && file.rejected > 0 { "; it names rows, so that the download is audited" }
                    } @else { (words::capital(what)) ": for engineers, since it names rows" }
                    br; code class="ims-key" { (key) }
                }
            }
        }
    }
}

/// Answers `/feeds/{file}/{acknowledgement}`.
pub(crate) async fn download(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path((name, acknowledgement)): Path<(String, String)>,
) -> Response {
    let frame = Frame { console: &console, staff: Some(&staff), room: Some(Room::Feeds), title: "Feed file" };
    match downloaded(&console, &staff, &name, &acknowledgement).await {
        Ok(response) => response,
        Err(problem) => problem.respond(&frame),
    }
}

async fn downloaded(console: &Console, staff: &Staff, name: &str, wanted: &str) -> Result<Response, Problem> {
    let file = known(console, name).await?;
    let missing = || {
        let what = format!("There is no '{wanted}' of {} yet.", file_name(&file));
        Problem::new(StatusCode::NOT_FOUND, "No such acknowledgement", what)
            .link(address(console, &file), "Go to the file")
    };
    let found = acknowledgements(&file).into_iter().find(|(name, _, _)| *name == wanted);
    let (_, key, _) = found.ok_or_else(missing)?;
    if !may_download(staff, wanted) {
        let what = "An acknowledgement that names rows is for engineers.".to_owned();
        return Err(Problem::new(StatusCode::FORBIDDEN, "You may not download this", what)
            .link(address(console, &file), "Go to the file"));
    }
    let source = console.source();
    let bytes = source.acknowledgement(&key).await.map_err(unreadable)?.ok_or_else(missing)?;
    if names_rows(wanted) && file.rejected > 0 {
        let entry = staff.entry(source.now(), "download_acknowledgement", &key);
        let rows = usize::try_from(file.rejected).unwrap_or(usize::MAX);
        source.audit(entry.counting(rows)).await.map_err(unreadable)?;
    }
    let kind = if key.ends_with(".json") { "application/json" } else { "text/csv; charset=utf-8" };
    let plain: String =
        key.rsplit('/').next().unwrap_or_default().chars().filter(|c| c.is_ascii_graphic() && *c != '"').collect();
    let disposition = format!("attachment; filename=\"{plain}\"");
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)], bytes).into_response())
}
