//! Drafts of a campaign's next version: planners edit its rules, see what is wrong with them, and whom they would select.
//!
//! A draft is written once. Counting it is a job: each part of the snapshot is counted for itself, and the page asks for
//! what is there until all parts are in.

mod shown;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use ims_decision::Rules;
use ims_domain::PersonId;
use ims_eligibility::{Campaign, Problem as Mistake, london_date, mismatches};
use ims_snapshot::Comparison;
use ims_store::{AuditEntry, Definition, Draft};
use maud::{Markup, html};
use uuid::Uuid;

use crate::campaigns::name;
use crate::layout::{Frame, Problem, empty};
use crate::rooms::{Role, Room};
use crate::session::Staff;
use crate::source::CampaignRecord;
use crate::{Console, Shared, words};

/// Longest rules that are taken, in bytes: an item holds 400 KB, and the plan lies beside them.
const LONGEST_RULES: usize = 300 << 10;
/// Seconds after which a page that waits for parts is asked for again.
const WAIT: &str = "2";
/// What the audit trail calls looking at examples.
const OPERATION: &str = "preview";

fn frame<'a>(console: &'a Console, staff: &'a Staff, title: &'a str) -> Frame<'a> {
    Frame { console, staff: Some(staff), room: Some(Room::Campaigns), title }
}

fn drafts_of(campaign: &str) -> String {
    format!("/campaigns/{campaign}/drafts")
}

/// Answers `GET /campaigns/{campaign}/drafts`: the rules in force, to be edited.
pub(crate) async fn edit(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path(campaign): Path<String>,
) -> Response {
    let page = async {
        let record = record(&console, &staff, &campaign).await?;
        let rules = serde_json::from_str::<serde_json::Value>(&record.definition.rules)
            .and_then(|rules| serde_json::to_string_pretty(&rules));
        let rules = rules.unwrap_or_else(|_| record.definition.rules.clone());
        Ok((form(&console, &record, &rules, &[]), None))
    };
    frame(&console, &staff, "New version").answer(page.await)
}

/// Answers `POST /campaigns/{campaign}/drafts`: a draft, or what is wrong with it.
pub(crate) async fn submit(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path(campaign): Path<String>,
    body: Bytes,
) -> Response {
    match written(&console, &staff, &campaign, &body).await {
        Ok(Ok(draft)) => Redirect::to(&console.link(&format!("{}/{draft}", drafts_of(&campaign)))).into_response(),
        Ok(Err(page)) => {
            frame(&console, &staff, "Error: New version").page(StatusCode::UNPROCESSABLE_ENTITY, None, &page)
        }
        Err(problem) => problem.respond(&frame(&console, &staff, "New version")),
    }
}

/// The id of the draft that was written, or the form with what is wrong.
async fn written(
    console: &Console,
    staff: &Staff,
    campaign: &str,
    body: &[u8],
) -> Result<Result<String, Markup>, Problem> {
    let record = record(console, staff, campaign).await?;
    let rules = form_urlencoded::parse(body).find(|(name, _)| name == "rules").map(|(_, value)| value.into_owned());
    let rules = rules.unwrap_or_default();
    let wrong = wrong(&record, &rules);
    if !wrong.is_empty() {
        return Ok(Err(form(console, &record, &rules, &wrong)));
    }
    let source = console.source();
    let snapshot = source.snapshot().await.map_err(|error| Problem::unreadable(&error))?;
    let snapshot = snapshot.ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            "There is no snapshot yet",
            "People are counted in the population snapshot, and none has been made.".to_owned(),
        )
        .link(console.link(&drafts_of(campaign)), "Go back to the rules")
    })?;
    let now = source.business_now().await.map_err(|error| Problem::unreadable(&error))?;
    let day = london_date(now);
    let definition = Definition {
        campaign: campaign.to_owned(),
        version: 0,
        rules,
        plan: record.definition.plan.clone(),
        authors: vec![],
    };
    let rules = definition.rules.clone();
    if let Err(error) = Rules::new(definition).and_then(|rules| rules.iteration(day)) {
        let wrong = [Mistake::new("CampaignConfig.Iterations", error.to_string())];
        return Ok(Err(form(console, &record, &rules, &wrong)));
    }
    let draft = Draft {
        campaign: campaign.to_owned(),
        draft: Uuid::now_v7().to_string(),
        author: staff.name.clone(),
        created: source.now(),
        rules,
        plan: record.definition.plan.clone(),
        base: record.definition.version,
        manifest: snapshot.manifest,
        parts: snapshot.parts,
        day,
    };
    let id = draft.draft.clone();
    let parts = (0..draft.parts).collect();
    source.write_draft(draft.clone()).await.map_err(|error| Problem::unreadable(&error))?;
    source.queue_preview(draft, parts).await.map_err(|error| Problem::unreadable(&error))?;
    Ok(Ok(id))
}

/// Everything that is wrong with rules as the next version of a campaign.
fn wrong(record: &CampaignRecord, rules: &str) -> Vec<Mistake> {
    let problem = |path: &str, message: String| vec![Mistake::new(path, message)];
    if rules.len() > LONGEST_RULES {
        return problem("CampaignConfig", format!("the rules have {} bytes; at most {LONGEST_RULES}", rules.len()));
    }
    match Campaign::parse(rules.as_bytes()) {
        Err(problems) => problems,
        Ok(campaign) if campaign.id != record.definition.campaign => problem(
            "CampaignConfig.ID",
            format!("{:?} is not the campaign {:?}; its ID stays", campaign.id, record.definition.campaign),
        ),
        Ok(campaign) => mismatches(&campaign, &record.definition.plan)
            .into_iter()
            .map(|mistake| Mistake::new(format!("plan.{}", mistake.path), mistake.message))
            .collect(),
    }
}

fn form(console: &Console, record: &CampaignRecord, rules: &str, wrong: &[Mistake]) -> Markup {
    let campaign = &record.definition.campaign;
    html! {
        (back(console, campaign, &name(&record.definition)))
        @if !wrong.is_empty() {
            div class="nhsuk-error-summary" aria-labelledby="error-title" role="alert" tabindex="-1" {
                h2 class="nhsuk-error-summary__title" id="error-title" { "There is a problem" }
                div class="nhsuk-error-summary__body" {
                    p { "The rules have " (words::count(wrong.len() as u64, "mistake", "mistakes")) ". Nothing was saved." }
                    ul class="nhsuk-list nhsuk-error-summary__list" {
                        @for mistake in wrong { li { a href="#rules" { code { (mistake.path) } ": " (mistake.message) } } }
                    }
                }
            }
        }
        h1 { "New version of " (name(&record.definition)) }
        p {
            "These are the rules of version " (record.definition.version) ". Change them, or take them from a file, and see whom they would "
            "invite. A draft changes nothing for anybody until it is put in force."
        }
        form method="post" action=(console.link(&drafts_of(campaign))) {
            div class="nhsuk-form-group" hidden data-needs-script {
                label class="nhsuk-label" for="rules-file" { "Take the rules from a file" }
                div class="nhsuk-hint" id="rules-file-hint" { "A JSON file of up to 300 KB; its text takes the place of that below" }
                input class="ims-file" id="rules-file" type="file" accept=".json,application/json" data-fill="rules" aria-describedby="rules-file-hint";
            }
            div class={ "nhsuk-form-group" @if !wrong.is_empty() { " nhsuk-form-group--error" } } {
                label class="nhsuk-label" for="rules" { "Rules" }
                div class="nhsuk-hint" id="rules-hint" { "A CampaignConfig in JSON, as the schema of campaigns describes it" }
                @if !wrong.is_empty() {
                    span class="nhsuk-error-message" id="rules-error" {
                        span class="nhsuk-u-visually-hidden" { "Error: " } "Correct what is listed at the top of the page"
                    }
                }
                textarea class={ "nhsuk-textarea ims-code" @if !wrong.is_empty() { " nhsuk-textarea--error" } } id="rules" name="rules" rows="28"
                    spellcheck="false" autocomplete="off"
                    aria-describedby={ "rules-hint" @if !wrong.is_empty() { " rules-error" } } { (rules) }
            }
            button class="nhsuk-button" type="submit" { "Check and count" }
        }
    }
}

/// Answers `GET /campaigns/{campaign}/drafts/{draft}`: how far counting is, or the counts.
pub(crate) async fn one(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path((campaign, draft)): Path<(String, String)>,
) -> Response {
    let frame = frame(&console, &staff, "Draft");
    let page = async {
        let (record, draft) = found(&console, &staff, &campaign, &draft).await?;
        let parts = parts(&console, &draft).await?;
        Ok::<_, Problem>((record, draft, parts))
    };
    match page.await {
        Err(problem) => problem.respond(&frame),
        Ok((record, draft, parts)) => {
            let there = parts.iter().flatten().count();
            let is_whole = there == parts.len();
            let body = html! {
                (back(&console, &campaign, &name(&record.definition)))
                h1 { "Draft of " (name(&record.definition)) }
                (shown::facts(&draft))
                @if draft.author == staff.name {
                    p { a href=(console.link(&format!("{}/{}/remove", drafts_of(&campaign), draft.draft))) { "Remove this draft" } }
                }
                @if is_whole {
                    (shown::counts(&console, &draft, &sum(parts)))
                } @else {
                    (shown::progress(&console, &draft, there))
                }
            };
            let mut response = frame.page(StatusCode::OK, None, &body);
            if !is_whole {
                response.headers_mut().insert(header::REFRESH, HeaderValue::from_static(WAIT));
            }
            response
        }
    }
}

/// Answers `POST /campaigns/{campaign}/drafts/{draft}`: the parts that are missing are counted again.
pub(crate) async fn again(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path((campaign, draft)): Path<(String, String)>,
) -> Response {
    let queued = async {
        let (_, draft) = found(&console, &staff, &campaign, &draft).await?;
        let parts = parts(&console, &draft).await?;
        let missing = (0u32..).zip(&parts).filter(|(_, part)| part.is_none()).map(|(place, _)| place).collect();
        console.source().queue_preview(draft, missing).await.map_err(|error| Problem::unreadable(&error))
    };
    match queued.await {
        Ok(()) => Redirect::to(&console.link(&format!("{}/{draft}", drafts_of(&campaign)))).into_response(),
        Err(problem) => problem.respond(&frame(&console, &staff, "Draft")),
    }
}

/// Answers `GET /campaigns/{campaign}/drafts/{draft}/examples`: some people, explained, once the trail says so.
pub(crate) async fn examples(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path((campaign, draft)): Path<(String, String)>,
) -> Response {
    let page = async {
        let (record, draft) = found(&console, &staff, &campaign, &draft).await?;
        let parts = parts(&console, &draft).await?;
        let body = if parts.iter().all(Option::is_some) {
            let found = sum(parts);
            let drawn = found.drawn();
            for example in &drawn {
                note(&console, &staff, &draft, &example.person).await?;
            }
            shown::examples(&drawn)
        } else {
            empty(html! { "The draft is still being counted." })
        };
        let here = console.link(&format!("{}/{}", drafts_of(&campaign), draft.draft));
        Ok((
            html! {
                (back(&console, &campaign, &name(&record.definition)))
                h1 { "Examples of a draft of " (name(&record.definition)) }
                p { a href=(here) { "Go back to the counts" } }
                (body)
            },
            None,
        ))
    };
    frame(&console, &staff, "Examples").answer(page.await)
}

/// Answers `GET /campaigns/{campaign}/drafts/{draft}/remove`: whether its author really wants to remove it.
pub(crate) async fn ask_remove(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path((campaign, draft)): Path<(String, String)>,
) -> Response {
    let page = async {
        let (record, draft) = own(&console, &staff, &campaign, &draft).await?;
        let here = format!("{}/{}", drafts_of(&campaign), draft.draft);
        Ok((
            html! {
                (back(&console, &campaign, &name(&record.definition)))
                h1 { "Remove this draft" }
                (shown::facts(&draft))
                p { "Its rules and counts are removed for everybody. Versions that were put in force stay as they are." }
                form method="post" action=(console.link(&format!("{here}/remove"))) {
                    button class="nhsuk-button nhsuk-button--warning" type="submit" { "Remove the draft" }
                }
                p { a href=(console.link(&here)) { "Keep it" } }
            },
            None,
        ))
    };
    frame(&console, &staff, "Remove a draft").answer(page.await)
}

/// Answers `POST /campaigns/{campaign}/drafts/{draft}/remove`: the draft is removed.
pub(crate) async fn remove(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path((campaign, draft)): Path<(String, String)>,
) -> Response {
    let removed = async {
        let (_, draft) = own(&console, &staff, &campaign, &draft).await?;
        console.source().remove_draft(draft).await.map_err(|error| Problem::unreadable(&error))
    };
    match removed.await {
        Ok(()) => Redirect::to(&console.link(&format!("/campaigns/{campaign}"))).into_response(),
        Err(problem) => problem.respond(&frame(&console, &staff, "Remove a draft")),
    }
}

/// A draft that its author asks about.
async fn own(
    console: &Console,
    staff: &Staff,
    campaign: &str,
    draft: &str,
) -> Result<(CampaignRecord, Draft), Problem> {
    let (record, draft) = found(console, staff, campaign, draft).await?;
    if draft.author != staff.name {
        let told = format!("{} wrote this draft. It is removed by itself after 90 days.", draft.author);
        let link = console.link(&format!("{}/{}", drafts_of(campaign), draft.draft));
        let problem = Problem::new(StatusCode::FORBIDDEN, "Only its author removes a draft", told);
        return Err(problem.link(link, "Go back to the draft"));
    }
    Ok((record, draft))
}

async fn note(console: &Console, staff: &Staff, draft: &Draft, person: &str) -> Result<(), Problem> {
    let purpose = format!("campaign {} draft {}", draft.campaign, draft.draft);
    let mut entry = AuditEntry::new(console.source().now(), &staff.name, OPERATION, purpose).in_role(staff.role.name());
    if let Ok(person) = person.parse::<PersonId>() {
        entry = entry.about(person);
    }
    console.source().audit(entry).await.map_err(|error| Problem::unreadable(&error))
}

/// The campaign, for planners.
async fn record(console: &Console, staff: &Staff, campaign: &str) -> Result<CampaignRecord, Problem> {
    if staff.role != Role::Planner {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "Drafts are for planners",
            format!("You are signed in as {} with the role {}.", staff.name, staff.role.name()),
        )
        .link(console.link(&format!("/campaigns/{campaign}")), "Go to the campaign"));
    }
    let campaigns = console.campaigns().await.map_err(|error| Problem::unreadable(&error))?;
    let record = campaigns.iter().find(|record| record.definition.campaign == campaign);
    record.cloned().ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "No such campaign", format!("There is no campaign '{campaign}'."))
            .link(console.link("/campaigns"), "Go to the campaigns")
    })
}

async fn found(
    console: &Console,
    staff: &Staff,
    campaign: &str,
    draft: &str,
) -> Result<(CampaignRecord, Draft), Problem> {
    let record = record(console, staff, campaign).await?;
    let found = console.source().draft(campaign, draft).await.map_err(|error| Problem::unreadable(&error))?;
    let draft = found.ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "No such draft", format!("There is no draft '{draft}' of this campaign."))
            .link(console.link(&drafts_of(campaign)), "Start a draft")
    })?;
    Ok((record, draft))
}

/// What was found in each part; `None` where it is still being counted.
async fn parts(console: &Console, draft: &Draft) -> Result<Vec<Option<Comparison>>, Problem> {
    console.source().preview(draft.clone()).await.map_err(|error| Problem::unreadable(&error))
}

fn sum(parts: Vec<Option<Comparison>>) -> Comparison {
    let mut sum = Comparison::default();
    parts.into_iter().flatten().for_each(|part| sum.add(part));
    sum
}

fn back(console: &Console, campaign: &str, name: &str) -> Markup {
    html! {
        nav class="nhsuk-breadcrumb" aria-label="Breadcrumb" {
            ol class="nhsuk-breadcrumb__list" {
                li class="nhsuk-breadcrumb__list-item" {
                    a class="nhsuk-breadcrumb__link" href=(console.link("/campaigns")) { "Campaigns" }
                }
                li class="nhsuk-breadcrumb__list-item" {
                    a class="nhsuk-breadcrumb__link" href=(console.link(&format!("/campaigns/{campaign}"))) { (name) }
                }
            }
        }
    }
}

/// What a campaign's page says of its drafts.
pub(crate) fn section(console: &Console, campaign: &str, drafts: &[Draft]) -> Markup {
    html! {
        section aria-labelledby="drafts" {
            h2 id="drafts" { "Next version" }
            p { a href=(console.link(&drafts_of(campaign))) { "Change the rules and see whom they would invite" } }
            @if !drafts.is_empty() {
                ul class="nhsuk-list nhsuk-list--bullet" {
                    @for draft in drafts.iter().rev().take(10) {
                        li {
                            a href=(console.link(&format!("{}/{}", drafts_of(campaign), draft.draft))) {
                                "Draft of " (words::time(draft.created))
                            }
                            " by " (draft.author) ", compared with version " (draft.base)
                        }
                    }
                }
            }
        }
    }
}
