//! The snapshot-export function.
