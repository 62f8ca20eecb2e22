//! `POST /Booking`.

use ims_domain::NhsNumber;
use ims_domain::record::{Change, Outcome};
use ims_store::{Actor, Store};

use crate::ApiError;
use crate::http::Answer;

/// Takes an appointment.
pub(crate) async fn book(store: &Store, number: NhsNumber, change: Change, actor: &Actor) -> Result<Answer, ApiError> {
    match store.apply(Some(number), &[change], actor).await?.first() {
        Some(Outcome::Applied) => Ok(Answer::empty(201)),
        // Sent before, or older than what is held.
        Some(Outcome::AlreadyKnown) => Ok(Answer::empty(200)),
        other => Err(ApiError::Outcome(other.copied().unwrap_or(Outcome::NotFound))),
    }
}
