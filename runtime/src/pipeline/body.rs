//! The body of a write while it runs, with the blocking work that its call has started.

use super::execute::Ended;
use super::lease::Leased;
use crate::blocking::Blocking;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A body under its lease. It has ended once its future and its blocking work have.
pub(super) struct Body {
    /// `None` once it has ended, or was dropped.
    running: Option<Leased<Ended>>,
    ended: Option<Ended>,
    blocking: Blocking,
}

impl Body {
    pub(super) fn new(running: Leased<Ended>, blocking: Blocking) -> Self {
        Body { running: Some(running), ended: None, blocking }
    }

    /// Waits for the end of the body. Cancel-safe: after a cancelled wait it can be called again.
    pub(super) async fn ended(&mut self) -> Ended {
        if let Some(running) = &mut self.running {
            self.ended = Some(running.await.unwrap_or_else(Ended::LeaseOver));
            self.running = None;
        }
        self.blocking.joined().await;
        self.ended.take().unwrap_or(Ended::Cut)
    }

    /// Drops the body at the await it has reached, and waits for the blocking work, which nothing can stop.
    pub(super) async fn cut(mut self) -> Ended {
        let_go(self.running.take());
        self.ended().await
    }
}

/// Drops the rest of a body. A panic in the tool's destructors must not lose the outcome.
pub(super) fn let_go<T>(left: T) {
    if catch_unwind(AssertUnwindSafe(|| drop(left))).is_err() {
        tracing::error!("a body panicked when it was dropped; how its action ended is recorded all the same");
    }
}
