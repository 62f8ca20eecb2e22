//! End-to-end and fault tests on the local stack.
