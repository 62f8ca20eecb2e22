//! Who is let in how far, and which page comes next.

use ims_domain::MessageId;
use ims_domain::clock::london_date;
use ims_domain::contact::Channel;
use ims_domain::invitation::Message;
use ims_domain::reply::{Answer, Code, LANGUAGES, Pass, ReplyKey, WishedFormat};
use ims_runtime::settings::{SettingsError, optional, required};
use ims_store::Store;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::answer::{self, ReplyError};
use crate::page::{self, Page, Wrong};
use crate::request::Request;

/// Dates of birth that may be tried for a message in a day.
const TRIES: u64 = 10;

/// When a request is answered, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Business time.
    pub business: Timestamp,
    /// System time.
    pub system: Timestamp,
}

impl Now {
    /// The business day in London.
    #[must_use]
    pub fn day(self) -> Date {
        london_date(self.business)
    }
}

/// What the door works with.
#[derive(Debug)]
pub struct Door {
    /// Makes links, codes and passes, and knows them again.
    pub key: ReplyKey,
    /// Path under which browsers find the pages, without a slash at the end.
    pub base: String,
    /// Telephone number by which everything here can be done, too.
    pub phone: String,
}

impl Door {
    /// From `IMS_REPLY_KEY` (at least 32 bytes), `IMS_REPLY_BASE` and `IMS_BOOKING_PHONE`.
    ///
    /// # Errors
    /// Where one is missing, or the key too short.
    pub fn from_env() -> Result<Self, SettingsError> {
        let name = "IMS_REPLY_KEY";
        let key = ReplyKey::new(required(name)?.as_bytes()).map_err(|error| SettingsError::Invalid {
            name: name.to_owned(),
            value: "(secret)".to_owned(),
            why: error.to_string(),
        })?;
        Ok(Self {
            key,
            base: optional("IMS_REPLY_BASE").unwrap_or_else(|| "/r".to_owned()),
            phone: optional("IMS_BOOKING_PHONE").unwrap_or_else(|| "119".to_owned()),
        })
    }
}

/// Somebody who was let in.
pub(crate) struct Visitor {
    pub(crate) message: Message,
    pub(crate) is_plausible: bool,
    /// The pass that the next form carries.
    pub(crate) pass: String,
}

impl Visitor {
    fn new(door: &Door, message: Message, is_plausible: bool, now: Now) -> Self {
        let pass = door.key.pass(&Pass { message: message.id, is_plausible, until: now.system + Pass::LASTS });
        Self { message, is_plausible, pass }
    }

    /// Whether the visitor may give an answer.
    pub(crate) fn may(&self, answer: &Answer) -> bool {
        self.is_plausible || answer.needs_no_proof(self.message.channel)
    }

    /// The answers that the visitor is offered, in order. Of choices, any.
    pub(crate) fn offered(&self) -> Vec<Answer> {
        let all = [
            Answer::OptOut,
            Answer::OptOutAll,
            Answer::VaccinatedElsewhere,
            Answer::Moved,
            Answer::WrongPerson,
            Answer::Bereaved,
            Answer::Language(LANGUAGES[0]),
            Answer::Format(WishedFormat::Standard),
            Answer::Resume,
        ];
        all.into_iter().filter(|answer| self.may(answer)).collect()
    }
}

/// Answers a request.
pub(crate) async fn respond(store: &Store, door: &Door, request: Request, now: Now) -> Result<Page, ReplyError> {
    let language = request.language;
    match (request.is_post, request.path.as_str()) {
        (false, "style.css") => Ok(page::style()),
        (false, "") => Ok(page::ask_code(door, language, &request, None)),
        (true, "") => by_code(store, door, &request, now).await,
        (true, "birth") => birth(store, door, &request, now).await,
        (true, "answer") => give(store, door, &request, now).await,
        (false, link) => {
            let message = match door.key.open(link) {
                Some(id) => store.message(id).await?,
                None => None,
            };
            Ok(match message {
                Some(message) => {
                    page::choices(door, language, &Visitor::new(door, message, false, now), None, Some(link))
                }
                None => page::nowhere(door, language),
            })
        }
        _ => Ok(page::nowhere(door, language)),
    }
}

/// Lets in whoever typed a letter's code, with a date of birth or without.
async fn by_code(store: &Store, door: &Door, request: &Request, now: Now) -> Result<Page, ReplyError> {
    let language = request.language;
    let refuse = |wrong: Wrong| Ok(page::ask_code(door, language, request, Some(wrong)));
    let Ok(code) = request.field("code").parse::<Code>() else { return refuse(Wrong::Code) };
    let Some(born) = born(request) else { return refuse(Wrong::Birth) };
    let message = match store.message_by_code(code).await? {
        Some(id) => store.message(id).await?,
        None => None,
    };
    let Some(message) = message else { return refuse(Wrong::Match) };
    let Some(born) = born else {
        return Ok(page::choices(door, language, &Visitor::new(door, message, false, now), None, None));
    };
    match tried(store, &message, born, now).await? {
        Tried::Right => Ok(page::choices(door, language, &Visitor::new(door, message, true, now), None, None)),
        Tried::Wrong => refuse(Wrong::Match),
        Tried::TooOften => Ok(page::too_often(door, language)),
    }
}

/// Lets in further whoever gives the date of birth.
async fn birth(store: &Store, door: &Door, request: &Request, now: Now) -> Result<Page, ReplyError> {
    let language = request.language;
    let Some(visitor) = visitor(store, door, request, now).await? else { return Ok(page::nowhere(door, language)) };
    let wrong = |wrong: Wrong| Ok(page::choices(door, language, &visitor, Some(wrong), None));
    let Some(Some(born)) = born(request) else { return wrong(Wrong::Birth) };
    match tried(store, &visitor.message, born, now).await? {
        Tried::Right => {
            let visitor = Visitor::new(door, visitor.message, true, now);
            Ok(page::choices(door, language, &visitor, None, None))
        }
        Tried::Wrong => wrong(Wrong::Match),
        Tried::TooOften => Ok(page::too_often(door, language)),
    }
}

/// Notes an answer, or asks which language or format.
async fn give(store: &Store, door: &Door, request: &Request, now: Now) -> Result<Page, ReplyError> {
    let language = request.language;
    let Some(visitor) = visitor(store, door, request, now).await? else { return Ok(page::nowhere(door, language)) };
    let value = request.field("value");
    let answer = match request.field("answer") {
        "language" => match LANGUAGES.into_iter().find(|code| *code == value) {
            Some(code) => Answer::Language(code),
            None if visitor.is_plausible => return Ok(page::which_language(door, language, &visitor)),
            None => return Ok(page::nowhere(door, language)),
        },
        "format" => match WishedFormat::ALL.into_iter().find(|format| format.name() == value) {
            Some(format) => Answer::Format(format),
            None if visitor.is_plausible => return Ok(page::which_format(door, language, &visitor)),
            None => return Ok(page::nowhere(door, language)),
        },
        named => match visitor.offered().into_iter().find(|offered| offered.name() == named) {
            Some(answer) => answer,
            None => return Ok(page::choices(door, language, &visitor, Some(Wrong::Choice), None)),
        },
    };
    if !visitor.may(&answer) {
        return Ok(page::nowhere(door, language));
    }
    answer::note(store, &visitor.message, &answer, now).await?;
    tracing::info!(message = %visitor.message.id, answer = answer.name(), "answered");
    Ok(page::done(door, language, &answer))
}

/// Who sent a form, by the pass in it.
async fn visitor(store: &Store, door: &Door, request: &Request, now: Now) -> Result<Option<Visitor>, ReplyError> {
    let Some(pass) = door.key.read_pass(request.field("pass"), now.system) else { return Ok(None) };
    let message = message(store, pass.message).await?;
    Ok(message.map(|message| Visitor::new(door, message, pass.is_plausible, now)))
}

async fn message(store: &Store, id: MessageId) -> Result<Option<Message>, ReplyError> {
    Ok(store.message(id).await?)
}

/// What came of a date of birth.
enum Tried {
    Right,
    Wrong,
    TooOften,
}

/// Tries a date of birth: counted first, then compared, and written down before anything follows from it.
async fn tried(store: &Store, message: &Message, born: Date, now: Now) -> Result<Tried, ReplyError> {
    if !store.spend_try(message.id, now.system.to_zoned(jiff::tz::TimeZone::UTC).date(), TRIES).await? {
        return Ok(Tried::TooOften);
    }
    let person = store.person(message.person).await?;
    let held = person.as_ref().and_then(|person| person.demographics.date_of_birth);
    let is_right = held == Some(born);
    answer::note_try(store, message, is_right, now).await?;
    Ok(if is_right { Tried::Right } else { Tried::Wrong })
}

/// The date of birth in a form: none where nothing was given, nothing at all where it is no date.
fn born(request: &Request) -> Option<Option<Date>> {
    let fields = ["day", "month", "year"].map(|name| request.field(name));
    if fields.iter().all(|field| field.is_empty()) {
        return Some(None);
    }
    let [day, month, year] = fields;
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok().map(Some)
}

/// Whether a message went by text.
pub(crate) fn is_text(message: &Message) -> bool {
    message.channel == Channel::Sms
}
