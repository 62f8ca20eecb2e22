//! The running stack, and what tests do to it beside what the outside world does.

use std::{
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use aws_sdk_dynamodb::types::AttributeValue;
use ims_store::{FeedFile, FeedFileState, from_item};
use ims_testkit::faults::{Counts, Plan};
use jiff::civil::{Date, date};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use xtask::{demo::running::Running, endpoints::Endpoints};

/// The business day of all tests: that of the first wave in `tests/campaigns`.
pub const DAY: Date = date(2025, 10, 6);

/// A running local stack.
pub struct Stack {
    /// Its directory.
    pub dir: PathBuf,
    /// Its clients.
    pub running: Running,
    /// Names this run, so that tests can be run again on the same stack.
    pub run: u64,
    http: reqwest::Client,
    sqs: aws_sdk_sqs::Client,
    db: aws_sdk_dynamodb::Client,
    s3: aws_sdk_s3::Client,
}

/// Connects to the stack in `IMS_STACK_DIR` and sets its clock; `None`, said on stderr, where there is none.
///
/// # Errors
/// Where a stack is named that cannot be reached.
pub async fn stack() -> Result<Option<Stack>> {
    let Some(dir) = std::env::var_os("IMS_STACK_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from) else {
        eprintln!("skipped: no local stack (IMS_STACK_DIR)");
        return Ok(None);
    };
    let dir = std::fs::canonicalize(&dir).with_context(|| format!("IMS_STACK_DIR is '{}'", dir.display()))?;
    let endpoints = Endpoints::read(&dir)?;
    let config = endpoints.aws_config().await;
    let running = Running::connect(&endpoints).await?;
    running.set_day(DAY).await?;
    let stack = Stack {
        s3: endpoints.s3().await,
        sqs: aws_sdk_sqs::Client::new(&config),
        db: aws_sdk_dynamodb::Client::new(&config),
        http: reqwest::Client::builder().no_proxy().pool_idle_timeout(Duration::from_secs(1)).build()?,
        run: u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() / 100)?,
        dir,
        running,
    };
    // What an earlier test that failed may have left on.
    if stack.running.endpoints.faults.is_some() {
        stack.fail(&Plan::default()).await?;
    }
    Ok(Some(stack))
}

impl Stack {
    /// The time stamp of a file name, another for each place and each run.
    #[must_use]
    pub fn stamp(&self, place: u64) -> String {
        // A block of seconds for each run, so that files of runs that follow at once do not share a name.
        let seconds = i64::try_from((self.run * 64 + place) % 20_000_000).unwrap_or_default();
        let at = date(2025, 1, 1).at(0, 0, 0, 0).saturating_add(jiff::Span::new().seconds(seconds));
        at.strftime("%Y%m%dT%H%M%S00").to_string()
    }

    /// Drops a file and waits until it is in a state that it does not leave.
    ///
    /// # Errors
    /// Where it is in none after a minute.
    pub async fn drop_file(&self, name: &str, body: Vec<u8>) -> Result<FeedFile> {
        self.running.put("inbound", name, body).await?;
        self.file(name, |state| !matches!(state, FeedFileState::Processing | FeedFileState::Preprocessed)).await
    }

    /// Waits until a file is in a wanted state.
    ///
    /// # Errors
    /// Where it is not after two minutes.
    pub async fn file(&self, name: &str, wanted: impl Fn(FeedFileState) -> bool) -> Result<FeedFile> {
        let begun = Instant::now();
        loop {
            let file = self.running.store.file(name).await?;
            match file {
                Some(file) if wanted(file.state) => return Ok(file),
                other if begun.elapsed() > Duration::from_secs(120) => bail!("{name} gets no further: {other:?}"),
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Keys of the acknowledgements under a prefix, as soon as there are so many.
    ///
    /// # Errors
    /// Where there are fewer after half a minute.
    pub async fn acks(&self, prefix: &str, count: usize) -> Result<Vec<String>> {
        let begun = Instant::now();
        loop {
            let mut keys = self.running.keys("acks").await?;
            keys.retain(|key| key.starts_with(prefix));
            if keys.len() >= count {
                keys.sort();
                return Ok(keys);
            }
            if begun.elapsed() > Duration::from_secs(30) {
                bail!("{count} acknowledgements {prefix}… were expected, there are {keys:?}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// An acknowledgement.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn ack(&self, key: &str) -> Result<String> {
        Ok(String::from_utf8(self.running.get("acks", key).await?)?)
    }

    /// The flu campaign of `tests/campaigns` under a name of this run's own: its name, rules and contact plan.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn campaign(&self, name: &str) -> Result<(String, Value, Value)> {
        let folder = xtask::workspace_root().join("tests/campaigns");
        let read = |file: &str| -> Result<Value> { Ok(serde_json::from_slice(&std::fs::read(folder.join(file))?)?) };
        let (mut rules, mut plan) = (read("flu.json")?, read("flu.plan.json")?);
        let campaign = format!("flu-{name}-{}", self.run);
        rules["CampaignConfig"]["ID"] = json!(campaign);
        plan["campaign"] = json!(campaign);
        Ok((campaign, rules, plan))
    }

    /// As [`Self::campaign`], for those alone who live in a middle layer area: all of them are in a wave's canary, however many
    /// people other tests have made.
    ///
    /// # Errors
    /// As [`Self::campaign`].
    pub fn campaign_of(&self, name: &str, msoa: &str) -> Result<(String, Value, Value)> {
        let (campaign, mut rules, plan) = self.campaign(name)?;
        let filters = rules["CampaignConfig"]["Iterations"][0]["IterationRules"].as_array_mut();
        let filters = filters.context("the campaign has rules")?;
        for (cohort, priority) in [("flu_65_plus", 105), ("at_risk", 115)] {
            filters.push(json!({
                "Type": "F", "Name": "Not of this test", "Description": "Lives elsewhere", "Priority": priority,
                "AttributeLevel": "PERSON", "AttributeName": "MSOA", "CohortLabel": cohort, "Operator": "!=",
                "Comparator": format!("{msoa}[[NVL:elsewhere]]"),
            }));
        }
        Ok((campaign, rules, plan))
    }

    /// From now on the emulator keeps every message that is sent to SQS twice, or no longer does.
    ///
    /// # Errors
    /// Where the emulator does not know how.
    pub async fn deliver_twice(&self, twice: bool) -> Result<()> {
        let url = format!("{}/_ims/twice/{}", self.running.endpoints.aws, if twice { "on" } else { "off" });
        let answer: Value = self.http.get(url).send().await?.json().await?;
        if answer["twice"] != twice {
            bail!("the emulator answered {answer}");
        }
        Ok(())
    }

    /// From now on the functions' database fails as planned; what it counted until now is forgotten.
    ///
    /// # Errors
    /// Where the stack was set up without the proxy (`cargo xtask up --faults`).
    pub async fn fail(&self, plan: &Plan) -> Result<()> {
        let url =
            self.running.endpoints.faults.as_ref().context("the stack has no proxy before DynamoDB: up --faults")?;
        self.http.post(format!("{url}/_faults")).json(plan).send().await?.error_for_status()?;
        Ok(())
    }

    /// What the proxy before the database has injected since the plan was set.
    ///
    /// # Errors
    /// Where the stack has no such proxy.
    pub async fn injected(&self) -> Result<Counts> {
        let url =
            self.running.endpoints.faults.as_ref().context("the stack has no proxy before DynamoDB: up --faults")?;
        let mut told: Value = self.http.get(format!("{url}/_faults")).send().await?.json().await?;
        Ok(serde_json::from_value(told["counts"].take())?)
    }

    /// From now on the tables' streams repeat and reorder what they deliver, or no longer do; how many deliveries were
    /// repeated and how many reordered so far.
    ///
    /// # Errors
    /// Where the emulator does not know how.
    pub async fn disturb_streams(&self, on: bool, seed: u64) -> Result<(u64, u64)> {
        let mut answer = Value::Null;
        for how in ["repeat", "reorder"] {
            let state = if on { "on" } else { "off" };
            let url = format!("{}/_ims/streams/{how}/{state}?seed={seed}", self.running.endpoints.aws);
            answer = self.http.get(url).send().await?.json().await?;
            if answer[how] != on {
                bail!("the emulator answered {answer}");
            }
        }
        let count = |name: &str| answer[name].as_u64().unwrap_or_default();
        Ok((count("repeated"), count("reordered")))
    }

    /// Removes an object, as if it had never been written.
    ///
    /// # Errors
    /// Where the stack refuses.
    pub async fn remove(&self, role: &str, key: &str) -> Result<()> {
        let bucket = self.running.endpoints.buckets.get(role).with_context(|| format!("no bucket {role}"))?;
        self.s3.delete_object().bucket(bucket).key(key).send().await?;
        Ok(())
    }

    /// Reads a resource from the API; status and body.
    ///
    /// # Errors
    /// Where there is no answer.
    pub async fn read(&self, path: &str) -> Result<(u16, Value)> {
        let url = format!("{}/{path}", self.running.endpoints.api);
        let answer = self.http.get(url).bearer_auth(&self.running.token).send().await?;
        let status = answer.status().as_u16();
        Ok((status, serde_json::from_slice(&answer.bytes().await?).unwrap_or_default()))
    }

    /// All items of a table whose partition key begins with a prefix.
    ///
    /// # Errors
    /// Where one is no `T`.
    pub async fn items<T: DeserializeOwned>(&self, table: &str, pk: &str, sk: &str) -> Result<Vec<T>> {
        let name = self.running.endpoints.tables.get(table).with_context(|| format!("no table {table}"))?;
        let scan = self
            .db
            .scan()
            .table_name(name)
            .consistent_read(true)
            .filter_expression("begins_with(pk, :pk) AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":sk", AttributeValue::S(sk.to_owned()));
        let mut found = scan.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = found.next().await {
            items.push(from_item(item?)?);
        }
        Ok(items)
    }

    /// Sends a job to a queue, beside the service.
    ///
    /// # Errors
    /// Where the queue does not take it.
    pub async fn send<T: Serialize>(&self, queue: &str, job: &T) -> Result<()> {
        self.send_body(queue, serde_json::to_string(&json!({"schema": 1, "body": job}))?).await
    }

    async fn send_body(&self, queue: &str, body: String) -> Result<()> {
        let url = self.queue(queue)?;
        self.sqs.send_message().queue_url(url).message_body(body).send().await?;
        Ok(())
    }

    fn queue(&self, name: &str) -> Result<&String> {
        self.running.endpoints.queues.get(name).with_context(|| format!("no queue {name}"))
    }

    /// Puts what a queue gave up back into it; how many messages.
    ///
    /// # Errors
    /// Where a queue does not answer.
    pub async fn redrive(&self, queue: &str) -> Result<usize> {
        let dead = self.queue(&format!("{queue}-dlq"))?;
        let mut moved = 0;
        loop {
            let answer = self.sqs.receive_message().queue_url(dead).max_number_of_messages(10).send().await?;
            if answer.messages().is_empty() {
                return Ok(moved);
            }
            for message in answer.messages() {
                self.send_body(queue, message.body().unwrap_or_default().to_owned()).await?;
                let receipt = message.receipt_handle().unwrap_or_default();
                self.sqs.delete_message().queue_url(dead).receipt_handle(receipt).send().await?;
                moved += 1;
            }
        }
    }

    /// Takes what is in a queue: the bodies.
    ///
    /// # Errors
    /// Where the queue does not answer.
    pub async fn take(&self, queue: &str) -> Result<Vec<String>> {
        let url = self.queue(queue)?;
        let mut bodies = Vec::new();
        loop {
            let answer = self.sqs.receive_message().queue_url(url).max_number_of_messages(10).send().await?;
            if answer.messages().is_empty() {
                return Ok(bodies);
            }
            for message in answer.messages() {
                bodies.push(message.body().unwrap_or_default().to_owned());
                let receipt = message.receipt_handle().unwrap_or_default();
                self.sqs.delete_message().queue_url(url).receipt_handle(receipt).send().await?;
            }
        }
    }

    /// Asks the sandbox Notify for something of its own: `_failures`, `_reset`, `_health`.
    ///
    /// # Errors
    /// Where it refuses.
    pub async fn notify(&self, path: &str, body: Option<&Value>) -> Result<Value> {
        let url = format!("{}/{path}", self.running.endpoints.notify);
        let request = match body {
            Some(body) => self.http.post(url).json(body),
            None => self.http.get(url),
        };
        let answer = request.send().await?.error_for_status()?;
        Ok(serde_json::from_slice(&answer.bytes().await?).unwrap_or_default())
    }
}
