//! Where applications get their tokens: another function's route of the same API.

use utoipa::openapi::path::{Operation, OperationBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{ClientCredentials, Flow, OAuth2, Scopes, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, Required, SecurityRequirement};

use super::answers::{answer, refused};
use super::operations::TAGS;
use super::{BEARER, OAUTH2, parameters};

/// Its path.
pub(super) const PATH: &str = "/oauth2/token";

/// How an application identifies itself.
pub(super) fn scheme(base: &str) -> SecurityScheme {
    let text = "Client credentials: a registered application proves by a signed assertion who it is, and gets a token that \
        is good for ten minutes.";
    let flow = Flow::ClientCredentials(ClientCredentials::new(format!("{base}{PATH}"), Scopes::new()));
    SecurityScheme::OAuth2(OAuth2::with_description([flow], text))
}

/// A token for an application.
pub(super) fn operation() -> Operation {
    let text = "Gives a registered application an access token (RFC 6749 §4.4). The application sends an assertion \
        (RFC 7523): a JWT that it signs with its private key (RS512, ES256 or EdDSA), with the key's `kid` in the header, \
        `iss` and `sub` the application's id, `aud` this URL, `exp` at most five minutes ahead and a `jti` that is used once.";
    let form = ContentBuilder::new().schema(Some(Ref::from_schema_name("TokenForm"))).build();
    let form =
        RequestBodyBuilder::new().required(Some(Required::True)).content("application/x-www-form-urlencoded", form);
    let mut operation = OperationBuilder::new()
        .operation_id(Some("token"))
        .tag(TAGS[3].0)
        .summary(Some("Get an access token"))
        .description(Some(text))
        .request_body(Some(form.build()))
        .security(SecurityRequirement::default());
    for parameter in parameters::ids() {
        operation = operation.parameter(parameter);
    }
    for (status, text, schema, headers) in [
        ("200", "The token.", "Token", &[] as &[&str]),
        ("400", "The form is not as it must be.", "TokenError", &[]),
        ("401", "The assertion does not hold, or was used before.", "TokenError", &[]),
        ("413", "The form is too long.", "TokenError", &[]),
        ("503", "The service is busy; an assertion that was sent may be spent.", "TokenError", &["Retry-After"]),
    ] {
        operation = operation.response(status, answer(text, Some(("application/json", schema)), headers));
    }
    operation.response("429", refused(429)).build()
}

/// What an operation with a token asks for: a token got here, or one given otherwise.
pub(super) fn needed() -> [SecurityRequirement; 2] {
    [SecurityRequirement::new(OAUTH2, [""; 0]), SecurityRequirement::new(BEARER, [""; 0])]
}
