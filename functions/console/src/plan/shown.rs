//! A wave's plan on a page.

use ims_planning::{Aims, Group, Left, WavePlan};
use ims_uptake::Rule;
use maud::{Markup, html};

use crate::{Console, words};

/// Areas and sites that are listed.
const LISTED: usize = 20;

/// The plan with the form that asks for another.
pub(super) fn page(console: &Console, here: &str, plan: &WavePlan, aims: &Aims, wrong: &[String]) -> Markup {
    let draft = &plan.draft;
    html! {
        nav class="nhsuk-breadcrumb" aria-label="Breadcrumb" {
            ol class="nhsuk-breadcrumb__list" {
                li class="nhsuk-breadcrumb__list-item" { a class="nhsuk-breadcrumb__link" href=(console.link("/waves")) { "Waves" } }
                li class="nhsuk-breadcrumb__list-item" { a class="nhsuk-breadcrumb__link" href=(console.link("/waves/plan")) { "Plan a wave" } }
            }
        }
        @if !wrong.is_empty() {
            div class="nhsuk-error-summary" aria-labelledby="error-title" role="alert" tabindex="-1" {
                h2 class="nhsuk-error-summary__title" id="error-title" { "There is a problem" }
                div class="nhsuk-error-summary__body" {
                    p { "Below is the plan with the usual values." }
                    ul class="nhsuk-list nhsuk-error-summary__list" { @for what in wrong { li { (what) } } }
                }
            }
        }
        h1 { "Plan a wave: " (draft.campaign) ", " (draft.wave) }
        (summary(plan))
        div class="ims-beside" {
            div { (form(console, here, aims)) }
            div { (map(plan)) }
        }
        (reasons(plan))
        (fifths(plan))
        (cohorts(plan))
        (days(plan))
        (apart(plan))
        (areas(plan))
        (sites(plan))
        section aria-labelledby="adopt" {
            h2 id="adopt" { "Make this the wave's plan" }
            p {
                "The wave will select these numbers, by lot within each group, and then wait for review and approval by two other people. Until it is "
                "selected another plan can take its place."
            }
            form method="post" action=(console.link(here)) {
                @for (name, value) in fields(aims) { input type="hidden" name=(name) value=(value); }
                button class="nhsuk-button" type="submit" { "Make this the plan of " (draft.wave) }
            }
        }
    }
}

/// What is shown when a plan was adopted.
pub(super) fn adopted(console: &Console, plan: &WavePlan) -> Markup {
    html! {
        h1 { (plan.draft.wave) " of " (plan.draft.campaign) " has its plan" }
        p {
            "It will invite " (words::people(plan.account.all.invited)) " of " (words::number(plan.account.all.candidates)) ". It is selected when its day "
            "comes, or when a planner says so."
        }
        p { a href=(console.link("/waves")) { "Go to the waves" } }
    }
}

fn whole(value: f64) -> String {
    words::number(value.max(0.0).round() as u64)
}

fn summary(plan: &WavePlan) -> Markup {
    let all = &plan.account.all;
    let free: u64 = plan.sites.iter().map(|site| site.free).sum();
    html! {
        dl class="ims-figures" {
            div { dt { "Candidates" } dd { (words::number(all.candidates)) } }
            div { dt { "In the plan" } dd { (words::number(all.invited)) } }
            div { dt { "Expected to answer" } dd { (whole(all.answers)) } }
            div { dt { "Free appointments" } dd { (words::number(free)) } }
        }
        p {
            @match plan.binding {
                Some(left) => { strong { "What binds: " (left) "." } " That is what most of those who are left would need more of." }
                None => { strong { "Nothing binds:" } " every candidate is in the plan." }
            }
        }
        @if plan.capacity.is_empty() {
            p class="ims-warning" { "No capacity file of the last two weeks is there, so there is no appointment to plan for." }
        } @else {
            p class="nhsuk-body-s" {
                "Candidates as of " (words::day(plan.draft.day)) ", capacity as of the file of " (plan.capacity) ". The first invitations go out on that day, over "
                (words::count(plan.days.len() as u64, "day", "days")) "."
            }
        }
    }
}

/// Fields of the form with their values.
fn fields(aims: &Aims) -> Vec<(&'static str, String)> {
    let usual = Aims::default();
    let optional = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    vec![
        ("size", optional(Some(aims.size).filter(|size| *size != usual.size))),
        ("days", aims.days.to_string()),
        ("equity", aims.equity.to_string()),
        ("fill", format!("{:.0}", aims.fill * 100.0)),
        ("reach", aims.reach_kilometres.to_string()),
        ("letters", optional(aims.limits.letters)),
        ("texts", optional(aims.limits.texts)),
        ("calls", optional(aims.limits.calls)),
        ("pounds", optional(aims.limits.pence.map(|pence| pence / 100))),
    ]
}

fn form(console: &Console, here: &str, aims: &Aims) -> Markup {
    let values = fields(aims);
    let value = |name: &str| values.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value.as_str());
    let number = |name: &str, title: &str, hint: &str| {
        html! {
            div class="nhsuk-form-group" {
                label class="nhsuk-label" for=(name) { (title) }
                div class="nhsuk-hint" id={ (name) "-hint" } { (hint) }
                input class="nhsuk-input nhsuk-input--width-10" id=(name) name=(name) type="text" inputmode="numeric" value=(value(name)) aria-describedby={ (name) "-hint" };
            }
        }
    };
    let slider = |name: &str, title: &str, hint: &str, least: &str, most: &str, step: &str| {
        html! {
            div class="nhsuk-form-group" {
                label class="nhsuk-label" for=(name) { (title) ": " output for=(name) { (value(name)) } }
                div class="nhsuk-hint" id={ (name) "-hint" } { (hint) }
                input class="ims-slider" id=(name) name=(name) type="range" min=(least) max=(most) step=(step) value=(value(name)) aria-describedby={ (name) "-hint" };
            }
        }
    };
    html! {
        h2 { "What to ask for" }
        form method="get" action=(console.link(here)) {
            (number("size", "Most people in the wave", "Empty: as many as there is room for"))
            (slider("equity", "Weight for deprived areas", "0 asks all alike; 1 invites the most deprived fifth twice as often as the least", "0", "4", "0.25"))
            (slider("fill", "Share of capacity to fill, per cent", "The rest is for chance, and for people who come unasked", "50", "100", "5"))
            (number("days", "Days of inviting", "1 to 90"))
            (number("reach", "Kilometres by road that people go", "It grows as they wait"))
            details class="nhsuk-details" {
                summary class="nhsuk-details__summary" { span class="nhsuk-details__summary-text" { "Limits of a day" } }
                div class="nhsuk-details__text" {
                    (number("letters", "Letters", "Empty: no limit"))
                    (number("texts", "Texts", "Empty: no limit"))
                    (number("calls", "Calls that can be answered", "Empty: no limit"))
                    (number("pounds", "Pounds", "Empty: no limit"))
                }
            }
            button class="nhsuk-button nhsuk-button--secondary" type="submit" { "Plan again" }
        }
    }
}

/// Sites where they are: how large what is free, how dark what is expected to fill it. Areas have no shape here; their
/// candidates are in the table.
fn map(plan: &WavePlan) -> Markup {
    let places = || plan.sites.iter().map(|site| site.place);
    let least = |of: fn(ims_planning::Place) -> f64| places().map(of).fold(f64::INFINITY, f64::min);
    let most = |of: fn(ims_planning::Place) -> f64| places().map(of).fold(f64::NEG_INFINITY, f64::max);
    let (west, east) = (least(|place| place.longitude), most(|place| place.longitude));
    let (south, north) = (least(|place| place.latitude), most(|place| place.latitude));
    let largest = plan.sites.iter().map(|site| site.free).max().unwrap_or(0).max(1) as f64;
    // A degree of longitude is shorter than one of latitude, at these latitudes by some four tenths.
    let scale = 360.0 / ((east - west) * 0.6).max(north - south).max(0.1);
    let dots = plan.sites.iter().map(|site| {
        let x = 20.0 + (site.place.longitude - west) * 0.6 * scale;
        let y = 20.0 + (north - site.place.latitude) * scale;
        let radius = 3.0 + 9.0 * (site.free as f64 / largest).sqrt();
        let share = if site.free > 0 { (site.expected / site.free as f64).clamp(0.0, 1.0) } else { 0.0 };
        (x, y, radius, share, site)
    });
    html! {
        h2 { "Sites" }
        @if plan.sites.is_empty() { p { "There are no sites with appointments for this vaccine." } }
        @else {
            svg class="ims-sites" viewBox="0 0 400 400" role="img" aria-label="Map of sites: the larger, the more appointments are free; the darker, the fuller they are expected to be" {
                @for (x, y, radius, share, site) in dots {
                    circle cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r=(format!("{radius:.1}")) fill="#005eb8"
                        fill-opacity=(format!("{:.2}", 0.08 + 0.92 * share)) stroke="#003087" stroke-width="0.75" {
                        title { (site.name) ": " (words::number(site.free)) " free, " (whole(site.expected)) " expected" }
                    }
                }
            }
            p class="nhsuk-body-s" { "The larger a site, the more appointments are free; the darker, the fuller it is expected to be." }
        }
    }
}

fn table(id: &str, title: &str, heads: &[&str], rows: Markup) -> Markup {
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            div class="ims-scroll" tabindex="0" role="region" aria-labelledby=(id) {
                table class="nhsuk-table" {
                    thead class="nhsuk-table__head" {
                        tr { @for (place, head) in heads.iter().enumerate() { th scope="col" class=[(place > 0).then_some("ims-number")] { (head) } } }
                    }
                    tbody class="nhsuk-table__body" { (rows) }
                }
            }
        }
    }
}

fn row(title: &str, numbers: &[String]) -> Markup {
    html! {
        tr class="nhsuk-table__row" {
            th scope="row" { (title) }
            @for number in numbers { td class="nhsuk-table__cell ims-number" { (number) } }
        }
    }
}

fn share(part: u64, whole: u64) -> String {
    words::share(part, whole).map_or_else(|| "–".to_owned(), words::percent)
}

fn group(title: &str, group: &Group) -> Markup {
    let numbers = [
        words::number(group.candidates),
        words::number(group.invited),
        share(group.invited, group.candidates),
        whole(group.answers),
    ];
    row(title, &numbers)
}

const GROUP: [&str; 5] = ["", "Candidates", "In the plan", "Share", "Expected to answer"];

fn reasons(plan: &WavePlan) -> Markup {
    let all = &plan.account.all;
    let reasons: Vec<(Left, u64)> =
        Left::ALL.into_iter().filter_map(|left| Some((left, *all.left.get(&left)?))).collect();
    table(
        "reasons",
        "What becomes of everybody",
        &["", "People", "Share"],
        html! {
            (row("In the plan", &[words::number(all.invited), share(all.invited, all.candidates)]))
            @for (left, people) in reasons {
                (row(&format!("Left for want of {left}"), &[words::number(people), share(people, all.candidates)]))
            }
            (row("All candidates", &[words::number(all.candidates), share(all.candidates, all.candidates)]))
        },
    )
}

fn fifths(plan: &WavePlan) -> Markup {
    let title = |fifth: u8| match fifth {
        0 => "Not known".to_owned(),
        1 => "1, most deprived".to_owned(),
        5 => "5, least deprived".to_owned(),
        fifth => fifth.to_string(),
    };
    let weights = plan.aims.weights();
    let heads = [GROUP[0], GROUP[1], GROUP[2], GROUP[3], GROUP[4], "Weight"];
    table(
        "fifths",
        "By deprivation fifth",
        &heads,
        html! {
            @for (fifth, sum) in &plan.account.fifths {
                @let numbers = [words::number(sum.candidates), words::number(sum.invited), share(sum.invited, sum.candidates),
                    whole(sum.answers), format!("{:.2}", weights.get(usize::from(*fifth)).copied().unwrap_or(1.0))];
                (row(&title(*fifth), &numbers))
            }
        },
    )
}

fn cohorts(plan: &WavePlan) -> Markup {
    let title = |place: u16| plan.draft.cohorts.get(usize::from(place)).cloned().unwrap_or_else(|| "other".to_owned());
    table(
        "cohorts",
        "By cohort, the highest first",
        &GROUP,
        html! {
            @for (place, sum) in &plan.account.cohorts { (group(&title(*place), sum)) }
        },
    )
}

fn days(plan: &WavePlan) -> Markup {
    let heads = ["Day", "People", "Letters", "Texts", "Calls expected", "Cost"];
    table(
        "days",
        "Day by day",
        &heads,
        html! {
            @for (day, used) in (0i64..).zip(&plan.days) {
                @let date = plan.draft.day.checked_add(jiff::Span::new().days(day)).unwrap_or(plan.draft.day);
                @let numbers = [words::number(used.people), words::number(used.letters), words::number(used.texts), words::number(used.calls),
                    format!("£{}.{:02}", words::number(used.pence / 100), used.pence % 100)];
                (row(&words::day(date), &numbers))
            }
        },
    )
}

fn apart(plan: &WavePlan) -> Markup {
    if plan.account.apart.is_empty() {
        return html! {};
    }
    table(
        "apart",
        "People without a usable area",
        &["Why, and how they are reached", "Candidates", "In the plan", "Quota a day"],
        html! {
            @for (apart, sum) in &plan.account.apart {
                @let numbers = [words::number(sum.candidates), words::number(sum.invited), words::number(plan.aims.quotas.of(*apart).into())];
                (row(&format!("{}: {}", words::capital(&words::plain(apart.name())), apart.route()), &numbers))
            }
        },
    )
}

fn areas(plan: &WavePlan) -> Markup {
    let rule = Rule::default();
    let shown = |count: u64| if rule.is_small(count) { "–".to_owned() } else { words::number(rule.round(count)) };
    let mut areas: Vec<_> = plan.areas.iter().collect();
    areas.sort_by(|one, other| {
        let left = |area: &ims_planning::AreaPlan| area.candidates - area.invited;
        left(other).cmp(&left(one)).then_with(|| one.area.cmp(&other.area))
    });
    let heads = ["Area", "Candidates", "In the plan", "Expected to answer", "Nearest site, km by road"];
    table(
        "areas",
        "Areas with the most people left",
        &heads,
        html! {
            @for area in areas.into_iter().take(LISTED) {
                @let nearest = area.nearest.as_ref().map_or_else(|| "–".to_owned(), |(site, kilometres)| format!("{site}, {kilometres:.0}"));
                @let numbers = [shown(area.candidates), shown(area.invited), shown(area.answers.max(0.0).round() as u64), nearest];
                (row(&area.area, &numbers))
            }
        },
    )
}

fn sites(plan: &WavePlan) -> Markup {
    let mut sites: Vec<_> = plan.sites.iter().collect();
    sites.sort_by(|one, other| {
        let spare = |site: &ims_planning::SitePlan| site.free as f64 - site.expected;
        spare(other).total_cmp(&spare(one)).then_with(|| one.site.cmp(&other.site))
    });
    let heads = ["Site", "Free", "Expected to be booked", "Share"];
    table(
        "sites",
        "Sites with the most appointments to spare",
        &heads,
        html! {
            @for site in sites.into_iter().take(LISTED) {
                @let filled = if site.free > 0 { words::percent(site.expected / site.free as f64) } else { "–".to_owned() };
                (row(&format!("{} ({})", site.name, site.site), &[words::number(site.free), whole(site.expected), filled]))
            }
        },
    )
}
