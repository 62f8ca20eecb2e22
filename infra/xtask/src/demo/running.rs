//! A running local stack, as its operators, its suppliers and the outside world reach it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use aws_sdk_lambda::{error::DisplayErrorContext, primitives::Blob};
use aws_sdk_sqs::types::QueueAttributeName;
use ims_domain::wave::Wave;
use ims_runtime::auth::{Claims, sign};
use ims_store::{FeedFile, FeedFileState, Store, Tables};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};

use crate::{endpoints::Endpoints, progress::step};

/// Seconds for which the run's own tokens are good.
const TOKEN_SECONDS: u64 = 24 * 3600;
/// How often anything is asked for that is waited for.
const POLL: Duration = Duration::from_millis(150);
/// Without any change for so long, a wait has failed: longer than a queue hides a message that was not finished.
const PATIENCE: Duration = Duration::from_secs(180);
/// Business time of a day: all feeds of the day are in, and texts may be sent.
const HOUR: i8 = 15;
/// Supplier whose records come by the API.
const SUPPLIER: &str = "EMIS";
/// Who sends appointments.
const BOOKING_SERVICE: &str = "NBS";
/// Queues in the order in which work passes through them.
const QUEUES: [&str; 5] = ["record-ingest", "cohort-selection", "invitation-issue", "sms-dispatch", "letter-dispatch"];

/// Who writes a run's campaigns and waves, and the two planners who agree to them.
const AUTHOR: &str = "demo-author";
const REVIEWER: &str = "demo-reviewer";
const APPROVER: &str = "demo-approver";

/// Clients of a running stack.
pub struct Running {
    /// Where it is.
    pub endpoints: Endpoints,
    /// Its tables.
    pub store: Store,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    lambda: aws_sdk_lambda::Client,
    http: reqwest::Client,
    /// Bearer token of a supplier.
    pub token: String,
    /// Bearer token of the booking service.
    booking_token: String,
}

/// A token of the sandbox issuer.
fn token(endpoints: &Endpoints, subject: &str, supplier: Option<&str>, role: Option<&str>) -> Result<String> {
    let key = std::fs::read(&endpoints.issuer_key).with_context(|| format!("reading {}", endpoints.issuer_key))?;
    let now = u64::try_from(Timestamp::now().as_second())?;
    let claims = Claims {
        supplier: supplier.map(str::to_owned),
        role: role.map(str::to_owned),
        ..Claims::new(subject, now, TOKEN_SECONDS)
    };
    Ok(sign(&claims, &key)?)
}

/// A token of a supplier, from the sandbox issuer.
///
/// # Errors
/// Where it cannot be signed.
pub fn supplier_token(endpoints: &Endpoints, supplier: &str) -> Result<String> {
    token(endpoints, supplier, Some(supplier), None)
}

/// A token of a member of staff by name, from the sandbox issuer.
///
/// # Errors
/// Where it cannot be signed.
pub fn token_of(endpoints: &Endpoints, name: &str, role: &str) -> Result<String> {
    token(endpoints, name, None, Some(role))
}

/// A token of a member of staff in this role, from the sandbox issuer.
///
/// # Errors
/// Where it cannot be signed.
pub fn staff_token(endpoints: &Endpoints, role: &str) -> Result<String> {
    token(endpoints, &format!("demo-{role}"), None, Some(role))
}

impl Running {
    /// Makes the clients.
    ///
    /// # Errors
    /// Where a table or the token issuer's key is not there.
    pub async fn connect(endpoints: &Endpoints) -> Result<Self> {
        let config = endpoints.aws_config().await;
        let tables = Tables::from_lookup(|variable| {
            let name = variable.trim_start_matches("IMS_TABLE_").to_lowercase();
            endpoints.tables.get(&name).cloned()
        })?;
        Ok(Self {
            store: Store::new(aws_sdk_dynamodb::Client::new(&config), tables),
            s3: endpoints.s3().await,
            sqs: aws_sdk_sqs::Client::new(&config),
            lambda: aws_sdk_lambda::Client::new(&config),
            // Idle connections are dropped before the front door drops them in the middle of a request.
            http: reqwest::Client::builder().no_proxy().pool_idle_timeout(Duration::from_secs(1)).build()?,
            token: supplier_token(endpoints, SUPPLIER)?,
            booking_token: supplier_token(endpoints, BOOKING_SERVICE)?,
            endpoints: endpoints.clone(),
        })
    }

    /// Address that signs a member of staff in to the sandbox's console.
    ///
    /// # Errors
    /// Where the token cannot be signed.
    pub fn sign_in_link(&self, role: &str) -> Result<String> {
        let token = staff_token(&self.endpoints, role)?;
        Ok(format!("{}/sign-in?token={token}", self.endpoints.console))
    }

    /// Sets the business clock. To be called only when nothing is under way.
    ///
    /// # Errors
    /// Where the stack does not answer, or refuses.
    pub async fn set_day(&self, day: Date) -> Result<()> {
        self.store.set_clock(day.at(HOUR, 30, 0, 0).to_zoned(TimeZone::UTC)?.timestamp()).await?;
        // A function believes the time that it last read for a fifth of a second.
        tokio::time::sleep(Duration::from_millis(250)).await;
        Ok(())
    }

    /// Does something to a wave as a planner.
    ///
    /// # Errors
    /// Where the stack does not answer, or refuses.
    pub async fn govern(&self, name: &str, action: &str, campaign: &str, wave: &str) -> Result<Value> {
        let which = json!({"action": "status", "campaign": campaign, "wave": wave});
        let version = self.invoke("wave-planning", &which).await?["wave"]["version"].clone();
        let request = json!({
            "action": action, "campaign": campaign, "wave": wave, "version": version, "reason": "as the run has it",
            "checked": ["bounces", "links", "print_proof"], "token": token_of(&self.endpoints, name, "planner")?,
        });
        self.invoke("wave-planning", &request).await
    }

    /// Has two planners, neither its author, review and approve a selected wave, and releases it.
    ///
    /// # Errors
    /// Where the stack does not answer, or refuses.
    pub async fn release(&self, campaign: &str, wave: &str) -> Result<Value> {
        self.govern(REVIEWER, "review", campaign, wave).await?;
        self.govern(APPROVER, "approve", campaign, wave).await?;
        self.govern(AUTHOR, "release", campaign, wave).await
    }

    /// Releases a wave as [`Self::release`] does; where its canary goes out alone, looks what became of it and confirms it.
    ///
    /// # Errors
    /// Where the stack does not answer, or refuses.
    pub async fn release_all(&self, campaign: &str, wave: &str) -> Result<()> {
        let mut released = self.release(campaign, wave).await?;
        let released: Wave = serde_json::from_value(released["wave"].take()).context("reading the wave")?;
        if !released.waits_for_confirmation() {
            return Ok(());
        }
        self.quiet().await?;
        self.invoke("snapshot-export", &json!({"action": "merge", "settle": true})).await?;
        self.invoke("uptake-report", &json!({"action": "report"})).await?;
        self.govern(REVIEWER, "confirm", campaign, wave).await?;
        step(format!("{campaign} {wave}: its canary of {} people was looked at, the rest goes", released.canary()));
        Ok(())
    }

    /// Invokes a function with a request and gives its answer. What `wave-planning` is asked without a token is asked by
    /// the author of the run's campaigns.
    ///
    /// # Errors
    /// Where the stack does not answer, or refuses.
    pub async fn invoke(&self, function: &str, request: &Value) -> Result<Value> {
        let (mut sent, mut request) = (request.clone(), request.clone());
        if function == "wave-planning" && request.get("token").is_none() {
            sent["token"] = json!(token_of(&self.endpoints, AUTHOR, "planner")?);
        }
        // A token is not told in an error.
        request.as_object_mut().map(|request| request.remove("token"));
        let name = self.endpoints.functions.get(function).with_context(|| format!("the stack has no {function}"))?;
        let answer = self
            .lambda
            .invoke()
            .function_name(name)
            .payload(Blob::new(serde_json::to_vec(&sent)?))
            .send()
            .await
            .map_err(|error| anyhow::anyhow!("{function} {request}: {}", DisplayErrorContext(error)))?;
        let bytes = answer.payload().map(|blob| blob.as_ref().to_vec()).unwrap_or_default();
        if let Some(kind) = answer.function_error() {
            let text = String::from_utf8_lossy(&bytes);
            let request: String = request.to_string().chars().take(200).collect();
            bail!("{function} {request} failed ({kind}): {text}");
        }
        serde_json::from_slice(&bytes).with_context(|| format!("{function} answered no JSON"))
    }

    /// Waits until every queue is empty and nothing is in flight.
    ///
    /// # Errors
    /// Where the queues do not empty, or work was given up.
    pub async fn drain(&self) -> Result<()> {
        self.quiet().await?;
        self.no_dead_letters().await
    }

    /// Waits until every queue but the dead-letter queues is empty and nothing is in flight.
    ///
    /// # Errors
    /// Where the queues do not empty.
    pub async fn quiet(&self) -> Result<()> {
        let (mut quiet, mut last, mut changed, mut said) = (0, None, Instant::now(), Instant::now());
        loop {
            let mut waiting = Vec::new();
            for queue in QUEUES {
                waiting.push((queue, self.depth(queue).await?));
            }
            let total: u64 = waiting.iter().map(|(_, count)| count).sum();
            quiet = if total == 0 { quiet + 1 } else { 0 };
            if quiet == 2 {
                return Ok(());
            }
            if last.as_ref() != Some(&waiting) {
                changed = Instant::now();
            }
            let text: Vec<String> = waiting
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(queue, count)| format!("{queue} {count}"))
                .collect();
            if changed.elapsed() > PATIENCE {
                bail!("the queues do not empty: {}", text.join(", "));
            }
            if said.elapsed() > Duration::from_secs(3) && total > 0 {
                step(format!("  in the queues: {}", text.join(", ")));
                said = Instant::now();
            }
            last = Some(waiting);
            tokio::time::sleep(POLL).await;
        }
    }

    /// Messages in a queue, those in flight and delayed among them.
    ///
    /// # Errors
    /// Where there is no such queue.
    pub async fn depth(&self, queue: &str) -> Result<u64> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed, ApproximateNumberOfMessagesNotVisible,
        };
        let url = self.endpoints.queues.get(queue).with_context(|| format!("the stack has no queue {queue}"))?;
        let counts =
            [ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible, ApproximateNumberOfMessagesDelayed];
        let request = self.sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(counts.to_vec()));
        let answer = request.send().await.with_context(|| format!("asking for the depth of {queue}"))?;
        let found = answer.attributes().into_iter().flatten();
        Ok(found.filter_map(|(_, value)| value.parse::<u64>().ok()).sum())
    }

    /// Fails where work was given up.
    async fn no_dead_letters(&self) -> Result<()> {
        for queue in self.endpoints.queues.keys().filter(|name| name.ends_with("-dlq") || *name == "undelivered") {
            let count = self.depth(queue).await?;
            if count > 0 {
                bail!("{count} messages are in {queue}: see the emulator's log for why they were given up");
            }
        }
        Ok(())
    }

    /// Drops a feed file and waits until all its rows are answered.
    ///
    /// # Errors
    /// Where it is not processed.
    pub async fn drop_file(&self, path: &Path) -> Result<FeedFile> {
        let name = path.file_name().and_then(|name| name.to_str()).context("a feed file without a name")?;
        let body = tokio::fs::read(path).await.with_context(|| format!("reading {}", path.display()))?;
        let size = body.len();
        self.put("inbound", name, body).await?;
        let (mut last, mut changed, mut said) = (None, Instant::now(), Instant::now());
        loop {
            let file = self.store.file(name).await?;
            match file.as_ref().map(|file| file.state) {
                Some(FeedFileState::Processed) => return file.context("the file has gone"),
                None | Some(FeedFileState::Processing | FeedFileState::Preprocessed) => {}
                Some(FeedFileState::AwaitingApproval) => {
                    let why = file.as_ref().and_then(|file| file.held.as_ref()).map_or("", |held| &held.why);
                    step(format!("  {name} is held back, since {why}: approved"));
                    let reason = "the made-up people of this demo die as planned";
                    let request = json!({"action": "approve", "file": name, "by": "demo", "reason": reason});
                    self.invoke("feed-intake", &request).await?;
                }
                Some(state) => {
                    let error = file.and_then(|file| file.error).unwrap_or_default();
                    bail!("{name} ({size} bytes) was not processed: {state:?} {error}");
                }
            }
            let chunks = if said.elapsed() > Duration::from_secs(3) {
                said = Instant::now();
                let done = self.store.chunks(name).await?.len();
                step(format!("  {name}: {done} of {} chunks", file.as_ref().map_or(0, |file| file.chunks)));
                done
            } else {
                last.map_or(0, |(_, done)| done)
            };
            let now = (file.map(|file| file.state), chunks);
            if last.is_none_or(|last| last != now) {
                changed = Instant::now();
                last = Some(now);
            }
            if changed.elapsed() > PATIENCE {
                self.no_dead_letters().await?;
                bail!("{name} gets no further: {now:?}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Posts a record to the API; the answer's status.
    ///
    /// # Errors
    /// Where the stack does not answer, or refuses.
    pub async fn post(&self, resource: &str, body: &Value) -> Result<u16> {
        let url = format!("{}/{resource}", self.endpoints.api);
        let kind = if resource == "Immunization" { "application/fhir+json" } else { "application/json" };
        let token = if resource == "Booking" { &self.booking_token } else { &self.token };
        let mut in_doubt = false;
        for attempt in 1..=4u64 {
            let request = self.http.post(&url).bearer_auth(token).header("content-type", kind);
            match request.body(serde_json::to_vec(body)?).send().await {
                // After an answer that was lost, "it is there already" means that the first attempt was taken.
                Ok(answer) if in_doubt && matches!(answer.status().as_u16(), 409 | 422) => return Ok(201),
                Ok(answer) if answer.status().is_server_error() || answer.status().as_u16() == 429 => in_doubt = true,
                Ok(answer) => {
                    let status = answer.status();
                    if !status.is_success() {
                        step(format!("  {resource} answered {status}: {}", answer.text().await.unwrap_or_default()));
                    }
                    return Ok(status.as_u16());
                }
                Err(_) => in_doubt = true,
            }
            tokio::time::sleep(Duration::from_millis(200 * attempt)).await;
        }
        bail!("POST {url} got no answer four times; see the logs of the front door and the emulator")
    }

    /// All that Notify accepted.
    ///
    /// # Errors
    /// Where the stack does not answer, or refuses.
    pub async fn sent(&self) -> Result<Vec<Value>> {
        let url = format!("{}/_sent", self.endpoints.notify);
        Ok(self.http.get(&url).send().await?.json().await?)
    }

    /// Requests that the emulator answered so far, by service and operation; `None` where it does not count.
    pub async fn requests(&self) -> Option<Value> {
        let answer = self.http.get(format!("{}/_ims/requests", self.endpoints.aws)).send().await.ok()?;
        answer.json().await.ok().filter(Value::is_object)
    }

    fn bucket(&self, role: &str) -> Result<&str> {
        self.endpoints.buckets.get(role).map(String::as_str).with_context(|| format!("the stack has no bucket {role}"))
    }

    /// Writes an object.
    ///
    /// # Errors
    /// Where the stack does not answer, or refuses.
    pub async fn put(&self, role: &str, key: &str, body: Vec<u8>) -> Result<()> {
        let put = self.s3.put_object().bucket(self.bucket(role)?).key(key).body(body.into());
        put.send().await.with_context(|| format!("writing {key} to {role}"))?;
        Ok(())
    }

    /// Keys of a bucket.
    ///
    /// # Errors
    /// Where the stack does not answer, or refuses.
    pub async fn keys(&self, role: &str) -> Result<Vec<String>> {
        let mut pages = self.s3.list_objects_v2().bucket(self.bucket(role)?).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.with_context(|| format!("listing {role}"))?;
            keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        }
        Ok(keys)
    }

    /// An object.
    ///
    /// # Errors
    /// Where the stack does not answer, or refuses.
    pub async fn get(&self, role: &str, key: &str) -> Result<Vec<u8>> {
        let get = self.s3.get_object().bucket(self.bucket(role)?).key(key).send();
        let object = get.await.with_context(|| format!("reading {key} from {role}"))?;
        Ok(object.body.collect().await.with_context(|| format!("reading {key} from {role}"))?.to_vec())
    }

    /// Bookings held, by programme, whatever their state.
    ///
    /// # Errors
    /// Where the stack does not answer, or refuses.
    pub async fn bookings(&self) -> Result<std::collections::BTreeMap<String, u64>> {
        let table = self.endpoints.tables.get("event").context("the stack has no table event")?;
        let db = aws_sdk_dynamodb::Client::new(&self.endpoints.aws_config().await);
        let prefix = aws_sdk_dynamodb::types::AttributeValue::S("BKG#".into());
        let scan = db
            .scan()
            .table_name(table)
            .filter_expression("begins_with(sk, :booking)")
            .expression_attribute_values(":booking", prefix)
            .projection_expression("programme");
        let mut items = scan.into_paginator().items().send();
        let mut found = std::collections::BTreeMap::new();
        while let Some(item) = items.next().await {
            let item = item.with_context(|| format!("reading {table}"))?;
            let programme = item.get("programme").and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
            *found.entry(programme).or_insert(0) += 1;
        }
        Ok(found)
    }

    /// Which snapshot is current.
    ///
    /// # Errors
    /// Where the stack does not answer, or refuses.
    pub async fn manifest(&self) -> Result<String> {
        Ok(self.store.manifest().await?.manifest)
    }
}
