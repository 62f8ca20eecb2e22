//! Messages: what became of a campaign's texts and letters, and the templates that they are made of.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use ims_contact::sms::{self, Encoding, Segments};
use ims_contact::template::{Fields, Rendered, Template, TemplateSet, plain_words};
use ims_domain::contact::Channel;
use ims_domain::letter::Language;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use crate::layout::{Frame, Problem, empty};
use crate::rooms::Room;
use crate::session::Staff;
use crate::source::CampaignRecord;
use crate::{Console, Shared, campaigns, words};

/// Counts below this are not shown by region.
const SMALL: u64 = 8;

/// The report's file about a campaign's messages; `uptake-report` writes it.
#[derive(Debug, Deserialize)]
struct Delivery {
    written: Timestamp,
    counts: Vec<Count>,
    regions: Vec<Arrivals>,
}

#[derive(Debug, Deserialize)]
struct Count {
    step: String,
    channel: String,
    state: String,
    reason: String,
    messages: u64,
}

#[derive(Debug, Deserialize)]
struct Arrivals {
    region: String,
    channel: String,
    delivered: u64,
    failed: u64,
    under_way: u64,
}

/// Answers `/messages`.
pub(crate) async fn page(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    RawQuery(query): RawQuery,
) -> Response {
    let frame = Frame { console: &console, staff: Some(&staff), room: Some(Room::Messages), title: "Messages" };
    let chosen = form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes())
        .find_map(|(name, value)| (name == "campaign" && !value.is_empty()).then(|| value.into_owned()));
    frame.answer(body(&console, chosen.as_deref()).await.map(|body| (body, None)))
}

/// Answers `/messages/templates/{name}`.
pub(crate) async fn template(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path(name): Path<String>,
) -> Response {
    let frame = Frame { console: &console, staff: Some(&staff), room: Some(Room::Messages), title: "Template" };
    frame.answer(preview(&console, &name).map(|body| (body, None)))
}

fn templates() -> Result<TemplateSet, Problem> {
    TemplateSet::embedded().map_err(|error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The templates cannot be read", error.to_string())
    })
}

async fn body(console: &Console, chosen: Option<&str>) -> Result<Markup, Problem> {
    let all = console.campaigns().await.map_err(|error| Problem::unreadable(&error))?;
    let record = match chosen {
        None => all.first(),
        Some(chosen) => Some(all.iter().find(|record| record.definition.campaign == chosen).ok_or_else(|| {
            Problem::new(StatusCode::NOT_FOUND, "No such campaign", format!("There is no campaign '{chosen}'."))
                .link(console.link("/messages"), "Show the first campaign's messages")
        })?),
    };
    let delivery = match record {
        None => None,
        Some(record) => {
            let file = format!("{}.delivery", record.definition.campaign);
            console.source().picture(&file).await.map_err(|error| Problem::unreadable(&error))?
        }
    };
    let delivery: Option<Delivery> = delivery.and_then(|bytes| {
        let read = serde_json::from_slice(&bytes);
        read.inspect_err(|error| tracing::error!(%error, "the file about messages cannot be read")).ok()
    });
    let templates = templates()?;
    Ok(html! {
        h1 { "Messages" }
        @if let Some(record) = record { (choice(console, &all, record)) }
        @match (record, &delivery) {
            (Some(record), Some(delivery)) => (figures(console, record, delivery, &templates)),
            _ => (empty(html! { "Nothing is known of messages yet: the next report will count them." })),
        }
        (list(console, &templates))
    })
}

fn choice(console: &Console, all: &[CampaignRecord], chosen: &CampaignRecord) -> Markup {
    html! {
        form class="ims-filters" method="get" action=(console.link("/messages")) {
            div class="nhsuk-form-group" {
                label class="nhsuk-label" for="campaign" { "Campaign" }
                select class="nhsuk-select" id="campaign" name="campaign" {
                    @for record in all {
                        @let id = &record.definition.campaign;
                        option value=(id) selected[*id == chosen.definition.campaign] { (campaigns::name(&record.definition)) }
                    }
                }
            }
            button class="nhsuk-button nhsuk-button--secondary" type="submit" { "Show" }
        }
    }
}

/// A row of a table: what it is about, and its figures as text.
type Line = (String, Vec<String>);

fn table(caption: &str, first: &str, titles: &[&str], rows: &[Line]) -> Markup {
    html! {
        div class="ims-scroll" tabindex="0" role="region" aria-label=(caption) {
            table class="nhsuk-table" {
                caption class="nhsuk-table__caption" { (caption) }
                thead class="nhsuk-table__head" {
                    tr {
                        th scope="col" { (first) }
                        @for title in titles { th scope="col" class="ims-number" { (title) } }
                    }
                }
                tbody class="nhsuk-table__body" {
                    @for (name, figures) in rows {
                        tr class="nhsuk-table__row" {
                            th scope="row" { (name) }
                            @for figure in figures { td class="nhsuk-table__cell ims-number" { (figure) } }
                        }
                    }
                }
            }
        }
    }
}

fn channel_word(channel: &str) -> &str {
    match channel {
        "sms" => "text",
        other => other,
    }
}

fn figures(console: &Console, record: &CampaignRecord, delivery: &Delivery, templates: &TemplateSet) -> Markup {
    let states = ["queued", "sending", "sent", "delivered", "failed", "unknown", "withdrawn"];
    let mut by_kind: BTreeMap<(&str, &str), BTreeMap<&str, u64>> = BTreeMap::new();
    let mut reasons: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for count in &delivery.counts {
        *by_kind.entry((&count.step, &count.channel)).or_default().entry(&count.state).or_default() += count.messages;
        if !count.reason.is_empty() && matches!(count.state.as_str(), "failed" | "withdrawn") {
            *reasons.entry((&count.channel, &count.state, &count.reason)).or_default() += count.messages;
        }
    }
    let kinds: Vec<Line> = by_kind
        .iter()
        .map(|((step, channel), held)| {
            let figures = states.iter().map(|state| words::number(held.get(state).copied().unwrap_or_default()));
            (format!("{}, {}", words::capital(step), channel_word(channel)), figures.collect())
        })
        .collect();
    let reasons: Vec<Line> = reasons
        .iter()
        .map(|((channel, state, reason), messages)| {
            let why = if *state == "failed" { words::failure(reason) } else { words::suppression(reason) };
            (format!("{} {state}: {why}", words::capital(channel_word(channel))), vec![words::number(*messages)])
        })
        .collect();
    let shown = |count: u64| if (1..SMALL).contains(&count) { "1 to 7".to_owned() } else { words::number(count) };
    let regions: Vec<Line> = delivery
        .regions
        .iter()
        .map(|one| {
            let place = if one.region.is_empty() { "Region not known" } else { one.region.as_str() };
            let figures = [one.delivered, one.failed, one.under_way].map(shown);
            (format!("{place}, {}", channel_word(&one.channel)), figures.to_vec())
        })
        .collect();
    html! {
        p class="nhsuk-body-s" { "Counted " (words::time(delivery.written)) "." }
        (table("By step and channel", "Messages", &["Queued", "Sending", "Sent", "Delivered", "Failed", "Unknown", "Withdrawn"], &kinds))
        @if !reasons.is_empty() { (table("Why messages failed or were withdrawn", "Reason", &["Messages"], &reasons)) }
        @if !regions.is_empty() { (table("What is known of those that left, by region", "Region", &["Arrived", "Failed", "Not known"], &regions)) }
        (parts(record, delivery, templates))
        p {
            "The whole life of one message is in its person's record, in the room Person. What became of the waves is in "
            a href=(console.link("/waves")) { "Waves" } "."
        }
    }
}

/// What providers charge by: parts of texts, and letters.
fn parts(record: &CampaignRecord, delivery: &Delivery, templates: &TemplateSet) -> Markup {
    let programme = record.definition.plan.programme;
    let left = |count: &&Count| matches!(count.state.as_str(), "sending" | "sent" | "delivered" | "failed" | "unknown");
    let mut sums: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for count in delivery.counts.iter().filter(left) {
        *sums.entry((&count.step, &count.channel)).or_default() += count.messages;
    }
    let rows: Vec<Line> = sums
        .iter()
        .map(|((step, channel), messages)| {
            let mut in_english = templates.all().iter().filter(|template| template.language == Language::English);
            let template = in_english.find(|template| {
                (template.programme, template.step.name(), template.channel.name()) == (programme, *step, *channel)
            });
            let of_one = template.filter(|template| template.channel == Channel::Sms);
            let of_one = of_one.and_then(|template| example(template, false).ok());
            let units = of_one.map_or(1, |rendered| sms::segments(&rendered.text()).parts as u64);
            let unit = if *channel == "sms" { "parts of texts" } else { "letters" };
            let name = format!("{}, {}", words::capital(step), channel_word(channel));
            (name, vec![words::number(*messages), format!("{} {unit}", words::number(messages * units))])
        })
        .collect();
    if rows.is_empty() {
        return html! {};
    }
    html! { (table("What providers charge for", "Messages", &["Left", "Charged as, by the template's usual length"], &rows)) }
}

fn list(console: &Console, templates: &TemplateSet) -> Markup {
    html! {
        h2 { "Templates" }
        div class="ims-scroll" tabindex="0" role="region" aria-label="Templates" {
            table class="nhsuk-table" {
                caption class="nhsuk-table__caption nhsuk-u-visually-hidden" { "Templates" }
                thead class="nhsuk-table__head" {
                    tr { @for title in ["Template", "Version", "Programme", "Step", "Channel", "Language", "Reviewed", "Size"] { th scope="col" { (title) } } }
                }
                tbody class="nhsuk-table__body" {
                    @for template in templates.all() {
                        tr class="nhsuk-table__row" {
                            th scope="row" {
                                a href=(console.link(&format!("/messages/templates/{}", template.name))) { (template.name) }
                            }
                            td class="nhsuk-table__cell" { (template.version) }
                            td class="nhsuk-table__cell" { (plain_words(template.programme)) }
                            td class="nhsuk-table__cell" { (template.step.name()) }
                            td class="nhsuk-table__cell" { (channel_word(template.channel.name())) }
                            td class="nhsuk-table__cell" { (template.language.code()) }
                            td class="nhsuk-table__cell" { @if template.reviewed { "yes" } @else { "no: sent in a sandbox alone" } }
                            td class="nhsuk-table__cell" { (example(template, false).map_or_else(|error| error, |rendered| size(template, &rendered))) }
                        }
                    }
                }
            }
        }
    }
}

/// A template filled in for somebody made up; what is wrong where it cannot be.
fn example(template: &Template, to_parent: bool) -> Result<Rendered, String> {
    let fields = Fields {
        greeting_name: "Alexandra Example".to_owned(),
        to_parent,
        programme: plain_words(template.programme).to_owned(),
        dose: 1,
        doses: 1,
        booking_link: "www.nhs.uk/get-vaccination".to_owned(),
        booking_phone: "119".to_owned(),
    };
    template.render(&fields).map_err(|error| error.to_string())
}

fn size(template: &Template, rendered: &Rendered) -> String {
    let text = rendered.text();
    if template.channel != Channel::Sms {
        return words::count(text.chars().count() as u64, "character", "characters");
    }
    let Segments { encoding, characters, parts } = sms::segments(&text);
    let alphabet = match encoding {
        Encoding::Gsm7 => "GSM alphabet",
        Encoding::Ucs2 => "UCS-2",
    };
    let mut said = words::count(parts as u64, "part", "parts");
    let _ = write!(said, ", {characters} units of {alphabet}");
    said
}

fn preview(console: &Console, name: &str) -> Result<Markup, Problem> {
    let set = templates()?;
    let of_name = set.all().iter().filter(|template| template.name == name);
    let Some(template) = of_name.max_by_key(|template| template.version) else {
        let what = format!("There is no template '{name}'.");
        return Err(Problem::new(StatusCode::NOT_FOUND, "No such template", what)
            .link(console.link("/messages"), "Show all templates"));
    };
    let readers: &[(&str, bool)] = match template.channel {
        Channel::Letter => &[("To an adult", false), ("To a child's parent or guardian", true)],
        _ => &[("To an adult", false)],
    };
    Ok(html! {
        h1 { "Template " (template.name) }
        p { "Version " (template.version) ", " (plain_words(template.programme)) ", " (template.step.name()) ", " (channel_word(template.channel.name())) "." }
        @let problems = template.check();
        @if problems.is_empty() {
            p { "Its check found no unknown field, no word that tells why a person was chosen, and no way to come out too long." }
        } @else {
            ul { @for problem in &problems { li { (problem) } } }
        }
        @for (reader, to_parent) in readers {
            h2 { (reader) ", somebody made up" }
            @match example(template, *to_parent) {
                Ok(rendered) => {
                    div class="nhsuk-inset-text" {
                        span class="nhsuk-u-visually-hidden" { "Message: " }
                        div lang=(template.language.code()) dir=[template.language.is_right_to_left().then_some("rtl")] {
                        @if let Some(heading) = &rendered.heading { p { strong { (heading) } } }
                        @for paragraph in &rendered.paragraphs { p { @for line in paragraph.lines() { (line) br; } } }
                        }
                    }
                    p class="nhsuk-body-s" { (size(template, &rendered)) }
                }
                Err(error) => p { (error) },
            }
        }
        p { a href=(console.link("/messages")) { "All templates" } }
    })
}
