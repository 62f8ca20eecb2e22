//! Wires the function to Lambda.

use ims_decision::RulesCache;
use ims_runtime::Service;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = Service::start().await?;
    let rules = RulesCache::default();
    let (service, rules) = (&service, &rules);
    run(service_fn(|event: LambdaEvent<Value>| async move {
        cohort_selection::handle(service, rules, event.payload).await.map_err(Error::from)
    }))
    .await
}
