//! The frame of every page: header, navigation, main part, footer; and pages that tell a problem.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::Console;
use crate::rooms::Room;
use crate::session::Staff;
use crate::source::SourceError;

/// Seconds after which a page that refreshes itself is asked for again.
const REFRESH_SECONDS: u32 = 20;

/// What is around a page.
pub(crate) struct Frame<'a> {
    pub(crate) console: &'a Console,
    pub(crate) staff: Option<&'a Staff>,
    pub(crate) room: Option<Room>,
    pub(crate) title: &'a str,
}

impl Frame<'_> {
    /// A page. With a version it refreshes itself, where scripts run, whenever the version changed.
    pub(crate) fn page(&self, status: StatusCode, version: Option<&str>, body: &Markup) -> Response {
        let asset =
            |plain: &str| self.console.assets().name(plain).map(|name| self.console.link(&format!("/assets/{name}")));
        let refresh = version.map(|_| REFRESH_SECONDS);
        let page = html! {
            (DOCTYPE)
            html lang="en-GB" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="robots" content="noindex";
                    title { (self.title) " – Immunisation Management Service" }
                    @if let Some(style) = asset("app.css") { link rel="stylesheet" href=(style); }
                    // Without a file an empty one, so that the browser does not ask the host for it.
                    link rel="icon" href=(asset("favicon.svg").unwrap_or_else(|| "data:,".to_owned()));
                    @if let Some(script) = asset("app.js") { script src=(script) type="module" {} }
                }
                body {
                    a class="nhsuk-skip-link" href="#maincontent" { "Skip to main content" }
                    (self.header())
                    div class="nhsuk-width-container" {
                        main class="nhsuk-main-wrapper" id="maincontent" tabindex="-1"
                            data-refresh=[refresh] data-version=[version] { (body) }
                    }
                    footer class="nhsuk-footer" role="contentinfo" {
                        div class="nhsuk-width-container" {
                            p class="nhsuk-footer__copyright" {
                                "Sandbox: everybody in it is made up. Areas and outlines: Office for National Statistics, "
                                "Open Government Licence v3.0; contains OS data © Crown copyright and database right."
                            }
                        }
                    }
                }
            }
        };
        (status, Html(page.into_string())).into_response()
    }

    fn header(&self) -> Markup {
        html! {
            header class="nhsuk-header" role="banner" {
                div class="nhsuk-header__container nhsuk-width-container" {
                    div class="nhsuk-header__service" {
                        a class="nhsuk-header__service-name" href=(self.console.link("/")) {
                            "Immunisation Management Service"
                        }
                    }
                    @if let Some(staff) = self.staff {
                        nav class="nhsuk-header__account" aria-label="Account" {
                            ul class="nhsuk-header__account-list" {
                                li class="nhsuk-header__account-item" { (staff.name) ", " (staff.role.name()) }
                                li class="nhsuk-header__account-item" {
                                    form class="nhsuk-header__account-form" method="post"
                                        action=(self.console.link("/sign-out")) {
                                        button class="nhsuk-header__account-button" type="submit" { "Sign out" }
                                    }
                                }
                            }
                        }
                    }
                }
                @if let Some(staff) = self.staff.filter(|staff| staff.role.rooms().next().is_some()) {
                    nav class="nhsuk-header__navigation" aria-label="Rooms" {
                        div class="nhsuk-header__navigation-container nhsuk-width-container" {
                            ul class="nhsuk-header__navigation-list" {
                                @for room in staff.role.rooms() {
                                    @let is_here = self.room == Some(room);
                                    li class={ "nhsuk-header__navigation-item" @if is_here { " nhsuk-header__navigation-item--current" } } {
                                        a class="nhsuk-header__navigation-link" href=(self.console.link(room.path()))
                                            aria-current=[is_here.then_some("page")] { (room.name()) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// A page that tells a problem.
    pub(crate) fn answer(&self, page: Result<(Markup, Option<String>), Problem>) -> Response {
        match page {
            Ok((body, version)) => self.page(StatusCode::OK, version.as_deref(), &body),
            Err(problem) => problem.respond(self),
        }
    }
}

/// Something that stops a page, told with what to do.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    title: String,
    paragraphs: Vec<String>,
    link: Option<(String, String)>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, title: &str, what: String) -> Self {
        Self { status, title: title.to_owned(), paragraphs: vec![what], link: None }
    }

    /// Adds what to do.
    pub(crate) fn then(mut self, what: &str) -> Self {
        self.paragraphs.push(what.to_owned());
        self
    }

    /// Adds where to go.
    pub(crate) fn link(mut self, href: String, text: &str) -> Self {
        self.link = Some((href, text.to_owned()));
        self
    }

    /// A part of the system did not answer. The cause goes to the log, not to the page.
    pub(crate) fn unreadable(error: &SourceError) -> Self {
        tracing::error!(error = %error, cause = %error.source, "a source could not be read");
        Self::new(StatusCode::BAD_GATEWAY, "This page cannot be shown just now", format!("{error}.", error = capital(error)))
            .then("Reload the page in a minute. If it stays so, tell an engineer on call: the log of the console names the cause.")
    }

    pub(crate) fn respond(&self, frame: &Frame<'_>) -> Response {
        let body = html! {
            div class="nhsuk-grid-row" {
                div class="nhsuk-grid-column-two-thirds" {
                    h1 { (self.title) }
                    @for paragraph in &self.paragraphs { p { (paragraph) } }
                    @if let Some((href, text)) = &self.link { p { a href=(href) { (text) } } }
                }
            }
        };
        Frame { console: frame.console, staff: frame.staff, room: frame.room, title: &self.title }.page(
            self.status,
            None,
            &body,
        )
    }
}

fn capital(error: &SourceError) -> String {
    crate::words::capital(&error.to_string())
}

/// Data for a script, in a block that no browser runs. `<` is written so that the block cannot be left.
pub(crate) fn data<T: serde::Serialize>(value: &T) -> Markup {
    let text = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    let text = text.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    html! { script type="application/json" { (PreEscaped(text)) } }
}

/// A warning to be noticed.
pub(crate) fn warning(text: &str) -> Markup {
    html! {
        div class="nhsuk-warning-callout ims-warning" {
            h2 class="nhsuk-warning-callout__label" { span role="text" { span class="nhsuk-u-visually-hidden" { "Important: " } "Warning" } }
            p { (text) }
        }
    }
}

/// What an empty page says, with what to do next.
pub(crate) fn empty(text: Markup) -> Markup {
    html! { div class="nhsuk-inset-text" { span class="nhsuk-u-visually-hidden" { "Information: " } p { (text) } } }
}
