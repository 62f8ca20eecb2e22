//! The record-ingest function.

use ims_runtime::Service;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = Service::start().await?;
    let service = &service;
    run(service_fn(|event: LambdaEvent<Value>| async move {
        record_ingest::handle(service, event.payload).await.map_err(Error::from)
    }))
    .await
}
