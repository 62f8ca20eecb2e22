//! Synthetic population, sandbox GOV.UK Notify and the local front door.

pub mod population;
