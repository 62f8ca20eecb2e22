//! One wave: what stands of it, what was done to it by whom, and what whoever looks may do next.
//!
//! What is done goes to `wave-planning` with the session's own token, which that function verifies: the console decides
//! nothing about who may.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use ims_domain::wave::{Wave, WaveAction, WaveState};
use maud::{Markup, html};

use crate::layout::{Frame, Problem};
use crate::rooms::{Role, Room};
use crate::session::{self, Staff};
use crate::sign_in::{Fields, see};
use crate::source::{SourceError, WaveOrder};
use crate::waves::{meaning, state_tag};
use crate::{CampaignRecord, Console, Shared, campaigns, form, watched, words};

fn unreadable(error: SourceError) -> Problem {
    Problem::unreadable(&error)
}

fn frame<'a>(console: &'a Console, staff: &'a Staff) -> Frame<'a> {
    Frame { console, staff: Some(staff), room: Some(Room::Waves), title: "Wave" }
}

/// Address of a wave's page.
pub(crate) fn address(console: &Console, campaign: &str, wave: &str) -> String {
    let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    console.link(&format!("/waves/{}/{}", part(campaign), part(wave)))
}

async fn found(console: &Console, campaign: &str, name: &str) -> Result<(CampaignRecord, Wave), Problem> {
    let nowhere = || {
        let what = format!("There is no wave '{name}' of a campaign '{campaign}'.");
        Problem::new(StatusCode::NOT_FOUND, "No such wave", what).link(console.link("/waves"), "Go to the waves")
    };
    let campaigns = console.campaigns().await.map_err(unreadable)?;
    let record = campaigns.iter().find(|record| record.definition.campaign == campaign).ok_or_else(nowhere)?;
    let wave = console.source().wave(campaign, name).await.map_err(unreadable)?.ok_or_else(nowhere)?;
    Ok((record.clone(), wave))
}

/// Answers `GET /waves/{campaign}/{wave}`.
pub(crate) async fn one(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path((campaign, wave)): Path<(String, String)>,
) -> Response {
    let answer = async {
        let (record, wave) = found(&console, &campaign, &wave).await?;
        let watch = watched::watch(&console).await?;
        let known = watched::progress(&console, &campaign).await?;
        let page = html! {
            (body(&console, &staff, &record, &wave, &form::Given::default()))
            (watched::alarms(&console, watch.as_ref(), Some(&wave), console.source().now()))
            (watched::curves(known.as_ref(), &record.waves, &wave))
            (history(&wave))
        };
        Ok((page, None))
    };
    frame(&console, &staff).answer(answer.await)
}

/// Answers `POST /waves/{campaign}/{wave}`: has `wave-planning` do it, in the name of whoever is signed in.
pub(crate) async fn act(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path((campaign, wave)): Path<(String, String)>,
    headers: HeaderMap,
    posted: Bytes,
) -> Response {
    let frame = frame(&console, &staff);
    match acted(&console, &staff, &headers, (&campaign, &wave), &Fields::of(&posted)).await {
        Ok(response) => response,
        Err(problem) => problem.respond(&frame),
    }
}

async fn acted(
    console: &Console,
    staff: &Staff,
    headers: &HeaderMap,
    (campaign, wave): (&str, &str),
    fields: &Fields,
) -> Result<Response, Problem> {
    let (record, wave) = found(console, campaign, wave).await?;
    let here = address(console, &wave.campaign, &wave.wave);
    let wrong = |status, what: String| Problem::new(status, "Nothing was done", what).link(here.clone(), "Look again");
    let bad = |what: String| wrong(StatusCode::BAD_REQUEST, what);
    let action = fields.get("action").unwrap_or_default();
    let action = WaveAction::ORDERS.into_iter().find(|known| known.name() == action);
    let action = action.ok_or_else(|| bad("The form says nothing that can be done to a wave.".to_owned()))?;
    let version = fields.get("version").and_then(|version| version.parse().ok());
    let version = version.ok_or_else(|| bad("The form does not say which version was looked at.".to_owned()))?;
    let given = form::Given::of(fields, false);
    let Some(reason) = given.reason() else {
        let page = body(console, staff, &record, &wave, &given);
        return Ok(frame(console, staff).page(StatusCode::BAD_REQUEST, None, &page));
    };
    let order = WaveOrder {
        campaign: wave.campaign.clone(),
        wave: wave.wave.clone(),
        action,
        version,
        reason: reason.to_owned(),
        checked: CHECKS
            .into_iter()
            .filter(|(name, _)| fields.get(name).is_some())
            .map(|(name, _)| name.to_owned())
            .collect(),
        token: session::cookie(headers).unwrap_or_default().to_owned(),
    };
    match console.source().govern(order).await.map_err(unreadable)? {
        Ok(()) => Ok(see(&here)),
        Err(refusal) => Err(wrong(StatusCode::CONFLICT, format!("{}.", words::capital(&refusal)))),
    }
}

/// What an action's button says.
fn label(action: WaveAction) -> &'static str {
    match action {
        WaveAction::Plan => "Plan",
        WaveAction::Review => "Review: it is right",
        WaveAction::Approve => "Approve: it may go",
        WaveAction::Release => "Release now",
        WaveAction::Confirm => "Confirm the canary: let the rest go",
        WaveAction::Pause => "Pause",
        WaveAction::Resume => "Resume",
        WaveAction::Stop => "Stop",
        WaveAction::Close => "Close for good",
    }
}

/// What was done, in the past tense.
fn done(action: WaveAction) -> &'static str {
    match action {
        WaveAction::Plan => "planned",
        WaveAction::Review => "reviewed",
        WaveAction::Approve => "approved",
        WaveAction::Release => "released",
        WaveAction::Confirm => "canary confirmed",
        WaveAction::Pause => "paused",
        WaveAction::Resume => "resumed",
        WaveAction::Stop => "stopped",
        WaveAction::Close => "closed",
    }
}

/// The campaign's approved numbers, where it sets any.
fn bounds(record: &CampaignRecord) -> Option<(u64, u64)> {
    let rules: serde_json::Value = serde_json::from_str(&record.definition.rules).unwrap_or_default();
    let bound = |name: &str| rules["CampaignConfig"][name].as_u64().unwrap_or_default();
    Some((bound("ApprovalMinimum"), bound("ApprovalMaximum"))).filter(|(_, most)| *most > 0)
}

fn body(console: &Console, staff: &Staff, record: &CampaignRecord, wave: &Wave, given: &form::Given) -> Markup {
    let line = |name: &str, value: Markup| {
        html! {
            div class="nhsuk-summary-list__row" {
                dt class="nhsuk-summary-list__key" { (name) }
                dd class="nhsuk-summary-list__value" { (value) }
            }
        }
    };
    let stands = |action: WaveAction| {
        html! {
            @match wave.standing(action) {
                Some(deed) => { (deed.by) ", " (words::time(deed.at)) ": " (deed.reason) },
                None => "nobody yet",
            }
        }
    };
    let is_outside = bounds(record).is_some_and(|(least, most)| !(least..=most).contains(&wave.candidates));
    html! {
        nav class="nhsuk-breadcrumb" aria-label="Breadcrumb" {
            ol class="nhsuk-breadcrumb__list" {
                li class="nhsuk-breadcrumb__list-item" { a class="nhsuk-breadcrumb__link" href=(console.link("/waves")) { "Waves" } }
            }
        }
        (form::summary(given))
        h1 { "Wave " (wave.wave) " of " (campaigns::name(&record.definition)) }
        p { (state_tag(wave.state)) " " (meaning(wave.state)) }
        dl class="nhsuk-summary-list" {
            (line("Day", html! { (words::day(wave.selected_on)) }))
            (line("Cohorts", html! { @if wave.cohorts.is_empty() { "all" } @else { (words::list(&wave.cohorts)) } }))
            @if wave.waits_for_confirmation() && wave.state == WaveState::Released {
                (line("Canary", html! { "The first " (words::number(wave.canary())) " people alone; the rest waits until it is confirmed" }))
            }
            (line("Eligible", html! { (words::number(wave.eligible)) }))
            (line("Candidates", html! {
                (words::number(wave.candidates))
                @if let Some((least, most)) = bounds(record) {
                    "; the campaign allows " (words::number(least)) " to " (words::number(most))
                    @if is_outside { strong { ": outside, so it cannot be approved" } }
                }
            }))
            (line("Pinned to", html! { "version " (wave.definition) " of the campaign, snapshot " span class="ims-key" { (wave.manifest) } }))
            (line("Written by", html! { @if wave.authors.is_empty() { "not known" } @else { (words::list(&wave.authors)) } }))
            (line("Reviewed by", stands(WaveAction::Review)))
            (line("Approved by", stands(WaveAction::Approve)))
        }
        (orders(console, staff, wave, given))
    }
}

/// What somebody must have looked at to confirm a canary: the field's name, and what it says.
const CHECKS: [(&str, &str); 3] = [
    ("bounces", "The messages of the canary arrive"),
    ("links", "The links in them lead where they should"),
    ("print_proof", "A proof of the printed letter is right"),
];

fn checks(wave: &Wave) -> Markup {
    html! {
        fieldset class="nhsuk-fieldset" {
            legend class="nhsuk-fieldset__legend" {
                "The first " (words::number(wave.canary())) " people went out alone. To let the rest go, check:"
            }
            div class="nhsuk-checkboxes" {
                @for (name, text) in CHECKS {
                    div class="nhsuk-checkboxes__item" {
                        input class="nhsuk-checkboxes__input" id=(name) name=(name) type="checkbox" value="yes";
                        label class="nhsuk-label nhsuk-checkboxes__label" for=(name) { (text) }
                    }
                }
            }
        }
    }
}

/// What whoever looks may do next; and why not, where only another person may.
fn orders(console: &Console, staff: &Staff, wave: &Wave, given: &form::Given) -> Markup {
    let fits = |action: &WaveAction| {
        let is_asked = *action != WaveAction::Confirm || wave.waits_for_confirmation();
        is_asked && action.is_for(staff.role.name()) && action.from().contains(&wave.state)
    };
    let (mut may, mut not) = (Vec::new(), Vec::new());
    for action in WaveAction::ORDERS.into_iter().filter(fits) {
        match wave.check(action, &staff.name) {
            Ok(()) => may.push(action),
            Err(refusal) => not.push(refusal),
        }
    }
    html! {
        section aria-labelledby="orders" {
            h2 id="orders" { "What you can do" }
            @for refusal in &not { p { (words::capital(&refusal.to_string())) "." } }
            @if may.is_empty() {
                @if wave.state == WaveState::Closed { p { "Nothing: it is over." } }
                @else if staff.role != Role::Planner { p { "Planners decide about it." } }
                @else if not.is_empty() { p { "Nothing now." } }
            } @else {
                form method="post" action=(address(console, &wave.campaign, &wave.wave)) novalidate {
                    input type="hidden" name="version" value=(wave.version);
                    (form::reason(given))
                    @if may.contains(&WaveAction::Confirm) { (checks(wave)) }
                    @for action in may {
                        @let kind = if matches!(action, WaveAction::Stop | WaveAction::Close) { " nhsuk-button--secondary" } else { "" };
                        button class={ "nhsuk-button" (kind) } type="submit" name="action" value=(action.name()) { (label(action)) }
                        " "
                    }
                }
            }
        }
    }
}

fn history(wave: &Wave) -> Markup {
    html! {
        section aria-labelledby="history" {
            h2 id="history" { "What was done" }
            @if wave.deeds.is_empty() { p { "Nothing is noted." } }
            @else {
                div class="ims-scroll" tabindex="0" role="region" aria-label="What was done" {
                    table class="nhsuk-table" {
                        caption class="nhsuk-table__caption nhsuk-u-visually-hidden" { "What was done, the latest first" }
                        thead class="nhsuk-table__head" {
                            tr { @for title in ["When", "What", "Who", "Why"] { th scope="col" { (title) } } }
                        }
                        tbody class="nhsuk-table__body" {
                            @for deed in wave.deeds.iter().rev() {
                                tr class="nhsuk-table__row" {
                                    td class="nhsuk-table__cell" { (words::time(deed.at)) }
                                    th scope="row" { (done(deed.action)) }
                                    td class="nhsuk-table__cell" { (deed.by) ", " (deed.role) }
                                    td class="nhsuk-table__cell" { (deed.reason) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
