//! What is answered: statuses, bodies and headers.

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Content, Ref, Response, ResponseBuilder};

/// FHIR in JSON.
pub(super) const FHIR: &str = "application/fhir+json";

/// Headers of answers, and what each says.
const HEADERS: [(&str, &str); 7] = [
    ("X-Request-ID", "As in the request, where it had one."),
    ("X-Correlation-ID", "As in the request, where it had one."),
    ("E-Tag", "The record's version."),
    ("Location", "Where the record is, under the API's base URL."),
    ("Retry-After", "Seconds after which to try again."),
    ("WWW-Authenticate", "`Bearer`."),
    ("Allow", "The methods that are allowed."),
];

/// What a status with an OperationOutcome means.
pub(super) fn refusal(status: u16) -> &'static str {
    match status {
        400 => "Something in the request is wrong or missing; the diagnostics say what.",
        401 => "There is no token, or it has expired or is otherwise invalid.",
        403 => "The supplier may not do this, or not for this vaccine type.",
        404 => "There is no such record, or it was deleted.",
        413 => "The body is longer than 262,144 bytes.",
        422 => "The identifier has its record already.",
        429 => "The service is busy, or the supplier's plan is used up.",
        _ => "A fault of the service; it may pass.",
    }
}

/// A refusal's answer.
pub(super) fn refused(status: u16) -> Response {
    let more: &[&str] = match status {
        401 => &["WWW-Authenticate"],
        429 => &["Retry-After"],
        _ => &[],
    };
    answer(refusal(status), Some((FHIR, "OperationOutcome")), more)
}

/// An answer: what it means, its body's media type and schema, and headers beside those that every answer has.
pub(super) fn answer(text: &str, body: Option<(&str, &str)>, headers: &[&str]) -> Response {
    let mut response = ResponseBuilder::new().description(text);
    for name in ["X-Request-ID", "X-Correlation-ID"].iter().chain(headers) {
        response = response.header(*name, header(name));
    }
    if let Some((media_type, schema)) = body {
        let content = if schema.is_empty() {
            Content::new(Some(ObjectBuilder::new().schema_type(if media_type.starts_with("text/") {
                Type::String
            } else {
                Type::Object
            })))
        } else {
            Content::new(Some(Ref::from_schema_name(schema)))
        };
        response = response.content(media_type, content);
    }
    response.build()
}

fn header(name: &str) -> Header {
    let text = HEADERS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).description(text).build()
}
