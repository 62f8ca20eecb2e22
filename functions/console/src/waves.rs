//! Waves: all waves of all campaigns.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures::future::join_all;
use ims_domain::wave::{Wave, WaveState};
use maud::{Markup, html};

use crate::layout::{Frame, Problem, empty};
use crate::rooms::{Role, Room};
use crate::session::Staff;
use crate::wave::address;
use crate::{Console, Shared, campaigns, watched, words};

/// A wave's state as a tag.
pub(crate) fn state_tag(state: WaveState) -> Markup {
    let (colour, text) = match state {
        WaveState::Selecting => ("blue", "being selected"),
        WaveState::Selected => ("yellow", "draft, selected"),
        WaveState::Reviewed => ("yellow", "reviewed, not approved"),
        WaveState::Approved => ("aqua-green", "approved, not released"),
        WaveState::Released => ("green", "released"),
        WaveState::Paused => ("orange", "paused"),
        WaveState::Stopped => ("red", "stopped"),
        WaveState::Closed => ("grey", "closed"),
    };
    html! { strong class={ "nhsuk-tag nhsuk-tag--" (colour) } { (text) } }
}

/// What a state means, and what comes next.
pub(crate) fn meaning(state: WaveState) -> &'static str {
    match state {
        WaveState::Selecting => "Parts of the population are being selected.",
        WaveState::Selected => "Everybody is selected. It waits for a review, and for the approval of another person.",
        WaveState::Reviewed => "It waits for the approval of somebody who neither wrote nor reviewed it.",
        WaveState::Approved => "Nothing leaves until it is released: on its day, or by a planner.",
        WaveState::Released => "Messages may leave.",
        WaveState::Paused => "Nothing leaves until it is resumed.",
        WaveState::Stopped => "Nothing leaves. What waits is kept; to go on it is reviewed and approved anew.",
        WaveState::Closed => "It is over. What had not left was withdrawn.",
    }
}

/// Answers `/waves`.
pub(crate) async fn page(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    RawQuery(query): RawQuery,
) -> Response {
    let frame = Frame { console: &console, staff: Some(&staff), room: Some(Room::Waves), title: "Waves" };
    let chosen = form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes())
        .find_map(|(name, value)| (name == "campaign" && !value.is_empty()).then(|| value.into_owned()));
    frame.answer(body(&console, chosen.as_deref(), staff.role == Role::Planner).await.map(|body| (body, None)))
}

async fn body(console: &Console, chosen: Option<&str>, is_planner: bool) -> Result<Markup, Problem> {
    let all = console.campaigns().await.map_err(|error| Problem::unreadable(&error))?;
    if let Some(chosen) = chosen
        && !all.iter().any(|record| record.definition.campaign == chosen)
    {
        let what = format!("There is no campaign '{chosen}'.");
        return Err(Problem::new(StatusCode::NOT_FOUND, "No such campaign", what)
            .link(console.link("/waves"), "Show the waves of all campaigns"));
    }
    let shown: Vec<_> =
        all.iter().filter(|record| chosen.is_none_or(|chosen| record.definition.campaign == chosen)).collect();
    let pictures = join_all(shown.iter().map(|record| console.picture(&record.definition.campaign))).await;
    let mut rows = Vec::new();
    for (record, picture) in shown.iter().zip(pictures) {
        let picture = picture.unwrap_or_else(|error| {
            tracing::error!(campaign = %record.definition.campaign, %error, "a picture file cannot be read");
            None
        });
        for wave in &record.waves {
            let counts = picture.as_ref().and_then(|picture| picture.funnel.by_wave.get(&wave.wave)).cloned();
            rows.push((*record, wave, counts));
        }
    }
    rows.sort_by(|(_, one, _), (_, other, _)| {
        (other.selected_on, &one.campaign, &one.wave).cmp(&(one.selected_on, &other.campaign, &other.wave))
    });
    let watch = watched::watch(console).await?;
    let now = console.source().now();
    Ok(html! {
        h1 { "Waves" }
        @if is_planner { p { a href=(console.link("/waves/plan")) { "Plan a wave" } } }
        @if !rows.is_empty() { (watched::alarms(console, watch.as_ref(), None, now)) }
        @if !all.is_empty() {
            form class="ims-filters" method="get" action=(console.link("/waves")) {
                div class="nhsuk-form-group" {
                    label class="nhsuk-label" for="campaign" { "Campaign" }
                    select class="nhsuk-select" id="campaign" name="campaign" {
                        option value="" { "All campaigns" }
                        @for record in all.iter() {
                            @let id = &record.definition.campaign;
                            option value=(id) selected[chosen == Some(id.as_str())] { (campaigns::name(&record.definition)) }
                        }
                    }
                }
                button class="nhsuk-button nhsuk-button--secondary" type="submit" { "Show" }
            }
        }
        @if rows.is_empty() {
            (empty(html! {
                @if all.is_empty() { "There is no campaign yet. Define one first: the request " code { "define" } " of " code { "wave-planning" } "." }
                @else {
                    "No wave was planned yet. Waves of the contact plan are planned when their day comes; to plan one now, use the request "
                    code { "plan" } " of " code { "wave-planning" } "."
                }
            }))
        } @else {
            div class="ims-scroll" tabindex="0" role="region" aria-label="Waves" {
                table class="nhsuk-table" {
                    caption class="nhsuk-table__caption nhsuk-u-visually-hidden" { "Waves, the latest first" }
                    thead class="nhsuk-table__head" {
                        tr {
                            @for title in ["Campaign", "Wave", "Day", "State"] { th scope="col" { (title) } }
                            @for title in ["Eligible", "Candidates", "Claims", "Sent", "Suppressed", "Failed", "Pending"] {
                                th scope="col" class="ims-number" { (title) }
                            }
                        }
                    }
                    tbody class="nhsuk-table__body" {
                        @for (record, wave, counts) in &rows {
                            @let numbers = counts.as_ref().map(|people| [people.sent, people.suppressed.values().sum(),
                                people.failed.values().sum(), people.pending]);
                            tr class="nhsuk-table__row" {
                                td class="nhsuk-table__cell" {
                                    a href=(console.link(&format!("/campaigns/{}", wave.campaign))) { (campaigns::name(&record.definition)) }
                                }
                                th scope="row" { a href=(address(console, &wave.campaign, &wave.wave)) { (wave.wave) } }
                                td class="nhsuk-table__cell" { (words::day(wave.selected_on)) }
                                td class="nhsuk-table__cell" { (state_tag(wave.state)) br; span class="nhsuk-body-s" { (meaning(wave.state)) } }
                                td class="nhsuk-table__cell ims-number" { (words::number(wave.eligible)) }
                                td class="nhsuk-table__cell ims-number" { (words::number(wave.candidates)) }
                                td class="nhsuk-table__cell ims-number" { (claims(wave)) }
                                @for index in 0..4 {
                                    td class="nhsuk-table__cell ims-number" {
                                        (numbers.map_or_else(|| "–".to_owned(), |numbers| words::number(numbers[index])))
                                    }
                                }
                            }
                        }
                    }
                }
            }
            p class="nhsuk-body-s" {
                "Eligible and candidates are counted when the wave is selected. Claims are the packets of at most 100 people that a release sends. "
                "Sent, suppressed, failed and pending come with the next report; – means that there is none yet."
            }
        }
    })
}

fn claims(wave: &Wave) -> String {
    let claims = words::number(u64::from(wave.claims));
    if wave.state == WaveState::Released && !wave.claims_sent { format!("{claims}, being sent") } else { claims }
}
