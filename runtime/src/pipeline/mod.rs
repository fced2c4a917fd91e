//! The gates, in order. Text in, text out: no transport and no store is known here.

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
    /// What leases are measured by.
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

    /// Gate 0 stopped a call that could be read: the same answer and the same record as any refusal.
    pub(crate) fn refuse_wire(self: &Arc<Self>, request: Request, violations: Vec<Violation>) -> Option<Answer> {
        let mut flow = Flow::new(self, request)?;
        let refusal = authenticate::pass(&mut flow)
            .and_then(|()| guesses::pass(&flow))
            .and_then(|()| scope::pass(&flow))
            .err()
            .unwrap_or_else(|| validate::refusal("wire", violations));
        Some(flow.stopped(refusal.into()))
    }

    /// Waits for every effect that is running, late ones included; their outcomes are in the ledger then.
    pub(crate) async fn landed(&self) {
        self.effects.close();
        self.effects.wait().await;
    }

    /// Who a request comes from, for what is not a call.
    pub(crate) fn principal(&self, bearer: Option<&str>) -> Option<Principal> {
        let principal = self.identity.authenticate(bearer);
        if principal.is_none() {
            self.throttle.unauthenticated(&self.ledger);
        }
        principal
    }
}

/// What a call passes that asks to read.
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

/// What a call passes that asks to change something, up to its intent.
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

/// The rest, in a task of its own: from the intent on the action does not belong to its caller, and
/// whoever hangs up, the outcome is recorded.
async fn effect(flow: Flow, lead: Lead, approved: Option<Version>) -> Answer {
    let lost = flow.lost();
    let (answer, answered) = oneshot::channel();
    let effects = flow.pipeline.effects.clone();
    effects.spawn(from_intent(flow, lead, approved, answer));
    // The task answers on every way out; should it die, the caller still gets the truth.
    answered.await.unwrap_or_else(|_| lost.answer())
}

async fn from_intent(mut flow: Flow, lead: Lead, approved: Option<Version>, caller: oneshot::Sender<Answer>) {
    let answer = |answer: Answer| {
        if caller.send(answer).is_err() {
            tracing::debug!("the caller has gone; the outcome is in the ledger");
        }
    };
    // Measured from before the claim is sent, so that it ends here before it ends in the ledger.
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
            // The body of a write is never cut at its deadline: it has once its timeout again to settle the doubt.
            let ended = match tokio::time::timeout(timeout, body.ended()).await {
                Ok(ended) => ended,
                Err(_) => body.cut().await,
            };
            // Without the doubt's version it was not recorded, or only later: the intent's names it too.
            outcome::late(&flow, doubt.version.unwrap_or(version), ended).await;
            drop(lead);
        }
    }
}
