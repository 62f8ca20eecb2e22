//! Campaigns: what each is for, in plain words, and how its waves stand.

mod wording;

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use ims_domain::campaign::{ContactPlan, Step, Wave};
use ims_eligibility::{Campaign, Iteration, IterationRule, RuleType};
use ims_store::Definition;
use jiff::Timestamp;
use maud::{Markup, html};

use crate::layout::{Frame, Problem, empty};
use crate::picture::{People, Picture};
use crate::rooms::{Role, Room};
use crate::session::Staff;
use crate::source::CampaignRecord;
use crate::waves::state_tag;
use crate::{Console, Shared, drafts, words};

/// A campaign's name for people; its id where its rules cannot be read.
pub(crate) fn name(definition: &Definition) -> String {
    parse(definition).map_or_else(|| definition.campaign.clone(), |campaign| campaign.name)
}

fn parse(definition: &Definition) -> Option<Campaign> {
    Campaign::parse_published(definition.rules.as_bytes()).ok()
}

/// Answers `/campaigns`.
pub(crate) async fn all(State(console): State<Shared>, Extension(staff): Extension<Staff>) -> Response {
    let frame = Frame { console: &console, staff: Some(&staff), room: Some(Room::Campaigns), title: "Campaigns" };
    let read = console.campaigns().await.map_err(|error| Problem::unreadable(&error));
    frame.answer(read.map(|campaigns| (list(&console, &campaigns), None)))
}

fn list(console: &Console, campaigns: &[CampaignRecord]) -> Markup {
    html! {
        h1 { "Campaigns" }
        @if campaigns.is_empty() {
            (empty(html! {
                "There is no campaign yet. Define one with its rules and its contact plan: the request " code { "define" } " of "
                code { "wave-planning" } "."
            }))
        } @else {
            div class="ims-scroll" tabindex="0" role="region" aria-label="Campaigns" {
                table class="nhsuk-table" {
                    caption class="nhsuk-table__caption nhsuk-u-visually-hidden" { "Campaigns" }
                    thead class="nhsuk-table__head" {
                        tr { @for title in ["Campaign", "Programme", "Dates", "Version", "Waves"] { th scope="col" { (title) } } }
                    }
                    tbody class="nhsuk-table__body" {
                        @for record in campaigns {
                            @let campaign = parse(&record.definition);
                            tr class="nhsuk-table__row" {
                                th scope="row" {
                                    a href=(console.link(&format!("/campaigns/{}", record.definition.campaign))) { (name(&record.definition)) }
                                }
                                td class="nhsuk-table__cell" { (record.definition.plan.programme.code()) }
                                td class="nhsuk-table__cell" {
                                    @match &campaign {
                                        Some(campaign) => { (words::day(campaign.start_date)) " to " (words::day(campaign.end_date)) }
                                        None => "not readable",
                                    }
                                }
                                td class="nhsuk-table__cell" { (record.definition.version) }
                                td class="nhsuk-table__cell" { (by_state(&record.waves)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn by_state(waves: &[Wave]) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for wave in waves {
        *counts.entry(wave.state.name()).or_default() += 1;
    }
    let parts: Vec<String> = counts.into_iter().map(|(state, count)| format!("{count} {state}")).collect();
    if parts.is_empty() { "none planned yet".to_owned() } else { parts.join(", ") }
}

/// Answers `/campaigns/{campaign}`.
pub(crate) async fn one(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path(campaign): Path<String>,
) -> Response {
    let frame = Frame { console: &console, staff: Some(&staff), room: Some(Room::Campaigns), title: &campaign };
    frame.answer(detail(&console, &staff, &campaign).await.map(|body| (body, None)))
}

async fn detail(console: &Console, staff: &Staff, id: &str) -> Result<Markup, Problem> {
    let campaigns = console.campaigns().await.map_err(|error| Problem::unreadable(&error))?;
    let record = campaigns.iter().find(|record| record.definition.campaign == id).ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "No such campaign", format!("There is no campaign '{id}'."))
            .link(console.link("/campaigns"), "Go to the campaigns")
    })?;
    let definition = &record.definition;
    let now = console.source().business_now().await.map_err(|error| Problem::unreadable(&error))?;
    let picture = console.picture(id).await.unwrap_or_else(|error| {
        tracing::error!(campaign = id, %error, "a picture file cannot be read");
        None
    });
    let drafts = match staff.role {
        Role::Planner => Some(console.source().drafts(id).await.map_err(|error| Problem::unreadable(&error))?),
        _ => None,
    };
    let campaign = parse(definition);
    Ok(html! {
        nav class="nhsuk-breadcrumb" aria-label="Breadcrumb" {
            ol class="nhsuk-breadcrumb__list" {
                li class="nhsuk-breadcrumb__list-item" {
                    a class="nhsuk-breadcrumb__link" href=(console.link("/campaigns")) { "Campaigns" }
                }
            }
        }
        h1 { (name(definition)) }
        p { a href=(console.link(&format!("/picture?{}", query(id)))) { "Picture of this campaign" } }
        (facts(definition, campaign.as_ref()))
        @match &campaign {
            Some(campaign) => (rules(campaign, now)),
            None => (empty(html! {
                "The rules of version " (definition.version) " cannot be read. Check the file that was defined, and define it anew."
            })),
        }
        (plan(&definition.plan))
        (waves(record))
        @if let Some(drafts) = &drafts { (drafts::section(console, id, drafts)) }
        (counts(picture.as_deref()))
    })
}

fn query(campaign: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("campaign", campaign).finish()
}

fn facts(definition: &Definition, campaign: Option<&Campaign>) -> Markup {
    let line = |name: &str, value: Markup| {
        html! {
            div class="nhsuk-summary-list__row" {
                dt class="nhsuk-summary-list__key" { (name) }
                dd class="nhsuk-summary-list__value" { (value) }
            }
        }
    };
    html! {
        dl class="nhsuk-summary-list" {
            (line("Identifier", html! { (definition.campaign) }))
            (line("Programme", html! { (definition.plan.programme.code()) }))
            (line("Version", html! { (definition.version) }))
            @if let Some(campaign) = campaign {
                (line("Dates", html! { (words::day(campaign.start_date)) " to " (words::day(campaign.end_date)) }))
                @if let (Some(least), Some(most)) = (campaign.approval_minimum, campaign.approval_maximum) {
                    (line("Approved size of a wave", html! {
                        (words::number(least.unsigned_abs())) " to " (words::people(most.unsigned_abs()))
                    }))
                }
            }
        }
    }
}

fn rules(campaign: &Campaign, now: Timestamp) -> Markup {
    let live = campaign.live_iteration(now);
    let Some(iteration) = live.or_else(|| campaign.iterations.last()) else { return html! {} };
    html! {
        section aria-labelledby="rules" {
            h2 id="rules" { "Who it is for" }
            @if live.is_none() { p { "No rules are in force today; these are the latest." } }
            p { (iteration.name) ", in force from " (words::day(iteration.date)) "." }
            (cohorts(iteration))
            (rule_list(iteration, RuleType::Filter, "Not eligible",
                "Of the people in these cohorts, somebody is not eligible if:"))
            (rule_list(iteration, RuleType::Suppression, "Eligible, but not to be vaccinated now",
                "Somebody who is eligible is not selected if:"))
        }
    }
}

fn cohorts(iteration: &Iteration) -> Markup {
    let mut cohorts: Vec<_> = iteration.cohorts.iter().collect();
    cohorts.sort_by_key(|cohort| cohort.priority.unwrap_or(i64::MAX));
    html! {
        p { "People who (the first that applies counts as their cohort):" }
        ol class="nhsuk-list nhsuk-list--number" {
            @for cohort in cohorts {
                li {
                    (cohort.positive.clone().unwrap_or_else(|| words::plain(&cohort.label)))
                    " " span class="nhsuk-body-s" {
                        "(" (cohort.label)
                        @if let Some(priority) = cohort.priority { ", priority " (priority) }
                        @if cohort.is_virtual { ", everybody is looked at" }
                        ")"
                    }
                }
            }
        }
    }
}

/// Rules of equal priority must all apply; of different ones any suffices.
fn rule_list(iteration: &Iteration, kind: RuleType, title: &str, lead: &str) -> Markup {
    let mut by_priority: BTreeMap<i64, Vec<&IterationRule>> = BTreeMap::new();
    for rule in iteration.rules.iter().filter(|rule| rule.kind == kind) {
        by_priority.entry(rule.priority).or_default().push(rule);
    }
    html! {
        h3 { (title) }
        @if by_priority.is_empty() {
            p { "There is no such rule." }
        } @else {
            p { (lead) }
            ul class="nhsuk-list nhsuk-list--bullet" {
                @for (index, rules) in by_priority.values().enumerate() {
                    li {
                        @if index > 0 { strong { "or " } }
                        @for (index, rule) in rules.iter().enumerate() {
                            @if index > 0 { br; strong { "and " } }
                            (one_rule(rule))
                        }
                    }
                }
            }
        }
    }
}

fn one_rule(rule: &IterationRule) -> Markup {
    html! {
        (rule.name) ": " (rule.description)
        br;
        span class="nhsuk-body-s" {
            "Read as: " (wording::rule(rule))
            @if !rule.cohort_labels.is_empty() { "; only for the cohort " (words::list(&rule.cohort_labels)) }
        }
    }
}

fn plan(plan: &ContactPlan) -> Markup {
    let step = |step: Step| match step {
        Step::Invite => "the invitation, by text where there is a mobile number that may be texted, else by letter",
        Step::Reminder => "a reminder, by text or letter as above",
        Step::Call => "a recall call",
    };
    html! {
        section aria-labelledby="plan" {
            h2 id="plan" { "How people are contacted" }
            ol class="nhsuk-list nhsuk-list--number" {
                @for planned in &plan.steps {
                    li {
                        @if planned.after_days == 0 { "At once: " }
                        @else { "After " (words::count(u64::from(planned.after_days), "day", "days")) ": " }
                        (step(planned.step)) "."
                    }
                }
            }
            p {
                "Before each step it is decided again whether it is still right. Doses count from "
                (words::day(plan.count_doses_from)) "; the course has " (words::count(u64::from(plan.doses), "dose", "doses")) "."
            }
        }
    }
}

fn waves(record: &CampaignRecord) -> Markup {
    let planned = &record.definition.plan.waves;
    html! {
        section aria-labelledby="waves" {
            h2 id="waves" { "Waves" }
            @if planned.is_empty() && record.waves.is_empty() { p { "The contact plan has no waves." } }
            @else {
                ul class="nhsuk-list nhsuk-list--bullet" {
                    @for wave in planned {
                        li {
                            (wave.wave) " on " (words::day(wave.on)) ": "
                            @if wave.cohorts.is_empty() { "everybody" } @else { (words::list(&wave.cohorts)) }
                            " "
                            @match record.waves.iter().find(|made| made.wave == wave.wave) {
                                Some(made) => (state_tag(made.state)),
                                None => strong class="nhsuk-tag nhsuk-tag--grey" { "to come" },
                            }
                        }
                    }
                    @for wave in record.waves.iter().filter(|made| planned.iter().all(|wave| wave.wave != made.wave)) {
                        li { (wave.wave) " on " (words::day(wave.selected_on)) ", not in the plan " (state_tag(wave.state)) }
                    }
                }
            }
        }
    }
}

fn counts(picture: Option<&Picture>) -> Markup {
    html! {
        section aria-labelledby="counts" {
            h2 id="counts" { "People by wave and by cohort" }
            @match picture {
                Some(picture) => {
                    p { "Up to " (words::time(picture.watermark)) "." }
                    (people_table("Wave", &picture.funnel.by_wave))
                    (people_table("Cohort", &picture.funnel.by_cohort))
                },
                None => (empty(html! { "There are no counts yet. They come with the first report on this campaign." })),
            }
        }
    }
}

fn people_table(title: &str, rows: &BTreeMap<String, People>) -> Markup {
    html! {
        @if rows.is_empty() { p { "By " (title.to_lowercase()) ": nobody yet." } }
        @else {
            div class="ims-scroll" tabindex="0" role="region" aria-label={ "People by " (title.to_lowercase()) } {
                table class="nhsuk-table" {
                    caption class="nhsuk-table__caption" { "People by " (title.to_lowercase()) }
                    thead class="nhsuk-table__head" {
                        tr {
                            th scope="col" { (title) }
                            @for heading in ["Eligible", "Selected", "Sent", "Suppressed", "Failed", "Pending"] {
                                th scope="col" class="ims-number" { (heading) }
                            }
                        }
                    }
                    tbody class="nhsuk-table__body" {
                        @for (name, people) in rows {
                            tr class="nhsuk-table__row" {
                                th scope="row" { (name) }
                                @for value in [people.eligible, people.selected, people.sent, people.suppressed.values().sum(),
                                    people.failed.values().sum(), people.pending] {
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
