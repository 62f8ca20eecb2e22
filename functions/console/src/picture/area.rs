//! Coverage by area and by group.

use maud::{Markup, html};
use serde_json::json;

use super::file::{Area, Cell, Level, Picture};
use super::view::{Sort, View, sorted};
use crate::layout::data;
use crate::{Console, words};

/// What a withheld number says.
const WITHHELD: &str = "withheld";

/// Breakdowns in their order on the page, with what they are called.
const BREAKDOWNS: [(&str, &str); 3] =
    [("age_band", "Age"), ("ethnic_group", "Ethnic group"), ("deprivation_fifth", "Deprivation fifth")];

/// The chosen area's coverage, and map and table of the areas within it.
pub(super) fn coverage(
    console: &Console,
    picture: &Picture,
    chosen: &Area,
    level: Level,
    view: &View,
    name: &str,
) -> Markup {
    let rows = sorted(console, picture, chosen, level, view);
    let is_lowest = chosen.level == Level::SubIcb;
    let title = if is_lowest { name.to_owned() } else { format!("{} in {name}", level.plural()) };
    let (map, table) = (map(console, level, view, &rows, &title), table(console, view, &rows, &title));
    let has_withheld = rows.iter().any(|(area, _)| is_withheld(&area.coverage));
    html! {
        section aria-labelledby="areas" {
            h2 id="areas" { "Coverage: " (title) }
            p { (sentence(name, &chosen.coverage)) }
            @if rows.is_empty() {
                p { "There is no area of this level in " (name) " yet: nobody there is eligible." }
            } @else {
                div class="ims-beside" { (map) div { (table) } }
                @if has_withheld { (why_withheld()) }
                p { a href=(view.csv_link(console)) { "Download this table as CSV" } }
            }
        }
    }
}

fn sentence(name: &str, cell: &Cell) -> String {
    match (cell.eligible, cell.vaccinated, cell.coverage) {
        (Some(eligible), Some(vaccinated), Some(coverage)) => format!(
            "{name}: {} vaccinated of {} eligible, {}{}.",
            words::number(vaccinated),
            words::number(eligible),
            words::percent(coverage),
            interval(cell).map(|interval| format!(" (95% interval {interval})")).unwrap_or_default()
        ),
        (Some(0), _, _) => format!("{name}: nobody is eligible."),
        _ => format!("{name}: the numbers are withheld, because they are small."),
    }
}

fn interval(cell: &Cell) -> Option<String> {
    Some(format!("{} to {}", words::percent(cell.lower?), words::percent(cell.upper?)))
}

fn is_withheld(cell: &Cell) -> bool {
    cell.eligible.is_none() || cell.vaccinated.is_none()
}

fn why_withheld() -> Markup {
    html! {
        p class="nhsuk-body-s" {
            "Withheld: a small number could tell something about one person, so it is not shown; neither are numbers from which it "
            "could be worked out. The numbers that are shown are rounded."
        }
    }
}

fn map(console: &Console, level: Level, view: &View, rows: &[(&Area, String)], title: &str) -> Markup {
    let outlines = console.assets().name("outlines.json").map(|name| console.link(&format!("/assets/{name}")));
    // The script puts the area's code in place of {code}.
    let href = view.area_link(console, "CODE-OF-AREA").replace("CODE-OF-AREA", "{code}");
    let areas: Vec<serde_json::Value> = rows
        .iter()
        .filter(|(area, _)| area.code != "unknown")
        .map(|(area, name)| {
            json!({
                "code": area.code,
                "name": name,
                "coverage": area.coverage.coverage,
                "eligible": area.coverage.eligible,
                "vaccinated": area.coverage.vaccinated,
            })
        })
        .collect();
    html! {
        figure class="ims-chart" data-chart="map" data-outlines=[outlines] aria-labelledby="map-caption" {
            figcaption id="map-caption" { "Map of coverage: " (title) }
            noscript { p { "The map is drawn by a script. The table has the same numbers." } }
            (data(&json!({ "level": level.name(), "href": href, "areas": areas })))
        }
    }
}

fn table(console: &Console, view: &View, rows: &[(&Area, String)], title: &str) -> Markup {
    html! {
        div class="ims-scroll" tabindex="0" role="region" aria-label={ "Coverage: " (title) } {
            table class="nhsuk-table" {
                caption class="nhsuk-table__caption nhsuk-u-visually-hidden" { "Coverage: " (title) }
                thead class="nhsuk-table__head" {
                    tr {
                        @for sort in Sort::ALL {
                            @let order = if view.is_descending { "descending" } else { "ascending" };
                            th scope="col" class={ @if sort != Sort::Name { "ims-number" } }
                                aria-sort=[(sort == view.sort).then_some(order)] {
                                a href=(view.sorted_link(console, sort)) {
                                    (sort.title())
                                    @if sort == view.sort { span aria-hidden="true" { @if view.is_descending { " ▼" } @else { " ▲" } } }
                                }
                            }
                        }
                        th scope="col" class="ims-number" { "95% interval" }
                    }
                }
                tbody class="nhsuk-table__body" {
                    @for (area, name) in rows {
                        tr class="nhsuk-table__row" {
                            th scope="row" {
                                @if area.level == Level::SubIcb || area.code == "unknown" { (name) }
                                @else { a href=(view.area_link(console, &area.code)) { (name) } }
                            }
                            (cells(&area.coverage))
                        }
                    }
                }
            }
        }
    }
}

/// Eligible, vaccinated, coverage, interval.
fn cells(cell: &Cell) -> Markup {
    let or_withheld = |value: Option<String>| value.unwrap_or_else(|| WITHHELD.to_owned());
    // Nobody eligible is no secret, and has no coverage.
    let is_empty = cell.eligible == Some(0);
    let share = |value: Option<String>| if is_empty { "–".to_owned() } else { or_withheld(value) };
    html! {
        td class="nhsuk-table__cell ims-number" { (or_withheld(cell.eligible.map(words::number))) }
        td class="nhsuk-table__cell ims-number" { (or_withheld(cell.vaccinated.map(words::number))) }
        td class="nhsuk-table__cell ims-number" { (share(cell.coverage.map(words::percent))) }
        td class="nhsuk-table__cell ims-number" { (share(interval(cell))) }
    }
}

/// Coverage by age, ethnic group and deprivation in the chosen area.
pub(super) fn groups(chosen: &Area, name: &str) -> Markup {
    let shown: Vec<_> = BREAKDOWNS
        .iter()
        .filter_map(|(breakdown, title)| Some((breakdown, title, chosen.groups.get(*breakdown)?)))
        .filter(|(_, _, groups)| !groups.is_empty())
        .collect();
    let has_withheld = shown.iter().any(|(_, _, groups)| groups.iter().any(|group| is_withheld(&group.cell)));
    html! {
        section aria-labelledby="groups" {
            h2 id="groups" { "Coverage by group: " (name) }
            @if shown.is_empty() { p { "There are no numbers by group for " (name) "." } }
            @for (breakdown, title, groups) in &shown {
                @let points: Vec<serde_json::Value> = groups.iter().map(|group| json!({
                    "group": words::group(breakdown, &group.group), "coverage": group.cell.coverage,
                    "lower": group.cell.lower, "upper": group.cell.upper,
                })).collect();
                h3 id={ "by-" (breakdown) } { (title) }
                div class="ims-beside" {
                    figure class="ims-chart" data-chart="coverage" aria-labelledby={ "caption-" (breakdown) } {
                        figcaption id={ "caption-" (breakdown) } { "Coverage with its 95% interval by " (title.to_lowercase()) }
                        (data(&json!({ "groups": points })))
                    }
                    div class="ims-scroll" tabindex="0" role="region" aria-label={ "By " (title.to_lowercase()) } {
                        table class="nhsuk-table" {
                            caption class="nhsuk-table__caption nhsuk-u-visually-hidden" { "Coverage by " (title.to_lowercase()) ", " (name) }
                            thead class="nhsuk-table__head" {
                                tr {
                                    th scope="col" { (title) }
                                    @for heading in ["Eligible", "Vaccinated", "Coverage", "95% interval"] {
                                        th scope="col" class="ims-number" { (heading) }
                                    }
                                }
                            }
                            tbody class="nhsuk-table__body" {
                                @for group in *groups {
                                    tr class="nhsuk-table__row" {
                                        th scope="row" { (words::group(breakdown, &group.group)) }
                                        (cells(&group.cell))
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if has_withheld { (why_withheld()) }
        }
    }
}
