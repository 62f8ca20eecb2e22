//! Recorded EliD requests: person rows, campaigns and a request, with the answer expected.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::answer::{Answer, CheckRequest, Query, Refusal, check, refuse};
use crate::campaign::Campaign;
use crate::facts::PersonFacts;

/// Header with the number of the person who is logged in.
const NHS_NUMBER_HEADER: &str = "nhs-login-nhs-number";

/// A recorded request.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    /// Where it comes from.
    #[serde(default)]
    pub suite: Value,
    /// See [`Case::suite`].
    #[serde(default)]
    pub file: Value,
    /// The clock.
    pub now: Timestamp,
    /// Headers.
    #[serde(default)]
    pub request_headers: Option<Map<String, Value>>,
    /// Query parameters; null means not given.
    #[serde(default)]
    pub query_params: Option<Map<String, Value>>,
    /// Campaigns the consumer may see; null means all.
    #[serde(default)]
    pub permitted_campaign_ids: Option<Vec<String>>,
    /// What is known about people.
    #[serde(default)]
    pub person_rows: Vec<Map<String, Value>>,
    /// Campaign definitions.
    #[serde(default)]
    pub configs: Vec<Value>,
    /// HTTP status recorded.
    pub expected_status: Option<u16>,
    /// Body recorded.
    #[serde(default)]
    pub expected: Value,
}

impl Case {
    /// Parses one line of a file of cases.
    ///
    /// # Errors
    /// If it is not JSON of that shape.
    pub fn parse(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }

    /// The answer to the request; `id` becomes its identifier.
    pub fn answer(&self, id: &str) -> Answer {
        self.try_answer(id).unwrap_or_else(|refusal| refuse(&refusal, id, self.now))
    }

    fn try_answer(&self, id: &str) -> Result<Answer, Refusal> {
        let parameter = |name: &str| self.parameter(name);
        let (conditions, category, actions) =
            (parameter("conditions"), parameter("category"), parameter("includeActions"));
        let number_known = self.person_rows.iter().any(|row| number_of(row) == self.number());
        // A caller who is logged in may ask only about themselves.
        if !self.person_rows.is_empty() && !number_known {
            return Err(Refusal::NotAuthorised);
        }
        let query = Query::parse(conditions.as_deref(), category.as_deref(), actions.as_deref())?;
        let facts = self.facts().ok_or_else(|| Refusal::UnknownPerson(self.number().unwrap_or_default().to_owned()))?;
        let campaigns = self.campaigns()?;
        let request = CheckRequest {
            campaigns: &campaigns.iter().collect::<Vec<_>>(),
            permitted: self.permitted_campaign_ids.as_deref(),
            query: &query,
            now: self.now,
            response_id: id,
        };
        let body = check(&request, |_| &facts)?;
        let response = serde_json::to_value(body).map_err(|error| Refusal::Internal(error.to_string()))?;
        Ok(Answer { status: 200, response })
    }

    /// A query parameter, where it was given.
    pub fn parameter(&self, name: &str) -> Option<String> {
        match self.query_params.as_ref()?.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// The person asked about: whoever is logged in, else the person of the rows.
    pub fn number(&self) -> Option<&str> {
        let headers = self.request_headers.iter().flatten();
        let mut logged_in = headers.filter(|(name, _)| name.eq_ignore_ascii_case(NHS_NUMBER_HEADER));
        logged_in.find_map(|(_, value)| value.as_str()).or_else(|| {
            let is_person = |row: &&Map<String, Value>| row.get("ATTRIBUTE_TYPE").is_some_and(|t| t == "PERSON");
            self.person_rows.iter().find(is_person).or(self.person_rows.first()).and_then(number_of)
        })
    }

    /// The facts of the person asked about; `None` if they are not known.
    pub fn facts(&self) -> Option<PersonFacts> {
        let number = self.number();
        PersonFacts::from_rows(self.person_rows.iter().filter(|row| number_of(row) == number))
    }

    /// The campaigns.
    ///
    /// # Errors
    /// [`Refusal::Internal`] if one cannot be evaluated.
    pub fn campaigns(&self) -> Result<Vec<Campaign>, Refusal> {
        let read = |config: &Value| {
            Campaign::parse_published(config.to_string().as_bytes()).map_err(|problems| {
                let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
                Refusal::Internal(lines.join("; "))
            })
        };
        self.configs.iter().map(read).collect()
    }
}

fn number_of(row: &Map<String, Value>) -> Option<&str> {
    row.get("NHS_NUMBER").and_then(Value::as_str)
}
