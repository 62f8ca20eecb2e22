//! The record-ingest function.
