//! The record-api function.

use ims_runtime::Service;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use record_api::Gate;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = Service::start().await?;
    let gate = Gate::from_env(&service.settings)?;
    let (service, gate) = (&service, &gate);
    run(service_fn(|event: LambdaEvent<_>| async move {
        Ok::<_, Error>(record_api::handle(service, gate, event.payload).await)
    }))
    .await
}
