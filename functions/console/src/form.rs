//! The fields that open a record or a trail: an NHS number and a reason, with what is wrong with them.

use axum::http::StatusCode;
use ims_domain::NhsNumber;
use maud::{Markup, html};

use crate::Console;
use crate::layout::Problem;
use crate::person::read_reason;
use crate::sign_in::Fields;

/// What a form was given, read; or what is wrong with it.
#[derive(Default)]
pub(crate) struct Given {
    written_number: String,
    written_reason: String,
    number: Option<Result<NhsNumber, String>>,
    reason: Option<Result<String, String>>,
    reason_id: Option<&'static str>,
}

impl Given {
    /// With another id for its reason, where a page has two.
    pub(crate) fn with_reason_id(self, id: &'static str) -> Self {
        Self { reason_id: Some(id), ..self }
    }

    fn reason_id(&self) -> &'static str {
        self.reason_id.unwrap_or("reason")
    }

    /// What was posted.
    pub(crate) fn of(fields: &Fields, with_number: bool) -> Self {
        let text = |name: &str| fields.get(name).unwrap_or_default().trim().to_owned();
        let (written_number, written_reason) = (text("number"), text("reason"));
        let digits: String =
            written_number.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').collect();
        let number = with_number.then(|| {
            digits.parse().map_err(|_| match digits.as_str() {
                "" => "Enter an NHS number".to_owned(),
                _ => "Enter an NHS number of 10 digits, such as 999 000 0018: its last digit must fit the others"
                    .to_owned(),
            })
        });
        Self { reason: Some(read_reason(&written_reason)), number, written_number, written_reason, reason_id: None }
    }

    /// The number, where it is one.
    pub(crate) fn number(&self) -> Option<NhsNumber> {
        self.number.as_ref()?.as_ref().ok().copied()
    }

    /// The reason, where it is one.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_ref()?.as_ref().ok().map(String::as_str)
    }

    fn wrong_number(&self) -> Option<&str> {
        self.number.as_ref()?.as_ref().err().map(String::as_str)
    }

    fn wrong_reason(&self) -> Option<&str> {
        self.reason.as_ref()?.as_ref().err().map(String::as_str)
    }
}

/// What is wrong, above the form.
pub(crate) fn summary(given: &Given) -> Markup {
    let wrong = [("number", given.wrong_number()), (given.reason_id(), given.wrong_reason())];
    html! {
        @if wrong.iter().any(|(_, what)| what.is_some()) {
            div class="nhsuk-error-summary" aria-labelledby="error-title" role="alert" tabindex="-1" {
                h2 class="nhsuk-error-summary__title" id="error-title" { "There is a problem" }
                div class="nhsuk-error-summary__body" {
                    ul class="nhsuk-list nhsuk-error-summary__list" {
                        @for (field, what) in wrong { @if let Some(what) = what { li { a href={ "#" (field) } { (what) } } } }
                    }
                }
            }
        }
    }
}

/// The field for an NHS number.
pub(crate) fn number(given: &Given) -> Markup {
    field("number", "NHS number", "10 digits; spaces do not matter", given.wrong_number(), |described| {
        html! {
            input class={ "nhsuk-input nhsuk-input--width-10" @if given.wrong_number().is_some() { " nhsuk-input--error" } }
                id="number" name="number" type="text" inputmode="numeric" autocomplete="off" spellcheck="false"
                value=(given.written_number) aria-describedby=(described);
        }
    })
}

/// The field for a reason.
pub(crate) fn reason(given: &Given) -> Markup {
    let hint = "For example the reference of a complaint or a call. No names and no NHS numbers.";
    let id = given.reason_id();
    field(id, "Reason", hint, given.wrong_reason(), |described| {
        html! {
            input class={ "nhsuk-input" @if given.wrong_reason().is_some() { " nhsuk-input--error" } }
                id=(id) name="reason" type="text" autocomplete="off" maxlength="200"
                value=(given.written_reason) aria-describedby=(described);
        }
    })
}

/// A labelled field with its hint and what is wrong with it.
pub(crate) fn field(
    id: &str,
    label: &str,
    hint: &str,
    wrong: Option<&str>,
    input: impl FnOnce(String) -> Markup,
) -> Markup {
    let described = if wrong.is_some() { format!("{id}-hint {id}-error") } else { format!("{id}-hint") };
    html! {
        div class={ "nhsuk-form-group" @if wrong.is_some() { " nhsuk-form-group--error" } } {
            label class="nhsuk-label" for=(id) { (label) }
            div class="nhsuk-hint" id={ (id) "-hint" } { (hint) }
            @if let Some(wrong) = wrong {
                span class="nhsuk-error-message" id={ (id) "-error" } { span class="nhsuk-u-visually-hidden" { "Error: " } (wrong) }
            }
            (input(described))
        }
    }
}

/// Nobody is known by the number.
pub(crate) fn nobody(console: &Console, back: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "Nobody is known by this NHS number", "That you asked is noted.".to_owned())
        .then("Check the number. Somebody of whom no demographics, vaccination or booking ever came is not known here.")
        .link(console.link(back), "Try another number")
}
