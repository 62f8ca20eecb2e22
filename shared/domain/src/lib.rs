//! People, vaccinations, invitations, messages and calls: types and rules without input or output.
//!
//! Nothing here knows storage, clocks, randomness or a wire format: time and ids are passed in.

pub mod campaign;
pub mod clock;
pub mod contact;
pub mod details;
pub mod hold;
pub mod ids;
pub mod invitation;
pub mod letter;
pub mod matching;
pub mod merge;
pub mod nhs_number;
pub mod person;
pub mod postcode;
pub mod reach;
pub mod record;
pub mod reply;
pub mod vaccine;
pub mod wave;

pub use ids::{BatchId, ImmunisationId, MessageId, PersonId};
pub use nhs_number::NhsNumber;
pub use person::Person;
pub use vaccine::VaccineType;
