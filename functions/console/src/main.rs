//! Wires the console to Lambda.

use std::sync::Arc;

use console::{Console, Live, router};
use ims_runtime::Service;
use lambda_http::{Error, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = Service::start().await?;
    let stage = service.settings.stage.clone();
    let console = Console::from_env(&stage, Box::new(Live::from_env(service).await)).inspect_err(|error| {
        eprintln!("cannot start: {error}");
    })?;
    run(router(Arc::new(console))).await
}
