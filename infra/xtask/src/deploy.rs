//! Deployment of `infra/template.yaml` by CloudFormation's own calls: no SAM CLI is needed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use aws_config::SdkConfig;
use aws_sdk_cloudformation::{
    Client,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    types::{Capability, Parameter, StackEvent},
};
use aws_sdk_s3::{
    primitives::ByteStream,
    types::{BucketLocationConstraint, CreateBucketConfiguration},
};

use crate::{
    endpoints::{self, REGION},
    package::Package,
    progress::step,
    workspace_root,
};

/// How long a deployment may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Uploads packages and creates or updates a stack; returns its outputs.
///
/// # Errors
/// Where an upload fails, or the stack does; then with each resource's reason.
pub async fn deploy(
    config: &SdkConfig,
    stack: &str,
    packages: &[Package],
    parameters: &BTreeMap<&str, String>,
) -> Result<BTreeMap<String, String>> {
    let bucket = format!("{stack}-code");
    upload(config, &bucket, packages).await?;
    // CloudFormation takes a template of at most 51,200 bytes in the request itself.
    let template = template(config, &bucket).await?;

    let mut parameters: BTreeMap<String, String> = parameters.iter().map(|(k, v)| ((*k).into(), v.clone())).collect();
    parameters.insert("CodeBucket".into(), bucket);
    for package in packages {
        parameters.insert(format!("{}Key", pascal(&package.name)), package.key.clone());
    }
    let parameters: Vec<Parameter> = parameters
        .into_iter()
        .map(|(key, value)| Parameter::builder().parameter_key(key).parameter_value(value).build())
        .collect();

    let client = Client::new(config);
    let capabilities = [Capability::CapabilityNamedIam, Capability::CapabilityAutoExpand];
    let mut status = status(&client, stack).await?;
    if matches!(status.as_deref(), Some("ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED")) {
        // A stack that never came up cannot be updated.
        step(format!("deleting what is left of stack {stack}"));
        client.delete_stack().stack_name(stack).send().await.map_err(|error| said("DeleteStack", &error))?;
        status = gone(&client, stack).await?;
    }
    let before: BTreeSet<String> = match &status {
        Some(_) => events(&client, stack).await?.into_iter().filter_map(|e| e.event_id).collect(),
        None => BTreeSet::new(),
    };
    if status.is_none() {
        step(format!("creating stack {stack}"));
        client
            .create_stack()
            .stack_name(stack)
            .template_url(template)
            .set_parameters(Some(parameters))
            .set_capabilities(Some(capabilities.to_vec()))
            .send()
            .await
            .map_err(|error| said("CreateStack", &error))?;
    } else {
        step(format!("updating stack {stack}"));
        let update = client
            .update_stack()
            .stack_name(stack)
            .template_url(template)
            .set_parameters(Some(parameters))
            .set_capabilities(Some(capabilities.to_vec()))
            .send()
            .await;
        match update {
            Err(error) if error.message().is_some_and(|m| m.contains("No updates")) => step("nothing has changed"),
            other => drop(other.map_err(|error| said("UpdateStack", &error))?),
        }
    }
    wait(&client, stack, before).await
}

/// Uploads the template beside the packages; its URL, path-style.
async fn template(config: &SdkConfig, bucket: &str) -> Result<String> {
    const KEY: &str = "template.yaml";
    let path = workspace_root().join("infra/template.yaml");
    let body = ByteStream::from(fs::read(&path).with_context(|| format!("reading {}", path.display()))?);
    endpoints::s3(config)
        .put_object()
        .bucket(bucket)
        .key(KEY)
        .body(body)
        .send()
        .await
        .context("uploading the template")?;
    Ok(format!("{}/{bucket}/{KEY}", config.endpoint_url().unwrap_or_default()))
}

async fn upload(config: &SdkConfig, bucket: &str, packages: &[Package]) -> Result<()> {
    let s3 = endpoints::s3(config);
    if s3.head_bucket().bucket(bucket).send().await.is_err() {
        let region = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(REGION));
        let create = s3.create_bucket().bucket(bucket).create_bucket_configuration(region.build());
        create.send().await.with_context(|| format!("creating bucket {bucket}"))?;
    }
    let mut sent = 0;
    for package in packages {
        if s3.head_object().bucket(bucket).key(&package.key).send().await.is_ok() {
            continue;
        }
        let body = ByteStream::from(fs::read(&package.path)?);
        let put = s3.put_object().bucket(bucket).key(&package.key).body(body);
        put.send().await.with_context(|| format!("uploading {}", package.key))?;
        sent += 1;
    }
    step(format!("uploaded {sent} of {} packages", packages.len()));
    Ok(())
}

async fn status(client: &Client, stack: &str) -> Result<Option<String>> {
    match client.describe_stacks().stack_name(stack).send().await {
        Ok(found) => Ok(found.stacks().first().and_then(|s| s.stack_status()).map(|s| s.as_str().to_owned())),
        Err(error) if error.message().is_some_and(|m| m.contains("does not exist")) => Ok(None),
        Err(error) => Err(said("DescribeStacks", &error)),
    }
}

/// Waits until a stack is no more.
async fn gone(client: &Client, stack: &str) -> Result<Option<String>> {
    let begun = Instant::now();
    loop {
        match status(client, stack).await? {
            Some(now) if now != "DELETE_COMPLETE" => {
                if now == "DELETE_FAILED" || begun.elapsed() > PATIENCE {
                    bail!("stack {stack} cannot be deleted: {now}");
                }
            }
            _ => return Ok(None),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn events(client: &Client, stack: &str) -> Result<Vec<StackEvent>> {
    let mut pages = client.describe_stack_events().stack_name(stack).into_paginator().items().send();
    let mut events = Vec::new();
    while let Some(event) = pages.next().await {
        events.push(event.context("reading the stack's events")?);
    }
    events.reverse();
    Ok(events)
}

/// Waits until the stack settles, with a line of progress a second.
async fn wait(client: &Client, stack: &str, before: BTreeSet<String>) -> Result<BTreeMap<String, String>> {
    let begun = Instant::now();
    let mut said = Instant::now();
    loop {
        let status = status(client, stack).await?.unwrap_or_default();
        if !status.ends_with("_IN_PROGRESS") {
            if matches!(status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE") {
                break;
            }
            let failures: Vec<String> = events(client, stack)
                .await?
                .iter()
                .filter(|e| e.event_id().is_none_or(|id| !before.contains(id)))
                .filter(|e| e.resource_status().is_some_and(|s| s.as_str().ends_with("_FAILED")))
                .map(|e| {
                    let (id, kind) = (e.logical_resource_id().unwrap_or("?"), e.resource_type().unwrap_or("?"));
                    format!("  {id} ({kind}): {}", e.resource_status_reason().unwrap_or("no reason given"))
                })
                .collect();
            bail!("stack {stack} ended as {status}:\n{}", failures.join("\n"));
        }
        if begun.elapsed() > PATIENCE {
            bail!("stack {stack} is still {status} after {} s", PATIENCE.as_secs());
        }
        if said.elapsed() > Duration::from_secs(1) {
            let done = events(client, stack).await?;
            let done = done.iter().filter(|e| e.resource_status().is_some_and(|s| s.as_str().ends_with("_COMPLETE")));
            step(format!("{status}: {} resources done", done.count()));
            said = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let found = client.describe_stacks().stack_name(stack).send().await.context("reading the stack's outputs")?;
    let outputs = found.stacks().first().map(|stack| stack.outputs()).unwrap_or_default();
    step(format!("stack {stack} is deployed"));
    Ok(outputs.iter().filter_map(|o| Some((o.output_key()?.to_owned(), o.output_value()?.to_owned()))).collect())
}

/// What CloudFormation said; its own words where it answered at all.
fn said<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static>(
    call: &str,
    error: &SdkError<E>,
) -> anyhow::Error {
    match error.message() {
        Some(message) => anyhow!("{call}: {}: {message}", error.code().unwrap_or("error")),
        None => anyhow!("{call}: {}", DisplayErrorContext(error)),
    }
}

fn pascal(name: &str) -> String {
    name.split('-')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn the_template_has_a_key_for_every_function_and_no_other() {
        let template = std::fs::read_to_string(crate::workspace_root().join("infra/template.yaml")).unwrap();
        let keys: BTreeSet<String> = template
            .lines()
            .filter_map(|line| line.strip_prefix("  ")?.strip_suffix("Key: {Type: String}").map(str::to_owned))
            .collect();
        let functions: BTreeSet<String> =
            crate::package::functions().unwrap().iter().map(|name| super::pascal(name)).collect();
        assert_eq!(keys, functions);
    }
}
