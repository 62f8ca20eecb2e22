//! The receipt-ingest function.
