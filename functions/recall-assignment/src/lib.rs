//! The recall-assignment function.
