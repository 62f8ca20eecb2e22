//! `citizen-reply`: the public's door. Whoever got a message answers it: by the link in a text, `GET /r/{token}`, or by the
//! code in a letter, `/r`.
//!
//! Nothing about the person is shown before their date of birth was given, and nothing but the programme after. Opening a
//! page changes nothing; an answer is one conditional write with its audit entry, and the same answer again changes
//! nothing. Whatever is queued is decided on anew when it is claimed, so that an answer holds for it, too.

mod answer;
mod door;
mod page;
mod request;
mod words;

#[cfg(test)]
mod tests;

pub use answer::ReplyError;
pub use door::{Door, Now};
pub use page::Page;
pub use request::Request;
pub use words::{Language, Words, endonym};

use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use ims_runtime::Service;
use ims_store::Store;
use jiff::Timestamp;
use serde_json::Value;

/// Answers one API Gateway event.
///
/// # Errors
/// Where the event is no API Gateway request.
pub async fn handle(service: &Service, door: &Door, event: Value) -> Result<Value, lambda_runtime::Error> {
    let request = Request::read(serde_json::from_value::<ApiGatewayProxyRequest>(event)?);
    let language = request.language;
    let page = match service.clock.now().await {
        Ok(business) => respond(&service.store, door, request, Now { business, system: Timestamp::now() }).await,
        Err(error) => {
            tracing::error!(%error, "the business clock cannot be read");
            page::later(door, language)
        }
    };
    Ok(page.answer())
}

/// The page for a request.
pub async fn respond(store: &Store, door: &Door, request: Request, now: Now) -> Page {
    let language = request.language;
    match door::respond(store, door, request, now).await {
        Ok(page) => page,
        Err(error) => {
            tracing::error!(%error, "an answer could not be noted");
            page::later(door, language)
        }
    }
}
