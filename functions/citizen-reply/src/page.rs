//! The pages: plain HTML that needs no script, in the visitor's language, with the telephone number on each.

use ims_domain::reply::{Answer, LANGUAGES, WishedFormat};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Value, json};

use crate::door::{Door, Visitor, is_text};
use crate::request::Request;
use crate::words::{Language, endonym};

/// The pages use their own style sheet and nothing else, and nothing frames them.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const STYLE: &str = include_str!("style.css");

/// A page, or its style sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// What it says.
    pub body: String,
    content_type: &'static str,
}

impl Page {
    /// As API Gateway takes it.
    #[must_use]
    pub fn answer(self) -> Value {
        let kept = if self.content_type == "text/css" { "public, max-age=3600" } else { "no-store" };
        json!({
            "statusCode": self.status,
            "headers": {
                "Content-Type": format!("{}; charset=utf-8", self.content_type),
                "Cache-Control": kept,
                "Content-Security-Policy": POLICY,
                "Referrer-Policy": "no-referrer",
                "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
                "X-Content-Type-Options": "nosniff",
                "X-Frame-Options": "DENY",
                "X-Robots-Tag": "noindex, nofollow",
            },
            "multiValueHeaders": {},
            "isBase64Encoded": false,
            "body": self.body,
        })
    }
}

/// What is wrong with a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// No code.
    Code,
    /// No date.
    Birth,
    /// Code and date of birth do not go together.
    Match,
    /// Nothing was chosen.
    Choice,
}

impl Wrong {
    fn text(self, language: Language) -> &'static str {
        let words = language.words();
        match self {
            Self::Code => words.code_wrong,
            Self::Birth => words.birth_wrong,
            Self::Match => words.no_match,
            Self::Choice => words.choose,
        }
    }

    /// The field to go to.
    fn field(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Birth | Self::Match => "day",
            Self::Choice => "answer-0",
        }
    }
}

/// What every page has around its content. `here` is its address where it can be asked for in another language.
struct Frame<'a> {
    door: &'a Door,
    language: Language,
    title: &'a str,
    wrong: Option<Wrong>,
    here: Option<String>,
}

impl Frame<'_> {
    fn page(&self, status: u16, content: &Markup) -> Page {
        let (words, door, language) = (self.language.words(), self.door, self.language);
        let page = html! {
            (DOCTYPE)
            html lang=(language.code()) dir=(language.direction()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { @if self.wrong.is_some() { (words.error) ": " } (self.title) " – " (words.service) }
                    link rel="stylesheet" href={ (door.base) "/style.css" };
                }
                body {
                    a class="skip" href="#main" { (words.skip) }
                    header { p { (words.service) } }
                    @if let Some(here) = &self.here {
                        nav aria-label=(words.languages) {
                            ul {
                                @for other in Language::ALL {
                                    li {
                                        @if other == language { span lang=(other.code()) aria-current="true" { (endonym(other.code())) } }
                                        @else { a lang=(other.code()) hreflang=(other.code()) href={ (here) "?lang=" (other.code()) } { (endonym(other.code())) } }
                                    }
                                }
                            }
                        }
                    }
                    main id="main" tabindex="-1" {
                        @if let Some(wrong) = self.wrong {
                            div class="summary" role="alert" aria-labelledby="problem" {
                                h2 id="problem" { (words.problem) }
                                a href={ "#" (wrong.field()) } { (wrong.text(language)) }
                            }
                        }
                        h1 { (self.title) }
                        (content)
                    }
                    footer { p { (words.telephone) bdi { (door.phone) } (words.telephone_end) } }
                }
            }
        };
        Page { status, body: page.into_string(), content_type: "text/html" }
    }
}

/// The style sheet.
pub(crate) fn style() -> Page {
    Page { status: 200, body: STYLE.to_owned(), content_type: "text/css" }
}

/// Asks for a letter's code.
pub(crate) fn ask_code(door: &Door, language: Language, request: &Request, wrong: Option<Wrong>) -> Page {
    let words = language.words();
    let is_code = wrong == Some(Wrong::Code);
    let content = html! {
        p { (words.code_intro) }
        form method="post" action=(door.base) novalidate {
            (carried(language, None))
            div class={ "field" @if is_code { " wrong" } } {
                label for="code" { (words.code) }
                p class="hint" id="code-hint" { (words.code_hint) }
                @if is_code { p class="error" id="code-error" { (words.code_wrong) } }
                input class="code" id="code" name="code" type="text" dir="ltr" autocomplete="off" autocapitalize="characters" spellcheck="false"
                    value=(request.field("code")) aria-describedby={ "code-hint" @if is_code { " code-error" } };
            }
            (birth(language, request, wrong, true))
            button type="submit" { (words.go_on) }
        }
    };
    let frame = Frame { door, language, title: words.code_title, wrong, here: Some(door.base.clone()) };
    frame.page(if wrong.is_some() { 422 } else { 200 }, &content)
}

/// The fields of a date of birth.
fn birth(language: Language, request: &Request, wrong: Option<Wrong>, is_optional: bool) -> Markup {
    let words = language.words();
    let shown = wrong.filter(|wrong| matches!(wrong, Wrong::Birth | Wrong::Match));
    html! {
        fieldset class=[shown.map(|_| "wrong")] aria-describedby={ "birth-hint" @if shown.is_some() { " birth-error" } } {
            legend { (words.birth) }
            p class="hint" id="birth-hint" { (words.birth_hint) @if is_optional { ". " (words.birth_optional) } }
            @if let Some(wrong) = shown { p class="error" id="birth-error" { (wrong.text(language)) } }
            div class="date" {
                @for (name, label, width) in [("day", words.day, "two"), ("month", words.month, "two"), ("year", words.year, "four")] {
                    div {
                        label for=(name) { (label) }
                        input class=(width) id=(name) name=(name) type="text" inputmode="numeric" dir="ltr" autocomplete="off" value=(request.field(name));
                    }
                }
            }
        }
    }
}

/// What every form carries on: the language, and the pass.
fn carried(language: Language, pass: Option<&str>) -> Markup {
    html! {
        input type="hidden" name="lang" value=(language.code());
        @if let Some(pass) = pass { input type="hidden" name="pass" value=(pass); }
    }
}

/// Offers the answers that a visitor may give; `link` is what they came by, where they may ask for it in another language.
pub(crate) fn choices(
    door: &Door,
    language: Language,
    visitor: &Visitor,
    wrong: Option<Wrong>,
    link: Option<&str>,
) -> Page {
    let words = language.words();
    let is_choice = wrong == Some(Wrong::Choice);
    let nothing = Request { is_post: false, path: String::new(), language, form: Default::default() };
    let content = html! {
        @if visitor.is_plausible { p { (words.about) strong { (words.programme(visitor.message.programme)) } "." } }
        form method="post" action={ (door.base) "/answer" } {
            (carried(language, Some(&visitor.pass)))
            fieldset class=[is_choice.then_some("wrong")] aria-describedby=[is_choice.then_some("choice-error")] {
                legend { (words.choose) }
                @if is_choice { p class="error" id="choice-error" { (words.choose) } }
                @for (place, answer) in visitor.offered().iter().enumerate() {
                    div class="choice" {
                        input type="radio" name="answer" id={ "answer-" (place) } value=(answer.name());
                        label for={ "answer-" (place) } { (words.offer(answer)) }
                    }
                }
            }
            button type="submit" { (words.go_on) }
        }
        @if !visitor.is_plausible {
            h2 { (words.more_title) }
            p { (words.more_intro) }
            form method="post" action={ (door.base) "/birth" } novalidate {
                (carried(language, Some(&visitor.pass)))
                (birth(language, &nothing, wrong, false))
                button type="submit" { (words.go_on) }
            }
        }
    };
    // A link opens again in another language; what was typed does not.
    let here = link.filter(|_| is_text(&visitor.message)).map(|link| format!("{}/{link}", door.base));
    let frame = Frame { door, language, title: words.choices_title, wrong, here };
    frame.page(if wrong.is_some() { 422 } else { 200 }, &content)
}

/// Asks which language.
pub(crate) fn which_language(door: &Door, language: Language, visitor: &Visitor) -> Page {
    let offered = LANGUAGES.map(|code| (code, html! { span lang=(code) dir="auto" { (endonym(code)) } }));
    which(door, language, visitor, "language", language.words().language_title, &offered)
}

/// Asks which format.
pub(crate) fn which_format(door: &Door, language: Language, visitor: &Visitor) -> Page {
    let words = language.words();
    let offered = WishedFormat::ALL.map(|format| (format.name(), html! { (words.format(format)) }));
    which(door, language, visitor, "format", words.format_title, &offered)
}

fn which(
    door: &Door,
    language: Language,
    visitor: &Visitor,
    answer: &str,
    title: &str,
    offered: &[(&str, Markup)],
) -> Page {
    let words = language.words();
    let content = html! {
        form method="post" action={ (door.base) "/answer" } {
            (carried(language, Some(&visitor.pass)))
            input type="hidden" name="answer" value=(answer);
            fieldset {
                legend { (words.choose) }
                @for (place, (value, label)) in offered.iter().enumerate() {
                    div class="choice" {
                        input type="radio" name="value" id={ "value-" (place) } value=(value);
                        label for={ "value-" (place) } { (label) }
                    }
                }
            }
            button type="submit" { (words.go_on) }
        }
    };
    Frame { door, language, title, wrong: None, here: None }.page(200, &content)
}

/// Says what follows from an answer. After a death nothing more is asked, and no way on is shown.
pub(crate) fn done(door: &Door, language: Language, answer: &Answer) -> Page {
    let words = language.words();
    let content = html! {
        p { (words.effect(answer)) }
        @if *answer != Answer::Bereaved { p { (words.done_again) } }
    };
    Frame { door, language, title: words.done_title, wrong: None, here: None }.page(200, &content)
}

fn told(door: &Door, language: Language, status: u16, title: &str, text: &str) -> Page {
    let again = html! { p { a href={ (door.base) "?lang=" (language.code()) } { (language.words().code_title) } } };
    let again = if status == 404 { again } else { PreEscaped(String::new()) };
    let content = html! { p { (text) } (again) };
    Frame { door, language, title, wrong: None, here: None }.page(status, &content)
}

/// There is no such page, or the visitor may not see it, or waited too long.
pub(crate) fn nowhere(door: &Door, language: Language) -> Page {
    let words = language.words();
    told(door, language, 404, words.nowhere_title, words.nowhere)
}

/// The date of birth was tried too often.
pub(crate) fn too_often(door: &Door, language: Language) -> Page {
    let words = language.words();
    told(door, language, 429, words.often_title, words.often)
}

/// It cannot be noted now.
pub(crate) fn later(door: &Door, language: Language) -> Page {
    let words = language.words();
    told(door, language, 503, words.later_title, words.later)
}
