//! Synthetic population, sandbox GOV.UK Notify, the local front door, a DynamoDB in memory and a proxy that makes one fail,
//! an S3 and an SQS in memory.

pub mod dynamodb;
pub mod faults;
pub mod front_door;
pub mod fuse;
pub mod memory;
pub mod notify;
pub mod population;
