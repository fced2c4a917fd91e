//! The lease of an action: other servers presume that it has ended only after its lease, and this server begins no step of it
//! later.

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

/// Time for everything beside credential and body: the claim on its way to the disk, and timers that fire late.
const MARGIN: Duration = Duration::from_secs(30);

/// Time for the last step of a body, begun just before the end, and for clock drift: less than a second in two hours.
const LAST_STEP: Duration = Duration::from_secs(30);

/// The length of the lease in the ledger, counted from the claim.
pub(super) fn length(tool: &Descriptor) -> Duration {
    CREDENTIAL_DEADLINE + 2 * tool.timeout + MARGIN + LAST_STEP
}

/// The lease that the body runs under. Begin it before the claim is sent, so that it ends here before it ends in the ledger.
pub(super) fn begin(flow: &Flow) -> Lease {
    Lease::of(&flow.pipeline.clock, length(flow.tool()) - LAST_STEP)
}

/// The end of a lease before the end of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Over {
    /// The body was polled before: it may have had its effect.
    pub(super) begun: bool,
}

/// A body that is not polled after its lease: it is dropped when a stopped process, or a suspended machine, wakes too late.
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
        // Checked at each poll: any time may have passed since the last one.
        if self.lease.over() {
            body::let_go(self.body.take());
        }
        let Some(body) = &mut self.body else { return Poll::Ready(Err(over)) };
        let polled = body.as_mut().poll(context).map(Ok);
        self.begun = true;
        polled
    }
}
