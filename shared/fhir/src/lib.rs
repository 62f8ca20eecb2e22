//! FHIR R4 Immunization and OperationOutcome, and the vaccination batch files, as the national immunisation API
//! defines them.
//!
//! Nothing here reads, writes or keeps anything. The API's JSON and the rows of batch files pass through one
//! validation, whose texts are those of the national service, because suppliers' software matches on them.

pub mod ack;
pub mod batch;
pub mod bundle;
pub mod flat;
pub mod immunization;
pub mod operation_outcome;
pub mod redaction;
mod resource;
pub mod search;
mod time;
pub mod uri;
pub mod validation;

pub use bundle::Match;
pub use immunization::{Immunization, StoredError};
pub use operation_outcome::{IssueCode, OperationOutcome};
pub use search::{IdentifierSearch, InvalidSearch, PatientSearch, SEARCH_PARAMETERS, Search};
pub use validation::ValidationErrors;
