//! Stand-ins for what is outside the service, for local runs: they bind 127.0.0.1, Notify besides the address at which
//! containers find this computer where it is told to, and reach nothing beyond it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use clap::{Parser, Subcommand};
use ims_testkit::faults::Faults;
use ims_testkit::front_door::FrontDoor;
use ims_testkit::notify::{Callback, Config, Key, Sandbox};
use tokio::net::TcpListener;

/// Sandbox services for local runs.
#[derive(Parser)]
#[command(name = "ims-sandbox")]
struct Arguments {
    #[command(subcommand)]
    service: Service,
}

#[derive(Subcommand)]
enum Service {
    /// GOV.UK Notify.
    Notify {
        /// Port on 127.0.0.1.
        #[arg(long)]
        port: u16,
        /// The only valid API key: name-SERVICEUUID-SECRETUUID.
        #[arg(long)]
        api_key: Key,
        /// Where delivery receipts are posted; none without it.
        #[arg(long, requires = "callback_token")]
        callback_url: Option<String>,
        /// Bearer token of the receipts.
        #[arg(long, requires = "callback_url")]
        callback_token: Option<String>,
        /// Milliseconds between tries at a receipt; Notify takes five minutes.
        #[arg(long, default_value_t = 2_000)]
        callback_retry_ms: u64,
        /// Milliseconds from acceptance to the final status.
        #[arg(long, default_value_t = 0)]
        delivery_delay_ms: u64,
        /// Requests to send in a rolling minute; 0 for no limit.
        #[arg(long, default_value_t = 3_000)]
        rate_per_minute: usize,
        /// Seconds for which a token is good.
        #[arg(long, default_value_t = 30)]
        token_window_seconds: i64,
        /// Accept 07700900000, 07700900111 and 07700900222 without keeping them, as Notify does.
        #[arg(long)]
        smoke_numbers: bool,
        /// An address beside 127.0.0.1, for functions in containers: their network's gateway.
        #[arg(long)]
        also: Option<IpAddr>,
    },
    /// Reverse proxy with stable addresses.
    FrontDoor {
        /// Port on 127.0.0.1.
        #[arg(long)]
        port: u16,
        /// Base URL that /api/… goes to.
        #[arg(long)]
        api_target: String,
        /// Base URL that /console/… goes to.
        #[arg(long)]
        console_target: Option<String>,
        /// File to which queries and bodies sent to /api/… are appended, one JSON object a line.
        #[arg(long)]
        received: Option<PathBuf>,
    },
    /// Proxy before DynamoDB that makes it fail as it is told.
    Faults {
        /// Port on 127.0.0.1.
        #[arg(long)]
        port: u16,
        /// Base URL of the database.
        #[arg(long)]
        target: String,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().service {
        Service::Notify {
            port,
            api_key,
            callback_url,
            callback_token,
            callback_retry_ms,
            delivery_delay_ms,
            rate_per_minute,
            token_window_seconds,
            smoke_numbers,
            also,
        } => {
            let callback = callback_url.zip(callback_token).map(|(url, token)| Callback {
                url,
                token,
                retry_after: Duration::from_millis(callback_retry_ms),
            });
            let delivery_delay = Duration::from_millis(delivery_delay_ms);
            let config = Config {
                callback,
                delivery_delay,
                rate_per_minute,
                token_window_seconds,
                smoke_numbers,
                ..Config::new(api_key)
            };
            let router = Sandbox::new(config)?.router();
            match also {
                Some(address) => {
                    anyhow::ensure!(!address.is_unspecified(), "--also is {address}, which is every address");
                    let other = axum::serve(listen(address, port, "notify").await?, router.clone());
                    tokio::try_join!(serve(port, "notify", router), async { Ok(other.await?) }).map(drop)
                }
                None => serve(port, "notify", router).await,
            }
        }
        Service::FrontDoor { port, api_target, console_target, received } => {
            let mut door = FrontDoor::new(&api_target, console_target.as_deref())?;
            if let Some(path) = received {
                door = door.received_to(&path)?;
            }
            serve(port, "front door", door.router()).await
        }
        Service::Faults { port, target } => {
            let listener = listen(Ipv4Addr::LOCALHOST.into(), port, "faults").await?;
            Ok(Faults::new(&target)?.serve(listener).await?)
        }
    }
}

async fn serve(port: u16, name: &str, router: Router) -> anyhow::Result<()> {
    axum::serve(listen(Ipv4Addr::LOCALHOST.into(), port, name).await?, router).await?;
    Ok(())
}

async fn listen(address: IpAddr, port: u16, name: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((address, port)).await.with_context(|| format!("port {port} of {address}"))?;
    eprintln!("sandbox {name} on http://{}", listener.local_addr()?);
    Ok(listener)
}
