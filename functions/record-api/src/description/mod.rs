//! The API's description (OpenAPI 3.1), made from the routes, the search's parameters and the types of bodies; and the
//! same as a page to read.

mod answers;
mod operations;
mod page;
mod parameters;
mod schemas;
mod token;

use ims_fhir::SEARCH_PARAMETERS;
use serde_json::Value;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ComponentsBuilder, HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, Server,
};
use utoipa::{PartialSchema, ToSchema};

use crate::routes::{ROUTES, Route};

pub(crate) use page::page;

/// Name of the way in which callers identify themselves.
const BEARER: &str = "bearer";
const OAUTH2: &str = "oauth2";

const ABOUT: &str = "Records of vaccinations, appointments and demographics, to the contract of NHS England's Immunisation FHIR API \
    (FHIR R4). A record's version is an integer in the header `E-Tag`, in answers and in the request of an update. What \
    is refused is told in an OperationOutcome, whose `diagnostics` names the field and what is wrong with it. What a \
    supplier may do is set for each vaccine type and operation. Where the service is busy it answers 429 with \
    `Retry-After` in seconds; every operation may be repeated safely.";

/// The description as JSON. `base` is the API's URL as the caller knows it, without a slash at the end; empty where it is
/// not known.
#[must_use]
pub fn document(base: &str) -> Value {
    serde_json::to_value(describe(base)).unwrap_or_default()
}

fn describe(base: &str) -> OpenApi {
    let info = InfoBuilder::new()
        .title("Immunisation Management Service")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .build();
    let mut paths = PathsBuilder::new();
    for (method, route) in ROUTES.iter().filter_map(|route| Some((operations::method(route.method)?, route))) {
        if let Some(operation) = operations::operation(route) {
            paths = paths.path(route.path, PathItem::new(method, operation));
        }
    }
    paths = paths.path(token::PATH, PathItem::new(HttpMethod::Post, token::operation()));
    let tags = operations::TAGS.map(|(name, text)| TagBuilder::new().name(name).description(Some(text)).build());
    OpenApiBuilder::new()
        .info(info)
        .servers((!base.is_empty()).then(|| [Server::new(base)]))
        .tags(Some(tags))
        .paths(paths)
        .components(Some(components(base)))
        .build()
}

fn components(base: &str) -> Components {
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("A token of the service's issuer that names the supplier."));
    let components = ComponentsBuilder::new()
        .security_scheme(BEARER, SecurityScheme::Http(token.build()))
        .security_scheme(OAUTH2, token::scheme(base));
    components
        .schemas_from_iter(schemas::all())
        .schema("SearchForm", parameters::form(&SEARCH_PARAMETERS))
        .schema("Booking", schemas::booking())
        .schema("Demographics", schemas::demographics())
        .schema("DemographicsTaken", schemas::demographics_taken())
        .build()
}

/// A type with all that it refers to, by their names.
fn named<T: ToSchema + PartialSchema>() -> Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)> {
    let mut all = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut all);
    all
}

/// Whether a caller needs a token for a route.
fn is_open(route: &Route) -> bool {
    route.access == crate::routes::Access::Anyone
}

#[cfg(test)]
mod tests;
