//! Blocking work of a body: started through its call, so that the runtime knows of it and waits for it.

use crate::clock::Lease;
use std::panic::resume_unwind;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// The blocking work of one call; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blocking {
    under_way: TaskTracker,
    /// Nothing begins after it.
    lease: Option<Lease>,
}

impl Blocking {
    /// For an action that runs under a lease.
    pub(crate) fn under(lease: Lease) -> Blocking {
        Blocking { under_way: TaskTracker::new(), lease: Some(lease) }
    }

    /// Runs `work` on the blocking pool. Work that waits for a thread when this future is dropped, or when the lease passes,
    /// never begins.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let lease = self.lease.clone();
        let begin = move || lease.is_none_or(|lease| !lease.over()).then(work);
        match AbortOnDropHandle::new(self.under_way.spawn_blocking(begin)).await {
            Ok(Some(done)) => done,
            Err(died) if died.is_panic() => resume_unwind(died.into_panic()),
            // The lease has passed, or the process ends: the body is not polled again either way.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Waits until nothing of it runs or can begin any more. For when the body can start no more of it.
    pub(crate) async fn joined(&self) {
        self.under_way.close();
        self.under_way.wait().await;
    }
}
