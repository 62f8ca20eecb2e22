//! Wires the function to Lambda.

use ims_runtime::Service;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use sms_dispatch::Dispatcher;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = Service::start().await?;
    let dispatcher = Dispatcher::from_env()?;
    let (service, dispatcher) = (&service, &dispatcher);
    run(service_fn(|event: LambdaEvent<Value>| async move {
        sms_dispatch::handle(service, dispatcher, event.payload).await.map_err(Error::from)
    }))
    .await
}
