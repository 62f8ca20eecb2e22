//! The mesh-mailbox function.

use ims_runtime::Service;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use mesh_mailbox::{Mesh, Settings, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = &Service::start().await?;
    let mesh = &Settings::from_env()?.map(Mesh::new).transpose()?;
    run(service_fn(|event: LambdaEvent<_>| async move {
        handle(service, mesh.as_ref(), event.payload).await.map_err(Error::from)
    }))
    .await
}
