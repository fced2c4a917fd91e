//! The body of a write on its way to its end, with the blocking work that was started through its call.

use super::execute::Ended;
use super::lease::Leased;
use crate::blocking::Blocking;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A body under its lease. It has ended when its future has, and its blocking work too.
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

    /// Waits for its end. Stopped in between, it can be waited for again.
    pub(super) async fn ended(&mut self) -> Ended {
        if let Some(running) = &mut self.running {
            self.ended = Some(running.await.unwrap_or_else(Ended::LeaseOver));
            self.running = None;
        }
        self.blocking.joined().await;
        self.ended.take().unwrap_or(Ended::Cut)
    }

    /// Drops it where it stands, and waits for the blocking work, which nothing can stop.
    pub(super) async fn cut(mut self) -> Ended {
        let_go(self.running.take());
        self.ended().await
    }
}

/// Drops what is left of a body. What it holds is the tool's code, whose panic here must not cost the outcome.
pub(super) fn let_go<T>(left: T) {
    if catch_unwind(AssertUnwindSafe(|| drop(left))).is_err() {
        tracing::error!("a body panicked when it was dropped; how its action ended is recorded all the same");
    }
}
