//! The way in: who calls, what for, and whether what they send can be used. Reads nothing but the request.

use ims_domain::record::{Change, Source};
use ims_domain::{ImmunisationId, NhsNumber};
use ims_fhir::operation_outcome::text;
use ims_fhir::{Immunization, IssueCode, Search};
use ims_runtime::auth::{AuthError, Permissions, Verifier, bearer};
use ims_runtime::settings::{optional, required};
use ims_runtime::{Settings, SettingsError};
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use record_ingest::feed::{BOOKINGS, DEMOGRAPHICS};
use record_ingest::fields::RowErrors;
use record_ingest::{bookings, demographics};
use serde_json::Value;
use thiserror::Error;

use crate::http::{Answer, Request};
use crate::routes::{Operation, Place};
use crate::update::Update;

/// Name of appointments in permissions.
const BOOKINGS_GRANT: &str = "BOOKINGS";
/// Name of demographics in permissions.
const DEMOGRAPHICS_GRANT: &str = "DEMOGRAPHICS";
/// Longest body that is read, in bytes. A record has a few thousand; DynamoDB holds 400 KB in an item.
const LONGEST_BODY: usize = 256 << 10;

/// Why the way in cannot be opened.
#[derive(Debug, Error)]
pub enum GateError {
    /// Configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The issuer's keys.
    #[error("IMS_TOKEN_KEYS: {0}")]
    Key(#[from] AuthError),
    /// The built-in permissions.
    #[error("the built-in permissions cannot be read")]
    Permissions(#[from] serde_json::Error),
}

/// Checks callers and what they send.
pub struct Gate {
    verifier: Verifier,
    permissions: Permissions,
    /// The API's base URL as suppliers know it, where it has a name of its own.
    url: Option<String>,
}

/// What is to be done, by whom.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// Tell that the function is up.
    Status,
    /// Describe the API, for programs.
    Describe,
    /// Describe the API, for people.
    Page,
    /// Create an immunisation.
    Create {
        /// Supplier.
        supplier: String,
        /// The record, valid and permitted.
        immunization: Box<Immunization>,
        /// Where the change comes from.
        source: Source,
    },
    /// Disclose an immunisation; whether the supplier may see it depends on its vaccine type.
    Read {
        /// Supplier.
        supplier: String,
        /// Which.
        id: ImmunisationId,
    },
    /// Change an immunisation or reinstate it; whether the supplier may depends on the vaccine type held, too.
    Update {
        /// Supplier.
        supplier: String,
        /// What is to be written, and over what.
        update: Box<Update>,
    },
    /// Delete an immunisation; whether the supplier may depends on its vaccine type.
    Delete {
        /// Supplier.
        supplier: String,
        /// Which.
        id: ImmunisationId,
        /// Where the change comes from.
        source: Source,
    },
    /// Disclose what a search finds, as far as the supplier may see it.
    Search {
        /// Supplier.
        supplier: String,
        /// For what.
        search: Search,
    },
    /// Take an appointment.
    Book {
        /// Supplier.
        supplier: String,
        /// Whose.
        number: NhsNumber,
        /// The change.
        change: Box<Change>,
    },
    /// Take demographics and states.
    Demographics {
        /// Supplier.
        supplier: String,
        /// Whose.
        number: NhsNumber,
        /// The change.
        change: Box<Change>,
    },
}

impl Gate {
    /// A gate for the issuer whose keys are in `IMS_TOKEN_KEYS`, with the built-in permissions.
    ///
    /// # Errors
    /// Where the keys are missing or cannot be used.
    pub fn from_env(settings: &Settings) -> Result<Self, GateError> {
        let (keys, url) = (required("IMS_TOKEN_KEYS")?, optional("IMS_API_URL"));
        Ok(Self { url, ..Self::new(Verifier::new(&keys)?, Permissions::built_in(settings.is_sandbox())?) })
    }

    /// A gate with this verifier and these permissions.
    #[must_use]
    pub fn new(verifier: Verifier, permissions: Permissions) -> Self {
        Self { verifier, permissions, url: None }
    }

    /// The API's base URL: its own name, else the one that a request came to.
    #[must_use]
    pub fn base<'a>(&'a self, request: &'a Request) -> &'a str {
        self.url.as_deref().map_or(&request.base, |url| url.trim_end_matches('/'))
    }

    /// What a supplier may do with a vaccine type (`C`, `R`, …).
    #[must_use]
    pub fn allows(&self, supplier: &str, vaccine: &str, operation: char) -> bool {
        self.permissions.allows(supplier, vaccine, operation)
    }

    /// What a request asks for at a business time.
    ///
    /// # Errors
    /// The answer that refuses it.
    pub fn admit(&self, request: &Request, now: Timestamp) -> Result<Task, Answer> {
        let place = Place::of(&request.path);
        if place.is_open() {
            let route = place.route(&request.method).ok_or_else(|| not_allowed(&place))?;
            return Ok(open(route.operation));
        }
        let supplier = self.supplier(request)?;
        if request.body.as_ref().is_some_and(|body| body.len() > LONGEST_BODY) {
            let text = format!("The body is longer than {LONGEST_BODY} bytes");
            return Err(Answer::refusal_at_the_door(413, "too-long", "PAYLOAD_TOO_LARGE", &text));
        }
        if !place.is_known() {
            let text = "The requested resource was not found.";
            return Err(Answer::refusal_at_the_door(404, "not-found", "NOT_FOUND", text));
        }
        let Some(route) = place.route(&request.method) else { return Err(not_allowed(&place)) };
        let id = place.id();
        match route.operation {
            Operation::Search if is_read_without_id(request) => {
                Err(Answer::refusal(IssueCode::Invalid, text::INVALID_EVENT_ID))
            }
            Operation::Search => search(supplier, request),
            Operation::Create => self.create(supplier, request, now),
            Operation::Read => Ok(Task::Read { supplier, id: immunisation_id(id)? }),
            Operation::Update => self.update(supplier, id, request, now),
            Operation::Delete => {
                Ok(Task::Delete { source: source(&supplier, Some(now)), supplier, id: immunisation_id(id)? })
            }
            Operation::Book => self.book(supplier, request, now),
            Operation::Demographics => self.demographics(supplier, request, now),
            operation @ (Operation::Status | Operation::Describe | Operation::Page) => Ok(open(operation)),
        }
    }

    fn supplier(&self, request: &Request) -> Result<String, Answer> {
        let claims = bearer(request.header("Authorization")).and_then(|token| self.verifier.check(token));
        let claims = claims.map_err(|_| {
            let text = "The sender has not provided a token or it has expired or is otherwise invalid.";
            Answer::refusal_at_the_door(401, "expired", "SEND_UNAUTHORIZED", text).with("WWW-Authenticate", "Bearer")
        })?;
        let supplier = claims.supplier.ok_or_else(|| Answer::refusal(IssueCode::Forbidden, text::UNAUTHORIZED))?;
        // An application is registered for an organisation, which must be one of the supplier's.
        if claims.ods.is_some_and(|ods| self.permissions.supplier_of(&ods) != Some(&supplier)) {
            return Err(Answer::refusal(IssueCode::Forbidden, text::UNAUTHORIZED));
        }
        Ok(supplier)
    }

    fn create(&self, supplier: String, request: &Request, now: Timestamp) -> Result<Task, Answer> {
        let body = json(request)?;
        if body.get("id").is_some_and(|id| !id.is_null()) {
            return Err(Answer::refusal(IssueCode::Invariant, text::ID_IN_CREATE));
        }
        let immunization = valid(&body, now)?;
        if !self.allows(&supplier, immunization.vaccine().code(), 'C') {
            return Err(forbidden());
        }
        Ok(Task::Create { source: source(&supplier, Some(now)), supplier, immunization: Box::new(immunization) })
    }

    fn update(&self, supplier: String, id: &str, request: &Request, now: Timestamp) -> Result<Task, Answer> {
        let stated = request.header("E-Tag").ok_or_else(|| Answer::refusal(IssueCode::Invariant, text::NO_VERSION))?;
        well_formed(id)?;
        let version = version(stated)?;
        let body = json(request)?;
        if body.get("id").and_then(Value::as_str) != Some(id) {
            return Err(Answer::refusal(IssueCode::Invariant, text::inconsistent_id(id)));
        }
        let immunization = valid(&body, now)?;
        let source = source(&supplier, Some(now));
        let update = Update { id: immunisation_id(id)?, version, immunization, source };
        Ok(Task::Update { supplier, update: Box::new(update) })
    }

    fn book(&self, supplier: String, request: &Request, now: Timestamp) -> Result<Task, Answer> {
        if !self.allows(&supplier, BOOKINGS_GRANT, 'C') {
            let text = "Unauthorized request for appointments";
            return Err(Answer::refusal(IssueCode::Forbidden, text));
        }
        let values = columns(&json(request)?, &BOOKINGS, "a booking")?;
        let (number, change) = bookings::read(&values, day(now), source(&supplier, None)).map_err(|e| wrong(&e))?;
        Ok(Task::Book { supplier, number, change: Box::new(change) })
    }

    fn demographics(&self, supplier: String, request: &Request, now: Timestamp) -> Result<Task, Answer> {
        if !self.allows(&supplier, DEMOGRAPHICS_GRANT, 'C') {
            return Err(Answer::refusal(IssueCode::Forbidden, "Unauthorized request for demographics"));
        }
        let values = columns(&json(request)?, &DEMOGRAPHICS, "a demographics event")?;
        let (number, change) = demographics::read(&values, day(now)).map_err(|e| wrong(&e))?;
        Ok(Task::Demographics { supplier, number, change: Box::new(change) })
    }
}

/// What anyone may ask for.
fn open(operation: Operation) -> Task {
    match operation {
        Operation::Describe => Task::Describe,
        Operation::Page => Task::Page,
        _ => Task::Status,
    }
}

/// Whether a request is for a record whose id was left empty, rather than a search.
fn is_read_without_id(request: &Request) -> bool {
    request.method == "GET" && request.parameters.is_empty() && request.path.ends_with('/')
}

/// The source of what comes through the API. Immunisations are ordered by the business time of the request among what
/// files say; a booking's own times order it.
fn source(supplier: &str, at: Option<Timestamp>) -> Source {
    let order = at.map(|at| at.strftime("%Y%m%dT%H%M%S").to_string()).unwrap_or_default();
    Source { supplier: supplier.to_owned(), file: String::new(), order, row: 0 }
}

pub(crate) fn forbidden() -> Answer {
    Answer::refusal(IssueCode::Forbidden, text::UNAUTHORIZED_VACCINE_TYPE)
}

fn not_allowed(place: &Place<'_>) -> Answer {
    let text = format!("The method is not allowed here; allowed: {}", place.methods());
    Answer::refusal_at_the_door(405, "not-supported", "METHOD_NOT_ALLOWED", &text).with("Allow", place.methods())
}

fn json(request: &Request) -> Result<Value, Answer> {
    let body = request.body.as_deref().unwrap_or_default();
    // The parser's own message may repeat what was sent; where it stopped is enough.
    serde_json::from_slice(body).map_err(|error| {
        let text =
            format!("Request's body contains malformed JSON at line {}, column {}", error.line(), error.column());
        Answer::refusal(IssueCode::Invalid, text)
    })
}

fn valid(body: &Value, now: Timestamp) -> Result<Immunization, Answer> {
    Immunization::validate(body, now).map_err(|errors| Answer::refusal(IssueCode::Invariant, errors.to_string()))
}

/// Whether an id is one as FHIR writes them.
fn well_formed(id: &str) -> Result<(), Answer> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if !id.is_empty() && id.len() <= 64 && id.bytes().all(fits) {
        return Ok(());
    }
    Err(Answer::refusal(IssueCode::Invalid, text::INVALID_EVENT_ID))
}

/// An id as FHIR writes them; one that is no id of ours cannot exist.
fn immunisation_id(id: &str) -> Result<ImmunisationId, Answer> {
    well_formed(id)?;
    id.parse().map_err(|_| Answer::refusal(IssueCode::NotFound, text::not_found(id)))
}

/// The version in an `E-Tag` header: a positive integer and nothing else.
fn version(header: &str) -> Result<u64, Answer> {
    let digits = !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than a version can have are still a version: one ahead of any.
    let version = if digits { header.parse().unwrap_or(u64::MAX) } else { 0 };
    if version > 0 { Ok(version) } else { Err(Answer::refusal(IssueCode::Invariant, text::invalid_version(header))) }
}

fn search(supplier: String, request: &Request) -> Result<Task, Answer> {
    let mut parameters = request.parameters.clone();
    if request.method == "POST" {
        let Some(body) = &request.body else {
            return Err(Answer::refusal(IssueCode::Invalid, "Request's body is not valid base64"));
        };
        // In a form, unlike a query, what was left blank was not sent.
        let filled = form_urlencoded::parse(body).into_owned().filter(|(_, value)| !value.is_empty());
        parameters.extend(filled);
    }
    let search = Search::read(parameters).map_err(|error| Answer::refusal(IssueCode::Invalid, error.to_string()))?;
    Ok(Task::Search { supplier, search })
}

/// The business day of a time.
fn day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC)).date()
}

fn invalid(text: &str) -> Answer {
    Answer::refusal(IssueCode::Invariant, format!("Validation errors: {text}"))
}

/// What is wrong with a row, with the values, for its sender.
fn wrong(errors: &RowErrors) -> Answer {
    invalid(&errors.0.iter().map(|error| error.with_value()).collect::<Vec<_>>().join("; "))
}

/// A JSON object whose fields are a feed's columns, as a row of that feed; `what` names it.
fn columns(body: &Value, columns: &[&str], what: &str) -> Result<Vec<String>, Answer> {
    let fields = body.as_object().ok_or_else(|| invalid("the body must be a JSON object"))?;
    let mut errors: Vec<String> = fields
        .keys()
        .filter(|name| !columns.contains(&name.as_str()))
        .map(|name| format!("{name} is not a field of {what}"))
        .collect();
    let mut values = Vec::with_capacity(columns.len());
    for name in columns {
        values.push(match fields.get(*name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(flag)) => u8::from(*flag).to_string(),
            Some(other) => {
                errors.push(format!("{name} must be a string; it is '{other}'"));
                String::new()
            }
        });
    }
    if errors.is_empty() { Ok(values) } else { Err(invalid(&errors.join("; "))) }
}
