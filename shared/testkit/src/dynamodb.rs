//! A DynamoDB in memory: as much of it as the store asks for, with conditions, transactions and their tokens. For tests
//! and benchmarks that need no emulator.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Items of a partition by sort key, each as its JSON: a million of them must fit.
type Partition = BTreeMap<String, Box<str>>;

#[derive(Debug, Default)]
struct Held {
    partitions: HashMap<(String, String), Partition>,
    /// Transactions carried out, by their tokens.
    tokens: HashSet<String>,
    requests: BTreeMap<String, u64>,
    refused: Option<String>,
    discarded: HashSet<String>,
}

/// The database. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct DynamoDb {
    held: Arc<Mutex<Held>>,
}

/// A refusal: the error's name, and more of its body.
struct Refusal(&'static str, Value);

fn refusal(kind: &'static str, message: &str) -> Refusal {
    Refusal(kind, json!({"message": message}))
}

/// Partition and sort key of an item or a key.
fn place(of: &Value) -> Result<(&str, &str), Refusal> {
    let text = |name: &str| {
        let value = of[name]["S"].as_str();
        value.ok_or_else(|| refusal("ValidationException", "One of the required keys was not given a value"))
    };
    Ok((text("pk")?, text("sk")?))
}

/// Whether the condition of a write holds on the item held.
fn holds(write: &Value, held: Option<&Value>) -> Result<bool, Refusal> {
    let Some(condition) = write["ConditionExpression"].as_str() else { return Ok(true) };
    let resolve = |name: &str| write["ExpressionAttributeNames"][name].as_str().unwrap_or(name).to_owned();
    if let Some(inner) = condition.strip_prefix("attribute_not_exists(").and_then(|rest| rest.strip_suffix(')')) {
        let name = resolve(inner);
        return Ok(held.is_none_or(|held| held.get(&name).is_none()));
    }
    let Some((name, value)) = condition.split_once(" = ") else {
        return Err(refusal("ValidationException", &format!("this condition is not understood: {condition}")));
    };
    Ok(held.is_some_and(|held| held[resolve(name)] == write["ExpressionAttributeValues"][value]))
}

impl Held {
    fn item(&self, table: &str, (pk, sk): (&str, &str)) -> Option<Value> {
        let item = self.partitions.get(&(table.to_owned(), pk.to_owned()))?.get(sk)?;
        serde_json::from_str(item).ok()
    }

    fn put(&mut self, table: &str, item: &Value) -> Result<(), Refusal> {
        let (pk, sk) = place(item)?;
        if !self.discarded.contains(table) {
            let partition = self.partitions.entry((table.to_owned(), pk.to_owned())).or_default();
            partition.insert(sk.to_owned(), item.to_string().into_boxed_str());
        }
        Ok(())
    }

    fn delete(&mut self, table: &str, (pk, sk): (&str, &str)) {
        if let Some(partition) = self.partitions.get_mut(&(table.to_owned(), pk.to_owned())) {
            partition.remove(sk);
        }
    }

    fn call(&mut self, operation: &str, asked: &Value) -> Result<Value, Refusal> {
        let table = asked["TableName"].as_str().unwrap_or_default();
        match operation {
            "GetItem" => {
                Ok(self.item(table, place(&asked["Key"])?).map_or_else(|| json!({}), |item| json!({"Item": item})))
            }
            "PutItem" | "DeleteItem" if self.refused.as_deref() == Some(table) => {
                Err(refusal("ValidationException", "refused"))
            }
            "PutItem" => {
                let held = self.item(table, place(&asked["Item"])?);
                if !holds(asked, held.as_ref())? {
                    return Err(refusal("ConditionalCheckFailedException", "The conditional request failed"));
                }
                self.put(table, &asked["Item"])?;
                Ok(json!({}))
            }
            "DeleteItem" => {
                self.delete(table, place(&asked["Key"])?);
                Ok(json!({}))
            }
            "UpdateItem" => self.update(table, asked),
            "BatchGetItem" => {
                let mut responses = serde_json::Map::new();
                for (table, wanted) in asked["RequestItems"].as_object().into_iter().flatten() {
                    let mut found = Vec::new();
                    for key in wanted["Keys"].as_array().into_iter().flatten() {
                        found.extend(self.item(table, place(key)?));
                    }
                    responses.insert(table.clone(), Value::Array(found));
                }
                Ok(json!({"Responses": responses, "UnprocessedKeys": {}}))
            }
            "BatchWriteItem" => {
                for (table, writes) in asked["RequestItems"].as_object().into_iter().flatten() {
                    for write in writes.as_array().into_iter().flatten() {
                        if write["PutRequest"].is_object() {
                            self.put(table, &write["PutRequest"]["Item"])?;
                        } else {
                            self.delete(table, place(&write["DeleteRequest"]["Key"])?);
                        }
                    }
                }
                Ok(json!({"UnprocessedItems": {}}))
            }
            "Query" => Ok(self.query(table, asked)),
            "TransactWriteItems" if self.refuses_part(asked) => Err(refusal("ValidationException", "refused")),
            "TransactWriteItems" => self.transact(asked),
            other => Err(refusal("UnknownOperationException", &format!("{other} is not asked for by the store"))),
        }
    }

    /// Adds to a number and sets an attribute, there or not: all that the store asks of an update.
    fn update(&mut self, table: &str, asked: &Value) -> Result<Value, Refusal> {
        let expression = asked["UpdateExpression"].as_str().unwrap_or_default();
        let words: Vec<&str> = expression.split_whitespace().collect();
        let ["ADD", added, by, "SET", set, "=", to] = words[..] else {
            return Err(refusal("ValidationException", &format!("this update is not understood: {expression}")));
        };
        let resolve = |name: &str| asked["ExpressionAttributeNames"][name].as_str().unwrap_or(name).to_owned();
        let place = place(&asked["Key"])?;
        let mut item = self.item(table, place).unwrap_or_else(|| asked["Key"].clone());
        let number = |value: &Value| value["N"].as_str().and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
        let sum = number(&item[resolve(added)]) + number(&asked["ExpressionAttributeValues"][by]);
        item[resolve(added)] = json!({"N": sum.to_string()});
        item[resolve(set)] = asked["ExpressionAttributeValues"][to].clone();
        self.put(table, &item)?;
        Ok(json!({"Attributes": {resolve(added): item[resolve(added)], resolve(set): item[resolve(set)]}}))
    }

    /// Whether a transaction writes into the table to which writes are refused.
    fn refuses_part(&self, asked: &Value) -> bool {
        let writes = asked["TransactItems"].as_array().into_iter().flatten();
        let mut tables = writes.filter_map(|write| (write.get("Put").or(write.get("Delete")))?["TableName"].as_str());
        self.refused.as_deref().is_some_and(|refused| tables.any(|table| table == refused))
    }

    fn query(&self, table: &str, asked: &Value) -> Value {
        let value = |name: &str| asked["ExpressionAttributeValues"][name]["S"].as_str().unwrap_or_default();
        let (from, to) = match value(":from") {
            "" => (value(":sk").to_owned(), format!("{}\u{10ffff}", value(":sk"))),
            from => (from.to_owned(), value(":to").to_owned()),
        };
        let partition = self.partitions.get(&(table.to_owned(), value(":pk").to_owned()));
        let range = (Bound::Included(from.as_str()), Bound::Included(to.as_str()));
        let items = partition.into_iter().flat_map(|partition| partition.range::<str, _>(range));
        let items: Vec<Value> = items.filter_map(|(_, item)| serde_json::from_str(item).ok()).collect();
        // The latest first is not asked for here, and so a limit of that neither.
        let most = asked["Limit"].as_u64().filter(|_| asked["ScanIndexForward"] != false);
        let most = most.and_then(|most| usize::try_from(most).ok()).filter(|most| *most < items.len());
        let items = &items[..most.unwrap_or(items.len())];
        let mut page = json!({"Count": items.len(), "ScannedCount": items.len(), "Items": items});
        if let Some(last) = items.last().filter(|_| most.is_some()) {
            page["LastEvaluatedKey"] = json!({"pk": last["pk"], "sk": last["sk"]});
        }
        page
    }

    fn transact(&mut self, asked: &Value) -> Result<Value, Refusal> {
        let token = asked["ClientRequestToken"].as_str().unwrap_or_default();
        if self.tokens.contains(token) {
            return Ok(json!({}));
        }
        let writes: Vec<(&String, &Value)> = asked["TransactItems"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|w| w.as_object()?.iter().next())
            .collect();
        let mut held = Vec::with_capacity(writes.len());
        let mut places = HashSet::new();
        for (kind, write) in &writes {
            let table = write["TableName"].as_str().unwrap_or_default();
            let place = place(if *kind == "Put" { &write["Item"] } else { &write["Key"] })?;
            if !places.insert((table, place)) {
                let message = "Transaction request cannot include multiple operations on one item";
                return Err(refusal("ValidationException", message));
            }
            // Only a condition needs the item.
            let item = write["ConditionExpression"].is_string().then(|| self.item(table, place)).flatten();
            held.push(holds(write, item.as_ref())?);
        }
        if held.contains(&false) {
            let reason = |holds: &bool| match holds {
                true => json!({"Code": "None"}),
                false => json!({"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}),
            };
            let reasons: Vec<Value> = held.iter().map(reason).collect();
            return Err(Refusal(
                "TransactionCanceledException",
                json!({"Message": "Transaction cancelled", "CancellationReasons": reasons}),
            ));
        }
        for (kind, write) in writes {
            let table = write["TableName"].as_str().unwrap_or_default();
            match kind.as_str() {
                "Put" => self.put(table, &write["Item"])?,
                "Delete" => self.delete(table, place(&write["Key"])?),
                _ => {}
            }
        }
        if !token.is_empty() {
            self.tokens.insert(token.to_owned());
        }
        Ok(json!({}))
    }
}

impl DynamoDb {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens on a free port of this computer; its base URL.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn listen(&self) -> io::Result<String> {
        serve(self.router()).await
    }

    /// Its routes.
    pub fn router(&self) -> Router {
        Router::new().fallback(answer).layer(DefaultBodyLimit::max(17 << 20)).with_state(self.clone())
    }

    /// From now on refuses writes to a table, alone or in transactions.
    pub fn refuse(&self, table: &str) {
        self.held().refused = Some(table.to_owned());
    }

    /// From now on keeps nothing that is written to a table, which must not be read.
    pub fn discard(&self, table: &str) {
        self.held().discarded.insert(table.to_owned());
    }

    /// The items of a table whose sort keys begin so, in the order of their keys.
    #[must_use]
    pub fn items(&self, table: &str, sk: &str) -> Vec<Value> {
        let held = self.held();
        let mut partitions: Vec<_> = held.partitions.iter().filter(|((of, _), _)| of == table).collect();
        partitions.sort_by(|one, other| one.0.cmp(other.0));
        let items = partitions.into_iter().flat_map(|(_, items)| items).filter(|(key, _)| key.starts_with(sk));
        items.filter_map(|(_, item)| serde_json::from_str(item).ok()).collect()
    }

    /// Requests so far by operation.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.held().requests.clone()
    }
}

/// Serves on a free port of 127.0.0.1 until the runtime ends, and gives the base URL.
///
/// # Errors
/// When no port can be bound.
pub async fn serve(router: Router) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

async fn answer(State(database): State<DynamoDb>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut held = database.held();
    *held.requests.entry(operation.to_owned()).or_default() += 1;
    let (status, body) = match held.call(operation, &asked) {
        Ok(answer) => (StatusCode::OK, answer),
        Err(Refusal(kind, mut body)) => {
            body["__type"] = json!(format!("com.amazonaws.dynamodb.v20120810#{kind}"));
            (StatusCode::BAD_REQUEST, body)
        }
    };
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], body.to_string())
}
