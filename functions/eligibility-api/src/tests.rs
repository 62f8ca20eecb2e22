use std::collections::BTreeMap;

use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::{Client, Config};
use ims_domain::campaign::ContactPlan;
use ims_domain::person::{Death, Membership};
use ims_domain::record::Record;
use ims_domain::{NhsNumber, VaccineType};
use ims_runtime::Settings;
use ims_runtime::auth::{Claims, Permissions, SigningKey, Verifier};
use ims_store::{Actor, AuditEntry, Definition, Tables};
use ims_testkit::dynamodb::DynamoDb;
use jiff::civil::date;
use serde_json::Value;

use super::*;

mod cases;
mod contract;
mod people;

// An Ed25519 key pair made for tests (RFC 8032, test 1): it protects nothing.
const PRIVATE_DER: [u8; 48] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20, 0x9d, 0x61, 0xb1,
    0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
    0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];

/// Somebody made up.
const NUMBER: &str = "9990001014";
/// The day on which the flu campaign of `tests/campaigns` first invites.
const NOW: &str = "2025-10-06T09:00:00Z";

fn token(claims: impl FnOnce(&mut Claims)) -> String {
    let mut made = Claims::new("test", 1_700_000_000, 2_300_000_000);
    claims(&mut made);
    SigningKey::read(&PRIVATE_DER).unwrap().sign(&made).unwrap()
}

fn of_supplier(supplier: &str) -> String {
    token(|claims| claims.supplier = Some(supplier.to_owned()))
}

/// The function on a store of its own.
struct Api {
    database: DynamoDb,
    store: Store,
    gate: Gate,
    rules: RulesCache,
}

impl Api {
    async fn start(permissions: &str) -> Self {
        let database = DynamoDb::default();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-2"))
            .endpoint_url(database.listen().await.unwrap())
            .retry_config(Settings::dynamodb_retries())
            .allow_no_auth()
            .build();
        let tables = Tables::from_lookup(|variable| Some(variable.trim_start_matches("IMS_TABLE_").to_owned()));
        let keys = SigningKey::read(&PRIVATE_DER).unwrap().jwks();
        let permissions: Permissions = serde_json::from_str(permissions).unwrap();
        Self {
            database,
            store: Store::new(Client::from_conf(config), tables.unwrap()),
            gate: Gate::new(Verifier::new(&keys).unwrap(), permissions),
            rules: RulesCache::default(),
        }
    }

    /// With the campaigns of `tests/campaigns`, and NBS that may ask about all of them.
    async fn with_campaigns() -> Self {
        let api = Self::start(
            r#"[{"supplier": "NBS", "permissions": ["ELIGIBILITY.R"], "ods_codes": ["X26"]},
                {"supplier": "FLU-ONLY", "permissions": ["ELIGIBILITY.R"], "campaigns": ["flu-2025"]},
                {"supplier": "EMIS", "permissions": ["FLU.CRUDS"]}]"#,
        )
        .await;
        for (rules, plan) in [
            (include_str!("../../../tests/campaigns/flu.json"), include_str!("../../../tests/campaigns/flu.plan.json")),
            (
                include_str!("../../../tests/campaigns/covid.json"),
                include_str!("../../../tests/campaigns/covid.plan.json"),
            ),
        ] {
            let plan: ContactPlan = serde_json::from_str(plan).unwrap();
            api.define(Definition {
                campaign: plan.campaign.clone(),
                version: 1,
                rules: rules.to_owned(),
                plan,
                authors: vec![],
            })
            .await;
        }
        api
    }

    async fn define(&self, definition: Definition) {
        let entry = AuditEntry::new(Timestamp::now(), "Ann Author", "define", definition.campaign.clone());
        self.store.create_definition(&definition, &entry).await.unwrap();
    }

    /// Writes people as the store writes them, all in one transaction.
    async fn write(&self, people: impl IntoIterator<Item = Person>) {
        let of = |person: Person| (Record::new(Person::new(person.id, person.nhs_number)), Record::new(person));
        let actor = Actor::new("test", "feed", "test".into(), Timestamp::now());
        self.store.save(&people.into_iter().map(of).collect::<Vec<_>>(), None, &actor).await.unwrap();
    }

    /// The status, headers and body of the answer, as the gateway takes them.
    async fn ask(&self, event: Value, now: &str) -> (i64, BTreeMap<String, String>, Value) {
        let request = Request::read(serde_json::from_value(event).unwrap());
        let answered = respond(&self.store, &self.gate, &self.rules, &request, now.parse().unwrap()).await;
        let response = answered.into_response(&request);
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = response.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
        let body = response.body.map(|body| serde_json::from_slice(&body).unwrap()).unwrap_or_default();
        (response.status_code, headers, body)
    }

    /// Entries of the trail with this operation: whose partition, result, purpose.
    fn trail(&self) -> Vec<String> {
        let text = |entry: &Value, name: &str| entry[name]["S"].as_str().unwrap_or("-").to_owned();
        let entries = self.database.items("AUDIT", "");
        let about = entries.iter().filter(|entry| text(entry, "operation") == OPERATION);
        about
            .map(|entry| {
                let whose = text(entry, "pk");
                let whose = whose.split('#').take(2).collect::<Vec<_>>().join("#");
                format!("{whose} {} {} {}", text(entry, "result"), text(entry, "purpose"), text(entry, "on_behalf_of"))
            })
            .collect()
    }
}

/// The gateway's event for a question.
fn event(path: &str, token: Option<&str>, headers: &[(&str, &str)], query: &[(&str, &str)]) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("../fixtures/patient-check.json")).unwrap();
    event["path"] = json!(path);
    event["requestContext"]["path"] = json!(format!("/live{path}"));
    for (name, value) in headers {
        event["headers"][*name] = json!(value);
    }
    if let Some(token) = token {
        event["headers"]["Authorization"] = json!(format!("Bearer {token}"));
    }
    event["queryStringParameters"] = query.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    event["multiValueQueryStringParameters"] =
        query.iter().map(|(name, value)| ((*name).to_owned(), json!([value]))).collect();
    event
}

fn check_of(number: &str, query: &[(&str, &str)]) -> Value {
    event(&format!("/patient-check/{number}"), Some(&of_supplier("NBS")), &[], query)
}

/// Somebody of 70, at no risk.
fn pensioner(id: u128, number: &str) -> Person {
    let mut person = Person::new(PersonId(Uuid::from_u128(id)), Some(number.parse().unwrap()));
    person.demographics.date_of_birth = Some(date(1955, 5, 5));
    person.demographics.postcode = "CB3 8DX".into();
    person
}

fn statuses(body: &Value) -> Vec<(&str, &str)> {
    let all = body["processedSuggestions"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|one| (one["condition"].as_str().unwrap(), one["status"].as_str().unwrap())).collect()
}
