//! A local stack of optimised functions, and its services as this process reaches them itself.

use std::future::Future;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result};
use ims_messaging::{Bucket, Objects, Queue, Queues};
use ims_runtime::clock::BusinessClock;
use ims_runtime::{Service, Settings};
use ims_store::{Store, Table, Tables};
use jiff::civil::{Date, date};
use xtask::demo::running::Running;
use xtask::endpoints::Endpoints;
use xtask::stack::{self, Ports, StackOptions};
use xtask::workspace_root;

use crate::measure::Process;

/// The business day of all benchmarks.
pub const DAY: Date = date(2025, 10, 6);

/// Folder of what benchmarks leave.
#[must_use]
pub fn scratch() -> PathBuf {
    workspace_root().join(".local/bench")
}

/// A stack that runs.
pub struct Stack {
    /// Its directory.
    pub dir: PathBuf,
    /// Its clients.
    pub running: Running,
    /// What a function of it would work with.
    pub service: Service,
}

/// Sets a stack up, does the work, and takes the stack down, whatever came of the work.
///
/// # Errors
/// Where the stack cannot be set up, or the work fails.
pub fn with<T, F: Future<Output = Result<T>>>(work: impl FnOnce(Stack) -> F) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let dir = scratch().join("stack");
    // What an earlier run that was interrupted has left running.
    stack::down(&dir)?;
    let done = runtime.block_on(async {
        let options =
            StackOptions { local_dir: dir.clone(), ports: free_ports()?, optimised: true, ..StackOptions::default() };
        let endpoints = stack::up(&options).await?;
        let running = Running::connect(&endpoints).await?;
        running.set_day(DAY).await?;
        let service = service(&endpoints).await?;
        work(Stack { dir: dir.clone(), running, service }).await
    });
    stack::down(&dir)?;
    done
}

fn free_ports() -> Result<Ports> {
    // Held together, so that they differ.
    let held = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let [aws, front_door, notify] = held.map(|held| held.and_then(|held| held.local_addr()).map(|at| at.port()));
    Ok(Ports { aws: aws?, front_door: front_door?, notify: notify? })
}

/// A function's service, made without its environment.
async fn service(endpoints: &Endpoints) -> Result<Service> {
    let config = endpoints.aws_config().await;
    let tables = Tables::from_lookup(|variable| {
        endpoints.tables.get(&variable.trim_start_matches("IMS_TABLE_").to_lowercase()).cloned()
    })?;
    let retries = Settings::dynamodb_retries();
    let db = aws_sdk_dynamodb::config::Builder::from(&config).retry_config(retries).build();
    let db = aws_sdk_dynamodb::Client::from_conf(db);
    let settings = Settings { stage: "sandbox".to_owned() };
    let buckets = Bucket::ALL.into_iter().map(|bucket| {
        let name = endpoints.buckets.get(&bucket.name().to_lowercase());
        Ok((bucket, name.with_context(|| format!("no bucket {}", bucket.name()))?.clone()))
    });
    let queues = Queue::ALL.into_iter().map(|queue| {
        let name = queue.name().to_lowercase().replace('_', "-");
        Ok((queue, endpoints.queues.get(&name).with_context(|| format!("no queue {name}"))?.clone()))
    });
    Ok(Service {
        clock: BusinessClock::new(&settings, db.clone(), tables.name(Table::Control).to_owned()),
        store: Store::new(db, tables),
        objects: Objects::new(endpoints.s3().await, buckets.collect::<Result<_>>()?),
        queues: Queues::new(aws_sdk_sqs::Client::new(&config), queues.collect::<Result<_>>()?),
        settings,
    })
}

impl Stack {
    /// The running processes of a function, by process id.
    #[must_use]
    pub fn processes(&self, function: &str) -> Vec<(u32, Process)> {
        let deployed = format!("-{function}");
        let workers = xtask::workers::workers(&self.dir).into_iter();
        let ours = workers.filter(|worker| worker.function.ends_with(&deployed));
        ours.filter_map(|worker| Some((worker.id, Process::of(worker.id).ok()?))).collect()
    }
}
