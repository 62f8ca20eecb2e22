//! Coverage statistics and small-number suppression.
