//! Wires the function to Lambda.

use ims_runtime::Service;
use ims_runtime::settings::required;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use receipt_ingest::{CallbackToken, handle};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = &Service::start().await?;
    let token = &CallbackToken::new(required("IMS_NOTIFY_CALLBACK_TOKEN")?);
    run(service_fn(|event: LambdaEvent<Value>| async move { handle(&service.store, token, event.payload).await })).await
}
