//! A request for a token, and what it is answered (RFC 6749 §5).

use std::collections::BTreeMap;

use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ims_runtime::auth::{Claims, KeySet};
use ims_store::{Store, StoreError};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{GOOD_FOR, Issuer, assertion, seconds};

/// The one kind of assertion that is taken.
const BY_JWT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Longest form that is read, in bytes.
const LONGEST_FORM: usize = 32 << 10;

/// A token that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Application.
    pub client: String,
    /// The supplier that it speaks for.
    pub supplier: String,
    /// The access token.
    pub token: String,
}

impl Granted {
    pub(crate) fn body(&self) -> Value {
        json!({"access_token": self.token, "expires_in": GOOD_FOR, "token_type": "Bearer"})
    }
}

/// Why no token is issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// RFC 6749's code.
    pub error: &'static str,
    /// In words, for whoever writes the application.
    pub description: String,
    /// The application, where the request tells; empty otherwise.
    pub client: String,
}

impl Refusal {
    fn new(status: u16, error: &'static str, description: impl Into<String>) -> Self {
        Self { status, error, description: description.into(), client: String::new() }
    }

    pub(crate) fn body(&self) -> Value {
        json!({"error": self.error, "error_description": self.description})
    }
}

/// Issues a token for a request, or says why not.
///
/// # Errors
/// Where a table cannot be read or written.
pub async fn grant(
    store: &Store,
    issuer: &Issuer,
    request: &ApiGatewayProxyRequest,
    now: Timestamp,
) -> Result<Result<Granted, Refusal>, StoreError> {
    let assertion = match read(request) {
        Ok(assertion) => assertion,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let Some(client) = assertion::claimed_client(&assertion) else {
        let text = "client_assertion is no token (JWT) whose 'iss' is the id of an application";
        return Ok(Err(Refusal::new(401, "invalid_client", text)));
    };
    let refuse = |why: String| {
        let description = format!("client_assertion was refused: {why}");
        Ok(Err(Refusal { client: client.clone(), ..Refusal::new(401, "invalid_client", description) }))
    };
    let Some(registered) = store.application(&client).await? else {
        return refuse(format!("no application '{client}' is registered"));
    };
    let checked = KeySet::parse(&registered.jwks)
        .map_err(|error| error.to_string())
        .and_then(|keys| assertion::check(&assertion, &client, &keys, &issuer.audience, now));
    let checked = match checked {
        Ok(checked) => checked,
        Err(why) => return refuse(why),
    };
    if !issuer.permissions.suppliers().any(|known| known == registered.supplier) {
        return refuse(format!("its supplier '{}' is not known any more", registered.supplier));
    }
    if !store.spend_once(&client, &checked.jti, checked.over()).await? {
        return refuse("its 'jti' was used before; each request needs an assertion of its own".to_owned());
    }
    let claims = Claims {
        supplier: Some(registered.supplier.clone()),
        ods: registered.ods,
        ..Claims::new(&client, seconds(now), GOOD_FOR)
    };
    Ok(match issuer.key.sign(&claims) {
        Ok(token) => Ok(Granted { client, supplier: registered.supplier, token }),
        Err(error) => Err(Refusal { client, ..Refusal::new(500, "server_error", error.to_string()) }),
    })
}

/// The assertion of a request that is well formed.
fn read(request: &ApiGatewayProxyRequest) -> Result<String, Refusal> {
    let invalid = |text: &str| Refusal::new(400, "invalid_request", text);
    if request.http_method.as_str() != "POST" {
        return Err(Refusal::new(405, "invalid_request", "the method must be POST"));
    }
    let body = request.body.as_deref().unwrap_or_default();
    if body.len() > LONGEST_FORM {
        return Err(Refusal::new(413, "invalid_request", format!("the form is longer than {LONGEST_FORM} bytes")));
    }
    let body = match request.is_base64_encoded {
        true => BASE64_STANDARD.decode(body).map_err(|_| invalid("the body cannot be read"))?,
        false => body.as_bytes().to_vec(),
    };
    let mut form = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(&body).into_owned() {
        if form.contains_key(&name) {
            return Err(invalid("a parameter may be given once only"));
        }
        form.insert(name, value);
    }
    let given = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    match given("grant_type") {
        "client_credentials" => {}
        "" => {
            return Err(invalid(
                "grant_type is missing: a form (application/x-www-form-urlencoded) is needed, with grant_type=client_credentials",
            ));
        }
        _ => {
            let text = "grant_type must be 'client_credentials'";
            return Err(Refusal::new(400, "unsupported_grant_type", text));
        }
    }
    match given("client_assertion_type") {
        BY_JWT => {}
        "" => return Err(invalid("client_assertion_type is missing")),
        _ => return Err(invalid(&format!("client_assertion_type must be '{BY_JWT}'"))),
    }
    match given("client_assertion") {
        "" => Err(invalid("client_assertion is missing")),
        assertion => Ok(assertion.to_owned()),
    }
}
