//! A DynamoDB in the memory of a process of its own, so that what it holds does not count as ours.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use ims_store::{Store, Table, Tables};
use ims_testkit::dynamodb::DynamoDb;

/// Tables that are written and never read again here.
const DISCARDED: [Table; 2] = [Table::Audit, Table::Event];

/// The database's process; it ends with its standard input.
#[derive(Debug)]
pub struct Database {
    process: Child,
    url: String,
}

impl Database {
    /// Starts it.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--database").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("starting the database")?;
        let mut url = String::new();
        let said = process.stdout.take().context("the database says nothing")?;
        BufReader::new(said).read_line(&mut url)?;
        Ok(Self { process, url: url.trim().to_owned() })
    }

    /// A store in it.
    #[must_use]
    pub fn store(&self) -> Store {
        store_at(&self.url)
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// A store in the database at a URL.
#[must_use]
pub fn store_at(url: &str) -> Store {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url)
        .region(Region::new("eu-west-2"))
        .credentials_provider(Credentials::new("test", "test", None, None, "in memory"))
        .build();
    Store::new(aws_sdk_dynamodb::Client::from_conf(config), tables())
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Tables under their own names.
fn tables() -> Tables {
    Tables::from_lookup(|variable| Some(variable.trim_start_matches("IMS_TABLE_").to_lowercase()))
        .unwrap_or_else(|error| unreachable!("every table has a name: {error}"))
}

/// Is the database: says its address and serves until standard input ends.
///
/// # Errors
/// Where there is no port.
pub fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let database = DynamoDb::default();
    for table in DISCARDED {
        database.discard(tables().name(table));
    }
    println!("{}", runtime.block_on(database.listen())?);
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
