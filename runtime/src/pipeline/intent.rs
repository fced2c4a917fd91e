//! Gate 8: the intent is durable before anything runs.

use super::dedupe::known_action;
use super::flow::{Flow, Stop};
use super::refusal::Refusal;
use crate::error::Kind;
use crate::ledger::{Claim, Claimed};
use crate::tool::Key;

/// Claims the action; the answer is the version to settle.
pub(super) async fn pass(flow: &Flow) -> Result<u64, Stop> {
    let Some(names) = &flow.names else { return Err(unavailable("intent").into()) };
    let claim = Claim {
        entry: flow.entry(),
        key: names.key,
        digest: names.digest,
        arguments: names.arguments.clone(),
        natural: matches!(flow.tool().key, Key::Natural(_)),
    };
    match flow.pipeline.ledger.claim(claim).await {
        Ok(Claimed::Won { version }) => Ok(version),
        // Another server was faster; the loser gets the answer that gate 5 would have given.
        Ok(Claimed::Exists(action)) => match known_action(flow, names, &action) {
            Err(stop) => Err(stop),
            Ok(()) => Err(unavailable("intent").into()),
        },
        Err(error) => {
            tracing::error!(call = flow.id, tool = flow.tool().name, %error, "the intent was not recorded");
            Err(unavailable("intent").into())
        }
    }
}

/// A read leaves no intent, but no call is answered that cannot be recorded.
pub(super) fn ledger_takes_records(flow: &Flow) -> Result<(), Refusal> {
    flow.pipeline.ledger.health().map_err(|error| {
        tracing::error!(call = flow.id, tool = flow.tool().name, %error, "the ledger takes no records");
        unavailable("intent")
    })
}

pub(super) fn unavailable(gate: &'static str) -> Refusal {
    Refusal::new(gate, Kind::Unavailable, "the server cannot record what it does for now, so it does nothing")
        .code("ledger_unavailable")
        .suggest("tell an operator; calling again helps once the ledger is back")
}
