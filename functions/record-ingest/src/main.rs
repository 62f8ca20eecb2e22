//! The record-ingest function.

use ims_runtime::Service;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = Service::start().await?;
    let service = &service;
    run(service_fn(|event: LambdaEvent<_>| async move {
        Ok::<_, Error>(record_ingest::handle(service, event.payload).await)
    }))
    .await
}
