//! Synthetic population, sandbox GOV.UK Notify, the local front door, a DynamoDB in memory and a proxy that makes one fail.

pub mod dynamodb;
pub mod faults;
pub mod front_door;
pub mod fuse;
pub mod notify;
pub mod population;
