use super::*;
use axum::extract::State as AxumState;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use std::sync::atomic::{AtomicUsize, Ordering};

const SERVICE: &str = "26785a09-ab16-4eb0-8407-a37497a57506";
const SECRET: &str = "3d844edf-8d35-48ac-975b-e847b4f122b0";
const TEMPLATE: &str = "f33517ff-2a88-4f6e-b855-c550268ce08a";

fn config() -> Config {
    Config::new(format!("a-test-key-{SERVICE}-{SECRET}").parse().unwrap())
}

struct Client {
    url: String,
    http: reqwest::Client,
    token: String,
}

impl Client {
    async fn of(config: Config) -> Self {
        let url = Sandbox::new(config).unwrap().serve_in_background().await.unwrap();
        Self { url, http: reqwest::Client::new(), token: token(SERVICE, SECRET, 0) }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn sms(&self, to: &str, reference: &str) -> (u16, Value) {
        self.call(Method::POST, "/v2/notifications/sms", Some(text(to, reference))).await
    }

    async fn sent(&self) -> Vec<Value> {
        self.call(Method::GET, "/_sent", None).await.1.as_array().unwrap().clone()
    }

    /// Waits until nothing is due any more.
    async fn settled(&self) -> Value {
        loop {
            let health = self.call(Method::GET, "/_health", None).await.1;
            if health["receipts"]["waiting"] == 0 {
                return health;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn token(service: &str, secret: &str, age_seconds: i64) -> String {
    let claims = json!({"iss": service, "iat": Timestamp::now().as_second() - age_seconds});
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn text(to: &str, reference: &str) -> Value {
    json!({"phone_number": to, "template_id": TEMPLATE, "reference": reference, "personalisation": {"body": "Hello"}})
}

#[tokio::test]
async fn only_a_fresh_token_of_the_service_passes() {
    let mut client = Client::of(config()).await;
    for (token, status, message) in [
        (token(SERVICE, SECRET, 0), 201, ""),
        (token(SERVICE, SECRET, 25), 201, ""),
        (token(SERVICE, SECRET, 40), 403, "Error: Your system clock must be accurate to within 30 seconds"),
        (token(SERVICE, SECRET, -40), 403, "Error: Your system clock must be accurate to within 30 seconds"),
        (token(SERVICE, SERVICE, 0), 403, "Invalid token: API key not found"),
        (token(TEMPLATE, SECRET, 0), 403, "Invalid token: service not found"),
        ("nonsense".into(), 403, "Invalid token: API token is not valid"),
    ] {
        client.token = token;
        let (found, body) = client.sms("07700900123", "r").await;
        assert_eq!((found, body["errors"][0]["message"].as_str().unwrap_or_default()), (status, message));
    }
    let bare = client.http.post(format!("{}/v2/notifications/sms", client.url)).send().await.unwrap();
    assert_eq!(bare.status(), 401);
}

#[tokio::test]
async fn a_text_is_answered_found_and_listed() {
    let client = Client::of(config()).await;
    let (status, created) = client.sms("07700 900123", "my reference").await;
    assert_eq!(status, 201);
    assert_eq!(created["reference"], "my reference");
    assert_eq!(created["content"]["body"], "Hello");
    assert_eq!(created["template"]["id"], TEMPLATE);
    client.settled().await;
    let id = created["id"].as_str().unwrap();
    let (_, one) = client.call(Method::GET, &format!("/v2/notifications/{id}"), None).await;
    assert_eq!(
        (&one["status"], &one["phone_number"], &one["type"]),
        (&json!("delivered"), &json!("07700 900123"), &json!("sms"))
    );
    let (_, many) =
        client.call(Method::GET, "/v2/notifications?reference=my%20reference&template_type=sms", None).await;
    assert_eq!(many["notifications"].as_array().unwrap().len(), 1);
    let (_, none) = client.call(Method::GET, "/v2/notifications?reference=other", None).await;
    assert_eq!(none["notifications"], json!([]));
    let sent = client.sent().await;
    assert_eq!(sent.len(), 1);
    for (key, value) in [
        ("id", id),
        ("channel", "sms"),
        ("reference", "my reference"),
        ("to", "07700 900123"),
        ("template", TEMPLATE),
        ("status", "delivered"),
    ] {
        assert_eq!(sent[0][key], value);
    }
    assert!(sent[0]["at"].as_str().unwrap().parse::<Timestamp>().is_ok());
    let (status, _) = client.call(Method::GET, &format!("/v2/notifications/{TEMPLATE}"), None).await;
    assert_eq!(status, 404);
    client.call(Method::POST, "/_reset", None).await;
    assert!(client.sent().await.is_empty());
}

#[tokio::test]
async fn wrong_requests_get_notifys_words() {
    let client = Client::of(config()).await;
    let with = |name: &str, value: Value| {
        let mut body = text("07700900123", "r");
        body[name] = value;
        body
    };
    let mut no_template = text("07700900123", "r");
    no_template.as_object_mut().unwrap().remove("template_id");
    for (body, error, message) in [
        (no_template, "ValidationError", "template_id is a required property"),
        (with("template_id", json!("x")), "ValidationError", "template_id is not a valid UUID"),
        (with("personalisation", json!("x")), "ValidationError", "personalisation x is not of type object"),
        (with("personalisation", json!({})), "BadRequestError", "Missing personalisation: body"),
        (with("extra", json!(1)), "ValidationError", "Additional properties are not allowed (extra was unexpected)"),
        (with("phone_number", json!("0770090012")), "ValidationError", "phone_number Not enough digits"),
        (with("phone_number", json!("077009001234")), "ValidationError", "phone_number Too many digits"),
        (with("phone_number", json!("02079460123")), "ValidationError", "phone_number Not a UK mobile number"),
        (
            with("phone_number", json!("07700x90012")),
            "ValidationError",
            "phone_number Must not contain letters or symbols",
        ),
        (with("phone_number", json!("+12025550123")), "BadRequestError", "Cannot send to international mobile numbers"),
    ] {
        let (status, answer) = client.call(Method::POST, "/v2/notifications/sms", Some(body)).await;
        assert_eq!((status, &answer["status_code"]), (400, &json!(400)));
        assert_eq!(answer["errors"], json!([{"error": error, "message": message}]));
    }
    assert!(client.sent().await.is_empty());
}

#[tokio::test]
async fn a_letter_needs_an_address() {
    let client = Client::of(config()).await;
    let letter = |lines: &[&str]| {
        let mut personalisation = json!({"body": "Dear"});
        for (index, line) in lines.iter().enumerate() {
            personalisation[format!("address_line_{}", index + 1)] = json!(line);
        }
        json!({"template_id": TEMPLATE, "reference": "r", "personalisation": personalisation})
    };
    for (lines, message) in [
        (vec![], "personalisation address_line_1 is a required property"),
        (vec!["A Person", "LS1 4AP"], "Address must be at least 3 lines"),
        (vec!["A Person", "1 Street", "Leeds"], "Last line of address must be a real UK postcode or another country"),
        (
            vec!["A Person", ",", "Leeds", "LS1 4AP"],
            "Address lines must not start with any of the following characters: @ ( ) = [ ] ” \\ / , < >",
        ),
    ] {
        let (status, answer) = client.call(Method::POST, "/v2/notifications/letter", Some(letter(&lines))).await;
        assert_eq!((status, answer["errors"][0]["message"].as_str().unwrap()), (400, message));
    }
    let (status, _) =
        client.call(Method::POST, "/v2/notifications/letter", Some(letter(&["A Person", "1 Street", "LS1 4AP"]))).await;
    assert_eq!(status, 201);
    client.settled().await;
    let sent = client.sent().await;
    assert_eq!((&sent[0]["to"], &sent[0]["status"]), (&json!("A Person, 1 Street, LS1 4AP"), &json!("received")));
}

#[tokio::test]
async fn the_limit_holds_over_a_rolling_minute() {
    let client = Client::of(Config { rate_per_minute: 3, ..config() }).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(client.sms("07700900123", "r").await.0);
    }
    assert_eq!(statuses, [201, 201, 201, 429, 429]);
    let (_, answer) = client.sms("07700900123", "r").await;
    assert_eq!(
        answer["errors"][0],
        json!({"error": "RateLimitError", "message": "Exceeded rate limit for key type live of 3 requests per 60 seconds"})
    );
}

#[tokio::test]
async fn a_failure_that_is_set_happens_until_it_is_cleared() {
    let client = Client::of(config()).await;
    for (failure, status, kept) in [
        (json!({"mode": "status_500"}), 500, 0),
        (json!({"mode": "status_429"}), 429, 0),
        (json!({"mode": "timeout_before_accept", "delay_ms": 1}), 504, 0),
        (json!({"mode": "timeout_after_accept", "delay_ms": 1}), 504, 1),
        (json!({"mode": "late_accept", "delay_ms": 1}), 201, 1),
        (json!({"mode": "slow", "delay_ms": 1}), 201, 1),
        (json!({"mode": "status_500", "share": 0}), 201, 1),
        (json!([{"mode": "status_500", "on": "find"}]), 201, 1),
    ] {
        client.call(Method::POST, "/_reset", None).await;
        let (set, _) = client.call(Method::POST, "/_failures", Some(failure.clone())).await;
        assert_eq!(set, 204);
        assert_eq!(client.sms("07700900123", "r").await.0, status, "{failure}");
        assert_eq!(client.sent().await.len(), kept, "{failure}");
    }
    client.call(Method::POST, "/_failures", Some(json!({"mode": "status_500", "attempts": 1}))).await;
    assert_eq!(client.sms("07700900123", "once").await.0, 500);
    assert_eq!(client.sms("07700900123", "once").await.0, 201);
    client.call(Method::POST, "/_failures", Some(json!({"mode": "status_500"}))).await;
    client.call(Method::DELETE, "/_failures", None).await;
    assert_eq!(client.sms("07700900123", "r").await.0, 201);
    assert_eq!(client.call(Method::POST, "/_failures", Some(json!({"mode": "no"}))).await.0, 400);
}

/// A callback endpoint that refuses every first try.
#[derive(Clone, Default)]
struct Endpoint {
    seen: Arc<Mutex<Vec<Value>>>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

async fn take(AxumState(endpoint): AxumState<Endpoint>, headers: HeaderMap, Json(body): Json<Value>) -> StatusCode {
    let running = endpoint.running.fetch_add(1, Ordering::SeqCst) + 1;
    endpoint.most.fetch_max(running, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(2)).await;
    endpoint.running.fetch_sub(1, Ordering::SeqCst);
    if headers["authorization"] != "Bearer secret" {
        return StatusCode::FORBIDDEN;
    }
    let mut seen = endpoint.seen.lock().unwrap();
    let again = seen.iter().any(|other| other["id"] == body["id"]);
    seen.push(body);
    if again { StatusCode::NO_CONTENT } else { StatusCode::INTERNAL_SERVER_ERROR }
}

#[tokio::test]
async fn receipts_are_posted_retried_and_say_what_became_of_each_text() {
    let endpoint = Endpoint::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/receipts", listener.local_addr().unwrap());
    let router = Router::new().route("/receipts", post(take)).with_state(endpoint.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let callback = Callback { url, token: "secret".into(), retry_after: Duration::from_millis(1) };
    let client = Client::of(Config { callback: Some(callback), ..config() }).await;
    for (number, reference) in [("07700900002", "permanent"), ("+447700900003", "temporary")] {
        client.sms(number, reference).await;
    }
    for index in 0..20 {
        client.sms("07700900123", &index.to_string()).await;
    }
    let health = client.settled().await;
    assert_eq!(health["receipts"], json!({"posted": 22, "retried": 22, "given_up": 0, "waiting": 0}));
    assert!(endpoint.most.load(Ordering::SeqCst) <= 4);
    let seen = endpoint.seen.lock().unwrap().clone();
    let status =
        |reference: &str| seen.iter().find(|receipt| receipt["reference"] == reference).unwrap()["status"].clone();
    assert_eq!(status("permanent"), "permanent-failure");
    assert_eq!(status("temporary"), "temporary-failure");
    assert_eq!(status("7"), "delivered");
    let mut keys: Vec<&String> = seen[0].as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "completed_at",
            "created_at",
            "id",
            "notification_type",
            "reference",
            "sent_at",
            "status",
            "template_id",
            "template_version",
            "to"
        ]
    );
}

#[tokio::test]
async fn smoke_numbers_are_kept_unless_asked_otherwise() {
    for (smoke_numbers, kept) in [(false, 1), (true, 0)] {
        let client = Client::of(Config { smoke_numbers, ..config() }).await;
        assert_eq!(client.sms("07700 900 111", "r").await.0, 201);
        assert_eq!(client.sent().await.len(), kept);
    }
}

#[tokio::test]
async fn pages_go_back_in_time() {
    let client = Client::of(Config { rate_per_minute: 0, ..config() }).await;
    for index in 0..PAGE + 3 {
        client.sms("07700900123", &index.to_string()).await;
    }
    let (_, first) = client.call(Method::GET, "/v2/notifications", None).await;
    assert_eq!(first["notifications"].as_array().unwrap().len(), PAGE);
    assert_eq!(first["notifications"][0]["reference"], (PAGE + 2).to_string());
    let (_, second) = client.call(Method::GET, first["links"]["next"].as_str().unwrap(), None).await;
    let references: Vec<&str> =
        second["notifications"].as_array().unwrap().iter().map(|found| found["reference"].as_str().unwrap()).collect();
    assert_eq!(references, ["2", "1", "0"]);
}

/// What the send fence rests on: however late a request arrives, an old token keeps it out.
#[tokio::test]
async fn a_request_that_arrives_after_its_token_expired_is_not_accepted() {
    let mut client = Client::of(config()).await;
    client.call(Method::POST, "/_failures", Some(json!({"mode": "late_accept", "delay_ms": 2_000}))).await;
    client.token = token(SERVICE, SECRET, 29);
    assert_eq!(client.sms("07700900123", "r").await.0, 403);
    assert!(client.sent().await.is_empty());
}
