//! The clients a function works with, made once a process.

use std::fmt;

use aws_sdk_dynamodb::{Client as DynamoDb, Config as DynamoDbConfig};
use aws_sdk_sqs::Client as Sqs;
use ims_messaging::{MessagingError, ObjectError, Objects, Queues};
use ims_store::{Store, StoreError, Table, Tables};
use thiserror::Error;

use crate::clock::BusinessClock;
use crate::{Settings, SettingsError, telemetry};

/// Why a function cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Buckets.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// Queues.
    #[error(transparent)]
    Messaging(#[from] MessagingError),
}

/// What every function works with.
pub struct Service {
    /// Settings common to all functions.
    pub settings: Settings,
    /// DynamoDB.
    pub store: Store,
    /// S3.
    pub objects: Objects,
    /// SQS.
    pub queues: Queues,
    /// What day it is for a campaign.
    pub clock: BusinessClock,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Service {
    /// Starts logging, reads the environment and makes the clients. Opens no connection.
    ///
    /// # Errors
    /// Names what is missing or refused; the same line goes to standard error.
    pub async fn start() -> Result<Self, StartError> {
        telemetry::init();
        let started = Self::from_env().await;
        if let Err(error) = &started {
            eprintln!("cannot start: {error}");
        }
        started
    }

    async fn from_env() -> Result<Self, StartError> {
        let settings = Settings::from_env()?;
        let tables = Tables::from_env()?;
        let aws = settings.aws().await;
        let retries = Settings::dynamodb_retries();
        let db = DynamoDb::from_conf(DynamoDbConfig::from(&aws).to_builder().retry_config(retries).build());
        let clock = BusinessClock::new(&settings, db.clone(), tables.name(Table::Control).to_owned());
        Ok(Self {
            store: Store::new(db, tables),
            objects: Objects::from_env(&aws_sdk_s3::config::Config::new(&aws))?,
            queues: Queues::from_env(Sqs::new(&aws))?,
            clock,
            settings,
        })
    }
}
