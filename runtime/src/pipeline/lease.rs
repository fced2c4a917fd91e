//! How long an action may run: others take it for ended only when its lease has passed, and nothing of it is begun here by then.

use super::body;
use super::flow::Flow;
use crate::clock::Lease;
use crate::tool::{BoxFuture, Descriptor};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// The longest wait for a credential. A token endpoint that has not answered by then is down, and its caller still waits.
pub(super) const CREDENTIAL_DEADLINE: Duration = Duration::from_secs(30);

/// For what comes beside credential and body: the claim on its way to the disk, and timers that fire late.
const MARGIN: Duration = Duration::from_secs(30);

/// For the last step of a body, which began just in time, and for clocks that run apart: less than a second in two hours.
const LAST_STEP: Duration = Duration::from_secs(30);

/// The lease in the ledger, from the claim on.
pub(super) fn length(tool: &Descriptor) -> Duration {
    CREDENTIAL_DEADLINE + 2 * tool.timeout + MARGIN + LAST_STEP
}

/// The lease as the body is held to it. Begin it before the claim is sent: then it ends here before it ends in the ledger.
pub(super) fn begin(flow: &Flow) -> Lease {
    Lease::of(&flow.pipeline.clock, length(flow.tool()) - LAST_STEP)
}

/// A lease passed before the body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Over {
    /// The body was polled before: it may have had its effect.
    pub(super) begun: bool,
}

/// A body that is not polled after its lease, whatever wakes it: a process that was stopped, or a machine that was suspended,
/// drops it where it stood.
pub(super) struct Leased<T> {
    body: Option<BoxFuture<'static, T>>,
    lease: Lease,
    begun: bool,
}

impl<T> Leased<T> {
    pub(super) fn new(body: BoxFuture<'static, T>, lease: Lease) -> Self {
        Leased { body: Some(body), lease, begun: false }
    }
}

impl<T> Future for Leased<T> {
    type Output = Result<T, Over>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let over = Over { begun: self.begun };
        // Asked anew at each poll: between two of them any time may have passed.
        if self.lease.over() {
            body::let_go(self.body.take());
        }
        let Some(body) = &mut self.body else { return Poll::Ready(Err(over)) };
        let polled = body.as_mut().poll(context).map(Ok);
        self.begun = true;
        polled
    }
}
