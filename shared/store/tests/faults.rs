//! Batches of a database that leaves them half done and throttles: all is read and written in the end.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as expected")]

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::{Client, Config};
use ims_store::{Item, Store, StoreError, Table, Tables};
use ims_testkit::dynamodb::DynamoDb;
use ims_testkit::faults::{Fault, Faults, Kind, Plan};

/// A store on a database behind the proxy, its client trying again so.
async fn start(retries: RetryConfig) -> (DynamoDb, Faults, Store) {
    let database = DynamoDb::default();
    let faults = Faults::new(&database.listen().await.unwrap()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(faults.clone().serve(listener));
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-2"))
        .endpoint_url(url)
        .retry_config(retries)
        .allow_no_auth()
        .build();
    let tables = Tables::from_lookup(|variable| Some(variable.trim_start_matches("IMS_TABLE_").to_owned())).unwrap();
    (database, faults, Store::new(Client::from_conf(config), tables))
}

fn key(number: usize) -> (String, String) {
    (format!("P#{number:03}"), "SUMMARY".to_owned())
}

fn item(number: usize) -> Item {
    let (pk, sk) = key(number);
    [("pk", pk), ("sk", sk)].map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).into()
}

#[tokio::test]
async fn what_a_batch_leaves_unprocessed_is_asked_for_again() {
    let retries = RetryConfig::standard().with_max_attempts(8).with_initial_backoff(Duration::from_millis(5));
    let (database, faults, store) = start(retries).await;
    faults.set(Plan { seed: 3, faults: vec![Fault::new(Kind::Unprocessed, 0.6)] });
    store.put_many(Table::Person, (0..230).map(item).collect()).await.unwrap();
    assert_eq!(database.items("PERSON", "").len(), 230);
    let written = faults.counts().of(Kind::Unprocessed);
    let found = store.get_many(Table::Person, (0..250).map(key)).await.unwrap();
    let found: BTreeSet<String> = found.iter().map(|item| item["pk"].as_s().unwrap().clone()).collect();
    assert_eq!(found.len(), 230);
    assert!(written > 2 && faults.counts().of(Kind::Unprocessed) > written, "{:?}", faults.counts());
}

#[tokio::test]
async fn a_transaction_gets_through_whatever_passes_and_says_so_when_it_does_not() {
    // All that tries again is the store itself.
    let (database, faults, store) = start(RetryConfig::disabled()).await;
    let commit = async |number| store.transaction().create(Table::Person, item(number)).commit().await;
    for (number, kind) in
        [Kind::Conflict, Kind::InProgress, Kind::Throttle, Kind::ServerError, Kind::LostReply].into_iter().enumerate()
    {
        faults.set(Plan { seed: 9, faults: vec![Fault::new(kind, 1.0).at_most(5)] });
        commit(number).await.unwrap();
        assert_eq!(faults.counts().of(kind), 5, "{kind:?}");
        assert_eq!(database.items("PERSON", "").len(), number + 1, "{kind:?}");
        // The same once more is somebody else's, whatever the last reply was.
        let again = commit(number).await.unwrap_err();
        assert!(matches!(again, StoreError::Condition { index: 0 }), "{kind:?}: {again:?}");
    }
    faults.set(Plan { seed: 9, faults: vec![Fault::new(Kind::Conflict, 1.0)] });
    let given_up = commit(99).await.unwrap_err();
    assert!(matches!(given_up, StoreError::Unavailable { operation: "TransactWriteItems", .. }), "{given_up:?}");
    assert_eq!(database.items("PERSON", "").len(), 5);
}
