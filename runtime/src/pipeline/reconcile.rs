//! Resolves doubts: the tool's `reconcile` asks the backend whether the effect happened.

use super::execute;
use super::flow::{Flow, Request};
use super::{Pipeline, credential, outcome};
use crate::action;
use crate::identity::Principal;
use crate::input::Decoder;
use crate::ledger::{Action, How, LedgerError, Listed, Outcome, Settle};
use crate::tool::Reconciliation;
use std::borrow::Cow;
use std::sync::Arc;

/// Doubts that are read in one page.
const PAGE: usize = 64;

/// The next step of the caller, once the doubt is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goes {
    /// A call goes on, and runs the action if it did not happen.
    On,
    /// A server starts, and runs nothing.
    Nowhere,
}

/// Asks the tool's `reconcile` about an action in doubt, and records the answer; true when the doubt is resolved. `flow` acts for
/// the action's owner: a backend may show each user only their own data.
pub(super) async fn pass(flow: &Flow, action: &Action, goes: Goes) -> bool {
    if !flow.tool().reconcile {
        return false;
    }
    let Ok(secret) = credential::pass(flow).await else { return false };
    match execute::reconcile(flow, action, secret).await {
        Some(Reconciliation::Applied(produced)) => {
            settle(flow, action, outcome::done(flow, &action.call, &produced).1).await
        }
        // The action may have happened in part, and only a call can do the rest: at a server's start the doubt stays.
        Some(Reconciliation::NotApplied) if goes == Goes::Nowhere => false,
        Some(Reconciliation::NotApplied) => {
            settle(flow, action, Outcome::Failed { code: Cow::Borrowed("not_applied") }).await
        }
        Some(Reconciliation::Unknown) | None => false,
    }
}

/// Records what `reconcile` found; true when the doubt is resolved.
async fn settle(flow: &Flow, action: &Action, outcome: Outcome) -> bool {
    let settle = Settle { entry: flow.entry(), key: action.key, version: action.version, outcome, how: How::Reconcile };
    match flow.pipeline.ledger.settle(settle).await {
        Ok(_) => {
            tracing::info!(call = flow.id, first_call = action.call, tool = flow.tool().name, "a doubt was reconciled");
            true
        }
        // A late outcome, an operator or another server resolved it first: that stands.
        Err(LedgerError::Superseded) => true,
        Err(error) => {
            let error = error.to_string();
            tracing::error!(
                call = flow.id,
                tool = flow.tool().name,
                error,
                "what reconcile found was not recorded; the action stays in doubt"
            );
            false
        }
    }
}

impl Pipeline {
    /// Asks about every action in doubt whose arguments the ledger holds in full; others wait for their next call.
    pub(crate) async fn reconcile_all(self: Arc<Self>) {
        let mut after = None;
        loop {
            let doubts = match self.ledger.list(Listed::InDoubt, after, PAGE).await {
                Ok(doubts) => doubts,
                Err(error) => return tracing::error!(error = error.to_string(), "the doubts cannot be listed"),
            };
            let Some(last) = doubts.last() else { return };
            after = Some(last.key);
            for action in doubts {
                // A server that shuts down does not wait for this.
                if self.effects.is_closed() {
                    return;
                }
                let Some(flow) = again(&self, &action).await else { continue };
                let Some(names) = &flow.names else { continue };
                if !self.ledger.ended(&action).await.unwrap_or(false) {
                    continue;
                }
                // A running call of the same intent asks `reconcile` itself.
                if let Ok(_lead) = self.flights.board(names, &flow.id, flow.owner(), None) {
                    pass(&flow, &action, Goes::Nowhere).await;
                }
            }
        }
    }
}

/// The call that began `action`, rebuilt as far as `reconcile` needs it; `None` when that is not possible.
async fn again(pipeline: &Arc<Pipeline>, action: &Action) -> Option<Flow> {
    let served = pipeline.tools.iter().find(|served| served.descriptor.name == action.tool)?;
    if !served.descriptor.reconcile {
        return None;
    }
    let intent = pipeline.ledger.intent(action).await.inspect_err(|error| {
        tracing::error!(error = error.to_string(), first_call = action.call, "the intent of a doubt cannot be read")
    });
    let entry = intent.ok()?.entry;
    let request = Request {
        tool: action.tool.clone(),
        arguments: entry.arguments.as_ref()?.get().to_owned(),
        investigation: entry.investigation,
        ..Request::default()
    };
    let mut flow = Flow::new(pipeline, request)?;
    let mut decoder = Decoder::new(&flow.request.arguments);
    let arguments = (flow.tool().decode)(&mut decoder)?;
    if !decoder.finish().0.is_empty() {
        return None;
    }
    let (digests, encoded) = action::digests_of(flow.tool(), arguments.as_ref(), pipeline.ledger.redactor());
    // A sensitive argument is recorded as a hash, so its value is not known.
    if digests != action.arguments {
        return None;
    }
    flow.names = Some(action::Names {
        digest: action.digest,
        key: action.key,
        arguments: digests,
        encoded,
        subjects: action.subjects.clone(),
    });
    let agent = Principal::agent(entry.agent).in_tenant(entry.tenant);
    flow.principal = Some(match entry.user {
        Some(user) => agent.on_behalf_of(user),
        None => agent,
    });
    flow.redacted = entry.arguments;
    Some(flow)
}
