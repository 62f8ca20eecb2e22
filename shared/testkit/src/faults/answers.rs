//! Faults in the words of the service: types, messages and cancellation reasons as DynamoDB gives them
//! (Amazon DynamoDB Developer Guide, "Error handling with DynamoDB"; API reference, `TransactWriteItems`).

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::plan::Draw;

const EXCEEDED: &str = "The level of configured provisioned throughput for the table was exceeded. \
     Consider increasing your provisioning level with the UpdateTable API.";
const ONGOING: &str = "Transaction is ongoing for the item";
const NAMESPACE: &str = "com.amazonaws.dynamodb.v20120810#";

/// An error of the service.
fn error(status: StatusCode, kind: &str, mut body: Value) -> Response {
    let kind = if kind.contains('#') { kind.to_owned() } else { format!("{NAMESPACE}{kind}") };
    body["__type"] = json!(kind);
    let mut response = json_answer(status, &body);
    if let Ok(kind) = HeaderValue::from_str(&kind) {
        response.headers_mut().insert("x-amzn-errortype", kind);
    }
    response
}

/// An answer in the service's JSON.
pub(super) fn json_answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    response
}

/// A transaction cancelled because of one of its items.
fn cancelled(asked: &Value, draw: &mut Draw, code: &str, message: &str) -> Response {
    let writes = asked["TransactItems"].as_array().map_or(1, Vec::len).max(1);
    let place = draw.below(writes);
    let codes: Vec<&str> = (0..writes).map(|index| if index == place { code } else { "None" }).collect();
    let reasons: Vec<Value> = codes
        .iter()
        .map(|found| if *found == "None" { json!({"Code": found}) } else { json!({"Code": found, "Message": message}) })
        .collect();
    let message =
        format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", "));
    // This one error spells its message with a capital letter.
    error(
        StatusCode::BAD_REQUEST,
        "TransactionCanceledException",
        json!({"Message": message, "CancellationReasons": reasons}),
    )
}

pub(super) fn conflict(operation: &str, asked: &Value, draw: &mut Draw) -> Response {
    if operation.starts_with("Transact") {
        return cancelled(asked, draw, "TransactionConflict", ONGOING);
    }
    error(StatusCode::BAD_REQUEST, "TransactionConflictException", json!({"message": ONGOING}))
}

pub(super) fn in_progress() -> Response {
    let message = "The transaction with the given request token is already in progress.";
    error(StatusCode::BAD_REQUEST, "TransactionInProgressException", json!({"Message": message}))
}

pub(super) fn throttle(operation: &str, asked: &Value, draw: &mut Draw) -> Response {
    match draw.below(if operation.starts_with("Transact") { 5 } else { 3 }) {
        0 => exceeded(),
        1 => {
            let message = "Rate of requests exceeds the allowed throughput.";
            error(
                StatusCode::BAD_REQUEST,
                "com.amazon.coral.availability#ThrottlingException",
                json!({"message": message}),
            )
        }
        2 => {
            let message = "Throughput exceeds the current throughput limit for your account. \
                 Please contact AWS Support at https://aws.amazon.com/support request a limit increase";
            error(StatusCode::BAD_REQUEST, "RequestLimitExceeded", json!({"message": message}))
        }
        3 => cancelled(asked, draw, "ProvisionedThroughputExceeded", EXCEEDED),
        _ => {
            let message = "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically \
                 scaling your table or index so please try again shortly.";
            cancelled(asked, draw, "ThrottlingError", message)
        }
    }
}

/// What a batch answers of which nothing can be processed.
pub(super) fn exceeded() -> Response {
    error(StatusCode::BAD_REQUEST, "ProvisionedThroughputExceededException", json!({"message": EXCEEDED}))
}

pub(super) fn server_error() -> Response {
    let message = "The request processing has failed because of an unknown error, exception or failure.";
    error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", json!({"message": message}))
}

/// A batch cut in two: what is passed on, and what is left unprocessed. `None` where there is but one piece of work.
pub(super) fn cut(asked: &Value, draw: &mut Draw) -> Option<(Value, Map<String, Value>)> {
    let keys = |work: &Value| if work.is_array() { work.clone() } else { work["Keys"].clone() };
    let wanted = asked["RequestItems"].as_object()?;
    let total: usize = wanted.values().map(|work| keys(work).as_array().map_or(0, Vec::len)).sum();
    if total < 2 {
        return None;
    }
    let mut kept = 1 + draw.below(total - 1);
    let (mut now, mut later) = (Map::new(), Map::new());
    for (table, work) in wanted {
        let all = keys(work).as_array().cloned().unwrap_or_default();
        let (done, left) = all.split_at(kept.min(all.len()));
        kept -= done.len();
        for (part, into) in [(done, &mut now), (left, &mut later)] {
            if part.is_empty() {
                continue;
            }
            let mut piece = work.clone();
            if piece.is_array() {
                piece = json!(part);
            } else {
                piece["Keys"] = json!(part);
            }
            into.insert(table.clone(), piece);
        }
    }
    let mut passed = asked.clone();
    passed["RequestItems"] = Value::Object(now);
    Some((passed, later))
}

/// Whether an earlier answer will do: an index always lags, and so may what is not asked for consistently.
pub(super) fn may_be_stale(operation: &str, asked: &Value) -> bool {
    match operation {
        "Query" | "Scan" => asked["IndexName"].is_string() || asked["ConsistentRead"] != true,
        "GetItem" => asked["ConsistentRead"] != true,
        "BatchGetItem" => asked["RequestItems"]
            .as_object()
            .is_some_and(|tables| tables.values().any(|keys| keys["ConsistentRead"] != true)),
        _ => false,
    }
}

/// A request as one text, whatever the order of its names: clients keep attributes in none.
pub(super) fn sorted(asked: &Value) -> String {
    match asked {
        Value::Object(fields) => {
            let mut fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name:?}:{}", sorted(value))).collect();
            fields.sort_unstable();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(sorted).collect::<Vec<_>>().join(",")),
        plain => plain.to_string(),
    }
}
