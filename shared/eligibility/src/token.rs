//! Text tokens: `[[PERSON.POSTCODE]]`, `[[TARGET.FLU.LAST_SUCCESSFUL_DATE:DATE(%d %B %Y)]]`,
//! `[[TARGET.COVID.NEXT_DOSE_DUE:ADD_DAYS(91):DATE(%-d %B %Y)]]`.

use jiff::Span;
use jiff::civil::Date;
use jiff::fmt::strtime;

use crate::campaign::CONDITIONS;
use crate::facts::Facts;
use crate::operator::parse_date;

/// Days that `ADD_DAYS()` adds when it does not say.
const DEFAULT_DAYS: i32 = 91;

const TARGET_ATTRIBUTES: [&str; 11] = [
    "ATTRIBUTE_TYPE",
    "VALID_DOSES_COUNT",
    "INVALID_DOSES_COUNT",
    "LAST_SUCCESSFUL_DATE",
    "SUCCESSFUL_PROCEDURE_COUNT",
    "LAST_VALID_DOSE_DATE",
    "BOOKED_APPOINTMENT_DATE",
    "BOOKED_APPOINTMENT_PROVIDER",
    "LAST_INVITE_DATE",
    "LAST_INVITE_STATUS",
    "NEXT_DOSE_DUE",
];

const PERSON_ATTRIBUTES: [&str; 18] = [
    "NHS_NUMBER",
    "ATTRIBUTE_TYPE",
    "DATE_OF_BIRTH",
    "GENDER",
    "POSTCODE",
    "POSTCODE_SECTOR",
    "POSTCODE_OUTCODE",
    "LSOA",
    "MSOA",
    "LOCAL_AUTHORITY",
    "GP_PRACTICE_CODE",
    "PCN",
    "ICB",
    "ICB_OF_RESIDENCE",
    "COMMISSIONING_REGION",
    "CARE_HOME_FLAG",
    "DE_FLAG",
    "13Q_FLAG",
];

/// A text token that cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not of the form a token has.
    #[error("token {token:?} is malformed: {reason}")]
    Malformed {
        /// The token, with its brackets.
        token: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Names something that nobody has.
    #[error("token {token:?} names {name:?}, which does not exist")]
    Unknown {
        /// The token, with its brackets.
        token: String,
        /// The name at fault.
        name: String,
    },
    /// The person's value is not a date, or the date cannot be written so. The message leaves the value out: it is
    /// personal, and messages are logged.
    #[error("token {token:?} cannot show the person's value as a date")]
    NotADate {
        /// The token, with its brackets.
        token: String,
        /// The value at fault.
        value: String,
    },
}

enum Source {
    Person(String),
    Target(String, String),
}

struct Token<'a> {
    token: &'a str,
    source: Source,
    /// Days to add, and the attribute to add them to if not the usual one.
    add_days: Option<(i32, Option<String>)>,
    format: Option<&'a str>,
}

/// The text with every token replaced by the person's value; a value not known becomes nothing.
pub(crate) fn render(text: &str, facts: &impl Facts) -> Result<String, TokenError> {
    let mut rendered = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, token, after)) = next_token(rest) {
        rendered.push_str(before);
        rendered.push_str(&Token::parse(token)?.value(facts)?);
        rest = after;
    }
    rendered.push_str(rest);
    Ok(rendered)
}

/// What is wrong with the tokens of a text, whoever it is shown to.
pub(crate) fn problems(text: &str) -> Vec<TokenError> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, token, after)) = next_token(rest) {
        found.extend(Token::parse(token).err());
        rest = after;
    }
    found
}

/// The text before the next token, the token with its brackets, and the text after. A token lies within one line.
fn next_token(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let start = from + text.get(from..)?.find("[[")?;
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        if let Some(length) = text[start..line_end].find("]]") {
            let end = start + length + 2;
            return Some((&text[..start], &text[start..end], &text[end..]));
        }
        from = line_end;
    }
}

impl<'a> Token<'a> {
    fn parse(token: &'a str) -> Result<Self, TokenError> {
        let malformed = |reason| TokenError::Malformed { token: token.to_owned(), reason };
        let unknown = |name: &str| TokenError::Unknown { token: token.to_owned(), name: name.to_owned() };
        let body = token.trim_start_matches("[[").trim_end_matches("]]");
        let (path, modifiers) = body.find(':').map_or((body, ""), |at| body.split_at(at));
        let (add_days, format) = parse_modifiers(modifiers).map_err(malformed)?;
        let parts: Vec<String> = path.split('.').map(str::to_ascii_uppercase).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let source = match parts[..] {
            _ if parts.iter().any(|p| p.is_empty()) => return Err(malformed("a part of its name is empty")),
            ["PERSON", attribute] => Source::Person(attribute.to_owned()),
            ["TARGET", target, _] if !CONDITIONS.contains(&target) => return Err(unknown(target)),
            // With a function the attribute may be a name for what the function makes.
            ["TARGET", _, attribute] if add_days.is_none() && !TARGET_ATTRIBUTES.contains(&attribute) => {
                return Err(unknown(attribute));
            }
            ["TARGET", target, attribute] => Source::Target(target.to_owned(), attribute.to_owned()),
            [level, _, ..] if !matches!(level, "PERSON" | "TARGET") => return Err(unknown(level)),
            _ => return Err(malformed("write [[PERSON.attribute]] or [[TARGET.target.attribute]]")),
        };
        Ok(Self { token, source, add_days, format })
    }

    fn value(&self, facts: &impl Facts) -> Result<String, TokenError> {
        let Some((days, from)) = &self.add_days else {
            let value = match &self.source {
                Source::Target(target, attribute) => facts.target(target, attribute),
                Source::Person(attribute) => match facts.person(attribute) {
                    None if !PERSON_ATTRIBUTES.contains(&attribute.as_str()) => {
                        return Err(TokenError::Unknown { token: self.token.to_owned(), name: attribute.clone() });
                    }
                    value => value,
                },
            };
            return match (value.unwrap_or_default(), self.format) {
                ("", _) => Ok(String::new()),
                (value, None) => Ok(value.to_owned()),
                (value, Some(format)) => {
                    let date = parse_date(value).ok_or_else(|| self.not_a_date(value))?;
                    self.show(date, format, value)
                }
            };
        };
        let origin = |attribute: &str| match from.as_deref() {
            Some(named) => named.to_owned(),
            None if attribute == "NEXT_DOSE_DUE" => "LAST_SUCCESSFUL_DATE".to_owned(),
            None => attribute.to_owned(),
        };
        let value = match &self.source {
            Source::Person(attribute) => facts.person(&origin(attribute)),
            Source::Target(target, attribute) => facts.target(target, &origin(attribute)),
        };
        let value = value.unwrap_or_default();
        if value.is_empty() {
            return Ok(String::new());
        }
        let later = parse_date(value).and_then(|date| date.checked_add(Span::new().try_days(*days).ok()?).ok());
        let date = later.ok_or_else(|| self.not_a_date(value))?;
        self.show(date, self.format.filter(|f| !f.is_empty()).unwrap_or("%Y%m%d"), value)
    }

    fn show(&self, date: Date, format: &str, value: &str) -> Result<String, TokenError> {
        strtime::format(format, date).map_err(|_| self.not_a_date(value))
    }

    fn not_a_date(&self, value: &str) -> TokenError {
        TokenError::NotADate { token: self.token.to_owned(), value: value.to_owned() }
    }
}

type Modifiers<'a> = (Option<(i32, Option<String>)>, Option<&'a str>);

/// `:NAME(arguments)` once or more; names in any case.
fn parse_modifiers(mut text: &str) -> Result<Modifiers<'_>, &'static str> {
    let mut add_days = None;
    let mut format = None;
    while !text.is_empty() {
        let call = text.strip_prefix(':').and_then(|rest| rest.split_once('('));
        let (name, rest) = call.ok_or("after a colon it needs NAME(…)")?;
        let (arguments, after) = rest.split_once(')').ok_or("a parenthesis is not closed")?;
        match name.to_ascii_uppercase().as_str() {
            "DATE" => {
                let day = Date::constant(2000, 2, 29);
                strtime::format(arguments, day).map_err(|_| "DATE(…) has a format it does not know")?;
                format = Some(arguments);
            }
            "ADD_DAYS" => add_days = Some(parse_add_days(arguments)?),
            _ => return Err("its function is neither DATE nor ADD_DAYS"),
        }
        text = after;
    }
    Ok((add_days, format))
}

fn parse_add_days(arguments: &str) -> Result<(i32, Option<String>), &'static str> {
    let (days, from) = arguments.split_once(',').unwrap_or((arguments, ""));
    let days = match days.trim() {
        "" => DEFAULT_DAYS,
        digits => digits.parse().map_err(|_| "ADD_DAYS(…) needs a whole number")?,
    };
    let from = from.trim().to_ascii_uppercase();
    Ok((days, Some(from).filter(|f| !f.is_empty())))
}
