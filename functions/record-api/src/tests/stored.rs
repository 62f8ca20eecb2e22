//! Whole requests on a store: what one changes the next one sees, however many come at once.

use std::sync::Arc;

use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::{Client, Config};
use futures::future::join_all;
use ims_domain::person::{Demographics, States};
use ims_runtime::Settings;
use ims_store::{Store, Tables};
use ims_testkit::dynamodb::DynamoDb;

use super::*;

const OTHER: &str = "9990000018";
const AT_ONCE: usize = 64;

/// A store on a database at a URL, its tables called as the environment's variables end.
pub(super) fn store_at(url: &str) -> Store {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-2"))
        .endpoint_url(url)
        .retry_config(Settings::dynamodb_retries())
        .allow_no_auth()
        .build();
    let tables = Tables::from_lookup(|variable| Some(variable.trim_start_matches("IMS_TABLE_").to_owned())).unwrap();
    Store::new(Client::from_conf(config), tables)
}

/// The API on a store of its own.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) database: DynamoDb,
    pub(super) store: Arc<Store>,
    gate: Arc<Gate>,
}

impl Api {
    pub(super) async fn start() -> Self {
        Self::with(gate()).await
    }

    pub(super) async fn with(gate: Gate) -> Self {
        let database = DynamoDb::default();
        let store = store_at(&database.listen().await.unwrap());
        Self { database, store: Arc::new(store), gate: Arc::new(gate) }
    }

    pub(super) async fn ask(&self, request: &Request) -> Result<Answer, ApiError> {
        answer(&self.store, &self.gate, request, "2025-10-01T12:00:00Z".parse().unwrap()).await
    }

    pub(super) async fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask(&request(method, path, "EMIS", body)).await.unwrap()
    }

    pub(super) async fn update(&self, id: &str, version: &str, body: &str) -> Answer {
        let body = body.replacen('{', &format!("{{\"id\":\"{id}\","), 1);
        let mut sent = request("PUT", &format!("/Immunization/{id}"), "EMIS", &body);
        sent.headers.push(("E-Tag".into(), version.into()));
        self.ask(&sent).await.unwrap()
    }

    /// The bundle that a person's search for flu finds.
    pub(super) async fn found(&self, number: &str) -> Value {
        let form =
            format!("patient.identifier=https://fhir.nhs.uk/Id/nhs-number|{number}&-immunization.target=FLU,COVID");
        let answer = self.send("POST", "/Immunization/_search", &form).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// Operations, purposes and results in the trails of all people (`P#`) or all actors (`A#`).
    pub(super) fn audited(&self, whose: &str) -> Vec<String> {
        let entries = self.database.items("AUDIT", "");
        let text = |entry: &Value, name: &str| entry[name]["S"].as_str().unwrap().to_owned();
        let mut all: Vec<String> = entries
            .iter()
            .filter(|entry| text(entry, "pk").starts_with(whose))
            .map(|entry| ["operation", "purpose", "result"].map(|name| text(entry, name)).join(" "))
            .collect();
        all.sort();
        all
    }

    /// Versions of records that are kept, past ones included, of all people together.
    fn versions(&self) -> Vec<u32> {
        let mut items = self.database.items("EVENT", "IMM#");
        items.extend(self.database.items("EVENT", "PAST#"));
        let mut versions: Vec<u32> =
            items.iter().map(|item| item["version"]["N"].as_str().unwrap().parse().unwrap()).collect();
        versions.sort_unstable();
        versions
    }
}

fn version(answer: &Answer) -> (u16, Option<&str>) {
    let version = answer.headers.iter().find(|(name, _)| *name == "E-Tag");
    (answer.status, version.map(|(_, value)| value.as_str()))
}

pub(super) fn id() -> String {
    ImmunisationId::of("https://supplier.example/vaccinations", "made-up-0001").to_string()
}

#[tokio::test]
async fn a_record_is_created_read_updated_deleted_and_reinstated() {
    let (api, id, body) = (Api::start().await, id(), immunization());
    let path = format!("/Immunization/{id}");
    assert_eq!(version(&api.update(&id, "1", &body).await), (404, None));
    assert_eq!(version(&api.send("POST", "/Immunization", &body).await), (201, Some("1")));
    assert_eq!(version(&api.send("POST", "/Immunization", &body).await), (422, None));
    let read = api.send("GET", &path, "").await;
    assert_eq!((version(&read), &read.body["meta"]["versionId"]), ((200, Some("1")), &json!("1")));
    let updated = api.update(&id, "1", &body.replace("L0T1", "L0T2")).await;
    assert_eq!((version(&updated), &updated.body), ((200, Some("2")), &Value::Null));
    assert_eq!(version(&api.update(&id, "1", &body).await), (400, None));
    assert_eq!(version(&api.update(&id, "3", &body).await), (400, None));
    assert_eq!(api.send("GET", &path, "").await.body["lotNumber"], "L0T2");
    let deleted = api.send("DELETE", &path, "").await;
    assert_eq!((deleted.status, &deleted.body), (204, &Value::Null));
    assert_eq!(api.send("GET", &path, "").await.status, 404);
    assert_eq!(api.send("DELETE", &path, "").await.status, 404);
    assert_eq!(api.found("9990001014").await["total"], 0);
    assert_eq!(version(&api.update(&id, "1", &body).await), (200, Some("3")), "reinstated by an update");
    assert_eq!(api.send("DELETE", &path, "").await.status, 204);
    assert_eq!(version(&api.send("POST", "/Immunization", &body).await), (201, Some("4")), "reinstated by a create");
    assert_eq!(api.found("9990001014").await["entry"][0]["resource"]["meta"]["versionId"], "4");
    assert_eq!(api.versions(), [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn of_many_creates_of_one_identifier_one_is_taken() {
    let (api, body) = (Api::start().await, immunization());
    let answers = join_all((0..AT_ONCE).map(|_| api.send("POST", "/Immunization", &body))).await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(422)), (1, AT_ONCE - 1));
    assert_eq!(api.versions(), [1]);
}

#[tokio::test]
async fn of_many_updates_of_one_version_one_is_made() {
    let (api, id, body) = (Api::start().await, id(), immunization());
    api.send("POST", "/Immunization", &body).await;
    let answers = join_all((0..AT_ONCE).map(|_| api.update(&id, "1", &body))).await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(200), count(400)), (1, AT_ONCE - 1));
    assert_eq!(api.versions(), [1, 2]);
}

#[tokio::test]
async fn an_update_under_another_number_moves_the_record_to_that_person() {
    let (api, id, body) = (Api::start().await, id(), immunization());
    let corrected = body.replace("9990001014", OTHER);
    let total = async |number| api.found(number).await["total"].as_u64().unwrap();
    api.send("POST", "/Immunization", &body).await;
    assert_eq!(version(&api.update(&id, "1", &corrected).await), (200, Some("2")));
    assert_eq!((total("9990001014").await, total(OTHER).await), (0, 1));
    assert_eq!(version(&api.update(&id, "2", &body).await), (200, Some("3")));
    assert_eq!((total("9990001014").await, total(OTHER).await), (1, 0));
    assert_eq!(version(&api.send("GET", &format!("/Immunization/{id}"), "").await), (200, Some("3")));
    assert_eq!(api.send("DELETE", &format!("/Immunization/{id}"), "").await.status, 204);
    assert_eq!(version(&api.update(&id, "1", &corrected).await), (200, Some("4")), "reinstated with the other person");
    assert_eq!((total("9990001014").await, total(OTHER).await), (0, 1));
}

#[tokio::test]
async fn what_is_disclosed_is_written_down_first() {
    let (api, id, body) = (Api::start().await, id(), immunization());
    api.send("POST", "/Immunization", &body).await;
    api.send("GET", &format!("/Immunization/{id}"), "").await;
    assert_eq!(api.found("9990001014").await["total"], 1);
    assert_eq!(api.found(OTHER).await["total"], 0, "nobody is known by this number");
    let identifier = "identifier=https://supplier.example/vaccinations|made-up-0001&_elements=id,meta";
    assert_eq!(api.send("POST", "/Immunization/_search", identifier).await.body["total"], 1);
    let forbidden = request("GET", &format!("/Immunization/{id}"), "NOBODY", "");
    assert_eq!(api.ask(&forbidden).await.unwrap().status, 403);
    let mut expected = vec![
        "create api allowed",
        "read api allowed",
        "read api refused",
        "search api FLU allowed",
        "search api identifier allowed",
    ];
    assert_eq!(api.audited("P#"), expected);
    // The actors' trails have the same, and the search that found nobody.
    expected.insert(3, "search api FLU not_found");
    expected.sort_unstable();
    assert_eq!(api.audited("A#"), expected);
}

#[tokio::test]
async fn for_whom_a_caller_works_is_written_down_where_it_is_an_organisation() {
    let (api, body) = (Api::start().await, immunization());
    let for_whom = [Some("RX1"), Some("B81087"), Some("9990001014"), Some("Alder Marrow"), Some("r1"), None];
    for (place, whom) in for_whom.into_iter().enumerate() {
        let body = body.replace("made-up-0001", &format!("made-up-{place}"));
        let mut sent = request("POST", "/Immunization", "EMIS", &body);
        sent.headers.extend(whom.map(|code| ("nhsd-end-user-organisation-ods".into(), code.into())));
        assert_eq!(api.ask(&sent).await.unwrap().status, 201);
    }
    for trail in ["P#", "A#"] {
        let entries = api.database.items("AUDIT", "");
        let mut noted: Vec<String> = entries
            .iter()
            .filter(|entry| entry["pk"]["S"].as_str().unwrap().starts_with(trail))
            .filter_map(|entry| Some(entry["on_behalf_of"]["S"].as_str()?.to_owned()))
            .collect();
        noted.sort();
        assert_eq!(noted, ["B81087", "RX1"], "an NHS number or a name is none");
    }
}

#[tokio::test]
async fn what_comes_to_nothing_is_written_down_too() {
    let (api, id, body) = (Api::start().await, id(), immunization());
    let path = format!("/Immunization/{id}");
    api.send("GET", &path, "").await;
    api.send("DELETE", &path, "").await;
    assert_eq!(api.audited("A#"), ["delete api not_found", "read api not_found"]);
    assert!(api.audited("P#").is_empty(), "nobody is known yet");
    api.send("POST", "/Immunization", &body).await;
    for (method, path, form) in [
        ("DELETE", path.as_str(), String::new()),
        ("POST", "/Immunization/_search", "identifier=https://supplier.example/vaccinations|made-up-0001".to_owned()),
        (
            "POST",
            "/Immunization/_search",
            "patient.identifier=https://fhir.nhs.uk/Id/nhs-number|9990001014&-immunization.target=FLU".to_owned(),
        ),
    ] {
        assert_eq!(api.ask(&request(method, path, "NOBODY", &form)).await.unwrap().status, 403, "{method} {path}");
    }
    assert_eq!(api.send("POST", "/Immunization", &body).await.status, 422);
    assert_eq!(
        api.audited("P#"),
        ["create api allowed", "create api refused", "delete api refused", "search api refused", "search api refused",]
    );
    assert!(api.database.items("AUDIT", "").iter().all(|entry| !entry.to_string().contains("9990001014")));
}

#[tokio::test]
async fn a_restricted_persons_records_are_disclosed_without_place() {
    let (api, id, body) = (Api::start().await, id(), immunization());
    api.send("POST", "/Immunization", &body).await;
    let demographics = Demographics { serial: 1, ..Demographics::default() };
    let restricted = States { restricted: true, ..States::default() };
    let change = Change::Demographics(Box::new((demographics, restricted)));
    let actor = Actor::new("test", "feed", "test".into(), Timestamp::now());
    api.store.apply(Some("9990001014".parse().unwrap()), &[change], &actor).await.unwrap();
    let read = api.send("GET", &format!("/Immunization/{id}"), "").await.body;
    for shown in [read, api.found("9990001014").await] {
        let shown = shown.to_string();
        assert!(["CB3 8DX", "X99999", "B0C4P"].iter().all(|place| !shown.contains(place)), "{shown}");
    }
}
