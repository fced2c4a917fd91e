//! Gate 5: is the action known already? Then its answer is given again, and nothing runs.

use super::flight::{Landed, Lead};
use super::flow::{Flow, Replay, Stop};
use super::intent::unavailable;
use super::reconcile::{self, Reconciled};
use super::refusal::Refusal;
use crate::action::Names;
use crate::envelope::Body;
use crate::error::{EffectKnown, Kind};
use crate::input::Violation;
use crate::ledger::{Action, ArgumentDigest, Hash, State};
use crate::tool::{Approve, Key};
use std::borrow::Cow;

/// What gate 5 lets through.
pub(super) struct Passed {
    /// The right to run the intent.
    pub(super) lead: Lead,
    /// The action, when it awaits approval.
    pub(super) awaiting: Option<Action>,
}

pub(super) async fn pass(flow: &mut Flow) -> Result<Passed, Stop> {
    let Some(names) = &flow.names else { return Err(unavailable("dedupe").into()) };
    let (flight, keys) = (names.flight, names.beside.into_iter().flatten().chain([names.key]));
    let deadline = tokio::time::Instant::now() + flow.tool().timeout;
    let lead = loop {
        match flow.pipeline.flights.board(flight, &flow.id, &names.arguments) {
            Ok(lead) => break lead,
            Err(flying) => {
                let differs = compare(&flying.arguments, names).map_err(|refusal| refusal.about(&flying.call))?;
                let call = flying.call.clone();
                match tokio::time::timeout_at(deadline, flying.landed()).await {
                    Ok(Some(landed)) => {
                        return Err(match &*landed {
                            Landed::Answered { body, call } => {
                                let replay = Replay { body: body.clone(), first_call: call.clone(), differs };
                                Stop::Replayed(Box::new(replay))
                            }
                            // Nobody is asked either: what the body has not done yet, it may still do.
                            Landed::Late => in_doubt(call).into(),
                        });
                    }
                    // It was stopped before its effect, so nothing is known of the intent: this call's turn.
                    Ok(None) => {}
                    Err(_) => return Err(in_progress(call).into()),
                }
            }
        }
    };
    let mut awaiting = None;
    for key in keys {
        let Some(action) = lookup(flow, &key).await? else { continue };
        known_action(flow, &action).await?;
        if matches!(action.state, State::AwaitingApproval(_)) {
            awaiting = Some(action);
        }
    }
    // Also across the end of a bucket of time: it is the approval of this very intent.
    if let (Some(names), Some(action)) = (&mut flow.names, &awaiting) {
        names.key = action.key;
    }
    Ok(Passed { lead, awaiting })
}

async fn lookup(flow: &Flow, key: &Hash) -> Result<Option<Action>, Refusal> {
    flow.pipeline.ledger.lookup(key).await.map_err(|error| {
        tracing::error!(call = flow.id, error = error.to_string(), "the ledger cannot be read");
        unavailable("dedupe")
    })
}

async fn ended(flow: &Flow, action: &Action) -> Result<bool, Refusal> {
    flow.pipeline.ledger.ended(action).await.map_err(|error| {
        tracing::error!(call = flow.id, error = error.to_string(), "the ledger cannot be read");
        unavailable("dedupe")
    })
}

/// What a known action means for this call; `Ok` when it may go on all the same.
pub(super) async fn known_action(flow: &Flow, action: &Action) -> Result<(), Stop> {
    let Some(names) = &flow.names else { return Err(unavailable("dedupe").into()) };
    let natural = matches!(flow.tool().key, Key::Natural(_));
    let differs = compare(&action.arguments, names).map_err(|refusal| refusal.about(&action.call))?;
    match action.state {
        State::AwaitingApproval(_) => Ok(()),
        State::Started { .. } => Err(in_progress(action.call.clone()).into()),
        State::Completed if natural => Ok(()),
        // What another server's body has not done yet it may still do: nobody is asked, and nothing runs beside it.
        State::InDoubt if !ended(flow, action).await? => Err(in_doubt(action.call.clone()).into()),
        // Where somebody must agree to another run, the doubt is for them too.
        State::InDoubt if natural && matches!(flow.tool().approve, Approve::None(_)) => Ok(()),
        State::InDoubt => match reconcile::pass(flow, action, true).await {
            Reconciled::Applied(body) => Err(replay(body, action, differs)),
            Reconciled::NotApplied => Ok(()),
            Reconciled::Unknown => Err(in_doubt(action.call.clone()).into()),
        },
        State::Completed => {
            let body = flow.pipeline.ledger.payload(action).await.map(Body::from_stored);
            match body {
                Ok(Some(body)) => Err(replay(body, action, differs)),
                Ok(None) | Err(_) => {
                    tracing::error!(call = flow.id, first_call = action.call, "a stored answer cannot be read");
                    Err(Refusal::new(
                        "dedupe",
                        Kind::Unavailable,
                        "it was done before, but the stored answer cannot be read; nothing ran again",
                    )
                    .code("ledger_unavailable")
                    .effect(EffectKnown::Applied)
                    .about(&action.call)
                    .into())
                }
            }
        }
    }
}

fn replay(body: Body, action: &Action, differs: Vec<String>) -> Stop {
    Stop::Replayed(Box::new(Replay { body, first_call: action.call.clone(), differs }))
}

/// The free-text arguments that differ from the first call's.
///
/// # Errors
/// `conflict` when any other argument differs.
fn compare(first: &[ArgumentDigest], names: &Names) -> Result<Vec<String>, Refusal> {
    let mut reworded = Vec::new();
    let mut violations = Vec::new();
    for now in &names.arguments {
        match first.iter().find(|digest| digest.name == now.name) {
            Some(then) if then.full == now.full => {}
            Some(then) if then.exact == now.exact => reworded.push(now.name.clone()),
            _ => violations.push(Violation {
                path: format!("/{}", now.name),
                rule: "differs",
                expected: Cow::Borrowed("the value that the first call of this key had"),
                example: None,
            }),
        }
    }
    if violations.is_empty() {
        return Ok(reworded);
    }
    Err(Refusal::new(
        "dedupe",
        Kind::Conflict,
        "an earlier call asked for the same thing with other arguments; nothing ran",
    )
    .suggest("repeat the first call's arguments, or ask for something else")
    .violations(violations))
}

pub(super) fn in_progress(first_call: String) -> Refusal {
    Refusal::new("dedupe", Kind::InProgress, "the same action is running; it was not started again")
        .suggest("call again with the same arguments to get its answer")
        .retry_after_ms(1_000)
        .effect(EffectKnown::Unknown)
        .about(first_call)
}

fn in_doubt(first_call: String) -> Refusal {
    Refusal::new(
        "dedupe",
        Kind::InDoubt,
        "this was started before and whether it happened is not known; it was not run again",
    )
    .suggest("look at the target with a read tool, or ask an operator to resolve the doubt; in doubt is not failed")
    .effect(EffectKnown::Unknown)
    .about(first_call)
}
