//! Gate 7: the approval of a person, for tools that need one.

use super::dedupe::{self, Awaiting};
use super::flow::{Flow, Pending, Stop};
use super::intent::{claim, unavailable};
use super::refusal::Refusal;
use crate::error::Kind;
use crate::input::Violation;
use crate::ledger::{
    Action, Approval, Ask, Asked, Decision, How, LedgerError, Outcome, Settle, State, Version, now_ms,
};
use crate::tool::Approve;
use std::borrow::Cow;

/// Time for which an approval can be given and used, in ms.
const VALID_MS: u64 = 60 * 60 * 1_000;

/// The version of the approved action that the intent uses up; `None` where nobody has to agree.
pub(super) async fn pass(flow: &Flow, awaiting: Option<Awaiting>) -> Result<Option<Version>, Stop> {
    match flow.tool().approve {
        Approve::None(_) => Ok(None),
        Approve::Operator => operator(flow, awaiting).await.map(Some),
        Approve::User => Err(Refusal::new(
            "approval",
            Kind::Denied,
            "this tool needs the agreement of its user, and this server cannot ask",
        )
        .code("approval_unavailable")
        .suggest("hand the task to a person")
        .into()),
    }
}

async fn operator(flow: &Flow, awaiting: Option<Awaiting>) -> Result<Version, Stop> {
    let Some(Awaiting { action, void }) = awaiting else { return Err(ask(flow).await?) };
    let State::AwaitingApproval(approval) = &action.state else {
        return Err(dedupe::in_progress(action.call).into());
    };
    // Only the owner who asked for the approval may use it; calls of another owner wait.
    if action.owner.as_deref() != flow.owner() {
        return Err(Stop::Pending(Pending { approval: Approval { decision: None, ..approval.clone() }, asked: false }));
    }
    match approval.decision {
        _ if void => Err(over(flow, &action, approval).await.into()),
        None => Err(Stop::Pending(Pending { approval: approval.clone(), asked: false })),
        Some(Decision { approved: true, .. }) => as_approved(flow, &action).map(|()| action.version),
        Some(Decision { approved: false, .. }) => {
            Err(denied("an operator did not agree; nothing ran", "approval_refused")
                .suggest("do not ask again for the same; hand the task to a person")
                .about(action.call)
                .into())
        }
    }
}

/// Refuses arguments that are not exactly the approved ones; gate 5 lets reworded free text pass.
fn as_approved(flow: &Flow, action: &Action) -> Result<(), Stop> {
    let Some(names) = &flow.names else { return Err(unavailable("approval").into()) };
    if names.digest == action.digest {
        return Ok(());
    }
    let then = |name: &str| action.arguments.iter().find(|digest| digest.name == name).map(|digest| digest.full);
    let reworded = names.arguments.iter().filter(|now| then(&now.name) != Some(now.full));
    let violations = reworded.map(|now| Violation {
        path: format!("/{}", now.name),
        rule: "differs",
        expected: Cow::Borrowed("the words that were approved"),
        example: None,
    });
    Err(Refusal::new("approval", Kind::Conflict, "the approval was given for other words; nothing ran")
        .suggest("call again word for word as when you asked for the approval")
        .violations(violations.collect())
        .about(action.call.clone())
        .into())
}

/// Asks an operator, unless another call was faster.
async fn ask(flow: &Flow) -> Result<Stop, Refusal> {
    let id = ulid::Ulid::generate().to_string();
    let ask = Ask { claim: claim(flow)?, id: id.clone(), expires_ms: now_ms().saturating_add(VALID_MS) };
    let asked = flow.pipeline.ledger.ask(ask).await.map_err(|error| {
        let (tool, error) = (flow.tool().name, error.to_string());
        tracing::error!(call = flow.id, tool, error, "the request for an approval was not recorded; nothing ran");
        unavailable("approval")
    })?;
    Ok(match asked {
        Asked::Awaits(action) => {
            let tool = flow.tool().name;
            tracing::info!(call = flow.id, tool, approval = id, "an action awaits an operator's approval");
            match action.state {
                State::AwaitingApproval(approval) => Stop::Pending(Pending { approval, asked: true }),
                _ => dedupe::in_progress(action.call).into(),
            }
        }
        Asked::Known(standing) => match dedupe::known(flow, standing).await {
            Err(stop) => stop,
            Ok(Some(Awaiting { action, .. })) => match action.state {
                State::AwaitingApproval(approval) => Stop::Pending(Pending { approval, asked: false }),
                _ => dedupe::in_progress(action.call).into(),
            },
            Ok(None) => dedupe::in_progress(flow.id.clone()).into(),
        },
    })
}

/// Records that the approval has expired or is void: the key is free again, and the next call asks for a new approval.
async fn over(flow: &Flow, action: &Action, approval: &Approval) -> Refusal {
    let expired = approval.expires_ms <= now_ms();
    let code = if expired { "approval_expired" } else { "approval_void" };
    let outcome = Outcome::Failed { code: Cow::Borrowed(code) };
    let settle = Settle { entry: flow.entry(), key: action.key, version: action.version, outcome, how: How::Call };
    match flow.pipeline.ledger.settle(settle).await {
        // Another call recorded that, or asked for a new approval.
        Ok(_) | Err(LedgerError::Superseded) => {}
        Err(error) => {
            let error = error.to_string();
            tracing::error!(
                call = flow.id,
                error,
                "the end of an approval was not recorded; the next call tries again"
            );
            return unavailable("approval");
        }
    }
    let message = if expired {
        "nobody agreed in time; nothing ran"
    } else {
        "the target changed after the approval was asked for or given, so it counts no longer; nothing ran"
    };
    denied(message, code).suggest("call again to ask again, if it is still wanted").about(action.call.clone())
}

fn denied(message: &'static str, code: &'static str) -> Refusal {
    Refusal::new("approval", Kind::Denied, message).code(code)
}
