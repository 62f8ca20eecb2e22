//! The immunisation API on the local stack: the life of a record, many at once on one record, and searches.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::collections::BTreeMap;
use std::time::Duration;

use ims_domain::record::Immunisation;
use ims_domain::{ImmunisationId, NhsNumber};
use ims_store::AuditEntry;
use ims_testkit::population::nhs_number;
use ims_tests::{Stack, rows::SYSTEM, stack};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// First of the people of these tests: none of another test's.
const PEOPLE: u64 = 6_000;
/// Requests that are made at once.
const AT_ONCE: usize = 64;

/// A client of the API.
#[derive(Clone)]
struct Client {
    api: String,
    token: String,
    http: reqwest::Client,
}

/// Status, `E-Tag` and body of an answer.
type Answered = (u16, Option<String>, Value);

impl Client {
    fn of(stack: &Stack) -> Self {
        let http = reqwest::Client::builder().no_proxy().pool_idle_timeout(Duration::from_secs(1)).build().unwrap();
        Self { api: stack.running.endpoints.api.clone(), token: stack.running.token.clone(), http }
    }

    async fn send(&self, method: Method, path: &str, version: Option<&str>, body: String) -> Answered {
        let form = path.ends_with("_search");
        let mut request = self
            .http
            .request(method, format!("{}/{path}", self.api))
            .bearer_auth(&self.token)
            .header("Content-Type", if form { "application/x-www-form-urlencoded" } else { "application/fhir+json" })
            .header("X-Request-ID", "60e0b220-4136-4ca5-ae46-1d97ef59d068")
            .header("X-Correlation-ID", "11c46f5f-cdef-4865-94b2-0ee0edcc26da");
        if let Some(version) = version {
            request = request.header("E-Tag", version);
        }
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(answer.headers()["x-request-id"], "60e0b220-4136-4ca5-ae46-1d97ef59d068", "{path}");
        assert_eq!(answer.headers()["x-correlation-id"], "11c46f5f-cdef-4865-94b2-0ee0edcc26da", "{path}");
        let version = answer.headers().get("e-tag").map(|value| value.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        (status, version, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn create(&self, body: &Value) -> Answered {
        self.send(Method::POST, "Immunization", None, body.to_string()).await
    }

    async fn update(&self, id: ImmunisationId, version: &str, body: &Value) -> Answered {
        let mut body = body.clone();
        body["id"] = json!(id.to_string());
        self.send(Method::PUT, &format!("Immunization/{id}"), Some(version), body.to_string()).await
    }

    async fn delete(&self, id: ImmunisationId) -> u16 {
        self.send(Method::DELETE, &format!("Immunization/{id}"), None, String::new()).await.0
    }

    async fn read(&self, id: ImmunisationId) -> Answered {
        self.send(Method::GET, &format!("Immunization/{id}"), None, String::new()).await
    }

    /// Values of the identifiers of what a person's search finds, asked for both ways.
    async fn search(&self, number: &str, more: &str) -> Vec<String> {
        let query = format!("patient.identifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fnhs-number%7C{number}&{more}");
        let (status, _, found) = self.send(Method::GET, &format!("Immunization?{query}"), None, String::new()).await;
        let (posted, _, same) = self.send(Method::POST, "Immunization/_search", None, query).await;
        assert_eq!((status, posted), (200, 200), "{found} {same}");
        assert_eq!(values(&found), values(&same));
        assert_eq!(found["total"], json!(values(&found).len()));
        values(&found)
    }
}

fn values(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().unwrap().iter();
    let matches = entries.filter(|entry| entry["search"]["mode"] == "match");
    matches.map(|entry| entry["resource"]["identifier"][0]["value"].as_str().unwrap().to_owned()).collect()
}

/// A flu vaccination of a person, with the id that it will have.
fn immunization(value: &str, number: &str) -> (ImmunisationId, Value) {
    let event: Value =
        serde_json::from_str(include_str!("../../functions/record-api/fixtures/post-immunization.json")).unwrap();
    let mut body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
    body["identifier"][0] = json!({"system": SYSTEM, "value": value});
    body["contained"][1]["identifier"][0]["value"] = json!(number);
    (ImmunisationId::of(SYSTEM, value), body)
}

fn diagnostics(body: &Value) -> &str {
    body["issue"][0]["diagnostics"].as_str().unwrap_or_default()
}

/// How often each status was answered, with one of the bodies that came with it.
async fn tally(mut requests: JoinSet<Answered>) -> BTreeMap<u16, (usize, Value)> {
    let mut tally = BTreeMap::new();
    while let Some(answered) = requests.join_next().await {
        let (status, _, body) = answered.unwrap();
        tally.entry(status).or_insert((0, body)).0 += 1;
    }
    tally
}

/// All versions of a record that are kept, of whomever, by their number.
async fn versions(stack: &Stack, id: ImmunisationId) -> Vec<u32> {
    let mut all: Vec<Immunisation> = stack.items("event", "P#", &format!("IMM#{id}")).await.unwrap();
    all.extend(stack.items::<Immunisation>("event", "P#", &format!("PAST#{id}")).await.unwrap());
    let mut versions: Vec<u32> = all.iter().map(|held| held.version).collect();
    versions.sort_unstable();
    versions
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_created_updated_deleted_and_reinstated() {
    let Some(stack) = stack().await.unwrap() else { return };
    let (client, number) = (Client::of(&stack), nhs_number(PEOPLE));
    let (id, body) = immunization(&format!("{}-life", stack.run), &number);
    let missing = format!("Immunization resource does not exist. ID: {id}");
    let tag = |version: &str| Some(version.to_owned());

    let (status, _, refused) = client.update(id, "1", &body).await;
    assert_eq!((status, diagnostics(&refused)), (404, missing.as_str()));
    let (status, version, empty) = client.create(&body).await;
    assert_eq!((status, version, empty), (201, tag("1"), Value::Null));
    let (status, version, read) = client.read(id).await;
    assert_eq!((status, version, &read["meta"]["versionId"]), (200, tag("1"), &json!("1")));

    let mut changed = body.clone();
    changed["lotNumber"] = json!("L0T2");
    let (status, version, empty) = client.update(id, "1", &changed).await;
    assert_eq!((status, version, empty), (200, tag("2"), Value::Null));
    assert_eq!(client.read(id).await.2["lotNumber"], "L0T2");
    let (status, _, refused) = client.update(id, "1", &body).await;
    let stale =
        format!("Validation errors: The requested immunization resource {id} has changed since the last retrieve.");
    assert_eq!((status, diagnostics(&refused)), (400, stale.as_str()));

    assert_eq!(client.delete(id).await, 204);
    let (status, _, gone) = client.read(id).await;
    assert_eq!((status, diagnostics(&gone)), (404, missing.as_str()));
    assert_eq!(client.delete(id).await, 404);
    assert_eq!(client.search(&number, "-immunization.target=FLU").await, Vec::<String>::new());
    let (status, version, _) = client.update(id, "2", &body).await;
    assert_eq!((status, version), (200, tag("3")), "reinstated by an update");
    assert_eq!(client.delete(id).await, 204);
    let (status, version, _) = client.create(&body).await;
    assert_eq!((status, version), (201, tag("4")), "reinstated by a create");
    let (status, _, refused) = client.create(&body).await;
    let taken = format!("The provided identifier: {SYSTEM}#{}-life is duplicated", stack.run);
    assert_eq!((status, diagnostics(&refused)), (422, taken.as_str()));
    assert_eq!(versions(&stack, id).await, [1, 2, 3, 4, 5, 6], "every version is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_creates_of_one_identifier_one_is_taken() {
    let Some(stack) = stack().await.unwrap() else { return };
    let client = Client::of(&stack);
    let (id, body) = immunization(&format!("{}-creates", stack.run), &nhs_number(PEOPLE + 1));
    let mut requests = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (client, body) = (client.clone(), body.clone());
        requests.spawn(async move { client.create(&body).await });
    }
    let tally = tally(requests).await;
    let counts: Vec<(u16, usize)> = tally.iter().map(|(status, (count, _))| (*status, *count)).collect();
    assert_eq!(counts, [(201, 1), (422, AT_ONCE - 1)], "{tally:?}");
    assert_eq!(versions(&stack, id).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_updates_of_one_version_one_is_made() {
    let Some(stack) = stack().await.unwrap() else { return };
    let client = Client::of(&stack);
    let (id, body) = immunization(&format!("{}-updates", stack.run), &nhs_number(PEOPLE + 2));
    assert_eq!(client.create(&body).await.0, 201);
    let mut requests = JoinSet::new();
    for place in 0..AT_ONCE {
        let (client, mut body) = (client.clone(), body.clone());
        body["lotNumber"] = json!(format!("L{place}"));
        requests.spawn(async move { client.update(id, "1", &body).await });
    }
    let tally = tally(requests).await;
    let counts: Vec<(u16, usize)> = tally.iter().map(|(status, (count, _))| (*status, *count)).collect();
    assert_eq!(counts, [(200, 1), (400, AT_ONCE - 1)], "{tally:?}");
    let stale =
        format!("Validation errors: The requested immunization resource {id} has changed since the last retrieve.");
    assert_eq!(diagnostics(&tally[&400].1), stale);
    assert_eq!(client.read(id).await.1.as_deref(), Some("2"));
    assert_eq!(versions(&stack, id).await, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_a_persons_records_and_is_audited() {
    let Some(stack) = stack().await.unwrap() else { return };
    let (client, number) = (Client::of(&stack), nhs_number(PEOPLE + 3));
    let names = ["a", "b"].map(|name| format!("{}-search-{name}", stack.run));
    for (name, day) in names.iter().zip(["2025-09-01", "2025-09-30"]) {
        let (_, mut body) = immunization(name, &number);
        body["occurrenceDateTime"] = json!(day);
        assert_eq!(client.create(&body).await.0, 201);
    }
    let person: NhsNumber = number.parse().unwrap();
    let person = stack.running.store.person_by_nhs_number(person).await.unwrap().expect("a person");
    let audited = async || {
        let entries: Vec<AuditEntry> = stack.items("audit", &format!("P#{person}"), "").await.unwrap();
        entries.iter().filter(|entry| entry.operation == "search").count()
    };
    let before = audited().await;
    for (more, expected) in [
        ("-immunization.target=FLU&_include=Immunization%3Apatient", &names[..]),
        ("target-disease=http%3A%2F%2Fsnomed.info%2Fsct%7C6142004", &names[..]),
        ("-immunization.target=FLU&-date.from=2025-09-30", &names[1..]),
        ("-immunization.target=FLU&-date.to=2025-09-01", &names[..1]),
        ("-immunization.target=COVID", &[]),
    ] {
        assert_eq!(client.search(&number, more).await, expected, "{more}");
    }
    assert_eq!(audited().await - before, 10, "each of five searches, made twice, one entry");

    let identifier = format!("Immunization?identifier={SYSTEM}%7C{}&_elements=id,meta", names[0]);
    let (status, _, found) = client.send(Method::GET, &identifier, None, String::new()).await;
    assert_eq!((status, &found["total"]), (200, &json!(1)));
    let id = ImmunisationId::of(SYSTEM, &names[0]).to_string();
    assert_eq!(
        found["entry"][0]["resource"],
        json!({"resourceType": "Immunization", "id": id, "meta": {"versionId": "1"}})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_names_another_person_moves_the_record_to_them() {
    let Some(stack) = stack().await.unwrap() else { return };
    let client = Client::of(&stack);
    let numbers = [4, 5].map(|place| nhs_number(PEOPLE + place));
    let name = format!("{}-moved", stack.run);
    let (id, body) = immunization(&name, &numbers[0]);
    let (_, corrected) = immunization(&name, &numbers[1]);
    let found = async || {
        [
            client.search(&numbers[0], "-immunization.target=FLU").await.len(),
            client.search(&numbers[1], "-immunization.target=FLU").await.len(),
        ]
    };
    assert_eq!(client.create(&body).await.0, 201);
    assert_eq!(found().await, [1, 0]);
    let (status, version, _) = client.update(id, "1", &corrected).await;
    assert_eq!((status, version.as_deref(), found().await), (200, Some("2"), [0, 1]));
    let (status, version, _) = client.update(id, "2", &body).await;
    assert_eq!((status, version.as_deref(), found().await), (200, Some("3"), [1, 0]));
    assert_eq!(client.delete(id).await, 204);
    assert_eq!(found().await, [0, 0]);
}
