//! Gate 8: the intent is durable before anything runs.

use super::dedupe::{in_progress, known_action};
use super::flow::{Flow, Stop};
use super::lease;
use super::refusal::Refusal;
use super::undo;
use crate::error::Kind;
use crate::ledger::{Claim, Claimed, LedgerError};
use crate::tool::Key;

/// Claims the action, with the approval of that version where one is used up; the answer is the version to settle.
pub(super) async fn pass(flow: &mut Flow, approved: Option<u64>) -> Result<u64, Stop> {
    flow.undo = undo::of_arguments(flow);
    let claim = Claim { approved, ..claim(flow)? };
    match flow.pipeline.ledger.claim(claim).await {
        Ok(Claimed::Won { version }) => Ok(version),
        // Another server was faster; the loser gets the answer that gate 5 would have given.
        Ok(Claimed::Exists(action)) => match known_action(flow, &action).await {
            Err(stop) => Err(stop),
            // It ended, or its approval did, since gate 5 looked.
            Ok(()) => Err(in_progress(action.call).into()),
        },
        // Another call used up the approval: this one has to ask again.
        Err(LedgerError::Superseded) => {
            let used = "the approval was used up by another call; nothing ran for this one";
            let refusal = Refusal::new("intent", Kind::Transient, used).code("approval_used");
            Err(refusal.suggest("call again: it is answered, or asked for anew").into())
        }
        Err(error) => {
            tracing::error!(
                call = flow.id,
                tool = flow.tool().name,
                error = error.to_string(),
                "the intent was not recorded"
            );
            Err(unavailable("intent").into())
        }
    }
}

/// What the call wants to start.
pub(super) fn claim(flow: &Flow) -> Result<Claim, Refusal> {
    let Some(names) = &flow.names else { return Err(unavailable("intent")) };
    Ok(Claim {
        entry: flow.entry(),
        key: names.key,
        digest: names.digest,
        arguments: names.arguments.clone(),
        natural: matches!(flow.tool().key, Key::Natural(_)),
        undo: flow.undo.as_ref().and_then(|undo| undo.key),
        approved: None,
        lives: lease::length(flow.tool()),
    })
}

/// A read leaves no intent, but no call is answered that cannot be recorded.
pub(super) fn ledger_takes_records(flow: &Flow) -> Result<(), Refusal> {
    flow.pipeline.ledger.health().map_err(|error| {
        tracing::error!(
            call = flow.id,
            tool = flow.tool().name,
            error = error.to_string(),
            "the ledger takes no records"
        );
        unavailable("intent")
    })
}

pub(super) fn unavailable(gate: &'static str) -> Refusal {
    Refusal::new(gate, Kind::Unavailable, "the server cannot record what it does for now, so it does nothing")
        .code("ledger_unavailable")
        .suggest("tell an operator; calling again helps once the ledger is back")
}
