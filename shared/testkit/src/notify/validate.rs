//! Notify's checks of a request to send, with its messages.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::store::Channel;

/// Longest text, in characters.
const LONGEST_TEXT: usize = 918;
/// Longest reference, in characters.
const LONGEST_REFERENCE: usize = 1000;

/// A valid request to send.
pub(super) struct Send {
    /// The number as it was given; the address in one line.
    pub(super) to: String,
    /// Address lines of a letter.
    pub(super) address: Vec<String>,
    pub(super) reference: Option<String>,
    pub(super) template: Uuid,
    pub(super) body: String,
    pub(super) subject: Option<String>,
}

/// What becomes of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Delivered,
    PermanentFailure,
    TemporaryFailure,
}

/// By number, as with Notify's test keys.
pub(super) fn outcome(number: &str) -> Outcome {
    match national(number).as_deref() {
        Ok("7700900002") => Outcome::PermanentFailure,
        Ok("7700900003") => Outcome::TemporaryFailure,
        _ => Outcome::Delivered,
    }
}

/// Whether it is one of the numbers for smoke tests.
pub(super) fn is_smoke_number(number: &str) -> bool {
    matches!(national(number).as_deref(), Ok("7700900000" | "7700900111" | "7700900222"))
}

type Problems = Vec<(String, String)>;

/// Checks a request body; all schema errors, or the first of the others.
pub(super) fn send(channel: Channel, body: &[u8]) -> Result<Send, Problems> {
    let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(body) else {
        return Err(bad_request("Invalid JSON supplied in POST data"));
    };
    schema(channel, &fields)?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let empty = Map::new();
    let personalisation = fields.get("personalisation").and_then(Value::as_object).unwrap_or(&empty);
    let value = |name: &str| personalisation.get(name).and_then(plain);
    let (to, address) = match channel {
        Channel::Sms => {
            let number = text("phone_number").unwrap_or_default();
            national(&number)?;
            (number, Vec::new())
        }
        Channel::Letter => {
            let address = address(personalisation)?;
            (address.join(", "), address)
        }
    };
    let Some(body) = value("body") else {
        return Err(bad_request("Missing personalisation: body"));
    };
    if channel == Channel::Sms && body.chars().count() > LONGEST_TEXT {
        return Err(bad_request(&format!(
            "Text messages cannot be longer than {LONGEST_TEXT} characters. Your message is {} characters long.",
            body.chars().count()
        )));
    }
    Ok(Send {
        to,
        address,
        reference: text("reference"),
        template: text("template_id").and_then(|id| Uuid::try_parse(&id).ok()).unwrap_or_default(),
        body,
        subject: value("subject"),
    })
}

fn schema(channel: Channel, fields: &Map<String, Value>) -> Result<(), Problems> {
    let (required, allowed): (&[&str], &[&str]) = match channel {
        Channel::Sms => (
            &["phone_number", "template_id"],
            &["phone_number", "template_id", "personalisation", "reference", "sms_sender_id"],
        ),
        Channel::Letter => {
            (&["template_id", "personalisation"], &["template_id", "personalisation", "reference", "postage"])
        }
    };
    let mut problems = Vec::new();
    for name in required.iter().filter(|name| !fields.contains_key(**name)) {
        problems.push(validation(format!("{name} is a required property")));
    }
    let unexpected: Vec<&str> = fields.keys().map(String::as_str).filter(|name| !allowed.contains(name)).collect();
    if !unexpected.is_empty() {
        let were = if unexpected.len() == 1 { "was" } else { "were" };
        problems.push(validation(format!(
            "Additional properties are not allowed ({} {were} unexpected)",
            unexpected.join(", ")
        )));
    }
    for (name, value) in fields {
        match name.as_str() {
            "phone_number" if !value.is_string() => {
                problems.push(validation(format!("phone_number {value} is not of type string")))
            }
            "template_id" | "sms_sender_id" if value.as_str().is_none_or(|id| Uuid::try_parse(id).is_err()) => {
                problems.push(validation(format!("{name} is not a valid UUID")));
            }
            "personalisation" if !value.is_object() => {
                problems.push(validation(format!(
                    "personalisation {} is not of type object",
                    plain(value).unwrap_or_default()
                )));
            }
            "reference" if !value.is_string() && !value.is_null() => {
                problems.push(validation(format!("reference {value} is not of type string")))
            }
            "reference" if value.as_str().is_some_and(|text| text.chars().count() > LONGEST_REFERENCE) => {
                problems.push(validation(format!("reference {} is too long", value.as_str().unwrap_or_default())));
            }
            "postage" if !matches!(value.as_str(), Some("first" | "second" | "economy")) => {
                problems.push(validation("postage invalid. It must be either first, second or economy.".into()));
            }
            _ => {}
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The ten digits of a UK mobile number after its 0 or 44.
fn national(number: &str) -> Result<String, Problems> {
    let wrong = |message: &str| vec![validation(format!("phone_number {message}"))];
    let mut digits = String::new();
    for character in number.chars() {
        match character {
            '0'..='9' => digits.push(character),
            ' ' | '(' | ')' | '-' | '+' | '.' => {}
            _ => return Err(wrong("Must not contain letters or symbols")),
        }
    }
    if number.trim_start().starts_with('+') && !digits.starts_with("44") {
        return Err(bad_request("Cannot send to international mobile numbers"));
    }
    let rest = digits.trim_start_matches('0');
    let rest = rest.strip_prefix("44").unwrap_or(rest).trim_start_matches('0');
    if !rest.starts_with('7') {
        return Err(wrong("Not a UK mobile number"));
    }
    match rest.len() {
        10 => Ok(rest.to_owned()),
        length if length < 10 => Err(wrong("Not enough digits")),
        _ => Err(wrong("Too many digits")),
    }
}

fn address(personalisation: &Map<String, Value>) -> Result<Vec<String>, Problems> {
    let mut lines = Vec::new();
    for name in [
        "address_line_1",
        "address_line_2",
        "address_line_3",
        "address_line_4",
        "address_line_5",
        "address_line_6",
        "address_line_7",
        "postcode",
    ] {
        let line = personalisation.get(name).and_then(plain).map(|line| line.trim().to_owned()).unwrap_or_default();
        if line.is_empty() && name == "address_line_1" {
            return Err(vec![validation("personalisation address_line_1 is a required property".into())]);
        }
        if !line.is_empty() {
            lines.push(line);
        }
    }
    let fails = |message: &str| Err(vec![validation(message.into())]);
    if lines.len() < 3 {
        return fails("Address must be at least 3 lines");
    }
    if lines.len() > 7 {
        return fails("Address must be no more than 7 lines");
    }
    if lines.iter().any(|line| line.starts_with(['@', '(', ')', '=', '[', ']', '”', '\\', '/', ',', '<', '>'])) {
        return fails("Address lines must not start with any of the following characters: @ ( ) = [ ] ” \\ / , < >");
    }
    if lines.iter().take(2).any(|line| !line.chars().any(char::is_alphanumeric)) {
        return fails("The first 2 lines of the address must include alphanumeric characters");
    }
    if !lines.last().is_some_and(|line| is_postcode(line)) {
        return fails("Last line of address must be a real UK postcode or another country");
    }
    if lines.iter().any(|line| line.eq_ignore_ascii_case("NFA") || line.eq_ignore_ascii_case("no fixed abode")) {
        return fails("Must be a real address");
    }
    Ok(lines)
}

/// By shape alone: one or two letters, a district, a digit and two letters.
fn is_postcode(line: &str) -> bool {
    let code: Vec<char> = line.chars().filter(|character| !character.is_whitespace()).collect();
    if !(5..=7).contains(&code.len()) || !code.iter().all(char::is_ascii_alphanumeric) {
        return false;
    }
    let (outward, inward) = code.split_at(code.len() - 3);
    let letters = outward.iter().take_while(|character| character.is_ascii_alphabetic()).count();
    inward[0].is_ascii_digit()
        && inward[1..].iter().all(char::is_ascii_alphabetic)
        && (1..=2).contains(&letters)
        && outward.get(letters).is_some_and(char::is_ascii_digit)
}

/// A value as it stands in a text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn validation(message: String) -> (String, String) {
    ("ValidationError".into(), message)
}

fn bad_request(message: &str) -> Problems {
    vec![("BadRequestError".into(), message.into())]
}
