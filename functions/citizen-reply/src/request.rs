//! From an API Gateway request to what is asked.

use std::collections::HashMap;

use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::words::Language;

/// Longest form that is read, in bytes: the longest that the pages send is a tenth of it.
const LONGEST: usize = 4096;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whether a form was sent.
    pub is_post: bool,
    /// Path below `/r`, without slashes at its ends.
    pub path: String,
    /// Language that was chosen, or that the browser prefers.
    pub language: Language,
    /// Fields of the form.
    pub form: HashMap<String, String>,
}

impl Request {
    /// Reads an event. A form that is too long or cannot be read has no fields.
    #[must_use]
    pub fn read(event: ApiGatewayProxyRequest) -> Self {
        let path = event.path.unwrap_or_default();
        // The stage is in front of it where the API's own address is asked.
        let below = path.split_once("/r").map_or("", |(_, rest)| rest).trim_matches('/');
        let body = event.body.unwrap_or_default();
        let body = match event.is_base64_encoded {
            true => STANDARD.decode(body).unwrap_or_default(),
            false => body.into_bytes(),
        };
        let is_post = event.http_method == "POST";
        let form: HashMap<String, String> = match is_post && body.len() <= LONGEST {
            true => form_urlencoded::parse(&body).into_owned().collect(),
            false => HashMap::new(),
        };
        let chosen = event.query_string_parameters.first("lang").or_else(|| form.get("lang").map(String::as_str));
        let accepted = event.headers.get("accept-language").and_then(|header| header.to_str().ok());
        let language =
            chosen.and_then(Language::of).unwrap_or_else(|| Language::accepted(accepted.unwrap_or_default()));
        Self { is_post, path: below.to_owned(), language, form }
    }

    /// A field, without white space around it; empty where it is not there.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.form.get(name).map_or("", |value| value.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(event: serde_json::Value) -> Request {
        let mut whole: serde_json::Value = serde_json::from_str(include_str!("../fixtures/open.json")).unwrap();
        for (name, value) in event.as_object().unwrap() {
            whole[name] = value.clone();
        }
        Request::read(serde_json::from_value(whole).unwrap())
    }

    #[test]
    fn the_path_below_the_door_is_what_is_asked_for() {
        for (path, below) in [
            ("/r", ""),
            ("/r/", ""),
            ("/r/AbC-_9", "AbC-_9"),
            ("/v1/r/answer", "answer"),
            ("/r/style.css", "style.css"),
        ] {
            assert_eq!(read(json!({"path": path})).path, below, "{path}");
        }
    }

    #[test]
    fn a_form_is_read_however_the_gateway_hands_it_over() {
        let body = "code=7K2M+94PT%2DXW0C&lang=cy";
        for (body, encoded) in [(body.to_owned(), false), (STANDARD.encode(body), true)] {
            let request = read(json!({"httpMethod": "POST", "body": body, "isBase64Encoded": encoded}));
            assert_eq!((request.field("code"), request.language), ("7K2M 94PT-XW0C", Language::Welsh));
        }
        let long = read(json!({"httpMethod": "POST", "body": format!("code={}", "A".repeat(LONGEST))}));
        assert_eq!(long.field("code"), "");
        assert!(read(json!({"httpMethod": "GET", "body": "code=1"})).form.is_empty());
    }

    #[test]
    fn the_chosen_language_goes_before_the_browsers() {
        let asked = read(json!({"queryStringParameters": {"lang": "ar"}, "headers": {"accept-language": "cy"}}));
        assert_eq!(asked.language, Language::Arabic);
        let browser = read(json!({"queryStringParameters": null, "headers": {"accept-language": "cy"}}));
        assert_eq!(browser.language, Language::Welsh);
    }
}
