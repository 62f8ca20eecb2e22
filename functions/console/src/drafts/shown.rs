//! What a draft's pages show.

use std::collections::{BTreeMap, BTreeSet};

use ims_eligibility::{Campaign, london_date};
use ims_snapshot::{By, Change, Comparison, Example, Preview};
use ims_store::Draft;
use ims_uptake::{Rule, UNKNOWN};
use maud::{Markup, html};

use crate::picture::Level;
use crate::{Console, words};

/// Who wrote a draft, and what it is counted in.
pub(super) fn facts(draft: &Draft) -> Markup {
    let row = |key: &str, value: Markup| {
        html! {
            div class="nhsuk-summary-list__row" {
                dt class="nhsuk-summary-list__key" { (key) }
                dd class="nhsuk-summary-list__value" { (value) }
            }
        }
    };
    html! {
        dl class="nhsuk-summary-list" {
            (row("Written", html! { (words::time(draft.created)) " by " (draft.author) }))
            (row("Compared with", html! { "version " (draft.base) }))
            (row("Kept until", html! { (words::day(london_date(draft.created + Draft::KEPT))) }))
            (row("Counted as of", html! { (words::day(draft.day)) ", in the snapshot " code { (draft.manifest) } }))
        }
    }
}

/// How far counting is.
pub(super) fn progress(console: &Console, draft: &Draft, there: usize) -> Markup {
    html! {
        h2 id="progress" { "Counting" }
        p role="status" { (there) " of " (draft.parts) " parts of the snapshot are counted. This page updates itself." }
        progress class="ims-progress" aria-labelledby="progress" max=(draft.parts) value=(there) {}
        form method="post" action=(console.link(&format!("/campaigns/{}/drafts/{}", draft.campaign, draft.draft))) {
            p { "Counting takes seconds. If nothing moves for a minute, have the missing parts counted again." }
            button class="nhsuk-button nhsuk-button--secondary" type="submit" { "Count again" }
        }
    }
}

/// Whom a draft would select, beside the version in force.
pub(super) fn counts(console: &Console, draft: &Draft, found: &Comparison) -> Markup {
    let enter: u64 = found.enter.values().sum();
    let leave: u64 = found.leave.values().sum();
    let selected = found.stay + enter;
    let here = format!("/campaigns/{}/drafts/{}", draft.campaign, draft.draft);
    let people = |count: u64| words::count(count, "person", "people");
    html! {
        section aria-labelledby="selected" {
            h2 id="selected" { "Whom it would invite" }
            p class="nhsuk-lede-text" { (people(selected)) " today; version " (draft.base) " would invite " (people(found.stay + leave)) "." }
            (approval(draft, selected))
            (by_cohort(found))
            p { (people(enter)) " would enter and " (people(leave)) " would leave." }
            p { a href=(console.link(&format!("{here}/examples"))) { "Ten examples, explained" } }
        }
        @for by in Comparison::BY { (table(console, by, found)) }
        section aria-labelledby="saved" {
            h2 id="saved" { "This draft is saved" }
            p {
                "It changes nothing until it is put in force: the request " code { "adopt" } " of " code { "wave-planning" } " with the campaign "
                code { (draft.campaign) } " and the draft " code { (draft.draft) } "."
            }
            p { a href=(console.link(&format!("/campaigns/{}/drafts", draft.campaign))) { "Start another draft" } }
        }
    }
}

/// The count against the numbers that the campaign's approver expects.
fn approval(draft: &Draft, selected: u64) -> Markup {
    let campaign = Campaign::parse_published(draft.rules.as_bytes()).ok();
    let bound = |of: fn(&Campaign) -> Option<i64>| campaign.as_ref().and_then(of).and_then(|n| u64::try_from(n).ok());
    let (least, most) = (bound(|campaign| campaign.approval_minimum), bound(|campaign| campaign.approval_maximum));
    let tag = |class: &str, text: &str| html! { strong class={ "nhsuk-tag " (class) } { (text) } };
    html! {
        p {
            "Approved numbers: "
            @match (least, most) {
                (None, None) => { "none are set." }
                _ => {
                    (least.map_or_else(|| "any".to_owned(), words::number)) " to "
                    (most.map_or_else(|| "any".to_owned(), words::number)) ". "
                    @if least.is_some_and(|least| selected < least) { (tag("nhsuk-tag--red", "Fewer than approved")) }
                    @else if most.is_some_and(|most| selected > most) { (tag("nhsuk-tag--red", "More than approved")) }
                    @else { (tag("nhsuk-tag--green", "Within what is approved")) }
                }
            }
        }
    }
}

fn by_cohort(found: &Comparison) -> Markup {
    let mut selected: BTreeMap<&str, u64> = BTreeMap::new();
    let counts = found.by.get(&By::Age).map(Preview::counts).unwrap_or_default();
    for count in &counts {
        *selected.entry(&count.cohort).or_insert(0) += count.count;
    }
    let order = found.cohorts();
    let gone = found.leave.keys().filter(|cohort| !order.contains(cohort)).cloned();
    let of = |counts: &BTreeMap<String, u64>, cohort: &str| words::number(counts.get(cohort).copied().unwrap_or(0));
    let cohorts: Vec<String> = order.iter().cloned().chain(gone).collect();
    html! {
        (scrolling("by-cohort", "By best cohort, England", &["Cohort", "Would be invited", "Enter", "Leave"], html! {
            @for cohort in &cohorts {
                tr class="nhsuk-table__row" {
                    th scope="row" { (cohort) }
                    td class="nhsuk-table__cell nhsuk-table__cell--numeric" { (words::number(selected.get(cohort.as_str()).copied().unwrap_or(0))) }
                    td class="nhsuk-table__cell nhsuk-table__cell--numeric" { (of(&found.enter, cohort)) }
                    td class="nhsuk-table__cell nhsuk-table__cell--numeric" { (of(&found.leave, cohort)) }
                }
            }
        }))
    }
}

/// Counts by cohort and something else: small ones withheld, others rounded, as wherever counts are below England.
fn table(console: &Console, by: By, found: &Comparison) -> Markup {
    let (id, title) = match by {
        By::Icb => ("icb", "By integrated care board"),
        By::Age => ("age", "By age"),
        By::Ethnicity => ("ethnicity", "By ethnic group"),
        By::Imd => ("imd", "By deprivation decile, 1 most deprived"),
        // No others are counted by.
        _ => return html! {},
    };
    let rule = Rule::default();
    let mut cells: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut keys: BTreeSet<(usize, &str)> = BTreeSet::new();
    let counts = found.by.get(&by).map(Preview::counts).unwrap_or_default();
    for count in &counts {
        cells.insert((&count.key, &count.cohort), count.count);
        let number = count.key.split(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default();
        keys.insert((number.parse().unwrap_or(usize::MAX), &count.key));
    }
    let cohorts: Vec<&str> = found.cohorts().iter().map(String::as_str).collect();
    let shown = |count: u64| {
        if rule.is_small(count) { "–".to_owned() } else { words::number(rule.round(count)) }
    };
    let mut titles = vec![if matches!(by, By::Icb) { "Board" } else { "Group" }];
    titles.extend(&cohorts);
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            @if keys.is_empty() { p { "Nobody would be invited." } } @else {
                p class="nhsuk-body-s" {
                    "Rounded to the nearest " (rule.base) "; – stands for 1 to " (rule.threshold) " people, which are not shown."
                }
                (scrolling(&format!("{id}-table"), title, &titles, html! {
                    @for (_, key) in &keys {
                        tr class="nhsuk-table__row" {
                            th scope="row" { (label(console, by, key)) }
                            @for cohort in &cohorts {
                                td class="nhsuk-table__cell nhsuk-table__cell--numeric" {
                                    (shown(cells.get(&(*key, *cohort)).copied().unwrap_or(0)))
                                }
                            }
                        }
                    }
                }))
            }
        }
    }
}

/// A group in words, and a board by its name.
fn label(console: &Console, by: By, key: &str) -> String {
    match by {
        By::Icb if key != UNKNOWN => console.assets().area_name(Level::Icb, key).to_owned(),
        By::Ethnicity => words::group("ethnic_group", key),
        _ => words::group("", key),
    }
}

fn scrolling(id: &str, caption: &str, titles: &[&str], rows: Markup) -> Markup {
    html! {
        div class="ims-scroll" tabindex="0" role="region" aria-label=(caption) {
            table class="nhsuk-table" id=(id) {
                caption class="nhsuk-table__caption nhsuk-u-visually-hidden" { (caption) }
                thead class="nhsuk-table__head" {
                    tr {
                        @for (place, title) in titles.iter().enumerate() {
                            th scope="col" class=[(place > 0).then_some("nhsuk-table__header--numeric")] { (title) }
                        }
                    }
                }
                tbody class="nhsuk-table__body" { (rows) }
            }
        }
    }
}

/// People, each with what was looked at. They are ids: no name, no number, no value.
pub(super) fn examples(examples: &[&Example]) -> Markup {
    let change = |change: Change| match change {
        Change::Enters => ("nhsuk-tag--green", "Enters"),
        Change::Leaves => ("nhsuk-tag--orange", "Leaves"),
        Change::Stays => ("nhsuk-tag--blue", "Stays"),
        Change::Out => ("nhsuk-tag--grey", "Not invited by either"),
    };
    html! {
        p {
            "Drawn by lot; restricted people are never drawn. Each is an id, and what is known of the person is not shown. That you looked is "
            "in the audit trail of each of them."
        }
        @if examples.is_empty() { p { "There is nobody in the snapshot." } }
        @for (place, example) in examples.iter().enumerate() {
            @let (class, text) = change(example.change);
            section aria-labelledby={ "example-" (place) } {
                h2 class="nhsuk-heading-s" id={ "example-" (place) } {
                    code { (example.person) } " " strong class={ "nhsuk-tag " (class) } { (text) }
                }
                p {
                    (example.status) @if !example.cohort.is_empty() { ", best cohort " (example.cohort) }
                }
                details class="nhsuk-details" {
                    summary class="nhsuk-details__summary" { span class="nhsuk-details__summary-text" { "What was looked at" } }
                    div class="nhsuk-details__text" {
                        ul class="nhsuk-list nhsuk-list--bullet ims-steps" {
                            @for step in &example.steps {
                                li {
                                    (step.cohort) ": "
                                    @if step.rule.is_empty() { "member, by " (step.test) } @else { (step.rule) ", by " (step.attribute) " " (step.test) }
                                    ": " strong { @if step.holds { "yes" } @else { "no" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
