//! The proxy, seen by the client that the service uses.

use std::time::Instant;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Put, PutRequest, TransactWriteItem, WriteRequest};

use super::*;
use crate::dynamodb::DynamoDb;

/// A database, the proxy before it, and a client that does not try again.
async fn start(faults: Vec<Fault>) -> (DynamoDb, Faults, Client) {
    let database = DynamoDb::default();
    let proxy = Faults::new(&database.listen().await.unwrap()).unwrap();
    proxy.set(Plan { seed: 11, faults });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(proxy.clone().serve(listener));
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-2"))
        .endpoint_url(url)
        .allow_no_auth()
        .retry_config(RetryConfig::disabled())
        .build();
    (database, proxy, Client::from_conf(config))
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn item(pk: usize, value: &str) -> HashMap<String, AttributeValue> {
    [("pk", text(&format!("P#{pk}"))), ("sk", text("-")), ("value", text(value))].map(|(k, v)| (k.to_owned(), v)).into()
}

fn key(pk: usize) -> HashMap<String, AttributeValue> {
    item(pk, "").into_iter().filter(|(name, _)| name != "value").collect()
}

fn put(pk: usize) -> TransactWriteItem {
    let put =
        Put::builder().table_name("t").set_item(Some(item(pk, "one"))).condition_expression("attribute_not_exists(pk)");
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

async fn transact(client: &Client, token: &str) -> Result<(), SdkError<TransactWriteItemsError>> {
    let puts = vec![put(1), put(2), put(3)];
    let sent = client.transact_write_items().set_transact_items(Some(puts)).client_request_token(token).send().await;
    sent.map(drop)
}

#[tokio::test]
async fn without_a_plan_everything_passes() {
    let (database, proxy, client) = start(Vec::new()).await;
    transact(&client, "a").await.unwrap();
    let found = client.get_item().table_name("t").set_key(Some(key(2))).consistent_read(true).send().await.unwrap();
    assert_eq!(found.item, Some(item(2, "one")));
    assert_eq!(database.items("t", "").len(), 3);
    assert_eq!(proxy.counts().requests, BTreeMap::from([("GetItem".into(), 1), ("TransactWriteItems".into(), 1)]));
    assert_eq!(proxy.counts().injected, BTreeMap::new());
}

#[tokio::test]
async fn a_conflict_is_a_cancellation_with_its_reasons_and_writes_nothing() {
    let (database, proxy, client) = start(vec![Fault::new(Kind::Conflict, 1.0).at_most(2)]).await;
    let error = transact(&client, "a").await.unwrap_err();
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        panic!("{error:?}")
    };
    let mut codes: Vec<&str> = cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["None", "None", "TransactionConflict"]);
    assert!(cancelled.message().unwrap().starts_with("Transaction cancelled, please refer"), "{cancelled:?}");
    let error = client.put_item().table_name("t").set_item(Some(item(1, "one"))).send().await.unwrap_err();
    assert_eq!(error.code(), Some("TransactionConflictException"));
    assert_eq!(database.items("t", "").len(), 0);
    assert_eq!(proxy.counts().of(Kind::Conflict), 2);
    transact(&client, "a").await.unwrap();
    assert_eq!(database.items("t", "").len(), 3);
}

#[tokio::test]
async fn throttles_come_in_all_their_forms() {
    let (database, proxy, client) = start(vec![Fault::new(Kind::Throttle, 1.0).at_most(60)]).await;
    let mut codes = BTreeMap::new();
    for _ in 0..40 {
        let error = transact(&client, "a").await.unwrap_err();
        let reason = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                cancelled.cancellation_reasons().iter().find_map(|reason| reason.code().filter(|code| *code != "None"))
            }
            _ => None,
        };
        *codes.entry(reason.or(error.code()).unwrap().to_owned()).or_insert(0) += 1;
    }
    let codes: Vec<&str> = codes.keys().map(String::as_str).collect();
    assert_eq!(
        codes,
        [
            "ProvisionedThroughputExceeded",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "ThrottlingError",
            "ThrottlingException",
        ]
    );
    for _ in 0..20 {
        assert!(client.get_item().table_name("t").set_key(Some(key(1))).send().await.is_err());
    }
    assert_eq!(database.requests(), BTreeMap::new(), "nothing is passed on");
    assert_eq!(proxy.counts().of(Kind::Throttle), 60);
}

#[tokio::test]
async fn a_lost_reply_comes_after_success_and_its_token_finds_that_out() {
    let (database, proxy, client) =
        start(vec![Fault::new(Kind::LostReply, 1.0).on("TransactWriteItems").at_most(6)]).await;
    let (mut closed, mut answered) = (0, 0);
    for attempt in 0..6 {
        match transact(&client, "a").await.unwrap_err() {
            SdkError::ServiceError(error) => {
                assert_eq!((error.raw().status().as_u16(), error.err().code()), (500, Some("InternalServerError")));
                answered += 1;
            }
            SdkError::DispatchFailure(_) => closed += 1,
            other => panic!("{other:?}"),
        }
        assert_eq!(database.items("t", "").len(), 3, "attempt {attempt}");
    }
    assert!(closed > 0 && answered > 0, "{closed} closed, {answered} answered 500");
    transact(&client, "a").await.unwrap();
    let error = transact(&client, "b").await.unwrap_err();
    assert_eq!(error.code(), Some("TransactionCanceledException"), "another token is another transaction");
    assert_eq!(proxy.counts().of(Kind::LostReply), 6);
}

#[tokio::test]
async fn a_batch_is_left_half_done_and_what_is_left_can_be_asked_for_again() {
    let (database, proxy, client) = start(vec![Fault::new(Kind::Unprocessed, 1.0).at_most(3)]).await;
    let write = |pk| {
        let put = PutRequest::builder().set_item(Some(item(pk, "one"))).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let mut left: Vec<WriteRequest> = (0..20).map(write).collect();
    let mut rounds = 0;
    while !left.is_empty() {
        let before = left.len();
        let answer = client.batch_write_item().request_items("t", left).send().await.unwrap();
        left = answer.unprocessed_items.unwrap_or_default().remove("t").unwrap_or_default();
        assert!(left.len() < before, "something is always processed");
        rounds += 1;
        assert_eq!(database.items("t", "").len(), 20 - left.len());
    }
    assert!(rounds > 1, "nothing was left unprocessed");
    let mut wanted = KeysAndAttributes::builder().set_keys(Some((0..20).map(key).collect())).build().unwrap();
    let mut found = 0;
    proxy.set(Plan { seed: 5, faults: vec![Fault::new(Kind::Unprocessed, 1.0).at_most(1)] });
    loop {
        let answer = client.batch_get_item().request_items("t", wanted).send().await.unwrap();
        found += answer.responses.unwrap_or_default().remove("t").unwrap_or_default().len();
        match answer.unprocessed_keys.unwrap_or_default().remove("t") {
            Some(left) => wanted = left,
            None => break,
        }
    }
    assert_eq!((found, proxy.counts().of(Kind::Unprocessed)), (20, 1));
    proxy.set(Plan { seed: 5, faults: vec![Fault::new(Kind::Unprocessed, 1.0)] });
    let one = client.batch_write_item().request_items("t", vec![write(1)]).send().await.unwrap_err();
    assert_eq!(one.code(), Some("ProvisionedThroughputExceededException"), "nothing at all could be processed");
}

#[tokio::test]
async fn only_a_read_that_need_not_be_consistent_is_answered_as_before() {
    let (_, proxy, client) = start(vec![Fault::new(Kind::StaleRead, 1.0)]).await;
    let get = async |consistent: bool| {
        let read = client.get_item().table_name("t").set_key(Some(key(1))).consistent_read(consistent).send().await;
        read.unwrap().item.map(|item| item["value"].as_s().unwrap().clone())
    };
    let write =
        async |value: &str| client.put_item().table_name("t").set_item(Some(item(1, value))).send().await.unwrap();
    write("old").await;
    assert_eq!(get(false).await.as_deref(), Some("old"));
    write("new").await;
    assert_eq!(get(true).await.as_deref(), Some("new"));
    assert_eq!(get(false).await.as_deref(), Some("old"));
    let query = async |index: Option<&str>| {
        let query =
            client.query().table_name("t").set_index_name(index.map(str::to_owned)).consistent_read(index.is_none());
        let query = query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", text("P#1"));
        query.send().await.unwrap().items()[0]["value"].as_s().unwrap().clone()
    };
    assert_eq!(query(Some("by-value")).await, "new");
    write("newest").await;
    assert_eq!((query(Some("by-value")).await.as_str(), query(None).await.as_str()), ("new", "newest"));
    assert_eq!((proxy.counts().of(Kind::StaleRead), proxy.counts().eventual_reads), (2, 4));
}

#[tokio::test]
async fn a_slow_answer_is_the_right_one_and_a_server_error_none() {
    let slow = Fault { delay_ms: 300, ..Fault::new(Kind::Slow, 1.0).on("TransactWriteItems") };
    let (database, proxy, client) = start(vec![slow, Fault::new(Kind::ServerError, 1.0).on("GetItem")]).await;
    let begun = Instant::now();
    transact(&client, "a").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300));
    let error = client.get_item().table_name("t").set_key(Some(key(1))).send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 500);
    assert_eq!(database.requests().get("GetItem"), None);
    assert_eq!((proxy.counts().of(Kind::Slow), proxy.counts().of(Kind::ServerError)), (1, 1));
}

#[tokio::test]
async fn a_plan_is_set_and_told_over_http_and_a_database_that_is_down_gives_no_answer() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(Faults::new(&format!("http://{free}")).unwrap().serve(listener));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let plan = serde_json::json!({"seed": 4, "faults": [{"kind": "conflict", "rate": 0.5, "operations": ["PutItem"]}]});
    let told: Value = http.post(format!("{url}/_faults")).json(&plan).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&told["plan"]["seed"], &told["plan"]["faults"][0]["kind"]),
        (&Value::from(4), &Value::from("conflict"))
    );
    let refused = http.post(format!("{url}/_faults")).body("{\"faults\": 1}").send().await.unwrap();
    assert_eq!(refused.status(), 400);
    let unanswered = http.post(&url).header("x-amz-target", "DynamoDB_20120810.GetItem").body("{}").send().await;
    assert!(unanswered.is_err());
    let told: Value = http.get(format!("{url}/_faults")).send().await.unwrap().json().await.unwrap();
    assert_eq!(told["counts"]["requests"]["GetItem"], 1);
    assert!(Faults::new("http://10.0.0.1:4566").is_err(), "only this computer is a target");
}
