//! Wires the function to Lambda.

use ims_decision::RulesCache;
use ims_runtime::Service;
use ims_runtime::settings::required;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use receipt_ingest::{CallbackToken, Desk, handle};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = &Service::start().await?;
    let (token, rules) = (CallbackToken::new(required("IMS_NOTIFY_CALLBACK_TOKEN")?), RulesCache::default());
    let desk = &Desk { store: &service.store, rules: &rules, token: &token };
    run(service_fn(|event: LambdaEvent<Value>| async move {
        handle(desk, event.payload, service.clock.today().await?).await
    }))
    .await
}
