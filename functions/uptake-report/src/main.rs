//! Wires the function to Lambda.

use ims_runtime::Service;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use uptake_report::Pace;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = Service::start().await?;
    let (service, pace) = (&service, Pace::from_env()?);
    run(service_fn(|event: LambdaEvent<Value>| async move {
        uptake_report::handle(service, pace, event.payload).await.map_err(Error::from)
    }))
    .await
}
