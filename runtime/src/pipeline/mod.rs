//! The gates, in order. Text in, text out: this module knows no transport and no store.

mod approval;
mod authenticate;
mod body;
mod credential;
mod dedupe;
mod entry;
mod execute;
mod flight;
mod flow;
mod guesses;
mod intent;
mod lease;
mod limits;
mod outcome;
mod policy;
mod reconcile;
mod refusal;
mod scope;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
mod throttle;
mod undo;
mod validate;

pub(crate) use flight::Flights;
pub(crate) use flow::{Answer, Request};
pub(crate) use guesses::Guesses;
pub(crate) use limits::Limits;
pub(crate) use throttle::Throttle;

use crate::clock::BootClock;
use crate::credential::CredentialBroker;
use crate::identity::{Identity, Principal};
use crate::input::Violation;
use crate::ledger::{Ledger, Version};
use crate::policy::Policy;
use crate::tool::Descriptor;
use flight::Lead;
use flow::{Flow, Stop};
use std::any::Any;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

/// A tool as the pipeline serves it.
pub(crate) struct Served {
    pub(crate) descriptor: &'static Descriptor,
    pub(crate) limits: Limits,
}

/// Everything the gates need, built once.
pub(crate) struct Pipeline {
    pub(crate) server: String,
    pub(crate) tools: Vec<Served>,
    pub(crate) state: Arc<dyn Any + Send + Sync>,
    pub(crate) identity: Arc<dyn Identity>,
    pub(crate) policy: Option<Arc<dyn Policy>>,
    pub(crate) broker: Arc<dyn CredentialBroker>,
    pub(crate) ledger: Ledger,
    pub(crate) throttle: Throttle,
    pub(crate) guesses: Guesses,
    pub(crate) flights: Flights,
    pub(crate) effects: TaskTracker,
    /// The clock that measures leases.
    pub(crate) clock: BootClock,
}

impl Pipeline {
    /// The answer to one call; `None` when the server has no such tool.
    pub(crate) async fn call(self: &Arc<Self>, request: Request) -> Option<Answer> {
        let mut flow = Flow::new(self, request)?;
        if flow.tool().effect.changes() {
            return Some(match before_effect(&mut flow).await {
                Ok((lead, approved)) => effect(flow, lead, approved).await,
                Err(stop) => flow.stopped(stop),
            });
        }
        Some(match read(&mut flow).await {
            Ok(answer) => answer,
            Err(stop) => flow.stopped(stop),
        })
    }

    /// Answers and records a call that gate 0 stopped, as any refusal; `None` when the server has no such tool.
    pub(crate) fn refuse_wire(self: &Arc<Self>, request: Request, violations: Vec<Violation>) -> Option<Answer> {
        let mut flow = Flow::new(self, request)?;
        let refusal = authenticate::pass(&mut flow)
            .and_then(|()| guesses::pass(&flow))
            .and_then(|()| scope::pass(&flow))
            .err()
            .unwrap_or_else(|| validate::refusal("wire", violations));
        Some(flow.stopped(refusal.into()))
    }

    /// Waits until every running effect, late ones included, has ended and its outcome is in the ledger.
    pub(crate) async fn landed(&self) {
        self.effects.close();
        self.effects.wait().await;
    }

    /// The principal of a request that is not a tool call; an unauthenticated one is recorded.
    pub(crate) fn principal(&self, bearer: Option<&str>) -> Option<Principal> {
        let principal = self.identity.authenticate(bearer);
        if principal.is_none() {
            self.throttle.unauthenticated(&self.ledger);
        }
        principal
    }
}

/// The gates of a read.
async fn read(flow: &mut Flow) -> Result<Answer, Stop> {
    authenticate::pass(flow)?;
    guesses::pass(flow)?;
    scope::pass(flow)?;
    validate::pass(flow)?;
    policy::pass(flow)?;
    limits::pass(flow)?;
    intent::ledger_takes_records(flow)?;
    let unanswered = execute::Unanswered::new(flow);
    let ended = match credential::pass(flow).await {
        Ok(secret) => execute::read(flow, secret).await,
        Err(refusal) => Err(refusal),
    };
    unanswered.over();
    outcome::read(flow, ended?).await
}

/// The gates of a write, up to its intent.
async fn before_effect(flow: &mut Flow) -> Result<(Lead, Option<Version>), Stop> {
    authenticate::pass(flow)?;
    guesses::pass(flow)?;
    scope::pass(flow)?;
    validate::pass(flow)?;
    policy::pass(flow)?;
    let dedupe::Passed { lead, awaiting } = dedupe::pass(flow).await?;
    limits::pass(flow)?;
    let approved = approval::pass(flow, awaiting).await?;
    Ok((lead, approved))
}

/// Runs the gates from the intent on in a task of their own: the outcome is recorded even if the caller hangs up.
async fn effect(flow: Flow, lead: Lead, approved: Option<Version>) -> Answer {
    let lost = flow.lost();
    let (answer, answered) = oneshot::channel();
    let effects = flow.pipeline.effects.clone();
    effects.spawn(from_intent(flow, lead, approved, answer));
    // The task always answers; if it dies, the caller is told that the action is in doubt.
    answered.await.unwrap_or_else(|_| lost.answer())
}

async fn from_intent(mut flow: Flow, lead: Lead, approved: Option<Version>, caller: oneshot::Sender<Answer>) {
    let answer = |answer: Answer| {
        if caller.send(answer).is_err() {
            tracing::debug!("the caller hung up; the outcome is in the ledger");
        }
    };
    // Begun before the claim is sent, so that it ends here before it ends in the ledger.
    let lease = lease::begin(&flow);
    let intent::Won { version, effect_key } = match intent::pass(&flow, approved).await {
        Ok(won) => won,
        Err(stop) => return answer(flow.stopped(stop)),
    };
    let secret = match credential::pass(&flow).await {
        Ok(secret) => secret,
        Err(refusal) => return answer(outcome::nothing_ran(&flow, version, refusal).await),
    };
    let mut body = execute::write(&mut flow, secret, effect_key, lease);
    let timeout = flow.tool().timeout;
    match tokio::time::timeout(timeout, body.ended()).await {
        Ok(ended) => answer(outcome::write(&flow, &lead, version, ended).await),
        Err(_) => {
            let doubt = outcome::timed_out(&flow, &lead, version).await;
            answer(doubt.answer);
            // The body of a write is never cut at its deadline: it gets its timeout once more to settle the doubt.
            let ended = match tokio::time::timeout(timeout, body.ended()).await {
                Ok(ended) => ended,
                Err(_) => body.cut().await,
            };
            // Without a version the doubt was not recorded, or only later: then the intent's version settles it.
            outcome::late(&flow, doubt.version.unwrap_or(version), ended).await;
            drop(lead);
        }
    }
}
