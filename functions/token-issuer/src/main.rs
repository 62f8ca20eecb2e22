//! The token-issuer function.

use ims_runtime::Service;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use token_issuer::{Issuer, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = &Service::start().await?;
    let issuer = &Issuer::from_env(&service.settings)?;
    run(service_fn(|event: LambdaEvent<Value>| async move { handle(&service.store, issuer, event.payload).await }))
        .await
}
