//! A whole request: which campaigns answer it, and how it is refused.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::campaign::{Campaign, CampaignType, london_date};
use crate::facts::Facts;
use crate::response::{EligibilityResponse, Meta};

/// The kinds of campaign asked about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Category {
    #[default]
    All,
    Vaccinations,
    Screening,
}

impl Category {
    fn includes(self, kind: CampaignType) -> bool {
        match self {
            Self::All => true,
            Self::Vaccinations => kind == CampaignType::Vaccination,
            Self::Screening => kind == CampaignType::Screening,
        }
    }
}

/// What is asked, from the query string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Conditions asked about, in capitals; `None`: all.
    pub conditions: Option<Vec<String>>,
    /// Kinds of campaign asked about.
    pub category: Category,
    /// Whether actions are wanted.
    pub include_actions: bool,
}

impl Default for Query {
    fn default() -> Self {
        Self { conditions: None, category: Category::All, include_actions: true }
    }
}

impl Query {
    /// From the parameters `conditions`, `category` and `includeActions`; an absent one takes its default. Case and
    /// surrounding white space do not matter.
    ///
    /// # Errors
    /// [`Refusal`] for the first parameter that is not understood.
    pub fn parse(
        conditions: Option<&str>,
        category: Option<&str>,
        include_actions: Option<&str>,
    ) -> Result<Self, Refusal> {
        let mut names = Vec::new();
        for part in conditions.unwrap_or("ALL").split(',') {
            let name = part.trim();
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Err(Refusal::Conditions(part.to_owned()));
            }
            names.push(name.to_ascii_uppercase());
        }
        let category = match category.unwrap_or("ALL").trim().to_ascii_uppercase().as_str() {
            "ALL" => Category::All,
            "VACCINATIONS" => Category::Vaccinations,
            "SCREENING" => Category::Screening,
            _ => return Err(Refusal::Category(category.unwrap_or_default().to_owned())),
        };
        let include_actions = match include_actions.unwrap_or("Y").trim() {
            "Y" | "y" => true,
            "N" | "n" => false,
            _ => return Err(Refusal::IncludeActions(include_actions.unwrap_or_default().to_owned())),
        };
        let conditions = (!names.iter().any(|name| name == "ALL")).then_some(names);
        Ok(Self { conditions, category, include_actions })
    }
}

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A condition with other characters than letters and digits.
    #[error(
        "{0} should be a single or comma separated list of condition strings with no other punctuation or special characters"
    )]
    Conditions(String),
    /// An unknown category.
    #[error("{0} is not a category that is supported by the API")]
    Category(String),
    /// Neither Y nor N.
    #[error("{0} is not a value that is supported by the API")]
    IncludeActions(String),
    /// Nobody with this NHS number is known.
    #[error("NHS Number '{0}' was not recognised by the Eligibility Signposting API")]
    UnknownPerson(String),
    /// The caller may not ask about this NHS number.
    #[error("You are not authorised to request information for the supplied NHS Number")]
    NotAuthorised,
    /// The campaigns at hand do not give an answer; the reason is for logs, not for callers.
    #[error("An unexpected error occurred.")]
    Internal(String),
}

/// An answer over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub response: Value,
}

/// A request about one person.
#[derive(Debug)]
pub struct CheckRequest<'a> {
    /// All campaigns.
    pub campaigns: &'a [&'a Campaign],
    /// Campaigns the caller may see, by id; `None`: all.
    pub permitted: Option<&'a [String]>,
    /// What is asked.
    pub query: &'a Query,
    /// The business clock.
    pub now: Timestamp,
    /// Identifier for the answer, a UUID.
    pub response_id: &'a str,
}

/// Answers a request: for each condition asked about, from the live campaign whose iteration came into force last.
///
/// `facts` gives the person's facts for a campaign: which doses are valid is for the campaign to say.
///
/// # Errors
/// [`Refusal::Internal`] if two campaigns for a condition have iterations of the same start, or a text cannot be filled
/// in.
pub fn check<F: Facts>(
    request: &CheckRequest<'_>,
    facts: impl Fn(&Campaign) -> F,
) -> Result<EligibilityResponse, Refusal> {
    let CheckRequest { campaigns, permitted, query, now, response_id } = request;
    let today = london_date(*now);
    let asked = |campaign: &&&Campaign| {
        permitted.is_none_or(|ids| ids.contains(&campaign.id))
            && query.category.includes(campaign.kind)
            && query.conditions.as_ref().is_none_or(|names| names.contains(&campaign.target))
    };
    let mut live: Vec<_> = campaigns
        .iter()
        .filter(asked)
        .filter_map(|campaign| {
            let iteration = campaign.live_iteration(*now)?;
            Some((campaign, iteration, campaign.starts(iteration)?))
        })
        .collect();
    // By condition; within one, the latest start first.
    live.sort_by(|a, b| a.0.target.cmp(&b.0.target).then(b.2.cmp(&a.2)));
    let mut processed_suggestions = Vec::new();
    for rivals in live.chunk_by(|a, b| a.0.target == b.0.target) {
        if let [first, second, ..] = rivals
            && first.2 == second.2
        {
            let message =
                format!("campaigns {} and {} both have an iteration from {}", first.0.id, second.0.id, first.2);
            return Err(Refusal::Internal(message));
        }
        let (campaign, iteration, _) = rivals[0];
        let suggestion = campaign.compile(iteration).suggest(&facts(campaign), today, query.include_actions);
        let internal = |error| Refusal::Internal(format!("campaign {}: {error}", campaign.id));
        processed_suggestions.push(suggestion.map_err(internal)?);
    }
    Ok(EligibilityResponse {
        response_id: (*response_id).to_owned(),
        meta: Meta { last_updated: *now },
        processed_suggestions,
    })
}

/// The answer that refuses, a FHIR OperationOutcome with the given id.
pub fn refuse(refusal: &Refusal, id: &str, now: Timestamp) -> Answer {
    let (status, code, spine_code, display, parameter) = match refusal {
        Refusal::Conditions(_) => (
            400,
            "value",
            "INVALID_PARAMETER",
            "The given conditions were not in the expected format.",
            Some("conditions"),
        ),
        Refusal::Category(_) => (
            422,
            "value",
            "INVALID_PARAMETER",
            "The supplied category was not recognised by the API.",
            Some("category"),
        ),
        Refusal::IncludeActions(_) => (
            422,
            "value",
            "INVALID_PARAMETER",
            "The supplied value was not recognised by the API.",
            Some("includeActions"),
        ),
        Refusal::UnknownPerson(_) => (
            404,
            "processing",
            "REFERENCE_NOT_FOUND",
            "The given NHS number was not found in our datasets. This could be because the number is incorrect or some \
             other reason we cannot process that number.",
            Some("id"),
        ),
        Refusal::NotAuthorised => {
            (403, "forbidden", "ACCESS_DENIED", "Access has been denied to process this request.", None)
        }
        Refusal::Internal(_) => {
            (500, "processing", "INTERNAL_SERVER_ERROR", "An unexpected internal server error occurred.", None)
        }
    };
    let mut issue = json!({
        "severity": "error",
        "code": code,
        "details": {"coding": [{
            "system": "https://fhir.nhs.uk/STU3/ValueSet/Spine-ErrorOrWarningCode-1",
            "code": spine_code,
            "display": display,
        }]},
        "diagnostics": refusal.to_string(),
    });
    if let Some(parameter) = parameter {
        issue["location"] = json!([format!("parameters/{parameter}")]);
    }
    let response = json!({
        "resourceType": "OperationOutcome",
        "id": id,
        "meta": {"lastUpdated": now.to_string()},
        "issue": [issue],
    });
    Answer { status, response }
}
