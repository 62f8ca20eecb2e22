//! Response headers that every page carries (OWASP Secure Headers), and where a POST may come from.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::{Shared, sign_in};

/// Scripts, styles, fonts and data come from this origin only; nothing is inline, nothing frames the console.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
     font-src 'self'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Adds the headers to a response.
pub(crate) async fn secure(State(console): State<Shared>, request: Request, next: Next) -> Response {
    let is_https = is_https(console.origin(), request.headers());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    set(
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    );
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if is_https {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Whether the browser came by https: by the configured origin, else by what API Gateway says.
pub(crate) fn is_https(origin: Option<&str>, headers: &HeaderMap) -> bool {
    match origin {
        Some(origin) => origin.starts_with("https://"),
        None => text(headers, "x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https")),
    }
}

/// Lets through nothing that may change something unless one of the console's own pages sent it.
pub(crate) async fn own_posts(State(console): State<Shared>, request: Request, next: Next) -> Response {
    if !request.method().is_safe() && !is_own_post(console.origin(), request.headers()) {
        return sign_in::elsewhere(&console);
    }
    next.run(request).await
}

/// Whether a POST was sent from one of the console's own pages. A browser says so in `Sec-Fetch-Site`; one that does not
/// sends `Origin`, which must be the configured origin or the host asked for. What says neither is refused.
fn is_own_post(origin: Option<&str>, headers: &HeaderMap) -> bool {
    if let Some(site) = text(headers, "sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(sent) = text(headers, "origin") else { return false };
    if let Some(origin) = origin {
        return sent == origin;
    }
    let host = sent.split_once("://").map(|(_, host)| host);
    host.is_some() && host == text(headers, "host")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
