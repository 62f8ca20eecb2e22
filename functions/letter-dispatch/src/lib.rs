//! The letter-dispatch function.
