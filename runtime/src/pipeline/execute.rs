//! Gate 10: runs the body under its deadline, catches its panic, and retries it.

use super::body::Body;
use super::flow::Flow;
use super::lease::{self, Leased};
use super::refusal::Refusal;
use crate::blocking::Blocking;
use crate::call::Context;
use crate::clock::Lease;
use crate::error::{EffectKnown, ErrorReport, Kind};
use crate::input::Decoder;
use crate::ledger::{Action, Entry, Hash, Ledger, NoteEvent};
use crate::tool::{Arguments, BoxFuture, Descriptor, Finished, Reconciliation};
use backon::BackoffBuilder;
use futures_util::FutureExt;
use secrecy::SecretString;
use std::any::Any;
use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The end of a body.
pub(super) enum Ended {
    Finished(Finished),
    Panicked,
    /// It did not end within its lease.
    LeaseOver(lease::Over),
    /// It did not end within twice its timeout.
    Cut,
}

/// Runs a read to its end, at most until its deadline.
pub(super) async fn read(flow: &mut Flow, secret: Option<SecretString>) -> Result<Ended, Refusal> {
    let timeout = flow.tool().timeout;
    // Blocking work that a read has started is not waited for: it changes nothing.
    let ended = tokio::time::timeout(timeout, attempts(flow, secret, None, Blocking::default())).await;
    ended.map_err(|_| {
        Refusal::new("execute", Kind::Transient, format!("no answer within {} ms", timeout.as_millis())).code("timeout")
    })
}

/// The body of a write under its lease; the caller that awaits it sets the deadline.
pub(super) fn write(flow: &mut Flow, secret: Option<SecretString>, effect_key: Hash, lease: Lease) -> Body {
    let blocking = Blocking::under(lease.clone());
    Body::new(Leased::new(attempts(flow, secret, Some(effect_key), blocking.clone()), lease), blocking)
}

/// The body with its retries.
fn attempts(
    flow: &mut Flow,
    secret: Option<SecretString>,
    action: Option<Hash>,
    blocking: Blocking,
) -> BoxFuture<'static, Ended> {
    let (Some(arguments), Some(context)) = (flow.arguments.take(), flow.context(secret, action, blocking)) else {
        return Box::pin(std::future::ready(Ended::Finished(crate::__private::no_state())));
    };
    let attempts = Attempts {
        tool: flow.tool(),
        call: flow.id.clone(),
        text: std::mem::take(&mut flow.request.arguments),
        context,
    };
    Box::pin(attempts.run(arguments))
}

/// Asks the tool's `reconcile` about an action in doubt; `None` when it gives no answer.
pub(super) async fn reconcile(flow: &Flow, action: &Action, secret: Option<SecretString>) -> Option<Reconciliation> {
    let context = flow.context(secret, Some(action.effect_key()), Blocking::default())?;
    let arguments = (flow.tool().decode)(&mut Decoder::new(&flow.request.arguments))?;
    // It may panic before its first await as well as after it.
    let asking = AssertUnwindSafe(async move { Some(arguments.reconcile(context)?.await) }).catch_unwind();
    let (call, tool) = (&flow.id, flow.tool().name);
    match tokio::time::timeout(flow.tool().timeout, asking).await {
        Ok(Ok(found)) => match found? {
            Ok(found) => Some(found),
            Err(error) => {
                let (code, detail) = (error.code.as_ref(), error.detail.as_deref());
                tracing::warn!(call, tool, code, detail, "reconcile failed; the action stays in doubt");
                None
            }
        },
        Ok(Err(panic)) => {
            tracing::error!(call, tool, panic = text_of(&*panic), "reconcile panicked; the action stays in doubt");
            None
        }
        Err(_) => {
            tracing::warn!(call, tool, "reconcile gave no answer in time; the action stays in doubt");
            None
        }
    }
}

struct Attempts {
    tool: &'static Descriptor,
    call: String,
    text: String,
    context: Context,
}

impl Attempts {
    async fn run(self, first: Box<dyn Arguments>) -> Ended {
        let mut waits = backon::ExponentialBuilder::default()
            .with_min_delay(FIRST_WAIT)
            .with_max_delay(LONGEST_WAIT)
            .with_jitter()
            .with_max_times(self.tool.retry as usize)
            .build();
        let mut arguments = Some(first);
        loop {
            // The body takes its arguments, so another attempt decodes them again.
            let Some(arguments) = arguments.take().or_else(|| (self.tool.decode)(&mut Decoder::new(&self.text))) else {
                return Ended::Finished(crate::__private::no_state());
            };
            let ended = self.once(arguments).await;
            match &ended {
                Ended::Finished(Err(error)) if had_no_effect(error) => match waits.next() {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return ended,
                },
                _ => return ended,
            }
        }
    }

    async fn once(&self, arguments: Box<dyn Arguments>) -> Ended {
        let context = self.context.clone();
        // A body may panic before its first await as well as after it.
        let body = AssertUnwindSafe(async move { arguments.run(context).await }).catch_unwind();
        match body.await {
            Ok(Ok(produced)) => Ended::Finished(Ok(produced)),
            Ok(Err(error)) => {
                tracing::warn!(
                    call = self.call,
                    tool = self.tool.name,
                    code = error.code.as_ref(),
                    detail = error.detail.as_deref(),
                    "the tool answered with an error"
                );
                Ended::Finished(Err(error))
            }
            Err(panic) => {
                tracing::error!(call = self.call, tool = self.tool.name, panic = text_of(&*panic), "the tool panicked");
                Ended::Panicked
            }
        }
    }
}

/// True when a retry can help and cannot do harm.
pub(super) fn had_no_effect(error: &ErrorReport) -> bool {
    matches!(error.kind, Kind::Transient | Kind::Unavailable) && error.effect == EffectKnown::None
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

/// Records, when dropped, a read that was cancelled because its caller went away.
pub(super) struct Unanswered(Option<(Entry, Ledger)>);

impl Unanswered {
    pub(super) fn new(flow: &Flow) -> Self {
        Unanswered(Some((flow.entry(), flow.pipeline.ledger.clone())))
    }

    /// Disarms the guard: the read was answered, and is recorded as answered.
    pub(super) fn over(mut self) {
        self.0 = None;
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some((entry, ledger)) = self.0.take()
            && ledger.note(entry, NoteEvent::Read { code: Cow::Borrowed("cancelled") }).is_err()
        {
            tracing::error!("a cancelled read was not recorded");
        }
    }
}
