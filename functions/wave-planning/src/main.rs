//! Wires the function to Lambda.

// One request is many steps, each a future within another.
#![recursion_limit = "256"]

use ims_runtime::auth::Verifier;
use ims_runtime::{Service, settings};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = Service::start().await?;
    let verifier = Verifier::new(&settings::required("IMS_TOKEN_KEYS")?)?;
    let (service, verifier) = (&service, &verifier);
    run(service_fn(|event: LambdaEvent<Value>| async move {
        wave_planning::handle(service, verifier, event.payload).await.map_err(Error::from)
    }))
    .await
}
