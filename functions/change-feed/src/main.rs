//! Wires the function to Lambda.

use change_feed::{ChangeFeed, Subscribers};
use ims_runtime::Service;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let service = Service::start().await?;
    let events = aws_sdk_eventbridge::Client::new(&service.settings.aws().await);
    let feed = ChangeFeed { service, events, subscribers: Subscribers::built_in()? };
    let feed = &feed;
    run(service_fn(|event: LambdaEvent<Value>| async move {
        change_feed::handle(feed, event.payload).await.map_err(Error::from)
    }))
    .await
}
