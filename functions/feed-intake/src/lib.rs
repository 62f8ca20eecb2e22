//! The feed-intake function.
