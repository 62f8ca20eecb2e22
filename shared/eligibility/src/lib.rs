//! The campaign rule language: parse, validate, compile, evaluate, explain.
