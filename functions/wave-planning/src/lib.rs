//! The wave-planning function.
