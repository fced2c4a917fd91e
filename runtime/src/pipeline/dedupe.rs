//! Gate 5: is the action known already? Then its answer is given again, and nothing runs.

use super::flight::Lead;
use super::flow::{Flow, Replay, Stop};
use super::intent::unavailable;
use super::refusal::Refusal;
use crate::action::Names;
use crate::envelope::Body;
use crate::error::{EffectKnown, Kind};
use crate::input::Violation;
use crate::ledger::{Action, ArgumentDigest, State};
use crate::tool::Key;
use std::borrow::Cow;

pub(super) async fn pass(flow: &Flow) -> Result<Lead, Stop> {
    let Some(names) = &flow.names else { return Err(unavailable("dedupe").into()) };
    let deadline = tokio::time::Instant::now() + flow.tool().timeout;
    loop {
        let lead = match flow.pipeline.flights.board(names.flight, &flow.id, &names.arguments) {
            Ok(lead) => lead,
            Err(flying) => {
                let differs = compare(&flying.arguments, names).map_err(|refusal| refusal.about(&flying.call))?;
                let call = flying.call.clone();
                match tokio::time::timeout_at(deadline, flying.landed()).await {
                    Ok(Some(landed)) => {
                        let replay = Replay { body: landed.body.clone(), first_call: landed.call.clone(), differs };
                        return Err(Stop::Replayed(Box::new(replay)));
                    }
                    // It was stopped before its effect, so nothing is known of the intent: this call's turn.
                    Ok(None) => continue,
                    Err(_) => return Err(in_progress(call).into()),
                }
            }
        };
        for key in names.before.iter().chain([&names.key]) {
            let known = flow.pipeline.ledger.lookup(key).map_err(|error| {
                tracing::error!(call = flow.id, %error, "the ledger cannot be read");
                unavailable("dedupe")
            })?;
            if let Some(action) = known {
                known_action(flow, names, &action)?;
            }
        }
        return Ok(lead);
    }
}

/// What a known action means for this call; `Ok` when it may run all the same.
pub(super) fn known_action(flow: &Flow, names: &Names, action: &Action) -> Result<(), Stop> {
    let natural = matches!(flow.tool().key, Key::Natural(_));
    let differs = compare(&action.arguments, names).map_err(|refusal| refusal.about(&action.call))?;
    match action.state {
        State::Started { .. } => Err(in_progress(action.call.clone()).into()),
        State::Completed | State::InDoubt if natural => Ok(()),
        State::InDoubt => Err(in_doubt(action.call.clone()).into()),
        State::Completed => {
            let body = flow.pipeline.ledger.payload(action).map(Body::from_stored);
            match body {
                Ok(Some(body)) => {
                    Err(Stop::Replayed(Box::new(Replay { body, first_call: action.call.clone(), differs })))
                }
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

fn in_progress(first_call: String) -> Refusal {
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
