//! The eligibility-api function.

use eligibility_api::Gate;
use ims_decision::RulesCache;
use ims_runtime::Service;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = Service::start().await?;
    let gate = Gate::from_env(&service.settings)?;
    let rules = RulesCache::default();
    let (service, gate, rules) = (&service, &gate, &rules);
    run(service_fn(|event: LambdaEvent<_>| async move {
        Ok::<_, Error>(eligibility_api::handle(service, gate, rules, event.payload).await)
    }))
    .await
}
