//! Typed, versioned messages between functions, and the objects they point to.
//!
//! A message is small: lists of people travel as objects in the work bucket, and the message names the object.

mod jobs;
mod objects;
mod queues;

pub use jobs::{ChunkJob, ClaimJob, IssueJob, KeepJob, LetterJob, PartJob, PlanJob, PreviewJob, SelectionJob, SmsJob};
pub use objects::{Bucket, Buckets, ObjectError, Objects, SENDER_MAILBOX};
pub use queues::{Depth, MessagingError, Queue, Queues, handle_each, handle_together};
