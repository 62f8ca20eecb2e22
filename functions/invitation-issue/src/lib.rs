//! The invitation-issue function.
