//! Requests as the gateway passes them on, and answers as it takes them.

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayProxyResponse};
use aws_lambda_events::encodings::Body;
use aws_lambda_events::http::{HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ims_fhir::{IssueCode, OperationOutcome};
use serde_json::{Value, json};
use uuid::Uuid;

/// Headers that an answer repeats from its request.
const ECHOED: [&str; 2] = ["X-Request-ID", "X-Correlation-ID"];
/// The header by which national systems say for which organisation their user works: its ODS code.
const END_USER_ORGANISATION: &str = "NHSD-End-User-Organisation-ODS";

/// A request. Has no `Debug`: its body is personal.
#[derive(Clone, Default)]
pub struct Request {
    /// Method in capitals.
    pub method: String,
    /// Path under the stage.
    pub path: String,
    /// Headers as sent.
    pub headers: Vec<(String, String)>,
    /// Parameters of the query, decoded.
    pub parameters: Vec<(String, String)>,
    /// URL of the API as the caller knows it, without a slash at the end; empty where the request does not tell.
    pub base: String,
    /// Body, `None` where it says that it is base64 and is not; empty where there is none.
    pub body: Option<Vec<u8>>,
}

impl Request {
    /// Reads the gateway's event.
    #[must_use]
    pub fn read(event: ApiGatewayProxyRequest) -> Self {
        let body = event.body.unwrap_or_default();
        let body = if event.is_base64_encoded { STANDARD.decode(body).ok() } else { Some(body.into_bytes()) };
        let headers = if event.headers.is_empty() { &event.multi_value_headers } else { &event.headers };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
        let query = if event.multi_value_query_string_parameters.is_empty() {
            &event.query_string_parameters
        } else {
            &event.multi_value_query_string_parameters
        };
        let parameters = query.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let path = event.path.unwrap_or_default();
        let mut request =
            Self { method: event.http_method.to_string(), path, headers, parameters, base: String::new(), body };
        request.base = request.base_of(event.request_context.path.as_deref().unwrap_or_default());
        request
    }

    /// The URL under which the request came, less its path: scheme, host, and what the gateway takes off the path.
    fn base_of(&self, full_path: &str) -> String {
        let host = self.header("Host").unwrap_or_default();
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte)) {
            return String::new();
        }
        let scheme = self.header("X-Forwarded-Proto").filter(|scheme| *scheme == "http").unwrap_or("https");
        format!("{scheme}://{host}{}", full_path.strip_suffix(&self.path).unwrap_or_default())
    }

    /// A header, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// ODS code of the organisation for which the caller's user works, where the request says one and nothing else.
    #[must_use]
    pub fn on_behalf_of(&self) -> Option<&str> {
        let is_code = |code: &&str| {
            (3..=10).contains(&code.len())
                && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
                && code.bytes().any(|byte| byte.is_ascii_uppercase())
        };
        self.header(END_USER_ORGANISATION).map(str::trim).filter(is_code)
    }

    /// What the audit trail and logs call the request: the id it came with, where that is one and nothing else.
    #[must_use]
    pub fn id(&self) -> &str {
        self.header(ECHOED[0]).filter(|id| Uuid::parse_str(id).is_ok()).unwrap_or("api")
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers, those that every answer has left out.
    pub headers: Vec<(&'static str, String)>,
    /// FHIR or other JSON; text for a page, `Value::Null` for no body.
    pub body: Value,
}

impl Answer {
    /// An answer without body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Value::Null }
    }

    /// An answer with JSON.
    #[must_use]
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    /// A page in HTML, which brings its style along and may load and run nothing.
    #[must_use]
    pub fn page(html: String) -> Self {
        Self::json(200, Value::String(html))
            .with("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
            .with("X-Content-Type-Options", "nosniff")
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A refusal with the status that belongs to the issue.
    #[must_use]
    pub fn refusal(code: IssueCode, diagnostics: impl Into<String>) -> Self {
        Self::json(code.status(), OperationOutcome::error(code, diagnostics).to_json(Uuid::new_v4()))
    }

    /// A refusal of a kind that only the way in knows: `code` is FHIR's, `detail` the one of the details.
    #[must_use]
    pub fn refusal_at_the_door(status: u16, code: &str, detail: &str, diagnostics: &str) -> Self {
        let mut body = OperationOutcome::error(IssueCode::Invalid, diagnostics).to_json(Uuid::new_v4());
        body["issue"][0]["code"] = json!(code);
        body["issue"][0]["details"]["coding"][0]["code"] = json!(detail);
        Self::json(status, body)
    }

    /// The answer as the gateway takes it.
    #[must_use]
    pub fn into_response(self, request: &Request) -> ApiGatewayProxyResponse {
        let mut response = ApiGatewayProxyResponse::default();
        response.status_code = i64::from(self.status);
        let echoed = ECHOED.iter().filter_map(|name| Some((*name, request.header(name)?.to_owned())));
        let content_type = (!self.body.is_null()).then(|| {
            let fhir = self.body.get("resourceType").is_some();
            let json = if fhir { "application/fhir+json" } else { "application/json" };
            ("Content-Type", if self.body.is_string() { "text/html; charset=utf-8" } else { json }.to_owned())
        });
        for (name, value) in self.headers.into_iter().chain(echoed).chain(content_type) {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers.insert(name, value);
            }
        }
        if !self.body.is_null() {
            let text = match self.body {
                Value::String(page) => page,
                json => json.to_string(),
            };
            response.body = Some(Body::Text(text));
        }
        response
    }
}
