//! Gate 7: has somebody agreed who must?

use super::flow::{Flow, Pending, Stop};
use super::intent::{claim, unavailable};
use super::refusal::Refusal;
use super::{dedupe, undo};
use crate::error::Kind;
use crate::input::Violation;
use crate::ledger::{Action, Approval, Ask, Decision, How, LedgerError, Outcome, Settle, State, now_ms};
use crate::tool::Approve;
use std::borrow::Cow;

/// How long an approval can be given and used, in ms.
const VALID_MS: u64 = 60 * 60 * 1_000;

/// The version of the approved action that the intent uses up; `None` where nobody has to agree.
pub(super) async fn pass(flow: &mut Flow, awaiting: Option<Action>) -> Result<Option<u64>, Stop> {
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

async fn operator(flow: &mut Flow, awaiting: Option<Action>) -> Result<u64, Stop> {
    let (action, asked) = match awaiting {
        Some(action) => (action, false),
        None => ask(flow).await?,
    };
    if !asked {
        // Gate 5 looked at it, or another server was faster: it may be about other arguments.
        dedupe::known_action(flow, &action).await?;
    }
    let State::AwaitingApproval(approval) = &action.state else {
        return Err(dedupe::in_progress(action.call).into());
    };
    match approval.decision {
        _ if approval.expires_ms <= now_ms() => Err(expired(flow, &action).await.into()),
        None => Err(Stop::Pending(Pending { approval: approval.clone(), asked })),
        Some(Decision { approved: true, .. }) => as_approved(flow, &action).map(|()| action.version),
        Some(Decision { approved: false, .. }) => {
            Err(denied("an operator did not agree; nothing ran", "approval_refused")
                .suggest("do not ask again for the same; hand the task to a person")
                .about(action.call)
                .into())
        }
    }
}

/// What runs is what was approved, to the letter: free text too, which gate 5 lets pass reworded.
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
    Err(Refusal::new("approval", Kind::Conflict, "it was approved in other words; nothing ran")
        .suggest("call again word for word as when you asked for the approval")
        .violations(violations.collect())
        .about(action.call.clone())
        .into())
}

/// Asks an operator, unless another server has asked or begun; says whether this call asked.
async fn ask(flow: &mut Flow) -> Result<(Action, bool), Refusal> {
    flow.undo = undo::of_arguments(flow);
    let id = ulid::Ulid::generate().to_string();
    let ask = Ask { claim: claim(flow)?, id: id.clone(), expires_ms: now_ms().saturating_add(VALID_MS) };
    let action = flow.pipeline.ledger.ask(ask).await.map_err(|error| {
        tracing::error!(
            call = flow.id,
            tool = flow.tool().name,
            error = error.to_string(),
            "an approval was not asked for"
        );
        unavailable("approval")
    })?;
    let asked = matches!(&action.state, State::AwaitingApproval(Approval { id: held, .. }) if *held == id);
    if asked {
        tracing::info!(
            call = flow.id,
            tool = flow.tool().name,
            approval = id,
            "an action awaits an operator's approval"
        );
    }
    Ok((action, asked))
}

/// Its time is over: the key is free again, and the next call asks anew.
async fn expired(flow: &Flow, action: &Action) -> Refusal {
    let outcome = Outcome::Failed { code: Cow::Borrowed("approval_expired") };
    let settle = Settle { entry: flow.entry(), key: action.key, version: action.version, outcome, how: How::Call };
    match flow.pipeline.ledger.settle(settle).await {
        // Somebody else told it, or asked anew.
        Ok(_) | Err(LedgerError::Superseded) => {}
        Err(error) => {
            tracing::error!(call = flow.id, error = error.to_string(), "the end of an approval was not recorded");
            return unavailable("approval");
        }
    }
    denied("nobody agreed in time; nothing ran", "approval_expired")
        .suggest("call again to ask again, if it is still wanted")
        .about(action.call.clone())
}

fn denied(message: &'static str, code: &'static str) -> Refusal {
    Refusal::new("approval", Kind::Denied, message).code(code)
}
