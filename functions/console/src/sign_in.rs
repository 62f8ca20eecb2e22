//! Signing in with a staff token of the sandbox's issuer, and out again.

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use crate::layout::{Frame, Problem, empty};
use crate::rooms::Room;
use crate::session::{self, TokenProblem};
use crate::{Console, Shared, headers};

/// Longest form that is read, in bytes; a token has a few hundred.
const LONGEST_FORM: usize = 16 * 1024;

/// The first room of the role, or a page that says that there is none yet.
pub(crate) async fn home(State(console): State<Shared>, headers: HeaderMap) -> Response {
    let Some(Ok(staff)) = session::cookie(&headers).map(|token| session::staff(console.verifier(), token)) else {
        return see(&console.link("/sign-in"));
    };
    if let Some(room) = staff.role.rooms().next() {
        return see(&console.link(room.path()));
    }
    let frame = Frame { console: &console, staff: Some(&staff), room: None, title: "Home" };
    let body = html! {
        h1 { "No room for your role yet" }
        (empty(html! {
            "You are signed in as " (staff.name) " with the role " (staff.role.name()) ". The console has no room for this "
            "role yet. Call lists come from the person who plans the calls; to see a campaign, sign in with a token of "
            "a planner, an analyst or an engineer."
        }))
    };
    frame.page(StatusCode::OK, None, &body)
}

/// Sends a browser without a session to sign in, and back afterwards.
pub(crate) fn ask(console: &Console, uri: &Uri, has_ended: bool) -> Response {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let next = uri.path_and_query().map_or("/", |path| path.as_str());
    if own_path(next) {
        query.append_pair("next", next);
    }
    if has_ended {
        query.append_pair("ended", "1");
    }
    see(&console.link(&format!("/sign-in?{}", query.finish())))
}

/// The form; with a token in the address it signs in.
pub(crate) async fn form(State(console): State<Shared>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let fields = fields(query.as_deref().unwrap_or_default().as_bytes());
    if let Some(token) = fields.get("token") {
        return enter(&console, token, fields.get("next"), &headers);
    }
    page(&console, StatusCode::OK, fields.get("next"), None, fields.get("ended").is_some())
}

/// Takes the form.
pub(crate) async fn submit(State(console): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let fields = Fields::of(&body);
    let next = fields.get("next");
    match fields.get("token").map(str::trim) {
        None | Some("") => page(&console, StatusCode::BAD_REQUEST, next, Some("Paste a token"), false),
        Some(token) => enter(&console, token, next, &headers),
    }
}

/// Ends the session.
pub(crate) async fn out(State(console): State<Shared>, headers: HeaderMap) -> Response {
    let is_https = headers::is_https(console.origin(), &headers);
    let cookie = session::clear_cookie(console.cookie_path(), is_https);
    (StatusCode::SEE_OTHER, [(header::LOCATION, console.link("/sign-in")), (header::SET_COOKIE, cookie)])
        .into_response()
}

fn enter(console: &Console, token: &str, next: Option<&str>, headers: &HeaderMap) -> Response {
    let staff = match session::staff(console.verifier(), token) {
        Ok(staff) => staff,
        Err(problem) => {
            let status = match problem {
                TokenProblem::Refused => StatusCode::UNAUTHORIZED,
                TokenProblem::Supplier(_) | TokenProblem::NoRole | TokenProblem::UnknownRole(_) => {
                    StatusCode::FORBIDDEN
                }
            };
            return page(console, status, next, Some(&problem.to_string()), false);
        }
    };
    let next = next.unwrap_or("/");
    if !own_path(next) {
        let frame = Frame { console, staff: None, room: None, title: "Sign in" };
        return Problem::new(
            StatusCode::BAD_REQUEST,
            "This link leads out of the console",
            format!("The address asks to go on to '{next}', which is no page of the console. You are not signed in."),
        )
        .link(console.link("/sign-in"), "Sign in")
        .respond(&frame);
    }
    let is_https = headers::is_https(console.origin(), headers);
    let now = console.source().now();
    let cookie = session::set_cookie(token, &staff, now, console.cookie_path(), is_https);
    tracing::info!(staff = %staff.name, role = staff.role.name(), "signed in");
    (StatusCode::SEE_OTHER, [(header::LOCATION, console.link(next)), (header::SET_COOKIE, cookie)]).into_response()
}

fn page(console: &Console, status: StatusCode, next: Option<&str>, error: Option<&str>, has_ended: bool) -> Response {
    let title = if error.is_some() { "Error: Sign in" } else { "Sign in" };
    let frame = Frame { console, staff: None, room: None, title };
    frame.page(status, None, &body(console, next, error, has_ended))
}

fn body(console: &Console, next: Option<&str>, error: Option<&str>, has_ended: bool) -> Markup {
    let described = if error.is_some() { "token-hint token-error" } else { "token-hint" };
    html! {
        div class="nhsuk-grid-row" {
            div class="nhsuk-grid-column-two-thirds" {
                @if let Some(error) = error {
                    div class="nhsuk-error-summary" aria-labelledby="error-summary-title" role="alert" tabindex="-1" {
                        h2 class="nhsuk-error-summary__title" id="error-summary-title" { "There is a problem" }
                        div class="nhsuk-error-summary__body" {
                            ul class="nhsuk-list nhsuk-error-summary__list" { li { a href="#token" { (error) } } }
                        }
                    }
                }
                h1 { "Sign in" }
                @if has_ended && error.is_none() {
                    (empty(html! { "Your sign-in has ended. Sign in again to go on." }))
                }
                p { "This is a sandbox with made-up people. You sign in with a token that its issuer makes for you." }
                form method="post" action=(console.link("/sign-in")) novalidate {
                    div class={ "nhsuk-form-group" @if error.is_some() { " nhsuk-form-group--error" } } {
                        label class="nhsuk-label nhsuk-label--s" for="token" { "Staff token" }
                        div class="nhsuk-hint" id="token-hint" {
                            "Make one with " code { "cargo ims token --staff NAME --role ROLE" } " and paste what it prints. "
                            "The roles are planner, analyst, engineer, agent, records-officer and auditor."
                        }
                        @if let Some(error) = error {
                            span class="nhsuk-error-message" id="token-error" {
                                span class="nhsuk-u-visually-hidden" { "Error: " } (error)
                            }
                        }
                        textarea class={ "nhsuk-textarea" @if error.is_some() { " nhsuk-textarea--error" } }
                            id="token" name="token" rows="4" autocomplete="off" spellcheck="false"
                            aria-describedby=(described) {}
                    }
                    @if let Some(next) = next.filter(|next| own_path(next)) {
                        input type="hidden" name="next" value=(next);
                    }
                    button class="nhsuk-button" type="submit" { "Sign in" }
                }
            }
        }
    }
}

/// Answers what did not come from one of the console's own pages.
pub(crate) fn elsewhere(console: &Console) -> Response {
    let frame = Frame { console, staff: None, room: None, title: "Sign in" };
    Problem::new(
        StatusCode::FORBIDDEN,
        "This request did not come from the console",
        "The browser says that another site sent it, or does not say which. Nothing was changed.".to_owned(),
    )
    .then("Open the console and try again there.")
    .link(console.link("/"), "Open the console")
    .respond(&frame)
}

/// Whether an address is a page of the console, written below its base: nothing that a browser could read as another
/// site.
fn own_path(next: &str) -> bool {
    let path = next.split('?').next().unwrap_or_default();
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#');
    let is_room = |room: Room| {
        path.strip_prefix(room.path()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == ".csv")
    };
    is_plain && !path.contains("//") && !path.contains("..") && (path == "/" || Room::ALL.into_iter().any(is_room))
}

pub(crate) fn see(location: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, location.to_owned())]).into_response()
}

/// A form's fields.
#[derive(Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The fields of a form that was posted; none of one that is too long.
    pub(crate) fn of(body: &[u8]) -> Self {
        if body.len() > LONGEST_FORM { Self::default() } else { fields(body) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn fields(text: &[u8]) -> Fields {
    Fields(form_urlencoded::parse(text).into_owned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_leads_to_a_page_of_the_console_only() {
        for next in ["/", "/picture", "/picture?campaign=flu&area=Y56", "/campaigns/flu-2025", "/picture.csv?sort=name"]
        {
            assert!(own_path(next), "{next}");
        }
        for next in [
            "",
            "//example.org",
            "/\\example.org",
            "https://example.org/picture",
            "/picture/..//example.org",
            "/pictures",
            "/sign-out",
            "picture",
            "/picture\r\nx: y",
            "/picture#x",
            "@example.org",
        ] {
            assert!(!own_path(next), "{next}");
        }
    }
}
