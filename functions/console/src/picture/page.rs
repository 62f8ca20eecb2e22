//! The page.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use ims_domain::ids::stable_hash;
use jiff::Timestamp;
use maud::{Markup, html};

use super::area;
use super::file::{Area, Level, Picture, PictureError};
use super::funnel;
use super::view::View;
use crate::layout::{Frame, Problem, data, empty, warning};
use crate::rooms::Room;
use crate::session::Staff;
use crate::source::CampaignRecord;
use crate::{Console, Shared, words};

/// Answers `/picture`.
pub(crate) async fn page(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    RawQuery(query): RawQuery,
) -> Response {
    let frame = Frame { console: &console, staff: Some(&staff), room: Some(Room::Picture), title: "Picture" };
    frame.answer(body(&console, query.as_deref().unwrap_or_default()).await)
}

/// A campaign's view and its picture; without one, what to show in its place.
pub(super) enum Found {
    Nothing(Markup),
    Picture(View, Arc<Vec<CampaignRecord>>, Arc<Picture>),
}

pub(super) async fn find(console: &Console, query: &str) -> Result<Found, Problem> {
    let campaigns = console.campaigns().await.map_err(|error| Problem::unreadable(&error))?;
    let view = match campaigns.is_empty() {
        true => {
            return Ok(Found::Nothing(html! {
                h1 { "Picture" }
                (empty(html! {
                    "There is no campaign yet. Define one with its rules and its contact plan (the request " code { "define" } " of "
                    code { "wave-planning" } "); then plan a wave, and the next report fills this page."
                }))
            }));
        }
        false => View::read(console, query, &campaigns)?,
    };
    match console.picture(&view.campaign).await {
        Ok(Some(picture)) => Ok(Found::Picture(view, campaigns, picture)),
        Ok(None) => Ok(Found::Nothing(html! {
            h1 { "Picture" }
            (filters(console, &view, &campaigns, None))
            (empty(html! {
                "There is no picture of this campaign yet. It is written with the first report: every 15 minutes on a schedule, or at "
                "once by the request " code { "report" } " of " code { "uptake-report" } "."
            }))
        })),
        Err(PictureError::Source(error)) => Err(Problem::unreadable(&error)),
        Err(error) => {
            tracing::error!(campaign = %view.campaign, %error, "a picture file cannot be read");
            let what = format!("The picture file of '{}' cannot be read: {error}.", view.campaign);
            Err(Problem::new(StatusCode::BAD_GATEWAY, "This picture cannot be shown", what)
                .then("Write it anew with the next report. If it stays so, tell an engineer on call.")
                .link(console.link("/campaigns"), "Go to the campaigns"))
        }
    }
}

async fn body(console: &Console, query: &str) -> Result<(Markup, Option<String>), Problem> {
    let (view, campaigns, picture) = match find(console, query).await? {
        // It refreshes itself too, so that the first picture appears.
        Found::Nothing(body) => return Ok((body, Some("empty".to_owned()))),
        Found::Picture(view, campaigns, picture) => (view, campaigns, picture),
    };
    let (chosen, level) = view.place(console, &picture)?;
    let now = console.source().now();
    let name = console.assets().area_name(chosen.level, &chosen.code);
    let minutes = words::age_seconds(picture.watermark, now) / 60;
    let version = format!("{:016x}", stable_hash(&format!("{}/{query}/{minutes}", picture.hash)));
    let body = html! {
        h1 { (picture.name) }
        (filters(console, &view, &campaigns, Some((&picture, chosen, level))))
        (freshness(&picture, now))
        (funnel::cards(&picture.funnel))
        (area::coverage(console, &picture, chosen, level, &view, name))
        (area::groups(chosen, name))
        (trend(&picture))
    };
    Ok((body, Some(version)))
}

/// How old the data is.
fn freshness(picture: &Picture, now: Timestamp) -> Markup {
    let is_stale = words::age_seconds(picture.watermark, now) > words::STALE;
    html! {
        p {
            "Data up to " (words::time(picture.watermark)) " (" (words::age(picture.watermark, now)) "); business day "
            (words::day(picture.business_date)) "."
        }
        @if is_stale {
            (warning(
                "This data is older than 5 minutes. What was recorded since then is not in it. It follows with the next merge of the \
                 snapshot and the next report; if it stays old, tell an engineer on call."
            ))
        }
    }
}

fn filters(
    console: &Console,
    view: &View,
    campaigns: &[CampaignRecord],
    chosen: Option<(&Picture, &Area, Level)>,
) -> Markup {
    html! {
        form class="ims-filters" method="get" action=(console.link("/picture")) {
            div class="nhsuk-form-group" {
                label class="nhsuk-label" for="campaign" { "Campaign" }
                select class="nhsuk-select" id="campaign" name="campaign" {
                    @for record in campaigns {
                        @let id = &record.definition.campaign;
                        option value=(id) selected[*id == view.campaign] { (crate::campaigns::name(&record.definition)) }
                    }
                }
            }
            @if let Some((picture, area, level)) = chosen {
                div class="nhsuk-form-group" {
                    label class="nhsuk-label" for="area" { "Area" }
                    select class="nhsuk-select" id="area" name="area" { (area_options(console, picture, area)) }
                }
                div class="nhsuk-form-group" {
                    label class="nhsuk-label" for="level" { "Show" }
                    select class="nhsuk-select" id="level" name="level" {
                        @for choice in Level::BELOW.into_iter().filter(|choice| *choice >= area.level.below()) {
                            option value=(choice.name()) selected[choice == level] { (choice.plural()) }
                        }
                    }
                }
            }
            button class="nhsuk-button nhsuk-button--secondary" type="submit" { "Show" }
        }
    }
}

/// England, regions and ICBs; and the sub-ICB locations of the ICB that is chosen.
fn area_options(console: &Console, picture: &Picture, chosen: &Area) -> Markup {
    let names = |level: Level, within: Option<&Area>| {
        let mut areas: Vec<(&Area, &str)> = picture
            .areas
            .iter()
            .filter(|area| area.level == level && area.code != "unknown")
            .filter(|area| {
                within.is_none_or(|icb| picture.ancestor(area, Level::Icb).is_some_and(|found| found.code == icb.code))
            })
            .map(|area| (area, console.assets().area_name(level, &area.code)))
            .collect();
        areas.sort_by_key(|(_, name)| *name);
        areas
    };
    let options = |areas: Vec<(&Area, &str)>| {
        html! {
            @for (area, name) in areas {
                option value=(area.code) selected[area.code == chosen.code && area.level == chosen.level] { (name) }
            }
        }
    };
    html! {
        option value="ENG" selected[chosen.level == Level::Nation] { "England" }
        optgroup label="Regions" { (options(names(Level::Region, None))) }
        optgroup label="ICBs" { (options(names(Level::Icb, None))) }
        @if let Some(icb) = picture.ancestor(chosen, Level::Icb) {
            optgroup label={ "Sub-ICB locations of " (console.assets().area_name(Level::Icb, &icb.code)) } {
                (options(names(Level::SubIcb, Some(icb))))
            }
        }
        @if chosen.code == "unknown" { option value="unknown" selected { "Area not known" } }
    }
}

fn trend(picture: &Picture) -> Markup {
    html! {
        section aria-labelledby="trend" {
            h2 id="trend" { "Day by day, England" }
            @if picture.trend.is_empty() {
                p { "Nobody has been invited, vaccinated or called yet." }
            } @else {
                figure class="ims-chart" data-chart="trend" aria-labelledby="trend-caption" {
                    figcaption id="trend-caption" { "People invited, vaccinated and called since the campaign began" }
                    (data(&serde_json::json!({ "days": picture.trend })))
                }
                details class="nhsuk-details" {
                    summary class="nhsuk-details__summary" { span class="nhsuk-details__summary-text" { "The same as a table" } }
                    div class="nhsuk-details__text" {
                        div class="ims-scroll" tabindex="0" role="region" aria-label="Day by day" {
                            table class="nhsuk-table" {
                                caption class="nhsuk-table__caption nhsuk-u-visually-hidden" { "Day by day" }
                                thead class="nhsuk-table__head" {
                                    tr {
                                        th scope="col" { "Business day" }
                                        @for title in ["Invited", "Vaccinated", "Called"] { th scope="col" class="ims-number" { (title) } }
                                    }
                                }
                                tbody class="nhsuk-table__body" {
                                    @for day in &picture.trend {
                                        tr class="nhsuk-table__row" {
                                            th scope="row" { (words::day(day.day)) }
                                            @for value in [day.invited, day.vaccinated, day.called] {
                                                td class="nhsuk-table__cell ims-number" { (words::number(value)) }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
