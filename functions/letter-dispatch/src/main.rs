//! Wires the function to Lambda.

use ims_runtime::Service;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use letter_dispatch::Dispatcher;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let dispatcher = &Dispatcher::from_env(Service::start().await?)?;
    run(service_fn(
        |event: LambdaEvent<Value>| async move { dispatcher.handle(event.payload).await.map_err(Error::from) },
    ))
    .await
}
