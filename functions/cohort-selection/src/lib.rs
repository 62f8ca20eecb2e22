//! The cohort-selection function.
