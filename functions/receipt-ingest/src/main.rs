//! Wires the function to Lambda.

use ims_decision::RulesCache;
use ims_runtime::Service;
use ims_runtime::settings::{optional, required};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use receipt_ingest::{CallbackSecret, CallbackToken, Desk, handle, supplier};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = &Service::start().await?;
    let (token, rules) = (CallbackToken::new(required("IMS_NOTIFY_CALLBACK_TOKEN")?), RulesCache::default());
    let nhs_notify = optional("IMS_NHS_NOTIFY_CALLBACK_KEY").zip(optional("IMS_NHS_NOTIFY_APPLICATION_ID"));
    let nhs_notify = nhs_notify.map(|(key, application)| CallbackSecret::new(&application, key));
    let desk = &Desk { store: &service.store, rules: &rules, token: &token, nhs_notify: nhs_notify.as_ref() };
    let print = &CallbackToken::new(required("IMS_PRINT_CALLBACK_TOKEN")?);
    run(service_fn(|event: LambdaEvent<Value>| async move {
        match supplier::take(service, print, &event.payload).await? {
            Some(answer) => Ok(answer),
            None => handle(desk, event.payload, service.clock.today().await?).await,
        }
    }))
    .await
}
