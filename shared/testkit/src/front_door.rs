//! The local front door: stable addresses in place of an emulator's long ones, as a custom domain gives on AWS.
//!
//! `/api/…` goes to the API's stage, `/console/…` to the console's, `/r/…` to the public's pages. Method, headers, body and status pass unchanged,
//! hop-by-hop headers (RFC 9110 §7.6.1) and `Host` apart.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

/// Longest body that passes, in bytes; API Gateway takes 10 MB.
const LONGEST_BODY: usize = 32 << 20;
/// Longest wait for a target; API Gateway waits 29 s.
const DEADLINE: Duration = Duration::from_secs(60);
/// Idle connections are dropped before an emulator drops them in the middle of a request.
const IDLE: Duration = Duration::from_secs(2);

/// Where requests go. A target is a base URL without a slash at the end.
#[derive(Debug, Clone)]
pub struct FrontDoor {
    api: String,
    console: Option<String>,
    http: reqwest::Client,
    received: Option<Arc<Mutex<File>>>,
}

impl FrontDoor {
    /// A front door to these base URLs.
    ///
    /// # Errors
    /// When a target is not an `http` URL of this computer, or the HTTP client cannot be set up.
    pub fn new(api: &str, console: Option<&str>) -> anyhow::Result<Self> {
        Ok(Self {
            api: target(api)?,
            console: console.map(target).transpose()?,
            http: reqwest::Client::builder()
                .timeout(DEADLINE)
                .pool_idle_timeout(IDLE)
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .build()?,
            received: None,
        })
    }

    /// Appends what is sent to the API to a file, one JSON object a line with `query` and `body`: what the logs of a
    /// run are searched for.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn received_to(mut self, path: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        self.received = Some(Arc::new(Mutex::new(file)));
        Ok(self)
    }

    /// Routes of the front door; `GET /_health` answers for itself.
    pub fn router(self) -> Router {
        Router::new()
            .route(
                "/_health",
                get(async |State(door): State<FrontDoor>| {
                    axum::Json(json!({"status": "ok", "api": door.api, "console": door.console}))
                }),
            )
            .fallback(forward)
            .with_state(self)
    }
}

/// Local runs touch nothing outside this computer.
pub(crate) fn target(url: &str) -> anyhow::Result<String> {
    let parsed = reqwest::Url::parse(url).map_err(|error| anyhow::anyhow!("target '{url}': {error}"))?;
    let local = match parsed.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    };
    anyhow::ensure!(parsed.scheme() == "http" && local, "target '{url}': expected http on a loopback address");
    Ok(url.trim_end_matches('/').to_owned())
}

async fn forward(State(door): State<FrontDoor>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let (base, rest) = if let Some(rest) = below(path, "/api") {
        (Some(&door.api), rest)
    } else if let Some(rest) = below(path, "/console") {
        (door.console.as_ref(), rest)
    } else if below(path, "/r").is_some() {
        (Some(&door.api), path)
    } else {
        return problem(
            StatusCode::NOT_FOUND,
            "not_found",
            None,
            &format!("no such path: {path}; expected /api/…, /console/… or /r/…"),
        );
    };
    let Some(base) = base else {
        return problem(StatusCode::NOT_FOUND, "not_found", None, "this front door has no console");
    };
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let url = format!("{base}{rest}{query}");
    let Ok(body) = to_bytes(body, LONGEST_BODY).await else {
        return problem(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            None,
            &format!("the body is longer than {LONGEST_BODY} bytes or broke off"),
        );
    };
    let is_kept = ["/api", "/r"].into_iter().any(|prefix| below(path, prefix).is_some());
    if let Some(file) = door.received.as_ref().filter(|_| is_kept) {
        let line = json!({"query": parts.uri.query(), "body": String::from_utf8_lossy(&body)});
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // Without it the run goes on; the search of the logs asks for the file.
        if let Err(error) = writeln!(file, "{line}") {
            eprintln!("what was received cannot be kept: {error}");
        }
    }
    let answer = async {
        let response =
            door.http.request(parts.method, &url).headers(end_to_end(&parts.headers, true)).body(body).send().await?;
        let (status, headers) = (response.status(), end_to_end(response.headers(), false));
        Ok::<_, reqwest::Error>((status, headers, response.bytes().await?))
    };
    match answer.await {
        Ok((status, headers, bytes)) => {
            let mut response = Response::new(Body::from(bytes));
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            response
        }
        Err(error) if error.is_timeout() => {
            problem(StatusCode::GATEWAY_TIMEOUT, "gateway_timeout", Some(base), "the target did not answer in time")
        }
        Err(error) if error.is_connect() => problem(
            StatusCode::BAD_GATEWAY,
            "bad_gateway",
            Some(base),
            "no connection to the target: is the local stack up?",
        ),
        Err(error) => problem(
            StatusCode::BAD_GATEWAY,
            "bad_gateway",
            Some(base),
            &format!("the target broke off: {}", error.without_url()),
        ),
    }
}

/// What follows a prefix that ends at a slash or at the end.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(crate) fn end_to_end(headers: &HeaderMap, request: bool) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(|name| name.trim().to_ascii_lowercase()))
        .collect();
    let hop_by_hop = |name: &HeaderName| {
        matches!(name.as_str(), "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding" | "upgrade")
            // Both are set anew for the next hop.
            || (request && matches!(*name, header::HOST | header::CONTENT_LENGTH))
            || named.iter().any(|other| other == name.as_str())
    };
    let mut passed = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers.iter().filter(|(name, _)| !hop_by_hop(name)) {
        passed.append(name, value.clone());
    }
    passed
}

fn problem(status: StatusCode, error: &str, target: Option<&str>, message: &str) -> Response {
    (status, axum::Json(json!({"error": error, "target": target, "message": message}))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderValue, Method};

    async fn listen(router: Router) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        url
    }

    /// Answers with what it was sent.
    async fn echo(request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let seen = json!({
            "method": parts.method.as_str(), "uri": parts.uri.to_string(), "body": body, "host": header("host"), "e-tag": header("e-tag"),
            "x-hop": header("x-hop"), "authorization": header("authorization"),
        });
        let mut response = (StatusCode::CREATED, seen.to_string()).into_response();
        for (name, value) in [("e-tag", "1"), ("location", "http://elsewhere/Immunization/1"), ("x-request-id", "abc")]
        {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response.headers_mut().append("set-cookie", HeaderValue::from_static("a=1"));
        response.headers_mut().append("set-cookie", HeaderValue::from_static("b=2"));
        response
    }

    #[tokio::test]
    async fn a_request_and_its_answer_pass_unchanged() {
        let target = listen(Router::new().fallback(echo)).await;
        let door = listen(FrontDoor::new(&format!("{target}/stage/"), Some(&target)).unwrap().router()).await;
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let response = http
            .request(Method::PUT, format!("{door}/api/Immunization/1?a=b%20c&patient.identifier=x%7Cy"))
            .header("E-Tag", "3")
            .header("Authorization", "Bearer t")
            .header("Connection", "x-hop")
            .header("x-hop", "1")
            .body("{\"a\": 1}")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 201);
        for (name, value) in [("e-tag", "1"), ("location", "http://elsewhere/Immunization/1"), ("x-request-id", "abc")]
        {
            assert_eq!(response.headers()[name], value);
        }
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        let seen: serde_json::Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!(seen["method"], "PUT");
        assert_eq!(seen["uri"], "/stage/Immunization/1?a=b%20c&patient.identifier=x%7Cy");
        assert_eq!(seen["body"], "{\"a\": 1}");
        assert_eq!(seen["e-tag"], "3");
        assert_eq!(seen["authorization"], "Bearer t");
        assert_eq!(seen["x-hop"], serde_json::Value::Null);
        assert_eq!(format!("http://{}", seen["host"].as_str().unwrap()), target);
        let console: serde_json::Value =
            http.get(format!("{door}/console")).send().await.unwrap().json().await.unwrap();
        assert_eq!(console["uri"], "/");
    }

    #[tokio::test]
    async fn a_target_that_is_down_is_named() {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let door = listen(FrontDoor::new(&format!("http://{free}"), None).unwrap().router()).await;
        let response = reqwest::get(format!("{door}/api/x")).await.unwrap();
        assert_eq!(response.status(), 502);
        let body: serde_json::Value = response.json().await.unwrap();
        assert_eq!(body["error"], "bad_gateway");
        assert_eq!(body["target"], format!("http://{free}"));
        assert_eq!(reqwest::get(format!("{door}/console/x")).await.unwrap().status(), 404);
        assert_eq!(reqwest::get(format!("{door}/apix")).await.unwrap().status(), 404);
        assert_eq!(reqwest::get(format!("{door}/_health")).await.unwrap().status(), 200);
    }

    #[test]
    fn only_this_computer_is_a_target() {
        for (url, allowed) in [
            ("http://127.0.0.1:4566/x", true),
            ("http://localhost:4566", true),
            ("http://127.9.9.9", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example.org", false),
            ("https://127.0.0.1", false),
            ("nothing", false),
        ] {
            assert_eq!(FrontDoor::new(url, None).is_ok(), allowed, "{url}");
        }
    }
}
