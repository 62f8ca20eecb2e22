//! The way in: which consumer asks, for whom, and what. Reads nothing but the request.

use ims_domain::NhsNumber;
use ims_eligibility::{Query, Refusal};
use ims_runtime::Settings;
use ims_runtime::auth::{Permissions, Verifier, bearer};
use ims_runtime::settings::required;
use record_api::{Answer, GateError, Request};

/// Where people are asked about; what follows is the NHS number.
const PLACE: &str = "patient-check";
/// What follows where only the function's health is asked for.
const STATUS: &str = "_status";
/// Name of asking for eligibility in permissions.
const GRANT: &str = "ELIGIBILITY";
/// The number of the person who is logged in, where a person asks about themselves: set by whoever logged them in.
const LOGGED_IN: &str = "nhs-login-nhs-number";
/// The organisation on whose behalf a consumer asks.
const ORGANISATION: &str = "NHSD-End-User-Organisation-ODS";
/// Longest organisation that the trail keeps, in characters; ODS codes have at most ten.
const LONGEST_ORGANISATION: usize = 20;

/// Checks consumers and what they ask.
pub struct Gate {
    verifier: Verifier,
    permissions: Permissions,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// Whether the function is up.
    Status,
    /// What somebody is due.
    Check(Check),
}

/// A question about one person.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Who asks.
    pub consumer: String,
    /// For which organisation.
    pub organisation: Option<String>,
    /// About whom, as written; answers that refuse repeat it to the consumer alone.
    pub asked_about: String,
    /// About whom; none where what is written is no NHS number.
    pub number: Option<NhsNumber>,
    /// What, or why it may not be asked.
    pub query: Result<Query, Refusal>,
}

impl Gate {
    /// A gate for the issuer whose keys are in `IMS_TOKEN_KEYS`, with the built-in permissions.
    ///
    /// # Errors
    /// Where the keys are missing or cannot be used.
    pub fn from_env(settings: &Settings) -> Result<Self, GateError> {
        Ok(Self::new(Verifier::new(&required("IMS_TOKEN_KEYS")?)?, Permissions::built_in(settings.is_sandbox())?))
    }

    /// A gate with this verifier and these permissions.
    #[must_use]
    pub fn new(verifier: Verifier, permissions: Permissions) -> Self {
        Self { verifier, permissions }
    }

    /// The campaigns that a consumer may ask about; `None`: all.
    #[must_use]
    pub fn campaigns(&self, consumer: &str) -> Option<&[String]> {
        self.permissions.campaigns(consumer)
    }

    /// What a request asks.
    ///
    /// # Errors
    /// The answer that refuses it at the door. Refusals that name a person are within [`Check`], for the trail.
    pub fn admit(&self, request: &Request) -> Result<Task, Answer> {
        let segments: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        let asked = match segments[..] {
            [PLACE, asked] => Some(asked),
            _ => None,
        };
        if asked == Some(STATUS) && request.method == "GET" {
            return Ok(Task::Status);
        }
        let claims = bearer(request.header("Authorization")).and_then(|token| self.verifier.check(token));
        let claims = claims.map_err(|_| {
            let text = "The sender has not provided a token or it has expired or is otherwise invalid.";
            Answer::refusal_at_the_door(401, "expired", "SEND_UNAUTHORIZED", text).with("WWW-Authenticate", "Bearer")
        })?;
        let Some(asked) = asked else {
            let text = "The requested resource was not found.";
            return Err(Answer::refusal_at_the_door(404, "not-found", "NOT_FOUND", text));
        };
        if request.method != "GET" {
            let text = "This method is not allowed here.";
            let refused = Answer::refusal_at_the_door(405, "not-supported", "METHOD_NOT_ALLOWED", text);
            return Err(refused.with("Allow", "GET"));
        }
        let consumer = claims.supplier.filter(|supplier| {
            let own = claims.ods.as_deref().is_none_or(|ods| self.permissions.supplier_of(ods) == Some(supplier));
            own && self.permissions.allows(supplier, GRANT, 'R')
        });
        let Some(consumer) = consumer else {
            let text = "The sender may not ask for eligibility.";
            return Err(Answer::refusal_at_the_door(403, "forbidden", "ACCESS_DENIED", text));
        };
        Ok(Task::Check(Check {
            consumer,
            organisation: organisation(request),
            asked_about: asked.to_owned(),
            number: asked.parse().ok(),
            query: query(request, asked),
        }))
    }
}

/// Whoever is logged in may ask about themselves only.
fn query(request: &Request, asked: &str) -> Result<Query, Refusal> {
    if request.header(LOGGED_IN).is_some_and(|number| number != asked) {
        return Err(Refusal::NotAuthorised);
    }
    let parameter =
        |name: &str| request.parameters.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str());
    Query::parse(parameter("conditions"), parameter("category"), parameter("includeActions"))
}

/// The organisation, as far as it can be one.
fn organisation(request: &Request) -> Option<String> {
    let code = request.header(ORGANISATION)?.trim();
    let is_code = (1..=LONGEST_ORGANISATION).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_code.then(|| code.to_owned())
}
