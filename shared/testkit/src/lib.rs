//! Synthetic population, sandbox GOV.UK Notify and the local front door.

pub mod front_door;
pub mod notify;
pub mod population;
