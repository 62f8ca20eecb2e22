//! Objects in S3, in the buckets of this stack.

use std::collections::BTreeMap;
use std::io::Write;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// A bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    /// Feeds arrive.
    Inbound,
    /// Acknowledgements leave.
    Acks,
    /// Chunks, candidate lists, claims: ours alone.
    Work,
    /// Population snapshot.
    Snapshot,
    /// Print batches.
    Print,
    /// Exports for analysts.
    Exports,
    /// Change files for subscribers.
    Outbound,
}

impl Bucket {
    /// All buckets.
    pub const ALL: [Self; 7] =
        [Self::Inbound, Self::Acks, Self::Work, Self::Snapshot, Self::Print, Self::Exports, Self::Outbound];

    /// Name in the environment: `IMS_BUCKET_{name}`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inbound => "INBOUND",
            Self::Acks => "ACKS",
            Self::Work => "WORK",
            Self::Snapshot => "SNAPSHOT",
            Self::Print => "PRINT",
            Self::Exports => "EXPORTS",
            Self::Outbound => "OUTBOUND",
        }
    }
}

/// A failure to read or write objects.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// A bucket's name is not configured.
    #[error("environment variable {variable} is not set")]
    NoBucket {
        /// Variable.
        variable: String,
    },
    /// S3 could not be reached or refused.
    #[error("{operation} {key}")]
    Failed {
        /// What was attempted.
        operation: &'static str,
        /// Object key.
        key: String,
        /// Cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An object that must be there is not.
    #[error("there is no object {key}")]
    Missing {
        /// Object key.
        key: String,
    },
    /// An object does not have the shape this version knows.
    #[error("object {key} cannot be read: {message}")]
    Content {
        /// Object key.
        key: String,
        /// What is wrong.
        message: String,
    },
}

fn failed<E: std::error::Error + Send + Sync + 'static>(
    operation: &'static str,
    key: &str,
) -> impl FnOnce(E) -> ObjectError {
    let key = key.to_owned();
    move |source| ObjectError::Failed { operation, key, source: Box::new(source) }
}

/// Name of the note that says which MESH mailbox an inbound object came from.
pub const SENDER_MAILBOX: &str = "sender-mailbox";

/// The buckets' names in this stack.
pub type Buckets = BTreeMap<Bucket, String>;

/// Objects in the buckets of this stack.
#[derive(Debug, Clone)]
pub struct Objects {
    client: Client,
    buckets: Buckets,
}

impl Objects {
    /// From `IMS_BUCKET_…`. Path-style addresses are used where an endpoint is given, as emulators need.
    ///
    /// # Errors
    /// Names the first variable that is not set.
    pub fn from_env(config: &aws_sdk_s3::config::Config) -> Result<Self, ObjectError> {
        let mut buckets = Buckets::new();
        for bucket in Bucket::ALL {
            let variable = format!("IMS_BUCKET_{}", bucket.name());
            let name = std::env::var(&variable).ok().filter(|name| !name.is_empty());
            buckets.insert(bucket, name.ok_or(ObjectError::NoBucket { variable })?);
        }
        let local = std::env::var("AWS_ENDPOINT_URL").is_ok_and(|url| !url.is_empty());
        let client = Client::from_conf(config.to_builder().force_path_style(local).build());
        Ok(Self { client, buckets })
    }

    /// Objects through a client made elsewhere.
    #[must_use]
    pub fn new(client: Client, buckets: Buckets) -> Self {
        Self { client, buckets }
    }

    /// A bucket's name in this stack.
    #[must_use]
    pub fn bucket(&self, bucket: Bucket) -> &str {
        self.buckets.get(&bucket).map_or("", String::as_str)
    }

    /// Writes an object.
    ///
    /// # Errors
    /// Where S3 cannot be reached or refuses.
    pub async fn put(&self, bucket: Bucket, key: &str, bytes: Vec<u8>, content_type: &str) -> Result<(), ObjectError> {
        self.client
            .put_object()
            .bucket(self.bucket(bucket))
            .key(key)
            .content_type(content_type)
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(failed("writing", key))?;
        Ok(())
    }

    /// Writes an object unless there is one; tells whether it was written.
    ///
    /// # Errors
    /// Where S3 cannot be reached or refuses for another reason.
    pub async fn create(
        &self,
        bucket: Bucket,
        key: &str,
        bytes: Vec<u8>,
        content_type: &str,
    ) -> Result<bool, ObjectError> {
        let sent = self
            .client
            .put_object()
            .bucket(self.bucket(bucket))
            .key(key)
            .content_type(content_type)
            .if_none_match("*")
            .body(ByteStream::from(bytes))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("PreconditionFailed") => Ok(false),
            Err(error) => Err(failed("creating", key)(error)),
        }
    }

    /// Writes an object with notes (user metadata): names and values.
    ///
    /// # Errors
    /// Where S3 cannot be reached or refuses.
    pub async fn put_with(
        &self,
        bucket: Bucket,
        key: &str,
        bytes: Vec<u8>,
        notes: &[(&str, &str)],
    ) -> Result<(), ObjectError> {
        let mut request = self.client.put_object().bucket(self.bucket(bucket)).key(key).body(ByteStream::from(bytes));
        for (name, value) in notes {
            request = request.metadata(*name, *value);
        }
        request.send().await.map_err(failed("writing", key))?;
        Ok(())
    }

    /// A note of an object; `None` where there is no object, or no such note.
    ///
    /// # Errors
    /// Where S3 cannot be reached or refuses.
    pub async fn note(&self, bucket: Bucket, key: &str, name: &str) -> Result<Option<String>, ObjectError> {
        let output = match self.client.head_object().bucket(self.bucket(bucket)).key(key).send().await {
            Ok(output) => output,
            Err(error) if error.as_service_error().is_some_and(|e| e.is_not_found()) => return Ok(None),
            Err(error) => return Err(failed("looking at", key)(error)),
        };
        Ok(output.metadata().and_then(|notes| notes.get(name)).cloned())
    }

    /// Reads an object; `None` where there is none.
    ///
    /// # Errors
    /// Where S3 cannot be reached or refuses.
    pub async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<Vec<u8>>, ObjectError> {
        let output = match self.client.get_object().bucket(self.bucket(bucket)).key(key).send().await {
            Ok(output) => output,
            Err(error) if error.as_service_error().is_some_and(|e| e.is_no_such_key()) => return Ok(None),
            Err(error) => return Err(failed("reading", key)(error)),
        };
        let bytes = output.body.collect().await.map_err(failed("reading", key))?;
        Ok(Some(bytes.to_vec()))
    }

    /// Reads an object that must be there, piece by piece, into a writer.
    ///
    /// # Errors
    /// Where there is none, S3 cannot be reached, or the writer fails.
    pub async fn download(&self, bucket: Bucket, key: &str, into: &mut impl Write) -> Result<(), ObjectError> {
        let mut body = match self.client.get_object().bucket(self.bucket(bucket)).key(key).send().await {
            Ok(output) => output.body,
            Err(error) if error.as_service_error().is_some_and(|e| e.is_no_such_key()) => {
                return Err(ObjectError::Missing { key: key.to_owned() });
            }
            Err(error) => return Err(failed("reading", key)(error)),
        };
        while let Some(piece) = body.try_next().await.map_err(failed("reading", key))? {
            into.write_all(&piece).map_err(failed("keeping", key))?;
        }
        into.flush().map_err(failed("keeping", key))
    }

    /// Reads an object that must be there.
    ///
    /// # Errors
    /// Where there is none, or S3 cannot be reached.
    pub async fn read(&self, bucket: Bucket, key: &str) -> Result<Vec<u8>, ObjectError> {
        self.get(bucket, key).await?.ok_or_else(|| ObjectError::Missing { key: key.to_owned() })
    }

    /// Removes an object, there or not.
    ///
    /// # Errors
    /// Where S3 cannot be reached or refuses.
    pub async fn delete(&self, bucket: Bucket, key: &str) -> Result<(), ObjectError> {
        let request = self.client.delete_object().bucket(self.bucket(bucket)).key(key);
        request.send().await.map_err(failed("deleting", key))?;
        Ok(())
    }

    /// Writes a struct as JSON.
    ///
    /// # Errors
    /// Where S3 cannot be reached or refuses.
    pub async fn put_json<T: Serialize>(&self, bucket: Bucket, key: &str, value: &T) -> Result<(), ObjectError> {
        let bytes = serde_json::to_vec(value).map_err(failed("encoding", key))?;
        self.put(bucket, key, bytes, "application/json").await
    }

    /// Reads a struct from JSON; the object must be there.
    ///
    /// # Errors
    /// Where there is none, it has another shape, or S3 cannot be reached.
    pub async fn read_json<T: DeserializeOwned>(&self, bucket: Bucket, key: &str) -> Result<T, ObjectError> {
        let bytes = self.read(bucket, key).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| ObjectError::Content { key: key.to_owned(), message: error.to_string() })
    }

    /// Keys under a prefix, in order, after a key.
    ///
    /// # Errors
    /// Where S3 cannot be reached or refuses.
    pub async fn list(&self, bucket: Bucket, prefix: &str, after: &str) -> Result<Vec<String>, ObjectError> {
        let mut keys = Vec::new();
        let mut token = None;
        loop {
            let mut request =
                self.client.list_objects_v2().bucket(self.bucket(bucket)).prefix(prefix).set_continuation_token(token);
            if !after.is_empty() {
                request = request.start_after(after);
            }
            let page = request.send().await.map_err(failed("listing", prefix))?;
            keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
            token = page.next_continuation_token;
            if token.is_none() {
                return Ok(keys);
            }
        }
    }
}
