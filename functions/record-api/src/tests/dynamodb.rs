//! A DynamoDB of this process: as much of it as the store asks for, with its conditions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::{Client, Config};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use ims_store::{Store, Tables};
use serde_json::{Value, json};

/// Items by table, partition and sort key.
type Items = BTreeMap<(String, String, String), Value>;

/// What the database holds, and the table to which it refuses writes.
#[derive(Clone, Default)]
pub(super) struct DynamoDb {
    items: Arc<Mutex<Items>>,
    refused: Arc<Mutex<Option<String>>>,
}

fn key(table: &Value, of: &Value) -> (String, String, String) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(table), text(&of["pk"]["S"]), text(&of["sk"]["S"]))
}

/// Whether the condition of a write holds on the item held.
fn holds(write: &Value, held: Option<&Value>) -> bool {
    let Some(condition) = write["ConditionExpression"].as_str() else { return true };
    if condition == "attribute_not_exists(pk)" {
        return held.is_none();
    }
    let (name, value) = condition.split_once(" = ").unwrap();
    let name = write["ExpressionAttributeNames"][name].as_str().unwrap_or(name);
    held.is_some_and(|held| held[name] == write["ExpressionAttributeValues"][value])
}

impl DynamoDb {
    /// Starts it, and gives it with a store on it.
    pub(super) async fn start() -> (Self, Store) {
        let database = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(database.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-2"))
            .endpoint_url(url)
            .allow_no_auth()
            .build();
        let tables =
            Tables::from_lookup(|variable| Some(variable.trim_start_matches("IMS_TABLE_").to_owned())).unwrap();
        (database, Store::new(Client::from_conf(config), tables))
    }

    /// From now on refuses writes to a table.
    pub(super) fn refuse(&self, table: &str) {
        *self.refused.lock().unwrap() = Some(table.to_owned());
    }

    /// The items of a table whose sort keys begin so.
    pub(super) fn items(&self, table: &str, sk: &str) -> Vec<Value> {
        let items = self.items.lock().unwrap();
        let wanted = items.iter().filter(|((held, _, key), _)| held == table && key.starts_with(sk));
        wanted.map(|(_, item)| item.clone()).collect()
    }

    fn refuses(&self, asked: &Value) -> bool {
        let refused = self.refused.lock().unwrap();
        let mut writes = asked["TransactItems"].as_array().unwrap().iter();
        refused.as_deref().is_some_and(|table| writes.any(|write| write["Put"]["TableName"] == table))
    }

    fn call(&self, operation: &str, asked: &Value) -> Result<Value, Value> {
        let mut items = self.items.lock().unwrap();
        match operation {
            "GetItem" => Ok(match items.get(&key(&asked["TableName"], &asked["Key"])) {
                Some(item) => json!({"Item": item}),
                None => json!({}),
            }),
            "BatchGetItem" => {
                let mut responses = json!({});
                for (table, wanted) in asked["RequestItems"].as_object().unwrap() {
                    let keys = wanted["Keys"].as_array().unwrap().iter();
                    let found = keys.filter_map(|of| items.get(&key(&json!(table), of)).cloned());
                    responses[table] = found.collect();
                }
                Ok(json!({"Responses": responses, "UnprocessedKeys": {}}))
            }
            "Query" => {
                let value = |name: &str| asked["ExpressionAttributeValues"][name]["S"].as_str().unwrap_or_default();
                let (from, to) = match value(":from") {
                    "" => (value(":sk").to_owned(), format!("{}\u{10ffff}", value(":sk"))),
                    from => (from.to_owned(), value(":to").to_owned()),
                };
                let wanted = items.iter().filter(|((table, pk, sk), _)| {
                    asked["TableName"] == table.as_str() && pk == value(":pk") && (&from..=&to).contains(&sk)
                });
                Ok(json!({"Items": wanted.map(|(_, item)| item.clone()).collect::<Vec<_>>()}))
            }
            "PutItem" if self.refused.lock().unwrap().as_deref() == asked["TableName"].as_str() => {
                Err(json!({"__type": "com.amazonaws.dynamodb.v20120810#ValidationException", "message": "refused"}))
            }
            "PutItem" => {
                items.insert(key(&asked["TableName"], &asked["Item"]), asked["Item"].clone());
                Ok(json!({}))
            }
            "TransactWriteItems" if self.refuses(asked) => {
                Err(json!({"__type": "com.amazonaws.dynamodb.v20120810#ValidationException", "message": "refused"}))
            }
            "TransactWriteItems" => {
                let writes = asked["TransactItems"].as_array().unwrap();
                let puts: Vec<&Value> = writes.iter().map(|write| &write["Put"]).collect();
                let place = |put: &Value| key(&put["TableName"], &put["Item"]);
                let held: Vec<bool> = puts.iter().map(|put| holds(put, items.get(&place(put)))).collect();
                if held.contains(&false) {
                    let code = |held: &bool| json!({"Code": if *held { "None" } else { "ConditionalCheckFailed" }});
                    return Err(json!({
                        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                        "message": "cancelled",
                        "CancellationReasons": held.iter().map(code).collect::<Vec<_>>(),
                    }));
                }
                items.extend(puts.into_iter().map(|put| (place(put), put["Item"].clone())));
                Ok(json!({}))
            }
            other => panic!("the store is not expected to ask for {other}"),
        }
    }
}

async fn answer(State(database): State<DynamoDb>, headers: HeaderMap, body: String) -> (StatusCode, String) {
    let operation = headers["x-amz-target"].to_str().unwrap().rsplit('.').next().unwrap().to_owned();
    match database.call(&operation, &serde_json::from_str(&body).unwrap()) {
        Ok(answer) => (StatusCode::OK, answer.to_string()),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
    }
}
