//! Ends a process at one of its requests: before the request is carried out, or after that and before its answer comes.
//!
//! Between two requests a process changes nothing that outlives it. So whoever walks through all requests of a piece of
//! work, on both sides of each, has ended it at every point that matters.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::sync::watch;

/// A request at which a process ends. Clones are the same one; it counts over all services that it guards.
#[derive(Debug, Clone)]
pub struct Fuse {
    seen: Arc<AtomicU64>,
    at: u64,
    after: bool,
    blown: Arc<watch::Sender<bool>>,
    spent: Arc<watch::Sender<bool>>,
}

impl Fuse {
    /// Blows at a request, counted from 1: once it was carried out where `after`, else in its stead.
    #[must_use]
    pub fn new(at: u64, after: bool) -> Self {
        let flag = || Arc::new(watch::Sender::new(false));
        Self { seen: Arc::default(), at, after, blown: flag(), spent: flag() }
    }

    /// A service behind it.
    pub fn guard(&self, service: Router) -> Router {
        service.layer(from_fn_with_state(self.clone(), pass))
    }

    /// Does some work, and gives it up when the fuse blows; `None` where it blew. From then on every request passes.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut blown = self.blown.subscribe();
        let done = tokio::select! {
            // Dropped where it stands: what a killed process does.
            _ = blown.wait_for(|blown| *blown) => None,
            done = work => Some(done),
        };
        self.spent.send_replace(true);
        done
    }
}

async fn pass(State(fuse): State<Fuse>, request: Request, next: Next) -> Response {
    if *fuse.spent.borrow() {
        return next.run(request).await;
    }
    let number = fuse.seen.fetch_add(1, Ordering::SeqCst) + 1;
    if number > fuse.at || (number == fuse.at && !fuse.after) {
        fuse.blown.send_replace(true);
        return pending().await;
    }
    let answer = next.run(request).await;
    if number == fuse.at {
        fuse.blown.send_replace(true);
        return pending().await;
    }
    answer
}
