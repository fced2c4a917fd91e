//! Gate 8: the intent is durable before anything runs.

use super::dedupe::{self, Awaiting, in_progress};
use super::flow::{Flow, Stop};
use super::lease;
use super::refusal::Refusal;
use crate::error::Kind;
use crate::ledger::{Claim, Claimed, Hash, LedgerError, Version};
use crate::tool::{Approve, Key};

/// A claim that this call has won: it runs the action.
pub(super) struct Won {
    /// The version to settle.
    pub(super) version: Version,
    /// The name of the effect for the backend.
    pub(super) effect_key: Hash,
}

/// Claims the action; `approved` is the version whose approval the claim uses up.
pub(super) async fn pass(flow: &Flow, approved: Option<Version>) -> Result<Won, Stop> {
    let claim = Claim { approved, ..claim(flow)? };
    match flow.pipeline.ledger.claim(claim).await {
        Ok(Claimed::Won { version, effect_key }) => Ok(Won { version, effect_key }),
        // Another call claimed it after gate 5 had looked; this one gets the answer that gate 5 would give now.
        Ok(Claimed::Known(standing)) => Err(match dedupe::known(flow, standing).await {
            Err(stop) => stop,
            Ok(Some(Awaiting { action, .. })) => in_progress(action.call).into(),
            Ok(None) => {
                let ended = "another call ended just now without an effect; nothing ran for this one";
                Refusal::new("intent", Kind::Transient, ended).code("raced").suggest("call again").into()
            }
        }),
        // Another call used up the approval: this one has to ask again.
        Err(LedgerError::Superseded) => {
            let used = "the approval was used up by another call; nothing ran for this one";
            let refusal = Refusal::new("intent", Kind::Transient, used).code("approval_used");
            Err(refusal.suggest("call again: you get the answer, or a new approval is asked for").into())
        }
        Err(error) => {
            let (tool, error) = (flow.tool().name, error.to_string());
            tracing::error!(call = flow.id, tool, error, "the intent was not recorded");
            Err(unavailable("intent").into())
        }
    }
}

/// The claim of this call, without an approval.
pub(super) fn claim(flow: &Flow) -> Result<Claim, Refusal> {
    let Some(names) = &flow.names else { return Err(unavailable("intent")) };
    let tool = flow.tool();
    Ok(Claim {
        entry: flow.entry(),
        key: names.key,
        digest: names.digest,
        arguments: names.arguments.clone(),
        subjects: names.subjects.clone(),
        natural: matches!(tool.key, Key::Natural(_)),
        needs_approval: !matches!(tool.approve, Approve::None(_)),
        again_after: flow.again_after.clone(),
        every: match tool.key {
            Key::Parts { every, .. } => every,
            Key::None | Key::Client | Key::Natural(_) => None,
        },
        approved: None,
        lives: lease::length(tool),
    })
}

/// Refuses a read while the ledger takes no records: a read has no intent, but it is recorded before it is answered.
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
    Refusal::new(gate, Kind::Unavailable, "the server cannot record calls at the moment, so it runs none")
        .code("ledger_unavailable")
        .suggest("tell an operator; calling again helps once the ledger works again")
}
