//! Wires the function to Lambda.

use citizen_reply::{Door, handle};
use ims_runtime::Service;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = &Service::start().await?;
    let door = &Door::from_env().inspect_err(|error| eprintln!("cannot start: {error}"))?;
    run(service_fn(|event: LambdaEvent<Value>| async move { handle(service, door, event.payload).await })).await
}
