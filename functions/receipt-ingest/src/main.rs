//! Wires the function to Lambda.

use ims_runtime::Service;
use ims_runtime::settings::required;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use receipt_ingest::{CallbackToken, handle, supplier};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = &Service::start().await?;
    let token = &CallbackToken::new(required("IMS_NOTIFY_CALLBACK_TOKEN")?);
    let print = &CallbackToken::new(required("IMS_PRINT_CALLBACK_TOKEN")?);
    run(service_fn(|event: LambdaEvent<Value>| async move {
        match supplier::take(service, print, &event.payload).await? {
            Some(answer) => Ok(answer),
            None => handle(&service.store, token, event.payload).await,
        }
    }))
    .await
}
