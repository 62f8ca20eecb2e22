//! Where a local stack's parts are: `endpoints.json`, and clients for it.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::Credentials;
use serde::{Deserialize, Serialize};

use crate::{client::TestClient, mesh::MeshServer};

/// Region of every local stack.
pub const REGION: &str = "eu-west-2";

/// Addresses and names of a running local stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// The emulator's AWS endpoint.
    pub aws: String,
    /// Base URL of the national API: `{api}/Immunization`.
    pub api: String,
    /// Staff web pages.
    pub console: String,
    /// Sandbox GOV.UK Notify.
    pub notify: String,
    /// The proxy that makes DynamoDB fail (`POST {faults}/_faults`), where the stack has one: the functions reach the
    /// tables through it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faults: Option<String>,
    /// The emulator that stands in for AWS: `ministack` or `localstack`.
    #[serde(default)]
    pub emulator: String,
    /// AWS region.
    pub region: String,
    /// CloudFormation stack.
    pub stack: String,
    /// Bucket names by role: `inbound`, `acks`, `work`, `snapshot`, `print`, `exports`, `outbound`.
    pub buckets: BTreeMap<String, String>,
    /// Table names by role: `person`, `identity`, ….
    pub tables: BTreeMap<String, String>,
    /// Queue URLs by name: `record-ingest`, `record-ingest-dlq`, …, `undelivered`, `record-events`.
    pub queues: BTreeMap<String, String>,
    /// Deployed function names by crate.
    pub functions: BTreeMap<String, String>,
    /// Private key (PKCS#8, DER) of the sandbox token issuer.
    pub issuer_key: String,
    /// A supplier's application, for which `{api}/oauth2/token` gives tokens.
    pub client: TestClient,
    /// The MESH server, where the stack was set up with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesh: Option<MeshServer>,
}

/// File name inside the local directory.
pub const FILE: &str = "endpoints.json";

impl Endpoints {
    /// Reads `endpoints.json` of a local stack.
    ///
    /// # Errors
    /// Where there is none, or it is not valid.
    pub fn read(local_dir: &Path) -> Result<Self> {
        let path = local_dir.join(FILE);
        let bytes = fs::read(&path)
            .with_context(|| format!("no {}: is the local stack up? (cargo xtask up)", path.display()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))
    }

    /// Writes `endpoints.json`, whole or not at all.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&self, local_dir: &Path) -> Result<()> {
        let part = local_dir.join("endpoints.json.part");
        fs::write(&part, serde_json::to_vec_pretty(self)?)?;
        fs::rename(part, local_dir.join(FILE)).context("writing endpoints.json")
    }

    /// Configuration of AWS clients that reach this emulator and nothing else.
    pub async fn aws_config(&self) -> SdkConfig {
        aws_config(&self.aws).await
    }

    /// An S3 client; with path-style addresses, since the emulator has no wildcard name.
    pub async fn s3(&self) -> aws_sdk_s3::Client {
        s3(&self.aws_config().await)
    }
}

/// Client configuration for an emulator: its endpoint, made-up credentials, nothing from the host's own AWS set-up.
pub async fn aws_config(endpoint: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("test", "test", None, None, "local stack"))
        .load()
        .await
}

/// An S3 client with path-style addresses.
#[must_use]
pub fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(true).build())
}

/// Sorts a stack's outputs into roles: `RecordIngestQueue` is the queue `record-ingest`, and so on.
#[must_use]
pub fn sort_outputs(outputs: &BTreeMap<String, String>) -> Sorted {
    let mut sorted = Sorted::default();
    for (key, value) in outputs {
        let (map, name) = if let Some(name) = key.strip_suffix("Table") {
            (&mut sorted.tables, kebab(name))
        } else if let Some(name) = key.strip_suffix("Bucket") {
            (&mut sorted.buckets, kebab(name))
        } else if let Some(name) = key.strip_suffix("Queue") {
            (&mut sorted.queues, kebab(name))
        } else if key.ends_with("Dlq") {
            (&mut sorted.queues, kebab(key))
        } else if key.starts_with("Api") {
            continue;
        } else {
            (&mut sorted.functions, kebab(key))
        };
        map.insert(name, value.clone());
    }
    sorted
}

/// A stack's outputs by role.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// Buckets.
    pub buckets: BTreeMap<String, String>,
    /// Tables.
    pub tables: BTreeMap<String, String>,
    /// Queues and dead-letter queues.
    pub queues: BTreeMap<String, String>,
    /// Functions.
    pub functions: BTreeMap<String, String>,
}

fn kebab(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_sorted_by_role() {
        let outputs = [
            ("ApiId", "a1"),
            ("PersonTable", "ims-person"),
            ("RecordIngestQueue", "http://q"),
            ("RecordIngestDlq", "http://d"),
            ("InboundBucket", "b"),
            ("SmsDispatch", "ims-sms-dispatch"),
        ];
        let sorted = sort_outputs(&outputs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect());
        assert_eq!(sorted.tables["person"], "ims-person");
        assert_eq!(sorted.queues["record-ingest"], "http://q");
        assert_eq!(sorted.queues["record-ingest-dlq"], "http://d");
        assert_eq!(sorted.buckets["inbound"], "b");
        assert_eq!(sorted.functions, BTreeMap::from([("sms-dispatch".into(), "ims-sms-dispatch".into())]));
    }
}
