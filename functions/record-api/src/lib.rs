//! The record-api function.
