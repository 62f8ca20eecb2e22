//! A function's clients on stores in memory.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_s3::config::Region;
use ims_messaging::{Bucket, Objects, Queue, Queues};
use ims_runtime::auth::{Claims, SigningKey, Verifier};
use ims_runtime::clock::BusinessClock;
use ims_runtime::{Service, Settings};
use ims_snapshot::Manifest;
use ims_store::{ManifestPointer, Store, Table, Tables};
use ims_testkit::dynamodb::DynamoDb;
use ims_testkit::memory::Memory;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use serde_json::Value;

// An Ed25519 key pair made for tests (RFC 8032, test 1): it protects nothing.
const PRIVATE_DER: [u8; 48] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20, 0x9d, 0x61, 0xb1,
    0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
    0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];

/// A token with claims of its own.
pub fn token(change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = Claims::new("somebody", 1_700_000_000, 2_300_000_000);
    change(&mut claims);
    SigningKey::read(&PRIVATE_DER).unwrap().sign(&claims).unwrap()
}

/// A token of a member of staff.
pub fn staff(name: &str, role: &str) -> String {
    token(|claims| (claims.sub, claims.role) = (name.to_owned(), Some(role.to_owned())))
}

/// The clients, what is behind them, and who checks tokens.
pub struct InMemory {
    pub service: Service,
    pub verifier: Verifier,
    pub memory: Memory,
    db: aws_sdk_dynamodb::Client,
}

impl InMemory {
    /// On 6 October 2025, with a snapshot of one part.
    pub async fn start() -> Self {
        let (database, memory) = (DynamoDb::default(), Memory::default());
        let (tables_url, url) = (database.listen().await.unwrap(), memory.listen().await.unwrap());
        let credentials = || Credentials::new("test", "test", None, None, "in memory");
        let settings = Settings { stage: "sandbox".to_owned() };
        let region = Region::new("eu-west-2");
        let db = aws_sdk_dynamodb::Config::builder()
            .behavior_version_latest()
            .region(region.clone())
            .endpoint_url(tables_url)
            .credentials_provider(credentials());
        let s3 = aws_sdk_s3::Config::builder()
            .behavior_version_latest()
            .region(region.clone())
            .endpoint_url(&url)
            .credentials_provider(credentials())
            .force_path_style(true);
        let sqs = aws_sdk_sqs::Config::builder()
            .behavior_version_latest()
            .region(region)
            .endpoint_url(&url)
            .credentials_provider(credentials());
        let db = aws_sdk_dynamodb::Client::from_conf(db.build());
        let name = |variable: &str| Some(variable.trim_start_matches("IMS_TABLE_").to_owned());
        let tables = Tables::from_lookup(name).unwrap();
        let clock = BusinessClock::new(&settings, db.clone(), tables.name(Table::Control).to_owned());
        let buckets = Bucket::ALL.into_iter().map(|bucket| (bucket, bucket.name().to_lowercase())).collect();
        let queues = Queue::ALL.into_iter().map(|queue| (queue, format!("{url}/{}", queue.name()))).collect();
        let service = Service {
            settings,
            store: Store::new(db.clone(), tables),
            objects: Objects::new(aws_sdk_s3::Client::from_conf(s3.build()), buckets),
            queues: Queues::new(aws_sdk_sqs::Client::from_conf(sqs.build()), queues),
            clock,
        };
        let verifier = Verifier::new(&SigningKey::read(&PRIVATE_DER).unwrap().jwks()).unwrap();
        service.store.set_clock("2025-10-06T09:00:00Z".parse().unwrap()).await.unwrap();
        let manifest = Manifest {
            schema: 1,
            id: "00000001-m".into(),
            created: Timestamp::UNIX_EPOCH,
            business_date: date(2025, 10, 6),
            watermark: String::new(),
            parts: 1,
            datasets: BTreeMap::new(),
        };
        service.objects.put_json(Bucket::Snapshot, &Manifest::key(&manifest.id), &manifest).await.unwrap();
        let pointer = ManifestPointer { version: 1, manifest: manifest.id, ..ManifestPointer::default() };
        service.store.publish_manifest(&pointer, 0).await.unwrap();
        Self { service, verifier, memory, db }
    }

    /// Sets the business day, which the functions know at once.
    pub async fn set_day(&mut self, day: Date) {
        let at = day.at(9, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp();
        self.service.store.set_clock(at).await.unwrap();
        let table = self.service.store.tables().name(Table::Control).to_owned();
        self.service.clock = BusinessClock::new(&self.service.settings, self.db.clone(), table);
    }

    /// Asks `wave-planning`.
    pub async fn plan(&self, request: Value) -> Result<Value, String> {
        wave_planning::handle(&self.service, &self.verifier, request).await.map_err(|error| error.to_string())
    }
}
