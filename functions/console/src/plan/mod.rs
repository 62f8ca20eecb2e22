//! "Plan a wave": capacity against candidates, what a planner asks for, what comes of it, and the limit that binds.
//!
//! Counting and planning are the function `cohort-selection`'s; this shows what it answers, and hands on what is decided.

mod shown;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use ims_planning::{Aims, Limits, WavePlan};
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::layout::{Frame, Problem};
use crate::rooms::{Role, Room};
use crate::session::Staff;
use crate::sign_in::{Fields, see};
use crate::source::{CampaignRecord, SourceError};
use crate::{Console, Shared, campaigns, words};

/// Seconds after which a page that waits for parts is asked for again.
const WAIT: &str = "2";

fn frame<'a>(console: &'a Console, staff: &'a Staff) -> Frame<'a> {
    Frame { console, staff: Some(staff), room: Some(Room::Waves), title: "Plan a wave" }
}

fn unreadable(error: SourceError) -> Problem {
    Problem::unreadable(&error)
}

/// Answers `GET /waves/plan`: which wave is to be planned.
pub(crate) async fn choose(State(console): State<Shared>, Extension(staff): Extension<Staff>) -> Response {
    let page = async {
        planners_only(&console, &staff)?;
        let all = console.campaigns().await.map_err(unreadable)?;
        Ok((chooser(&console, &all), None))
    };
    frame(&console, &staff).answer(page.await)
}

fn chooser(console: &Console, all: &[CampaignRecord]) -> Markup {
    let open: Vec<(&CampaignRecord, &str)> = all
        .iter()
        .flat_map(|record| record.definition.plan.waves.iter().map(move |wave| (record, wave.wave.as_str())))
        .filter(|(record, wave)| !record.waves.iter().any(|held| held.wave == *wave))
        .collect();
    html! {
        h1 { "Plan a wave" }
        p {
            "Count the candidates of a wave against the appointments that are free, choose how many to invite, and make the result the wave's "
            "plan. A wave without a plan invites all its candidates."
        }
        @if open.is_empty() {
            p { "Every wave of every campaign is selected already. " a href=(console.link("/waves")) { "Go to the waves" } }
        } @else {
            form method="post" action=(console.link("/waves/plan")) {
                div class="nhsuk-form-group" {
                    label class="nhsuk-label" for="wave" { "Wave" }
                    select class="nhsuk-select" id="wave" name="wave" {
                        @for (record, wave) in open {
                            option value={ (record.definition.campaign) "/" (wave) } { (campaigns::name(&record.definition)) ": " (wave) }
                        }
                    }
                }
                button class="nhsuk-button" type="submit" { "Count the candidates" }
            }
        }
    }
}

/// Answers `POST /waves/plan`: has the candidates counted.
pub(crate) async fn count(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    posted: Bytes,
) -> Response {
    let counted = async {
        planners_only(&console, &staff)?;
        let fields = Fields::of(&posted);
        let chosen = fields.get("wave").and_then(|chosen| chosen.split_once('/'));
        let (campaign, wave) = chosen.ok_or_else(|| nothing_done(&console, "The form names no wave."))?;
        let request = json!({"action": "count", "campaign": campaign, "wave": wave, "by": staff.name});
        let answer = ask(&console, request).await?;
        let draft = answer["draft"]["draft"].as_str().unwrap_or_default();
        Ok::<_, Problem>(see(&console.link(&format!("/waves/plan/{campaign}/{draft}"))))
    };
    counted.await.unwrap_or_else(|problem| problem.respond(&frame(&console, &staff)))
}

/// Answers `GET /waves/plan/{campaign}/{draft}`: the plan with what the address asks for.
pub(crate) async fn one(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path((campaign, draft)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let frame = frame(&console, &staff);
    let here = format!("/waves/plan/{campaign}/{draft}");
    let page = async {
        planners_only(&console, &staff)?;
        let fields = Fields::of(query.as_deref().unwrap_or_default().as_bytes());
        let (aims, wrong) = match read(&fields) {
            Ok(aims) => (aims, Vec::new()),
            Err(wrong) => (Aims::default(), wrong),
        };
        let request = json!({"action": "plan", "campaign": campaign, "draft": draft, "aims": aims});
        let answer = ask(&console, request).await?;
        Ok::<_, Problem>((aims, wrong, answer))
    };
    match page.await {
        Err(problem) => problem.respond(&frame),
        Ok((_, _, answer)) if answer.get("waiting").is_some() => {
            let parts = answer["waiting"].as_u64().unwrap_or(0);
            let body = html! {
                h1 { "Plan a wave" }
                p role="status" { "The candidates are being counted: " (words::count(parts, "part", "parts")) " to go." }
            };
            let mut response = frame.page(StatusCode::OK, None, &body);
            response.headers_mut().insert(header::REFRESH, HeaderValue::from_static(WAIT));
            response
        }
        Ok((aims, wrong, answer)) => frame
            .answer(plan_of(&console, &answer).map(|plan| (shown::page(&console, &here, &plan, &aims, &wrong), None))),
    }
}

/// Answers `POST /waves/plan/{campaign}/{draft}`: makes this the wave's plan.
pub(crate) async fn adopt(
    State(console): State<Shared>,
    Extension(staff): Extension<Staff>,
    Path((campaign, draft)): Path<(String, String)>,
    posted: Bytes,
) -> Response {
    let frame = frame(&console, &staff);
    let adopted = async {
        planners_only(&console, &staff)?;
        let aims = read(&Fields::of(&posted)).map_err(|wrong| nothing_done(&console, &wrong.join(" ")))?;
        let request = json!({"action": "adopt", "campaign": campaign, "draft": draft, "aims": aims, "by": staff.name});
        let plan = plan_of(&console, &ask(&console, request).await?)?;
        Ok((shown::adopted(&console, &plan), None))
    };
    frame.answer(adopted.await)
}

fn planners_only(console: &Console, staff: &Staff) -> Result<(), Problem> {
    if staff.role == Role::Planner {
        return Ok(());
    }
    let what = format!("You are signed in as {} with the role {}.", staff.name, staff.role.name());
    Err(Problem::new(StatusCode::FORBIDDEN, "Plans are for planners", what)
        .link(console.link("/waves"), "Go to the waves"))
}

fn nothing_done(console: &Console, what: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "Nothing was done", what.to_owned())
        .link(console.link("/waves/plan"), "Start again")
}

async fn ask(console: &Console, request: Value) -> Result<Value, Problem> {
    let refused = |refusal: String| {
        Problem::new(StatusCode::CONFLICT, "Nothing was done", format!("{}.", words::capital(&refusal)))
            .link(console.link("/waves/plan"), "Start again")
    };
    console.source().plan_waves(request).await.map_err(unreadable)?.map_err(refused)
}

fn plan_of(console: &Console, answer: &Value) -> Result<WavePlan, Problem> {
    serde_json::from_value(answer["plan"].clone())
        .map_err(|error| nothing_done(console, &format!("The plan cannot be read: {error}.")))
}

/// What the form asks for; every field that cannot be used. A field that is left out has its usual value.
fn read(fields: &Fields) -> Result<Aims, Vec<String>> {
    let usual = Aims::default();
    let mut wrong = Vec::new();
    let text = |name: &str| fields.get(name).map(|text| text.trim().replace(',', "")).filter(|text| !text.is_empty());
    let mut whole = |name: &str, title: &str| {
        let text = text(name)?;
        let number = text.parse::<u64>().ok();
        if number.is_none() {
            wrong.push(format!("{title} must be a whole number; it is '{text}'."));
        }
        number
    };
    let size = whole("size", "Size of the wave").unwrap_or(usual.size);
    let days = whole("days", "Days").map(|days| u16::try_from(days).unwrap_or(u16::MAX)).unwrap_or(usual.days);
    let limits = Limits {
        letters: whole("letters", "Letters a day"),
        texts: whole("texts", "Texts a day"),
        calls: whole("calls", "Calls a day"),
        pence: whole("pounds", "Pounds a day").map(|pounds| pounds.saturating_mul(100)),
        ..usual.limits
    };
    let mut real = |name: &str, title: &str, usual: f64| {
        let Some(text) = text(name) else { return usual };
        text.parse().unwrap_or_else(|_| {
            wrong.push(format!("{title} must be a number; it is '{text}'."));
            usual
        })
    };
    let equity = real("equity", "Weight", usual.equity);
    let fill = real("fill", "Share of capacity", usual.fill * 100.0) / 100.0;
    let reach_kilometres = real("reach", "Reach", usual.reach_kilometres);
    let aims = Aims { size, days, equity, fill, reach_kilometres, limits, ..usual };
    if let Err(unsound) = aims.check() {
        wrong.push(format!("{}.", words::capital(&unsound.to_string())));
    }
    if wrong.is_empty() { Ok(aims) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_and_what_is_wrong_is_named() {
        let read_text = |text: &str| read(&Fields::of(text.as_bytes()));
        assert_eq!(read_text("").unwrap(), Aims::default());
        let aims = read_text("size=50%2C000&equity=1.5&fill=80&letters=20000&pounds=12&days=3").unwrap();
        assert_eq!((aims.size, aims.equity, aims.fill, aims.days), (50_000, 1.5, 0.8, 3));
        assert_eq!((aims.limits.letters, aims.limits.pence, aims.limits.texts), (Some(20_000), Some(1_200), None));
        let wrong = read_text("size=many&equity=x").unwrap_err();
        assert_eq!(wrong.len(), 2);
        assert!(wrong[0].contains("'many'") && wrong[1].contains("'x'"));
        assert!(read_text("fill=120").unwrap_err()[0].starts_with("Fill must be"));
    }
}
